// SPDX-License-Identifier: Apache-2.0
/* status.h - how this node is: what it does, and what is wrong with it (health.h).
 *
 * One look serves `xos status` (verb node.status), GET /healthz and the gauges of GET /metrics. It
 * is taken when somebody asks; by itself only the disk is looked at, since one that is full must
 * stop new units before they fill it. */
#ifndef XOS_XOSD_STATUS_H
#define XOS_XOSD_STATUS_H

#include "jobmgr/jobmgr.h"
#include "libxos/net/rpc.h"
#include "xosd/config.h"
#include "xosd/credential.h"
#include "xosd/peers.h"

#define STATUS_DISK_MS 10000

struct status_config { /* borrowed */
    struct xos_loop *loop;
    struct xos_rpc *rpc;
    const struct config *config;
    struct discovery *discovery;
    struct jobmgr *jobs;               /* NULL: neither head nor worker */
    const struct credential *identity; /* empty: the node stands alone */
    const struct peers *peers;         /* NULL: no network */
};

struct status;
int status_new(struct status **out, const struct status_config *config, struct xos_error *err);
void status_free(struct status *s);

/* Bring the gauges up to date. */
void status_sample(struct status *s);

/* Is the node well? Appends a line for each thing that is wrong: what, why, what to do. */
bool status_well(void *status, struct xos_buf *out);

#endif
