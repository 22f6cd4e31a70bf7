// SPDX-License-Identifier: Apache-2.0
#include "libxos/store/walfile.h"

#include "libxos/base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define WAL_MAGIC UINT32_C(0x377f0682) /* its last bit: checksums over big-endian words */

struct wal_sum {
    uint32_t a, b;
};

static uint32_t word_be(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t word_le(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static struct wal_sum sum_at(const uint8_t *p)
{
    return (struct wal_sum){word_be(p), word_be(p + 4)};
}

static struct wal_sum sum_over(struct wal_sum s, bool big, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i + 8 <= len; i += 8) {
        s.a += (big ? word_be(data + i) : word_le(data + i)) + s.b;
        s.b += (big ? word_be(data + i + 4) : word_le(data + i + 4)) + s.a;
    }
    return s;
}

static bool sum_is(struct wal_sum s, const uint8_t *stored)
{
    struct wal_sum t = sum_at(stored);
    return s.a == t.a && s.b == t.b;
}

static bool big_words(const uint8_t *header)
{
    return word_be(header) & 1;
}

bool xos_wal_header_sound(const uint8_t header[static XOS_WAL_HEADER_BYTES])
{
    if ((word_be(header) & ~UINT32_C(1)) != WAL_MAGIC ||
        word_be(header + 8) != XOS_PAGESUM_PAGE_BYTES)
        return false;
    return sum_is(sum_over((struct wal_sum){0, 0}, big_words(header), header, 24), header + 24);
}

static bool same_salts(const uint8_t *header, const uint8_t *frame)
{
    return memcmp(header + 16, frame + 8, 8) == 0;
}

bool xos_wal_frame_sound(const uint8_t header[static XOS_WAL_HEADER_BYTES],
                         const uint8_t before[static 8],
                         const uint8_t frame[static XOS_WAL_FRAME_BYTES])
{
    bool big = big_words(header);
    struct wal_sum s = sum_over(sum_at(before), big, frame, 8);
    s = sum_over(s, big, frame + XOS_WAL_FRAME_HEADER_BYTES, XOS_PAGESUM_PAGE_BYTES);
    return word_be(frame) != 0 && same_salts(header, frame) && sum_is(s, frame + 16);
}

struct wal_scan {
    int fd;
    const char *path;
    bool header_sound;
    uint8_t header[XOS_WAL_HEADER_BYTES];
    uint8_t before[8];
    uint8_t frame[XOS_WAL_FRAME_BYTES];
    struct xos_wal_state state;
};

/* Returns the bytes read, fewer than len at the end of the file, or -1. */
static ssize_t rewrite(struct wal_scan *s, void *out, size_t len, off_t at, struct xos_error *err)
{
    size_t got = 0;
    while (got < len) {
        ssize_t n = pread(s->fd, (uint8_t *)out + got, len - got, at + (off_t)got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return xos_fail_errno(err, "read %s-wal", s->path);
        if (n == 0)
            break;
        got += (size_t)n;
    }
    size_t put = 0;
    while (put < got) {
        ssize_t n = pwrite(s->fd, (uint8_t *)out + put, got - put, at + (off_t)put);
        if (n < 0 && errno != EINTR)
            return xos_fail_errno(err, "write %s-wal", s->path);
        put += n > 0 ? (size_t)n : 0;
    }
    return (ssize_t)got;
}

/* Frames behind a broken one that a rolled back transaction left are no loss; a commit that is
 * sound by itself is. */
static void scan_frame(struct wal_scan *s, uint64_t at)
{
    if (!s->header_sound)
        return;
    bool sound = xos_wal_frame_sound(s->header, s->before, s->frame);
    bool commit = sound && word_be(s->frame + 4) != 0;
    memcpy(s->before, s->frame + 16, sizeof(s->before));
    if (sound && at == s->state.frames)
        s->state.frames++;
    else if (commit)
        s->state.lost = at + 1 - s->state.frames;
    if (commit && s->state.frames == at + 1)
        s->state.committed = at + 1;
}

static int scan(struct wal_scan *s, struct xos_error *err)
{
    ssize_t n = rewrite(s, s->header, sizeof(s->header), 0, err);
    if (n < 0)
        return -1;
    s->header_sound = n == sizeof(s->header) && xos_wal_header_sound(s->header);
    memcpy(s->before, s->header + 24, sizeof(s->before));
    off_t at = XOS_WAL_HEADER_BYTES;
    for (uint64_t i = 0; n > 0; i++, at += XOS_WAL_FRAME_BYTES) {
        n = rewrite(s, s->frame, sizeof(s->frame), at, err);
        if (n < 0)
            return -1;
        if (n == sizeof(s->frame))
            scan_frame(s, i);
    }
    if (fdatasync(s->fd) < 0)
        return xos_fail_errno(err, "sync %s-wal", s->path);
    return 0;
}

int xos_wal_settle(const char *path, struct xos_wal_state *out, struct xos_error *err)
{
    int rc = -1;
    struct wal_scan *s = NULL;
    char *name = xos_asprintf("%s-wal", path);
    int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    *out = (struct xos_wal_state){0};
    if (!name) {
        xos_fail(err, XOS_NOMEM, "name of the log of %s", path);
        goto out;
    }
    if (fd < 0) {
        rc = errno == ENOENT ? 0 : xos_fail_errno(err, "open %s", name);
        goto out;
    }
    s = xos_alloc(sizeof(*s));
    if (!s) {
        xos_fail(err, XOS_NOMEM, "log of %s", path);
        goto out;
    }
    s->fd = fd;
    s->path = path;
    rc = scan(s, err);
    *out = s->state;
out:
    if (fd >= 0)
        close(fd);
    xos_free(s);
    xos_free(name);
    return rc;
}
