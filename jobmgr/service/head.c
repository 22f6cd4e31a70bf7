// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/service/head.h"

#include "jobmgr/core/place.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "jobmgr/service/owned.h"
#include "libxos/base/alloc.h"
#include "libxos/base/failpoint.h"
#include "libxos/base/telemetry.h"
#include "libxos/wire/pb.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

static void on_run(void *arg);
static void waits_no_more(struct owned *o);
static void on_retry(void *arg);
static void on_orphan(void *arg);
static void on_again(void *arg);
static void on_rewrite(void *arg);

static void count_less(struct owned *o)
{
    if (o->counted) {
        quota_remove(o->head->live, o->job->user);
        quota_remove(o->head->live, o->job->vo);
    }
    o->counted = false;
}

void owned_free(struct owned *o)
{
    if (!o)
        return;
    assert((!o->batch || o->batch_waits) && o->calls == 0);
    batch_free(o->batch);
    watchers_free(o);
    reports_free(o);
    xos_loop_undefer(o->head->loop, &o->run);
    xos_timer_free(o->retry);
    xos_timer_free(o->orphan);
    xos_timer_free(o->again);
    xos_timer_free(o->rewrite);
    job_actions_free(&o->queue);
    xos_buf_free(&o->spec_bytes);
    xos_buf_free(&o->grant);
    xos_buf_free(&o->hosts);
    warrant_free(&o->warrant);
    count_less(o);
    spec_free(o->spec);
    job_free(o->job);
    xos_free(o);
}

static int owned_fill(struct owned *o, struct xos_slice spec, struct xos_slice grant,
                      struct xos_error *err)
{
    struct job_shape shape;
    char id[JOB_NAME_MAX];
    struct xos_loop *loop = o->head->loop;
    (void)snprintf(id, sizeof(id), "%s-%" PRId64, o->head->config.institution, o->number);
    if (xos_buf_add(&o->spec_bytes, spec.data, spec.len, err) < 0 ||
        xos_buf_add(&o->grant, grant.data, grant.len, err) < 0 ||
        spec_decode(&o->spec, (struct xos_slice){o->spec_bytes.data, o->spec_bytes.len}, err) < 0)
        return -1;
    spec_shape(o->spec, &shape);
    if (job_new(&o->job, id, &shape, err) < 0 ||
        xos_timer_new(&o->retry, loop, on_retry, o, err) < 0 ||
        xos_timer_new(&o->orphan, loop, on_orphan, o, err) < 0 ||
        xos_timer_new(&o->again, loop, on_again, o, err) < 0 ||
        xos_timer_new(&o->rewrite, loop, on_rewrite, o, err) < 0)
        return -1;
    return 0;
}

int owned_new(struct owned **out, struct head *h, int64_t number, struct xos_slice spec,
              struct xos_slice grant, struct xos_error *err)
{
    struct owned *o = xos_alloc(sizeof(*o));
    if (!o)
        return xos_fail(err, XOS_NOMEM, "job");
    o->head = h;
    o->number = number;
    o->spec_bytes = XOS_BUF(SPEC_BYTES_MAX);
    o->grant = XOS_BUF(XOS_BODY_BYTES_MAX);
    o->hosts = XOS_BUF(SPEC_HOSTS_BYTES_MAX);
    o->run = (struct xos_task){.run = on_run, .arg = o};
    if (owned_fill(o, spec, grant, err) < 0) {
        owned_free(o);
        return -1;
    }
    HASH_ADD_STR(h->jobs, job->id, o);
    *out = o;
    return 0;
}

struct owned *owned_find(struct head *h, const char *id)
{
    struct owned *o;
    HASH_FIND_STR(h->jobs, id, o);
    return o;
}

/* A job that is done and that nothing hangs on any more leaves the live set: history costs nothing.
 */
static void owned_settle(struct owned *o)
{
    if (!o->job->done || o->batch || o->calls || o->done_actions < o->queue.count || o->watchers)
        return;
    owned_drop(o);
}

