// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/agent/renewer.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"

struct renewer {
    struct agent_state *state;
    const struct renewer_transport *transport;
    struct xos_timer *timer;
    bool asking; /* the transport has a question of ours */
};

static void on_late(void *arg)
{
    struct renewer *r = arg;
    struct xos_error err;
    r->transport->cancel(r->transport->arg);
    xos_fail(&err, XOS_TIMEOUT, "no answer within %d s", RENEWER_STEP_MS_MAX / 1000);
    renewer_on_failed(r, &err);
}

int renewer_new(struct renewer **out, struct xos_loop *loop, struct agent_state *state,
                const struct renewer_transport *transport, struct xos_error *err)
{
    struct renewer *r = xos_alloc(sizeof(*r));
    if (!r)
        return xos_fail(err, XOS_NOMEM, "renewal");
    r->state = state;
    r->transport = transport;
    if (xos_timer_new(&r->timer, loop, on_late, r, err) < 0) {
        renewer_free(r);
        return -1;
    }
    *out = r;
    return 0;
}

void renewer_free(struct renewer *r)
{
    if (!r)
        return;
    if (r->asking)
        r->transport->cancel(r->transport->arg);
    xos_timer_free(r->timer);
    xos_free(r);
}

static void ended(struct renewer *r)
{
    r->asking = false;
    xos_timer_cancel(r->timer);
}

void renewer_on_failed(struct renewer *r, const struct xos_error *why)
{
    struct agent_state *s = r->state;
    struct renew_event ev = {.kind = RENEW_FAILED, .now_ms = xos_env_real_ms(s->env)};
    ended(r);
    (void)xos_env_random(s->env, &ev.random, sizeof(ev.random), NULL);
    (void)renew_step(&s->renew, &ev);
    xos_log_error(XOS_EV_CERT_EXPIRING, why, "certificate=user renewal=failed");
}

void renewer_tick(struct renewer *r)
{
    struct agent_state *s = r->state;
    const struct renew_event ev = {.kind = RENEW_TICK, .now_ms = xos_env_real_ms(s->env)};
    struct xos_error err;
    if (r->asking && !s->renew.asking) { /* logged out, or in again, meanwhile */
        r->transport->cancel(r->transport->arg);
        ended(r);
    }
    if (s->lock.locked || renew_step(&s->renew, &ev) != RENEW_ASK)
        return;
    r->asking = true;
    xos_timer_set(r->timer, RENEWER_STEP_MS_MAX);
    if (r->transport->ask_nonce(r->transport->arg, s->identity.who.name.institution, &err) < 0)
        renewer_on_failed(r, &err);
}

void renewer_on_nonce(struct renewer *r, const uint8_t nonce[static AUTH_NONCE_BYTES])
{
    struct agent_state *s = r->state;
    struct xos_buf proof = XOS_BUF(RENEWER_PROOF_BYTES_MAX);
    struct xos_error err;
    const int64_t life = renew_life(&s->renew, xos_env_real_ms(s->env), AUTH_USER_LIFE_MS_MAX);
    xos_timer_set(r->timer, RENEWER_STEP_MS_MAX);
    if (lock_need_open(&s->lock, &err) < 0 ||
        identity_prove_renewal(&s->identity, nonce, life, &proof, &err) < 0 ||
        r->transport->ask_renewal(r->transport->arg, s->identity.who.name.institution,
                                  (struct xos_slice){proof.data, proof.len}, &err) < 0)
        renewer_on_failed(r, &err);
    xos_buf_free(&proof);
}

void renewer_on_issued(struct renewer *r, const struct identity_offer *offer)
{
    struct xos_error err;
    struct identity_offer kept = *offer;
    kept.session_until_ms = 0; /* no renewal makes the session longer */
    if (verbs_install(r->state, &kept, &err) < 0) {
        renewer_on_failed(r, &err);
        return;
    }
    ended(r);
    xos_log(XOS_EV_CERT_ISSUED, "certificate=user name=%s", r->state->identity.user);
}
