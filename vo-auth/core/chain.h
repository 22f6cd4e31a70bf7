// SPDX-License-Identifier: Apache-2.0
/* chain.h - who is this? One function turns certificates into a principal. */
#ifndef VO_AUTH_CORE_CHAIN_H
#define VO_AUTH_CORE_CHAIN_H

#include "vo-auth/core/anchor.h"
#include "vo-auth/core/facts.h"

#define AUTH_CHAIN_MAX 3 /* certificates: leaf, issuing CA, root */

/* How long after its end a user or node certificate may still be shown, for renewal with its old
 * key, and on a link that then carries renewal only. */
#define AUTH_RENEWAL_MS_MAX (30 * AUTH_DAY_MS)
#define AUTH_RENEWAL_LINK_MS_MAX (3 * AUTH_DAY_MS)

struct auth_revocations; /* revoke.h */
struct auth_principal;

/* Was this chain found good for this slot under the same anchors and revocations, and does all of
 * it hold at now_ms? Then what it says is copied to *out, which owns nothing. */
typedef bool (*auth_recall_f)(const void *arg, const struct xos_slice *der, size_t count,
                              enum auth_kind slot, int64_t now_ms, struct auth_principal *out);

/* What the verifier knows. Everything is borrowed. */
struct auth_context {
    const struct auth_anchors *anchors;
    const struct auth_revocations *const *revocations; /* at most one per domain; may be none */
    size_t revocation_count;
    int64_t now_ms;
    enum auth_kind slot;    /* what is needed here: USER, NODE, JOB or CA (asserted) */
    int64_t expired_ms_max; /* accept one that ended up to this long ago; 0: none. At most
                               AUTH_RENEWAL_MS_MAX (asserted); only user and node certificates */
    auth_recall_f recall;   /* what the caller remembers; NULL: nothing */
    const void *recall_arg;
};

struct auth_principal {
    enum auth_kind kind;
    struct auth_name name;             /* user, node, unit; for a CA its institution's CA */
    uint8_t root_hash[XOS_HASH_BYTES]; /* fingerprint of the institution's root */
    uint8_t key[XOS_KEY_PUBLIC_BYTES];
    uint8_t key_hash[XOS_HASH_BYTES]; /* of the SubjectPublicKeyInfo */
    uint8_t serial[AUTH_SERIAL_BYTES];
    int64_t from_ms;
    int64_t to_ms;
    int64_t issuer_to_ms;             /* of the issuing CA */
    int64_t until_ms;                 /* earliest end in the whole chain: a cache's limit */
    int64_t expired_for_ms;           /* 0: it has not ended */
    struct auth_node_facts node;      /* kind NODE */
    struct auth_job_facts job;        /* kind JOB; borrows from memory */
    struct auth_facts_memory *memory; /* owned */
};

void auth_principal_free(struct auth_principal *p); /* what it holds; leaves it empty */

/* Verify der[0] (the leaf), der[1] (its issuing CA) and, if sent, der[2] (the root, which must be
 * the registered one); for slot CA: the CA, and the root if sent. The steps are listed in chain.c.
 * XOS_DENIED, XOS_PROTOCOL, XOS_LIMIT, XOS_EXPIRED or XOS_CLOCK; the text names the certificate and
 * the step. *out must be empty or freed; it is the caller's to free. */
int auth_verify(const struct xos_slice *der, size_t count, const struct auth_context *ctx,
                struct auth_principal *out, struct xos_error *err);

/* The name of a chain that is verified for this slot, to remember it by. XOS_LIMIT. */
int auth_chain_hash(const struct xos_slice *der, size_t count, enum auth_kind slot,
                    uint8_t out[static XOS_HASH_BYTES], struct xos_error *err);

#endif
