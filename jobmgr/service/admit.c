// SPDX-License-Identifier: Apache-2.0
/* admit.c - whose work this node takes: its institution decides alone.
 *
 * A claim is held against what the owner says, so that a job that may not run here goes elsewhere.
 * A start is held against what the job's user has signed: the owner may have said anything. Without
 * anything that isolates units from one another and from the daemon, only the node's own user's
 * jobs run, unless its configuration says otherwise. */
#include "jobmgr/core/spec.h"
#include "jobmgr/core/warrant.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "jobmgr/service/worker.h"
#include "libxos/wire/pb.h"

#include <string.h>

static bool is_own(const struct worker *w, const char *user)
{
    return w->config.own_user && strcmp(w->config.own_user, user) == 0;
}

static int admit(const struct worker *w, const struct jobmgr_wish *wish, struct xos_error *err)
{
    const struct worker_config *c = &w->config;
    if (c->trust && !w->isolated && !c->accept_unisolated && !is_own(w, wish->user))
        return xos_fail(err, XOS_DENIED,
                        "this node has no isolation and accepts only its own user's jobs");
    return c->admit ? c->admit(c->admit_arg, wish, err) : 0;
}

static int text_take(ProtobufCBinaryData from, char to[static JOB_NAME_MAX], struct xos_error *err)
{
    if (from.len >= JOB_NAME_MAX || (from.len && memchr(from.data, 0, from.len)))
        return xos_fail(err, XOS_INVALID, "a name in the claim is too long or not text");
    if (from.len)
        memcpy(to, from.data, from.len);
    to[from.len] = '\0';
    return 0;
}

int admit_claim(const struct worker *w, const Xos__Job__ClaimPb *m, struct xos_error *err)
{
    char user[JOB_NAME_MAX], vo[JOB_NAME_MAX];
    const struct jobmgr_wish wish = {.user = user,
                                     .vo = vo,
                                     .cpus = m->cpus,
                                     .mem_bytes = m->mem_bytes,
                                     .gpus = m->gpus,
                                     .units = m->job_units > m->n_units ? m->job_units
                                                                        : (uint32_t)m->n_units,
                                     .walltime_ms = m->time_ms};
    if (text_take(m->user, user, err) < 0 || text_take(m->vo, vo, err) < 0)
        return -1;
    return admit(w, &wish, err);
}

/* His home says who he is, the VO what he may act as: the word of a head is not enough for that.
 * What counts is what the VO said when the grant was signed; a job may wait for longer than that
 * statement holds. */
static int check_member(const struct worker *w, const struct warrant *warrant,
                        struct xos_slice proof, struct xos_error *err)
{
    const int64_t then_ms = warrant->grant.issued_ms;
    const struct auth_principal *who;
    struct warrant_start parts;
    struct auth_attr attr = {.memory = NULL};
    if (!warrant->vo[0])
        return 0;
    Xos__Job__ProofPb *m = xos_pb_unpack(&xos__job__proof_pb__descriptor, proof,
                                         WARRANT_PROOF_BYTES_MAX, XOS_PB_TOLERANT, err);
    if (!m)
        return -1;
    int rc = warrant_start_of(&parts, m, err);
    if (rc == 0)
        rc = auth_trust_verify(w->config.trust, parts.user_chain, parts.user_chain_count,
                               AUTH_KIND_USER, then_ms, &who, err);
    if (rc == 0)
        rc = auth_trust_attr(w->config.trust, &attr, &warrant->grant.acting,
                             xos_pb_slice(m->attributes), who, then_ms, err);
    auth_attr_free(&attr);
    xos_pb_free(m);
    return rc;
}

static int check(const struct worker *w, struct warrant *warrant, const Xos__Job__StartPb *m,
                 struct xos_error *err)
{
    struct job_spec *s = NULL;
    struct auth_context ctx;
    auth_trust_context(w->config.trust, AUTH_KIND_USER, xos_env_real_ms(w->env), &ctx);
    if (spec_decode(&s, xos_pb_slice(m->spec), err) < 0)
        return -1;
    int rc = warrant_check_message(warrant, m, s, &w->config.self->name, &ctx, err);
    if (rc == 0)
        rc = check_member(w, warrant, xos_pb_slice(m->grant), err);
    if (rc == 0)
        rc = admit(w,
                   &(struct jobmgr_wish){.user = warrant->user,
                                         .vo = warrant->acting,
                                         .cpus = s->cpus,
                                         .mem_bytes = s->mem_bytes,
                                         .gpus = s->gpus,
                                         .units = s->units,
                                         .walltime_ms = s->time_ms},
                   err);
    spec_free(s);
    return rc;
}

/* The message's own names go back before it is freed: they are its memory. */
static int pack_named(Xos__Job__StartPb *m, const struct warrant *warrant, struct xos_buf *out,
                      struct xos_error *err)
{
    const ProtobufCBinaryData user = m->user, vo = m->vo;
    m->user = xos_pb_text(warrant->user);
    m->vo = xos_pb_text(warrant->vo);
    int rc = xos_pb_pack(m, out, err);
    m->user = user;
    m->vo = vo;
    return rc;
}

int admit_start(const struct worker *w, struct xos_slice start, struct xos_buf *out,
                struct xos_error *err)
{
    struct warrant warrant = {.user = ""};
    if (!w->config.trust)
        return xos_buf_add(out, start.data, start.len, err);
    Xos__Job__StartPb *m = xos_pb_unpack(&xos__job__start_pb__descriptor, start, XOS_BODY_BYTES_MAX,
                                         XOS_PB_TOLERANT, err);
    int rc = m ? check(w, &warrant, m, err) : -1;
    if (rc == 0)
        rc = pack_named(m, &warrant, out, err);
    warrant_free(&warrant);
    xos_pb_free(m);
    return rc;
}
