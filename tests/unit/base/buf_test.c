// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a peer fills our memory, or a half-built answer is sent. */
#include "libxos/base/alloc.h"
#include "libxos/base/buf.h"
#include "tests/lib/xtest.h"

#include <string.h>

static void it_grows_and_ends_with_a_nul(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf b = XOS_BUF(100000);
    for (unsigned i = 0; i < 5000; i++) {
        XT_TRY(xos_buf_addf(&b, &err, "%u,", i % 10));
        assert_int_equal(b.data[b.len], 0);
    }
    assert_int_equal(b.len, 10000);
    assert_memory_equal(b.data + 9994, "7,8,9,", 6);
    xos_buf_shift(&b, 9994);
    assert_string_equal((char *)b.data, "7,8,9,");
    xos_buf_shift(&b, 0);
    xos_buf_cut(&b, 1);
    assert_string_equal((char *)b.data, "7");
    xos_buf_shift(&b, 1);
    assert_string_equal((char *)b.data, "");
    XT_TRY(xos_buf_add_text(&b, "more", &err));
    xos_buf_clear(&b);
    assert_string_equal((char *)b.data, "");
    XT_TRY(xos_buf_add(&b, NULL, 0, &err));
out:
    xos_buf_wipe(&b);
    assert_null(b.data);
}

static void the_limit_is_exact_and_a_refusal_changes_nothing(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf b = XOS_BUF(10);
    XT_TRY(xos_buf_add_text(&b, "0123456789", &err));
    XT_REFUSED(xos_buf_add_text(&b, "x", &err), XOS_LIMIT);
    XT_REFUSED(xos_buf_addf(&b, &err, "%d", 5), XOS_LIMIT);
    XT_REFUSED(xos_buf_add(&b, "x", SIZE_MAX, &err), XOS_LIMIT);
    assert_string_equal((char *)b.data, "0123456789");
    xos_buf_cut(&b, 5);
    XT_REFUSED(xos_buf_addf(&b, &err, "%s", "abcdef"), XOS_LIMIT);
    XT_TRY(xos_buf_addf(&b, &err, "%s", "abcde"));
    assert_string_equal((char *)b.data, "01234abcde");
out:
    xos_buf_free(&b);
}

static void a_buffer_without_a_limit_still_has_one(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf b = XOS_BUF(SIZE_MAX);
    XT_TRY(xos_buf_add_text(&b, "x", &err));
    static const size_t sizes[] = {SIZE_MAX - 1, SIZE_MAX - 2, SIZE_MAX / 2 + 1, XOS_ALLOC_MAX};
    for (size_t i = 0; i < 4; i++) {
        assert_null(xos_buf_room(&b, sizes[i], &err));
        assert_int_equal(err.code, XOS_NOMEM);
    }
    assert_string_equal((char *)b.data, "x");
out:
    xos_buf_free(&b);
}

static void room_is_filled_by_the_caller(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf b = XOS_BUF(1000);
    uint8_t *room = xos_buf_room(&b, 500, &err);
    XT_PTR(room);
    memset(room, 'r', 500);
    room[500] = 0;
    b.len += 500;
    assert_int_equal(strlen((char *)b.data), 500);
out:
    xos_buf_free(&b);
}

static const struct xt_test tests[] = {
    XT(it_grows_and_ends_with_a_nul),
    XT(the_limit_is_exact_and_a_refusal_changes_nothing),
    XT(a_buffer_without_a_limit_still_has_one),
    XT(room_is_filled_by_the_caller),
};
XT_MAIN(tests)
