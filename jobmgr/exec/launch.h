// SPDX-License-Identifier: Apache-2.0
/* launch.h - from a shim to a running xos-init: clone, namespaces, the private root, exec.
 *
 * The init is executed only when the old root is gone and every descriptor but its own is closed:
 * a mapping or descriptor that was opened before the new mount namespace would make a checkpoint
 * of the unit fail. libc only. */
#ifndef XOS_EXEC_LAUNCH_H
#define XOS_EXEC_LAUNCH_H

#include "jobmgr/exec/order.h"
#include "jobmgr/exec/shim_wire.h"

#include <sys/types.h>

#define LAUNCH_INIT_SPARE "/dev/xos-init"

struct launch {
    const struct order *order;
    int order_fd;
    int in, out, err; /* the unit's ends; -1 with a terminal, and in = -1 without stdin */
    int start;        /* the unit's end of the start socket */
    int report;       /* the unit's end of the report pipe */
};

/* Returns the init's pid and *pidfd; -1 with errno when there is no child. What fails in the child
 * is told over the start socket as INIT_FAILED. */
pid_t launch(const struct launch *l, int *pidfd);

/* The steps inside the new mount namespace, in their order (launch_root.c). Each returns 0 or -1
 * with errno. */
struct launch_step {
    enum exec_stage stage;
    int (*run)(const struct order *o);
};
extern const struct launch_step launch_root_steps[];
extern const unsigned launch_root_step_count;

#endif
