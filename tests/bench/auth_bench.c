// SPDX-License-Identifier: Apache-2.0
/* Verifications and issues per second on one core, nothing cached. One JSON line per metric. */
#include "tests/lib/auth_fixture.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define BENCH_SECONDS 1.0

struct bench {
    struct fixture f;
    struct xos_buf grant, assignment;
    struct auth_grant checked;
    struct xos_error err;
};

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int verify_leaf(struct bench *b, const struct xos_buf *leaf, enum auth_kind slot)
{
    struct auth_context ctx = b->f.ctx;
    struct auth_principal p;
    struct xos_slice chain[3];
    ctx.slot = slot;
    fixture_chain(&b->f, leaf, chain);
    if (auth_verify(chain, 3, &ctx, &p, &b->err) < 0)
        return -1;
    auth_principal_free(&p);
    return 0;
}

static int verify_user(struct bench *b)
{
    return verify_leaf(b, &b->f.user.der, AUTH_KIND_USER);
}

static int verify_job(struct bench *b)
{
    return verify_leaf(b, &b->f.job.der, AUTH_KIND_JOB);
}

static int issue_job(struct bench *b)
{
    struct auth_cert_request r = {.kind = AUTH_KIND_JOB,
                                  .name = b->f.job_facts.unit,
                                  .from_ms = FIXTURE_NOW_MS,
                                  .to_ms = FIXTURE_NOW_MS + AUTH_HOUR_MS,
                                  .job = &b->f.job_facts};
    struct xos_buf out = XOS_BUF(AUTH_CERT_BYTES_MAX);
    memcpy(r.key, xos_key_public(b->f.job.key), sizeof(r.key));
    int rc = fixture_issue(&b->f, &out, &r, &b->err);
    xos_buf_free(&out);
    return rc;
}

static int check_pair(struct bench *b)
{
    struct xos_slice user[3], head[3];
    struct auth_grant g;
    struct auth_assignment a;
    fixture_chain(&b->f, &b->f.user.der, user);
    fixture_chain(&b->f, &b->f.node.der, head);
    struct auth_grant_offer go = {fixture_slice(&b->grant), user, 3, auth_slice(FIXTURE_SPEC),
                                  AUTH_FRESH};
    if (auth_grant_check(&g, &go, &b->f.ctx, &b->err) < 0)
        return -1;
    struct auth_assignment_offer ao = {fixture_slice(&b->assignment), head, 3,         &g,
                                       &b->f.job_facts.node,          1,    AUTH_FRESH};
    int rc = auth_assignment_check(&a, &ao, &b->f.ctx, &b->err);
    auth_grant_free(&g);
    return rc;
}

static int parse_name(struct bench *b)
{
    struct auth_name n;
    return auth_name_parse_uri(&n, auth_slice("xos://inria/user/alice"), &b->err);
}

static const struct {
    const char *metric;
    int (*run)(struct bench *b);
} benches[] = {
    {"auth_verify user, cold", verify_user}, {"auth_verify job, cold", verify_job},
    {"issue job certificate", issue_job},    {"grant + assignment check", check_pair},
    {"name from URI", parse_name},
};

static int measure(struct bench *b, const char *metric, int (*run)(struct bench *b))
{
    double start = now_s(), spent = 0;
    unsigned long count = 0;
    while (spent < BENCH_SECONDS) {
        for (int i = 0; i < 16; i++)
            if (run(b) < 0)
                return -1;
        count += 16;
        spent = now_s() - start;
    }
    printf("{\"metric\": \"%s\", \"per_second\": %.0f}\n", metric, (double)count / spent);
    return 0;
}

static int prepare(struct bench *b)
{
    struct auth_grant g;
    struct auth_assignment a;
    struct xos_slice user[3];
    b->grant = XOS_BUF(AUTH_GRANT_BYTES_MAX);
    b->assignment = XOS_BUF(AUTH_ASSIGNMENT_BYTES_MAX);
    if (fixture_open(&b->f, "inria", 1, &b->err) < 0 || fixture_grant(&b->f, &g, &b->err) < 0 ||
        auth_grant_sign(&b->grant, &g, b->f.user.key, &b->err) < 0)
        return -1;
    fixture_chain(&b->f, &b->f.user.der, user);
    struct auth_grant_offer offer = {fixture_slice(&b->grant), user, 3, auth_slice(FIXTURE_SPEC),
                                     AUTH_FRESH};
    if (auth_grant_check(&b->checked, &offer, &b->f.ctx, &b->err) < 0 ||
        fixture_assignment(&b->f, &b->checked, &a, &b->err) < 0)
        return -1;
    return auth_assignment_sign(&b->assignment, &a, b->f.node.key, &b->err);
}

int main(void)
{
    struct bench b = {0};
    int rc = prepare(&b);
    for (size_t i = 0; rc == 0 && i < sizeof(benches) / sizeof(benches[0]); i++)
        rc = measure(&b, benches[i].metric, benches[i].run);
    if (rc < 0)
        (void)fprintf(stderr, "auth_bench: %s\n", b.err.text);
    auth_grant_free(&b.checked);
    xos_buf_free(&b.grant);
    xos_buf_free(&b.assignment);
    fixture_close(&b.f);
    return rc < 0;
}
