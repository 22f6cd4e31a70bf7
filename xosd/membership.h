// SPDX-License-Identifier: Apache-2.0
/* membership.h - between discovery, which knows who is there, and peers, which knows the ways.
 *
 * A seed is an address and no more: it is met over TLS, which tells its name, and asked where it
 * listens for messages (node.hello), before the message that waits for it can go. */
#ifndef XOS_XOSD_MEMBERSHIP_H
#define XOS_XOSD_MEMBERSHIP_H

#include "discovery/discovery.h"
#include "xosd/peers.h"

#define MEMBERSHIP_HELLO_MS 5000

struct membership_config {
    struct xos_rpc *rpc;
    struct peers *peers;
    struct discovery *discovery;
    const struct config *config;
};

struct membership;
int membership_new(struct membership **out, const struct membership_config *config,
                   struct xos_error *err);
void membership_free(struct membership *m); /* says farewell */

/* What peers tell. */
void membership_on_seed(struct membership *m, size_t seed, const char *node);
void membership_on_seed_down(struct membership *m, size_t seed);

#endif
