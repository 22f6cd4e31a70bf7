// SPDX-License-Identifier: Apache-2.0
/* proof.h - what must be shown to get a certificate. Pure: messages, tables and the time come in,
 * a proof goes out, and only a proof leads to a certificate (issue.h).
 *
 * Whoever brings the messages is not believed in anything: each proof stands on signatures by keys
 * that the carrier does not have. Each check is a flat list of named steps; using up the nonce is
 * the last one, so that a bad request cannot spoil a good one that is on its way. */
#ifndef VO_AUTH_CA_PROOF_H
#define VO_AUTH_CA_PROOF_H

#include "vo-auth/ca/epoch.h"
#include "vo-auth/ca/nonce.h"
#include "vo-auth/ca/token.h"

#include "vo-auth/ca.pb-c.h"

#define CA_LIFE_MS_MIN INT64_C(60000) /* of what is issued on request */

enum ca_proof_kind { CA_PROOF_NONE, CA_PROOF_LOGIN, CA_PROOF_JOIN, CA_PROOF_RENEW, CA_PROOF_JOB };

/* What the checks know. Everything is borrowed. */
struct ca_world {
    const char *institution; /* ours */
    uint8_t root_hash[XOS_HASH_BYTES];
    struct auth_context ctx; /* anchors, revocations and now_ms; slot and expired_ms_max unused */
    uint64_t boot_ms;
    struct ca_nonces *nonces; /* a good proof uses one up */
    struct ca_epochs *epochs; /* and notes its unit's epoch */
};

struct ca_proof {
    enum ca_proof_kind kind;
    enum auth_kind cert; /* what it is good for */
    struct auth_name name;
    uint8_t key[XOS_KEY_PUBLIC_BYTES]; /* the new one */
    int64_t life_ms;
    struct auth_node_facts node;      /* cert NODE */
    struct auth_job_facts job;        /* cert JOB; borrows from grant */
    struct auth_grant grant;          /* owned */
    uint8_t evidence[XOS_HASH_BYTES]; /* for the record: of the SSH key, the token's key, the old
                                         key, or the grant */
    int token;                        /* JOIN: index in the table; the shell removes it */
};

void ca_proof_free(struct ca_proof *p); /* what it holds; leaves it empty */
const char *ca_proof_name(enum ca_proof_kind kind);

/* Each fills *out, which must be empty or freed, or fails and has changed nothing. XOS_DENIED,
 * XOS_EXPIRED, XOS_REPLAYED, XOS_STALE, XOS_PROTOCOL, XOS_LIMIT; the text names the step. */

/* enrolled: the text of the user's keys file; empty when there is none. */
int ca_prove_login(struct ca_proof *out, const Ca__Login *m, struct xos_slice enrolled,
                   const struct ca_world *world, struct xos_error *err);
int ca_prove_join(struct ca_proof *out, const Ca__Join *m, const struct ca_tokens *tokens,
                  const struct ca_world *world, struct xos_error *err);
int ca_prove_renew(struct ca_proof *out, const Ca__Renew *m, const struct ca_world *world,
                   struct xos_error *err);
int ca_prove_job(struct ca_proof *out, const Ca__Job *m, const struct ca_world *world,
                 struct xos_error *err);

/* Whose keys are asked for? The user of a login, who must be of our institution. */
int ca_login_user(struct auth_name *out, const Ca__Login *m, const char *institution,
                  struct xos_error *err);

/* Shared by the checks */

/* A chain as messages carry it. Borrowed. */
struct ca_chain {
    struct xos_slice der[AUTH_CHAIN_MAX];
    size_t count;
};
int ca_chain_read(struct ca_chain *out, size_t count, const ProtobufCBinaryData *from,
                  const char *noun, struct xos_error *err);

/* The nonce is ours and new, the root is ours. */
int ca_check_terms(const struct ca_world *world, ProtobufCBinaryData nonce,
                   ProtobufCBinaryData root_hash, struct xos_error *err);

/* Neither the name nor the key was taken back. */
int ca_check_revoked(const struct ca_world *world, const struct auth_name *name,
                     const uint8_t key[static XOS_KEY_PUBLIC_BYTES], struct xos_error *err);

int ca_check_life(int64_t *life_ms, uint64_t wanted_ms, enum auth_kind kind, struct xos_error *err);

#endif
