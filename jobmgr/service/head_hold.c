// SPDX-License-Identifier: Apache-2.0
/* head_hold.c - a head's claims on nodes are kept alive, and given up: core/hold.h decides.
 *
 * What is held follows the events of the jobs, at the moment at which they are decided: a unit is
 * held from ASSIGNED to ENDED or LOST, and after a restart every unit that lives. Nothing but an
 * answer counts: an error, a late answer and silence are the same. A unit that could not be noted
 * (no memory, a named limit) is looked for again each HEAD_HOLD_AGAIN_MS. */
#include "jobmgr/core/hold.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "jobmgr/service/owned.h"
#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"
#include "libxos/wire/pb.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

struct question;

struct head_hold {
    struct head *head;
    struct hold *hold;
    struct hold_actions actions; /* its list is used again */
    uint64_t next_ms;            /* of the last step */
    struct xos_timer *timer;
    struct question *asked;
    bool missing; /* some unit could not be noted */
};

/* A renewal or a probe that waits for its answer. */
struct question {
    struct head_hold *hold;
    struct xos_pending *call;
    char node[CLAIM_NAME_MAX];
    uint64_t ask;
    struct question *prev, *next;
};

static int give(struct head_hold *x, struct hold_event *ev, struct xos_error *err);

static void question_free(struct question *q)
{
    DL_DELETE(q->hold->asked, q);
    xos_free(q);
}

/* Answers */

static int take_unknown(struct hold_event *ev, const Xos__Job__HoldAnswerPb *m,
                        struct hold_unit_id *unknown, struct xos_error *err)
{
    for (size_t i = 0; i < m->n_unknown; i++) {
        const Xos__Job__HeldPb *h = m->unknown[i];
        if (h->job.len >= sizeof(unknown[i].id.job))
            return xos_fail(err, XOS_PROTOCOL, "a job's id of %zu bytes", h->job.len);
        if (h->job.len)
            memcpy(unknown[i].id.job, h->job.data, h->job.len);
        unknown[i].id.unit = h->unit;
        unknown[i].epoch = h->epoch;
    }
    ev->unknown = unknown;
    ev->unknown_count = m->n_unknown;
    return 0;
}

static int take_answer(const struct question *q, const Xos__Job__HoldAnswerPb *m,
                       struct xos_error *err)
{
    struct hold_event ev = {
        .kind = HOLD_ANSWER, .node = q->node, .ask = q->ask, .clock_ms = m->clock_ms};
    if (m->n_unknown > CLAIM_COUNT_MAX)
        return xos_fail(err, XOS_LIMIT, "claim_count_max: %zu units unknown", m->n_unknown);
    struct hold_unit_id *unknown = xos_alloc_array(m->n_unknown + 1, sizeof(*unknown));
    if (!unknown)
        return xos_fail(err, XOS_NOMEM, "claims");
    int rc = take_unknown(&ev, m, unknown, err);
    if (rc == 0)
        rc = give(q->hold, &ev, err);
    xos_free(unknown);
    return rc;
}

static void on_answer(void *arg, const struct xos_error *result, struct xos_slice body)
{
    struct question *q = arg;
    struct xos_error err = {0};
    if (result->code == XOS_NONE) {
        Xos__Job__HoldAnswerPb *m = xos_pb_unpack(&xos__job__hold_answer_pb__descriptor, body,
                                                  XOS_BODY_BYTES_MAX, XOS_PB_TOLERANT, &err);
        if (!m || take_answer(q, m, &err) < 0)
            xos_log_error(XOS_EV_REFUSED, &err, "node=%s verb=claim.hold", q->node);
        xos_pb_free(m);
    }
    question_free(q);
}

/* Questions */

struct listing {
    Xos__Job__HeldPb held[CLAIM_COUNT_MAX];
    Xos__Job__HeldPb *list[CLAIM_COUNT_MAX];
    size_t count;
};

