// SPDX-License-Identifier: Apache-2.0
/* job_step.c - the decisions of job.h: what an input makes a job do. */
#include "jobmgr/core/job.h"

#include "libxos/base/alloc.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Room is made before anything changes, so that no step can stop half way. */
static int reserve(struct job_actions *a, size_t more, struct xos_error *err)
{
    if (a->count + more <= a->cap)
        return 0;
    size_t cap = a->count + more;
    struct job_action *list = xos_realloc_array(a->list, cap, sizeof(*list));
    if (!list)
        return xos_fail(err, XOS_NOMEM, "%zu actions", cap);
    a->list = list;
    a->cap = cap;
    return 0;
}

static struct job_action *push(struct job_actions *a, enum job_action_kind kind)
{
    assert(a->count < a->cap);
    struct job_action *x = &a->list[a->count++];
    memset(x, 0, sizeof(*x));
    x->kind = kind;
    return x;
}

static void push_unit(struct job_actions *a, enum job_action_kind kind, uint32_t unit,
                      const char *node, uint64_t epoch)
{
    struct job_action *x = push(a, kind);
    x->unit = unit;
    x->epoch = epoch;
    (void)snprintf(x->node, sizeof(x->node), "%s", node);
}

/* Append the event to the log and fold it. It was made to fit, so a refusal is our defect. */
static void journal(struct job *j, struct job_actions *a, struct job_event *ev, int64_t now_ms)
{
    struct xos_error err;
    ev->sequence = j->sequence + 1;
    ev->at_ms = now_ms;
    push(a, JOB_DO_JOURNAL)->event = *ev;
    int rc = job_apply(j, ev, &err);
    assert(rc == 0);
}

static struct job_event event_of(enum job_event_kind kind, uint32_t unit, const char *reason)
{
    struct job_event ev;
    memset(&ev, 0, sizeof(ev));
    ev.kind = kind;
    ev.unit = unit;
    (void)snprintf(ev.reason, sizeof(ev.reason), "%s", reason ? reason : "");
    return ev;
}

static void signal_unit(struct job_actions *a, const struct job_unit *u, uint32_t unit,
                        int32_t signal, uint64_t grace_ms)
{
    push_unit(a, JOB_DO_SIGNAL, unit, u->node, u->epoch);
    a->list[a->count - 1].signal = signal;
    a->list[a->count - 1].grace_ms = grace_ms;
}

static bool unit_alive(const struct job_unit *u)
{
    return u->states.now == JOB_UNIT_ASSIGNED || u->states.now == JOB_UNIT_RUNNING ||
           u->states.now == JOB_UNIT_SUSPENDED;
}

static bool unit_unplaced(const struct job_unit *u)
{
    return u->states.now == JOB_UNIT_QUEUED || u->states.now == JOB_UNIT_CLAIMING;
}

/* When the last unit is done so is the job; its status is the highest of its units'. */
static void finish(struct job *j, struct job_actions *a, int64_t now_ms)
{
    int status = 0;
    const char *reason = "";
    for (uint32_t i = 0; i < j->shape.units; i++) {
        if (j->units[i].states.now != JOB_UNIT_DONE)
            return;
        int s = unit_exit_status(&j->units[i].exit);
        if (s > status || !*reason)
            reason = j->units[i].reason;
        if (s > status)
            status = s;
    }
    struct job_event ev = event_of(JOB_EVENT_DONE, JOB_ALL_UNITS, reason);
    ev.exit.how = UNIT_END_EXITED;
    ev.exit.value = status;
    journal(j, a, &ev, now_ms);
}

static void end_unit(struct job *j, struct job_actions *a, uint32_t unit,
                     const struct unit_exit *exit, const char *reason, int64_t now_ms)
{
    struct job_event ev = event_of(JOB_EVENT_ENDED, unit, reason);
    (void)snprintf(ev.node, sizeof(ev.node), "%s", j->units[unit].node);
    ev.epoch = j->units[unit].epoch;
    ev.exit = *exit;
    journal(j, a, &ev, now_ms);
}

/* Rounds of claims */

static void place(struct job *j, struct job_actions *a)
{
    j->placing = true;
    push(a, JOB_DO_PLACE);
}

