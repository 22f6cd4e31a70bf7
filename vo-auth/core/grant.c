// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/core/grant.h"

#include "libxos/wire/pb.h"
#include "vo-auth/auth.pb-c.h"
#include "vo-auth/core/field.h"
#include "vo-auth/core/revoke.h"
#include "vo-auth/core/statement.h"

#include <string.h>

static const struct auth_format format = {"grant", AUTH_GRANT_DOMAIN, &auth__grant__descriptor,
                                          AUTH_GRANT_BYTES_MAX};

void auth_grant_free(struct auth_grant *g)
{
    xos_pb_free(g->memory);
    *g = (struct auth_grant){0};
}

/* Exactly one of the two says which job it is. */
static int shape_job(struct auth_grant *g, const Auth__Grant *m, struct xos_error *err)
{
    if ((m->job.len > 0) == (m->operation.len > 0))
        return xos_fail(err, XOS_PROTOCOL, "either a job or an operation");
    if (m->job.len)
        return auth_field_name(&g->job, AUTH_NAME_JOB, m->job, "job", err);
    g->job = (struct auth_name){.kind = AUTH_NAME_NONE};
    return auth_field_bytes(g->operation, sizeof(g->operation), m->operation, "operation", err);
}

static int shape_rights(struct auth_rights *r, const Auth__Grant *m, struct xos_error *err)
{
    if (auth_set_read(&r->actions, m->n_actions, m->actions, auth_action_valid, "actions", err) ||
        auth_set_read(&r->rw, m->n_rw, m->rw, auth_path_valid, "rw", err) ||
        auth_set_read(&r->ro, m->n_ro, m->ro, auth_path_valid, "ro", err))
        return -1;
    return auth_rights_valid(r, err);
}

static int within(uint64_t value, uint64_t min, uint64_t max, const char *what,
                  struct xos_error *err)
{
    if (value >= min && value <= max)
        return 0;
    return xos_fail(err, XOS_LIMIT, "%s %llu is not in %llu to %llu", what,
                    (unsigned long long)value, (unsigned long long)min, (unsigned long long)max);
}

static int shape_limits(struct auth_limits *l, const Auth__Limits *m, struct xos_error *err)
{
    if (!m)
        return xos_fail(err, XOS_PROTOCOL, "no limits");
    if (within(m->cpus, 1, AUTH_CPUS_MAX, "cpus", err) ||
        within(m->mem_bytes, 1, AUTH_MEM_BYTES_MAX, "mem_bytes", err) ||
        within(m->gpus, 0, AUTH_GPUS_MAX, "gpus", err) ||
        within(m->walltime_ms, 1, AUTH_WALLTIME_MS_MAX, "walltime_ms", err) ||
        within(m->units, 1, AUTH_UNITS_MAX, "units", err))
        return -1;
    *l = (struct auth_limits){m->cpus, m->mem_bytes, m->gpus, (int64_t)m->walltime_ms, m->units};
    return 0;
}

static int shape(struct auth_grant *g, const Auth__Grant *m, struct xos_error *err)
{
    if (auth_field_bytes(g->id, sizeof(g->id), m->id, "id", err) || shape_job(g, m, err) ||
        auth_field_name(&g->user, AUTH_NAME_USER, m->user, "user", err) ||
        auth_field_bytes(g->root_hash, XOS_HASH_BYTES, m->root_hash, "root hash", err) ||
        auth_field_acting(&g->acting, m->acting, "acting", err) ||
        shape_rights(&g->rights, m, err) ||
        auth_field_bytes(g->spec_hash, XOS_HASH_BYTES, m->spec_hash, "specification", err) ||
        auth_field_name(&g->owner, AUTH_NAME_INSTITUTION, m->owner, "owner", err) ||
        shape_limits(&g->limits, m->limits, err) ||
        auth_field_time(&g->issued_ms, m->issued_ms, "issued", err) ||
        auth_field_time(&g->expires_ms, m->expires_ms, "expires", err) ||
        auth_field_bytes(g->nonce, sizeof(g->nonce), m->nonce, "nonce", err))
        return -1;
    g->selector = xos_pb_slice(m->selector);
    return within(g->selector.len, 0, AUTH_SELECTOR_BYTES_MAX, "selector bytes", err);
}

