// SPDX-License-Identifier: Apache-2.0
/* ca_pipe.h - the way from this head's callers to xos-ca, and nothing more: bodies pass unread.
 * What is asked proves itself to xos-ca, so that anybody may ask, from anywhere. */
#ifndef XOS_XOSD_CA_PIPE_H
#define XOS_XOSD_CA_PIPE_H

#include "libxos/net/rpc.h"

#define CA_PIPE_PENDING_MAX 256

struct ca_pipe;

/* Serves ca.nonce, ca.login, ca.join, ca.renew, ca.job, ca.attr, ca.attrs and ca.crl.
 * Connects when it is asked, and again after xos-ca was restarted. path is borrowed. */
int ca_pipe_new(struct ca_pipe **out, struct xos_loop *loop, struct xos_rpc *rpc, const char *path,
                struct xos_error *err);
void ca_pipe_free(struct ca_pipe *p);

#endif
