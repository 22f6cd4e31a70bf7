// SPDX-License-Identifier: Apache-2.0
/* mux.h - many streams over one connection: framing, credit, fairness, liveness. Pure.
 *
 * Each side begins with HELLO. A stream is opened by OPEN and answered by ACCEPT or RESET; then
 * both sides send DATA until END. The dialer numbers its streams 1, 3, 5 …, the listener 2, 4, 6 …
 * and no number comes twice. A side may have so many bytes of a stream on their way as the other's
 * window says; what the other's user has consumed comes back as CREDIT (the form of HTTP/2, RFC
 * 9113 section 5.2, per stream only). So a reader that stalls holds up its own stream and costs at
 * most one window, and because what arrives is always handed on at once, nothing stands behind it.
 *
 * Sending: one WRITE takes at most XOS_MUX_QUANTUM_BYTES, what the credit and the output's room
 * allow, and nothing while another stream waits for its turn. A stream that got less than it
 * offered waits in a queue, first come first served; ROOM gives the turn to its first. There is no
 * send buffer here: bytes that were not taken stay with whoever has them.
 *
 * A frame for a stream that has been closed is dropped: the two sides' news cross on the way. A
 * frame for a stream that never was ends the connection, as does anything else that an honest peer
 * does not do.
 *
 * One BYTES event consumes at most one frame and causes at most one action that concerns the layer
 * above (it is the last one), so that the layer above may do what it likes to any stream in it. */
#ifndef XOS_NET_MUX_H
#define XOS_NET_MUX_H

#include "libxos/net/mux_frame.h"

#define XOS_MUX_VERSION 1                           /* spoken */
#define XOS_MUX_VERSION_MIN 1                       /* understood */
#define XOS_MUX_WINDOW_BYTES (256 * 1024)           /* preset, per stream and direction */
#define XOS_MUX_WINDOW_BYTES_MAX (64 * 1024 * 1024) /* what a configuration may ask for */
#define XOS_MUX_STREAMS_MAX 4096                    /* preset: open at once, per side that opens */
#define XOS_MUX_QUANTUM_BYTES (2 * 16384 - 12)      /* one turn: with its header two TLS records */
#define XOS_MUX_PING_MS 15000                       /* preset: nothing heard for so long: ask */
#define XOS_MUX_DEAD_MS 30000                       /* preset: nothing heard for so long: gone */
#define XOS_MUX_ACTIONS_MAX 4

struct xos_mux_config {
    bool dialer;
    uint32_t window_bytes;
    uint32_t streams_max;
    uint64_t ping_ms, dead_ms;
    uint64_t idle_ms; /* so long without a stream: GOAWAY; 0 = never */
};

enum xos_mux_event_kind {
    XOS_MUX_EV_NONE,
    XOS_MUX_EV_START,    /* the connection is there: say HELLO */
    XOS_MUX_EV_BYTES,    /* bytes from the peer; actions.used says how many were consumed */
    XOS_MUX_EV_TICK,     /* time passed */
    XOS_MUX_EV_ROOM,     /* the output has room: whose turn is it? */
    XOS_MUX_EV_OPEN,     /* bytes = payload, user; actions.stream is the new stream's id */
    XOS_MUX_EV_ACCEPT,   /* stream */
    XOS_MUX_EV_WRITE,    /* stream, bytes, room; actions.used says how many were taken */
    XOS_MUX_EV_CONSUMED, /* stream, count */
    XOS_MUX_EV_END,      /* stream */
    XOS_MUX_EV_RESET,    /* stream, code, text */
    XOS_MUX_EV_GOAWAY,   /* code, text */
    XOS_MUX_EVENTS
};

struct xos_mux_event {
    enum xos_mux_event_kind kind;
    uint64_t now_ms; /* monotonic; in every event */
    uint32_t stream;
    struct xos_slice bytes; /* borrowed */
    size_t room;            /* bytes */
    size_t count;           /* bytes */
    void *user;             /* what the stream's actions shall carry */
    enum xos_code code;
    const char *text; /* borrowed */
};

enum xos_mux_action_kind {
    XOS_MUX_DO_NONE,
    XOS_MUX_DO_SEND,     /* frame */
    XOS_MUX_DO_UP,       /* the peer's HELLO is in: streams may be opened */
    XOS_MUX_DO_OPENED,   /* the peer wants a stream: stream, bytes. Answer by ACCEPT or RESET */
    XOS_MUX_DO_ACCEPTED, /* stream, user */
    XOS_MUX_DO_DATA,     /* stream, user, bytes */
    XOS_MUX_DO_WRITABLE, /* stream, user: WRITE now, it is this stream's turn */
    XOS_MUX_DO_ENDED,    /* stream, user: the peer sends no more */
    XOS_MUX_DO_RESET,    /* stream, user, reason: the stream is gone */
    XOS_MUX_DO_DRAINING, /* reason: the peer said GOAWAY; no stream can be opened any more */
    XOS_MUX_ACTION_KINDS
};

struct xos_mux_action {
    enum xos_mux_action_kind kind;
    uint32_t stream;
    void *user;
    struct xos_slice bytes; /* borrowed from the event or, until the next step, from the mux */
    struct xos_mux_frame frame;
};

struct xos_mux_actions {
    size_t used; /* bytes */
    uint32_t stream;
    size_t count;
    struct xos_mux_action at[XOS_MUX_ACTIONS_MAX];
    struct xos_error reason;
};

struct xos_mux;

int xos_mux_new(struct xos_mux **out, const struct xos_mux_config *config, struct xos_error *err);
void xos_mux_free(struct xos_mux *m);

/* Advance by one event; *out is overwritten. -1: after BYTES and TICK the connection must be closed
 * (XOS_PROTOCOL, XOS_VERSION, XOS_TIMEOUT, XOS_NOMEM); after another event nothing has changed
 * (XOS_LIMIT, XOS_UNAVAILABLE, XOS_NOMEM). Events for a stream that is gone do nothing. */
int xos_mux_step(struct xos_mux *m, const struct xos_mux_event *ev, struct xos_mux_actions *out,
                 struct xos_error *err);

/* When the next TICK is due. */
uint64_t xos_mux_deadline_ms(const struct xos_mux *m);

size_t xos_mux_streams(const struct xos_mux *m); /* open now, of both sides */
bool xos_mux_waiting(const struct xos_mux *m);   /* would ROOM give somebody a turn? */
/* The peer said GOAWAY and no stream is left: nothing will come any more. */
bool xos_mux_done(const struct xos_mux *m);

/* What the actions of a stream that the peer opened shall carry. */
void xos_mux_attach(struct xos_mux *m, uint32_t stream, void *user);
bool xos_mux_has(struct xos_mux *m, uint32_t stream); /* is it open, in either direction? */

#endif
