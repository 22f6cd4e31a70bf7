// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/spawn.h"

#include "jobmgr/exec/execsys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP UINT64_C(0x200000000)
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#define SPARE_FD 64                   /* above all numbers that a shim is given */
#define CHILD_STACK_BYTES (64 * 1024) /* of a child that shares our memory until its execve */

static __attribute__((noreturn)) void child_fail(int failures)
{
    int why = errno;
    (void)sys_write_all(failures, &why, sizeof(why));
    _exit(127);
}

static int place(const int fds[static SHIM_FD_END])
{
    int high[SHIM_FD_END];
    for (int i = SHIM_FD_ORDER; i < SHIM_FD_END; i++) {
        high[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, SPARE_FD);
        if (fds[i] >= 0 && high[i] < 0)
            return -1;
    }
    for (int i = SHIM_FD_ORDER; i < SHIM_FD_END; i++) {
        if (high[i] < 0)
            close(i);
        else if (dup2(high[i], i) < 0)
            return -1;
    }
    return 0;
}

static int become_plain(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        return -1;
    for (int n = 1; n < NSIG; n++)
        (void)signal(n, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    return chdir("/");
}

struct spawning {
    const char *path, *unit;
    const int *fds;
    int failures; /* where the child says what went wrong */
};

static int child(void *arg)
{
    const struct spawning *s = arg;
    int told = fcntl(s->failures, F_DUPFD_CLOEXEC, SPARE_FD);
    if (told < 0)
        child_fail(s->failures);
    if (place(s->fds) < 0 || become_plain() < 0)
        child_fail(told);
    /* All that is left above is ours; `told` goes with the execve. */
    (void)syscall(SYS_close_range, (unsigned)SHIM_FD_END, (unsigned)told - 1, 0);
    (void)syscall(SYS_close_range, (unsigned)told + 1, ~0u, 0);
    char *argv[] = {(char *)(uintptr_t) "xos-shim", (char *)(uintptr_t)s->unit, NULL};
    char *envp[] = {NULL};
    execve(s->path, argv, envp);
    child_fail(told);
}

/* As vfork, with a stack of its own: a copy of our memory would cost more than all the rest. No
 * signal may come in between, since its handler would run in both. */
static pid_t clone_shared(struct spawning *s)
{
    static uint8_t stack[CHILD_STACK_BYTES] __attribute__((aligned(16)));
    sigset_t all, before;
    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, &before) < 0)
        return -1;
    pid_t pid = clone(child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, s);
    int saved = errno;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return pid;
}

static pid_t clone_into(int cgroup, struct spawning *s)
{
    struct clone_args a = {
        .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (unsigned)cgroup};
    if (cgroup < 0)
        return clone_shared(s);
    pid_t pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a));
    if (pid == 0)
        (void)child(s);
    /* A kernel that does not know it: the shim stays where execd is. */
    return pid < 0 && (errno == ENOSYS || errno == EINVAL || errno == E2BIG) ? clone_shared(s)
                                                                             : pid;
}

pid_t spawn_shim(const char *path, const char *unit, const int fds[static SHIM_FD_END], int cgroup,
                 struct xos_error *err)
{
    int failures[2];
    if (pipe2(failures, O_CLOEXEC) < 0)
        return xos_fail_errno(err, "pipe");
    struct spawning s = {path, unit, fds, failures[1]};
    pid_t pid = clone_into(cgroup, &s);
    if (pid < 0)
        (void)xos_fail_errno(err, "clone");
    close(failures[1]);
    int why = 0;
    ssize_t n = pid > 0 ? sys_read_all(failures[0], &why, sizeof(why)) : 0;
    close(failures[0]);
    if (n != (ssize_t)sizeof(why))
        return pid;
    (void)waitpid(pid, NULL, 0);
    errno = why;
    return xos_fail_errno(err, "%s", path);
}
