// SPDX-License-Identifier: Apache-2.0
/* manifest.h - what a VO is: its root key, the keys that may speak for it, its administrators.
 *
 * The root key's hash is the VO's identity, as a root certificate is an institution's: whoever
 * knows the hash can check a manifest from anywhere. */
#ifndef VO_AUTH_CORE_MANIFEST_H
#define VO_AUTH_CORE_MANIFEST_H

#include "vo-auth/core/chain.h"

#define AUTH_MANIFEST_BYTES_MAX 8192
#define AUTH_MANIFEST_DOMAIN "xos-vo-manifest-1"

struct auth_manifest {
    struct auth_name vo;
    uint8_t root_key[XOS_KEY_PUBLIC_BYTES];
    uint8_t root_hash[XOS_HASH_BYTES]; /* of root_key; set by reading, not looked at by signing */
    struct auth_set keys;              /* raw public keys; at least one */
    struct auth_set admins;            /* user names; at least one */
    uint64_t seq;                      /* from 1 */
    int64_t issued_ms;
    void *memory; /* owned; what the sets borrow from after reading */
};

void auth_manifest_free(struct auth_manifest *m); /* what it holds; leaves it empty */

/* Append the signed manifest; `key` must be the root key. */
int auth_manifest_sign(struct xos_buf *out, const struct auth_manifest *m,
                       const struct xos_key *key, struct xos_error *err);

/* Verify and read. It must be of this VO (a name of kind VO) with this root key's hash, its number
 * not below seq_min (XOS_STALE), and not from ahead of now. */
int auth_manifest_check(struct auth_manifest *out, struct xos_slice bytes,
                        const struct auth_name *vo, const uint8_t root_hash[static XOS_HASH_BYTES],
                        uint64_t seq_min, int64_t now_ms, struct xos_error *err);

#endif
