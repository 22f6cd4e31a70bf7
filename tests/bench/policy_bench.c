// SPDX-License-Identifier: Apache-2.0
/* policy_bench.c - how long a decision takes in a policy of 1,000 rules, on one core: rules of many
 * institutions, and the worst case, where every rule is about the one who asks. One line each:
 * name, rules, ns per decision (median, 99th percentile). */
#include "libxos/base/buf.h"
#include "vo-auth/core/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RULES 1000
#define ASKED 100000
#define TOGETHER 16 /* decisions between two readings of the clock */

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void check(int rc, const struct xos_error *err)
{
    if (rc == 0)
        return;
    (void)fprintf(stderr, "%s\n", err->text);
    exit(1);
}

static struct policy *make(bool worst)
{
    static const char *const verbs[] = {"job.run", "job.*", "unit.attach", "node.list", "*"};
    struct xos_error err = {0};
    struct xos_buf text = XOS_BUF(POLICY_BYTES_MAX);
    struct policy *p = NULL;
    for (unsigned i = 0; i < RULES; i++) {
        if (worst)
            check(xos_buf_addf(&text, &err, "allow any to job.run on node:n%u.x when cpus<=%u\n", i,
                               i % 64),
                  &err);
        else if (i % 3 == 0)
            check(xos_buf_addf(&text, &err, "allow vo:v%u@i%u/prod to %s when cpus<=%u\n", i % 40,
                               i % 50, verbs[i % 5], i % 64),
                  &err);
        else
            check(xos_buf_addf(&text, &err, "%s u%u@i%u to %s on node:*.i%u\n",
                               i % 7 ? "allow" : "deny", i % 200, i % 50, verbs[i % 5], i % 9),
                  &err);
    }
    check(policy_new(&p, (struct xos_slice){text.data, text.len}, NULL, &err), &err);
    xos_buf_free(&text);
    return p;
}

static void measure(const char *name, bool worst)
{
    static uint64_t ns[ASKED / TOGETHER];
    static struct auth_name users[64], actings[64];
    struct xos_error err = {0};
    struct policy *p = make(worst);
    struct policy_decision d;
    unsigned long allowed = 0;
    size_t count = 0;
    for (unsigned i = 0; i < 64; i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "u%u@i%u", i * 3 % 200, i % 50);
        check(auth_name_parse(&users[i], AUTH_NAME_USER, auth_slice(text), NULL, &err), &err);
        (void)snprintf(text, sizeof(text), "vo:v%u@i%u/prod:runner", i % 40, i % 50);
        check(auth_name_parse_acting(&actings[i], auth_slice(text), NULL, &err), &err);
    }
    for (unsigned i = 0; i < ASKED / TOGETHER; i++) {
        uint64_t begun = now_ns();
        for (unsigned k = 0; k < TOGETHER; k++) {
            struct policy_request r = {.user = &users[(i + k) % 64],
                                       .acting = &actings[(i * 7 + k) % 64],
                                       .verb = k % 2 ? "job.run" : "job.list",
                                       .kind = POLICY_RESOURCE_NODE,
                                       .resource = "n17.i3",
                                       .says = 1 << POLICY_A_CPUS,
                                       .value[POLICY_A_CPUS] = i % 64};
            policy_decide(p, &r, &d);
            allowed += d.allowed;
        }
        ns[count++] = (now_ns() - begun) / TOGETHER;
    }
    qsort(ns, count, sizeof(ns[0]), by_size);
    (void)printf("%-14s %5u rules %8llu ns median %8llu ns p99  (%lu allowed)\n", name,
                 policy_rule_count(p), (unsigned long long)ns[count / 2],
                 (unsigned long long)ns[count * 99 / 100], allowed);
    policy_free(p);
}

int main(void)
{
    measure("policy", false);
    measure("policy-worst", true);
    return 0;
}
