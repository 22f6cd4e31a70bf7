// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a node forgets the other half of the grid during a long cut. */
#include "discovery/core/sample.h"
#include "tests/lib/disc.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <string.h>

/* However often one half is named, the other half keeps its share of the sample. */
static void the_sample_does_not_count_how_often_one_is_named(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct sample s = {.ready = false};
    struct peers_random r = {7};
    struct descriptor d;
    char name[16];
    unsigned quiet = 0;
    sample_init(&s, &r);
    assert_null(sample_pick(&s, false, &r));
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof(name), "q%u", i);
        XT_TRY(disc_test_descriptor(&d, name, "quiet", 1, &err));
        sample_add(&s, &d);
    }
    for (unsigned i = 0; i < 20000; i++) {
        (void)snprintf(name, sizeof(name), "l%u", i % 100);
        XT_TRY(disc_test_descriptor(&d, name, "loud", i, &err));
        sample_add(&s, &d);
    }
    assert_int_equal(sample_count(&s), SAMPLE_MAX);
    for (unsigned i = 0; i < SAMPLE_MAX; i++)
        quiet += !strcmp(s.at[i].who.institution, "quiet");
    assert_in_range(quiet, SAMPLE_MAX / 4, SAMPLE_MAX * 3 / 4);
    assert_non_null(sample_pick(&s, false, &r));
out:;
}

static void who_is_out_of_reach_for_a_week_is_given_up(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct sample s = {.ready = false};
    struct peers_random r = {7};
    struct descriptor d;
    sample_init(&s, &r);
    XT_TRY(disc_test_descriptor(&d, "a", "vu", 1, &err));
    sample_add(&s, &d);
    sample_failed(&s, d.node, 1000);
    sample_failed(&s, d.node, SAMPLE_FORGET_MS);
    assert_int_equal(sample_count(&s), SAMPLE_MAX);
    assert_string_equal(sample_pick(&s, true, &r)->node, "a.vu");
    assert_true(sample_reached(&s, d.node));
    assert_false(sample_reached(&s, d.node));
    assert_null(sample_pick(&s, true, &r));
    sample_failed(&s, d.node, 2 * SAMPLE_FORGET_MS);
    assert_int_equal(sample_count(&s), SAMPLE_MAX);
    sample_failed(&s, d.node, 3 * SAMPLE_FORGET_MS + 1);
    assert_int_equal(sample_count(&s), 0);
out:;
}

static const struct xt_test tests[] = {
    XT_PLAIN(the_sample_does_not_count_how_often_one_is_named),
    XT(who_is_out_of_reach_for_a_week_is_given_up),
};
XT_MAIN(tests)
