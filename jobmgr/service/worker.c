// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/service/worker.h"

#include "jobmgr/core/spec.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "jobmgr/judge/request.h"
#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"
#include "libxos/wire/pb.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define WORKER_UNITS_PER_CLAIM_MAX JOB_UNITS_MAX

struct unit *worker_find(const struct worker *w, const char *job, uint32_t unit)
{
    struct unit *best = NULL;
    for (struct unit *u = w->units; u; u = u->hh.next)
        if (u->number == unit && strcmp(u->job, job) == 0 && (!best || u->epoch > best->epoch))
            best = u;
    return best;
}

static void metrics(const struct worker *w)
{
    xos_metric_set(XOS_M_CLAIMS, NULL, (double)claim_count(w->claims));
    if (w->config.claimed)
        w->config.claimed(w->config.arg);
}

/* That very instance; NULL: it is not here, or another head's. */
static struct unit *worker_find_exact(const struct worker *w, const struct claim_id *id,
                                      uint64_t epoch, const char *head)
{
    char exec_id[EXEC_UNIT_BYTES];
    struct xos_error err;
    struct unit *u;
    if (request_name(exec_id, id->job, id->unit, epoch, &err) < 0)
        return NULL;
    HASH_FIND(hh, w->units, exec_id, sizeof(exec_id), u);
    return u && strcmp(u->head, head) == 0 ? u : NULL;
}

void worker_room(struct worker *w)
{
    metrics(w);
    if (w->config.room)
        w->config.room(w->config.arg);
}

void worker_forget(struct worker *w, struct unit *u)
{
    HASH_DEL(w->units, u);
    unit_free(u);
    metrics(w);
}

void worker_drain(struct worker *w, bool draining)
{
    w->draining = draining;
    metrics(w);
}

bool worker_empty(const struct worker *w)
{
    return w->listed && claim_count(w->claims) == 0 && HASH_COUNT(w->units) == 0;
}

uint32_t worker_count(const struct worker *w)
{
    static const struct {
        const char *name;
        enum worker_unit_state first, last;
    } rows[] = {{"starting", WORKER_UNIT_SAVING, WORKER_UNIT_ORDERING},
                {"running", WORKER_UNIT_LIVE, WORKER_UNIT_LIVE},
                {"ending", WORKER_UNIT_ENDING, WORKER_UNIT_GONE}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t n = 0;
        for (const struct unit *u = w->units; u; u = u->hh.next)
            n += u->state >= rows[i].first && u->state <= rows[i].last;
        xos_metric_set(XOS_M_UNITS, rows[i].name, (double)n);
    }
    return HASH_COUNT(w->units);
}

static void worker_add(struct worker *w, struct unit *u)
{
    HASH_ADD(hh, w->units, exec_id, sizeof(u->exec_id), u);
}

/* Claims without a unit end by themselves. */
static void on_expire(void *arg)
{
    struct worker *w = arg;
    uint64_t now = xos_env_boot_ms(w->env), next;
    size_t ended = claim_expire(w->claims, now, &next);
    if (ended) {
        xos_metric_add(XOS_M_CLAIMS_LOST, NULL, ended);
        xos_log(XOS_EV_CLAIM_LOST, "claims=%zu", ended);
        worker_room(w);
    }
    metrics(w);
    if (next != UINT64_MAX)
        xos_timer_set(w->expire, next - now + 1);
}

static bool text_take(ProtobufCBinaryData from, char *to, size_t size)
{
    if (from.len >= size || (from.len && memchr(from.data, 0, from.len)))
        return false;
    if (from.len)
        memcpy(to, from.data, from.len);
    to[from.len] = '\0';
    return true;
}

/* Claims */

static int claim_fill(struct claim *c, const Xos__Job__ClaimPb *m, const char *head,
                      struct xos_error *err)
{
    *c = (struct claim){
        .epoch = m->epoch, .need = {m->cpus, m->mem_bytes, m->gpus}, .fenced = m->fenced != 0};
    if (!text_take(m->job, c->id.job, sizeof(c->id.job)) ||
        !text_take(m->user, c->user, sizeof(c->user)))
        return xos_fail(err, XOS_INVALID, "a name in the claim is too long or not text");
    if (m->n_units == 0 || m->n_units > WORKER_UNITS_PER_CLAIM_MAX || m->epoch == 0)
        return xos_fail(err, XOS_INVALID, "a claim of %zu units", m->n_units);
    (void)snprintf(c->head, sizeof(c->head), "%s", head);
    return 0;
}

