// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: bytes of an ssh-agent or of a login lead past the end of a message. */
#include "tests/lib/xtest.h"
#include "vo-auth/core/sshwire.h"

#include <string.h>

#define S(text) ((struct xos_slice){(const uint8_t *)(text), sizeof(text) - 1})

static void strings_are_taken_only_whole(void **state)
{
    (void)state;
    static const struct {
        struct xos_slice in;
        int len; /* of the string, or -1 */
        size_t rest;
    } rows[] = {
        {S("\0\0\0\0"), 0, 0},          {S("\0\0\0\2ab"), 2, 0}, {S("\0\0\0\2abc"), 2, 1},
        {S("\0\0\0\3ab"), -1, 6},       {S("\0\0\0"), -1, 3},    {S(""), -1, 0},
        {S("\xff\xff\xff\xff"), -1, 4},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xos_slice in = rows[i].in, out = {NULL, 0};
        assert_int_equal(auth_ssh_take_string(&in, &out), rows[i].len >= 0);
        assert_int_equal(in.len, rows[i].rest);
        if (rows[i].len >= 0)
            assert_int_equal(out.len, rows[i].len);
    }
}

static void numbers_have_one_form(void **state)
{
    (void)state;
    static const struct {
        struct xos_slice in;
        bool good;
    } rows[] = {
        {S("\0\0\0\1\x7f"), true},    {S("\0\0\0\2\0\x80"), true}, {S("\0\0\0\1\x80"), false},
        {S("\0\0\0\2\0\x7f"), false}, {S("\0\0\0\1\0"), false},    {S("\0\0\0\0"), false},
        {S("\0\0\0\2\1"), false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xos_slice in = rows[i].in, out;
        assert_int_equal(auth_ssh_take_mpint(&in, &out), rows[i].good);
        assert_int_equal(in.len, rows[i].good ? 0 : rows[i].in.len);
    }
}

static void bytes_end(void **state)
{
    (void)state;
    struct xos_slice in = S("\7");
    uint8_t value = 0;
    uint32_t number;
    assert_false(auth_ssh_take_u32(&in, &number));
    assert_true(auth_ssh_take_byte(&in, &value));
    assert_int_equal(value, 7);
    assert_false(auth_ssh_take_byte(&in, &value));
    assert_true(auth_ssh_is(in, ""));
    assert_false(auth_ssh_is(S("abc"), "abd"));
    assert_false(auth_ssh_is(S("abc"), "ab"));
    assert_true(auth_ssh_is(S("abc"), "abc"));
}

static void what_is_put_can_be_taken(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf b = XOS_BUF(32), small = XOS_BUF(6);
    struct xos_slice in, out;
    uint32_t number;
    XT_TRY(auth_ssh_put_u32(&b, 0x01020304, &err));
    XT_TRY(auth_ssh_put_text(&b, "key", &err));
    in = (struct xos_slice){b.data, b.len};
    assert_true(auth_ssh_take_u32(&in, &number));
    assert_int_equal(number, 0x01020304);
    assert_true(auth_ssh_take_string(&in, &out));
    assert_true(auth_ssh_is(out, "key"));
    XT_REFUSED(auth_ssh_put_text(&small, "key", &err), XOS_LIMIT);
    assert_int_equal(small.len, 0);
    XT_REFUSED(auth_ssh_put_string(&b, (struct xos_slice){b.data, (size_t)UINT32_MAX + 1}, &err),
               XOS_LIMIT);
out:
    xos_buf_free(&b);
    xos_buf_free(&small);
}

static const struct xt_test tests[] = {
    XT(strings_are_taken_only_whole),
    XT(numbers_have_one_form),
    XT(bytes_end),
    XT(what_is_put_can_be_taken),
};
XT_MAIN(tests)