void owned_drop(struct owned *o)
{
    HASH_DEL(o->head->jobs, o);
    waits_no_more(o);
    if (o->has_operation)
        HASH_DELETE(by_operation, o->head->operations, o);
    owned_free(o);
}

/* Inputs */

/* A job counts from its submission on, until it is done. */
static void count_live(struct owned *o)
{
    struct head *h = o->head;
    bool lives = o->job->sequence > 0 && !o->job->done;
    if (!lives)
        count_less(o);
    else if (!o->counted && quota_add(h->live, o->job->user, NULL) == 0) {
        o->counted = quota_add(h->live, o->job->vo, NULL) == 0;
        if (!o->counted)
            quota_remove(h->live, o->job->user);
    }
}

int owned_step(struct owned *o, const struct job_input *in, struct xos_error *err)
{
    struct job_input timed = *in;
    size_t first = o->queue.count;
    timed.now_ms = xos_env_real_ms(o->head->env);
    if (job_step(o->job, &timed, &o->queue, err) < 0)
        return -1;
    head_hold_follow(o, first);
    count_live(o);
    xos_loop_defer(o->head->loop, &o->run);
    return 0;
}

/* An input that must not get lost: what cannot be taken now is said again by the timer. */
static void owned_give(struct owned *o, const struct job_input *in)
{
    struct xos_error err = {0};
    if (owned_step(o, in, &err) < 0) {
        xos_log_error(XOS_EV_JOB, &err, "job=%s", o->job->id);
        xos_timer_set(o->again, HEAD_SIGNAL_AGAIN_MS);
    }
}

static void on_retry(void *arg)
{
    owned_give(arg, &(struct job_input){.kind = JOB_IN_RETRY});
}

static void on_again(void *arg)
{
    owned_give(arg, &(struct job_input){.kind = JOB_IN_AGAIN});
}

/* Nobody has been watching a foreground job for long enough. */
static void on_orphan(void *arg)
{
    struct owned *o = arg;
    struct xos_error err = {0};
    struct job_input term = {.kind = JOB_IN_SIGNAL,
                             .unit = JOB_ALL_UNITS,
                             .signal = 15,
                             .grace_ms = o->spec->grace_ms,
                             .user = "client-gone"};
    if (!o->job->done && owned_step(o, &term, &err) < 0)
        xos_log_error(XOS_EV_JOB, &err, "job=%s", o->job->id);
}

void owned_orphan_check(struct owned *o)
{
    if (o->watchers || o->spec->keep || o->job->done)
        xos_timer_cancel(o->orphan);
    else
        xos_timer_set(o->orphan, o->spec->pty ? HEAD_ORPHAN_PTY_MS : HEAD_ORPHAN_MS);
}

/* Calls to workers: each knows its job, unit, node and epoch */

struct asked {
    struct owned *job;
    struct job_action action;
};

static void call_done(struct asked *a)
{
    struct owned *o = a->job;
    o->calls--;
    xos_free(a);
    xos_loop_defer(o->head->loop, &o->run);
}

static int call_worker(struct owned *o, const struct job_action *x, const char *verb,
                       const void *message, xos_answer_f answered, struct xos_error *err)
{
    struct xos_buf body = XOS_BUF(XOS_BODY_BYTES_MAX);
    struct asked *a = xos_alloc(sizeof(*a));
    int rc = -1;
    if (!a)
        return xos_fail(err, XOS_NOMEM, "call %s", verb);
    a->job = o;
    a->action = *x;
    if (xos_pb_pack(message, &body, err) == 0)
        rc =
            xos_rpc_call(o->head->rpc, NULL, x->node, verb, (struct xos_slice){body.data, body.len},
                         HEAD_CALL_TIMEOUT_MS, answered, a, err);
    xos_buf_free(&body);
    if (rc < 0)
        xos_free(a);
    else
        o->calls++;
    return rc;
}

