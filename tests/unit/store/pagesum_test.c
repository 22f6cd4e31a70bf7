// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a disk that flips a bit, loses a write or fails a sync makes a head give out
 * wrong data, or promise what it does not have. */
#include "libxos/store/pagesum.h"

#include "libxos/base/telemetry.h"
#include "libxos/store/store.h"
#include "libxos/store/walfile.h"
#include "tests/lib/xtest.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROWS 1500
#define BODY 700

static const struct xos_migration schema[] = {
    {1, "things", "CREATE TABLE thing (id INTEGER NOT NULL PRIMARY KEY, body BLOB) STRICT", NULL,
     NULL},
};

static char *new_path(void)
{
    static unsigned count;
    static char path[128];
    (void)snprintf(path, sizeof(path), "%s/p%u", xt_dir(), ++count);
    return path;
}

static int open_at(struct xos_store **out, const char *path, bool no_thread, struct xos_error *err)
{
    char url[160];
    (void)snprintf(url, sizeof(url), "sqlite:%s", path);
    const struct xos_store_config config = {
        .url = url, .name = "things", .migrations = schema, .count = 1, .no_thread = no_thread};
    return xos_store_open(out, &config, err);
}

static void body_of(int64_t id, uint8_t out[static BODY])
{
    for (int i = 0; i < BODY; i++)
        out[i] = (uint8_t)(id * 31 + i * 7);
}

struct fill {
    int64_t from, to;
};

static int fill_apply(struct xos_tx *tx, void *arg, struct xos_error *err)
{
    const struct fill *f = arg;
    uint8_t body[BODY];
    for (int64_t id = f->from; id < f->to; id++) {
        body_of(id, body);
        if (xos_tx_exec(tx, "INSERT INTO thing (id, body) VALUES (?, ?)",
                        XOS_V(xos_v_int(id), xos_v_blob(body, BODY)), NULL, err) < 0)
            return -1;
    }
    return 0;
}

/* Read all: 0 and the number of rows, every one of them right, or -1. */
static int read_all(struct xos_store *s, int64_t *count, struct xos_error *err)
{
    struct xos_rows *rows;
    uint8_t body[BODY];
    int rc;
    *count = 0;
    if (xos_tx_query(&rows, xos_store_reader(s), "SELECT id, body FROM thing ORDER BY id", XOS_V(),
                     err) < 0)
        return -1;
    while ((rc = xos_rows_next(rows, err)) > 0) {
        body_of(xos_rows_int(rows, 0), body);
        assert_int_equal(xos_rows_int(rows, 0), *count);
        assert_int_equal(xos_rows_blob(rows, 1).len, BODY);
        assert_memory_equal(xos_rows_blob(rows, 1).data, body, BODY);
        ++*count;
    }
    xos_rows_free(rows);
    return rc;
}

