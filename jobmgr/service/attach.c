// SPDX-License-Identifier: Apache-2.0
/* attach.c - clients on the streams of a unit.
 *
 * Output comes from the spool files, by offset, so that a client may come, go and come back and
 * neither lose nor repeat a byte; the shim only says how much is there. A foreground client's
 * acknowledgements are passed on to the shim, which holds the unit back when it is too far ahead.
 * Input is kept here until the shim has written it to the unit: the client keeps what is not
 * acknowledged, and sends it again from the offset that it is told when it comes back. */
#include "jobmgr/core/spec.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "jobmgr/judge/request.h"
#include "jobmgr/service/worker.h"
#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"
#include "libxos/wire/pb.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#define ATTACH_CHUNK_BYTES ((size_t)64 << 10)
#define ATTACH_INPUT_BYTES ((size_t)1 << 20) /* a client may send so far beyond what was taken */
#define ATTACH_FRAME_BYTES (ATTACH_CHUNK_BYTES + 256)
#define ATTACH_CONTROL_BYTES ((size_t)16 << 10) /* output leaves room for acknowledgements */
#define ATTACH_PARKED_MS                                                                           \
    15000 /* the owner's START follows its ASSIGNED; more than this is a defect */

enum stream_kind {
    STREAM_NONE,
    STREAM_DATA,
    STREAM_END,
    STREAM_ACK,
    STREAM_WINDOW_SIZE,
    STREAM_SIGNAL,
    STREAM_EXIT,
};

struct source {
    int fd; /* the spool file; -1 while it is not there */
    uint64_t sent;
    uint64_t acked;
    bool ended; /* END was sent */
};

struct attach {
    struct worker *worker;
    struct unit *unit; /* NULL: parked, or the unit is over */
    char exec_id[EXEC_UNIT_BYTES];
    struct xos_call *call; /* while parked */
    struct xos_conn *conn;
    struct xos_timer *parked_timer;
    bool input, foreground, follow;
    bool over; /* the unit has ended: the files are complete */
    bool exit_sent;
    struct unit_exit exit;
    struct source out, err;
    struct xos_buf in; /* not yet given to the shim */
    uint64_t in_at;    /* offset of the first byte of `in` */
    uint64_t in_acked; /* the unit took all before */
    bool in_ended, in_end_sent;
    bool in_closed; /* the client knows that no more is taken */
    struct xos_task more;
    struct attach **list; /* the one that it stands in: its unit's, the worker's parked or loose */
    struct attach *prev, *next;
};

static void attach_put(struct attach *a, struct attach **list)
{
    if (a->list)
        DL_DELETE(*a->list, a);
    a->list = list;
    if (list)
        DL_APPEND(*list, a);
}

/* The unit waits for the slowest of those who want to have read everything: what all of them have
 * acknowledged may be given up when the spool is full. */
static void foreground_tell(struct unit *u)
{
    struct attach *a;
    uint64_t out = UINT64_MAX, err = UINT64_MAX;
    bool any = false;
    DL_FOREACH (u->attached, a) {
        if (!a->foreground || !a->conn)
            continue;
        any = true;
        out = a->out.acked < out ? a->out.acked : out;
        err = a->err.acked < err ? a->err.acked : err;
    }
    u->foreground = any;
    u->told_out = any ? out : u->told_out;
    u->told_err = any ? err : u->told_err;
    unit_tell_shim(u, SHIM_FOREGROUND, any, u->told_out, u->told_err, (struct xos_slice){NULL, 0});
}

static void attach_free(struct attach *a)
{
    struct xos_env *env = a->worker->env;
    attach_put(a, NULL);
    if (a->unit && a->foreground && a->conn)
        foreground_tell(a->unit);
    xos_loop_undefer(a->worker->loop, &a->more);
    xos_timer_free(a->parked_timer);
    xos_env_close(env, a->out.fd);
    xos_env_close(env, a->err.fd);
    xos_buf_free(&a->in);
    xos_conn_free(a->conn);
    xos_free(a);
}

/* Output */

static int frame_send(struct attach *a, const Xos__Job__StreamPb *m, struct xos_error *err)
{
    struct xos_buf frame = XOS_BUF(ATTACH_FRAME_BYTES);
    int rc = xos_pb_pack(m, &frame, err);
    if (rc == 0)
        rc = xos_conn_send(a->conn, (struct xos_slice){frame.data, frame.len}, err);
    xos_buf_free(&frame);
    return rc;
}