/* Its owner has moved on: what runs under a lower epoch is ended, and what frees itself by that is
 * granted when it is asked for again. */
static void supersede(struct worker *w, const struct claim *wanted, const Xos__Job__ClaimPb *m)
{
    for (size_t i = 0; i < m->n_units; i++) {
        struct claim_id id = wanted->id;
        id.unit = m->units[i];
        const struct claim *c = claim_get(w->claims, &id);
        struct unit *u = c && c->running && c->epoch < wanted->epoch
                             ? worker_find_exact(w, &id, c->epoch, wanted->head)
                             : NULL;
        if (u)
            unit_supersede(u);
    }
}

static int claim_take(struct worker *w, struct xos_call *call, const Xos__Job__ClaimPb *m,
                      struct xos_error *err)
{
    struct claim c;
    if (w->draining)
        return xos_fail(err, XOS_BUSY, "%s is draining", w->config.node);
    if (w->full) {
        xos_metric_add(XOS_M_LIMITS_REACHED, "spool_min_free", 1);
        return xos_fail(err, XOS_BUSY, "spool_min_free: the disk of %s is too full for new units",
                        w->config.node);
    }
    if (claim_fill(&c, m, xos_call_caller(call)->name, err) < 0 || admit_claim(w, m, err) < 0)
        return -1;
    supersede(w, &c, m);
    return claim_grant(w->claims, &c, m->units, m->n_units, xos_env_boot_ms(w->env), err);
}

static void serve_claim(void *service, struct xos_call *call)
{
    struct worker *w = service;
    struct xos_error err = {0};
    struct xos_buf body = XOS_BUF(64);
    Xos__Job__ClaimedPb answer = XOS__JOB__CLAIMED_PB__INIT;
    Xos__Job__ClaimPb *m = xos_pb_unpack(&xos__job__claim_pb__descriptor, xos_call_body(call),
                                         XOS_BODY_BYTES_MAX, XOS_PB_TOLERANT, &err);
    answer.hold_ms = CLAIM_HOLD_MS;
    on_expire(w); /* after a pause: what is over is not granted or started on */
    if (!w->listed)
        xos_fail(&err, XOS_UNAVAILABLE, "the node is still finding its units");
    if (err.code || !m || claim_take(w, call, m, &err) < 0 || xos_pb_pack(&answer, &body, &err) < 0)
        xos_call_fail(call, &err);
    else
        xos_call_answer(call, (struct xos_slice){body.data, body.len});
    xos_pb_free(m);
    xos_buf_free(&body);
    on_expire(w);
}

/* One claim.hold as it is being answered. */
struct holding {
    const char *head;
    bool probe;
    uint64_t from_ms; /* the reading of our clock that a renewal counts from */
};

/* Renews one claim, and tells the shim of a fenced unit its new deadline. A unit that is here is
 * known until its owner has its end. */
static bool hold_one(struct worker *w, const Xos__Job__HeldPb *h, const struct holding *by)
{
    struct xos_error err;
    struct claim_id id = {.unit = h->unit};
    if (!text_take(h->job, id.job, sizeof(id.job)))
        return false;
    const struct claim *c = claim_get(w->claims, &id);
    struct unit *u = worker_find_exact(w, &id, h->epoch, by->head);
    if (u && u->exit.how != UNIT_END_NONE)
        return true;
    if (by->probe)
        return u || (c && c->epoch == h->epoch && strcmp(c->head, by->head) == 0);
    if (claim_renew(w->claims, &id, h->epoch, by->head, by->from_ms, &err) < 0)
        return u != NULL;
    if (u && c->fenced)
        unit_fence(u, c->deadline_ms);
    return true;
}

