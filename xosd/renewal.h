// SPDX-License-Identifier: Apache-2.0
/* renewal.h - has this node's certificate renewed at half of its life, and says how long it has. */
#ifndef XOS_XOSD_RENEWAL_H
#define XOS_XOSD_RENEWAL_H

#include "libxos/net/rpc.h"
#include "xosd/config.h"
#include "xosd/credential.h"

#define RENEWAL_CHECK_MS 60000
#define RENEWAL_AGAIN_MS 30000 /* a head was not in reach, or refused */
#define RENEWAL_CALL_MS 10000
#define RENEWAL_WARN_MS INT64_C(14400000) /* what has so little left is logged */

struct renewal_config {
    struct xos_loop *loop;
    struct xos_rpc *rpc;
    struct credential *identity;    /* borrowed, replaced in place */
    const struct config *config;    /* borrowed */
    const char *(*head)(void *arg); /* whom to ask; NULL: nobody is in reach */
    void (*renewed)(void *arg);
    void *arg;
};

struct renewal;
int renewal_new(struct renewal **out, const struct renewal_config *config, struct xos_error *err);
void renewal_free(struct renewal *r);

#endif
