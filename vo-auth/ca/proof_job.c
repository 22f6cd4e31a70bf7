// SPDX-License-Identifier: Apache-2.0
/* A job certificate: three people must have signed. The user, a grant for this specification; the
 * head that owns the job, an assignment of this unit to this node, just now; the node, this claim.
 * The head signs the assignment anew for each renewal, with the same epoch: when the claim has
 * ended or moved it does not, and there is no further certificate. */
#include "vo-auth/ca/proof.h"

#include "libxos/wire/pb.h"
#include "vo-auth/core/field.h"

#include <string.h>

struct job {
    const Ca__Job *m;
    const struct ca_world *world;
    struct auth_statement statement;
    const Ca__JobClaim *claim;
    struct auth_principal node;
    struct auth_grant grant;
    struct auth_assignment assignment;
    struct ca_proof p;
    struct xos_error *err;
};

static int step_form(struct job *j)
{
    struct auth_name node;
    uint8_t grant[XOS_HASH_BYTES];
    if (auth_statement_open(&j->statement, &auth_job_format, xos_pb_slice(j->m->statement),
                            j->err) < 0)
        return -1;
    const Ca__JobClaim *c = j->claim = j->statement.payload;
    if (auth_field_name(&j->p.name, AUTH_NAME_UNIT, c->unit, "unit", j->err) ||
        auth_field_name(&node, AUTH_NAME_NODE, c->node, "node", j->err) ||
        auth_field_bytes(grant, sizeof(grant), c->grant_hash, "grant", j->err) ||
        auth_field_bytes(j->p.key, sizeof(j->p.key), c->key, "key", j->err))
        return -1;
    if (strcmp(j->p.name.institution, j->world->institution) != 0)
        return xos_fail(j->err, XOS_DENIED, "a unit of %s gets its certificate there",
                        j->p.name.institution);
    return 0;
}

static int step_terms(struct job *j)
{
    return ca_check_terms(j->world, j->claim->nonce, j->claim->root_hash, j->err);
}

static int step_node(struct job *j)
{
    struct auth_context ctx = j->world->ctx;
    struct ca_chain chain;
    ctx.slot = AUTH_KIND_NODE;
    ctx.expired_ms_max = 0;
    if (ca_chain_read(&chain, j->m->n_chain, j->m->chain, "chain", j->err) < 0 ||
        auth_verify(chain.der, chain.count, &ctx, &j->node, j->err) < 0)
        return -1;
    if (!(j->node.node.roles & AUTH_NODE_WORKER))
        return xos_fail(j->err, XOS_DENIED, "the node is no worker");
    return auth_statement_verify(&j->statement, &auth_job_format, j->node.key, j->err);
}

static int step_possession(struct job *j)
{
    return auth_possession_check(xos_pb_slice(j->m->statement), xos_pb_slice(j->m->possession),
                                 j->p.key, j->err);
}

static int step_grant(struct job *j)
{
    struct ca_chain chain;
    if (ca_chain_read(&chain, j->m->n_user_chain, j->m->user_chain, "chain", j->err) < 0)
        return -1;
    const struct auth_grant_offer offer = {.grant = xos_pb_slice(j->m->grant),
                                           .chain = chain.der,
                                           .chain_count = chain.count,
                                           .spec = xos_pb_slice(j->m->spec),
                                           .moment = AUTH_LATER};
    return auth_grant_check(&j->grant, &offer, &j->world->ctx, j->err);
}

static int step_assignment(struct job *j)
{
    struct ca_chain chain;
    if (ca_chain_read(&chain, j->m->n_head_chain, j->m->head_chain, "chain", j->err) < 0)
        return -1;
    const struct auth_assignment_offer offer = {.assignment = xos_pb_slice(j->m->assignment),
                                                .chain = chain.der,
                                                .chain_count = chain.count,
                                                .grant = &j->grant,
                                                .node = &j->node.name,
                                                .epoch_min =
                                                    ca_epochs_newest(j->world->epochs, &j->p.name),
                                                .moment = AUTH_FRESH};
    if (auth_assignment_check(&j->assignment, &offer, &j->world->ctx, j->err) < 0)
        return -1;
    if (j->world->ctx.now_ms - j->assignment.issued_ms > CA_ASSIGNMENT_AGE_MS_MAX)
        return xos_fail(j->err, XOS_EXPIRED, "older than %d s: the head signs it anew",
                        (int)(CA_ASSIGNMENT_AGE_MS_MAX / 1000));
    return 0;
}

