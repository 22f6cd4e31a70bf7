// SPDX-License-Identifier: Apache-2.0
/* rpc.h - requests and answers: who may ask is decided once, in one place, before any handler.
 *
 * A request comes on a connection of its own (a local client's, or a stream from another node), or
 * from this very node; a handler cannot tell. It is looked up by its verb: an
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

/* What of others policy lets the caller do the same to as to its own. */
enum xos_reach {
    XOS_REACH_OWN, /* nothing */
    XOS_REACH_VO,  /* what was made for the VO that it acts for */
    XOS_REACH_ALL,
};

struct xos_caller {
    enum xos_caller_kind kind;
    char name[XOS_HEADER_NAME_MAX]; /* alice@inria, n1.inria */
    char vo[XOS_HEADER_NAME_MAX];
    char role[XOS_HEADER_NAME_MAX];
    uid_t uid; /* of a local process */
    enum xos_reach reach;
};

/* May it touch what this user has, who acted for this VO (empty: for none)? */
bool xos_caller_reaches(const struct xos_caller *caller, const char *owner, const char *vo);

struct xos_call; /* one request that is being served */

typedef void (*xos_serve_f)(void *service, struct xos_call *call);

enum xos_verb_flags {
    XOS_VERB_OPEN = 1,   /* a local process without a login may ask */
    XOS_VERB_NODE = 2,   /* only nodes may ask */
    XOS_VERB_STREAM = 4, /* needs a connection; it goes on after the answer */
    XOS_VERB_PROVEN = 8, /* the proof is in the body: anybody may ask, from anywhere, unsigned */
    XOS_VERB_HEAD = 16,  /* of nodes, only heads may ask */
    XOS_VERB_ONCE = 32,  /* doing it twice is not doing it once: a request that was made before this
                            process began may have been served, and is refused */
};

struct xos_verb {
    const char *name; /* "job.submit"; also the verb of the policy */
    xos_serve_f serve;
    unsigned flags;
};

/* Who is it? Sets *out, or refuses. `request` is NULL for an unsigned request; `peer` for one that
 * does not come from a process of this machine. */
typedef int (*xos_gate_f)(void *arg, const struct xos_verb *verb, const struct xos_envelope *e,
                          const struct xos_request *request, const struct xos_peer *peer,
                          struct xos_caller *out, struct xos_error *err);

/* A way to another node, being sought. */
struct xos_dial;
/* A connection of its own on which the frame was sent, or NULL and why not. */
typedef void (*xos_dialled_f)(void *arg, struct xos_conn *conn, const struct xos_error *why);

/* How this node reaches others. */
struct xos_dialler {
    void *arg;
    /* Send one frame (copied) on a new connection to a node; `done` comes once, from the loop,
     * unless it was cancelled. */
    int (*dial)(void *arg, struct xos_dial **out, const char *node, struct xos_slice frame,
                const struct xos_conn_config *config, xos_dialled_f done, void *done_arg,
                struct xos_error *err);
    void (*cancel)(void *arg, struct xos_dial *dial);
    /* Is this answer's signature that of the node that it names? */
    int (*verify)(void *arg, const struct xos_envelope *e, const struct xos_answer *a,
                  struct xos_error *err);
};

struct xos_rpc_config {
    const char *node;        /* "n1.inria" */
    const char *institution; /* "inria" */
    bool head;               /* requests for any head of the institution are ours */
    struct xos_id boot_id;   /* of this run of the process */
    xos_gate_f gate;
    /* A local process's request for another node, as it came (frame borrowed): ends in
     * xos_call_fail or xos_call_hand_over, now or later. Who signed it is for the other node to
     * check. NULL: refused. */
    void (*forward)(void *arg, struct xos_call *call, const struct xos_request *request,
                    bool is_signed, struct xos_slice frame);
    void *arg;
    const struct xos_dialler *dialler; /* borrowed; NULL: there are no other nodes */
};

struct xos_rpc;
int xos_rpc_new(struct xos_rpc **out, struct xos_loop *loop, const struct xos_rpc_config *config,
                struct xos_error *err);
void xos_rpc_free(struct xos_rpc *rpc);

/* Offer verbs. The table is borrowed. */
int xos_rpc_serve(struct xos_rpc *rpc, const struct xos_verb *verbs, size_t count, void *service,
                  struct xos_error *err);

/* What signs answers and this node's own requests; everything is borrowed, until it is called
 * again. Without it neither is signed. */
void xos_rpc_identity(struct xos_rpc *rpc, const struct xos_key *key, const struct xos_slice *chain,
                      size_t chain_count);

/* A new connection with one request on it; takes fd. peer is NULL for one that is not local. */
void xos_rpc_take(struct xos_rpc *rpc, int fd, const struct xos_peer *peer);
/* The same of a stream that another node has opened, with what came along; takes it. */
void xos_rpc_take_stream(struct xos_rpc *rpc, struct xos_stream *stream, struct xos_slice first);

/* Serving */

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

/* Of a request that is forwarded: its connection (NULL: the caller left); the call is gone. */
struct xos_conn *xos_call_hand_over(struct xos_call *call);

/* Calling */

/* result->code is XOS_NONE for an answer; body is borrowed for the call. */
typedef void (*xos_answer_f)(void *arg, const struct xos_error *result, struct xos_slice body);

struct xos_pending; /* a call that waits for its answer; gone once the callback was called */

/* Ask another node, or this one; `out` may be NULL. body is copied, verb borrowed until the answer.
 * A stream verb is XOS_UNSUPPORTED here: it needs a connection. All that services ask of one
 * another may be asked twice, so that each request carries an operation id. */
int xos_rpc_call(struct xos_rpc *rpc, struct xos_pending **out, const char *node, const char *verb,
                 struct xos_slice body, uint64_t timeout_ms, xos_answer_f answered, void *arg,
                 struct xos_error *err);
void xos_rpc_cancel(struct xos_pending *p);

#endif
