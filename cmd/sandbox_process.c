// SPDX-License-Identifier: Apache-2.0
/* sandbox_process.c - the processes of a sandbox. A pid is noted with the time at which it was
 * started, so that nothing is ever signalled that merely has the number of one of ours. */
#include "cmd/sandbox.h"
#include "cmd/say.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESS_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define PROCESS_ENV_MAX 16
#define PROCESS_READ_MAX 65536
#define PROCESS_PIDS_MAX 16384
#define PROCESS_END_MS 2000
#define PROCESS_ROUNDS_MAX 50 /* of killing what belongs to a directory */

static void nap(unsigned ms)
{
    const struct timespec t = {.tv_nsec = (long)ms * 1000000};
    (void)nanosleep(&t, NULL);
}

/* Starting */

/* In the child: nothing of the caller's is taken along. */
static void become(const struct sandbox *s, const struct sandbox_run *r, int in, int out, int err)
{
    char path[2 * SANDBOX_PATH_MAX], search[2 * SANDBOX_PATH_MAX], home[2 * SANDBOX_PATH_MAX];
    const char *env[PROCESS_ENV_MAX + 3];
    size_t n = 0;
    (void)snprintf(search, sizeof(search), "PATH=%s:" PROCESS_PATH, s->bin);
    (void)snprintf(home, sizeof(home), "HOME=%s", s->dir);
    env[n++] = search;
    env[n++] = home;
    for (size_t i = 0; r->env && r->env[i] && i < PROCESS_ENV_MAX; i++)
        env[n++] = r->env[i];
    env[n] = NULL;
    (void)setsid();
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0 || chdir("/") < 0)
        _exit(126);
    (void)close_range(3, ~0u, 0);
    (void)umask(022);
    if (r->net && sandbox_net_enter(r->net) < 0) {
        dprintf(2, "network namespace %s: %s\n", r->net, strerror(errno));
        _exit(126);
    }
    if (geteuid() == 0 && !r->own &&
        (setgroups(0, NULL) < 0 || setgid(s->uid) < 0 || setuid(s->uid) < 0))
        _exit(126);
    (void)snprintf(path, sizeof(path), "%s%s%s", strchr(r->argv[0], '/') ? "" : s->bin,
                   strchr(r->argv[0], '/') ? "" : "/", r->argv[0]);
    (void)execve(path, (char *const *)(uintptr_t)r->argv, (char *const *)(uintptr_t)env);
    dprintf(2, "%s: %s\n", path, strerror(errno));
    _exit(127);
}

