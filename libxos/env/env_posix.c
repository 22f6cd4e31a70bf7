// SPDX-License-Identifier: Apache-2.0
/* env_posix.c - the real world behind env.h: clocks and random bits here, files in
 * env_posix_file.c with the way to them in env_posix_beneath.c, sockets in env_posix_socket.c,
 * processes in env_posix_child.c.
 *
 * What holds for all of it:
 *  - every descriptor is close-on-exec from the call that makes it, so that a fork in another
 *    thread cannot inherit it;
 *  - a call that was interrupted by a signal is made again, never reported;
 *  - nothing here keeps state, so that any thread may call any of it;
 *  - what a newer kernel offers (openat2, close_range) is tried first, and the older way is taken
 *    when the kernel or a seccomp filter around us does not know it. */
#include "libxos/env/env_posix.h"

#include <assert.h>
#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    int rc = clock_gettime(clock, &now);
    assert(rc == 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
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

static uint64_t boot_ms(struct xos_env *env)
{
    (void)env;
    return clock_ms(CLOCK_BOOTTIME);
}

int env_posix_random(struct xos_env *env, void *out, size_t len, struct xos_error *err)
{
    (void)env;
    uint8_t *at = out;
    while (len) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return xos_fail_errno(err, "random bytes");
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

void env_posix_close(struct xos_env *env, int fd)
{
    (void)env;
    int saved = errno;
    if (fd >= 0)
        (void)close(fd); /* on Linux the descriptor is gone also after EINTR */
    errno = saved;
}

static int posix_user(struct xos_env *env, struct xos_user *out, struct xos_error *err)
{
    struct passwd entry, *found = NULL;
    char text[4096];
    (void)env;
    (void)err;
    *out = (struct xos_user){.uid = geteuid()};
    if (getpwuid_r(out->uid, &entry, text, sizeof(text), &found) == 0 && found &&
        strlen(entry.pw_name) < sizeof(out->login))
        memcpy(out->login, entry.pw_name, strlen(entry.pw_name) + 1);
    return 0;
}

static const struct xos_env_ops posix_ops = {
    .real_ms = real_ms,
    .mono_ms = mono_ms,
    .boot_ms = boot_ms,
    .random = env_posix_random,
    .dir_open = env_posix_dir_open,
    .dir_make = env_posix_dir_make,
    .dir_list = env_posix_dir_list,
    .file_open = env_posix_file_open,
    .file_read = env_posix_file_read,
    .file_replace = env_posix_file_replace,
    .remove = env_posix_remove,
    .link_read = env_posix_link_read,
    .disk_free = env_posix_disk_free,
    .close = env_posix_close,
    .unix_listen = env_posix_unix_listen,
    .unix_connect = env_posix_unix_connect,
    .tcp_listen = env_posix_tcp_listen,
    .tcp_connect = env_posix_tcp_connect,
    .socket_peer = env_posix_socket_peer,
    .user = posix_user,
    .spawn = env_posix_spawn,
    .child_signal = env_posix_child_signal,
    .child_reap = env_posix_child_reap,
};

struct xos_env *xos_env_posix(void)
{
    static struct xos_env posix = {.ops = &posix_ops};
    return &posix;
}
