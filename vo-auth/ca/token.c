// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/ca/token.h"

#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"
#include "vo-auth/ca.pb-c.h"
#include "vo-auth/core/field.h"

#include <assert.h>
#include <string.h>

void ca_tokens_free(struct ca_tokens *t)
{
    xos_free(t->at);
    *t = (struct ca_tokens){0};
}

int ca_token_life_check(int64_t life_ms, uint32_t roles, bool provisioned, struct xos_error *err)
{
    const int64_t max = provisioned ? CA_TOKEN_PROVISIONED_MS_MAX : CA_TOKEN_LIFE_MS;
    if (roles == 0 || roles & ~(uint32_t)AUTH_NODE_ROLES_ALL)
        return xos_fail(err, XOS_INVALID, "a token needs a role: head, worker, storage or gateway");
    if (provisioned && roles != AUTH_NODE_WORKER)
        return xos_fail(err, XOS_INVALID, "a token for a provisioned instance is for a worker");
    if (life_ms <= 0 || life_ms > max)
        return xos_fail(err, XOS_INVALID, "a token lives for 1 s … %d s", (int)(max / 1000));
    return 0;
}

void ca_tokens_remove(struct ca_tokens *t, size_t index)
{
    assert(index < t->count);
    t->count--;
    memmove(&t->at[index], &t->at[index + 1], (t->count - index) * sizeof(t->at[0]));
}

static void drop_ended(struct ca_tokens *t, int64_t now_ms)
{
    for (size_t i = t->count; i > 0; i--)
        if (t->at[i - 1].expires_ms < now_ms)
            ca_tokens_remove(t, i - 1);
}

static int append(struct ca_tokens *t, const struct ca_token *token, struct xos_error *err)
{
    struct ca_token *at = xos_realloc_array(t->at, t->count + 1, sizeof(*at));
    if (!at)
        return xos_fail(err, XOS_NOMEM, "token");
    at[t->count++] = *token;
    t->at = at;
    return 0;
}

int ca_tokens_add(struct ca_tokens *t, const struct ca_token *token, int64_t now_ms,
                  struct xos_error *err)
{
    drop_ended(t, now_ms);
    if (t->count >= CA_TOKENS_MAX)
        return xos_fail(err, XOS_LIMIT, "%d join tokens are open", CA_TOKENS_MAX);
    return append(t, token, err);
}

static int admits(const struct ca_token *token, const struct ca_token_use *use, int64_t now_ms,
                  struct xos_error *err)
{
    const size_t len = strlen(token->address);
    if (token->expires_ms < now_ms)
        return xos_fail(err, XOS_EXPIRED, "token: it has ended: ask for a new one");
    if (!auth_name_equal(&token->node, &use->node))
        return xos_fail(err, XOS_DENIED, "token: for another node");
    if (use->roles == 0 || use->roles & ~token->roles)
        return xos_fail(err, XOS_DENIED, "token: not for all of these roles");
    if (len && (len != use->address.len || memcmp(token->address, use->address.data, len) != 0))
        return xos_fail(err, XOS_DENIED, "token: for another address");
    return 0;
}

int ca_tokens_find(const struct ca_tokens *t, const struct ca_token_use *use, int64_t now_ms,
                   struct xos_error *err)
{
    for (size_t i = 0; i < t->count; i++)
        if (memcmp(t->at[i].key_hash, use->key_hash, XOS_HASH_BYTES) == 0)
            return admits(&t->at[i], use, now_ms, err) < 0 ? -1 : (int)i;
    return xos_fail(err, XOS_DENIED, "token: no open token, or it was used");
}

int ca_tokens_encode(const struct ca_tokens *t, struct xos_buf *out, struct xos_error *err)
{
    struct all {
        Ca__StoredToken row[CA_TOKENS_MAX], *at[CA_TOKENS_MAX];
        struct auth_name_text name[CA_TOKENS_MAX];
    } *all = xos_alloc(sizeof(*all));
    Ca__StoredTokens m = CA__STORED_TOKENS__INIT;
    if (!all)
        return xos_fail(err, XOS_NOMEM, "tokens");
    assert(t->count <= CA_TOKENS_MAX);
    for (size_t i = 0; i < t->count; i++) {
        const struct ca_token *token = &t->at[i];
        Ca__StoredToken *row = all->at[i] = &all->row[i];
        ca__stored_token__init(row);
        row->key_hash = auth_field_of_bytes(token->key_hash, XOS_HASH_BYTES);
        row->node = auth_field_of_name(&token->node, &all->name[i]);
        row->roles = token->roles;
        row->address = xos_pb_text(token->address);
        row->expires_ms = (uint64_t)token->expires_ms;
    }
    m.n_tokens = t->count;
    m.tokens = all->at;
    int rc = xos_pb_pack(&m, out, err);
    xos_free(all);
    return rc;
}

static int read_row(struct ca_token *token, const Ca__StoredToken *row, struct xos_error *err)
{
    *token = (struct ca_token){.roles = row->roles};
    if (auth_field_bytes(token->key_hash, XOS_HASH_BYTES, row->key_hash, "token", err) ||
        auth_field_name(&token->node, AUTH_NAME_NODE, row->node, "node", err) ||
        auth_field_time(&token->expires_ms, row->expires_ms, "expires", err))
        return -1;
    if (row->roles == 0 || row->roles & ~(uint32_t)AUTH_NODE_ROLES_ALL ||
        (row->address.len && !auth_address_valid(xos_pb_slice(row->address))))
        return xos_fail(err, XOS_CORRUPT, "roles or address");
    if (row->address.len)
        memcpy(token->address, row->address.data, row->address.len);
    return 0;
}

int ca_tokens_decode(struct ca_tokens *t, struct xos_slice bytes, struct xos_error *err)
{
    Ca__StoredTokens *m = xos_pb_unpack(&ca__stored_tokens__descriptor, bytes, CA_TOKENS_BYTES_MAX,
                                        XOS_PB_STRICT, err);
    int rc = m ? 0 : -1;
    if (m && m->n_tokens > CA_TOKENS_MAX)
        rc = xos_fail(err, XOS_CORRUPT, "more than %d", CA_TOKENS_MAX);
    for (size_t i = 0; rc == 0 && i < m->n_tokens; i++) {
        struct ca_token token;
        rc = read_row(&token, m->tokens[i], err);
        if (rc == 0)
            rc = append(t, &token, err);
    }
    xos_pb_free(m);
    if (rc < 0)
        ca_tokens_free(t);
    return rc < 0 ? xos_wrap(err, "tokens") : 0;
}
