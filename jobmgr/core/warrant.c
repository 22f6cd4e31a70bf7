// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/core/warrant.h"

#include "jobmgr/core/claim.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/wire/pb.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void warrant_free(struct warrant *w)
{
    auth_grant_free(&w->grant);
    *w = (struct warrant){.user = ""};
}

/* Reading */

static int chain_take(struct xos_slice chain[static AUTH_CHAIN_MAX], size_t count,
                      const ProtobufCBinaryData *from, const char *whose, struct xos_error *err)
{
    if (count > AUTH_CHAIN_MAX)
        return xos_fail(err, XOS_LIMIT, "AUTH_CHAIN_MAX: %s has %zu certificates", whose, count);
    for (size_t i = 0; i < count; i++)
        chain[i] = xos_pb_slice(from[i]);
    return 0;
}

/* Texts of what the grant says, so that nobody prints them twice in two ways. */
static void name_all(struct warrant *w)
{
    char text[AUTH_NAME_BYTES_MAX + 1] = "";
    struct auth_name vo = {.kind = AUTH_NAME_VO};
    const struct auth_name *acting = &w->grant.acting;
    auth_name_print(&w->grant.user, text);
    (void)snprintf(w->user, sizeof(w->user), "%.127s", text);
    w->acting[0] = w->vo[0] = '\0';
    if (acting->kind == AUTH_NAME_NONE)
        return;
    memcpy(vo.institution, acting->institution, sizeof(vo.institution));
    memcpy(vo.part, acting->part, sizeof(vo.part));
    auth_name_print(&vo, text);
    (void)snprintf(w->vo, sizeof(w->vo), "%.127s", text);
    auth_name_print(acting, text);
    (void)snprintf(w->acting, sizeof(w->acting), "%.127s", text);
}

static int grant_take(struct warrant *out, const struct auth_grant_offer *offer,
                      const struct auth_context *ctx, struct xos_error *err)
{
    struct warrant w = {.user = ""};
    if (auth_grant_check(&w.grant, offer, ctx, err) < 0)
        return -1;
    name_all(&w);
    *out = w;
    return 0;
}

static Xos__Job__ProofPb *proof_read(struct xos_slice bytes, struct xos_error *err)
{
    if (bytes.len)
        return xos_pb_unpack(&xos__job__proof_pb__descriptor, bytes, WARRANT_PROOF_BYTES_MAX,
                             XOS_PB_TOLERANT, err);
    xos_fail(err, XOS_DENIED, "a job needs a grant: run `xos login`");
    return NULL;
}

static int grant_read(struct warrant *out, struct xos_slice proof, struct xos_slice spec,
                      enum auth_moment moment, const struct auth_context *ctx,
                      struct xos_error *err)
{
    struct xos_slice chain[AUTH_CHAIN_MAX];
    struct auth_grant_offer offer = {.chain = chain, .spec = spec, .moment = moment};
    Xos__Job__ProofPb *m = proof_read(proof, err);
    int rc = m ? chain_take(chain, m->n_user_chain, m->user_chain, "the user", err) : -1;
    if (rc == 0) {
        offer.grant = xos_pb_slice(m->grant);
        offer.chain_count = m->n_user_chain;
        rc = grant_take(out, &offer, ctx, err);
    }
    xos_pb_free(m);
    return rc;
}

int warrant_read(struct warrant *out, struct xos_slice proof, struct xos_slice spec,
                 const struct auth_context *ctx, struct xos_error *err)
{
    return grant_read(out, proof, spec, AUTH_LATER, ctx, err);
}

/* A job without a time limit may run as long as any grant allows. */
static int check_extent(const struct auth_grant *g, const struct job_spec *s, struct xos_error *err)
{
    struct auth_limits l = {.cpus = s->cpus,
                            .mem_bytes = s->mem_bytes,
                            .gpus = s->gpus,
                            .walltime_ms = AUTH_WALLTIME_MS_MAX,
                            .units = s->units};
    if (s->time_ms)
        l.walltime_ms = s->time_ms < INT64_MAX ? (int64_t)s->time_ms : INT64_MAX;
    if (auth_grant_allows(g, "job.run", err) < 0 || auth_grant_allows_claim(g, &l, err) < 0)
        return xos_wrap(err, "grant");
    return 0;
}

/* At submit */

struct submit {
    const struct warrant_submit *s;
    const struct auth_context *ctx;
    struct warrant w;
    struct xos_error *err;
};

static int submit_grant(struct submit *c)
{
    return grant_read(&c->w, c->s->proof, c->s->bytes, AUTH_FRESH, c->ctx, c->err);
}

static int submit_owner(struct submit *c)
{
    if (strcmp(c->w.grant.owner.institution, c->s->institution) == 0)
        return 0;
    return xos_fail(c->err, XOS_DENIED, "the job belongs to %s, whose heads own it; this is %s",
                    c->w.grant.owner.institution, c->s->institution);
}

