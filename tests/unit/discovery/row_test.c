// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: nodes disagree for good about who is there and what he has, since the same
 * rows in another order end in another table; or the dead come back. */
#include "discovery/core/row.h"
#include "libxos/base/alloc.h"
#include "tests/lib/disc.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <string.h>

#define REAL DISC_TEST_REAL_MS
#define LATER (REAL + ROW_LIFE_MS)

static int put(struct row_table *t, const struct row_record *r, uint64_t now_ms, int64_t real_ms,
               struct xos_error *err)
{
    struct row_bytes *b = row_bytes_new(r);
    if (!b)
        return xos_fail(err, XOS_NOMEM, "row");
    row_table_put(t, b, now_ms, real_ms);
    return 0;
}

static void the_newest_version_holds(void **state)
{
    (void)state;
    static const struct {
        uint64_t incarnation, seq;
        int64_t expiry_ms;
        const char *body;
        enum row_verdict verdict;
    } steps[] = {
        {5, 3, LATER, "a", ROW_CHANGED},
        {5, 3, LATER, "a", ROW_SAME},
        {5, 2, LATER, "b", ROW_OLDER},
        {4, 9, LATER, "b", ROW_OLDER},
        {5, 4, LATER, "a", ROW_RENEWED},
        {5, 5, LATER, "b", ROW_CHANGED},
        {6, 1, LATER, "b", ROW_CHANGED},
        {7, 1, REAL, "b", ROW_ENDED},
        {7, 1, REAL - 9, "b", ROW_ENDED},
        {7, 1, LATER + ROW_SKEW_MS + 1, "b", ROW_TOO_FAR},
        {7, 1, LATER + ROW_SKEW_MS, "b", ROW_CHANGED},
    };
    struct xos_error err = {0};
    struct row_table *t = NULL;
    struct disc_test_row r;
    uint64_t now = 10000;
    XT_TRY(row_table_new(&t, &err));
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++, now += 1000) {
        XT_TRY(disc_test_row(&r, "n1.vu", steps[i].incarnation, steps[i].seq, steps[i].expiry_ms,
                             ROW_UP, steps[i].body, &err));
        enum row_verdict verdict = row_table_judge(t, &r.record, now, REAL);
        assert_int_equal(verdict, steps[i].verdict);
        if (verdict == ROW_CHANGED || verdict == ROW_RENEWED)
            XT_TRY(put(t, &r.record, now, REAL, &err));
    }
    const struct row_record *held = row_table_find(t, "n1.vu");
    assert_int_equal(held->incarnation, 7);
    assert_int_equal(held->body.len, 1);
    assert_memory_equal(held->body.data, "b", 1);
    assert_int_equal(row_table_count(t), 1);
    assert_null(row_table_find(t, "n2.vu"));
out:
    row_table_free(t);
}

static void a_node_may_not_change_too_often(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct row_table *t = NULL;
    struct disc_test_row r;
    unsigned taken = 0;
    char body[16];
    XT_TRY(row_table_new(&t, &err));
    for (unsigned i = 0; i < 200; i++) { /* ten seconds, a change each 50 ms */
        (void)snprintf(body, sizeof(body), "%u", i);
        XT_TRY(disc_test_row(&r, "n1.vu", 1, i + 1, LATER, ROW_UP, body, &err));
        uint64_t now = 100000 + i * 50;
        if (row_table_judge(t, &r.record, now, REAL) != ROW_CHANGED)
            continue;
        XT_TRY(put(t, &r.record, now, REAL, &err));
        taken++;
    }
    assert_in_range(taken, 10000 / ROW_CHANGE_GAP_MS - 1,
                    10000 / ROW_CHANGE_GAP_MS + ROW_CHANGES_BURST);
out:
    row_table_free(t);
}

static void count_ended(size_t slot, const struct row_record *r, void *arg)
{
    (void)slot;
    assert_int_equal(r->state, ROW_DOWN);
    ++*(unsigned *)arg;
}

