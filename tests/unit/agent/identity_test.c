// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: the agent signs as somebody else, under a certificate that was not meant for
 * it, or with a key that should be gone. */
#include "libxos/wire/pb.h"
#include "tests/lib/home.h"
#include "tests/lib/xtest.h"
#include "vo-auth/agent/identity.h"
#include "vo-auth/ca.pb-c.h"

#include <string.h>

#define NOW INT64_C(1772366400000)

struct world {
    struct home home;
    struct identity id;
    struct xos_buf leaf, attributes;
};

static int open_world(struct world *w, struct xos_error *err)
{
    *w = (struct world){.leaf = XOS_BUF(AUTH_CERT_BYTES_MAX),
                        .attributes = XOS_BUF(AUTH_ATTR_BYTES_MAX)};
    return home_open(&w->home, NOW, 0x10, err);
}

static void close_world(struct world *w)
{
    identity_wipe(&w->id);
    xos_buf_free(&w->leaf);
    xos_buf_free(&w->attributes);
    home_close(&w->home);
}

static int offer(struct world *w, const struct xos_slice chain[3], size_t count, int64_t now,
                 struct xos_error *err)
{
    const struct xos_slice attributes = {w->attributes.data, w->attributes.len};
    const struct identity_offer o = {chain, count, &attributes, attributes.len > 0, 0};
    return identity_install(&w->id, &o, now, err);
}

/* Log in as NAME at `from`. */
static int login(struct world *w, const char *name, int64_t from, struct xos_error *err)
{
    uint8_t key[XOS_KEY_PUBLIC_BYTES];
    struct xos_slice chain[3];
    xos_buf_clear(&w->leaf);
    xos_buf_clear(&w->attributes);
    if (identity_public(&w->id, key, err) < 0 ||
        home_certify(&w->home, AUTH_KIND_USER, name, key, from, AUTH_USER_LIFE_MS_MAX, &w->leaf,
                     err) < 0 ||
        home_attributes(&w->home, name, key, &w->attributes, err) < 0)
        return -1;
    home_chain(&w->home, &w->leaf, chain);
    return offer(w, chain, 3, from, err);
}

static struct xos_request fields(void)
{
    struct xos_request r = {.verb = "job.submit",
                            .signer = "mallory@vu",
                            .to_institution = "inria",
                            .issued_ms = 1,
                            .expires_ms = INT64_MAX / 4,
                            .has_operation_id = true};
    return r;
}

static void a_login_makes_it_sign(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w;
    struct xos_buf header = XOS_BUF(XOS_HEADER_BYTES_MAX);
    uint8_t signature[XOS_SIGNATURE_BYTES];
    struct xos_request r = fields(), got;
    XT_TRY(open_world(&w, &err));
    XT_REFUSED(identity_sign_request(&w.id, &r, 0, NOW, &header, signature, &err), XOS_NO_LOGIN);
    XT_TRY(login(&w, "alice", NOW, &err));
    assert_string_equal(w.id.user, "alice@inria");
    assert_null(w.id.next);
    assert_memory_equal(w.id.who.root_hash, w.home.root_hash, XOS_HASH_BYTES);
    XT_TRY(identity_sign_request(&w.id, &r, 30000, NOW + 5, &header, signature, &err));
    XT_TRY(xos_key_verify(w.id.who.key, XOS_REQUEST_DOMAIN,
                          (struct xos_slice){header.data, header.len},
                          (struct xos_slice){signature, sizeof(signature)}, &err));
    XT_TRY(xos_request_decode(&got, (struct xos_slice){header.data, header.len}, &err));
    assert_string_equal(got.signer, "alice@inria"); /* never what the caller says */
    assert_int_equal(got.issued_ms, NOW + 5);
    assert_int_equal(got.expires_ms, NOW + 30005);
    assert_string_equal(got.verb, "job.submit");
    XT_REFUSED(
        identity_sign_request(&w.id, &r, XOS_HEADER_LIFE_MS_MAX + 1, NOW, &header, signature, &err),
        XOS_LIMIT);
    r.has_boot_id = true; /* no reader would take both */
    XT_REFUSED(identity_sign_request(&w.id, &r, 0, NOW, &header, signature, &err), XOS_PROTOCOL);
    r.has_boot_id = false;
    XT_REFUSED(identity_sign_request(&w.id, &r, 0, NOW + AUTH_USER_LIFE_MS_MAX + 1000, &header,
                                     signature, &err),
               XOS_EXPIRED);
out:
    xos_buf_free(&header);
    close_world(&w);
}

