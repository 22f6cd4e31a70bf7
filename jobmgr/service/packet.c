// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/service/packet.h"

#include "jobmgr/exec/execsys.h"
#include "libxos/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

struct waiting {
    struct waiting *prev, *next;
    int fd; /* goes along; -1: none */
    size_t len;
    uint8_t data[];
};

struct packet {
    struct xos_loop *loop;
    int fd;
    struct xos_watch *watch;
    const struct packet_ops *ops;
    void *arg;
    struct waiting *queue;
    size_t queued;
    uint8_t *buffer;
    size_t bytes_max;
    bool closed;
    bool *freed; /* set when packet_free runs inside a callback */
};

static void waiting_free(struct packet *p, struct waiting *w)
{
    DL_DELETE(p->queue, w);
    p->queued--;
    xos_env_close(xos_loop_env(p->loop), w->fd);
    xos_free(w);
}

void packet_free(struct packet *p)
{
    struct waiting *w, *after;
    if (!p)
        return;
    if (p->freed)
        *p->freed = true;
    DL_FOREACH_SAFE(p->queue, w, after)
    {
        waiting_free(p, w);
    }
    xos_watch_free(p->watch);
    xos_env_close(xos_loop_env(p->loop), p->fd);
    xos_free(p->buffer);
    xos_free(p);
}

/* One packet must fit into the socket's buffer whole, or it can never be sent. */
static void make_room(int fd, size_t bytes_max)
{
    int bytes = (int)bytes_max, now = 0;
    socklen_t size = sizeof(now);
    if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &now, &size) == 0 && (size_t)now < 2 * bytes_max)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static void packet_close(struct packet *p)
{
    if (p->closed)
        return;
    p->closed = true;
    xos_watch_set(p->watch, 0);
    p->ops->on_close(p->arg);
}

static bool flush(struct packet *p)
{
    while (p->queue) {
        struct waiting *w = p->queue;
        if (sys_send_fd(p->fd, w->data, w->len, w->fd, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            if (errno == EAGAIN || errno == EINTR)
                break;
            return false;
        }
        waiting_free(p, w);
    }
    xos_watch_set(p->watch, XOS_READABLE | (p->queue ? XOS_WRITABLE : 0u));
    return true;
}

static void on_ready(int fd, unsigned what, void *arg)
{
    struct packet *p = arg;
    bool freed = false;
    if ((what & XOS_WRITABLE) && !flush(p)) {
        packet_close(p);
        return;
    }
    p->freed = &freed;
    for (int i = 0; i < PACKET_TURN_MAX && (what & XOS_READABLE); i++) {
        ssize_t n = recv(fd, p->buffer, p->bytes_max, MSG_TRUNC | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n <= 0 || (size_t)n > p->bytes_max) {
            p->freed = NULL;
            packet_close(p);
            return;
        }
        p->ops->on_packet(p->arg, (struct xos_slice){p->buffer, (size_t)n});
        if (freed)
            return;
    }
    p->freed = NULL;
}

int packet_new(struct packet **out, struct xos_loop *loop, int fd, size_t bytes_max,
               const struct packet_ops *ops, void *arg, struct xos_error *err)
{
    struct packet *p = xos_alloc(sizeof(*p));
    if (!p) {
        xos_env_close(xos_loop_env(loop), fd);
        return xos_fail(err, XOS_NOMEM, "packet link");
    }
    *p = (struct packet){.loop = loop, .fd = fd, .ops = ops, .arg = arg, .bytes_max = bytes_max};
    p->buffer = xos_alloc(bytes_max);
    if (!p->buffer) {
        packet_free(p);
        return xos_fail(err, XOS_NOMEM, "packet link");
    }
    if (xos_watch_new(&p->watch, loop, fd, XOS_READABLE, on_ready, p, err) < 0) {
        packet_free(p);
        return -1;
    }
    make_room(fd, bytes_max);
    *out = p;
    return 0;
}

static int queue(struct packet *p, struct xos_slice data, int fd, struct xos_error *err)
{
    if (p->queued >= PACKET_QUEUE_MAX)
        return xos_fail(err, XOS_LIMIT, "PACKET_QUEUE_MAX: %d packets wait", PACKET_QUEUE_MAX);
    struct waiting *w = xos_alloc(sizeof(*w) + data.len);
    if (!w)
        return xos_fail(err, XOS_NOMEM, "packet of %zu bytes", data.len);
    w->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0 && w->fd < 0) {
        xos_free(w);
        return xos_fail_errno(err, "packet");
    }
    w->len = data.len;
    memcpy(w->data, data.data, data.len);
    DL_APPEND(p->queue, w);
    p->queued++;
    xos_watch_set(p->watch, XOS_READABLE | XOS_WRITABLE);
    return 0;
}

int packet_send_fd(struct packet *p, struct xos_slice data, int fd, struct xos_error *err)
{
    assert(data.len > 0); /* an empty packet is how the end looks */
    if (p->closed)
        return xos_fail(err, XOS_UNAVAILABLE, "the other side is gone");
    if (data.len > p->bytes_max)
        return xos_fail(err, XOS_LIMIT, "a packet of %zu bytes: at most %zu", data.len,
                        p->bytes_max);
    if (!p->queue) {
        if (sys_send_fd(p->fd, data.data, data.len, fd, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            return 0;
        if (errno != EAGAIN && errno != EINTR)
            return xos_fail(err, XOS_UNAVAILABLE, "the other side is gone");
    }
    return queue(p, data, fd, err);
}

int packet_send(struct packet *p, struct xos_slice data, struct xos_error *err)
{
    return packet_send_fd(p, data, -1, err);
}
