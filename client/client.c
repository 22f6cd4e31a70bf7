// SPDX-License-Identifier: Apache-2.0
/* client.c - the library behind <xos.h>, from the ground up:
 *
 *   pollset   descriptors and timers behind one descriptor
 *   channel   frames over one connection to xosd's socket
 *   request   how a request is made and signed: the only file that knows about signing
 *   call      one request and what comes back, checked against the request's hash
 *   backoff   when to ask again
 *   window    the bytes of a standard input that are not yet taken (pure)
 *   stream    the streams of one unit: attach, resume by offsets, hand out, acknowledge
 *   job       run or watch a job: its events in order, a stream for each of its units
 *   signal    ask for a signal to be sent
 *   list      ask for a listing, and wait for it
 *
 * One connection carries one call, so that a slow reader of one unit's output holds back that unit
 * and nothing else. Whatever breaks, the state that counts is here: the sequence of the last event
 * seen, the offset of the last byte of output handed out, the input not yet acknowledged, and the
 * operation id under which the job was submitted. A new connection continues from them. */
#include "client/client.h"

#include "client/backoff.h"
#include "client/call.h"
#include "client/xos.h"
#include "libxos/base/alloc.h"
#include "libxos/base/suggest.h"
#include "libxos/base/units.h"
#include "libxos/base/version.h"
#include "libxos/wire/pb.h"
#include "xosd/xosd.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)XOS_FAULT_NO_LOGIN == (int)XOS_NO_LOGIN, "one numbering");
_Static_assert((int)XOS_FAULT_UNAVAILABLE == (int)XOS_UNAVAILABLE, "one numbering");
_Static_assert((int)XOS_FAULT_INTERNAL == (int)XOS_INTERNAL, "one numbering");
_Static_assert(sizeof(((struct xos_fault *)0)->text) == XOS_ERROR_TEXT_MAX, "one size");

int client_fault(struct xos_fault *fault, const struct xos_error *err)
{
    if (fault) {
        fault->code = (int)err->code;
        memcpy(fault->text, err->text, sizeof(fault->text));
    }
    return -1;
}

const char *client_home(const struct xos_client *client)
{
    return client->signer ? client->signer->institution : client->institution;
}

int client_operation(struct xos_client *client, struct xos_id *out, struct xos_error *err)
{
    return xos_env_random(client_pollset_env(client->poll), out->bytes, XOS_ID_BYTES, err);
}

/* ---- the first words with xosd -----------------------------------------------------------------
 */

struct hello {
    struct xos_client *client;
    struct client_call *call;
    enum call_end end;
    struct xos_error why;
};

static int text_take(ProtobufCBinaryData from, char to[static XOS_HEADER_NAME_MAX],
                     struct xos_error *err)
{
    if (from.len == 0 || from.len >= XOS_HEADER_NAME_MAX || memchr(from.data, 0, from.len))
        return xos_fail(err, XOS_PROTOCOL, "the node's name is empty, too long or not text");
    memcpy(to, from.data, from.len);
    to[from.len] = '\0';
    return 0;
}

static void on_hello(void *arg, struct xos_slice body)
{
    struct hello *h = arg;
    Xos__Node__HelloPb *m =
        xos_pb_unpack(&xos__node__hello_pb__descriptor, body, 4096, XOS_PB_TOLERANT, &h->why);
    if (m && m->protocol != XOS_PROTOCOL_VERSION)
        xos_fail(&h->why, XOS_VERSION, "xosd speaks protocol %u, this program %u: upgrade one",
                 m->protocol, XOS_PROTOCOL_VERSION);
    else if (m && text_take(m->node, h->client->node, &h->why) == 0)
        (void)text_take(m->institution, h->client->institution, &h->why);
    xos_pb_free(m);
    h->end = h->why.code ? CALL_END_REFUSED : CALL_END_ORDERLY;
}

static void on_hello_end(void *arg, enum call_end end, const struct xos_error *why)
{
    struct hello *h = arg;
    if (h->end != CALL_END_NONE)
        return;
    h->end = end;
    h->why = *why;
}

static const struct client_call_ops hello_ops = {.on_answer = on_hello, .on_end = on_hello_end};

/* Drive the client's own loop until the one call has ended. */
static int hello_once(struct hello *h, struct xos_error *err)
{
    struct xos_client *c = h->client;
    struct client_request request = {.verb = "node.hello", .to_node = "", .to_institution = ""};
    uint64_t deadline = client_pollset_now_ms(c->poll) + CLIENT_HELLO_MS_MAX, now;
    h->end = CALL_END_NONE;
    h->why = (struct xos_error){0};
    if (client_operation(c, &request.operation_id, err) < 0 ||
        client_call_begin(&h->call, c, &request, &hello_ops, h, err) < 0)
        return -1;
    while (h->end == CALL_END_NONE && (now = client_pollset_now_ms(c->poll)) < deadline)
        if (client_pollset_dispatch(c->poll, (int)(deadline - now), err) < 0)
            break;
    client_call_free(h->call);
    h->call = NULL;
    if (h->end == CALL_END_NONE) {
        h->end = CALL_END_LOST;
        return xos_fail(err, XOS_TIMEOUT, "xosd at %s does not answer", c->socket);
    }
    if (h->end != CALL_END_ORDERLY)
        *err = h->why;
    return h->end == CALL_END_ORDERLY ? 0 : -1;
}

