// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a group or an action is missed in a list, or one list has two encodings. */
#include "tests/lib/xtest.h"
#include "vo-auth/core/name.h"
#include "vo-auth/core/set.h"

#include <stdio.h>

static void sets_are_sorted_and_bounded(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct auth_set set = {0}, wide = {0};
    char names[AUTH_SET_ENTRIES_MAX + 1][8];
    for (int i = 0; i < AUTH_SET_ENTRIES_MAX; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "g%d", (i * 7) % AUTH_SET_ENTRIES_MAX);
        XT_TRY(auth_set_add(&set, auth_slice(names[i]), &err));
    }
    for (size_t i = 1; i < set.count; i++)
        assert_true(auth_slice_compare(set.at[i - 1], set.at[i]) < 0);
    XT_REFUSED(auth_set_add(&set, auth_slice("g0"), &err), XOS_EXISTS);
    XT_REFUSED(auth_set_add(&set, auth_slice("h"), &err), XOS_LIMIT);
    assert_false(auth_set_has(&set, auth_slice("g")));
    assert_false(auth_set_within(&set, &wide));
    assert_true(auth_set_within(&wide, &set));
    ProtobufCBinaryData raw[AUTH_SET_ENTRIES_MAX + 1];
    size_t count = auth_set_write(&set, raw);
    XT_TRY(auth_set_read(&wide, count, raw, auth_name_part_valid, "groups", &err));
    assert_true(auth_set_within(&set, &wide));
    XT_REFUSED(auth_set_read(&wide, count + 1, raw, auth_name_part_valid, "groups", &err),
               XOS_LIMIT);
    raw[1] = raw[0];
    XT_REFUSED(auth_set_read(&wide, 2, raw, auth_name_part_valid, "groups", &err), XOS_PROTOCOL);
    raw[1].len = 0;
    XT_REFUSED(auth_set_read(&wide, 2, raw, auth_name_part_valid, "groups", &err), XOS_PROTOCOL);
out:;
}

static void order_is_by_bytes(void **state)
{
    (void)state;
    static const char *const sorted[] = {"", "a", "a.b", "a0", "aa", "b"};
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < 6; j++) {
            int by = auth_slice_compare(auth_slice(sorted[i]), auth_slice(sorted[j]));
            assert_int_equal((by > 0) - (by < 0), (i > j) - (i < j));
        }
}

static const struct xt_test tests[] = {
    XT(sets_are_sorted_and_bounded),
    XT(order_is_by_bytes),
};
XT_MAIN(tests)
