// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: jobs start on nodes that they cannot run on, or wait for ever beside nodes
 * that would do. */
#include "discovery/query/eval.h"

#include "discovery/query/parse.h"
#include "tests/lib/xtest.h"
#include "tests/unit/query/row_of.h"

#include <stdlib.h>

#define F XQL_FALSE
#define U XQL_UNKNOWN
#define T XQL_TRUE

static const char plain[] = "node=n1.inria; institution=inria; arch=x86_64; kernel=6.1.0-18-amd64; "
                            "cpu.cores=16; load1=0.5; mem=64GiB; mem.free=10GiB; ckpt.vm=true; "
                            "ckpt.process=false";
static const char gpus[] = "cpu.cores=32;"
                           "gpu; model=H100; vram=80GiB; mig=false; cc=9.0; numa=0;"
                           "gpu; model=H100; vram=80GiB; mig=true; cc=9.0; numa=1;"
                           "gpu; model=A100; vram=40GiB; cc=8.0; numa=1;"
                           "gpu; model=T4; vram=16GiB; mig=false";
static const char blank[] = "gpu; gpu";
static const char big[] = "mem=18446744073709551615; mem.free=18446744073709551614;"
                          "gpu; vram=18446744073709551615; gpu; vram=1";

static const struct {
    const char *row, *need;
    enum xql_truth truth;
    const char *missing; /* of UNKNOWN */
} cases[] = {
    {"", "", T, ""},
    {"", "true", T, ""},
    {"", "false", F, ""},
    {"", "!false", T, ""},
    /* numbers */
    {plain, "cpu.cores>=16", T, ""},
    {plain, "cpu.cores>16", F, ""},
    {plain, "cpu.cores<16", F, ""},
    {plain, "cpu.cores<=16", T, ""},
    {plain, "cpu.cores==16", T, ""},
    {plain, "cpu.cores!=16", F, ""},
    {plain, "16<=cpu.cores", T, ""},
    {plain, "16<cpu.cores", F, ""},
    {plain, "load1<0.5", F, ""},
    {plain, "load1<0.500001", T, ""},
    {plain, "load1>-1", T, ""},
    {plain, "load1<cpu.cores", T, ""},
    /* sizes, to the last byte */
    {plain, "mem>=64GiB", T, ""},
    {plain, "mem>=68719476737", F, ""},
    {plain, "mem>68719476735", T, ""},
    {plain, "mem>mem.free", T, ""},
    {big, "mem>mem.free", T, ""},
    {big, "mem==mem.free", F, ""},
    {big, "mem>=18446744073709551615", T, ""},
    {big, "mem.free>=18446744073709551615", F, ""},
    {big, "gpu.sum(vram)>=18446744073709551615", T, ""},
    /* texts */
    {plain, "institution==inria", T, ""},
    {plain, "institution==\"Inria\"", F, ""},
    {plain, "institution!=\"vu\"", T, ""},
    {plain, "node~\"n*.inria\"", T, ""},
    {plain, "node~\"n\"", F, ""},
    {plain, "arch in [aarch64, x86_64]", T, ""},
    {plain, "arch in [aarch64]", F, ""},
    {plain, "!(arch in [aarch64])", T, ""},
    {plain, "arch==\"\"", F, ""},
    /* versions */
    {plain, "kernel>=6.1", T, ""},
    {plain, "kernel>=6.10", F, ""},
    {plain, "kernel<6.2", T, ""},
    {plain, "kernel==6.1.0-18-amd64", T, ""},
    {plain, "kernel in [6.1.0, 6.1.0.18.amd64]", T, ""},
    {plain, "kernel~6.1*", T, ""},
    /* conditions */
    {plain, "ckpt.vm", T, ""},
    {plain, "!ckpt.vm", F, ""},
    {plain, "ckpt.process", F, ""},
    {plain, "ckpt.vm==true", T, ""},
    {plain, "ckpt.vm==false", F, ""},
    {plain, "ckpt.vm!=true", F, ""},
    {plain, "ckpt.process!=true", T, ""},
    /* what is missing */
    {plain, "price<1", U, "price"},
    {plain, "!(price<1)", U, "price"},
    {plain, "price==price", U, "price"},
    {plain, "zone==a", U, "zone"},
    {plain, "zone!=a", U, "zone"},
    {plain, "zone~\"*\"", U, "zone"},
    {plain, "zone in [a]", U, "zone"},
    {"", "kernel>=6", U, "kernel"},
    {"", "ckpt.vm", U, "ckpt.vm"},
    {"", "ckpt.vm==true", U, "ckpt.vm"},
    {"", "mem<mem.free", U, "mem mem.free"},
    {plain, "mem<disk.free", U, "disk.free"},
    {plain, "has(price)", F, ""},
    {plain, "!has(price)", T, ""},
    {plain, "has(mem)", T, ""},
    {plain, "!has(price) || price<1", T, ""},
    {plain, "has(price) && price<1", F, ""},
    {plain, "price<1 && false", F, ""},
    {plain, "false && price<1", F, ""},
    {plain, "price<1 && true", U, "price"},
    {plain, "price<1 || true", T, ""},
    {plain, "true || price<1", T, ""},
    {plain, "price<1 || false", U, "price"},
    {plain, "price<1 && zone==a", U, "zone price"},
    {plain, "(price<1 || true) && zone==a", U, "zone"},
    {plain, "(price<1 && false) || zone==a", U, "zone"},
    /* devices: none */
    {plain, "gpu.count==0", T, ""},
    {plain, "gpu.count>=1", F, ""},
    {plain, "gpu.any(mig)", F, ""},
    {plain, "gpu.all(mig)", T, ""},
    {plain, "gpu.sum(vram)==0", T, ""},
    {plain, "gpu.same(model)", T, ""},
    {plain, "gpu.same(model)>=1", F, ""},
    /* devices: some */
    {gpus, "gpu.count==4", T, ""},
    {gpus, "gpu.count(vram>=40GiB)==3", T, ""},
    {gpus, "gpu.count(vram>=40GiB)>3", F, ""},
    {gpus, "gpu.count(true)<=4", T, ""},
    {gpus, "gpu.any(model==\"A100\")", T, ""},
    {gpus, "gpu.any(model==\"B200\")", F, ""},
    {gpus, "gpu.all(vram>=16GiB)", T, ""},
    {gpus, "gpu.all(vram>=40GiB)", F, ""},
    {gpus, "gpu.sum(vram)==216GiB", T, ""},
    {gpus, "gpu.sum(vram, model~\"?100\")==200GiB", T, ""},
    {gpus, "gpu.sum(numa)==2", U, "gpu.numa"},
    {gpus, "gpu.sum(numa, cc>=8.0 && model!=\"T4\")==2", T, ""},
    {gpus, "gpu.same(model)", F, ""},
    {gpus, "gpu.same(model, vram==80GiB)", T, ""},
    {gpus, "gpu.same(model)==2", T, ""},
    {gpus, "gpu.same(model)>2", F, ""},
    {gpus, "gpu.same(model, vram<80GiB)==1", T, ""},
    {gpus, "gpu.count<cpu.cores", T, ""},
    /* devices in doubt: the A100 does not say mig, the T4 neither cc nor numa */
    {gpus, "gpu.count(mig)>=1", T, ""},
    {gpus, "gpu.count(mig)>=2", U, "gpu.mig"},
    {gpus, "gpu.count(mig)>=3", F, ""},
    {gpus, "gpu.count(mig)==1", U, "gpu.mig"},
    {gpus, "gpu.count(mig)!=3", T, ""},
    {gpus, "gpu.count(mig)<=2", T, ""},
    {gpus, "gpu.count(mig)<1", F, ""},
    {gpus, "gpu.count(vram>=40GiB && !mig)>=2", U, "gpu.mig"},
    {gpus, "gpu.count(vram>=40GiB && !mig)>=1", T, ""},
    {gpus, "gpu.any(mig)", T, ""},
    {gpus, "gpu.any(mig && model==\"A100\")", U, "gpu.mig"},
    {gpus, "gpu.all(!mig)", F, ""},
    {gpus, "gpu.all(cc>=8.0)", U, "gpu.cc"},
    {gpus, "gpu.sum(vram, mig)>=80GiB", T, ""},
    {gpus, "gpu.sum(vram, mig)>=120GiB", U, "gpu.mig"},
    {gpus, "gpu.sum(vram, mig)>120GiB", F, ""},
    {gpus, "gpu.same(numa)", F, ""},
    {gpus, "gpu.same(numa)==2", U, "gpu.numa"},
    {gpus, "gpu.same(numa)>=2", T, ""},
    {gpus, "gpu.same(numa)>3", F, ""},
    {gpus, "gpu.same(numa, model~\"[AT]*\" || model==\"A100\" || model==\"T4\")", U, "gpu.numa"},
    {gpus, "gpu.any(has(cc)) && gpu.any(!has(cc))", T, ""},
    {gpus, "gpu.count(mig)>=2 && gpu.count(cc>=9.0)>=3", U, "gpu.cc gpu.mig"},
    {gpus, "gpu.count(mig)>=1 && price<1", U, "price"},
    /* devices of which nothing is known */
    {blank, "gpu.count==2", T, ""},
    {blank, "gpu.count(vram>1GiB)==0", U, "gpu.vram"},
    {blank, "gpu.count(vram>1GiB)<=2", T, ""},
    {blank, "gpu.sum(vram)>=0", T, ""},
    {blank, "gpu.sum(vram)>=1", U, "gpu.vram"},
    {blank, "gpu.sum(numa)>=0", U, "gpu.numa"},
    {blank, "gpu.same(model)", U, "gpu.model"},
    {blank, "gpu.same(model)>=1", T, ""},
    {blank, "gpu.same(model)>=2", U, "gpu.model"},
    {blank, "gpu.same(model)>2", F, ""},
    {blank, "gpu.any(has(model))", F, ""},
    {"gpu", "gpu.same(model)", T, ""},
    {"gpu; model=a; gpu", "gpu.same(model)", U, "gpu.model"},
    {"gpu; model=a; gpu; model=b; gpu", "gpu.same(model)", F, ""},
    {"gpu; mig=true; gpu; mig=true", "gpu.same(mig)", T, ""},
    {"gpu; mig=true; gpu; mig=false", "gpu.same(mig)", F, ""},
    {"gpu; cc=9; gpu; cc=9.0", "gpu.same(cc)==2", T, ""},
    {"gpu; vram=1; gpu; vram=1; gpu; vram=2", "gpu.same(vram)==2", T, ""},
    {"gpu; numa=1; gpu; numa=-1", "gpu.sum(numa)==0", T, ""},
};

