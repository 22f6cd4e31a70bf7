// SPDX-License-Identifier: Apache-2.0
/* proctree.h - all processes below one, found by walking /proc: how a unit is held where there is
 * no cgroup. The root of the tree is a subreaper, so that what double-forks or calls setsid stays
 * below it. libc only. */
#ifndef XOS_EXEC_PROCTREE_H
#define XOS_EXEC_PROCTREE_H

#include <stdbool.h>
#include <sys/types.h>

struct proctree_count {
    int found;   /* live processes (zombies not counted) */
    int running; /* of those, not stopped and not about to be (state D) */
};

/* Send `signal` (0: none) to every process below root, but not to root nor `spare`. Processes that
 * appear meanwhile may be missed: repeat. Returns 0, or -1 with errno. */
int proctree_signal(pid_t root, pid_t spare, int signal, struct proctree_count *out);

/* Stop everything until nothing new appears, then kill it: a fork bomb that stands still cannot
 * win the race. Returns as proctree_signal with what the last walk found. */
int proctree_kill(pid_t root, pid_t spare, struct proctree_count *out);
int proctree_stop(pid_t root, pid_t spare, struct proctree_count *out);

#endif
