// SPDX-License-Identifier: Apache-2.0
/* place.h - which unit goes to which node. Pure.
 *
 * The owner's knowledge may be old; the nodes decide when they are asked to claim. Units that
 * spread go first to the nodes that are liked most (--prefer), there to nodes that have none of
 * their job's, then to where most is left, then to the institution that has fewest of them; over a
 * group (spread=institution) first of all to the group that has fewest, as evenly as there is room.
 * Units that are packed fill a node first. All units of a job that wants one value of something
 * (same(arch)) lie where it has one: the one with most room, or that of the units that run already.
 */
#ifndef XOS_JOBMGR_CORE_PLACE_H
#define XOS_JOBMGR_CORE_PLACE_H

#include "jobmgr/core/claim.h"
#include "jobmgr/core/job.h"

#define PLACE_VALUE_MAX 64 /* bytes of a value, with its NUL */

struct place_node {
    char node[JOB_NAME_MAX];
    char institution[JOB_NAME_MAX];
    struct claim_need all;
    struct claim_need free;
    uint32_t behind;             /* so many nodes are liked more; 0: no preference */
    char group[PLACE_VALUE_MAX]; /* of what is spread over; "" is one of them */
    char same[PLACE_VALUE_MAX];  /* "": not known, which is never the same */
    uint32_t units;              /* of this job, here; counted by place_units, as are the rest */
    uint32_t group_at, institution_at; /* the first candidate of them, which has the count */
    uint32_t group_units, institution_units;
};

/* How the units shall lie. */
struct place_layout {
    bool pack;
    bool groups; /* spread over them */
    bool same;
};

struct place_request {
    uint32_t units;
    bool queued[JOB_UNITS_MAX];     /* which of them want a node */
    struct claim_need need;         /* of each */
    const char *const *on;          /* only these nodes; NULL-terminated, empty: any */
    const char (*at)[JOB_NAME_MAX]; /* nodes of the units that are not queued; NULL, "": none */
    struct place_layout layout;
    const char (*excluded)[JOB_NAME_MAX];
    size_t excluded_count;
};

/* Fill nodes[unit] for every queued unit. `candidates` is used up: its free amounts are lowered.
 * XOS_NOT_FOUND: no candidate could ever hold what is asked for. XOS_BUSY: not now. */
int place_units(const struct place_request *r, struct place_node *candidates, size_t count,
                char (*nodes)[JOB_NAME_MAX], struct xos_error *err);

#endif
