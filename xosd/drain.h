// SPDX-License-Identifier: Apache-2.0
/* drain.h - an administrator empties this node: it takes no new units, and those that it has run to
 * their end. Kept over restarts until it is resumed. Verbs node.drain and node.resume. */
#ifndef XOS_XOSD_DRAIN_H
#define XOS_XOSD_DRAIN_H

#include "jobmgr/jobmgr.h"
#include "libxos/net/rpc.h"

struct drain;

struct drain_config { /* borrowed */
    struct xos_env *env;
    struct xos_rpc *rpc;
    struct jobmgr *jobs;   /* NULL: this node has no units */
    const char *state_dir; /* STATE/drain is there while it drains */
};

/* Goes on draining where the last run did. */
int drain_new(struct drain **out, const struct drain_config *config, struct xos_error *err);
void drain_free(struct drain *d);

#endif