/* The job's id is borrowed from what is held. */
static void list_one(const struct claim_id *id, uint64_t epoch, void *arg)
{
    struct listing *l = arg;
    if (l->count == CLAIM_COUNT_MAX)
        return;
    Xos__Job__HeldPb *h = &l->held[l->count];
    xos__job__held_pb__init(h);
    h->job = xos_pb_text(id->job);
    h->unit = id->unit;
    h->epoch = epoch;
    l->list[l->count++] = h;
}

static int question_pack(const struct head_hold *x, const struct hold_action *a,
                         struct xos_buf *body, struct xos_error *err)
{
    Xos__Job__HoldPb m = XOS__JOB__HOLD_PB__INIT;
    struct listing *l = xos_alloc(sizeof(*l));
    if (!l)
        return xos_fail(err, XOS_NOMEM, "claims");
    hold_each(x->hold, a->node, list_one, l);
    m.held = l->list;
    m.n_held = l->count;
    m.probe = a->kind == HOLD_DO_PROBE;
    m.clock_ms = a->clock_ms;
    int rc = xos_pb_pack(&m, body, err);
    xos_free(l);
    return rc;
}

static int ask(struct head_hold *x, const struct hold_action *a, struct xos_error *err)
{
    struct xos_buf body = XOS_BUF(XOS_BODY_BYTES_MAX);
    struct question *q = xos_alloc(sizeof(*q));
    if (!q)
        return xos_fail(err, XOS_NOMEM, "claims on %s", a->node);
    q->hold = x;
    q->ask = a->ask;
    memcpy(q->node, a->node, sizeof(q->node));
    DL_APPEND(x->asked, q);
    int rc = question_pack(x, a, &body, err);
    if (rc == 0)
        rc =
            xos_rpc_call(x->head->rpc, &q->call, q->node, "claim.hold",
                         (struct xos_slice){body.data, body.len}, CLAIM_HOLD_MS, on_answer, q, err);
    xos_buf_free(&body);
    if (rc < 0)
        question_free(q);
    return rc;
}

/* Losses */

/* LOST is said again until the unit is not held any more, which follows from its job's event. */
static int lose(struct head_hold *x, const struct hold_action *a, struct xos_error *err)
{
    struct owned *o = owned_find(x->head, a->id.job);
    struct hold_event gone = {.kind = HOLD_REMOVE, .id = a->id, .epoch = a->epoch};
    struct job_input lost = {.kind = JOB_IN_LOST,
                             .unit = a->id.unit,
                             .epoch = a->epoch,
                             .node = a->node,
                             .reason = a->reason};
    if (!o)
        return give(x, &gone, err);
    xos_metric_add(XOS_M_CLAIMS_LOST, NULL, 1);
    xos_log(XOS_EV_CLAIM_LOST, "job=%s unit=%u node=%s epoch=%" PRIu64 " reason=\"%s\"", a->id.job,
            a->id.unit, a->node, a->epoch, a->reason);
    return owned_step(o, &lost, err);
}

static const struct {
    int (*run)(struct head_hold *x, const struct hold_action *a, struct xos_error *err);
} does[] = {
    [HOLD_DO_RENEW] = {ask},
    [HOLD_DO_PROBE] = {ask},
    [HOLD_DO_LOST] = {lose},
};

static void timer_set(struct head_hold *x)
{
    uint64_t now_ms = xos_env_boot_ms(x->head->env), after_ms = UINT64_MAX;
    if (x->next_ms != UINT64_MAX)
        after_ms = x->next_ms > now_ms ? x->next_ms - now_ms : 0;
    if (x->missing && after_ms > HEAD_HOLD_AGAIN_MS)
        after_ms = HEAD_HOLD_AGAIN_MS;
    if (after_ms == UINT64_MAX)
        xos_timer_cancel(x->timer);
    else
        xos_timer_set(x->timer, after_ms);
}

/* One step, and what follows from it. A loss leads to further steps, so the list in use is put
 * aside. What could not be asked was not answered: the core asks again. */
