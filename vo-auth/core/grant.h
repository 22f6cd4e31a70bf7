// SPDX-License-Identifier: Apache-2.0
/* grant.h - what a user signs at submit: this job may do these things, until then.
 *
 * A grant is bound to the hash of the job's specification and to the user's institution, whose
 * heads own the job. It outlives the user's certificate: checked at submit the certificate must
 * hold then; checked later it must have held when the grant was issued (and must not have been
 * revoked since). That it was not antedated is what the owner's assignment stands for: later checks
 * go together with assignment.h. */
#ifndef VO_AUTH_CORE_GRANT_H
#define VO_AUTH_CORE_GRANT_H

#include "vo-auth/core/chain.h"

#define AUTH_GRANT_BYTES_MAX 65536
#define AUTH_GRANT_DOMAIN "xos-grant-1"
#define AUTH_GRANT_ID_BYTES 16
#define AUTH_GRANT_LIFE_MS_MAX (60 * AUTH_DAY_MS) /* 30 days to wait, 30 to run */
#define AUTH_SELECTOR_BYTES_MAX 4096
#define AUTH_CPUS_MAX 65536
#define AUTH_MEM_BYTES_MAX (UINT64_C(1) << 50)
#define AUTH_GPUS_MAX 1024
#define AUTH_WALLTIME_MS_MAX (30 * AUTH_DAY_MS)
#define AUTH_UNITS_MAX 100000

enum auth_moment {
    AUTH_FRESH, /* at submit, at start: the signer's certificate must hold now */
    AUTH_LATER  /* it must have held when the statement was issued */
};

struct auth_limits {
    uint32_t cpus; /* of one unit, as the next three */
    uint64_t mem_bytes;
    uint32_t gpus;
    int64_t walltime_ms;
    uint32_t units; /* of the job */
};

struct auth_grant {
    uint8_t id[AUTH_GRANT_ID_BYTES];
    struct auth_name job;                   /* kind NONE: the operation id stands for it */
    uint8_t operation[AUTH_GRANT_ID_BYTES]; /* looked at only when job is NONE */
    struct auth_name user;
    uint8_t root_hash[XOS_HASH_BYTES];
    struct auth_name acting; /* VO, group, role, or kind NONE */
    struct auth_rights rights;
    uint8_t spec_hash[XOS_HASH_BYTES];
    struct auth_name owner; /* institution */
    struct xos_slice selector;
    struct auth_limits limits;
    int64_t issued_ms;
    int64_t expires_ms;
    uint8_t nonce[AUTH_GRANT_ID_BYTES];
    uint8_t hash[XOS_HASH_BYTES]; /* of the signed bytes; set by reading */
    void *memory;                 /* owned; what is borrowed after reading */
};

void auth_grant_free(struct auth_grant *g); /* what it holds; leaves it empty */

/* Append the signed grant. XOS_PROTOCOL or XOS_LIMIT when it is not well formed. */
int auth_grant_sign(struct xos_buf *out, const struct auth_grant *g, const struct xos_key *user_key,
                    struct xos_error *err);

/* What came in. Everything is borrowed. */
struct auth_grant_offer {
    struct xos_slice grant;        /* signed */
    const struct xos_slice *chain; /* the user's */
    size_t chain_count;
    struct xos_slice spec; /* the specification's bytes */
    enum auth_moment moment;
};

/* Verify and read. ctx->slot and ctx->expired_ms_max are not looked at. The steps are listed in
 * grant.c; the text names the one that failed. */
int auth_grant_check(struct auth_grant *out, const struct auth_grant_offer *offer,
                     const struct auth_context *ctx, struct xos_error *err);

/* Does a checked grant allow this? XOS_DENIED names what it does not. */
int auth_grant_allows(const struct auth_grant *g, const char *action, struct xos_error *err);
int auth_grant_allows_path(const struct auth_grant *g, struct xos_slice path, bool change,
                           struct xos_error *err);
int auth_grant_allows_claim(const struct auth_grant *g, const struct auth_limits *claim,
                            struct xos_error *err);

#endif