/* Leave a node out of this round. */
static void exclude(struct job *j, const char *node)
{
    for (unsigned i = 0; i < j->excluded_count; i++)
        if (strcmp(j->excluded[i], node) == 0)
            return;
    if (j->excluded_count < JOB_EXCLUDED_MAX)
        (void)snprintf(j->excluded[j->excluded_count++], JOB_NAME_MAX, "%s", node);
}

static void round_begin(struct job *j, struct job_actions *a)
{
    j->tries = 0;
    j->excluded_count = 0;
    place(j, a);
}

static bool any_unplaced(const struct job *j)
{
    for (uint32_t i = 0; i < j->shape.units; i++)
        if (unit_unplaced(&j->units[i]))
            return true;
    return false;
}

static bool any_claiming(const struct job *j)
{
    for (uint32_t i = 0; i < j->shape.units; i++)
        if (j->units[i].states.now == JOB_UNIT_CLAIMING)
            return true;
    return false;
}

/* One round at a time: a unit that is queued while one is under way waits for its end, so that all
 * claims that are out are of one epoch. */
static void round_want(struct job *j, struct job_actions *a)
{
    if (!j->done && !j->placing && !any_claiming(j) && any_unplaced(j))
        round_begin(j, a);
}

/* Give back what this round was granted, and what may still be. */
static void round_undo(struct job *j, struct job_actions *a)
{
    for (uint32_t i = 0; i < j->shape.units; i++) {
        struct job_unit *u = &j->units[i];
        if (u->states.now != JOB_UNIT_CLAIMING)
            continue;
        push_unit(a, JOB_DO_RELEASE, i, u->node, u->epoch);
        u->granted = false;
        xos_states_move(&u->states, JOB_UNIT_QUEUED, u);
    }
}

/* The reason is compared as far as it is kept, or a long one would be news at every try. */
static void wait_for_room(struct job *j, struct job_actions *a, const char *reason, int64_t now_ms)
{
    if (strncmp(j->reason, reason, JOB_REASON_MAX - 1) != 0) {
        struct job_event ev = event_of(JOB_EVENT_WAITING, JOB_ALL_UNITS, reason);
        journal(j, a, &ev, now_ms);
    }
    push(a, JOB_DO_RETRY);
}

/* No unit was started yet, and none ever will be. */
static void give_up(struct job *j, struct job_actions *a, const char *reason, int64_t now_ms)
{
    struct unit_exit never = {.how = UNIT_END_NODE_LOST, .ended_ms = now_ms};
    for (uint32_t i = 0; i < j->shape.units; i++)
        if (unit_unplaced(&j->units[i])) {
            j->units[i].node[0] = '\0'; /* one that was asked and refused is not where it was */
            end_unit(j, a, i, &never, reason, now_ms);
        }
    finish(j, a, now_ms);
}

static int in_submit(struct job *j, const struct job_input *in, struct job_actions *a,
                     struct xos_error *err)
{
    if (j->sequence != 0)
        return xos_fail(err, XOS_EXISTS, "job %s was submitted before", j->id);
    struct job_event ev = event_of(JOB_EVENT_SUBMITTED, JOB_ALL_UNITS, NULL);
    (void)snprintf(ev.user, sizeof(ev.user), "%s", in->user);
    (void)snprintf(ev.vo, sizeof(ev.vo), "%s", in->vo ? in->vo : "");
    ev.spec = in->spec;
    ev.grant = in->grant;
    ev.operation_id = in->operation_id;
    journal(j, a, &ev, in->now_ms);
    round_begin(j, a);
    return 0;
}

static bool claim_sent_to(const struct job *j, const char *node, uint32_t before)
{
    for (uint32_t i = 0; i < before; i++)
        if (j->units[i].states.now == JOB_UNIT_CLAIMING && strcmp(j->units[i].node, node) == 0)
            return true;
    return false;
}

static int in_placed(struct job *j, const struct job_input *in, struct job_actions *a,
                     struct xos_error *err)
{
    (void)err;
    if (!j->placing)
        return 0;
    j->placing = false;
    j->epoch++;
    for (uint32_t i = 0; i < j->shape.units; i++) {
        struct job_unit *u = &j->units[i];
        /* One that was queued after PLACE went out has no node yet: the next round takes it. */
        if (u->states.now != JOB_UNIT_QUEUED || in->nodes[i][0] == '\0')
            continue;
        bool sent = claim_sent_to(j, in->nodes[i], i);
        memcpy(u->node, in->nodes[i], sizeof(u->node));
        u->epoch = j->epoch;
        u->granted = false;
        xos_states_move(&u->states, JOB_UNIT_CLAIMING, u);
        if (!sent)
            push_unit(a, JOB_DO_CLAIM, i, u->node, u->epoch);
    }
    round_want(j, a); /* the units that it was for may all have ended meanwhile */
    return 0;
}

