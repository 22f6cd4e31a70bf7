// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: two kinds of certificate could be taken for each other. */
#include "tests/lib/auth_fixture.h"
#include "tests/lib/xtest.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

static void no_two_kinds_are_alike(void **state)
{
    (void)state;
    for (enum auth_kind a = AUTH_KIND_USER; a < AUTH_KINDS; a++) {
        const struct auth_profile *p = auth_profile_need(a);
        assert_ptr_equal(auth_profile_by_eku(p->eku), p);
        assert_int_equal(p->kind, a);
        for (enum auth_kind b = AUTH_KIND_USER; b < a; b++) {
            assert_false(auth_slice_equal(p->eku, auth_profile_need(b)->eku));
            assert_int_not_equal(p->name_kind, auth_profile_need(b)->name_kind);
        }
        assert_true(auth_profile_has(p, AUTH_EXT_EKU));
        assert_int_equal(auth_profile_has(p, AUTH_EXT_NODE), a == AUTH_KIND_NODE);
        assert_int_equal(auth_profile_has(p, AUTH_EXT_JOB), a == AUTH_KIND_JOB);
        assert_int_equal(auth_profile_has(p, AUTH_EXT_ISSUER_ID), a != AUTH_KIND_ROOT);
    }
    assert_null(auth_profile_by_eku((struct xos_slice){NULL, 0}));
    for (unsigned a = 0; a < AUTH_EXTS; a++)
        for (unsigned b = 0; b < a; b++)
            assert_false(auth_slice_equal(auth_extensions[a].oid, auth_extensions[b].oid));
}

static void der_elements(void **state)
{
    (void)state;
    struct xos_error err = {0};
    static const size_t sizes[] = {0, 1, 127, 128, 255, 256, 1000, 65535};
    static uint8_t data[65535];
    struct xos_buf b = XOS_BUF(1 << 20);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct xos_slice in, content;
        xos_buf_clear(&b);
        XT_TRY(auth_der_add(&b, 0x04, (struct xos_slice){data, sizes[i]}, &err));
        for (in = fixture_slice(&b); in.len > 0; in.len--) {
            struct xos_slice cut = {in.data, in.len - 1};
            if (in.len - 1 < 600 || in.len > b.len - 4)
                assert_int_equal(auth_der_take(&cut, 0x04, &content), -1);
        }
        in = fixture_slice(&b);
        assert_int_equal(auth_der_take(&in, 0x05, &content), -1);
        assert_int_equal(auth_der_take(&in, 0x04, &content), 0);
        assert_int_equal(content.len, sizes[i]);
        assert_int_equal(in.len, 0);
    }
out:
    xos_buf_free(&b);
}

static void long_forms_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *der;
        size_t len;
    } bad[] = {
        {"", 0},
        {"\x04", 1},
        {"\x04\x80\x00\x00", 4},      /* indefinite */
        {"\x04\x81\x01x", 4},         /* one byte would do */
        {"\x04\x82\x00\x01x", 5},     /* the same */
        {"\x04\x83\x00\x00\x01x", 6}, /* three bytes of length */
        {"\x04\x81", 2},              /* cut */
        {"\x04\x82\x01", 3},          /* cut */
        {"\x04\xff", 2},
        {"\x04\x02x", 3}, /* longer than it is */
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct xos_slice in = {(const uint8_t *)bad[i].der, bad[i].len}, content;
        assert_int_equal(auth_der_take(&in, 0x04, &content), -1);
        assert_int_equal(in.len, bad[i].len);
    }
}

static const struct xt_test tests[] = {
    XT(no_two_kinds_are_alike),
    XT(der_elements),
    XT(long_forms_are_refused),
};
XT_MAIN(tests)
