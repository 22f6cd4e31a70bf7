// SPDX-License-Identifier: Apache-2.0
/* job.c - the state of a job and how events fold into it; job_step.c has the decisions. */
#include "jobmgr/core/job.h"

#include "libxos/base/alloc.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct xos_state_row unit_table[JOB_UNIT_STATE_COUNT] = {
    [JOB_UNIT_QUEUED] = {"queued",
                         XOS_STATE(JOB_UNIT_CLAIMING) | XOS_STATE(JOB_UNIT_ASSIGNED) |
                             XOS_STATE(JOB_UNIT_DONE),
                         XOS_STATE_INITIAL},
    [JOB_UNIT_CLAIMING] = {"queued",
                           XOS_STATE(JOB_UNIT_QUEUED) | XOS_STATE(JOB_UNIT_ASSIGNED) |
                               XOS_STATE(JOB_UNIT_DONE),
                           0},
    [JOB_UNIT_ASSIGNED] = {"starting",
                           XOS_STATE(JOB_UNIT_RUNNING) | XOS_STATE(JOB_UNIT_QUEUED) |
                               XOS_STATE(JOB_UNIT_DONE),
                           0},
    [JOB_UNIT_RUNNING] = {"running",
                          XOS_STATE(JOB_UNIT_SUSPENDED) | XOS_STATE(JOB_UNIT_QUEUED) |
                              XOS_STATE(JOB_UNIT_DONE),
                          0},
    [JOB_UNIT_SUSPENDED] = {"suspended",
                            XOS_STATE(JOB_UNIT_RUNNING) | XOS_STATE(JOB_UNIT_QUEUED) |
                                XOS_STATE(JOB_UNIT_DONE),
                            0},
    [JOB_UNIT_DONE] = {"done", 0, XOS_STATE_FINAL},
};

static bool unit_holds(const void *subject)
{
    const struct job_unit *u = subject;
    bool placed = u->states.now >= JOB_UNIT_CLAIMING && u->states.now <= JOB_UNIT_SUSPENDED;
    return !placed || (u->node[0] != '\0' && u->epoch != 0);
}

void job_free(struct job *j)
{
    if (!j)
        return;
    xos_free(j->units);
    xos_free(j);
}

int job_new(struct job **out, const char *id, const struct job_shape *shape, struct xos_error *err)
{
    if (shape->units == 0 || shape->units > JOB_UNITS_MAX)
        return xos_fail(err, XOS_LIMIT, "a job of %u units: 1 to %d are possible", shape->units,
                        JOB_UNITS_MAX);
    struct job *j = xos_alloc(sizeof(*j));
    if (j)
        j->units = xos_alloc_array(shape->units, sizeof(*j->units));
    if (!j || !j->units) {
        job_free(j);
        return xos_fail(err, XOS_NOMEM, "job %s", id);
    }
    (void)snprintf(j->id, sizeof(j->id), "%s", id);
    j->shape = *shape;
    for (uint32_t i = 0; i < shape->units; i++)
        xos_states_init(&j->units[i].states, "unit", unit_table, JOB_UNIT_STATE_COUNT,
                        JOB_UNIT_QUEUED, unit_holds);
    *out = j;
    return 0;
}

void job_actions_free(struct job_actions *a)
{
    xos_free(a->list);
    *a = (struct job_actions){0};
}

const char *job_unit_state_name(const struct job_unit *u)
{
    if (u->killing && u->states.now != JOB_UNIT_DONE && u->states.now >= JOB_UNIT_ASSIGNED)
        return "ending";
    return xos_states_name(&u->states);
}

const char *const job_state_names[JOB_STATE_NAMES] = {"running", "starting", "suspended", "ending",
                                                      "queued"};

/* The job is where the unit is that has come furthest without being done. */
const char *job_state_name(const struct job *j)
{
    if (j->done)
        return "done";
    for (size_t k = 0; k < JOB_STATE_NAMES; k++)
        for (uint32_t i = 0; i < j->shape.units; i++)
            if (strcmp(job_unit_state_name(&j->units[i]), job_state_names[k]) == 0)
                return job_state_names[k];
    return "ending";
}

/* Folding events */

static void keep(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from);
}

typedef void (*apply_f)(struct job *j, struct job_unit *u, const struct job_event *ev);

static void on_submitted(struct job *j, struct job_unit *u, const struct job_event *ev)
{
    (void)u;
    keep(j->user, sizeof(j->user), ev->user);
    keep(j->vo, sizeof(j->vo), ev->vo);
    j->submitted_ms = ev->at_ms;
}

static void on_waiting(struct job *j, struct job_unit *u, const struct job_event *ev)
{
    (void)u;
    keep(j->reason, sizeof(j->reason), ev->reason);
}

static void on_assigned(struct job *j, struct job_unit *u, const struct job_event *ev)
{
    keep(u->node, sizeof(u->node), ev->node);
    u->epoch = ev->epoch;
    u->granted = false;
    if (j->epoch < ev->epoch)
        j->epoch = ev->epoch;
    j->reason[0] = '\0';
    xos_states_move(&u->states, JOB_UNIT_ASSIGNED, u);
}

