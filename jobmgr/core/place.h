// SPDX-License-Identifier: Apache-2.0
/* place.h - which unit goes to which node. Pure.
 *
 * The owner's knowledge may be old; the nodes decide when they are asked to claim. Units spread by
 * default: each goes to the node that has the most left after it; packed ones fill a node first. */
#ifndef XOS_JOBMGR_CORE_PLACE_H
#define XOS_JOBMGR_CORE_PLACE_H

#include "jobmgr/core/claim.h"
#include "jobmgr/core/job.h"

struct place_node {
    char node[JOB_NAME_MAX];
    char institution[JOB_NAME_MAX];
    struct claim_need all;
    struct claim_need free;
};

struct place_request {
    uint32_t units;
    bool queued[JOB_UNITS_MAX]; /* which of them want a node */
    struct claim_need need;     /* of each */
    const char *const *on;      /* only these nodes; NULL-terminated, empty: any */
    bool pack;
    const char (*excluded)[JOB_NAME_MAX];
    size_t excluded_count;
};

/* Fill nodes[unit] for every queued unit. `candidates` is used up: its free amounts are lowered.
 * XOS_NOT_FOUND: no candidate could ever hold what is asked for. XOS_BUSY: not now. */
int place_units(const struct place_request *r, struct place_node *candidates, size_t count,
                char (*nodes)[JOB_NAME_MAX], struct xos_error *err);

#endif
