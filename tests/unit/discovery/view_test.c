// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a node loses its links and finds no new ones, or a hostile peer fills its view
 * with nodes of its own choice. */
#include "discovery/core/view.h"
#include "libxos/base/alloc.h"
#include "tests/lib/disc.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <string.h>

#define SEEDS 2

/* One view under test, "self.vu", its clock, and what its last step did. */
struct bench {
    struct view *view;
    struct view_actions *out;
    uint64_t now_ms;
    uint64_t random;
};

static int step(struct bench *b, struct view_event ev, struct xos_error *err)
{
    ev.now_ms = b->now_ms;
    ev.real_ms = DISC_TEST_REAL_MS + (int64_t)b->now_ms;
    ev.random = b->random++;
    int rc = view_step(b->view, &ev, b->out, err);
    if (rc == 0)
        assert_null(view_defect(b->view));
    return rc;
}

static int bench_open(struct bench *b, size_t seeds, struct xos_error *err)
{
    struct descriptor self;
    *b = (struct bench){.now_ms = 1000, .random = 1};
    b->out = xos_alloc(sizeof(*b->out));
    if (!b->out)
        return xos_fail(err, XOS_NOMEM, "actions");
    if (view_new(&b->view, err) < 0 || disc_test_descriptor(&self, "self", "vu", 1, err) < 0)
        return -1;
    return step(
        b, (struct view_event){.kind = VIEW_START, .descriptor = &self, .seed_count = seeds}, err);
}

static void bench_close(struct bench *b)
{
    view_free(b->view);
    xos_free(b->out);
}

static const struct view_action *sent(const struct bench *b, enum disc_kind kind, const char *to)
{
    for (size_t i = 0; i < b->out->count; i++) {
        const struct view_action *a = &b->out->at[i];
        if (a->kind == VIEW_SEND && a->message.kind == kind && (!to || !strcmp(a->to.node, to)))
            return a;
    }
    return NULL;
}

static size_t count_actions(const struct bench *b, enum view_action_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < b->out->count; i++)
        n += b->out->at[i].kind == kind;
    return n;
}

/* A message of `kind` from NAME.INSTITUTION about itself. */
static int hear(struct bench *b, const char *name, const char *institution, enum disc_kind kind,
                bool high, struct xos_error *err)
{
    static struct view_message m;
    char node[NODE_NAME_BYTES_MAX + 1];
    (void)snprintf(node, sizeof(node), "%s.%s", name, institution);
    m = (struct view_message){.kind = kind, .high = high, .accepted = high};
    if (disc_test_descriptor(&m.who, name, institution, 1, err) < 0)
        return -1;
    return step(b, (struct view_event){.kind = VIEW_MESSAGE, .node = node, .message = &m}, err);
}

/* Make `count` nodes of an institution ask for a link with high priority. */
static int crowd(struct bench *b, const char *institution, unsigned count, struct xos_error *err)
{
    char name[16];
    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(name, sizeof(name), "n%u", i);
        if (hear(b, name, institution, DISC_NEIGHBOR, true, err) < 0)
            return -1;
    }
    return 0;
}

static size_t active_of(const struct bench *b, const char *institution)
{
    size_t n = 0;
    for (size_t i = 0; i < view_active_count(b->view); i++)
        n += !strcmp(view_active(b->view, i)->institution, institution);
    return n;
}

static void a_node_without_links_never_stops_trying(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    uint64_t last = 0, longest = 0;
    unsigned joins = 0;
    XT_TRY(bench_open(&b, SEEDS, &err));
    for (; b.now_ms < 3600000; b.now_ms = b.out->next_ms) {
        XT_TRY(step(&b, (struct view_event){.kind = VIEW_TICK}, &err));
        const struct view_action *a = sent(&b, DISC_JOIN, NULL);
        assert_true(b.out->next_ms > b.now_ms);
        if (!a)
            continue;
        assert_in_range(a->seed, 0, SEEDS - 1);
        longest = joins && b.now_ms - last > longest ? b.now_ms - last : longest;
        last = b.now_ms;
        joins++;
    }
    assert_in_range(joins, 40, 100);
    assert_in_range(longest, VIEW_ALONE_MS * 8 / 10, VIEW_ALONE_MS * 12 / 10);
out:
    bench_close(&b);
}

