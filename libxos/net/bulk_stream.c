// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/bulk_conn.h"

#include "libxos/base/alloc.h"

#include <assert.h>
#include <utlist.h>

static struct xos_stream *stream_new(struct xos_bulk_conn *c, const struct xos_stream_ops *ops,
                                     void *arg)
{
    struct xos_stream *s = xos_alloc(sizeof(*s));
    if (!s)
        return NULL;
    s->conn = c;
    s->ops = ops;
    s->arg = arg;
    DL_APPEND(c->streams, s);
    return s;
}

void bulk_stream_detach(struct xos_stream *s)
{
    if (s->conn)
        DL_DELETE(s->conn->streams, s);
    s->conn = NULL;
}

/* One event about s, unless there is nobody to be told. */
static int stream_step(struct xos_stream *s, struct xos_mux_event ev, struct xos_mux_actions *out,
                       struct xos_error *err)
{
    out->used = 0;
    if (!s->conn || !bulk_conn_live(s->conn))
        return xos_fail(err, XOS_UNAVAILABLE, "the connection is gone");
    ev.stream = s->id;
    return bulk_conn_step(s->conn, &ev, out, err);
}

int xos_stream_open(struct xos_stream **out, struct xos_bulk_conn *conn, struct xos_slice payload,
                    const struct xos_stream_ops *ops, void *arg, struct xos_error *err)
{
    struct xos_mux_actions acts;
    assert(ops && ops->on_data && ops->on_reset);
    if (conn->state.now != BULK_UP)
        return xos_fail(err, XOS_UNAVAILABLE, "the connection is not up");
    if (bulk_conn_buffered(conn) + payload.len >
        conn->bulk->config.limits.output_bytes_max + XOS_BULK_CONTROL_BYTES_MAX / 2)
        return xos_fail(err, XOS_LIMIT, "the connection's output is full");
    struct xos_stream *s = stream_new(conn, ops, arg);
    if (!s)
        return xos_fail(err, XOS_NOMEM, "stream");
    struct xos_mux_event ev = {.kind = XOS_MUX_EV_OPEN, .bytes = payload, .user = s};
    if (bulk_conn_step(conn, &ev, &acts, err) < 0) {
        bulk_stream_detach(s);
        xos_free(s);
        return -1;
    }
    s->id = acts.stream;
    *out = s;
    return 0;
}

int xos_stream_accept(struct xos_stream *s, const struct xos_stream_ops *ops, void *arg,
                      struct xos_error *err)
{
    struct xos_mux_actions acts;
    assert(ops && ops->on_data && ops->on_reset);
    if (stream_step(s, (struct xos_mux_event){.kind = XOS_MUX_EV_ACCEPT}, &acts, err) < 0)
        return -1;
    s->ops = ops;
    s->arg = arg;
    return 0;
}

size_t xos_stream_write(struct xos_stream *s, struct xos_slice data)
{
    struct xos_mux_actions acts;
    struct xos_mux_event ev = {.kind = XOS_MUX_EV_WRITE, .bytes = data};
    ev.room = s->conn ? bulk_conn_room(s->conn) : 0;
    return stream_step(s, ev, &acts, NULL) < 0 ? 0 : acts.used;
}

void xos_stream_consumed(struct xos_stream *s, size_t bytes)
{
    struct xos_mux_actions acts;
    stream_step(s, (struct xos_mux_event){.kind = XOS_MUX_EV_CONSUMED, .count = bytes}, &acts,
                NULL);
}

void xos_stream_end(struct xos_stream *s)
{
    struct xos_mux_actions acts;
    stream_step(s, (struct xos_mux_event){.kind = XOS_MUX_EV_END}, &acts, NULL);
}

void xos_stream_reset(struct xos_stream *s, enum xos_code code, const char *text)
{
    struct xos_mux_actions acts;
    struct xos_mux_event ev = {.kind = XOS_MUX_EV_RESET, .code = code, .text = text};
    stream_step(s, ev, &acts, NULL);
    s->ops = NULL;
    bulk_stream_detach(s);
}

