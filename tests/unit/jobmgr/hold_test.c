// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a fenced job runs at two places at once, or a lost node's jobs never again. */
#include "jobmgr/core/hold.h"
#include "libxos/base/alloc.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <string.h>

#define NODE "w1.inria"

struct bench {
    struct hold *hold;
    struct hold_actions out;
    uint64_t ask; /* of the last message */
};

static int bench_begin(struct bench *b, struct xos_error *err)
{
    memset(b, 0, sizeof(*b));
    return hold_new(&b->hold, err);
}

static void bench_end(struct bench *b)
{
    hold_free(b->hold);
    hold_actions_free(&b->out);
}

static int give(struct bench *b, struct hold_event ev, struct xos_error *err)
{
    if (!ev.node)
        ev.node = NODE;
    if (hold_step(b->hold, &ev, &b->out, err) < 0)
        return -1;
    for (size_t i = 0; i < b->out.count; i++)
        if (b->out.list[i].kind != HOLD_DO_LOST)
            b->ask = b->out.list[i].ask;
    return 0;
}

static struct hold_event unit_event(enum hold_event_kind kind, uint32_t unit, uint64_t epoch,
                                    bool fenced, uint64_t now_ms)
{
    struct hold_event ev = {.kind = kind, .epoch = epoch, .fenced = fenced, .now_ms = now_ms};
    (void)snprintf(ev.id.job, sizeof(ev.id.job), "inria-1");
    ev.id.unit = unit;
    return ev;
}

static int add(struct bench *b, uint32_t unit, uint64_t epoch, bool fenced, uint64_t now_ms,
               struct xos_error *err)
{
    return give(b, unit_event(HOLD_ADD, unit, epoch, fenced, now_ms), err);
}

static int tick(struct bench *b, uint64_t now_ms, struct xos_error *err)
{
    return give(b, (struct hold_event){.kind = HOLD_TICK, .now_ms = now_ms}, err);
}

static int answer(struct bench *b, uint64_t ask, uint64_t clock_ms, uint64_t now_ms,
                  struct xos_error *err)
{
    return give(b,
                (struct hold_event){
                    .kind = HOLD_ANSWER, .ask = ask, .clock_ms = clock_ms, .now_ms = now_ms},
                err);
}

static int deny(struct bench *b, uint32_t unit, uint64_t epoch, uint64_t now_ms,
                struct xos_error *err)
{
    struct hold_unit_id id = {unit_event(HOLD_ADD, unit, epoch, false, 0).id, epoch};
    return give(b,
                (struct hold_event){.kind = HOLD_ANSWER,
                                    .ask = b->ask,
                                    .clock_ms = now_ms,
                                    .now_ms = now_ms,
                                    .unknown = &id,
                                    .unknown_count = 1},
                err);
}

/* "R" renew, "P" probe, "L3" unit 3 is lost. */
static void check(const struct bench *b, const char *wanted)
{
    char got[128] = "";
    size_t len = 0;
    for (size_t i = 0; i < b->out.count; i++) {
        const struct hold_action *a = &b->out.list[i];
        if (a->kind == HOLD_DO_LOST)
            len += (size_t)snprintf(got + len, sizeof(got) - len, "L%u", a->id.unit);
        else
            len += (size_t)snprintf(got + len, sizeof(got) - len, "%s",
                                    a->kind == HOLD_DO_RENEW ? "R" : "P");
    }
    assert_string_equal(got, wanted);
}

struct step {
    uint64_t at_ms;
    uint64_t clock_ms; /* 0: a tick; else the answer to the last question */
    const char *wanted;
    uint64_t next_ms;
};

static int play(struct bench *b, const struct step *steps, size_t count, struct xos_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        if ((s->clock_ms ? answer(b, b->ask, s->clock_ms, s->at_ms, err) : tick(b, s->at_ms, err)) <
            0)
            return -1;
        check(b, s->wanted);
        assert_int_equal(b->out.next_ms, s->next_ms);
    }
    return 0;
}
#define PLAY(b, steps) play(b, steps, sizeof(steps) / sizeof(steps[0]), &err)

