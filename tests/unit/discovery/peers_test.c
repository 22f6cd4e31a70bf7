// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: views hold a node twice, or one institution crowds out the others. */
#include "discovery/core/peers.h"
#include "libxos/base/alloc.h"
#include "tests/lib/disc.h"
#include "tests/lib/xtest.h"

#include <string.h>

static int add(struct peers *p, const char *name, const char *institution, uint32_t age,
               struct xos_error *err)
{
    struct descriptor d;
    if (disc_test_descriptor(&d, name, institution, 1, err) < 0)
        return -1;
    peers_add(p, &d, age);
    return 0;
}

static void entries_are_found_after_others_went(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct peers p = {.max = 4};
    XT_TRY(add(&p, "a", "vu", 1, &err));
    XT_TRY(add(&p, "b", "vu", UINT32_MAX, &err));
    XT_TRY(add(&p, "c", "inria", 3, &err));
    assert_int_equal(p.at[1].age, PEERS_AGE_MAX);
    peers_remove(&p, peers_find(&p, "a.vu"));
    assert_int_equal(peers_find(&p, "a.vu"), PEERS_NO_PLACE);
    assert_string_equal(p.at[peers_find(&p, "c.inria")].who.node, "c.inria");
    assert_string_equal(p.at[peers_find(&p, "b.vu")].who.node, "b.vu");
    assert_int_equal(peers_of(&p, "vu"), 1);
    assert_int_equal(peers_not_of(&p, "vu"), 1);
    assert_false(peers_full(&p));
out:;
}

static void the_oldest_of_the_largest_institution_goes_first(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct peers p = {.max = 6};
    struct peers_random r = {1};
    XT_TRY(add(&p, "a", "vu", 200, &err));
    XT_TRY(add(&p, "b", "evil", 1, &err));
    XT_TRY(add(&p, "c", "evil", 7, &err));
    XT_TRY(add(&p, "d", "evil", 2, &err));
    assert_string_equal(p.at[peers_oldest_of_most(&p)].who.node, "c.evil");
    for (unsigned i = 0; i < 50; i++)
        assert_string_equal(p.at[peers_pick_of(&p, "evil", &r)].who.institution, "evil");
    assert_int_equal(peers_pick_of(&p, "inria", &r), PEERS_NO_PLACE);
out:;
}

static const struct xt_test tests[] = {
    XT(entries_are_found_after_others_went),
    XT(the_oldest_of_the_largest_institution_goes_first),
};
XT_MAIN(tests)
