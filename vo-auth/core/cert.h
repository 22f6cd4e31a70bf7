// SPDX-License-Identifier: Apache-2.0
/* cert.h - making certificates. Time and random bits come in; nothing is remembered.
 *
 * What is made here is read again by the verifier's own reader before it is handed out. */
#ifndef VO_AUTH_CORE_CERT_H
#define VO_AUTH_CORE_CERT_H

#include "vo-auth/core/facts.h"
#include "vo-auth/core/profile.h"

struct auth_cert_request {
    enum auth_kind kind;
    struct auth_name name; /* of the kind's name kind: user, node, unit, CA, root */
    uint8_t key[XOS_KEY_PUBLIC_BYTES];
    uint8_t serial[AUTH_SERIAL_BYTES]; /* random; the top two bits are set to 01 */
    int64_t from_ms;                   /* whole seconds are written, rounded down */
    int64_t to_ms;
    const struct auth_node_facts *node; /* kind NODE, else NULL */
    const struct auth_job_facts *job;   /* kind JOB, else NULL */
};

/* The issuing side. For a root certificate it signs itself: der is empty. */
struct auth_issuer {
    struct xos_slice der;    /* the issuer's certificate: a root's for a CA, a CA's for the rest */
    struct evp_pkey_st *key; /* xos_key_evp(); Ed25519, for a root also P-256 */
};

/* Append the DER to out. XOS_INVALID when the request does not fit its kind, lives longer than its
 * kind may, or outlives its issuer. */
int auth_cert_issue(struct xos_buf *out, const struct auth_cert_request *request,
                    const struct auth_issuer *issuer, struct xos_error *err);

#endif
