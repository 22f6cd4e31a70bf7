// SPDX-License-Identifier: Apache-2.0
/* agentproc.h - an agent in a process of its own, as xos-agent runs it, and an ssh-agent. */
#ifndef XOS_TESTS_AGENTPROC_H
#define XOS_TESTS_AGENTPROC_H

#include "client/agent_link.h"
#include "tests/lib/home.h"

struct agentproc {
    char socket[100];
    pid_t pid;
};

/* Start one at DIR/NAME and wait until it listens; $XOS_AGENT is set to it. */
int agentproc_start(struct agentproc *p, const char *dir, const char *name, struct xos_error *err);
void agentproc_stop(struct agentproc *p, int signal); /* takes one that never started */

/* Log in as NAME for this long: certificate and what vo:climate@inria says. */
int agentproc_login(struct agent_link *l, const struct home *h, const char *name, int64_t life_ms,
                    struct xos_error *err);

/* Fill a request that can be signed. */
struct xos_request agentproc_request(const char *verb);

#endif
