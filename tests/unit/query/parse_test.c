// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a need is refused without a way to mend it, or means something else than
 * what its user wrote. */
#include "discovery/query/parse.h"

#include "tests/lib/xtest.h"

#include <stdio.h>
#include <string.h>

/* What is written, and its canonical form (NULL: the same). */
static const struct {
    const char *text, *canonical;
} good[] = {
    {"", NULL},
    {"  \t\n", ""},
    {"true", NULL},
    {"!false", NULL},
    {"ckpt.vm", NULL},
    {"(ckpt.vm)", "ckpt.vm"},
    {"!ckpt.vm && ckpt.process", NULL},
    {"ckpt.vm==true", NULL},
    {"ckpt.vm!=false", NULL},
    {"cpu.cores>=16", NULL},
    {"cpu.cores >= 16", "cpu.cores>=16"},
    {"16<=cpu.cores", "cpu.cores>=16"},
    {"16<cpu.cores", "cpu.cores>16"},
    {"16>=cpu.cores", "cpu.cores<=16"},
    {"16>cpu.cores", "cpu.cores<16"},
    {"16==cpu.cores", "cpu.cores==16"},
    {"16!=cpu.cores", "cpu.cores!=16"},
    {"-1<load1", "load1>-1"},
    {"load1<0.50", "load1<0.5"},
    {"load1>-0.5", NULL},
    {"load1>-0", "load1>0"},
    {"load1<cpu.cores", NULL},
    {"mem>=64GiB", NULL},
    {"mem>=64G", "mem>=64GiB"},
    {"mem>=65536M", "mem>=64GiB"},
    {"mem>=1.5T", "mem>=1536GiB"},
    {"mem>=1024", "mem>=1KiB"},
    {"mem>=1000", "mem>=1000B"},
    {"mem>=0", "mem>=0B"},
    {"64GiB<=mem", "mem>=64GiB"},
    {"mem.free>=mem", NULL},
    {"mem.free==mem", NULL},
    {"institution!=\"vu\"", NULL},
    {"institution!=vu", "institution!=\"vu\""},
    {"\"vu\"!=institution", "institution!=\"vu\""},
    {"arch==x86_64", "arch==\"x86_64\""},
    {"zone==3", "zone==\"3\""},
    {"zone==rack-3", "zone==\"rack-3\""},
    {"node==n17.inria", "node==\"n17.inria\""},
    {"node==vo:climate@inria/prod", "node==\"vo:climate@inria/prod\""},
    {"node==institution", "node==\"institution\""},
    {"zone==\"\"", NULL},
    {"cpu.model==\"a \\\"quoted\\\" \\\\ one\"", NULL},
    {"cpu.model~\"*EPYC*\"", NULL},
    {"arch~x86*", "arch~\"x86*\""},
    {"arch~*64", "arch~\"*64\""},
    {"arch~?rm?", "arch~\"?rm?\""},
    {"kernel~6.1*", "kernel~\"6.1*\""},
    {"arch in [x86_64]", "arch in [\"x86_64\"]"},
    {"arch in [\"x86_64\",aarch64 , riscv64]", "arch in [\"x86_64\", \"aarch64\", \"riscv64\"]"},
    {"kernel in [6.1, 6.12]", "kernel in [\"6.1\", \"6.12\"]"},
    {"zone in [3,4]", "zone in [\"3\", \"4\"]"},
    {"kernel>=6.1", "kernel>=\"6.1\""},
    {"kernel>=6.10", "kernel>=\"6.10\""},
    {"6.1<=kernel", "kernel>=\"6.1\""},
    {"kernel<6.1.0-18-amd64", "kernel<\"6.1.0-18-amd64\""},
    {"kernel==\"6.1\"", NULL},
    {"has(price)", NULL},
    {"has( price )==true", "has(price)==true"},
    {"!has(price) || price<1", NULL},
    {"gpu.count>=1", NULL},
    {"1<=gpu.count", "gpu.count>=1"},
    {"gpu.count(vram>=40GiB && !mig)>=2", NULL},
    {"gpu.count(gpu.vram>=40GiB)>=2", "gpu.count(vram>=40GiB)>=2"},
    {"gpu.count(state==free)==gpu.count", "gpu.count(state==\"free\")==gpu.count"},
    {"gpu.count<cpu.cores", NULL},
    {"gpu.any(model~\"H100*\")", NULL},
    {"gpu.any(has(uuid))==false", NULL},
    {"gpu.all(cc>=8.0)", "gpu.all(cc>=\"8.0\")"},
    {"gpu.sum(vram)>=160GiB", NULL},
    {"gpu.sum(vram, !mig)>=160G", "gpu.sum(vram, !mig)>=160GiB"},
    {"gpu.sum(vram)>=mem", NULL},
    {"gpu.same(model)", NULL},
    {"gpu.same(gpu.model)", "gpu.same(model)"},
    {"!gpu.same(model, vram>1GiB)", NULL},
    {"gpu.same(model)>=4", NULL},
    {"gpu.count==gpu.same(model)", NULL},
    {"4<=gpu.same(model)", "gpu.same(model)>=4"},
    {"gpu.same(numa, mig)==gpu.count(mig)", NULL},
    {"gpu.same(model) && mem>1GiB", NULL},
    {"ckpt.vm && ckpt.process && true", NULL},
    {"ckpt.vm && (ckpt.process && true)", NULL},
    {"(ckpt.vm && ckpt.process) && true", "ckpt.vm && ckpt.process && true"},
    {"ckpt.vm || ckpt.process && true", NULL},
    {"(ckpt.vm || ckpt.process) && true", NULL},
    {"ckpt.vm || (ckpt.process || true)", NULL},
    {"!(ckpt.vm && ckpt.process)", NULL},
    {"!!ckpt.vm", NULL},
    {"! ( mem > 1K )", "!(mem>1KiB)"},
    {"((((mem>1K))))", "mem>1KiB"},
    {"mem>1K&&arch==x||ckpt.vm", "mem>1KiB && arch==\"x\" || ckpt.vm"},
    {"cpu.cores>=16 && mem>=64GiB && gpu.count(vram>=40GiB && !mig)>=2 && institution!=\"vu\"",
     NULL},
};

