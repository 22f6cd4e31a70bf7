// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/execbed.h"

#include "jobmgr/exec/execsys.h"
#include "jobmgr/exec/rmtree.h"
#include "libxos/base/alloc.h"
#include "tests/lib/xtest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 60000

static uint8_t packet[EXECD_MESSAGE_BYTES_MAX] __attribute__((aligned(8)));

uint64_t bed_now_ms(void)
{
    return sys_boot_ms();
}

void bed_sleep_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* The proof is the user's name, as it stands: the test's own rule. */
static int believe(void *arg, const struct execd_request *r, int proof, struct execd_identity *out,
                   struct xos_error *err)
{
    (void)arg;
    *out = (struct execd_identity){.vo = "vo:test@here"};
    ssize_t n = proof < 0 ? 0 : pread(proof, out->user, sizeof(out->user) - 1, 0);
    return n > 0 ? 0 : xos_fail(err, XOS_DENIED, "%s: no proof", r->unit);
}

/* Those of this build; a build of tests alone uses those of the plain build beside it. */
static int find_programs(struct bed *b, struct xos_error *err)
{
    static const char *const places[] = {"bin", "../bin"};
    char exe[PATH_MAX], shim[PATH_MAX];
    const char *given = getenv("XOS_PROGRAMS");
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    exe[n > 0 ? n : 0] = 0;
    char *at = strstr(exe, "/tests/");
    if (at)
        *at = 0;
    (void)snprintf(b->programs, sizeof(b->programs), "%.150s", given ? given : "");
    for (size_t i = 0; !given && i < sizeof(places) / sizeof(places[0]); i++) {
        (void)snprintf(b->programs, sizeof(b->programs), "%.120s/%s", exe, places[i]);
        (void)snprintf(shim, sizeof(shim), "%s/xos-shim", b->programs);
        given = access(shim, X_OK) == 0 ? b->programs : NULL;
    }
    return given ? 0 : xos_fail(err, XOS_NOT_FOUND, "no xos-shim beside the tests: make programs");
}

static int copy_program(const struct bed *b, const char *to_dir, const char *name)
{
    char from[PATH_MAX], to[PATH_MAX], data[65536];
    (void)snprintf(from, sizeof(from), "%s/%s", b->programs, name);
    (void)snprintf(to, sizeof(to), "%s/%s", to_dir, name);
    int in = open(from, O_RDONLY | O_CLOEXEC), n = 0;
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    while (in >= 0 && out >= 0 && (n = (int)read(in, data, sizeof(data))) > 0)
        if (sys_write_all(out, data, (size_t)n) < 0)
            n = -1;
    int rc = in < 0 || out < 0 || n < 0 ? -1 : 0;
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return rc;
}

/* Where a user without rights can read them, whatever the build's directory allows. */
static void prepare_copy(struct bed *b)
{
    static char place[BED_PATH];
    (void)snprintf(place, sizeof(place), "%.120s/programs", b->dir);
    if (mkdir(place, 0755) < 0 || copy_program(b, place, "xos-shim") < 0 ||
        copy_program(b, place, "xos-init") < 0)
        return;
    (void)snprintf(b->programs, sizeof(b->programs), "%s", place);
}

static struct execd_signals never;

int bed_execd_start(struct bed *b, struct xos_error *err)
{
    b->execd = fork();
    if (b->execd == 0) {
        struct execd *e = NULL;
        /* A failed test leaves nobody behind who holds its output open. */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        struct sigaction reaped = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
        (void)sigaction(SIGCHLD, &reaped, NULL);
        (void)umask(0);
        struct xos_error why = {0};
        if (execd_new(&e, &b->conf, &why) < 0) {
            fprintf(stderr, "execd: %s\n", why.text);
            _exit(1);
        }
        (void)execd_run(e, &never, &why);
        _exit(0);
    }
    for (int i = 0; i < 1000; i++) {
        int fd = execd_client_connect(b->socket, err);
        if (fd >= 0) {
            close(fd);
            return 0;
        }
        bed_sleep_ms(5);
    }
    return -1;
}

void bed_execd_kill(struct bed *b)
{
    if (b->execd > 0) {
        (void)kill(b->execd, SIGKILL);
        (void)waitpid(b->execd, NULL, 0);
        /* A child that it was about to make a shim may hold the old socket a moment longer. */
        (void)unlink(b->socket);
    }
    b->execd = 0;
}

