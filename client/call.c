// SPDX-License-Identifier: Apache-2.0
#include "client/call.h"

#include "client/client.h"
#include "client/proof.h"
#include "libxos/base/alloc.h"

#include <inttypes.h>
#include <string.h>

#define CALL_STREAM_OUTPUT_BYTES ((size_t)256 << 10)

struct client_call {
    struct xos_client *client;
    struct client_channel *link;
    struct client_timer late; /* tells of a connection that could not be made */
    struct xos_error why;
    const struct client_call_ops *ops;
    void *arg;
    char to_node[XOS_HEADER_NAME_MAX];
    char to_institution[XOS_HEADER_NAME_MAX];
    bool is_signed; /* so must be the answer */
    struct client_answerer answerer;
    uint8_t sha256[XOS_HASH_BYTES];
    uint64_t sequence; /* of the answer (0) or event that comes next */
    bool last;         /* nothing follows but the stream */
    bool ended;
};

static void call_end(struct client_call *c, enum call_end end, const struct xos_error *why)
{
    if (c->ended)
        return;
    struct xos_error copy = *why; /* the owner may free the call, and why with it */
    c->ended = true;
    c->ops->on_end(c->arg, end, &copy);
}

/* What came is not what this protocol says: this connection is of no more use. Nor is asking again,
 * when somebody answers who may not. */
static void call_broken(struct client_call *c, const struct xos_error *why)
{
    client_channel_free(c->link);
    c->link = NULL;
    call_end(c, why->code == XOS_DENIED ? CALL_END_REFUSED : CALL_END_LOST, why);
}

static int envelope_check(struct client_call *c, const struct xos_envelope *e, struct xos_answer *a,
                          struct xos_error *err)
{
    enum xos_envelope_kind wanted = c->sequence ? XOS_ENVELOPE_EVENT : XOS_ENVELOPE_ANSWER;
    if (e->kind != wanted)
        return xos_fail(err, XOS_PROTOCOL, "a message of kind %d instead of %d", (int)e->kind,
                        (int)wanted);
    if (xos_answer_decode(a, e->header, err) < 0)
        return -1;
    /* A refusal may come from a node on the way. */
    const char *from = c->to_node[0] && a->code == XOS_NONE ? c->to_node : NULL;
    if (xos_answer_check(a, c->sha256, from, e->body, err) < 0)
        return -1;
    if (a->sequence != c->sequence)
        return xos_fail(err, XOS_PROTOCOL, "event %" PRIu64 " instead of %" PRIu64, a->sequence,
                        c->sequence);
    const struct client_asked asked = {c->to_node, c->to_institution};
    return c->is_signed ? client_proof_check(c->client, &c->answerer, e, a, &asked, err) : 0;
}

static void call_take(struct client_call *c, const struct xos_envelope *e,
                      const struct xos_answer *a)
{
    struct xos_error why = {0};
    if (a->code != XOS_NONE) {
        xos_fail(&why, a->code, "%.*s", (int)(e->body.len < 480 ? e->body.len : 480),
                 e->body.len ? (const char *)e->body.data : "");
        call_end(c, CALL_END_REFUSED, &why);
        return;
    }
    c->sequence++;
    c->last = a->last;
    if (a->sequence == 0)
        c->ops->on_answer(c->arg, e->body);
    else
        c->ops->on_event(c->arg, e->body);
}

static void on_frame(void *arg, struct xos_slice frame)
{
    struct client_call *c = arg;
    struct xos_error err = {0};
    struct xos_envelope e = {0};
    struct xos_answer a;
    if (c->ended)
        return;
    if (c->last && c->ops->on_stream) {
        c->ops->on_stream(c->arg, frame);
        return;
    }
    if (c->last || (c->sequence && !c->ops->on_event))
        xos_fail(&err, XOS_PROTOCOL, "a message after the last one");
    if (err.code || xos_envelope_decode(&e, frame, &err) < 0 || envelope_check(c, &e, &a, &err) < 0)
        call_broken(c, &err);
    else
        call_take(c, &e, &a);
    xos_envelope_free(&e);
}

