// SPDX-License-Identifier: Apache-2.0
#include "libxos/wire/header.h"

#include "libxos/base/version.h"
#include "libxos/wire/pb.h"
#include "libxos/wire/wire.pb-c.h"

#include <inttypes.h>
#include <string.h>

int xos_request_encode(const struct xos_request *r, struct xos_buf *out, struct xos_error *err)
{
    Xos__Wire__RequestHeaderPb m = XOS__WIRE__REQUEST_HEADER_PB__INIT;
    m.domain = xos_pb_text(XOS_REQUEST_DOMAIN);
    m.version = XOS_PROTOCOL_VERSION;
    m.verb = xos_pb_text(r->verb);
    m.signer = xos_pb_text(r->signer);
    m.vo = xos_pb_text(r->vo);
    m.role = xos_pb_text(r->role);
    m.to_node = xos_pb_text(r->to_node);
    m.to_institution = xos_pb_text(r->to_institution);
    m.request_id = xos_pb_bytes((struct xos_slice){r->request_id.bytes, XOS_ID_BYTES});
    m.nonce = xos_pb_bytes((struct xos_slice){r->nonce.bytes, XOS_ID_BYTES});
    m.issued_ms = (uint64_t)r->issued_ms;
    m.expires_ms = (uint64_t)r->expires_ms;
    m.body_sha256 = xos_pb_bytes((struct xos_slice){r->body_sha256, XOS_HASH_BYTES});
    if (r->has_boot_id)
        m.boot_id = xos_pb_bytes((struct xos_slice){r->boot_id.bytes, XOS_ID_BYTES});
    if (r->has_operation_id)
        m.operation_id = xos_pb_bytes((struct xos_slice){r->operation_id.bytes, XOS_ID_BYTES});
    return xos_pb_pack(&m, out, err);
}

int xos_answer_encode(const struct xos_answer *a, struct xos_buf *out, struct xos_error *err)
{
    Xos__Wire__AnswerHeaderPb m = XOS__WIRE__ANSWER_HEADER_PB__INIT;
    m.domain = xos_pb_text(XOS_ANSWER_DOMAIN);
    m.version = XOS_PROTOCOL_VERSION;
    m.request_sha256 = xos_pb_bytes((struct xos_slice){a->request_sha256, XOS_HASH_BYTES});
    m.node = xos_pb_text(a->node);
    m.code = (uint32_t)a->code;
    m.sequence = a->sequence;
    m.issued_ms = (uint64_t)a->issued_ms;
    m.body_sha256 = xos_pb_bytes((struct xos_slice){a->body_sha256, XOS_HASH_BYTES});
    m.last = a->last;
    return xos_pb_pack(&m, out, err);
}

/* A name is text: no NUL inside, and it fits. Whether it is a good name is vo-auth's to say. */
static int take_name(ProtobufCBinaryData from, char to[static XOS_HEADER_NAME_MAX],
                     const char *what, struct xos_error *err)
{
    if (from.len >= XOS_HEADER_NAME_MAX || (from.len && memchr(from.data, 0, from.len)))
        return xos_fail(err, XOS_PROTOCOL, "header: %s is too long or not text", what);
    if (from.len)
        memcpy(to, from.data, from.len);
    to[from.len] = '\0';
    return 0;
}

static int take_bytes(ProtobufCBinaryData from, uint8_t *to, size_t len, const char *what,
                      struct xos_error *err)
{
    if (from.len != len)
        return xos_fail(err, XOS_PROTOCOL, "header: %s has %zu bytes instead of %zu", what,
                        from.len, len);
    memcpy(to, from.data, len);
    return 0;
}

static int take_optional_id(ProtobufCBinaryData from, struct xos_id *to, bool *there,
                            const char *what, struct xos_error *err)
{
    *there = from.len != 0;
    return *there ? take_bytes(from, to->bytes, XOS_ID_BYTES, what, err) : 0;
}

