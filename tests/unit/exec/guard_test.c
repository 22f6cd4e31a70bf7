// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: one user reads, signals or traces another's job, a hostile xosd gets more than
 * it may, or a request that is not well formed does harm. */
#include "tests/lib/execbed.h"
#include "tests/lib/xtest.h"

#include "jobmgr/exec/execsys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static uint8_t packet[EXECD_MESSAGE_BYTES_MAX + 4096] __attribute__((aligned(8)));

static void two_users_do_not_meet(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bed b = {0};
    struct exit_record r;
    struct execd_answer alice, bob;
    struct shim_status st;
    char script[2048], text[4096];
    if (geteuid() != 0)
        skip();
    XT_TRY(bed_up(&b, &err));
    const char *hers[] = {"sh", "-c", "umask 0; echo secret >mine; echo up; sleep 1000", NULL};
    XT_TRY(bed_start_as(&b, "alice@here", "a-1.0", NULL, hers, &alice, &err));
    for (int i = 0; i < 1000 && !bed_output(&b, "a-1.0", "out", text, sizeof(text)); i++)
        bed_sleep_ms(5);
    XT_TRY(bed_await_running(&b, "a-1.0", &err));
    int fd = bed_connect(&b, "a-1.0", &err);
    XT_TRY(bed_status(fd, &st, &err));
    (void)snprintf(script, sizeof(script),
                   "n=$(ls -d /proc/[0-9]* | wc -l); [ $n -le 5 ] || echo sees $n processes\n"
                   "kill -9 %d 2>/dev/null && echo kills\n"
                   "cat %s/a-1.0/mine 2>/dev/null && echo reads scratch\n"
                   "cat %s/a-1.0/out 2>/dev/null && echo reads spool\n"
                   "ls %s/a-1.0 2>/dev/null && echo lists\n"
                   "ls -A %s 2>/dev/null\n"
                   "cat mine 2>/dev/null\n"
                   "id -u; pwd; echo $$; ls /dev | tr '\\n' ' '; "
                   "grep -c . /proc/self/status >/dev/null && echo proc; "
                   "grep -e CapBnd -e NoNew /proc/self/status",
                   st.job_pid, b.scratch, b.spool, b.units, b.scratch);
    const char *his[] = {"sh", "-c", script, NULL};
    XT_TRY(bed_start_as(&b, "bob@here", "b-1.0", NULL, his, &bob, &err));
    XT_TRY(bed_wait(&b, "b-1.0", &r, &err));
    (void)bed_output(&b, "b-1.0", "out", text, sizeof(text));
    char wanted[512];
    (void)snprintf(wanted, sizeof(wanted),
                   "%u\n/xos/scratch\n2\nfd full null ptmx pts random shm stderr stdin stdout tty "
                   "urandom zero proc\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n",
                   bob.uid);
    assert_string_equal(text, wanted);
    assert_int_not_equal(alice.uid, bob.uid);
    assert_in_range(alice.uid, IDMAP_UID_MIN, IDMAP_UID_MAX);
    assert_in_range(bob.uid, IDMAP_UID_MIN, IDMAP_UID_MAX);
    /* Hers runs on. */
    XT_TRY(bed_status(fd, &st, &err));
    assert_int_equal(st.record.state, UNIT_RUNNING);
    close(fd);
out:
    bed_down(&b);
}

/* What the shim kept, and its init. */
static int open_descriptors(int pid)
{
    int count = 0;
    for (int i = 0; i < 256; i++) {
        char name[96];
        struct stat st;
        (void)snprintf(name, sizeof(name), "/proc/%d/fd/%d", pid, i);
        count += lstat(name, &st) == 0;
    }
    return count;
}

