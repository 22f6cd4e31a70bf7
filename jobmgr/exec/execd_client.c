// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/execd_client.h"

#include "jobmgr/exec/execsys.h"
#include "libxos/base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const char *path, struct xos_error *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(at.sun_path))
        return xos_fail(err, XOS_INVALID, "socket path is too long: %s", path);
    memcpy(at.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return xos_fail_errno(err, "socket");
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    if (errno == ENOENT)
        errno = ECONNREFUSED;
    (void)xos_fail_errno(err, "connect");
    close(fd);
    return -1;
}

int execd_client_connect(const char *path, struct xos_error *err)
{
    int fd = connect_to(path, err);
    if (fd < 0)
        return xos_wrap(err, "xos-execd at %s", path);
    int room = EXECD_MESSAGE_BYTES_MAX;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    return fd;
}

int execd_client_send(int fd, const void *packet, int papers, struct xos_error *err)
{
    const struct execd_request *r = packet;
    if (sys_send_fd(fd, packet, r->bytes, papers, MSG_NOSIGNAL) != (ssize_t)r->bytes)
        return xos_fail_errno(err, "xos-execd");
    return 0;
}

int execd_client_papers(const void *bytes, size_t len, struct xos_error *err)
{
    int fd = memfd_create("xos-papers", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && sys_write_all(fd, bytes, len) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
        return fd;
    (void)xos_fail_errno(err, "papers of a start");
    if (fd >= 0)
        close(fd);
    return -1;
}

struct answer_packet {
    struct execd_answer answer;
    struct execd_entry entries[EXECD_LIST_MAX];
};

static int take_answer(int fd, struct answer_packet *p, struct xos_error *err)
{
    ssize_t n;
    do {
        n = recv(fd, p, sizeof(*p), 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return xos_fail_errno(err, "xos-execd");
    if (n == 0)
        return xos_fail(err, XOS_UNAVAILABLE, "xos-execd closed the connection");
    return execd_answer_check(p, (size_t)n, err);
}

int execd_client_receive(int fd, struct execd_answer *out, struct execd_entry *entries,
                         struct xos_error *err)
{
    struct answer_packet *p = xos_alloc(sizeof(*p));
    if (!p)
        return xos_fail(err, XOS_NOMEM, "xos-execd");
    int rc = take_answer(fd, p, err);
    if (rc == 0) {
        *out = p->answer;
        if (entries)
            memcpy(entries, p->entries, p->answer.count * sizeof(*entries));
        if (out->code)
            rc = xos_fail(err, xos_code_from_wire(out->code), "%s", out->text);
    }
    xos_free(p);
    return rc;
}

static int unit_dir(const char *units, const char *unit, struct xos_error *err)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", units, unit);
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return dir < 0 ? xos_fail_errno(err, "unit %s", unit) : dir;
}

int shim_client_connect(const char *units, const char *unit, struct xos_error *err)
{
    char path[64];
    int dir = unit_dir(units, unit, err);
    if (dir < 0)
        return -1;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/ctl.sock", dir);
    int fd = connect_to(path, err);
    close(dir);
    return fd < 0 ? xos_wrap(err, "shim of %s", unit) : fd;
}

int shim_client_send(int fd, const struct shim_frame *f, const void *bytes, struct xos_error *err)
{
    struct shim_frame head = *f;
    head.magic = SHIM_MAGIC;
    head.version = SHIM_VERSION;
    struct iovec parts[2] = {{.iov_base = &head, .iov_len = sizeof(head)},
                             {.iov_base = (void *)(uintptr_t)bytes, .iov_len = f->bytes}};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = f->bytes ? 2 : 1};
    if (sendmsg(fd, &m, MSG_NOSIGNAL) >= 0)
        return 0;
    if (errno == EAGAIN)
        return xos_fail(err, XOS_BUSY, "the shim's socket is full");
    return xos_fail_errno(err, "shim");
}

int shim_client_receive(int fd, struct shim_frame *out, struct xos_error *err)
{
    ssize_t n;
    do {
        n = recv(fd, out, SHIM_FRAME_BYTES_MAX, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return xos_fail(err, XOS_BUSY, "nothing from the shim now");
    if (n < 0 && errno == ECONNRESET)
        return 0;
    if (n < 0)
        return xos_fail_errno(err, "shim");
    if (n == 0)
        return 0;
    if (shim_frame_check_event(out, (size_t)n) < 0)
        return xos_fail(err, XOS_PROTOCOL, "not a frame of a shim");
    return 1;
}

int exit_record_read(const char *units, const char *unit, struct exit_record *out,
                     struct xos_error *err)
{
    char data[sizeof(*out) + 1];
    int dir = unit_dir(units, unit, err);
    if (dir < 0)
        return -1;
    ssize_t n = sys_read_file(dir, "exit", data, sizeof(data));
    if (n < 0)
        (void)xos_fail_errno(err, "exit record of %s", unit);
    close(dir);
    if (n < 0)
        return -1;
    if (exit_record_check(data, (size_t)n) < 0)
        return xos_fail(err, XOS_CORRUPT, "exit record of %s", unit);
    memcpy(out, data, sizeof(*out));
    return 0;
}
