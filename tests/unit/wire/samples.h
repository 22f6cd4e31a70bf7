// SPDX-License-Identifier: Apache-2.0
/* samples.h - a request and an answer with fixed contents, and protobuf written by hand, so that a
 * test can also write what our encoder never would. */
#ifndef XOS_TESTS_WIRE_SAMPLES_H
#define XOS_TESTS_WIRE_SAMPLES_H

#include "libxos/wire/header.h"

#include <stdio.h>
#include <string.h>

#define SAMPLE_NOW_MS INT64_C(1700000000000)
#define SAMPLE_BODY "eight by"

static inline struct xos_slice sample_slice(const struct xos_buf *b)
{
    return (struct xos_slice){b->data, b->len};
}

static inline struct xos_slice sample_text(const char *text)
{
    return (struct xos_slice){(const uint8_t *)text, strlen(text)};
}

/* A request for n1.inria of inria with the body SAMPLE_BODY, good for 30 s from SAMPLE_NOW_MS. */
static inline int sample_request(struct xos_request *r, struct xos_error *err)
{
    *r = (struct xos_request){
        .issued_ms = SAMPLE_NOW_MS, .expires_ms = SAMPLE_NOW_MS + 30000, .has_boot_id = true};
    (void)snprintf(r->verb, sizeof(r->verb), "job.run");
    (void)snprintf(r->signer, sizeof(r->signer), "alice@inria");
    (void)snprintf(r->vo, sizeof(r->vo), "vo:climate@inria");
    (void)snprintf(r->role, sizeof(r->role), "prod:runner");
    (void)snprintf(r->to_node, sizeof(r->to_node), "n1.inria");
    (void)snprintf(r->to_institution, sizeof(r->to_institution), "inria");
    memset(&r->request_id, 0x11, sizeof(r->request_id));
    memset(&r->nonce, 0x22, sizeof(r->nonce));
    memset(&r->boot_id, 0x33, sizeof(r->boot_id));
    return xos_sha256(sample_text(SAMPLE_BODY), r->body_sha256, err);
}

/* The receiver that the request is for, at the time when it was made. */
static inline struct xos_request_context sample_here(void)
{
    struct xos_request_context here = {.now_ms = SAMPLE_NOW_MS,
                                       .node = "n1.inria",
                                       .institution = "inria",
                                       .body = sample_text(SAMPLE_BODY)};
    memset(&here.boot_id, 0x33, sizeof(here.boot_id));
    return here;
}

/* The answer of n1.inria to a request whose hash is 32 times 0x44, with the body SAMPLE_BODY. */
static inline int sample_answer(struct xos_answer *a, struct xos_error *err)
{
    *a = (struct xos_answer){
        .code = XOS_DENIED, .sequence = 2, .issued_ms = SAMPLE_NOW_MS, .last = true};
    memset(a->request_sha256, 0x44, sizeof(a->request_sha256));
    (void)snprintf(a->node, sizeof(a->node), "n1.inria");
    return xos_sha256(sample_text(SAMPLE_BODY), a->body_sha256, err);
}

/* Protobuf by hand */

static inline int raw_varint(struct xos_buf *out, uint64_t v, struct xos_error *err)
{
    uint8_t bytes[10];
    size_t n = 0;
    do {
        bytes[n] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        n++;
        v >>= 7;
    } while (v);
    return xos_buf_add(out, bytes, n, err);
}

static inline int raw_number(struct xos_buf *out, unsigned field, uint64_t v, struct xos_error *err)
{
    return raw_varint(out, (uint64_t)field << 3, err) < 0 ? -1 : raw_varint(out, v, err);
}

static inline int raw_bytes(struct xos_buf *out, unsigned field, struct xos_slice data,
                            struct xos_error *err)
{
    if (raw_varint(out, (uint64_t)field << 3 | 2, err) < 0 || raw_varint(out, data.len, err) < 0)
        return -1;
    return xos_buf_add(out, data.data, data.len, err);
}

#endif
