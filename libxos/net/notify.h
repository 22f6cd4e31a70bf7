// SPDX-License-Identifier: Apache-2.0
/* notify.h - what a service tells its manager (systemd's sd_notify(3) protocol): one datagram of
 * VARIABLE=value lines to the Unix socket that $NOTIFY_SOCKET names. */
#ifndef XOS_NET_NOTIFY_H
#define XOS_NET_NOTIFY_H

#include "libxos/net/loop.h"

struct xos_notify;

/* socket: the value of $NOTIFY_SOCKET ("@" first: abstract), or NULL: then nothing is ever sent.
 * watchdog_usec: of $WATCHDOG_USEC, 0 without: WATCHDOG=1 goes out twice in that time for as long
 * as the loop runs. */
int xos_notify_new(struct xos_notify **out, struct xos_loop *loop, const char *socket,
                   uint64_t watchdog_usec, struct xos_error *err);
void xos_notify_free(struct xos_notify *n);

/* "READY=1", "RELOADING=1", "STOPPING=1". A manager that does not listen is no error. */
void xos_notify_say(struct xos_notify *n, const char *text);

#endif
