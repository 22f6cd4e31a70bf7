// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/local.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOCAL_PAUSE_MS 100 /* when the process is out of descriptors */

struct xos_local {
    struct xos_loop *loop;
    int fd;
    char *path;
    struct xos_watch *watch;
    struct xos_timer *pause;
    xos_local_accept_f accepted;
    void *arg;
    bool accepting; /* `accepted` may free the listener: then */
    bool freed;     /* its memory goes when the turn is over */
};

void xos_local_free(struct xos_local *l)
{
    if (!l)
        return;
    xos_timer_free(l->pause);
    xos_watch_free(l->watch);
    if (l->fd >= 0)
        (void)unlink(l->path);
    xos_env_close(xos_loop_env(l->loop), l->fd);
    xos_free(l->path);
    l->freed = true;
    if (!l->accepting)
        xos_free(l);
}

static void on_pause_over(void *arg)
{
    struct xos_local *l = arg;
    xos_watch_set(l->watch, XOS_READABLE);
}

static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

static void on_connection(int listener, unsigned what, void *arg)
{
    (void)what;
    struct xos_local *l = arg;
    struct xos_env *env = xos_loop_env(l->loop);
    l->accepting = true;
    for (int i = 0; i < XOS_LOCAL_ACCEPTS_PER_TURN && !l->freed; i++) {
        struct xos_error err = {0};
        struct xos_peer peer;
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && is_shortage(errno)) {
            xos_fail_errno(&err, "accept on %s", l->path);
            xos_log_error(XOS_EV_LIMIT, &err, "limit=descriptors");
            xos_watch_set(l->watch, 0);
            xos_timer_set(l->pause, LOCAL_PAUSE_MS);
        }
        if (fd < 0)
            break;
        if (xos_env_socket_peer(env, fd, &peer, &err) < 0) {
            xos_log_error(XOS_EV_PEER_REFUSED, &err, "socket=%s", l->path);
            xos_env_close(env, fd);
            continue;
        }
        l->accepted(l->arg, fd, &peer);
    }
    l->accepting = false;
    if (l->freed)
        xos_free(l);
}

int xos_local_listen(struct xos_local **out, struct xos_loop *loop, const char *path, mode_t mode,
                     xos_local_accept_f accepted, void *arg, struct xos_error *err)
{
    struct xos_local *l = xos_alloc(sizeof(*l));
    if (!l)
        return xos_fail(err, XOS_NOMEM, "socket %s", path);
    *l = (struct xos_local){.loop = loop, .fd = -1, .accepted = accepted, .arg = arg};
    l->path = xos_strdup(path);
    if (!l->path) {
        xos_fail(err, XOS_NOMEM, "socket %s", path);
        goto error;
    }
    l->fd = xos_env_unix_listen(xos_loop_env(loop), path, mode, err);
    if (l->fd < 0 || xos_timer_new(&l->pause, loop, on_pause_over, l, err) < 0 ||
        xos_watch_new(&l->watch, loop, l->fd, XOS_READABLE, on_connection, l, err) < 0)
        goto error;
    *out = l;
    return 0;
error:
    xos_local_free(l);
    return -1;
}
