// SPDX-License-Identifier: Apache-2.0
#include "libxos/env/private_socket.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define OTHERS_ANYTHING 077
#define OTHERS_WRITE 022

__attribute__((format(printf, 3, 4))) static int
print_path(char path[static XOS_SOCKET_PATH_BYTES], struct xos_error *err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(path, XOS_SOCKET_PATH_BYTES, fmt, args);
    va_end(args);
    if (len > 0 && len < XOS_SOCKET_PATH_BYTES)
        return 0;
    return xos_fail(err, XOS_INVALID, "socket %s…: at most %d bytes", path,
                    XOS_SOCKET_PATH_BYTES - 1);
}

/* The directory's own entry: a link is not a directory. */
static bool is_mine_alone(const char *dir, uid_t uid)
{
    struct stat st;
    return lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == uid &&
           (st.st_mode & OTHERS_ANYTHING) == 0;
}

static int check_chosen(const char *path, uid_t uid, struct xos_error *err)
{
    char dir[XOS_SOCKET_PATH_BYTES] = ".";
    struct stat st;
    const char *slash = strrchr(path, '/');
    if (slash) {
        const size_t len = slash == path ? 1 : (size_t)(slash - path);
        memcpy(dir, path, len);
        dir[len] = '\0';
    }
    if (lstat(dir, &st) < 0)
        return xos_fail_errno(err, "directory %s", dir);
    if (!S_ISDIR(st.st_mode))
        return xos_fail(err, XOS_DENIED, "%s is not a directory", dir);
    if ((st.st_uid == uid || st.st_uid == 0) &&
        ((st.st_mode & OTHERS_WRITE) == 0 || (st.st_mode & S_ISVTX)))
        return 0;
    return xos_fail(err, XOS_DENIED, "directory %s: others can write there; chmod 700 it", dir);
}

int xos_private_socket_path(char path[static XOS_SOCKET_PATH_BYTES],
                            const struct xos_private_socket *w, struct xos_error *err)
{
    char dir[XOS_SOCKET_PATH_BYTES];
    if (w->chosen && w->chosen[0])
        return print_path(path, err, "%s", w->chosen) < 0 ? -1 : check_chosen(path, w->uid, err);
    if (w->runtime_dir && is_mine_alone(w->runtime_dir, w->uid))
        return print_path(path, err, "%s/%s.sock", w->runtime_dir, w->name);
    if (print_path(dir, err, "/tmp/%s-%u", w->name, w->uid) < 0 ||
        print_path(path, err, "/tmp/%s-%u/sock", w->name, w->uid) < 0)
        return -1;
    if (mkdir(dir, S_IRWXU) < 0 && !is_mine_alone(dir, w->uid))
        return xos_fail(err, XOS_DENIED,
                        "directory %s: not yours alone (mode 700); see to it, or choose a socket",
                        dir);
    return 0;
}