static void needs_have_one_canonical_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct xos_error err = {0};
        struct xos_buf text = XOS_BUF(65536);
        struct xql_expr e, again;
        const char *wanted = good[i].canonical ? good[i].canonical : good[i].text;
        if (xql_parse(&e, good[i].text, NULL, &err) < 0)
            fail_msg("%s: %s", good[i].text, err.text);
        XT_TRY(xql_expr_print(&e, &text, &err));
        assert_string_equal(text.data ? (char *)text.data : "", wanted);
        XT_TRY(xql_parse(&again, wanted, NULL, &err));
        assert_true(xql_expr_equal(&e, &again));
    out:
        xos_buf_free(&text);
    }
}

/* What is written, where the error stands, and a part of what it says. */
static const struct {
    const char *text;
    unsigned column;
    const char *says;
} bad[] = {
    {"cpu.core>=16", 1, "unknown attribute \"cpu.core\": did you mean cpu.cores?"},
    {"mem>=1G && mme.free>=1G", 12, "did you mean mem.free?"},
    {"gpu.cout>1", 1, "did you mean gpu.count?"},
    {"hsa(price)", 1, "did you mean has?"},
    {"qqqqqqqqqq", 1, "unknown attribute \"qqqqqqqqqq\""},
    {"gpu.any(vrm>1G)", 9, "did you mean vram?"},
    {"gpu.any(gpu.vrm>1G)", 9, "did you mean vram?"},
    {"vram>=1G", 1, "vram is a device's"},
    {"gpu.vram>=1G", 1, "gpu.vram is a device's"},
    {"has(uuid)", 5, "uuid is a device's"},
    {"gpu.any(mem>=1G)", 9, "mem is the node's: write it outside of gpu.any( )"},
    {"gpu.any(gpu.any(mig))", 9, "cannot stand inside"},
    {"gpu.any(gpu.count>1)", 9, "cannot stand inside"},
    {"mem>=3h", 6, "mem is a size: expected a size such as 64GiB, found 3h"},
    {"3h<=mem", 1, "mem is a size: expected a size such as 64GiB, found 3h"},
    {"mem>=64g", 6, "found 64g"},
    {"mem>=\"64G\"", 6, "found \"64G\""},
    {"mem>=-1", 6, "expected a size such as 64GiB, found -"},
    {"-1<=mem", 2, "expected a size such as 64GiB, found -1"},
    {"mem>=cpu.cores", 6, "found cpu.cores, a number"},
    {"mem>=arch", 6, "found arch, a text"},
    {"cpu.cores>=mem", 12, "found mem, a size"},
    {"cpu.cores>=16G", 12, "cpu.cores is a number: expected a number such as 16, found 16G"},
    {"cpu.cores>=4.5.6", 12, "found 4.5.6"},
    {"cpu.cores>=true", 12, "found true, a condition"},
    {"cpu.cores", 10, "expected a comparison of cpu.cores, a number, found the end"},
    {"arch", 5, "expected a comparison of arch, a text"},
    {"arch>=5", 5, "arch is a text, which has no order"},
    {"5<=arch", 2, "arch is a text, which has no order"},
    {"arch==", 7, "expected a text such as"},
    {"arch==(x)", 7, "found ("},
    {"ckpt.vm>true", 8, "ckpt.vm is a condition, which has no order"},
    {"ckpt.vm==1", 10, "expected true or false, found 1"},
    {"ckpt.vm==maybe", 10, "expected true or false, found \"maybe\""},
    {"ckpt.vm~x", 8, "~ and in are for texts"},
    {"mem in [1G]", 5, "~ and in are for texts"},
    {"kernel>=six", 9, "expected a version such as 6.1, found \"six\""},
    {"kernel>=\"v6\"", 9, "expected a version"},
    {"arch~", 6, "expected a pattern"},
    {"arch in x", 9, "expected [, found \"x\""},
    {"arch in [", 10, "expected a text"},
    {"arch in []", 10, "found ]"},
    {"arch in [x y]", 12, "expected , or ]"},
    {"arch in [x,]", 12, "found ]"},
    {"has price", 5, "expected (, found \"price\""},
    {"has()", 5, "expected the name of an attribute, found )"},
    {"has(\"price\")", 5, "expected the name of an attribute"},
    {"has(price", 10, "expected ), found the end"},
    {"gpu.any", 8, "expected ("},
    {"gpu.any()", 9, "expected a condition, found )"},
    {"gpu.count()>1", 11, "expected a condition, found )"},
    {"gpu.any(vram)", 13, "expected a comparison of gpu.vram, a size"},
    {"gpu.sum(model)>1", 9, "gpu.sum needs a number or a size"},
    {"gpu.sum()>1", 9, "expected the name of an attribute"},
    {"gpu.sum(vram mig)>1", 14, "expected , or )"},
    {"gpu.sum(vram,)>1G", 14, "expected a condition, found )"},
    {"gpu.sum(vram)>2", 0, NULL},
    {"gpu.sum(vram)>2h", 15, "gpu.sum is a size"},
    {"gpu.sum(vram)", 14, "expected a comparison of gpu.sum, a size"},
    {"gpu.same(model)~x", 16, "~ and in are for texts"},
    {"mem>=1G &&", 11, "expected a condition, found the end"},
    {"&& mem>=1G", 1, "expected a condition, found &&"},
    {"mem>=1G mem>=2G", 9, "expected &&, || or the end, found \"mem\""},
    {"mem>=1G & arch==x", 9, "write &&"},
    {"mem>=1G | arch==x", 9, "write ||"},
    {"arch=x", 5, "expected a comparison of arch, a text, found ="},
    {"ckpt.vm=true", 8, "expected == to compare"},
    {"(mem>=1G", 9, "expected ), found the end"},
    {"mem>=1G)", 8, "expected &&, || or the end, found )"},
    {"1<cpu.cores<5", 12, "join two comparisons with &&"},
    {"cpu.cores>1>2", 12, "join two comparisons with &&"},
    {"16", 3, "after a value"},
    {"16>=16", 5, "expected an attribute to compare with"},
    {"\"a\"==\"a\"", 6, "expected an attribute to compare with"},
    {"-x", 2, "expected a condition"},
    {"arch==\"x", 7, "this text never ends"},
    {"arch==\"\\n\"", 8, "printable ASCII"},
    {"arch==\"\t\"", 8, "printable ASCII"},
    {"arch==\"\xc3\xa9\"", 8, "printable ASCII"},
    {"arch=='x'", 7, "double quotes"},
    {"arch==x$", 8, "$ means nothing here"},
    {"\x01", 1, "byte 0x01"},
    {"\xff", 1, "byte 0xff"},
    {"load1>1.1234567", 7, "XQL_FRACTION_DIGITS_MAX"},
    {"load1>9999999999", 7, "XQL_NUMBER_MAX"},
    {"arch==0123456789012345678901234567890123456789012345678901234567890123", 7,
     "XQL_TEXT_BYTES_MAX"},
    {"arch==\"0123456789012345678901234567890123456789012345678901234567890123\"", 7,
     "XQL_TEXT_BYTES_MAX"},
};

