// SPDX-License-Identifier: Apache-2.0
/* Renewal by the old key: for the same name, up to AUTH_RENEWAL_MS_MAX after the end. A node keeps
 * the roles that it joined with. */
#include "vo-auth/ca/proof.h"

#include "libxos/wire/pb.h"
#include "vo-auth/core/field.h"

#include <string.h>

struct renew {
    const Ca__Renew *m;
    const struct ca_world *world;
    struct auth_statement statement;
    const Ca__RenewClaim *claim;
    struct auth_principal old;
    struct ca_proof p;
    struct xos_error *err;
};

/* A certificate of one of the two kinds that can be renewed, by its kind of name. */
static enum auth_kind cert_of(enum auth_name_kind kind)
{
    return kind == AUTH_NAME_USER   ? AUTH_KIND_USER
           : kind == AUTH_NAME_NODE ? AUTH_KIND_NODE
                                    : AUTH_KIND_NONE;
}

static int step_form(struct renew *r)
{
    struct ca_proof *p = &r->p;
    if (auth_statement_open(&r->statement, &auth_renew_format, xos_pb_slice(r->m->statement),
                            r->err) < 0)
        return -1;
    const Ca__RenewClaim *c = r->claim = r->statement.payload;
    if (auth_name_parse_uri(&p->name, xos_pb_slice(c->name), r->err) < 0 ||
        auth_field_bytes(p->key, sizeof(p->key), c->key, "key", r->err) < 0)
        return -1;
    p->cert = cert_of(p->name.kind);
    if (p->cert == AUTH_KIND_NONE)
        return xos_fail(r->err, XOS_DENIED, "only users and nodes renew with an old key");
    if (strcmp(p->name.institution, r->world->institution) != 0)
        return xos_fail(r->err, XOS_DENIED, "a name of %s is renewed there", p->name.institution);
    if (c->curve_key.len != (p->cert == AUTH_KIND_NODE ? AUTH_CURVE_KEY_BYTES : 0))
        return xos_fail(r->err, XOS_PROTOCOL, "CURVE key");
    return ca_check_life(&p->life_ms, c->life_ms, p->cert, r->err);
}

static int step_terms(struct renew *r)
{
    return ca_check_terms(r->world, r->claim->nonce, r->claim->root_hash, r->err);
}

static int step_chain(struct renew *r)
{
    struct auth_context ctx = r->world->ctx;
    struct ca_chain chain;
    ctx.slot = r->p.cert;
    ctx.expired_ms_max = AUTH_RENEWAL_MS_MAX;
    if (ca_chain_read(&chain, r->m->n_chain, r->m->chain, "chain", r->err) < 0)
        return -1;
    return auth_verify(chain.der, chain.count, &ctx, &r->old, r->err);
}

static int step_name(struct renew *r)
{
    if (auth_name_equal(&r->old.name, &r->p.name))
        return 0;
    return xos_fail(r->err, XOS_DENIED, "the certificate is somebody else's");
}

static int step_signature(struct renew *r)
{
    return auth_statement_verify(&r->statement, &auth_renew_format, r->old.key, r->err);
}

static int step_possession(struct renew *r)
{
    return auth_possession_check(xos_pb_slice(r->m->statement), xos_pb_slice(r->m->possession),
                                 r->p.key, r->err);
}

static int step_revoked(struct renew *r)
{
    return ca_check_revoked(r->world, &r->p.name, r->p.key, r->err);
}

static int step_use(struct renew *r)
{
    return ca_nonce_use(r->world->nonces, r->claim->nonce.data, r->world->boot_ms, r->err);
}

static const struct {
    const char *name;
    int (*run)(struct renew *r);
} steps[] = {
    {"form", step_form},             /* a user or node of ours, a lifetime that may be had */
    {"terms", step_terms},           /* our root; a nonce of ours, and new */
    {"chain", step_chain},           /* the old certificate, not ended for long, not revoked */
    {"name", step_name},             /* of this name */
    {"signature", step_signature},   /* its key signed */
    {"possession", step_possession}, /* and so did the new key */
    {"revocation", step_revoked},    /* which was not taken back either */
    {"nonce", step_use},             /* and nobody has shown this before */
};

int ca_prove_renew(struct ca_proof *out, const Ca__Renew *m, const struct ca_world *world,
                   struct xos_error *err)
{
    struct renew r = {.m = m, .world = world, .err = err};
    const char *failed = NULL;
    for (size_t i = 0; !failed && i < sizeof(steps) / sizeof(steps[0]); i++)
        if (steps[i].run(&r) < 0)
            failed = steps[i].name;
    if (!failed) {
        *out = r.p;
        out->kind = CA_PROOF_RENEW;
        out->node.roles = r.old.node.roles;
        if (out->cert == AUTH_KIND_NODE)
            memcpy(out->node.curve_key, r.claim->curve_key.data, sizeof(out->node.curve_key));
        memcpy(out->evidence, r.old.key_hash, sizeof(out->evidence));
    }
    auth_statement_close(&r.statement);
    auth_principal_free(&r.old);
    return failed ? xos_wrap(err, "renewal: %s", failed) : 0;
}
