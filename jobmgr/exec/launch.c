// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/launch.h"

#include "jobmgr/exec/execsys.h"
#include "jobmgr/exec/init_report.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP UINT64_C(0x200000000)
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#define LAUNCH_FD_SPARE 64 /* descriptors move out of the way up to here */
#define TTY_GID 5          /* of Debian and all that follow it: group tty */

static __attribute__((noreturn)) void launch_fail(const struct launch *l, enum exec_stage stage)
{
    struct init_report r = {.kind = INIT_FAILED, .stage = stage, .value = errno};
    (void)init_report_send(l->start, &r, -1);
    _exit(1);
}

static bool order_has(const struct order *o, enum shim_fd fd)
{
    return (o->fds & SHIM_FD_BIT(fd)) != 0;
}

/* The terminal of the unit: opened inside its own /dev, the master goes to the shim. */
static int open_terminal(const struct launch *l)
{
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    int unlock = 0;
    if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
        return -1;
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return -1;
    struct winsize size = {.ws_row = l->order->rows, .ws_col = l->order->cols};
    (void)ioctl(slave, TIOCSWINSZ, &size);
    if (l->order->flags & ORDER_DROP && fchown(slave, l->order->uid, TTY_GID) < 0)
        return -1;
    struct init_report r = {.kind = INIT_PTY};
    if (init_report_send(l->start, &r, master) < 0)
        return -1;
    close(master);
    return slave;
}

/* Put fds[i] at number i without one overwriting another, and close all the rest. */
static int arrange(int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        fds[i] = fcntl(fds[i], F_DUPFD, LAUNCH_FD_SPARE);
        if (fds[i] < 0)
            return -1;
    }
    for (int i = 0; i < count; i++)
        if (dup2(fds[i], i) < 0)
            return -1;
    return (int)syscall(SYS_close_range, (unsigned)count, ~0u, 0);
}

static int unit_streams(const struct launch *l, int streams[static 3])
{
    if (l->order->flags & ORDER_PTY) {
        int slave = open_terminal(l);
        streams[0] = streams[1] = streams[2] = slave;
        return slave < 0 ? -1 : 0;
    }
    streams[0] = l->in >= 0 ? l->in : open("/dev/null", O_RDONLY | O_CLOEXEC);
    streams[1] = l->out;
    streams[2] = l->err;
    return streams[0] < 0 ? -1 : 0;
}

static __attribute__((noreturn)) void launch_child(struct launch *l)
{
    const struct order *o = l->order;
    if (order_has(o, SHIM_FD_FREEZER) && write(SHIM_FD_FREEZER, "0", 1) < 0)
        launch_fail(l, STAGE_CGROUP);
    if (o->flags & ORDER_DROP)
        (void)sys_write_text(AT_FDCWD, "/proc/self/oom_score_adj", "0");
    const char *init = wire_blob_text(o, &o->blobs[ORDER_INIT]);
    if (o->flags & ORDER_NAMESPACES)
        for (unsigned i = 0; i < launch_root_step_count; i++)
            if (launch_root_steps[i].run(o) < 0)
                launch_fail(l, launch_root_steps[i].stage);
    int streams[3];
    if (unit_streams(l, streams) < 0)
        launch_fail(l, STAGE_STREAMS);
    int fds[] = {streams[0], streams[1], streams[2],   l->order_fd,
                 l->start,   l->report,  SHIM_FD_FILES};
    int count = order_has(o, SHIM_FD_FILES) ? 7 : 6;
    /* The order's pages stay mapped until exec: the path of the init lies in them. */
    int start = fcntl(l->start, F_DUPFD_CLOEXEC, LAUNCH_FD_SPARE);
    if (start < 0 || arrange(fds, count) < 0)
        launch_fail(l, STAGE_STREAMS);
    l->start = INIT_FD_START;
    char *argv[] = {(char *)(uintptr_t) "xos-init", (char *)(uintptr_t)o->unit, NULL};
    char *envp[] = {NULL};
    execve(init, argv, envp);
    if (o->flags & ORDER_NAMESPACES && errno == ENOENT)
        execve(LAUNCH_INIT_SPARE, argv, envp);
    launch_fail(l, STAGE_INIT);
}

static struct clone_args clone_plan(const struct order *o, int *pidfd)
{
    struct clone_args a = {
        .flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)pidfd, .exit_signal = SIGCHLD};
    if (o->flags & ORDER_NAMESPACES)
        a.flags |= CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC;
    if (order_has(o, SHIM_FD_CGROUP)) {
        a.flags |= CLONE_INTO_CGROUP;
        a.cgroup = SHIM_FD_CGROUP;
    }
    return a;
}

pid_t launch(const struct launch *l, int *pidfd)
{
    struct launch mine = *l;
    struct clone_args a = clone_plan(l->order, pidfd);
    pid_t pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a));
    if (pid == 0)
        launch_child(&mine);
    return pid;
}