static void missing_text(xql_set set, char *text, size_t size)
{
    text[0] = '\0';
    for (; set; set &= set - 1) {
        size_t used = strlen(text);
        (void)snprintf(text + used, size - used, "%s%s", used ? " " : "",
                       xql_attr_row((enum xql_attr)__builtin_ctzll(set))->full);
    }
}

static void needs_are_decided(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct xos_error err = {0};
        struct xql_row row = {0};
        struct xql_expr e;
        char missing[256];
        XT_TRY(row_of(&row, cases[i].row, &err));
        XT_TRY(xql_parse(&e, cases[i].need, NULL, &err));
        struct xql_verdict v = xql_eval(&e, &row);
        missing_text(v.missing, missing, sizeof(missing));
        if (v.truth != cases[i].truth || strcmp(missing, cases[i].missing) != 0)
            fail_msg("%s: %s, missing \"%s\"", cases[i].need, xql_truth_name(v.truth), missing);
    out:
        xql_row_free(&row);
    }
}

/* Laws, on random expressions over random rows */

static uint64_t seed;

static unsigned roll(unsigned sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 33) % sides;
}

static const char *pick(const char *const *from, unsigned count)
{
    return from[roll(count)];
}

static void append(char *text, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void append(char *text, size_t size, const char *fmt, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text + used, size - used, fmt, args);
    va_end(args);
}

