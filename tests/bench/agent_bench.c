// SPDX-License-Identifier: Apache-2.0
/* What an agent costs: the round trip of a signature, and the memory of one that waits. One JSON
 * line per metric. */
#include "tests/lib/agentproc.h"
#include "tests/lib/xtest.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BENCH_CALLS 5000

static double now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void print_memory(const char *metric, const char *key, pid_t pid)
{
    char path[64], line[256];
    long kib = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, key, strlen(key)) == 0)
            kib = strtol(line + strlen(key), NULL, 10);
    if (f)
        (void)fclose(f);
    printf("{\"metric\": \"%s\", \"value\": %ld, \"unit\": \"KiB\"}\n", metric, kib);
}

int main(void)
{
    static double took[BENCH_CALLS];
    struct home home = {0};
    struct agentproc agent = {.pid = 0};
    struct agent_link *l = NULL;
    struct xos_error err = {0};
    char dir[] = "/tmp/xos-agent-bench-XXXXXX";
    const struct xos_request r = agentproc_request("job.submit");
    int rc = mkdtemp(dir) ? 0 : xos_fail_errno(&err, "%s", dir);
    if (rc == 0)
        rc = home_open(&home, xos_env_real_ms(xos_env_posix()), 0x10, &err);
    if (rc == 0)
        rc = agentproc_start(&agent, dir, "s", &err);
    if (rc == 0)
        rc = agent_link_open(&l, xos_env_posix(), &err);
    if (rc == 0)
        rc = agentproc_login(l, &home, "alice", AUTH_HOUR_MS, &err);
    for (size_t i = 0; rc == 0 && i < BENCH_CALLS; i++) {
        struct request_signed s = {.owner = NULL};
        const double begun = now_us();
        rc = agent_link_sign_request(l, &r, &s, &err);
        took[i] = now_us() - begun;
        request_signed_free(&s);
    }
    if (rc == 0) {
        qsort(took, BENCH_CALLS, sizeof(took[0]), by_size);
        printf("{\"metric\": \"agent_sign_request_p50\", \"value\": %.1f, \"unit\": \"us\"}\n",
               took[BENCH_CALLS / 2]);
        printf("{\"metric\": \"agent_sign_request_p99\", \"value\": %.1f, \"unit\": \"us\"}\n",
               took[BENCH_CALLS / 100 * 99]);
        print_memory("agent_rss", "VmRSS:", agent.pid);
        print_memory("agent_rss_anonymous", "RssAnon:", agent.pid);
    } else
        fprintf(stderr, "agent_bench: %s\n", err.text);
    agent_link_free(l);
    agentproc_stop(&agent, SIGTERM);
    home_close(&home);
    (void)rmdir(dir);
    return rc < 0;
}
