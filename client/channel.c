// SPDX-License-Identifier: Apache-2.0
#include "client/channel.h"

#include "libxos/base/alloc.h"
#include "libxos/wire/frame.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHANNEL_READ_BYTES ((size_t)64 << 10)
#define CHANNEL_SHIFT_BYTES ((size_t)64 << 10) /* sent bytes are dropped in pieces of this */

struct client_channel {
    struct client_watch watch;
    struct client_timer again; /* frames wait in the reader */
    struct xos_frame_reader reader;
    struct xos_buf output;
    size_t sent; /* bytes at the front of output that are gone */
    const struct client_channel_ops *ops;
    void *arg;
    unsigned inside; /* callbacks under way: freed when the last one returns */
    bool paused, ended, closed, freed;
};

static size_t waiting(const struct client_channel *l)
{
    return l->output.len - l->sent;
}

static void rewatch(struct client_channel *l)
{
    unsigned what = l->paused || l->ended ? 0u : CLIENT_READABLE;
    what |= waiting(l) ? CLIENT_WRITABLE : 0u;
    client_watch_set(&l->watch, l->closed ? 0 : what);
}

static void channel_close(struct client_channel *l, const struct xos_error *why)
{
    if (l->closed)
        return;
    l->closed = true;
    rewatch(l);
    client_timer_off(&l->again);
    l->ops->on_close(l->arg, why);
}

static void channel_leave(struct client_channel *l)
{
    if (--l->inside == 0 && l->freed)
        xos_free(l);
}

/* Nothing is left to hand out now: is that the end? A link with nothing waiting holds no memory,
 * because there may be a thousand of them. */
static void channel_rest(struct client_channel *l, struct xos_error *err)
{
    bool cut = l->reader.buf.len > l->reader.taken;
    if (!cut)
        xos_frame_reader_free(&l->reader);
    if (err->code == XOS_NONE && !l->ended)
        return;
    if (err->code == XOS_NONE && cut)
        xos_fail(err, XOS_PROTOCOL, "the connection ended inside a frame");
    channel_close(l, err);
}

/* Hand out whole frames until there is none, or the user has had enough. */
static void channel_deliver(struct client_channel *l)
{
    struct xos_error err = {0};
    struct xos_slice frame;
    l->inside++;
    while (!l->paused && !l->closed && xos_frame_next(&l->reader, &frame, &err) == 1)
        l->ops->on_frame(l->arg, frame);
    if (!l->paused && !l->closed)
        channel_rest(l, &err);
    channel_leave(l);
}

static void on_again(void *arg)
{
    channel_deliver(arg);
}

static int channel_read(struct client_channel *l, struct xos_error *err)
{
    static uint8_t bytes[CHANNEL_READ_BYTES]; /* used up before the return */
    size_t space = l->reader.buf.max - (l->reader.buf.len - l->reader.taken);
    ssize_t n = recv(l->watch.fd, bytes, space < sizeof(bytes) ? space : sizeof(bytes), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n < 0)
        return xos_fail_errno(err, "receive");
    l->ended = n == 0;
    return n ? xos_frame_feed(&l->reader, (struct xos_slice){bytes, (size_t)n}, err) : 0;
}

static int channel_flush(struct client_channel *l, struct xos_error *err)
{
    while (waiting(l)) {
        ssize_t n = send(l->watch.fd, l->output.data + l->sent, waiting(l), MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n < 0)
            return xos_fail_errno(err, "send");
        l->sent += (size_t)n;
    }
    if (!waiting(l))
        xos_buf_free(&l->output);
    else if (l->sent >= CHANNEL_SHIFT_BYTES)
        xos_buf_shift(&l->output, l->sent);
    else
        return 0;
    l->sent = 0;
    return 0;
}

/* What the other side said before it went is still to be heard: a send that fails is no end. */
static void channel_write(struct client_channel *l)
{
    struct xos_error err;
    if (channel_flush(l, &err) < 0) {
        xos_buf_free(&l->output);
        l->sent = 0;
    }
    rewatch(l);
    if (!waiting(l))
        l->ops->on_room(l->arg);
}

static void on_ready(void *arg, unsigned what)
{
    struct client_channel *l = arg;
    struct xos_error err = {0};
    l->inside++;
    if (what & CLIENT_WRITABLE)
        channel_write(l);
    if ((what & CLIENT_READABLE) && !l->closed && !l->paused) {
        if (channel_read(l, &err) < 0) {
            channel_close(l, &err);
        } else {
            rewatch(l);
            channel_deliver(l);
        }
    }
    channel_leave(l);
}

int client_channel_open(struct client_channel **out, struct client_pollset *poll, const char *path,
                        size_t frame_max, size_t output_max, const struct client_channel_ops *ops,
                        void *arg, struct xos_error *err)
{
    struct client_channel *l = xos_alloc(sizeof(*l));
    if (!l)
        return xos_fail(err, XOS_NOMEM, "connection");
    *l = (struct client_channel){.watch = {.poll = poll, .fd = -1, .ready = on_ready, .arg = l},
                                 .again = {.poll = poll, .expired = on_again, .arg = l},
                                 .output = XOS_BUF(output_max + XOS_FRAME_HEAD_BYTES),
                                 .ops = ops,
                                 .arg = arg};
    xos_frame_reader_init(&l->reader, frame_max);
    int fd = xos_env_unix_connect(client_pollset_env(poll), path, SOCK_STREAM, err);
    if (fd < 0 || client_watch_on(&l->watch, fd, CLIENT_READABLE, err) < 0) {
        if (fd >= 0)
            close(fd);
        client_channel_free(l);
        return -1;
    }
    *out = l;
    return 0;
}

void client_channel_free(struct client_channel *l)
{
    if (!l)
        return;
    int fd = l->watch.fd;
    client_watch_off(&l->watch);
    client_timer_off(&l->again);
    if (fd >= 0)
        close(fd);
    xos_frame_reader_free(&l->reader);
    xos_buf_free(&l->output);
    l->freed = l->closed = true;
    if (l->inside == 0)
        xos_free(l);
}

size_t client_channel_room(const struct client_channel *l)
{
    size_t used = l->output.len + XOS_FRAME_HEAD_BYTES;
    return l->closed || used >= l->output.max ? 0 : l->output.max - used;
}

/* A link that broke is told to the user from the loop, by what its descriptor says. */
int client_channel_send(struct client_channel *l, struct xos_slice frame, struct xos_error *err)
{
    if (l->closed)
        return xos_fail(err, XOS_UNAVAILABLE, "the connection is closed");
    if (frame.len > client_channel_room(l))
        return xos_fail(err, XOS_LIMIT, "output_max: %zu bytes wait to be sent", waiting(l));
    if (xos_frame_add(&l->output, frame, err) < 0 || channel_flush(l, err) < 0)
        return -1;
    rewatch(l);
    return 0;
}

void client_channel_pause(struct client_channel *l, bool paused)
{
    if (l->paused == paused || l->closed)
        return;
    l->paused = paused;
    rewatch(l);
    if (!paused)
        client_timer_set(&l->again, 0);
}
