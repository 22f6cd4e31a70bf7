// SPDX-License-Identifier: Apache-2.0
/* head.h - the owner of its institution's jobs: carries out what jobmgr/core/job.h decides.
 *
 * Each job has a queue of actions. Those that stand in front and are JOURNAL go to the store in one
 * batch; what stands behind them waits until the batch is durable: persist first, send second. Who
 * watches a job hears an event when it is durable, and from no other place. */
#ifndef XOS_JOBMGR_SERVICE_HEAD_H
#define XOS_JOBMGR_SERVICE_HEAD_H

#include "jobmgr/core/place.h"
#include "jobmgr/core/spec.h"
#include "libxos/net/rpc.h"
#include "libxos/store/store.h"
#include "vo-auth/trust.h"

#include <uthash.h>

#define HEAD_CALL_TIMEOUT_MS 5000
#define HEAD_SIGNAL_AGAIN_MS 1000
#define HEAD_HOLD_AGAIN_MS 1000
#define HEAD_REWRITE_MS 1000        /* the disk was full */
#define HEAD_ORPHAN_MS 30000        /* a foreground job whose client is gone gets TERM */
#define HEAD_ORPHAN_PTY_MS 86400000 /* … with a terminal it is kept */
#define HEAD_LIST_MAX 1000          /* jobs in one answer */

#define HEAD_CANDIDATES_MAX 1024
#define HEAD_ADDRESS_BYTES 64 /* with its NUL */

struct head_config {
    struct xos_loop *loop;
    struct xos_rpc *rpc;
    struct xos_store *store;
    const char *node;        /* borrowed */
    const char *institution; /* borrowed */
    /* Which nodes meet the need, and how the units shall lie: fills out[0 … *count-1]. XOS_INVALID:
     * an expression is wrong. */
    int (*candidates)(void *arg, const struct job_spec *spec, struct place_layout *layout,
                      struct place_node *out, size_t *count, struct xos_error *err);
    /* Does this node know of all others yet? Before, a need that none meets is not hopeless. */
    bool (*settled)(void *arg);
    /* A numeric address of a node, as this node knows it; empty: none. NULL: of no node. */
    void (*address)(void *arg, const char *node, char out[HEAD_ADDRESS_BYTES]);
    /* Is what a specification asks for well formed? */
    int (*check)(void *arg, const struct job_spec *spec, struct xos_error *err);
    void *arg;
    uint32_t jobs_per_user, jobs_per_vo; /* live ones; 0: no bound */
    /* Who signs assignments, and against what grants are checked; both NULL: nobody, and nothing is
     * asked for. */
    struct auth_trust *trust;
    const struct auth_self *self;
};

struct head;
int head_new(struct head **out, const struct head_config *config, struct xos_error *err);
/* A node has room again: the job that waits longest tries at once, and when it starts the next. */
void head_room(struct head *h);
void head_full(struct head *h, bool full); /* no new jobs: the disk has no room */
uint32_t head_count(const struct head *h); /* live jobs; sets their gauges */
void head_limits(struct head *h, uint32_t jobs_per_user, uint32_t jobs_per_vo);
void head_free(struct head *h);

#endif
