// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: units pile up on one node, or a job waits for ever for what no node has. */
#include "jobmgr/core/place.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <string.h>

#define NODES 3

/* Free cpus of a, b and c (each has 8 in all), how many units of how many cpus, and where they go:
 * one letter per unit, or the code of the refusal. */
struct row {
    const char *what;
    uint32_t free[NODES];
    uint32_t units, cpus;
    bool pack;
    const char *on, *excluded;
    const char *wanted;
    enum xos_code code;
};

static const struct row rows[] = {
    {"spread", {8, 8, 8}, 3, 1, false, "", "", "abc", XOS_NONE},
    {"each elsewhere, the emptiest first", {2, 8, 4}, 3, 2, false, "", "", "bca", XOS_NONE},
    {"then evenly", {4, 8, 4}, 4, 2, false, "", "", "bacb", XOS_NONE},
    {"pack", {8, 8, 8}, 3, 4, true, "", "", "aab", XOS_NONE},
    {"pack where least is left", {8, 3, 4}, 3, 2, true, "", "", "bcc", XOS_NONE},
    {"only there", {8, 8, 8}, 2, 1, false, "c", "", "cc", XOS_NONE},
    {"only there, which is full", {8, 8, 0}, 1, 1, false, "c", "", "", XOS_BUSY},
    {"not there", {8, 8, 8}, 2, 8, false, "", "a", "bc", XOS_NONE},
    {"nowhere left", {8, 8, 8}, 1, 1, false, "", "abc", "", XOS_BUSY},
    {"busy", {1, 1, 1}, 1, 2, false, "", "", "", XOS_BUSY},
    {"the last one finds none", {8, 8, 7}, 3, 8, false, "", "", "", XOS_BUSY},
    {"more than there will ever be", {8, 8, 8}, 4, 8, false, "", "", "", XOS_NOT_FOUND},
    {"larger than any node", {8, 8, 8}, 1, 9, false, "", "", "", XOS_NOT_FOUND},
    {"more than the named one has", {8, 8, 8}, 2, 8, false, "a", "", "", XOS_NOT_FOUND},
    {"no such node", {8, 8, 8}, 1, 1, false, "x", "", "", XOS_NOT_FOUND},
};

static void run_row(const struct row *r)
{
    struct xos_error err = {0};
    static struct place_request want;
    struct place_node nodes[NODES];
    char placed[4][JOB_NAME_MAX] = {{0}}, on[2] = {r->on[0], 0}, out[NODES][JOB_NAME_MAX] = {{0}};
    const char *const names[] = {on, NULL};
    want = (struct place_request){.units = r->units,
                                  .need = {.cpus = r->cpus, .mem_bytes = 1},
                                  .on = r->on[0] ? names : NULL,
                                  .layout.pack = r->pack,
                                  .excluded = (const char(*)[JOB_NAME_MAX])out,
                                  .excluded_count = strlen(r->excluded)};
    for (uint32_t i = 0; i < NODES; i++) {
        nodes[i] = (struct place_node){.node = {(char)('a' + i)},
                                       .all = {.cpus = 8, .mem_bytes = 100},
                                       .free = {.cpus = r->free[i], .mem_bytes = 100}};
        out[i][0] = i < strlen(r->excluded) ? r->excluded[i] : '\0';
    }
    for (uint32_t i = 0; i < r->units; i++)
        want.queued[i] = true;
    int rc = place_units(&want, nodes, NODES, placed, &err);
    if (rc < 0 ? err.code != r->code : r->code != XOS_NONE)
        fail_msg("%s: %s", r->what, rc < 0 ? err.text : "placed");
    for (size_t i = 0; i < strlen(r->wanted); i++)
        if (placed[i][0] != r->wanted[i])
            fail_msg("%s: unit %zu is on %s", r->what, i, placed[i]);
}

static void units_go_where_they_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        run_row(&rows[i]);
}

