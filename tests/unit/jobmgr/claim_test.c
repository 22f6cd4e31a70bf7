// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a node promises the same processor twice, or a stale head takes a unit back.
 */
#include "jobmgr/core/claim.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <string.h>

#define HEAD "n1.inria"

static const struct claim_limits node = {.node = {.cpus = 8, .mem_bytes = 1024, .gpus = 1},
                                         .units_per_user = 6};

static struct claim wanted(const char *job, uint64_t epoch, uint32_t cpus)
{
    struct claim c = {.epoch = epoch, .need = {.cpus = cpus, .mem_bytes = 64}};
    (void)snprintf(c.id.job, sizeof(c.id.job), "%s", job);
    (void)snprintf(c.user, sizeof(c.user), "%s", "alice@inria");
    (void)snprintf(c.head, sizeof(c.head), "%s", HEAD);
    return c;
}

static const uint32_t units[] = {0, 1, 2, 3, 4, 5, 6, 7};

static void all_units_or_none(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct claim_table *t = NULL;
    struct claim_need left;
    struct claim c = wanted("inria-1", 1, 3);
    XT_TRY(claim_table_new(&t, &node, &err));
    XT_REFUSED(claim_grant(t, &c, units, 3, 0, &err), XOS_BUSY);
    assert_int_equal(claim_count(t), 0);
    XT_TRY(claim_grant(t, &c, units, 2, 0, &err));
    claim_free_now(t, &left);
    assert_int_equal(left.cpus, 2);
    assert_int_equal(left.mem_bytes, 1024 - 128);
    claim_release(t, &(struct claim_id){"inria-1", 0}, 1, HEAD, 0);
    claim_free_now(t, &left);
    assert_int_equal(left.cpus, 5);
out:
    claim_table_free(t);
}

static void more_than_the_node_has_is_a_limit(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct claim_table *t = NULL;
    struct claim c = wanted("inria-1", 1, 9);
    XT_TRY(claim_table_new(&t, &node, &err));
    XT_REFUSED(claim_grant(t, &c, units, 1, 0, &err), XOS_LIMIT);
    c = wanted("inria-1", 1, 1);
    XT_REFUSED(claim_grant(t, &c, units, 7, 0, &err), XOS_LIMIT);
    claim_table_drain(t, true);
    XT_REFUSED(claim_grant(t, &c, units, 1, 0, &err), XOS_UNAVAILABLE);
out:
    claim_table_free(t);
}

static void granting_again_only_renews(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct claim_table *t = NULL;
    struct claim c = wanted("inria-1", 1, 4);
    uint64_t next;
    XT_TRY(claim_table_new(&t, &node, &err));
    XT_TRY(claim_grant(t, &c, units, 2, 0, &err));
    XT_TRY(claim_grant(t, &c, units, 2, 5000, &err));
    assert_int_equal(claim_count(t), 2);
    assert_int_equal(claim_expire(t, CLAIM_HOLD_MS, &next), 0);
    assert_int_equal(next, 5000 + CLAIM_HOLD_MS);
    assert_int_equal(claim_expire(t, 5000 + CLAIM_HOLD_MS, &next), 2);
    assert_true(next == UINT64_MAX);
out:
    claim_table_free(t);
}

static void a_stale_head_cannot_touch_it(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct claim_table *t = NULL;
    struct claim_id id = {"inria-1", 0};
    struct claim c = wanted("inria-1", 2, 1), other = wanted("inria-1", 2, 1);
    XT_TRY(claim_table_new(&t, &node, &err));
    XT_TRY(claim_grant(t, &c, units, 1, 0, &err));
    XT_REFUSED(claim_renew(t, &id, 1, HEAD, 1, &err), XOS_STALE);
    XT_REFUSED(claim_renew(t, &id, 2, "n9.vu", 1, &err), XOS_STALE);
    XT_REFUSED(claim_start(t, &id, 1, &err), XOS_STALE);
    (void)snprintf(other.head, sizeof(other.head), "%s", "n9.vu");
    XT_REFUSED(claim_grant(t, &other, units, 1, 1, &err), XOS_STALE);
    claim_release(t, &id, 1, HEAD, 1);
    claim_release(t, &id, 2, "n9.vu", 1);
    assert_non_null(claim_get(t, &id));
    XT_TRY(claim_renew(t, &id, 2, HEAD, 7, &err));
    assert_int_equal(claim_get(t, &id)->deadline_ms, 7 + CLAIM_HOLD_MS);
out:
    claim_table_free(t);
}

static void a_running_unit_keeps_its_resources(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct claim_table *t = NULL;
    struct claim_id id = {"inria-1", 0};
    struct claim c = wanted("inria-1", 1, 1);
    uint64_t next;
    XT_TRY(claim_table_new(&t, &node, &err));
    XT_TRY(claim_grant(t, &c, units, 1, 0, &err));
    XT_TRY(claim_start(t, &id, 1, &err));
    assert_int_equal(claim_expire(t, 10 * CLAIM_HOLD_MS, &next), 0);
    assert_non_null(claim_get(t, &id));
    XT_REFUSED(claim_restore(t, claim_get(t, &id), &err), XOS_EXISTS);
out:
    claim_table_free(t);
}