static bool source_open(struct attach *a, struct source *s, const char *name)
{
    struct xos_error err;
    char path[EXEC_UNIT_BYTES + 16];
    if (s->fd >= 0)
        return true;
    int dir = xos_env_dir_open(a->worker->env, a->worker->config.spool_dir, &err);
    if (dir < 0)
        return false;
    (void)snprintf(path, sizeof(path), "%s/%s", a->exec_id, name);
    s->fd = xos_env_file_open(a->worker->env, dir, path, XOS_OPEN_READ, 0, &err);
    xos_env_close(a->worker->env, dir);
    return s->fd >= 0;
}

/* Send one chunk. 1: sent, there may be more; 0: nothing more now; -1: the client is gone. */
static int source_pump(struct attach *a, struct source *s, uint32_t number, const char *name,
                       uint64_t there)
{
    static uint8_t chunk[ATTACH_CHUNK_BYTES]; /* one thread, used up before the return */
    struct xos_error err;
    Xos__Job__StreamPb m = XOS__JOB__STREAM_PB__INIT;
    ssize_t n = 0;
    if (s->ended || xos_conn_room(a->conn) < ATTACH_FRAME_BYTES + ATTACH_CONTROL_BYTES)
        return 0;
    if (source_open(a, s, name) && (s->sent < there || a->over)) {
        size_t want =
            a->over || there - s->sent > sizeof(chunk) ? sizeof(chunk) : (size_t)(there - s->sent);
        n = pread(s->fd, chunk, want, (off_t)s->sent);
    }
    m.stream = number;
    m.offset = s->sent;
    if (n > 0) {
        m.kind = STREAM_DATA;
        m.data = (ProtobufCBinaryData){(size_t)n, chunk};
    } else if (a->over || (!a->follow && s->sent >= there)) {
        m.kind = STREAM_END;
        s->ended = true;
    } else {
        return 0;
    }
    if (frame_send(a, &m, &err) < 0)
        return -1;
    s->sent += n > 0 ? (uint64_t)n : 0;
    return 1;
}

static void exit_send(struct attach *a)
{
    struct xos_error err;
    Xos__Job__StreamPb m = XOS__JOB__STREAM_PB__INIT;
    Xos__Job__ExitPb exit = XOS__JOB__EXIT_PB__INIT;
    if (!a->over || a->exit_sent || !a->out.ended || !a->err.ended)
        return;
    m.kind = STREAM_EXIT;
    if (a->exit.how != UNIT_END_NONE) {
        unit_exit_put(&a->exit, &exit);
        m.exit = &exit;
    }
    a->exit_sent = frame_send(a, &m, &err) == 0;
}

static void input_ack(struct attach *a);

static void attach_pump(void *arg)
{
    struct attach *a = arg;
    uint64_t out = a->unit ? a->unit->out_bytes : UINT64_MAX;
    uint64_t errs = a->unit ? a->unit->err_bytes : UINT64_MAX;
    if (a->unit)
        input_ack(a);
    int sent = source_pump(a, &a->out, 1, "out", out);
    if (sent >= 0) {
        int more = source_pump(a, &a->err, 2, "err", errs);
        sent = more < 0 ? -1 : sent | more;
    }
    if (sent < 0)
        return; /* on_close follows */
    exit_send(a);
    if (sent > 0)
        xos_loop_defer(a->worker->loop, &a->more);
}

/* Input */

/* Hand the shim what it has credit for. */
static void input_pump(struct attach *a)
{
    struct unit *u = a->unit;
    if (!u || !u->shim || !u->known)
        return;
    while (a->in.len && a->in_at < u->status.stdin_bytes + SHIM_STDIN_CREDIT_BYTES) {
        uint64_t credit = u->status.stdin_bytes + SHIM_STDIN_CREDIT_BYTES - a->in_at;
        size_t n = a->in.len < SHIM_STDIN_BYTES_MAX ? a->in.len : SHIM_STDIN_BYTES_MAX;
        if (n > credit)
            n = (size_t)credit;
        unit_tell_shim(u, SHIM_STDIN, a->in_at, 0, 0, (struct xos_slice){a->in.data, n});
        xos_buf_shift(&a->in, n);
        a->in_at += n;
        u->stdin_given = a->in_at;
    }
    if (a->in_ended && a->in.len == 0 && !a->in_end_sent) {
        unit_tell_shim(u, SHIM_STDIN_EOF, a->in_at, 0, 0, (struct xos_slice){NULL, 0});
        a->in_end_sent = true;
    }
}

