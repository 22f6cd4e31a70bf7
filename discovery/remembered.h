// SPDX-License-Identifier: Apache-2.0
/* remembered.h - STATE/members: the nodes to turn to after a restart, beside the configured seeds.
 */
#ifndef XOS_DISCOVERY_REMEMBERED_H
#define XOS_DISCOVERY_REMEMBERED_H

#include "discovery/core/view.h"
#include "libxos/env/env.h"
#include "vo-auth/trust.h"

#define REMEMBERED_MAX 64

/* Fill in at most REMEMBERED_MAX that are good now; returns how many. A file that is damaged, or
 * not there, remembers nobody. */
size_t remembered_read(struct descriptor *out, struct xos_env *env, const char *state,
                       struct auth_trust *trust);

/* Write what the view would remember, unless the file has these nodes already: *hash. */
int remembered_write(const struct view *view, struct xos_env *env, const char *state,
                     uint64_t *hash, struct xos_error *err);

#endif