static int give(struct head_hold *x, struct hold_event *ev, struct xos_error *err)
{
    struct hold_actions out = x->actions;
    struct xos_error why = {0};
    x->actions = (struct hold_actions){0};
    ev->now_ms = xos_env_boot_ms(x->head->env);
    int rc = hold_step(x->hold, ev, &out, err);
    if (rc == 0)
        x->next_ms = out.next_ms;
    for (size_t i = 0; rc == 0 && i < out.count; i++)
        if (does[out.list[i].kind].run(x, &out.list[i], &why) < 0 && why.code != XOS_UNAVAILABLE)
            xos_log_error(XOS_EV_JOB, &why, "node=%s", out.list[i].node);
    hold_actions_free(&x->actions);
    x->actions = out;
    timer_set(x);
    return rc;
}

/* What is held */

static void add(struct owned *o, uint32_t unit, const char *node, uint64_t epoch, bool fresh)
{
    struct head_hold *x = o->head->hold;
    struct xos_error err = {0};
    struct hold_event ev = {.kind = HOLD_ADD,
                            .node = node,
                            .id.unit = unit,
                            .epoch = epoch,
                            .fenced = o->job->shape.fenced,
                            .fresh = fresh};
    memcpy(ev.id.job, o->job->id, sizeof(ev.id.job));
    if (give(x, &ev, &err) == 0)
        return;
    xos_log_error(XOS_EV_JOB, &err, "job=%s unit=%u node=%s", o->job->id, unit, node);
    x->missing = true;
    timer_set(x);
}

static void drop(struct owned *o, uint32_t unit, uint64_t epoch)
{
    struct xos_error err;
    struct hold_event ev = {.kind = HOLD_REMOVE, .id.unit = unit, .epoch = epoch};
    memcpy(ev.id.job, o->job->id, sizeof(ev.id.job));
    (void)give(o->head->hold, &ev, &err); /* cannot fail: nothing is allocated */
}

void head_hold_follow(struct owned *o, size_t first)
{
    for (size_t i = first; i < o->queue.count; i++) {
        const struct job_event ev = o->queue.list[i].event; /* the queue may grow meanwhile */
        if (o->queue.list[i].kind != JOB_DO_JOURNAL)
            continue;
        if (ev.kind == JOB_EVENT_ASSIGNED)
            add(o, ev.unit, ev.node, ev.epoch, true);
        else if (ev.kind == JOB_EVENT_ENDED || ev.kind == JOB_EVENT_LOST)
            drop(o, ev.unit, ev.epoch);
    }
}

void head_hold_live(struct owned *o)
{
    for (uint32_t i = 0; i < o->job->shape.units; i++) {
        const struct job_unit *u = &o->job->units[i];
        if (u->states.now >= JOB_UNIT_ASSIGNED && u->states.now < JOB_UNIT_DONE)
            add(o, i, u->node, u->epoch, false);
    }
}

static void on_timer(void *arg)
{
    struct head_hold *x = arg;
    struct xos_error err = {0};
    struct hold_event tick = {.kind = HOLD_TICK};
    if (x->missing) {
        x->missing = false;
        for (struct owned *o = x->head->jobs; o; o = o->hh.next)
            head_hold_live(o);
    }
    if (give(x, &tick, &err) < 0) {
        xos_log_error(XOS_EV_JOB, &err, "claims");
        xos_timer_set(x->timer, HEAD_HOLD_AGAIN_MS);
    }
}

int head_hold_new(struct head_hold **out, struct head *h, struct xos_error *err)
{
    struct head_hold *x = xos_alloc(sizeof(*x));
    if (!x)
        return xos_fail(err, XOS_NOMEM, "claims on nodes");
    x->head = h;
    x->next_ms = UINT64_MAX;
    if (hold_new(&x->hold, err) < 0 || xos_timer_new(&x->timer, h->loop, on_timer, x, err) < 0) {
        head_hold_free(x);
        return -1;
    }
    *out = x;
    return 0;
}

void head_hold_free(struct head_hold *x)
{
    if (!x)
        return;
    while (x->asked) {
        xos_rpc_cancel(x->asked->call);
        question_free(x->asked);
    }
    hold_actions_free(&x->actions);
    hold_free(x->hold);
    xos_timer_free(x->timer);
    xos_free(x);
}
