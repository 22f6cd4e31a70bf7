// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/core/assignment.h"

#include "libxos/wire/pb.h"
#include "vo-auth/auth.pb-c.h"
#include "vo-auth/core/field.h"
#include "vo-auth/core/statement.h"

#include <string.h>

static const struct auth_format format = {"assignment", AUTH_ASSIGNMENT_DOMAIN,
                                          &auth__assignment__descriptor, AUTH_ASSIGNMENT_BYTES_MAX};

static int shape_vo(struct auth_name *vo, ProtobufCBinaryData from, struct xos_error *err)
{
    *vo = (struct auth_name){.kind = AUTH_NAME_NONE};
    return from.len ? auth_field_name(vo, AUTH_NAME_VO, from, "vo", err) : 0;
}

static int shape(struct auth_assignment *a, const Auth__Assignment *m, struct xos_error *err)
{
    if (auth_field_name(&a->unit, AUTH_NAME_UNIT, m->unit, "unit", err) ||
        auth_field_name(&a->node, AUTH_NAME_NODE, m->node, "node", err) ||
        auth_field_bytes(a->grant_hash, XOS_HASH_BYTES, m->grant_hash, "grant", err) ||
        auth_field_bytes(a->spec_hash, XOS_HASH_BYTES, m->spec_hash, "specification", err) ||
        shape_vo(&a->vo, m->vo, err) ||
        auth_field_name(&a->user, AUTH_NAME_USER, m->user, "user", err) ||
        auth_field_time(&a->claim_deadline_ms, m->claim_deadline_ms, "claim deadline", err) ||
        auth_field_time(&a->issued_ms, m->issued_ms, "issued", err) ||
        auth_field_time(&a->expires_ms, m->expires_ms, "expires", err))
        return -1;
    a->epoch = m->epoch;
    if (m->epoch == 0 || m->epoch > AUTH_EPOCH_MAX)
        return xos_fail(err, XOS_PROTOCOL, "epoch");
    if (a->claim_deadline_ms <= a->issued_ms || a->claim_deadline_ms > a->expires_ms)
        return xos_fail(err, XOS_PROTOCOL, "the claim's deadline is not in the assignment's time");
    return 0;
}

int auth_assignment_sign(struct xos_buf *out, const struct auth_assignment *a,
                         const struct xos_key *head_key, struct xos_error *err)
{
    struct auth_name_text unit, node, vo, user;
    struct auth_assignment again = {0};
    Auth__Assignment m = AUTH__ASSIGNMENT__INIT;
    m.unit = auth_field_of_name(&a->unit, &unit);
    m.node = auth_field_of_name(&a->node, &node);
    m.epoch = a->epoch;
    m.grant_hash = auth_field_of_bytes(a->grant_hash, XOS_HASH_BYTES);
    m.spec_hash = auth_field_of_bytes(a->spec_hash, XOS_HASH_BYTES);
    m.vo = auth_field_of_name(&a->vo, &vo);
    m.user = auth_field_of_name(&a->user, &user);
    m.claim_deadline_ms = (uint64_t)a->claim_deadline_ms;
    m.issued_ms = (uint64_t)a->issued_ms;
    m.expires_ms = (uint64_t)a->expires_ms;
    if (shape(&again, &m, err) < 0 ||
        auth_span_check(a->issued_ms, a->expires_ms, a->issued_ms, AUTH_GRANT_LIFE_MS_MAX,
                        "the assignment", err) < 0)
        return xos_wrap(err, "assignment");
    return auth_statement_seal(out, &format, &m.base, head_key, err);
}

struct check {
    const struct auth_assignment_offer *offer;
    const struct auth_context *ctx;
    struct auth_statement statement;
    struct auth_principal head;
    struct auth_assignment a;
    struct xos_error *err;
};

static int step_form(struct check *c)
{
    if (auth_statement_open(&c->statement, &format, c->offer->assignment, c->err) < 0)
        return -1;
    return shape(&c->a, c->statement.payload, c->err);
}

static int step_times(struct check *c)
{
    const struct auth_assignment *a = &c->a;
    if (auth_span_check(a->issued_ms, a->expires_ms, c->ctx->now_ms, AUTH_GRANT_LIFE_MS_MAX,
                        "the assignment", c->err) < 0)
        return -1;
    if (a->expires_ms > c->offer->grant->expires_ms)
        return xos_fail(c->err, XOS_DENIED, "it outlives the grant");
    if (c->offer->moment == AUTH_FRESH && c->ctx->now_ms - a->claim_deadline_ms > AUTH_SKEW_MS_MAX)
        return xos_fail(c->err, XOS_EXPIRED, "the claim's deadline has passed");
    return 0;
}

