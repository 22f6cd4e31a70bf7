// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: somebody else decides who speaks for a VO. */
#include "tests/lib/forge.h"
#include "tests/lib/vo_fixture.h"
#include "tests/lib/xtest.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

static int check(const struct vo_fixture *v, const struct xos_buf *bytes, uint64_t seq_min,
                 struct xos_error *err)
{
    struct auth_manifest m = {0};
    int rc = auth_manifest_check(&m, fixture_slice(bytes), &v->m.vo, v->m.root_hash, seq_min,
                                 v->f.ctx.now_ms, err);
    auth_manifest_free(&m);
    return rc;
}

static void a_manifest_comes_back_whole(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct vo_fixture v;
    XT_TRY(vo_fixture_open(&v, &err));
    assert_int_equal(v.known.keys.count, 1);
    assert_memory_equal(v.known.keys.at[0].data, xos_key_public(v.key), 32);
    assert_true(auth_set_has(&v.known.admins, auth_slice("bob@vu")));
    assert_int_equal(v.known.seq, 3);
    XT_TRY(check(&v, &v.manifest, 3, &err));
    XT_REFUSED(check(&v, &v.manifest, 4, &err), XOS_STALE);
    v.f.ctx.now_ms -= 2 * AUTH_DAY_MS;
    XT_REFUSED(check(&v, &v.manifest, 3, &err), XOS_CLOCK);
out:
    vo_fixture_close(&v);
}

static void only_the_root_key_makes_one(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct vo_fixture v;
    struct auth_manifest m = {0};
    struct xos_buf forged = XOS_BUF(AUTH_MANIFEST_BYTES_MAX);
    XT_TRY(vo_fixture_open(&v, &err));
    /* signed by a key that the VO uses for attributes */
    XT_REFUSED(auth_manifest_sign(&forged, &v.m, v.key, &err), XOS_INVALID);
    XT_TRY(
        forge_statement(&forged, &v.manifest, auth_slice(""), AUTH_MANIFEST_DOMAIN, v.key, &err));
    XT_REFUSED(check(&v, &forged, 1, &err), XOS_DENIED);
    /* signed for another purpose */
    XT_TRY(forge_statement(&forged, &v.manifest, auth_slice(""), AUTH_ATTR_DOMAIN, v.root, &err));
    XT_REFUSED(check(&v, &forged, 1, &err), XOS_DENIED);
    /* a VO of the same name with a root key of its own */
    memcpy(v.m.root_key, xos_key_public(v.key), 32);
    xos_buf_clear(&forged);
    XT_TRY(auth_manifest_sign(&forged, &v.m, v.key, &err));
    XT_REFUSED(check(&v, &forged, 1, &err), XOS_DENIED);
    /* another VO */
    struct auth_name other = v.m.vo;
    other.part[0] = 'k';
    XT_REFUSED(auth_manifest_check(&m, fixture_slice(&v.manifest), &other, v.m.root_hash, 1,
                                   FIXTURE_NOW_MS, &err),
               XOS_DENIED);
    /* an attribute statement is no manifest */
    XT_REFUSED(check(&v, &v.attr, 1, &err), XOS_PROTOCOL);
out:
    xos_buf_free(&forged);
    vo_fixture_close(&v);
}

static void manifests_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } extras[] = {
        {"\x38\x01", 2},     /* field 7 */
        {"\x28\x04", 2},     /* seq once more */
        {"\x22\x01x", 3},    /* an admin that is no user */
        {"\x1a\x01x", 3},    /* a key of one byte */
        {"\x30\x80\x00", 3}, /* a long varint */
    };
    struct xos_error err = {0};
    struct vo_fixture v;
    struct xos_buf forged = XOS_BUF(AUTH_MANIFEST_BYTES_MAX);
    XT_TRY(vo_fixture_open(&v, &err));
    for (size_t i = 0; i < COUNT(extras); i++) {
        struct xos_slice extra = {(const uint8_t *)extras[i].bytes, extras[i].len};
        XT_TRY(forge_statement(&forged, &v.manifest, extra, AUTH_MANIFEST_DOMAIN, v.root, &err));
        XT_REFUSED(check(&v, &forged, 1, &err), XOS_PROTOCOL);
    }
    v.m.seq = 0;
    XT_REFUSED(auth_manifest_sign(&forged, &v.m, v.root, &err), XOS_PROTOCOL);
    v.m.seq = 1;
    v.m.admins.count = 0;
    XT_REFUSED(auth_manifest_sign(&forged, &v.m, v.root, &err), XOS_PROTOCOL);
    v.m.admins.count = 1;
    v.m.keys.count = 0;
    XT_REFUSED(auth_manifest_sign(&forged, &v.m, v.root, &err), XOS_PROTOCOL);
    for (size_t i = 0; i < v.manifest.len; i++) {
        v.manifest.data[i] ^= (uint8_t)(1u << (i % 8));
        if (check(&v, &v.manifest, 1, &err) == 0)
            fail_msg("byte %zu", i);
        v.manifest.data[i] ^= (uint8_t)(1u << (i % 8));
    }
out:
    xos_buf_free(&forged);
    vo_fixture_close(&v);
}

static const struct xt_test tests[] = {
    XT(a_manifest_comes_back_whole),
    XT_PLAIN(only_the_root_key_makes_one),
    XT_PLAIN(manifests_are_read_strictly),
};
XT_MAIN(tests)
