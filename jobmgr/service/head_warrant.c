// SPDX-License-Identifier: Apache-2.0
/* head_warrant.c - a head asks for the user's grant, keeps it, and signs under it: core/warrant.h.
 *
 * A grant is checked at submit, and looked at again before anything is done under it: it may have
 * been taken back meanwhile. What is signed is never kept: a restarted head signs again. */
#include "jobmgr/jobmgr.pb-c.h"
#include "jobmgr/service/owned.h"
#include "libxos/wire/pb.h"

static struct xos_slice slice_of(const struct xos_buf *b)
{
    return (struct xos_slice){b->data, b->len};
}

static int64_t context(const struct owned *o, struct auth_context *out)
{
    const struct head *h = o->head;
    int64_t now_ms = xos_env_real_ms(h->env);
    auth_trust_context(h->config.trust, AUTH_KIND_USER, now_ms, out);
    return now_ms;
}

int head_warrant_submit(struct owned *o, const struct xos_call *call, struct xos_error *err)
{
    const struct head *h = o->head;
    const struct xos_caller *who = xos_call_caller(call);
    struct auth_context ctx;
    if (!h->config.trust)
        return 0;
    const struct warrant_submit s = {.proof = slice_of(&o->grant),
                                     .bytes = slice_of(&o->spec_bytes),
                                     .spec = o->spec,
                                     .institution = h->config.institution,
                                     .user = who->name,
                                     .vo = who->vo,
                                     .role = who->role,
                                     .operation = xos_call_operation(call)};
    int64_t now_ms = context(o, &ctx);
    if (warrant_check_submit(&o->warrant, &s, &ctx, err) < 0)
        return -1;
    o->warrant_ms = now_ms;
    return 0;
}

int head_warrant_need(struct owned *o, struct xos_error *err)
{
    struct warrant again = {.user = ""};
    struct auth_context ctx;
    if (!o->head->config.trust)
        return 0;
    int64_t now_ms = context(o, &ctx);
    if (o->warrant_ms && now_ms >= o->warrant_ms && now_ms - o->warrant_ms < WARRANT_AGAIN_MS)
        return 0;
    if (warrant_read(&again, slice_of(&o->grant), slice_of(&o->spec_bytes), &ctx, err) < 0)
        return -1;
    warrant_free(&o->warrant);
    o->warrant = again;
    o->warrant_ms = now_ms;
    return 0;
}

int head_warrant_assign(struct owned *o, const struct job_action *x, struct head_assignment *a,
                        Xos__Job__StartPb *m, struct xos_error *err)
{
    const struct auth_self *self = o->head->config.self;
    const struct warrant_place where = {
        .job = o->job->id, .unit = x->unit, .node = x->node, .epoch = x->epoch};
    a->bytes = XOS_BUF(AUTH_ASSIGNMENT_BYTES_MAX);
    if (!o->head->config.trust)
        return 0;
    if (head_warrant_need(o, err) < 0 || warrant_assign(&a->bytes, &o->warrant, &where, self->key,
                                                        xos_env_real_ms(o->head->env), err) < 0)
        return -1;
    m->assignment = xos_pb_bytes(slice_of(&a->bytes));
    /* Leaf and issuing CA; the root is known there, or not trusted. */
    m->n_head_chain = self->chain_count < 2 ? self->chain_count : 2;
    m->head_chain = a->chain;
    for (size_t i = 0; i < m->n_head_chain; i++)
        a->chain[i] = xos_pb_bytes(self->chain[i]);
    return 0;
}

bool head_warrant_refused(const struct xos_error *err)
{
    return err->code == XOS_DENIED || err->code == XOS_EXPIRED;
}