static void a_join_makes_a_link_and_walks(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    XT_TRY(bench_open(&b, 0, &err));
    XT_TRY(crowd(&b, "vu", 3, &err));
    XT_TRY(hear(&b, "new", "inria", DISC_JOIN, false, &err));
    const struct view_action *reply = sent(&b, DISC_NEIGHBOR_REPLY, "new.inria");
    assert_non_null(reply);
    assert_true(reply->message.accepted);
    assert_string_equal(reply->message.who.node, "self.vu");
    assert_int_equal(count_actions(&b, VIEW_CONNECT), 1);
    assert_non_null(sent(&b, DISC_FORWARD_JOIN, "n0.vu"));
    assert_non_null(sent(&b, DISC_FORWARD_JOIN, "n2.vu"));
    assert_null(sent(&b, DISC_FORWARD_JOIN, "new.inria"));
    assert_int_equal(sent(&b, DISC_FORWARD_JOIN, NULL)->message.ttl, VIEW_WALK_HOPS);
    assert_true(view_is_active(b.view, "new.inria"));
    /* Once more: answered, and no second round of walks. */
    XT_TRY(hear(&b, "new", "inria", DISC_JOIN, false, &err));
    assert_int_equal(b.out->count, 1);
out:
    bench_close(&b);
}

static void joins_beyond_the_limit_are_sent_elsewhere(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    char name[16];
    unsigned refused = 0;
    XT_TRY(bench_open(&b, 0, &err));
    for (unsigned i = 0; i < 2 * VIEW_JOIN_BURST; i++) {
        (void)snprintf(name, sizeof(name), "j%u", i);
        XT_TRY(hear(&b, name, "vu", DISC_JOIN, false, &err));
        const struct view_action *a = sent(&b, DISC_NEIGHBOR_REPLY, NULL);
        refused += !a->message.accepted;
        assert_true(a->message.accepted || a->message.entry_count > 0);
    }
    assert_int_equal(refused, VIEW_JOIN_BURST);
    b.now_ms += VIEW_JOIN_GAP_MS;
    XT_TRY(hear(&b, "late", "vu", DISC_JOIN, false, &err));
    assert_true(sent(&b, DISC_NEIGHBOR_REPLY, NULL)->message.accepted);
out:
    bench_close(&b);
}

static void a_full_view_takes_by_priority(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    XT_TRY(bench_open(&b, 0, &err));
    XT_TRY(crowd(&b, "vu", VIEW_ACTIVE_MAX, &err));
    XT_TRY(hear(&b, "low", "vu", DISC_NEIGHBOR, false, &err));
    assert_false(sent(&b, DISC_NEIGHBOR_REPLY, "low.vu")->message.accepted);
    assert_false(view_is_active(b.view, "low.vu"));
    XT_TRY(hear(&b, "high", "vu", DISC_NEIGHBOR, true, &err));
    assert_true(view_is_active(b.view, "high.vu"));
    assert_int_equal(view_active_count(b.view), VIEW_ACTIVE_MAX);
    assert_non_null(sent(&b, DISC_DISCONNECT, NULL));
    assert_int_equal(count_actions(&b, VIEW_DISCONNECT), 1);
    assert_int_equal(view_passive_count(b.view), 2); /* the refused one and the one given up */
out:
    bench_close(&b);
}

static void an_institution_cannot_crowd_out_the_others(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    XT_TRY(bench_open(&b, 0, &err));
    XT_TRY(crowd(&b, "vu", 4, &err));
    XT_TRY(crowd(&b, "inria", 2, &err));
    XT_TRY(crowd(&b, "evil", 1000, &err));
    assert_int_equal(active_of(&b, "evil"), VIEW_FOREIGN_MAX);
    XT_TRY(crowd(&b, "vu", 1000, &err));
    assert_in_range(active_of(&b, "vu"), 1, VIEW_OWN_MAX);
    assert_true(view_passive_count(b.view) <= VIEW_PASSIVE_MAX);
    /* In the passive view too the newcomers push out their own kind. */
    size_t evil = 0;
    for (size_t i = 0; i < view_passive_count(b.view); i++)
        evil += !strcmp(view_passive(b.view, i)->institution, "evil");
    assert_in_range(evil, 1, VIEW_PASSIVE_MAX / 2);
out:
    bench_close(&b);
}

