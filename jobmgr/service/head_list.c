// SPDX-License-Identifier: Apache-2.0
/* head_list.c - listings: live jobs from memory, those that ended from the store. */
#include "jobmgr/jobmgr.pb-c.h"
#include "jobmgr/service/owned.h"
#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"
#include "libxos/wire/pb.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The answer under construction: each job is packed as soon as it is known, as one element of
 * JobsPb.jobs, so that nothing has to be kept alive for it. */
struct listing {
    struct head *head;
    const struct xos_caller *who;
    bool named, everybody; /* what was asked for */
    struct xos_buf out;
    uint32_t count, count_max;
    bool more;
};

static void unit_fill(Xos__Job__UnitPb *m, uint32_t number, const struct job_unit *u)
{
    xos__job__unit_pb__init(m);
    m->unit = number;
    m->node = xos_pb_text(u->node);
    m->state = xos_pb_text(job_unit_state_name(u));
    m->reason = xos_pb_text(u->reason);
    m->epoch = u->epoch;
    m->exit = u->exit.how ? unit_exit_status(&u->exit) : 0;
}

static void job_fill(Xos__Job__JobPb *m, const struct head *h, const struct job *j,
                     const struct job_spec *spec)
{
    m->id = xos_pb_text(j->id);
    m->user = xos_pb_text(j->user);
    m->vo = xos_pb_text(j->vo);
    m->institution = xos_pb_text(h->config.institution);
    m->name = xos_pb_text(spec->name);
    m->state = xos_pb_text(job_state_name(j));
    m->reason = xos_pb_text(j->reason);
    m->submitted_ms = (uint64_t)j->submitted_ms;
    m->started_ms = (uint64_t)j->started_ms;
    m->ended_ms = (uint64_t)j->ended_ms;
    m->exit = j->status;
}

static int listing_pack(struct listing *l, Xos__Job__JobPb *m, struct xos_error *err)
{
    Xos__Job__JobsPb one = XOS__JOB__JOBS_PB__INIT;
    Xos__Job__JobPb *list[] = {m};
    one.n_jobs = 1;
    one.jobs = list;
    size_t size = xos__job__jobs_pb__get_packed_size(&one);
    if (l->count == l->count_max || l->out.len + size > l->out.max) {
        l->more = true;
        return 0;
    }
    l->count++;
    return xos_pb_pack(&one, &l->out, err);
}

/* One's own; another's where policy lets, and either the job was named or all were asked for. */
static bool shown(const struct listing *l, const struct job *j)
{
    if (strcmp(j->user, l->who->name) == 0)
        return true;
    return xos_caller_reaches(l->who, j->user, j->vo) && (l->named || l->everybody);
}

static int list_job(struct listing *l, const struct job *j, const struct job_spec *spec,
                    struct xos_error *err)
{
    Xos__Job__JobPb m = XOS__JOB__JOB_PB__INIT;
    uint32_t n = j->shape.units;
    if (j->sequence == 0 || !shown(l, j))
        return 0;
    Xos__Job__UnitPb *units = xos_alloc_array(n, sizeof(*units));
    Xos__Job__UnitPb **list = xos_alloc_array(n, sizeof(*list));
    ProtobufCBinaryData *argv = xos_alloc_array(spec->argc, sizeof(*argv));
    int rc = units && list && argv ? 0 : xos_fail(err, XOS_NOMEM, "listing");
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        unit_fill(&units[i], i, &j->units[i]);
        list[i] = &units[i];
    }
    for (size_t i = 0; rc == 0 && i < spec->argc; i++)
        argv[i] = xos_pb_text(spec->argv[i]);
    if (rc == 0) {
        job_fill(&m, l->head, j, spec);
        m.n_units = n;
        m.units = list;
        m.n_argv = spec->argc;
        m.argv = argv;
        rc = listing_pack(l, &m, err);
    }
    xos_free(units);
    xos_free(list);
    xos_free(argv);
    return rc;
}

static int list_past(struct listing *l, const char *id, struct xos_error *err)
{
    struct job *job = NULL;
    struct job_spec *spec = NULL;
    if (head_past_job(l->head, id, &job, &spec, err) < 0)
        return -1;
    int rc = list_job(l, job, spec, err);
    job_free(job);
    spec_free(spec);
    return rc;
}

