// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a node's row does not reach all others, or floods the network. */
#include "discovery/core/spread.h"
#include "libxos/base/alloc.h"
#include "tests/lib/disc.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <string.h>

#define REAL(b) (DISC_TEST_REAL_MS + (int64_t)(b)->now_ms)

struct bench {
    struct spread *spread;
    struct spread_actions *out;
    uint64_t now_ms;
    uint64_t random;
};

static int step(struct bench *b, struct spread_event ev, struct xos_error *err)
{
    ev.now_ms = b->now_ms;
    ev.real_ms = REAL(b);
    ev.random = b->random++;
    return spread_step(b->spread, &ev, b->out, err);
}

static int neighbor(struct bench *b, const char *node, struct xos_error *err)
{
    return step(b, (struct spread_event){.kind = SPREAD_NEIGHBOR_UP, .node = node}, err);
}

/* "self.vu" with the neighbours a.vu, b.vu and c.vu, at a quiet moment. */
static int bench_open(struct bench *b, struct xos_error *err)
{
    *b = (struct bench){.now_ms = 1000, .random = 1};
    b->out = xos_alloc(sizeof(*b->out));
    if (!b->out)
        return xos_fail(err, XOS_NOMEM, "actions");
    if (spread_new(&b->spread, "self.vu", err) < 0 ||
        step(b, (struct spread_event){.kind = SPREAD_TICK}, err) < 0 ||
        neighbor(b, "a.vu", err) < 0 || neighbor(b, "b.vu", err) < 0 ||
        neighbor(b, "c.vu", err) < 0)
        return -1;
    b->now_ms += 1000;
    if (step(b, (struct spread_event){.kind = SPREAD_TICK}, err) < 0)
        return -1;
    b->now_ms += 1000;
    return 0;
}

static void bench_close(struct bench *b)
{
    spread_free(b->spread);
    xos_free(b->out);
}

static const struct spread_message *sent(const struct bench *b, enum disc_kind kind, const char *to)
{
    for (size_t i = 0; i < b->out->count; i++) {
        const struct spread_action *a = &b->out->at[i];
        if (a->kind == SPREAD_SEND && a->message.kind == kind && !strcmp(a->node, to))
            return &a->message;
    }
    return NULL;
}

static const struct spread_action *action(const struct bench *b, enum spread_action_kind kind)
{
    for (size_t i = 0; i < b->out->count; i++)
        if (b->out->at[i].kind == kind)
            return &b->out->at[i];
    return NULL;
}

static int hear_row(struct bench *b, const char *from, const char *node, uint64_t incarnation,
                    uint64_t seq, const char *body, struct xos_error *err)
{
    static struct disc_test_row row;
    const struct row_record *list[] = {&row.record};
    struct spread_message m = {.kind = DISC_ROWS, .row_count = 1, .rows = list};
    if (disc_test_row(&row, node, incarnation, seq, REAL(b) + ROW_LIFE_MS, ROW_UP, body, err) < 0)
        return -1;
    return step(b, (struct spread_event){.kind = SPREAD_MESSAGE, .node = from, .message = &m}, err);
}

static int hear_marks(struct bench *b, const char *from, enum disc_kind kind, const char *node,
                      uint64_t incarnation, uint64_t seq, struct xos_error *err)
{
    uint64_t name = node ? node_name_hash(node) : 0;
    struct spread_message m = {.kind = kind,
                               .mark_count = node != NULL,
                               .names = &name,
                               .incarnations = &incarnation,
                               .seqs = &seq};
    return step(b, (struct spread_event){.kind = SPREAD_MESSAGE, .node = from, .message = &m}, err);
}

static void a_new_row_goes_on_at_once_to_all_others(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    XT_TRY(bench_open(&b, &err));
    XT_TRY(hear_row(&b, "a.vu", "n1.vu", 1, 1, "x", &err));
    assert_null(sent(&b, DISC_ROWS, "a.vu"));
    assert_non_null(sent(&b, DISC_ROWS, "b.vu"));
    assert_string_equal(sent(&b, DISC_ROWS, "c.vu")->rows[0]->node, "n1.vu");
    assert_string_equal(action(&b, SPREAD_ROW)->node, "n1.vu");
    /* The same from another: nothing happens. */
    XT_TRY(hear_row(&b, "b.vu", "n1.vu", 1, 1, "x", &err));
    assert_int_equal(b.out->count, 0);
    assert_int_equal(spread_counts(b.spread)->duplicate, 1);
    /* A stranger's row counts too: its link may just have ended on this side. */
    b.now_ms += 1000;
    XT_TRY(hear_row(&b, "stranger.vu", "n2.vu", 1, 1, "x", &err));
    assert_non_null(sent(&b, DISC_ROWS, "a.vu"));
out:
    bench_close(&b);
}

