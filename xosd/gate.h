// SPDX-License-Identifier: Apache-2.0
/* gate.h - who is asking? Decided here, before any handler runs.
 *
 * This node has no certificate: it stands alone and serves one person, the Unix user that it runs
 * as, on the kernel's word (SO_PEERCRED) that a request comes from a process of that user. Nobody
 * else may ask anything but a verb that is open to all. */
#ifndef XOS_XOSD_GATE_H
#define XOS_XOSD_GATE_H

#include "libxos/net/rpc.h"

struct gate {
    uid_t uid;     /* whose node it is */
    char user[64]; /* "alice@local" */
};

void gate_init(struct gate *g, uid_t uid, const char *login, const char *institution);

/* The xos_gate_f of struct xos_rpc_config; arg is the gate. */
int gate_check(void *arg, const struct xos_verb *verb, const struct xos_envelope *e,
               const struct xos_request *request, const struct xos_peer *peer,
               struct xos_caller *out, struct xos_error *err);

#endif
