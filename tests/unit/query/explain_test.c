// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a user whose job waits for ever is told the wrong reason. */
#include "discovery/query/explain.h"

#include "discovery/query/parse.h"
#include "libxos/base/alloc.h"
#include "tests/lib/xtest.h"
#include "tests/unit/query/row_of.h"

static const char *const rows[] = {
    "node=n1; mem=64GiB; cpu.cores=16; gpu; vram=80GiB",
    "node=n2; mem=62GiB; cpu.cores=16; gpu; vram=80GiB",
    "node=n3; mem=8GiB; cpu.cores=4",
    "node=n4; mem=128GiB; cpu.cores=4; gpu; vram=16GiB",
    "node=n5; mem=128GiB; cpu.cores=64; gpu",
    "mem=1GiB; cpu.cores=1",
};
static const char need[] = "mem>=64GiB && cpu.cores>=16 && gpu.count(vram>=40GiB)>=1";

static int explain(struct xql_explain *x, const struct xql_expr *e, struct xos_error *err)
{
    xql_explain_start(x, e);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xql_row row = {0};
        int rc = row_of(&row, rows[i], err);
        if (rc == 0)
            (void)xql_explain_add(x, &row);
        xql_row_free(&row);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static void every_clause_is_counted(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xql_expr e;
    struct xql_explain x;
    static const struct {
        uint64_t alone, here, only, unknown;
    } wanted[] = {{3, 3, 1, 0}, {3, 1, 0, 0}, {4, 1, 1, 1}};
    XT_TRY(xql_parse(&e, need, NULL, &err));
    XT_TRY(explain(&x, &e, &err));
    assert_int_equal(x.rows, 6);
    assert_int_equal(x.matches, 1);
    assert_int_equal(x.clause_count, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct xql_explain_clause *c = &x.clause[i];
        if (c->alone != wanted[i].alone || c->here != wanted[i].here || c->only != wanted[i].only ||
            c->unknown != wanted[i].unknown)
            fail_msg("clause %zu: %d %d %d %d", i, (int)c->alone, (int)c->here, (int)c->only,
                     (int)c->unknown);
    }
    assert_int_equal(x.missing[XQL_A_VRAM], 1);
    assert_string_equal(x.nearest.node, "n2");
    assert_int_equal(x.nearest.failed, 1);
out:;
}

static void people_read_a_table(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf out = XOS_BUF(65536);
    struct xql_expr e;
    struct xql_explain x;
    XT_TRY(xql_parse(&e, need, NULL, &err));
    XT_TRY(explain(&x, &e, &err));
    XT_TRY(xql_explain_print(&x, &out, &err));
    assert_string_equal((char *)out.data,
                        "1 of 6 nodes match\n"
                        "   DROPS     HERE     ONLY     LEFT  CLAUSE\n"
                        "       3        3        1        3  mem>=64GiB\n"
                        "       3        1        0        2  cpu.cores>=16\n"
                        "       4        1        1        1  gpu.count(vram>=40GiB)>=1\n"
                        "nearest miss: n2 fails 1 of 3\n"
                        "    mem>=64GiB: has mem 62GiB\n"
                        "not said by 1 that might match: gpu.vram\n");
out:
    xos_buf_free(&out);
}

static void programs_read_json(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xql_expr e;
    struct xql_explain x;
    json_t *json = NULL;
    char *text = NULL;
    json_set_alloc_funcs(xos_alloc, xos_free);
    XT_TRY(xql_parse(&e, need, NULL, &err));
    XT_TRY(explain(&x, &e, &err));
    XT_TRY(xql_explain_json(&x, &json, &err));
    text = json_dumps(json, JSON_SORT_KEYS);
    if (xt_starving())
        goto out; /* jansson's own printing leaves out what it cannot allocate */
    XT_PTR(text);
    assert_string_equal(
        text,
        "{\"clauses\": [{\"clause\": \"mem>=64GiB\", \"drops\": 3, \"drops_here\": 3, \"left\": 3, "
        "\"only\": 1, \"unknown\": 0}, {\"clause\": \"cpu.cores>=16\", \"drops\": 3, "
        "\"drops_here\": 1, \"left\": 2, \"only\": 0, \"unknown\": 0}, {\"clause\": "
        "\"gpu.count(vram>=40GiB)>=1\", \"drops\": 4, \"drops_here\": 1, \"left\": 1, \"only\": 1, "
        "\"unknown\": 1}], \"matches\": 1, \"missing\": [{\"attribute\": \"gpu.vram\", \"rows\": "
        "1}], \"nearest\": {\"clauses\": [{\"clause\": \"mem>=64GiB\", \"has\": \"mem 62GiB\"}], "
        "\"failed\": 1, \"node\": \"n2\"}, \"rows\": 6}");
out:
    xos_free(text);
    json_decref(json);
}

/* What the nearest node has is told for every kind of clause. */
static void the_nearest_miss_tells_what_it_has(void **state)
{
    (void)state;
    static const struct {
        const char *row, *clause, *has;
    } cases[] = {
        {"node=a; arch=x", "arch==\"y\"", "arch x"},
        {"node=a", "arch==\"y\"", "arch unknown"},
        {"node=a; load1=1.5; cpu.cores=1", "load1<cpu.cores", "load1 1.5, cpu.cores 1"},
        {"node=a; mem=1GiB", "mem>2GiB || mem==0B || ckpt.vm", "mem 1GiB, ckpt.vm unknown"},
        {"node=a", "has(price)", "price unknown"},
        {"node=a; ckpt.vm=true", "!ckpt.vm", "ckpt.vm true"},
        {"node=a; gpu; gpu", "gpu.count>=3", "gpu.count 2"},
        {"node=a; gpu; mig=true", "gpu.any(!mig)", "gpu.any false"},
        {"node=a; gpu", "gpu.all(mig)", "gpu.all unknown"},
        {"node=a; gpu", "gpu.count(mig)==1", "gpu.count unknown"},
        {"node=a; gpu; vram=2GiB; gpu; vram=1GiB", "gpu.sum(vram)>4GiB", "gpu.sum 3GiB"},
        {"node=a; gpu; model=a; gpu; model=b", "gpu.same(model)", "gpu.same false"},
        {"node=a; gpu; model=a; gpu; model=b", "gpu.same(model)>=2", "gpu.same 1"},
        {"node=a; arch=x", "arch in [\"y\", \"z\"]", "arch x"},
        {"node=a", "false", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct xos_error err = {0};
        struct xql_row row = {0};
        struct xql_expr e;
        struct xql_explain x;
        XT_TRY(row_of(&row, cases[i].row, &err));
        XT_TRY(xql_parse(&e, cases[i].clause, NULL, &err));
        xql_explain_start(&x, &e);
        struct xql_verdict v = xql_explain_add(&x, &row);
        assert_int_equal(v.truth, xql_eval(&e, &row).truth);
        assert_int_equal(v.missing, xql_eval(&e, &row).missing);
        assert_string_equal(x.nearest.node, "a");
        assert_string_equal(x.nearest.what[0].has, cases[i].has);
    out:
        xql_row_free(&row);
    }
}

static void many_failed_clauses_are_counted_and_some_told(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf out = XOS_BUF(65536);
    struct xql_row row = {0};
    struct xql_expr e;
    struct xql_explain x;
    XT_TRY(xql_parse(&e, "mem>1K && false && true && arch==a && zone==b && os==c && has(price)",
                     NULL, &err));
    xql_explain_start(&x, &e);
    (void)xql_explain_add(&x, &row);
    assert_int_equal(x.nearest.failed, 6);
    assert_string_equal(x.nearest.node, "(unnamed)");
    XT_TRY(xql_explain_print(&x, &out, &err));
    assert_non_null(strstr((char *)out.data, "fails 6 of 7"));
out:
    xos_buf_free(&out);
}

static void nothing_asked_drops_nothing(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf out = XOS_BUF(65536);
    const struct xql_expr none = {0};
    const struct xql_row row = {0};
    struct xql_explain x;
    json_t *json = NULL;
    xql_explain_start(&x, &none);
    assert_int_equal(xql_explain_add(&x, &row).truth, XQL_TRUE);
    assert_int_equal(x.matches, 1);
    XT_TRY(xql_explain_print(&x, &out, &err));
    XT_TRY(xql_explain_json(&x, &json, &err));
    assert_true(json_is_null(json_object_get(json, "nearest")));
out:
    json_decref(json);
    xos_buf_free(&out);
}

static const struct xt_test tests[] = {
    XT(every_clause_is_counted),
    XT(people_read_a_table),
    XT(programs_read_json),
    XT(the_nearest_miss_tells_what_it_has),
    XT(many_failed_clauses_are_counted_and_some_told),
    XT(nothing_asked_drops_nothing),
};
XT_MAIN(tests)