static void set_paths(struct bed *b)
{
    const struct {
        char *to;
        const char *name;
    } table[] = {{b->socket, "execd.sock"}, {b->run, "run"},     {b->spool, "spool"},
                 {b->scratch, "scratch"},   {b->idmap, "idmap"}, {b->units, "run/units"}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        (void)snprintf(table[i].to, BED_PATH, "%.120s/%s", b->dir, table[i].name);
    (void)snprintf(b->cgroup, sizeof(b->cgroup), "xos-test-%d-%.8s", (int)getpid(),
                   strrchr(b->dir, '-') + 1);
    (void)snprintf(b->mark, sizeof(b->mark), "XOS_BED=%.20s", strchr(b->dir, '-'));
}

int bed_up(struct bed *b, struct xos_error *err)
{
    static unsigned count;
    *b = (struct bed){0};
    if (find_programs(b, err) < 0)
        return -1;
    (void)snprintf(b->dir, sizeof(b->dir), "/tmp/xos-bed-%d-%u", (int)getpid(), count++);
    if (mkdir(b->dir, 0711) < 0)
        return xos_fail_errno(err, "%s", b->dir);
    set_paths(b);
    bool root = geteuid() == 0;
    if (!root)
        prepare_copy(b);
    b->proof = -1;
    b->conf = (struct execd_conf){.socket = b->socket,
                                  .run = b->run,
                                  .spool = b->spool,
                                  .scratch = b->scratch,
                                  .idmap = b->idmap,
                                  .programs = b->programs,
                                  .cgroup = b->cgroup,
                                  .peer_uid = geteuid(),
                                  .peer_gid = root ? BED_SHIM_UID : getegid(),
                                  .shim_uid = root ? BED_SHIM_UID : geteuid(),
                                  .shim_gid = root ? BED_SHIM_UID : getegid(),
                                  .authorise = believe};
    return bed_execd_start(b, err);
}

int bed_ask(struct bed *b, const void *request, struct execd_answer *a, struct execd_entry *list,
            struct xos_error *err)
{
    int fd = execd_client_connect(b->socket, err);
    if (fd < 0)
        return -1;
    int rc = execd_client_send(fd, request, b->proof, err);
    if (rc == 0)
        rc = execd_client_receive(fd, a, list, err);
    close(fd);
    return rc;
}

static struct execd_request *fresh(enum execd_verb verb, const char *unit,
                                   const struct execd_request *head)
{
    struct execd_request *r = (struct execd_request *)packet;
    *r = head ? *head : (struct execd_request){0};
    r->verb = (uint16_t)verb;
    memset(r->unit, 0, sizeof(r->unit));
    memcpy(r->unit, unit, strlen(unit));
    return r;
}

int bed_verb(struct bed *b, enum execd_verb verb, const char *unit, uint32_t flags,
             struct xos_error *err)
{
    struct execd_answer a;
    struct execd_request *r = fresh(verb, unit, &(struct execd_request){.flags = flags});
    if (execd_request_finish(packet, &(struct execd_blobs){0}, err) < 0)
        return -1;
    return bed_ask(b, r, &a, NULL, err);
}

enum execd_unit_state bed_state(struct bed *b, const char *unit)
{
    static struct execd_entry list[EXECD_LIST_MAX];
    struct execd_answer a;
    struct xos_error err = {0};
    struct execd_request *r = fresh(EXECD_LIST, "", NULL);
    if (execd_request_finish(packet, &(struct execd_blobs){0}, &err) < 0 ||
        bed_ask(b, r, &a, list, &err) < 0)
        fail_msg("LIST: %s", err.text);
    for (uint32_t i = 0; i < a.count; i++)
        if (strcmp(list[i].unit, unit) == 0)
            return (enum execd_unit_state)list[i].state;
    return EXECD_UNIT_NONE;
}

int bed_start_as(struct bed *b, const char *user, const char *unit,
                 const struct execd_request *head, const char *const *argv, struct execd_answer *a,
                 struct xos_error *err)
{
    char word[96];
    const char *envp[] = {
        b->mark, "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C", "TERM=vt100", word, NULL};
    (void)snprintf(word, sizeof(word), "XOS_UNIT=%s", unit);
    struct execd_request *r = fresh(EXECD_START, unit, head);
    struct execd_blobs blobs = {.argv = argv, .envp = envp};
    if (execd_request_finish(packet, &blobs, err) < 0)
        return -1;
    b->proof = execd_client_papers(user, strlen(user), err);
    int rc = b->proof < 0 ? -1 : bed_ask(b, r, a, NULL, err);
    close(b->proof);
    b->proof = -1;
    return rc;
}

int bed_start(struct bed *b, const char *unit, const struct execd_request *head,
              const char *const *argv, struct xos_error *err)
{
    struct execd_answer a;
    return bed_start_as(b, "alice@here", unit, head, argv, &a, err);
}

int bed_shell(struct bed *b, const char *unit, const struct execd_request *head, const char *text,
              struct xos_error *err)
{
    const char *argv[] = {"/bin/sh", "-c", text, NULL};
    return bed_start(b, unit, head, argv, err);
}

int bed_connect(struct bed *b, const char *unit, struct xos_error *err)
{
    return shim_client_connect(b->units, unit, err);
}

int bed_await(int fd, enum shim_type type, struct shim_frame *f, struct xos_error *err)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, WAIT_MS) <= 0)
            return xos_fail(err, XOS_TIMEOUT, "waiting for frame %d", type);
        int n = shim_client_receive(fd, f, err);
        if (n < 0 && err->code == XOS_BUSY)
            continue;
        if (n <= 0)
            return n < 0 ? -1 : xos_fail(err, XOS_UNAVAILABLE, "shim closed");
        if (f->type == type)
            return 0;
    }
}

