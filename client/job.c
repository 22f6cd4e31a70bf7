// SPDX-License-Identifier: Apache-2.0
/* job.c - run or watch one job.
 *
 * The events come on one call (job.run, or job.watch after the connection was lost: it begins after
 * the last event that was seen). ASSIGNED opens a stream to the unit where it is; ENDED closes
 * none, because the output has its own end. The job is over for the program when DONE has come and
 * every stream has ended. A program may free the job in any callback: then all callbacks stop at
 * once, and the memory goes in the next turn of the loop. */
#include "client/call.h"
#include "client/client.h"
#include "client/grant.h"
#include "client/job_event.h"
#include "client/spec.h"
#include "client/stream.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#define JOB_STREAMS_MAX 1024

struct xos_job {
    struct xos_client *client;
    struct xos_job_ops ops;
    void *arg;
    char id[XOS_JOB_ID_BYTES];
    char institution[XOS_HEADER_NAME_MAX];
    struct xos_id operation;   /* of the submission */
    struct xos_buf submission; /* until it is answered */
    struct client_call *call;
    struct client_timer again; /* ask again; or bury */
    struct client_backoff backoff;
    uint64_t after; /* sequence of the last event seen */
    uint32_t only;  /* attach to this unit, or XOS_ALL_UNITS */
    bool output, input, input_each;
    bool told_id, done, over, freed, held;
    bool past; /* the job itself is over, whatever is still to be read */
    int status;
    uint16_t rows, columns;
    struct client_stream *streams;
    struct xos_job *prev, *next; /* among the dying */
};

static void on_again(void *arg);

/* Beginning and end */

static void streams_free(struct xos_job *j)
{
    struct client_stream *s, *after;
    HASH_ITER (hh, j->streams, s, after) {
        HASH_DEL(j->streams, s);
        client_stream_free(s);
    }
}

static void job_bury(struct xos_job *j)
{
    client_call_free(j->call);
    client_timer_off(&j->again);
    streams_free(j);
    xos_buf_free(&j->submission);
    xos_free(j);
}

static void on_bury(void *arg)
{
    struct xos_job *j = arg;
    DL_DELETE(j->client->dying, j);
    job_bury(j);
}

void xos_job_free(struct xos_job *j)
{
    if (!j || j->freed)
        return;
    j->freed = j->over = true;
    j->ops = (struct xos_job_ops){0};
    j->again.expired = on_bury;
    DL_APPEND(j->client->dying, j);
    client_timer_set(&j->again, 0);
}

void client_jobs_free(struct xos_client *client)
{
    while (client->dying)
        on_bury(client->dying);
}

/* The streams stay until the program frees the job: this may be called from one of theirs. */
static void job_failed(struct xos_job *j, const struct xos_error *why)
{
    struct xos_fault fault;
    if (j->over)
        return;
    j->over = true;
    client_timer_off(&j->again);
    (void)client_fault(&fault, why);
    if (j->ops.on_failed)
        j->ops.on_failed(j->arg, j, &fault);
}

static void job_check(struct xos_job *j)
{
    if (!j->done || j->over)
        return;
    for (const struct client_stream *s = j->streams; s; s = s->hh.next)
        if (!s->over)
            return;
    j->over = true;
    if (j->ops.on_done)
        j->ops.on_done(j->arg, j, j->status);
}

/* The streams of its units */

static struct client_stream *stream_of(const struct xos_job *j, uint32_t unit)
{
    struct client_stream *s;
    HASH_FIND(hh, j->streams, &unit, sizeof(unit), s);
    return s;
}

static void hold(struct xos_job *j)
{
    size_t held = 0;
    for (const struct client_stream *s = j->streams; s; s = s->hh.next)
        held += client_stream_held(s);
    bool now = held >= XOS_JOB_HELD_BYTES;
    if (now == j->held)
        return;
    j->held = now;
    for (struct client_stream *s = j->streams; s; s = s->hh.next)
        client_stream_hold(s, now);
}