static void a_silent_node_loses_its_fenced_units_and_keeps_the_others(void **state)
{
    (void)state;
    static const struct step steps[] = {
        {1010, 500, "R", 3010},    {1040, 530, "", 3010},  {3010, 0, "R", 5010},
        {3050, 2540, "", 5010},    {5010, 0, "R", 7010},   {7010, 0, "P", 8010},
        {8010, 0, "P", 9010},      {9010, 0, "P", 10010},  {10010, 0, "P", 11010},
        {11010, 0, "P", 12010},    {12010, 0, "P", 13010}, {13010, 0, "P", 14010},
        {14010, 0, "P", 15010},    {15010, 0, "P", 15050}, {15049, 0, "", 15050},
        {15050, 0, "L1L3", 16010}, {16010, 0, "P", 16050}, {16050, 0, "L1L3", 17050},
    };
    struct xos_error err = {0};
    struct bench b;
    XT_TRY(bench_begin(&b, &err));
    XT_TRY(add(&b, 1, 4, true, 1000, &err));
    check(&b, "P");
    XT_TRY(add(&b, 2, 4, false, 1000, &err));
    XT_TRY(add(&b, 3, 4, true, 1001, &err));
    check(&b, "");
    XT_TRY(PLAY(&b, steps));
    assert_string_equal(b.out.list[0].reason, "the node does not answer");
    assert_int_equal(b.out.list[0].epoch, 4);
    assert_string_equal(hold_node_state(b.hold, NODE), "silent");
    XT_TRY(give(&b, unit_event(HOLD_REMOVE, 1, 4, false, 16060), &err));
    XT_TRY(give(&b, unit_event(HOLD_REMOVE, 3, 4, false, 16060), &err));
    assert_int_equal(hold_count(b.hold), 1);
    assert_true(b.out.next_ms > 16060 + HOLD_PROBE_MS);
out:
    bench_end(&b);
}

/* Most units end within a second: their claims need not be asked about. One that goes on is renewed
 * in time, and a node that is lost at once is noticed at the same moment. */
static void a_node_that_has_just_granted_is_left_alone(void **state)
{
    (void)state;
    static const struct step held[] = {
        {2000, 0, "P", 3000}, {2010, 1500, "R", 4010}, {2020, 1510, "", 4010}};
    static const struct step lost[] = {
        {2000, 0, "P", 3000},   {3000, 0, "P", 4000},   {4000, 0, "P", 5000},
        {5000, 0, "P", 6000},   {6000, 0, "P", 7000},   {7000, 0, "P", 8000},
        {8000, 0, "P", 9000},   {9000, 0, "P", 10000},  {10000, 0, "P", 11000},
        {11000, 0, "P", 12000}, {12000, 0, "P", 13000}, {13000, 0, "L1P", 14000},
    };
    struct hold_event fresh = unit_event(HOLD_ADD, 1, 4, true, 1000);
    struct xos_error err = {0};
    struct bench b;
    fresh.fresh = true;
    XT_TRY(bench_begin(&b, &err));
    XT_TRY(give(&b, fresh, &err));
    check(&b, "");
    assert_int_equal(b.out.next_ms, 2000);
    XT_TRY(give(&b, unit_event(HOLD_REMOVE, 1, 4, false, 1050), &err));
    assert_int_equal(b.out.next_ms, UINT64_MAX);
    XT_TRY(give(&b, fresh, &err));
    XT_TRY(PLAY(&b, held));
    XT_TRY(give(&b, unit_event(HOLD_REMOVE, 1, 4, false, 2050), &err));
    XT_TRY(give(&b, fresh, &err));
    XT_TRY(PLAY(&b, lost));
out:
    bench_end(&b);
}

/* What was renewed is what the node said last, never when it was asked. */
static void a_renewal_quotes_the_newest_answer(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    XT_TRY(bench_begin(&b, &err));
    XT_TRY(add(&b, 0, 1, true, 0, &err));
    uint64_t first = b.ask;
    XT_TRY(answer(&b, first, 777000, 10, &err));
    check(&b, "R");
    assert_int_equal(b.out.list[0].clock_ms, 777000);
    XT_TRY(tick(&b, 2010, &err));
    assert_string_equal(hold_node_state(b.hold, NODE), "doubted");
    check(&b, "P");
    assert_int_equal(b.out.list[0].clock_ms, 0);
    /* The same answer again, and one to nothing that was asked: not a sign of life. */
    XT_TRY(answer(&b, first, 777000, 2020, &err));
    check(&b, "");
    XT_TRY(answer(&b, b.ask + 1, 999000, 2020, &err));
    check(&b, "");
    assert_string_equal(hold_node_state(b.hold, NODE), "doubted");
    /* The answer to the renewal, late: it is one. */
    XT_TRY(answer(&b, first + 1, 779000, 2030, &err));
    check(&b, "R");
    assert_int_equal(b.out.list[0].clock_ms, 779000);
    XT_TRY(give(&b, (struct hold_event){.kind = HOLD_ANSWER, .node = "w9.vu", .ask = 1}, &err));
    check(&b, "");
out:
    bench_end(&b);
}