static void on_claimed(void *arg, const struct xos_error *result, struct xos_slice body)
{
    struct asked *a = arg;
    struct job_input in = {.kind = result->code ? JOB_IN_REFUSED : JOB_IN_CLAIMED,
                           .node = a->action.node,
                           .epoch = a->action.epoch,
                           .reason = result->text};
    (void)body;
    (void)xos_failpoint("head.claimed");
    owned_give(a->job, &in);
    call_done(a);
}

static int do_claim(struct owned *o, const struct job_action *x, struct xos_error *err)
{
    uint32_t units[JOB_UNITS_MAX];
    Xos__Job__ClaimPb m = XOS__JOB__CLAIM_PB__INIT;
    m.units = units;
    for (uint32_t i = 0; i < o->job->shape.units; i++) {
        const struct job_unit *u = &o->job->units[i];
        if (u->states.now == JOB_UNIT_CLAIMING && u->epoch == x->epoch &&
            strcmp(u->node, x->node) == 0)
            units[m.n_units++] = i;
    }
    if (m.n_units == 0)
        return 0; /* the round was undone before it went out */
    if (head_warrant_need(o, err) < 0)
        return -1;
    m.job = xos_pb_text(o->job->id);
    m.epoch = x->epoch;
    m.cpus = o->spec->cpus;
    m.mem_bytes = o->spec->mem_bytes;
    m.gpus = o->spec->gpus;
    m.need = xos_pb_text(o->spec->need);
    m.user = xos_pb_text(o->job->user);
    m.vo = xos_pb_text(o->head->config.trust ? o->warrant.acting : o->job->vo);
    m.fenced = o->spec->fenced;
    m.time_ms = o->spec->time_ms;
    m.job_units = o->job->shape.units;
    return call_worker(o, x, "claim.grant", &m, on_claimed, err);
}

/* A release that is lost costs nothing: a claim without a unit ends by itself. */
static void on_released(void *arg, const struct xos_error *result, struct xos_slice body)
{
    (void)result;
    (void)body;
    call_done(arg);
}

static int do_release(struct owned *o, const struct job_action *x, struct xos_error *err)
{
    Xos__Job__HeldPb held = XOS__JOB__HELD_PB__INIT, *list[] = {&held};
    Xos__Job__ReleasePb m = XOS__JOB__RELEASE_PB__INIT;
    held.job = xos_pb_text(o->job->id);
    held.unit = x->unit;
    held.epoch = x->epoch;
    m.n_held = 1;
    m.held = list;
    return call_worker(o, x, "claim.release", &m, on_released, err);
}

static bool still_there(const struct asked *a)
{
    const struct job_unit *u = &a->job->job->units[a->action.unit];
    return u->epoch == a->action.epoch && u->states.now >= JOB_UNIT_ASSIGNED &&
           u->states.now < JOB_UNIT_DONE;
}

/* It is not started, now or later: that is how it ended. */
static void start_refused(struct owned *o, const struct job_action *x, const char *reason)
{
    owned_give(o, &(struct job_input){.kind = JOB_IN_ENDED,
                                      .unit = x->unit,
                                      .epoch = x->epoch,
                                      .node = x->node,
                                      .reason = reason,
                                      .exit = {.how = UNIT_END_START_FAILED,
                                               .error = EACCES,
                                               .ended_ms = xos_env_real_ms(o->head->env)}});
}

/* What the worker has decided, if anything. */
static bool start_answer(const struct asked *a, struct xos_slice body)
{
    struct xos_error err = {0};
    char reason[JOB_REASON_MAX];
    Xos__Job__StartedPb *m =
        xos_pb_unpack(&xos__job__started_pb__descriptor, body, 4096, XOS_PB_TOLERANT, &err);
    bool refused = m && m->refused.len;
    if (refused) {
        (void)snprintf(reason, sizeof(reason), "%.*s", (int)m->refused.len,
                       (const char *)m->refused.data);
        start_refused(a->job, &a->action, reason);
    }
    xos_pb_free(m);
    return refused;
}

