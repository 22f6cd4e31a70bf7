// SPDX-License-Identifier: Apache-2.0
#include "xosd/ca_pipe.h"

#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"
#include "vo-auth/ca.pb-c.h"

#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#define CA_PIPE_FRAME_BYTES_MAX (XOS_BODY_BYTES_MAX + 1024)

struct asked {
    struct xos_call *call;
    uint64_t id;
    struct asked *prev, *next;
};

struct ca_pipe {
    struct xos_loop *loop;
    const char *path;
    struct xos_conn *conn;
    struct asked *asked; /* the first to be answered in front */
    size_t count;
    uint64_t last_id;
};

static void asked_free(struct ca_pipe *p, struct asked *a)
{
    DL_DELETE(p->asked, a);
    p->count--;
    xos_free(a);
}

/* Every question that is under way can be asked again: each proof names a nonce, good for one. */
static void pipe_broke(struct ca_pipe *p, const struct xos_error *why)
{
    xos_conn_free(p->conn);
    p->conn = NULL;
    while (p->asked) {
        struct xos_call *call = p->asked->call;
        asked_free(p, p->asked);
        xos_call_fail(call, why);
    }
}

static void take_answer(struct ca_pipe *p, const Ca__Answer *m, struct xos_error *err)
{
    struct asked *a = p->asked;
    struct xos_error why = {0};
    if (!a || a->id != m->id) {
        xos_fail(err, XOS_PROTOCOL, "xos-ca: an answer to no question");
        return;
    }
    struct xos_call *call = a->call;
    asked_free(p, a);
    if (m->code == 0) {
        xos_call_answer(call, xos_pb_slice(m->body));
        return;
    }
    xos_fail(&why, (enum xos_code)m->code, "%.*s", (int)(m->text.len < 480 ? m->text.len : 480),
             m->text.len ? (const char *)m->text.data : "");
    xos_call_fail(call, &why);
}

static void on_frame(void *arg, struct xos_conn *conn, struct xos_slice frame)
{
    struct ca_pipe *p = arg;
    struct xos_error err = {0};
    Ca__Answer *m = xos_pb_unpack(&ca__answer__descriptor, frame, CA_PIPE_FRAME_BYTES_MAX,
                                  XOS_PB_TOLERANT, &err);
    (void)conn;
    if (m)
        take_answer(p, m, &err);
    xos_pb_free(m);
    if (err.code)
        pipe_broke(p, &err);
}

static void on_close(void *arg, struct xos_conn *conn, const struct xos_error *why)
{
    struct xos_error gone = *why;
    (void)conn;
    if (gone.code == XOS_NONE)
        xos_fail(&gone, XOS_UNAVAILABLE, "xos-ca went away: try again");
    gone.code = XOS_UNAVAILABLE;
    pipe_broke(arg, &gone);
}

static const struct xos_conn_ops ops = {.on_frame = on_frame, .on_close = on_close};

static int pipe_connect(struct ca_pipe *p, struct xos_error *err)
{
    const struct xos_conn_config config = {
        .frame_max = CA_PIPE_FRAME_BYTES_MAX, .ops = &ops, .arg = p};
    if (p->conn)
        return 0;
    int fd = xos_env_unix_connect(xos_loop_env(p->loop), p->path, SOCK_STREAM, err);
    if (fd < 0) {
        err->code = XOS_UNAVAILABLE;
        return xos_wrap(err, "xos-ca does not run on this head (systemctl start xos-ca)");
    }
    return xos_conn_new(&p->conn, p->loop, fd, &config, err);
}

static int pipe_send(struct ca_pipe *p, uint64_t id, const char *verb, struct xos_slice body,
                     struct xos_error *err)
{
    struct xos_buf frame = XOS_BUF(CA_PIPE_FRAME_BYTES_MAX);
    Ca__Request m = CA__REQUEST__INIT;
    m.id = id;
    m.verb = xos_pb_text(verb);
    m.body = xos_pb_bytes(body);
    int rc = xos_pb_pack(&m, &frame, err);
    if (rc == 0)
        rc = xos_conn_send(p->conn, (struct xos_slice){frame.data, frame.len}, err);
    xos_buf_free(&frame);
    return rc;
}

static int ask(struct ca_pipe *p, const char *verb, struct xos_call *call, struct xos_error *err)
{
    if (p->count >= CA_PIPE_PENDING_MAX)
        return xos_fail(err, XOS_BUSY, "CA_PIPE_PENDING_MAX: %d questions wait for xos-ca",
                        CA_PIPE_PENDING_MAX);
    struct asked *a = xos_alloc(sizeof(*a));
    if (!a)
        return xos_fail(err, XOS_NOMEM, "question to xos-ca");
    a->id = ++p->last_id;
    if (pipe_connect(p, err) < 0 || pipe_send(p, a->id, verb, xos_call_body(call), err) < 0) {
        xos_free(a);
        return -1;
    }
    a->call = call;
    DL_APPEND(p->asked, a);
    p->count++;
    return 0;
}

static void serve(struct ca_pipe *p, const char *verb, struct xos_call *call)
{
    struct xos_error err = {0};
    if (ask(p, verb, call, &err) < 0)
        xos_call_fail(call, &err);
}

#define CA_VERBS(X) X(nonce) X(login) X(join) X(renew) X(job) X(attr) X(attrs) X(crl)
#define SERVE(verb)                                                                                \
    static void serve_##verb(void *service, struct xos_call *call)                                 \
    {                                                                                              \
        serve(service, #verb, call);                                                               \
    }
CA_VERBS(SERVE)

#define ROW(verb) {"ca." #verb, serve_##verb, XOS_VERB_PROVEN},
static const struct xos_verb verbs[] = {CA_VERBS(ROW)};

int ca_pipe_new(struct ca_pipe **out, struct xos_loop *loop, struct xos_rpc *rpc, const char *path,
                struct xos_error *err)
{
    struct ca_pipe *p = xos_alloc(sizeof(*p));
    if (!p)
        return xos_fail(err, XOS_NOMEM, "way to xos-ca");
    *p = (struct ca_pipe){.loop = loop, .path = path};
    if (xos_rpc_serve(rpc, verbs, sizeof(verbs) / sizeof(verbs[0]), p, err) < 0) {
        xos_free(p);
        return -1;
    }
    *out = p;
    return 0;
}

/* The calls go with the rpc. */
void ca_pipe_free(struct ca_pipe *p)
{
    if (!p)
        return;
    while (p->asked)
        asked_free(p, p->asked);
    xos_conn_free(p->conn);
    xos_free(p);
}
