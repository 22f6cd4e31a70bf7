// SPDX-License-Identifier: Apache-2.0
/* relay.h - a gateway's part of a connection: bytes from one socket to another and back, unread.
 *
 * TLS is end to end; we hold no key and see no name but the ClientHello's. At most
 * XOS_RELAY_BYTES_MAX wait per direction: a side that does not read stops the other one, as on one
 * long cable. The end of one direction is passed on, the other goes on. */
#ifndef XOS_NET_RELAY_H
#define XOS_NET_RELAY_H

#include "libxos/net/loop.h"

#define XOS_RELAY_BYTES_MAX 65536 /* per direction */
#define XOS_RELAY_CONNECT_MS 5000 /* to reach the far side */
#define XOS_RELAY_IDLE_MS 90000   /* without a byte; the ends ask each other every 15 s */
#define XOS_RELAY_HOST_BYTES 256  /* of a host with its NUL */

struct xos_relay;

/* It is over. The relay may be freed in it. */
typedef void (*xos_relay_done_f)(void *arg, struct xos_relay *relay, const struct xos_error *why);

struct xos_relay_config {
    int fd;                 /* the near side, accepted; taken over, also when it fails */
    struct xos_slice first; /* what was read from it already, at most XOS_RELAY_BYTES_MAX; copied */
    const char *host;       /* the far side */
    unsigned port;
    uint64_t connect_ms, idle_ms; /* 0: the presets */
    xos_relay_done_f done;
    void *arg;
};

int xos_relay_new(struct xos_relay **out, struct xos_loop *loop,
                  const struct xos_relay_config *config, struct xos_error *err);
void xos_relay_free(struct xos_relay *r); /* closes both sides */

/* Bytes that wait in it now, of both directions. */
size_t xos_relay_buffered(const struct xos_relay *r);

#endif
