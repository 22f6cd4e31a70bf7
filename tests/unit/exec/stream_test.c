// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a job's output or input loses or repeats bytes when a daemon restarts, a slow
 * or absent reader blocks a job, or an endless output fills the disk. */
#include "tests/lib/execbed.h"
#include "tests/lib/xtest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define UNIT "inria-3.0"
#define ROUND_TRIP_BYTES UINT64_C(104857600)
#define CUT_EVERY_BYTES 3000000
#define RSS_KIB_MAX 1536

static uint8_t byte_at(uint64_t offset)
{
    uint64_t x = (offset + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint8_t)(x >> 56);
}

/* One side that plays xosd: sends stdin by offset, checks the spool as it grows. */
struct player {
    struct bed *bed;
    int fd, spool;
    uint64_t total, sent, acked, read, next_cut;
    unsigned cuts, seed;
    bool eof_sent;
};

static int player_connect(struct player *p, struct xos_error *err)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = bed_connect(p->bed, UNIT, err);
    if (p->fd < 0)
        return -1;
    (void)fcntl(p->fd, F_SETFL, O_NONBLOCK);
    p->sent = p->acked;
    p->eof_sent = false;
    return 0;
}

static int player_send(struct player *p, struct xos_error *err)
{
    uint8_t data[SHIM_STDIN_BYTES_MAX];
    while (p->sent < p->total && p->sent - p->acked < SHIM_STDIN_CREDIT_BYTES) {
        uint64_t n = SHIM_STDIN_CREDIT_BYTES - (p->sent - p->acked);
        n = n > sizeof(data) ? sizeof(data) : n;
        n = n > p->total - p->sent ? p->total - p->sent : n;
        for (uint64_t i = 0; i < n; i++)
            data[i] = byte_at(p->sent + i);
        struct shim_frame f = {.type = SHIM_STDIN, .a = p->sent, .bytes = (uint32_t)n};
        if (shim_client_send(p->fd, &f, data, err) < 0)
            return err->code == XOS_BUSY ? 0 : -1;
        p->sent += n;
    }
    if (p->sent == p->total && !p->eof_sent) {
        struct shim_frame f = {.type = SHIM_STDIN_EOF, .a = p->total};
        p->eof_sent = shim_client_send(p->fd, &f, NULL, err) == 0;
    }
    return 0;
}

static void player_read(struct player *p)
{
    static uint8_t data[65536];
    ssize_t n;
    while ((n = pread(p->spool, data, sizeof(data), (off_t)p->read)) > 0)
        for (ssize_t i = 0; i < n; i++, p->read++)
            if (data[i] != byte_at(p->read))
                fail_msg("byte %llu is wrong", (unsigned long long)p->read);
}

static int player_take(struct player *p, bool *ended, struct xos_error *err)
{
    uint8_t room[SHIM_FRAME_BYTES_MAX] __attribute__((aligned(8)));
    struct shim_frame *f = (struct shim_frame *)room;
    struct pollfd wait = {.fd = p->fd, .events = POLLIN};
    (void)poll(&wait, 1, 1000);
    for (;;) {
        int n = shim_client_receive(p->fd, f, err);
        if (n < 0 && err->code == XOS_BUSY)
            return 0;
        if (n <= 0)
            return xos_fail(err, XOS_IO, "the shim hung up");
        if (f->type == SHIM_STDIN_ACK && f->a > p->acked)
            p->acked = f->a;
        *ended = *ended || f->type == SHIM_EXIT;
    }
}

static long rss_kib(pid_t pid, const char *key)
{
    char path[64], line[256];
    long value = -1;
    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid,
                   strcmp(key, "Pss:") == 0 ? "smaps_rollup" : "status");
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, key, strlen(key)) == 0)
            value = strtol(line + strlen(key), NULL, 10);
    if (f)
        fclose(f);
    return value;
}

