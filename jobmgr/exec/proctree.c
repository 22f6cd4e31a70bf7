// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/proctree.h"

#include "jobmgr/exec/execsys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCTREE_MAX 65536 /* processes seen in one walk; more are seen by the next */
#define PROCTREE_ROUNDS 10 /* of stopping before the killing starts anyway */
#define PROCTREE_STILL 2   /* rounds that must find all of it standing still */

struct proc {
    pid_t pid, parent;
    char state;
    bool inside;
    uint64_t start; /* with the pid, the process's name for ever */
};

struct walk {
    struct proc *list; /* PROCTREE_MAX, mapped for the walk so that an idle shim stays small */
    size_t count;
};

/* The field that stands `n` fields after `at`, which points at a field. */
static const char *field_after(const char *at, int n)
{
    for (; at && n > 0; n--) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    return at;
}

static int proc_read(struct proc *p, pid_t pid)
{
    char path[40], text[1024];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    ssize_t n = sys_read_file(AT_FDCWD, path, text, sizeof(text) - 1);
    if (n <= 0)
        return -1;
    text[n] = 0;
    const char *at = strrchr(text, ')');
    if (!at || at[1] != ' ' || at[2] == 0)
        return -1;
    const char *start = field_after(at + 2, 19);
    if (!start)
        return -1;
    *p = (struct proc){.pid = pid,
                       .state = at[2],
                       .parent = (pid_t)strtol(at + 3, NULL, 10),
                       .start = strtoull(start, NULL, 10)};
    return 0;
}

static int walk_read(struct walk *w)
{
    DIR *dir = opendir("/proc");
    if (!dir)
        return -1;
    struct dirent *e;
    while (w->count < PROCTREE_MAX && (e = readdir(dir))) {
        if (e->d_name[0] < '1' || e->d_name[0] > '9')
            continue;
        if (proc_read(&w->list[w->count], (pid_t)strtol(e->d_name, NULL, 10)) == 0)
            w->count++;
    }
    closedir(dir);
    return 0;
}

static const struct proc *walk_find(const struct walk *w, pid_t pid)
{
    size_t low = 0, high = w->count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (w->list[mid].pid == pid)
            return &w->list[mid];
        if (w->list[mid].pid < pid)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static int by_pid(const void *a, const void *b)
{
    pid_t x = ((const struct proc *)a)->pid, y = ((const struct proc *)b)->pid;
    return (x > y) - (x < y);
}

/* Mark what has root among its ancestors. A loop in a torn snapshot ends at the count. */
static void walk_mark(struct walk *w, pid_t root)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct proc *p = &w->list[i];
        for (size_t up = 0; p && up < w->count; up++) {
            if (p->inside || p->parent == root) {
                w->list[i].inside = true;
                break;
            }
            p = p->parent > 1 ? walk_find(w, p->parent) : NULL;
        }
    }
}

/* Through a pidfd, so that a pid used again meanwhile is not hit. */
static void proc_signal(const struct proc *p, int signal)
{
    int pidfd = sys_pidfd_of(p->pid, p->start);
    if (pidfd < 0)
        return;
    (void)sys_pidfd_signal(pidfd, signal, 0);
    close(pidfd);
}

/* One in D has its SIGSTOP pending and stops before it executes anything of its own: above all the
 * parent of a vfork whose child was stopped before its exec, which stays in D as long. */
static bool stands_still(const struct proc *p)
{
    return p->state == 'T' || p->state == 't' || p->state == 'D';
}

static void walk_signal(const struct walk *w, pid_t spare, int signal, struct proctree_count *out)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct proc *p = &w->list[i];
        if (!p->inside || p->pid == spare || p->state == 'Z' || p->state == 'X')
            continue;
        out->found++;
        out->running += !stands_still(p);
        if (signal)
            proc_signal(p, signal);
    }
}

/* Who has no child has nothing below: a subreaper gets what its children leave. That is the end of
 * most units, and the walk that it saves costs as much as there are processes on the machine. */
static bool has_no_child(pid_t root)
{
    siginfo_t info;
    return root == getpid() && waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0 &&
           errno == ECHILD;
}

int proctree_signal(pid_t root, pid_t spare, int signal, struct proctree_count *out)
{
    size_t bytes = PROCTREE_MAX * sizeof(struct proc);
    struct walk w = {0};
    *out = (struct proctree_count){0};
    if (has_no_child(root))
        return 0;
    w.list = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (w.list == MAP_FAILED)
        return -1;
    int rc = walk_read(&w);
    if (rc == 0) {
        qsort(w.list, w.count, sizeof(*w.list), by_pid);
        walk_mark(&w, root);
        walk_signal(&w, spare, signal, out);
    }
    int saved = errno;
    (void)munmap(w.list, bytes);
    errno = saved;
    return rc;
}

int proctree_stop(pid_t root, pid_t spare, struct proctree_count *out)
{
    int still = 0, found = -1;
    for (int round = 0; round < PROCTREE_ROUNDS && still < PROCTREE_STILL; round++) {
        if (proctree_signal(root, spare, SIGSTOP, out) < 0)
            return -1;
        still = out->running == 0 && (found == out->found || found < 0) ? still + 1 : 0;
        found = out->found;
    }
    return 0;
}

int proctree_kill(pid_t root, pid_t spare, struct proctree_count *out)
{
    if (proctree_stop(root, spare, out) < 0)
        return -1;
    return out->found ? proctree_signal(root, spare, SIGKILL, out) : 0;
}
