// SPDX-License-Identifier: Apache-2.0
/* env_posix_socket.c - sockets of the real world.
 *
 * A Unix socket's file outlives a process that was killed. Who listens next takes the name over,
 * but only when nobody answers on it; starters are kept apart by a lock on the directory, so that
 * two at once cannot both find the old one dead. The file has its mode before listen(): until
 * then every connect is refused. */
#include "libxos/env/env_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)

static int unix_address(struct sockaddr_un *at, const char *path, struct xos_error *err)
{
    *at = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t len = strnlen(path, sizeof(at->sun_path));
    if (len == 0 || len == sizeof(at->sun_path))
        return xos_fail(err, XOS_INVALID, "socket %.120s: a path of 1 to %zu bytes is needed", path,
                        sizeof(at->sun_path) - 1);
    memcpy(at->sun_path, path, len);
    return 0;
}

static int directory_lock(const char *path, struct xos_error *err)
{
    char above[sizeof(((struct sockaddr_un *)NULL)->sun_path)] = ".";
    const char *slash = strrchr(path, '/');
    if (slash) {
        size_t len = slash == path ? 1 : (size_t)(slash - path);
        memcpy(above, path, len);
        above[len] = '\0';
    }
    int fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return xos_fail_errno(err, "socket %s", path);
    while (flock(fd, LOCK_EX) < 0)
        if (errno != EINTR) {
            xos_fail_errno(err, "socket %s: lock its directory", path);
            env_posix_close(NULL, fd);
            return -1;
        }
    return fd;
}

/* Remove what a dead process left; anything else in the way is an error. */
static int stale_remove(const struct sockaddr_un *at, struct xos_error *err)
{
    struct stat st;
    if (lstat(at->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : xos_fail_errno(err, "socket %s", at->sun_path);
    if (!S_ISSOCK(st.st_mode))
        return xos_fail(err, XOS_EXISTS, "socket %s: something else has that name", at->sun_path);
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCKET_FLAGS, 0);
    if (probe < 0)
        return xos_fail_errno(err, "socket %s", at->sun_path);
    int rc = connect(probe, (const struct sockaddr *)at, sizeof(*at));
    int why = errno;
    env_posix_close(NULL, probe);
    if (rc == 0 || why == EAGAIN || why == EPROTOTYPE)
        return xos_fail(err, XOS_BUSY, "socket %s: another process listens there", at->sun_path);
    errno = why;
    if (why != ECONNREFUSED || unlink(at->sun_path) < 0)
        return xos_fail_errno(err, "socket %s", at->sun_path);
    return 0;
}

static int unix_bind(const struct sockaddr_un *at, mode_t mode, struct xos_error *err)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCKET_FLAGS, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0) {
        xos_fail_errno(err, "socket %s", at->sun_path);
        env_posix_close(NULL, fd);
        return -1;
    }
    if (chmod(at->sun_path, mode) < 0 || listen(fd, SOMAXCONN) < 0) {
        xos_fail_errno(err, "socket %s", at->sun_path);
        (void)unlink(at->sun_path);
        env_posix_close(NULL, fd);
        return -1;
    }
    return fd;
}

int env_posix_unix_listen(struct xos_env *env, const char *path, mode_t mode, struct xos_error *err)
{
    struct sockaddr_un at;
    if (unix_address(&at, path, err) < 0)
        return -1;
    int lock = directory_lock(path, err);
    if (lock < 0)
        return -1;
    int fd = stale_remove(&at, err) < 0 ? -1 : unix_bind(&at, mode, err);
    env_posix_close(env, lock);
    return fd;
}

int env_posix_unix_connect(struct xos_env *env, const char *path, int type, struct xos_error *err)
{
    struct sockaddr_un at;
    if (unix_address(&at, path, err) < 0)
        return -1;
    int fd = socket(AF_UNIX, type | SOCKET_FLAGS, 0);
    if (fd < 0)
        return xos_fail_errno(err, "connect to %s", path);
    socklen_t len = sizeof(at);
    if (path[0] == '@') { /* an abstract name ends where its length says, and has no file */
        at.sun_path[0] = '\0';
        len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    }
    if (connect(fd, (const struct sockaddr *)&at, len) == 0)
        return fd;
    if (errno == ENOENT || errno == ECONNREFUSED)
        xos_fail(err, XOS_UNAVAILABLE, "connect to %s: nobody listens there", path);
    else if (errno == EAGAIN)
        xos_fail(err, XOS_BUSY, "connect to %s: its queue is full", path);
    else
        xos_fail_errno(err, "connect to %s", path);
    env_posix_close(env, fd);
    return -1;
}