static int hold_all(struct worker *w, const Xos__Job__HoldPb *m, const char *head,
                    Xos__Job__HoldAnswerPb *answer, struct xos_error *err)
{
    struct holding by = {.head = head, .probe = m->probe != 0, .from_ms = xos_env_boot_ms(w->env)};
    answer->clock_ms = by.from_ms;
    if (m->clock_ms && m->clock_ms < by.from_ms)
        by.from_ms = m->clock_ms;
    if (!w->listed)
        return xos_fail(err, XOS_UNAVAILABLE, "the node is still finding its units");
    answer->unknown = xos_alloc_array(m->n_held + 1, sizeof(*answer->unknown));
    if (!answer->unknown)
        return xos_fail(err, XOS_NOMEM, "claims");
    for (size_t i = 0; i < m->n_held; i++)
        if (!hold_one(w, m->held[i], &by))
            answer->unknown[answer->n_unknown++] = m->held[i];
    return 0;
}

static void serve_hold(void *service, struct xos_call *call)
{
    struct worker *w = service;
    struct xos_error err = {0};
    struct xos_buf body = XOS_BUF(XOS_BODY_BYTES_MAX);
    Xos__Job__HoldAnswerPb answer = XOS__JOB__HOLD_ANSWER_PB__INIT;
    Xos__Job__HoldPb *m = xos_pb_unpack(&xos__job__hold_pb__descriptor, xos_call_body(call),
                                        XOS_BODY_BYTES_MAX, XOS_PB_TOLERANT, &err);
    if (m && hold_all(w, m, xos_call_caller(call)->name, &answer, &err) == 0 &&
        xos_pb_pack(&answer, &body, &err) == 0)
        xos_call_answer(call, (struct xos_slice){body.data, body.len});
    else
        xos_call_fail(call, &err);
    xos_free(answer.unknown);
    xos_pb_free(m);
    xos_buf_free(&body);
}

static void serve_release(void *service, struct xos_call *call)
{
    struct worker *w = service;
    struct xos_error err = {0};
    Xos__Job__ReleasePb *m = xos_pb_unpack(&xos__job__release_pb__descriptor, xos_call_body(call),
                                           XOS_BODY_BYTES_MAX, XOS_PB_TOLERANT, &err);
    for (size_t i = 0; m && i < m->n_held; i++) {
        struct claim_id id = {.unit = m->held[i]->unit};
        if (!text_take(m->held[i]->job, id.job, sizeof(id.job)))
            continue;
        const struct claim *c = claim_get(w->claims, &id);
        if (!c || !c->running || c->epoch != m->held[i]->epoch)
            claim_release(w->claims, &id, m->held[i]->epoch, xos_call_caller(call)->name,
                          xos_env_boot_ms(w->env));
    }
    if (m)
        xos_call_answer(call, (struct xos_slice){NULL, 0});
    else
        xos_call_fail(call, &err);
    xos_pb_free(m);
    metrics(w);
}

/* Units */

/* What is started is what was claimed, or less. */
static int unit_admit(struct worker *w, const struct unit *u, const char *head,
                      struct xos_error *err)
{
    struct claim_id id = {.unit = u->number};
    memcpy(id.job, u->job, sizeof(id.job));
    const struct claim *c = claim_get(w->claims, &id);
    if (!c || c->epoch != u->epoch || strcmp(c->head, head) != 0)
        return xos_fail(err, XOS_STALE, "unit %s is not claimed here by %s", u->exec_id, head);
    if (strcmp(c->user, u->user) != 0 || c->fenced != u->spec->fenced)
        return xos_fail(err, XOS_DENIED, "unit %s is claimed for %s", u->exec_id, c->user);
    if (u->spec->cpus > c->need.cpus || u->spec->mem_bytes > c->need.mem_bytes ||
        u->spec->gpus > c->need.gpus)
        return xos_fail(err, XOS_DENIED, "unit %s needs more than was claimed", u->exec_id);
    return claim_start(w->claims, &id, u->epoch, err);
}