static void a_grant_is_the_users_own(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w;
    struct xos_buf out = XOS_BUF(AUTH_GRANT_BYTES_MAX);
    struct xos_slice chain[3];
    struct auth_grant checked = {0};
    struct auth_grant g = {.user = {.kind = AUTH_NAME_USER, .institution = "vu", .part = "bob"},
                           .owner = {.kind = AUTH_NAME_INSTITUTION, .institution = "inria"},
                           .limits = {1, 1 << 20, 0, 1000, 1},
                           .issued_ms = 5,
                           .expires_ms = NOW + AUTH_DAY_MS};
    XT_TRY(open_world(&w, &err));
    XT_REFUSED(identity_sign_grant(&w.id, &g, NOW, &out, &err), XOS_NO_LOGIN);
    XT_TRY(login(&w, "alice", NOW, &err));
    XT_TRY(xos_sha256(auth_slice("spec"), g.spec_hash, &err));
    XT_TRY(identity_sign_grant(&w.id, &g, NOW, &out, &err));
    home_chain(&w.home, &w.leaf, chain);
    const struct auth_grant_offer o = {
        {out.data, out.len}, chain, 3, auth_slice("spec"), AUTH_FRESH};
    XT_TRY(auth_grant_check(&checked, &o, &w.home.ctx, &err));
    assert_string_equal(checked.user.part, "alice");
    assert_int_equal(checked.issued_ms, NOW);
    g.expires_ms = NOW + AUTH_GRANT_LIFE_MS_MAX + 1;
    XT_REFUSED(identity_sign_grant(&w.id, &g, NOW, &out, &err), XOS_DENIED);
    g.expires_ms = NOW - 1;
    XT_REFUSED(identity_sign_grant(&w.id, &g, NOW, &out, &err), XOS_DENIED);
out:
    auth_grant_free(&checked);
    xos_buf_free(&out);
    close_world(&w);
}

static void only_certificates_for_it_are_taken(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w;
    struct home other = {0};
    struct xos_buf leaf = XOS_BUF(AUTH_CERT_BYTES_MAX);
    uint8_t key[XOS_KEY_PUBLIC_BYTES], wrong[XOS_KEY_PUBLIC_BYTES] = {9};
    struct xos_slice chain[3];
    XT_TRY(open_world(&w, &err));
    XT_TRY(home_open(&other, NOW, 0x40, &err));
    XT_TRY(identity_public(&w.id, key, &err));
    XT_TRY(home_certify(&w.home, AUTH_KIND_USER, "alice", xos_key_public(w.home.vo_key), NOW,
                        AUTH_HOUR_MS, &leaf, &err));
    home_chain(&w.home, &leaf, chain);
    XT_REFUSED(offer(&w, chain, 3, NOW, &err), XOS_DENIED); /* somebody else's key */
    xos_buf_clear(&leaf);
    XT_TRY(home_certify(&w.home, AUTH_KIND_NODE, "n1", key, NOW, AUTH_HOUR_MS, &leaf, &err));
    home_chain(&w.home, &leaf, chain);
    XT_REFUSED(offer(&w, chain, 3, NOW, &err), XOS_DENIED); /* not a user's */
    xos_buf_clear(&leaf);
    XT_TRY(home_certify(&w.home, AUTH_KIND_USER, "alice", key, NOW, AUTH_HOUR_MS, &leaf, &err));
    home_chain(&w.home, &leaf, chain);
    XT_REFUSED(offer(&w, chain, 2, NOW, &err), XOS_DENIED); /* no root */
    XT_REFUSED(offer(&w, chain, 3, NOW + 2 * AUTH_HOUR_MS, &err), XOS_EXPIRED);
    chain[2] = (struct xos_slice){other.root.data, other.root.len};
    XT_REFUSED(offer(&w, chain, 3, NOW, &err), XOS_DENIED); /* another root */
    home_chain(&w.home, &leaf, chain);
    XT_TRY(home_attributes(&w.home, "alice", wrong, &w.attributes, &err));
    XT_REFUSED(offer(&w, chain, 3, NOW, &err), XOS_DENIED); /* a VO's word for another key */
    xos_buf_clear(&w.attributes);
    XT_TRY(xos_buf_add_text(&w.attributes, "garbage", &err));
    XT_REFUSED(offer(&w, chain, 3, NOW, &err), XOS_PROTOCOL);
    xos_buf_clear(&w.attributes);
    assert_null(w.id.key); /* what failed changed nothing */
    XT_TRY(offer(&w, chain, 3, NOW, &err));
    XT_TRY(offer(&w, chain, 3, NOW, &err)); /* again, for the key in force */
out:
    xos_buf_free(&leaf);
    home_close(&other);
    close_world(&w);
}