static int in_unplaced(struct job *j, const struct job_input *in, struct job_actions *a,
                       struct xos_error *err)
{
    (void)err;
    if (!j->placing)
        return 0;
    j->placing = false;
    if (!any_unplaced(j))
        return 0; /* the units that it was for have ended meanwhile */
    if (in->never || j->shape.no_wait)
        give_up(j, a, in->reason, in->now_ms);
    else
        wait_for_room(j, a, in->reason, in->now_ms);
    return 0;
}

static void round_commit(struct job *j, struct job_actions *a, int64_t now_ms)
{
    uint64_t epoch = 0; /* of the round: each of its units has it */
    for (uint32_t i = 0; i < j->shape.units; i++) {
        struct job_unit *u = &j->units[i];
        if (u->states.now != JOB_UNIT_CLAIMING)
            continue;
        struct job_event ev = event_of(JOB_EVENT_ASSIGNED, i, NULL);
        memcpy(ev.node, u->node, sizeof(ev.node));
        ev.epoch = epoch = u->epoch;
        journal(j, a, &ev, now_ms);
    }
    for (uint32_t i = 0; i < j->shape.units; i++)
        if (j->units[i].states.now == JOB_UNIT_ASSIGNED && j->units[i].epoch == epoch)
            push_unit(a, JOB_DO_START, i, j->units[i].node, epoch);
    round_want(j, a);
}

static int in_claimed(struct job *j, const struct job_input *in, struct job_actions *a,
                      struct xos_error *err)
{
    (void)err;
    bool mine = false, all = true;
    for (uint32_t i = 0; i < j->shape.units; i++) {
        struct job_unit *u = &j->units[i];
        if (u->states.now != JOB_UNIT_CLAIMING)
            continue;
        if (u->epoch == in->epoch && strcmp(u->node, in->node) == 0) {
            u->granted = true;
            mine = true;
        }
        all = all && u->granted;
    }
    /* Granted too late: the round was undone, and with it went a release. */
    if (mine && all)
        round_commit(j, a, in->now_ms);
    return 0;
}

static int in_refused(struct job *j, const struct job_input *in, struct job_actions *a,
                      struct xos_error *err)
{
    (void)err;
    bool mine = false;
    for (uint32_t i = 0; i < j->shape.units; i++)
        mine = mine || (j->units[i].states.now == JOB_UNIT_CLAIMING &&
                        j->units[i].epoch == in->epoch && strcmp(j->units[i].node, in->node) == 0);
    if (!mine)
        return 0;
    round_undo(j, a);
    exclude(j, in->node);
    if (++j->tries < JOB_TRIES_MAX)
        place(j, a);
    else if (j->shape.no_wait)
        give_up(j, a, in->reason, in->now_ms);
    else
        wait_for_room(j, a, in->reason, in->now_ms);
    return 0;
}

static int in_retry(struct job *j, const struct job_input *in, struct job_actions *a,
                    struct xos_error *err)
{
    (void)in;
    (void)err;
    round_want(j, a);
    return 0;
}

/* What workers report */

/* The unit, when the report comes from where it is assigned; else NULL. */
static struct job_unit *reported(struct job *j, const struct job_input *in)
{
    if (in->unit >= j->shape.units)
        return NULL;
    struct job_unit *u = &j->units[in->unit];
    return u->epoch == in->epoch && strcmp(u->node, in->node) == 0 ? u : NULL;
}

/* STARTED, SUSPENDED and RESUMED: noted when they are news. */
static int in_moved(struct job *j, const struct job_input *in, struct job_actions *a,
                    enum job_event_kind kind, unsigned from)
{
    struct job_unit *u = reported(j, in);
    if (!u || u->states.now != from)
        return 0;
    struct job_event ev = event_of(kind, in->unit, in->reason);
    memcpy(ev.node, u->node, sizeof(ev.node));
    ev.epoch = u->epoch;
    journal(j, a, &ev, in->now_ms);
    return 0;
}

