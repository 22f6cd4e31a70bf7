// SPDX-License-Identifier: Apache-2.0
/* proof.h - whose signature does an answer bear? The agent judges certificates, because it knows
 * the root under which its user logged in; the signatures are checked here. */
#ifndef XOS_CLIENT_PROOF_H
#define XOS_CLIENT_PROOF_H

#include "client/client.h"

/* Whose answers a call takes: known from its first one on. */
struct client_answerer {
    char node[XOS_HEADER_NAME_MAX]; /* empty: not yet */
    uint8_t key[XOS_KEY_PUBLIC_BYTES];
};

/* Who was asked. */
struct client_asked {
    const char *node;        /* "": any head of the institution */
    const char *institution; /* "": whoever it is */
};

/* XOS_DENIED says why not: a refusal may come from any node on the way, all else from whom was
 * asked alone. */
int client_proof_check(struct xos_client *c, struct client_answerer *who,
                       const struct xos_envelope *e, const struct xos_answer *a,
                       const struct client_asked *asked, struct xos_error *err);

#endif
