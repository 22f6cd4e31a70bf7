// SPDX-License-Identifier: Apache-2.0
/* init_job.h - from an init that is still root to the job's first process.
 *
 * Two flat lists of named steps: what the init does to itself (limits, identity), and what the
 * job's process does before execve. Whatever fails is told as (stage, errno). libc only. */
#ifndef XOS_EXEC_INIT_JOB_H
#define XOS_EXEC_INIT_JOB_H

#include "jobmgr/exec/order.h"
#include "jobmgr/exec/shim_wire.h"

#include <sys/types.h>

struct init_failure {
    enum exec_stage stage;
    int error; /* errno */
};

/* Take the unit's identity for good: 0, or -1 and *why. */
int init_become(const struct order *o, struct init_failure *why);

/* Fork and execute the command. Returns its pid once the execve has happened, and *pidfd; or -1
 * and *why. */
pid_t init_job(const struct order *o, int *pidfd, struct init_failure *why);

#endif
