// SPDX-License-Identifier: Apache-2.0
/* worker.h - the worker: claims, units, and what clients attach to. Shared by the files of this
 * folder that make up the worker; the service's face is jobmgr/jobmgr.h. */
#ifndef XOS_JOBMGR_SERVICE_WORKER_H
#define XOS_JOBMGR_SERVICE_WORKER_H

#include "jobmgr/core/claim.h"
#include "jobmgr/jobmgr.h"
#include "jobmgr/service/execd_link.h"
#include "jobmgr/service/unit.h"
#include "libxos/net/rpc.h"
#include "libxos/store/store.h"

#define WORKER_LIST_AGAIN_MS 200 /* execd is not there yet */

struct worker_config {
    struct xos_loop *loop;
    struct xos_rpc *rpc;
    struct xos_store *store;
    const char *node;        /* borrowed */
    const char *institution; /* borrowed */
    const char *execd_path;
    const char *run_dir;   /* RUN/units/ID/ctl.sock */
    const char *spool_dir; /* SPOOL/ID/out */
    struct claim_limits limits;
    uint64_t output_bytes_max;  /* per unit and stream */
    void (*room)(void *arg);    /* a claim ended, or the node takes claims now; may be NULL */
    void (*claimed)(void *arg); /* what claims hold may have changed; may be NULL */
    void (*isolates)(void *arg, const char *how); /* execd has said it ("cgroup1"); may be NULL */
    void *arg;
    struct auth_trust *trust; /* as in struct jobmgr_config, and so on */
    const struct auth_self *self;
    bool accept_unisolated;
    const char *own_user;
    int (*admit)(void *arg, const struct jobmgr_wish *wish, struct xos_error *err);
    void *admit_arg;
};

struct worker {
    struct worker_config config;
    struct xos_loop *loop;
    struct xos_env *env;
    struct xos_rpc *rpc;
    struct xos_store *store;
    struct execd_link *execd;
    struct claim_table *claims;
    struct unit *units;
    struct xos_timer *expire;
    struct xos_timer *list_again;
    struct attach *parked; /* clients that were faster than the owner's START */
    struct attach *loose;  /* … and those of units that are over */
    bool isolated;         /* execd gives units a root of their own: scratch is /xos/scratch */
    bool listed;           /* execd has told which units there are */
    bool draining;         /* no new claims */
    bool full;             /* nor any: the disk has no room */
};

int worker_new(struct worker **out, const struct worker_config *config, struct xos_error *err);
void worker_drain(struct worker *w, bool draining);
bool worker_empty(const struct worker *w);     /* no claim, and no unit whose end is not told */
uint32_t worker_count(const struct worker *w); /* units; sets their gauges */
void worker_limits(struct worker *w, uint32_t units_per_user);
void worker_free(struct worker *w);

struct unit *worker_find(const struct worker *w, const char *job, uint32_t unit);
void worker_room(struct worker *w);
void worker_forget(struct worker *w, struct unit *u); /* frees it */

/* admit.c: whose work this node takes. XOS_DENIED, XOS_EXPIRED: not this, now or later. */
struct Xos__Job__ClaimPb;
int admit_claim(const struct worker *w, const struct Xos__Job__ClaimPb *m, struct xos_error *err);
/* Append the StartPb as it is to be kept: with the user and the VO that its grant names. */
int admit_start(const struct worker *w, struct xos_slice start, struct xos_buf *out,
                struct xos_error *err);

/* attach.c: clients on the streams of a unit. */
void attach_serve(void *service, struct xos_call *call); /* verb unit.attach */
void attach_unpark(struct worker *w, struct unit *u);    /* the unit is here now */
void attach_more(struct unit *u);                        /* there is output, or an end */
void attach_stdin_ack(struct unit *u);                   /* the unit took input */
void attach_detach(struct unit *u); /* the unit goes: its clients get the rest from the files */
void attach_free_rest(struct worker *w);

#endif
