// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/notify.h"

#include "libxos/base/alloc.h"

#include <string.h>
#include <sys/socket.h>

struct xos_notify {
    struct xos_env *env;
    int fd; /* -1: nobody is to be told */
    struct xos_timer *watchdog;
    uint64_t watchdog_ms;
};

void xos_notify_say(struct xos_notify *n, const char *text)
{
    if (n->fd >= 0)
        (void)send(n->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void on_watchdog(void *arg)
{
    struct xos_notify *n = arg;
    xos_notify_say(n, "WATCHDOG=1");
    xos_timer_set(n->watchdog, n->watchdog_ms);
}

void xos_notify_free(struct xos_notify *n)
{
    if (!n)
        return;
    xos_timer_free(n->watchdog);
    xos_env_close(n->env, n->fd);
    xos_free(n);
}

static int notify_connect(struct xos_env *env, const char *path, struct xos_error *err)
{
    if (path[0] != '/' && path[0] != '@')
        return xos_fail(err, XOS_INVALID, "NOTIFY_SOCKET \"%.100s\" is no address", path);
    int fd = xos_env_unix_connect(env, path, SOCK_DGRAM, err);
    return fd < 0 ? xos_wrap(err, "NOTIFY_SOCKET") : fd;
}

int xos_notify_new(struct xos_notify **out, struct xos_loop *loop, const char *socket,
                   uint64_t watchdog_usec, struct xos_error *err)
{
    struct xos_notify *n = xos_alloc(sizeof(*n));
    if (!n)
        return xos_fail(err, XOS_NOMEM, "notify");
    *n = (struct xos_notify){
        .env = xos_loop_env(loop), .fd = -1, .watchdog_ms = watchdog_usec / 2000};
    if ((socket && (n->fd = notify_connect(n->env, socket, err)) < 0) ||
        xos_timer_new(&n->watchdog, loop, on_watchdog, n, err) < 0) {
        xos_notify_free(n);
        return -1;
    }
    if (n->fd >= 0 && n->watchdog_ms)
        xos_timer_set(n->watchdog, n->watchdog_ms);
    *out = n;
    return 0;
}
