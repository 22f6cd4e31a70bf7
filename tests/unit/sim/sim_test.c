// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a simulated failure cannot be replayed, or the faults that a simulation claims
 * to have tried never happened. */
#include "libxos/base/alloc.h"
#include "tests/lib/xtest.h"
#include "tests/sim/sim.h"

#include <string.h>

#define NODES 4

/* A node that says its number to the next one each second, and counts what it hears. */
struct counter {
    sim_id id;
    unsigned heard, broken, ticks;
};

static int counter_start(struct sim *s, sim_id self, void *world, struct xos_slice disk,
                         void **node, struct xos_error *err)
{
    (void)world;
    struct counter *c = xos_alloc(sizeof(*c));
    if (!c)
        return xos_fail(err, XOS_NOMEM, "counter");
    c->id = self;
    c->ticks = disk.len ? disk.data[0] : 0;
    sim_hold(s, self, (self + 1) % NODES);
    if (sim_timer(s, self, sim_now_ms(s) + 1000, err) < 0) {
        xos_free(c);
        return -1;
    }
    *node = c;
    return 0;
}

static int counter_message(struct sim *s, void *node, sim_id from, struct xos_slice bytes,
                           struct xos_error *err)
{
    (void)s;
    (void)err;
    assert_int_equal(bytes.data[0], from);
    ((struct counter *)node)->heard++;
    return 0;
}

static int counter_timer(struct sim *s, void *node, struct xos_error *err)
{
    struct counter *c = node;
    uint8_t byte = (uint8_t)c->id;
    c->ticks++;
    uint8_t ticks = (uint8_t)c->ticks;
    if (sim_send(s, c->id, (c->id + 1) % NODES, (struct xos_slice){&byte, 1}, err) < 0 ||
        sim_save(s, c->id, (struct xos_slice){&ticks, 1}, err) < 0)
        return -1;
    return sim_timer(s, c->id, sim_now_ms(s) + 1000, err);
}

static int counter_link_down(struct sim *s, void *node, sim_id peer, struct xos_error *err)
{
    (void)s;
    (void)peer;
    (void)err;
    ((struct counter *)node)->broken++;
    return 0;
}

static const struct sim_node_ops ops = {counter_start, counter_message, counter_timer,
                                        counter_link_down, xos_free};

static int open_sim(struct sim **s, uint64_t seed, unsigned loss_permille, struct xos_error *err)
{
    const struct sim_config config = {.seed = seed,
                                      .nodes = NODES,
                                      .sites = 2,
                                      .near_ms = 2,
                                      .far_ms = 50,
                                      .loss_permille = loss_permille,
                                      .ops = &ops};
    if (sim_new(s, &config, err) < 0)
        return -1;
    for (sim_id i = 0; i < NODES; i++)
        if (sim_start(*s, i, false, err) < 0)
            return -1;
    return 0;
}

static const struct counter *at(const struct sim *s, sim_id id)
{
    return sim_node(s, id);
}

static void one_seed_is_one_run(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct sim *s = NULL;
    char trace[3][SIM_TRACE_TEXT];
    static const uint64_t seeds[3] = {1, 1, 2};
    for (unsigned i = 0; i < 3; i++) {
        XT_TRY(open_sim(&s, seeds[i], 100, &err));
        XT_TRY(sim_run_until(s, 20000, &err));
        sim_trace(s, trace[i]);
        sim_free(s);
        s = NULL;
    }
    assert_string_equal(trace[0], trace[1]);
    assert_string_not_equal(trace[0], trace[2]);
    assert_int_equal(strlen(trace[0]), SIM_TRACE_TEXT - 1);
out:
    sim_free(s);
}

static void a_crash_breaks_links_and_a_restart_keeps_the_disk(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct sim *s = NULL;
    XT_TRY(open_sim(&s, 1, 0, &err));
    XT_TRY(sim_run_until(s, 3500, &err));
    assert_int_equal(at(s, 1)->heard, 3);
    XT_TRY(sim_crash(s, 1, false, &err));
    XT_TRY(sim_run_until(s, 3700, &err));
    assert_int_equal(at(s, 0)->broken, 1); /* the machine answers: at once */
    assert_false(sim_running(s, 1));
    XT_TRY(sim_crash(s, 3, true, &err));
    XT_TRY(sim_run_until(s, 3700 + SIM_TIMEOUT_MS - 1, &err));
    assert_int_equal(at(s, 2)->broken, 0); /* nothing answers: after a while */
    XT_TRY(sim_run_until(s, 3700 + SIM_TIMEOUT_MS, &err));
    assert_int_equal(at(s, 2)->broken, 1);
    XT_TRY(sim_start(s, 1, true, &err));
    assert_int_equal(at(s, 1)->ticks, 3);
    XT_TRY(sim_start(s, 3, false, &err));
    assert_int_equal(at(s, 3)->ticks, 0);
out:
    sim_free(s);
}

static void cuts_and_pauses_hold_as_long_as_they_are_asked_to(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct sim *s = NULL;
    XT_TRY(open_sim(&s, 1, 0, &err));
    XT_TRY(sim_cut(s, 0, 1, true, &err)); /* one way */
    XT_TRY(sim_group(s, 2, 1, &err));
    sim_pause(s, 3, 4500);
    XT_TRY(sim_run_until(s, 4400, &err));
    assert_int_equal(at(s, 1)->heard, 0);
    assert_int_equal(at(s, 2)->heard, 0);
    assert_int_equal(at(s, 3)->ticks, 0);
    XT_TRY(sim_cut(s, 0, 1, false, &err));
    XT_TRY(sim_group(s, 2, 0, &err));
    XT_TRY(sim_run_until(s, 9500, &err));
    assert_int_equal(at(s, 1)->heard, 5);
    assert_int_equal(at(s, 2)->heard, 5);
    assert_int_equal(at(s, 3)->ticks, 6); /* at 4500, then each second */
    /* It healed before TCP gave up, so nothing broke. */
    XT_TRY(sim_run_until(s, 30000, &err));
    assert_int_equal(at(s, 0)->broken + at(s, 1)->broken + at(s, 2)->broken, 0);
    assert_true(sim_counts(s)->lost > 0);
out:
    sim_free(s);
}

static const struct xt_test tests[] = {
    XT(one_seed_is_one_run),
    XT(a_crash_breaks_links_and_a_restart_keeps_the_disk),
    XT(cuts_and_pauses_hold_as_long_as_they_are_asked_to),
};
XT_MAIN(tests)
