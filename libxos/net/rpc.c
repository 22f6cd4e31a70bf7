// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/rpc_parts.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"
#include "libxos/net/bulk.h"

#include <assert.h>
#include <string.h>
#include <utlist.h>

uint64_t rpc_now_ms(const struct xos_rpc *rpc)
{
    return xos_env_mono_ms(xos_loop_env(rpc->loop));
}

int xos_rpc_new(struct xos_rpc **out, struct xos_loop *loop, const struct xos_rpc_config *config,
                struct xos_error *err)
{
    struct xos_rpc *rpc = xos_alloc(sizeof(*rpc));
    if (!rpc)
        return xos_fail(err, XOS_NOMEM, "rpc");
    rpc->loop = loop;
    rpc->config = *config;
    *out = rpc;
    return 0;
}

void xos_rpc_identity(struct xos_rpc *rpc, const struct xos_key *key, const struct xos_slice *chain,
                      size_t chain_count)
{
    rpc->key = key;
    rpc->chain = chain;
    rpc->chain_count = chain_count < XOS_CHAIN_MAX ? chain_count : XOS_CHAIN_MAX;
}

int xos_rpc_serve(struct xos_rpc *rpc, const struct xos_verb *verbs, size_t count, void *service,
                  struct xos_error *err)
{
    if (rpc->verb_count + count > XOS_RPC_VERBS_MAX)
        return xos_fail(err, XOS_LIMIT, "XOS_RPC_VERBS_MAX: %d verbs", XOS_RPC_VERBS_MAX);
    for (size_t i = 0; i < count; i++)
        rpc->verbs[rpc->verb_count++] = (struct served){&verbs[i], service};
    return 0;
}

const struct served *rpc_verb(const struct xos_rpc *rpc, const char *name)
{
    for (size_t i = 0; i < rpc->verb_count; i++)
        if (strcmp(rpc->verbs[i].verb->name, name) == 0)
            return &rpc->verbs[i];
    return NULL;
}

/* Calls that are being served */

static void on_leave(void *arg);

static struct xos_call *call_new(struct xos_rpc *rpc, struct xos_error *err)
{
    if (rpc->call_count >= XOS_RPC_CALLS_MAX) {
        xos_fail(err, XOS_LIMIT, "XOS_RPC_CALLS_MAX: %d requests are being served",
                 XOS_RPC_CALLS_MAX);
        return NULL;
    }
    struct xos_call *call = xos_alloc(sizeof(*call));
    if (!call) {
        xos_fail(err, XOS_NOMEM, "request");
        return NULL;
    }
    call->rpc = rpc;
    call->leave = (struct xos_task){.run = on_leave, .arg = call};
    call->begun_ms = rpc_now_ms(rpc);
    DL_APPEND(rpc->calls, call);
    rpc->call_count++;
    return call;
}

static void call_free(struct xos_call *call)
{
    if (call->pending)
        call->pending->call = NULL;
    if (call->verb)
        xos_metric_observe(XOS_M_RPC_SECONDS, call->verb->name,
                           (double)(rpc_now_ms(call->rpc) - call->begun_ms) / 1000);
    xos_loop_undefer(call->rpc->loop, &call->serve);
    xos_loop_undefer(call->rpc->loop, &call->leave);
    DL_DELETE(call->rpc->calls, call);
    call->rpc->call_count--;
    xos_envelope_free(&call->envelope);
    xos_buf_free(&call->own_body);
    xos_conn_free(call->conn);
    xos_free(call);
}

bool xos_caller_reaches(const struct xos_caller *caller, const char *owner, const char *vo)
{
    if (caller->reach == XOS_REACH_ALL || strcmp(caller->name, owner) == 0)
        return true;
    return caller->reach == XOS_REACH_VO && vo[0] && strcmp(caller->vo, vo) == 0;
}

const struct xos_caller *xos_call_caller(const struct xos_call *call)
{
    return &call->caller;
}

const struct xos_id *xos_call_operation(const struct xos_call *call)
{
    return call->request.has_operation_id ? &call->request.operation_id : NULL;
}

