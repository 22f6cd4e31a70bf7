// SPDX-License-Identifier: Apache-2.0
/* client.h - what the parts of the library share: the way to xosd and who answers there. */
#ifndef XOS_CLIENT_CLIENT_H
#define XOS_CLIENT_CLIENT_H

#include "client/pollset.h"
#include "client/request.h"

#define CLIENT_SOCKET "/run/xos/xosd.sock"
#define CLIENT_HELLO_MS_MAX 2000

struct xos_fault;
struct xos_job;
struct signalling;
struct client_login;

struct xos_client {
    struct client_pollset *poll;
    char *socket;
    char node[XOS_HEADER_NAME_MAX];
    char institution[XOS_HEADER_NAME_MAX];
    char vo[XOS_HEADER_NAME_MAX];        /* acting for; empty: none */
    char role[XOS_HEADER_NAME_MAX];      /* in it: "prod", "prod:runner"; empty: none */
    bool chosen;                         /* by the program; else the only one that there is */
    unsigned nodes;                      /* that the node knew at hello */
    bool federated;                      /* xosd takes signed requests alone */
    const struct request_signer *signer; /* NULL: unsigned */
    struct client_login *login;          /* NULL: nobody is logged in, no_login says why */
    struct xos_error no_login;
    struct signalling *signals; /* under way */
    struct xos_job *dying;      /* freed by the program, to be buried in the next turn */
};

/* The institution whose heads own this user's jobs. */
const char *client_home(const struct xos_client *client);

/* A fresh name for what must not be done twice. */
int client_operation(struct xos_client *client, struct xos_id *out, struct xos_error *err);

/* Copy into what the program gave; NULL is fine. Returns -1. */
int client_fault(struct xos_fault *fault, const struct xos_error *err);

void client_signals_free(struct xos_client *client);
void client_jobs_free(struct xos_client *client);

#endif
