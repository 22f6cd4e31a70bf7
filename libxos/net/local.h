// SPDX-License-Identifier: Apache-2.0
/* local.h - a Unix stream socket where local processes connect, each known by SO_PEERCRED. */
#ifndef XOS_NET_LOCAL_H
#define XOS_NET_LOCAL_H

#include "libxos/net/conn.h"

#define XOS_LOCAL_ACCEPTS_PER_TURN 16

struct xos_local;

/* A process connected: fd is the callback's from now on, also to close. The listener may be freed
 * inside. */
typedef void (*xos_local_accept_f)(void *arg, int fd, const struct xos_peer *peer);

int xos_local_listen(struct xos_local **out, struct xos_loop *loop, const char *path, mode_t mode,
                     xos_local_accept_f accepted, void *arg, struct xos_error *err);
void xos_local_free(struct xos_local *l); /* removes the socket file */

#endif
