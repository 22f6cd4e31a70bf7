// SPDX-License-Identifier: Apache-2.0
/* key.h - Ed25519 keys (RFC 8032) and what is signed with them.
 *
 * Every signature is over a domain separator, a zero byte, and the exact bytes of one message, so
 * that no signature for one purpose can be shown for another. */
#ifndef XOS_WIRE_KEY_H
#define XOS_WIRE_KEY_H

#include "libxos/base/buf.h"

#define XOS_KEY_PUBLIC_BYTES 32
#define XOS_KEY_SECRET_BYTES 32 /* the seed of RFC 8032 */
#define XOS_SIGNATURE_BYTES 64
#define XOS_HASH_BYTES 32 /* SHA-256 */

struct xos_key; /* holds a secret; its memory is wiped when it is freed */

int xos_key_generate(struct xos_key **out, struct xos_error *err);
int xos_key_from_secret(struct xos_key **out, const uint8_t secret[static XOS_KEY_SECRET_BYTES],
                        struct xos_error *err);
/* PEM (PKCS#8). The PEM text is a secret: wipe the buffer after use. */
int xos_key_from_pem(struct xos_key **out, const void *pem, size_t len, struct xos_error *err);
int xos_key_to_pem(const struct xos_key *key, struct xos_buf *pem, struct xos_error *err);
void xos_key_free(struct xos_key *key);

/* The public half, borrowed, XOS_KEY_PUBLIC_BYTES long. */
const uint8_t *xos_key_public(const struct xos_key *key);

/* The OpenSSL object, borrowed: for X.509 and TLS. */
struct evp_pkey_st *xos_key_evp(const struct xos_key *key);

int xos_key_sign(const struct xos_key *key, const char *domain, struct xos_slice message,
                 uint8_t signature[static XOS_SIGNATURE_BYTES], struct xos_error *err);

/* 0 when the signature is good; XOS_DENIED when it is not. */
int xos_key_verify(const uint8_t public_key[static XOS_KEY_PUBLIC_BYTES], const char *domain,
                   struct xos_slice message, struct xos_slice signature, struct xos_error *err);

int xos_sha256(struct xos_slice data, uint8_t hash[static XOS_HASH_BYTES], struct xos_error *err);

/* Lower-case hexadecimal; text holds 2 * len + 1 bytes. */
void xos_hex(const uint8_t *data, size_t len, char *text);
/* 0, or -1 when text is not exactly 2 * len hexadecimal digits. */
int xos_unhex(const char *text, uint8_t *data, size_t len);

/* Compare secrets in constant time. */
bool xos_equal(const void *a, const void *b, size_t len);

#endif