/* An acknowledgement that finds no room is sent when there is some. */
static void input_ack(struct attach *a)
{
    const struct shim_status *status = &a->unit->status;
    Xos__Job__StreamPb m = XOS__JOB__STREAM_PB__INIT;
    struct xos_error err;
    if (!a->input || a->in_closed || (status->stdin_bytes <= a->in_acked && !status->stdin_closed))
        return;
    m.kind = status->stdin_closed ? STREAM_END : STREAM_ACK;
    m.offset = status->stdin_bytes;
    if (frame_send(a, &m, &err) < 0)
        return;
    a->in_acked = status->stdin_bytes;
    a->in_closed = status->stdin_closed;
}

void attach_stdin_ack(struct unit *u)
{
    struct attach *a;
    DL_FOREACH (u->attached, a) {
        if (!a->input || !a->conn)
            continue;
        input_ack(a);
        input_pump(a);
    }
}

/* A unit has one standard input, so one client writes it: the newest. The one before is told that
 * its input is closed. */
static void input_take_over(struct attach *a)
{
    struct attach *other;
    struct xos_error err;
    Xos__Job__StreamPb m = XOS__JOB__STREAM_PB__INIT;
    m.kind = STREAM_END;
    DL_FOREACH (a->unit->attached, other) {
        if (other == a || !other->input || !other->conn)
            continue;
        m.offset = other->in_acked;
        other->input = false;
        xos_buf_clear(&other->in);
        if (!other->in_closed)
            (void)frame_send(other, &m, &err);
    }
}

static void took_input(struct attach *a, const Xos__Job__StreamPb *m)
{
    struct xos_error err;
    uint64_t next = a->in_at + a->in.len;
    if (!a->input || a->in_ended || m->offset > next)
        return;
    uint64_t known = next - m->offset; /* a client that came back may repeat itself */
    if (m->data.len > known &&
        xos_buf_add(&a->in, m->data.data + known, m->data.len - (size_t)known, &err) < 0)
        xos_log_error(XOS_EV_LIMIT, &err, "unit=%s limit=ATTACH_INPUT_BYTES", a->exec_id);
    if (m->kind == STREAM_END)
        a->in_ended = true;
    input_pump(a);
}

static void took_ack(struct attach *a, const Xos__Job__StreamPb *m)
{
    struct source *s = m->stream == 1 ? &a->out : &a->err;
    if (m->offset <= s->acked || m->offset > s->sent)
        return;
    s->acked = m->offset;
    struct unit *u = a->unit;
    if (!u || !a->foreground)
        return;
    if (a->out.acked - u->told_out >= UNIT_FOREGROUND_STEP_BYTES ||
        a->err.acked - u->told_err >= UNIT_FOREGROUND_STEP_BYTES)
        foreground_tell(u);
}

static void on_frame(void *arg, struct xos_conn *conn, struct xos_slice frame)
{
    struct attach *a = arg;
    struct xos_error err;
    (void)conn;
    Xos__Job__StreamPb *m = xos_pb_unpack(&xos__job__stream_pb__descriptor, frame,
                                          ATTACH_FRAME_BYTES, XOS_PB_TOLERANT, &err);
    if (!m) {
        xos_log_error(XOS_EV_REFUSED, &err, "verb=unit.attach unit=%s", a->exec_id);
        attach_free(a);
        return;
    }
    if ((m->kind == STREAM_DATA || m->kind == STREAM_END) && m->stream == 0)
        took_input(a, m);
    else if (m->kind == STREAM_ACK)
        took_ack(a, m);
    else if (m->kind == STREAM_WINDOW_SIZE && a->unit && a->input)
        unit_tell_shim(a->unit, SHIM_WINSIZE, m->rows, m->columns, 0, (struct xos_slice){NULL, 0});
    else if (m->kind == STREAM_SIGNAL && a->unit && a->input)
        unit_signal(a->unit, m->signal, a->unit->spec->grace_ms);
    xos_pb_free(m);
}

