// SPDX-License-Identifier: Apache-2.0
/* confine.h - stop, thaw and kill everything of a unit, by what the machine offers: cgroup v2
 * (cgroup.freeze, cgroup.kill), the v1 freezer, or a walk over the process tree.
 *
 * Works on descriptors opened before, so that a shim without privileges can use it. Every call is
 * one round that never blocks: the caller repeats until it is confirmed. libc only. */
#ifndef XOS_EXEC_CONFINE_H
#define XOS_EXEC_CONFINE_H

#include <stdbool.h>
#include <sys/types.h>

enum confine_kind { CONFINE_TREE, CONFINE_CGROUP1, CONFINE_CGROUP2 };

struct confine {
    enum confine_kind kind;
    int kill;   /* v2 cgroup.kill; -1 on kernels before 5.14 */
    int freeze; /* v2 cgroup.freeze, v1 freezer.state */
    int events; /* v2 cgroup.events */
    int procs;  /* cgroup.procs, to read */
    pid_t root; /* tree: the subreaper */
    pid_t init; /* tree: not stopped with the rest; 0: none */
};

int confine_freeze(const struct confine *c, bool on);
int confine_frozen(const struct confine *c); /* 1 all stand still, 0 not yet, -1 unknown */
int confine_kill(const struct confine *c);
int confine_empty(const struct confine *c); /* 1 nothing left, 0 something, -1 unknown */

#endif
