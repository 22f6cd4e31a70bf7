// SPDX-License-Identifier: Apache-2.0
/* nodes.h - verb node.list: which nodes there are, and which of them meet a need. */
#ifndef XOS_DISCOVERY_NODES_H
#define XOS_DISCOVERY_NODES_H

#include "discovery/members.h"

/* Every node of which a row is here, this one first. */
void discovery_each(const struct discovery *d, int (*each)(void *arg, const struct member *member),
                    void *arg);

#endif
