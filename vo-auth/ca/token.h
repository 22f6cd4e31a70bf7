// SPDX-License-Identifier: Apache-2.0
/* token.h - the join tokens that are open. Pure; the file is the shell's (state.h).
 *
 * A token admits one node once: with this name, at most these roles, at this address. Kept is only
 * the hash of its public key (prove.h). The shell writes the table without it, and flushes that,
 * before anything is issued for it. */
#ifndef VO_AUTH_CA_TOKEN_H
#define VO_AUTH_CA_TOKEN_H

#include "vo-auth/prove.h"

#define CA_TOKENS_MAX 1024
#define CA_TOKENS_BYTES_MAX ((size_t)CA_TOKENS_MAX * 512)
#define CA_TOKEN_LIFE_MS INT64_C(600000)               /* by hand */
#define CA_TOKEN_PROVISIONED_MS_MAX (2 * AUTH_HOUR_MS) /* for an instance that XOS starts */

struct ca_token {
    uint8_t key_hash[XOS_HASH_BYTES]; /* auth_key_hash */
    struct auth_name node;
    uint32_t roles;                           /* enum auth_node_role */
    char address[AUTH_ADDRESS_BYTES_MAX + 1]; /* empty: any */
    int64_t expires_ms;
};

/* Empty: {0}. */
struct ca_tokens {
    struct ca_token *at;
    size_t count;
};

void ca_tokens_free(struct ca_tokens *t); /* what it holds; leaves it empty */

/* May a token live that long with those roles? A provisioned one is for a worker alone. */
int ca_token_life_check(int64_t life_ms, uint32_t roles, bool provisioned, struct xos_error *err);

/* Add one (copied), and drop those that have ended. XOS_LIMIT at CA_TOKENS_MAX open ones. */
int ca_tokens_add(struct ca_tokens *t, const struct ca_token *token, int64_t now_ms,
                  struct xos_error *err);

/* What a node asks for with a token. */
struct ca_token_use {
    uint8_t key_hash[XOS_HASH_BYTES];
    struct auth_name node;
    uint32_t roles;
    struct xos_slice address;
};

/* Does an open token admit this? Its index, or -1: XOS_DENIED, XOS_EXPIRED. */
int ca_tokens_find(const struct ca_tokens *t, const struct ca_token_use *use, int64_t now_ms,
                   struct xos_error *err);
void ca_tokens_remove(struct ca_tokens *t, size_t index);

int ca_tokens_encode(const struct ca_tokens *t, struct xos_buf *out, struct xos_error *err);
/* *t must be empty. XOS_CORRUPT. */
int ca_tokens_decode(struct ca_tokens *t, struct xos_slice bytes, struct xos_error *err);

#endif
