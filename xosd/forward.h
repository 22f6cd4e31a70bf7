// SPDX-License-Identifier: Apache-2.0
/* forward.h - a local process's request that another node is to serve: carried there on a stream of
 * its own, bytes unchanged in both directions. */
#ifndef XOS_XOSD_FORWARD_H
#define XOS_XOSD_FORWARD_H

#include "libxos/net/rpc.h"

#define FORWARD_MAX 4096 /* at once */

struct forward;

/* head: a node that answers for an institution; NULL: none is known. */
int forward_new(struct forward **out, const struct xos_dialler *dialler,
                const char *(*head)(void *arg, const char *institution), void *arg,
                struct xos_error *err);
void forward_free(struct forward *f);

/* The `forward` of struct xos_rpc_config. */
void forward_take(struct forward *f, struct xos_call *call, const struct xos_request *request,
                  bool is_signed, struct xos_slice frame);

#endif
