// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: xkill leaves processes behind, a suspended job computes on, a fenced job runs
 * twice, or a job outlives its limits. */
#include "tests/lib/execbed.h"
#include "tests/lib/xtest.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNIT "inria-2.0"

static const char daemons[] =
    "for i in 1 2 3; do (setsid sh -c '(trap \"\" TERM HUP; while :; do sleep 0.05; done) & ' &) ; "
    "done; trap '' TERM; echo up; while :; do sleep 0.05; done";
static const char bomb[] = "f() { [ $1 -gt 0 ] && { f $(($1-1)) & f $(($1-1)) & }; "
                           "trap '' TERM; while :; do sleep 1; done; }; f 5";

static int await_output(struct bed *b, const char *unit, const char *word)
{
    char text[4096];
    for (int i = 0; i < 2000; i++) {
        (void)bed_output(b, unit, "out", text, sizeof(text));
        if (strstr(text, word))
            return 0;
        bed_sleep_ms(5);
    }
    return -1;
}

static int await_processes(struct bed *b, int at_least)
{
    for (int i = 0; i < 1000; i++) {
        if (bed_processes(b, NULL) >= at_least)
            return 0;
        bed_sleep_ms(10);
    }
    return -1;
}

static void kill_leaves_nobody(void)
{
    static const struct {
        const char *text;
        int processes;
        uint64_t grace_ms;
    } table[] = {{daemons, 5, 0}, {daemons, 5, 100}, {bomb, 30, 0}, {bomb, 30, 50}};
    struct xos_error err = {0};
    struct bed b;
    struct exit_record r;
    XT_TRY(bed_up(&b, &err));
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct execd_request head = {.pids = 400};
        XT_TRY(bed_shell(&b, UNIT, &head, table[i].text, &err));
        assert_int_equal(await_processes(&b, table[i].processes), 0);
        int fd = bed_connect(&b, UNIT, &err);
        assert_true(fd >= 0);
        assert_int_equal(bed_command(fd, SHIM_KILL, EXIT_KILLED, table[i].grace_ms, 0), 0);
        close(fd);
        XT_TRY(bed_wait(&b, UNIT, &r, &err));
        assert_string_equal(exit_how_name(r.how), "killed");
        /* With a grace TERM may hit it before its trap is set. */
        if (!table[i].grace_ms || exit_record_status(&r) != 143)
            assert_int_equal(exit_record_status(&r), 137);
        assert_int_equal(bed_processes(&b, NULL), 0);
        XT_TRY(bed_verb(&b, EXECD_REMOVE, UNIT, 0, &err));
    }
out:
    bed_down(&b);
}

static void job_that_ends_takes_its_daemons_along(void)
{
    struct xos_error err = {0};
    struct bed b;
    struct exit_record r;
    XT_TRY(bed_up(&b, &err));
    XT_TRY(bed_shell(&b, UNIT, NULL, "setsid sleep 1000 & (setsid sleep 1000 &) ; exit 3", &err));
    XT_TRY(bed_wait(&b, UNIT, &r, &err));
    assert_string_equal(exit_how_name(r.how), "exited");
    assert_int_equal(r.value, 3);
    assert_int_equal(bed_processes(&b, NULL), 0);
out:
    bed_down(&b);
}

static void dead_shim_takes_its_unit_along(void)
{
    static const char *const texts[] = {daemons, bomb};
    struct xos_error err = {0};
    struct bed b;
    struct exit_record r;
    struct shim_status st;
    XT_TRY(bed_up(&b, &err));
    for (size_t i = 0; i < 2; i++) {
        struct execd_request head = {.pids = 400};
        XT_TRY(bed_shell(&b, UNIT, &head, texts[i], &err));
        assert_int_equal(await_processes(&b, i ? 30 : 5), 0);
        int fd = bed_connect(&b, UNIT, &err);
        XT_TRY(bed_status(fd, &st, &err));
        close(fd);
        assert_int_equal(kill(st.record.shim_pid, SIGKILL), 0);
        for (int n = 0; n < 1000 && bed_processes(&b, NULL) > 0; n++)
            bed_sleep_ms(10);
        assert_int_equal(bed_processes(&b, NULL), 0);
        assert_int_equal(bed_state(&b, UNIT), EXECD_UNIT_SHIM_LOST);
        XT_TRY(exit_record_read(b.units, UNIT, &r, &err));
        assert_string_equal(exit_how_name(r.how), "shim-lost");
        assert_int_equal(exit_record_status(&r), 125);
        XT_TRY(bed_verb(&b, EXECD_REMOVE, UNIT, 0, &err));
    }
out:
    bed_down(&b);
}

