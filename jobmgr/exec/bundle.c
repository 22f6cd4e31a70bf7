// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/bundle.h"

#include "jobmgr/exec/execsys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES 16384

const char *bundle_check(const struct bundle *b, uint64_t total)
{
    if (total < sizeof(*b) || b->magic != BUNDLE_MAGIC || b->version != BUNDLE_VERSION || b->zero)
        return "head";
    if (b->count > BUNDLE_FILES_MAX)
        return "count";
    if (b->bytes < sizeof(*b) || b->bytes > BUNDLE_BYTES_MAX || b->bytes > total)
        return "size";
    return NULL;
}

static bool name_good(const char name[static BUNDLE_NAME_BYTES])
{
    size_t len = strnlen(name, BUNDLE_NAME_BYTES);
    if (len == 0 || len == BUNDLE_NAME_BYTES || strchr(name, '/') || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0)
        return false;
    for (size_t i = len; i < BUNDLE_NAME_BYTES; i++)
        if (name[i])
            return false;
    return true;
}

const char *bundle_file_check(const struct bundle_file *f, uint64_t left)
{
    if (left < sizeof(*f) || f->bytes > left - sizeof(*f))
        return "a file's size";
    if (f->mode & ~UINT32_C(0777))
        return "a file's mode";
    return name_good(f->name) ? NULL : "a file's name";
}

static int read_exact(int fd, void *to, size_t bytes, uint64_t at)
{
    ssize_t n = pread(fd, to, bytes, (off_t)at);
    if (n == (ssize_t)bytes)
        return 0;
    errno = n < 0 ? errno : EBADMSG;
    return -1;
}

static int copy(int from, uint64_t at, size_t bytes, int to)
{
    uint8_t part[COPY_BYTES];
    while (bytes) {
        size_t n = bytes < sizeof(part) ? bytes : sizeof(part);
        if (read_exact(from, part, n, at) < 0 || sys_write_all(to, part, n) < 0)
            return -1;
        at += n;
        bytes -= n;
    }
    return 0;
}

/* The mode last, whatever the umask is, and so that a file without the right to write is no
 * hindrance. */
static int put(int fd, uint64_t at, const struct bundle_file *f, int dir)
{
    int to = openat(dir, f->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return -1;
    int rc = copy(fd, at, f->bytes, to);
    if (rc == 0)
        rc = fchmod(to, (mode_t)f->mode);
    int why = errno;
    if (close(to) < 0 && rc == 0)
        return -1;
    errno = why;
    return rc;
}

int bundle_unpack(int fd, int dir)
{
    struct stat st;
    struct bundle b;
    struct bundle_file f;
    uint64_t at = sizeof(b);
    if (fstat(fd, &st) < 0 || read_exact(fd, &b, sizeof(b), 0) < 0)
        return -1;
    bool wrong = bundle_check(&b, (uint64_t)st.st_size) != NULL;
    for (unsigned i = 0; !wrong && i < b.count; i++) {
        if (read_exact(fd, &f, sizeof(f), at) < 0)
            return -1;
        wrong = bundle_file_check(&f, b.bytes - at) != NULL;
        if (!wrong && put(fd, at + sizeof(f), &f, dir) < 0)
            return -1;
        at += sizeof(f) + f.bytes;
    }
    if (!wrong && at == b.bytes)
        return 0;
    errno = EBADMSG;
    return -1;
}