static void on_start_sent(void *arg, const struct xos_error *result, struct xos_slice body)
{
    struct asked *a = arg;
    bool started = !result->code && !start_answer(a, body);
    if (a->job->waits && started) {
        waits_no_more(a->job);
        head_room(a->job->head);
    }
    (void)xos_failpoint("head.start-sent");
    if (result->code == XOS_STALE || result->code == XOS_INVALID || result->code == XOS_LIMIT) {
        struct job_input lost = {.kind = JOB_IN_LOST,
                                 .unit = a->action.unit,
                                 .epoch = a->action.epoch,
                                 .reason = result->text,
                                 .never = true};
        owned_give(a->job, &lost);
    } else if (result->code && still_there(a)) {
        xos_timer_set(a->job->again, HEAD_SIGNAL_AGAIN_MS);
    }
    call_done(a);
}

static int do_start(struct owned *o, const struct job_action *x, struct xos_error *err)
{
    Xos__Job__StartPb m = XOS__JOB__START_PB__INIT;
    struct head_assignment assignment;
    struct xos_slice hosts;
    if (head_hosts(o, &hosts, err) < 0)
        return -1;
    m.hosts = xos_pb_bytes(hosts);
    m.job = xos_pb_text(o->job->id);
    m.unit = x->unit;
    m.units = o->job->shape.units;
    m.epoch = x->epoch;
    m.spec = xos_pb_bytes((struct xos_slice){o->spec_bytes.data, o->spec_bytes.len});
    m.grant = xos_pb_bytes((struct xos_slice){o->grant.data, o->grant.len});
    m.user = xos_pb_text(o->job->user);
    m.vo = xos_pb_text(o->job->vo);
    int rc = head_warrant_assign(o, x, &assignment, &m, err);
    if (rc == 0)
        rc = call_worker(o, x, "unit.start", &m, on_start_sent, err);
    else if (head_warrant_refused(err)) {
        start_refused(o, x, err->text);
        rc = 0;
    }
    xos_buf_free(&assignment.bytes);
    return rc;
}

static void on_signalled(void *arg, const struct xos_error *result, struct xos_slice body)
{
    struct asked *a = arg;
    (void)body;
    bool fatal = a->action.signal == 15 || a->action.signal == 9;
    if (result->code && fatal && still_there(a))
        xos_timer_set(a->job->again, HEAD_SIGNAL_AGAIN_MS);
    call_done(a);
}

static int do_signal(struct owned *o, const struct job_action *x, struct xos_error *err)
{
    Xos__Job__UnitSignalPb m = XOS__JOB__UNIT_SIGNAL_PB__INIT;
    m.job = xos_pb_text(o->job->id);
    m.unit = x->unit;
    m.epoch = x->epoch;
    m.signal = x->signal;
    m.grace_ms = x->grace_ms;
    return call_worker(o, x, "unit.signal", &m, on_signalled, err);
}

/* Placement */

static int do_place(struct owned *o, const struct job_action *x, struct xos_error *err)
{
    struct head *h = o->head;
    static char nodes[JOB_UNITS_MAX][JOB_NAME_MAX], at[JOB_UNITS_MAX][JOB_NAME_MAX];
    struct place_request want = {.units = o->job->shape.units,
                                 .need = {o->spec->cpus, o->spec->mem_bytes, o->spec->gpus},
                                 .on = (const char *const *)o->spec->on,
                                 .at = (const char(*)[JOB_NAME_MAX])at,
                                 .excluded = (const char(*)[JOB_NAME_MAX])o->job->excluded,
                                 .excluded_count = o->job->excluded_count};
    struct job_input in = {.kind = JOB_IN_PLACED, .nodes = (const char(*)[JOB_NAME_MAX])nodes};
    struct xos_error why = {0};
    size_t count = 0;
    (void)x;
    for (uint32_t i = 0; i < want.units; i++) {
        const struct job_unit *u = &o->job->units[i];
        want.queued[i] = u->states.now == JOB_UNIT_QUEUED;
        (void)snprintf(at[i], sizeof(at[i]), "%s", u->states.now == JOB_UNIT_DONE ? "" : u->node);
    }
    memset(nodes, 0, sizeof(nodes));
    if (head_warrant_need(o, &why) < 0 ||
        h->config.candidates(h->config.arg, o->spec, &want.layout, h->candidates, &count, &why) <
            0 ||
        place_units(&want, h->candidates, count, nodes, &why) < 0) {
        in.kind = JOB_IN_UNPLACED;
        in.reason = why.text;
        in.never = why.code == XOS_INVALID || head_warrant_refused(&why) ||
                   (why.code == XOS_NOT_FOUND && h->config.settled(h->config.arg));
    }
    return owned_step(o, &in, err);
}

