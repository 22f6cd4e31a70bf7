// SPDX-License-Identifier: Apache-2.0
/* gate.h - who is asking, and may they? Decided here, before any handler runs.
 *
 * A node of a federation believes signatures alone: the signer's chain, the signature over the
 * header, its freshness, what the VO says of the signer, and then the institution's policy. Where a
 * request came in does not matter.
 *
 * A node without a certificate stands alone and serves one person, the Unix user that it runs as,
 * on the kernel's word (SO_PEERCRED) that a request comes from a process of that user. Nobody else
 * may ask anything but a verb that is open to all.
 *
 * Policy is asked here for what concerns this node; whether a job may run is asked by the job
 * service, which knows what it wants (gate_admit). */
#ifndef XOS_XOSD_GATE_H
#define XOS_XOSD_GATE_H

#include "libxos/net/rpc.h"
#include "libxos/wire/replay.h"
#include "vo-auth/trust.h"
#include "xosd/config.h"

struct gate;

struct gate_config {
    struct xos_env *env;
    uid_t uid;                   /* whose node it is when it stands alone, */
    const char *login;           /* and that user's name */
    const struct config *config; /* borrowed, as is trust */
    struct auth_trust *trust;    /* NULL: it stands alone */
};

int gate_new(struct gate **out, const struct gate_config *config, struct xos_error *err);
void gate_free(struct gate *g);

/* Read the policy again; a file that is wrong changes nothing. */
int gate_reload(struct gate *g, struct xos_error *err);

/* The xos_gate_f of struct xos_rpc_config; arg is the gate. */
int gate_check(void *arg, const struct xos_verb *verb, const struct xos_envelope *e,
               const struct xos_request *request, const struct xos_peer *peer,
               struct xos_caller *out, struct xos_error *err);

/* What somebody wants of this node. */
struct gate_wish {
    const char *user; /* alice@inria */
    const char *vo;   /* acting as: VO, group or role; "": as himself */
    uint32_t cpus;    /* per unit, as the next two */
    uint64_t mem_bytes;
    uint32_t gpus;
    uint32_t units;
    uint64_t walltime_ms; /* 0: no end */
};

/* May a job of this kind run here? XOS_DENIED names the rule and the way to fix it. */
int gate_admit(const struct gate *g, const struct gate_wish *wish, struct xos_error *err);

/* The one person of a node that stands alone; "": it does not. Borrowed. */
const char *gate_user(const struct gate *g);

#endif
