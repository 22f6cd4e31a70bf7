// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a job that was restarted elsewhere computes on here, or one that nobody gave
 * up is frozen or killed. */
#include "jobmgr/exec/fence.h"
#include "tests/lib/xtest.h"

static const struct {
    const char *what;
    struct fence before;
    struct fence_event ev;
    enum fence_action action;
    struct fence after;
} table[] = {
    {"before the deadline",
     {1, 0, 5, 100},
     {FENCE_TICK, 99, 0, 0, 0},
     FENCE_NOTHING,
     {1, 0, 5, 100}},
    {"at the deadline", {1, 0, 5, 100}, {FENCE_TICK, 100, 0, 0, 0}, FENCE_FREEZE, {1, 1, 5, 100}},
    {"frozen stays so", {1, 1, 5, 100}, {FENCE_TICK, 900, 0, 0, 0}, FENCE_NOTHING, {1, 1, 5, 100}},
    {"not fenced runs on",
     {0, 0, 5, 100},
     {FENCE_TICK, 900, 0, 0, 0},
     FENCE_NOTHING,
     {0, 0, 5, 100}},
    {"renewal thaws", {1, 1, 5, 100}, {FENCE_RENEW, 150, 5, 300, 1}, FENCE_THAW, {1, 0, 5, 300}},
    {"renewal in time",
     {1, 0, 5, 100},
     {FENCE_RENEW, 50, 5, 300, 1},
     FENCE_NOTHING,
     {1, 0, 5, 300}},
    {"renewal that is over already",
     {1, 1, 5, 100},
     {FENCE_RENEW, 400, 5, 300, 1},
     FENCE_NOTHING,
     {1, 1, 5, 300}},
    {"an old packet shortens nothing",
     {1, 0, 5, 300},
     {FENCE_RENEW, 150, 5, 100, 1},
     FENCE_NOTHING,
     {1, 0, 5, 300}},
    {"lower epoch", {1, 1, 5, 100}, {FENCE_RENEW, 150, 4, 900, 1}, FENCE_STALE, {1, 1, 5, 100}},
    {"higher epoch",
     {1, 0, 5, 100},
     {FENCE_RENEW, 50, 6, 900, 1},
     FENCE_SUPERSEDED,
     {1, 0, 5, 100}},
    {"higher epoch, frozen",
     {1, 1, 5, 100},
     {FENCE_RENEW, 500, 6, 900, 1},
     FENCE_SUPERSEDED,
     {1, 1, 5, 100}},
    {"higher epoch, not fenced",
     {0, 0, 5, 0},
     {FENCE_RENEW, 500, 6, 900, 0},
     FENCE_SUPERSEDED,
     {0, 0, 5, 0}},
    {"fence lifted", {1, 1, 5, 100}, {FENCE_RENEW, 500, 5, 0, 0}, FENCE_THAW, {0, 0, 5, 100}},
    {"fence set, too late",
     {0, 0, 5, 0},
     {FENCE_RENEW, 500, 5, 400, 1},
     FENCE_FREEZE,
     {1, 1, 5, 400}},
};

static void each_event_does_what_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct fence f = table[i].before;
        enum fence_action action = fence_step(&f, &table[i].ev);
        if (action != table[i].action || f.fenced != table[i].after.fenced ||
            f.frozen != table[i].after.frozen || f.epoch != table[i].after.epoch ||
            f.deadline_ms != table[i].after.deadline_ms)
            fail_msg("%s", table[i].what);
    }
}

static void next_tick_is_the_deadline(void **state)
{
    (void)state;
    assert_int_equal(fence_next_ms(&(struct fence){1, 0, 5, 100}), 100);
    assert_int_equal(fence_next_ms(&(struct fence){1, 1, 5, 100}), 0);
    assert_int_equal(fence_next_ms(&(struct fence){0, 0, 5, 100}), 0);
}

static const struct xt_test tests[] = {
    XT(each_event_does_what_the_table_says),
    XT(next_tick_is_the_deadline),
};
XT_MAIN(tests)
