// SPDX-License-Identifier: Apache-2.0
/* discovery.h - the face of discovery: what this node has, and which nodes meet a need.
 *
 * Callers ask with the text of a need (the XQL language, docs/xql.md) and get the nodes that match.
 * How the rows of other nodes come here is not theirs to know. */
#ifndef XOS_DISCOVERY_DISCOVERY_H
#define XOS_DISCOVERY_DISCOVERY_H

#include "libxos/env/env.h"

#define DISCOVERY_REFRESH_MS 60000 /* the node's own row is read again at least so often */

struct discovery;

struct discovery_config {
    struct xos_env *env;
    const char *node;        /* n1.inria; texts are borrowed */
    const char *institution; /* inria */
    const char *root;        /* where this machine's /proc and /sys are: "/" */
    const char *state_dir;   /* for disk.free */
    bool is_root;            /* whoever starts units here may make cgroups */
    uint32_t cpus;           /* [node] cpus; 0: what there is */
    uint64_t mem_bytes;      /* [node] mem; 0: what there is */
};

struct discovery_node {
    const char *node; /* borrowed for the call */
    const char *institution;
    uint32_t cpus, cpus_free;
    uint64_t mem_bytes, mem_free_bytes;
    uint32_t gpus, gpus_free;
};

int discovery_new(struct discovery **out, const struct discovery_config *config,
                  struct xos_error *err);
void discovery_free(struct discovery *d);

/* Read this node's row again. `cpus` and `mem_bytes` are what claims hold of it. */
int discovery_refresh(struct discovery *d, uint32_t cpus, uint64_t mem_bytes,
                      struct xos_error *err);

/* This node. Borrowed until the next refresh. */
void discovery_own(const struct discovery *d, struct discovery_node *out);

/* Are these well formed? Each may be NULL or empty. XOS_INVALID names which, and the column. */
int discovery_check(const char *need, const char *prefer, const char *want, struct xos_error *err);

/* Call each for every node that meets the need (NULL or empty: all). XOS_INVALID: the need is not
 * well formed; the text names the column. `each` returns nonzero to stop. */
int discovery_query(struct discovery *d, const char *need,
                    int (*each)(void *arg, const struct discovery_node *node), void *arg,
                    struct xos_error *err);

#endif
