// SPDX-License-Identifier: Apache-2.0
/* packet.h - a SOCK_SEQPACKET connection in the loop: whole packets in order, a bounded queue out.
 * xosd speaks so with xos-execd and with every shim. */
#ifndef XOS_JOBMGR_SERVICE_PACKET_H
#define XOS_JOBMGR_SERVICE_PACKET_H

#include "libxos/net/loop.h"

#define PACKET_QUEUE_MAX 256 /* packets that wait to be sent */
#define PACKET_TURN_MAX 64   /* read in one turn */

struct packet;

struct packet_ops {
    /* One packet, borrowed. The link may be freed inside. */
    void (*on_packet)(void *arg, struct xos_slice packet);
    /* The other side is gone; comes once, last. The link is the user's to free. */
    void (*on_close)(void *arg);
};

/* Takes fd, also when it fails. A packet above bytes_max closes the link. */
int packet_new(struct packet **out, struct xos_loop *loop, int fd, size_t bytes_max,
               const struct packet_ops *ops, void *arg, struct xos_error *err);
void packet_free(struct packet *p);

/* Copied when it must wait. XOS_LIMIT: PACKET_QUEUE_MAX, or above bytes_max. XOS_UNAVAILABLE: the
 * other side is gone. */
int packet_send(struct packet *p, struct xos_slice data, struct xos_error *err);
/* The same with a descriptor, of which a copy goes along; borrowed. */
int packet_send_fd(struct packet *p, struct xos_slice data, int fd, struct xos_error *err);

#endif
