// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/mux_core.h"

#include <assert.h>
#include <string.h>

/* Frames from the peer: one handler each; payload is whole, except DATA\'s. */

/* The stream of a frame: NULL when it was closed before. */
static int frame_stream(struct xos_mux *m, struct mux_stream **out, struct xos_error *err)
{
    uint32_t id = m->frame.stream;
    bool known = mux_is_own(m, id) ? id < m->next_own : id <= m->last_peer;
    if (!known)
        return xos_fail(err, XOS_PROTOCOL, "%s for stream %u, which was never opened",
                        xos_mux_type_name(m->frame.type), id);
    *out = mux_stream_find(m, id);
    return 0;
}

static int frame_misplaced(const struct mux_stream *s, enum xos_mux_type type,
                           struct xos_error *err)
{
    return xos_fail(err, XOS_PROTOCOL, "%s for stream %u, which is %s", xos_mux_type_name(type),
                    s->id, xos_states_name(&s->state));
}

static int on_hello(struct xos_mux *m, struct xos_slice payload, struct xos_mux_actions *out,
                    struct xos_error *err)
{
    struct xos_mux_hello h;
    if (xos_mux_hello_read(payload, &h, err) < 0)
        return -1;
    if (h.version_min > XOS_MUX_VERSION || h.version_max < XOS_MUX_VERSION_MIN)
        return xos_fail(err, XOS_VERSION,
                        "the peer speaks versions %u to %u of xos-bulk, we %d to %d", h.version_min,
                        h.version_max, XOS_MUX_VERSION_MIN, XOS_MUX_VERSION);
    m->up = true;
    m->peer_window = h.window_bytes;
    m->peer_streams_max = h.streams_max;
    mux_act(out, XOS_MUX_DO_UP, NULL);
    return 0;
}

static int on_open(struct xos_mux *m, struct xos_slice payload, struct xos_mux_actions *out,
                   struct xos_error *err)
{
    uint32_t id = m->frame.stream;
    if (mux_is_own(m, id) || id <= m->last_peer)
        return xos_fail(err, XOS_PROTOCOL, "OPEN of stream %u after %u", id, m->last_peer);
    if (m->said_goaway || m->peer_open >= m->config.streams_max) {
        m->last_peer = id;
        if (m->said_goaway)
            mux_send_reason(out, XOS_MUX_RESET, id, XOS_UNAVAILABLE, "the connection is closing");
        else
            mux_send_reason(out, XOS_MUX_RESET, id, XOS_LIMIT, "streams_max is reached");
        return 0;
    }
    struct mux_stream *s = mux_stream_new(m, id, NULL, err);
    if (!s)
        return -1;
    m->last_peer = id;
    mux_act(out, XOS_MUX_DO_OPENED, s)->bytes = payload;
    return 0;
}

static int on_accept(struct xos_mux *m, struct xos_slice payload, struct xos_mux_actions *out,
                     struct xos_error *err)
{
    (void)payload;
    struct mux_stream *s;
    if (frame_stream(m, &s, err) < 0)
        return -1;
    if (!s)
        return 0;
    if (s->state.now != MUX_STREAM_OPENING)
        return frame_misplaced(s, XOS_MUX_ACCEPT, err);
    xos_states_move(&s->state, MUX_STREAM_OPEN, s);
    if (s->end_wanted) {
        mux_send_plain(out, XOS_MUX_END, s->id, (struct xos_slice){0});
        xos_states_move(&s->state, MUX_STREAM_WE_ENDED, s);
    }
    mux_enqueue(m, s);
    mux_act(out, XOS_MUX_DO_ACCEPTED, s);
    return 0;
}

/* A DATA header: the whole frame is counted against the window before its first byte is taken. */
static int on_data_head(struct xos_mux *m, struct xos_error *err)
{
    struct mux_stream *s;
    if (frame_stream(m, &s, err) < 0)
        return -1;
    if (!s)
        return 0;
    if (!mux_stream_is(s, MUX_MAY_RECEIVE))
        return frame_misplaced(s, XOS_MUX_DATA, err);
    if (m->frame.length > s->allowed)
        return xos_fail(err, XOS_PROTOCOL, "%u bytes for stream %u, whose window has room for %u",
                        m->frame.length, s->id, s->allowed);
    s->allowed -= m->frame.length;
    return 0;
}

static int on_credit(struct xos_mux *m, struct xos_slice payload, struct xos_mux_actions *out,
                     struct xos_error *err)
{
    (void)out;
    uint32_t bytes = xos_mux_credit_read(payload);
    struct mux_stream *s;
    if (frame_stream(m, &s, err) < 0)
        return -1;
    if (!s)
        return 0;
    if (s->state.now == MUX_STREAM_OPENING || s->state.now == MUX_STREAM_OFFERED)
        return frame_misplaced(s, XOS_MUX_CREDIT, err);
    if (bytes == 0 || bytes > m->peer_window - s->credit)
        return xos_fail(err, XOS_PROTOCOL, "CREDIT of %u bytes for stream %u, which has %u of %u",
                        bytes, s->id, s->credit, m->peer_window);
    s->credit += bytes;
    mux_enqueue(m, s);
    return 0;
}

static int on_end(struct xos_mux *m, struct xos_slice payload, struct xos_mux_actions *out,
                  struct xos_error *err)
{
    (void)payload;
    struct mux_stream *s;
    if (frame_stream(m, &s, err) < 0)
        return -1;
    if (!s)
        return 0;
    if (!mux_stream_is(s, MUX_MAY_RECEIVE))
        return frame_misplaced(s, XOS_MUX_END, err);
    mux_act(out, XOS_MUX_DO_ENDED, s);
    mux_stream_half_end(m, s, MUX_STREAM_PEER_ENDED);
    return 0;
}

