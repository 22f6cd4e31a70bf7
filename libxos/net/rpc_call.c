// SPDX-License-Identifier: Apache-2.0
/* rpc_call.c - calls that this node makes: to itself, or signed and on a connection of its own to
 * another node, whose answer must be signed by that node and for that request. */
#include "libxos/net/rpc_parts.h"

#include "libxos/base/alloc.h"

#include <string.h>
#include <utlist.h>

#define RPC_REQUEST_LIFE_MS 30000 /* a request is good for so long; less than a header may have */

void rpc_pending_free(struct xos_pending *p)
{
    const struct xos_dialler *d = p->rpc->config.dialler;
    if (p->call)
        p->call->pending = NULL;
    if (p->dial)
        d->cancel(d->arg, p->dial);
    DL_DELETE(p->rpc->pendings, p);
    p->rpc->pending_count--;
    xos_loop_undefer(p->rpc->loop, &p->deliver);
    xos_timer_free(p->deadline);
    xos_conn_free(p->conn);
    xos_buf_free(&p->body);
    xos_free(p);
}

static void on_deliver(void *arg)
{
    struct xos_pending *p = arg;
    xos_timer_cancel(p->deadline);
    p->answered(p->arg, &p->result, (struct xos_slice){p->body.data, p->body.len});
    rpc_pending_free(p);
}

static void on_deadline(void *arg)
{
    struct xos_pending *p = arg;
    if (p->deliver.queued)
        return;
    xos_fail(&p->result, XOS_TIMEOUT, "no answer to %s in time", p->verb);
    xos_buf_clear(&p->body);
    on_deliver(p);
}

void xos_rpc_cancel(struct xos_pending *p)
{
    if (p)
        rpc_pending_free(p);
}

/* Another node */

static int answer_check(struct xos_pending *p, const struct xos_envelope *e, struct xos_answer *a,
                        struct xos_error *err)
{
    const struct xos_dialler *d = p->rpc->config.dialler;
    if (e->kind != XOS_ENVELOPE_ANSWER)
        return xos_fail(err, XOS_PROTOCOL, "a message of kind %d for an answer", (int)e->kind);
    if (xos_answer_decode(a, e->header, err) < 0 ||
        xos_answer_check(a, p->request_sha256, p->node, e->body, err) < 0)
        return -1;
    return d->verify(d->arg, e, a, err);
}

static void on_frame(void *arg, struct xos_conn *conn, struct xos_slice frame)
{
    struct xos_pending *p = arg;
    struct xos_envelope e = {.kind = XOS_ENVELOPE_NONE};
    struct xos_answer a;
    struct xos_error err = {0};
    (void)conn;
    if (p->deliver.queued)
        return;
    p->result = (struct xos_error){.code = XOS_NONE};
    if (xos_envelope_decode(&e, frame, &err) < 0 || answer_check(p, &e, &a, &err) < 0) {
        xos_wrap(&err, "answer of %s to %s", p->node, p->verb);
        p->result = err;
    } else if (a.code != XOS_NONE) {
        xos_fail(&p->result, a.code, "%.*s", (int)(e.body.len < 480 ? e.body.len : 480),
                 e.body.len ? (const char *)e.body.data : "");
    } else if (xos_buf_add(&p->body, e.body.data, e.body.len, &err) < 0) {
        p->result = err;
    }
    xos_envelope_free(&e);
    xos_loop_defer(p->rpc->loop, &p->deliver);
}

static void on_close(void *arg, struct xos_conn *conn, const struct xos_error *why)
{
    struct xos_pending *p = arg;
    (void)conn;
    if (p->deliver.queued)
        return;
    if (why->code)
        p->result = *why;
    else
        xos_fail(&p->result, XOS_UNAVAILABLE, "%s closed the connection", p->node);
    xos_loop_defer(p->rpc->loop, &p->deliver);
}

static const struct xos_conn_ops conn_ops = {.on_frame = on_frame, .on_close = on_close};

static void on_dialled(void *arg, struct xos_conn *conn, const struct xos_error *why)
{
    struct xos_pending *p = arg;
    p->dial = NULL;
    p->conn = conn;
    if (conn)
        return;
    p->result = *why;
    xos_loop_defer(p->rpc->loop, &p->deliver);
}