/* Addresses of host and port; the caller frees them with freeaddrinfo. */
static struct addrinfo *resolve(const char *host, unsigned port, int flags, int family,
                                struct xos_error *err)
{
    char service[16];
    struct addrinfo hints = {
        .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    if (port > UINT16_MAX) {
        xos_fail(err, XOS_INVALID, "port %u is above %u", port, (unsigned)UINT16_MAX);
        return NULL;
    }
    (void)snprintf(service, sizeof(service), "%u", port);
    int rc = getaddrinfo(host, service, &hints, &list);
    if (rc == EAI_MEMORY)
        xos_fail(err, XOS_NOMEM, "address of %.80s", host);
    else if (rc != 0)
        xos_fail(err, XOS_UNAVAILABLE, "address of %.80s: %s", host, gai_strerror(rc));
    return rc == 0 ? list : NULL;
}

static void option_set(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof(value)); /* each is an improvement only */
}

static int listen_at(const struct addrinfo *at)
{
    int fd = socket(at->ai_family, at->ai_socktype | SOCKET_FLAGS, at->ai_protocol);
    if (fd < 0)
        return -1;
    option_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (at->ai_family == AF_INET6)
        option_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0); /* "::" takes IPv4 too */
    if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    env_posix_close(NULL, fd);
    return -1;
}

int env_posix_tcp_listen(struct xos_env *env, const char *host, unsigned port,
                         struct xos_error *err)
{
    (void)env;
    struct addrinfo *list = resolve(host, port, AI_PASSIVE, AF_UNSPEC, err);
    if (!list)
        return -1;
    int fd = -1;
    for (const struct addrinfo *at = list; at && fd < 0; at = at->ai_next)
        fd = listen_at(at);
    if (fd < 0 && errno == EADDRINUSE)
        xos_fail(err, XOS_BUSY, "listen on %s port %u: another process does", host, port);
    else if (fd < 0)
        xos_fail_errno(err, "listen on %s port %u", host, port);
    freeaddrinfo(list);
    return fd;
}

/* Bind the near side to `from`, an address of the family that is connected to. */
static int bind_from(int fd, const char *from, int family, struct xos_error *err)
{
    struct addrinfo *list = resolve(from, 0, AI_NUMERICHOST, family, err);
    if (!list)
        return -1;
#ifdef IP_BIND_ADDRESS_NO_PORT
    option_set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
#endif
    int rc = bind(fd, list->ai_addr, list->ai_addrlen);
    if (rc < 0)
        xos_fail_errno(err, "bind to %s", from);
    freeaddrinfo(list);
    return rc;
}

static int connect_to(const struct addrinfo *at, const char *from, struct xos_error *err)
{
    int fd = socket(at->ai_family, at->ai_socktype | SOCKET_FLAGS, at->ai_protocol);
    if (fd < 0)
        return xos_fail_errno(err, "socket");
    if (from && bind_from(fd, from, at->ai_family, err) < 0) {
        env_posix_close(NULL, fd);
        return -1;
    }
    option_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (connect(fd, at->ai_addr, at->ai_addrlen) == 0 || errno == EINPROGRESS || errno == EINTR)
        return fd;
    xos_fail_errno(err, "connect");
    env_posix_close(NULL, fd);
    return -1;
}

int env_posix_tcp_connect(struct xos_env *env, const char *host, unsigned port, const char *from,
                          struct xos_error *err)
{
    (void)env;
    struct addrinfo *list = resolve(host, port, 0, AF_UNSPEC, err);
    if (!list)
        return -1;
    int fd = -1;
    for (const struct addrinfo *at = list; at && fd < 0; at = at->ai_next)
        fd = connect_to(at, from, err);
    if (fd < 0)
        xos_wrap(err, "connect to %s port %u", host, port);
    freeaddrinfo(list);
    return fd;
}

int env_posix_socket_peer(struct xos_env *env, int fd, struct xos_peer *out, struct xos_error *err)
{
    (void)env;
    struct ucred cred;
    socklen_t len = sizeof(cred);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return xos_fail_errno(err, "who is at the other end");
    if (cred.pid <= 0) /* not a Unix socket, or not connected */
        return xos_fail(err, XOS_INVALID, "who is at the other end: not a connected Unix socket");
    *out = (struct xos_peer){.pid = cred.pid, .uid = cred.uid, .gid = cred.gid};
    return 0;
}