/* A frozen unit cannot see its shim die: execd ends it. */
static void dead_shim_of_a_frozen_unit(void)
{
    struct xos_error err = {0};
    struct bed b;
    struct shim_status st;
    XT_TRY(bed_up(&b, &err));
    XT_TRY(bed_shell(&b, UNIT, NULL, daemons, &err));
    assert_int_equal(await_processes(&b, 5), 0);
    int fd = bed_connect(&b, UNIT, &err);
    assert_int_equal(bed_command(fd, SHIM_STOP, 0, 0, 0), 0);
    do {
        XT_TRY(bed_status(fd, &st, &err));
    } while (!st.frozen);
    close(fd);
    assert_int_equal(kill(st.record.shim_pid, SIGKILL), 0);
    for (int n = 0; n < 1000 && bed_state(&b, UNIT) == EXECD_UNIT_LIVE; n++)
        bed_sleep_ms(5);
    assert_int_equal(bed_state(&b, UNIT), EXECD_UNIT_SHIM_LOST);
    assert_int_equal(bed_processes(&b, NULL), 0);
out:
    bed_down(&b);
}

static long size_of(struct bed *b)
{
    char path[256];
    struct stat st;
    (void)snprintf(path, sizeof(path), "%s/" UNIT "/out", b->spool);
    return stat(path, &st) < 0 ? -1 : (long)st.st_size;
}

static const char writer[] = "(setsid sh -c 'while :; do echo x; sleep 0.01; done' &); "
                             "while :; do echo x; sleep 0.01; done";

static int await_frozen(int fd, bool wanted, struct shim_status *st, struct xos_error *err)
{
    do {
        if (bed_status(fd, st, err) < 0)
            return -1;
    } while ((st->frozen != 0) != wanted);
    return 0;
}

static void stop_stops_all_of_it(void)
{
    struct xos_error err = {0};
    struct bed b;
    struct shim_status st;
    XT_TRY(bed_up(&b, &err));
    XT_TRY(bed_shell(&b, UNIT, NULL, writer, &err));
    assert_int_equal(await_output(&b, UNIT, "x\nx\nx\nx\n"), 0);
    int fd = bed_connect(&b, UNIT, &err);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(bed_command(fd, SHIM_STOP, 0, 0, 0), 0);
        XT_TRY(await_frozen(fd, true, &st, &err));
        assert_true(st.suspended && !st.fence_frozen);
        bed_sleep_ms(20);
        long before = size_of(&b);
        bed_sleep_ms(200);
        assert_int_equal(size_of(&b), before);
        assert_int_equal(bed_command(fd, SHIM_CONT, 0, 0, 0), 0);
        XT_TRY(await_frozen(fd, false, &st, &err));
        for (int i = 0; i < 1000 && size_of(&b) == before; i++)
            bed_sleep_ms(5);
        assert_true(size_of(&b) > before);
    }
    close(fd);
out:
    bed_down(&b);
}

