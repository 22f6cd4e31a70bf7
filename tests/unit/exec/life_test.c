// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a job's end is reported wrongly, a job runs twice, or the death of a daemon
 * takes a job along, or leaves its processes behind. */
#include "tests/lib/execbed.h"
#include "tests/lib/xtest.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void each_end_is_told_as_it_was(void)
{
    static const struct {
        const char *unit, *argv[4];
        enum exit_how how;
        int value;
        enum exec_stage stage;
        int status;
    } table[] = {
        {"inria-1.0", {"/bin/sh", "-c", "exit 7"}, EXIT_EXITED, 7, STAGE_NONE, 7},
        {"inria-1.1", {"true"}, EXIT_EXITED, 0, STAGE_NONE, 0},
        {"inria-1.2", {"/bin/sh", "-c", "kill -9 $$"}, EXIT_SIGNALLED, 9, STAGE_NONE, 137},
        {"inria-1.3", {"nosuch"}, EXIT_START_FAILED, ENOENT, STAGE_EXEC, 127},
        {"inria-1.4", {"/no/such"}, EXIT_START_FAILED, ENOENT, STAGE_EXEC, 127},
        {"inria-1.5", {"/etc/passwd"}, EXIT_START_FAILED, EACCES, STAGE_EXEC, 126},
        {"inria-1[7]", {"/tmp"}, EXIT_START_FAILED, EACCES, STAGE_EXEC, 126},
        {"inria-1.6", {"/bin/sh", "-c", "kill -TERM $$"}, EXIT_SIGNALLED, 15, STAGE_NONE, 143},
    };
    struct xos_error err = {0};
    struct bed b;
    struct exit_record r;
    XT_TRY(bed_up(&b, &err));
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        XT_TRY(bed_start(&b, table[i].unit, NULL, table[i].argv, &err));
        XT_TRY(bed_wait(&b, table[i].unit, &r, &err));
        assert_string_equal(exit_how_name(r.how), exit_how_name(table[i].how));
        assert_string_equal(exec_stage_name(r.stage), exec_stage_name(table[i].stage));
        assert_int_equal(r.value, table[i].value);
        assert_int_equal(exit_record_status(&r), table[i].status);
        assert_int_equal(bed_state(&b, table[i].unit), EXECD_UNIT_ENDED);
        assert_int_equal(bed_start(&b, table[i].unit, NULL, table[i].argv, &err), -1);
        assert_int_equal(err.code, XOS_EXISTS);
        XT_TRY(bed_verb(&b, EXECD_REMOVE, table[i].unit, 0, &err));
        assert_int_equal(bed_state(&b, table[i].unit), EXECD_UNIT_NONE);
    }
out:
    bed_down(&b);
}

static void ends_as_root(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    each_end_is_told_as_it_was();
}

static void ends_as_user(void **state)
{
    (void)state;
    bed_as_user(each_end_is_told_as_it_was);
}

static const struct xt_test tests[] = {
    XT_PLAIN(ends_as_root),
    XT_PLAIN(ends_as_user),
};
XT_MAIN(tests)