/* Memory and gpus bound a node as cpus do; units that have a node are not asked for again. */
static void everything_that_is_claimed_counts(void **state)
{
    (void)state;
    struct xos_error err = {0};
    static struct place_request want;
    struct place_node nodes[2] = {
        {.node = "a", .all = {8, 100, 2}, .free = {8, 50, 0}},
        {.node = "b", .all = {8, 100, 0}, .free = {8, 100, 0}},
    };
    char placed[3][JOB_NAME_MAX] = {{0}};
    want = (struct place_request){.units = 3, .need = {.cpus = 1, .mem_bytes = 60}};
    want.queued[1] = true;
    assert_int_equal(place_units(&want, nodes, 2, placed, &err), 0);
    assert_string_equal(placed[1], "b");
    assert_string_equal(placed[0], "");
    assert_int_equal(nodes[1].free.mem_bytes, 40);
    want.need = (struct claim_need){.cpus = 1, .gpus = 1};
    assert_int_equal(place_units(&want, nodes, 2, placed, &err), -1);
    assert_int_equal(err.code, XOS_BUSY);
    want.queued[0] = want.queued[2] = true;
    assert_int_equal(place_units(&want, nodes, 2, placed, &err), -1);
    assert_int_equal(err.code, XOS_NOT_FOUND);
    assert_int_equal(place_units(&want, nodes, 0, placed, &err), -1);
    assert_int_equal(err.code, XOS_NOT_FOUND);
}

/* Institutions, and values */

#define MEMBERS 6

/* Members a to f: institution and group, what is the same, free cpus of 8. A unit's letter in `at`
 * is where it is already, '-' that it is queued. */
struct layout_row {
    const char *what;
    const char *institutions, *kinds;
    uint32_t free[MEMBERS];
    const char *at;
    uint32_t cpus;
    struct place_layout layout;
    const char *wanted; /* one letter per queued unit */
    enum xos_code code;
};

#define SPREAD                                                                                     \
    {                                                                                              \
        .pack = false                                                                              \
    }
#define OVER                                                                                       \
    {                                                                                              \
        .groups = true                                                                             \
    }
#define SAME                                                                                       \
    {                                                                                              \
        .same = true                                                                               \
    }

static const struct layout_row layouts[] = {
    {"alternates where nodes are equal",
     "iiivvv",
     "",
     {8, 8, 8, 8, 8, 8},
     "----",
     1,
     SPREAD,
     "adbe",
     XOS_NONE},
    {"but looks at room first",
     "iiivvv",
     "",
     {8, 8, 8, 4, 4, 4},
     "----",
     1,
     SPREAD,
     "abcd",
     XOS_NONE},
    {"round robin over institutions",
     "iiiiiv",
     "",
     {8, 8, 8, 8, 8, 2},
     "----",
     1,
     OVER,
     "afbf",
     XOS_NONE},
    {"as evenly as there is room",
     "iiiivu",
     "",
     {8, 8, 8, 8, 1, 1},
     "------",
     1,
     OVER,
     "aefbcd",
     XOS_NONE},
    {"those that run already count",
     "iiivvv",
     "",
     {8, 8, 8, 8, 8, 8},
     "ab--",
     1,
     OVER,
     "de",
     XOS_NONE},
    {"and so do their nodes", "iiiiii", "", {7, 8, 8, 8, 8, 8}, "b-", 1, SPREAD, "c", XOS_NONE},
    {"packed ones stay together",
     "ivivii",
     "",
     {8, 8, 8, 8, 8, 8},
     "---",
     8,
     {.pack = true},
     "ace",
     XOS_NONE},
    {"all of the kind with most room",
     "iiivvv",
     "xyyxyx",
     {8, 8, 8, 8, 8, 1},
     "---",
     8,
     SAME,
     "bec",
     XOS_NONE},
    {"of the kind that runs already",
     "iiivvv",
     "xyyxyx",
     {8, 8, 8, 8, 8, 8},
     "a--",
     8,
     SAME,
     "df",
     XOS_NONE},
    {"no kind has room now", "iiivvv", "xyyxyx", {8, 8, 1, 8, 8, 1}, "---", 8, SAME, "", XOS_BUSY},
    {"no kind has room ever",
     "iiivvv",
     "xyyxyx",
     {8, 8, 8, 8, 8, 8},
     "----",
     8,
     SAME,
     "",
     XOS_NOT_FOUND},
    {"what is not known is never the same",
     "iiivvv",
     "      ",
     {8, 8, 8, 8, 8, 8},
     "-",
     1,
     SAME,
     "",
     XOS_NOT_FOUND},
};