struct encoding {
    struct auth_name_text job, user, acting, owner;
    ProtobufCBinaryData actions[AUTH_SET_ENTRIES_MAX], rw[AUTH_SET_ENTRIES_MAX],
        ro[AUTH_SET_ENTRIES_MAX];
    Auth__Limits limits;
};

static void encode(Auth__Grant *m, struct encoding *e, const struct auth_grant *g)
{
    const struct auth_limits *l = &g->limits;
    m->id = auth_field_of_bytes(g->id, sizeof(g->id));
    m->job = auth_field_of_name(&g->job, &e->job);
    if (g->job.kind == AUTH_NAME_NONE)
        m->operation = auth_field_of_bytes(g->operation, sizeof(g->operation));
    m->user = auth_field_of_name(&g->user, &e->user);
    m->root_hash = auth_field_of_bytes(g->root_hash, sizeof(g->root_hash));
    m->acting = auth_field_of_name(&g->acting, &e->acting);
    m->n_actions = auth_set_write(&g->rights.actions, m->actions = e->actions);
    m->spec_hash = auth_field_of_bytes(g->spec_hash, sizeof(g->spec_hash));
    m->owner = auth_field_of_name(&g->owner, &e->owner);
    m->n_rw = auth_set_write(&g->rights.rw, m->rw = e->rw);
    m->n_ro = auth_set_write(&g->rights.ro, m->ro = e->ro);
    m->selector = xos_pb_bytes(g->selector);
    e->limits = (Auth__Limits)AUTH__LIMITS__INIT;
    e->limits.cpus = l->cpus;
    e->limits.mem_bytes = l->mem_bytes;
    e->limits.gpus = l->gpus;
    e->limits.walltime_ms = (uint64_t)l->walltime_ms;
    e->limits.units = l->units;
    m->limits = &e->limits;
    m->issued_ms = (uint64_t)g->issued_ms;
    m->expires_ms = (uint64_t)g->expires_ms;
    m->nonce = auth_field_of_bytes(g->nonce, sizeof(g->nonce));
}

int auth_grant_sign(struct xos_buf *out, const struct auth_grant *g, const struct xos_key *user_key,
                    struct xos_error *err)
{
    struct encoding e;
    struct auth_grant again = {0};
    Auth__Grant m = AUTH__GRANT__INIT;
    encode(&m, &e, g);
    if (shape(&again, &m, err) < 0 || auth_span_check(g->issued_ms, g->expires_ms, g->issued_ms,
                                                      AUTH_GRANT_LIFE_MS_MAX, "the grant", err) < 0)
        return xos_wrap(err, "grant");
    return auth_statement_seal(out, &format, &m.base, user_key, err);
}

struct check {
    const struct auth_grant_offer *offer;
    const struct auth_context *ctx;
    struct auth_statement statement;
    struct auth_principal user;
    struct auth_grant g;
    struct xos_error *err;
};

static int step_form(struct check *c)
{
    if (auth_statement_open(&c->statement, &format, c->offer->grant, c->err) < 0)
        return -1;
    memcpy(c->g.hash, c->statement.hash, sizeof(c->g.hash));
    return shape(&c->g, c->statement.payload, c->err);
}

static int step_times(struct check *c)
{
    return auth_span_check(c->g.issued_ms, c->g.expires_ms, c->ctx->now_ms, AUTH_GRANT_LIFE_MS_MAX,
                           "the grant", c->err);
}

static int step_user_chain(struct check *c)
{
    struct auth_context ctx = *c->ctx;
    ctx.slot = AUTH_KIND_USER;
    ctx.expired_ms_max = 0;
    if (c->offer->moment == AUTH_LATER)
        ctx.now_ms = c->g.issued_ms;
    return auth_verify(c->offer->chain, c->offer->chain_count, &ctx, &c->user, c->err);
}

static int step_signature(struct check *c)
{
    return auth_statement_verify(&c->statement, &format, c->user.key, c->err);
}

