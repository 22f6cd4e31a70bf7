// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/rpc.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"

#include <assert.h>
#include <string.h>
#include <utlist.h>

struct xos_pending {
    struct xos_rpc *rpc;
    struct xos_timer *deadline;
    struct xos_task deliver; /* the answer is here */
    struct xos_error result;
    struct xos_buf body;
    struct xos_call *call; /* being served by this very node */
    const char *verb;
    uint64_t begun_ms;
    xos_answer_f answered;
    void *arg;
    struct xos_pending *prev, *next;
};

struct xos_call {
    struct xos_rpc *rpc;
    const struct xos_verb *verb;
    void *service;
    struct xos_caller caller;
    struct xos_envelope envelope;
    struct xos_request request;
    bool is_signed;
    uint8_t request_sha256[XOS_HASH_BYTES];
    struct xos_conn *conn;       /* NULL: the other side is gone, or it is this node */
    struct xos_pending *pending; /* this node asked; NULL: it gave up */
    struct xos_buf own_body;     /* this node's request */
    struct xos_task serve;       /* of this node's request */
    struct xos_task leave;       /* the caller was gone before the handler began */
    uint64_t sequence;
    uint64_t begun_ms;
    void (*gone)(void *arg, struct xos_call *call);
    void *arg;
    struct xos_call *prev, *next;
};

/* A connection that has not said yet what it wants. */
struct knock {
    struct xos_rpc *rpc;
    struct xos_conn *conn;
    struct xos_timer *timer;
    struct xos_peer peer;
    bool local;
    struct knock *prev, *next;
};

struct served {
    const struct xos_verb *verb;
    void *service;
};

struct xos_rpc {
    struct xos_loop *loop;
    struct xos_rpc_config config;
    struct served verbs[XOS_RPC_VERBS_MAX];
    size_t verb_count;
    struct knock *knocks;
    struct xos_call *calls;
    struct xos_pending *pendings;
    size_t knock_count, call_count, pending_count;
};

static uint64_t now_ms(const struct xos_rpc *rpc)
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

int xos_rpc_serve(struct xos_rpc *rpc, const struct xos_verb *verbs, size_t count, void *service,
                  struct xos_error *err)
{
    if (rpc->verb_count + count > XOS_RPC_VERBS_MAX)
        return xos_fail(err, XOS_LIMIT, "XOS_RPC_VERBS_MAX: %d verbs", XOS_RPC_VERBS_MAX);
    for (size_t i = 0; i < count; i++)
        rpc->verbs[rpc->verb_count++] = (struct served){&verbs[i], service};
    return 0;
}

static const struct served *verb_find(const struct xos_rpc *rpc, const char *name)
{
    for (size_t i = 0; i < rpc->verb_count; i++)
        if (strcmp(rpc->verbs[i].verb->name, name) == 0)
            return &rpc->verbs[i];
    return NULL;
}

/* ---- calls that are being served --------------------------------------------------------------
 */

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
    call->begun_ms = now_ms(rpc);
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
                           (double)(now_ms(call->rpc) - call->begun_ms) / 1000);
    xos_loop_undefer(call->rpc->loop, &call->serve);
    xos_loop_undefer(call->rpc->loop, &call->leave);
    DL_DELETE(call->rpc->calls, call);
    call->rpc->call_count--;
    xos_envelope_free(&call->envelope);
    xos_buf_free(&call->own_body);
    xos_conn_free(call->conn);
    xos_free(call);
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

static void pending_deliver(struct xos_pending *p);

/* The header that is signed, then the envelope around it. */
static int answer_pack(struct xos_call *call, enum xos_code code, struct xos_slice body, bool last,
                       struct xos_buf *out, struct xos_error *err)
{
    const struct xos_rpc_config *c = &call->rpc->config;
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
    if (c->key) {
        if (xos_key_sign(c->key, XOS_ANSWER_DOMAIN, e.header, signature, err) < 0)
            goto out;
        e.signature = (struct xos_slice){signature, sizeof(signature)};
        /* The chain goes with the answer; the events after it have the same signer. */
        for (size_t i = 0; i < c->chain_count && call->sequence == 0; i++)
            e.chain[e.chain_count++] = c->chain[i];
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
    xos_metric_add(XOS_M_REFUSALS, xos_code_name(why->code), 1);
    xos_log_error(XOS_EV_REFUSED, why, "verb=%s caller=%s",
                  call->verb ? call->verb->name : call->request.verb, call->caller.name);
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

/* ---- what comes on a connection ----------------------------------------------------------------
 */

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
    (void)frame;
    xos_log(XOS_EV_REFUSED, "verb=%s caller=%s reason=\"data after the request\"", call->verb->name,
            call->caller.name);
    on_left(arg, conn, NULL);
}

static const struct xos_conn_ops call_ops = {.on_frame = on_more, .on_close = on_left};

static int call_admit(struct xos_call *call, const struct xos_peer *peer, struct xos_error *err)
{
    const struct xos_rpc_config *c = &call->rpc->config;
    const struct xos_envelope *e = &call->envelope;
    const struct served *s = verb_find(call->rpc, call->request.verb);
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
    return strcmp(call->request.to_institution, c->institution) != 0 ||
           (call->request.to_node[0] && strcmp(call->request.to_node, c->node) != 0);
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
        xos_log_error(XOS_EV_REFUSED, &err, "a new request");
        xos_conn_free(conn);
        return;
    }
    call->conn = conn;
    xos_conn_hand_over(conn, &call_ops, call);
    if (call_decode(call, frame, &err) < 0) {
        xos_call_fail(call, &err);
        return;
    }
    if (!rpc->config.forward && for_another_node(call)) {
        xos_fail(&err, XOS_DENIED, "the request is for %s of %s, not for %s",
                 call->request.to_node[0] ? call->request.to_node : "a head",
                 call->request.to_institution, rpc->config.node);
        xos_call_fail(call, &err);
        return;
    }
    if (for_another_node(call)) {
        call->conn = NULL;
        rpc->config.forward(rpc->config.arg, conn, &call->request, frame);
        call_free(call);
        return;
    }
    if (call_admit(call, local ? &peer : NULL, &err) < 0)
        xos_call_fail(call, &err);
    else
        call->verb->serve(call->service, call);
}