/* An owner that was stopped for a minute asks before it gives anything up. */
static void who_slept_asks_first(void **state)
{
    (void)state;
    static const struct step slept[] = {
        {60000, 0, "R", 62000}, {62000, 0, "P", 63000},  {63000, 0, "P", 64000},
        {64000, 0, "P", 12020}, {64001, 0, "L0", 65000},
    };
    static const struct step alive[] = {
        {60000, 0, "R", 62000},
        {60100, 59000, "", 62000},
        {62000, 0, "R", 64000},
    };
    struct xos_error err = {0};
    struct bench b;
    XT_TRY(bench_begin(&b, &err));
    for (int round = 0; round < 2; round++) {
        bench_end(&b);
        XT_TRY(bench_begin(&b, &err));
        XT_TRY(add(&b, 0, 1, true, 0, &err));
        XT_TRY(answer(&b, b.ask, 5, 10, &err));
        XT_TRY(answer(&b, b.ask, 7, 20, &err));
        if (round)
            XT_TRY(PLAY(&b, alive));
        else
            XT_TRY(PLAY(&b, slept));
    }
out:
    bench_end(&b);
}

/* A unit that came later is over later: its claim was granted by a node that lived. */
static void each_unit_has_its_own_end(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    XT_TRY(bench_begin(&b, &err));
    XT_TRY(add(&b, 0, 1, true, 0, &err));
    for (uint64_t now = 1000; now <= 5000; now += 1000)
        XT_TRY(tick(&b, now, &err));
    XT_TRY(add(&b, 1, 1, true, 5000, &err));
    for (uint64_t now = 6000; now <= 11000; now += 1000)
        XT_TRY(tick(&b, now, &err));
    check(&b, "P");
    XT_TRY(tick(&b, HOLD_OVER_MS, &err));
    check(&b, "L0P");
    XT_TRY(tick(&b, 5000 + HOLD_OVER_MS - 1, &err));
    assert_string_equal(hold_node_state(b.hold, NODE), "doubted");
    XT_TRY(tick(&b, 5000 + HOLD_OVER_MS, &err));
    check(&b, "L1");
    assert_string_equal(hold_node_state(b.hold, NODE), "silent");
out:
    bench_end(&b);
}

static void what_the_node_forgot_is_lost_when_it_says_so_twice(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    XT_TRY(bench_begin(&b, &err));
    XT_TRY(add(&b, 0, 3, false, 0, &err));
    XT_TRY(add(&b, 1, 3, false, 0, &err));
    XT_TRY(deny(&b, 0, 3, 100, &err));
    check(&b, "R");
    XT_TRY(deny(&b, 0, 2, 200, &err)); /* another epoch: it knows this one */
    XT_TRY(tick(&b, 2100, &err));
    XT_TRY(deny(&b, 0, 3, 2150, &err));
    XT_TRY(tick(&b, 4150, &err));
    XT_TRY(deny(&b, 0, 3, 4200, &err));
    XT_TRY(tick(&b, 6200, &err));
    XT_TRY(deny(&b, 0, 3, 2150 + HOLD_UNKNOWN_MS - 1, &err));
    check(&b, "");
    XT_TRY(tick(&b, 8300, &err));
    XT_TRY(deny(&b, 0, 3, 8310, &err));
    check(&b, "L0");
    assert_string_equal(b.out.list[0].reason, "the node does not know the unit");
    /* Given up is given up: it is in no message any more. */
    XT_TRY(add(&b, 0, 4, false, 8400, &err));
    assert_int_equal(hold_count(b.hold), 2);
    XT_REFUSED(add(&b, 0, 3, false, 8400, &err), XOS_STALE);
out:
    bench_end(&b);
}

static void count_one(const struct claim_id *id, uint64_t epoch, void *arg)
{
    unsigned *sum = arg;
    *sum += 100 + id->unit * 10 + (unsigned)epoch;
}