static void on_attached(void *arg, uint32_t unit, bool pty)
{
    struct xos_job *j = arg;
    if (!j->over && j->ops.on_attached)
        j->ops.on_attached(j->arg, j, unit, pty);
}

static void on_output(void *arg, uint32_t unit, int stream, struct xos_slice data)
{
    struct xos_job *j = arg;
    if (j->over)
        return;
    if (j->ops.on_output)
        j->ops.on_output(j->arg, j, unit, stream, data.data, data.len);
    hold(j);
}

static void on_output_end(void *arg, uint32_t unit, int stream)
{
    struct xos_job *j = arg;
    if (!j->over && j->ops.on_output_end)
        j->ops.on_output_end(j->arg, j, unit, stream);
}

static void on_input(void *arg, uint32_t unit)
{
    struct xos_job *j = arg;
    if (!j->over && j->ops.on_input)
        j->ops.on_input(j->arg, j, unit);
}

static void on_input_closed(void *arg, uint32_t unit)
{
    struct xos_job *j = arg;
    if (!j->over && j->ops.on_input_closed)
        j->ops.on_input_closed(j->arg, j, unit);
}

static int on_input_again(void *arg, uint32_t unit)
{
    struct xos_job *j = arg;
    return !j->over && j->ops.on_input_again ? j->ops.on_input_again(j->arg, j, unit) : -1;
}

/* A job that goes on without one of its streams would end as if nothing were missing. */
static void on_stream_over(void *arg, uint32_t unit, const struct xos_error *why)
{
    struct xos_job *j = arg;
    if (why && !j->over) {
        struct xos_error err = *why;
        if (why->code == XOS_NOT_FOUND && j->past)
            xos_wrap(&err, "job %s: what unit %" PRIu32 " wrote is not kept any more", j->id, unit);
        else
            xos_wrap(&err, "job %s: unit %" PRIu32 " is out of reach, it may go on (xattach %s)",
                     j->id, unit, j->id);
        job_failed(j, &err);
        return;
    }
    job_check(j);
}

static const struct client_stream_ops stream_ops = {
    .on_attached = on_attached,
    .on_output = on_output,
    .on_output_end = on_output_end,
    .on_input = on_input,
    .on_input_closed = on_input_closed,
    .on_input_again = on_input_again,
    .on_over = on_stream_over,
};

static int stream_assign(struct xos_job *j, const struct xos_job_event *ev, struct xos_error *err)
{
    struct client_stream *s = stream_of(j, ev->unit);
    bool input = j->input && (ev->unit == 0 || j->input_each || j->only == ev->unit);
    if (!j->output || (j->only != XOS_ALL_UNITS && j->only != ev->unit))
        return 0;
    if (!s && HASH_COUNT(j->streams) >= JOB_STREAMS_MAX)
        return xos_fail(err, XOS_LIMIT, "JOB_STREAMS_MAX: %d units", JOB_STREAMS_MAX);
    if (!s) {
        if (client_stream_new(&s, j->client, j->id, ev->unit, input, &stream_ops, j, err) < 0)
            return -1;
        HASH_ADD(hh, j->streams, unit, sizeof(s->unit), s);
        s->rows = j->rows;
        s->columns = j->columns;
        s->held = j->held;
    }
    return client_stream_assign(s, ev->node, ev->epoch, err);
}

/* Its events */

static int event_take(struct xos_job *j, const struct xos_job_event *ev, struct xos_error *err)
{
    struct client_stream *s = stream_of(j, ev->unit);
    if (ev->kind == XOS_JOB_ASSIGNED)
        return stream_assign(j, ev, err);
    if (ev->kind == XOS_JOB_LOST && s)
        client_stream_unassign(s);
    if (ev->kind == XOS_JOB_ENDED && s)
        client_stream_ended(s, ev->end == XOS_END_KILLED && ev->started_ms == 0,
                            ev->end == XOS_END_NODE_LOST || ev->end == XOS_END_SHIM_LOST);
    if (ev->kind == XOS_JOB_DONE) {
        j->done = j->past = true;
        j->status = ev->value;
    }
    return 0;
}

