// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: nobody gets out of a terminal job, or what is typed is changed on the way. */
#include "cmd/escape.h"
#include "tests/lib/xtest.h"

#include <string.h>

static const struct row {
    const char *typed;
    const char *sent;
    enum cmd_escape_action action; /* the first */
    const char *rest;              /* typed after it, not yet looked at */
} rows[] = {
    {"hello\r", "hello\r", CMD_ESCAPE_NONE, ""},
    {"~.", "", CMD_ESCAPE_DETACH, ""},
    {"ls\r~.x", "ls\r", CMD_ESCAPE_DETACH, "x"},
    {"ls\n~?", "ls\n", CMD_ESCAPE_HELP, ""},
    {"~\032", "", CMD_ESCAPE_SUSPEND, ""},
    {"a~.", "a~.", CMD_ESCAPE_NONE, ""},
    {"~~.", "~.", CMD_ESCAPE_NONE, ""},
    {"~x~.", "~x~.", CMD_ESCAPE_NONE, ""},
    {"~\r~.", "~\r", CMD_ESCAPE_DETACH, ""},
    {"\003~.", "\003~.", CMD_ESCAPE_NONE, ""},
    {"cd ~/x\r", "cd ~/x\r", CMD_ESCAPE_NONE, ""},
};

static void check(const struct row *r, size_t step)
{
    struct cmd_escape e = {0};
    char sent[64];
    size_t total = 0, left = strlen(r->typed);
    const char *data = r->typed;
    enum cmd_escape_action action = CMD_ESCAPE_NONE;
    while (left && action == CMD_ESCAPE_NONE) {
        size_t piece = step < left ? step : left, n, before = piece;
        action = cmd_escape_take(&e, &data, &piece, sent + total, &n);
        assert_true(n <= before + 1);
        total += n;
        left -= before - piece;
    }
    assert_int_equal(action, r->action);
    assert_int_equal(total, strlen(r->sent));
    assert_memory_equal(sent, r->sent, total);
    assert_string_equal(data, r->rest);
}

static void every_row_in_pieces_of_every_size(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t step = 1; step < 8; step++)
            check(&rows[i], step);
}

static const struct xt_test tests[] = {XT(every_row_in_pieces_of_every_size)};
XT_MAIN(tests)