static void fenced_unit_stands_still_at_its_deadline(void)
{
    struct xos_error err = {0};
    struct bed b;
    struct shim_status st;
    struct exit_record r;
    XT_TRY(bed_up(&b, &err));
    struct execd_request head = {
        .flags = EXECD_FENCED, .epoch = 5, .deadline_ms = bed_now_ms() + 400};
    XT_TRY(bed_shell(&b, UNIT, &head, writer, &err));
    /* Nobody is connected, execd is dead: the shim does it alone. */
    bed_execd_kill(&b);
    while (bed_now_ms() < head.deadline_ms + 100)
        bed_sleep_ms(10);
    long before = size_of(&b);
    assert_true(before > 0);
    bed_sleep_ms(300);
    assert_int_equal(size_of(&b), before);
    XT_TRY(bed_execd_start(&b, &err));
    int fd = bed_connect(&b, UNIT, &err);
    assert_int_equal(bed_command(fd, SHIM_FENCE, 4, bed_now_ms() + 9000, 1), XOS_STALE);
    bed_sleep_ms(100);
    assert_int_equal(size_of(&b), before);
    assert_int_equal(bed_command(fd, SHIM_FENCE, 5, bed_now_ms() + 60000, 1), 0);
    XT_TRY(await_frozen(fd, false, &st, &err));
    for (int i = 0; i < 1000 && size_of(&b) == before; i++)
        bed_sleep_ms(5);
    assert_true(size_of(&b) > before);
    assert_int_equal(bed_command(fd, SHIM_FENCE, 6, bed_now_ms() + 60000, 1), 0);
    close(fd);
    XT_TRY(bed_wait(&b, UNIT, &r, &err));
    assert_string_equal(exit_how_name(r.how), "node-lost");
    assert_int_equal(bed_processes(&b, NULL), 0);
out:
    bed_down(&b);
}

static void walltime_ends_it(void)
{
    struct xos_error err = {0};
    struct bed b;
    struct exit_record r;
    XT_TRY(bed_up(&b, &err));
    struct execd_request head = {.walltime_ms = 300, .grace_ms = 200};
    XT_TRY(bed_shell(&b, UNIT, &head, daemons, &err));
    XT_TRY(bed_wait(&b, UNIT, &r, &err));
    assert_string_equal(exit_how_name(r.how), "time-limit");
    assert_true(r.ran_ms >= 300);
    assert_int_equal(bed_processes(&b, NULL), 0);
out:
    bed_down(&b);
}

static void term_lets_it_end_well(void)
{
    struct xos_error err = {0};
    struct bed b;
    struct exit_record r;
    XT_TRY(bed_up(&b, &err));
    /* Not dash: a signal that hits it inside vfork is lost to it. */
    static const char *const argv[] = {
        "bash", "-c", "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.01; done", NULL};
    XT_TRY(bed_start(&b, UNIT, NULL, argv, &err));
    assert_int_equal(await_output(&b, UNIT, "up"), 0);
    int fd = bed_connect(&b, UNIT, &err);
    /* Also when it is suspended. */
    assert_int_equal(bed_command(fd, SHIM_STOP, 0, 0, 0), 0);
    assert_int_equal(bed_command(fd, SHIM_KILL, EXIT_PREEMPTED, 20000, 0), 0);
    close(fd);
    XT_TRY(bed_wait(&b, UNIT, &r, &err));
    assert_string_equal(exit_how_name(r.how), "preempted");
    assert_int_equal(r.value, 5);
    char text[64];
    (void)bed_output(&b, UNIT, "out", text, sizeof(text));
    assert_string_equal(text, "up\nbye\n");
out:
    bed_down(&b);
}

static void signals_reach_the_job(void)
{
    struct xos_error err = {0};
    struct bed b;
    struct exit_record r;
    XT_TRY(bed_up(&b, &err));
    static const char *const argv[] = {"bash", "-c",
                                       "trap 'echo usr1' USR1; trap 'echo int; exit 0' INT; "
                                       "echo up; while :; do sleep 0.01; done",
                                       NULL};
    XT_TRY(bed_start(&b, UNIT, NULL, argv, &err));
    assert_int_equal(await_output(&b, UNIT, "up"), 0);
    XT_TRY(bed_await_running(&b, UNIT, &err));
    int fd = bed_connect(&b, UNIT, &err);
    assert_int_equal(bed_command(fd, SHIM_SIGNAL, SIGUSR1, SHIM_GROUP, 0), 0);
    assert_int_equal(await_output(&b, UNIT, "usr1"), 0);
    assert_int_equal(bed_command(fd, SHIM_SIGNAL, 0, SHIM_GROUP, 0), XOS_INVALID);
    assert_int_equal(bed_command(fd, SHIM_SIGNAL, SIGINT, SHIM_GROUP, 0), 0);
    close(fd);
    XT_TRY(bed_wait(&b, UNIT, &r, &err));
    assert_int_equal(exit_record_status(&r), 0);
out:
    bed_down(&b);
}