/* One that is asked for again is under way. */
static int start_take(struct worker *w, struct xos_slice start, const char *head,
                      struct xos_error *err)
{
    struct unit *u = NULL, *known;
    if (unit_new(&u, w, start, head, err) < 0)
        return -1;
    HASH_FIND(hh, w->units, u->exec_id, sizeof(u->exec_id), known);
    if (known || unit_admit(w, u, head, err) < 0) {
        unit_free(u);
        return known ? 0 : -1;
    }
    worker_add(w, u);
    attach_unpark(w, u);
    unit_begin(u);
    return 0;
}

static void start_refuse(struct xos_call *call, const struct xos_error *why)
{
    struct xos_error err;
    struct xos_buf body = XOS_BUF(2 * XOS_ERROR_TEXT_MAX);
    Xos__Job__StartedPb m = XOS__JOB__STARTED_PB__INIT;
    m.refused = xos_pb_text(why->text);
    xos_log_error(XOS_EV_REFUSED, why, "verb=unit.start head=%s", xos_call_caller(call)->name);
    if (xos_pb_pack(&m, &body, &err) == 0)
        xos_call_answer(call, (struct xos_slice){body.data, body.len});
    else
        xos_call_fail(call, &err);
    xos_buf_free(&body);
}

/* A refusal is an answer: an error may be the way here, and the owner asks again. */
static void serve_start(void *service, struct xos_call *call)
{
    struct worker *w = service;
    struct xos_error err = {0};
    struct xos_buf start = XOS_BUF(XOS_BODY_BYTES_MAX);
    on_expire(w);
    if (!w->listed)
        xos_fail(&err, XOS_UNAVAILABLE, "the node is still finding its units");
    if (err.code == XOS_NONE && admit_start(w, xos_call_body(call), &start, &err) == 0 &&
        start_take(w, (struct xos_slice){start.data, start.len}, xos_call_caller(call)->name,
                   &err) == 0)
        xos_call_answer(call, (struct xos_slice){NULL, 0});
    else if (err.code == XOS_DENIED || err.code == XOS_EXPIRED)
        start_refuse(call, &err);
    else
        xos_call_fail(call, &err);
    xos_buf_free(&start);
    metrics(w);
}

static void serve_signal(void *service, struct xos_call *call)
{
    struct worker *w = service;
    struct xos_error err = {0};
    char job[JOB_NAME_MAX];
    Xos__Job__UnitSignalPb *m = xos_pb_unpack(&xos__job__unit_signal_pb__descriptor,
                                              xos_call_body(call), 1024, XOS_PB_TOLERANT, &err);
    struct unit *u = m && text_take(m->job, job, sizeof(job)) ? worker_find(w, job, m->unit) : NULL;
    if (m && (!u || u->epoch != m->epoch || strcmp(u->head, xos_call_caller(call)->name) != 0))
        xos_fail(&err, XOS_NOT_FOUND, "no such unit here");
    else if (u)
        unit_signal(u, m->signal, m->grace_ms);
    xos_pb_free(m);
    if (err.code)
        xos_call_fail(call, &err);
    else
        xos_call_answer(call, (struct xos_slice){NULL, 0});
}

static const struct xos_verb verbs[] = {
    {"claim.grant", serve_claim, XOS_VERB_NODE | XOS_VERB_HEAD},
    {"claim.hold", serve_hold, XOS_VERB_NODE | XOS_VERB_HEAD},
    {"claim.release", serve_release, XOS_VERB_NODE | XOS_VERB_HEAD},
    {"unit.start", serve_start, XOS_VERB_NODE | XOS_VERB_HEAD},
    {"unit.signal", serve_signal, XOS_VERB_NODE | XOS_VERB_HEAD},
    {"unit.attach", attach_serve, XOS_VERB_STREAM},
};

/* After a restart */

static int take_record(struct worker *w, struct xos_rows *rows, struct xos_error *err)
{
    struct unit *u = NULL;
    if (unit_new(&u, w, xos_rows_blob(rows, 1), xos_rows_text(rows, 0), err) < 0)
        return -1;
    if (!xos_rows_null(rows, 2)) {
        Xos__Job__ExitPb *m = xos_pb_unpack(&xos__job__exit_pb__descriptor, xos_rows_blob(rows, 2),
                                            1024, XOS_PB_TOLERANT, err);
        int rc = m ? unit_exit_take(m, &u->exit, err) : -1;
        xos_pb_free(m);
        if (rc < 0) {
            unit_free(u);
            return -1;
        }
    }
    worker_add(w, u);
    return 0;
}

