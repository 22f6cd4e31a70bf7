// SPDX-License-Identifier: Apache-2.0
/* header.h - what is signed of a request and of an answer.
 *
 * A request's header is signed by the key that the request acts for; the signature covers exactly
 * the encoded bytes. An answer's header is signed by the node that answers and names the hash of
 * the request's header, so that no answer can be shown for another request. Each is decoded
 * strictly: one encoding, no unknown field. */
#ifndef XOS_WIRE_HEADER_H
#define XOS_WIRE_HEADER_H

#include "libxos/base/buf.h"
#include "libxos/wire/envelope.h"
#include "libxos/wire/key.h"

#define XOS_REQUEST_DOMAIN "xos-request-1"
#define XOS_ANSWER_DOMAIN "xos-answer-1"
#define XOS_ID_BYTES 16
#define XOS_HEADER_NAME_MAX 128      /* bytes of any name in a header, with its NUL */
#define XOS_HEADER_LIFE_MS_MAX 60000 /* from issue to expiry */
#define XOS_HEADER_SKEW_MS_MAX 60000 /* the two clocks may differ by this much */

struct xos_id {
    uint8_t bytes[XOS_ID_BYTES];
};

struct xos_request {
    char verb[XOS_HEADER_NAME_MAX];
    char signer[XOS_HEADER_NAME_MAX];
    char vo[XOS_HEADER_NAME_MAX];   /* empty: none */
    char role[XOS_HEADER_NAME_MAX]; /* empty: none */
    char to_node[XOS_HEADER_NAME_MAX];
    char to_institution[XOS_HEADER_NAME_MAX];
    struct xos_id request_id;
    struct xos_id nonce;
    int64_t issued_ms;
    int64_t expires_ms;
    uint8_t body_sha256[XOS_HASH_BYTES];
    bool has_boot_id; /* exactly one of the two is there */
    struct xos_id boot_id;
    bool has_operation_id;
    struct xos_id operation_id;
};

struct xos_answer {
    uint8_t request_sha256[XOS_HASH_BYTES];
    char node[XOS_HEADER_NAME_MAX];
    enum xos_code code;
    uint64_t sequence;
    int64_t issued_ms;
    uint8_t body_sha256[XOS_HASH_BYTES];
    bool last;
};

/* Append the bytes that are to be signed. */
int xos_request_encode(const struct xos_request *r, struct xos_buf *out, struct xos_error *err);
int xos_answer_encode(const struct xos_answer *a, struct xos_buf *out, struct xos_error *err);

int xos_request_decode(struct xos_request *out, struct xos_slice data, struct xos_error *err);
int xos_answer_decode(struct xos_answer *out, struct xos_slice data, struct xos_error *err);

/* Where a request arrived. */
struct xos_request_context {
    int64_t now_ms;
    const char *node;        /* "n1.inria" */
    const char *institution; /* "inria" */
    struct xos_id boot_id;
    struct xos_slice body;
};

/* May a request with a good signature be acted on here and now? Steps: destination, times, body,
 * freshness. The signature, the signer's chain and the replay cache are the caller's. */
int xos_request_check(const struct xos_request *r, const struct xos_request_context *ctx,
                      struct xos_error *err);

/* Does this answer belong to the request with that hash, come from that node (NULL: any), and
 * carry that body? */
int xos_answer_check(const struct xos_answer *a,
                     const uint8_t request_sha256[static XOS_HASH_BYTES], const char *node,
                     struct xos_slice body, struct xos_error *err);

#endif
