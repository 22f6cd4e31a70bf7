// SPDX-License-Identifier: Apache-2.0
/* store_bench [SECONDS [DIRECTORY]] - commits a second by promise and by batches in flight, on
 * SQLite in DIRECTORY and on a PostgreSQL of its own. */
#include "libxos/store/store.h"
#include "tests/lib/pg.h"
#include "tests/lib/xtest.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const struct xos_migration schema[] = {
    {1, "rows", "CREATE TABLE line (id INTEGER NOT NULL PRIMARY KEY, body BLOB) STRICT", NULL,
     NULL},
};

struct load {
    int64_t next;
    uint64_t done, failed;
    unsigned in_flight;
};

static int line_apply(struct xos_tx *tx, void *arg, struct xos_error *err)
{
    struct load *l = arg;
    static const uint8_t body[100];
    return xos_tx_exec(tx, "INSERT INTO line (id, body) VALUES (?, ?)",
                       XOS_V(xos_v_int(l->next++), xos_v_blob(body, sizeof(body))), NULL, err);
}

static void line_done(void *arg, const struct xos_error *result)
{
    struct load *l = arg;
    l->in_flight--;
    l->done++;
    l->failed += result->code != XOS_NONE;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int measure(const char *engine, const char *url, enum xos_promise promise, unsigned depth,
                   double seconds, struct xos_error *err)
{
    static int64_t first;
    struct xos_store *s;
    struct load l = {.next = first += INT64_C(1) << 32};
    const struct xos_store_config config = {
        .url = url, .name = "bench", .migrations = schema, .count = 1};
    if (xos_store_open(&s, &config, err) < 0)
        return -1;
    struct pollfd p = {.fd = xos_store_fd(s), .events = POLLIN};
    double from = now();
    while (now() < from + seconds) {
        for (; l.in_flight < depth; l.in_flight++)
            if (xos_store_add(s, promise, line_apply, line_done, &l, err) < 0)
                return -1;
        (void)poll(&p, 1, 1000);
        xos_store_deliver(s);
    }
    double took = now() - from;
    printf("%-11s %-8s %9u %12.0f %8llu\n", engine, promise == XOS_SYNCED ? "synced" : "ordered",
           depth, (double)l.done / took, (unsigned long long)l.failed);
    xos_store_close(s);
    return 0;
}

static int measure_all(const char *engine, const char *url, double seconds, struct xos_error *err)
{
    static const unsigned depths[] = {1, 64};
    for (unsigned i = 0; i < 4; i++)
        if (measure(engine, url, i < 2 ? XOS_SYNCED : XOS_ORDERED, depths[i % 2], seconds, err) < 0)
            return -1;
    return 0;
}

int main(int argc, char **argv)
{
    struct xos_error err = {0};
    struct xt_pg *server;
    char url[512];
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 3;
    (void)snprintf(url, sizeof(url), "sqlite:%s/bench", argc > 2 ? argv[2] : xt_dir());
    printf("%-11s %-8s %9s %12s %8s\n", "engine", "promise", "in flight", "batches/s", "failed");
    int rc = measure_all("SQLite", url, seconds, &err);
    if (rc == 0 && xt_pg_lacks())
        printf("SKIP PostgreSQL %s\n", xt_pg_lacks());
    else if (rc == 0 && (rc = xt_pg_start(&server, &err)) == 0)
        rc = measure_all("PostgreSQL", xt_pg_url(server, "bench"), seconds, &err);
    if (rc < 0)
        (void)fprintf(stderr, "store_bench: %s\n", err.text);
    return rc < 0;
}
