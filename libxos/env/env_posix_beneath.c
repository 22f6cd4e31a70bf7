// SPDX-License-Identifier: Apache-2.0
/* env_posix_beneath.c - the way from a directory handle to a file below it.
 *
 * openat2() with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS does it in one call. Where it is unknown
 * (ENOSYS), or a seccomp filter that is older than it answers EPERM, the path is walked part by
 * part, each opened without following a link and looked at before it is gone through. Both refuse
 * "..", so that what a path may say does not depend on the kernel. */
#include "libxos/env/env_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OPENAT2_TRIES_MAX 32 /* EAGAIN: something was renamed while it looked */

/* 0, or -1 with errno when the text alone shows that the path is not one below. */
static int path_check(const char *path)
{
    if (strnlen(path, PATH_MAX) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (*path == '\0') {
        errno = ENOENT;
        return -1;
    }
    for (const char *p = path;; p++) {
        size_t part = strcspn(p, "/");
        if ((part == 0 && p == path) || (part == 2 && p[0] == '.' && p[1] == '.')) {
            errno = EXDEV;
            return -1;
        }
        p += part;
        if (*p == '\0')
            return 0;
    }
}

static void close_kept(int fd)
{
    env_posix_close(NULL, fd);
}

/* One step of the walk: the directory `name` in `at`, itself no link. */
static int step(int at, const char *name)
{
    struct stat st = {0};
    int fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        return fd;
    close_kept(fd);
    errno = S_ISLNK(st.st_mode) ? ELOOP : ENOTDIR;
    return -1;
}

/* The last part: with O_DIRECTORY the kernel would call a link ENOTDIR, so it is looked at first.
 */
static int last(int at, const char *name, int flags, mode_t mode)
{
    struct stat st;
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode)) {
        errno = ELOOP;
        return -1;
    }
    return openat(at, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
}

static int walk(int dir, const char *path, int flags, mode_t mode)
{
    char copy[PATH_MAX];
    int at = dir;
    memcpy(copy, path, strlen(path) + 1);
    char *name = copy;
    for (char *slash; (slash = strchr(name, '/')) && slash[strspn(slash, "/")];) {
        *slash = '\0';
        int next = step(at, name);
        if (at != dir)
            close_kept(at);
        if (next < 0)
            return -1;
        at = next;
        name = slash + 1;
        name += strspn(name, "/");
    }
    int fd = last(at, name, flags, mode);
    if (at != dir)
        close_kept(at);
    return fd;
}

int env_posix_beneath(int dir, const char *path, int flags, mode_t mode)
{
    if (path_check(path) < 0)
        return -1;
    struct open_how how = {.flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
                           .mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    long fd = -1;
    for (int i = 0; i < OPENAT2_TRIES_MAX; i++) {
        fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        return walk(dir, path, flags, mode);
    return (int)fd;
}