struct xos_slice xos_call_body(const struct xos_call *call)
{
    return call->own_body.data ? (struct xos_slice){call->own_body.data, call->own_body.len}
                               : call->envelope.body;
}

/* The header that is signed, then the envelope around it. */
static int answer_pack(struct xos_call *call, enum xos_code code, struct xos_slice body, bool last,
                       struct xos_buf *out, struct xos_error *err)
{
    const struct xos_rpc *rpc = call->rpc;
    const struct xos_rpc_config *c = &rpc->config;
    struct xos_buf header = XOS_BUF(XOS_HEADER_BYTES_MAX);
    uint8_t signature[XOS_SIGNATURE_BYTES];
    struct xos_answer a = {.code = code, .sequence = call->sequence, .last = last};
    int rc = -1;
    memcpy(a.request_sha256, call->request_sha256, sizeof(a.request_sha256));
    memcpy(a.node, c->node, strnlen(c->node, sizeof(a.node) - 1));
    a.issued_ms = xos_env_real_ms(xos_loop_env(call->rpc->loop));
    if (xos_sha256(body, a.body_sha256, err) < 0 || xos_answer_encode(&a, &header, err) < 0)
        goto out;
    struct xos_envelope e = {
        .kind = call->sequence ? XOS_ENVELOPE_EVENT : XOS_ENVELOPE_ANSWER,
        .call = call->envelope.call,
        .header = {header.data, header.len},
        .body = body,
    };
    if (rpc->key) {
        if (xos_key_sign(rpc->key, XOS_ANSWER_DOMAIN, e.header, signature, err) < 0)
            goto out;
        e.signature = (struct xos_slice){signature, sizeof(signature)};
        /* The chain goes with the answer; the events after it have the same signer. */
        for (size_t i = 0; i < rpc->chain_count && call->sequence == 0; i++)
            e.chain[e.chain_count++] = rpc->chain[i];
    }
    rc = xos_envelope_encode(&e, out, err);
out:
    xos_buf_free(&header);
    return rc;
}

static int call_send(struct xos_call *call, enum xos_code code, struct xos_slice body, bool last,
                     struct xos_error *err)
{
    if (call->pending) {
        struct xos_pending *p = call->pending;
        xos_buf_clear(&p->body);
        if (code != XOS_NONE)
            xos_fail(&p->result, code, "%.*s", (int)body.len, (const char *)body.data);
        else if (xos_buf_add(&p->body, body.data, body.len, &p->result) == 0)
            p->result.code = XOS_NONE;
        xos_loop_defer(call->rpc->loop, &p->deliver);
        return 0;
    }
    if (!call->conn)
        return xos_fail(err, XOS_UNAVAILABLE, "the caller is gone");
    struct xos_buf packed = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    int rc = answer_pack(call, code, body, last, &packed, err);
    if (rc == 0)
        rc = xos_conn_send(call->conn, (struct xos_slice){packed.data, packed.len}, err);
    if (rc == 0)
        call->sequence++;
    xos_buf_free(&packed);
    return rc;
}

static void call_finish(struct xos_call *call)
{
    struct xos_conn *conn = call->conn;
    call->conn = NULL;
    call_free(call);
    xos_conn_finish(conn);
}

static int call_send_error(struct xos_call *call, const struct xos_error *why)
{
    struct xos_error err;
    size_t len = strnlen(why->text, sizeof(why->text));
    return call_send(call, why->code, (struct xos_slice){(const uint8_t *)why->text, len}, true,
                     &err);
}

/* An answer that cannot be sent as it is becomes the reason: no caller waits for nothing. */
void xos_call_answer(struct xos_call *call, struct xos_slice body)
{
    struct xos_error err = {0};
    if (call_send(call, XOS_NONE, body, true, &err) < 0)
        (void)call_send_error(call, &err);
    call_finish(call);
}

