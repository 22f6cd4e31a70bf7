// SPDX-License-Identifier: Apache-2.0
/* env_posix_file.c - files and directories of the real world. The way to a path is
 * env_posix_beneath(); each call here opens the path's parent that way and names the last part. */
#include "libxos/env/env_posix.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define TEMP_NAME_BYTES 32
#define TEMP_TRIES_MAX 8
#define READ_STEP_BYTES 4096

/* A path's parent, opened, and its last part. */
struct place {
    int parent;
    char name[NAME_MAX + 1];
};

/* errno of a path that may come from outside, as an error. */
static int path_fail(struct xos_error *err, const char *what, const char *path)
{
    if (errno == EXDEV)
        return xos_fail(err, XOS_DENIED, "%s %s: the path leaves its directory", what, path);
    if (errno == ELOOP)
        return xos_fail(err, XOS_DENIED, "%s %s: the path crosses a symbolic link", what, path);
    return xos_fail_errno(err, "%s %s", what, path);
}

/* parent: -1 when it fails. */
static int place_open(struct place *p, int dir, const char *path, const char *what,
                      struct xos_error *err)
{
    char above[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t above_len = slash ? (size_t)(slash - path) : 0;
    p->parent = -1;
    if (*name == '\0' || strlen(name) > NAME_MAX || above_len >= sizeof(above) ||
        strcmp(name, ".") == 0)
        return xos_fail(err, XOS_INVALID, "%s %.80s: not a file name", what, path);
    if (strcmp(name, "..") == 0 || *path == '/') {
        errno = EXDEV;
        return path_fail(err, what, path);
    }
    memcpy(above, path, above_len);
    above[above_len] = '\0';
    memcpy(p->name, name, strlen(name) + 1);
    p->parent = env_posix_beneath(dir, above_len ? above : ".", O_RDONLY | O_DIRECTORY, 0);
    return p->parent < 0 ? path_fail(err, what, path) : 0;
}

int env_posix_dir_open(struct xos_env *env, const char *path, struct xos_error *err)
{
    (void)env;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? xos_fail_errno(err, "open %s", path) : fd;
}

/* The new directory's mode, whatever the umask is, and its name on the disk. */
static int dir_finish(const struct place *p, mode_t mode)
{
    int fd = openat(p->parent, p->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int rc = fd < 0 || fchmod(fd, mode) < 0 || fsync(p->parent) < 0 ? -1 : 0;
    env_posix_close(NULL, fd);
    return rc;
}

int env_posix_dir_make(struct xos_env *env, int dir, const char *path, mode_t mode,
                       struct xos_error *err)
{
    (void)env;
    struct place p;
    struct stat st;
    int rc = -1;
    if (place_open(&p, dir, path, "make directory", err) < 0)
        return -1;
    if (mkdirat(p.parent, p.name, mode | S_IRWXU) == 0) {
        rc = dir_finish(&p, mode);
        if (rc < 0) {
            path_fail(err, "make directory", path);
            (void)unlinkat(p.parent, p.name, AT_REMOVEDIR);
        }
    } else if (errno != EEXIST || fstatat(p.parent, p.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        path_fail(err, "make directory", path);
    else if (!S_ISDIR(st.st_mode))
        xos_fail(err, XOS_EXISTS, "make directory %s: something else has that name", path);
    else
        rc = 0;
    env_posix_close(env, p.parent);
    return rc;
}

int env_posix_dir_list(struct xos_env *env, int dir, const char *path, xos_env_entry_f each,
                       void *arg, struct xos_error *err)
{
    int fd = env_posix_beneath(dir, path, O_RDONLY | O_DIRECTORY, 0);
    DIR *open_dir = fd < 0 ? NULL : fdopendir(fd);
    if (!open_dir) {
        path_fail(err, "list", path);
        env_posix_close(env, fd);
        return -1;
    }
    const struct dirent *entry;
    int stop = 0;
    errno = 0;
    while (!stop && (entry = readdir(open_dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            stop = each(entry->d_name, arg);
        errno = 0;
    }
    int rc = errno ? xos_fail_errno(err, "list %s", path) : 0;
    closedir(open_dir);
    return rc;
}

static int open_flags(unsigned flags)
{
    static const struct {
        unsigned ours;
        int theirs;
    } table[] = {
        {XOS_OPEN_CREATE, O_CREAT},
        {XOS_OPEN_EXCLUSIVE, O_EXCL},
        {XOS_OPEN_APPEND, O_APPEND},
        {XOS_OPEN_TRUNCATE, O_TRUNC},
    };
    bool reads = flags & XOS_OPEN_READ, writes = flags & XOS_OPEN_WRITE;
    int all = reads && writes ? O_RDWR : writes ? O_WRONLY : O_RDONLY;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (flags & table[i].ours)
            all |= table[i].theirs;
    return all;
}

/* A pipe that somebody planted would block us when opened, or feed us for ever. */
static int kind_check(int fd, const char *path, struct xos_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return xos_fail_errno(err, "open %s", path);
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISCHR(st.st_mode))
        return xos_fail(err, XOS_DENIED, "open %s: it is not a file", path);
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) < 0)
        return xos_fail_errno(err, "open %s", path);
    return 0;
}

int env_posix_file_open(struct xos_env *env, int dir, const char *path, unsigned flags, mode_t mode,
                        struct xos_error *err)
{
    assert(flags & (XOS_OPEN_READ | XOS_OPEN_WRITE));
    int fd = env_posix_beneath(dir, path, open_flags(flags) | O_NONBLOCK | O_NOCTTY, mode);
    if (fd < 0)
        return path_fail(err, "open", path);
    if (kind_check(fd, path, err) < 0) {
        env_posix_close(env, fd);
        return -1;
    }
    return fd;
}

/* One read() to the end of out. Returns its result, or -1 and *err. */
static ssize_t read_some(int fd, const char *path, size_t want, struct xos_buf *out,
                         struct xos_error *err)
{
    size_t left = out->max - out->len;
    if (want > left)
        want = left;
    char beyond;
    uint8_t *room = want ? xos_buf_room(out, want, err) : (uint8_t *)&beyond;
    if (!room)
        return -1;
    ssize_t n;
    do
        n = read(fd, room, want ? want : 1);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return xos_fail_errno(err, "read %s", path);
    if (n > 0 && want == 0)
        return xos_fail(err, XOS_LIMIT, "read %s: more than %zu bytes", path, out->max);
    if (want) {
        out->len += (size_t)n;
        out->data[out->len] = 0;
    }
    return n;
}

int env_posix_file_read(struct xos_env *env, int dir, const char *path, struct xos_buf *out,
                        struct xos_error *err)
{
    struct stat st = {0};
    size_t before = out->len;
    int fd = env_posix_file_open(env, dir, path, XOS_OPEN_READ, 0, err);
    if (fd < 0)
        return -1;
    ssize_t n = -1;
    if (fstat(fd, &st) < 0)
        xos_fail_errno(err, "read %s", path);
    else if (st.st_size > 0 && (uint64_t)st.st_size > out->max - before)
        xos_fail(err, XOS_LIMIT, "read %s: more than %zu bytes", path, out->max);
    else {
        /* In one piece where the size is known: a secret then has no second copy on the heap. */
        size_t want = st.st_size > 0 ? (size_t)st.st_size : READ_STEP_BYTES;
        do
            n = read_some(fd, path, want, out, err);
        while (n > 0);
    }
    env_posix_close(env, fd);
    if (n < 0)
        xos_buf_cut(out, before);
    return n < 0 ? -1 : 0;
}

static int temp_name(char name[static TEMP_NAME_BYTES], struct xos_error *err)
{
    uint64_t random;
    if (env_posix_random(NULL, &random, sizeof(random), err) < 0)
        return -1;
    (void)snprintf(name, TEMP_NAME_BYTES, ".xos-%016llx", (unsigned long long)random);
    return 0;
}

/* A file without a name where the file system can (nothing is left if we are killed), else one
 * with a name of its own. name is "" for the former. */
static int temp_open(int parent, char name[static TEMP_NAME_BYTES], struct xos_error *err)
{
    name[0] = '\0';
    int fd = -1;
    if (access("/proc/self/fd", X_OK) == 0) /* temp_link goes through it */
        fd = openat(parent, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    if (temp_name(name, err) < 0)
        return -1;
    fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? xos_fail_errno(err, "temporary file") : fd;
}

static int temp_write(int fd, const void *data, size_t len, mode_t mode, struct xos_error *err)
{
    const uint8_t *at = data;
    while (len) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return xos_fail_errno(err, "write");
        at += n;
        len -= (size_t)n;
    }
    if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
        return xos_fail_errno(err, "write");
    return 0;
}

/* Give a nameless file a name: rename() needs one, and link() does not replace. */
static int temp_link(int parent, int fd, char name[static TEMP_NAME_BYTES], struct xos_error *err)
{
    char self[40];
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    for (int i = 0; i < TEMP_TRIES_MAX; i++) {
        if (temp_name(name, err) < 0)
            return -1;
        if (linkat(AT_FDCWD, self, parent, name, AT_SYMLINK_FOLLOW) == 0)
            return 0;
        name[0] = '\0';
        if (errno != EEXIST)
            break;
    }
    return xos_fail_errno(err, "temporary file");
}

int env_posix_file_replace(struct xos_env *env, int dir, const char *path, const void *data,
                           size_t len, mode_t mode, struct xos_error *err)
{
    struct place p;
    char temp[TEMP_NAME_BYTES] = "";
    int fd = -1, rc = -1;
    if (place_open(&p, dir, path, "write", err) < 0)
        return -1;
    fd = temp_open(p.parent, temp, err);
    if (fd < 0 || temp_write(fd, data, len, mode, err) < 0 ||
        (!temp[0] && temp_link(p.parent, fd, temp, err) < 0)) {
        xos_wrap(err, "write %s", path);
        goto out;
    }
    if (renameat(p.parent, temp, p.parent, p.name) < 0) {
        xos_fail_errno(err, "write %s", path);
        goto out;
    }
    temp[0] = '\0';
    /* The new file is there whole; only that it outlives a power loss is not certain then. */
    rc = fsync(p.parent) < 0 ? xos_fail_errno(err, "write %s: its directory", path) : 0;
out:
    if (temp[0])
        (void)unlinkat(p.parent, temp, 0);
    env_posix_close(env, fd);
    env_posix_close(env, p.parent);
    return rc;
}

int env_posix_remove(struct xos_env *env, int dir, const char *path, struct xos_error *err)
{
    struct place p;
    if (place_open(&p, dir, path, "remove", err) < 0)
        return -1;
    int rc = unlinkat(p.parent, p.name, 0);
    if (rc < 0 && errno == EISDIR)
        rc = unlinkat(p.parent, p.name, AT_REMOVEDIR);
    if (rc < 0)
        path_fail(err, "remove", path);
    env_posix_close(env, p.parent);
    return rc;
}

int env_posix_link_read(struct xos_env *env, int dir, const char *path, struct xos_buf *out,
                        struct xos_error *err)
{
    struct place p;
    char target[PATH_MAX];
    if (place_open(&p, dir, path, "read link", err) < 0)
        return -1;
    ssize_t n = readlinkat(p.parent, p.name, target, sizeof(target));
    int rc = n < 0 ? path_fail(err, "read link", path) : xos_buf_add(out, target, (size_t)n, err);
    env_posix_close(env, p.parent);
    return rc;
}

int env_posix_disk_free(struct xos_env *env, int dir, struct xos_disk *out, struct xos_error *err)
{
    (void)env;
    struct statvfs fs;
    if (fstatvfs(dir, &fs) < 0)
        return xos_fail_errno(err, "free space");
    *out = (struct xos_disk){.free_bytes = fs.f_bavail * fs.f_frsize,
                             .all_bytes = fs.f_blocks * fs.f_frsize};
    /* What is reserved for root counts as used; a file system without blocks is never full. */
    uint64_t usable = fs.f_blocks - fs.f_bfree + fs.f_bavail;
    out->free_ratio = usable ? (double)fs.f_bavail / (double)usable : 1.0;
    return 0;
}