static void run_layout(const struct layout_row *r)
{
    struct xos_error err = {0};
    static struct place_request want;
    struct place_node nodes[MEMBERS];
    char placed[MEMBERS][JOB_NAME_MAX] = {{0}}, at[MEMBERS][JOB_NAME_MAX] = {{0}};
    want = (struct place_request){.units = (uint32_t)strlen(r->at),
                                  .need = {.cpus = r->cpus, .mem_bytes = 1},
                                  .at = (const char(*)[JOB_NAME_MAX])at,
                                  .layout = r->layout};
    for (uint32_t i = 0; i < MEMBERS; i++)
        nodes[i] = (struct place_node){.node = {(char)('a' + i)},
                                       .institution = {r->institutions[i]},
                                       .group = {r->institutions[i]},
                                       .all = {.cpus = 8, .mem_bytes = 100},
                                       .free = {.cpus = r->free[i], .mem_bytes = 100}};
    for (uint32_t i = 0; i < MEMBERS && r->kinds[0]; i++)
        nodes[i].same[0] = r->kinds[i] == ' ' ? '\0' : r->kinds[i];
    for (uint32_t i = 0; i < want.units; i++) {
        want.queued[i] = r->at[i] == '-';
        at[i][0] = want.queued[i] ? '\0' : r->at[i];
    }
    int rc = place_units(&want, nodes, MEMBERS, placed, &err);
    if (rc < 0 ? err.code != r->code : r->code != XOS_NONE)
        fail_msg("%s: %s", r->what, rc < 0 ? err.text : "placed");
    const char *wanted = r->wanted;
    for (uint32_t i = 0; rc == 0 && i < want.units; i++)
        if (want.queued[i] && placed[i][0] != *wanted++)
            fail_msg("%s: unit %u is on %s", r->what, i, placed[i]);
}

static void units_lie_as_they_want(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
        run_layout(&layouts[i]);
}

/* c is liked most, then a and b; each holds two. */
static void who_is_liked_most_comes_first(void **state)
{
    static const struct {
        struct place_layout layout;
        uint32_t behind[NODES];
        const char *wanted;
    } cases[] = {
        {{.pack = false}, {1, 1, 0}, "ccabab"},
        {{.pack = true}, {1, 1, 0}, "ccaabb"},
        {{.groups = true}, {1, 1, 0}, "cabcab"}, /* each is a group: evenly first of all */
        {{.pack = false}, {0, 0, 0}, "abcabc"},
    };
    (void)state;
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        struct xos_error err = {0};
        static struct place_request want;
        struct place_node nodes[NODES];
        char placed[6][JOB_NAME_MAX] = {{0}};
        want = (struct place_request){
            .units = 6, .need = {.cpus = 1, .mem_bytes = 1}, .layout = cases[k].layout};
        for (uint32_t i = 0; i < NODES; i++)
            nodes[i] = (struct place_node){.node = {(char)('a' + i)},
                                           .institution = {'i'},
                                           .group = {(char)('a' + i)},
                                           .behind = cases[k].behind[i],
                                           .all = {.cpus = 2, .mem_bytes = 100},
                                           .free = {.cpus = 2, .mem_bytes = 100}};
        memset(want.queued, true, 6);
        XT_TRY(place_units(&want, nodes, NODES, placed, &err));
        for (size_t i = 0; i < 6; i++)
            if (placed[i][0] != cases[k].wanted[i])
                fail_msg("%zu: unit %zu is on %s", k, i, placed[i]);
    out:;
    }
}

static const struct xt_test tests[] = {
    XT(units_go_where_they_should),
    XT(everything_that_is_claimed_counts),
    XT(units_lie_as_they_want),
    XT(who_is_liked_most_comes_first),
};
XT_MAIN(tests)
