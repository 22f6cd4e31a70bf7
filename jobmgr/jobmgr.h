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
    uint32_t jobs_per_user;    /* 0: no bound */
    uint32_t units_per_user;   /* on this node; 0: no bound */
};

struct jobmgr;
int jobmgr_new(struct jobmgr **out, const struct jobmgr_config *config, struct xos_error *err);

/* New bounds from [limits]; what runs goes on. */
void jobmgr_limits(struct jobmgr *j, uint32_t jobs_per_user, uint32_t units_per_user);

/* Writes what waits to be written, and goes. Units run on. */
void jobmgr_free(struct jobmgr *j);

#endif
