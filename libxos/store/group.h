// SPDX-License-Identifier: Apache-2.0
/* group.h - group commit: many small batches, one wait for the disk.
 *
 * The writer takes all batches that wait, at most XOS_STORE_GROUP_MAX, runs each in a savepoint of
 * one transaction, commits once, and completes all in the order in which they came. A batch that
 * fails is undone alone. The commit waits for the disk when one of the batches is XOS_SYNCED; what
 * was only XOS_ORDERED is flushed at most XOS_STORE_FLUSH_MS_MAX later.
 *
 * Used through store.h; see there for the promises. */
#ifndef XOS_STORE_GROUP_H
#define XOS_STORE_GROUP_H

#include "libxos/store/engine.h"

struct xos_group;

/* writer: borrowed, and the group's alone until it is freed. */
int xos_group_new(struct xos_group **out, struct xos_tx *writer,
                  const struct xos_store_config *config, struct xos_error *err);

/* Does all that was handed in and runs every callback. Takes NULL. */
void xos_group_free(struct xos_group *g);

int xos_group_add(struct xos_group *g, enum xos_promise promise, xos_apply_f apply,
                  xos_applied_f done, void *arg, struct xos_error *err);
int xos_group_run(struct xos_group *g, enum xos_promise promise, xos_apply_f apply, void *arg,
                  struct xos_error *err);
bool xos_group_failed(struct xos_group *g);
int xos_group_fd(const struct xos_group *g);
void xos_group_deliver(struct xos_group *g);

#endif
