// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/ca/state.h"

#include "libxos/wire/key.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int ca_file_check(int fd, const char *path, enum ca_trust trust, struct xos_error *err)
{
    struct stat st;
    const mode_t forbidden = trust == CA_TRUST_SECRET ? 077 : 022;
    if (fstat(fd, &st) < 0)
        return xos_fail_errno(err, "%s", path);
    if (st.st_uid != geteuid() && (trust == CA_TRUST_SECRET || st.st_uid != 0))
        return xos_fail(err, XOS_DENIED, "%s belongs to uid %u", path, st.st_uid);
    if (st.st_mode & forbidden)
        return xos_fail(err, XOS_DENIED, "%s has mode %04o: chmod %s", path,
                        (unsigned)(st.st_mode & 07777), trust == CA_TRUST_SECRET ? "go=" : "go-w");
    return 0;
}

static int read_all(int fd, const char *path, struct xos_buf *out, struct xos_error *err)
{
    for (;;) {
        uint8_t part[4096];
        ssize_t n = read(fd, part, sizeof(part));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return xos_fail_errno(err, "read %s", path);
        if (n == 0)
            return 0;
        if (xos_buf_add(out, part, (size_t)n, err) < 0)
            return xos_wrap(err, "read %s", path);
    }
}

int ca_file_read(struct xos_env *env, int dir, const char *path, enum ca_trust trust,
                 struct xos_buf *out, struct xos_error *err)
{
    const size_t before = out->len;
    int fd = xos_env_file_open(env, dir, path, XOS_OPEN_READ, 0, err);
    if (fd < 0)
        return -1;
    int rc = ca_file_check(fd, path, trust, err);
    if (rc == 0)
        rc = read_all(fd, path, out, err);
    if (rc < 0)
        xos_buf_cut(out, before);
    xos_env_close(env, fd);
    return rc;
}

int ca_state_open(struct ca_state *s, struct xos_env *env, const char *path, struct xos_error *err)
{
    int dir = xos_env_dir_open(env, path, err);
    if (dir < 0)
        return -1;
    if (ca_file_check(dir, path, CA_TRUST_SECRET, err) < 0) {
        xos_env_close(env, dir);
        return -1;
    }
    *s = (struct ca_state){.env = env, .dir = dir, .log = -1};
    return 0;
}

void ca_state_close(struct ca_state *s)
{
    if (!s->env)
        return;
    xos_env_close(s->env, s->log);
    xos_env_close(s->env, s->dir);
    *s = (struct ca_state){0};
}

int ca_state_make(struct xos_env *env, const char *path, struct xos_error *err)
{
    static const char *const folders[] = {CA_DIR_KEYS, CA_DIR_VO, CA_DIR_PEERS};
    char above[PATH_MAX];
    const char *slash = strrchr(path, '/');
    (void)snprintf(above, sizeof(above), "%.*s", slash ? (int)(slash - path) + 1 : 1,
                   slash ? path : ".");
    int parent = xos_env_dir_open(env, above, err), dir = -1, rc = -1;
    if (parent >= 0 && xos_env_dir_make(env, parent, slash ? slash + 1 : path, 0700, err) == 0)
        dir = xos_env_dir_open(env, path, err);
    if (dir >= 0)
        rc = ca_file_check(dir, path, CA_TRUST_SECRET, err);
    for (size_t i = 0; rc == 0 && i < sizeof(folders) / sizeof(folders[0]); i++)
        rc = xos_env_dir_make(env, dir, folders[i], 0700, err);
    xos_env_close(env, dir);
    xos_env_close(env, parent);
    return rc;
}

int ca_state_load(struct ca_state *s, const char *path, struct xos_buf *out, struct xos_error *err)
{
    uint8_t hash[XOS_HASH_BYTES];
    struct xos_error why = {0};
    const size_t before = out->len;
    if (ca_file_read(s->env, s->dir, path, CA_TRUST_SECRET, out, &why) < 0)
        return why.code == XOS_NOT_FOUND ? 0 : xos_fail(err, why.code, "%s", why.text);
    const size_t len = out->len - before;
    const uint8_t *at = out->data ? out->data + before : NULL;
    if (len < sizeof(hash) ||
        xos_sha256((struct xos_slice){at + sizeof(hash), len - sizeof(hash)}, hash, err) < 0 ||
        memcmp(hash, at, sizeof(hash)) != 0) {
        xos_buf_cut(out, before);
        return xos_fail(err, XOS_CORRUPT, "%s: its checksum does not fit", path);
    }
    memmove(out->data + before, out->data + before + sizeof(hash), len - sizeof(hash));
    xos_buf_cut(out, out->len - sizeof(hash));
    return 0;
}

int ca_state_store(struct ca_state *s, const char *path, struct xos_slice table,
                   struct xos_error *err)
{
    struct xos_buf file = XOS_BUF(table.len + XOS_HASH_BYTES);
    uint8_t hash[XOS_HASH_BYTES];
    int rc = -1;
    if (xos_sha256(table, hash, err) == 0 && xos_buf_add(&file, hash, sizeof(hash), err) == 0 &&
        xos_buf_add(&file, table.data, table.len, err) == 0)
        rc = xos_env_file_replace(s->env, s->dir, path, file.data, file.len, 0600, err);
    xos_buf_free(&file);
    return rc;
}

int ca_state_log(struct ca_state *s, struct xos_slice line, bool synced, struct xos_error *err)
{
    if (s->log < 0)
        s->log = xos_env_file_open(s->env, s->dir, CA_FILE_LOG,
                                   XOS_OPEN_WRITE | XOS_OPEN_CREATE | XOS_OPEN_APPEND, 0600, err);
    if (s->log < 0)
        return -1;
    ssize_t n = write(s->log, line.data, line.len);
    if (n < 0)
        return xos_fail_errno(err, "write " CA_FILE_LOG);
    if ((size_t)n != line.len)
        return xos_fail(err, XOS_IO, "write " CA_FILE_LOG ": no room");
    if (synced && fsync(s->log) < 0)
        return xos_fail_errno(err, "flush " CA_FILE_LOG);
    return 0;
}

int ca_state_lock(struct ca_state *s, struct xos_error *err)
{
    int fd = xos_env_file_open(s->env, s->dir, "lock", XOS_OPEN_WRITE | XOS_OPEN_CREATE, 0600, err);
    if (fd >= 0 && flock(fd, LOCK_EX) == 0)
        return fd;
    if (fd >= 0)
        xos_fail_errno(err, "lock");
    xos_env_close(s->env, fd);
    return -1;
}

bool ca_state_changed(struct ca_state *s, const char *path, struct ca_stamp *stamp)
{
    struct stat st;
    struct ca_stamp now = {0};
    if (fstatat(s->dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        now = (struct ca_stamp){(uint64_t)st.st_ino,
                                (uint64_t)st.st_mtim.tv_sec * 1000000000u +
                                    (uint64_t)st.st_mtim.tv_nsec,
                                (uint64_t)st.st_size};
    bool changed = memcmp(&now, stamp, sizeof(now)) != 0;
    *stamp = now;
    return changed;
}
