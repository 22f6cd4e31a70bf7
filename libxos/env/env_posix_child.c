// SPDX-License-Identifier: Apache-2.0
/* env_posix_child.c - processes of the real world.
 *
 * fork, then in the child only what is safe between fork and exec in a process with threads: no
 * allocation, no lock. The child starts from a known state (signals at their defaults, nothing
 * blocked, no descriptor but those that were given); what fails before the exec travels back as a
 * stage and an errno through a pipe that the exec closes. The parent knows its child by a pidfd
 * from the first moment on, so that no signal can reach another process that got the same pid. */
#include "libxos/env/env_posix.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

#define SPAWN_FDS_MAX 64
#define KERNEL_SIGSET_BYTES 8
#define CLOSE_LOOP_MAX 65536 /* descriptors closed one by one where close_range is unknown */

enum stage { STAGE_SESSION, STAGE_PARENT, STAGE_CWD, STAGE_FDS, STAGE_EXEC };
static const char *const stage_names[] = {
    [STAGE_SESSION] = "new session",
    [STAGE_PARENT] = "bind its life to its parent's",
    [STAGE_CWD] = "change to its directory",
    [STAGE_FDS] = "set up its descriptors",
    [STAGE_EXEC] = "execute it",
};

struct report {
    enum stage stage;
    int number; /* errno */
};

/* By the system call itself: libc's sigaction() refuses the two signals that it uses, and an
 * ignored one of these would be inherited too. A zeroed struct means SIG_DFL on every machine. */
static int signals_reset(void)
{
    static const unsigned char defaults[64];
    for (int i = 1; i < NSIG; i++)
        (void)syscall(SYS_rt_sigaction, i, defaults, NULL, KERNEL_SIGSET_BYTES); /* KILL, STOP */
    static const unsigned char none[KERNEL_SIGSET_BYTES];
    return (int)syscall(SYS_rt_sigprocmask, SIG_SETMASK, none, NULL, KERNEL_SIGSET_BYTES);
}

static void close_from(int first)
{
    if (close_range((unsigned)first, ~0u, 0) == 0)
        return;
    for (int fd = first; fd < CLOSE_LOOP_MAX; fd++)
        (void)close(fd);
}

/* Put the descriptors in their places and the report's end right above them; close all others.
 * First everything is copied out of the way, since a source may lie where another must go. */
static int fds_place(const struct xos_spawn *what, int *report)
{
    int count = what->fd_count < 3 ? 3 : (int)what->fd_count;
    int above[SPAWN_FDS_MAX];
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return -1;
    int kept = fcntl(*report, F_DUPFD_CLOEXEC, count + 1);
    if (kept < 0)
        return -1;
    *report = kept;
    for (int i = 0; i < count; i++) {
        int from = (size_t)i < what->fd_count && what->fds[i] >= 0 ? what->fds[i] : null;
        above[i] = fcntl(from, F_DUPFD_CLOEXEC, count + 1);
        if (above[i] < 0)
            return -1;
    }
    for (int i = 0; i < count; i++)
        if (dup2(above[i], i) < 0)
            return -1;
    if (dup3(kept, count, O_CLOEXEC) < 0)
        return -1;
    *report = count;
    close_from(count + 1);
    return 0;
}

static enum stage child_prepare(const struct xos_spawn *what, pid_t parent, int *report)
{
    if (signals_reset() < 0 || (what->new_session && setsid() < 0))
        return STAGE_SESSION;
    if (what->parent_death_signal && prctl(PR_SET_PDEATHSIG, what->parent_death_signal) < 0)
        return STAGE_PARENT;
    if (what->parent_death_signal && getppid() != parent) {
        errno = ESRCH;
        return STAGE_PARENT;
    }
    if (what->cwd && chdir(what->cwd) < 0)
        return STAGE_CWD;
    if (fds_place(what, report) < 0)
        return STAGE_FDS;
    return STAGE_EXEC;
}

