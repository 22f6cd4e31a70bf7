// SPDX-License-Identifier: Apache-2.0
/* rmtree.h - remove a tree whose content belongs to somebody else: no link is followed, no mount
 * is entered, and nobody waits for it. */
#ifndef XOS_EXEC_RMTREE_H
#define XOS_EXEC_RMTREE_H

#include "libxos/base/error.h"

#define RMTREE_DEPTH_MAX 4096

/* Remove dir/name with all in it. Absent is fine. */
int rmtree(int dir, const char *name, struct xos_error *err);

/* Rename dir/name into dir/.trash and let a child of ours remove it. */
int rmtree_later(int dir, const char *name, struct xos_error *err);

/* Remove what an earlier rmtree_later left, in a child of ours. */
void rmtree_trash(int dir);

#endif
