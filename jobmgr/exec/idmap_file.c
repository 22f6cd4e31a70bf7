// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/idmap_file.h"

#include "jobmgr/exec/execsys.h"
#include "libxos/base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_TRIES 100
#define LOCK_EACH_US 10000

struct idmap_file {
    struct idmap *map;
    int fd;
    off_t end; /* of the last good record */
};

static int is_last(const struct idmap_file *f, off_t size)
{
    return size - f->end <= (off_t)sizeof(struct idmap_record);
}

static int replay(struct idmap_file *f, const char *path, struct xos_error *err)
{
    struct stat st;
    struct idmap_record r;
    if (fstat(f->fd, &st) < 0)
        return xos_fail_errno(err, "%s", path);
    while (pread(f->fd, &r, sizeof(r), f->end) == (ssize_t)sizeof(r)) {
        if (idmap_record_check(&r, sizeof(r)) < 0) {
            if (is_last(f, st.st_size))
                break;
            return xos_fail(err, XOS_CORRUPT, "%s: bad record at %lld", path, (long long)f->end);
        }
        if (idmap_apply(f->map, &r, err) < 0)
            return xos_wrap(err, "%s at %lld", path, (long long)f->end);
        f->end += (off_t)sizeof(r);
    }
    if (st.st_size > f->end && (ftruncate(f->fd, f->end) < 0 || fsync(f->fd) < 0))
        return xos_fail_errno(err, "%s", path);
    return 0;
}

/* The name of a new journal must be as durable as its first record. */
static int sync_parent(int fd)
{
    char link[40], path[PATH_MAX];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    if (n <= 0)
        return -1;
    path[n] = 0;
    char *slash = strrchr(path, '/');
    if (!slash)
        return -1;
    slash[slash == path] = 0;
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = dir < 0 ? -1 : fsync(dir);
    if (dir >= 0)
        close(dir);
    return rc;
}

/* A child of an execd that was just killed may hold it for some moments more. */
static int take_lock(int fd)
{
    int rc = flock(fd, LOCK_EX | LOCK_NB);
    for (int i = 0; rc < 0 && i < LOCK_TRIES; i++) {
        (void)usleep(LOCK_EACH_US);
        rc = flock(fd, LOCK_EX | LOCK_NB);
    }
    return rc;
}

int idmap_file_open(struct idmap_file **out, const char *path, struct xos_error *err)
{
    struct idmap_file *f = xos_alloc(sizeof(*f));
    if (!f)
        return xos_fail(err, XOS_NOMEM, "%s", path);
    f->fd = -1;
    if (idmap_new(&f->map, IDMAP_UID_MIN, IDMAP_UID_MAX, err) < 0)
        goto error;
    f->fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (f->fd < 0 || sync_parent(f->fd) < 0) {
        (void)xos_fail_errno(err, "%s", path);
        goto error;
    }
    if (take_lock(f->fd) < 0) {
        (void)xos_fail(err, XOS_BUSY, "%s: another xos-execd holds it", path);
        goto error;
    }
    if (replay(f, path, err) < 0)
        goto error;
    *out = f;
    return 0;
error:
    idmap_file_close(f);
    return -1;
}

void idmap_file_close(struct idmap_file *f)
{
    if (!f)
        return;
    int saved = errno;
    if (f->fd >= 0)
        close(f->fd);
    idmap_free(f->map);
    xos_free(f);
    errno = saved;
}

/* Durable first, then believed. What could not be written whole is cut off again. */
static int commit(struct idmap_file *f, const struct idmap_record *r, struct xos_error *err)
{
    if (pwrite(f->fd, r, sizeof(*r), f->end) != (ssize_t)sizeof(*r) || fsync(f->fd) < 0) {
        (void)xos_fail_errno(err, "uid table");
        (void)!ftruncate(f->fd, f->end);
        return -1;
    }
    if (idmap_apply(f->map, r, err) < 0) {
        (void)!ftruncate(f->fd, f->end);
        return -1;
    }
    f->end += (off_t)sizeof(*r);
    return 0;
}

int idmap_file_uid(struct idmap_file *f, const char *vo, const char *user, int64_t now_s,
                   uint32_t *uid, struct xos_error *err)
{
    struct idmap_record r;
    *uid = idmap_find(f->map, vo, user);
    if (*uid)
        return 0;
    if (idmap_plan(f->map, vo, user, now_s, &r, err) < 0 || commit(f, &r, err) < 0)
        return -1;
    *uid = r.uid;
    return 0;
}

int idmap_file_release(struct idmap_file *f, const char *vo, const char *user, int64_t now_s,
                       struct xos_error *err)
{
    struct idmap_record r;
    if (idmap_plan_release(f->map, vo, user, now_s, &r, err) < 0)
        return -1;
    return commit(f, &r, err);
}
