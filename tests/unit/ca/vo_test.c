// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: somebody has rights in a VO that nobody gave, or loses those that were given.
 */
#include "tests/unit/ca/ca_scene.h"
#include "vo-auth/ca/vo.h"

struct place {
    struct ca_scene s;
    struct ca_vo vo;
    struct auth_principal alice;
};

static int open_place(struct place *p, struct xos_error *err)
{
    struct xos_slice chain[3];
    memset(p, 0, sizeof(*p));
    if (scene_open(&p->s, err) < 0)
        return -1;
    p->vo = (struct ca_vo){.seq = 1, .changed_ms = FIXTURE_NOW_MS, .admin_count = 1};
    memcpy(p->vo.root_key, xos_key_public(p->s.fresh), XOS_KEY_PUBLIC_BYTES);
    memcpy(p->vo.key, xos_key_public(p->s.other), XOS_KEY_PUBLIC_BYTES);
    fixture_chain(&p->s.f, &p->s.f.user.der, chain);
    if (auth_name_parse(&p->vo.name, AUTH_NAME_VO, auth_slice("vo:climate@inria"), NULL, err) < 0 ||
        auth_name_parse(&p->vo.admins[0], AUTH_NAME_USER, auth_slice("carol@vu"), NULL, err) < 0)
        return -1;
    return auth_verify(chain, 3, &p->s.world.ctx, &p->alice, err);
}

static void close_place(struct place *p)
{
    auth_principal_free(&p->alice);
    ca_vo_free(&p->vo);
    scene_close(&p->s);
}

static bool may(const struct auth_attr *a, const char *acting)
{
    struct auth_name name;
    return auth_name_parse_acting(&name, auth_slice(acting), NULL, NULL) == 0 &&
           auth_attr_has(a, &name);
}

static void a_member_gets_what_the_table_says(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf m = XOS_BUF(AUTH_MANIFEST_BYTES_MAX), a = XOS_BUF(AUTH_ATTR_BYTES_MAX);
    struct ca_vo_names names;
    struct auth_manifest manifest, known = {0};
    struct auth_attr attr, seen = {0};
    uint8_t root[XOS_HASH_BYTES];
    struct place p;
    XT_TRY(open_place(&p, &err));
    XT_REFUSED(ca_vo_attr(&attr, &p.vo, &p.alice, FIXTURE_NOW_MS, &err), XOS_DENIED);
    XT_TRY(ca_vo_add(&p.vo, &p.alice.name, "prod:runner  dev", FIXTURE_NOW_MS, &err));
    assert_int_equal(p.vo.seq, 2);
    XT_TRY(ca_vo_attr(&attr, &p.vo, &p.alice, FIXTURE_NOW_MS, &err));
    XT_TRY(ca_vo_manifest(&manifest, &p.vo, &names, &err));
    XT_TRY(auth_manifest_sign(&m, &manifest, p.s.fresh, &err));
    XT_TRY(auth_attr_sign(&a, &attr, p.s.other, &err));
    XT_TRY(auth_key_hash(p.vo.root_key, root, &err));
    XT_TRY(
        auth_manifest_check(&known, fixture_slice(&m), &p.vo.name, root, 2, FIXTURE_NOW_MS, &err));
    XT_TRY(auth_attr_check(&seen, fixture_slice(&a), &known, &p.alice, FIXTURE_NOW_MS, &err));
    assert_true(may(&seen, "vo:climate@inria/prod:runner"));
    assert_true(may(&seen, "vo:climate@inria/prod"));
    assert_true(may(&seen, "vo:climate@inria/dev"));
    assert_false(may(&seen, "vo:climate@inria/dev:runner"));
    assert_false(may(&seen, "vo:climate@inria/test"));
    XT_TRY(ca_vo_remove(&p.vo, &p.alice.name, FIXTURE_NOW_MS, &err));
    XT_REFUSED(ca_vo_attr(&attr, &p.vo, &p.alice, FIXTURE_NOW_MS, &err), XOS_DENIED);
    XT_REFUSED(ca_vo_remove(&p.vo, &p.alice.name, FIXTURE_NOW_MS, &err), XOS_NOT_FOUND);
out:
    auth_manifest_free(&known);
    auth_attr_free(&seen);
    xos_buf_free(&m);
    xos_buf_free(&a);
    close_place(&p);
}

static void rights_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"Prod",     "prod:", ":runner",      "prod/x",
                                      "prod:a:b", "a--b",  "prod:runner;", "../x"};
    struct xos_error err = {0};
    struct place p;
    XT_TRY(open_place(&p, &err));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(ca_vo_add(&p.vo, &p.alice.name, bad[i], FIXTURE_NOW_MS, NULL), -1);
    assert_int_equal(p.vo.count, 0);
    assert_int_equal(p.vo.seq, 1);
out:
    close_place(&p);
}

static void a_vo_comes_back_from_its_file(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf file = XOS_BUF(CA_VO_BYTES_MAX), twice = XOS_BUF(CA_VO_BYTES_MAX);
    struct ca_vo again = {0};
    struct place p;
    XT_TRY(open_place(&p, &err));
    XT_TRY(ca_vo_add(&p.vo, &p.alice.name, "prod prod:runner", FIXTURE_NOW_MS, &err));
    XT_TRY(ca_vo_add(&p.vo, &p.vo.admins[0], "", FIXTURE_NOW_MS + 5, &err));
    XT_TRY(ca_vo_encode(&p.vo, &file, &err));
    XT_TRY(ca_vo_decode(&again, fixture_slice(&file), &err));
    assert_int_equal(again.count, 2);
    assert_int_equal(again.seq, 3);
    XT_TRY(ca_vo_encode(&again, &twice, &err));
    assert_int_equal(twice.len, file.len);
    assert_memory_equal(twice.data, file.data, file.len);
out:
    ca_vo_free(&again);
    xos_buf_free(&file);
    xos_buf_free(&twice);
    close_place(&p);
}

static const struct xt_test tests[] = {
    XT(a_member_gets_what_the_table_says),
    XT(rights_that_are_none_are_refused),
    XT(a_vo_comes_back_from_its_file),
};
XT_MAIN(tests)