static void what_a_stranger_says_is_not_obeyed(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        const char *from;
        enum disc_kind kind;
        bool accepted;
        enum disc_kind answer; /* DISC_NONE: none */
    } rows[] = {
        {"a walk from a node without a link", "x.vu", DISC_FORWARD_JOIN, false, DISC_DISCONNECT},
        {"a shuffle from one", "x.vu", DISC_SHUFFLE, false, DISC_DISCONNECT},
        {"a link that only it holds", "x.vu", DISC_ALIVE, false, DISC_DISCONNECT},
        {"an answer that nobody asked for", "who.vu", DISC_NEIGHBOR_REPLY, true, DISC_DISCONNECT},
        {"a join in another's name", "x.vu", DISC_JOIN, false, DISC_NONE},
        {"a request in another's name", "x.vu", DISC_NEIGHBOR, false, DISC_NONE},
        {"a shuffle's reply out of the blue", "x.vu", DISC_SHUFFLE_REPLY, false, DISC_NONE},
        {"a farewell", "x.vu", DISC_DISCONNECT, false, DISC_NONE},
        {"a message of another layer", "x.vu", DISC_ROWS, false, DISC_NONE},
        {"its own name", "self.vu", DISC_JOIN, false, DISC_NONE},
    };
    struct xos_error err = {0};
    struct bench b;
    static struct view_message m;
    XT_TRY(bench_open(&b, 0, &err));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        m = (struct view_message){.kind = rows[i].kind,
                                  .high = true,
                                  .accepted = rows[i].accepted,
                                  .ttl = UINT32_MAX,
                                  .entry_count = 1};
        XT_TRY(disc_test_descriptor(&m.who, "who", "vu", 1, &err));
        XT_TRY(disc_test_descriptor(&m.entries[0].who, "entry", "vu", 1, &err));
        XT_TRY(step(&b,
                    (struct view_event){.kind = VIEW_MESSAGE, .node = rows[i].from, .message = &m},
                    &err));
        assert_int_equal(b.out->count, rows[i].answer != DISC_NONE);
        if (rows[i].answer != DISC_NONE)
            assert_non_null(sent(&b, rows[i].answer, rows[i].from));
        assert_int_equal(view_active_count(b.view), 0);
        assert_int_equal(view_passive_count(b.view), 0);
    }
out:
    bench_close(&b);
}

static void a_shuffle_is_clamped_and_answered(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    static struct view_message m;
    XT_TRY(bench_open(&b, 0, &err));
    XT_TRY(crowd(&b, "vu", 2, &err));
    m = (struct view_message){
        .kind = DISC_SHUFFLE, .ttl = UINT32_MAX, .nonce = 5, .entry_count = 4};
    XT_TRY(disc_test_descriptor(&m.who, "far", "inria", 1, &err));
    XT_TRY(disc_test_descriptor(&m.entries[0].who, "self", "vu", 9, &err)); /* oneself */
    XT_TRY(disc_test_descriptor(&m.entries[1].who, "n1", "vu", 9, &err));   /* a neighbour */
    XT_TRY(disc_test_descriptor(&m.entries[2].who, "e", "inria", 1, &err));
    XT_TRY(disc_test_descriptor(&m.entries[3].who, "e", "inria", 1, &err)); /* twice */
    m.entries[2].age = m.entries[3].age = UINT32_MAX;
    struct view_event ev = {.kind = VIEW_MESSAGE, .node = "n0.vu", .message = &m};
    XT_TRY(step(&b, ev, &err));
    assert_int_equal(sent(&b, DISC_SHUFFLE, "n1.vu")->message.ttl, VIEW_WALK_HOPS - 1);
    assert_int_equal(view_passive_count(b.view), 0);
    m.ttl = 1;
    XT_TRY(step(&b, ev, &err));
    const struct view_action *reply = sent(&b, DISC_SHUFFLE_REPLY, "far.inria");
    assert_non_null(reply);
    assert_int_equal(reply->message.nonce, 5);
    assert_int_equal(view_passive_count(b.view), 2); /* far and e */
out:
    bench_close(&b);
}

static void a_silent_link_is_given_up(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    uint64_t met;
    XT_TRY(bench_open(&b, 0, &err));
    XT_TRY(crowd(&b, "vu", 2, &err));
    met = b.now_ms;
    while (view_active_count(b.view) == 2 && b.now_ms < met + 2 * VIEW_SILENT_MS) {
        XT_TRY(hear(&b, "n0", "vu", DISC_ALIVE, false, &err));
        b.now_ms += 1000;
        XT_TRY(step(&b, (struct view_event){.kind = VIEW_TICK}, &err));
    }
    assert_true(view_is_active(b.view, "n0.vu"));
    assert_false(view_is_active(b.view, "n1.vu"));
    assert_in_range(b.now_ms - met, VIEW_SILENT_MS, VIEW_SILENT_MS + VIEW_ALIVE_MS + 1000);
    assert_non_null(sent(&b, DISC_DISCONNECT, "n1.vu"));
out:
    bench_close(&b);
}

static void a_broken_link_is_replaced_from_the_passive_view(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    const struct view_action *a = NULL;
    XT_TRY(bench_open(&b, 0, &err));
    XT_TRY(crowd(&b, "vu", VIEW_ACTIVE_MAX, &err));
    XT_TRY(step(&b, (struct view_event){.kind = VIEW_TICK}, &err));
    XT_TRY(hear(&b, "spare", "inria", DISC_NEIGHBOR, false, &err));
    XT_TRY(step(&b, (struct view_event){.kind = VIEW_LINK_DOWN, .node = "n3.vu"}, &err));
    assert_int_equal(count_actions(&b, VIEW_DISCONNECT), 1);
    assert_in_range(b.out->next_ms, b.now_ms, b.now_ms + 1000);
    while (!a && b.now_ms < 5000) {
        b.now_ms = b.out->next_ms;
        XT_TRY(step(&b, (struct view_event){.kind = VIEW_TICK}, &err));
        a = sent(&b, DISC_NEIGHBOR, "spare.inria");
    }
    assert_non_null(a);
    assert_false(a->message.high);
    XT_TRY(hear(&b, "spare", "inria", DISC_NEIGHBOR_REPLY, true, &err));
    assert_true(view_is_active(b.view, "spare.inria"));
    assert_int_equal(view_active_count(b.view), VIEW_ACTIVE_MAX);
out:
    bench_close(&b);
}