static int hello(struct xos_client *c, struct xos_error *err)
{
    struct hello h = {.client = c};
    struct client_backoff backoff = {0};
    while (hello_once(&h, err) < 0) {
        uint64_t wait =
            client_backoff_next(&backoff, client_pollset_now_ms(c->poll), CLIENT_HELLO_MS_MAX);
        if (h.end != CALL_END_LOST)
            return -1;
        if (wait == UINT64_MAX)
            return xos_wrap(err, "xosd does not run here (systemctl start xosd, or xos sandbox up "
                                 "and its XOS_SOCKET)");
        if (client_pollset_dispatch(c->poll, (int)wait, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- the client --------------------------------------------------------------------------------
 */

int xos_client_new(struct xos_client **out, const char *socket, struct xos_fault *fault)
{
    struct xos_error err = {0};
    struct xos_client *c = xos_alloc(sizeof(*c));
    const char *own = getenv("XOS_SOCKET");
    if (!c) {
        xos_fail(&err, XOS_NOMEM, "client");
        return client_fault(fault, &err);
    }
    c->socket = xos_strdup(socket ? socket : own && own[0] ? own : CLIENT_SOCKET);
    if (!c->socket)
        xos_fail(&err, XOS_NOMEM, "client");
    if (err.code || client_pollset_new(&c->poll, xos_env_posix(), &err) < 0 || hello(c, &err) < 0) {
        xos_client_free(c);
        return client_fault(fault, &err);
    }
    *out = c;
    return 0;
}

void xos_client_free(struct xos_client *c)
{
    if (!c)
        return;
    client_signals_free(c);
    client_jobs_free(c);
    client_pollset_free(c->poll);
    xos_free(c->socket);
    xos_free(c);
}

int xos_client_act(struct xos_client *c, const char *vo, struct xos_fault *fault)
{
    struct xos_error err = {0};
    if (strlen(vo) >= sizeof(c->vo)) {
        xos_fail(&err, XOS_LIMIT, "XOS_HEADER_NAME_MAX: the name \"%.40s…\" is too long", vo);
        return client_fault(fault, &err);
    }
    (void)snprintf(c->vo, sizeof(c->vo), "%s", vo);
    return 0;
}

int xos_client_fd(const struct xos_client *c)
{
    return client_pollset_fd(c->poll);
}

int xos_client_dispatch(struct xos_client *c, int timeout_ms, struct xos_fault *fault)
{
    struct xos_error err = {0};
    return client_pollset_dispatch(c->poll, timeout_ms, &err) < 0 ? client_fault(fault, &err) : 0;
}

const char *xos_client_node(const struct xos_client *c)
{
    return c->node;
}

const char *xos_client_institution(const struct xos_client *c)
{
    return client_home(c);
}

const char *xos_client_release(void)
{
    return xos_version;
}

/* ---- words that people type --------------------------------------------------------------------
 */

int xos_client_parse_size(const char *text, uint64_t *bytes, struct xos_fault *fault)
{
    struct xos_error err = {0};
    return xos_parse_size(text, bytes, &err) < 0 ? client_fault(fault, &err) : 0;
}

int xos_client_parse_duration(const char *text, uint64_t *ms, struct xos_fault *fault)
{
    struct xos_error err = {0};
    return xos_parse_duration(text, ms, &err) < 0 ? client_fault(fault, &err) : 0;
}

int xos_client_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *value,
                            struct xos_fault *fault)
{
    struct xos_error err = {0};
    return xos_parse_u64(text, min, max, value, &err) < 0 ? client_fault(fault, &err) : 0;
}

static int parse_job(const struct xos_client *c, const char *text, char id[static XOS_JOB_ID_BYTES],
                     uint32_t *unit, struct xos_error *err)
{
    char institution[XOS_HEADER_NAME_MAX];
    size_t digits = strspn(text, "0123456789");
    const char *dot = strrchr(text, '.');
    uint64_t number = XOS_ALL_UNITS;
    size_t len = dot ? (size_t)(dot - text) : strlen(text);
    if (dot && xos_parse_u64(dot + 1, 0, UINT32_MAX - 1, &number, err) < 0)
        return xos_wrap(err, "\"%.60s\" is not a unit (inria-1042.3 is one)", text);
    int n = digits == len && len
                ? snprintf(id, XOS_JOB_ID_BYTES, "%s-%.*s", client_home(c),
                           (int)(len < 64 ? len : 64), text)
                : snprintf(id, XOS_JOB_ID_BYTES, "%.*s", (int)(len < 256 ? len : 256), text);
    if (n >= XOS_JOB_ID_BYTES || client_institution_of_job(id, institution, err) < 0)
        return xos_fail(err, XOS_INVALID, "\"%.60s\" is not a job: inria-1042 or inria-1042.3 is",
                        text);
    *unit = (uint32_t)number;
    return 0;
}

int xos_client_parse_job(const struct xos_client *c, const char *text, char id[XOS_JOB_ID_BYTES],
                         uint32_t *unit, struct xos_fault *fault)
{
    struct xos_error err = {0};
    return parse_job(c, text, id, unit, &err) < 0 ? client_fault(fault, &err) : 0;
}

const char *xos_client_suggest(const char *typed, const char *const *words, size_t count)
{
    return xos_suggest(typed, words, count, sizeof(*words));
}
