// SPDX-License-Identifier: Apache-2.0
/* revoke.h - what a domain takes back before its time.
 *
 * One signed list per domain, whole each time, with a sequence number that never goes back. It is
 * signed by the domain's issuing CA, whose chain comes with it and is checked like any other, the
 * list known so far included: a CA that was taken back cannot give itself back. */
#ifndef VO_AUTH_CORE_REVOKE_H
#define VO_AUTH_CORE_REVOKE_H

#include "vo-auth/core/chain.h"

#define AUTH_REVOCATIONS_MAX 100000 /* entries in one list */
#define AUTH_REVOKE_BYTES_MAX ((size_t)AUTH_REVOCATIONS_MAX * XOS_HASH_BYTES + 4096)
#define AUTH_REVOKE_DOMAIN "xos-revocations-1"

enum auth_revoke_kind {
    AUTH_REVOKE_SERIAL,  /* AUTH_SERIAL_BYTES */
    AUTH_REVOKE_KEY,     /* hash of a SubjectPublicKeyInfo */
    AUTH_REVOKE_SUBJECT, /* hash of a name's URI */
    AUTH_REVOKE_GRANT,   /* hash of a grant */
    AUTH_REVOKE_KINDS
};

struct auth_revocations {
    char domain[AUTH_PART_BYTES_MAX + 1];
    uint8_t root_hash[XOS_HASH_BYTES];
    uint64_t seq;
    int64_t issued_ms;
    struct xos_buf entries[AUTH_REVOKE_KINDS]; /* sorted, one after the other */
};

size_t auth_revoke_bytes(enum auth_revoke_kind kind); /* of one entry */

/* An empty list; free with auth_revocations_free (takes NULL). */
struct auth_revocations *auth_revocations_new(const char *domain,
                                              const uint8_t root_hash[static XOS_HASH_BYTES],
                                              struct xos_error *err);
void auth_revocations_free(struct auth_revocations *list);

/* XOS_LIMIT at AUTH_REVOCATIONS_MAX; adding one that is there changes nothing. */
int auth_revocations_add(struct auth_revocations *list, enum auth_revoke_kind kind,
                         const uint8_t *entry, struct xos_error *err);
bool auth_revocations_has(const struct auth_revocations *list, enum auth_revoke_kind kind,
                          const uint8_t *entry);
size_t auth_revocations_count(const struct auth_revocations *list);

/* The entry for a name. */
int auth_revoke_subject(const struct auth_name *name, uint8_t entry[static XOS_HASH_BYTES],
                        struct xos_error *err);

/* Append the signed list. */
int auth_revocations_sign(struct xos_buf *out, const struct auth_revocations *list,
                          const struct xos_key *ca_key, struct xos_error *err);

/* Verify and read a list. ctx->slot is not looked at. `seq_min`: a lower number is XOS_STALE (give
 * the known one plus one to accept only news). */
int auth_revocations_check(struct auth_revocations **out, struct xos_slice bytes,
                           const struct xos_slice *ca_chain, size_t count,
                           const struct auth_context *ctx, uint64_t seq_min, struct xos_error *err);

/* The list of a domain among those that a context has, or NULL. */
const struct auth_revocations *auth_context_revocations(const struct auth_context *ctx,
                                                        const char *domain);

#endif
