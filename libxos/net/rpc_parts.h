// SPDX-License-Identifier: Apache-2.0
/* rpc_parts.h - calls that are served (rpc.c) and calls that are made (rpc_call.c). Between these
 * two only; users see rpc.h. */
#ifndef XOS_NET_RPC_PARTS_H
#define XOS_NET_RPC_PARTS_H

#include "libxos/net/refusals.h"
#include "libxos/net/rpc.h"

struct xos_pending {
    struct xos_rpc *rpc;
    struct xos_timer *deadline;
    struct xos_task deliver; /* the answer is here */
    struct xos_error result;
    struct xos_buf body;
    struct xos_call *call; /* being served by this very node */
    struct xos_dial *dial; /* another node is being reached */
    struct xos_conn *conn; /* … and was */
    char node[XOS_HEADER_NAME_MAX];
    uint8_t request_sha256[XOS_HASH_BYTES];
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
    const struct xos_key *key; /* NULL: nothing is signed */
    const struct xos_slice *chain;
    size_t chain_count;
    struct served verbs[XOS_RPC_VERBS_MAX];
    size_t verb_count;
    struct knock *knocks;
    struct xos_call *calls;
    struct xos_pending *pendings;
    size_t knock_count, call_count, pending_count;
    struct xos_refusals refusals;
};

uint64_t rpc_now_ms(const struct xos_rpc *rpc);
const struct served *rpc_verb(const struct xos_rpc *rpc, const char *name);

/* Serve a request of this very node: its answer goes to p, from the loop. */
int rpc_serve_own(struct xos_rpc *rpc, struct xos_pending *p, const char *verb,
                  struct xos_slice body, struct xos_error *err);

void rpc_pending_free(struct xos_pending *p);

#endif