static int take_time(uint64_t from, int64_t *to, const char *what, struct xos_error *err)
{
    if (from > INT64_MAX / 2)
        return xos_fail(err, XOS_PROTOCOL, "header: %s is not a time", what);
    *to = (int64_t)from;
    return 0;
}

static int check_domain(ProtobufCBinaryData domain, const char *wanted, uint32_t version,
                        struct xos_error *err)
{
    if (domain.len != strlen(wanted) || memcmp(domain.data, wanted, domain.len) != 0)
        return xos_fail(err, XOS_PROTOCOL, "header: not of the domain %s", wanted);
    if (version != XOS_PROTOCOL_VERSION)
        return xos_fail(err, XOS_VERSION, "header: protocol version %u, this node speaks %u",
                        version, XOS_PROTOCOL_VERSION);
    return 0;
}

static int request_take(struct xos_request *r, const Xos__Wire__RequestHeaderPb *m,
                        struct xos_error *err)
{
    if (check_domain(m->domain, XOS_REQUEST_DOMAIN, m->version, err) < 0 ||
        take_name(m->verb, r->verb, "verb", err) < 0 ||
        take_name(m->signer, r->signer, "signer", err) < 0 ||
        take_name(m->vo, r->vo, "vo", err) < 0 || take_name(m->role, r->role, "role", err) < 0 ||
        take_name(m->to_node, r->to_node, "destination node", err) < 0 ||
        take_name(m->to_institution, r->to_institution, "destination institution", err) < 0 ||
        take_bytes(m->request_id, r->request_id.bytes, XOS_ID_BYTES, "request id", err) < 0 ||
        take_bytes(m->nonce, r->nonce.bytes, XOS_ID_BYTES, "nonce", err) < 0 ||
        take_time(m->issued_ms, &r->issued_ms, "issue time", err) < 0 ||
        take_time(m->expires_ms, &r->expires_ms, "expiry", err) < 0 ||
        take_bytes(m->body_sha256, r->body_sha256, XOS_HASH_BYTES, "body hash", err) < 0 ||
        take_optional_id(m->boot_id, &r->boot_id, &r->has_boot_id, "boot id", err) < 0 ||
        take_optional_id(m->operation_id, &r->operation_id, &r->has_operation_id, "operation id",
                         err) < 0)
        return -1;
    if (r->has_boot_id == r->has_operation_id)
        return xos_fail(err, XOS_PROTOCOL,
                        "header: needs either the receiver's boot id or an operation id");
    return 0;
}

int xos_request_decode(struct xos_request *out, struct xos_slice data, struct xos_error *err)
{
    Xos__Wire__RequestHeaderPb *m = xos_pb_unpack(&xos__wire__request_header_pb__descriptor, data,
                                                  XOS_HEADER_BYTES_MAX, XOS_PB_STRICT, err);
    if (!m)
        return -1;
    struct xos_request r = {0};
    int rc = request_take(&r, m, err);
    xos_pb_free(m);
    if (rc == 0)
        *out = r;
    return rc;
}

static int answer_take(struct xos_answer *a, const Xos__Wire__AnswerHeaderPb *m,
                       struct xos_error *err)
{
    a->code = xos_code_from_wire(m->code);
    a->sequence = m->sequence;
    a->last = m->last;
    if (check_domain(m->domain, XOS_ANSWER_DOMAIN, m->version, err) < 0 ||
        take_bytes(m->request_sha256, a->request_sha256, XOS_HASH_BYTES, "request hash", err) < 0 ||
        take_name(m->node, a->node, "node", err) < 0 ||
        take_time(m->issued_ms, &a->issued_ms, "issue time", err) < 0 ||
        take_bytes(m->body_sha256, a->body_sha256, XOS_HASH_BYTES, "body hash", err) < 0)
        return -1;
    return 0;
}