unsigned bed_command(int fd, enum shim_type type, uint64_t a, uint64_t b, uint64_t c)
{
    static uint32_t serial;
    uint8_t room[SHIM_FRAME_BYTES_MAX] __attribute__((aligned(8)));
    struct shim_frame *f = (struct shim_frame *)room;
    struct xos_error err = {0};
    struct shim_frame out = {.type = (uint16_t)type, .serial = ++serial, .a = a, .b = b, .c = c};
    if (shim_client_send(fd, &out, NULL, &err) < 0)
        fail_msg("command %d: %s", type, err.text);
    do {
        if (bed_await(fd, SHIM_REPLY, f, &err) < 0)
            fail_msg("command %d: %s", type, err.text);
    } while (f->serial != serial);
    return (unsigned)f->a;
}

int bed_status(int fd, struct shim_status *out, struct xos_error *err)
{
    uint8_t room[SHIM_FRAME_BYTES_MAX] __attribute__((aligned(8)));
    struct shim_frame *f = (struct shim_frame *)room;
    struct shim_frame ask = {.type = SHIM_ASK, .serial = 0x7fffffff};
    if (shim_client_send(fd, &ask, NULL, err) < 0)
        return -1;
    do {
        if (bed_await(fd, SHIM_REPLY, f, err) < 0)
            return -1;
    } while (f->serial != 0x7fffffff);
    if (bed_await(fd, SHIM_STATUS, f, err) < 0)
        return -1;
    memcpy(out, f + 1, sizeof(*out));
    return 0;
}

int bed_await_running(struct bed *b, const char *unit, struct xos_error *err)
{
    struct shim_status st = {0};
    int fd = bed_connect(b, unit, err);
    if (fd < 0)
        return -1;
    int rc = 0;
    for (int i = 0; rc == 0 && st.record.state < UNIT_RUNNING && i < WAIT_MS; i++) {
        bed_sleep_ms(i ? 1 : 0);
        rc = bed_status(fd, &st, err);
    }
    close(fd);
    return rc;
}

static int await_leave(struct bed *b, const char *unit, struct xos_error *err)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s/lock", b->units, unit);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < WAIT_MS; i++) {
        if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0) {
            if (fd >= 0)
                close(fd);
            return 0;
        }
        bed_sleep_ms(1);
    }
    close(fd);
    return xos_fail(err, XOS_TIMEOUT, "the shim of %s stays", unit);
}

int bed_wait(struct bed *b, const char *unit, struct exit_record *out, struct xos_error *err)
{
    uint8_t room[SHIM_FRAME_BYTES_MAX] __attribute__((aligned(8)));
    struct shim_frame *f = (struct shim_frame *)room;
    int fd = bed_connect(b, unit, err);
    if (fd < 0)
        return -1;
    int rc = bed_await(fd, SHIM_EXIT, f, err);
    if (rc == 0) {
        memcpy(out, f + 1, sizeof(*out));
        if (bed_command(fd, SHIM_ACK_EXIT, 0, 0, 0) != XOS_NONE)
            rc = xos_fail(err, XOS_INTERNAL, "ACK_EXIT was refused");
    }
    close(fd);
    return rc < 0 ? -1 : await_leave(b, unit, err);
}

