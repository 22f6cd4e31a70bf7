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
 *   ask       one question that is waited for
 *   list      a listing of jobs
 *   login     who this program acts for: the agent, and logging in and out
 *   proof     whose signature an answer bears
 *
 * One connection carries one call, so that a slow reader of one unit's output holds back that unit
 * and nothing else. Whatever breaks, the state that counts is here: the sequence of the last event
 * seen, the offset of the last byte of output handed out, the input not yet acknowledged, and the
 * operation id under which the job was submitted. A new connection continues from them. */
#include "client/client.h"

#include "client/ask.h"
#include "client/backoff.h"
#include "client/login.h"
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

/* The first words with xosd */

static int text_take(ProtobufCBinaryData from, char to[static XOS_HEADER_NAME_MAX],
                     struct xos_error *err)
{
    if (from.len == 0 || from.len >= XOS_HEADER_NAME_MAX || memchr(from.data, 0, from.len))
        return xos_fail(err, XOS_PROTOCOL, "the node's name is empty, too long or not text");
    memcpy(to, from.data, from.len);
    to[from.len] = '\0';
    return 0;
}

static int hello_take(struct xos_client *c, const struct xos_buf *body, struct xos_error *err)
{
    Xos__Node__HelloPb *m =
        xos_pb_unpack(&xos__node__hello_pb__descriptor, (struct xos_slice){body->data, body->len},
                      4096, XOS_PB_TOLERANT, err);
    int rc = m ? 0 : -1;
    if (m && m->protocol != XOS_PROTOCOL_VERSION)
        rc = xos_fail(err, XOS_VERSION, "xosd speaks protocol %u, this program %u: upgrade one",
                      m->protocol, XOS_PROTOCOL_VERSION);
    if (rc == 0)
        rc = text_take(m->node, c->node, err);
    if (rc == 0)
        rc = text_take(m->institution, c->institution, err);
    if (m) {
        c->federated = m->federated != 0;
        c->nodes = m->nodes;
    }
    xos_pb_free(m);
    return rc;
}

static int hello_once(struct xos_client *c, bool *lost, struct xos_error *err)
{
    struct client_request request = {.verb = "node.hello", .to_node = "", .to_institution = ""};
    struct xos_buf body = XOS_BUF(4096);
    uint64_t deadline = client_pollset_now_ms(c->poll) + CLIENT_HELLO_MS_MAX;
    int rc = client_ask(c, &request, deadline, &body, lost, err);
    if (rc == 0)
        rc = hello_take(c, &body, err);
    xos_buf_free(&body);
    return rc;
}

static int hello(struct xos_client *c, struct xos_error *err)
{
    struct client_backoff backoff = {0};
    bool lost;
    while (hello_once(c, &lost, err) < 0) {
        uint64_t wait =
            client_backoff_next(&backoff, client_pollset_now_ms(c->poll), CLIENT_HELLO_MS_MAX);
        if (!lost)
            return -1;
        if (wait == UINT64_MAX)
            return xos_wrap(err, "xosd does not run here (systemctl start xosd, or xos sandbox up "
                                 "and its XOS_SOCKET)");
        if (client_pollset_dispatch(c->poll, (int)wait, err) < 0)
            return -1;
    }
    return 0;
}

/* Where nothing is signed, nothing can be checked: nobody who has a login is led there by what an
 * xosd says of itself. */
static int check_alone(const struct xos_client *c, struct xos_error *err)
{
    if (c->federated || (!c->signer && c->no_login.code != XOS_DENIED))
        return 0;
    return xos_fail(
        err, XOS_DENIED,
        "node %s says that it stands alone, where nothing is signed, but you are logged "
        "in: name your own node with XOS_SOCKET, or run xos logout first",
        c->node);
}

/* The client */

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
    client_login_read(c);
    if (check_alone(c, &err) < 0) {
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
    client_login_free(c);
    client_pollset_free(c->poll);
    xos_free(c->socket);
    xos_free(c);
}

/* "climate", "climate@inria", "vo:climate@inria/prod:runner"; a missing part is one's own. */
static int act(struct xos_client *c, const char *vo, struct xos_error *err)
{
    const char *name = strncmp(vo, "vo:", 3) == 0 ? vo + 3 : vo;
    const char *slash = strchr(name, '/');
    int len = slash ? (int)(slash - name) : (int)strlen(name);
    bool full = memchr(name, '@', (size_t)len) != NULL;
    int n = 0;
    if (len > 0)
        n = snprintf(c->vo, sizeof(c->vo), "vo:%.*s%s%s", len, name, full ? "" : "@",
                     full ? "" : client_home(c));
    else
        c->vo[0] = '\0';
    int role = snprintf(c->role, sizeof(c->role), "%s", slash ? slash + 1 : "");
    c->chosen = true;
    if (len > 0 && !c->federated)
        return xos_fail(err, XOS_UNSUPPORTED, "--vo %.60s: node %s stands alone and knows no VO",
                        vo, c->node);
    if (n < (int)sizeof(c->vo) && role < (int)sizeof(c->role))
        return 0;
    c->vo[0] = c->role[0] = '\0';
    return xos_fail(err, XOS_LIMIT, "XOS_HEADER_NAME_MAX: the name \"%.40s…\" is too long", vo);
}

int xos_client_act(struct xos_client *c, const char *vo, struct xos_fault *fault)
{
    struct xos_error err = {0};
    return act(c, vo, &err) < 0 ? client_fault(fault, &err) : 0;
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

unsigned xos_client_nodes(const struct xos_client *c)
{
    return c->nodes;
}

const char *xos_client_release(void)
{
    return xos_version;
}

/* Words that people type */

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
