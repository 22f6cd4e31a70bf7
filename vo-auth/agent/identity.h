// SPDX-License-Identifier: Apache-2.0
/* identity.h - who the user is: a key that never leaves, the certificate over it, what VOs say.
 *
 * Two keys at most: the one in force, and the next one, which waits for its certificate while the
 * other goes on signing. Keys are made here and wiped here. The time comes in. */
#ifndef VO_AUTH_AGENT_IDENTITY_H
#define VO_AUTH_AGENT_IDENTITY_H

#include "vo-auth/prove.h"

#include "libxos/wire/header.h"

#define IDENTITY_ATTRIBUTES_MAX 16
#define IDENTITY_SESSION_MS_MAX (7 * AUTH_DAY_MS) /* from login to the last renewal */
#define IDENTITY_SHOWN 2 /* certificates sent along: leaf, issuing CA; who checks has the root */

struct identity_attributes {
    struct xos_buf bytes; /* signed, as they came */
    struct auth_name vo;
    struct auth_set groups, roles; /* borrow from memory */
    int64_t expires_ms;
    void *memory; /* owned */
};

struct identity {
    struct xos_key *key; /* in force; NULL: nobody is logged in */
    struct xos_key *next;
    struct auth_principal who; /* of key */
    char user[AUTH_NAME_BYTES_MAX + 1];
    struct xos_buf chain[AUTH_CHAIN_MAX];
    struct identity_attributes attributes[IDENTITY_ATTRIBUTES_MAX];
    size_t attribute_count;
    int64_t session_until_ms;
};

/* Wipe both keys and forget who it was: logout, a lock's end, exit. Leaves it empty. */
void identity_wipe(struct identity *id);

/* The key that the next certificate is to be for; made when there is none. */
int identity_public(struct identity *id, uint8_t key[static XOS_KEY_PUBLIC_BYTES],
                    struct xos_error *err);

/* Borrowed. */
struct identity_offer {
    const struct xos_slice *chain; /* leaf, issuing CA, root */
    size_t chain_count;
    const struct xos_slice *attributes;
    size_t attribute_count;
    int64_t session_until_ms; /* 0: as before, or the longest */
};

/* Take a certificate and what comes with it; replaces what was there. The chain must be good under
 * its own root, of a user, now, and for one of our keys: the next one, or the one in force.
 * Attributes must be of this user and key. XOS_DENIED names what is not. */
int identity_install(struct identity *id, const struct identity_offer *offer, int64_t now_ms,
                     struct xos_error *err);

/* 0 when there is a key whose certificate holds. XOS_NO_LOGIN or XOS_EXPIRED says what to do. */
int identity_need(const struct identity *id, int64_t now_ms, struct xos_error *err);

/* Sign a header: `fields` without signer and times, which are put in here. Appends the header's
 * bytes. life_ms 0: the longest. */
int identity_sign_request(const struct identity *id, const struct xos_request *fields,
                          int64_t life_ms, int64_t now_ms, struct xos_buf *header,
                          uint8_t signature[static XOS_SIGNATURE_BYTES], struct xos_error *err);

/* Sign a grant: `fields` without user, root and issue time. Appends the signed grant. */
int identity_sign_grant(const struct identity *id, const struct auth_grant *fields, int64_t now_ms,
                        struct xos_buf *out, struct xos_error *err);

/* Append what a renewal shows to xos-ca (Renew of ca.proto): signed by the key in force, which may
 * have ended, for the next one, which is made when there is none. */
int identity_prove_renewal(struct identity *id, const uint8_t nonce[static AUTH_NONCE_BYTES],
                           int64_t life_ms, struct xos_buf *out, struct xos_error *err);

/* What the VO, by its full name, says of the user, still good now; NULL: nothing. */
const struct identity_attributes *identity_attributes_of(const struct identity *id,
                                                         struct xos_slice vo, int64_t now_ms);

#endif