static void bytes_survive_reconnects(void)
{
    struct xos_error err = {0};
    struct bed b;
    struct exit_record r;
    struct shim_status st;
    struct player p = {.bed = &b, .fd = -1, .spool = -1, .seed = 1, .total = ROUND_TRIP_BYTES};
    XT_TRY(bed_up(&b, &err));
    struct execd_request head = {.flags = EXECD_STDIN};
    const char *argv[] = {"cat", NULL};
    XT_TRY(bed_start(&b, UNIT, &head, argv, &err));
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/" UNIT "/out", b.spool);
    p.spool = open(path, O_RDONLY | O_CLOEXEC);
    XT_TRY(player_connect(&p, &err));
    XT_TRY(bed_status(p.fd, &st, &err));
    bool ended = false;
    while (!ended) {
        XT_TRY(player_send(&p, &err));
        XT_TRY(player_take(&p, &ended, &err));
        player_read(&p);
        if (p.acked >= p.next_cut && !ended) {
            p.next_cut += (uint64_t)rand_r(&p.seed) % CUT_EVERY_BYTES;
            p.cuts++;
            if (p.cuts % 8 == 1) {
                bed_execd_kill(&b);
                XT_TRY(bed_execd_start(&b, &err));
            }
            XT_TRY(player_connect(&p, &err));
        }
    }
    player_read(&p);
    assert_int_equal(p.read, p.total);
    long rss = rss_kib(st.record.shim_pid, "VmRSS:"), peak = rss_kib(st.record.shim_pid, "VmHWM:");
    print_message("%u reconnects; shim RSS %ld KiB, highest %ld KiB, PSS %ld KiB\n", p.cuts, rss,
                  peak, rss_kib(st.record.shim_pid, "Pss:"));
#if !defined(__SANITIZE_ADDRESS__)
    assert_in_range(rss, 1, RSS_KIB_MAX);
    assert_in_range(peak, 1, RSS_KIB_MAX);
#endif
    XT_TRY(bed_wait(&b, UNIT, &r, &err));
    assert_int_equal(exit_record_status(&r), 0);
    assert_int_equal(r.out_bytes, ROUND_TRIP_BYTES);
    assert_int_equal(r.out_dropped, 0);
out:
    if (p.fd >= 0)
        close(p.fd);
    if (p.spool >= 0)
        close(p.spool);
    bed_down(&b);
}

static void nobody_attached_truncates(void)
{
    struct xos_error err = {0};
    struct bed b;
    struct exit_record r;
    struct stat st;
    char path[256];
    XT_TRY(bed_up(&b, &err));
    struct execd_request head = {.spool_bytes = 100000};
    XT_TRY(bed_shell(&b, UNIT, &head, "head -c 5000000 /dev/zero; echo e >&2; exit 4", &err));
    XT_TRY(bed_wait(&b, UNIT, &r, &err));
    assert_int_equal(exit_record_status(&r), 4);
    assert_int_equal(r.out_bytes, 100000);
    assert_int_equal(r.out_dropped, 4900000);
    assert_int_equal(r.err_bytes, 2);
    assert_int_equal(r.err_dropped, 0);
    assert_int_equal(r.dropped_why, SPOOL_AT_LIMIT);
    (void)snprintf(path, sizeof(path), "%s/" UNIT "/out", b.spool);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 100000);
out:
    bed_down(&b);
}

/* 64 MB through a spool of 4 MB and a window of 8 MiB: all arrive, the disk holds little. */
static void foreground_streams_without_limit(void)
{
    struct xos_error err = {0};
    struct bed b;
    struct exit_record r = {0};
    struct stat st;
    uint8_t room[SHIM_FRAME_BYTES_MAX] __attribute__((aligned(8)));
    struct shim_frame *f = (struct shim_frame *)room;
    char path[256];
    uint64_t acked = 0;
    bool ended = false;
    int fd = -1;
    XT_TRY(bed_up(&b, &err));
    struct execd_request head = {.spool_bytes = 4 << 20};
    XT_TRY(bed_shell(&b, UNIT, &head, "sleep 0.2; head -c 64000000 /dev/zero", &err));
    (void)snprintf(path, sizeof(path), "%s/" UNIT "/out", b.spool);
    fd = bed_connect(&b, UNIT, &err);
    struct shim_frame on = {.type = SHIM_FOREGROUND, .a = 1};
    XT_TRY(shim_client_send(fd, &on, NULL, &err));
    /* A client that takes nothing: the unit stands, nothing is lost. */
    bed_sleep_ms(800);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 4 << 20);
    while (!ended) {
        int n = shim_client_receive(fd, f, &err);
        assert_true(n > 0);
        if (f->type == SHIM_EXIT) {
            memcpy(&r, f + 1, sizeof(r));
            ended = true;
        }
        if (f->type != SHIM_OUTPUT || f->a == acked)
            continue;
        assert_true(f->a - acked <= SHIM_WINDOW_BYTES);
        acked = f->a;
        on.b = acked;
        XT_TRY(shim_client_send(fd, &on, NULL, &err));
        assert_int_equal(stat(path, &st), 0);
        assert_true(st.st_blocks * 512 <= 5 << 20);
    }
    assert_int_equal(r.out_bytes, 64000000);
    assert_int_equal(r.out_dropped, 0);
    XT_TRY(bed_wait(&b, UNIT, &r, &err));
