// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/execsys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

static int64_t clock_ms(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

uint64_t sys_boot_ms(void)
{
    return (uint64_t)clock_ms(CLOCK_BOOTTIME);
}

int64_t sys_real_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void sys_boot_id(uint8_t out[static 16])
{
    char text[64];
    memset(out, 0, 16);
    ssize_t n = sys_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", text, sizeof(text));
    size_t at = 0;
    for (ssize_t i = 0; i < n && at < 32; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0)
            continue;
        out[at / 2] = (uint8_t)(out[at / 2] << 4 | digit);
        at++;
    }
}

int sys_start_time(pid_t pid, uint64_t *ticks)
{
    char path[40], text[1024];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    ssize_t n = sys_read_file(AT_FDCWD, path, text, sizeof(text) - 1);
    if (n <= 0)
        return -1;
    text[n] = 0;
    /* The name may hold spaces and brackets: the fields start behind its last bracket. */
    char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    if (!at) {
        errno = EINVAL;
        return -1;
    }
    *ticks = strtoull(at, NULL, 10);
    return 0;
}

int sys_pidfd_of(pid_t pid, uint64_t start_ticks)
{
    if (pid <= 0) {
        errno = ESRCH;
        return -1;
    }
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return -1;
    uint64_t now;
    if (sys_start_time(pid, &now) == 0 && now == start_ticks)
        return fd;
    close(fd);
    errno = ESRCH;
    return -1;
}

int sys_pidfd_signal(int pidfd, int signal, unsigned flags)
{
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, flags);
}

int sys_write_all(int fd, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    while (bytes) {
        ssize_t n = write(fd, at, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        at += n;
        bytes -= (size_t)n;
    }
    return 0;
}

ssize_t sys_send_fd(int socket, const void *data, size_t bytes, int fd, int flags)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = bytes};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        *c = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    }
    return sendmsg(socket, &m, flags);
}

/* There is room for one: the kernel closes what else came. */
ssize_t sys_recv_fd(int socket, void *data, size_t bytes, int *fd, int flags)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {.iov_base = data, .iov_len = bytes};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(socket, &m, flags | MSG_CMSG_CLOEXEC);
    const struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    *fd = -1;
    if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS &&
        h->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(fd, CMSG_DATA(h), sizeof(*fd));
    return n;
}

ssize_t sys_read_all(int fd, void *data, size_t max)
{
    size_t have = 0;
    while (have < max) {
        ssize_t n = read(fd, (uint8_t *)data + have, max - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

int sys_replace(int dir, const char *name, const void *data, size_t bytes, mode_t mode,
                enum sys_durability durability)
{
    char temp[96];
    (void)snprintf(temp, sizeof(temp), ".%s.new", name);
    (void)unlinkat(dir, temp, 0);
    int fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return -1;
    int rc = sys_write_all(fd, data, bytes);
    if (rc == 0 && durability == SYS_DURABLE)
        rc = fsync(fd);
    int saved = errno;
    close(fd);
    errno = saved;
    if (rc == 0)
        rc = renameat(dir, temp, dir, name);
    if (rc == 0 && durability == SYS_DURABLE)
        rc = fsync(dir);
    if (rc < 0) {
        saved = errno;
        (void)unlinkat(dir, temp, 0);
        errno = saved;
    }
    return rc;
}

ssize_t sys_read_file(int dir, const char *name, void *data, size_t max)
{
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = sys_read_all(fd, data, max);
    int saved = errno;
    close(fd);
    errno = saved;
    return n;
}

int sys_write_text(int dir, const char *name, const char *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = write(fd, text, strlen(text));
    int saved = errno;
    close(fd);
    errno = saved;
    return n < 0 ? -1 : 0;
}

int sys_find_number(const char *text, const char *key, uint64_t *value)
{
    size_t len = strlen(key);
    for (const char *at = text; at && *at;) {
        if (strncmp(at, key, len) == 0 && (at[len] == ' ' || at[len] == ':')) {
            *value = strtoull(at + len + 1, NULL, 10);
            return 0;
        }
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    return -1;
}