static int list_ended(struct listing *l, uint64_t within_ms, struct xos_error *err)
{
    struct head *h = l->head;
    struct xos_rows *rows = NULL;
    int64_t numbers[HEAD_LIST_MAX];
    size_t count = 0;
    int got, rc = 0;
    int64_t now = xos_env_real_ms(h->env);
    int64_t since = (uint64_t)now > within_ms ? now - (int64_t)within_ms : 0;
    if (xos_tx_query(
            &rows, xos_store_reader(h->store),
            "SELECT number FROM job WHERE done = 1 AND ended_ms >= ? AND (user_name = ? OR ? = 1) "
            "ORDER BY ended_ms DESC LIMIT ?",
            XOS_V(xos_v_int(since), xos_v_text(l->who->name),
                  xos_v_int(l->everybody && l->who->reach != XOS_REACH_OWN),
                  xos_v_int(HEAD_LIST_MAX)),
            err) < 0)
        return -1;
    while ((got = xos_rows_next(rows, err)) == 1 && count < HEAD_LIST_MAX)
        numbers[count++] = xos_rows_int(rows, 0);
    xos_rows_free(rows);
    for (size_t i = 0; got >= 0 && rc == 0 && i < count && !l->more; i++) {
        char id[JOB_NAME_MAX];
        (void)snprintf(id, sizeof(id), "%s-%" PRId64, h->config.institution, numbers[i]);
        if (!owned_find(h, id)) /* still on its way out of the live set: listed already */
            rc = list_past(l, id, err);
    }
    return got < 0 ? -1 : rc;
}

static int list_named(struct listing *l, ProtobufCBinaryData name, struct xos_error *err)
{
    char id[JOB_NAME_MAX];
    if (name.len >= sizeof(id))
        return 0;
    (void)snprintf(id, sizeof(id), "%.*s", (int)name.len, name.len ? (const char *)name.data : "");
    struct owned *o = owned_find(l->head, id);
    if (o)
        return list_job(l, o->job, o->spec, err);
    int rc = list_past(l, id, err);
    return rc < 0 && err->code == XOS_NOT_FOUND ? 0 : rc;
}

static int list_all(struct listing *l, const Xos__Job__ListPb *m, struct xos_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < m->n_job; i++)
        rc = list_named(l, m->job[i], err);
    if (m->n_job)
        return rc;
    for (struct owned *o = l->head->jobs; rc == 0 && o && !l->more; o = o->hh.next)
        rc = list_job(l, o->job, o->spec, err);
    if (rc == 0 && m->ended_within_ms)
        rc = list_ended(l, m->ended_within_ms, err);
    return rc;
}

uint32_t head_count(const struct head *h)
{
    uint32_t counts[JOB_STATE_NAMES] = {0}, live = 0;
    for (const struct owned *o = h->jobs; o; o = o->hh.next) {
        const char *state = job_state_name(o->job);
        for (size_t i = 0; i < JOB_STATE_NAMES; i++)
            counts[i] += strcmp(job_state_names[i], state) == 0;
        live += !o->job->done;
    }
    for (size_t i = 0; i < JOB_STATE_NAMES; i++)
        xos_metric_set(XOS_M_JOBS, job_state_names[i], (double)counts[i]);
    return live;
}

void head_serve_list(void *service, struct xos_call *call)
{
    struct xos_error err = {0};
    struct listing l = {
        .head = service, .who = xos_call_caller(call), .out = XOS_BUF(XOS_BODY_BYTES_MAX - 64)};
    Xos__Job__JobsPb tail = XOS__JOB__JOBS_PB__INIT;
    Xos__Job__ListPb *m = xos_pb_unpack(&xos__job__list_pb__descriptor, xos_call_body(call),
                                        XOS_BODY_BYTES_MAX, XOS_PB_TOLERANT, &err);
    l.count_max = m && m->count_max && m->count_max < HEAD_LIST_MAX ? m->count_max : HEAD_LIST_MAX;
    l.named = m && m->n_job;
    l.everybody = m && m->everybody;
    int rc = m ? list_all(&l, m, &err) : -1;
    tail.more = l.more;
    l.out.max = XOS_BODY_BYTES_MAX;
    /* Two messages one behind the other are one message with the elements of both. */
    if (rc == 0 && xos_pb_pack(&tail, &l.out, &err) == 0)
        xos_call_answer(call, (struct xos_slice){l.out.data, l.out.len});
    else
        xos_call_fail(call, &err);
    xos_pb_free(m);
    xos_buf_free(&l.out);
}
