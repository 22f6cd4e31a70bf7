// SPDX-License-Identifier: Apache-2.0
/* mux_core.h - what the parts of the mux share: mux_stream.c keeps the streams, mux_read.c takes
 * the peer's frames, mux.c our own side's events. Users see mux.h. */
#ifndef XOS_NET_MUX_CORE_H
#define XOS_NET_MUX_CORE_H

#include "libxos/base/states.h"
#include "libxos/net/mux.h"

#define MUX_BUCKETS 256 /* ids come in sequence, so they fill these evenly */

enum mux_stream_state {
    MUX_STREAM_OPENING,
    MUX_STREAM_OFFERED,
    MUX_STREAM_OPEN,
    MUX_STREAM_WE_ENDED,
    MUX_STREAM_PEER_ENDED,
    MUX_STREAM_CLOSED,
    MUX_STREAM_STATES
};

/* Flags of the states: what may still go over the wire. */
#define MUX_MAY_SEND 4u
#define MUX_MAY_RECEIVE 8u

struct mux_stream {
    uint32_t id;
    struct xos_states state;
    void *user;
    uint32_t credit;  /* bytes that we may send */
    uint32_t allowed; /* bytes that the peer may send */
    uint32_t unread;  /* bytes handed on and not yet consumed */
    uint32_t owed;    /* bytes consumed and not yet said in a CREDIT */
    bool wants;       /* was refused room: is to hear when there is some */
    bool queued;
    bool end_wanted; /* END is to follow the peer's ACCEPT */
    struct mux_stream *chain;
    struct mux_stream *prev, *next; /* in the queue of those that wait for a turn */
};

struct xos_mux {
    struct xos_mux_config config;
    uint64_t now_ms, heard_ms, empty_ms;
    bool pinged, started, up, said_goaway, heard_goaway;
    uint32_t next_own, last_peer; /* ids: ours to come, the peer's highest so far */
    size_t own_open, peer_open;
    uint32_t peer_window, peer_streams_max;
    uint8_t head[XOS_MUX_HEAD_BYTES];
    size_t head_len;
    struct xos_mux_head frame; /* being read, when head_len is full */
    size_t left;               /* bytes of its payload to come */
    struct xos_buf part;       /* what has come of a control frame's payload */
    struct mux_stream *buckets[MUX_BUCKETS];
    struct mux_stream *queue;
    struct mux_stream *turn; /* may write although others wait */
};

struct mux_stream *mux_stream_find(struct xos_mux *m, uint32_t id); /* NULL: not open */
bool mux_is_own(const struct xos_mux *m, uint32_t id);
struct mux_stream *mux_stream_new(struct xos_mux *m, uint32_t id, void *user,
                                  struct xos_error *err);
void mux_stream_close(struct xos_mux *m, struct mux_stream *s); /* frees it */
bool mux_stream_is(const struct mux_stream *s, uint32_t flag);
/* One direction ends; after the second the stream is closed. */
void mux_stream_half_end(struct xos_mux *m, struct mux_stream *s, enum mux_stream_state half);

/* The queue of those that wait for a turn: in, if s wants one and could use it; and out. */
void mux_enqueue(struct xos_mux *m, struct mux_stream *s);
void mux_dequeue(struct xos_mux *m, struct mux_stream *s);

/* Append an action about s, or about the connection (NULL). */
struct xos_mux_action *mux_act(struct xos_mux_actions *out, enum xos_mux_action_kind kind,
                               const struct mux_stream *s);
struct xos_mux_frame *mux_act_send(struct xos_mux_actions *out);
void mux_send_plain(struct xos_mux_actions *out, enum xos_mux_type type, uint32_t stream,
                    struct xos_slice payload);
void mux_send_reason(struct xos_mux_actions *out, enum xos_mux_type type, uint32_t stream,
                     enum xos_code code, const char *text);

/* The BYTES event. */
int mux_read(struct xos_mux *m, const struct xos_mux_event *ev, struct xos_mux_actions *out,
             struct xos_error *err);

#endif
