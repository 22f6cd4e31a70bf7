// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a job inherits the daemon's keys and sockets, or cannot be stopped, or a
 * signal meant for it hits another process. */
#include "libxos/env/env.h"
#include "tests/lib/xtest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const no_env[] = {"PATH=/usr/bin:/bin", NULL};

static unsigned open_fds(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void await(const struct xos_child *child)
{
    struct pollfd p = {.fd = child->pidfd, .events = POLLIN};
    while (poll(&p, 1, 30 * 1000) < 0 && errno == EINTR)
        ;
    assert_int_equal(p.revents & POLLIN, POLLIN);
}

/* Run a shell script; its output goes into text. */
static struct xos_exit shell(const char *script, struct xos_spawn *what, char *text, size_t size)
{
    struct xos_error err = {0};
    struct xos_env *env = xos_env_posix();
    struct xos_child child;
    struct xos_exit ended = {0};
    const char *argv[] = {"sh", "-c", script, NULL};
    int out[2];
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    int fds[] = {-1, out[1], -1};
    what->path = "/bin/sh";
    what->argv = argv;
    what->envp = no_env;
    if (!what->fds) {
        what->fds = fds;
        what->fd_count = 3;
    }
    if (xos_env_spawn(env, what, &child, &err) < 0)
        fail_msg("%s", err.text);
    close(out[1]);
    size_t have = 0;
    ssize_t n;
    while (have + 1 < size && (n = read(out[0], text + have, size - have - 1)) > 0)
        have += (size_t)n;
    text[have] = '\0';
    close(out[0]);
    await(&child);
    if (xos_env_child_reap(env, &child, &ended, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(child.pidfd, -1);
    return ended;
}

static void status_and_signal_come_back(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        bool signalled;
        int value;
    } table[] = {
        {"exit 0", false, 0},    {"exit 7", false, 7},        {"exit 255", false, 255},
        {"kill -9 $$", true, 9}, {"kill -TERM $$", true, 15},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct xos_spawn what = {0};
        char text[64];
        struct xos_exit ended = shell(table[i].script, &what, text, sizeof(text));
        assert_int_equal(ended.signalled, table[i].signalled);
        assert_int_equal(ended.value, table[i].value);
    }
}

static void only_the_given_descriptors_are_there(void **state)
{
    (void)state;
    struct xos_spawn what = {0};
    char text[256];
    int leaky = open("/etc/passwd", O_RDONLY); /* not close-on-exec, as a careless library's */
    int high = fcntl(leaky, F_DUPFD, 500);
    assert_true(leaky >= 0 && high >= 500);
    (void)shell("cd /proc/$$/fd && for f in *; do readlink $f; done", &what, text, sizeof(text));
    close(leaky);
    close(high);
    assert_null(strstr(text, "passwd"));
    assert_non_null(strstr(text, "/dev/null"));
    unsigned lines = 0;
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        lines++;
    assert_true(lines <= 4); /* 0 1 2, and the one that the shell lists with */
}

/* Each descriptor lands in its place also when its place is another one's source. */
static void descriptors_may_trade_places(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_env *env = xos_env_posix();
    struct xos_child child;
    struct xos_exit ended;
    int a[2], b[2];
    char got[8] = {0};
    assert_int_equal(pipe2(a, O_CLOEXEC), 0);
    assert_int_equal(pipe2(b, O_CLOEXEC), 0);
    int fds[] = {-1, -1, -1, b[1], a[1]};
    /* Arrange that sources and places cross: 3 and 4 hold a[1] and b[1]. */
    int keep3 = fcntl(3, F_DUPFD_CLOEXEC, 100), keep4 = fcntl(4, F_DUPFD_CLOEXEC, 100);
    int from_a = fcntl(a[1], F_DUPFD_CLOEXEC, 100), from_b = fcntl(b[1], F_DUPFD_CLOEXEC, 100);
    int read_a = fcntl(a[0], F_DUPFD_CLOEXEC, 100), read_b = fcntl(b[0], F_DUPFD_CLOEXEC, 100);
    close(a[0]), close(a[1]), close(b[0]), close(b[1]);
    dup3(from_a, 3, O_CLOEXEC);
    dup3(from_b, 4, O_CLOEXEC);
    close(from_a), close(from_b);
    fds[3] = 4;
    fds[4] = 3;
    const char *argv[] = {"sh", "-c", "echo b >&3; echo a >&4", NULL};
    struct xos_spawn what = {
        .path = "/bin/sh", .argv = argv, .envp = no_env, .fds = fds, .fd_count = 5};
    XT_TRY(xos_env_spawn(env, &what, &child, &err));
    await(&child);
    XT_TRY(xos_env_child_reap(env, &child, &ended, &err));
    assert_int_equal(read(read_a, got, 2), 2);
    assert_int_equal(got[0], 'a');
    assert_int_equal(read(read_b, got, 2), 2);
    assert_int_equal(got[0], 'b');
out:
    if (keep3 >= 0)
        dup3(keep3, 3, O_CLOEXEC), close(keep3);
    else
        close(3);
    if (keep4 >= 0)
        dup3(keep4, 4, O_CLOEXEC), close(keep4);
    else
        close(4);
    close(read_a), close(read_b);
}

static void signals_environment_and_directory_are_clean(void **state)
{
    (void)state;
    struct xos_spawn what = {.cwd = "/usr", .new_session = true};
    char text[1024];
    sigset_t some, before;
    sigemptyset(&some);
    sigaddset(&some, SIGTERM);
    sigaddset(&some, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &some, &before);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    /* As under make: one of the two that libc keeps for itself. */
    struct {
        void (*handler)(int);
        unsigned long rest[7];
    } ignore = {.handler = SIG_IGN};
    assert_int_equal(syscall(SYS_rt_sigaction, 33, &ignore, NULL, 8), 0);
    setenv("XOS_SECRET", "1", 1);
    (void)shell("pwd; env; [ $(cut -d' ' -f6 /proc/$$/stat) = $$ ] && echo leader; "
                "exec grep -E 'Sig(Blk|Ign)' /proc/self/status",
                &what, text, sizeof(text));
    signal(SIGPIPE, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    unsetenv("XOS_SECRET");
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, &before, &now);
    assert_true(sigismember(&now, SIGTERM)); /* ours came back as it was */
    assert_non_null(strstr(text, "/usr\n"));
    assert_null(strstr(text, "XOS_SECRET"));
    assert_non_null(strstr(text, "SigBlk:\t0000000000000000"));
    assert_non_null(strstr(text, "SigIgn:\t0000000000000000"));
    assert_non_null(strstr(text, "leader\n"));
}

static void what_cannot_start_is_an_error_with_its_stage(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_env *env = xos_env_posix();
    struct xos_child child;
    const char *argv[] = {"x", NULL};
    int many[65] = {0}, bad[] = {-1, -1, -1, 999};
    char script[100];
    (void)snprintf(script, sizeof(script), "%s/script", xt_dir());
    int fd = open(script, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    close(fd);
    unsigned had = open_fds();
    struct {
        struct xos_spawn what;
        enum xos_code code;
        const char *text;
    } table[] = {
        {{.path = "/no/such/program"}, XOS_NOT_FOUND, "execute it: No such file"},
        {{.path = script}, XOS_SYSTEM, "execute it: Permission denied"},
        {{.path = "/bin/true", .cwd = "/no/such"}, XOS_NOT_FOUND, "change to its directory"},
        {{.path = "/bin/true", .fds = bad, .fd_count = 4}, XOS_SYSTEM, "set up its descriptors"},
        {{.path = "/bin/true", .parent_death_signal = 9999}, XOS_SYSTEM, "its parent's"},
        {{.path = "/bin/true", .fds = many, .fd_count = 65}, XOS_LIMIT, "SPAWN_FDS_MAX"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        table[i].what.argv = argv;
        table[i].what.envp = no_env;
        XT_REFUSED(xos_env_spawn(env, &table[i].what, &child, &err), table[i].code);
        if (!strstr(err.text, table[i].text))
            fail_msg("row %zu: %s", i, err.text);
    }
    assert_int_equal(open_fds(), had);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left either */
}

static void a_child_is_signalled_and_reaped_by_its_pidfd(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_env *env = xos_env_posix();
    struct xos_child child = {.pidfd = -1};
    struct xos_exit ended;
    const char *argv[] = {"sleep", "1000", NULL};
    struct xos_spawn what = {
        .path = "/bin/sleep", .argv = argv, .envp = no_env, .parent_death_signal = SIGKILL};
    XT_TRY(xos_env_spawn(env, &what, &child, &err));
    XT_REFUSED(xos_env_child_reap(env, &child, &ended, &err), XOS_BUSY);
    XT_TRY(xos_env_child_signal(env, &child, SIGTERM, &err));
    await(&child);
    struct xos_child copy = {.pid = child.pid, .pidfd = dup(child.pidfd)};
    XT_TRY(xos_env_child_reap(env, &child, &ended, &err));
    assert_true(ended.signalled);
    assert_int_equal(ended.value, SIGTERM);
    XT_REFUSED(xos_env_child_signal(env, &copy, SIGKILL, &err), XOS_NOT_FOUND);
    assert_int_equal(xos_env_child_reap(env, &copy, &ended, &err), -1);
    close(copy.pidfd);
out:;
}

/* The parent is killed: a child whose life is bound to it goes too. */
static void a_bound_child_dies_with_its_parent(void **state)
{
    (void)state;
    int tell[2];
    char byte;
    assert_int_equal(pipe2(tell, O_CLOEXEC), 0);
    pid_t parent = fork();
    if (parent == 0) {
        struct xos_error err = {0};
        struct xos_child child;
        const char *argv[] = {"sleep", "1000", NULL};
        int fds[] = {-1, tell[1], -1};
        struct xos_spawn what = {.path = "/bin/sleep",
                                 .argv = argv,
                                 .envp = no_env,
                                 .fds = fds,
                                 .fd_count = 3,
                                 .parent_death_signal = SIGKILL};
        if (xos_env_spawn(xos_env_posix(), &what, &child, &err) < 0)
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    close(tell[1]);
    waitpid(parent, NULL, 0);
    struct pollfd p = {.fd = tell[0], .events = POLLIN};
    assert_int_equal(poll(&p, 1, 30 * 1000), 1); /* end of file: the last holder is gone */
    assert_int_equal(read(tell[0], &byte, 1), 0);
    close(tell[0]);
}

static void spawns_leave_nothing_behind(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_env *env = xos_env_posix();
    const char *argv[] = {"true", NULL};
    struct xos_spawn what = {.path = "/bin/true", .argv = argv, .envp = no_env};
    unsigned had = open_fds();
    for (int i = 0; i < 1000; i++) {
        struct xos_child child;
        struct xos_exit ended;
        XT_TRY(xos_env_spawn(env, &what, &child, &err));
        await(&child);
        XT_TRY(xos_env_child_reap(env, &child, &ended, &err));
        assert_false(ended.signalled);
        assert_int_equal(ended.value, 0);
    }
    assert_int_equal(open_fds(), had);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
out:;
}

static const struct xt_test tests[] = {
    XT_PLAIN(status_and_signal_come_back),
    XT_PLAIN(only_the_given_descriptors_are_there),
    XT_PLAIN(descriptors_may_trade_places),
    XT_PLAIN(signals_environment_and_directory_are_clean),
    XT_PLAIN(what_cannot_start_is_an_error_with_its_stage),
    XT_PLAIN(a_child_is_signalled_and_reaped_by_its_pidfd),
    XT_PLAIN(a_bound_child_dies_with_its_parent),
    XT_PLAIN(spawns_leave_nothing_behind),
};
XT_MAIN(tests)
