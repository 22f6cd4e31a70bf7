// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: somebody acts for a VO in a group or role that the VO did not give them. */
#include "tests/lib/forge.h"
#include "tests/lib/vo_fixture.h"
#include "tests/lib/xtest.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

static int check(const struct vo_fixture *v, const struct xos_buf *bytes, struct xos_error *err)
{
    struct auth_attr a = {0};
    int rc = auth_attr_check(&a, fixture_slice(bytes), &v->known, &v->alice, v->f.ctx.now_ms, err);
    auth_attr_free(&a);
    return rc;
}

static bool has(const struct auth_attr *a, const char *acting)
{
    struct auth_name n;
    return auth_name_parse_acting(&n, auth_slice(acting), NULL, NULL) == 0 && auth_attr_has(a, &n);
}

static void a_member_may_act_as_what_is_said(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct vo_fixture v;
    struct auth_attr a = {0};
    XT_TRY(vo_fixture_open(&v, &err));
    XT_TRY(auth_attr_check(&a, fixture_slice(&v.attr), &v.known, &v.alice, FIXTURE_NOW_MS, &err));
    assert_true(has(&a, "vo:climate@inria"));
    assert_true(has(&a, "vo:climate@inria/prod"));
    assert_true(has(&a, "vo:climate@inria/dev"));
    assert_true(has(&a, "vo:climate@inria/prod:runner"));
    assert_false(has(&a, "vo:climate@inria/dev:runner"));
    assert_false(has(&a, "vo:climate@inria/ops"));
    assert_false(has(&a, "vo:climate@inria/prod:run"));
    assert_false(has(&a, "vo:climate@vu"));
    assert_false(has(&a, "vo:climat@inria/prod"));
    struct auth_name user = v.alice.name;
    memcpy(user.part, a.vo.part, sizeof(user.part));
    assert_false(auth_attr_has(&a, &user));
    assert_int_equal(a.seq, 9);
out:
    auth_attr_free(&a);
    vo_fixture_close(&v);
}

static void other_vo(struct auth_attr *a)
{
    a->vo.part[0] = 'k';
}
static void other_vo_root(struct auth_attr *a)
{
    a->vo_root_hash[0] ^= 1;
}
static void other_subject(struct auth_attr *a)
{
    a->subject.part[0] = 'b';
}
static void other_subject_institution(struct auth_attr *a)
{
    a->subject.institution[0] = 'v';
}
static void other_key(struct auth_attr *a)
{
    a->subject_key_hash[31] ^= 1;
}
static void other_root(struct auth_attr *a)
{
    a->subject_root_hash[31] ^= 1;
}
static void ended(struct auth_attr *a)
{
    a->issued_ms -= AUTH_DAY_MS;
    a->expires_ms -= AUTH_DAY_MS;
}
static void ahead(struct auth_attr *a)
{
    a->issued_ms += AUTH_DAY_MS;
    a->expires_ms += AUTH_DAY_MS;
}

static void statements_about_others_are_refused(void **state)
{
    (void)state;
    static const struct {
        void (*spoil)(struct auth_attr *a);
        enum xos_code code;
        const char *step;
    } rows[] = {
        {other_vo, XOS_DENIED, "VO:"},          {other_vo_root, XOS_DENIED, "VO:"},
        {other_subject, XOS_DENIED, "subject"}, {other_subject_institution, XOS_DENIED, "subject"},
        {other_key, XOS_DENIED, "subject"},     {other_root, XOS_DENIED, "subject"},
        {ended, XOS_EXPIRED, "times"},          {ahead, XOS_CLOCK, "times"},
    };
    struct xos_error err = {0};
    struct vo_fixture v;
    XT_TRY(vo_fixture_open(&v, &err));
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct auth_attr a = v.a;
        rows[i].spoil(&a);
        xos_buf_clear(&v.attr);
        XT_TRY(auth_attr_sign(&v.attr, &a, v.key, &err));
        XT_REFUSED(check(&v, &v.attr, &err), rows[i].code);
        if (!xt_starving())
            assert_non_null(strstr(err.text, rows[i].step));
    }
    /* one about a user does not serve a node */
    xos_buf_clear(&v.attr);
    XT_TRY(auth_attr_sign(&v.attr, &v.a, v.key, &err));
    v.alice.kind = AUTH_KIND_NODE;
    XT_REFUSED(check(&v, &v.attr, &err), XOS_DENIED);
