// SPDX-License-Identifier: Apache-2.0
#include "client/stream.h"

#include "client/client.h"
#include "client/xos.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STREAM_CHUNK_BYTES ((size_t)64 << 10)
#define STREAM_FRAME_BYTES (STREAM_CHUNK_BYTES + 256)
#define STREAM_ACK_BYTES ((size_t)32 << 10) /* acknowledge at least this often */

enum stream_kind { /* StreamPb.kind */
                   STREAM_NONE,
                   STREAM_DATA,
                   STREAM_END,
                   STREAM_ACK,
                   STREAM_WINDOW_SIZE,
                   STREAM_SIGNAL,
                   STREAM_EXIT,
                   STREAM_COUNT,
};

static void on_again(void *arg);

int client_stream_new(struct client_stream **out, struct xos_client *client, const char *job,
                      uint32_t unit, bool wants_input, const struct client_stream_ops *ops,
                      void *arg, struct xos_error *err)
{
    struct client_stream *s = xos_alloc(sizeof(*s));
    if (!s)
        return xos_fail(err, XOS_NOMEM, "unit %" PRIu32, unit);
    *s = (struct client_stream){.client = client,
                                .ops = ops,
                                .arg = arg,
                                .job = job,
                                .unit = unit,
                                .again = {.poll = client->poll, .expired = on_again, .arg = s},
                                .wants_input = wants_input};
    client_window_init(&s->input);
    *out = s;
    return 0;
}

void client_stream_free(struct client_stream *s)
{
    if (!s)
        return;
    client_call_free(s->call);
    client_timer_off(&s->again);
    client_window_free(&s->input);
    xos_free(s);
}

static void stream_drop(struct client_stream *s)
{
    client_call_free(s->call);
    s->call = NULL;
    s->answered = false;
    client_timer_off(&s->again);
}

static void stream_over(struct client_stream *s, const struct xos_error *why)
{
    if (s->over)
        return;
    s->over = true;
    stream_drop(s);
    client_window_free(&s->input);
    s->ops->on_over(s->arg, s->unit, why);
}

/* Sending */

static int frame_send(struct client_stream *s, const Xos__Job__StreamPb *m)
{
    struct xos_buf frame = XOS_BUF(STREAM_FRAME_BYTES);
    struct xos_error err;
    int rc = xos_pb_pack(m, &frame, &err);
    if (rc == 0)
        rc = client_call_send(s->call, (struct xos_slice){frame.data, frame.len}, &err);
    xos_buf_free(&frame);
    return rc;
}

static bool input_open(const struct client_stream *s)
{
    return s->wants_input && !s->input_closed && !s->over;
}

/* A chunk that could not be sent stays in the window, and goes out when there is room. */
static void input_pump(struct client_stream *s)
{
    struct client_window *w = &s->input;
    while (s->answered && input_open(s)) {
        Xos__Job__StreamPb m = XOS__JOB__STREAM_PB__INIT;
        struct xos_slice data = client_window_peek(w, STREAM_CHUNK_BYTES);
        bool end = data.len == 0 && w->ended && !w->end_sent;
        if ((data.len == 0 && !end) || client_call_room(s->call) < STREAM_FRAME_BYTES)
            return;
        m.kind = end ? STREAM_END : STREAM_DATA;
        m.offset = w->next;
        m.data = xos_pb_bytes(data);
        if (frame_send(s, &m) < 0)
            return;
        client_window_sent(w, data.len);
        w->end_sent = end;
    }
}

static void window_pump(struct client_stream *s)
{
    Xos__Job__StreamPb m = XOS__JOB__STREAM_PB__INIT;
    if (!s->answered || !s->wants_input || s->rows == 0)
        return;
    m.kind = STREAM_WINDOW_SIZE;
    m.rows = s->rows;
    m.columns = s->columns;
    (void)frame_send(s, &m);
}

/* An acknowledgement that does not go out now is caught up with by the next one. */
static void ack_pump(struct client_stream *s, int stream)
{
    struct stream_source *from = &s->source[stream - 1];
    Xos__Job__StreamPb m = XOS__JOB__STREAM_PB__INIT;
    if (!s->answered || from->written == from->told ||
        (from->written < from->received && from->written - from->told < STREAM_ACK_BYTES))
        return;
    m.kind = STREAM_ACK;
    m.stream = (uint32_t)stream;
    m.offset = from->written;
    if (frame_send(s, &m) == 0)
        from->told = from->written;
}

static void tell_room(struct client_stream *s)
{
    if (!s->room_due || client_stream_input_room(s) < STREAM_CHUNK_BYTES)
        return;
    s->room_due = false;
    s->ops->on_input(s->arg, s->unit);
}

/* Receiving */

size_t client_stream_held(const struct client_stream *s)
{
    uint64_t held = 0;
    for (int i = 0; i < 2; i++)
        held += s->source[i].received - s->source[i].written;
    return (size_t)held;
}

