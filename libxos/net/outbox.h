// SPDX-License-Identifier: Apache-2.0
/* outbox.h - how many bytes are on their way to one peer, and no more than a maximum.
 *
 * libzmq bounds a queue by messages alone, and a thousand messages of 1 MiB are a gigabyte. A
 * message made here is charged until libzmq lets go of its bytes, which its I/O thread does once
 * they are encrypted for the wire. The outbox lives until its owner and all its messages are
 * gone. */
#ifndef XOS_NET_OUTBOX_H
#define XOS_NET_OUTBOX_H

#include "libxos/base/buf.h"

#include <zmq.h>

#define XOS_OUTBOX_MESSAGE_BYTES 128 /* charged for each message besides its bytes */

struct xos_outbox;

int xos_outbox_new(struct xos_outbox **out, size_t bytes_max, struct xos_error *err);
void xos_outbox_free(struct xos_outbox *box); /* messages may still be on their way */

/* Copy data into a message that is sent, or closed, later. XOS_LIMIT: too much is on its way. */
int xos_outbox_message(struct xos_outbox *box, struct xos_slice data, zmq_msg_t *msg,
                       struct xos_error *err);

size_t xos_outbox_held(const struct xos_outbox *box); /* bytes on their way */

#endif