static int request_fill(const struct xos_rpc *rpc, const struct xos_pending *p,
                        struct xos_slice body, struct xos_request *r, struct xos_error *err)
{
    struct xos_env *env = xos_loop_env(rpc->loop);
    const char *institution = strrchr(p->node, '.');
    const struct {
        char *to;
        const char *from;
    } texts[] = {{r->verb, p->verb},
                 {r->signer, rpc->config.node},
                 {r->to_node, p->node},
                 {r->to_institution, institution ? institution + 1 : ""}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        memcpy(texts[i].to, texts[i].from, strnlen(texts[i].from, XOS_HEADER_NAME_MAX - 1));
    r->issued_ms = xos_env_real_ms(env);
    r->expires_ms = r->issued_ms + RPC_REQUEST_LIFE_MS;
    r->has_operation_id = true;
    if (xos_env_random(env, r->request_id.bytes, XOS_ID_BYTES, err) < 0 ||
        xos_env_random(env, r->nonce.bytes, XOS_ID_BYTES, err) < 0 ||
        xos_env_random(env, r->operation_id.bytes, XOS_ID_BYTES, err) < 0)
        return -1;
    return xos_sha256(body, r->body_sha256, err);
}

static int request_pack(const struct xos_rpc *rpc, struct xos_pending *p, struct xos_slice body,
                        struct xos_buf *out, struct xos_error *err)
{
    struct xos_request r = {.issued_ms = 0};
    struct xos_buf header = XOS_BUF(XOS_HEADER_BYTES_MAX);
    uint8_t signature[XOS_SIGNATURE_BYTES];
    struct xos_envelope e = {.kind = XOS_ENVELOPE_REQUEST, .call = 1, .body = body};
    int rc = request_fill(rpc, p, body, &r, err);
    if (rc == 0)
        rc = xos_request_encode(&r, &header, err);
    e.header = (struct xos_slice){header.data, header.len};
    e.signature = (struct xos_slice){signature, sizeof(signature)};
    e.chain_count = rpc->chain_count;
    for (size_t i = 0; i < rpc->chain_count; i++)
        e.chain[i] = rpc->chain[i];
    if (rc == 0 && (xos_sha256(e.header, p->request_sha256, err) < 0 ||
                    xos_key_sign(rpc->key, XOS_REQUEST_DOMAIN, e.header, signature, err) < 0 ||
                    xos_envelope_encode(&e, out, err) < 0))
        rc = -1;
    xos_buf_free(&header);
    return rc;
}

static int call_far(struct xos_rpc *rpc, struct xos_pending *p, struct xos_slice body,
                    struct xos_error *err)
{
    const struct xos_dialler *d = rpc->config.dialler;
    const struct xos_conn_config config = {
        .frame_max = XOS_ENVELOPE_BYTES_MAX, .ops = &conn_ops, .arg = p};
    struct xos_buf frame = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    int rc = request_pack(rpc, p, body, &frame, err);
    if (rc == 0)
        rc = d->dial(d->arg, &p->dial, p->node, (struct xos_slice){frame.data, frame.len}, &config,
                     on_dialled, p, err);
    xos_buf_free(&frame);
    return rc;
}

/* Either */

static struct xos_pending *pending_new(struct xos_rpc *rpc, const char *node, const char *verb,
                                       xos_answer_f answered, void *arg, struct xos_error *err)
{
    struct xos_pending *p = xos_alloc(sizeof(*p));
    if (!p) {
        xos_fail(err, XOS_NOMEM, "request %s", verb);
        return NULL;
    }
    p->rpc = rpc;
    p->verb = verb;
    p->answered = answered;
    p->arg = arg;
    memcpy(p->node, node, strlen(node) + 1);
    p->body = XOS_BUF(XOS_BODY_BYTES_MAX);
    p->deliver = (struct xos_task){.run = on_deliver, .arg = p};
    DL_APPEND(rpc->pendings, p);
    rpc->pending_count++;
    return p;
}

int xos_rpc_call(struct xos_rpc *rpc, struct xos_pending **out, const char *node, const char *verb,
                 struct xos_slice body, uint64_t timeout_ms, xos_answer_f answered, void *arg,
                 struct xos_error *err)
{
    bool own = strcmp(node, rpc->config.node) == 0;
    if (rpc->pending_count >= XOS_RPC_CALLS_MAX)
        return xos_fail(err, XOS_LIMIT, "XOS_RPC_CALLS_MAX: %d requests wait for answers",
                        XOS_RPC_CALLS_MAX);
    if (!own && (!rpc->config.dialler || !rpc->key))
        return xos_fail(err, XOS_UNAVAILABLE, "no link to %s: this node stands alone", node);
    if (strlen(node) >= XOS_HEADER_NAME_MAX)
        return xos_fail(err, XOS_LIMIT, "XOS_HEADER_NAME_MAX: the name \"%.40s\" is too long",
                        node);
    struct xos_pending *p = pending_new(rpc, node, verb, answered, arg, err);
    if (!p)
        return -1;
    if (xos_timer_new(&p->deadline, rpc->loop, on_deadline, p, err) < 0 ||
        (own ? rpc_serve_own(rpc, p, verb, body, err) : call_far(rpc, p, body, err)) < 0) {
        rpc_pending_free(p);
        return -1;
    }
    xos_timer_set(p->deadline, timeout_ms);
    if (out)
        *out = p;
    return 0;
}
