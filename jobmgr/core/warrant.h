// SPDX-License-Identifier: Apache-2.0
/* warrant.h - by what right a unit runs: the user's grant, and the assignment of the job's owner.
 *
 * Pure. The user signs at submit what the job may do; the head that owns the job checks it then and
 * keeps it. For each start the head signs where the unit runs, under which epoch and as whom; a
 * restarted head signs again. The worker checks both before it keeps anything of the unit, and
 * takes from them, not from the head's word, who the unit's user is. What xos-execd starts a unit
 * on is the same bytes, checked once more: ProofPb.
 *
 * The context is of the moment at which it is used; its slot is not looked at. */
#ifndef XOS_JOBMGR_CORE_WARRANT_H
#define XOS_JOBMGR_CORE_WARRANT_H

#include "jobmgr/core/spec.h"
#include "libxos/wire/header.h"
#include "vo-auth/auth.h"

#define WARRANT_PROOF_BYTES_MAX 131072 /* a grant, its signer's chain, what his VO says of him */
#define WARRANT_ASSIGNMENT_MS 120000   /* an assignment is good for so long */
#define WARRANT_AGAIN_MS 10000         /* a head looks at a grant again after this */

struct Xos__Job__StartPb;
struct Xos__Job__ProofPb;

/* A grant that was checked. */
struct warrant {
    struct auth_grant grant;
    char user[JOB_NAME_MAX];   /* alice@inria */
    char acting[JOB_NAME_MAX]; /* vo:climate@inria/prod:runner; "": as himself */
    char vo[JOB_NAME_MAX];     /* vo:climate@inria; "" */
};

void warrant_free(struct warrant *w); /* what it holds; leaves it empty */

/* What a submission is held against. Everything is borrowed. */
struct warrant_submit {
    struct xos_slice proof; /* ProofPb */
    struct xos_slice bytes; /* the specification, and what they say */
    const struct job_spec *spec;
    const char *institution;        /* that is to own the job */
    const char *user;               /* who asks, */
    const char *vo, *role;          /* as what: "vo:climate@inria", "prod:runner" */
    const struct xos_id *operation; /* under which id; NULL: none */
};

/* May it be taken? The steps are listed in warrant.c. *out must be empty or freed. */
int warrant_check_submit(struct warrant *out, const struct warrant_submit *s,
                         const struct auth_context *ctx, struct xos_error *err);

/* A grant that was taken earlier, perhaps by an earlier run of this process: it must still hold. */
int warrant_read(struct warrant *out, struct xos_slice proof, struct xos_slice spec,
                 const struct auth_context *ctx, struct xos_error *err);

/* Append the assignment of one unit, signed with the head's key. XOS_EXPIRED: the grant ends before
 * the claim would. */
struct warrant_place {
    const char *job; /* inria-1042 */
    uint32_t unit;
    const char *node;
    uint64_t epoch;
};
int warrant_assign(struct xos_buf *out, const struct warrant *w, const struct warrant_place *where,
                   const struct xos_key *head_key, int64_t now_ms, struct xos_error *err);

/* What a start is held against. Everything is borrowed. */
struct warrant_start {
    struct xos_slice grant;
    struct xos_slice user_chain[AUTH_CHAIN_MAX];
    size_t user_chain_count;
    struct xos_slice bytes; /* the specification, and what they say */
    const struct job_spec *spec;
    struct xos_slice assignment;
    struct xos_slice head_chain[AUTH_CHAIN_MAX];
    size_t head_chain_count;
    struct xos_slice job; /* "inria-1042" */
    uint32_t unit;
    uint64_t epoch;
    const struct auth_name *node; /* where it is to start */
};

/* May it be? The steps are listed in warrant.c. *out must be empty or freed. */
int warrant_check_start(struct warrant *out, const struct warrant_start *s,
                        const struct auth_context *ctx, struct xos_error *err);

/* Fill in what a ProofPb says; slices of it. XOS_LIMIT: AUTH_CHAIN_MAX. */
int warrant_start_of(struct warrant_start *out, const struct Xos__Job__ProofPb *m,
                     struct xos_error *err);

/* The same of a head's message, whose specification says `spec`. */
int warrant_check_message(struct warrant *out, const struct Xos__Job__StartPb *m,
                          const struct job_spec *spec, const struct auth_name *node,
                          const struct auth_context *ctx, struct xos_error *err);

/* Append what xos-execd is given: a ProofPb with all its fields. XOS_INVALID: there is no grant. */
int warrant_proof(struct xos_buf *out, const struct Xos__Job__StartPb *m, struct xos_error *err);

#endif