void xos_call_fail(struct xos_call *call, const struct xos_error *why)
{
    xos_refusals_error(&call->rpc->refusals, rpc_now_ms(call->rpc), XOS_EV_REFUSED, why,
                       "verb=%s caller=%s", call->verb ? call->verb->name : call->request.verb,
                       call->caller.name);
    (void)call_send_error(call, why);
    call_finish(call);
}

void xos_call_begin(struct xos_call *call, struct xos_slice body,
                    void (*gone)(void *arg, struct xos_call *call), void *arg)
{
    struct xos_error err;
    call->gone = gone;
    call->arg = arg;
    if (call_send(call, XOS_NONE, body, false, &err) < 0)
        xos_loop_defer(call->rpc->loop, &call->leave);
}

int xos_call_event(struct xos_call *call, struct xos_slice body, struct xos_error *err)
{
    if (call->leave.queued)
        return xos_fail(err, XOS_UNAVAILABLE, "the caller is gone");
    assert(call->sequence > 0);
    return call_send(call, XOS_NONE, body, false, err);
}

void xos_call_last(struct xos_call *call, struct xos_slice body)
{
    xos_call_answer(call, body);
}

struct xos_conn *xos_call_answer_stream(struct xos_call *call, struct xos_slice body)
{
    struct xos_error err;
    struct xos_conn *conn = call->conn;
    if (call_send(call, XOS_NONE, body, true, &err) < 0)
        conn = NULL;
    else
        call->conn = NULL;
    call_free(call);
    return conn;
}

/* What comes on a connection */

static void on_leave(void *arg)
{
    struct xos_call *call = arg;
    if (!call->gone)
        return;
    call->gone(call->arg, call);
    call_free(call);
}

/* The caller left. A unary request is carried out all the same; a stream's handler is told. */
static void on_left(void *arg, struct xos_conn *conn, const struct xos_error *why)
{
    (void)why;
    struct xos_call *call = arg;
    call->conn = NULL;
    xos_conn_free(conn);
    on_leave(call);
}

/* Nothing comes after a request: who goes on is not served any further. */
static void on_more(void *arg, struct xos_conn *conn, struct xos_slice frame)
{
    struct xos_call *call = arg;
    struct xos_error err = {0};
    (void)frame;
    xos_fail(&err, XOS_PROTOCOL, "data after the request");
    xos_refusals_error(&call->rpc->refusals, rpc_now_ms(call->rpc), XOS_EV_REFUSED, &err,
                       "verb=%s caller=%s", call->verb->name, call->caller.name);
    on_left(arg, conn, NULL);
}

static const struct xos_conn_ops call_ops = {.on_frame = on_more, .on_close = on_left};

static int call_admit(struct xos_call *call, const struct xos_peer *peer, struct xos_error *err)
{
    const struct xos_rpc_config *c = &call->rpc->config;
    const struct xos_envelope *e = &call->envelope;
    const struct served *s = rpc_verb(call->rpc, call->request.verb);
    if (!s)
        return xos_fail(err, XOS_UNSUPPORTED, "unknown verb \"%s\"", call->request.verb);
    if (call->is_signed) {
        struct xos_request_context here = {
            .now_ms = xos_env_real_ms(xos_loop_env(call->rpc->loop)),
            .node = c->node,
            .institution = c->institution,
            .boot_id = c->boot_id,
            .body = e->body,
        };
        if (xos_request_check(&call->request, &here, err) < 0)
            return -1;
    }
    call->verb = s->verb;
    call->service = s->service;
    return c->gate(c->arg, s->verb, e, call->is_signed ? &call->request : NULL, peer, &call->caller,
                   err);
}

/* Fills in what is known of the request as soon as it is known: a refusal names it. */
static int call_decode(struct xos_call *call, struct xos_slice frame, struct xos_error *err)
{
    if (xos_envelope_decode(&call->envelope, frame, err) < 0)
        return -1;
    const struct xos_envelope *e = &call->envelope;
    if (e->kind != XOS_ENVELOPE_REQUEST)
        return xos_fail(err, XOS_PROTOCOL, "a connection begins with a request");
    if (xos_sha256(e->header, call->request_sha256, err) < 0 ||
        xos_request_decode(&call->request, e->header, err) < 0)
        return -1;
    call->is_signed = e->signature.len != 0;
    return 0;
}