static void add_seen(const struct descriptor *d, void *arg)
{
    (void)d;
    ++*(size_t *)arg;
}

static void who_leaves_is_forgotten_and_who_knows_others_recalls_them(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    static struct view_message bye = {.kind = DISC_DISCONNECT, .leaving = true};
    struct descriptor known[2];
    size_t seen = 0;
    XT_TRY(bench_open(&b, 0, &err));
    XT_TRY(crowd(&b, "vu", 1, &err));
    view_remember(b.view, add_seen, &seen);
    assert_int_equal(seen, SAMPLE_MAX); /* every sampler holds the only node */
    XT_TRY(step(&b, (struct view_event){.kind = VIEW_MESSAGE, .node = "n0.vu", .message = &bye},
                &err));
    assert_int_equal(view_active_count(b.view) + view_passive_count(b.view), 0);
    seen = 0;
    view_remember(b.view, add_seen, &seen);
    assert_int_equal(seen, 0);
    view_free(b.view);
    b.view = NULL;
    XT_TRY(view_new(&b.view, &err));
    XT_TRY(disc_test_descriptor(&known[0], "old", "vu", 1, &err));
    XT_TRY(disc_test_descriptor(&known[1], "self", "vu", 1, &err));
    XT_TRY(step(&b,
                (struct view_event){
                    .kind = VIEW_START, .descriptor = &known[1], .known = known, .known_count = 2},
                &err));
    XT_TRY(step(&b, (struct view_event){.kind = VIEW_TICK}, &err));
    assert_non_null(sent(&b, DISC_JOIN, "old.vu"));
out:
    bench_close(&b);
}

static void leaving_says_so_to_all(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    XT_TRY(bench_open(&b, 0, &err));
    XT_TRY(crowd(&b, "vu", 3, &err));
    XT_TRY(step(&b, (struct view_event){.kind = VIEW_LEAVE}, &err));
    assert_int_equal(count_actions(&b, VIEW_SEND), 3);
    assert_int_equal(count_actions(&b, VIEW_DISCONNECT), 3);
    assert_true(sent(&b, DISC_DISCONNECT, "n1.vu")->message.leaving);
    XT_TRY(crowd(&b, "vu", 1, &err));
    assert_int_equal(b.out->count, 0);
out:
    bench_close(&b);
}

static void events_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    struct descriptor other;
    XT_TRY(bench_open(&b, 0, &err));
    XT_TRY(disc_test_descriptor(&other, "other", "vu", 1, &err));
    const struct view_event rows[] = {
        {.kind = VIEW_EVENT_NONE},
        {.kind = VIEW_EVENTS},
        {.kind = VIEW_START, .descriptor = &other},
        {.kind = VIEW_LOCAL, .descriptor = &other},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        XT_REFUSED(step(&b, rows[i], &err), XOS_INVALID);
    view_free(b.view);
    b.view = NULL;
    XT_TRY(view_new(&b.view, &err));
    XT_REFUSED(step(&b, (struct view_event){.kind = VIEW_TICK}, &err), XOS_INVALID);
    XT_REFUSED(step(&b,
                    (struct view_event){
                        .kind = VIEW_START, .descriptor = &other, .seed_count = VIEW_SEEDS_MAX + 1},
                    &err),
               XOS_LIMIT);
out:
    bench_close(&b);
}

static const struct xt_test tests[] = {
    XT_PLAIN(a_node_without_links_never_stops_trying),
    XT(a_join_makes_a_link_and_walks),
    XT_PLAIN(joins_beyond_the_limit_are_sent_elsewhere),
    XT(a_full_view_takes_by_priority),
    XT_PLAIN(an_institution_cannot_crowd_out_the_others),
    XT(what_a_stranger_says_is_not_obeyed),
    XT(a_shuffle_is_clamped_and_answered),
    XT_PLAIN(a_silent_link_is_given_up),
    XT(a_broken_link_is_replaced_from_the_passive_view),
    XT(who_leaves_is_forgotten_and_who_knows_others_recalls_them),
    XT(leaving_says_so_to_all),
    XT(events_that_do_not_fit_are_refused),
};
XT_MAIN(tests)
