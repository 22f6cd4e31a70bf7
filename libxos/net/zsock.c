// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/zsock.h"

#include "libxos/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DRAIN_MESSAGES_MAX 4096 /* in one xos_zsock_drain */

struct xos_zsock {
    struct xos_loop *loop;
    void *socket;
    struct xos_watch *watch;
    struct xos_task pump;
    xos_zsock_message_f on_message;
    void *arg;
    bool delivering; /* inside on_message */
    bool freed;      /* to be released when delivering ends */
};

int xos_zsock_fail(struct xos_error *err, const char *what)
{
    enum xos_code code = errno == EAGAIN         ? XOS_LIMIT
                         : errno == EHOSTUNREACH ? XOS_UNAVAILABLE
                         : errno == ENOMEM       ? XOS_NOMEM
                                                 : XOS_SYSTEM;
    return xos_fail(err, code, "%s: %s", what, zmq_strerror(errno));
}

static bool has_input(struct xos_zsock *z)
{
    int events = 0;
    size_t len = sizeof(events);
    return zmq_getsockopt(z->socket, ZMQ_EVENTS, &events, &len) == 0 && (events & ZMQ_POLLIN);
}

/* Read one whole message; false when there is none. */
static bool receive(struct xos_zsock *z, zmq_msg_t frames[static XOS_ZSOCK_FRAMES_MAX],
                    size_t *count)
{
    *count = 0;
    for (bool more = true; more;) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, z->socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&frame);
            return false; /* only ever at the first frame: messages are whole */
        }
        more = zmq_msg_more(&frame);
        if (*count < XOS_ZSOCK_FRAMES_MAX)
            frames[*count] = frame;
        else
            zmq_msg_close(&frame);
        (*count)++;
    }
    return true;
}

static void release(struct xos_zsock *z)
{
    xos_free(z);
}

/* Deliver at most max messages. False when the socket was freed meanwhile. */
static bool deliver(struct xos_zsock *z, int max)
{
    zmq_msg_t frames[XOS_ZSOCK_FRAMES_MAX];
    size_t count;
    z->delivering = true;
    while (max-- > 0 && !z->freed && receive(z, frames, &count)) {
        z->on_message(z->arg, frames, count);
        for (size_t i = 0; i < count && i < XOS_ZSOCK_FRAMES_MAX; i++)
            zmq_msg_close(&frames[i]);
    }
    z->delivering = false;
    if (!z->freed)
        return true;
    release(z);
    return false;
}

static void on_pump(void *arg)
{
    struct xos_zsock *z = arg;
    if (has_input(z) && deliver(z, XOS_ZSOCK_BATCH) && has_input(z))
        xos_loop_defer(z->loop, &z->pump);
}

static void on_ready(int fd, unsigned what, void *arg)
{
    (void)fd;
    (void)what;
    on_pump(arg);
}

void xos_zsock_drain(struct xos_zsock *z)
{
    if (z->delivering)
        return;
    if (deliver(z, DRAIN_MESSAGES_MAX))
        xos_loop_defer(z->loop, &z->pump);
}

int xos_zsock_new(struct xos_zsock **out, struct xos_loop *loop, void *context, int type,
                  xos_zsock_message_f on_message, void *arg, struct xos_error *err)
{
    int fd = -1;
    size_t len = sizeof(fd);
    struct xos_zsock *z = xos_alloc(sizeof(*z));
    if (!z)
        return xos_fail(err, XOS_NOMEM, "zmq socket");
    *z = (struct xos_zsock){.loop = loop, .on_message = on_message, .arg = arg};
    z->pump = (struct xos_task){.run = on_pump, .arg = z};
    z->socket = zmq_socket(context, type);
    if (!z->socket || zmq_getsockopt(z->socket, ZMQ_FD, &fd, &len) < 0) {
        xos_zsock_fail(err, "zmq socket");
        goto error;
    }
    if (xos_watch_new(&z->watch, loop, fd, XOS_READABLE, on_ready, z, err) < 0)
        goto error;
    *out = z;
    return 0;
error:
    xos_zsock_free(z);
    return -1;
}

void xos_zsock_free(struct xos_zsock *z)
{
    if (!z)
        return;
    assert(!z->freed);
    xos_loop_undefer(z->loop, &z->pump);
    xos_watch_free(z->watch);
    if (z->socket)
        (void)zmq_close(z->socket);
    z->socket = NULL;
    z->freed = true;
    if (!z->delivering)
        release(z);
}

void *xos_zsock_raw(struct xos_zsock *z)
{
    return z->socket;
}

int xos_zsock_set_bytes(struct xos_zsock *z, int option, const void *data, size_t len,
                        struct xos_error *err)
{
    if (zmq_setsockopt(z->socket, option, data, len) == 0)
        return 0;
    xos_zsock_fail(err, "zmq_setsockopt");
    return xos_wrap(err, "option %d", option);
}

int xos_zsock_set(struct xos_zsock *z, int option, int value, struct xos_error *err)
{
    return xos_zsock_set_bytes(z, option, &value, sizeof(value), err);
}

int xos_zsock_bind(struct xos_zsock *z, const char *endpoint, struct xos_error *err)
{
    if (zmq_bind(z->socket, endpoint) < 0)
        return xos_zsock_fail(err, endpoint);
    xos_loop_defer(z->loop, &z->pump);
    return 0;
}

int xos_zsock_connect(struct xos_zsock *z, const char *endpoint, struct xos_error *err)
{
    if (zmq_connect(z->socket, endpoint) < 0)
        return xos_zsock_fail(err, endpoint);
    xos_loop_defer(z->loop, &z->pump);
    return 0;
}

unsigned xos_zsock_port(struct xos_zsock *z)
{
    char endpoint[256];
    size_t len = sizeof(endpoint);
    if (zmq_getsockopt(z->socket, ZMQ_LAST_ENDPOINT, endpoint, &len) < 0)
        return 0;
    const char *colon = strrchr(endpoint, ':');
    return colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
}

static void close_from(zmq_msg_t *frames, size_t first, size_t count)
{
    int saved = errno;
    for (size_t i = first; i < count; i++)
        zmq_msg_close(&frames[i]);
    errno = saved;
}

int xos_zsock_send(struct xos_zsock *z, zmq_msg_t *frames, size_t count, struct xos_error *err)
{
    assert(count > 0);
    xos_loop_defer(z->loop, &z->pump);
    for (size_t i = 0; i < count; i++)
        if (zmq_msg_send(&frames[i], z->socket, ZMQ_DONTWAIT | (i + 1 < count ? ZMQ_SNDMORE : 0)) <
            0) {
            close_from(frames, i, count);
            return xos_zsock_fail(err, "send");
        }
    return 0;
}