static void on_event(void *arg, struct xos_slice body)
{
    struct xos_job *j = arg;
    struct xos_error err = {0};
    struct client_job_event e;
    if (j->over)
        return;
    if (client_job_event_decode(&e, body, &err) < 0) {
        job_failed(j, &err);
        return;
    }
    if (e.event.sequence <= j->after)
        return;
    j->after = e.event.sequence;
    if (j->ops.on_event)
        j->ops.on_event(j->arg, j, &e.event);
    if (j->over)
        return;
    if (event_take(j, &e.event, &err) < 0)
        job_failed(j, &err);
    else
        job_check(j);
}

static void on_answer(void *arg, struct xos_slice body)
{
    struct xos_job *j = arg;
    struct xos_error err = {0};
    if (j->over)
        return;
    client_backoff_reset(&j->backoff);
    if (j->told_id)
        return;
    Xos__Job__SubmittedPb *m =
        xos_pb_unpack(&xos__job__submitted_pb__descriptor, body, 1024, XOS_PB_TOLERANT, &err);
    if (m && (m->job.len == 0 || m->job.len >= sizeof(j->id)))
        xos_fail(&err, XOS_PROTOCOL, "the job's id is %zu bytes long", m->job.len);
    if (m && err.code == XOS_NONE) {
        memcpy(j->id, m->job.data, m->job.len);
        j->id[m->job.len] = '\0';
        j->told_id = true;
        xos_buf_free(&j->submission);
    }
    xos_pb_free(m);
    if (err.code || client_institution_of_job(j->id, j->institution, &err) < 0)
        job_failed(j, &err);
    else if (j->ops.on_id)
        j->ops.on_id(j->arg, j, j->id);
}

/* Asking, and asking again */

static void job_retry(struct xos_job *j, const struct xos_error *why)
{
    struct xos_error err = *why;
    uint64_t wait = client_backoff_next(&j->backoff, client_pollset_now_ms(j->client->poll),
                                        CLIENT_RECONNECT_MS_MAX);
    if (wait != UINT64_MAX) {
        client_timer_set(&j->again, wait);
        return;
    }
    if (j->id[0])
        xos_wrap(&err, "job %s: out of reach for %d s, it may go on (xattach %s)", j->id,
                 CLIENT_RECONNECT_MS_MAX / 1000, j->id);
    else
        xos_wrap(&err, "not submitted");
    job_failed(j, &err);
}

/* LIMIT in the middle of a stream of events: this program was too slow, and is told so. */
static void on_end(void *arg, enum call_end end, const struct xos_error *why)
{
    struct xos_job *j = arg;
    client_call_free(j->call);
    j->call = NULL;
    if (j->over || j->done)
        return;
    bool lost = end != CALL_END_REFUSED || why->code == XOS_UNAVAILABLE ||
                why->code == XOS_TIMEOUT || (why->code == XOS_LIMIT && j->told_id);
    if (lost)
        job_retry(j, why);
    else
        job_failed(j, why);
}

static const struct client_call_ops call_ops = {
    .on_answer = on_answer, .on_event = on_event, .on_end = on_end};

static int ask_run(struct xos_job *j, struct xos_error *err)
{
    struct client_request request = {.verb = "job.run",
                                     .to_node = "",
                                     .to_institution = client_home(j->client),
                                     .operation_id = j->operation,
                                     .body = {j->submission.data, j->submission.len}};
    return client_call_begin(&j->call, j->client, &request, &call_ops, j, err);
}