static void change_byte(const char *path, off_t at, uint8_t mask)
{
    uint8_t byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= mask;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void the_checksum_is_crc_64_xz(void **state)
{
    (void)state;
    assert_true(xos_pagesum_crc(0, "123456789", 9) == UINT64_C(0x995DC9BBDF1939FA));
    assert_true(xos_pagesum_crc(xos_pagesum_crc(0, "1234", 4), "56789", 5) ==
                UINT64_C(0x995DC9BBDF1939FA));
    assert_true(xos_pagesum_crc(0, "", 0) == 0);
}

/* Every page, one bit each time: the read fails and names the page, or the page was not needed. */
static void a_flipped_bit_is_never_read(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    struct fill f = {0, ROWS};
    struct stat st;
    int64_t count;
    char *path = new_path();
    XT_TRY(open_at(&s, path, true, &err));
    XT_TRY(xos_store_run(s, XOS_SYNCED, fill_apply, &f, &err));
    xos_store_close(s);
    s = NULL;
    assert_int_equal(stat(path, &st), 0);
    int pages = (int)(st.st_size / XOS_PAGESUM_PAGE_BYTES), caught = 0;
    for (int page = 0; page < pages; page++) {
        off_t at = (off_t)page * XOS_PAGESUM_PAGE_BYTES + random() % XOS_PAGESUM_PAGE_BYTES;
        uint8_t mask = (uint8_t)(1 << random() % 8);
        char wanted[32];
        (void)snprintf(wanted, sizeof(wanted), "page %d of", page + 1);
        change_byte(path, at, mask);
        err = (struct xos_error){0};
        if (open_at(&s, path, true, &err) < 0 || read_all(s, &count, &err) < 0) {
            assert_int_equal(err.code, XOS_CORRUPT);
            assert_non_null(strstr(err.text, wanted));
            assert_non_null(strstr(err.text, path));
            caught++;
        } else {
            assert_int_equal(count, ROWS);
        }
        xos_store_close(s);
        s = NULL;
        change_byte(path, at, mask);
    }
    assert_true(pages > 250);
    assert_true(caught >= pages - 4); /* xos_schema and its index lie aside */
out:
    xos_store_close(s);
}

/* The header is read before anything can prove it. */
static void a_lying_header_is_never_believed(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    struct fill f = {0, 20};
    int64_t count;
    char *path = new_path();
    XT_TRY(open_at(&s, path, true, &err));
    XT_TRY(xos_store_run(s, XOS_SYNCED, fill_apply, &f, &err));
    xos_store_close(s);
    s = NULL;
    for (int bit = 0; bit < 100 * 8; bit++) {
        change_byte(path, bit / 8, (uint8_t)(1 << bit % 8));
        err = (struct xos_error){0};
        if (open_at(&s, path, true, &err) == 0)
            (void)read_all(s, &count, &err);
        assert_int_equal(err.code, XOS_CORRUPT);
        xos_store_close(s);
        s = NULL;
        change_byte(path, bit / 8, (uint8_t)(1 << bit % 8));
    }
    XT_TRY(open_at(&s, path, true, &err));
    XT_TRY(read_all(s, &count, &err));
    assert_int_equal(count, 20);
out:
    xos_store_close(s);
}

static void a_page_in_the_wrong_place_is_never_read(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    struct fill f = {0, ROWS};
    int64_t count;
    uint8_t page[XOS_PAGESUM_PAGE_BYTES];
    char *path = new_path();
    XT_TRY(open_at(&s, path, true, &err));
    XT_TRY(xos_store_run(s, XOS_SYNCED, fill_apply, &f, &err));
    xos_store_close(s);
    s = NULL;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, page, sizeof(page), 100 * (off_t)sizeof(page)), sizeof(page));
    assert_int_equal(pwrite(fd, page, sizeof(page), 120 * (off_t)sizeof(page)), sizeof(page));
    close(fd);
    XT_TRY(open_at(&s, path, true, &err));
    XT_REFUSED(read_all(s, &count, &err), XOS_CORRUPT);
    assert_non_null(strstr(err.text, "page 121 of"));
    xos_store_close(s);
    s = NULL;
    assert_int_equal(truncate(path, 200 * (off_t)sizeof(page)), 0); /* and a file cut short */
    err = (struct xos_error){0};
    assert_true(open_at(&s, path, true, &err) < 0 || read_all(s, &count, &err) < 0);
    assert_int_equal(err.code, XOS_CORRUPT);
out:
    xos_store_close(s);
}

/* A large transaction spills into the log and writes some of its frames twice. */
static int churn_apply(struct xos_tx *tx, void *arg, struct xos_error *err)
{
    struct fill f = {0, 4 * ROWS};
    (void)arg;
    if (fill_apply(tx, &f, err) < 0)
        return -1;
    uint8_t body[BODY];
    for (int i = 0; i < 3; i++) {
        memset(body, i, BODY);
        if (xos_tx_exec(tx, "UPDATE thing SET body = ?", XOS_V(xos_v_blob(body, BODY)), NULL, err) <
            0)
            return -1;
    }
    if (xos_tx_exec(tx, "DELETE FROM thing", XOS_V(), NULL, err) < 0)
        return -1;
    return fill_apply(tx, &f, err);
}

