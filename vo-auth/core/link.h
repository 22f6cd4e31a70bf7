// SPDX-License-Identifier: Apache-2.0
/* link.h - one certificate, read against the one form that its kind has.
 *
 * Reading is a flat list of named steps and proves only the form: who signed it is the chain's
 * matter. */
#ifndef VO_AUTH_CORE_LINK_H
#define VO_AUTH_CORE_LINK_H

#include "vo-auth/core/profile.h"

#include "libxos/wire/key.h"

struct auth_link {
    struct x509_st *x509; /* owned; the slices below are borrowed from it */
    const struct auth_profile *profile;
    struct xos_slice ext[AUTH_EXTS]; /* DER values; data NULL: not there */
    struct xos_slice serial;
    struct auth_name name;
    int64_t from_ms;
    int64_t to_ms; /* the last millisecond of the last second */
    bool has_key;  /* Ed25519; a root may have P-256 */
    uint8_t key[XOS_KEY_PUBLIC_BYTES];
    uint8_t key_hash[XOS_HASH_BYTES]; /* of the SubjectPublicKeyInfo */
};

/* Read DER as a certificate of this kind. The error begins with the step's name: XOS_LIMIT,
 * XOS_PROTOCOL (not a certificate, or not canonical) or XOS_DENIED (not of this kind's form). */
int auth_link_read(struct auth_link *out, struct xos_slice der, enum auth_kind kind,
                   struct xos_error *err);
void auth_link_free(struct auth_link *link); /* what it holds; leaves it empty */

/* Does `issuer` say of itself what `link` says of its issuer (name, key identifier)? */
bool auth_link_names_issuer(const struct auth_link *link, const struct auth_link *issuer);

#endif
