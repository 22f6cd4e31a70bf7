// SPDX-License-Identifier: Apache-2.0
/* prove.h - what is signed to get a certificate: for those who ask, and for xos-ca, who checks.
 *
 * Four proofs lead to a certificate. A login is signed by an SSH key that is enrolled for the user;
 * a join by the key of a join token; a renewal by the certificate's old key; a job certificate by
 * the node that runs the unit. Each names a nonce of xos-ca (single use, 60 s) and the hash of the
 * institution's root, so that no proof can be shown twice or elsewhere, and the new public key.
 *
 * Login: ssh-agent signs raw bytes only; what it signs here is the "to be signed" structure of
 * PROTOCOL.sshsig (OpenSSH) with namespace "xos-login" and SHA-512, so that no other use of the
 * same SSH key, and no signature by `ssh-keygen -Y sign` for another namespace, can stand for one.
 *
 * The others are statements (core/statement.h): the signature is over the exact bytes of a *Claim
 * of ca.proto. With them comes a possession: the new key's signature over the whole statement. */
#ifndef VO_AUTH_PROVE_H
#define VO_AUTH_PROVE_H

#include "vo-auth/auth.h"

#define AUTH_NONCE_BYTES 32
#define AUTH_NONCE_LIFE_MS INT64_C(60000)

#define AUTH_LOGIN_NAMESPACE "xos-login"
#define AUTH_LOGIN_DOMAIN "xos-login-1"
#define AUTH_LOGIN_BLOB_BYTES_MAX 256
#define AUTH_JOIN_DOMAIN "xos-join-1"
#define AUTH_RENEW_DOMAIN "xos-renew-1"
#define AUTH_JOB_DOMAIN "xos-job-1"
#define AUTH_POSSESSION_DOMAIN "xos-possession-1"
#define AUTH_CLAIM_BYTES_MAX 2048
#define AUTH_ADDRESS_BYTES_MAX 255 /* of a node, as its token says it */

struct auth_login_terms {
    uint8_t nonce[AUTH_NONCE_BYTES];
    uint8_t root_hash[XOS_HASH_BYTES];
    uint8_t key[XOS_KEY_PUBLIC_BYTES]; /* the new one */
    int64_t life_ms;
    struct auth_name user;
};

/* Append the bytes that ssh-agent signs: domain separator, a zero byte, nonce, root hash, new key,
 * lifetime (8 bytes, big-endian) and user name, hashed, in the SSHSIG structure. */
int auth_login_blob(struct xos_buf *out, const struct auth_login_terms *terms,
                    struct xos_error *err);

/* Append the text whose hash is in that structure: what `ssh-keygen -Y sign -n xos-login` takes. */
int auth_login_message(struct xos_buf *out, const struct auth_login_terms *terms,
                       struct xos_error *err);

extern const struct auth_format auth_join_format, auth_renew_format, auth_job_format;

/* Append the statement: `claim` signed by `by`; and the possession by the new key. */
int auth_claim_sign(struct xos_buf *statement, uint8_t possession[static XOS_SIGNATURE_BYTES],
                    const struct auth_format *format, const ProtobufCMessage *claim,
                    const struct xos_key *by, const struct xos_key *new_key, struct xos_error *err);

/* Has the new key signed this statement? */
int auth_possession_check(struct xos_slice statement, struct xos_slice possession,
                          const uint8_t new_key[static XOS_KEY_PUBLIC_BYTES],
                          struct xos_error *err);

/* A node's address as tokens carry it: 1 … AUTH_ADDRESS_BYTES_MAX of [A-Za-z0-9.:_-] or brackets.
 */
bool auth_address_valid(struct xos_slice address);

/* Join tokens, as a person pastes them.
 *
 * "xosj1-" and hexadecimal: the secret, the root's hash, 4 bytes of checksum. The secret is the
 * seed of an Ed25519 key; xos-ca keeps only the hash of its public half, and the node that joins
 * signs with it, so that whoever carries the claim learns no token. */
#define AUTH_TOKEN_PREFIX "xosj1-"
#define AUTH_TOKEN_SUM_BYTES 4
#define AUTH_TOKEN_BYTES (XOS_KEY_SECRET_BYTES + XOS_HASH_BYTES + AUTH_TOKEN_SUM_BYTES)
#define AUTH_TOKEN_TEXT_BYTES (sizeof(AUTH_TOKEN_PREFIX) + 2 * AUTH_TOKEN_BYTES)

struct auth_token {
    uint8_t secret[XOS_KEY_SECRET_BYTES];
    uint8_t root_hash[XOS_HASH_BYTES];
};

int auth_token_print(const struct auth_token *token, char text[static AUTH_TOKEN_TEXT_BYTES],
                     struct xos_error *err);
/* White space around it is fine. XOS_INVALID says what is wrong in one line. */
int auth_token_parse(struct auth_token *out, struct xos_slice text, struct xos_error *err);

#endif
