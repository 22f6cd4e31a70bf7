// SPDX-License-Identifier: Apache-2.0
/* trust.h - what a process trusts, read from one public directory.
 *
 *     roots/INSTITUTION.der          the own institution's root, and those of its peers
 *     vo/VO@INSTITUTION.root         hash of the VO's root key: 64 hexadecimal digits
 *     vo/VO@INSTITUTION.manifest     the VO's signed manifest
 *     crl/INSTITUTION.crl            signed revocations with their CA's chain (Crl of ca.proto)
 *
 * A root is here because an administrator put it here; everything else proves itself against the
 * roots. Reading is all or nothing: a file that is wrong changes nothing, so that a reload can
 * never open a door. A revocation list never goes back. Verdicts on chains are remembered, bounded,
 * and forgotten at each reload. One thread. */
#ifndef VO_AUTH_TRUST_H
#define VO_AUTH_TRUST_H

#include "libxos/env/env.h"
#include "vo-auth/auth.h"

#define AUTH_TRUST_VOS_MAX 256
#define AUTH_TRUST_CACHE_MAX 4096 /* chains whose verdict is remembered */

struct auth_trust;

int auth_trust_open(struct auth_trust **out, struct xos_env *env, const char *dir,
                    struct xos_error *err);
int auth_trust_reload(struct auth_trust *t, struct xos_error *err);
void auth_trust_free(struct auth_trust *t);

/* Trust one root more than the directory says: the institution that a user has logged in to. It
 * goes with the next reload. */
int auth_trust_add_root(struct auth_trust *t, const char *institution, struct xos_slice der,
                        struct xos_error *err);

/* For the checks of core/; borrowed until the next reload. */
void auth_trust_context(const struct auth_trust *t, enum auth_kind slot, int64_t now_ms,
                        struct auth_context *out);

/* auth_verify with a memory. *out is borrowed until the next call with this trust. */
int auth_trust_verify(struct auth_trust *t, const struct xos_slice *der, size_t count,
                      enum auth_kind slot, int64_t now_ms, const struct auth_principal **out,
                      struct xos_error *err);

/* May a verified principal act as this VO, group or role, by what its VO says of it (signed)? *out
 * is the caller's to free. XOS_DENIED: no, or this institution does not know the VO. */
int auth_trust_attr(const struct auth_trust *t, struct auth_attr *out,
                    const struct auth_name *acting, struct xos_slice bytes,
                    const struct auth_principal *who, int64_t now_ms, struct xos_error *err);

/* The registered institutions, from 0; NULL behind the last. Borrowed until the next reload. */
const char *auth_trust_institution(const struct auth_trust *t, size_t i);

/* The known VOs, from 0, by full name; NULL behind the last. Borrowed until the next reload. */
const char *auth_trust_vo(const struct auth_trust *t, size_t i);

/* Who this node is. Stays where it is; its content is replaced when the certificate is renewed. */
struct auth_self {
    struct auth_name name;
    const struct xos_key *key;
    struct xos_slice chain[AUTH_CHAIN_MAX]; /* leaf, issuing CA, root */
    size_t chain_count;
};

#endif
