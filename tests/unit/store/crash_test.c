// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a head that is killed, or whose disk is full, forgets what it acknowledged, or
 * comes back with half of it. */
#include "libxos/store/store.h"

#include "tests/lib/pg.h"
#include "tests/lib/xtest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLS 50
#define SERVER_KILLS 4
#define ROUND_IDS 1000000 /* batches of round r have ids from r * ROUND_IDS */
#define PARTS 3
#define IN_FLIGHT 32

static const struct xos_migration schema[] = {
    {1, "parts",
     "CREATE TABLE part (batch INTEGER NOT NULL, part INTEGER NOT NULL, body BLOB,"
     " PRIMARY KEY (batch, part)) STRICT",
     NULL, NULL},
};

static int open_at(struct xos_store **out, const char *url, struct xos_error *err)
{
    const struct xos_store_config config = {
        .url = url, .name = "parts", .migrations = schema, .count = 1};
    return xos_store_open(out, &config, err);
}

/* The process that is killed */

struct victim {
    struct xos_store *store;
    int pipe;
    int64_t next;
    unsigned in_flight;
    bool synced_only;
};

struct parts {
    struct victim *victim;
    int64_t batch;
};

static int parts_apply(struct xos_tx *tx, void *arg, struct xos_error *err)
{
    const struct parts *p = arg;
    static const uint8_t body[300];
    for (int64_t i = 0; i < PARTS; i++)
        if (xos_tx_exec(tx, "INSERT INTO part (batch, part, body) VALUES (?, ?, ?)",
                        XOS_V(xos_v_int(p->batch), xos_v_int(i), xos_v_blob(body, sizeof(body))),
                        NULL, err) < 0)
            return -1;
    return 0;
}

static void parts_done(void *arg, const struct xos_error *result)
{
    struct parts *p = arg;
    p->victim->in_flight--;
    if (result->code == XOS_NONE)
        (void)!write(p->victim->pipe, &p->batch, sizeof(p->batch));
    else
        _exit(3); /* the server went away: this process's part is over */
    free(p);
}

static void victim_feed(struct victim *v)
{
    struct xos_error err = {0};
    while (v->in_flight < IN_FLIGHT) {
        struct parts *p = malloc(sizeof(*p));
        *p = (struct parts){v, v->next++};
        v->in_flight++;
        if (xos_store_add(v->store, v->synced_only || p->batch % 3 ? XOS_SYNCED : XOS_ORDERED,
                          parts_apply, parts_done, p, &err) < 0)
            _exit(4);
    }
}

static void victim_main(const char *url, int64_t first, int pipe, bool synced_only)
{
    struct xos_error err = {0};
    struct victim v = {.pipe = pipe, .next = first, .synced_only = synced_only};
    if (open_at(&v.store, url, &err) < 0)
        _exit(5);
    struct pollfd p = {.fd = xos_store_fd(v.store), .events = POLLIN};
    for (;;) {
        victim_feed(&v);
        (void)poll(&p, 1, -1);
        xos_store_deliver(v.store);
    }
}

/* The judge */

/* Every batch of the round has all parts, none is missing before the last, and all up to
 * `acknowledged` are there. */
static int judge(struct xos_store *s, int64_t first, int64_t acknowledged, struct xos_error *err)
{
    struct xos_rows *rows;
    int64_t next = first;
    int rc;
    if (xos_tx_query(&rows, xos_store_reader(s),
                     "SELECT batch, count(*) FROM part WHERE batch >= ? AND batch < ?"
                     " GROUP BY batch ORDER BY batch",
                     XOS_V(xos_v_int(first), xos_v_int(first + ROUND_IDS)), err) < 0)
        return -1;
    while ((rc = xos_rows_next(rows, err)) > 0) {
        assert_int_equal(xos_rows_int(rows, 0), next);
        assert_int_equal(xos_rows_int(rows, 1), PARTS);
        next++;
    }
    xos_rows_free(rows);
    assert_true(rc < 0 || next > acknowledged);
    return rc;
}

/* The last id that the process reported before its end, or first - 1. */
static int64_t read_reports(int pipe, int64_t first)
{
    int64_t id, last = first - 1;
    while (read(pipe, &id, sizeof(id)) == sizeof(id)) {
        assert_int_equal(id, last + 1); /* in the order of handing in */
        last = id;
    }
    return last;
}

struct round {
    pid_t pid;
    int pipe;
    int64_t first;
};

/* Start a victim and let it work for a random while after its first report. */
static void round_start(struct round *r, const char *url, int number, bool synced_only)
{
    int ends[2];
    r->first = (int64_t)number * ROUND_IDS;
    assert_int_equal(pipe(ends), 0);
    (void)fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
    r->pid = fork();
    if (r->pid == 0) {
        close(ends[0]);
        victim_main(url, r->first, ends[1], synced_only);
    }
    close(ends[1]);
    r->pipe = ends[0];
    struct pollfd p = {.fd = ends[0], .events = POLLIN};
    assert_int_equal(poll(&p, 1, 60000), 1);
    (void)poll(NULL, 0, (int)(random() % 30));
}