void xos_stream_free(struct xos_stream *s)
{
    if (!s)
        return;
    xos_stream_reset(s, XOS_CANCELLED, "cancelled");
    xos_free(s);
}

struct xos_bulk_conn *xos_stream_conn(const struct xos_stream *s)
{
    return s->conn;
}

/* The way up */

static void stream_refuse(struct xos_bulk_conn *c, uint32_t id, const struct xos_error *why)
{
    struct xos_mux_actions acts;
    struct xos_mux_event ev = {.kind = XOS_MUX_EV_RESET, .stream = id};
    ev.code = why->code;
    ev.text = why->text;
    (void)bulk_conn_step(c, &ev, &acts, NULL);
}

void bulk_stream_opened(struct xos_bulk_conn *c, const struct xos_mux_action *a)
{
    struct xos_bulk *b = c->bulk;
    struct xos_error err = {XOS_UNSUPPORTED, "this side takes no streams"};
    struct xos_stream *s = b->config.on_stream ? stream_new(c, NULL, NULL) : NULL;
    if (!s) {
        if (b->config.on_stream)
            xos_fail(&err, XOS_NOMEM, "stream");
        stream_refuse(c, a->stream, &err);
        return;
    }
    s->id = a->stream;
    xos_mux_attach(c->mux, s->id, s);
    if (b->config.on_stream(b->config.arg, c, s, a->bytes, &err) == 0)
        return;
    uint32_t id = s->id;
    bulk_stream_detach(s);
    xos_free(s);
    if (!b->doomed && bulk_conn_live(c))
        stream_refuse(c, id, &err);
}

static void do_accepted(struct xos_stream *s, const struct xos_mux_action *a,
                        const struct xos_error *reason)
{
    (void)a;
    (void)reason;
    if (s->ops->on_accepted)
        s->ops->on_accepted(s->arg, s);
}

static void do_data(struct xos_stream *s, const struct xos_mux_action *a,
                    const struct xos_error *reason)
{
    (void)reason;
    s->ops->on_data(s->arg, s, a->bytes);
}

static void do_writable(struct xos_stream *s, const struct xos_mux_action *a,
                        const struct xos_error *reason)
{
    (void)a;
    (void)reason;
    if (s->ops->on_writable)
        s->ops->on_writable(s->arg, s);
}

static void do_ended(struct xos_stream *s, const struct xos_mux_action *a,
                     const struct xos_error *reason)
{
    (void)a;
    (void)reason;
    if (s->ops->on_end)
        s->ops->on_end(s->arg, s);
}

static void do_reset(struct xos_stream *s, const struct xos_mux_action *a,
                     const struct xos_error *reason)
{
    (void)a;
    bulk_stream_lost(s, reason);
}

void bulk_stream_lost(struct xos_stream *s, const struct xos_error *why)
{
    const struct xos_stream_ops *ops = s->ops;
    s->ops = NULL;
    bulk_stream_detach(s);
    if (ops)
        ops->on_reset(s->arg, s, why);
}

typedef void (*stream_f)(struct xos_stream *s, const struct xos_mux_action *a,
                         const struct xos_error *reason);
static const stream_f stream_table[XOS_MUX_ACTION_KINDS] = {
    [XOS_MUX_DO_ACCEPTED] = do_accepted, [XOS_MUX_DO_DATA] = do_data,
    [XOS_MUX_DO_WRITABLE] = do_writable, [XOS_MUX_DO_ENDED] = do_ended,
    [XOS_MUX_DO_RESET] = do_reset,
};

void bulk_stream_act(const struct xos_mux_action *a, const struct xos_error *reason)
{
    struct xos_stream *s = a->user;
    if (s && (s->ops || a->kind == XOS_MUX_DO_RESET))
        stream_table[a->kind](s, a, reason);
}