/* The queue */

static int do_retry(struct owned *o, const struct job_action *x, struct xos_error *err)
{
    (void)x;
    (void)err;
    if (!o->waits)
        DL_APPEND(o->head->waiting, o);
    o->waits = true;
    xos_timer_set(o->retry, JOB_RETRY_MS);
    return 0;
}

static void waits_no_more(struct owned *o)
{
    if (o->waits)
        DL_DELETE(o->head->waiting, o);
    o->waits = false;
}

static void on_room(void *arg)
{
    struct head *h = arg;
    if (h->waiting)
        owned_give(h->waiting, &(struct job_input){.kind = JOB_IN_RETRY});
}

void head_room(struct head *h)
{
    if (h->waiting)
        xos_loop_defer(h->loop, &h->room);
}

static int do_ack(struct owned *o, const struct job_action *x, struct xos_error *err)
{
    (void)err;
    reports_answer(o, x);
    return 0;
}

typedef int (*do_f)(struct owned *o, const struct job_action *x, struct xos_error *err);

static const do_f do_table[] = {
    [JOB_DO_PLACE] = do_place, [JOB_DO_CLAIM] = do_claim,   [JOB_DO_RELEASE] = do_release,
    [JOB_DO_START] = do_start, [JOB_DO_SIGNAL] = do_signal, [JOB_DO_ACK] = do_ack,
    [JOB_DO_RETRY] = do_retry,
};

/* A worker that cannot even be asked refuses a claim; what it must hear is said again later. */
static int action_failed(struct owned *o, const struct job_action *x, struct xos_error *err)
{
    if (err->code == XOS_NOMEM)
        return -1;
    xos_log_error(XOS_EV_JOB, err, "job=%s node=%s", o->job->id, x->node);
    if (x->kind == JOB_DO_CLAIM)
        owned_give(o, &(struct job_input){.kind = JOB_IN_REFUSED,
                                          .node = x->node,
                                          .epoch = x->epoch,
                                          .reason = err->text});
    else if (x->kind == JOB_DO_START || x->kind == JOB_DO_SIGNAL)
        xos_timer_set(o->again, HEAD_SIGNAL_AGAIN_MS);
    return 0;
}

static size_t journal_run(const struct owned *o)
{
    size_t n = o->done_actions;
    while (n < o->queue.count && o->queue.list[n].kind == JOB_DO_JOURNAL)
        n++;
    return n - o->done_actions;
}

/* Carry out what may be carried out now. */
static void on_run(void *arg)
{
    struct owned *o = arg;
    struct xos_error err = {0};
    while (!o->batch && o->done_actions < o->queue.count) {
        size_t events = journal_run(o);
        if (events) {
            if (head_journal(o, o->done_actions, events, &err) < 0)
                goto later;
            o->done_actions += events;
            continue;
        }
        struct job_action x = o->queue.list[o->done_actions];
        if (do_table[x.kind](o, &x, &err) < 0 && action_failed(o, &x, &err) < 0)
            goto later;
        o->done_actions++;
    }
    if (o->done_actions == o->queue.count) {
        o->queue.count = o->done_actions = 0;
        owned_settle(o);
    }
    return;
later:
    xos_log_error(XOS_EV_JOB, &err, "job=%s", o->job->id);
    xos_timer_set(o->again, HEAD_SIGNAL_AGAIN_MS);
}