static void on_room(void *arg)
{
    struct client_call *c = arg;
    if (c->last && c->ops->on_room)
        c->ops->on_room(c->arg);
}

static void on_close(void *arg, const struct xos_error *why)
{
    struct client_call *c = arg;
    struct xos_error lost = *why;
    bool orderly = c->last && why->code == XOS_NONE;
    if (lost.code == XOS_NONE)
        xos_fail(&lost, XOS_UNAVAILABLE, "xosd closed the connection");
    call_end(c, orderly ? CALL_END_ORDERLY : CALL_END_LOST, &lost);
}

static const struct client_channel_ops channel_ops = {
    .on_frame = on_frame, .on_room = on_room, .on_close = on_close};

static void on_late(void *arg)
{
    struct client_call *c = arg;
    call_end(c, CALL_END_LOST, &c->why);
}

/* The opening frame must fit, and afterwards a stream's own. */
static int call_open(struct client_call *c, struct xos_slice frame, struct xos_error *err)
{
    size_t output = frame.len > CALL_STREAM_OUTPUT_BYTES ? frame.len : CALL_STREAM_OUTPUT_BYTES;
    if (client_channel_open(&c->link, c->client->poll, c->client->socket, XOS_ENVELOPE_BYTES_MAX,
                            output, &channel_ops, c, &c->why) == 0)
        (void)client_channel_send(c->link, frame, &c->why);
    if (c->why.code == XOS_NOMEM) {
        *err = c->why;
        return -1;
    }
    if (!c->link)
        client_timer_set(&c->late, 0);
    return 0;
}

/* What anybody may ask is not signed: it is asked before there is a login. */
static bool is_open(const char *verb)
{
    return strcmp(verb, "node.hello") == 0 || strcmp(verb, "node.status") == 0 ||
           strncmp(verb, "ca.", 3) == 0;
}

int client_call_begin(struct client_call **out, struct xos_client *client,
                      const struct client_request *request, const struct client_call_ops *ops,
                      void *arg, struct xos_error *err)
{
    struct xos_buf frame = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    struct client_request acting = *request;
    const struct request_signer *signer = is_open(request->verb) ? NULL : client->signer;
    if (client->federated && !signer && !is_open(request->verb))
        return xos_fail(err, client->no_login.code, "%s", client->no_login.text);
    struct client_call *c = xos_alloc(sizeof(*c));
    if (!c)
        return xos_fail(err, XOS_NOMEM, "request %s", request->verb);
    if (!is_open(request->verb)) {
        acting.vo = client->vo;
        acting.role = client->role;
    }
    *c = (struct client_call){.client = client,
                              .late = {.poll = client->poll, .expired = on_late, .arg = c},
                              .is_signed = signer != NULL,
                              .ops = ops,
                              .arg = arg};
    memcpy(c->to_institution, request->to_institution,
           strnlen(request->to_institution, sizeof(c->to_institution) - 1));
    memcpy(c->to_node, request->to_node, strnlen(request->to_node, sizeof(c->to_node) - 1));
    int rc = client_request_build(&acting, signer, client_pollset_env(client->poll), &frame,
                                  c->sha256, err);
    if (rc == 0)
        rc = call_open(c, (struct xos_slice){frame.data, frame.len}, err);
    xos_buf_free(&frame);
    if (rc < 0) {
        client_call_free(c);
        return -1;
    }
    *out = c;
    return 0;
}

void client_call_free(struct client_call *c)
{
    if (!c)
        return;
    client_timer_off(&c->late);
    client_channel_free(c->link);
    xos_free(c);
}

int client_call_send(struct client_call *c, struct xos_slice frame, struct xos_error *err)
{
    if (!c->last || c->ended || !c->link)
        return xos_fail(err, XOS_UNAVAILABLE, "not connected");
    return client_channel_send(c->link, frame, err);
}

size_t client_call_room(const struct client_call *c)
{
    return c->last && !c->ended && c->link ? client_channel_room(c->link) : 0;
}

void client_call_pause(struct client_call *c, bool paused)
{
    if (c->link)
        client_channel_pause(c->link, paused);
}