out:
    vo_fixture_close(&v);
}

static void only_the_vo_speaks_for_itself(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct vo_fixture v;
    struct xos_buf forged = XOS_BUF(AUTH_ATTR_BYTES_MAX);
    XT_TRY(vo_fixture_open(&v, &err));
    /* the institution's CA, the VO's root key, the member: none of them is in the manifest */
    const struct xos_key *const keys[] = {v.f.ca.key, v.root, v.f.user.key};
    for (size_t i = 0; i < COUNT(keys); i++) {
        xos_buf_clear(&forged);
        XT_TRY(auth_attr_sign(&forged, &v.a, keys[i], &err));
        XT_REFUSED(check(&v, &forged, &err), XOS_DENIED);
        XT_TRY(forge_statement(&forged, &v.attr, auth_slice(""), AUTH_ATTR_DOMAIN, keys[i], &err));
        XT_REFUSED(check(&v, &forged, &err), XOS_DENIED);
    }
    XT_TRY(forge_statement(&forged, &v.attr, auth_slice(""), AUTH_MANIFEST_DOMAIN, v.key, &err));
    XT_REFUSED(check(&v, &forged, &err), XOS_DENIED);
    XT_TRY(check(&v, &v.attr, &err));
    for (size_t i = 0; i < v.attr.len; i++) {
        v.attr.data[i] ^= (uint8_t)(1u << (i % 8));
        if (check(&v, &v.attr, &err) == 0)
            fail_msg("byte %zu", i);
        v.attr.data[i] ^= (uint8_t)(1u << (i % 8));
    }
    for (size_t whole = v.attr.len; v.attr.len > 0;) {
        v.attr.len--;
        assert_int_equal(check(&v, &v.attr, &err), -1);
        assert_true(v.attr.len < whole);
    }
out:
    xos_buf_free(&forged);
    vo_fixture_close(&v);
}

static void statements_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } extras[] = {
        {"\x58\x01", 2},             /* field 11 */
        {"\x50\x0a", 2},             /* seq once more */
        {"\x3a\x08ops:boss", 10},    /* a role without its group, out of order */
        {"\x32\x01z", 3},            /* a group more, after the rest */
        {"\x40\x80\x80\x80\x00", 5}, /* a long varint */
    };
    struct xos_error err = {0};
    struct vo_fixture v;
    struct xos_buf forged = XOS_BUF(AUTH_ATTR_BYTES_MAX);
    XT_TRY(vo_fixture_open(&v, &err));
    for (size_t i = 0; i < COUNT(extras); i++) {
        struct xos_slice extra = {(const uint8_t *)extras[i].bytes, extras[i].len};
        XT_TRY(forge_statement(&forged, &v.attr, extra, AUTH_ATTR_DOMAIN, v.key, &err));
        XT_REFUSED(check(&v, &forged, &err), XOS_PROTOCOL);
    }
    static const char *const bad_roles[] = {"prod", "prod:", ":x", "prod:a:b", "ops:x", "prod:--"};
    for (size_t i = 0; i < COUNT(bad_roles); i++) {
        v.a.roles.at[0] = auth_slice(bad_roles[i]);
        XT_REFUSED(auth_attr_sign(&forged, &v.a, v.key, &err), XOS_PROTOCOL);
    }
    v.a.roles.count = 0;
    v.a.expires_ms++;
    XT_REFUSED(auth_attr_sign(&forged, &v.a, v.key, &err), XOS_DENIED);
out:
    xos_buf_free(&forged);
    vo_fixture_close(&v);
}

static const struct xt_test tests[] = {
    XT(a_member_may_act_as_what_is_said),
    XT(statements_about_others_are_refused),
    XT(only_the_vo_speaks_for_itself),
    XT(statements_are_read_strictly),
};
XT_MAIN(tests)