static void memory_limit_is_named(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bed b = {0};
    struct exit_record r;
    if (geteuid() != 0)
        skip();
    XT_TRY(bed_up(&b, &err));
    struct execd_request head = {.mem_bytes = 32 << 20};
    XT_TRY(bed_shell(&b, UNIT, &head, "exec tail /dev/zero", &err));
    XT_TRY(bed_wait(&b, UNIT, &r, &err));
    assert_string_equal(exit_how_name(r.how), "oom");
    assert_true(r.oom_kills > 0);
    assert_in_range(r.peak_bytes, 24 << 20, 48 << 20);
    assert_int_equal(exit_record_status(&r), 137);
out:
    bed_down(&b);
}

static void pids_limit_holds(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bed b = {0};
    struct exit_record r;
    if (geteuid() != 0)
        skip();
    XT_TRY(bed_up(&b, &err));
    struct execd_request head = {.pids = 20};
    XT_TRY(bed_shell(&b, UNIT, &head,
                     "sh -c 'while :; do sleep 1000 & done' 2>/dev/null; exec sleep 1000", &err));
    assert_int_equal(await_processes(&b, 18), 0);
    bed_sleep_ms(200);
    assert_in_range(bed_processes(&b, NULL), 18, 20);
    int fd = bed_connect(&b, UNIT, &err);
    (void)bed_command(fd, SHIM_KILL, EXIT_KILLED, 0, 0);
    close(fd);
    XT_TRY(bed_wait(&b, UNIT, &r, &err));
    assert_int_equal(bed_processes(&b, NULL), 0);
out:
    bed_down(&b);
}

#define TWICE(body)                                                                                \
    static void body##_root(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        if (geteuid() != 0)                                                                        \
            skip();                                                                                \
        body();                                                                                    \
    }                                                                                              \
    static void body##_user(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        bed_as_user(body);                                                                         \
    }
TWICE(kill_leaves_nobody)
TWICE(job_that_ends_takes_its_daemons_along)
TWICE(dead_shim_takes_its_unit_along)
TWICE(dead_shim_of_a_frozen_unit)
TWICE(stop_stops_all_of_it)
TWICE(fenced_unit_stands_still_at_its_deadline)
TWICE(walltime_ends_it)
TWICE(term_lets_it_end_well)
TWICE(signals_reach_the_job)

static const struct xt_test tests[] = {
    XT_PLAIN(kill_leaves_nobody_root),
    XT_PLAIN(kill_leaves_nobody_user),
    XT_PLAIN(job_that_ends_takes_its_daemons_along_root),
    XT_PLAIN(job_that_ends_takes_its_daemons_along_user),
    XT_PLAIN(dead_shim_takes_its_unit_along_root),
    XT_PLAIN(dead_shim_takes_its_unit_along_user),
    XT_PLAIN(dead_shim_of_a_frozen_unit_root),
    XT_PLAIN(dead_shim_of_a_frozen_unit_user),
    XT_PLAIN(stop_stops_all_of_it_root),
    XT_PLAIN(stop_stops_all_of_it_user),
    XT_PLAIN(fenced_unit_stands_still_at_its_deadline_root),
    XT_PLAIN(fenced_unit_stands_still_at_its_deadline_user),
    XT_PLAIN(walltime_ends_it_root),
    XT_PLAIN(walltime_ends_it_user),
    XT_PLAIN(term_lets_it_end_well_root),
    XT_PLAIN(term_lets_it_end_well_user),
    XT_PLAIN(signals_reach_the_job_root),
    XT_PLAIN(signals_reach_the_job_user),
    XT_PLAIN(memory_limit_is_named),
    XT_PLAIN(pids_limit_holds),
};
XT_MAIN(tests)