int xos_answer_decode(struct xos_answer *out, struct xos_slice data, struct xos_error *err)
{
    Xos__Wire__AnswerHeaderPb *m = xos_pb_unpack(&xos__wire__answer_header_pb__descriptor, data,
                                                 XOS_HEADER_BYTES_MAX, XOS_PB_STRICT, err);
    if (!m)
        return -1;
    struct xos_answer a = {0};
    int rc = answer_take(&a, m, err);
    xos_pb_free(m);
    if (rc == 0)
        *out = a;
    return rc;
}

/* The steps of xos_request_check, in their order */

static int step_destination(const struct xos_request *r, const struct xos_request_context *c,
                            struct xos_error *err)
{
    if (strcmp(r->to_institution, c->institution) != 0 ||
        (r->to_node[0] && strcmp(r->to_node, c->node) != 0))
        return xos_fail(err, XOS_DENIED, "the request is for %s of %s, not for %s",
                        r->to_node[0] ? r->to_node : "a head", r->to_institution, c->node);
    return 0;
}

static int step_times(const struct xos_request *r, const struct xos_request_context *c,
                      struct xos_error *err)
{
    if (r->expires_ms < r->issued_ms || r->expires_ms - r->issued_ms > XOS_HEADER_LIFE_MS_MAX)
        return xos_fail(err, XOS_DENIED, "the request claims to be good for %" PRId64 " ms",
                        r->expires_ms - r->issued_ms);
    if (r->issued_ms > c->now_ms + XOS_HEADER_SKEW_MS_MAX)
        return xos_fail(err, XOS_CLOCK, "the signer's clock is %" PRId64 " s ahead of %s's",
                        (r->issued_ms - c->now_ms) / 1000, c->node);
    if (r->expires_ms + XOS_HEADER_SKEW_MS_MAX < c->now_ms)
        return xos_fail(err, XOS_EXPIRED, "the request ended %" PRId64 " s ago by the clock of %s",
                        (c->now_ms - r->expires_ms) / 1000, c->node);
    return 0;
}

static int step_body(const struct xos_request *r, const struct xos_request_context *c,
                     struct xos_error *err)
{
    uint8_t hash[XOS_HASH_BYTES];
    if (xos_sha256(c->body, hash, err) < 0)
        return -1;
    if (!xos_equal(hash, r->body_sha256, sizeof(hash)))
        return xos_fail(err, XOS_DENIED, "the body is not the one that was signed");
    return 0;
}

static int step_freshness(const struct xos_request *r, const struct xos_request_context *c,
                          struct xos_error *err)
{
    if (r->has_boot_id && !xos_equal(&r->boot_id, &c->boot_id, sizeof(c->boot_id)))
        return xos_fail(err, XOS_STALE, "%s was started again since the request was made", c->node);
    return 0;
}

int xos_request_check(const struct xos_request *r, const struct xos_request_context *ctx,
                      struct xos_error *err)
{
    if (step_destination(r, ctx, err) < 0 || step_times(r, ctx, err) < 0 ||
        step_body(r, ctx, err) < 0 || step_freshness(r, ctx, err) < 0)
        return -1;
    return 0;
}

int xos_answer_check(const struct xos_answer *a,
                     const uint8_t request_sha256[static XOS_HASH_BYTES], const char *node,
                     struct xos_slice body, struct xos_error *err)
{
    uint8_t hash[XOS_HASH_BYTES];
    if (!xos_equal(a->request_sha256, request_sha256, XOS_HASH_BYTES))
        return xos_fail(err, XOS_PROTOCOL, "an answer to another request");
    if (node && strcmp(a->node, node) != 0)
        return xos_fail(err, XOS_PROTOCOL, "an answer from %s instead of %s", a->node, node);
    if (xos_sha256(body, hash, err) < 0)
        return -1;
    if (!xos_equal(hash, a->body_sha256, sizeof(hash)))
        return xos_fail(err, XOS_PROTOCOL, "the answer's body is not the one that was signed");
    return 0;
}