static int step_exactly(struct job *j)
{
    struct auth_name node;
    const Ca__JobClaim *c = j->claim;
    if (!auth_name_equal(&j->p.name, &j->assignment.unit))
        return xos_fail(j->err, XOS_DENIED, "the assignment is for another unit");
    if (c->epoch != j->assignment.epoch)
        return xos_fail(j->err, XOS_DENIED, "the assignment is for another epoch");
    if (auth_field_name(&node, AUTH_NAME_NODE, c->node, "node", j->err) < 0)
        return -1;
    if (!auth_name_equal(&node, &j->node.name))
        return xos_fail(j->err, XOS_DENIED, "the claim is for another node");
    if (c->grant_hash.len != XOS_HASH_BYTES ||
        memcmp(c->grant_hash.data, j->grant.hash, XOS_HASH_BYTES) != 0)
        return xos_fail(j->err, XOS_DENIED, "the claim is for another grant");
    return ca_check_revoked(j->world, &j->p.name, j->p.key, j->err);
}

static int step_life(struct job *j)
{
    const int64_t left = j->grant.expires_ms - j->world->ctx.now_ms;
    if (left < CA_LIFE_MS_MIN)
        return xos_fail(j->err, XOS_EXPIRED, "the grant ends");
    j->p.life_ms = left < AUTH_JOB_LIFE_MS_MAX ? left : AUTH_JOB_LIFE_MS_MAX;
    return 0;
}

static int step_use(struct job *j)
{
    const int64_t until_ms = j->assignment.issued_ms + CA_ASSIGNMENT_AGE_MS_MAX + AUTH_SKEW_MS_MAX;
    if (ca_nonce_use(j->world->nonces, j->claim->nonce.data, j->world->boot_ms, j->err) < 0)
        return -1;
    return ca_epochs_note(j->world->epochs, &j->assignment.unit, j->assignment.epoch, until_ms,
                          j->world->ctx.now_ms, j->err);
}

static const struct {
    const char *name;
    int (*run)(struct job *j);
} steps[] = {
    {"form", step_form},             /* a unit of ours, a node, a grant's hash, a key */
    {"terms", step_terms},           /* our root; a nonce of ours, and new */
    {"node", step_node},             /* a worker that we know signed */
    {"possession", step_possession}, /* and so did the new key */
    {"grant", step_grant},           /* the user allows the job this specification */
    {"assignment", step_assignment}, /* its head gives a unit of it to this node, now */
    {"claim", step_exactly},         /* exactly this unit, node, epoch and grant */
    {"life", step_life},             /* not beyond the grant */
    {"nonce", step_use},             /* and nobody has shown this before */
};

int ca_prove_job(struct ca_proof *out, const Ca__Job *m, const struct ca_world *world,
                 struct xos_error *err)
{
    struct job j = {.m = m, .world = world, .err = err};
    const char *failed = NULL;
    for (size_t i = 0; !failed && i < sizeof(steps) / sizeof(steps[0]); i++)
        if (steps[i].run(&j) < 0)
            failed = steps[i].name;
    if (!failed) {
        *out = j.p;
        out->kind = CA_PROOF_JOB;
        out->cert = AUTH_KIND_JOB;
        out->grant = j.grant;
        j.grant = (struct auth_grant){0};
        auth_assignment_facts(&out->job, &j.assignment, &out->grant);
        memcpy(out->evidence, out->grant.hash, sizeof(out->evidence));
    }
    auth_statement_close(&j.statement);
    auth_principal_free(&j.node);
    auth_grant_free(&j.grant);
    return failed ? xos_wrap(err, "job certificate: %s", failed) : 0;
}
