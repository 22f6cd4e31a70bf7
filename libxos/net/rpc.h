// SPDX-License-Identifier: Apache-2.0
/* rpc.h - requests and answers: who may ask is decided once, in one place, before any handler.
 *
 * A request comes on a connection of its own (a local client's, or a bulk stream), or as a message
 * of the overlay, or from this very node; a handler cannot tell. It is looked up by its verb: an
 * unknown verb is refused. The gate then says who the caller is, from the signed header or from the
 * kernel's word about a local process; only then is the handler called. It answers exactly once,
 * now or later; a stream verb goes on with events or with the connection itself.
 *
 * Calls that this node makes have a deadline and can be cancelled; the answer's callback is called
 * exactly once unless the call was cancelled. */
#ifndef XOS_NET_RPC_H
#define XOS_NET_RPC_H

#include "libxos/net/conn.h"
#include "libxos/wire/envelope.h"
#include "libxos/wire/header.h"

#define XOS_RPC_VERBS_MAX 128
#define XOS_RPC_CALLS_MAX 16384     /* being served, and being waited for, each */
#define XOS_RPC_KNOCKS_MAX 256      /* connections without a request; each may fill one frame */
#define XOS_RPC_FIRST_FRAME_MS 5000 /* a connection that says nothing is closed */

enum xos_caller_kind {
    XOS_CALLER_NONE,
    XOS_CALLER_LOCAL,  /* a process on this node, known by its uid alone */
    XOS_CALLER_SIGNED, /* whoever's key signed the header */
    XOS_CALLER_SELF,   /* this node's own services */
};

struct xos_caller {
    enum xos_caller_kind kind;
    char name[XOS_HEADER_NAME_MAX]; /* alice@inria, n1.inria */
    char vo[XOS_HEADER_NAME_MAX];
    char role[XOS_HEADER_NAME_MAX];
    uid_t uid; /* of a local process */
};

struct xos_call; /* one request that is being served */

typedef void (*xos_serve_f)(void *service, struct xos_call *call);

enum xos_verb_flags {
    XOS_VERB_OPEN = 1,   /* a local process without a login may ask */
    XOS_VERB_NODE = 2,   /* only nodes may ask */
    XOS_VERB_STREAM = 4, /* needs a connection; it goes on after the answer */
};

struct xos_verb {
    const char *name; /* "job.submit"; also the verb of the policy */
    xos_serve_f serve;
    unsigned flags;
};

/* Who is it? Sets *out, or refuses. `request` is NULL for an unsigned request of a local process.
 */
typedef int (*xos_gate_f)(void *arg, const struct xos_verb *verb, const struct xos_envelope *e,
                          const struct xos_request *request, const struct xos_peer *peer,
                          struct xos_caller *out, struct xos_error *err);

struct xos_rpc_config {
    const char *node;              /* "n1.inria" */
    const char *institution;       /* "inria" */
    struct xos_id boot_id;         /* of this run of the process */
    const struct xos_key *key;     /* signs answers; borrowed */
    const struct xos_slice *chain; /* borrowed */
    size_t chain_count;
    xos_gate_f gate;
    /* A request for another node comes on a connection: takes conn. NULL: refused. */
    void (*forward)(void *arg, struct xos_conn *conn, const struct xos_request *request,
                    struct xos_slice frame);
    void *arg;
};

struct xos_rpc;
int xos_rpc_new(struct xos_rpc **out, struct xos_loop *loop, const struct xos_rpc_config *config,
                struct xos_error *err);
void xos_rpc_free(struct xos_rpc *rpc);

/* Offer verbs. The table is borrowed. */
int xos_rpc_serve(struct xos_rpc *rpc, const struct xos_verb *verbs, size_t count, void *service,
                  struct xos_error *err);

/* A new connection with one request on it; takes fd. peer is NULL for one that is not local. */
void xos_rpc_take(struct xos_rpc *rpc, int fd, const struct xos_peer *peer);

/* ---- serving ----------------------------------------------------------------------------------
 */

const struct xos_caller *xos_call_caller(const struct xos_call *call);
/* The id under which the request may be repeated; NULL when it has none. */
const struct xos_id *xos_call_operation(const struct xos_call *call);
struct xos_slice xos_call_body(const struct xos_call *call);

/* Answer for good; the call is gone after it. An answer above XOS_BODY_BYTES_MAX becomes XOS_LIMIT.
 */
void xos_call_answer(struct xos_call *call, struct xos_slice body);
void xos_call_fail(struct xos_call *call, const struct xos_error *why);

/* Stream verbs: answer, and go on with events … The call stays until xos_call_last or until `gone`
 * was called, because the other side left; after that it must not be used. One that had left before
 * xos_call_begin is told to `gone` too, from the loop; until then events fail. */
void xos_call_begin(struct xos_call *call, struct xos_slice body,
                    void (*gone)(void *arg, struct xos_call *call), void *arg);
int xos_call_event(struct xos_call *call, struct xos_slice body, struct xos_error *err);
void xos_call_last(struct xos_call *call, struct xos_slice body); /* the final event */

/* … or with the connection itself, which becomes the handler's (NULL: the caller left); the call is
 * gone after it. */
struct xos_conn *xos_call_answer_stream(struct xos_call *call, struct xos_slice body);

/* ---- calling ----------------------------------------------------------------------------------
 */

/* result->code is XOS_NONE for an answer; body is borrowed for the call. */
typedef void (*xos_answer_f)(void *arg, const struct xos_error *result, struct xos_slice body);

struct xos_pending; /* a call that waits for its answer; gone once the callback was called */

/* Ask another node, or this one; `out` may be NULL. body is copied, verb borrowed until the answer.
 * A stream verb is XOS_UNSUPPORTED here: it needs a connection. */
int xos_rpc_call(struct xos_rpc *rpc, struct xos_pending **out, const char *node, const char *verb,
                 struct xos_slice body, uint64_t timeout_ms, xos_answer_f answered, void *arg,
                 struct xos_error *err);
void xos_rpc_cancel(struct xos_pending *p);

#endif
