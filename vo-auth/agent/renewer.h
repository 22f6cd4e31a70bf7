// SPDX-License-Identifier: Apache-2.0
/* renewer.h - has the user's certificate renewed: a nonce from the CA, the proof, the new chain.
 *
 * How the CA is reached is somebody else's: struct renewer_transport. When, says renew.h. */
#ifndef VO_AUTH_AGENT_RENEWER_H
#define VO_AUTH_AGENT_RENEWER_H

#include "libxos/net/loop.h"
#include "vo-auth/agent/verbs.h"

#define RENEWER_STEP_MS_MAX 30000 /* then the CA is taken to be away */
#define RENEWER_PROOF_BYTES_MAX (AUTH_CLAIM_BYTES_MAX + AUTH_CHAIN_MAX * AUTH_CERT_BYTES_MAX + 256)

struct renewer;

/* Each begins one question to the CA of this institution and returns; the answer comes from the
 * loop through renewer_on_…, never from inside the call. After `cancel` none comes. */
struct renewer_transport {
    int (*ask_nonce)(void *arg, const char *institution, struct xos_error *err);
    int (*ask_renewal)(void *arg, const char *institution, struct xos_slice proof,
                       struct xos_error *err); /* proof: Renew of ca.proto; copied */
    void (*cancel)(void *arg);
    void *arg;
};

/* state and transport are borrowed. */
int renewer_new(struct renewer **out, struct xos_loop *loop, struct agent_state *state,
                const struct renewer_transport *transport, struct xos_error *err);
void renewer_free(struct renewer *r);

/* Look whether a renewal is due, and begin it. Not while locked: then nothing is signed. */
void renewer_tick(struct renewer *r);

/* The transport's: what came. */
void renewer_on_nonce(struct renewer *r, const uint8_t nonce[static AUTH_NONCE_BYTES]);
void renewer_on_issued(struct renewer *r, const struct identity_offer *offer);
void renewer_on_failed(struct renewer *r, const struct xos_error *why);

#endif