static void errors_name_the_column_and_what_was_expected(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct xos_error err = {0};
        struct xql_place place = {99};
        struct xql_expr e;
        memset(&e, 0x5a, sizeof(e));
        int rc = xql_parse(&e, bad[i].text, &place, &err);
        if (bad[i].says == NULL) {
            assert_int_equal(rc, 0);
            continue;
        }
        char prefix[32];
        (void)snprintf(prefix, sizeof(prefix), "column %u: ", bad[i].column);
        if (rc == 0 || place.column != bad[i].column ||
            strncmp(err.text, prefix, strlen(prefix)) != 0 || !strstr(err.text, bad[i].says) ||
            strchr(err.text, '\n'))
            fail_msg("%s: column %u, %s", bad[i].text, place.column, err.text);
        assert_true(err.code == XOS_INVALID || err.code == XOS_LIMIT);
        assert_int_equal(e.count, 0x5a);
    }
}

/* text := part part … part */
static void repeat(char *text, size_t size, const char *first, const char *part, unsigned times,
                   const char *last)
{
    size_t used = (size_t)snprintf(text, size, "%s", first);
    for (unsigned i = 0; i < times; i++)
        used += (size_t)snprintf(text + used, size - used, "%s", part);
    (void)snprintf(text + used, size - used, "%s", last);
}