static void a_lost_unit_is_never_renewed_again(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    unsigned sum = 0;
    XT_TRY(bench_begin(&b, &err));
    XT_TRY(add(&b, 1, 1, true, 0, &err));
    XT_TRY(add(&b, 2, 1, false, 0, &err));
    hold_each(b.hold, NODE, count_one, &sum);
    assert_int_equal(sum, 111 + 121);
    for (uint64_t now = 1000; now <= HOLD_OVER_MS; now += 1000)
        XT_TRY(tick(&b, now, &err));
    XT_TRY(answer(&b, b.ask, 5, HOLD_OVER_MS + 10, &err));
    check(&b, "R");
    sum = 0;
    hold_each(b.hold, NODE, count_one, &sum);
    assert_int_equal(sum, 121);
    hold_each(b.hold, "w9.vu", count_one, &sum);
    assert_int_equal(sum, 121);
    /* The caller did not hear it: it is said again. */
    XT_TRY(tick(&b, HOLD_OVER_MS + HOLD_LOST_AGAIN_MS, &err));
    check(&b, "L1");
out:
    bench_end(&b);
}

static void a_unit_moves_and_nodes_come_and_go(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    struct hold_event ev = unit_event(HOLD_ADD, 0, 2, true, 50);
    XT_TRY(bench_begin(&b, &err));
    XT_TRY(add(&b, 0, 1, true, 0, &err));
    XT_TRY(add(&b, 0, 1, true, 10, &err));
    check(&b, "");
    ev.node = "w2.vu";
    XT_TRY(give(&b, ev, &err));
    check(&b, "P");
    assert_null(hold_node_state(b.hold, NODE));
    assert_string_equal(hold_node_state(b.hold, "w2.vu"), "doubted");
    XT_TRY(give(&b, unit_event(HOLD_REMOVE, 0, 1, false, 60), &err));
    assert_int_equal(hold_count(b.hold), 1);
    XT_TRY(give(&b, unit_event(HOLD_REMOVE, 0, 2, false, 60), &err));
    assert_int_equal(hold_count(b.hold), 0);
    assert_int_equal(b.out.next_ms, UINT64_MAX);
    XT_TRY(tick(&b, 1000, &err));
    check(&b, "");
out:
    bench_end(&b);
}

/* A cut of an hour costs few probes, and a claim that is granted there ends the calm. */
static void probes_slow_down_and_speed_up(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    unsigned probes = 0;
    uint64_t now = 0;
    XT_TRY(bench_begin(&b, &err));
    XT_TRY(add(&b, 0, 1, false, 0, &err));
    while (now < 3600000) {
        now = b.out.next_ms;
        XT_TRY(tick(&b, now, &err));
        probes += (unsigned)b.out.count;
    }
    assert_in_range(probes, 360, 380);
    assert_string_equal(hold_node_state(b.hold, NODE), "silent");
    XT_TRY(add(&b, 1, 1, true, now, &err));
    check(&b, "P");
    assert_string_equal(hold_node_state(b.hold, NODE), "doubted");
    assert_int_equal(b.out.next_ms, now + HOLD_PROBE_MS);
out:
    bench_end(&b);
}

static void the_bounds_have_names(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    char name[32];
    XT_TRY(bench_begin(&b, &err));
    for (uint32_t i = 0; i <= HOLD_NODES_MAX; i++) {
        struct hold_event ev = unit_event(HOLD_ADD, i, 1, false, 0);
        (void)snprintf(name, sizeof(name), "w%u.inria", i);
        ev.node = name;
        if (i < HOLD_NODES_MAX) {
            XT_TRY(give(&b, ev, &err));
        } else {
            XT_REFUSED(give(&b, ev, &err), XOS_LIMIT);
            assert_non_null(strstr(err.text, "hold_nodes_max"));
        }
    }
out:
    bench_end(&b);
}

static const struct xt_test tests[] = {
    XT(a_silent_node_loses_its_fenced_units_and_keeps_the_others),
    XT(a_node_that_has_just_granted_is_left_alone),
    XT(a_renewal_quotes_the_newest_answer),
    XT(who_slept_asks_first),
    XT(each_unit_has_its_own_end),
    XT(what_the_node_forgot_is_lost_when_it_says_so_twice),
    XT(a_lost_unit_is_never_renewed_again),
    XT(a_unit_moves_and_nodes_come_and_go),
    XT(probes_slow_down_and_speed_up),
    XT_PLAIN(the_bounds_have_names),
};

XT_MAIN(tests)