static void shim_has_given_up_its_rights(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bed b = {0};
    struct shim_status st;
    char path[64], text[4096];
    if (geteuid() != 0)
        skip();
    XT_TRY(bed_up(&b, &err));
    XT_TRY(bed_shell(&b, "a-1.0", NULL, "sleep 1000", &err));
    int fd = bed_connect(&b, "a-1.0", &err);
    do {
        XT_TRY(bed_status(fd, &st, &err));
    } while (st.record.state != UNIT_RUNNING);
    close(fd);
    (void)snprintf(path, sizeof(path), "/proc/%d/status", st.record.shim_pid);
    ssize_t n = sys_read_file(AT_FDCWD, path, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = 0;
    assert_non_null(strstr(text, "Uid:\t54002\t54002\t54002\t54002"));
    assert_non_null(strstr(text, "CapPrm:\t0000000000000020"));
    assert_non_null(strstr(text, "CapBnd:\t0000000000000000"));
    assert_non_null(strstr(text, "NoNewPrivs:\t1"));
#if !defined(__SANITIZE_ADDRESS__)
    assert_non_null(strstr(text, "Seccomp:\t2"));
#endif
    (void)snprintf(path, sizeof(path), "/proc/%d/status", st.record.init_pid);
    n = sys_read_file(AT_FDCWD, path, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = 0;
    assert_non_null(strstr(text, "CapPrm:\t0000000000000000"));
    assert_null(strstr(text, "Uid:\t0"));
    int count = 0; /* three on /dev/null, and the report pipe; what the start needed goes at once */
    for (int tries = 0; tries < 500 && (count = open_descriptors(st.record.init_pid)) != 4; tries++)
        (void)usleep(10000);
    assert_int_equal(count, 4);
out:
    bed_down(&b);
}

static enum xos_code send_raw(struct bed *b, const void *data, size_t bytes)
{
    struct xos_error err = {0};
    struct execd_answer a;
    int fd = execd_client_connect(b->socket, &err);
    if (fd < 0)
        return XOS_UNAVAILABLE;
    if (send(fd, data, bytes, MSG_NOSIGNAL) < 0)
        err.code = errno == EMSGSIZE ? XOS_LIMIT : XOS_IO;
    else if (execd_client_receive(fd, &a, NULL, &err) == 0)
        err.code = XOS_NONE;
    close(fd);
    return err.code;
}

static size_t good_start(const char *unit)
{
    struct xos_error err = {0};
    struct execd_request *r = (struct execd_request *)packet;
    const char *argv[] = {"true", "a", NULL}, *envp[] = {"A=b", NULL};
    *r = (struct execd_request){.verb = EXECD_START};
    memcpy(r->unit, unit, strlen(unit));
    struct execd_blobs blobs = {.argv = argv, .envp = envp, .cwd = "/"};
    if (execd_request_finish(packet, &blobs, &err) < 0)
        fail_msg("%s", err.text);
    return r->bytes;
}

/* Every field that counts bytes or strings, with every wrong value; then every bit of the head. */
static void malformed_requests_are_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bed b;
    static const uint32_t wrong[] = {
        0, 1, 2, 3, 5, 199, 201, 4096, 65536, 262144, 262145, 0x7fffffff, 0x80000000, 0xffffffff};
    XT_TRY(bed_up(&b, &err));
    size_t bytes = good_start("x-1.0");
    const struct execd_request *r = (const struct execd_request *)packet;
    size_t fields[4 + 4 * EXECD_BLOBS], count = 0;
    fields[count++] = offsetof(struct execd_request, bytes);
    for (size_t i = 0; i < EXECD_BLOBS; i++)
        for (size_t f = 0; f < 4; f++)
            fields[count++] = offsetof(struct execd_request, blobs) + i * 16 + f * 4;
    for (size_t i = 0; i < count; i++)
        for (size_t w = 0; w < sizeof(wrong) / sizeof(wrong[0]); w++) {
            bytes = good_start("x-1.0");
            uint32_t old;
            memcpy(&old, packet + fields[i], 4);
            if (old == wrong[w])
                continue;
            memcpy(packet + fields[i], &wrong[w], 4);
            assert_int_equal(send_raw(&b, packet, bytes), XOS_PROTOCOL);
        }
    for (size_t cut = 0; cut < bytes; cut += 13) {
        (void)good_start("x-1.0");
        if (cut)
            assert_int_equal(send_raw(&b, packet, cut), XOS_PROTOCOL);
    }
    (void)good_start("x-1.0");
    assert_int_not_equal(send_raw(&b, packet, sizeof(packet)), XOS_NONE);
    static const char *const names[] = {"",   ".",   "..",     "../x", "a/b",     "A",
                                        "-a", "a b", ".trash", "a\n",  "\xc3\xa9"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        bytes = good_start(names[i]);
        assert_int_equal(send_raw(&b, packet, bytes), XOS_PROTOCOL);
    }
    for (uint16_t verb = EXECD_VERBS; verb < 40; verb++) {
        bytes = good_start("x-1.0");
        ((struct execd_request *)packet)->verb = verb;
        assert_int_equal(send_raw(&b, packet, bytes), XOS_DENIED);
    }
    assert_int_equal(bed_state(&b, "x-1.0"), EXECD_UNIT_NONE);
    (void)r;
out:
    bed_down(&b);
}

static void try_as_stranger(struct bed *b)
{
    struct xos_error err = {0};
    /* The directory lets everybody in here; what counts is the peer's uid. */
    size_t bytes = good_start("x-9.0");
    enum xos_code code = send_raw(b, packet, bytes);
    int fd = bed_connect(b, "a-1.0", &err);
    struct shim_frame f;
    struct shim_frame kill_it = {.type = SHIM_KILL, .a = EXIT_KILLED};
    bool served = fd >= 0 && shim_client_send(fd, &kill_it, NULL, &err) == 0 &&
                  shim_client_receive(fd, &f, &err) > 0;
    _exit(code == XOS_NONE || served);
}

static void strangers_are_not_served(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bed b = {0};
    struct shim_status st;
    char path[256];
    if (geteuid() != 0)
        skip();
    XT_TRY(bed_up(&b, &err));
    XT_TRY(bed_shell(&b, "a-1.0", NULL, "sleep 1000", &err));
    XT_TRY(bed_await_running(&b, "a-1.0", &err));
    assert_int_equal(chmod(b.socket, 0777), 0);
    (void)snprintf(path, sizeof(path), "%s/a-1.0", b.units);
    assert_int_equal(chmod(b.units, 0777) | chmod(path, 0777), 0);
    (void)snprintf(path, sizeof(path), "%s/a-1.0/ctl.sock", b.units);
    assert_int_equal(chmod(path, 0777), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (setresuid(BED_PLAIN_UID, BED_PLAIN_UID, BED_PLAIN_UID) < 0)
            _exit(2);
        try_as_stranger(&b);
    }
    int status = 0;
    (void)waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    int fd = bed_connect(&b, "a-1.0", &err);
    XT_TRY(bed_status(fd, &st, &err));
    close(fd);
    assert_int_equal(st.record.state, UNIT_RUNNING);
out:
    bed_down(&b);
}

/* The connection that breaks the protocol ends; the unit and the next connection do not. */
static void malformed_frames_end_their_connection(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bed b;
    struct shim_status st;
    uint8_t data[SHIM_FRAME_BYTES_MAX + 64] __attribute__((aligned(8)));
    XT_TRY(bed_up(&b, &err));
    struct execd_request head = {.flags = EXECD_STDIN};
    const char *argv[] = {"cat", NULL};
    XT_TRY(bed_start(&b, "a-1.0", &head, argv, &err));
    XT_TRY(bed_await_running(&b, "a-1.0", &err));
    unsigned seed = 7;
    for (int i = 0; i < 400; i++) {
        int fd = bed_connect(&b, "a-1.0", &err);
        assert_true(fd >= 0);
        struct shim_frame f = {.magic = SHIM_MAGIC,
                               .version = SHIM_VERSION,
                               .type = (uint16_t)(rand_r(&seed) % (SHIM_TYPES + 2)),
                               .a = (uint64_t)rand_r(&seed) << (rand_r(&seed) % 40),
                               .b = (uint64_t)rand_r(&seed) << (rand_r(&seed) % 40)};
        /* Not the commands that would rightly end or stop it. */
        if (f.type == SHIM_KILL || f.type == SHIM_FENCE || f.type == SHIM_SIGNAL ||
            f.type == SHIM_STOP || f.type == SHIM_STDIN_EOF)
            f.type = SHIM_STDIN;
        memset(data, 0, sizeof(data));
        memcpy(data, &f, sizeof(f));
        size_t n = (size_t)rand_r(&seed) % sizeof(data);
        if (i % 3 == 0 && n > sizeof(f))
            ((struct shim_frame *)data)->bytes = (uint32_t)(n - sizeof(f));
        if (i % 7 == 0)
            data[rand_r(&seed) % (int)sizeof(f)] ^= (uint8_t)(1 << (rand_r(&seed) % 8));
        (void)send(fd, data, n, MSG_NOSIGNAL);
        close(fd);
    }
    int fd = bed_connect(&b, "a-1.0", &err);
    XT_TRY(bed_status(fd, &st, &err));
    assert_int_equal(st.record.state, UNIT_RUNNING);
    close(fd);
out:
    bed_down(&b);
}

/* kill -9 of execd at any moment of a START: what is there is whole or can be removed, and nothing
 * runs twice. */
static void execd_dies_in_the_middle(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bed b;
    unsigned seed = 3, started = 0;
    XT_TRY(bed_up(&b, &err));
    for (unsigned i = 0; i < 40; i++) {
        char unit[32];
        (void)snprintf(unit, sizeof(unit), "c-%u.0", i);
        size_t bytes = good_start(unit);
        int fd = execd_client_connect(b.socket, &err);
        assert_true(fd >= 0);
        assert_int_equal(send(fd, packet, bytes, MSG_NOSIGNAL), bytes);
        bed_sleep_ms(0);
        usleep((useconds_t)(rand_r(&seed) % 15000));
        bed_execd_kill(&b);
        close(fd);
        XT_TRY(bed_execd_start(&b, &err));
        enum execd_unit_state s = bed_state(&b, unit);
        struct exit_record r;
        if (s == EXECD_UNIT_LIVE) {
            XT_TRY(bed_wait(&b, unit, &r, &err));
            assert_int_equal(exit_record_status(&r), 0);
            started++;
        } else if (s != EXECD_UNIT_NONE) {
            assert_int_equal(s, EXECD_UNIT_SHIM_LOST);
        }
        XT_TRY(bed_verb(&b, EXECD_REMOVE, unit, 0, &err));
        assert_int_equal(bed_state(&b, unit), EXECD_UNIT_NONE);
    }
    print_message("%u of 40 had started\n", started);
out:
    bed_down(&b);
}

static const struct xt_test tests[] = {
    XT_PLAIN(two_users_do_not_meet),
    XT_PLAIN(shim_has_given_up_its_rights),
    XT_PLAIN(malformed_requests_are_refused),
    XT_PLAIN(strangers_are_not_served),
    XT_PLAIN(malformed_frames_end_their_connection),
    XT_PLAIN(execd_dies_in_the_middle),
};
XT_MAIN(tests)
