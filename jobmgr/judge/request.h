// SPDX-License-Identifier: Apache-2.0
/* request.h - what is asked of xos-execd for one unit of a specification.
 *
 * The one place that says it: the worker asks so, and the judge holds what was asked against it, so
 * that nothing of a command, its environment or its limits is xosd's to choose. Pure. */
#ifndef XOS_JOBMGR_JUDGE_REQUEST_H
#define XOS_JOBMGR_JUDGE_REQUEST_H

#include "jobmgr/core/spec.h"
#include "jobmgr/exec/execd_wire.h"

/* The name of XOS_HOSTS in scratch; names of this kind are no user's. */
#define REQUEST_HOSTS ".xos-hosts"

/* What of a unit is not in its specification. */
struct request_facts {
    const char *job; /* inria-1042 */
    uint32_t unit;
    uint64_t epoch;
    const char *node;
    const char *institution; /* the node's */
    const char *user;        /* alice@inria */
    const char *vo;          /* vo:climate@inria, or empty */
    const char *scratch;     /* as the unit sees it; NULL: REQUEST_SCRATCH */
};

#define REQUEST_SCRATCH "/xos/scratch"

/* What xos-execd calls the unit: job, unit and epoch. */
int request_name(char out[static EXEC_UNIT_BYTES], const char *job, uint32_t unit, uint64_t epoch,
                 struct xos_error *err);
/* The other way: *job is copied. XOS_INVALID. */
int request_parse(const char *name, char job[static EXEC_UNIT_BYTES], uint32_t *unit,
                  uint64_t *epoch, struct xos_error *err);

/* The words of a request: what they point to is the specification's or theirs. */
struct request_words {
    struct execd_blobs blobs;
    char **envp;
    const char **argv;
    char *script;
};
void request_words_free(struct request_words *w);

/* Fill in what the specification decides; deadline_ms and spool_bytes are the node's own. The words
 * are the caller's to free, also after a failure. */
int request_fill(struct execd_request *r, struct request_words *w, const struct job_spec *spec,
                 const struct request_facts *facts, struct xos_error *err);

/* Append the bundle of a unit's files: XOS_HOSTS with this text, then the specification's. */
int request_bundle(struct xos_buf *out, const struct job_spec *spec, struct xos_slice hosts,
                   struct xos_error *err);

/* Do the papers of a START begin with that bundle? XOS_DENIED names what is not. */
int request_papers(struct xos_slice papers, const struct job_spec *spec, struct xos_error *err);
/* What follows the bundle, borrowed. */
int request_proof(struct xos_slice *proof, struct xos_slice papers, struct xos_error *err);

/* Is a checked START request what request_fill says? XOS_DENIED names what is not. */
int request_compare(const struct execd_request *asked, const struct job_spec *spec,
                    const struct request_facts *facts, struct xos_error *err);

#endif
