// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/mux_core.h"

#include "libxos/base/alloc.h"

#include <assert.h>
#include <utlist.h>

static const struct xos_state_row stream_table[MUX_STREAM_STATES] = {
    [MUX_STREAM_OPENING] = {"opening", XOS_STATE(MUX_STREAM_OPEN) | XOS_STATE(MUX_STREAM_CLOSED),
                            XOS_STATE_INITIAL},
    [MUX_STREAM_OFFERED] = {"offered", XOS_STATE(MUX_STREAM_OPEN) | XOS_STATE(MUX_STREAM_CLOSED),
                            XOS_STATE_INITIAL},
    [MUX_STREAM_OPEN] = {"open",
                         XOS_STATE(MUX_STREAM_WE_ENDED) | XOS_STATE(MUX_STREAM_PEER_ENDED) |
                             XOS_STATE(MUX_STREAM_CLOSED),
                         MUX_MAY_SEND | MUX_MAY_RECEIVE},
    [MUX_STREAM_WE_ENDED] = {"we-ended", XOS_STATE(MUX_STREAM_CLOSED), MUX_MAY_RECEIVE},
    [MUX_STREAM_PEER_ENDED] = {"peer-ended", XOS_STATE(MUX_STREAM_CLOSED), MUX_MAY_SEND},
    [MUX_STREAM_CLOSED] = {"closed", 0, XOS_STATE_FINAL},
};

static struct mux_stream **bucket(struct xos_mux *m, uint32_t id)
{
    return &m->buckets[(id >> 1) % MUX_BUCKETS];
}

struct mux_stream *mux_stream_find(struct xos_mux *m, uint32_t id)
{
    struct mux_stream *s = *bucket(m, id);
    while (s && s->id != id)
        s = s->chain;
    return s;
}

bool mux_is_own(const struct xos_mux *m, uint32_t id)
{
    return (id & 1) == (m->config.dialer ? 1u : 0u);
}

static bool stream_sound(const void *subject)
{
    const struct mux_stream *s = subject;
    return s->id != 0 && s->owed <= XOS_MUX_WINDOW_BYTES_MAX && s->queued <= s->wants;
}

struct mux_stream *mux_stream_new(struct xos_mux *m, uint32_t id, void *user, struct xos_error *err)
{
    struct mux_stream *s = xos_alloc(sizeof(*s));
    if (!s) {
        xos_fail(err, XOS_NOMEM, "stream %u", id);
        return NULL;
    }
    s->id = id;
    s->user = user;
    s->credit = m->peer_window;
    s->allowed = m->config.window_bytes;
    xos_states_init(&s->state, "stream", stream_table, MUX_STREAM_STATES,
                    mux_is_own(m, id) ? MUX_STREAM_OPENING : MUX_STREAM_OFFERED, stream_sound);
    s->chain = *bucket(m, id);
    *bucket(m, id) = s;
    *(mux_is_own(m, id) ? &m->own_open : &m->peer_open) += 1;
    return s;
}

void mux_dequeue(struct xos_mux *m, struct mux_stream *s)
{
    if (s->queued)
        DL_DELETE(m->queue, s);
    s->queued = false;
}

void mux_stream_close(struct xos_mux *m, struct mux_stream *s)
{
    struct mux_stream **at = bucket(m, s->id);
    while (*at != s)
        at = &(*at)->chain;
    *at = s->chain;
    mux_dequeue(m, s);
    if (m->turn == s)
        m->turn = NULL;
    xos_states_move(&s->state, MUX_STREAM_CLOSED, s);
    *(mux_is_own(m, s->id) ? &m->own_open : &m->peer_open) -= 1;
    if (xos_mux_streams(m) == 0)
        m->empty_ms = m->now_ms;
    xos_free(s);
}

bool mux_stream_is(const struct mux_stream *s, uint32_t flag)
{
    return (stream_table[s->state.now].flags & flag) != 0;
}

void mux_stream_half_end(struct xos_mux *m, struct mux_stream *s, enum mux_stream_state half)
{
    if (s->state.now == MUX_STREAM_OPEN)
        xos_states_move(&s->state, half, s);
    else
        mux_stream_close(m, s);
}

void mux_enqueue(struct xos_mux *m, struct mux_stream *s)
{
    if (!s->wants || s->queued || s->credit == 0 || !mux_stream_is(s, MUX_MAY_SEND))
        return;
    s->queued = true;
    DL_APPEND(m->queue, s);
}

struct xos_mux_action *mux_act(struct xos_mux_actions *out, enum xos_mux_action_kind kind,
                               const struct mux_stream *s)
{
    assert(out->count < XOS_MUX_ACTIONS_MAX);
    struct xos_mux_action *a = &out->at[out->count++];
    *a = (struct xos_mux_action){.kind = kind};
    if (s) {
        a->stream = s->id;
        a->user = s->user;
    }
    return a;
}

struct xos_mux_frame *mux_act_send(struct xos_mux_actions *out)
{
    return &mux_act(out, XOS_MUX_DO_SEND, NULL)->frame;
}

void mux_send_plain(struct xos_mux_actions *out, enum xos_mux_type type, uint32_t stream,
                    struct xos_slice payload)
{
    struct xos_mux_frame *f = mux_act_send(out);
    f->payload = payload;
    xos_mux_frame_seal(f, type, stream);
}

void mux_send_reason(struct xos_mux_actions *out, enum xos_mux_type type, uint32_t stream,
                     enum xos_code code, const char *text)
{
    xos_mux_frame_reason(mux_act_send(out), type, stream, code, text);
}