static int on_reset(struct xos_mux *m, struct xos_slice payload, struct xos_mux_actions *out,
                    struct xos_error *err)
{
    struct mux_stream *s;
    if (frame_stream(m, &s, err) < 0)
        return -1;
    if (!s)
        return 0;
    xos_mux_reason_read(payload, &out->reason);
    mux_act(out, XOS_MUX_DO_RESET, s);
    mux_stream_close(m, s);
    return 0;
}

static int on_ping(struct xos_mux *m, struct xos_slice payload, struct xos_mux_actions *out,
                   struct xos_error *err)
{
    (void)m;
    (void)err;
    mux_send_plain(out, XOS_MUX_PONG, 0, payload);
    return 0;
}

/* That bytes came is the answer. */
static int on_pong(struct xos_mux *m, struct xos_slice payload, struct xos_mux_actions *out,
                   struct xos_error *err)
{
    (void)m;
    (void)payload;
    (void)out;
    (void)err;
    return 0;
}

static int on_goaway(struct xos_mux *m, struct xos_slice payload, struct xos_mux_actions *out,
                     struct xos_error *err)
{
    (void)err;
    xos_mux_reason_read(payload, &out->reason);
    m->heard_goaway = true;
    mux_act(out, XOS_MUX_DO_DRAINING, NULL);
    return 0;
}

typedef int (*frame_f)(struct xos_mux *m, struct xos_slice payload, struct xos_mux_actions *out,
                       struct xos_error *err);
static const frame_f frame_table[XOS_MUX_TYPES] = {
    [XOS_MUX_HELLO] = on_hello,   [XOS_MUX_OPEN] = on_open, [XOS_MUX_ACCEPT] = on_accept,
    [XOS_MUX_CREDIT] = on_credit, [XOS_MUX_END] = on_end,   [XOS_MUX_RESET] = on_reset,
    [XOS_MUX_PING] = on_ping,     [XOS_MUX_PONG] = on_pong, [XOS_MUX_GOAWAY] = on_goaway,
};

/* Reading */

/* Take what is missing of the header; at its last byte check it. */
static int read_head(struct xos_mux *m, struct xos_slice *in, struct xos_error *err)
{
    size_t n = XOS_MUX_HEAD_BYTES - m->head_len;
    n = n < in->len ? n : in->len;
    memcpy(m->head + m->head_len, in->data, n);
    m->head_len += n;
    *in = (struct xos_slice){in->data + n, in->len - n};
    if (n == 0 || m->head_len < XOS_MUX_HEAD_BYTES)
        return 0;
    if (xos_mux_head_read(m->head, &m->frame, err) < 0)
        return -1;
    if ((m->frame.type == XOS_MUX_HELLO) == m->up)
        return xos_fail(err, XOS_PROTOCOL, m->up ? "a second HELLO" : "%s before HELLO",
                        xos_mux_type_name(m->frame.type));
    m->left = m->frame.length;
    return m->frame.type == XOS_MUX_DATA ? on_data_head(m, err) : 0;
}

/* DATA is handed on as it comes, never gathered. */
static int read_data(struct xos_mux *m, struct xos_slice *in, struct xos_mux_actions *out)
{
    size_t n = m->left < in->len ? m->left : in->len;
    struct mux_stream *s = mux_stream_find(m, m->frame.stream);
    if (n > 0 && s && mux_stream_is(s, MUX_MAY_RECEIVE)) {
        s->unread += (uint32_t)n;
        mux_act(out, XOS_MUX_DO_DATA, s)->bytes = (struct xos_slice){in->data, n};
    }
    *in = (struct xos_slice){in->data + n, in->len - n};
    m->left -= n;
    if (m->left == 0)
        m->head_len = 0;
    return 0;
}

/* Any other payload is handled when it is whole, out of the input itself where it can be. */
static int read_control(struct xos_mux *m, struct xos_slice *in, struct xos_mux_actions *out,
                        struct xos_error *err)
{
    size_t n = m->left < in->len ? m->left : in->len;
    struct xos_slice payload = {in->data, n};
    if (n < m->left || m->part.len > 0) {
        if (xos_buf_add(&m->part, in->data, n, err) < 0)
            return -1;
        payload = (struct xos_slice){m->part.data, m->part.len};
    }
    *in = (struct xos_slice){in->data + n, in->len - n};
    m->left -= n;
    if (m->left > 0)
        return 0;
    m->head_len = 0;
    return frame_table[m->frame.type](m, payload, out, err);
}

int mux_read(struct xos_mux *m, const struct xos_mux_event *ev, struct xos_mux_actions *out,
             struct xos_error *err)
{
    struct xos_slice in = ev->bytes;
    if (in.len == 0)
        return 0;
    m->heard_ms = ev->now_ms;
    m->pinged = false;
    if (m->head_len == 0)
        xos_buf_free(&m->part);
    if (read_head(m, &in, err) < 0)
        return -1;
    int rc = 0;
    if (m->head_len == XOS_MUX_HEAD_BYTES)
        rc =
            m->frame.type == XOS_MUX_DATA ? read_data(m, &in, out) : read_control(m, &in, out, err);
    out->used = ev->bytes.len - in.len;
    return rc;
}
