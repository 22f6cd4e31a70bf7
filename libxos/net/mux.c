// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/mux_core.h"

#include "libxos/base/alloc.h"

#include <assert.h>

#define CREDIT_PART 4 /* CREDIT is sent for each quarter of a window */

static int ev_start(struct xos_mux *m, const struct xos_mux_event *ev, struct xos_mux_actions *out,
                    struct xos_error *err)
{
    (void)err;
    assert(!m->started);
    m->started = true;
    m->heard_ms = m->empty_ms = ev->now_ms;
    xos_mux_frame_hello(mux_act_send(out), &(struct xos_mux_hello){
                                               .version_min = XOS_MUX_VERSION_MIN,
                                               .version_max = XOS_MUX_VERSION,
                                               .window_bytes = m->config.window_bytes,
                                               .streams_max = m->config.streams_max,
                                           });
    return 0;
}

static void say_goaway(struct xos_mux *m, struct xos_mux_actions *out, enum xos_code code,
                       const char *text)
{
    m->said_goaway = true;
    m->empty_ms = m->now_ms;
    mux_send_reason(out, XOS_MUX_GOAWAY, 0, code, text);
}

static int ev_tick(struct xos_mux *m, const struct xos_mux_event *ev, struct xos_mux_actions *out,
                   struct xos_error *err)
{
    uint64_t quiet_ms = ev->now_ms - m->heard_ms, empty_ms = ev->now_ms - m->empty_ms;
    bool empty = xos_mux_streams(m) == 0;
    if (quiet_ms >= m->config.dead_ms)
        return xos_fail(err, XOS_TIMEOUT, "nothing was heard for %llu ms",
                        (unsigned long long)quiet_ms);
    if (m->said_goaway && empty && empty_ms >= m->config.ping_ms)
        return xos_fail(err, XOS_TIMEOUT, "the peer does not close after GOAWAY");
    if (m->up && !m->said_goaway && empty && m->config.idle_ms && empty_ms >= m->config.idle_ms)
        say_goaway(m, out, XOS_NONE, "idle");
    if (quiet_ms >= m->config.ping_ms && !m->pinged) {
        static const uint8_t zero[8];
        m->pinged = true;
        mux_send_plain(out, XOS_MUX_PING, 0, (struct xos_slice){zero, sizeof(zero)});
    }
    return 0;
}

static int ev_room(struct xos_mux *m, const struct xos_mux_event *ev, struct xos_mux_actions *out,
                   struct xos_error *err)
{
    (void)ev;
    (void)err;
    struct mux_stream *s = m->queue;
    if (!s)
        return 0;
    mux_dequeue(m, s);
    s->wants = false;
    m->turn = s;
    mux_act(out, XOS_MUX_DO_WRITABLE, s);
    return 0;
}

static int ev_open(struct xos_mux *m, const struct xos_mux_event *ev, struct xos_mux_actions *out,
                   struct xos_error *err)
{
    if (ev->bytes.len > XOS_MUX_PAYLOAD_BYTES_MAX)
        return xos_fail(err, XOS_LIMIT, "open a stream with %zu bytes (%d is the most)",
                        ev->bytes.len, XOS_MUX_PAYLOAD_BYTES_MAX);
    if (!m->up || m->said_goaway || m->heard_goaway)
        return xos_fail(err, XOS_UNAVAILABLE, "the connection is %s",
                        m->up ? "closing" : "not up yet");
    if (m->own_open >= m->peer_streams_max || m->next_own > INT32_MAX)
        return xos_fail(err, XOS_LIMIT, "the peer takes %u streams at once (streams_max)",
                        m->peer_streams_max);
    struct mux_stream *s = mux_stream_new(m, m->next_own, ev->user, err);
    if (!s)
        return -1;
    m->next_own += 2;
    out->stream = s->id;
    mux_send_plain(out, XOS_MUX_OPEN, s->id, ev->bytes);
    return 0;
}

