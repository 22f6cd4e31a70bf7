// SPDX-License-Identifier: Apache-2.0
/* jobmgr.h - the face of the job service. A node with the role head owns its institution's jobs;
 * one with the role worker runs units of anybody's jobs. Nothing behind this header is for others.
 *
 * The walk of a command: the words typed after `xrun` become a specification (core/spec), which the
 * head takes in (service/head), whose decisions are core/job; a claim (core/claim) and a start
 * reach the worker (service/worker), which has xos-execd (exec/) launch a shim, which launches the
 * unit; the end goes the same way back, and each station keeps it until the next one has it. */
#ifndef XOS_JOBMGR_JOBMGR_H
#define XOS_JOBMGR_JOBMGR_H

#include "discovery/discovery.h"
#include "libxos/net/rpc.h"
#include "libxos/store/store.h"

/* What somebody wants of this node. */
struct jobmgr_wish {
    const char *user; /* alice@inria */
    const char *vo;   /* acts as: VO, group or role; "": as himself */
    uint32_t cpus;    /* per unit, as the next two */
    uint64_t mem_bytes;
    uint32_t gpus;
    uint32_t units;       /* of the job */
    uint64_t walltime_ms; /* 0: no end */
};

/* What may change while it runs. */
struct jobmgr_limits {
    uint32_t jobs_per_user;  /* 0: no bound */
    uint32_t jobs_per_vo;    /* 0: no bound */
    uint32_t units_per_user; /* on this node; 0: no bound */
    uint64_t output_kept_ms; /* after a unit's end; 0: for ever */
    uint64_t history_ms;     /* after a job's end; 0: for ever */
};

struct jobmgr_config {
    struct xos_loop *loop;
    struct xos_rpc *rpc;
    struct discovery *discovery;
    const char *node;        /* n1.inria; all texts are borrowed and outlive the service */
    const char *institution; /* inria */
    bool head, worker;
    const char *store_url;
    const char *execd_path; /* socket of xos-execd */
    const char *run_dir;    /* of units: sockets and records */
    const char *spool_dir;  /* of units: output */
    uint32_t cpus;          /* what this node gives */
    uint64_t mem_bytes;
    uint32_t gpus;
    uint64_t output_bytes_max; /* kept per unit and stream */
    struct jobmgr_limits limits;
    /* Of a federation's node: grants are asked for and checked. Both NULL: it stands alone. */
    struct auth_trust *trust;
    const struct auth_self *self;
    bool accept_unisolated; /* others' jobs run here although nothing isolates them */
    const char *own_user;   /* whose jobs run here even so; NULL: nobody's */
    /* May such a job run here? XOS_DENIED says why not. Asked of what the owner says, and again of
     * what the grant says. NULL: it may. */
    int (*admit)(void *arg, const struct jobmgr_wish *wish, struct xos_error *err);
    void *admit_arg;
};

struct jobmgr;
int jobmgr_new(struct jobmgr **out, const struct jobmgr_config *config, struct xos_error *err);

/* New bounds from [limits]; what runs goes on. */
void jobmgr_limits(struct jobmgr *j, const struct jobmgr_limits *limits);

/* Take no new units, or take them again; what runs goes on. The node's row says how far it is. */
void jobmgr_drain(struct jobmgr *j, bool draining);

/* The disk is too full for new jobs and units, or not any more. */
void jobmgr_full(struct jobmgr *j, bool full);

/* What is going on here; the gauges by state are brought up to date at the same time. */
struct jobmgr_counts {
    uint32_t jobs;          /* live, of this head */
    uint32_t units, claims; /* of this worker */
    bool draining, empty;
    bool store_failed;
};
void jobmgr_count(struct jobmgr *j, struct jobmgr_counts *out);

/* Writes what waits to be written, and goes. Units run on. */
void jobmgr_free(struct jobmgr *j);

#endif