static void knock_free(struct knock *k)
{
    DL_DELETE(k->rpc->knocks, k);
    k->rpc->knock_count--;
    xos_timer_free(k->timer);
    xos_conn_free(k->conn);
    xos_free(k);
}

static bool for_another_node(const struct xos_call *call)
{
    const struct xos_rpc_config *c = &call->rpc->config;
    if (!call->request.to_institution[0])
        return false; /* "whoever you are": node.hello */
    if (strcmp(call->request.to_institution, c->institution) != 0)
        return true;
    return call->request.to_node[0] ? strcmp(call->request.to_node, c->node) != 0 : !c->head;
}

/* What came from another node is not sent on: else two nodes that each take the other for the
 * right one would never stop. */
static void call_forward(struct xos_call *call, bool local, struct xos_slice frame)
{
    const struct xos_rpc_config *c = &call->rpc->config;
    struct xos_error err = {0};
    if (c->forward && local) {
        c->forward(c->arg, call, &call->request, call->is_signed, frame);
        return;
    }
    xos_fail(&err, XOS_DENIED, "the request is for %s of %s, not for %s",
             call->request.to_node[0] ? call->request.to_node : "a head",
             call->request.to_institution, c->node);
    xos_call_fail(call, &err);
}

struct xos_conn *xos_call_hand_over(struct xos_call *call)
{
    struct xos_conn *conn = call->conn;
    call->conn = NULL;
    call_free(call);
    return conn;
}

static void on_request(void *arg, struct xos_conn *conn, struct xos_slice frame)
{
    struct knock *k = arg;
    struct xos_rpc *rpc = k->rpc;
    struct xos_error err = {0};
    struct xos_peer peer = k->peer;
    bool local = k->local;
    struct xos_call *call = call_new(rpc, &err);
    k->conn = NULL;
    knock_free(k);
    if (!call) {
        xos_refusals_error(&rpc->refusals, rpc_now_ms(rpc), XOS_EV_REFUSED, &err, "a new request");
        xos_conn_free(conn);
        return;
    }
    call->conn = conn;
    xos_conn_hand_over(conn, &call_ops, call);
    if (call_decode(call, frame, &err) < 0) {
        xos_call_fail(call, &err);
        return;
    }
    if (for_another_node(call)) {
        call_forward(call, local, frame);
        return;
    }
    if (call_admit(call, local ? &peer : NULL, &err) < 0)
        xos_call_fail(call, &err);
    else
        call->verb->serve(call->service, call);
}

static void knock_refused(struct xos_rpc *rpc, const struct xos_error *why,
                          const struct xos_peer *peer)
{
    if (peer)
        xos_refusals_error(&rpc->refusals, rpc_now_ms(rpc), XOS_EV_PEER_REFUSED, why, "uid=%u",
                           (unsigned)peer->uid);
    else
        xos_refusals_error(&rpc->refusals, rpc_now_ms(rpc), XOS_EV_PEER_REFUSED, why, "stream");
}

static void on_knock_closed(void *arg, struct xos_conn *conn, const struct xos_error *why)
{
    (void)conn;
    struct knock *k = arg;
    if (why->code != XOS_NONE)
        knock_refused(k->rpc, why, k->local ? &k->peer : NULL);
    knock_free(k);
}

static void on_knock_late(void *arg)
{
    struct knock *k = arg;
    struct xos_error err = {0};
    xos_fail(&err, XOS_TIMEOUT, "no request within %d ms", XOS_RPC_FIRST_FRAME_MS);
    knock_refused(k->rpc, &err, k->local ? &k->peer : NULL);
    knock_free(k);
}

static const struct xos_conn_ops knock_ops = {.on_frame = on_request, .on_close = on_knock_closed};

