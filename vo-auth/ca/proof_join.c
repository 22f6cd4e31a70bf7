// SPDX-License-Identifier: Apache-2.0
/* Joining by a token. The claim is signed by the token's key and shown to be the holder's of the
 * new key; the token's key itself stays at the node. */
#include "vo-auth/ca/proof.h"

#include "libxos/wire/pb.h"
#include "vo-auth/core/field.h"

#include <string.h>

struct join {
    const Ca__Join *m;
    const struct ca_tokens *tokens;
    const struct ca_world *world;
    struct auth_statement statement;
    const Ca__JoinClaim *claim;
    struct ca_proof p;
    struct ca_token_use use;
    struct xos_error *err;
};

static int step_form(struct join *j)
{
    struct ca_proof *p = &j->p;
    if (auth_statement_open(&j->statement, &auth_join_format, xos_pb_slice(j->m->statement),
                            j->err) < 0)
        return -1;
    const Ca__JoinClaim *c = j->claim = j->statement.payload;
    if (auth_field_name(&p->name, AUTH_NAME_NODE, c->node, "node", j->err) ||
        auth_field_bytes(p->key, sizeof(p->key), c->key, "key", j->err) ||
        auth_field_bytes(p->node.curve_key, sizeof(p->node.curve_key), c->curve_key, "CURVE key",
                         j->err))
        return -1;
    if (strcmp(p->name.institution, j->world->institution) != 0)
        return xos_fail(j->err, XOS_DENIED, "a node of %s joins there", p->name.institution);
    if (!auth_address_valid(xos_pb_slice(c->address)))
        return xos_fail(j->err, XOS_PROTOCOL, "address");
    p->node.roles = c->roles;
    return 0;
}

static int step_terms(struct join *j)
{
    return ca_check_terms(j->world, j->claim->nonce, j->claim->root_hash, j->err);
}

static int step_revoked(struct join *j)
{
    return ca_check_revoked(j->world, &j->p.name, j->p.key, j->err);
}

static int step_token(struct join *j)
{
    uint8_t key[XOS_KEY_PUBLIC_BYTES];
    if (auth_field_bytes(key, sizeof(key), j->claim->token_key, "token key", j->err) < 0 ||
        auth_key_hash(key, j->use.key_hash, j->err) < 0)
        return -1;
    j->use.node = j->p.name;
    j->use.roles = j->p.node.roles;
    j->use.address = xos_pb_slice(j->claim->address);
    j->p.token = ca_tokens_find(j->tokens, &j->use, j->world->ctx.now_ms, j->err);
    if (j->p.token < 0)
        return -1;
    return auth_statement_verify(&j->statement, &auth_join_format, key, j->err);
}

static int step_possession(struct join *j)
{
    return auth_possession_check(xos_pb_slice(j->m->statement), xos_pb_slice(j->m->possession),
                                 j->p.key, j->err);
}

static int step_use(struct join *j)
{
    return ca_nonce_use(j->world->nonces, j->claim->nonce.data, j->world->boot_ms, j->err);
}

static const struct {
    const char *name;
    int (*run)(struct join *j);
} steps[] = {
    {"form", step_form},             /* a node of ours, its keys, an address */
    {"terms", step_terms},           /* our root; a nonce of ours, and new */
    {"revocation", step_revoked},    /* neither the node nor its key was taken back */
    {"token", step_token},           /* an open token admits this, and its key signed */
    {"possession", step_possession}, /* and so did the new key */
    {"nonce", step_use},             /* which nobody has shown before */
};

int ca_prove_join(struct ca_proof *out, const Ca__Join *m, const struct ca_tokens *tokens,
                  const struct ca_world *world, struct xos_error *err)
{
    struct join j = {.m = m, .tokens = tokens, .world = world, .err = err};
    const char *failed = NULL;
    for (size_t i = 0; !failed && i < sizeof(steps) / sizeof(steps[0]); i++)
        if (steps[i].run(&j) < 0)
            failed = steps[i].name;
    auth_statement_close(&j.statement);
    if (failed)
        return xos_wrap(err, "join: %s", failed);
    *out = j.p;
    out->kind = CA_PROOF_JOIN;
    out->cert = AUTH_KIND_NODE;
    out->life_ms = AUTH_NODE_LIFE_MS_MAX;
    memcpy(out->evidence, j.use.key_hash, sizeof(out->evidence));
    return 0;
}