static int in_started(struct job *j, const struct job_input *in, struct job_actions *a,
                      struct xos_error *err)
{
    (void)err;
    return in_moved(j, in, a, JOB_EVENT_STARTED, JOB_UNIT_ASSIGNED);
}

static int in_suspended(struct job *j, const struct job_input *in, struct job_actions *a,
                        struct xos_error *err)
{
    (void)err;
    return in_moved(j, in, a, JOB_EVENT_SUSPENDED, JOB_UNIT_RUNNING);
}

static int in_resumed(struct job *j, const struct job_input *in, struct job_actions *a,
                      struct xos_error *err)
{
    (void)err;
    return in_moved(j, in, a, JOB_EVENT_RESUMED, JOB_UNIT_SUSPENDED);
}

static void stop_the_others(struct job *j, struct job_actions *a, uint32_t failed, int64_t now_ms)
{
    struct job_event ev = event_of(JOB_EVENT_SIGNALLED, JOB_ALL_UNITS, "fail-fast");
    struct unit_exit killed = {.how = UNIT_END_KILLED, .value = 128 + 15, .ended_ms = now_ms};
    ev.signal = 15;
    round_undo(j, a);
    journal(j, a, &ev, now_ms);
    for (uint32_t i = 0; i < j->shape.units; i++) {
        if (i != failed && unit_alive(&j->units[i]))
            signal_unit(a, &j->units[i], i, 15, j->shape.grace_ms);
        else if (unit_unplaced(&j->units[i]))
            end_unit(j, a, i, &killed, "fail-fast", now_ms);
    }
}

/* A stale or repeated report is acknowledged too: the worker shall stop repeating it. */
static int in_ended(struct job *j, const struct job_input *in, struct job_actions *a,
                    struct xos_error *err)
{
    (void)err;
    struct job_unit *u = reported(j, in);
    if (u && unit_alive(u)) {
        end_unit(j, a, in->unit, &in->exit, in->reason, in->now_ms);
        if (j->shape.fail_fast && unit_exit_status(&in->exit) != 0 && !u->killing)
            stop_the_others(j, a, in->unit, in->now_ms);
        finish(j, a, in->now_ms);
    }
    push_unit(a, JOB_DO_ACK, in->unit, in->node, in->epoch);
    return 0;
}

static int in_lost(struct job *j, const struct job_input *in, struct job_actions *a,
                   struct xos_error *err)
{
    (void)err;
    if (in->unit >= j->shape.units || j->units[in->unit].epoch != in->epoch ||
        !unit_alive(&j->units[in->unit]))
        return 0;
    struct job_unit *u = &j->units[in->unit];
    if (in->node && strcmp(u->node, in->node) != 0)
        return 0;
    struct unit_exit lost = {.how = UNIT_END_NODE_LOST, .ended_ms = in->now_ms};
    if ((!j->shape.fenced && !in->never) || u->killing) {
        end_unit(j, a, in->unit, &lost, in->reason, in->now_ms);
        finish(j, a, in->now_ms);
        return 0;
    }
    struct job_event ev = event_of(JOB_EVENT_LOST, in->unit, in->reason);
    memcpy(ev.node, u->node, sizeof(ev.node));
    ev.epoch = u->epoch;
    journal(j, a, &ev, in->now_ms);
    round_want(j, a);
    exclude(j, ev.node); /* it would cost the next round a claim that nobody answers */
    return 0;
}

/* Signals */

static bool signal_is_fatal(int32_t signal)
{
    return signal == 15 || signal == 9;
}