static void a_renewal_is_announced_and_pulled(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    XT_TRY(bench_open(&b, &err));
    XT_TRY(hear_row(&b, "a.vu", "n1.vu", 1, 1, "x", &err));
    b.now_ms += 1000;
    XT_TRY(hear_row(&b, "a.vu", "n1.vu", 1, 2, "x", &err));
    assert_int_equal(b.out->count, 0);
    /* b has it already by the time that it would be told. */
    XT_TRY(hear_marks(&b, "b.vu", DISC_NEWS, "n1.vu", 1, 2, &err));
    b.now_ms += 2 * SPREAD_NEWS_MS;
    XT_TRY(step(&b, (struct spread_event){.kind = SPREAD_TICK}, &err));
    assert_null(sent(&b, DISC_NEWS, "a.vu"));
    assert_null(sent(&b, DISC_NEWS, "b.vu"));
    const struct spread_message *news = sent(&b, DISC_NEWS, "c.vu");
    assert_non_null(news);
    assert_int_equal(news->mark_count, 1);
    assert_int_equal(news->seqs[0], 2);
    XT_TRY(hear_marks(&b, "c.vu", DISC_PULL, "n1.vu", 0, 0, &err));
    assert_int_equal(sent(&b, DISC_ROWS, "c.vu")->rows[0]->seq, 2);
out:
    bench_close(&b);
}

static void what_is_missing_is_pulled_once(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    XT_TRY(bench_open(&b, &err));
    XT_TRY(hear_marks(&b, "a.vu", DISC_NEWS, "n1.vu", 1, 5, &err));
    const struct spread_message *pull = sent(&b, DISC_PULL, "a.vu");
    assert_non_null(pull);
    assert_int_equal(pull->mark_count, 1);
    assert_true(pull->names[0] == node_name_hash("n1.vu"));
    XT_TRY(hear_marks(&b, "b.vu", DISC_NEWS, "n1.vu", 1, 5, &err));
    assert_null(sent(&b, DISC_PULL, "b.vu"));
    b.now_ms += SPREAD_ASK_AGAIN_MS; /* a never answered */
    XT_TRY(hear_marks(&b, "b.vu", DISC_DIGEST, "n1.vu", 1, 5, &err));
    assert_non_null(sent(&b, DISC_PULL, "b.vu"));
    /* Strangers are not pulled from. */
    XT_TRY(hear_marks(&b, "stranger.vu", DISC_NEWS, "n2.vu", 1, 5, &err));
    assert_null(sent(&b, DISC_PULL, "stranger.vu"));
out:
    bench_close(&b);
}

static void a_digest_repairs_both_sides(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    XT_TRY(bench_open(&b, &err));
    XT_TRY(hear_row(&b, "a.vu", "n1.vu", 1, 3, "x", &err));
    b.now_ms += 1000;
    XT_TRY(neighbor(&b, "new.vu", &err));
    assert_int_equal(sent(&b, DISC_DIGEST, "new.vu")->mark_count, 1);
    XT_TRY(hear_marks(&b, "new.vu", DISC_DIGEST, NULL, 0, 0, &err));
    b.now_ms += 2 * SPREAD_NEWS_MS;
    XT_TRY(step(&b, (struct spread_event){.kind = SPREAD_TICK}, &err));
    assert_int_equal(sent(&b, DISC_NEWS, "new.vu")->mark_count, 1);
    XT_TRY(hear_marks(&b, "a.vu", DISC_DIGEST, "n1.vu", 1, 2, &err)); /* older there */
    b.now_ms += 2 * SPREAD_NEWS_MS;
    XT_TRY(step(&b, (struct spread_event){.kind = SPREAD_TICK}, &err));
    assert_int_equal(sent(&b, DISC_NEWS, "a.vu")->seqs[0], 3);
out:
    bench_close(&b);
}

