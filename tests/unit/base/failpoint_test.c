// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a test that means to break a program breaks nothing and looks green, or a
 * program in service breaks by itself. */
#include "libxos/base/failpoint.h"
#include "tests/lib/xtest.h"

#include <stdio.h>

static void off_unless_asked_for(void **state)
{
    struct xos_error err = {0};
    (void)state;
    assert_int_equal(xos_failpoint_set(NULL, &err), 0);
    assert_false(xos_failpoint("store.commit"));
}

static void only_the_named_place_fails_and_not_before_its_turn(void **state)
{
    struct xos_error err = {0};
    (void)state;
    XT_TRY(xos_failpoint_set("store.commit:error:2", &err));
    assert_false(xos_failpoint("store.open"));
    assert_false(xos_failpoint("store.commit"));
    assert_false(xos_failpoint("store.commit"));
    assert_true(xos_failpoint("store.commit"));
    assert_true(xos_failpoint("store.commit")); /* and again */
out:
    (void)xos_failpoint_set(NULL, &err);
}

static void what_is_no_failpoint_is_refused(void **state)
{
    static const char *const table[] = {
        "", "name", "name:", ":kill", "name:boom", "name:kill:", "name:kill:x", "name:kill:-1",
    };
    struct xos_error err = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        XT_REFUSED(xos_failpoint_set(table[i], &err), XOS_INVALID);
    char lengthy[200];
    (void)snprintf(lengthy, sizeof(lengthy), "%0150d:kill", 0);
    XT_REFUSED(xos_failpoint_set(lengthy, &err), XOS_INVALID);
}

static const struct xt_test tests[] = {
    XT(off_unless_asked_for),
    XT(only_the_named_place_fails_and_not_before_its_turn),
    XT(what_is_no_failpoint_is_refused),
};
XT_MAIN(tests)