static int step_head_chain(struct check *c)
{
    struct auth_context ctx = *c->ctx;
    ctx.slot = AUTH_KIND_NODE;
    ctx.expired_ms_max = 0;
    if (c->offer->moment == AUTH_LATER)
        ctx.now_ms = c->a.issued_ms;
    return auth_verify(c->offer->chain, c->offer->chain_count, &ctx, &c->head, c->err);
}

static int step_head(struct check *c)
{
    if (!(c->head.node.roles & AUTH_NODE_HEAD))
        return xos_fail(c->err, XOS_DENIED, "signed by a node that is not a head");
    if (strcmp(c->head.name.institution, c->offer->grant->owner.institution) != 0)
        return xos_fail(c->err, XOS_DENIED, "signed by a head of %s; the job is owned by %s",
                        c->head.name.institution, c->offer->grant->owner.institution);
    return 0;
}

static int step_signature(struct check *c)
{
    return auth_statement_verify(&c->statement, &format, c->head.key, c->err);
}

static int step_grant(struct check *c)
{
    const struct auth_grant *g = c->offer->grant;
    if (memcmp(c->a.grant_hash, g->hash, XOS_HASH_BYTES) == 0 &&
        memcmp(c->a.spec_hash, g->spec_hash, XOS_HASH_BYTES) == 0)
        return 0;
    return xos_fail(c->err, XOS_DENIED, "for another grant or specification");
}

static int step_unit(struct check *c)
{
    const struct auth_grant *g = c->offer->grant;
    if (strcmp(c->a.unit.institution, g->owner.institution) != 0 ||
        (g->job.kind == AUTH_NAME_JOB && c->a.unit.job != g->job.job))
        return xos_fail(c->err, XOS_DENIED, "for a unit of another job");
    if (c->a.unit.index >= g->limits.units)
        return xos_fail(c->err, XOS_DENIED, "for more units than the grant allows");
    return 0;
}

/* The uid that the unit gets is that of the grant's own user and VO. */
static int step_identity(struct check *c)
{
    const struct auth_grant *g = c->offer->grant;
    const struct auth_name *vo = &c->a.vo;
    bool same_vo = g->acting.kind == AUTH_NAME_NONE
                       ? vo->kind == AUTH_NAME_NONE
                       : vo->kind == AUTH_NAME_VO && strcmp(vo->part, g->acting.part) == 0 &&
                             strcmp(vo->institution, g->acting.institution) == 0;
    if (same_vo && auth_name_equal(&c->a.user, &g->user))
        return 0;
    return xos_fail(c->err, XOS_DENIED, "to run as somebody else than the grant's user");
}

static int step_node(struct check *c)
{
    char node[AUTH_NAME_BYTES_MAX + 1];
    if (auth_name_equal(&c->a.node, c->offer->node))
        return 0;
    auth_name_print(&c->a.node, node);
    return xos_fail(c->err, XOS_DENIED, "for node %s", node);
}

static int step_epoch(struct check *c)
{
    if (c->a.epoch >= c->offer->epoch_min)
        return 0;
    return xos_fail(c->err, XOS_STALE, "epoch %llu; %llu was seen", (unsigned long long)c->a.epoch,
                    (unsigned long long)c->offer->epoch_min);
}

static const struct {
    const char *name;
    int (*run)(struct check *c);
} steps[] = {
    {"form", step_form},           /* decodes strictly, every field sensible */
    {"times", step_times},         /* begun, not over, within the grant's time */
    {"head", step_head_chain},     /* a good chain of a node */
    {"head", step_head},           /* that is a head of the grant's owner */
    {"signature", step_signature}, /* and has signed */
    {"grant", step_grant},         /* for this grant and specification */
    {"unit", step_unit},           /* for a unit of that job, among as many as were granted */
    {"identity", step_identity},   /* as the grant's user and VO */
    {"node", step_node},           /* here */
    {"epoch", step_epoch},         /* and not fenced off */
};

int auth_assignment_check(struct auth_assignment *out, const struct auth_assignment_offer *offer,
                          const struct auth_context *ctx, struct xos_error *err)
{
    struct check c = {.offer = offer, .ctx = ctx, .err = err};
    const char *failed = NULL;
    for (size_t i = 0; !failed && i < sizeof(steps) / sizeof(steps[0]); i++)
        if (steps[i].run(&c) < 0)
            failed = steps[i].name;
    if (!failed)
        *out = c.a;
    auth_statement_close(&c.statement);
    auth_principal_free(&c.head);
    return failed ? xos_wrap(err, "assignment: %s", failed) : 0;
}

void auth_assignment_facts(struct auth_job_facts *out, const struct auth_assignment *a,
                           const struct auth_grant *grant)
{
    *out = (struct auth_job_facts){.unit = a->unit,
                                   .node = a->node,
                                   .epoch = a->epoch,
                                   .user = grant->user,
                                   .acting = grant->acting,
                                   .rights = grant->rights};
    memcpy(out->grant_hash, grant->hash, sizeof(out->grant_hash));
}