static void on_room(void *arg, struct xos_conn *conn)
{
    (void)conn;
    struct attach *a = arg;
    xos_loop_defer(a->worker->loop, &a->more);
}

static void on_close(void *arg, struct xos_conn *conn, const struct xos_error *why)
{
    (void)conn;
    (void)why;
    attach_free(arg);
}

static const struct xos_conn_ops conn_ops = {
    .on_frame = on_frame, .on_room = on_room, .on_close = on_close};

/* Coming */

static void attach_answer(struct attach *a)
{
    struct xos_buf body = XOS_BUF(256);
    struct xos_error err;
    Xos__Job__AttachedPb m = XOS__JOB__ATTACHED_PB__INIT;
    struct xos_call *call = a->call;
    a->call = NULL;
    xos_timer_cancel(a->parked_timer);
    if (a->unit) {
        const struct unit *u = a->unit;
        m.in_at = u->stdin_given > u->status.stdin_bytes ? u->stdin_given : u->status.stdin_bytes;
        m.pty = a->unit->spec->pty;
        a->in_at = a->in_acked = m.in_at;
    }
    if (xos_pb_pack(&m, &body, &err) == 0)
        a->conn = xos_call_answer_stream(call, (struct xos_slice){body.data, body.len});
    else
        xos_call_fail(call, &err);
    xos_buf_free(&body);
    if (!a->conn) {
        attach_free(a);
        return;
    }
    xos_conn_hand_over(a->conn, &conn_ops, a);
    if (a->unit && a->foreground)
        foreground_tell(a->unit);
    if (a->unit && a->input)
        input_take_over(a);
    xos_loop_defer(a->worker->loop, &a->more);
}

void attach_more(struct unit *u)
{
    struct attach *a, *after;
    DL_FOREACH_SAFE(u->attached, a, after)
    {
        if (u->state >= WORKER_UNIT_ENDING) {
            a->over = true;
            a->exit = u->exit;
        }
        if (a->conn)
            xos_loop_defer(a->worker->loop, &a->more);
        else if (u->known || a->over)
            attach_answer(a);
    }
}

void attach_detach(struct unit *u)
{
    struct attach *a, *after;
    DL_FOREACH_SAFE(u->attached, a, after)
    {
        attach_put(a, &a->worker->loose);
        a->unit = NULL;
        a->over = true;
        a->exit = u->exit;
        if (a->conn)
            xos_loop_defer(a->worker->loop, &a->more);
        else
            attach_answer(a);
    }
}

static void attach_fail(struct attach *a, const struct xos_error *why)
{
    struct xos_call *call = a->call;
    a->call = NULL;
    attach_free(a);
    xos_call_fail(call, why);
}

static int not_yours(const struct attach *a, const struct xos_caller *caller, struct xos_error *err)
{
    return xos_fail(err, XOS_DENIED, "unit %s is not %s's", a->exec_id, caller->name);
}

/* Whose unit it is, is known only now. */
static void unpark(struct attach *a, struct unit *u)
{
    struct xos_error err;
    if (!xos_caller_reaches(xos_call_caller(a->call), u->user, u->vo)) {
        not_yours(a, xos_call_caller(a->call), &err);
        attach_fail(a, &err);
        return;
    }
    attach_put(a, &u->attached);
    a->unit = u;
    if (u->known || u->state >= WORKER_UNIT_ENDING)
        attach_answer(a);
}

void attach_unpark(struct worker *w, struct unit *u)
{
    struct attach *a, *after;
    DL_FOREACH_SAFE(w->parked, a, after)
    {
        if (memcmp(a->exec_id, u->exec_id, sizeof(a->exec_id)) == 0)
            unpark(a, u);
    }
}

static void on_parked_late(void *arg)
{
    struct attach *a = arg;
    struct xos_error err;
    xos_fail(&err, XOS_NOT_FOUND, "unit %s is not here", a->exec_id);
    attach_fail(a, &err);
}

void attach_free_rest(struct worker *w)
{
    while (w->parked)
        attach_free(w->parked);
    while (w->loose)
        attach_free(w->loose);
}