static void each_ten_seconds_somebody_gets_a_digest(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    unsigned digests = 0;
    XT_TRY(bench_open(&b, &err));
    uint64_t end = b.now_ms + 300000;
    while (b.now_ms < end) {
        XT_TRY(step(&b, (struct spread_event){.kind = SPREAD_TICK}, &err));
        for (size_t i = 0; i < b.out->count; i++)
            digests += b.out->at[i].message.kind == DISC_DIGEST;
        assert_true(b.out->next_ms > b.now_ms);
        b.now_ms = b.out->next_ms;
    }
    assert_in_range(digests, 300000 / SPREAD_DIGEST_MS - 7, 300000 / SPREAD_DIGEST_MS + 8);
out:
    bench_close(&b);
}

static void a_batch_keeps_to_its_budget(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    char name[32], body[3000];
    size_t got[3] = {0};
    static const char *const peers[] = {"a.vu", "b.vu", "c.vu"};
    memset(body, 'x', sizeof(body));
    body[sizeof(body) - 1] = '\0';
    XT_TRY(bench_open(&b, &err));
    for (unsigned i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof(name), "n%u.vu", i);
        XT_TRY(hear_row(&b, "gone.vu", name, 1, 1, body, &err));
        for (size_t k = 0; k < 3; k++)
            got[k] += sent(&b, DISC_ROWS, peers[k]) ? sent(&b, DISC_ROWS, peers[k])->row_count : 0;
    }
    for (unsigned round = 0; round < 100; round++) {
        size_t bytes = 0;
        b.now_ms += SPREAD_FLUSH_MS;
        XT_TRY(step(&b, (struct spread_event){.kind = SPREAD_TICK}, &err));
        for (size_t k = 0; k < 3; k++) {
            const struct spread_message *m = sent(&b, DISC_ROWS, peers[k]);
            got[k] += m ? m->row_count : 0;
            for (size_t i = 0; m && i < m->row_count; i++)
                bytes += m->rows[i]->statement.len + m->rows[i]->signature.len;
        }
        assert_true(bytes <= SPREAD_FLUSH_BYTES_MAX);
    }
    for (size_t k = 0; k < 3; k++)
        assert_int_equal(got[k], 200);
out:
    bench_close(&b);
}

static int sign(struct bench *b, uint64_t incarnation, uint64_t seq, enum row_state how,
                struct xos_error *err)
{
    static struct disc_test_row row;
    if (disc_test_row(&row, "self.vu", incarnation, seq, REAL(b) + ROW_LIFE_MS, how, "me", err) < 0)
        return -1;
    return step(b, (struct spread_event){.kind = SPREAD_LOCAL, .row = &row.record}, err);
}

static void ones_own_row_is_signed_in_time_and_not_too_often(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    unsigned asked = 0;
    XT_TRY(bench_open(&b, &err));
    XT_TRY(sign(&b, 7, 1, ROW_UP, &err));
    assert_non_null(sent(&b, DISC_ROWS, "a.vu"));
    XT_REFUSED(sign(&b, 7, 1, ROW_UP, &err), XOS_INVALID);
    uint64_t end = b.now_ms + 600000;
    while (b.now_ms < end) {
        XT_TRY(step(&b, (struct spread_event){.kind = SPREAD_TICK}, &err));
        asked += action(&b, SPREAD_SIGN) != NULL;
        b.now_ms = b.out->next_ms;
    }
    assert_in_range(asked, 9, 10);
    /* Changes all the time: once a second. */
    asked = 0;
    for (end = b.now_ms + 20000; b.now_ms < end; b.now_ms += 100) {
        XT_TRY(step(&b, (struct spread_event){.kind = SPREAD_DIRTY}, &err));
        XT_TRY(step(&b, (struct spread_event){.kind = SPREAD_TICK}, &err));
        asked += action(&b, SPREAD_SIGN) != NULL;
    }
    assert_in_range(asked, 19, 21);
out:
    bench_close(&b);
}

