// SPDX-License-Identifier: Apache-2.0
/* anchor.h - the roots that this node trusts, one per institution.
 *
 * An institution is its root: a second root of the same name is refused, with both fingerprints,
 * and replacing one is a removal and an addition that somebody decides on. */
#ifndef VO_AUTH_CORE_ANCHOR_H
#define VO_AUTH_CORE_ANCHOR_H

#include "vo-auth/core/link.h"

#define AUTH_ANCHORS_MAX 1024

struct auth_anchor {
    char institution[AUTH_PART_BYTES_MAX + 1];
    uint8_t root_hash[XOS_HASH_BYTES]; /* SHA-256 of the root's DER: its fingerprint */
    struct auth_link root;
};

/* Sorted by institution. Empty: {0}. */
struct auth_anchors {
    struct auth_anchor *at;
    size_t count;
};

void auth_anchors_free(struct auth_anchors *set); /* what it holds; leaves it empty */

/* Register a root, DER copied. It must be well formed, signed by itself and call itself
 * `institution`. The same root again changes nothing. Another root of that name: XOS_EXISTS. */
int auth_anchors_add(struct auth_anchors *set, const char *institution, struct xos_slice der,
                     struct xos_error *err);
void auth_anchors_remove(struct auth_anchors *set, const char *institution);

/* Borrowed; NULL when there is none. */
const struct auth_anchor *auth_anchors_find(const struct auth_anchors *set,
                                            const char *institution);

#endif