static int submit_user(struct submit *c)
{
    if (strcmp(c->w.user, c->s->user) == 0)
        return 0;
    return xos_fail(c->err, XOS_DENIED, "the grant is %s's, the request %.60s's", c->w.user,
                    c->s->user);
}

/* The VO has vouched for what the request acts as, and for nothing else. */
static int submit_acting(struct submit *c)
{
    char text[2 * JOB_NAME_MAX];
    struct auth_name acting = {.kind = AUTH_NAME_NONE};
    const char *role = c->s->role ? c->s->role : "", *vo = c->s->vo ? c->s->vo : "";
    (void)snprintf(text, sizeof(text), "%.127s%s%.127s", vo, role[0] ? "/" : "", role);
    if (text[0] && auth_name_parse_acting(&acting, auth_slice(text), NULL, c->err) < 0)
        return -1;
    if (auth_name_equal(&acting, &c->w.grant.acting))
        return 0;
    return xos_fail(c->err, XOS_DENIED, "the grant acts as %s, the request as %s",
                    c->w.acting[0] ? c->w.acting : "its user", text[0] ? text : "its user");
}

static int submit_operation(struct submit *c)
{
    _Static_assert(AUTH_GRANT_ID_BYTES == XOS_ID_BYTES, "an operation's id is one size");
    const struct auth_grant *g = &c->w.grant;
    if (g->job.kind == AUTH_NAME_NONE && c->s->operation &&
        memcmp(g->operation, c->s->operation->bytes, sizeof(g->operation)) == 0)
        return 0;
    return xos_fail(c->err, XOS_DENIED, "the grant is for another submission");
}

static int submit_extent(struct submit *c)
{
    return check_extent(&c->w.grant, c->s->spec, c->err);
}

static const struct {
    int (*run)(struct submit *c);
} submit_steps[] = {
    {submit_grant},     /* signed by a user whose certificate holds now, for this specification */
    {submit_owner},     /* whose jobs are this institution's */
    {submit_user},      /* who is asking */
    {submit_acting},    /* as what the request acts */
    {submit_operation}, /* under this id */
    {submit_extent},    /* for at least what the specification asks for */
};

int warrant_check_submit(struct warrant *out, const struct warrant_submit *s,
                         const struct auth_context *ctx, struct xos_error *err)
{
    struct submit c = {.s = s, .ctx = ctx, .err = err};
    for (size_t i = 0; i < sizeof(submit_steps) / sizeof(submit_steps[0]); i++)
        if (submit_steps[i].run(&c) < 0) {
            warrant_free(&c.w);
            return -1;
        }
    *out = c.w;
    return 0;
}

/* The head signs */

static int unit_name(struct auth_name *out, struct xos_slice job, uint32_t unit,
                     struct xos_error *err)
{
    char text[JOB_NAME_MAX + 16];
    if (job.len >= JOB_NAME_MAX || (job.len && memchr(job.data, 0, job.len)))
        return xos_fail(err, XOS_INVALID, "the job's id is too long or not text");
    (void)snprintf(text, sizeof(text), "%.*s.%" PRIu32, (int)job.len,
                   job.len ? (const char *)job.data : "", unit);
    return auth_name_parse(out, AUTH_NAME_UNIT, auth_slice(text), NULL, err);
}

int warrant_assign(struct xos_buf *out, const struct warrant *w, const struct warrant_place *where,
                   const struct xos_key *head_key, int64_t now_ms, struct xos_error *err)
{
    const struct auth_grant *g = &w->grant;
    struct auth_assignment a = {.epoch = where->epoch,
                                .user = g->user,
                                .claim_deadline_ms = now_ms + CLAIM_HOLD_MS,
                                .issued_ms = now_ms,
                                .expires_ms = now_ms + WARRANT_ASSIGNMENT_MS};
    if (a.expires_ms > g->expires_ms)
        a.expires_ms = g->expires_ms;
    if (a.expires_ms < a.claim_deadline_ms)
        return xos_fail(err, XOS_EXPIRED, "the job's grant ends");
    memcpy(a.grant_hash, g->hash, sizeof(a.grant_hash));
    memcpy(a.spec_hash, g->spec_hash, sizeof(a.spec_hash));
    if (unit_name(&a.unit, auth_slice(where->job), where->unit, err) < 0 ||
        auth_name_parse(&a.node, AUTH_NAME_NODE, auth_slice(where->node), NULL, err) < 0 ||
        (w->vo[0] && auth_name_parse(&a.vo, AUTH_NAME_VO, auth_slice(w->vo), NULL, err) < 0))
        return -1;
    return auth_assignment_sign(out, &a, head_key, err);
}

/* At the worker */

