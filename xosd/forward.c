// SPDX-License-Identifier: Apache-2.0
#include "xosd/forward.h"

#include "libxos/base/alloc.h"

#include <string.h>
#include <utlist.h>

/* Room for two of the largest frames. A connection tells of room when less than half of that is in
 * use: who is stopped only above it is always told. */
#define FORWARD_OUTPUT_BYTES (2 * XOS_ENVELOPE_BYTES_MAX + 1024)
#define FORWARD_PAUSE_BYTES (XOS_ENVELOPE_BYTES_MAX + 256)

/* Two connections, each of which gets what the other one brings. */
struct splice {
    struct forward *forward;
    struct xos_call *call; /* until the other node is reached */
    struct xos_dial *dial;
    struct xos_conn *near, *far;
    struct splice *prev, *next;
};

struct forward {
    const struct xos_dialler *dialler;
    const char *(*head)(void *arg, const char *institution);
    void *arg;
    struct splice *splices;
    size_t count;
};

static void splice_free(struct splice *s)
{
    struct forward *f = s->forward;
    if (s->dial)
        f->dialler->cancel(f->dialler->arg, s->dial);
    DL_DELETE(f->splices, s);
    f->count--;
    xos_free(s);
}

static struct xos_conn *other(const struct splice *s, const struct xos_conn *conn)
{
    return conn == s->near ? s->far : s->near;
}

/* The side that is left says what it still has to say, and goes. */
static void splice_end(struct splice *s, struct xos_conn *gone)
{
    struct xos_conn *left = other(s, gone);
    splice_free(s);
    xos_conn_free(gone);
    xos_conn_finish(left);
}

/* Who reads slowly stops the writer, as on one long cable. */
static void on_frame(void *arg, struct xos_conn *conn, struct xos_slice frame)
{
    struct splice *s = arg;
    struct xos_conn *to = other(s, conn);
    struct xos_error err;
    if (xos_conn_send(to, frame, &err) < 0)
        splice_end(s, conn);
    else if (xos_conn_room(to) < FORWARD_PAUSE_BYTES)
        xos_conn_pause(conn, true);
}

static void on_room(void *arg, struct xos_conn *conn)
{
    struct splice *s = arg;
    xos_conn_pause(other(s, conn), false);
}

static void on_close(void *arg, struct xos_conn *conn, const struct xos_error *why)
{
    struct splice *s = arg;
    (void)why;
    splice_end(s, conn);
}

static const struct xos_conn_ops ops = {
    .on_frame = on_frame, .on_room = on_room, .on_close = on_close};

static void on_dialled(void *arg, struct xos_conn *conn, const struct xos_error *why)
{
    struct splice *s = arg;
    struct xos_call *call = s->call;
    s->dial = NULL;
    s->call = NULL;
    if (!conn) {
        splice_free(s);
        xos_call_fail(call, why);
        return;
    }
    s->far = conn;
    s->near = xos_call_hand_over(call);
    if (!s->near) { /* the caller did not wait */
        splice_free(s);
        xos_conn_free(conn);
        return;
    }
    xos_conn_widen(s->near, FORWARD_OUTPUT_BYTES);
    xos_conn_hand_over(s->near, &ops, s);
}

static int splice_begin(struct forward *f, struct xos_call *call, const char *node,
                        struct xos_slice frame, struct xos_error *err)
{
    if (f->count >= FORWARD_MAX)
        return xos_fail(err, XOS_LIMIT, "FORWARD_MAX: %d requests are on their way to other nodes",
                        FORWARD_MAX);
    struct splice *s = xos_alloc(sizeof(*s));
    if (!s)
        return xos_fail(err, XOS_NOMEM, "request for %s", node);
    s->forward = f;
    s->call = call;
    DL_APPEND(f->splices, s);
    f->count++;
    const struct xos_conn_config config = {.frame_max = XOS_ENVELOPE_BYTES_MAX,
                                           .output_max = FORWARD_OUTPUT_BYTES,
                                           .ops = &ops,
                                           .arg = s};
    if (f->dialler->dial(f->dialler->arg, &s->dial, node, frame, &config, on_dialled, s, err) == 0)
        return 0;
    splice_free(s);
    return -1;
}

/* What proves itself may go unsigned; the rest would be refused there. */
static bool may_go(const struct xos_request *r, bool is_signed)
{
    return is_signed || strncmp(r->verb, "ca.", 3) == 0 || strcmp(r->verb, "node.hello") == 0;
}

void forward_take(struct forward *f, struct xos_call *call, const struct xos_request *request,
                  bool is_signed, struct xos_slice frame)
{
    struct xos_error err = {0};
    const char *node =
        request->to_node[0] ? request->to_node : f->head(f->arg, request->to_institution);
    int rc = -1;
    if (!may_go(request, is_signed))
        xos_fail(&err, XOS_NO_LOGIN, "not logged in: run `xos login`");
    else if (!node)
        xos_fail(&err, XOS_UNAVAILABLE, "no head of %s is in reach now: `xnodes` lists who is",
                 request->to_institution);
    else
        rc = splice_begin(f, call, node, frame, &err);
    if (rc < 0)
        xos_call_fail(call, &err);
}

int forward_new(struct forward **out, const struct xos_dialler *dialler,
                const char *(*head)(void *arg, const char *institution), void *arg,
                struct xos_error *err)
{
    struct forward *f = xos_alloc(sizeof(*f));
    if (!f)
        return xos_fail(err, XOS_NOMEM, "forwarding");
    *f = (struct forward){.dialler = dialler, .head = head, .arg = arg};
    *out = f;
    return 0;
}

void forward_free(struct forward *f)
{
    if (!f)
        return;
    while (f->splices) {
        struct splice *s = f->splices;
        xos_conn_free(s->near);
        xos_conn_free(s->far);
        splice_free(s);
    }
    xos_free(f);
}
