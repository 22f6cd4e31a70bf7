// SPDX-License-Identifier: Apache-2.0
/* xos-init: the first process of a unit, never the job itself.
 *
 * As root it is PID 1 of the unit's pid namespace; without root it is a subreaper, and the same
 * program. It takes the unit's identity, starts the job as its child in a session of its own, reaps
 * what is orphaned, and tells the shim how the job ended, through a pipe that it inherited. Then it
 * makes an end of what is left: in a namespace by exiting, since the kernel then kills everything
 * in it; else by walking its tree until nothing is found.
 *
 * It lives no longer than the shim, whatever happens to that: in a namespace the kernel kills it
 * with its parent (PR_SET_PDEATHSIG, set after the change of identity, which clears it); without
 * one it sees that nobody holds the other end of the pipe and kills its tree. The job runs with the
 * same uid, and cannot harm it: PID 1 takes no deadly signal from inside, and it is not dumpable,
 * so that it cannot be traced. Without a namespace the job can kill it; the shim, a subreaper too,
 * then inherits what is left.
 *
 * It forwards no signals: the shim holds a pidfd of the job. */
#include "jobmgr/exec/execsys.h"
#include "jobmgr/exec/init_job.h"
#include "jobmgr/exec/init_report.h"
#include "jobmgr/exec/proctree.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define END_WALK_MS 2 /* between two walks of what dies */

static void on_child(int number)
{
    (void)number;
}

/* Everything is blocked but in ppoll, so that no signal is lost between a look and the wait. */
static int take_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    struct sigaction act = {.sa_handler = on_child};
    return sigprocmask(SIG_SETMASK, &all, NULL) < 0 || sigaction(SIGCHLD, &act, NULL) < 0 ? -1 : 0;
}

/* Read, not mapped: a mapping of the memfd would come from before the namespace. */
static struct order *read_order(void)
{
    struct stat st;
    if (fstat(INIT_FD_ORDER, &st) < 0 || st.st_size <= 0 || st.st_size > ORDER_BYTES_MAX)
        return NULL;
    size_t bytes = (size_t)st.st_size;
    struct order *o = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (o == MAP_FAILED)
        return NULL;
    if (pread(INIT_FD_ORDER, o, bytes, 0) != st.st_size || order_check(o, bytes))
        return NULL;
    close(INIT_FD_ORDER);
    return o;
}

static void reap_rest(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

static void end_tree(void)
{
    struct proctree_count count;
    reap_rest();
    do {
        if (proctree_kill(getpid(), 0, &count) < 0)
            return;
        reap_rest();
        if (count.found)
            nanosleep(&(struct timespec){.tv_nsec = END_WALK_MS * 1000000L}, NULL);
    } while (count.found);
}

static __attribute__((noreturn)) void end_all(bool namespaced)
{
    if (!namespaced)
        end_tree();
    _exit(0);
}

static uint64_t micros(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec;
}

static void report_end(int status, const struct rusage *used)
{
    struct init_report r = {.kind = INIT_ENDED,
                            .value = status,
                            .user_us = micros(used->ru_utime),
                            .system_us = micros(used->ru_stime),
                            .peak_bytes = (uint64_t)used->ru_maxrss * 1024};
    (void)sys_write_all(INIT_FD_REPORT, &r, sizeof(r));
}

/* Reap all that ended; true when the job was among them and its end is reported. */
static bool reap(pid_t job)
{
    int status;
    struct rusage used;
    for (;;) {
        pid_t pid = wait4(-1, &status, WNOHANG, &used);
        if (pid <= 0)
            return false;
        if (pid != job)
            continue;
        report_end(status, &used);
        return true;
    }
}

static __attribute__((noreturn)) void serve(pid_t job, bool namespaced)
{
    sigset_t open_mask;
    sigfillset(&open_mask);
    sigdelset(&open_mask, SIGCHLD);
    for (;;) {
        if (reap(job))
            end_all(namespaced);
        struct pollfd pipe_end = {.fd = INIT_FD_REPORT};
        int n = ppoll(&pipe_end, 1, NULL, &open_mask);
        if (n > 0 && pipe_end.revents & (POLLERR | POLLHUP | POLLNVAL))
            end_all(namespaced);
    }
}

static __attribute__((noreturn)) void fail(const struct init_failure *why, bool namespaced)
{
    struct init_report r = {.kind = INIT_FAILED, .stage = why->stage, .value = why->error};
    (void)init_report_send(INIT_FD_START, &r, -1);
    end_all(namespaced);
}

/* Wait until the shim has given up its privileges. If it is gone already, so are we. */
static void await_go(void)
{
    struct init_report r;
    int fd;
    if (init_report_receive(INIT_FD_START, &r, &fd) != 1 || r.kind != INIT_GO)
        _exit(1);
}

/* The job has them now; an end of file in its pipes must not wait for us. */
static void leave_streams(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3; fd++)
        if (null < 0 || dup2(null, fd) < 0)
            close(fd);
    if (null > 2)
        close(null);
}

int main(void)
{
    struct init_failure why = {STAGE_ORDER, EINVAL};
    struct order *o = read_order();
    if (!o || take_signals() < 0)
        fail(&why, true);
    bool namespaced = (o->flags & ORDER_NAMESPACES) != 0;
    (void)fcntl(INIT_FD_START, F_SETFD, FD_CLOEXEC);
    (void)fcntl(INIT_FD_REPORT, F_SETFD, FD_CLOEXEC);
    if (init_become(o, &why) < 0)
        fail(&why, namespaced);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (namespaced)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    await_go();
    int pidfd;
    pid_t job = init_job(o, &pidfd, &why);
    if (job < 0)
        fail(&why, namespaced);
    struct init_report started = {.kind = INIT_STARTED, .value = job};
    (void)init_report_send(INIT_FD_START, &started, pidfd);
    close(INIT_FD_START);
    if (o->fds & SHIM_FD_BIT(SHIM_FD_FILES))
        close(INIT_FD_FILES);
    close(pidfd);
    leave_streams();
    (void)munmap(o, o->bytes);
    serve(job, namespaced);
}
