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
    {"to the emptiest", {2, 8, 4}, 3, 2, false, "", "", "bbc", XOS_NONE},
    {"then evenly", {4, 8, 4}, 4, 2, false, "", "", "bbac", XOS_NONE},
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
                                  .pack = r->pack,
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

static const struct xt_test tests[] = {
    XT(units_go_where_they_should),
    XT(everything_that_is_claimed_counts),
};
XT_MAIN(tests)
