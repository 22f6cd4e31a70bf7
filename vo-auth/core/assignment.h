// SPDX-License-Identifier: Apache-2.0
/* assignment.h - what the head that owns a job signs: this unit runs on this node now.
 *
 * Together with the user's grant it is all that a worker, and under it xos-execd, needs to start a
 * unit: the user has said what, the owner where and as whom. The epoch fences: a worker acts on no
 * assignment below the newest that it has seen for that unit. */
#ifndef VO_AUTH_CORE_ASSIGNMENT_H
#define VO_AUTH_CORE_ASSIGNMENT_H

#include "vo-auth/core/grant.h"

#define AUTH_ASSIGNMENT_BYTES_MAX 4096
#define AUTH_ASSIGNMENT_DOMAIN "xos-assignment-1"

struct auth_assignment {
    struct auth_name unit;
    struct auth_name node; /* where it runs */
    uint64_t epoch;        /* from 1 */
    uint8_t grant_hash[XOS_HASH_BYTES];
    uint8_t spec_hash[XOS_HASH_BYTES];
    struct auth_name vo; /* with user: whose uid the unit gets; kind NONE: the user alone */
    struct auth_name user;
    int64_t claim_deadline_ms; /* the claim's first deadline; renewals move it */
    int64_t issued_ms;
    int64_t expires_ms; /* not after the grant's */
};

/* Append the signed assignment; the key is the owner head's node key. */
int auth_assignment_sign(struct xos_buf *out, const struct auth_assignment *a,
                         const struct xos_key *head_key, struct xos_error *err);

/* What came in. Everything is borrowed. */
struct auth_assignment_offer {
    struct xos_slice assignment;   /* signed */
    const struct xos_slice *chain; /* the owner head's, a node certificate */
    size_t chain_count;
    const struct auth_grant *grant; /* as auth_grant_check gave it */
    const struct auth_name *node;   /* where we are */
    uint64_t epoch_min;             /* lower is XOS_STALE */
    enum auth_moment moment;        /* FRESH also asks that the claim's deadline has not passed */
};

/* Verify and read. ctx->slot and ctx->expired_ms_max are not looked at. The steps are listed in
 * assignment.c. */
int auth_assignment_check(struct auth_assignment *out, const struct auth_assignment_offer *offer,
                          const struct auth_context *ctx, struct xos_error *err);

/* What the job certificate for a checked pair says: the grant's rights, borrowed. */
void auth_assignment_facts(struct auth_job_facts *out, const struct auth_assignment *a,
                           const struct auth_grant *grant);

#endif