static void a_row_ends_is_remembered_and_forgotten(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct row_table *t = NULL;
    struct disc_test_row r, again;
    unsigned ended = 0;
    XT_TRY(row_table_new(&t, &err));
    assert_true(row_table_expire(t, REAL, count_ended, &ended) == INT64_MAX);
    XT_TRY(disc_test_row(&r, "n1.vu", 5, 3, LATER, ROW_UP, "a", &err));
    XT_TRY(put(t, &r.record, 1000, REAL, &err));
    assert_true(row_table_spreads(t, 0, REAL));
    assert_true(row_table_expire(t, LATER - 1, count_ended, &ended) == LATER);
    assert_int_equal(ended, 0);
    assert_true(row_table_expire(t, LATER, count_ended, &ended) == LATER + ROW_FORGET_MS);
    assert_int_equal(ended, 1);
    assert_int_equal(row_table_find(t, "n1.vu")->state, ROW_DOWN);
    assert_false(row_table_spreads(t, 0, LATER));
    /* An older row with a longer life, from a peer that makes one up or kept it. */
    XT_TRY(disc_test_row(&again, "n1.vu", 5, 2, LATER + 60000, ROW_UP, "a", &err));
    assert_int_equal(row_table_judge(t, &again.record, 2000, LATER), ROW_OLDER);
    XT_TRY(disc_test_row(&again, "n1.vu", 5, 4, LATER + 60000, ROW_UP, "a", &err));
    assert_int_equal(row_table_judge(t, &again.record, 2000, LATER), ROW_CHANGED);
    row_table_expire(t, LATER + ROW_FORGET_MS, count_ended, &ended);
    assert_null(row_table_find(t, "n1.vu"));
    assert_int_equal(row_table_count(t), 0);
out:
    row_table_free(t);
}

static void a_full_table_gives_up_who_is_down(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct row_table *t = NULL;
    struct disc_test_row r;
    unsigned ended = 0;
    char name[32];
    XT_TRY(row_table_new(&t, &err));
    for (unsigned i = 0; i < ROW_TABLE_MAX; i++) {
        (void)snprintf(name, sizeof(name), "n%u.vu", i);
        XT_TRY(disc_test_row(&r, name, 1, 1, LATER - (i == 7), ROW_UP, "", &err));
        XT_TRY(put(t, &r.record, 1000, REAL, &err));
    }
    XT_TRY(disc_test_row(&r, "late.vu", 1, 1, LATER, ROW_UP, "", &err));
    assert_int_equal(row_table_judge(t, &r.record, 1000, REAL), ROW_NO_ROOM);
    row_table_expire(t, LATER - 1, count_ended, &ended);
    assert_int_equal(ended, 1);
    assert_int_equal(row_table_judge(t, &r.record, 1000, LATER - 1), ROW_CHANGED);
    XT_TRY(put(t, &r.record, 1000, LATER - 1, &err));
    assert_null(row_table_find(t, "n7.vu"));
    assert_non_null(row_table_find(t, "late.vu"));
    assert_int_equal(row_table_count(t), ROW_TABLE_MAX);
out:
    row_table_free(t);
}

static void bad_statements_are_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct row_record out;
    char node[NODE_NAME_BYTES_MAX + 1];
    static const uint8_t none[1];
    static const struct {
        const char *bytes;
        size_t len;
        enum xos_code code;
    } rows[] = {
        {"", 0, XOS_PROTOCOL},                     /* no name */
        {"\x0a\x01n", 3, XOS_PROTOCOL},            /* no state */
        {"\x0a\x01n\x28\x05", 5, XOS_PROTOCOL},    /* a state that is none */
        {"\x0a\x03n\0x\x28\x01", 7, XOS_PROTOCOL}, /* a name with a NUL */
        {"\x0a\x03n x\x28\x01", 7, XOS_PROTOCOL},  /* and a space */
        {"\x0a\x01n\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x28\x01", 16, XOS_PROTOCOL},
        {"\x0a", 1, XOS_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xos_slice s = {(const uint8_t *)rows[i].bytes, rows[i].len};
        XT_REFUSED(row_parse(&out, node, s, (struct xos_slice){none, 0}, &err), rows[i].code);
    }
    uint8_t *big = xos_alloc(ROW_BYTES_MAX + 1);
    if (big)
        XT_REFUSED(row_parse(&out, node, (struct xos_slice){big, ROW_BYTES_MAX},
                             (struct xos_slice){none, 1}, &err),
                   XOS_LIMIT);
    xos_free(big);
}

static const struct xt_test tests[] = {
    XT(the_newest_version_holds),
    XT(a_node_may_not_change_too_often),
    XT(a_row_ends_is_remembered_and_forgotten),
    XT_PLAIN(a_full_table_gives_up_who_is_down),
    XT(bad_statements_are_refused),
};
XT_MAIN(tests)