static void random_row(struct xql_row *row, struct xos_error *err)
{
    static const char *const nodes[] = {
        "mem=1GiB",   "mem=2GiB",    "cpu.cores=1",  "cpu.cores=2",   "arch=a",  "arch=b",
        "kernel=6.1", "kernel=6.10", "ckpt.vm=true", "ckpt.vm=false", "price=1", "load1=2"};
    static const char *const devices[] = {"vram=1GiB", "vram=2GiB", "mig=true", "mig=false",
                                          "model=a",   "model=b",   "numa=0",   "numa=1"};
    char text[1024] = "";
    for (unsigned n = roll(8); n; n--)
        append(text, sizeof(text), "%s;", pick(nodes, 12));
    for (unsigned d = roll(4); d; d--) {
        append(text, sizeof(text), "gpu;");
        for (unsigned n = roll(5); n; n--)
            append(text, sizeof(text), "%s;", pick(devices, 8));
    }
    (void)row_of(row, text, err);
}

static void random_need(char *text, size_t size, unsigned depth, bool device)
{
    static const char *const nodes[] = {"mem>1GiB",
                                        "mem<=1GiB",
                                        "cpu.cores==2",
                                        "cpu.cores<load1",
                                        "arch==a",
                                        "arch~\"?\"",
                                        "arch in [a,c]",
                                        "kernel>6.2",
                                        "ckpt.vm",
                                        "has(price)",
                                        "price!=1",
                                        "true",
                                        "gpu.count>=2",
                                        "gpu.sum(vram)>2GiB",
                                        "gpu.same(model)",
                                        "gpu.same(model)>=2",
                                        "gpu.same(model,mig)==1",
                                        "gpu.sum(numa,!mig)==1"};
    static const char *const devices[] = {"vram>1GiB", "mig",        "model==a", "numa==1",
                                          "has(vram)", "mig==false", "numa<=0"};
    static const char *const calls[][2] = {{"gpu.any(", ")"},
                                           {"gpu.all(", ")"},
                                           {"gpu.count(", ")>=1"},
                                           {"gpu.count(", ")==2"},
                                           {"gpu.sum(vram,", ")>=1GiB"}};
    char a[512], b[512];
    unsigned kind = depth ? roll(device ? 4 : 5) : 3, call = roll(5);
    text[0] = '\0';
    if (kind == 3) {
        append(text, size, "%s", device ? pick(devices, 7) : pick(nodes, 18));
        return;
    }
    random_need(a, sizeof(a), depth - 1, device || kind == 4);
    random_need(b, sizeof(b), depth - 1, device);
    if (kind == 0)
        append(text, size, "(%s) && (%s)", a, b);
    else if (kind == 1)
        append(text, size, "(%s) || (%s)", a, b);
    else if (kind == 2)
        append(text, size, "!(%s)", a);
    else
        append(text, size, "%s%s%s", calls[call][0], a, calls[call][1]);
}