static int open_log(const struct sandbox *s, const char *name)
{
    sandbox_path path;
    int fd =
        open(sandbox_at(s, path, "log/%s", name), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        cmd_say("%s: %s", path, strerror(errno));
    return fd;
}

static pid_t launch(const struct sandbox *s, const struct sandbox_run *r, int in, int out)
{
    int log = open_log(s, r->name);
    int none = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pid_t pid = log < 0 || none < 0 ? -1 : fork();
    if (pid == 0)
        become(s, r, in >= 0 ? in : none, out >= 0 ? out : log, log);
    if (pid < 0)
        cmd_say("%s: %s", r->argv[0], strerror(errno));
    if (log >= 0)
        close(log);
    if (none >= 0)
        close(none);
    return pid;
}

/* The last line that it left in its log says what was wrong. */
static void say_log(const struct sandbox *s, const char *name)
{
    sandbox_path path;
    char line[512], last[512] = "no word of it";
    FILE *f = fopen(sandbox_at(s, path, "log/%s", name), "re");
    while (f && fgets(line, sizeof(line), f))
        (void)snprintf(last, sizeof(last), "%s", line);
    if (f)
        (void)fclose(f);
    last[strcspn(last, "\n")] = '\0';
    cmd_say("%s: %s (log: %s)", name, last, path);
}

static int feed(int fd, const char *text)
{
    size_t len = strlen(text);
    ssize_t n = write(fd, text, len);
    return n == (ssize_t)len ? 0 : -1;
}

static void collect(int fd, char *to, size_t size)
{
    size_t n = 0;
    ssize_t got;
    while (n + 1 < size && (got = read(fd, to + n, size - 1 - n)) > 0)
        n += (size_t)got;
    to[n] = '\0';
}

bool sandbox_ended_well(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int sandbox_do(const struct sandbox *s, const struct sandbox_run *r)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    if ((r->input && pipe2(in, O_CLOEXEC) < 0) || (r->output && pipe2(out, O_CLOEXEC) < 0)) {
        cmd_say("pipe: %s", strerror(errno));
        return -1;
    }
    pid_t pid = launch(s, r, in[0], out[1]);
    if (in[0] >= 0)
        close(in[0]);
    if (out[1] >= 0)
        close(out[1]);
    if (pid > 0 && r->input && feed(in[1], r->input) < 0)
        cmd_say("%s: %s", r->argv[0], strerror(errno));
    if (in[1] >= 0)
        close(in[1]);
    if (pid > 0 && r->output)
        collect(out[0], r->output, r->output_bytes);
    if (out[0] >= 0)
        close(out[0]);
    if (pid < 0)
        return -1;
    if (sandbox_ended_well(pid))
        return 0;
    say_log(s, r->name);
    return -1;
}

/* Who runs */

/* Field 22 of /proc/PID/stat, in clock ticks since the boot; 0: no such process, or a dead one. */
static unsigned long long started(pid_t pid)
{
    char path[64], text[1024] = "", state = 0;
    unsigned long long at = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    char *p = n > 0 ? strrchr(text, ')') : NULL;
    if (!p || sscanf(p, ") %c", &state) != 1 || state == 'Z' || state == 'X')
        return 0;
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    return p && sscanf(p, " %llu", &at) == 1 ? at : 0;
}

int sandbox_start(const struct sandbox *s, const struct sandbox_run *r)
{
    sandbox_path path;
    char text[64];
    pid_t pid = launch(s, r, -1, -1);
    if (pid < 0)
        return -1;
    (void)snprintf(text, sizeof(text), "%d %llu\n", (int)pid, started(pid));
    return sandbox_put(s, sandbox_at(s, path, "pid/%s", r->name), 0644, text);
}

pid_t sandbox_pid(const struct sandbox *s, const char *name)
{
    sandbox_path path;
    int pid = 0;
    unsigned long long at = 0;
    FILE *f = fopen(sandbox_at(s, path, "pid/%s", name), "re");
    int n = f ? fscanf(f, "%d %llu", &pid, &at) : 0;
    if (f)
        (void)fclose(f);
    return n == 2 && pid > 1 && at && started(pid) == at ? pid : 0;
}

int sandbox_signal(const struct sandbox *s, const char *name, int number)
{
    pid_t pid = sandbox_pid(s, name);
    return pid ? kill(pid, number) : -1;
}

int sandbox_listens(const struct sandbox *s, const char *name, const char *socket_path, int type)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    uint64_t until = cmd_now_ms() + SANDBOX_START_MS;
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%.107s", socket_path);
    while (cmd_now_ms() < until) {
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
        int rc = fd < 0 ? -1 : connect(fd, (struct sockaddr *)&at, sizeof(at));
        if (fd >= 0)
            close(fd);
        if (rc == 0)
            return 0;
        (void)waitpid(-1, NULL, WNOHANG);
        if (!sandbox_pid(s, name))
            break;
        nap(5);
    }
    say_log(s, name);
    return -1;
}

/* What belongs to a directory */

