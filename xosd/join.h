// SPDX-License-Identifier: Apache-2.0
/* join.h - `xosd --join TOKEN`: make this node's keys and get its certificate.
 *
 * A head asks its own xos-ca; another node asks a seed over TLS, whose chain must end in the root
 * whose hash the token carries: so the node knows whom it gives the proof to before it trusts
 * anybody. The token itself travels nowhere: its key signs the claim. The root is put into the
 * trust directory when it is not there. */
#ifndef XOS_XOSD_JOIN_H
#define XOS_XOSD_JOIN_H

#include "libxos/net/loop.h"
#include "xosd/config.h"

#define JOIN_STEP_MS_MAX 10000 /* to reach the head, and for each of its answers */

int join_run(struct xos_env *env, const struct config *config, const char *token,
             struct xos_error *err);

#endif
