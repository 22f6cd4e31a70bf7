// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/netenv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ms(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int64_t real_ms(struct xos_env *env)
{
    (void)env;
    return (int64_t)clock_ms(CLOCK_REALTIME);
}

static uint64_t mono_ms(struct xos_env *env)
{
    (void)env;
    return clock_ms(CLOCK_MONOTONIC);
}

static int fill_random(struct xos_env *env, void *out, size_t len, struct xos_error *err)
{
    (void)env;
    return getrandom(out, len, 0) == (ssize_t)len ? 0 : xos_fail_errno(err, "getrandom");
}

static void close_fd(struct xos_env *env, int fd)
{
    (void)env;
    if (fd >= 0)
        (void)close(fd);
}

static int tcp_socket(const char *host, unsigned port, struct sockaddr_in *at,
                      struct xos_error *err)
{
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &at->sin_addr) != 1)
        return xos_fail(err, XOS_INVALID, "address %s", host);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd >= 0 ? fd : xos_fail_errno(err, "socket");
}

static int failed(int fd, const char *what, const char *host, struct xos_error *err)
{
    xos_fail_errno(err, "%s %s", what, host);
    (void)close(fd);
    return -1;
}

static int tcp_listen(struct xos_env *env, const char *host, unsigned port, struct xos_error *err)
{
    (void)env;
    struct sockaddr_in at;
    int fd = tcp_socket(host, port, &at, err);
    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, SOMAXCONN) < 0)
        return failed(fd, "listen on", host, err);
    return fd;
}

static int tcp_connect(struct xos_env *env, const char *host, unsigned port, const char *from,
                       struct xos_error *err)
{
    (void)env;
    struct sockaddr_in at, near = {.sin_family = AF_INET};
    int fd = tcp_socket(host, port, &at, err);
    if (fd < 0)
        return -1;
    if (from && (inet_pton(AF_INET, from, &near.sin_addr) != 1 ||
                 bind(fd, (struct sockaddr *)&near, sizeof(near)) < 0))
        return failed(fd, "bind to", from, err);
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0 && errno != EINPROGRESS)
        return failed(fd, "connect to", host, err);
    return fd;
}

static const struct xos_env_ops netenv_ops = {
    .real_ms = real_ms,
    .mono_ms = mono_ms,
    .boot_ms = mono_ms,
    .random = fill_random,
    .close = close_fd,
    .tcp_listen = tcp_listen,
    .tcp_connect = tcp_connect,
};

struct xos_env *xt_netenv(void)
{
    static struct xos_env env = {.ops = &netenv_ops};
    return &env;
}
