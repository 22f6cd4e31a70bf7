// SPDX-License-Identifier: Apache-2.0
/* call.h - one request on a connection of its own, and what comes back.
 *
 * An answer, then events in their order without a gap, or (a stream verb that hands the connection
 * over) frames of the verb's own. Everything that comes is held against the request's hash. How a
 * call ends is told once; whether to ask again is the owner's to say. */
#ifndef XOS_CLIENT_CALL_H
#define XOS_CLIENT_CALL_H

#include "client/channel.h"
#include "client/request.h"

struct xos_client;
struct client_call;

enum call_end {
    CALL_END_NONE,
    CALL_END_ORDERLY, /* nothing follows */
    CALL_END_REFUSED, /* the other side says why */
    CALL_END_LOST,    /* the connection went before that, or was never made */
};

/* The owner may free the call in any of them. */
struct client_call_ops {
    void (*on_answer)(void *arg, struct xos_slice body);
    void (*on_event)(void *arg, struct xos_slice body);  /* NULL: none is expected */
    void (*on_stream)(void *arg, struct xos_slice body); /* frames after the answer, or NULL */
    void (*on_room)(void *arg);                          /* of a stream; may be NULL */
    void (*on_end)(void *arg, enum call_end end, const struct xos_error *why);
};

/* A connection that cannot be made is told by on_end, from the loop; only what is wrong here
 * (memory, a request that is too large) fails at once. The request is copied. */
int client_call_begin(struct client_call **out, struct xos_client *client,
                      const struct client_request *request, const struct client_call_ops *ops,
                      void *arg, struct xos_error *err);
void client_call_free(struct client_call *c);

/* The frames of a stream verb, after its answer. */
int client_call_send(struct client_call *c, struct xos_slice frame, struct xos_error *err);
size_t client_call_room(const struct client_call *c); /* 0 before the answer */
void client_call_pause(struct client_call *c, bool paused);

#endif
