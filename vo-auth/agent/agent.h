// SPDX-License-Identifier: Apache-2.0
/* agent.h - the agent on its socket. */
#ifndef VO_AUTH_AGENT_AGENT_H
#define VO_AUTH_AGENT_AGENT_H

#include "vo-auth/agent/renewer.h"

#define AGENT_PEERS_MAX 64      /* connections at once; one more is closed */
#define AGENT_TICK_MS_MAX 60000 /* between two looks at the clock, when something will be due */

struct agent;

struct agent_config {
    struct xos_loop *loop;
    const char *socket; /* listened at for processes of this uid alone */
    uid_t uid;
    const char *trust_dir;                     /* borrowed; NULL: none */
    const struct renewer_transport *transport; /* NULL: nothing is renewed */
};

int agent_new(struct agent **out, const struct agent_config *config, struct xos_error *err);
void agent_free(struct agent *a); /* wipes */

/* For the transport, once it is known; NULL without one. */
struct renewer *agent_renewer(struct agent *a);

#endif