static int in_signal(struct job *j, const struct job_input *in, struct job_actions *a,
                     struct xos_error *err)
{
    bool all = in->unit == JOB_ALL_UNITS, fatal = signal_is_fatal(in->signal);
    if (!all && in->unit >= j->shape.units)
        return xos_fail(err, XOS_NOT_FOUND, "job %s has no unit %u", j->id, in->unit);
    uint32_t first = all ? 0 : in->unit, end = all ? j->shape.units : in->unit + 1;
    uint32_t alive = 0, waiting = 0;
    for (uint32_t i = first; i < end; i++) {
        alive += unit_alive(&j->units[i]);
        waiting += unit_unplaced(&j->units[i]);
    }
    if (j->done || (alive == 0 && (waiting == 0 || !fatal)))
        return xos_fail(err, XOS_NOT_FOUND, "job %s is %s", j->id, job_state_name(j));
    if (fatal) {
        struct job_event ev = event_of(JOB_EVENT_SIGNALLED, in->unit, NULL);
        ev.signal = in->signal;
        (void)snprintf(ev.user, sizeof(ev.user), "%s", in->user ? in->user : "");
        if (waiting)
            round_undo(j, a);
        journal(j, a, &ev, in->now_ms);
    }
    struct unit_exit killed = {
        .how = UNIT_END_KILLED, .value = 128 + in->signal, .ended_ms = in->now_ms};
    for (uint32_t i = first; i < end; i++) {
        if (unit_alive(&j->units[i]))
            signal_unit(a, &j->units[i], i, in->signal, in->grace_ms);
        else if (fatal && unit_unplaced(&j->units[i]))
            end_unit(j, a, i, &killed, NULL, in->now_ms);
    }
    finish(j, a, in->now_ms);
    if (fatal && waiting)
        round_want(j, a);
    return 0;
}

/* After a restart of the owner */

/* The log may end between a signal and the ends that it had, or between the last end and DONE. */
static void catch_up(struct job *j, struct job_actions *a, int64_t now_ms)
{
    for (uint32_t i = 0; i < j->shape.units; i++) {
        const struct job_unit *u = &j->units[i];
        struct unit_exit killed = {
            .how = UNIT_END_KILLED, .value = 128 + u->killing, .ended_ms = now_ms};
        if (u->killing && u->states.now == JOB_UNIT_QUEUED)
            end_unit(j, a, i, &killed, NULL, now_ms);
    }
    finish(j, a, now_ms);
}

static int in_again(struct job *j, const struct job_input *in, struct job_actions *a,
                    struct xos_error *err)
{
    (void)err;
    if (j->done)
        return 0;
    /* Rounds that ended without an assignment are not in the log, but their claims may still come
     * to a worker: no epoch of theirs may be used again. No job has a round each millisecond. */
    if (in->now_ms > 0 && (uint64_t)in->now_ms > j->epoch)
        j->epoch = (uint64_t)in->now_ms;
    catch_up(j, a, in->now_ms);
    for (uint32_t i = 0; i < j->shape.units; i++) {
        const struct job_unit *u = &j->units[i];
        if (u->states.now == JOB_UNIT_ASSIGNED)
            push_unit(a, JOB_DO_START, i, u->node, u->epoch);
        if (u->killing && unit_alive(u))
            signal_unit(a, u, i, u->killing, j->shape.grace_ms);
    }
    round_want(j, a);
    return 0;
}

struct input_row {
    int (*take)(struct job *j, const struct job_input *in, struct job_actions *a,
                struct xos_error *err);
    unsigned per_unit; /* actions at most: per_unit * units + JOB_STEP_ACTIONS */
};

#define JOB_STEP_ACTIONS 6

static const struct input_row input_table[] = {
    [JOB_IN_SUBMIT] = {in_submit, 0},       [JOB_IN_PLACED] = {in_placed, 1},
    [JOB_IN_UNPLACED] = {in_unplaced, 1},   [JOB_IN_CLAIMED] = {in_claimed, 2},
    [JOB_IN_REFUSED] = {in_refused, 2},     [JOB_IN_STARTED] = {in_started, 0},
    [JOB_IN_SUSPENDED] = {in_suspended, 0}, [JOB_IN_RESUMED] = {in_resumed, 0},
    [JOB_IN_ENDED] = {in_ended, 2},         [JOB_IN_LOST] = {in_lost, 0},
    [JOB_IN_SIGNAL] = {in_signal, 2},       [JOB_IN_RETRY] = {in_retry, 0},
    [JOB_IN_AGAIN] = {in_again, 2},
};

int job_step(struct job *j, const struct job_input *in, struct job_actions *out,
             struct xos_error *err)
{
    assert(in->kind > JOB_IN_NONE && in->kind <= JOB_IN_AGAIN);
    const struct input_row *row = &input_table[in->kind];
    if (reserve(out, row->per_unit * j->shape.units + JOB_STEP_ACTIONS, err) < 0)
        return -1;
    return row->take(j, in, out, err);
}
