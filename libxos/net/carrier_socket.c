// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/carrier.h"

#include "libxos/base/alloc.h"

#include <errno.h>
#include <sys/socket.h>

struct socket_carrier {
    struct carrier carrier; /* first */
    struct xos_loop *loop;
    struct xos_watch *watch;
    int fd;
    bool reads;
};

static ssize_t socket_write(struct carrier *c, struct xos_slice data, struct xos_error *err)
{
    const struct socket_carrier *s = (const struct socket_carrier *)c;
    ssize_t n = send(s->fd, data.data, data.len, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return n < 0 ? xos_fail_errno(err, "send") : n;
}

static void socket_watch(struct carrier *c, bool read, bool write)
{
    struct socket_carrier *s = (struct socket_carrier *)c;
    s->reads = read;
    xos_watch_set(s->watch, (read ? XOS_READABLE : 0u) | (write ? XOS_WRITABLE : 0u));
}

static void socket_free(struct carrier *c)
{
    struct socket_carrier *s = (struct socket_carrier *)c;
    xos_watch_free(s->watch);
    xos_env_close(xos_loop_env(s->loop), s->fd);
    xos_free(s);
}

static const struct carrier_ops ops = {socket_write, socket_watch, socket_free};

static void socket_read(struct socket_carrier *s)
{
    uint8_t bytes[XOS_CARRIER_READ_BYTES];
    struct xos_error err = {0};
    size_t space = conn_space(s->carrier.conn);
    if (space == 0)
        return; /* whole frames wait to be delivered */
    ssize_t n = recv(s->fd, bytes, space < sizeof(bytes) ? space : sizeof(bytes), 0);
    if (n > 0) {
        conn_on_data(s->carrier.conn, (struct xos_slice){bytes, (size_t)n});
    } else if (n == 0) {
        conn_on_end(s->carrier.conn);
    } else if (errno != EAGAIN && errno != EINTR) {
        xos_fail_errno(&err, "receive");
        conn_on_broken(s->carrier.conn, &err);
    }
}

/* After a write the connection may be gone: what is left to read makes the descriptor ready again.
 */
static void on_ready(int fd, unsigned what, void *arg)
{
    struct socket_carrier *s = arg;
    (void)fd;
    if (what & XOS_WRITABLE)
        conn_on_writable(s->carrier.conn);
    else if ((what & XOS_READABLE) && s->reads)
        socket_read(s);
}

int xos_conn_new(struct xos_conn **out, struct xos_loop *loop, int fd,
                 const struct xos_conn_config *config, struct xos_error *err)
{
    struct socket_carrier *s = xos_alloc(sizeof(*s));
    if (!s) {
        xos_env_close(xos_loop_env(loop), fd);
        return xos_fail(err, XOS_NOMEM, "connection");
    }
    *s = (struct socket_carrier){.carrier.ops = &ops, .loop = loop, .fd = fd, .reads = true};
    if (xos_watch_new(&s->watch, loop, fd, XOS_READABLE, on_ready, s, err) < 0) {
        socket_free(&s->carrier);
        return -1;
    }
    return conn_over(out, loop, &s->carrier, (struct xos_slice){NULL, 0}, config, err);
}