struct start {
    const struct warrant_start *s;
    const struct auth_context *ctx;
    struct warrant w;
    struct auth_assignment a;
    struct xos_error *err;
};

static int start_grant(struct start *c)
{
    const struct auth_grant_offer offer = {.grant = c->s->grant,
                                           .chain = c->s->user_chain,
                                           .chain_count = c->s->user_chain_count,
                                           .spec = c->s->bytes,
                                           .moment = AUTH_LATER};
    return grant_take(&c->w, &offer, c->ctx, c->err);
}

static int start_extent(struct start *c)
{
    return check_extent(&c->w.grant, c->s->spec, c->err);
}

static int start_assignment(struct start *c)
{
    const struct auth_assignment_offer offer = {.assignment = c->s->assignment,
                                                .chain = c->s->head_chain,
                                                .chain_count = c->s->head_chain_count,
                                                .grant = &c->w.grant,
                                                .node = c->s->node,
                                                .epoch_min = c->s->epoch,
                                                .moment = AUTH_FRESH};
    return auth_assignment_check(&c->a, &offer, c->ctx, c->err);
}

static int start_exactly(struct start *c)
{
    struct auth_name unit;
    if (unit_name(&unit, c->s->job, c->s->unit, c->err) < 0)
        return -1;
    if (!auth_name_equal(&unit, &c->a.unit))
        return xos_fail(c->err, XOS_DENIED, "the assignment is for another unit");
    if (c->a.epoch != c->s->epoch)
        return xos_fail(c->err, XOS_DENIED, "the assignment is for another epoch");
    return 0;
}

static const struct {
    int (*run)(struct start *c);
} start_steps[] = {
    {start_grant},      /* a user allows a job this specification, and has not taken it back */
    {start_extent},     /* for at least what it asks for */
    {start_assignment}, /* a head of the user's institution gives a unit of it to this node, now */
    {start_exactly},    /* and it is this unit, under this epoch */
};

int warrant_check_start(struct warrant *out, const struct warrant_start *s,
                        const struct auth_context *ctx, struct xos_error *err)
{
    struct start c = {.s = s, .ctx = ctx, .err = err};
    for (size_t i = 0; i < sizeof(start_steps) / sizeof(start_steps[0]); i++)
        if (start_steps[i].run(&c) < 0) {
            warrant_free(&c.w);
            return -1;
        }
    *out = c.w;
    return 0;
}

int warrant_start_of(struct warrant_start *out, const Xos__Job__ProofPb *m, struct xos_error *err)
{
    out->grant = xos_pb_slice(m->grant);
    out->user_chain_count = m->n_user_chain;
    out->bytes = xos_pb_slice(m->spec);
    out->assignment = xos_pb_slice(m->assignment);
    out->head_chain_count = m->n_head_chain;
    if (chain_take(out->user_chain, m->n_user_chain, m->user_chain, "the user", err) < 0)
        return -1;
    return chain_take(out->head_chain, m->n_head_chain, m->head_chain, "the head", err);
}

/* Its grant has the first half of a proof; the rest of the message is the other. */
static void complete(Xos__Job__ProofPb *out, const Xos__Job__ProofPb *given,
                     const Xos__Job__StartPb *m)
{
    xos__job__proof_pb__init(out);
    out->grant = given->grant;
    out->n_user_chain = given->n_user_chain;
    out->user_chain = given->user_chain;
    out->attributes = given->attributes;
    out->assignment = m->assignment;
    out->n_head_chain = m->n_head_chain;
    out->head_chain = m->head_chain;
    out->spec = m->spec;
}

int warrant_check_message(struct warrant *out, const Xos__Job__StartPb *m,
                          const struct job_spec *spec, const struct auth_name *node,
                          const struct auth_context *ctx, struct xos_error *err)
{
    Xos__Job__ProofPb proof, *given = proof_read(xos_pb_slice(m->grant), err);
    struct warrant_start s = {.spec = spec,
                              .job = xos_pb_slice(m->job),
                              .unit = m->unit,
                              .epoch = m->epoch,
                              .node = node};
    if (!given)
        return -1;
    complete(&proof, given, m);
    int rc = warrant_start_of(&s, &proof, err);
    if (rc == 0)
        rc = warrant_check_start(out, &s, ctx, err);
    xos_pb_free(given);
    return rc;
}

int warrant_proof(struct xos_buf *out, const Xos__Job__StartPb *m, struct xos_error *err)
{
    Xos__Job__ProofPb proof, *given;
    if (!m->grant.len)
        return xos_fail(err, XOS_INVALID, "a start without a grant");
    given = proof_read(xos_pb_slice(m->grant), err);
    if (!given)
        return -1;
    complete(&proof, given, m);
    int rc = xos_pb_pack(&proof, out, err);
    xos_pb_free(given);
    return rc;
}
