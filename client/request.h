// SPDX-License-Identifier: Apache-2.0
/* request.h - how a request is made: its header, who signs it, the envelope around it.
 *
 * The one place that knows about signing. Without a signer the header goes unsigned, and xosd knows
 * the caller by SO_PEERCRED alone. */
#ifndef XOS_CLIENT_REQUEST_H
#define XOS_CLIENT_REQUEST_H

#include "libxos/env/env.h"
#include "libxos/wire/header.h"

#define CLIENT_REQUEST_LIFE_MS 60000

/* What came signed; everything borrows from owner, which xos_pb_free frees. */
struct request_signed {
    struct xos_slice header; /* or a grant */
    struct xos_slice signature;
    struct xos_slice chain[XOS_CHAIN_MAX];
    size_t chain_count;
    struct xos_slice attributes; /* of the acting VO; may be empty */
    void *owner;
};
void request_signed_free(struct request_signed *s); /* leaves it empty */

/* Signs with a key that lives elsewhere: agent_link_signer. */
struct request_signer {
    const char *name;        /* alice@inria */
    const char *institution; /* inria: its heads own the signer's jobs */
    /* Make a header of these fields and sign it. Who signs and when is the signer's to say: it
     * signs no bytes that others made. The certificates are those that hold at this moment. */
    int (*sign)(void *arg, const struct xos_request *fields, struct request_signed *out,
                struct xos_error *err);
    void *arg;
};

struct client_request {
    const char *verb;
    const char *to_node;        /* "": any head */
    const char *to_institution; /* "": the node that is asked, whatever its name */
    const char *vo, *role;      /* acting; NULL: none */
    struct xos_id operation_id;
    struct xos_slice body;
};

/* Append the frame's payload to out, and say what the answer will name the request by. */
int client_request_build(const struct client_request *r, const struct request_signer *signer,
                         struct xos_env *env, struct xos_buf *out,
                         uint8_t sha256[static XOS_HASH_BYTES], struct xos_error *err);

/* Of "n17.inria", what follows the last dot; of "inria-1042", what comes before the number.
 * XOS_INVALID for what is neither. */
int client_institution_of_node(const char *node, char out[static XOS_HEADER_NAME_MAX],
                               struct xos_error *err);
int client_institution_of_job(const char *job, char out[static XOS_HEADER_NAME_MAX],
                              struct xos_error *err);

#endif