static void on_knock_closed(void *arg, struct xos_conn *conn, const struct xos_error *why)
{
    (void)conn;
    struct knock *k = arg;
    if (why->code != XOS_NONE)
        xos_log_error(XOS_EV_PEER_REFUSED, why, "uid=%u", k->local ? k->peer.uid : 0);
    knock_free(k);
}

static void on_knock_late(void *arg)
{
    struct knock *k = arg;
    xos_log(XOS_EV_PEER_REFUSED, "reason=\"no request within %d ms\"", XOS_RPC_FIRST_FRAME_MS);
    knock_free(k);
}

static const struct xos_conn_ops knock_ops = {.on_frame = on_request, .on_close = on_knock_closed};

void xos_rpc_take(struct xos_rpc *rpc, int fd, const struct xos_peer *peer)
{
    struct xos_error err = {0};
    struct knock *k = xos_alloc(sizeof(*k));
    if (!k) {
        xos_fail(&err, XOS_NOMEM, "new connection");
        xos_log_error(XOS_EV_PEER_REFUSED, &err, "uid=%u", peer ? peer->uid : 0);
        xos_env_close(xos_loop_env(rpc->loop), fd);
        return;
    }
    k->rpc = rpc;
    k->local = peer != NULL;
    if (peer)
        k->peer = *peer;
    if (rpc->knock_count >= XOS_RPC_KNOCKS_MAX) {
        xos_metric_add(XOS_M_LIMITS_REACHED, "rpc_knocks", 1);
        knock_free(rpc->knocks); /* the oldest: it had its time */
    }
    DL_APPEND(rpc->knocks, k);
    rpc->knock_count++;
    struct xos_conn_config config = {
        .frame_max = XOS_ENVELOPE_BYTES_MAX, .ops = &knock_ops, .arg = k};
    if (xos_conn_new(&k->conn, rpc->loop, fd, &config, &err) < 0 ||
        xos_timer_new(&k->timer, rpc->loop, on_knock_late, k, &err) < 0) {
        xos_log_error(XOS_EV_PEER_REFUSED, &err, "new connection");
        knock_free(k);
        return;
    }
    xos_timer_set(k->timer, XOS_RPC_FIRST_FRAME_MS);
}

/* ---- calling ------------------------------------------------------------------------------------
 */

static void pending_free(struct xos_pending *p)
{
    if (p->call)
        p->call->pending = NULL;
    DL_DELETE(p->rpc->pendings, p);
    p->rpc->pending_count--;
    xos_loop_undefer(p->rpc->loop, &p->deliver);
    xos_timer_free(p->deadline);
    xos_buf_free(&p->body);
    xos_free(p);
}

static void pending_deliver(struct xos_pending *p)
{
    xos_timer_cancel(p->deadline);
    p->answered(p->arg, &p->result, (struct xos_slice){p->body.data, p->body.len});
    pending_free(p);
}

static void on_deliver(void *arg)
{
    pending_deliver(arg);
}

static void on_deadline(void *arg)
{
    struct xos_pending *p = arg;
    if (p->deliver.queued)
        return;
    xos_fail(&p->result, XOS_TIMEOUT, "no answer to %s in time", p->verb);
    xos_buf_clear(&p->body);
    pending_deliver(p);
}

void xos_rpc_cancel(struct xos_pending *p)
{
    if (p)
        pending_free(p);
}

static void on_serve_own(void *arg)
{
    struct xos_call *call = arg;
    call->verb->serve(call->service, call);
}

/* This node asks itself: the same handlers, without header or wire. */
static int call_own(struct xos_rpc *rpc, struct xos_pending *p, const char *verb,
                    struct xos_slice body, struct xos_error *err)
{
    const struct served *s = verb_find(rpc, verb);
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

int xos_rpc_call(struct xos_rpc *rpc, struct xos_pending **out, const char *node, const char *verb,
                 struct xos_slice body, uint64_t timeout_ms, xos_answer_f answered, void *arg,
                 struct xos_error *err)
{
    if (rpc->pending_count >= XOS_RPC_CALLS_MAX)
        return xos_fail(err, XOS_LIMIT, "XOS_RPC_CALLS_MAX: %d requests wait for answers",
                        XOS_RPC_CALLS_MAX);
    if (strcmp(node, rpc->config.node) != 0)
        return xos_fail(err, XOS_UNAVAILABLE, "no link to %s", node);
    struct xos_pending *p = xos_alloc(sizeof(*p));
    if (!p)
        return xos_fail(err, XOS_NOMEM, "request %s", verb);
    p->rpc = rpc;
    p->verb = verb;
    p->answered = answered;
    p->arg = arg;
    p->body = XOS_BUF(XOS_BODY_BYTES_MAX);
    p->deliver = (struct xos_task){.run = on_deliver, .arg = p};
    DL_APPEND(rpc->pendings, p);
    rpc->pending_count++;
    if (xos_timer_new(&p->deadline, rpc->loop, on_deadline, p, err) < 0 ||
        call_own(rpc, p, verb, body, err) < 0) {
        pending_free(p);
        return -1;
    }
    xos_timer_set(p->deadline, timeout_ms);
    if (out)
        *out = p;
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
        pending_free(rpc->pendings);
    xos_free(rpc);
}
