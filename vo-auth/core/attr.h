// SPDX-License-Identifier: Apache-2.0
/* attr.h - what a VO says of a member: groups and roles, for at most a day.
 *
 * Home says who, the VO says what: the statement is bound to the member's name, key and
 * institution's root, and signed by one of the keys in the VO's manifest, none of which is a CA. */
#ifndef VO_AUTH_CORE_ATTR_H
#define VO_AUTH_CORE_ATTR_H

#include "vo-auth/core/manifest.h"

#define AUTH_ATTR_BYTES_MAX 8192
#define AUTH_ATTR_DOMAIN "xos-vo-attributes-1"
#define AUTH_ATTR_LIFE_MS_MAX AUTH_DAY_MS

struct auth_attr {
    struct auth_name vo;
    uint8_t vo_root_hash[XOS_HASH_BYTES];
    struct auth_name subject; /* a user */
    uint8_t subject_key_hash[XOS_HASH_BYTES];
    uint8_t subject_root_hash[XOS_HASH_BYTES];
    struct auth_set groups; /* "prod" */
    struct auth_set roles;  /* "prod:runner", its group among the groups */
    int64_t issued_ms;
    int64_t expires_ms;
    uint64_t seq;
    void *memory; /* owned; what the sets borrow from after reading */
};

void auth_attr_free(struct auth_attr *a); /* what it holds; leaves it empty */

int auth_attr_sign(struct xos_buf *out, const struct auth_attr *a, const struct xos_key *key,
                   struct xos_error *err);

/* Verify and read a statement about this principal, against the VO's manifest. The steps are listed
 * in attr.c. */
int auth_attr_check(struct auth_attr *out, struct xos_slice bytes,
                    const struct auth_manifest *manifest, const struct auth_principal *subject,
                    int64_t now_ms, struct xos_error *err);

/* May its subject act as this VO, group or role? */
bool auth_attr_has(const struct auth_attr *a, const struct auth_name *acting);

#endif
