// SPDX-License-Identifier: Apache-2.0
/* verbs.h - what an agent can be asked: one table, one frame in, one frame out. No sockets here. */
#ifndef VO_AUTH_AGENT_VERBS_H
#define VO_AUTH_AGENT_VERBS_H

#include "libxos/env/env.h"
#include "vo-auth/agent/identity.h"
#include "vo-auth/agent/lock.h"
#include "vo-auth/agent/login_ssh.h"
#include "vo-auth/agent/renew.h"
#include "vo-auth/trust.h"

#define AGENT_FRAME_BYTES_MAX ((size_t)256 << 10)
#define AGENT_TRUST_AGAIN_MS 5000  /* who is not known may have been added meanwhile */
#define AGENT_SOCKET_BYTES_MAX 107 /* a path that a Unix socket can have */

/* All that an agent knows. Empty but for env: {.env = …}. */
#define AGENT_NODES_MAX 16 /* verified nodes of one's own institution that are remembered */

struct agent_node {
    uint8_t chain[XOS_HASH_BYTES];
    struct auth_principal who;
};

struct agent_state {
    struct xos_env *env;
    const char *trust_dir;    /* borrowed; NULL: only one's own institution is known */
    struct auth_trust *trust; /* read when it is first asked for */
    uint64_t trust_read_ms;   /* boot clock */
    struct identity identity;
    struct agent_node nodes[AGENT_NODES_MAX]; /* under this identity's root */
    size_t node_next;                         /* the oldest, which goes first */
    struct lock lock;
    struct renew renew;
};

/* Asks an ssh-agent; the answer comes later. */
typedef int (*verbs_ssh_f)(void *arg, const struct login_ssh_ask *ask, struct xos_error *err);

/* Wipe what the state knows: nobody is logged in, nothing is locked. */
void verbs_wipe(struct agent_state *s);

/* Take what a login or a renewal brought, and plan the next renewal. */
int verbs_install(struct agent_state *s, const struct identity_offer *offer, struct xos_error *err);

/* Run one request. Appends the answer's frame and returns true; false: `ssh` was asked, and the
 * answer is yet to be made by one of the three below. A request's bytes may hold a passphrase: they
 * are wiped when it has been read. */
bool verbs_run(struct agent_state *s, uint8_t *frame, size_t len, verbs_ssh_f ssh, void *arg,
               struct xos_buf *answer);

void verbs_answer_keys(struct xos_buf *answer, const struct ssh_agent_keys *keys);
void verbs_answer_proof(struct xos_buf *answer, const uint8_t key[static XOS_KEY_PUBLIC_BYTES],
                        struct xos_slice ssh_key, struct xos_slice signature);
void verbs_answer_error(struct xos_buf *answer, const struct xos_error *why);

#endif
