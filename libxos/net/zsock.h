// SPDX-License-Identifier: Apache-2.0
/* zsock.h - a ZeroMQ socket in our loop.
 *
 * libzmq's descriptor (ZMQ_FD) is readable once when the socket's state *may* have changed, and
 * any send, receive or look at ZMQ_EVENTS takes that sign away. So after each of them ZMQ_EVENTS
 * must be asked again before the loop sleeps, else messages lie there until the next one comes.
 * All of that is in this file: nobody else calls zmq_msg_send or zmq_msg_recv. Messages are read
 * in batches of XOS_ZSOCK_BATCH, with the rest of the loop in between. */
#ifndef XOS_NET_ZSOCK_H
#define XOS_NET_ZSOCK_H

#include "libxos/net/loop.h"

#include <zmq.h>

#define XOS_ZSOCK_BATCH 16      /* messages read before others have their turn */
#define XOS_ZSOCK_FRAMES_MAX 12 /* frames of one message that are kept */

struct xos_zsock;

/* One whole message. count is what was sent; of more than XOS_ZSOCK_FRAMES_MAX frames the rest has
 * been dropped. The frames are closed after the call. The socket may be freed inside it. */
typedef void (*xos_zsock_message_f)(void *arg, zmq_msg_t *frames, size_t count);

int xos_zsock_new(struct xos_zsock **out, struct xos_loop *loop, void *context, int type,
                  xos_zsock_message_f on_message, void *arg, struct xos_error *err);
void xos_zsock_free(struct xos_zsock *z);

void *xos_zsock_raw(struct xos_zsock *z); /* for zmq_socket_monitor; borrowed */
int xos_zsock_set(struct xos_zsock *z, int option, int value, struct xos_error *err);
int xos_zsock_set_bytes(struct xos_zsock *z, int option, const void *data, size_t len,
                        struct xos_error *err);
int xos_zsock_bind(struct xos_zsock *z, const char *endpoint, struct xos_error *err);
int xos_zsock_connect(struct xos_zsock *z, const char *endpoint, struct xos_error *err);

/* The port that a TCP socket is bound to; 0 when it is none. */
unsigned xos_zsock_port(struct xos_zsock *z);

/* Send the frames as one message, never waiting; takes ownership of them, also on failure.
 * Errors: XOS_LIMIT when the queue is full, XOS_UNAVAILABLE when a ROUTER has no such route. */
int xos_zsock_send(struct xos_zsock *z, zmq_msg_t *frames, size_t count, struct xos_error *err);

/* Deliver now all that has arrived. For where the order between two sockets matters. */
void xos_zsock_drain(struct xos_zsock *z);

/* Fail with libzmq's text for errno. */
int xos_zsock_fail(struct xos_error *err, const char *what);

#endif
