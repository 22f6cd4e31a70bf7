// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: lines of several units are torn into each other, or bytes of them are lost. */
#include "cmd/lines.h"
#include "tests/lib/xtest.h"

#include <stdlib.h>
#include <string.h>

struct seen {
    char text[512];
    size_t len, total;
};

static void collect(void *arg, const char *data, size_t bytes)
{
    struct seen *s = arg;
    s->total += bytes;
    for (size_t i = 0; i < bytes && s->len + 1 < sizeof(s->text); i++)
        s->text[s->len++] = data[i];
    s->text[s->len] = '\0';
}

static const struct row {
    bool labelled;
    const char *pieces[4];
    const char *before_end, *after_end;
} rows[] = {
    {false, {"a\nb\n", NULL}, "a\nb\n", "a\nb\n"},
    {false, {"a", "b", "c\n", NULL}, "abc\n", "abc\n"},
    {false, {"a\nb", "c\nd", NULL}, "a\nbc\n", "a\nbc\nd\n"},
    {true, {"a\nb", "c\n", NULL}, "7: a\n7: bc\n", "7: a\n7: bc\n"},
    {true, {"\n\n", "x", NULL}, "7: \n7: \n", "7: \n7: \n7: x\n"},
    {false, {"", NULL}, "", ""},
};

static void lines_come_out_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cmd_lines l = {.labelled = rows[i].labelled, .number = 7};
        struct seen seen = {.text = ""};
        for (const char *const *p = rows[i].pieces; *p; p++)
            cmd_lines_add(&l, *p, strlen(*p), collect, &seen);
        assert_string_equal(seen.text, rows[i].before_end);
        cmd_lines_end(&l, collect, &seen);
        assert_string_equal(seen.text, rows[i].after_end);
        cmd_lines_free(&l);
    }
}

static void a_line_without_an_end_does_not_fill_memory(void **state)
{
    (void)state;
    static char block[100000];
    struct cmd_lines l = {.labelled = true, .number = 7};
    struct seen seen = {.text = ""};
    memset(block, 'x', sizeof(block));
    for (int i = 0; i < 50; i++) {
        cmd_lines_add(&l, block, sizeof(block), collect, &seen);
        assert_true(l.len < CMD_LINE_BYTES_MAX);
    }
    cmd_lines_end(&l, collect, &seen);
    assert_int_equal(seen.total, 50 * sizeof(block) + strlen("7: \n")); /* one label for one line */
    cmd_lines_free(&l);
}

static const struct xt_test tests[] = {
    XT(lines_come_out_whole),
    XT(a_line_without_an_end_does_not_fill_memory),
};
XT_MAIN(tests)
