// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a power cut takes with it what XOS had called safe, or leaves a store that
 * does not open. */
#include "libxos/store/store.h"

#include "tests/lib/power.h"
#include "tests/lib/xtest.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CUTS_FULL 10000  /* `make soak`; the sample is 1 % */
#define WRITES_MAX 12000 /* a cut comes within so many writes and syncs: a few checkpoints */
#define IN_FLIGHT 8
#define PARTS 4

static const struct xos_migration schema[] = {
    {1, "parts",
     "CREATE TABLE part (batch INTEGER NOT NULL, part INTEGER NOT NULL, body BLOB,"
     " PRIMARY KEY (batch, part)) STRICT",
     NULL, NULL},
};

static int open_at(struct xos_store **out, const char *dir, struct xos_error *err)
{
    char url[256];
    (void)snprintf(url, sizeof(url), "sqlite:%s/power", dir);
    const struct xos_store_config config = {
        .url = url, .name = "parts", .migrations = schema, .count = 1};
    return xos_store_open(out, &config, err);
}

/* Before the cut */

struct report {
    int64_t batch;
    int64_t synced;
};

struct parts {
    struct report report;
    int pipe;
    unsigned *in_flight;
};

static int parts_apply(struct xos_tx *tx, void *arg, struct xos_error *err)
{
    const struct parts *p = arg;
    static const uint8_t body[2500];
    for (int64_t i = 0; i < PARTS; i++)
        if (xos_tx_exec(tx, "INSERT INTO part (batch, part, body) VALUES (?, ?, ?)",
                        XOS_V(xos_v_int(p->report.batch), xos_v_int(i),
                              xos_v_blob(body, (size_t)(p->report.batch * 37 + i) % 2500)),
                        NULL, err) < 0)
            return -1;
    return 0;
}

static void parts_done(void *arg, const struct xos_error *result)
{
    struct parts *p = arg;
    --*p->in_flight;
    if (result->code != XOS_NONE)
        _exit(2);
    (void)!write(p->pipe, &p->report, sizeof(p->report));
    free(p);
}

static void work_until_cut(const char *dir, int pipe)
{
    struct xos_error err = {0};
    struct xos_store *s;
    unsigned in_flight = 0;
    int64_t next = 0;
    if (open_at(&s, dir, &err) < 0)
        _exit(3);
    struct pollfd wait = {.fd = xos_store_fd(s), .events = POLLIN};
    for (;;) {
        for (; in_flight < IN_FLIGHT; in_flight++, next++) {
            struct parts *p = malloc(sizeof(*p));
            *p = (struct parts){{next, next % 5 == 0}, pipe, &in_flight};
            if (xos_store_add(s, p->report.synced ? XOS_SYNCED : XOS_ORDERED, parts_apply,
                              parts_done, p, &err) < 0)
                _exit(4);
        }
        (void)poll(&wait, 1, -1);
        xos_store_deliver(s);
    }
}

/* After it */

/* Whole batches, from the first without a gap, up to the last that was promised. */
static int judge(const char *dir, int64_t promised)
{
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    struct xos_rows *rows = NULL;
    int64_t next = 0;
    int rc = -1;
    if (open_at(&s, dir, &err) < 0 ||
        xos_tx_query(&rows, xos_store_reader(s),
                     "SELECT batch, count(*), sum(length(body)) FROM part GROUP BY batch"
                     " ORDER BY batch",
                     XOS_V(), &err) < 0)
        goto out;
    while ((rc = xos_rows_next(rows, &err)) > 0) {
        if (xos_rows_int(rows, 0) != next || xos_rows_int(rows, 1) != PARTS) {
            rc = xos_fail(&err, XOS_CORRUPT, "batch %lld is torn", (long long)next);
            goto out;
        }
        next++;
    }
    if (rc == 0 && next <= promised)
        rc = xos_fail(&err, XOS_CORRUPT, "promised %lld, there are %lld", (long long)promised,
                      (long long)next);
out:
    if (rc < 0)
        print_error("%s: %s\n", xos_code_name(err.code), err.text);
    xos_rows_free(rows);
    xos_store_close(s);
    return rc;
}

static int wait_for(pid_t pid)
{
    int status = -1;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int64_t promised_by(int pipe)
{
    struct report r;
    int64_t promised = -1;
    while (read(pipe, &r, sizeof(r)) == sizeof(r))
        if (r.synced)
            promised = r.batch;
    return promised;
}

static void one_cut(unsigned long number)
{
    char before[128], after[128];
    int ends[2];
    (void)snprintf(before, sizeof(before), "%s/before%lu", xt_dir(), number);
    (void)snprintf(after, sizeof(after), "%s/after%lu", xt_dir(), number);
    assert_int_equal(mkdir(before, 0700) | mkdir(after, 0700) | pipe(ends), 0);
    unsigned long at = 1 + (unsigned long)random() % (number % 4 ? WRITES_MAX : 60);
    pid_t pid = fork();
    if (pid == 0) {
        xt_power_cut_at(at, (unsigned)number, after);
        close(ends[0]);
        work_until_cut(before, ends[1]);
    }
    close(ends[1]);
    int64_t promised = promised_by(ends[0]);
    close(ends[0]);
    assert_int_equal(wait_for(pid), XT_POWER_EXIT);
    pid = fork();
    if (pid == 0)
        _exit(judge(after, promised) < 0);
    if (wait_for(pid) != 0)
        fail_msg("cut %lu, at write %lu", number, at);
    char command[300];
    (void)snprintf(command, sizeof(command), "rm -rf %s %s", before, after);
    assert_int_equal(system(command), 0);
}

static void a_power_cut_keeps_every_promise(void **state)
{
    (void)state;
    unsigned long cuts = xt_scaled(CUTS_FULL);
    for (unsigned long i = 0; i < cuts; i++)
        one_cut(i);
}

static const struct xt_test tests[] = {XT_PLAIN(a_power_cut_keeps_every_promise)};
XT_MAIN(tests)
