// SPDX-License-Identifier: Apache-2.0
/* conn.h - frames in order over one connection, with back pressure both ways.
 *
 * It is carried by a socket, or by a bulk stream between two nodes. Who uses a connection cannot
 * tell.
 *
 * Sending: what the carrier does not take at once waits, up to output_max bytes; beyond that
 * xos_conn_send fails with XOS_LIMIT. A polite sender stops when xos_conn_room() is 0 and goes on
 * in on_room. Receiving: xos_conn_pause() stops reading, and in the end the peer. */
#ifndef XOS_NET_CONN_H
#define XOS_NET_CONN_H

#include "libxos/net/loop.h"

#define XOS_CONN_OUTPUT_BYTES                                                                      \
    ((size_t)512 << 10) /* preset of output_max, beside one whole frame                            \
                         */

struct xos_conn;

struct xos_conn_ops {
    /* One frame; borrowed for the call. */
    void (*on_frame)(void *arg, struct xos_conn *conn, struct xos_slice frame);
    /* The waiting output fell below one half of its maximum. May be NULL. */
    void (*on_room)(void *arg, struct xos_conn *conn);
    /* The other side is gone, or broke the protocol; why->code is XOS_NONE for an orderly end.
     * Comes at most once and last, after every frame that arrived (a paused user hears it when a
     * send fails, else when it reads on); the connection is the user's to free, here or later. */
    void (*on_close)(void *arg, struct xos_conn *conn, const struct xos_error *why);
};

/* Frames above frame_max close the connection. */
struct xos_conn_config {
    size_t frame_max;
    size_t output_max; /* 0: XOS_CONN_OUTPUT_BYTES */
    const struct xos_conn_ops *ops;
    void *arg;
};

/* Over a connected, non-blocking stream socket; takes fd, also when it fails. */
int xos_conn_new(struct xos_conn **out, struct xos_loop *loop, int fd,
                 const struct xos_conn_config *config, struct xos_error *err);

/* Over a stream that the peer has opened and that is not answered yet; takes it, also when it
 * fails. `first` came with it. */
struct xos_stream;
int xos_conn_accept(struct xos_conn **out, struct xos_loop *loop, struct xos_stream *stream,
                    struct xos_slice first, const struct xos_conn_config *config,
                    struct xos_error *err);

/* Open a stream on a bulk connection that is up, and send one frame: with the opening itself when
 * it is short, so that the answer is one round trip away. */
struct xos_bulk_conn;
int xos_conn_dial(struct xos_conn **out, struct xos_loop *loop, struct xos_bulk_conn *bulk,
                  struct xos_slice frame, const struct xos_conn_config *config,
                  struct xos_error *err);

/* No callback comes after this. What still waits to be sent is lost: see xos_conn_finish. */
void xos_conn_free(struct xos_conn *conn);

/* Hand the connection to another user; frames that wait go to the new one, from the loop. */
void xos_conn_hand_over(struct xos_conn *conn, const struct xos_conn_ops *ops, void *arg);

/* Give it more room for output than it was made with; less changes nothing. */
void xos_conn_widen(struct xos_conn *conn, size_t output_max);

/* XOS_LIMIT: no room. XOS_UNAVAILABLE and the like: the other side is gone; on_close follows. */
int xos_conn_send(struct xos_conn *conn, struct xos_slice frame, struct xos_error *err);
size_t xos_conn_room(const struct xos_conn *conn); /* bytes of payload that one send may have now */
void xos_conn_pause(struct xos_conn *conn, bool paused);

/* Send what waits, then close and free by itself. No callback comes any more. */
void xos_conn_finish(struct xos_conn *conn);

#endif
