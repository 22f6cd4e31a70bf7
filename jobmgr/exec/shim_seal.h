// SPDX-License-Identifier: Apache-2.0
/* shim_seal.h - after the launch a shim gives up all that it does not need, for good.
 *
 * As root: uid and gid of xos-shim, no supplementary group, CAP_KILL alone. Everywhere: no new
 * privileges, and a filter that knows only the system calls of an idle shim; any other one fails
 * with ENOSYS, it does not kill, since a shim that dies takes its unit along. */
#ifndef XOS_EXEC_SHIM_SEAL_H
#define XOS_EXEC_SHIM_SEAL_H

#include "jobmgr/exec/order.h"

/* 0, or -1 with errno. */
int shim_seal(const struct order *o);

#endif
