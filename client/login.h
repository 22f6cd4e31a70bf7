// SPDX-License-Identifier: Apache-2.0
/* login.h - who a client acts for, as the user's agent says; and logging in and out. */
#ifndef XOS_CLIENT_LOGIN_H
#define XOS_CLIENT_LOGIN_H

#include "client/agent_link.h"
#include "client/client.h"

#define CLIENT_LOGIN_VOS_MAX 32
#define CLIENT_PROOF_NODES_MAX 64 /* whose certificates are remembered */

/* A node's certificate that the agent found good. */
struct client_node_key {
    uint8_t chain_sha256[XOS_HASH_BYTES];
    char node[XOS_HEADER_NAME_MAX];
    uint8_t key[XOS_KEY_PUBLIC_BYTES];
    bool head;
};

struct client_login {
    struct agent_link *agent;
    struct agent_signer signer;
    char vos[CLIENT_LOGIN_VOS_MAX][XOS_HEADER_NAME_MAX];
    size_t vo_count;
    struct client_node_key nodes[CLIENT_PROOF_NODES_MAX];
    size_t node_count, node_next;
};

/* Ask the agent. When nobody is logged in, client->login stays NULL and client->no_login says what
 * to do: that is what requests then fail with. */
void client_login_read(struct xos_client *c);
void client_login_free(struct xos_client *c);

/* Fill in what a job of this client acts as: what was chosen, or the only VO that there is.
 * XOS_INVALID lists them when there are several and none was chosen. */
int client_acting(const struct xos_client *c, const char **vo, const char **role,
                  struct xos_error *err);

#endif