static void on_rewrite(void *arg)
{
    head_journal_again(arg);
}

/* What could not be written was not decided, and nothing behind it was done. A full disk may have
 * room later: a new job is refused, the others wait. A store that failed is opened again by the
 * next run of this process. */
static bool not_journalled(struct owned *o, const struct batch *b, const struct xos_error *why)
{
    xos_log_error(XOS_EV_STORE_FAILED, why, "job=%s", o->job->id);
    if (xos_store_failed(o->head->store)) {
        o->batch = NULL;
        watchers_fail(o, why);
        xos_loop_stop(o->head->loop);
        return true;
    }
    if (batch_submits(b)) {
        o->batch = NULL;
        watchers_fail(o, why);
        owned_drop(o);
        return true;
    }
    o->batch_waits = true;
    xos_timer_set(o->rewrite, HEAD_REWRITE_MS);
    return false;
}

/* By the end of the unit whose status is the job's. */
static void count_ended(const struct owned *o, const struct batch *b)
{
    const struct job *j = o->job;
    if (b->count == 0 || b->events[b->count - 1].kind != JOB_EVENT_DONE)
        return;
    for (uint32_t i = 0; i < j->shape.units; i++)
        if (unit_exit_status(&j->units[i].exit) == j->status) {
            xos_metric_add(XOS_M_JOBS_ENDED, unit_end_name(j->units[i].exit.how), 1);
            return;
        }
}

bool owned_journalled(struct owned *o, const struct batch *b, const struct xos_error *result)
{
    if (result->code != XOS_NONE)
        return not_journalled(o, b, result);
    o->batch = NULL;
    count_ended(o, b);
    (void)xos_failpoint("head.journalled");
    watchers_tell(o, b);
    (void)xos_failpoint("head.told");
    owned_orphan_check(o);
    xos_loop_defer(o->head->loop, &o->run);
    return true;
}

int head_new(struct head **out, const struct head_config *config, struct xos_error *err)
{
    struct head *h = xos_alloc(sizeof(*h));
    if (!h)
        return xos_fail(err, XOS_NOMEM, "head");
    h->config = *config;
    h->loop = config->loop;
    h->env = xos_loop_env(config->loop);
    h->rpc = config->rpc;
    h->store = config->store;
    h->room = (struct xos_task){.run = on_room, .arg = h};
    h->candidates = xos_alloc_array(HEAD_CANDIDATES_MAX, sizeof(*h->candidates));
    if (!h->candidates) {
        head_free(h);
        return xos_fail(err, XOS_NOMEM, "head");
    }
    if (quota_new(&h->live, err) < 0 || head_hold_new(&h->hold, h, err) < 0 ||
        head_load(h, err) < 0 || xos_rpc_serve(h->rpc, head_verbs, head_verb_count, h, err) < 0) {
        head_free(h);
        return xos_wrap(err, "head");
    }
    *out = h;
    return 0;
}

void head_full(struct head *h, bool full)
{
    h->full = full;
}

void head_limits(struct head *h, uint32_t jobs_per_user, uint32_t jobs_per_vo)
{
    h->config.jobs_per_user = jobs_per_user;
    h->config.jobs_per_vo = jobs_per_vo;
}

void head_free(struct head *h)
{
    struct owned *o, *after;
    if (!h)
        return;
    head_hold_free(h->hold);
    h->hold = NULL;
    HASH_ITER (hh, h->jobs, o, after) {
        o->calls = 0; /* whoever answers is gone */
        owned_drop(o);
    }
    xos_loop_undefer(h->loop, &h->room);
    quota_free(h->live);
    xos_free(h->candidates);
    xos_free(h);
}
