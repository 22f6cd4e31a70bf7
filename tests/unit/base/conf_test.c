// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a mistyped limit is silently no limit, and the administrator who asks why
 * gets no line number. */
#include "libxos/base/alloc.h"
#include "libxos/base/conf.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <string.h>

static const struct xos_conf_key table[] = {
    {"node", "name", XOS_CONF_TEXT, NULL, 0, 0, "its name"},
    {"node", "cpus", XOS_CONF_NUMBER, NULL, 1, 4096, "CPUs to offer"},
    {"node", "mem", XOS_CONF_SIZE, "1GiB", 1 << 20, 1ull << 40, "memory to offer"},
    {"net", "listen", XOS_CONF_TEXT, "0.0.0.0:7401", 0, 0, "address"},
    {"net", "seeds", XOS_CONF_TEXT, NULL, 0, 0, "nodes to begin with"},
    {"net", "quiet", XOS_CONF_BOOL, "no", 0, 0, "say less"},
    {"limits", "grace", XOS_CONF_DURATION, "10s", 1000, 3600000, "from TERM to KILL"},
    {"limits", "kept", XOS_CONF_DURATION, NULL, 0, 0, "any"},
    {"limits", "spool_min_free", XOS_CONF_PERCENT, "5 %", 0, 0, "kept free"},
};
#define ROWS (sizeof(table) / sizeof(table[0]))

static int parse(struct xos_conf **out, const char *text, struct xos_error *err)
{
    return xos_conf_parse(out, table, ROWS, text, "xosd.conf", err);
}

static void values_come_out_in_their_units(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_conf *c = NULL;
    XT_TRY(
        parse(&c,
              "\xef\xbb\xbf# a comment\n[node]\nname = n17 ; its number\ncpus=64\r\nmem = 16GiB\n"
              "\n[net]\n; another\nquiet = yes\nseeds = a:1\n  b:2 ; second\n\t# not this\n\tc:3\n"
              "[limits]\n  grace = 1m\nspool_min_free = 12%\n",
              &err));
    assert_string_equal(xos_conf_text(c, "node", "name"), "n17");
    assert_int_equal(xos_conf_number(c, "node", "cpus"), 64);
    assert_int_equal(xos_conf_number(c, "node", "mem"), 16ull << 30);
    assert_string_equal(xos_conf_text(c, "net", "listen"), "0.0.0.0:7401");
    assert_string_equal(xos_conf_text(c, "net", "seeds"), "a:1 b:2 c:3");
    assert_true(xos_conf_bool(c, "net", "quiet"));
    assert_int_equal(xos_conf_number(c, "limits", "grace"), 60000);
    assert_int_equal(xos_conf_number(c, "limits", "spool_min_free"), 12);
    assert_false(xos_conf_has(c, "limits", "kept"));
    assert_int_equal(xos_conf_number(c, "limits", "kept"), 0);
out:
    xos_conf_free(c);
}

static void an_empty_file_has_the_presets(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_conf *c = NULL;
    XT_TRY(parse(&c, "", &err));
    assert_false(xos_conf_has(c, "node", "name"));
    assert_null(xos_conf_text(c, "node", "name"));
    assert_int_equal(xos_conf_number(c, "node", "mem"), 1 << 30);
    assert_false(xos_conf_bool(c, "net", "quiet"));
    assert_int_equal(xos_conf_number(c, "limits", "spool_min_free"), 5);
out:
    xos_conf_free(c);
    xos_conf_free(NULL);
}

