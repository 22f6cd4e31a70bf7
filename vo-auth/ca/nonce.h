// SPDX-License-Identifier: Apache-2.0
/* nonce.h - nonces for one proof each, valid for AUTH_NONCE_LIFE_MS.
 *
 * A nonce says when it was made and carries a MAC under a secret of this process's life, so that
 * handing them out takes no memory: whoever asks for millions takes nothing from others. Only one
 * that came back under a good proof is remembered, until it has ended. Times are of the boot clock:
 * setting the clock revives none. 0..7 time, 8..15 random, 16..31 the MAC. */
#ifndef VO_AUTH_CA_NONCE_H
#define VO_AUTH_CA_NONCE_H

#include "vo-auth/prove.h"

#define CA_NONCE_SECRET_BYTES 32
#define CA_NONCE_RANDOM_BYTES 8
#define CA_NONCES_USED_MAX 262144 /* remembered at a time: proofs in two minutes */

struct ca_nonces;

/* secret is copied; used_max bounds what is remembered. */
int ca_nonces_new(struct ca_nonces **out, const uint8_t secret[static CA_NONCE_SECRET_BYTES],
                  size_t used_max, struct xos_error *err);
void ca_nonces_free(struct ca_nonces *n); /* takes NULL */

int ca_nonce_make(const struct ca_nonces *n, const uint8_t random[static CA_NONCE_RANDOM_BYTES],
                  uint64_t boot_ms, uint8_t nonce[static AUTH_NONCE_BYTES], struct xos_error *err);

/* Is it ours and in its time? XOS_PROTOCOL, XOS_DENIED (not of this process), XOS_EXPIRED. */
int ca_nonce_check(const struct ca_nonces *n, struct xos_slice nonce, uint64_t boot_ms,
                   struct xos_error *err);

/* Use up one that was checked. XOS_REPLAYED: it was used. XOS_LIMIT: too many were. */
int ca_nonce_use(struct ca_nonces *n, const uint8_t nonce[static AUTH_NONCE_BYTES],
                 uint64_t boot_ms, struct xos_error *err);

#endif