static void a_renewal_that_was_overtaken_takes_nothing_back(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct claim_table *t = NULL;
    struct claim_id id = {"inria-1", 0};
    struct claim c = wanted("inria-1", 1, 1);
    XT_TRY(claim_table_new(&t, &node, &err));
    XT_TRY(claim_grant(t, &c, units, 1, 0, &err));
    XT_TRY(claim_renew(t, &id, 1, HEAD, 4000, &err));
    XT_TRY(claim_renew(t, &id, 1, HEAD, 2000, &err));
    assert_int_equal(claim_get(t, &id)->deadline_ms, 4000 + CLAIM_HOLD_MS);
out:
    claim_table_free(t);
}

static void a_higher_epoch_ends_a_lower_one(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct claim_table *t = NULL;
    struct claim_id id = {"inria-1", 0};
    struct claim_need left;
    struct claim c = wanted("inria-1", 1, 4), larger = wanted("inria-1", 2, 5);
    struct claim after = wanted("inria-1", 3, 2);
    XT_TRY(claim_table_new(&t, &node, &err));
    XT_TRY(claim_grant(t, &c, units, 2, 0, &err));
    XT_REFUSED(claim_grant(t, &larger, units, 2, 10, &err), XOS_BUSY);
    assert_int_equal(claim_get(t, &id)->epoch, 1); /* what failed changed nothing */
    XT_TRY(claim_grant(t, &after, units, 3, 20, &err));
    assert_int_equal(claim_get(t, &id)->epoch, 3);
    assert_int_equal(claim_get(t, &id)->deadline_ms, 20 + CLAIM_HOLD_MS);
    assert_int_equal(claim_count(t), 3);
    claim_free_now(t, &left);
    assert_int_equal(left.cpus, 2);
    XT_REFUSED(claim_grant(t, &larger, units, 1, 30, &err), XOS_STALE);
out:
    claim_table_free(t);
}

static void a_running_unit_is_not_replaced(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct claim_table *t = NULL;
    struct claim_id id = {"inria-1", 0};
    struct claim c = wanted("inria-1", 1, 1), higher = wanted("inria-1", 2, 1);
    XT_TRY(claim_table_new(&t, &node, &err));
    XT_TRY(claim_grant(t, &c, units, 1, 0, &err));
    XT_TRY(claim_start(t, &id, 1, &err));
    XT_REFUSED(claim_grant(t, &higher, units, 2, 10, &err), XOS_STALE);
    XT_TRY(claim_grant(t, &c, units, 1, 5000, &err)); /* asked again, late: nothing is extended */
    assert_int_equal(claim_get(t, &id)->deadline_ms, CLAIM_HOLD_MS);
out:
    claim_table_free(t);
}

static void a_claim_that_comes_after_its_release_is_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct claim_table *t = NULL;
    struct claim_id id = {"inria-1", 0};
    uint64_t next;
    struct claim c = wanted("inria-1", 2, 1), lower = wanted("inria-1", 1, 1);
    struct claim higher = wanted("inria-1", 3, 1), other = wanted("inria-1", 1, 1);
    (void)snprintf(other.head, sizeof(other.head), "%s", "n9.vu");
    XT_TRY(claim_table_new(&t, &node, &err));
    claim_release(t, &id, 2, HEAD, 0); /* it has overtaken the claim */
    if (xt_starving() && claim_grant(t, &c, units, 1, 1, &err) == 0)
        goto out; /* there was no memory to remember it */
    XT_REFUSED(claim_grant(t, &c, units, 2, 1, &err), XOS_STALE);
    XT_REFUSED(claim_grant(t, &lower, units, 1, 1, &err), XOS_STALE);
    assert_int_equal(claim_count(t), 0);
    XT_TRY(claim_grant(t, &other, units, 1, 1, &err)); /* one head cannot speak for another */
    claim_release(t, &id, 1, "n9.vu", 2);
    XT_TRY(claim_grant(t, &higher, units, 1, 2, &err));
    claim_release(t, &id, 3, HEAD, 3);
    (void)claim_expire(t, 2 + CLAIM_RELEASED_MS, &next);
    XT_REFUSED(claim_grant(t, &higher, units, 1, 4, &err), XOS_STALE);
    (void)claim_expire(t, 3 + CLAIM_RELEASED_MS, &next);
    XT_TRY(claim_grant(t, &higher, units, 1, 5, &err));
out:
    claim_table_free(t);
}

static void what_is_remembered_has_a_maximum(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct claim_table *t = NULL;
    struct claim c = wanted("inria-1", 1, 1);
    static const uint32_t first[] = {0}, second[] = {1};
    XT_TRY(claim_table_new(&t, &node, &err));
    for (uint32_t i = 0; i <= CLAIM_RELEASED_MAX; i++)
        claim_release(t, &(struct claim_id){"inria-1", i}, 1, HEAD, i);
    XT_TRY(claim_grant(t, &c, first, 1, 5000, &err)); /* the oldest made room */
    XT_REFUSED(claim_grant(t, &c, second, 1, 5000, &err), XOS_STALE);
out:
    claim_table_free(t);
}

static const struct xt_test tests[] = {
    XT(all_units_or_none),
    XT(more_than_the_node_has_is_a_limit),
    XT(granting_again_only_renews),
    XT(a_stale_head_cannot_touch_it),
    XT(a_running_unit_keeps_its_resources),
    XT(a_renewal_that_was_overtaken_takes_nothing_back),
    XT(a_higher_epoch_ends_a_lower_one),
    XT(a_running_unit_is_not_replaced),
    XT(a_claim_that_comes_after_its_release_is_refused),
    XT_PLAIN(what_is_remembered_has_a_maximum),
};
XT_MAIN(tests)