static void repause(struct client_stream *s)
{
    if (s->call && s->answered)
        client_call_pause(s->call, s->held || client_stream_held(s) >= XOS_JOB_UNIT_HELD_BYTES);
}

static void take_data(struct client_stream *s, const Xos__Job__StreamPb *m, struct xos_error *err)
{
    struct stream_source *from = &s->source[m->stream - 1];
    if (m->offset > from->received || from->ended) {
        xos_fail(err, XOS_PROTOCOL, "output at %" PRIu64 " instead of %" PRIu64, m->offset,
                 from->received);
        return;
    }
    uint64_t known = from->received - m->offset;
    if (m->data.len <= known)
        return;
    struct xos_slice data = {m->data.data + known, m->data.len - (size_t)known};
    from->received += data.len;
    s->ops->on_output(s->arg, s->unit, (int)m->stream, data);
    repause(s);
}

static void take_end(struct client_stream *s, const Xos__Job__StreamPb *m, struct xos_error *err)
{
    struct stream_source *from = &s->source[m->stream - 1];
    (void)err;
    if (from->ended)
        return;
    from->ended = true;
    s->ops->on_output_end(s->arg, s->unit, (int)m->stream);
}

static void take_output(struct client_stream *s, const Xos__Job__StreamPb *m, struct xos_error *err)
{
    if (m->stream < 1 || m->stream > 2)
        xos_fail(err, XOS_PROTOCOL, "output of a stream %u", m->stream);
    else if (m->kind == STREAM_DATA)
        take_data(s, m, err);
    else
        take_end(s, m, err);
}

static void close_input(struct client_stream *s)
{
    if (s->input_closed)
        return;
    s->input_closed = true;
    client_window_free(&s->input);
    s->ops->on_input_closed(s->arg, s->unit);
}

static void took_data(struct client_stream *s, const Xos__Job__StreamPb *m, struct xos_error *err)
{
    take_output(s, m, err);
}

static void took_end(struct client_stream *s, const Xos__Job__StreamPb *m, struct xos_error *err)
{
    if (m->stream != 0)
        take_output(s, m, err);
    else if (s->wants_input)
        close_input(s);
}

static void took_ack(struct client_stream *s, const Xos__Job__StreamPb *m, struct xos_error *err)
{
    if (!input_open(s) || client_window_acked(&s->input, m->offset, err) < 0)
        return;
    input_pump(s);
    tell_room(s);
}

static void took_exit(struct client_stream *s, const Xos__Job__StreamPb *m, struct xos_error *err)
{
    (void)m;
    (void)err;
    s->exited = true;
}

typedef void (*take_f)(struct client_stream *s, const Xos__Job__StreamPb *m, struct xos_error *err);
static const take_f takes[STREAM_COUNT] = {[STREAM_DATA] = took_data,
                                           [STREAM_END] = took_end,
                                           [STREAM_ACK] = took_ack,
                                           [STREAM_EXIT] = took_exit};

static void stream_retry(struct client_stream *s, const struct xos_error *why);

static void on_stream(void *arg, struct xos_slice body)
{
    struct client_stream *s = arg;
    struct xos_error err = {0};
    Xos__Job__StreamPb *m = xos_pb_unpack(&xos__job__stream_pb__descriptor, body,
                                          STREAM_FRAME_BYTES, XOS_PB_TOLERANT, &err);
    if (m && m->kind < STREAM_COUNT && takes[m->kind])
        takes[m->kind](s, m, &err); /* what this version does not know is skipped */
    xos_pb_free(m);
    if (err.code)
        stream_retry(s, &err);
    else if ((s->exited || s->once) && s->source[0].ended && s->source[1].ended)
        stream_over(s, NULL);
}

/* Coming and going */

/* The unit that wants its input again from before what is kept: only a program that still has it
 * all can go on. */
static int input_resume(struct client_stream *s, uint64_t at, struct xos_error *err)
{
    if (!s->begun)
        client_window_begin(&s->input, at);
    if (!input_open(s) || client_window_resume(&s->input, at, err) == 0)
        return 0;
    if (err->code != XOS_STALE || at != 0)
        return -1;
    if (s->ops->on_input_again(s->arg, s->unit) != 0)
        return xos_wrap(err, "unit %" PRIu32 " was started again", s->unit);
    err->code = XOS_NONE;
    client_window_free(&s->input);
    return 0;
}

static void on_answer(void *arg, struct xos_slice body)
{
    struct client_stream *s = arg;
    struct xos_error err = {0};
    Xos__Job__AttachedPb *m =
        xos_pb_unpack(&xos__job__attached_pb__descriptor, body, 1024, XOS_PB_TOLERANT, &err);
    if (!m || input_resume(s, m->in_at, &err) < 0) {
        xos_pb_free(m);
        stream_over(s, &err);
        return;
    }
    bool pty = m->pty != 0;
    xos_pb_free(m);
    s->answered = s->begun = true;
    s->ops->on_attached(s->arg, s->unit, pty);
    client_backoff_reset(&s->backoff);
    window_pump(s);
    input_pump(s);
    ack_pump(s, 1);
    ack_pump(s, 2);
    s->room_due = true;
    tell_room(s);
    repause(s);
}