static int ask_watch(struct xos_job *j, struct xos_error *err)
{
    struct xos_buf body = XOS_BUF(1024);
    Xos__Job__WatchPb m = XOS__JOB__WATCH_PB__INIT;
    struct client_request request = {
        .verb = "job.watch", .to_node = "", .to_institution = j->institution};
    m.job = xos_pb_text(j->id);
    m.after = j->after;
    int rc = client_operation(j->client, &request.operation_id, err);
    if (rc == 0)
        rc = xos_pb_pack(&m, &body, err);
    request.body = (struct xos_slice){body.data, body.len};
    if (rc == 0)
        rc = client_call_begin(&j->call, j->client, &request, &call_ops, j, err);
    xos_buf_free(&body);
    return rc;
}

static void on_again(void *arg)
{
    struct xos_job *j = arg;
    struct xos_error err = {0};
    if ((j->id[0] ? ask_watch(j, &err) : ask_run(j, &err)) < 0)
        job_failed(j, &err);
}

static int job_new(struct xos_job **out, struct xos_client *client, const struct xos_job_ops *ops,
                   void *arg, struct xos_error *err)
{
    struct xos_job *j = xos_alloc(sizeof(*j));
    if (!j)
        return xos_fail(err, XOS_NOMEM, "job");
    *j = (struct xos_job){.client = client,
                          .ops = *ops,
                          .arg = arg,
                          .only = XOS_ALL_UNITS,
                          .submission = XOS_BUF(XOS_BODY_BYTES_MAX),
                          .again = {.poll = client->poll, .expired = on_again, .arg = j}};
    *out = j;
    return 0;
}

static int submission_pack(struct xos_job *j, const struct xos_job_spec *spec,
                           struct xos_error *err)
{
    struct xos_buf bytes = XOS_BUF(XOS_BODY_BYTES_MAX), proof = XOS_BUF(XOS_BODY_BYTES_MAX);
    Xos__Job__SubmitPb m = XOS__JOB__SUBMIT_PB__INIT;
    int rc = client_spec_pack(spec, client_home(j->client), &bytes, err);
    if (rc == 0)
        rc = client_grant_make(j->client, spec, (struct xos_slice){bytes.data, bytes.len},
                               &j->operation, &proof, err);
    m.spec = (ProtobufCBinaryData){bytes.len, bytes.data};
    m.grant = (ProtobufCBinaryData){proof.len, proof.data};
    m.watch = true;
    if (rc == 0)
        rc = xos_pb_pack(&m, &j->submission, err);
    xos_buf_free(&bytes);
    xos_buf_free(&proof);
    return rc;
}

int xos_job_run(struct xos_job **out, struct xos_client *client, const struct xos_job_spec *spec,
                const struct xos_job_ops *ops, void *arg, struct xos_fault *fault)
{
    struct xos_error err = {0};
    struct xos_job *j = NULL;
    if (job_new(&j, client, ops, arg, &err) < 0)
        return client_fault(fault, &err);
    j->output = true;
    j->input = !spec->stdin_closed;
    j->input_each = spec->stdin_each;
    j->rows = spec->rows;
    j->columns = spec->columns;
    if (client_operation(client, &j->operation, &err) < 0 || submission_pack(j, spec, &err) < 0 ||
        ask_run(j, &err) < 0) {
        job_bury(j);
        return client_fault(fault, &err);
    }
    *out = j;
    return 0;
}

int xos_job_watch(struct xos_job **out, struct xos_client *client, const char *id, uint32_t unit,
                  unsigned flags, const struct xos_job_ops *ops, void *arg, struct xos_fault *fault)
{
    struct xos_error err = {0};
    struct xos_job *j = NULL;
    if (job_new(&j, client, ops, arg, &err) < 0)
        return client_fault(fault, &err);
    j->output = flags & XOS_WATCH_OUTPUT;
    j->input = flags & XOS_WATCH_INPUT;
    j->only = unit;
    (void)snprintf(j->id, sizeof(j->id), "%s", id);
    if (client_institution_of_job(id, j->institution, &err) < 0 || ask_watch(j, &err) < 0) {
        job_bury(j);
        return client_fault(fault, &err);
    }
    *out = j;
    return 0;
}