static _Noreturn void child_run(const struct xos_spawn *what, pid_t parent, int report)
{
    struct report r = {.stage = child_prepare(what, parent, &report)};
    if (r.stage == STAGE_EXEC)
        (void)execve(what->path, (char *const *)(uintptr_t)what->argv,
                     (char *const *)(uintptr_t)what->envp);
    r.number = errno;
    ssize_t n = write(report, &r, sizeof(r));
    _exit(n == sizeof(r) ? 127 : 126);
}

static void collect(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* 0 when the exec went well: then the pipe closes without a word. */
static int report_read(int fd, const struct xos_spawn *what, struct xos_error *err)
{
    struct report r = {0};
    ssize_t n;
    do
        n = read(fd, &r, sizeof(r));
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return 0;
    if (n != sizeof(r) || r.stage > STAGE_EXEC)
        return xos_fail(err, XOS_SYSTEM, "start %s: it ended before it began", what->path);
    errno = r.number;
    return xos_fail_errno(err, "start %s: %s", what->path, stage_names[r.stage]);
}

/* Fork with every signal blocked, so that none of our handlers runs in the child. */
static pid_t fork_blocked(const struct xos_spawn *what, int report)
{
    sigset_t all, before;
    pid_t parent = getpid();
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0)
        child_run(what, parent, report);
    int saved = errno;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return pid;
}

int env_posix_spawn(struct xos_env *env, const struct xos_spawn *what, struct xos_child *out,
                    struct xos_error *err)
{
    int report[2] = {-1, -1}, pidfd = -1;
    pid_t pid = -1;
    assert(what->path[0] == '/' && what->argv[0]);
    if (what->fd_count > SPAWN_FDS_MAX)
        return xos_fail(err, XOS_LIMIT, "start %s: more than %d descriptors (SPAWN_FDS_MAX)",
                        what->path, SPAWN_FDS_MAX);
    if (pipe2(report, O_CLOEXEC) < 0)
        return xos_fail_errno(err, "start %s", what->path);
    pid = fork_blocked(what, report[1]);
    env_posix_close(env, report[1]);
    if (pid < 0 || (pidfd = pidfd_open(pid, 0)) < 0) {
        xos_fail_errno(err, "start %s", what->path);
        goto error;
    }
    if (report_read(report[0], what, err) < 0)
        goto error;
    env_posix_close(env, report[0]);
    *out = (struct xos_child){.pid = pid, .pidfd = pidfd};
    return 0;
error:
    if (pid > 0) {
        (void)kill(pid, SIGKILL);
        collect(pid);
    }
    env_posix_close(env, pidfd);
    env_posix_close(env, report[0]);
    return -1;
}

int env_posix_child_signal(struct xos_env *env, const struct xos_child *child, int signal,
                           struct xos_error *err)
{
    (void)env;
    if (pidfd_send_signal(child->pidfd, signal, NULL, 0) == 0)
        return 0;
    if (errno == ESRCH)
        return xos_fail(err, XOS_NOT_FOUND, "signal process %d: it has ended", (int)child->pid);
    return xos_fail_errno(err, "signal process %d", (int)child->pid);
}

int env_posix_child_reap(struct xos_env *env, struct xos_child *child, struct xos_exit *out,
                         struct xos_error *err)
{
    siginfo_t info = {0};
    int rc;
    do
        rc = waitid((idtype_t)P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG);
    while (rc < 0 && errno == EINTR);
    if (rc < 0)
        return xos_fail_errno(err, "wait for process %d", (int)child->pid);
    if (info.si_pid == 0)
        return xos_fail(err, XOS_BUSY, "process %d still runs", (int)child->pid);
    *out = (struct xos_exit){.signalled = info.si_code != CLD_EXITED, .value = info.si_status};
    env_posix_close(env, child->pidfd);
    child->pidfd = -1;
    return 0;
}
