// SPDX-License-Identifier: Apache-2.0
/* node.h - one node: the services that its roles ask for, in the order in which they need each
 * other, and down again in the reverse order. */
#ifndef XOS_XOSD_NODE_H
#define XOS_XOSD_NODE_H

#include "libxos/net/loop.h"
#include "xosd/config.h"

struct node;
int node_new(struct node **out, struct xos_loop *loop, const struct config *config,
             struct xos_error *err);
/* Take over what may change while it runs: log level and [limits]. XOS_UNSUPPORTED names the first
 * key that needs a restart; then nothing has changed. */
int node_reload(struct node *n, const struct config *config, struct xos_error *err);

void node_free(struct node *n);

#endif
