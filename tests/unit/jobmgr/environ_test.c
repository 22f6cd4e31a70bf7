// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a program writes where it may not, or is told that it is another unit. */
#include "jobmgr/core/environ.h"
#include "tests/lib/xtest.h"

#include <string.h>

static const struct environ_facts facts = {.job = "inria-7",
                                           .unit = 1,
                                           .node = "n1.inria",
                                           .institution = "inria",
                                           .vo = "",
                                           .user = "alice@inria",
                                           .scratch = "/scratch",
                                           .hosts = "/hosts"};

static const char *value(char **list, const char *name)
{
    const char *found = NULL;
    size_t n = strlen(name);
    for (size_t i = 0; list[i]; i++)
        if (strncmp(list[i], name, n) == 0 && list[i][n] == '=') {
            assert_null(found); /* each once */
            found = list[i] + n + 1;
        }
    return found;
}

struct row {
    const char *name, *value;
};

static void check(const char *const *given, size_t count, bool pty, const struct row *rows,
                  size_t row_count)
{
    struct xos_error err = {0};
    char *env[4] = {NULL}, **list = NULL;
    struct job_spec s = {.env = env, .env_count = count, .units = 2, .pty = pty};
    for (size_t i = 0; i < count; i++)
        env[i] = (char *)(uintptr_t)given[i];
    XT_TRY(environ_build(&list, &s, &facts, &err));
    for (size_t i = 0; i < row_count; i++) {
        const char *v = value(list, rows[i].name);
        if (!rows[i].value)
            assert_null(v);
        else
            assert_string_equal(v, rows[i].value);
    }
out:
    environ_free(list);
}

static void presets_and_facts(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"HOME", "/scratch"},
        {"TMPDIR", "/scratch"},
        {"USER", "alice"},
        {"LOGNAME", "alice"},
        {"SHELL", "/bin/sh"},
        {"LANG", "C.UTF-8"},
        {"TERM", "dumb"},
        {"PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"},
        {"XOS_JOB", "inria-7"},
        {"XOS_UNIT", "1"},
        {"XOS_UNITS", "2"},
        {"XOS_NODE", "n1.inria"},
        {"XOS_INSTITUTION", "inria"},
        {"XOS_VO", ""},
        {"XOS_USER", "alice@inria"},
        {"XOS_HOSTS", "/hosts"},
    };
    check(NULL, 0, false, rows, sizeof(rows) / sizeof(rows[0]));
    check(NULL, 0, true, &(struct row){"TERM", "xterm"}, 1);
    environ_free(NULL);
}

static void the_users_own_stands_but_for_ours(void **state)
{
    (void)state;
    static const char *const given[] = {"PATH=/opt/bin", "HOME=/root", "XOS_JOB=mine", "HOMER=1"};
    static const char *const more[] = {"TERM=vt100", "XOS_SOCKET=/x", "USER=root", "EMPTY="};
    static const struct row rows[] = {
        {"PATH", "/opt/bin"}, {"HOME", "/scratch"}, {"XOS_JOB", "inria-7"}, {"HOMER", "1"}};
    static const struct row others[] = {
        {"TERM", "vt100"}, {"XOS_SOCKET", NULL}, {"USER", "alice"}, {"EMPTY", ""}};
    check(given, 4, false, rows, 4);
    check(more, 4, true, others, 4);
}

static const struct xt_test tests[] = {
    XT(presets_and_facts),
    XT(the_users_own_stands_but_for_ours),
};
XT_MAIN(tests)
