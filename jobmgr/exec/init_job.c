// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/init_job.h"

#include "jobmgr/exec/bundle.h"
#include "jobmgr/exec/execsys.h"
#include "jobmgr/exec/init_report.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

#define CAPABILITIES_MAX 64
#define PIDS_OURS 1 /* the init runs as the unit's user too */

static int bound(int resource, uint64_t value)
{
    struct rlimit limit = {.rlim_cur = value, .rlim_max = value};
    return setrlimit((__rlimit_resource_t)resource, &limit);
}

static int take_limits(const struct order *o)
{
    umask(022);
    struct rlimit core = {0};
    if (getrlimit(RLIMIT_CORE, &core) == 0) {
        core.rlim_cur = 0;
        (void)setrlimit(RLIMIT_CORE, &core);
    }
    if (o->flags & ORDER_RLIMIT_MEM && bound(RLIMIT_DATA, o->mem_bytes) < 0)
        return -1;
    if (o->flags & ORDER_RLIMIT_PIDS && bound(RLIMIT_NPROC, o->pids + PIDS_OURS) < 0)
        return -1;
    return 0;
}

static int drop_capabilities(void)
{
    for (int cap = 0; cap < CAPABILITIES_MAX; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
            return -1;
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static int take_identity(const struct order *o)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    if (!(o->flags & ORDER_DROP))
        return 0;
    if (o->uid == 0 || o->gid == 0) {
        errno = EPERM;
        return -1;
    }
    gid_t none = o->gid;
    if (drop_capabilities() < 0 || setgroups(0, &none) < 0)
        return -1;
    if (setresgid(o->gid, o->gid, o->gid) < 0 || setresuid(o->uid, o->uid, o->uid) < 0)
        return -1;
    if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0) {
        errno = EPERM;
        return -1;
    }
    return 0;
}

int init_become(const struct order *o, struct init_failure *why)
{
    static const struct {
        enum exec_stage stage;
        int (*run)(const struct order *o);
    } steps[] = {{STAGE_LIMITS, take_limits}, {STAGE_IDENTITY, take_identity}};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (steps[i].run(o) < 0) {
            *why = (struct init_failure){steps[i].stage, errno};
            return -1;
        }
    return 0;
}

static int job_terminal(const struct order *o)
{
    if (setsid() < 0)
        return -1;
    return o->flags & ORDER_PTY ? ioctl(0, TIOCSCTTY, 0) : 0;
}

static int job_signals(const struct order *o)
{
    (void)o;
    for (int n = 1; n < NSIG; n++)
        (void)signal(n, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

static int job_descriptors(const struct order *o)
{
    (void)o;
    return (int)syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC);
}

static const char *scratch_of(const struct order *o)
{
    return o->flags & ORDER_NAMESPACES ? "/xos/scratch"
                                       : wire_blob_text(o, &o->blobs[ORDER_SCRATCH]);
}

static int job_files(const struct order *o)
{
    const char *scratch = scratch_of(o);
    if (!(o->fds & SHIM_FD_BIT(SHIM_FD_FILES)) || !scratch)
        return 0;
    int dir = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir < 0 ? -1 : bundle_unpack(INIT_FD_FILES, dir);
}

static int job_directory(const struct order *o)
{
    const char *cwd = wire_blob_text(o, &o->blobs[ORDER_CWD]);
    const char *to = cwd ? cwd : scratch_of(o);
    return to ? chdir(to) : 0;
}

/* Search PATH as execvp does, but of the job's environment, not of ours. */
static int exec_search(const char *name, const char *path, char **argv, char **envp)
{
    char full[EXECD_PATH_BYTES_MAX];
    int worst = ENOENT;
    while (path && *path) {
        size_t len = strcspn(path, ":");
        if (len && len + 1 + strlen(name) < sizeof(full)) {
            memcpy(full, path, len);
            full[len] = '/';
            strcpy(full + len + 1, name);
            execve(full, argv, envp);
            if (errno != ENOENT && errno != ENOTDIR)
                worst = errno;
        }
        path += len + (path[len] == ':');
    }
    errno = worst;
    return -1;
}

static const char *find_path(char **envp)
{
    for (; *envp; envp++)
        if (strncmp(*envp, "PATH=", 5) == 0)
            return *envp + 5;
    return "/usr/local/bin:/usr/bin:/bin";
}

static int job_exec(const struct order *o)
{
    const struct wire_blob *args = &o->blobs[ORDER_ARGV], *env = &o->blobs[ORDER_ENVP];
    const char **argv = calloc(args->count + 1, sizeof(*argv));
    const char **envp = calloc(env->count + 1, sizeof(*envp));
    if (!argv || !envp)
        return -1;
    wire_blob_strings(o, args, argv);
    wire_blob_strings(o, env, envp);
    char **av = (char **)(uintptr_t)argv, **ev = (char **)(uintptr_t)envp;
    if (strchr(argv[0], '/'))
        return execve(argv[0], av, ev);
    return exec_search(argv[0], find_path(ev), av, ev);
}

static __attribute__((noreturn)) void job_child(const struct order *o, int failures)
{
    static const struct {
        enum exec_stage stage;
        int (*run)(const struct order *o);
    } steps[] = {
        {STAGE_TERMINAL, job_terminal},    {STAGE_TERMINAL, job_signals},
        {STAGE_FILES, job_files},          {STAGE_DIRECTORY, job_directory},
        {STAGE_TERMINAL, job_descriptors}, {STAGE_EXEC, job_exec},
    };
    struct init_failure why = {0};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (steps[i].run(o) < 0) {
            why = (struct init_failure){steps[i].stage, errno};
            break;
        }
    (void)sys_write_all(failures, &why, sizeof(why));
    _exit(127);
}

pid_t init_job(const struct order *o, int *pidfd, struct init_failure *why)
{
    int failures[2];
    *why = (struct init_failure){STAGE_FORK, 0};
    *pidfd = -1;
    if (pipe2(failures, O_CLOEXEC) < 0) {
        why->error = errno;
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(failures[0]);
        job_child(o, failures[1]);
    }
    why->error = errno;
    close(failures[1]);
    struct init_failure told;
    ssize_t n = pid > 0 ? sys_read_all(failures[0], &told, sizeof(told)) : 0;
    close(failures[0]);
    if (pid > 0 && n == 0) {
        *pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        return pid;
    }
    if (n == (ssize_t)sizeof(told))
        *why = told;
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
    return -1;
}