static int read_unit(struct xos_job *j, const struct xos_unit_info *u, struct xos_error *err)
{
    struct client_stream *s;
    if (!u->node[0] || u->epoch == 0 || (j->only != XOS_ALL_UNITS && j->only != u->unit) ||
        stream_of(j, u->unit))
        return 0;
    if (client_stream_new(&s, j->client, j->id, u->unit, false, &stream_ops, j, err) < 0)
        return -1;
    HASH_ADD(hh, j->streams, unit, sizeof(s->unit), s);
    s->once = true;
    return client_stream_assign(s, u->node, u->epoch, err);
}

/* No unit ever had a node: there is nothing to wait for. */
static void on_nothing(void *arg)
{
    job_check(arg);
}

int xos_job_read(struct xos_job **out, struct xos_client *client, const struct xos_job_info *info,
                 uint32_t unit, const struct xos_job_ops *ops, void *arg, struct xos_fault *fault)
{
    struct xos_error err = {0};
    struct xos_job *j = NULL;
    if (job_new(&j, client, ops, arg, &err) < 0)
        return client_fault(fault, &err);
    j->output = j->done = true;
    j->past = strcmp(info->state, "done") == 0;
    j->only = unit;
    j->again.expired = on_nothing;
    (void)snprintf(j->id, sizeof(j->id), "%s", info->id);
    int rc = info->unit_count <= JOB_STREAMS_MAX ? 0 : -1;
    if (rc < 0)
        xos_fail(&err, XOS_LIMIT, "JOB_STREAMS_MAX: %d units", JOB_STREAMS_MAX);
    for (size_t i = 0; rc == 0 && i < info->unit_count; i++)
        rc = read_unit(j, info->units[i], &err);
    if (rc < 0) {
        job_bury(j);
        return client_fault(fault, &err);
    }
    client_timer_set(&j->again, 0);
    *out = j;
    return 0;
}

/* What a program may do with it */

const char *xos_job_id(const struct xos_job *j)
{
    return j->id;
}

uint64_t xos_job_away_ms(const struct xos_job *j)
{
    return j->backoff.lost_ms ? client_pollset_now_ms(j->client->poll) - j->backoff.lost_ms : 0;
}

void xos_job_written(struct xos_job *j, uint32_t unit, int stream, size_t bytes)
{
    struct client_stream *s = stream_of(j, unit);
    if (!s)
        return;
    client_stream_written(s, stream, bytes);
    hold(j);
}

size_t xos_job_input_room(const struct xos_job *j, uint32_t unit)
{
    const struct client_stream *s = stream_of(j, unit);
    return s && !j->over ? client_stream_input_room(s) : 0;
}

int xos_job_input(struct xos_job *j, uint32_t unit, const void *data, size_t bytes,
                  struct xos_fault *fault)
{
    struct client_stream *s = stream_of(j, unit);
    struct xos_error err = {0};
    if (!s || j->over)
        xos_fail(&err, XOS_NOT_FOUND, "unit %" PRIu32 " takes no input", unit);
    else
        (void)client_stream_input(s, (struct xos_slice){data, bytes}, &err);
    return err.code ? client_fault(fault, &err) : 0;
}

void xos_job_input_end(struct xos_job *j, uint32_t unit)
{
    struct client_stream *s = stream_of(j, unit);
    if (s && !j->over)
        client_stream_input_end(s);
}

void xos_job_window(struct xos_job *j, uint32_t unit, uint16_t rows, uint16_t columns)
{
    struct client_stream *s = stream_of(j, unit);
    j->rows = rows;
    j->columns = columns;
    if (s && !j->over)
        client_stream_window(s, rows, columns);
}
