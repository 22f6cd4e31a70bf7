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

/* XOS_DENIED says why not. `institution`: whose node it must be; "": anybody's. */
int client_proof_check(struct xos_client *c, struct client_answerer *who,
                       const struct xos_envelope *e, const struct xos_answer *a,
                       const char *institution, struct xos_error *err);

#endif
