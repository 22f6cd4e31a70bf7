// SPDX-License-Identifier: Apache-2.0
/* xql_bench.c - rows decided per second, on one core: a usual need, one of 64 parts, and one that
 * asks eight devices much. One line each: name, rows/s, ns per row. */
#include "discovery/query/eval.h"
#include "discovery/query/parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROWS 1024u
#define ROUNDS 200u

static struct xql_row rows[ROWS];

static void make_rows(void)
{
    struct xos_error err;
    for (unsigned i = 0; i < ROWS; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "n%u.inria", i);
        for (unsigned a = 0; a < XQL_NODE_ATTRS; a++)
            if (xql_row_set(&rows[i], 0, (enum xql_attr)a, xql_attr_row((enum xql_attr)a)->example,
                            &err) < 0)
                abort();
        xql_row_set_text(&rows[i], 0, XQL_A_NODE, name);
        xql_row_set_integer(&rows[i], 0, XQL_A_MEM, (uint64_t)(i % 256) << 30);
        for (unsigned k = 0; k < 8; k++) {
            size_t d;
            if (xql_row_add_device(&rows[i], &d, &err) < 0)
                abort();
            for (unsigned a = XQL_NODE_ATTRS; a < XQL_ATTRS; a++)
                if (xql_row_set(&rows[i], d, (enum xql_attr)a,
                                xql_attr_row((enum xql_attr)a)->example, &err) < 0)
                    abort();
        }
    }
}

static void measure(const char *name, const char *need)
{
    struct xos_error err;
    struct xql_expr e;
    struct timespec a, b;
    unsigned long matches = 0;
    if (xql_parse(&e, need, NULL, &err) < 0) {
        (void)fprintf(stderr, "%s: %s\n", name, err.text);
        exit(1);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &a);
    for (unsigned r = 0; r < ROUNDS; r++)
        for (unsigned i = 0; i < ROWS; i++)
            matches += xql_eval(&e, &rows[i]).truth == XQL_TRUE;
    (void)clock_gettime(CLOCK_MONOTONIC, &b);
    double ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
    (void)printf("%-10s %3u parts %12.0f rows/s %8.0f ns/row  (%lu match)\n", name, e.count,
                 (double)ROWS * ROUNDS / ns * 1e9, ns / ROWS / ROUNDS, matches / ROUNDS);
}

/* Every clause is TRUE, so that none is spared. */
static void measure_longest(void)
{
    static const char *const clauses[] = {"mem>=0", "cpu.cores>=1", "arch==x86_64", "kernel>=6.1",
                                          "load1<cpu.cores"};
    char need[4096] = "true";
    for (unsigned i = 0; i < 15; i++)
        (void)snprintf(need + strlen(need), sizeof(need) - strlen(need), " && %s", clauses[i % 5]);
    measure("longest", need);
}

int main(void)
{
    make_rows();
    measure("usual", "cpu.cores>=16 && mem>=64GiB && institution!=\"vu\"");
    measure("gpus", "cpu.cores>=16 && mem>=64GiB && gpu.count(vram>=40GiB && !mig)>=2 && "
                    "institution!=\"vu\"");
    measure_longest();
    measure("devices", "gpu.all(vram>=40GiB && !mig && model~\"H*\" && cc>=8.0 && numa>=0 && "
                       "driver!=\"x\" && state==free) && gpu.same(model)>=8 && gpu.sum(vram)>1GiB");
    for (unsigned i = 0; i < ROWS; i++)
        xql_row_free(&rows[i]);
    return 0;
}
