// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: the name of somebody's job writes to the terminal of whoever lists it, or
 * columns and times are read wrongly. */
#include "cmd/table.h"
#include "tests/lib/xtest.h"

#include <stdlib.h>
#include <string.h>

static void nothing_steers_the_terminal(void **state)
{
    static const struct {
        const char *text, *safe;
    } rows[] = {
        {"plain text", "plain text"},
        {"a\033[2Jb", "a\\x1b[2Jb"},
        {"tab\tnewline\n", "tab\\x09newline\\x0a"},
        {"back\\slash", "back\\x5cslash"},
        {"\x9b\x7f", "\\x9b\\x7f"},
        {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *safe = cmd_safe(rows[i].text);
        assert_string_equal(safe, rows[i].safe);
        free(safe);
    }
}

static void columns_are_aligned(void **state)
{
    (void)state;
    char *text = NULL;
    size_t bytes;
    struct cmd_table t = {.columns = 3};
    FILE *to = open_memstream(&text, &bytes);
    assert_non_null(to);
    cmd_table_add(&t, "ID");
    cmd_table_add(&t, "NAME");
    cmd_table_add(&t, "REASON");
    cmd_table_addf(&t, "inria-%d", 1042);
    cmd_table_add(&t, "\n");
    cmd_table_add(&t, "");
    cmd_table_print(&t, to);
    fclose(to);
    cmd_table_free(&t);
    assert_string_equal(text, "ID          NAME  REASON\n"
                              "inria-1042  \\x0a  -\n");
    free(text);
}

static void ages(void **state)
{
    static const struct {
        uint64_t ms;
        const char *age;
    } rows[] = {
        {0, "0s"},           {999, "0s"},          {59999, "59s"},     {60000, "1m"},
        {3599999, "59m"},    {3600000, "1h00m"},   {7500000, "2h05m"}, {86399999, "23h59m"},
        {86400000, "1d00h"}, {349200000, "4d01h"},
    };
    char age[CMD_AGE_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(cmd_age(rows[i].ms, age), rows[i].age);
    assert_true(strlen(cmd_age(UINT64_MAX, age)) < CMD_AGE_BYTES);
}

static void times(void **state)
{
    char text[CMD_TIME_BYTES];
    (void)state;
    assert_string_equal(cmd_time(1, text), "1970-01-01T00:00:00.001Z");
    assert_string_equal(cmd_time(951782399999, text), "2000-02-28T23:59:59.999Z");
    assert_true(strlen(cmd_time(UINT64_MAX, text)) < sizeof(text)); /* whatever a peer says */
}

static const struct xt_test tests[] = {
    XT_PLAIN(nothing_steers_the_terminal),
    XT_PLAIN(columns_are_aligned),
    XT_PLAIN(ages),
    XT_PLAIN(times),
};
XT_MAIN(tests)
