// SPDX-License-Identifier: Apache-2.0
/* How long a unit of /bin/true takes: from the START request to its answer, to the command's exec
 * as the shim tells it, and to the exit record known; as root (namespaces, cgroups) and as a user.
 * Prints one line of JSON per metric. */
#include "tests/lib/execbed.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RUNS 200

static double started_ms[RUNS], told_ms[RUNS], answered_ms[RUNS];

static double now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const char *who, const char *what, double *list)
{
    qsort(list, RUNS, sizeof(*list), by_value);
    printf("{\"metric\":\"exec.%s.%s\",\"unit\":\"ms\",\"p50\":%.2f,\"p99\":%.2f,\"runs\":%d}\n",
           who, what, list[RUNS / 2], list[RUNS * 99 / 100], RUNS);
    (void)fflush(stdout);
}

static int watch(int fd, double begin, int i, struct xos_error *err)
{
    uint8_t room[SHIM_FRAME_BYTES_MAX] __attribute__((aligned(8)));
    struct shim_frame *f = (struct shim_frame *)room;
    struct shim_status st = {0};
    while (st.record.state < UNIT_RUNNING) {
        if (bed_await(fd, SHIM_STATUS, f, err) < 0)
            return -1;
        memcpy(&st, f + 1, sizeof(st));
        started_ms[i] = now_ms() - begin;
    }
    if (bed_await(fd, SHIM_EXIT, f, err) < 0)
        return -1;
    told_ms[i] = now_ms() - begin;
    return 0;
}

static int one(struct bed *b, int i, struct xos_error *err)
{
    static const char *const argv[] = {"/bin/true", NULL};
    char unit[32];
    struct exit_record r;
    (void)snprintf(unit, sizeof(unit), "bench-%d.0", i);
    double begin = now_ms();
    if (bed_start(b, unit, NULL, argv, err) < 0)
        return -1;
    answered_ms[i] = now_ms() - begin;
    int fd = bed_connect(b, unit, err);
    int rc = fd < 0 ? -1 : watch(fd, begin, i, err);
    if (fd >= 0)
        close(fd);
    if (rc < 0 || bed_wait(b, unit, &r, err) < 0)
        return -1;
    return bed_verb(b, EXECD_REMOVE, unit, 0, err);
}

static void run(void)
{
    struct xos_error err = {0};
    struct bed b;
    const char *who = geteuid() == 0 ? "root" : "user";
    int rc = bed_up(&b, &err);
    for (int i = 0; rc == 0 && i < RUNS; i++)
        rc = one(&b, i, &err);
    if (rc < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    print(who, "answered", answered_ms);
    print(who, "started", started_ms);
    print(who, "exit_known", told_ms);
    bed_down(&b);
}

int main(void)
{
    if (geteuid() == 0)
        run();
    bed_as_user(run);
    return 0;
}