out:
    if (fd >= 0)
        close(fd);
    bed_down(&b);
}

static void full_disk_does_not_stop_a_job(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bed b = {0};
    struct exit_record r;
    if (geteuid() != 0)
        skip();
    XT_TRY(bed_up(&b, &err));
    assert_int_equal(mount("xos-test", b.spool, "tmpfs", 0, "size=256k"), 0);
    bed_execd_kill(&b);
    XT_TRY(bed_execd_start(&b, &err));
    XT_TRY(bed_shell(&b, UNIT, NULL, "head -c 3000000 /dev/zero; exit 6", &err));
    XT_TRY(bed_wait(&b, UNIT, &r, &err));
    assert_int_equal(exit_record_status(&r), 6);
    assert_int_equal(r.out_bytes + r.out_dropped, 3000000);
    assert_in_range(r.out_bytes, 4096, 256 << 10);
    assert_int_equal(r.dropped_why, SPOOL_NO_SPACE);
    XT_TRY(bed_verb(&b, EXECD_REMOVE, UNIT, 0, &err));
    bed_sleep_ms(100);
    bed_execd_kill(&b);
    assert_int_equal(umount2(b.spool, MNT_DETACH), 0);
out:
    bed_down(&b);
}

static void no_stdin_is_the_end_of_it(void)
{
    struct xos_error err = {0};
    struct bed b;
    struct exit_record r;
    XT_TRY(bed_up(&b, &err));
    XT_TRY(bed_shell(&b, UNIT, NULL, "cat; echo out >/dev/stdout; echo err >/dev/stderr", &err));
    XT_TRY(bed_wait(&b, UNIT, &r, &err));
    assert_int_equal(exit_record_status(&r), 0);
    char text[64];
    (void)bed_output(&b, UNIT, "out", text, sizeof(text));
    assert_string_equal(text, "out\n");
    (void)bed_output(&b, UNIT, "err", text, sizeof(text));
    assert_string_equal(text, "err\n");
out:
    bed_down(&b);
}

/* A job that closes its stdin takes all that comes, and does not end by it. */
static void unread_stdin_is_swallowed(void)
{
    struct xos_error err = {0};
    struct bed b;
    struct exit_record r;
    struct player p = {.bed = &b, .fd = -1, .spool = -1, .total = 1000000, .next_cut = UINT64_MAX};
    XT_TRY(bed_up(&b, &err));
    struct execd_request head = {.flags = EXECD_STDIN};
    XT_TRY(bed_shell(&b, UNIT, &head, "exec <&-; sleep 0.5; echo done", &err));
    XT_TRY(player_connect(&p, &err));
    bool ended = false;
    while (!ended) {
        XT_TRY(player_send(&p, &err));
        XT_TRY(player_take(&p, &ended, &err));
    }
    assert_int_equal(p.acked, p.total);
    XT_TRY(bed_wait(&b, UNIT, &r, &err));
    assert_int_equal(exit_record_status(&r), 0);
out:
    if (p.fd >= 0)
        close(p.fd);
    bed_down(&b);
}

#define TWICE(body)                                                                                \
    static void body##_root(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        if (geteuid() != 0)                                                                        \
            skip();                                                                                \
        body();                                                                                    \
    }                                                                                              \
    static void body##_user(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        bed_as_user(body);                                                                         \
    }
TWICE(bytes_survive_reconnects)
TWICE(nobody_attached_truncates)
TWICE(foreground_streams_without_limit)
TWICE(no_stdin_is_the_end_of_it)
TWICE(unread_stdin_is_swallowed)

static const struct xt_test tests[] = {
    XT_PLAIN(bytes_survive_reconnects_root),
    XT_PLAIN(bytes_survive_reconnects_user),
    XT_PLAIN(nobody_attached_truncates_root),
    XT_PLAIN(nobody_attached_truncates_user),
    XT_PLAIN(foreground_streams_without_limit_root),
    XT_PLAIN(foreground_streams_without_limit_user),
    XT_PLAIN(full_disk_does_not_stop_a_job),
    XT_PLAIN(no_stdin_is_the_end_of_it_root),
    XT_PLAIN(no_stdin_is_the_end_of_it_user),
    XT_PLAIN(unread_stdin_is_swallowed_root),
    XT_PLAIN(unread_stdin_is_swallowed_user),
};
XT_MAIN(tests)