static void what_spills_into_the_log_is_read_back(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    int64_t count;
    XT_TRY(open_at(&s, new_path(), true, &err));
    XT_TRY(xos_store_run(s, XOS_SYNCED, churn_apply, NULL, &err));
    XT_TRY(read_all(s, &count, &err));
    assert_int_equal(count, 4 * ROWS);
out:
    xos_store_close(s);
}

/* A process that ends without closing leaves its log: in it, `batches` commits. */
static void leave_a_log(const char *path, int batches)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct xos_store *s;
        struct xos_error err;
        if (open_at(&s, path, true, &err) < 0)
            _exit(1);
        for (int i = 0; i < batches; i++) {
            struct fill f = {i * 10, i * 10 + 10};
            if (xos_store_run(s, XOS_SYNCED, fill_apply, &f, &err) < 0)
                _exit(1);
        }
        _exit(0);
    }
    int status = 1;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

static unsigned lost_lines;
static void count_lines(enum xos_log_level level, const char *line, void *arg)
{
    (void)arg;
    if (level == XOS_LOG_ERROR && strstr(line, "log is damaged"))
        lost_lines++;
}

static void a_flipped_bit_in_the_log_is_seen(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    int64_t count;
    char log[160];
    char *path = new_path();
    leave_a_log(path, 40);
    (void)snprintf(log, sizeof(log), "%s-wal", path);
    struct xos_wal_state w;
    XT_TRY(xos_wal_settle(path, &w, &err));
    assert_true(w.frames > 40 && w.committed == w.frames && w.lost == 0);
    /* While it is open: the reader meets the frame and refuses. */
    XT_TRY(open_at(&s, path, true, &err));
    for (uint64_t i = 0; i < w.frames; i++)
        change_byte(log, XOS_WAL_HEADER_BYTES + (off_t)i * XOS_WAL_FRAME_BYTES + 24 + 2000, 4);
    XT_REFUSED(read_all(s, &count, &err), XOS_CORRUPT);
    assert_non_null(strstr(err.text, "frame"));
    for (uint64_t i = 0; i < w.frames; i++)
        change_byte(log, XOS_WAL_HEADER_BYTES + (off_t)i * XOS_WAL_FRAME_BYTES + 24 + 2000, 4);
    xos_store_close(s);
    s = NULL;
    /* While it was closed: SQLite ends the log there. The rows before are whole, and it is told. */
    path = new_path();
    (void)snprintf(log, sizeof(log), "%s-wal", path);
    leave_a_log(path, 40);
    change_byte(log, XOS_WAL_HEADER_BYTES + 50 * (off_t)XOS_WAL_FRAME_BYTES + 24 + 2000, 4);
    XT_TRY(xos_wal_settle(path, &w, &err));
    assert_int_equal(w.frames, 50);
    assert_true(w.lost > 0);
    lost_lines = 0;
    xos_log_sink(count_lines, NULL);
    XT_TRY(open_at(&s, path, true, &err));
    assert_int_equal(lost_lines, 1);
    XT_TRY(read_all(s, &count, &err));
    assert_true(count > 0 && count % 10 == 0);
out:
    xos_store_close(s);
}

static void count_done(void *arg, const struct xos_error *result)
{
    assert_int_equal(result->code, XOS_NONE);
    ++*(unsigned *)arg;
}

static int one_apply(struct xos_tx *tx, void *arg, struct xos_error *err)
{
    (void)arg;
    return xos_tx_exec(tx, "INSERT INTO thing (id) SELECT coalesce(max(id), 0) + 1 FROM thing",
                       XOS_V(), NULL, err);
}