static int step_user(struct check *c)
{
    if (auth_name_equal(&c->g.user, &c->user.name) &&
        memcmp(c->g.root_hash, c->user.root_hash, XOS_HASH_BYTES) == 0)
        return 0;
    return xos_fail(c->err, XOS_DENIED, "in the name of another user, or institution");
}

/* So that the certificate that is looked at later is the one that held. */
static int step_issue(struct check *c)
{
    if (c->g.issued_ms >= c->user.from_ms - AUTH_SKEW_MS_MAX &&
        c->g.issued_ms <= c->user.to_ms + AUTH_SKEW_MS_MAX)
        return 0;
    return xos_fail(c->err, XOS_DENIED, "not issued while the user's certificate held");
}

static int step_owner(struct check *c)
{
    const char *owner = c->g.owner.institution;
    if (strcmp(owner, c->g.user.institution) == 0 &&
        (c->g.job.kind == AUTH_NAME_NONE || strcmp(owner, c->g.job.institution) == 0))
        return 0;
    return xos_fail(c->err, XOS_DENIED, "the job's owner is not the user's own institution");
}

static int step_specification(struct check *c)
{
    uint8_t hash[XOS_HASH_BYTES];
    if (xos_sha256(c->offer->spec, hash, c->err) < 0)
        return -1;
    if (memcmp(hash, c->g.spec_hash, sizeof(hash)) == 0)
        return 0;
    return xos_fail(c->err, XOS_DENIED, "for another specification");
}

static int step_revocation(struct check *c)
{
    const struct auth_revocations *list =
        auth_context_revocations(c->ctx, c->user.name.institution);
    if (list && auth_revocations_has(list, AUTH_REVOKE_GRANT, c->g.hash))
        return xos_fail(c->err, XOS_DENIED, "revoked (list %llu of %s)",
                        (unsigned long long)list->seq, list->domain);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct check *c);
} steps[] = {
    {"form", step_form},           /* decodes strictly, every field sensible */
    {"times", step_times},         /* begun, not over, not too long */
    {"user", step_user_chain},     /* a good chain of a user */
    {"signature", step_signature}, /* whose key has signed */
    {"user", step_user},           /* and whose name and institution are in it */
    {"issue", step_issue},         /* while that certificate held */
    {"owner", step_owner},         /* owned by the user's own institution */
    {"specification", step_specification},
    {"revocation", step_revocation}, /* not taken back */
};

int auth_grant_check(struct auth_grant *out, const struct auth_grant_offer *offer,
                     const struct auth_context *ctx, struct xos_error *err)
{
    struct check c = {.offer = offer, .ctx = ctx, .err = err};
    const char *failed = NULL;
    for (size_t i = 0; !failed && i < sizeof(steps) / sizeof(steps[0]); i++)
        if (steps[i].run(&c) < 0)
            failed = steps[i].name;
    if (!failed) {
        c.g.memory = c.statement.payload;
        c.statement.payload = NULL;
        *out = c.g;
    }
    auth_statement_close(&c.statement);
    auth_principal_free(&c.user);
    return failed ? xos_wrap(err, "grant: %s", failed) : 0;
}

int auth_grant_allows(const struct auth_grant *g, const char *action, struct xos_error *err)
{
    return auth_rights_check_action(&g->rights, auth_slice(action), err);
}

int auth_grant_allows_path(const struct auth_grant *g, struct xos_slice path, bool change,
                           struct xos_error *err)
{
    return auth_rights_check_path(&g->rights, path, change, err);
}

int auth_grant_allows_claim(const struct auth_grant *g, const struct auth_limits *claim,
                            struct xos_error *err)
{
    const struct auth_limits *l = &g->limits;
    const struct {
        const char *what;
        bool good;
    } bounds[] = {
        {"cpus", claim->cpus <= l->cpus},    {"memory", claim->mem_bytes <= l->mem_bytes},
        {"gpus", claim->gpus <= l->gpus},    {"time", claim->walltime_ms <= l->walltime_ms},
        {"units", claim->units <= l->units},
    };
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++)
        if (!bounds[i].good)
            return xos_fail(err, XOS_DENIED, "more %s than the grant allows", bounds[i].what);
    return 0;
}