static void a_row_from_before_the_last_start_is_outdone(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    XT_TRY(bench_open(&b, &err));
    XT_TRY(sign(&b, 7, 1, ROW_UP, &err));
    XT_TRY(hear_row(&b, "a.vu", "self.vu", 9, 4, "old me", &err));
    assert_int_equal(row_table_find(spread_rows(b.spread), "self.vu")->incarnation, 7);
    b.now_ms += SPREAD_CHANGE_MS;
    XT_TRY(step(&b, (struct spread_event){.kind = SPREAD_TICK}, &err));
    const struct spread_action *a = action(&b, SPREAD_SIGN);
    assert_non_null(a);
    assert_int_equal(a->incarnation, 9);
    assert_int_equal(a->seq, 4);
    XT_REFUSED(sign(&b, 9, 4, ROW_UP, &err), XOS_INVALID);
    XT_TRY(sign(&b, 10, 1, ROW_UP, &err));
out:
    bench_close(&b);
}

static void a_farewell_spreads_and_an_ended_row_does_not(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    XT_TRY(bench_open(&b, &err));
    XT_TRY(sign(&b, 7, 1, ROW_UP, &err));
    b.now_ms += 1000;
    XT_TRY(sign(&b, 7, 2, ROW_DOWN, &err));
    assert_int_equal(sent(&b, DISC_ROWS, "a.vu")->rows[0]->state, ROW_DOWN);
    XT_TRY(hear_row(&b, "a.vu", "n1.vu", 1, 1, "x", &err));
    b.now_ms += ROW_LIFE_MS;
    XT_TRY(step(&b, (struct spread_event){.kind = SPREAD_TICK}, &err));
    assert_true(b.out->rows_ended);
    assert_int_equal(row_table_find(spread_rows(b.spread), "n1.vu")->state, ROW_DOWN);
    XT_TRY(neighbor(&b, "new.vu", &err));
    b.now_ms += SPREAD_FLUSH_MS;
    XT_TRY(step(&b, (struct spread_event){.kind = SPREAD_TICK}, &err));
    assert_null(sent(&b, DISC_ROWS, "new.vu"));
    XT_TRY(hear_marks(&b, "new.vu", DISC_PULL, "n1.vu", 0, 0, &err));
    b.now_ms += SPREAD_FLUSH_MS;
    XT_TRY(step(&b, (struct spread_event){.kind = SPREAD_TICK}, &err));
    assert_null(sent(&b, DISC_ROWS, "new.vu"));
out:
    bench_close(&b);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    struct disc_test_row row;
    char name[16];
    XT_TRY(bench_open(&b, &err));
    XT_REFUSED(step(&b, (struct spread_event){.kind = SPREAD_EVENT_NONE}, &err), XOS_INVALID);
    XT_TRY(disc_test_row(&row, "other.vu", 1, 1, REAL(&b) + 1000, ROW_UP, "", &err));
    XT_REFUSED(step(&b, (struct spread_event){.kind = SPREAD_LOCAL, .row = &row.record}, &err),
               XOS_INVALID);
    for (unsigned i = 3; i < SPREAD_NEIGHBORS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "n%u.vu", i);
        XT_TRY(neighbor(&b, name, &err));
    }
    XT_REFUSED(neighbor(&b, "more.vu", &err), XOS_LIMIT);
    XT_TRY(neighbor(&b, "a.vu", &err)); /* again: nothing */
    XT_TRY(step(&b, (struct spread_event){.kind = SPREAD_NEIGHBOR_DOWN, .node = "a.vu"}, &err));
    XT_TRY(neighbor(&b, "more.vu", &err));
    struct spread *s = NULL;
    XT_REFUSED(spread_new(&s, "", &err), XOS_INVALID);
out:
    bench_close(&b);
}

static const struct xt_test tests[] = {
    XT(a_new_row_goes_on_at_once_to_all_others),
    XT(a_renewal_is_announced_and_pulled),
    XT(what_is_missing_is_pulled_once),
    XT(a_digest_repairs_both_sides),
    XT(each_ten_seconds_somebody_gets_a_digest),
    XT_PLAIN(a_batch_keeps_to_its_budget),
    XT_PLAIN(ones_own_row_is_signed_in_time_and_not_too_often),
    XT(a_row_from_before_the_last_start_is_outdone),
    XT(a_farewell_spreads_and_an_ended_row_does_not),
    XT(what_does_not_fit_is_refused),
};
XT_MAIN(tests)