/* -1: the text has more parts than an expression may. */
static int truth(const char *need, const struct xql_row *row, enum xql_truth *t)
{
    struct xos_error err = {0};
    struct xql_expr e;
    if (xql_parse(&e, need, NULL, &err) < 0) {
        if (err.code != XOS_LIMIT)
            fail_msg("%s: %s", need, err.text);
        return -1;
    }
    struct xql_verdict v = xql_eval(&e, row);
    assert_true((v.truth == XQL_UNKNOWN) == (v.missing != 0));
    *t = v.truth;
    return 0;
}

static const struct {
    const char *left, *right; /* A and B stand for two random needs, D for one of a device */
} laws[] = {
    {"!(A && B)", "!(A) || !(B)"},
    {"!(A || B)", "!(A) && !(B)"},
    {"!!(A)", "A"},
    {"A && B", "B && A"},
    {"A || B", "B || A"},
    {"A && (A || B)", "A"},
    {"A || (A && B)", "A"},
    {"A && true", "A"},
    {"A || false", "A"},
    {"A && false", "false"},
    {"A || true", "true"},
    {"gpu.any(D)", "gpu.count(D)>=1"},
    {"gpu.all(D)", "!gpu.any(!(D))"},
    {"gpu.all(D)", "gpu.count(!(D))==0"},
    {"gpu.any(D)", "!gpu.all(!(D))"},
    {"gpu.count(D)>=2", "!(gpu.count(D)<2)"},
    {"gpu.count(D)==2", "gpu.count(D)==2 && gpu.count(D)<=2"},
};

static void instantiate(char *out, size_t size, const char *law, char needs[3][512])
{
    out[0] = '\0';
    for (; *law; law++)
        if (*law >= 'A' && *law <= 'D')
            append(out, size, "(%s)", needs[*law == 'D' ? 2 : *law - 'A']);
        else
            append(out, size, "%c", *law);
}

