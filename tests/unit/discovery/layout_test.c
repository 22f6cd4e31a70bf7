// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: --want means nothing, or compares what nodes do not say. */
#include "discovery/discovery.h"
#include "discovery/query/row.h"
#include "tests/lib/xtest.h"

#include <string.h>

static void a_want_is_read_for_whoever_places(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool pack, groups, same;
    } rows[] = {
        {NULL, false, false, false},
        {"", false, false, false},
        {"spread", false, false, false},
        {"pack", true, false, false},
        {"spread=institution", false, true, false},
        {"pack; same(gpu.model)", true, false, true},
    };
    struct xos_error err = {0};
    struct discovery_want w;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        XT_TRY(discovery_want(&w, rows[i].text, &err));
        assert_int_equal(w.pack, rows[i].pack);
        assert_int_equal(w.groups, rows[i].groups);
        assert_int_equal(w.same, rows[i].same);
    }
    XT_REFUSED(discovery_want(&w, "sprea", &err), XOS_INVALID);
    assert_non_null(strstr(err.text, "--want"));
out:;
}

/* The models of a node's devices, and what they have in common. */
static void nodes_say_what_a_want_asks_for(void **state)
{
    (void)state;
    static const struct {
        const char *models[2];
        const char *same;
    } rows[] = {
        {{NULL, NULL}, ""},     {{"h100", NULL}, "h100"}, {{"h100", "h100"}, "h100"},
        {{"h100", "a100"}, ""}, {{"h100", ""}, ""}, /* the second does not say */
    };
    struct xos_error err = {0};
    struct discovery_want w;
    char group[DISCOVERY_VALUE_BYTES], same[DISCOVERY_VALUE_BYTES];
    XT_TRY(discovery_want(&w, "spread=institution; same(gpu.model)", &err));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xql_row row = {.device_count = 0};
        struct discovery_node node = {.row = &row};
        size_t d;
        xql_row_set_text(&row, 0, XQL_A_INSTITUTION, "inria");
        for (size_t k = 0; k < 2 && rows[i].models[k]; k++) {
            if (xql_row_add_device(&row, &d, &err) < 0) {
                xql_row_free(&row);
                XT_TRY(-1);
            }
            if (rows[i].models[k][0])
                xql_row_set_text(&row, d, XQL_A_MODEL, rows[i].models[k]);
        }
        discovery_want_values(&w, &node, group, same);
        xql_row_free(&row);
        assert_string_equal(group, "inria");
        assert_string_equal(same, rows[i].same);
    }
out:;
}

/* Nodes by load, and in which place each comes; below 0: it does not say. */
static void nodes_are_placed_by_what_is_preferred(void **state)
{
    (void)state;
    static const struct {
        const char *prefer;
        uint32_t wanted[4];
    } rows[] = {{"0 - load1", {2, 0, 0, 3}}, {"load1", {0, 1, 1, 3}}, {"1", {0, 0, 0, 0}}};
    static const double loads[4] = {4, 1, 1, -1};
    struct xos_error err = {0};
    struct discovery_prefer *p = NULL;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t places[4];
        XT_TRY(discovery_prefer_new(&p, rows[i].prefer, &err));
        for (size_t k = 0; k < 4; k++) {
            struct xql_row row = {.device_count = 0};
            if (loads[k] >= 0)
                xql_row_set_number(&row, 0, XQL_A_LOAD1, loads[k]);
            discovery_prefer_add(p, &(struct discovery_node){.row = &row});
            xql_row_free(&row);
        }
        discovery_prefer_places(p, places);
        assert_memory_equal(places, rows[i].wanted, sizeof(places));
        discovery_prefer_free(p);
        p = NULL;
    }
    XT_REFUSED(discovery_prefer_new(&p, "load1 >= 1", &err), XOS_INVALID);
out:
    discovery_prefer_free(p);
}

static const struct xt_test tests[] = {
    XT(a_want_is_read_for_whoever_places),
    XT(nodes_say_what_a_want_asks_for),
    XT(nodes_are_placed_by_what_is_preferred),
};
XT_MAIN(tests)
