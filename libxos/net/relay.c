// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/relay.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define PUMP_BATCH 16 /* buffers moved before others have their turn */

enum { NEAR, FAR, SIDES };

/* One direction: what came from sides[i] and goes to the other. */
struct flow {
    uint8_t *data; /* XOS_RELAY_BYTES_MAX */
    size_t head, len;
    bool eof;  /* nothing more comes */
    bool shut; /* and the other side has been told */
};

struct xos_relay {
    struct xos_loop *loop;
    int fd[SIDES];
    struct xos_watch *watch[SIDES];
    struct flow flow[SIDES];
    struct xos_timer *timer;
    uint64_t idle_ms, moved_ms;
    bool connected;
    xos_relay_done_f done;
    void *arg;
};

static int fail_down(struct xos_error *err, const char *what)
{
    xos_fail_errno(err, "%s", what);
    err->code = XOS_UNAVAILABLE;
    return -1;
}

/* Fill an empty buffer. 1: bytes came, 0: none now, -1: broken. */
static int flow_fill(struct flow *f, int fd, struct xos_error *err)
{
    if (f->len > 0 || f->eof)
        return f->len > 0;
    ssize_t n = recv(fd, f->data, XOS_RELAY_BYTES_MAX, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : fail_down(err, "read");
    f->eof = n == 0;
    f->head = 0;
    f->len = (size_t)n;
    return n > 0;
}

/* 1: it is empty again, 0: the other side takes no more now, -1: broken. */
static int flow_drain(struct flow *f, int fd, struct xos_error *err)
{
    while (f->len > 0) {
        ssize_t n = send(fd, f->data + f->head, f->len, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : fail_down(err, "write");
        f->head += (size_t)n;
        f->len -= (size_t)n;
        xos_metric_add(XOS_M_BYTES, "relayed", (uint64_t)n);
    }
    if (f->eof && !f->shut) {
        (void)shutdown(fd, SHUT_WR);
        f->shut = true;
    }
    return 1;
}

static int relay_pump(struct xos_relay *r, int from, struct xos_error *err)
{
    struct flow *f = &r->flow[from];
    int to = from == NEAR ? FAR : NEAR;
    for (int i = 0; i < PUMP_BATCH; i++) {
        int filled = flow_fill(f, r->fd[from], err);
        if (filled < 0)
            return -1;
        int drained = flow_drain(f, r->fd[to], err);
        if (drained <= 0 || filled == 0)
            return drained < 0 ? -1 : 0;
        r->moved_ms = xos_env_mono_ms(xos_loop_env(r->loop));
    }
    return 0;
}

static void relay_rest(struct xos_relay *r)
{
    for (int side = 0; side < SIDES; side++) {
        const struct flow *in = &r->flow[side], *out = &r->flow[side == NEAR ? FAR : NEAR];
        xos_watch_set(r->watch[side], (in->len == 0 && !in->eof ? XOS_READABLE : 0u) |
                                          (out->len > 0 ? XOS_WRITABLE : 0u));
    }
}

static void relay_done(struct xos_relay *r, const struct xos_error *why)
{
    for (int side = 0; side < SIDES; side++)
        xos_watch_set(r->watch[side], 0);
    xos_timer_cancel(r->timer);
    r->done(r->arg, r, why);
}

static int relay_connect_done(struct xos_relay *r, struct xos_error *err)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(r->fd[FAR], SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0) {
        errno = error ? error : errno;
        return fail_down(err, "connect");
    }
    r->connected = true;
    r->moved_ms = xos_env_mono_ms(xos_loop_env(r->loop));
    xos_timer_set(r->timer, r->idle_ms);
    return 0;
}

static void on_ready(int fd, unsigned what, void *arg)
{
    (void)fd;
    (void)what;
    struct xos_relay *r = arg;
    struct xos_error err = {XOS_NONE, "closed"};
    if ((!r->connected && relay_connect_done(r, &err) < 0) || relay_pump(r, NEAR, &err) < 0 ||
        relay_pump(r, FAR, &err) < 0 || (r->flow[NEAR].shut && r->flow[FAR].shut))
        relay_done(r, &err);
    else
        relay_rest(r);
}

static void on_timer(void *arg)
{
    struct xos_relay *r = arg;
    struct xos_error err;
    uint64_t quiet_ms = xos_env_mono_ms(xos_loop_env(r->loop)) - r->moved_ms;
    if (r->connected && quiet_ms < r->idle_ms) {
        xos_timer_set(r->timer, r->idle_ms - quiet_ms);
        return;
    }
    xos_fail(&err, XOS_TIMEOUT, r->connected ? "nothing moved" : "the far side was not reached");
    relay_done(r, &err);
}

static int relay_open(struct xos_relay *r, const struct xos_relay_config *c, struct xos_error *err)
{
    for (int side = 0; side < SIDES; side++) {
        r->flow[side].data = xos_alloc(XOS_RELAY_BYTES_MAX);
        if (!r->flow[side].data)
            return xos_fail(err, XOS_NOMEM, "relay");
    }
    if (c->first.len > 0)
        memcpy(r->flow[NEAR].data, c->first.data, c->first.len);
    r->flow[NEAR].len = c->first.len;
    r->fd[FAR] = xos_env_tcp_connect(xos_loop_env(r->loop), c->host, c->port, NULL, err);
    if (r->fd[FAR] < 0 ||
        xos_watch_new(&r->watch[NEAR], r->loop, r->fd[NEAR], 0, on_ready, r, err) < 0 ||
        xos_watch_new(&r->watch[FAR], r->loop, r->fd[FAR], XOS_WRITABLE, on_ready, r, err) < 0 ||
        xos_timer_new(&r->timer, r->loop, on_timer, r, err) < 0)
        return -1;
    xos_timer_set(r->timer, c->connect_ms ? c->connect_ms : XOS_RELAY_CONNECT_MS);
    return 0;
}

int xos_relay_new(struct xos_relay **out, struct xos_loop *loop,
                  const struct xos_relay_config *config, struct xos_error *err)
{
    assert(config->first.len <= XOS_RELAY_BYTES_MAX && config->done);
    struct xos_relay *r = xos_alloc(sizeof(*r));
    if (!r) {
        xos_env_close(xos_loop_env(loop), config->fd);
        return xos_fail(err, XOS_NOMEM, "relay");
    }
    *r = (struct xos_relay){.loop = loop,
                            .fd = {config->fd, -1},
                            .idle_ms = config->idle_ms ? config->idle_ms : XOS_RELAY_IDLE_MS,
                            .done = config->done,
                            .arg = config->arg};
    if (relay_open(r, config, err) < 0) {
        xos_relay_free(r);
        return -1;
    }
    *out = r;
    return 0;
}

void xos_relay_free(struct xos_relay *r)
{
    if (!r)
        return;
    for (int side = 0; side < SIDES; side++) {
        xos_watch_free(r->watch[side]);
        xos_env_close(xos_loop_env(r->loop), r->fd[side]);
        xos_free(r->flow[side].data);
    }
    xos_timer_free(r->timer);
    xos_free(r);
}

size_t xos_relay_buffered(const struct xos_relay *r)
{
    return r->flow[NEAR].len + r->flow[FAR].len;
}