static void on_room(void *arg)
{
    struct client_stream *s = arg;
    input_pump(s);
    ack_pump(s, 1);
    ack_pump(s, 2);
}

static void stream_retry(struct client_stream *s, const struct xos_error *why)
{
    uint64_t wait = client_backoff_next(&s->backoff, client_pollset_now_ms(s->client->poll),
                                        CLIENT_RECONNECT_MS_MAX);
    stream_drop(s);
    if (wait == UINT64_MAX)
        stream_over(s, why);
    else
        client_timer_set(&s->again, wait);
}

/* A unit that is not there may not be there yet; a node that cannot be reached may come back. */
static void on_end(void *arg, enum call_end end, const struct xos_error *why)
{
    struct client_stream *s = arg;
    bool lost = end != CALL_END_REFUSED || why->code == XOS_UNAVAILABLE ||
                why->code == XOS_NOT_FOUND || why->code == XOS_TIMEOUT || why->code == XOS_LIMIT;
    if (lost && !(s->once && why->code == XOS_NOT_FOUND))
        stream_retry(s, why);
    else
        stream_over(s, why);
}

static const struct client_call_ops call_ops = {
    .on_answer = on_answer, .on_stream = on_stream, .on_room = on_room, .on_end = on_end};

static int stream_attach(struct client_stream *s, struct xos_error *err)
{
    struct xos_buf body = XOS_BUF(1024);
    Xos__Job__AttachPb m = XOS__JOB__ATTACH_PB__INIT;
    struct client_request request = {
        .verb = "unit.attach", .to_node = s->node, .to_institution = s->institution};
    m.job = xos_pb_text(s->job);
    m.unit = s->unit;
    m.epoch = s->epoch;
    m.input = s->wants_input;
    m.foreground = m.follow = !s->once;
    m.out_from = s->source[0].received;
    m.err_from = s->source[1].received;
    for (int i = 0; i < 2; i++)
        s->source[i].told = s->source[i].received;
    int rc = client_operation(s->client, &request.operation_id, err);
    if (rc == 0)
        rc = xos_pb_pack(&m, &body, err);
    request.body = (struct xos_slice){body.data, body.len};
    if (rc == 0)
        rc = client_call_begin(&s->call, s->client, &request, &call_ops, s, err);
    xos_buf_free(&body);
    return rc;
}

static void on_again(void *arg)
{
    struct client_stream *s = arg;
    struct xos_error err = {0};
    if (stream_attach(s, &err) < 0)
        stream_over(s, &err);
}

int client_stream_assign(struct client_stream *s, const char *node, uint64_t epoch,
                         struct xos_error *err)
{
    if (s->over || epoch == s->epoch)
        return 0;
    if (client_institution_of_node(node, s->institution, err) < 0)
        return -1;
    stream_drop(s);
    (void)snprintf(s->node, sizeof(s->node), "%s", node);
    s->epoch = epoch;
    s->backoff = (struct client_backoff){0};
    s->input_closed = s->exited = false;
    /* What the program holds of the unit's first run is still the program's to write. */
    for (int i = 0; i < 2; i++)
        s->source[i] = (struct stream_source){0};
    return stream_attach(s, err);
}

void client_stream_unassign(struct client_stream *s)
{
    stream_drop(s);
}

void client_stream_ended(struct client_stream *s, bool never_started, bool node_lost)
{
    if ((never_started || node_lost) && !s->answered)
        stream_over(s, NULL);
}

void client_stream_hold(struct client_stream *s, bool held)
{
    s->held = held;
    repause(s);
}

void client_stream_written(struct client_stream *s, int stream, size_t bytes)
{
    assert(stream == 1 || stream == 2);
    struct stream_source *from = &s->source[stream - 1];
    uint64_t open = from->received - from->written; /* less: of a run before a restart */
    from->written += bytes < open ? bytes : open;
    ack_pump(s, stream);
    repause(s);
}

size_t client_stream_input_room(const struct client_stream *s)
{
    return s->begun && input_open(s) ? client_window_room(&s->input) : 0;
}

int client_stream_input(struct client_stream *s, struct xos_slice data, struct xos_error *err)
{
    if (data.len > client_stream_input_room(s))
        return xos_fail(err, XOS_LIMIT, "CLIENT_WINDOW_BYTES_MAX: %zu bytes of input at once",
                        data.len);
    if (client_window_add(&s->input, data, err) < 0)
        return -1;
    s->room_due = client_stream_input_room(s) < STREAM_CHUNK_BYTES;
    input_pump(s);
    return 0;
}

void client_stream_input_end(struct client_stream *s)
{
    if (!input_open(s))
        return;
    client_window_finish(&s->input);
    input_pump(s);
}

void client_stream_window(struct client_stream *s, uint16_t rows, uint16_t columns)
{
    s->rows = rows;
    s->columns = columns;
    window_pump(s);
}