static void on_started(struct job *j, struct job_unit *u, const struct job_event *ev)
{
    if (j->started_ms == 0)
        j->started_ms = ev->at_ms;
    xos_states_move(&u->states, JOB_UNIT_RUNNING, u);
}

static void on_suspended(struct job *j, struct job_unit *u, const struct job_event *ev)
{
    (void)j;
    (void)ev;
    xos_states_move(&u->states, JOB_UNIT_SUSPENDED, u);
}

static void on_resumed(struct job *j, struct job_unit *u, const struct job_event *ev)
{
    (void)j;
    (void)ev;
    xos_states_move(&u->states, JOB_UNIT_RUNNING, u);
}

static void on_signalled(struct job *j, struct job_unit *u, const struct job_event *ev)
{
    for (uint32_t i = 0; i < j->shape.units; i++)
        if (!u || u == &j->units[i])
            j->units[i].killing = ev->signal;
}

/* A unit that was over at once has no STARTED. */
static void on_ended(struct job *j, struct job_unit *u, const struct job_event *ev)
{
    u->exit = ev->exit;
    if (j->started_ms == 0)
        j->started_ms = ev->exit.started_ms;
    keep(u->reason, sizeof(u->reason), ev->reason[0] ? ev->reason : unit_end_name(ev->exit.how));
    xos_states_move(&u->states, JOB_UNIT_DONE, u);
}

static void on_lost(struct job *j, struct job_unit *u, const struct job_event *ev)
{
    keep(j->reason, sizeof(j->reason), ev->reason);
    u->node[0] = '\0';
    xos_states_move(&u->states, JOB_UNIT_QUEUED, u);
}

static void on_done(struct job *j, struct job_unit *u, const struct job_event *ev)
{
    (void)u;
    j->done = true;
    j->status = ev->exit.value;
    j->ended_ms = ev->at_ms;
    keep(j->reason, sizeof(j->reason), ev->reason);
}

struct apply_row {
    apply_f apply;
    bool of_unit;  /* names one unit */
    uint32_t from; /* states of the unit that it may follow */
};

#define ALIVE                                                                                      \
    (XOS_STATE(JOB_UNIT_ASSIGNED) | XOS_STATE(JOB_UNIT_RUNNING) | XOS_STATE(JOB_UNIT_SUSPENDED))

static const struct apply_row apply_table[] = {
    [JOB_EVENT_SUBMITTED] = {on_submitted, false, 0},
    [JOB_EVENT_WAITING] = {on_waiting, false, 0},
    [JOB_EVENT_ASSIGNED] = {on_assigned, true,
                            XOS_STATE(JOB_UNIT_QUEUED) | XOS_STATE(JOB_UNIT_CLAIMING)},
    [JOB_EVENT_STARTED] = {on_started, true, XOS_STATE(JOB_UNIT_ASSIGNED)},
    [JOB_EVENT_SUSPENDED] = {on_suspended, true, XOS_STATE(JOB_UNIT_RUNNING)},
    [JOB_EVENT_RESUMED] = {on_resumed, true, XOS_STATE(JOB_UNIT_SUSPENDED)},
    [JOB_EVENT_SIGNALLED] = {on_signalled, false, 0},
    [JOB_EVENT_ENDED] = {on_ended, true,
                         ALIVE | XOS_STATE(JOB_UNIT_QUEUED) | XOS_STATE(JOB_UNIT_CLAIMING)},
    [JOB_EVENT_LOST] = {on_lost, true, ALIVE},
    [JOB_EVENT_DONE] = {on_done, false, 0},
};

int job_apply(struct job *j, const struct job_event *ev, struct xos_error *err)
{
    if (ev->kind == JOB_EVENT_NONE || ev->kind > JOB_EVENT_DONE)
        return xos_fail(err, XOS_CORRUPT, "job %s: event of unknown kind", j->id);
    const struct apply_row *row = &apply_table[ev->kind];
    if (ev->sequence != j->sequence + 1 || j->done ||
        (ev->sequence == 1) != (ev->kind == JOB_EVENT_SUBMITTED))
        return xos_fail(err, XOS_CORRUPT, "job %s: event %" PRIu64 " (%s) cannot follow %" PRIu64,
                        j->id, ev->sequence, job_event_name(ev->kind), j->sequence);
    struct job_unit *u = NULL;
    if (row->of_unit || ev->unit != JOB_ALL_UNITS) {
        if (ev->unit >= j->shape.units)
            return xos_fail(err, XOS_CORRUPT, "job %s has no unit %u", j->id, ev->unit);
        u = &j->units[ev->unit];
    }
    if (row->of_unit && !(row->from & XOS_STATE(u->states.now)))
        return xos_fail(err, XOS_CORRUPT, "job %s: unit %u cannot be %s from %s", j->id, ev->unit,
                        job_event_name(ev->kind), job_unit_state_name(u));
    if (ev->kind == JOB_EVENT_ASSIGNED && (!ev->node[0] || ev->epoch == 0))
        return xos_fail(err, XOS_CORRUPT, "job %s: unit %u assigned to nothing", j->id, ev->unit);
    j->sequence = ev->sequence;
    row->apply(j, u, ev);
    return 0;
}