/* At the maximum the one that has waited longest goes: it had its time. */
static struct knock *knock_new(struct xos_rpc *rpc, const struct xos_peer *peer,
                               struct xos_error *err)
{
    struct knock *k = xos_alloc(sizeof(*k));
    if (!k) {
        xos_fail(err, XOS_NOMEM, "new connection");
        return NULL;
    }
    k->rpc = rpc;
    k->local = peer != NULL;
    if (peer)
        k->peer = *peer;
    if (rpc->knock_count >= XOS_RPC_KNOCKS_MAX) {
        xos_metric_add(XOS_M_LIMITS_REACHED, "rpc_knocks", 1);
        knock_free(rpc->knocks);
    }
    DL_APPEND(rpc->knocks, k);
    rpc->knock_count++;
    return k;
}

static void knock_wait(struct knock *k, int rc, struct xos_error *err)
{
    if (rc < 0 || xos_timer_new(&k->timer, k->rpc->loop, on_knock_late, k, err) < 0) {
        knock_refused(k->rpc, err, k->local ? &k->peer : NULL);
        knock_free(k);
        return;
    }
    xos_timer_set(k->timer, XOS_RPC_FIRST_FRAME_MS);
}

void xos_rpc_take(struct xos_rpc *rpc, int fd, const struct xos_peer *peer)
{
    struct xos_error err = {0};
    struct knock *k = knock_new(rpc, peer, &err);
    struct xos_conn_config config = {
        .frame_max = XOS_ENVELOPE_BYTES_MAX, .ops = &knock_ops, .arg = k};
    if (k) {
        knock_wait(k, xos_conn_new(&k->conn, rpc->loop, fd, &config, &err), &err);
        return;
    }
    knock_refused(rpc, &err, peer);
    xos_env_close(xos_loop_env(rpc->loop), fd);
}

void xos_rpc_take_stream(struct xos_rpc *rpc, struct xos_stream *stream, struct xos_slice first)
{
    struct xos_error err = {0};
    struct knock *k = knock_new(rpc, NULL, &err);
    struct xos_conn_config config = {
        .frame_max = XOS_ENVELOPE_BYTES_MAX, .ops = &knock_ops, .arg = k};
    if (k) {
        knock_wait(k, xos_conn_accept(&k->conn, rpc->loop, stream, first, &config, &err), &err);
        return;
    }
    knock_refused(rpc, &err, NULL);
    xos_stream_free(stream);
}

/* What this node asks itself */

static void on_serve_own(void *arg)
{
    struct xos_call *call = arg;
    call->verb->serve(call->service, call);
}

/* This node asks itself: the same handlers, without header or wire. */
int rpc_serve_own(struct xos_rpc *rpc, struct xos_pending *p, const char *verb,
                  struct xos_slice body, struct xos_error *err)
{
    const struct served *s = rpc_verb(rpc, verb);
    if (!s)
        return xos_fail(err, XOS_UNSUPPORTED, "unknown verb \"%s\"", verb);
    if (s->verb->flags & XOS_VERB_STREAM)
        return xos_fail(err, XOS_UNSUPPORTED, "%s needs a connection", verb);
    struct xos_call *call = call_new(rpc, err);
    if (!call)
        return -1;
    call->own_body = XOS_BUF(XOS_BODY_BYTES_MAX);
    if (xos_buf_add(&call->own_body, body.data, body.len, err) < 0) {
        call_free(call);
        return -1;
    }
    call->verb = s->verb;
    call->service = s->service;
    call->caller.kind = XOS_CALLER_SELF;
    memcpy(call->caller.name, rpc->config.node, strlen(rpc->config.node) + 1);
    call->pending = p;
    p->call = call;
    call->serve = (struct xos_task){.run = on_serve_own, .arg = call};
    xos_loop_defer(rpc->loop, &call->serve);
    return 0;
}

void xos_rpc_free(struct xos_rpc *rpc)
{
    if (!rpc)
        return;
    while (rpc->knocks)
        knock_free(rpc->knocks);
    while (rpc->calls)
        call_free(rpc->calls);
    while (rpc->pendings)
        rpc_pending_free(rpc->pendings);
    xos_free(rpc);
}