/* Whose output is it? From the record, which stays as long as the output. */
static int record_find(struct worker *w, struct attach *a, const struct xos_caller *caller,
                       struct xos_error *err)
{
    struct xos_rows *rows = NULL;
    int rc = -1;
    if (xos_tx_query(&rows, xos_store_reader(w->store),
                     "SELECT user_name, ended, vo FROM unit WHERE exec_id = ?",
                     XOS_V(xos_v_text(a->exec_id)), err) < 0)
        return -1;
    int got = xos_rows_next(rows, err);
    if (got == 0)
        rc = xos_fail(err, XOS_NOT_FOUND, "unit %s is not here", a->exec_id);
    else if (got == 1 &&
             !xos_caller_reaches(caller, xos_rows_text(rows, 0), xos_rows_text(rows, 2)))
        rc = not_yours(a, caller, err);
    else if (got == 1) {
        struct xos_slice bytes = xos_rows_blob(rows, 1);
        Xos__Job__ExitPb *m =
            xos_pb_unpack(&xos__job__exit_pb__descriptor, bytes, 1024, XOS_PB_TOLERANT, err);
        rc = m ? unit_exit_take(m, &a->exit, err) : -1;
        a->over = rc == 0;
        xos_pb_free(m);
    }
    xos_rows_free(rows);
    return rc;
}

static int attach_fill(struct attach *a, struct xos_slice body, struct xos_error *err)
{
    char job[JOB_NAME_MAX];
    Xos__Job__AttachPb *m =
        xos_pb_unpack(&xos__job__attach_pb__descriptor, body, 1024, XOS_PB_TOLERANT, err);
    if (!m)
        return -1;
    if (m->job.len >= sizeof(job) || (m->job.len && memchr(m->job.data, 0, m->job.len))) {
        xos_pb_free(m);
        return xos_fail(err, XOS_INVALID, "a job's id is shorter than %zu bytes", sizeof(job));
    }
    (void)snprintf(job, sizeof(job), "%.*s", (int)m->job.len,
                   m->job.len ? (const char *)m->job.data : "");
    int rc = request_name(a->exec_id, job, m->unit, m->epoch, err);
    a->input = m->input != 0;
    a->foreground = m->foreground != 0;
    a->follow = m->follow != 0;
    a->out.sent = a->out.acked = m->out_from;
    a->err.sent = a->err.acked = m->err_from;
    xos_pb_free(m);
    return rc;
}

static struct unit *unit_by_exec_id(const struct worker *w, const char *exec_id)
{
    struct unit *u;
    HASH_FIND(hh, w->units, exec_id, EXEC_UNIT_BYTES, u);
    return u;
}

/* Live here, or over, or not yet here: then it waits for the owner's START. */
static int attach_place(struct attach *a, const struct xos_caller *caller, struct xos_error *err)
{
    struct worker *w = a->worker;
    struct unit *u = unit_by_exec_id(w, a->exec_id);
    if (u && !xos_caller_reaches(caller, u->user, u->vo))
        return not_yours(a, caller, err);
    if (u) {
        a->unit = u;
        attach_put(a, &u->attached);
        return 0;
    }
    if (record_find(w, a, caller, err) == 0) {
        attach_put(a, &w->loose);
        return 0;
    }
    if (err->code != XOS_NOT_FOUND)
        return -1;
    attach_put(a, &w->parked);
    return 0;
}

void attach_serve(void *service, struct xos_call *call)
{
    struct worker *w = service;
    struct xos_error err = {0};
    struct attach *a = xos_alloc(sizeof(*a));
    if (!a) {
        xos_fail(&err, XOS_NOMEM, "attach");
        xos_call_fail(call, &err);
        return;
    }
    a->worker = w;
    a->out.fd = a->err.fd = -1;
    a->in = XOS_BUF(ATTACH_INPUT_BYTES);
    a->more = (struct xos_task){.run = attach_pump, .arg = a};
    if (attach_fill(a, xos_call_body(call), &err) < 0 ||
        xos_timer_new(&a->parked_timer, w->loop, on_parked_late, a, &err) < 0 ||
        attach_place(a, xos_call_caller(call), &err) < 0) {
        attach_free(a);
        xos_call_fail(call, &err);
        return;
    }
    a->call = call;
    if (a->unit && a->unit->state >= WORKER_UNIT_ENDING) {
        a->over = true;
        a->exit = a->unit->exit;
    }
    if (a->over || (a->unit && a->unit->known))
        attach_answer(a);
    else
        xos_timer_set(a->parked_timer, ATTACH_PARKED_MS);
}