/* Each error is one line: file:line, what is wrong, what would be right. */
static const struct {
    const char *text, *wanted;
} wrong[] = {
    {"[net]\nlistne = x\n", "xosd.conf:2: [net] unknown key \"listne\": did you mean listen"},
    {"[net]\n\n# c\nfrobnicate = x\n", "xosd.conf:4: [net] unknown key \"frobnicate\""},
    {"[nett]\nlisten = x\n", "xosd.conf:2: unknown section [nett]: did you mean net"},
    {"[storage]\nlisten = x\n", "xosd.conf:2: unknown section [storage]"},
    {"listen = x\n", "xosd.conf:1: \"listen\" stands before any [section]"},
    {"[node]\ncpus = many\n", "xosd.conf:2: [node] cpus: \"many\" is not a number from 1 to 4096"},
    {"[node]\ncpus = 0\n", "xosd.conf:2: [node] cpus: \"0\" is not a number from 1 to 4096"},
    {"[node]\ncpus =\n", "xosd.conf:2: [node] cpus: \"\" is not a number from 1 to 4096"},
    {"[node]\nmem = 12GB\n",
     "xosd.conf:2: [node] mem: \"12GB\" is not a size: write 512MiB, 4G or 1048576"},
    {"[node]\nmem = 1K\n", "xosd.conf:2: [node] mem: \"1K\" is less than 1MiB"},
    {"[node]\nmem = 2TiB\n", "xosd.conf:2: [node] mem: \"2TiB\" is more than 1TiB"},
    {"[limits]\ngrace = 2h\n", "xosd.conf:2: [limits] grace: \"2h\" is more than 1h00m"},
    {"[limits]\ngrace = soon\n",
     "xosd.conf:2: [limits] grace: \"soon\" is not a duration: write 30s, 15m, 2h or 7d"},
    {"[limits]\nspool_min_free = 101%\n",
     "xosd.conf:2: [limits] spool_min_free: \"101\" is not a number from 0 to 100"},
    {"[limits]\nspool_min_free = few\n",
     "xosd.conf:2: [limits] spool_min_free: \"few\" is not a percentage: write 5 %"},
    {"[net]\nquiet = maybe\n", "xosd.conf:2: [net] quiet: \"maybe\" is neither yes nor no"},
    {"[net]\nquiet = yes\n\nquiet = no\n", "xosd.conf:4: [net] quiet: given twice: remove one"},
    {"[node]\nname = a\n[net]\nquiet = no\n[node]\n name = b\n",
     "xosd.conf:6: [node] name: given twice: remove one"},
    {"[node]\nname = a\nmem = 1G\n  2G\n",
     "xosd.conf:4: [node] mem: \"1G 2G\" is not a size: write 512MiB, 4G or 1048576"},
    {"[net]\nwhat is this\n", "xosd.conf:2: neither [section] nor key = value"},
    {"[net\nlisten = x\n", "xosd.conf:1: neither [section] nor key = value"},
    /* The first wrong line counts, whatever its kind. */
    {"[net]\nwhat is this\nlistne = x\n", "xosd.conf:2: neither [section] nor key = value"},
    {"[net]\nlistne = x\nwhat is this\n",
     "xosd.conf:2: [net] unknown key \"listne\": did you mean listen"},
    {"[node]\nname = \x1b[2J\ncpus = \x1b[2J\n",
     "xosd.conf:3: [node] cpus: \"?[2J\" is not a number from 1 to 4096"},
};

static void every_error_names_its_line_and_the_remedy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct xos_error err = {0};
        struct xos_conf *c = NULL;
        assert_int_equal(parse(&c, wrong[i].text, &err), -1);
        if (strcmp(err.text, wrong[i].wanted) != 0)
            fail_msg("row %zu: %s", i, err.text);
        assert_null(strchr(err.text, '\n'));
        assert_null(c);
        assert_int_equal(parse(&c, wrong[i].text, NULL), -1);
    }
}

static void a_starved_parse_leaves_nothing(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_conf *c = NULL;
    XT_REFUSED(parse(&c, "[node]\nname = a\n b\nmem = 2G\n[net]\nlistne = 1\n", &err), XOS_INVALID);
    assert_null(c);
}

/* inih reads 200 bytes at a time and would take the rest of a longer line for a line. */
static void long_lines_are_refused_and_may_go_on_below(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_conf *c = NULL;
    char text[4000], value[2000] = "";
    for (unsigned length = 180; length < 210; length++) {
        int n = snprintf(text, sizeof(text), "[node]\nname = ");
        memset(text + n, 'x', length - 7);
        (void)snprintf(text + n + length - 7, 100, "\n[net]\nseeds = 1\n");
        err.code = XOS_NONE;
        if (length <= 198) {
            XT_TRY(parse(&c, text, &err));
            assert_int_equal(strlen(xos_conf_text(c, "node", "name")), length - 7);
            xos_conf_free(c);
            c = NULL;
        } else {
            XT_REFUSED(parse(&c, text, &err), XOS_LIMIT);
            if (!xt_starving())
                assert_string_equal(err.text, "xosd.conf:2: the line is longer than 198 bytes: "
                                              "go on in the next one, indented");
        }
    }
    int n = snprintf(text, sizeof(text), "[net]\nseeds = host0:7401\n");
    (void)snprintf(value, sizeof(value), "host0:7401");
    for (unsigned i = 1; i < 100; i++) {
        n += snprintf(text + n, sizeof(text) - (size_t)n, "  host%u:7401\n", i);
        size_t used = strlen(value);
        (void)snprintf(value + used, sizeof(value) - used, " host%u:7401", i);
    }
    XT_TRY(parse(&c, text, &err));
    assert_string_equal(xos_conf_text(c, "net", "seeds"), value);
out:
    xos_conf_free(c);
}

static void a_huge_file_is_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_conf *c = NULL;
    char *text = xos_alloc(XOS_CONF_BYTES_MAX + 2);
    if (!text)
        return;
    memset(text, '\n', XOS_CONF_BYTES_MAX);
    XT_TRY(parse(&c, text, &err));
    text[XOS_CONF_BYTES_MAX] = '\n';
    xos_conf_free(c);
    c = NULL;
    XT_REFUSED(parse(&c, text, &err), XOS_LIMIT);
out:
    xos_conf_free(c);
    xos_free(text);
}

static const struct xt_test tests[] = {
    XT(values_come_out_in_their_units),
    XT(an_empty_file_has_the_presets),
    XT_PLAIN(every_error_names_its_line_and_the_remedy),
    XT(a_starved_parse_leaves_nothing),
    XT(long_lines_are_refused_and_may_go_on_below),
    XT(a_huge_file_is_refused),
};
XT_MAIN(tests)
