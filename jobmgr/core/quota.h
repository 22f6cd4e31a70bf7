// SPDX-License-Identifier: Apache-2.0
/* quota.h - how many live jobs each user and each VO has. Pure.
 *
 * So that a submit costs the same, however many jobs there are. */
#ifndef XOS_JOBMGR_CORE_QUOTA_H
#define XOS_JOBMGR_CORE_QUOTA_H

#include "libxos/base/error.h"

#include <stddef.h>
#include <stdint.h>

struct quota;

int quota_new(struct quota **out, struct xos_error *err);
void quota_free(struct quota *q); /* takes NULL */

/* One more, one less; the empty name is nobody. XOS_NOMEM: it is not counted. */
int quota_add(struct quota *q, const char *name, struct xos_error *err);
void quota_remove(struct quota *q, const char *name);

uint32_t quota_count(const struct quota *q, const char *name);
size_t quota_names(const struct quota *q); /* that have any */

#endif
