// SPDX-License-Identifier: Apache-2.0
/* envelope.h - one message on a link: what it is, which call it belongs to, the signed header, the
 * signer's certificates, the body. */
#ifndef XOS_WIRE_ENVELOPE_H
#define XOS_WIRE_ENVELOPE_H

#include "libxos/base/buf.h"

#define XOS_CHAIN_MAX 3                      /* certificates */
#define XOS_CERTIFICATE_BYTES_MAX 8192       /* one certificate, DER */
#define XOS_HEADER_BYTES_MAX 1024            /* one signed header */
#define XOS_ATTRIBUTES_BYTES_MAX 8192        /* one VO's signed word about the signer */
#define XOS_BODY_BYTES_MAX ((size_t)1 << 20) /* one body: larger things go through bulk streams */
#define XOS_ENVELOPE_BYTES_MAX                                                                     \
    (XOS_BODY_BYTES_MAX + XOS_HEADER_BYTES_MAX + XOS_CHAIN_MAX * XOS_CERTIFICATE_BYTES_MAX +       \
     XOS_ATTRIBUTES_BYTES_MAX + 256)

enum xos_envelope_kind {
    XOS_ENVELOPE_NONE,
    XOS_ENVELOPE_REQUEST,
    XOS_ENVELOPE_ANSWER, /* exactly one per request */
    XOS_ENVELOPE_EVENT,  /* any number after the answer */
    XOS_ENVELOPE_CANCEL, /* from the asking side; not signed: it only ends its own call */
};

struct xos_envelope {
    enum xos_envelope_kind kind;
    uint64_t call;
    struct xos_slice header;
    struct xos_slice signature;
    struct xos_slice chain[XOS_CHAIN_MAX];
    size_t chain_count;
    struct xos_slice body;
    struct xos_slice attributes; /* of the acting VO; may be empty */
    void *owner; /* what the slices point into; NULL when they are the caller's own */
};

/* Append the encoded envelope. XOS_LIMIT: a body above XOS_BODY_BYTES_MAX. */
int xos_envelope_encode(const struct xos_envelope *e, struct xos_buf *out, struct xos_error *err);

/* The slices live until xos_envelope_free. Every length is within the limits above. */
int xos_envelope_decode(struct xos_envelope *out, struct xos_slice data, struct xos_error *err);
void xos_envelope_free(struct xos_envelope *e);

#endif