static int load_records(struct worker *w, struct xos_error *err)
{
    struct xos_rows *rows = NULL;
    int got, rc = 0;
    if (xos_tx_query(&rows, xos_store_reader(w->store),
                     "SELECT head, start, ended FROM unit WHERE told = 0", XOS_V(), err) < 0)
        return -1;
    while (rc == 0 && (got = xos_rows_next(rows, err)) != 0)
        rc = got < 0 ? -1 : take_record(w, rows, err);
    xos_rows_free(rows);
    return rc < 0 ? xos_wrap(err, "units of before") : 0;
}

/* A unit that runs keeps what it was given, whatever the limits say today. */
static void claim_back(struct worker *w, const struct unit *u)
{
    struct xos_error err;
    struct claim c = {.id.unit = u->number,
                      .epoch = u->epoch,
                      .need = {u->spec->cpus, u->spec->mem_bytes, u->spec->gpus},
                      .deadline_ms = u->status.deadline_ms,
                      .fenced = u->spec->fenced,
                      .running = true};
    memcpy(c.id.job, u->job, sizeof(c.id.job));
    memcpy(c.user, u->user, sizeof(c.user));
    memcpy(c.head, u->head, sizeof(c.head));
    if (u->exit.how == UNIT_END_NONE && claim_restore(w->claims, &c, &err) < 0)
        xos_log_error(XOS_EV_UNIT, &err, "unit=%s", u->exec_id);
}

static void ask_list(struct worker *w, const char *after);

static void on_killed(void *arg, const struct xos_error *result, const struct execd_answer *answer,
                      size_t bytes)
{
    (void)arg;
    (void)answer;
    (void)bytes;
    if (result->code)
        xos_log_error(XOS_EV_UNIT, result, "a unit without a record");
}

/* Is it known whose output that is? */
static bool has_record(const struct worker *w, const char *exec_id)
{
    struct xos_rows *rows = NULL;
    struct xos_error err;
    if (xos_tx_query(&rows, xos_store_reader(w->store), "SELECT 1 FROM unit WHERE exec_id = ?",
                     XOS_V(xos_v_text(exec_id)), &err) < 0)
        return true; /* nothing is thrown away on a guess */
    bool found = xos_rows_next(rows, &err) != 0;
    xos_rows_free(rows);
    return found;
}

/* No record that still is to be told: nobody will ever ask for its end. */
static void clear_stray(struct worker *w, const struct execd_entry *e)
{
    struct xos_error err;
    struct execd_request r = {.verb = EXECD_KILL, .flags = EXECD_FORCE};
    struct execd_request gone = {.verb = EXECD_REMOVE};
    char exec_id[EXEC_UNIT_BYTES + 1] = "";
    bool live = e->state == EXECD_UNIT_LIVE;
    if (live)
        xos_log(XOS_EV_UNIT_LOST, "unit=%.*s reason=\"no record of it\"", EXEC_UNIT_BYTES, e->unit);
    memcpy(r.unit, e->unit, sizeof(r.unit));
    memcpy(gone.unit, e->unit, sizeof(gone.unit));
    memcpy(exec_id, e->unit, EXEC_UNIT_BYTES);
    if (has_record(w, exec_id))
        gone.flags = EXECD_KEEP_SPOOL;
    if ((live &&
         execd_link_ask(w->execd, &r, &(struct execd_blobs){0}, -1, on_killed, w, &err) < 0) ||
        execd_link_ask(w->execd, &gone, &(struct execd_blobs){0}, -1, on_killed, w, &err) < 0)
        xos_log_error(XOS_EV_UNIT, &err, "unit=%.*s", EXEC_UNIT_BYTES, e->unit);
}

