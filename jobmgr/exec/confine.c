// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/confine.h"

#include "jobmgr/exec/execsys.h"
#include "jobmgr/exec/proctree.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROCS_BYTES 4096 /* of a cgroup.procs, in one read */

static int put(int fd, const char *text)
{
    return pwrite(fd, text, strlen(text), 0) < 0 ? -1 : 0;
}

static int event(const struct confine *c, const char *key)
{
    char text[256];
    uint64_t value;
    ssize_t n = pread(c->events, text, sizeof(text) - 1, 0);
    if (n < 0)
        return -1;
    text[n] = 0;
    return sys_find_number(text, key, &value) < 0 ? -1 : value != 0;
}

/* Signal every pid in the first page of cgroup.procs (0: only count). The rest comes next round.
 * The processes are frozen, so that no pid can be used again meanwhile. */
static int signal_procs(const struct confine *c, int signal)
{
    char text[PROCS_BYTES];
    int count = 0;
    ssize_t n = pread(c->procs, text, sizeof(text) - 1, 0);
    if (n < 0)
        return -1;
    text[n] = 0;
    for (char *at = text, *end; *at; at = end + 1) {
        pid_t pid = (pid_t)strtol(at, &end, 10);
        if (end == at || *end != '\n')
            break;
        count++;
        if (signal && pid > 0)
            (void)kill(pid, signal);
    }
    return count;
}

static int v2_freeze(const struct confine *c, bool on)
{
    return put(c->freeze, on ? "1" : "0");
}

static int v2_frozen(const struct confine *c)
{
    return event(c, "frozen");
}

static int v2_kill(const struct confine *c)
{
    if (c->kill >= 0)
        return put(c->kill, "1");
    (void)v2_freeze(c, true);
    int rc = signal_procs(c, SIGKILL);
    (void)v2_freeze(c, false);
    return rc < 0 ? -1 : 0;
}

static int v2_empty(const struct confine *c)
{
    int populated = event(c, "populated");
    return populated < 0 ? -1 : !populated;
}

static int v1_freeze(const struct confine *c, bool on)
{
    return put(c->freeze, on ? "FROZEN" : "THAWED");
}

static int v1_frozen(const struct confine *c)
{
    char text[32] = "";
    if (pread(c->freeze, text, sizeof(text) - 1, 0) < 0)
        return -1;
    return strncmp(text, "FROZEN", 6) == 0;
}

static int v1_kill(const struct confine *c)
{
    (void)v1_freeze(c, true);
    int rc = signal_procs(c, SIGKILL);
    (void)v1_freeze(c, false);
    return rc < 0 ? -1 : 0;
}

static int v1_empty(const struct confine *c)
{
    int n = signal_procs(c, 0);
    return n < 0 ? -1 : n == 0;
}

static int tree_freeze(const struct confine *c, bool on)
{
    struct proctree_count count;
    return on ? proctree_stop(c->root, c->init, &count)
              : proctree_signal(c->root, c->init, SIGCONT, &count);
}

static int tree_frozen(const struct confine *c)
{
    struct proctree_count count;
    if (proctree_signal(c->root, c->init, 0, &count) < 0)
        return -1;
    return count.found > 0 && count.running == 0;
}

static int tree_kill(const struct confine *c)
{
    struct proctree_count count;
    return proctree_kill(c->root, 0, &count);
}

static int tree_empty(const struct confine *c)
{
    struct proctree_count count;
    if (proctree_signal(c->root, 0, 0, &count) < 0)
        return -1;
    return count.found == 0;
}

static const struct confine_ops {
    int (*freeze)(const struct confine *c, bool on);
    int (*frozen)(const struct confine *c);
    int (*kill)(const struct confine *c);
    int (*empty)(const struct confine *c);
} ops[] = {
    [CONFINE_TREE] = {tree_freeze, tree_frozen, tree_kill, tree_empty},
    [CONFINE_CGROUP1] = {v1_freeze, v1_frozen, v1_kill, v1_empty},
    [CONFINE_CGROUP2] = {v2_freeze, v2_frozen, v2_kill, v2_empty},
};

int confine_freeze(const struct confine *c, bool on)
{
    return ops[c->kind].freeze(c, on);
}

int confine_frozen(const struct confine *c)
{
    return ops[c->kind].frozen(c);
}

int confine_kill(const struct confine *c)
{
    return ops[c->kind].kill(c);
}

int confine_empty(const struct confine *c)
{
    return ops[c->kind].empty(c);
}