static void the_laws_of_three_valued_logic_hold(void **state)
{
    (void)state;
    unsigned tried = 0;
    seed = 20260301;
    for (unsigned long i = 0; i < xt_scaled(400000); i++) {
        struct xos_error err = {0};
        struct xql_row row = {0};
        char needs[3][512], left[4096], right[4096];
        enum xql_truth a, b;
        random_row(&row, &err);
        random_need(needs[0], sizeof(needs[0]), roll(4), false);
        random_need(needs[1], sizeof(needs[1]), roll(4), false);
        random_need(needs[2], sizeof(needs[2]), roll(3), true);
        for (size_t l = 0; l < sizeof(laws) / sizeof(laws[0]); l++) {
            instantiate(left, sizeof(left), laws[l].left, needs);
            instantiate(right, sizeof(right), laws[l].right, needs);
            if (truth(left, &row, &a) < 0 || truth(right, &row, &b) < 0)
                continue;
            tried++;
            if (a != b)
                fail_msg("%s is %s, %s is %s", left, xql_truth_name(a), right, xql_truth_name(b));
        }
        xql_row_free(&row);
    }
    assert_true(tried > 1000);
}

/* Saying more never turns a sure answer round: what UNKNOWN means. */
static void an_answer_stays_when_more_becomes_known(void **state)
{
    (void)state;
    seed = 77;
    for (unsigned long i = 0; i < xt_scaled(1000000); i++) {
        struct xos_error err = {0};
        struct xql_row row = {0}, more = {0};
        char need[512];
        enum xql_truth before, after;
        random_row(&row, &err);
        random_need(need, sizeof(need), roll(5), false);
        if (strstr(need, "has(") || truth(need, &row, &before) < 0)
            goto out;
        XT_TRY(xql_row_copy(&more, &row, &err));
        if (!xql_row_get(&more, 0, XQL_A_MEM))
            xql_row_set_integer(&more, 0, XQL_A_MEM, UINT64_C(2) << 30);
        if (!xql_row_get(&more, 0, XQL_A_CKPT_VM))
            xql_row_set_flag(&more, 0, XQL_A_CKPT_VM, roll(2));
        for (size_t d = 0; d < more.device_count; d++) {
            if (!xql_row_get(&more, d, XQL_A_MIG))
                xql_row_set_flag(&more, d, XQL_A_MIG, roll(2));
            if (!xql_row_get(&more, d, XQL_A_NUMA))
                xql_row_set_number(&more, d, XQL_A_NUMA, (double)roll(3) - 1);
            if (!xql_row_get(&more, d, XQL_A_MODEL))
                xql_row_set_text(&more, d, XQL_A_MODEL, roll(2) ? "a" : "b");
            if (!xql_row_get(&more, d, XQL_A_VRAM))
                xql_row_set_integer(&more, d, XQL_A_VRAM, (uint64_t)roll(3) << 30);
        }
        assert_int_equal(truth(need, &more, &after), 0);
        if (before != XQL_UNKNOWN && before != after)
            fail_msg("%s was %s, is %s", need, xql_truth_name(before), xql_truth_name(after));
    out:
        xql_row_free(&row);
        xql_row_free(&more);
    }
}

/* print, then parse: the same tree, the same answers. */
static void printed_needs_read_back(void **state)
{
    (void)state;
    seed = 4711;
    for (unsigned long i = 0; i < xt_scaled(1000000); i++) {
        struct xos_error err = {0};
        struct xos_buf text = XOS_BUF(65536), again = XOS_BUF(65536);
        struct xql_expr e, back;
        char need[512];
        random_need(need, sizeof(need), roll(6), false);
        if (xql_parse(&e, need, NULL, &err) < 0)
            goto out;
        XT_TRY(xql_expr_print(&e, &text, &err));
        XT_TRY(xql_parse(&back, (char *)text.data, NULL, &err));
        if (!xql_expr_equal(&e, &back))
            fail_msg("%s became %s", need, text.data);
        XT_TRY(xql_expr_print(&back, &again, &err));
        assert_string_equal((char *)text.data, (char *)again.data);
    out:
        xos_buf_free(&text);
        xos_buf_free(&again);
    }
}

static const struct xt_test tests[] = {
    XT(needs_are_decided),
    XT_PLAIN(the_laws_of_three_valued_logic_hold),
    XT_PLAIN(an_answer_stays_when_more_becomes_known),
    XT_PLAIN(printed_needs_read_back),
};
XT_MAIN(tests)
