// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: the units of a job lie together that were to lie apart. */
#include "discovery/query/want.h"

#include "tests/lib/xtest.h"

#include <stdio.h>
#include <string.h>

#define NONE XQL_ATTR_NONE

static const struct {
    const char *text, *canonical; /* NULL: the same */
    struct xql_want want;
} good[] = {
    {"spread", NULL, {XQL_LAYOUT_SPREAD, NONE, NONE}},
    {"pack", NULL, {XQL_LAYOUT_PACK, NONE, NONE}},
    {"spread=institution", NULL, {XQL_LAYOUT_SPREAD, XQL_A_INSTITUTION, NONE}},
    {" spread = zone ", "spread=zone", {XQL_LAYOUT_SPREAD, XQL_A_ZONE, NONE}},
    {"same(arch)", NULL, {XQL_LAYOUT_NONE, NONE, XQL_A_ARCH}},
    {"same(gpu.model)", NULL, {XQL_LAYOUT_NONE, NONE, XQL_A_MODEL}},
    {"same( state )", "same(state)", {XQL_LAYOUT_NONE, NONE, XQL_A_STATE}},
    {"same(gpu.state)", NULL, {XQL_LAYOUT_NONE, NONE, XQL_A_GPU_STATE}},
    {"pack;same(gpu.model)", "pack; same(gpu.model)", {XQL_LAYOUT_PACK, NONE, XQL_A_MODEL}},
    {"same(os);spread=zone", "spread=zone; same(os)", {XQL_LAYOUT_SPREAD, XQL_A_ZONE, XQL_A_OS}},
};

static const struct {
    const char *text;
    unsigned column;
    const char *says;
} bad[] = {
    {"", 1, "expected spread, pack, spread=ATTRIBUTE or same(ATTRIBUTE), found the end"},
    {"sprea", 1, "expected spread"},
    {"spread=", 8, "expected the name of an attribute, found the end"},
    {"spread=instituton", 8, "did you mean institution?"},
    {"spread=qqqqqqq", 8, "unknown attribute \"qqqqqqq\""},
    {"spread=gpu.model", 8, "unknown attribute \"gpu.model\""},
    {"same", 5, "expected ( and an attribute"},
    {"same()", 6, "expected the name of an attribute"},
    {"same(arch", 10, "expected ), found the end"},
    {"pack pack", 6, "expected ; or the end"},
    {"pack;", 6, "found the end"},
    {"pack; spread", 7, "contradicts or repeats"},
    {"spread; pack", 9, "contradicts or repeats"},
    {"same(os); same(os)", 11, "contradicts or repeats"},
    {"pack$", 5, "$ means nothing here"},
};

static void wants_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct xos_error err = {0};
        struct xos_buf text = XOS_BUF(4096);
        struct xql_want w = {0};
        XT_TRY(xql_parse_want(&w, good[i].text, NULL, &err));
        assert_memory_equal(&w, &good[i].want, sizeof(w));
        XT_TRY(xql_want_print(&w, &text, &err));
        assert_string_equal((char *)text.data,
                            good[i].canonical ? good[i].canonical : good[i].text);
    out:
        xos_buf_free(&text);
    }
}

static void errors_name_the_column(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct xos_error err = {0};
        struct xql_place place;
        struct xql_want w = XQL_WANT_NONE, before = w;
        assert_int_equal(xql_parse_want(&w, bad[i].text, &place, &err), -1);
        if (place.column != bad[i].column || !strstr(err.text, bad[i].says))
            fail_msg("%s: column %u, %s", bad[i].text, place.column, err.text);
        assert_memory_equal(&w, &before, sizeof(w));
    }
}

static void a_text_that_is_too_long_is_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xql_want w;
    char text[4098];
    memset(text, ' ', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    XT_REFUSED(xql_parse_want(&w, text, NULL, &err), XOS_LIMIT);
}

static const struct xt_test tests[] = {
    XT(wants_are_read),
    XT(errors_name_the_column),
    XT(a_text_that_is_too_long_is_refused),
};
XT_MAIN(tests)
