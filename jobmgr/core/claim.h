// SPDX-License-Identifier: Apache-2.0
/* claim.h - what a worker has promised: resources for units, each with a deadline and an epoch.
 *
 * Pure. A worker decides for itself: a claim is granted when the node is up, the user and the VO
 * are below their limits, and what is asked for is free. A claim that is not renewed ends
 * CLAIM_HOLD_MS after it was granted or last renewed, unless its unit runs and is not fenced: such
 * a unit keeps its resources until it ends. A fenced unit is frozen by its own shim at the
 * deadline; its claim stays here, overdue, until a renewal of the same epoch, a higher epoch, or
 * the end of the unit. An epoch never goes back: a stale head cannot take or renew anything. What
 * an owner gave back stays given back, also when its request for it comes after the release: the
 * epoch is remembered for as long as a request may be under way. */
#ifndef XOS_JOBMGR_CORE_CLAIM_H
#define XOS_JOBMGR_CORE_CLAIM_H

#include "libxos/base/error.h"

#include <stdint.h>

#define CLAIM_HOLD_MS 10000
#define CLAIM_RENEW_MS 2000
#define CLAIM_COUNT_MAX 4096     /* claims on one node */
#define CLAIM_RELEASED_MAX 4096  /* remembered; the oldest makes room */
#define CLAIM_RELEASED_MS 120000 /* a request is not good for so long */
#define CLAIM_NAME_MAX 128       /* bytes of a job id, user or VO, with NUL */

struct claim_need {
    uint32_t cpus;
    uint64_t mem_bytes;
    uint32_t gpus;
};

struct claim_id {
    char job[CLAIM_NAME_MAX];
    uint32_t unit;
};

struct claim {
    struct claim_id id;
    uint64_t epoch;
    struct claim_need need;
    uint64_t deadline_ms; /* CLOCK_BOOTTIME */
    bool fenced;
    bool running; /* a unit runs under it */
    char user[CLAIM_NAME_MAX];
    char head[CLAIM_NAME_MAX]; /* the node whose renewals count: "n1.inria" */
};

struct claim_limits {
    struct claim_need node;  /* all that the node has to give */
    uint32_t units_per_user; /* 0: no bound */
};

struct claim_table;

int claim_table_new(struct claim_table **out, const struct claim_limits *limits,
                    struct xos_error *err);
void claim_table_free(struct claim_table *t);
void claim_table_limits(struct claim_table *t, const struct claim_limits *limits);

/* No new claims while draining; what is held goes on. */
void claim_table_drain(struct claim_table *t, bool draining);

/* Grant all `count` units of one job, or none. Granting what is held under the same epoch again
 * only renews it, so that a repeated request is harmless; under a higher one it takes the place of
 * what its head held before, unless a unit runs there. XOS_BUSY: not free now. XOS_LIMIT: a named
 * limit, or more than the node has at all. XOS_STALE: another head, an epoch that is not above what
 * was held or given back, or a unit that runs under a lower one. XOS_UNAVAILABLE: draining. */
int claim_grant(struct claim_table *t, const struct claim *wanted, const uint32_t *units,
                size_t count, uint64_t now_ms, struct xos_error *err);

/* Hold it until from_ms + CLAIM_HOLD_MS; a renewal that was overtaken takes nothing back. from_ms
 * is the reading of this node's clock that the renewal quotes, never later than now: one that lay
 * in a queue must not extend what the owner has given up (hold.h). XOS_NOT_FOUND, or XOS_STALE when
 * it is held under another epoch or for another head. */
int claim_renew(struct claim_table *t, const struct claim_id *id, uint64_t epoch, const char *head,
                uint64_t from_ms, struct xos_error *err);

/* The unit has started (keeps its resources past the deadline) … */
int claim_start(struct claim_table *t, const struct claim_id *id, uint64_t epoch,
                struct xos_error *err);

/* … or found again after a restart: taken back whatever is free. */
int claim_restore(struct claim_table *t, const struct claim *held, struct xos_error *err);

/* Give back what `head` holds; of another epoch or head it is left alone. That this epoch was given
 * back is remembered whether or not it was there (with no memory left: not). */
void claim_release(struct claim_table *t, const struct claim_id *id, uint64_t epoch,
                   const char *head, uint64_t now_ms);

/* Drop claims that ended without a unit; returns how many. The next such deadline goes to
 * *next_ms (UINT64_MAX: none). What need not be remembered any more is forgotten. */
size_t claim_expire(struct claim_table *t, uint64_t now_ms, uint64_t *next_ms);

const struct claim *claim_get(const struct claim_table *t, const struct claim_id *id);
void claim_free_now(const struct claim_table *t, struct claim_need *out);
size_t claim_count(const struct claim_table *t);

/* Calls each for every claim; `each` must not change the table. */
void claim_each(const struct claim_table *t, void (*each)(const struct claim *c, void *arg),
                void *arg);

#endif
