// SPDX-License-Identifier: Apache-2.0
/* head_verbs.c - what may be asked of a head: by users about jobs, by workers about units. */
#include "jobmgr/jobmgr.pb-c.h"
#include "jobmgr/service/owned.h"
#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"
#include "libxos/wire/pb.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>

/* Reports of workers: answered when what they say is durable */

struct report {
    struct xos_call *call;
    uint32_t unit;
    uint64_t epoch;
    char node[JOB_NAME_MAX];
    struct report *prev, *next;
};

static const struct xos_slice empty = {NULL, 0};

void reports_answer(struct owned *o, const struct job_action *x)
{
    struct report *r, *after;
    DL_FOREACH_SAFE(o->reports, r, after)
    {
        if (r->unit != x->unit || r->epoch != x->epoch || strcmp(r->node, x->node) != 0)
            continue;
        DL_DELETE(o->reports, r);
        xos_call_answer(r->call, empty);
        xos_free(r);
    }
}

void reports_free(struct owned *o)
{
    struct report *r, *after;
    DL_FOREACH_SAFE(o->reports, r, after)
    {
        DL_DELETE(o->reports, r);
        xos_free(r);
    }
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

/* What a worker says, as an input of the job. */
static int report_input(const Xos__Job__UnitReportPb *m, struct job_input *in,
                        struct xos_error *err)
{
    static const enum job_input_kind kinds[] = {JOB_IN_NONE, JOB_IN_STARTED, JOB_IN_SUSPENDED,
                                                JOB_IN_RESUMED, JOB_IN_ENDED};
    if (m->state == 0 || m->state >= sizeof(kinds) / sizeof(kinds[0]))
        return xos_fail(err, XOS_INVALID, "a report of unknown kind %u", m->state);
    in->kind = kinds[m->state];
    in->unit = m->unit;
    in->epoch = m->epoch;
    in->reason = "";
    if (in->kind != JOB_IN_ENDED)
        return 0;
    return m->exit ? unit_exit_take(m->exit, &in->exit, err)
                   : xos_fail(err, XOS_INVALID, "an end without its status");
}

static int report_keep(struct owned *o, struct xos_call *call, const struct job_input *in,
                       struct xos_error *err)
{
    struct report *r = xos_alloc(sizeof(*r));
    if (!r)
        return xos_fail(err, XOS_NOMEM, "report");
    *r = (struct report){.call = call, .unit = in->unit, .epoch = in->epoch};
    (void)snprintf(r->node, sizeof(r->node), "%s", in->node);
    if (owned_step(o, in, err) < 0) {
        xos_free(r);
        return -1;
    }
    DL_APPEND(o->reports, r);
    return 0;
}

/* Is this unit, where and as it is reported, one that lives? A worker that hears STALE ends it, and
 * hears it from nobody else: what keeps a request from coming here has other codes. */
static int report_check(const struct owned *o, const struct job_input *in, struct xos_error *err)
{
    const struct job_unit *u =
        o && in->unit < o->job->shape.units ? &o->job->units[in->unit] : NULL;
    if (u && (in->kind == JOB_IN_ENDED ||
              (u->epoch == in->epoch && strcmp(u->node, in->node) == 0 &&
               u->states.now >= JOB_UNIT_ASSIGNED && u->states.now < JOB_UNIT_DONE)))
        return 0;
    return xos_fail(err, XOS_STALE, "no unit of that epoch lives on %s", in->node);
}

static void serve_report(void *service, struct xos_call *call)
{
    struct head *h = service;
    struct xos_error err = {0};
    struct job_input in = {.node = xos_call_caller(call)->name};
    char job[JOB_NAME_MAX];
    Xos__Job__UnitReportPb *m = xos_pb_unpack(&xos__job__unit_report_pb__descriptor,
                                              xos_call_body(call), 4096, XOS_PB_TOLERANT, &err);
    struct owned *o = m && text_take(m->job, job, sizeof(job)) ? owned_find(h, job) : NULL;
    if (m && report_input(m, &in, &err) == 0 && report_check(o, &in, &err) == 0 &&
        in.kind == JOB_IN_ENDED) {
        if (report_keep(o, call, &in, &err) == 0) {
            xos_pb_free(m);
            return;
        }
    } else if (m && err.code == XOS_NONE && owned_step(o, &in, &err) == 0) {
        xos_pb_free(m);
        xos_call_answer(call, empty);
        return;
    }
    xos_pb_free(m);
    xos_call_fail(call, &err);
}

/* Users: submit, watch, signal */

static int check_live(struct head *h, const char *limit, uint32_t most, const char *name,
                      struct xos_error *err)
{
    uint32_t live = quota_count(h->live, name);
    if (!most || live < most)
        return 0;
    xos_metric_add(XOS_M_LIMITS_REACHED, limit, 1);
    return xos_fail(err, XOS_LIMIT, "%s: %.80s has %u live jobs, the most that [limits] allows",
                    limit, name, live);
}

static int check_limits(struct head *h, const struct xos_caller *who, struct xos_error *err)
{
    const struct head_config *c = &h->config;
    if (h->full) {
        xos_metric_add(XOS_M_LIMITS_REACHED, "spool_min_free", 1);
        return xos_fail(err, XOS_LIMIT,
                        "spool_min_free: the disk of %s is too full for new jobs: its "
                        "administrator must make room",
                        c->node);
    }
    if (check_live(h, "jobs_per_user", c->jobs_per_user, who->name, err) < 0)
        return -1;
    return check_live(h, "jobs_per_vo", c->jobs_per_vo, who->vo, err);
}

/* Ids are the clients' choice: one user's must not meet another's. */
static int head_operation(const struct xos_id *id, const char *user, struct xos_id *out,
                          struct xos_error *err)
{
    char text[JOB_NAME_MAX + XOS_ID_BYTES];
    uint8_t hash[XOS_HASH_BYTES];
    size_t n = strnlen(user, JOB_NAME_MAX - 1) + 1;
    memcpy(text, user, n);
    memcpy(text + n, id->bytes, XOS_ID_BYTES);
    if (xos_sha256((struct xos_slice){(const uint8_t *)text, n + XOS_ID_BYTES}, hash, err) < 0)
        return -1;
    memcpy(out->bytes, hash, XOS_ID_BYTES);
    return 0;
}

/* Was this submitted before? 1: yes, and the call is taken care of. 0: no. */
static int known_operation(struct head *h, struct xos_call *call, const struct xos_id *id,
                           bool stays, struct xos_error *err)
{
    struct xos_rows *rows = NULL;
    struct owned *o;
    char job[JOB_NAME_MAX] = "";
    HASH_FIND(by_operation, h->operations, id, sizeof(*id), o);
    if (o)
        return watcher_add(o, call, o->job->sequence == 0 || o->batch, stays, 0, err) < 0 ? -1 : 1;
    if (xos_tx_query(&rows, xos_store_reader(h->store), "SELECT job FROM operation WHERE id = ?",
                     XOS_V(xos_v_blob(id->bytes, XOS_ID_BYTES)), err) < 0)
        return -1;
    int got = xos_rows_next(rows, err);
    if (got == 1)
        (void)snprintf(job, sizeof(job), "%s-%lld", h->config.institution,
                       (long long)xos_rows_int(rows, 0));
    xos_rows_free(rows);
    if (got != 1)
        return got;
    o = owned_find(h, job); /* it was submitted before a restart and lives on */
    int rc =
        o ? watcher_add(o, call, false, stays, 0, err) : watch_past(h, call, job, 0, stays, err);
    return rc < 0 ? -1 : 1;
}

static void operation_note(struct owned *o, const struct xos_id *id)
{
    o->operation = *id;
    o->has_operation = true;
    HASH_ADD(by_operation, o->head->operations, operation, sizeof(o->operation), o);
}

static int submit(struct head *h, struct xos_call *call, const Xos__Job__SubmitPb *m,
                  struct xos_error *err)
{
    const struct xos_caller *who = xos_call_caller(call);
    const struct xos_id *asked = xos_call_operation(call);
    struct owned *o = NULL;
    struct xos_id operation;
    bool has_operation = asked != NULL;
    if (has_operation) {
        int known = head_operation(asked, who->name, &operation, err) < 0
                        ? -1
                        : known_operation(h, call, &operation, m->watch != 0, err);
        if (known != 0)
            return known < 0 ? -1 : 0;
    }
    if (check_limits(h, who, err) < 0 || owned_new(&o, h, h->last_number + 1, xos_pb_slice(m->spec),
                                                   xos_pb_slice(m->grant), err) < 0)
        return -1;
    if (h->config.check(h->config.arg, o->spec, err) < 0 || head_warrant_submit(o, call, err) < 0) {
        owned_drop(o);
        return -1;
    }
    if (has_operation)
        operation_note(o, &operation);
    struct job_input in = {.kind = JOB_IN_SUBMIT,
                           .user = who->name,
                           .vo = who->vo,
                           .spec = {o->spec_bytes.data, o->spec_bytes.len},
                           .grant = {o->grant.data, o->grant.len},
                           .operation_id = {o->operation.bytes, has_operation ? XOS_ID_BYTES : 0}};
    if (watcher_add(o, call, true, m->watch != 0, 0, err) < 0 || owned_step(o, &in, err) < 0) {
        owned_drop(o);
        return -1;
    }
    h->last_number++;
    return 0;
}

static void serve_submit(void *service, struct xos_call *call)
{
    struct xos_error err = {0};
    Xos__Job__SubmitPb *m = xos_pb_unpack(&xos__job__submit_pb__descriptor, xos_call_body(call),
                                          XOS_BODY_BYTES_MAX, XOS_PB_TOLERANT, &err);
    if (!m || submit(service, call, m, &err) < 0)
        xos_call_fail(call, &err);
    xos_pb_free(m);
}

/* Its owner may see and touch a job, and whom policy lets. */
static struct owned *job_of_caller(struct head *h, const struct xos_call *call,
                                   ProtobufCBinaryData id, struct xos_error *err)
{
    char text[JOB_NAME_MAX] = "";
    struct owned *o = text_take(id, text, sizeof(text)) ? owned_find(h, text) : NULL;
    if (o && xos_caller_reaches(xos_call_caller(call), o->job->user, o->job->vo))
        return o;
    xos_fail(err, XOS_NOT_FOUND, "no live job %.60s of %s", text, xos_call_caller(call)->name);
    return NULL;
}

static void serve_watch(void *service, struct xos_call *call)
{
    struct xos_error err = {0};
    Xos__Job__WatchPb *m = xos_pb_unpack(&xos__job__watch_pb__descriptor, xos_call_body(call), 4096,
                                         XOS_PB_TOLERANT, &err);
    struct owned *o = m ? job_of_caller(service, call, m->job, &err) : NULL;
    char id[JOB_NAME_MAX];
    int rc = -1;
    if (o)
        rc = watcher_add(o, call, false, true, m->after, &err);
    else if (m && text_take(m->job, id, sizeof(id)))
        rc = watch_past(service, call, id, m->after, true, &err);
    if (rc < 0)
        xos_call_fail(call, &err);
    xos_pb_free(m);
}

static void serve_signal(void *service, struct xos_call *call)
{
    struct xos_error err = {0};
    Xos__Job__SignalPb *m = xos_pb_unpack(&xos__job__signal_pb__descriptor, xos_call_body(call),
                                          4096, XOS_PB_TOLERANT, &err);
    struct owned *o = m ? job_of_caller(service, call, m->job, &err) : NULL;
    struct job_input in = {.kind = JOB_IN_SIGNAL, .user = xos_call_caller(call)->name};
    if (o) {
        in.unit = m->unit;
        in.signal = m->signal;
        in.grace_ms = m->grace_ms < SPEC_GRACE_MS_MAX ? m->grace_ms : SPEC_GRACE_MS_MAX;
        if (m->signal <= 0 || m->signal > 64)
            xos_fail(&err, XOS_INVALID, "%d is not a signal", m->signal);
    }
    if (o && err.code == XOS_NONE && owned_step(o, &in, &err) == 0)
        xos_call_answer(call, empty);
    else
        xos_call_fail(call, &err);
    xos_pb_free(m);
}

const struct xos_verb head_verbs[] = {
    {"job.run", serve_submit, XOS_VERB_STREAM},   {"job.watch", serve_watch, XOS_VERB_STREAM},
    {"job.signal", serve_signal, XOS_VERB_ONCE},  {"job.list", head_serve_list, 0},
    {"unit.report", serve_report, XOS_VERB_NODE},
};
const size_t head_verb_count = sizeof(head_verbs) / sizeof(head_verbs[0]);