size_t bed_output(struct bed *b, const char *unit, const char *name, char *text, size_t max)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s/%s", b->spool, unit, name);
    ssize_t n = sys_read_file(AT_FDCWD, path, text, max - 1);
    text[n > 0 ? n : 0] = 0;
    return n > 0 ? (size_t)n : 0;
}

static bool carries(pid_t pid, const char *mark, const char *word)
{
    char path[64];
    static char text[65536];
    (void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    ssize_t n = sys_read_file(AT_FDCWD, path, text, sizeof(text) - 1);
    bool marked = false, worded = !word;
    for (ssize_t at = 0; at < n; at += (ssize_t)strlen(text + at) + 1) {
        text[n] = 0;
        marked = marked || strcmp(text + at, mark) == 0;
        worded = worded || (word && strcmp(text + at, word) == 0);
    }
    return marked && worded;
}

int bed_processes(struct bed *b, const char *word)
{
    int count = 0;
    DIR *d = opendir("/proc");
    struct dirent *e;
    while (d && (e = readdir(d))) {
        if (e->d_name[0] < '1' || e->d_name[0] > '9')
            continue;
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        count += pid != getpid() && carries(pid, b->mark, word);
    }
    if (d)
        closedir(d);
    return count;
}

static void remove_units(struct bed *b)
{
    struct xos_error err = {0};
    DIR *d = opendir(b->units);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        if (bed_state(b, e->d_name) != EXECD_UNIT_NONE &&
            bed_verb(b, EXECD_KILL, e->d_name, EXECD_FORCE, &err) < 0)
            print_error("KILL %s: %s\n", e->d_name, err.text);
        if (bed_verb(b, EXECD_REMOVE, e->d_name, 0, &err) < 0)
            print_error("REMOVE %s: %s\n", e->d_name, err.text);
    }
    if (d)
        closedir(d);
}

static bool is_empty(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    int count = 0;
    while (d && (e = readdir(d)))
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
                 strcmp(e->d_name, ".trash") != 0;
    if (d)
        closedir(d);
    return count == 0;
}

static bool mounts_name(const char *word)
{
    static char text[1048576];
    ssize_t n = sys_read_file(AT_FDCWD, "/proc/self/mountinfo", text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = 0;
    return strstr(text, word) != NULL;
}

void bed_down(struct bed *b)
{
    struct cgroups groups;
    struct xos_error err = {0};
    struct stat st;
    if (!b->dir[0])
        return;
    if (!b->execd)
        (void)bed_execd_start(b, &err);
    remove_units(b);
    char ledger[BED_PATH + 16];
    (void)snprintf(ledger, sizeof(ledger), "%s/ledger", b->run);
    assert_true(is_empty(b->units));
    assert_true(is_empty(b->spool));
    assert_true(is_empty(b->scratch));
    assert_true(is_empty(ledger));
    assert_int_equal(bed_processes(b, NULL), 0);
    assert_false(mounts_name(b->dir));
    bed_execd_kill(b);
    if (geteuid() == 0 && cgroups_probe(&groups, b->cgroup, &err) == 0) {
        cgroups_drop(&groups);
        assert_true(groups.unified.version == 0 || stat(groups.unified.base, &st) < 0);
        for (int w = 0; w < CGROUP_WHATS; w++)
            assert_true(groups.at[w].version == 0 || stat(groups.at[w].base, &st) < 0);
    }
    int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* The children that empty the trash may still be at it. */
    for (int i = 0; i < 200 && rmtree(tmp, b->dir + 5, &err) < 0; i++)
        bed_sleep_ms(10);
    close(tmp);
    assert_true(stat(b->dir, &st) < 0);
    b->dir[0] = 0;
}

void bed_as_user(void (*body)(void))
{
    if (geteuid() != 0) {
        body();
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        gid_t none = BED_PLAIN_UID;
        /* A failure ends this child; it does not run the tests that follow. */
        (void)setenv("CMOCKA_TEST_ABORT", "1", 1);
        if (setgroups(0, &none) < 0 || setresgid(none, none, none) < 0 ||
            setresuid(BED_PLAIN_UID, BED_PLAIN_UID, BED_PLAIN_UID) < 0)
            _exit(99);
        body();
        _exit(0);
    }
    int status = 0;
    (void)waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}