static int64_t round_end(struct round *r)
{
    kill(r->pid, SIGKILL);
    waitpid(r->pid, NULL, 0);
    int64_t last = read_reports(r->pipe, r->first);
    close(r->pipe);
    return last;
}

static void kill_clients(const char *url)
{
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    int64_t last[KILLS];
    for (int i = 0; i < KILLS; i++) {
        struct round r;
        round_start(&r, url, i, false);
        last[i] = round_end(&r);
        XT_TRY(open_at(&s, url, &err));
        XT_TRY(judge(s, r.first, last[i], &err));
        xos_store_close(s);
        s = NULL;
    }
    XT_TRY(open_at(&s, url, &err));
    for (int i = 0; i < KILLS; i++)
        XT_TRY(judge(s, (int64_t)i * ROUND_IDS, last[i], &err));
out:
    xos_store_close(s);
}

static void killed_on_sqlite(void **state)
{
    (void)state;
    char url[128];
    (void)snprintf(url, sizeof(url), "sqlite:%s/crash", xt_dir());
    kill_clients(url);
}

static int pg_url(char *url, size_t size, struct xt_pg **server, const char *name)
{
    struct xos_error err = {0};
    if (xt_pg_lacks()) {
        print_message("SKIP %s\n", xt_pg_lacks());
        return -1;
    }
    if (xt_pg_start(server, &err) < 0)
        fail_msg("%s", err.text);
    (void)snprintf(url, size, "%s", xt_pg_url(*server, name));
    return 0;
}

static void killed_on_postgresql(void **state)
{
    (void)state;
    struct xt_pg *server;
    char url[256];
    if (pg_url(url, sizeof(url), &server, "clients") < 0)
        skip();
    kill_clients(url);
}

static void the_server_is_killed(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    struct xt_pg *server;
    char url[256];
    if (pg_url(url, sizeof(url), &server, "server") < 0)
        skip();
    for (int i = 0; i < SERVER_KILLS; i++) {
        struct round r;
        round_start(&r, url, i, true);
        XT_TRY(xt_pg_crash(server, &err));
        int64_t last = round_end(&r);
        XT_TRY(open_at(&s, url, &err));
        XT_TRY(judge(s, r.first, last, &err));
        xos_store_close(s);
        s = NULL;
    }
out:
    xos_store_close(s);
}

/* A full disk */

static int ballast(const char *path, size_t bytes)
{
    static const char block[65536];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (size_t n = 0; fd >= 0 && n < bytes; n += sizeof(block))
        if (write(fd, block, sizeof(block)) < 0)
            break;
    return fd < 0 ? -1 : close(fd);
}

/* A mount of this process's own; -1 where that is not allowed. */
static int small_disk(const char *path)
{
    if (mkdir(path, 0700) < 0 || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("xos-test", path, "tmpfs", 0, "size=4m") < 0) {
        print_message("SKIP needs to mount a tmpfs: %s\n", strerror(errno));
        return -1;
    }
    return 0;
}

static void a_full_disk_fails_what_meets_it(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    struct parts p = {.batch = 0};
    char disk[96], url[128], fill[128];
    (void)snprintf(disk, sizeof(disk), "%s/disk", xt_dir());
    (void)snprintf(url, sizeof(url), "sqlite:%s/full", disk);
    (void)snprintf(fill, sizeof(fill), "%s/ballast", disk);
    if (small_disk(disk) < 0)
        skip();
    assert_int_equal(ballast(fill, 2 << 20), 0);
    XT_TRY(open_at(&s, url, &err));
    while (xos_store_run(s, p.batch % 2 ? XOS_SYNCED : XOS_ORDERED, parts_apply, &p, &err) == 0) {
        p.batch++;
        assert_true(p.batch < 100000);
    }
    assert_int_equal(err.code, XOS_IO);
    assert_non_null(strstr(err.text, "full"));
    int64_t acknowledged = p.batch - 1;
    assert_true(acknowledged > 10);
    XT_TRY(judge(s, 0, acknowledged, &err));
    XT_REFUSED(xos_store_run(s, XOS_SYNCED, parts_apply, &p, &err), XOS_IO);
    assert_int_equal(unlink(fill), 0); /* room again: the store goes on by itself */
    XT_TRY(xos_store_run(s, XOS_SYNCED, parts_apply, &p, &err));
    assert_int_equal(ballast(fill, 8 << 20), 0);
    xos_store_close(s); /* with no room for its checkpoint */
    s = NULL;
    assert_int_equal(unlink(fill), 0);
    XT_TRY(open_at(&s, url, &err));
    XT_TRY(judge(s, 0, p.batch, &err));
out:
    xos_store_close(s);
    (void)umount2(disk, MNT_DETACH);
}

static const struct xt_test tests[] = {
    XT_PLAIN(killed_on_sqlite),
    XT_PLAIN(killed_on_postgresql),
    XT_PLAIN(the_server_is_killed),
    XT_PLAIN(a_full_disk_fails_what_meets_it),
};
XT_MAIN(tests)