/* Records that no page of the list had: never started, or all over and only to be told. */
static void resume_rest(struct worker *w)
{
    struct unit *u, *after;
    w->listed = true;
    worker_room(w);
    HASH_ITER (hh, w->units, u, after) {
        if (u->state == WORKER_UNIT_SAVING) {
            claim_back(w, u);
            unit_resume(u, NULL);
        }
    }
    metrics(w);
}

static void on_list(void *arg, const struct xos_error *result, const struct execd_answer *answer,
                    size_t bytes)
{
    struct worker *w = arg;
    struct execd_entry e = {0};
    if (result->code != XOS_NONE) {
        xos_timer_set(w->list_again, WORKER_LIST_AGAIN_MS);
        return;
    }
    assert(bytes == sizeof(*answer) + answer->count * sizeof(e));
    for (uint32_t i = 0; i < answer->count; i++) {
        struct unit *u;
        memcpy(&e, (const uint8_t *)answer + sizeof(*answer) + i * sizeof(e), sizeof(e));
        HASH_FIND(hh, w->units, e.unit, sizeof(e.unit), u);
        if (!u) {
            clear_stray(w, &e);
        } else {
            claim_back(w, u);
            unit_resume(u, &e);
        }
    }
    if (answer->more && answer->count)
        ask_list(w, e.unit);
    else
        resume_rest(w);
}

static void ask_list(struct worker *w, const char *after)
{
    struct xos_error err = {0};
    struct execd_request r = {.verb = EXECD_LIST};
    if (after)
        memcpy(r.unit, after, sizeof(r.unit));
    if (execd_link_ask(w->execd, &r, &(struct execd_blobs){0}, -1, on_list, w, &err) < 0)
        xos_timer_set(w->list_again, WORKER_LIST_AGAIN_MS);
}

static void on_probe(void *arg, const struct xos_error *result, const struct execd_answer *answer,
                     size_t bytes)
{
    struct worker *w = arg;
    (void)bytes;
    if (result->code != XOS_NONE) {
        xos_timer_set(w->list_again, WORKER_LIST_AGAIN_MS);
        return;
    }
    w->isolated = answer->isolation >= EXECD_CGROUP1;
    if (w->config.isolates)
        w->config.isolates(w->config.arg, execd_isolation_name(answer->isolation));
    ask_list(w, NULL);
}

static void on_list_again(void *arg)
{
    struct worker *w = arg;
    struct xos_error err = {0};
    struct execd_request r = {.verb = EXECD_PROBE};
    if (execd_link_ask(w->execd, &r, &(struct execd_blobs){0}, -1, on_probe, w, &err) < 0)
        xos_timer_set(w->list_again, WORKER_LIST_AGAIN_MS);
}

int worker_new(struct worker **out, const struct worker_config *config, struct xos_error *err)
{
    struct worker *w = xos_alloc(sizeof(*w));
    if (!w)
        return xos_fail(err, XOS_NOMEM, "worker");
    w->config = *config;
    w->loop = config->loop;
    w->env = xos_loop_env(config->loop);
    w->rpc = config->rpc;
    w->store = config->store;
    if (claim_table_new(&w->claims, &config->limits, err) < 0 ||
        execd_link_new(&w->execd, w->loop, config->execd_path, err) < 0 ||
        xos_timer_new(&w->expire, w->loop, on_expire, w, err) < 0 ||
        xos_timer_new(&w->list_again, w->loop, on_list_again, w, err) < 0 ||
        load_records(w, err) < 0 ||
        xos_rpc_serve(w->rpc, verbs, sizeof(verbs) / sizeof(verbs[0]), w, err) < 0) {
        worker_free(w);
        return xos_wrap(err, "worker");
    }
    xos_timer_set(w->list_again, 0);
    *out = w;
    return 0;
}

void worker_limits(struct worker *w, uint32_t units_per_user)
{
    w->config.limits.units_per_user = units_per_user;
    claim_table_limits(w->claims, &w->config.limits);
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    while (w->units)
        worker_forget(w, w->units);
    attach_free_rest(w);
    execd_link_free(w->execd);
    claim_table_free(w->claims);
    xos_timer_free(w->expire);
    xos_timer_free(w->list_again);
    xos_free(w);
}
