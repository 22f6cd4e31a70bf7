// SPDX-License-Identifier: Apache-2.0
/* spawn.h - start a shim with its descriptors at their numbers, in the cgroup of shims. */
#ifndef XOS_EXEC_SPAWN_H
#define XOS_EXEC_SPAWN_H

#include "jobmgr/exec/order.h"

#include <sys/types.h>

/* fds[3 … SHIM_FD_END-1]: -1 where absent. cgroup: a v2 directory, or -1. The path is absolute.
 * Returns the pid once the execve has happened. */
pid_t spawn_shim(const char *path, const char *unit, const int fds[static SHIM_FD_END], int cgroup,
                 struct xos_error *err);

#endif