static void the_old_key_signs_until_the_new_one_is_certified(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w;
    uint8_t first[XOS_KEY_PUBLIC_BYTES], next[XOS_KEY_PUBLIC_BYTES], again[XOS_KEY_PUBLIC_BYTES];
    XT_TRY(open_world(&w, &err));
    XT_TRY(login(&w, "alice", NOW, &err));
    memcpy(first, w.id.who.key, sizeof(first));
    XT_TRY(identity_public(&w.id, next, &err));
    XT_TRY(identity_public(&w.id, again, &err));
    assert_memory_equal(next, again, sizeof(next));
    assert_memory_not_equal(first, next, sizeof(next));
    XT_TRY(identity_need(&w.id, NOW, &err));
    const int64_t session = w.id.session_until_ms;
    assert_int_equal(session, NOW + IDENTITY_SESSION_MS_MAX);
    XT_TRY(login(&w, "alice", NOW + AUTH_HOUR_MS, &err)); /* a renewal: the session stays */
    assert_memory_equal(w.id.who.key, next, sizeof(next));
    assert_int_equal(w.id.session_until_ms, session);
    XT_TRY(login(&w, "bob", NOW + AUTH_HOUR_MS, &err)); /* another user: a new session */
    assert_int_equal(w.id.session_until_ms, NOW + AUTH_HOUR_MS + IDENTITY_SESSION_MS_MAX);
    assert_non_null(identity_attributes_of(&w.id, auth_slice("vo:climate@inria"), NOW));
    assert_null(identity_attributes_of(&w.id, auth_slice("vo:climate@vu"), NOW));
    assert_null(identity_attributes_of(&w.id, auth_slice("climate"), NOW));
    assert_null(identity_attributes_of(&w.id, auth_slice("vo:climate@inria"), NOW + AUTH_DAY_MS));
    identity_wipe(&w.id);
    assert_null(w.id.key);
    assert_null(w.id.next);
out:
    close_world(&w);
}

static void a_renewal_is_signed_by_both_keys(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w;
    struct xos_buf out = XOS_BUF(1 << 16);
    uint8_t nonce[AUTH_NONCE_BYTES] = {7};
    struct auth_statement s = {0};
    Ca__Renew *m = NULL;
    XT_TRY(open_world(&w, &err));
    XT_REFUSED(identity_prove_renewal(&w.id, nonce, AUTH_HOUR_MS, &out, &err), XOS_NO_LOGIN);
    XT_TRY(login(&w, "alice", NOW, &err));
    XT_TRY(identity_prove_renewal(&w.id, nonce, AUTH_HOUR_MS, &out, &err));
    XT_PTR(m = xos_pb_unpack(&ca__renew__descriptor, (struct xos_slice){out.data, out.len}, 1 << 16,
                             XOS_PB_STRICT, &err));
    XT_TRY(auth_statement_open(&s, &auth_renew_format, xos_pb_slice(m->statement), &err));
    XT_TRY(auth_statement_verify(&s, &auth_renew_format, w.id.who.key, &err));
    XT_TRY(auth_possession_check(xos_pb_slice(m->statement), xos_pb_slice(m->possession),
                                 xos_key_public(w.id.next), &err));
    const Ca__RenewClaim *claim = s.payload;
    assert_memory_equal(claim->nonce.data, nonce, sizeof(nonce));
    assert_memory_equal(claim->key.data, xos_key_public(w.id.next), XOS_KEY_PUBLIC_BYTES);
    assert_int_equal(claim->life_ms, AUTH_HOUR_MS);
    assert_true(auth_slice_equal(xos_pb_slice(claim->name), auth_slice("xos://inria/user/alice")));
out:
    auth_statement_close(&s);
    xos_pb_free(m);
    xos_buf_free(&out);
    close_world(&w);
}

static const struct xt_test tests[] = {
    XT(a_login_makes_it_sign),
    XT(a_grant_is_the_users_own),
    XT(only_certificates_for_it_are_taken),
    XT(the_old_key_signs_until_the_new_one_is_certified),
    XT(a_renewal_is_signed_by_both_keys),
};
XT_MAIN(tests)