static void a_synced_batch_waits_for_the_disk(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    XT_TRY(open_at(&s, new_path(), false, &err));
    for (int i = 0; i < 20; i++) {
        uint64_t before = xos_pagesum_syncs();
        XT_TRY(xos_store_run(s, XOS_SYNCED, one_apply, NULL, &err));
        assert_true(xos_pagesum_syncs() > before);
    }
    /* Ordered ones do not, but the disk has them soon, with nothing else going on. */
    uint64_t before = xos_pagesum_syncs();
    for (int i = 0; i < 20; i++)
        XT_TRY(xos_store_run(s, XOS_ORDERED, one_apply, NULL, &err));
    for (int i = 0; i < 3000 && xos_pagesum_syncs() == before; i++)
        (void)poll(NULL, 0, 10);
    assert_int_equal(xos_pagesum_syncs(), before + 1);
    /* Many synced ones that wait together wait once. */
    unsigned done = 0;
    xos_store_close(s);
    s = NULL;
    XT_TRY(open_at(&s, new_path(), true, &err));
    before = xos_pagesum_syncs();
    for (int i = 0; i < 200; i++)
        XT_TRY(xos_store_add(s, i ? XOS_SYNCED : XOS_ORDERED, one_apply, count_done, &done, &err));
    xos_store_deliver(s);
    assert_int_equal(done, 200);
    assert_int_equal(xos_pagesum_syncs(), before + 1);
out:
    xos_store_close(s);
}

/* The disk fails one sync and then goes on as if nothing were: the store must not. */
static void a_failed_sync_is_never_forgotten(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    struct fill first = {0, 10}, second = {10, 20}, third = {20, 30};
    int64_t count;
    char *path = new_path();
    XT_TRY(open_at(&s, path, true, &err));
    XT_TRY(xos_store_run(s, XOS_SYNCED, fill_apply, &first, &err));
    xos_pagesum_fail_sync(1);
    XT_REFUSED(xos_store_run(s, XOS_SYNCED, fill_apply, &second, &err), XOS_IO);
    XT_REFUSED(xos_store_run(s, XOS_SYNCED, fill_apply, &third, &err), XOS_IO);
    XT_REFUSED(xos_store_run(s, XOS_ORDERED, fill_apply, &third, &err), XOS_IO);
    assert_non_null(strstr(err.text, "opened again"));
    uint64_t before = xos_pagesum_syncs();
    xos_store_close(s); /* builds nothing on what is in doubt */
    s = NULL;
    assert_int_equal(xos_pagesum_syncs(), before);
    XT_TRY(open_at(&s, path, true, &err));
    XT_TRY(read_all(s, &count, &err));
    assert_true(count == 10 || count == 20); /* the one in doubt is whole or not there */
    third.from = count;
    XT_TRY(xos_store_run(s, XOS_SYNCED, fill_apply, &third, &err));
    XT_TRY(read_all(s, &count, &err));
    assert_int_equal(count, 30);
out:
    xos_pagesum_fail_sync(0);
    xos_store_close(s);
}

/* The flush of ordered batches fails: told in the log, and to whoever comes next. */
static void a_failed_flush_is_never_forgotten(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    XT_TRY(open_at(&s, new_path(), false, &err));
    XT_TRY(xos_store_run(s, XOS_SYNCED, one_apply, NULL, &err));
    xos_pagesum_fail_sync(1);
    XT_TRY(xos_store_run(s, XOS_ORDERED, one_apply, NULL, &err));
    for (int i = 0; i < 300 && xos_store_run(s, XOS_ORDERED, one_apply, NULL, &err) == 0; i++)
        (void)poll(NULL, 0, 10);
    assert_int_equal(err.code, XOS_IO);
    XT_REFUSED(xos_store_run(s, XOS_SYNCED, one_apply, NULL, &err), XOS_IO);
out:
    xos_pagesum_fail_sync(0);
    xos_store_close(s);
}

static const struct xt_test tests[] = {
    XT(the_checksum_is_crc_64_xz),
    XT_PLAIN(a_flipped_bit_is_never_read),
    XT_PLAIN(a_lying_header_is_never_believed),
    XT_PLAIN(a_page_in_the_wrong_place_is_never_read),
    XT_PLAIN(what_spills_into_the_log_is_read_back),
    XT_PLAIN(a_flipped_bit_in_the_log_is_seen),
    XT_PLAIN(a_synced_batch_waits_for_the_disk),
    XT_PLAIN(a_failed_sync_is_never_forgotten),
    XT_PLAIN(a_failed_flush_is_never_forgotten),
};
XT_MAIN(tests)