static bool holds(const char *path, const char *text)
{
    static char bytes[PROCESS_READ_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
    if (fd >= 0)
        close(fd);
    return n > 0 && memmem(bytes, (size_t)n, text, strlen(text)) != NULL;
}

static bool leads_into(const char *link, const char *dir)
{
    char to[SANDBOX_PATH_MAX];
    size_t len = strlen(dir);
    ssize_t n = readlink(link, to, sizeof(to) - 1);
    return n >= (ssize_t)len && memcmp(to, dir, len) == 0 &&
           (n == (ssize_t)len || to[len] == '/' || to[len] == ' ');
}

static bool opens(pid_t pid, const char *dir)
{
    char path[300];
    struct dirent *e;
    bool found = false;
    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *d = opendir(path);
    while (d && !found && (e = readdir(d))) {
        (void)snprintf(path, sizeof(path), "/proc/%d/fd/%.200s", (int)pid, e->d_name);
        found = e->d_name[0] != '.' && leads_into(path, dir);
    }
    if (d)
        (void)closedir(d);
    return found;
}

/* One of our programs, or a unit's. What its user has started with the sandbox in its environment,
 * or looks at with a pager, is not; agents are their users', of no node. */
static bool is_kin(pid_t pid, bool agents)
{
    char path[64], comm[32] = "";
    (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, comm, sizeof(comm) - 1) < 0)
        comm[0] = '\0';
    if (fd >= 0)
        close(fd);
    (void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    if (strncmp(comm, "xos-agent", 9) == 0 || strncmp(comm, "ssh-agent", 9) == 0)
        return agents;
    return strncmp(comm, "xos-", 4) == 0 || strncmp(comm, "xosd", 4) == 0 ||
           holds(path, "XOS_JOB=");
}

/* By its words, environment, directory or open files. */
static bool belongs(pid_t pid, const char *dir, bool agents)
{
    char path[64], inside[SANDBOX_PATH_MAX + 1];
    static const char *const files[] = {"cmdline", "environ"};
    if (!is_kin(pid, agents))
        return false;
    (void)snprintf(inside, sizeof(inside), "%s/", dir);
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, files[i]);
        if (holds(path, inside))
            return true;
    }
    (void)snprintf(path, sizeof(path), "/proc/%d/cwd", (int)pid);
    return leads_into(path, dir) || opens(pid, dir);
}

static pid_t parent_of(pid_t pid)
{
    char path[64], text[1024] = "";
    int parent = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    const char *p = n > 0 ? strrchr(text, ')') : NULL;
    return p && sscanf(p, ") %*c %d", &parent) == 1 ? parent : 0;
}

struct found {
    pid_t pid;
    bool ours;
};

/* All processes but this one and those above it; ours are those that belong, and what hangs on
 * them, since an init names nothing of the directory itself. */
static size_t scan(struct found *list, size_t max, const char *dir, bool agents)
{
    struct dirent *e;
    size_t n = 0;
    bool more = true;
    DIR *d = opendir("/proc");
    while (d && n < max && (e = readdir(d))) {
        pid_t pid = atoi(e->d_name);
        if (pid > 1 && pid != getpid() && pid != getppid())
            list[n++] = (struct found){pid, belongs(pid, dir, agents)};
    }
    if (d)
        (void)closedir(d);
    while (more) {
        more = false;
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; !list[i].ours && k < n; k++)
                if (list[k].ours && parent_of(list[i].pid) == list[k].pid)
                    list[i].ours = more = true;
    }
    return n;
}

size_t sandbox_kill_all(const struct sandbox *s, const char *dir)
{
    struct found *list = cmd_need(PROCESS_PIDS_MAX * sizeof(*list));
    size_t killed = 0, left = 1;
    bool whole = strcmp(dir, s->dir) == 0;
    for (unsigned round = 0; left && round < PROCESS_ROUNDS_MAX; round++) {
        size_t n = scan(list, PROCESS_PIDS_MAX, dir, whole);
        left = 0;
        for (size_t i = 0; i < n; i++)
            if (list[i].ours && started(list[i].pid) && kill(list[i].pid, SIGKILL) == 0)
                left++;
        killed += left;
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (left)
            nap(10);
    }
    free(list);
    return killed;
}

/* Every name under pid/. */
static size_t each_name(const struct sandbox *s, int number)
{
    sandbox_path path;
    struct dirent *e;
    size_t alive = 0;
    DIR *d = opendir(sandbox_at(s, path, "pid"));
    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.' && sandbox_signal(s, e->d_name, number) == 0)
            alive++;
    if (d)
        (void)closedir(d);
    return alive;
}

void sandbox_end_all(const struct sandbox *s)
{
    uint64_t until = cmd_now_ms() + PROCESS_END_MS;
    (void)each_name(s, SIGTERM);
    while (each_name(s, 0) && cmd_now_ms() < until) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        nap(5);
    }
    (void)sandbox_kill_all(s, s->dir);
}
