// SPDX-License-Identifier: Apache-2.0
/* cut.h - which addresses this node pretends to have no cable to.
 *
 * `xos sandbox cut A B` needs no root and no packet filter: every simulated node has a loopback
 * address of its own and connects from it, and each side keeps the other's addresses here. Whoever
 * carries bytes asks before it passes any on. What is cut is silent: bytes from it are dropped,
 * bytes to it go nowhere and that is no error, and a new connection neither answers nor fails
 * before its own deadline. Ordinary nodes have none of this: a NULL cut has no address. */
#ifndef XOS_NET_CUT_H
#define XOS_NET_CUT_H

#include "libxos/net/address.h"

#include <stddef.h>

#define XOS_CUT_ADDRESSES_MAX 256

struct xos_cut;

int xos_cut_new(struct xos_cut **out, struct xos_error *err);
void xos_cut_free(struct xos_cut *cut); /* no listener may be left */

/* Replace the whole set; count 0 heals everything. Text is copied. Listeners are told afterwards.
 * Errors: XOS_INVALID for what is no numeric address, XOS_LIMIT; then nothing has changed. */
int xos_cut_set(struct xos_cut *cut, const char *const *addresses, size_t count,
                struct xos_error *err);

/* Takes a NULL cut, and any text: what is no address is not cut. */
bool xos_cut_has(const struct xos_cut *cut, const char *address);

/* Told after each change. The listener is the caller's memory, in at most one cut; it may remove
 * itself, and nobody else, while it is told. Both calls take a NULL cut. */
struct xos_cut_listener {
    void (*changed)(void *arg);
    void *arg;
    struct xos_cut_listener *prev, *next; /* the cut's */
};
void xos_cut_listen(struct xos_cut *cut, struct xos_cut_listener *listener);
void xos_cut_unlisten(struct xos_cut *cut, struct xos_cut_listener *listener);

#endif
