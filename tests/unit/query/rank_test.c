// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: jobs land on the nodes that their users like least. */
#include "discovery/query/rank.h"

#include "discovery/query/parse.h"
#include "tests/lib/xtest.h"
#include "tests/unit/query/row_of.h"

#include <stdlib.h>

static const char node[] = "cpu.cores=16; load1=0.5; mem=64GiB; mem.free=16GiB; price=2; arch=a; "
                           "ckpt.vm=true; gpu; vram=2GiB; mig=false; gpu; vram=1GiB";

static const struct {
    const char *text, *canonical; /* NULL: the same */
    bool known;
    double value;
} good[] = {
    {"1", NULL, true, 1},
    {"-1", NULL, true, -1},
    {"--1", NULL, true, 1},
    {"-(-1)", "--1", true, 1},
    {"-(1)", "-1", true, -1},
    {"1-1", "1 - 1", true, 0},
    {"1--1", "1 - -1", true, 2},
    {"1+2*3", "1 + 2*3", true, 7},
    {"(1+2)*3", "(1 + 2)*3", true, 9},
    {"8/4/2", NULL, true, 1},
    {"8/(4/2)", NULL, true, 4},
    {"8-4-2", "8 - 4 - 2", true, 2},
    {"8-(4-2)", "8 - (4 - 2)", true, 6},
    {"-cpu.cores*2", NULL, true, -32},
    {"-(cpu.cores*2)", NULL, true, -32},
    {"-(cpu.cores+2)", "-(cpu.cores + 2)", true, -18},
    {"cpu.cores - load1*2", NULL, true, 15},
    {"mem", NULL, true, 68719476736.0},
    {"mem/1GiB", NULL, true, 64},
    {"mem.free/mem", NULL, true, 0.25},
    {"2h/30m", NULL, true, 4},
    {"90s", NULL, true, 90},
    {"1500ms", NULL, true, 1.5},
    {"3.63G", "3897682821B", true, 3897682821.0},
    {"3897682821B", NULL, true, 3897682821.0},
    {"-1GiB", NULL, true, -1073741824.0},
    {"gpu.count*10 - price", NULL, true, 18},
    {"gpu.count(vram>1GiB)", NULL, true, 1},
    {"gpu.sum(vram)/1GiB", NULL, true, 3},
    {"gpu.sum(vram, vram>1GiB)/1GiB", NULL, true, 2},
    {"gpu.same(vram)", NULL, true, 1},
    {"gpu.count(mig)", NULL, false, 0},
    {"gpu.sum(numa)", NULL, false, 0},
    {"power.watts", NULL, false, 0},
    {"1 + power.watts*0", NULL, false, 0},
    {"1/0", NULL, false, 0},
    {"mem/(price - 2)", NULL, false, 0},
};

static void ranks_are_computed_and_read_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct xos_error err = {0};
        struct xos_buf text = XOS_BUF(4096);
        struct xql_row row = {0};
        struct xql_expr e, again;
        XT_TRY(row_of(&row, node, &err));
        XT_TRY(xql_parse_rank(&e, good[i].text, NULL, &err));
        struct xql_rank r = xql_rank(&e, &row);
        if (r.known != good[i].known || r.value != good[i].value)
            fail_msg("%s: %d %f", good[i].text, r.known, r.value);
        XT_TRY(xql_expr_print(&e, &text, &err));
        assert_string_equal((char *)text.data,
                            good[i].canonical ? good[i].canonical : good[i].text);
        XT_TRY(xql_parse_rank(&again, (char *)text.data, NULL, &err));
        assert_true(xql_expr_equal(&e, &again));
    out:
        xos_buf_free(&text);
        xql_row_free(&row);
    }
}

static const struct {
    const char *text;
    unsigned column;
    const char *says;
} bad[] = {
    {"", 1, "expected a number or an attribute, found the end"},
    {"1+", 3, "expected a number or an attribute"},
    {"1 2", 3, "expected + - * / or the end, found 2"},
    {"(1", 3, "expected ), found the end"},
    {"arch", 1, "arch is a text: a rank is made of numbers and sizes"},
    {"ckpt.vm", 1, "ckpt.vm is a condition"},
    {"true", 1, "true is a condition"},
    {"kernel", 1, "kernel is a version"},
    {"gpu.any(mig)", 1, "gpu.any is a condition"},
    {"memm/2", 1, "did you mean mem?"},
    {"mem>1", 4, "expected + - * / or the end, found >"},
    {"\"1\"", 1, "expected a number or an attribute"},
    {"1foo", 1, "expected a number, a size or a duration, found 1foo"},
    {"9999999999", 1, "XQL_NUMBER_MAX"},
    {"gpu.count(mem>1)", 11, "mem is the node's"},
};

static void errors_name_the_column(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct xos_error err = {0};
        struct xql_place place;
        struct xql_expr e;
        assert_int_equal(xql_parse_rank(&e, bad[i].text, &place, &err), -1);
        if (place.column != bad[i].column || !strstr(err.text, bad[i].says))
            fail_msg("%s: column %u, %s", bad[i].text, place.column, err.text);
    }
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    static const char signs[] = {'-', '('};
    for (size_t i = 0; i < sizeof(signs); i++) {
        struct xos_error err = {0};
        struct xql_expr e;
        char text[512];
        memset(text, signs[i], sizeof(text));
        text[sizeof(text) - 1] = '\0';
        assert_int_equal(xql_parse_rank(&e, text, NULL, &err), -1);
        assert_int_equal(err.code, XOS_LIMIT);
    }
}

static int by_rank(const void *a, const void *b)
{
    return xql_rank_order(a, b);
}

static void the_highest_comes_first_and_unknown_last(void **state)
{
    (void)state;
    struct xql_rank r[] = {{true, 1}, {false, 0}, {true, -5}, {true, 7}, {false, 0}};
    qsort(r, 5, sizeof(r[0]), by_rank);
    assert_true(r[0].value == 7 && r[1].value == 1 && r[2].value == -5);
    assert_false(r[3].known || r[4].known);
    assert_int_equal(xql_rank_order(&r[3], &r[4]), 0);
}

static void no_rank_is_unknown(void **state)
{
    (void)state;
    const struct xql_expr none = {0};
    const struct xql_row row = {0};
    assert_false(xql_rank(&none, &row).known);
}

static const struct xt_test tests[] = {
    XT(ranks_are_computed_and_read_back),
    XT(errors_name_the_column),
    XT(nesting_is_bounded),
    XT(no_rank_is_unknown),
    XT(the_highest_comes_first_and_unknown_last),
};
XT_MAIN(tests)
