// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a file that was sent with a job is not what it was, lands outside of scratch,
 * or replaces something that is there. */
#include "jobmgr/exec/bundle.h"
#include "tests/lib/xtest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATA "#!/bin/sh\nexit 7\n"

struct scene {
    int fd, dir;
    char path[64];
    struct bundle b;
    struct bundle_file f[2];
    off_t bytes; /* of the memory file */
};

static void scene_open(struct scene *s)
{
    *s =
        (struct scene){.fd = memfd_create("bundle", MFD_CLOEXEC), .path = "/tmp/xos-bundle.XXXXXX"};
    assert_non_null(mkdtemp(s->path));
    s->dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    s->b = (struct bundle){.magic = BUNDLE_MAGIC, .version = BUNDLE_VERSION, .count = 2};
    s->f[0] = (struct bundle_file){.mode = 0700, .bytes = sizeof(DATA) - 1, .name = "run.sh"};
    s->f[1] = (struct bundle_file){.mode = 0444, .bytes = 0, .name = "empty"};
    s->b.bytes = (uint32_t)(sizeof(s->b) + sizeof(s->f) + sizeof(DATA) - 1);
    s->bytes = s->b.bytes + 100; /* and a proof */
}

static void scene_write(const struct scene *s)
{
    off_t at = 0;
    assert_int_equal(pwrite(s->fd, &s->b, sizeof(s->b), at), sizeof(s->b));
    at += (off_t)sizeof(s->b);
    assert_int_equal(pwrite(s->fd, &s->f[0], sizeof(s->f[0]), at), sizeof(s->f[0]));
    at += (off_t)sizeof(s->f[0]);
    assert_int_equal(pwrite(s->fd, DATA, sizeof(DATA) - 1, at), sizeof(DATA) - 1);
    at += (off_t)sizeof(DATA) - 1;
    assert_int_equal(pwrite(s->fd, &s->f[1], sizeof(s->f[1]), at), sizeof(s->f[1]));
    assert_int_equal(ftruncate(s->fd, s->bytes), 0);
}

static void scene_close(struct scene *s)
{
    (void)unlinkat(s->dir, "run.sh", 0);
    (void)unlinkat(s->dir, "empty", 0);
    close(s->dir);
    close(s->fd);
    assert_int_equal(rmdir(s->path), 0); /* nothing else was made */
}

static void files_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct scene s;
    struct stat st;
    char text[64] = "";
    scene_open(&s);
    scene_write(&s);
    mode_t before = umask(077);
    assert_int_equal(bundle_unpack(s.fd, s.dir), 0);
    umask(before);
    int fd = openat(s.dir, "run.sh", O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, text, sizeof(text)), sizeof(DATA) - 1);
    assert_string_equal(text, DATA);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    close(fd);
    assert_int_equal(fstatat(s.dir, "empty", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0444);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(bundle_unpack(s.fd, s.dir), -1);
    assert_int_equal(errno, EEXIST); /* never twice */
    scene_close(&s);
}

static void bad_magic(struct scene *s)
{
    s->b.magic++;
}
static void bad_version(struct scene *s)
{
    s->b.version++;
}
static void many(struct scene *s)
{
    s->b.count = BUNDLE_FILES_MAX + 1;
}
static void one_more(struct scene *s)
{
    s->b.count = 3;
}
static void one_less(struct scene *s)
{
    s->b.count = 1;
}
static void longer_than_it_is(struct scene *s)
{
    s->b.bytes = (uint32_t)s->bytes + 1;
}
static void short_head(struct scene *s)
{
    s->b.bytes = sizeof(s->b) - 1;
}
static void cut_off(struct scene *s)
{
    s->bytes = 8;
}
static void file_too_long(struct scene *s)
{
    s->f[1].bytes = 1;
}
static void file_wraps(struct scene *s)
{
    s->f[0].bytes = UINT32_MAX;
}
static void set_user_id(struct scene *s)
{
    s->f[0].mode = 04755;
}
static void up(struct scene *s)
{
    memcpy(s->f[0].name, "..", 3);
}
static void here(struct scene *s)
{
    memcpy(s->f[0].name, ".", 2);
}
static void deep(struct scene *s)
{
    memcpy(s->f[0].name, "a/b", 4);
}
static void nameless(struct scene *s)
{
    s->f[0].name[0] = '\0';
}
static void endless(struct scene *s)
{
    memset(s->f[0].name, 'a', sizeof(s->f[0].name));
}
static void hidden_tail(struct scene *s)
{
    s->f[0].name[BUNDLE_NAME_BYTES - 1] = 'x';
}

static void what_is_no_bundle_is_refused(void **state)
{
    static void (*const changes[])(struct scene * s) = {
        bad_magic,  bad_version,   many,       one_more,    one_less, longer_than_it_is,
        short_head, file_too_long, file_wraps, set_user_id, up,       here,
        deep,       nameless,      endless,    hidden_tail, cut_off,
    };
    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct scene s;
        scene_open(&s);
        changes[i](&s);
        scene_write(&s);
        errno = 0;
        if (bundle_unpack(s.fd, s.dir) != -1 || errno != EBADMSG)
            fail_msg("%zu: %s", i, strerror(errno));
        scene_close(&s);
    }
}

static void what_is_there_stays(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s);
    scene_write(&s);
    assert_int_equal(symlinkat("/etc/passwd", s.dir, "run.sh"), 0);
    assert_int_equal(bundle_unpack(s.fd, s.dir), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(bundle_unpack(s.fd, -1), -1);
    assert_int_equal(bundle_unpack(-1, s.dir), -1);
    assert_int_equal(errno, EBADF);
    scene_close(&s);
}

static const struct xt_test tests[] = {
    XT_PLAIN(files_come_out_as_they_went_in),
    XT_PLAIN(what_is_no_bundle_is_refused),
    XT_PLAIN(what_is_there_stays),
};
XT_MAIN(tests)