static void limits_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *first, *part, *last;
        unsigned fits;
        const char *limit;
    } rows[] = {
        {"true", " && true", "", 31, "XQL_NODES_MAX"},
        {"arch in [a", ",a", "]", 61, "XQL_NODES_MAX"},
        {"", "(", "true", 0, "expected )"},
        {"", "!", "true", 63, "XQL_NODES_MAX"},
        {"", "    ", "true", 1023, "XQL_SOURCE_BYTES_MAX"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xos_error err = {0};
        struct xql_place place;
        struct xql_expr e;
        char text[8192];
        repeat(text, sizeof(text), rows[i].first, rows[i].part, rows[i].fits, rows[i].last);
        if (xql_parse(&e, text, &place, &err) < 0)
            fail_msg("%s…: %s", rows[i].first, err.text);
        repeat(text, sizeof(text), rows[i].first, rows[i].part, rows[i].fits + 1, rows[i].last);
        assert_int_equal(xql_parse(&e, text, &place, &err), -1);
        if (!strstr(err.text, rows[i].limit))
            fail_msg("%s…: %s", rows[i].first, err.text);
    }
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    static const char *const parts[] = {"(", "!(", "gpu.any(", "!"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        struct xos_error err = {0};
        struct xql_expr e;
        char text[8192];
        repeat(text, sizeof(text), "", parts[i], 500, "");
        assert_int_equal(xql_parse(&e, text, NULL, &err), -1);
        repeat(text, sizeof(text), "", "(", XQL_DEPTH_MAX, "true");
        repeat(text + strlen(text), 200, "", ")", XQL_DEPTH_MAX, "");
        assert_int_equal(xql_parse(&e, text, NULL, &err), 0);
        repeat(text, sizeof(text), "", "(", XQL_DEPTH_MAX + 1, "true");
        assert_int_equal(xql_parse(&e, text, NULL, &err), -1);
        assert_int_equal(err.code, XOS_LIMIT);
        assert_non_null(strstr(err.text, "XQL_DEPTH_MAX"));
    }
}

static void needs_are_joined(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b, *both;
    } rows[] = {
        {"", "", ""},
        {"", "mem>1GiB", "mem>1GiB"},
        {"mem>1GiB", "", "mem>1GiB"},
        {"mem>1GiB", "ckpt.vm", "mem>1GiB && ckpt.vm"},
        {"mem>1GiB && true", "ckpt.vm && arch==\"x\" && false",
         "mem>1GiB && true && ckpt.vm && arch==\"x\" && false"},
        {"mem>1GiB || true", "ckpt.vm || false", "(mem>1GiB || true) && (ckpt.vm || false)"},
        {"arch in [\"a\", \"b\"]", "os in [\"c\"]", "arch in [\"a\", \"b\"] && os in [\"c\"]"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xos_error err = {0};
        struct xos_buf text = XOS_BUF(65536);
        struct xql_expr a, b;
        XT_TRY(xql_parse(&a, rows[i].a, NULL, &err));
        XT_TRY(xql_parse(&b, rows[i].b, NULL, &err));
        XT_TRY(xql_expr_and(&a, &b, &err));
        XT_TRY(xql_expr_print(&a, &text, &err));
        assert_string_equal(text.data ? (char *)text.data : "", rows[i].both);
        XT_TRY(xql_parse(&b, rows[i].both, NULL, &err));
        assert_true(xql_expr_equal(&a, &b));
    out:
        xos_buf_free(&text);
    }
}

static void joining_too_many_changes_nothing(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xql_expr a, b, before;
    char text[4096];
    repeat(text, sizeof(text), "true", " && true", 16, "");
    XT_TRY(xql_parse(&a, text, NULL, &err));
    b = before = a;
    XT_REFUSED(xql_expr_and(&a, &b, &err), XOS_LIMIT);
    assert_true(xql_expr_equal(&a, &before));
out:;
}

static const struct xt_test tests[] = {
    XT(needs_have_one_canonical_form),
    XT(errors_name_the_column_and_what_was_expected),
    XT(limits_are_named),
    XT(nesting_is_bounded),
    XT(needs_are_joined),
    XT(joining_too_many_changes_nothing),
};
XT_MAIN(tests)
