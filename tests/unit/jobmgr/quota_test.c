// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a user is refused for jobs that are over, or gets more than he may. */
#include "jobmgr/core/quota.h"
#include "tests/lib/xtest.h"

#include <stdio.h>

static void names_are_counted(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct quota *q = NULL;
    XT_TRY(quota_new(&q, &err));
    assert_int_equal(quota_count(q, "alice@inria"), 0);
    XT_TRY(quota_add(q, "alice@inria", &err));
    XT_TRY(quota_add(q, "alice@inria", &err));
    XT_TRY(quota_add(q, "vo:demo@inria", &err));
    XT_TRY(quota_add(q, "", &err)); /* nobody */
    assert_int_equal(quota_count(q, "alice@inria"), 2);
    assert_int_equal(quota_count(q, "alice@inri"), 0);
    assert_int_equal(quota_count(q, ""), 0);
    quota_remove(q, "");
    quota_remove(q, "alice@inria");
    assert_int_equal(quota_count(q, "alice@inria"), 1);
    quota_remove(q, "alice@inria");
    assert_int_equal(quota_names(q), 1); /* who has none takes no room */
out:
    quota_free(q);
}

static void many_names_come_and_go(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct quota *q = NULL;
    char name[32];
    XT_TRY(quota_new(&q, &err));
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(name, sizeof(name), "u%d@inria", i % 1000);
        XT_TRY(quota_add(q, name, &err));
    }
    assert_int_equal(quota_names(q), 1000);
    assert_int_equal(quota_count(q, "u999@inria"), 3);
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(name, sizeof(name), "u%d@inria", i % 1000);
        quota_remove(q, name);
    }
    assert_int_equal(quota_names(q), 0);
out:
    quota_free(q);
}

static const struct xt_test tests[] = {
    XT(names_are_counted),
    XT_PLAIN(many_names_come_and_go),
};
XT_MAIN(tests)