static int ev_accept(struct xos_mux *m, const struct xos_mux_event *ev, struct xos_mux_actions *out,
                     struct xos_error *err)
{
    (void)err;
    struct mux_stream *s = mux_stream_find(m, ev->stream);
    if (!s)
        return 0;
    assert(s->state.now == MUX_STREAM_OFFERED);
    mux_send_plain(out, XOS_MUX_ACCEPT, s->id, (struct xos_slice){0});
    xos_states_move(&s->state, MUX_STREAM_OPEN, s);
    mux_enqueue(m, s);
    return 0;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int ev_write(struct xos_mux *m, const struct xos_mux_event *ev, struct xos_mux_actions *out,
                    struct xos_error *err)
{
    (void)err;
    struct mux_stream *s = mux_stream_find(m, ev->stream);
    if (!s)
        return 0;
    size_t n = 0;
    if (mux_stream_is(s, MUX_MAY_SEND) && (!m->queue || m->turn == s))
        n = least(least(ev->bytes.len, XOS_MUX_QUANTUM_BYTES), least(s->credit, ev->room));
    if (m->turn == s)
        m->turn = NULL;
    if (n > 0) {
        s->credit -= (uint32_t)n;
        mux_send_plain(out, XOS_MUX_DATA, s->id, (struct xos_slice){ev->bytes.data, n});
    }
    out->used = n;
    if (n < ev->bytes.len)
        s->wants = true;
    mux_enqueue(m, s);
    return 0;
}

static int ev_consumed(struct xos_mux *m, const struct xos_mux_event *ev,
                       struct xos_mux_actions *out, struct xos_error *err)
{
    (void)err;
    struct mux_stream *s = mux_stream_find(m, ev->stream);
    if (!s)
        return 0;
    assert(ev->count <= s->unread);
    s->unread -= (uint32_t)ev->count;
    s->owed += (uint32_t)ev->count;
    if (!mux_stream_is(s, MUX_MAY_RECEIVE) || s->owed < (m->config.window_bytes + 3) / CREDIT_PART)
        return 0;
    xos_mux_frame_credit(mux_act_send(out), s->id, s->owed);
    s->allowed += s->owed;
    s->owed = 0;
    return 0;
}

static int ev_end(struct xos_mux *m, const struct xos_mux_event *ev, struct xos_mux_actions *out,
                  struct xos_error *err)
{
    (void)err;
    struct mux_stream *s = mux_stream_find(m, ev->stream);
    if (!s)
        return 0;
    if (s->state.now == MUX_STREAM_OPENING)
        s->end_wanted = true;
    if (!mux_stream_is(s, MUX_MAY_SEND))
        return 0;
    mux_dequeue(m, s);
    s->wants = false;
    mux_send_plain(out, XOS_MUX_END, s->id, (struct xos_slice){0});
    mux_stream_half_end(m, s, MUX_STREAM_WE_ENDED);
    return 0;
}

static int ev_reset(struct xos_mux *m, const struct xos_mux_event *ev, struct xos_mux_actions *out,
                    struct xos_error *err)
{
    (void)err;
    struct mux_stream *s = mux_stream_find(m, ev->stream);
    if (!s)
        return 0;
    mux_send_reason(out, XOS_MUX_RESET, s->id, ev->code, ev->text);
    mux_stream_close(m, s);
    return 0;
}

static int ev_goaway(struct xos_mux *m, const struct xos_mux_event *ev, struct xos_mux_actions *out,
                     struct xos_error *err)
{
    (void)err;
    if (m->started && !m->said_goaway)
        say_goaway(m, out, ev->code, ev->text);
    return 0;
}

typedef int (*event_f)(struct xos_mux *m, const struct xos_mux_event *ev,
                       struct xos_mux_actions *out, struct xos_error *err);
static const event_f event_table[XOS_MUX_EVENTS] = {
    [XOS_MUX_EV_START] = ev_start,   [XOS_MUX_EV_BYTES] = mux_read,
    [XOS_MUX_EV_TICK] = ev_tick,     [XOS_MUX_EV_ROOM] = ev_room,
    [XOS_MUX_EV_OPEN] = ev_open,     [XOS_MUX_EV_ACCEPT] = ev_accept,
    [XOS_MUX_EV_WRITE] = ev_write,   [XOS_MUX_EV_CONSUMED] = ev_consumed,
    [XOS_MUX_EV_END] = ev_end,       [XOS_MUX_EV_RESET] = ev_reset,
    [XOS_MUX_EV_GOAWAY] = ev_goaway,
};

int xos_mux_step(struct xos_mux *m, const struct xos_mux_event *ev, struct xos_mux_actions *out,
                 struct xos_error *err)
{
    assert(ev->kind > XOS_MUX_EV_NONE && ev->kind < XOS_MUX_EVENTS);
    assert(ev->now_ms >= m->now_ms);
    m->now_ms = ev->now_ms;
    out->used = out->count = 0;
    out->stream = 0;
    return event_table[ev->kind](m, ev, out, err);
}

int xos_mux_new(struct xos_mux **out, const struct xos_mux_config *config, struct xos_error *err)
{
    assert(config->window_bytes > 0 && config->window_bytes <= XOS_MUX_WINDOW_BYTES_MAX);
    assert(config->ping_ms > 0 && config->ping_ms <= config->dead_ms);
    struct xos_mux *m = xos_alloc(sizeof(*m));
    if (!m)
        return xos_fail(err, XOS_NOMEM, "connection");
    m->config = *config;
    m->next_own = config->dialer ? 1 : 2;
    m->part.max = XOS_MUX_PAYLOAD_BYTES_MAX;
    *out = m;
    return 0;
}

void xos_mux_free(struct xos_mux *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < MUX_BUCKETS; i++)
        while (m->buckets[i])
            mux_stream_close(m, m->buckets[i]);
    xos_buf_free(&m->part);
    xos_free(m);
}

uint64_t xos_mux_deadline_ms(const struct xos_mux *m)
{
    uint64_t at = m->heard_ms + (m->pinged ? m->config.dead_ms : m->config.ping_ms);
    uint64_t wait = m->said_goaway ? m->config.ping_ms : m->config.idle_ms;
    bool empty = m->up && xos_mux_streams(m) == 0 && wait > 0;
    return empty && m->empty_ms + wait < at ? m->empty_ms + wait : at;
}

size_t xos_mux_streams(const struct xos_mux *m)
{
    return m->own_open + m->peer_open;
}

bool xos_mux_waiting(const struct xos_mux *m)
{
    return m->queue != NULL;
}

bool xos_mux_done(const struct xos_mux *m)
{
    return m->heard_goaway && xos_mux_streams(m) == 0;
}

void xos_mux_attach(struct xos_mux *m, uint32_t stream, void *user)
{
    struct mux_stream *s = mux_stream_find(m, stream);
    assert(s);
    s->user = user;
}

bool xos_mux_has(struct xos_mux *m, uint32_t stream)
{
    return mux_stream_find(m, stream) != NULL;
}
