// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a stranger writes lines into the log of his refusal, and the operator's
 * terminal obeys them. */
#include "libxos/base/telemetry.h"
#include "tests/lib/xtest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char last[4096];
static unsigned lines;

static void keep(enum xos_log_level level, const char *line, void *arg)
{
    assert_ptr_equal(arg, &lines);
    (void)snprintf(last, sizeof(last), "%d %s", (int)level, line);
    lines++;
}

static void what_comes_from_outside_is_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *from, *wanted;
    } table[] = {
        {"plain", "1 REFUSED name=plain"},
        {"a\nb", "name=a\\x0ab"},
        {"\x1b[2J", "name=\\x1b[2J"},
        {"\r\t\x7f", "name=\\x0d\\x09\\x7f"},
        {"n\xc3\xb6tig", "name=n\xc3\xb6tig"},
        {"\xc2\x9b"
         "2J",
         "name=\\xc2\x9b"
         "2J"}, /* CSI as one character: broken up */
    };
    xos_log_sink(keep, &lines);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        xos_log(XOS_EV_REFUSED, "name=%s", table[i].from);
        if (!strstr(last, table[i].wanted))
            fail_msg("row %zu: %s", i, last);
    }
}

static void an_errors_quotes_cannot_end_its_value(void **state)
{
    (void)state;
    struct xos_error err = {0};
    xos_log_sink(keep, &lines);
    xos_fail(&err, XOS_DENIED, "no \"such\" name\" code=NONE \\");
    xos_log_error(XOS_EV_REFUSED, &err, "user=%s", "alice");
    assert_string_equal(last, "1 REFUSED user=alice code=DENIED "
                              "error=\"no \\\"such\\\" name\\\" code=NONE \\\\\"");
    xos_log_error(XOS_EV_REFUSED, &err, "%s", "");
    assert_memory_equal(last, "1 REFUSED code=DENIED", 21);
}

static void levels_hold_back_what_is_above_them(void **state)
{
    (void)state;
    xos_log_sink(keep, &lines);
    lines = 0;
    xos_log(XOS_EV_DEBUG, "hidden");
    assert_int_equal(lines, 0);
    xos_log_threshold(XOS_LOG_DEBUG);
    xos_log(XOS_EV_DEBUG, "shown");
    assert_int_equal(lines, 1);
    xos_log_threshold(XOS_LOG_ERROR);
    struct xos_error err = {.code = XOS_IO};
    xos_log(XOS_EV_REFUSED, "hidden");
    xos_log_error(XOS_EV_REFUSED, &err, "hidden");
    assert_int_equal(lines, 1);
    xos_log(XOS_EV_FATAL, "shown");
    assert_int_equal(lines, 2);
    xos_log_threshold(XOS_LOG_INFO);
    assert_int_equal(xos_log_level_find("debug"), XOS_LOG_DEBUG);
    assert_int_equal(xos_log_level_find("error"), XOS_LOG_ERROR);
    assert_int_equal(xos_log_level_find("loud"), -1);
}

/* On stderr: one write of one line, however long the text, and errno as it was. */
static void a_line_is_one_line_on_stderr(void **state)
{
    (void)state;
    char longer[5000], got[5000];
    int out[2], kept = dup(STDERR_FILENO);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    memset(longer, '\n', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    xos_log_sink(NULL, NULL);
    dup2(out[1], STDERR_FILENO);
    errno = 77;
    xos_log(XOS_EV_START, "version=%s", "1");
    struct xos_error err = {0};
    xos_fail(&err, XOS_IO, "%s", longer);
    xos_log_error(XOS_EV_STORE_FAILED, &err, "%s", longer);
    int number = errno;
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(out[1]);
    assert_int_equal(number, 77);
    ssize_t n = read(out[0], got, sizeof(got) - 1);
    assert_true(n > 0);
    got[n] = '\0';
    close(out[0]);
    char level[20], event[20], when[40];
    assert_int_equal(sscanf(got, "%39s %19s %19s version=1", when, level, event), 3);
    assert_int_equal(strlen(when), strlen("2026-03-01T12:00:00.123Z"));
    assert_string_equal(level, "notice");
    assert_string_equal(event, "START");
    const char *second = strchr(got, '\n') + 1;
    assert_non_null(strstr(second, " error STORE_FAILED \\x0a\\x0a"));
    assert_ptr_equal(strchr(second, '\n'), got + n - 1);
}

static const struct xt_test tests[] = {
    XT(what_comes_from_outside_is_escaped),
    XT(an_errors_quotes_cannot_end_its_value),
    XT(levels_hold_back_what_is_above_them),
    XT_PLAIN(a_line_is_one_line_on_stderr),
};
XT_MAIN(tests)
