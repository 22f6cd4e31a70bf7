// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a login silently ends while its user works, or a CA that is away for an hour
 * costs everybody a new login. */
#include "libxos/wire/pb.h"
#include "tests/lib/home.h"
#include "tests/lib/xtest.h"
#include "vo-auth/agent/renewer.h"
#include "vo-auth/ca.pb-c.h"

#include <string.h>

#define NOW INT64_C(1772366400000)

struct world {
    struct clock_env clock;
    struct home home;
    struct xos_loop *loop;
    struct agent_state s;
    struct renewer_transport transport;
    struct renewer *renewer;
    struct xos_buf leaf;
    unsigned nonces, renewals, cancels;
    uint8_t asked_for[XOS_KEY_PUBLIC_BYTES];
    bool away;
};

static int ask_nonce(void *arg, const char *institution, struct xos_error *err)
{
    struct world *w = arg;
    assert_string_equal(institution, "inria");
    w->nonces++;
    return w->away ? xos_fail(err, XOS_UNAVAILABLE, "no head of inria answers") : 0;
}

static int ask_renewal(void *arg, const char *institution, struct xos_slice proof,
                       struct xos_error *err)
{
    struct world *w = arg;
    struct auth_statement s = {0};
    assert_string_equal(institution, "inria");
    Ca__Renew *m = xos_pb_unpack(&ca__renew__descriptor, proof, proof.len, XOS_PB_STRICT, err);
    int rc = m ? auth_statement_open(&s, &auth_renew_format, xos_pb_slice(m->statement), err) : -1;
    if (rc == 0) {
        memcpy(w->asked_for, ((Ca__RenewClaim *)s.payload)->key.data, sizeof(w->asked_for));
        w->renewals++;
    }
    auth_statement_close(&s);
    xos_pb_free(m);
    return rc;
}

static void cancel(void *arg)
{
    ((struct world *)arg)->cancels++;
}

static int issue(struct world *w, const uint8_t key[static XOS_KEY_PUBLIC_BYTES],
                 struct identity_offer *offer, struct xos_slice chain[3], struct xos_error *err)
{
    xos_buf_clear(&w->leaf);
    if (home_certify(&w->home, AUTH_KIND_USER, "alice", key, w->clock.real_ms,
                     AUTH_USER_LIFE_MS_MAX, &w->leaf, err) < 0)
        return -1;
    home_chain(&w->home, &w->leaf, chain);
    *offer = (struct identity_offer){chain, 3, NULL, 0, 0};
    return 0;
}

static int open_world(struct world *w, struct xos_error *err)
{
    uint8_t key[XOS_KEY_PUBLIC_BYTES];
    struct identity_offer offer;
    struct xos_slice chain[3];
    *w = (struct world){.leaf = XOS_BUF(AUTH_CERT_BYTES_MAX)};
    w->s.env = clock_env_init(&w->clock, NOW);
    w->transport = (struct renewer_transport){ask_nonce, ask_renewal, cancel, w};
    if (home_open(&w->home, NOW, 0x10, err) < 0 || xos_loop_new(&w->loop, w->s.env, err) < 0 ||
        renewer_new(&w->renewer, w->loop, &w->s, &w->transport, err) < 0 ||
        identity_public(&w->s.identity, key, err) < 0 || issue(w, key, &offer, chain, err) < 0)
        return -1;
    return verbs_install(&w->s, &offer, err);
}

static void close_world(struct world *w)
{
    renewer_free(w->renewer);
    xos_loop_free(w->loop);
    verbs_wipe(&w->s);
    xos_buf_free(&w->leaf);
    home_close(&w->home);
}

static const uint8_t nonce[AUTH_NONCE_BYTES] = {1};

static void half_way_the_certificate_is_renewed(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w;
    struct identity_offer offer;
    struct xos_slice chain[3];
    uint8_t old[XOS_KEY_PUBLIC_BYTES];
    XT_TRY(open_world(&w, &err));
    memcpy(old, w.s.identity.who.key, sizeof(old));
    renewer_tick(w.renewer);
    assert_int_equal(w.nonces, 0);
    w.clock.real_ms = w.s.renew.due_ms;
    renewer_tick(w.renewer);
    renewer_tick(w.renewer);
    assert_int_equal(w.nonces, 1);
    renewer_on_nonce(w.renewer, nonce);
    if (w.renewals == 0)
        goto out; /* without memory it is tried again later */
    assert_memory_equal(w.s.identity.who.key, old, sizeof(old)); /* it signs on */
    XT_TRY(issue(&w, w.asked_for, &offer, chain, &err));
    renewer_on_issued(w.renewer, &offer);
    if (w.s.renew.retry_ms)
        goto out;
    assert_memory_equal(w.s.identity.who.key, w.asked_for, sizeof(old));
    assert_memory_not_equal(w.asked_for, old, sizeof(old));
    assert_true(w.s.renew.due_ms > w.clock.real_ms + 4 * AUTH_HOUR_MS);
    assert_int_equal(w.s.identity.session_until_ms, NOW + IDENTITY_SESSION_MS_MAX);
out:
    close_world(&w);
}

static void a_ca_that_is_away_is_asked_again(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w;
    XT_TRY(open_world(&w, &err));
    w.away = true;
    for (unsigned i = 0; i < 5; i++) {
        w.clock.real_ms = w.s.renew.due_ms;
        renewer_tick(w.renewer);
        assert_int_equal(w.nonces, i + 1);
        assert_true(w.s.renew.due_ms > w.clock.real_ms);
    }
    w.away = false;
    w.clock.real_ms = w.s.identity.who.to_ms + AUTH_HOUR_MS; /* slept past the certificate's end */
    renewer_tick(w.renewer);
    renewer_on_nonce(w.renewer, nonce);
    assert_true(w.renewals == 1 || xt_starving());
out:
    close_world(&w);
}

static void a_logout_ends_what_is_under_way(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w;
    XT_TRY(open_world(&w, &err));
    w.clock.real_ms = w.s.renew.due_ms;
    renewer_tick(w.renewer);
    verbs_wipe(&w.s);
    renewer_tick(w.renewer);
    assert_int_equal(w.cancels, 1);
    renewer_tick(w.renewer);
    assert_int_equal(w.nonces, 1);
out:
    close_world(&w);
}

static void a_locked_agent_renews_nothing(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w;
    const uint8_t salt[LOCK_SALT_BYTES] = {0};
    XT_TRY(open_world(&w, &err));
    XT_TRY(lock_set(&w.s.lock, (struct xos_slice){salt, 1}, salt, 0, 0, &err));
    w.clock.real_ms = w.s.renew.due_ms;
    renewer_tick(w.renewer);
    assert_int_equal(w.nonces, 0);
    lock_clear(&w.s.lock);
    renewer_tick(w.renewer);
    assert_int_equal(w.nonces, 1);
    XT_TRY(lock_set(&w.s.lock, (struct xos_slice){salt, 1}, salt, 0, 0, &err));
    renewer_on_nonce(w.renewer, nonce); /* locked in between */
    assert_int_equal(w.renewals, 0);
out:
    close_world(&w);
}

static const struct xt_test tests[] = {
    XT(half_way_the_certificate_is_renewed),
    XT(a_ca_that_is_away_is_asked_again),
    XT(a_logout_ends_what_is_under_way),
    XT(a_locked_agent_renews_nothing),
};
XT_MAIN(tests)
