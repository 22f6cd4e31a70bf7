// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: an attacker who makes a node run out of memory gets past its checks.
 *
 * OpenSSL's allocations do not go through xos_alloc. Here each of them is made to fail in turn,
 * while good and forged chains and statements are checked: good ones may fail, forged ones must,
 * and nothing may be lost or crash. */
#include "tests/lib/forge.h"
#include "tests/lib/vo_fixture.h"
#include "tests/lib/xtest.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_MAX 5000

static unsigned long countdown; /* 0: none is to fail */
static bool fired;
static bool hooked;

static bool must_fail(void)
{
    if (countdown == 0 || --countdown > 0)
        return false;
    fired = true;
    return true;
}

static void *hook_alloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return must_fail() ? NULL : malloc(size);
}

static void *hook_realloc(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return must_fail() ? NULL : realloc(old, size);
}

static void hook_free(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    free(block);
}

/* Before OpenSSL allocates anything. */
static void __attribute__((constructor)) hook(void)
{
    hooked = CRYPTO_set_mem_functions(hook_alloc, hook_realloc, hook_free) == 1;
}

struct scene {
    struct vo_fixture v;
    struct xos_buf forged; /* alice's certificate, signed by the wrong key */
    struct xos_buf grant;
    struct auth_grant g; /* to sign */
};

static int verify(struct scene *s, const struct xos_buf *leaf, enum auth_kind slot)
{
    struct auth_principal p = {0};
    struct auth_context ctx = s->v.f.ctx;
    struct xos_slice chain[3];
    ctx.slot = slot;
    fixture_chain(&s->v.f, leaf, chain);
    int rc = auth_verify(chain, 3, &ctx, &p, NULL);
    auth_principal_free(&p);
    return rc;
}

static int good_user(struct scene *s)
{
    return verify(s, &s->v.f.user.der, AUTH_KIND_USER);
}
static int good_job(struct scene *s)
{
    return verify(s, &s->v.f.job.der, AUTH_KIND_JOB);
}
static int forged_user(struct scene *s)
{
    return verify(s, &s->forged, AUTH_KIND_USER);
}
static int user_as_node(struct scene *s)
{
    return verify(s, &s->v.f.user.der, AUTH_KIND_NODE);
}
static int issue(struct scene *s)
{
    struct xos_buf out = XOS_BUF(AUTH_CERT_BYTES_MAX);
    struct auth_cert_request r = {.kind = AUTH_KIND_JOB,
                                  .name = s->v.f.job_facts.unit,
                                  .from_ms = FIXTURE_NOW_MS,
                                  .to_ms = FIXTURE_NOW_MS + AUTH_HOUR_MS,
                                  .job = &s->v.f.job_facts};
    memcpy(r.key, xos_key_public(s->v.f.job.key), sizeof(r.key));
    int rc = fixture_issue(&s->v.f, &out, &r, NULL);
    if (rc < 0)
        assert_int_equal(out.len, 0);
    xos_buf_free(&out);
    return rc;
}
static int issue_root(struct scene *s)
{
    struct xos_buf out = XOS_BUF(AUTH_CERT_BYTES_MAX);
    struct auth_cert_request r = {.kind = AUTH_KIND_ROOT,
                                  .name = {.kind = AUTH_NAME_ROOT, .institution = "inria"},
                                  .from_ms = FIXTURE_NOW_MS,
                                  .to_ms = FIXTURE_NOW_MS + AUTH_HOUR_MS};
    memcpy(r.key, xos_key_public(s->v.f.root.key), sizeof(r.key));
    int rc = fixture_issue(&s->v.f, &out, &r, NULL);
    xos_buf_free(&out);
    return rc;
}
static int anchor(struct scene *s)
{
    struct auth_anchors set = {0};
    int rc = auth_anchors_add(&set, "inria", fixture_slice(&s->v.f.root.der), NULL);
    auth_anchors_free(&set);
    return rc;
}
static int attributes(struct scene *s)
{
    struct auth_attr a = {0};
    int rc = auth_attr_check(&a, fixture_slice(&s->v.attr), &s->v.known, &s->v.alice,
                             FIXTURE_NOW_MS, NULL);
    auth_attr_free(&a);
    return rc;
}
static int check_grant(struct scene *s, const char *spec)
{
    struct auth_grant g = {0};
    struct xos_slice chain[3];
    fixture_chain(&s->v.f, &s->v.f.user.der, chain);
    struct auth_grant_offer offer = {fixture_slice(&s->grant), chain, 3, auth_slice(spec),
                                     AUTH_FRESH};
    int rc = auth_grant_check(&g, &offer, &s->v.f.ctx, NULL);
    auth_grant_free(&g);
    return rc;
}
static int good_grant(struct scene *s)
{
    return check_grant(s, FIXTURE_SPEC);
}
static int grant_for_another(struct scene *s)
{
    return check_grant(s, "another specification");
}
static int sign_grant(struct scene *s)
{
    struct xos_buf out = XOS_BUF(AUTH_GRANT_BYTES_MAX);
    int rc = auth_grant_sign(&out, &s->g, s->v.f.user.key, NULL);
    xos_buf_free(&out);
    return rc;
}
static int revocations(struct scene *s)
{
    struct xos_buf out = XOS_BUF(AUTH_REVOKE_BYTES_MAX);
    struct xos_slice ca = fixture_slice(&s->v.f.ca.der);
    struct auth_revocations *list = auth_revocations_new("inria", s->v.alice.root_hash, NULL),
                            *again = NULL;
    assert_non_null(list);
    list->seq = 1;
    list->issued_ms = FIXTURE_NOW_MS;
    int rc = auth_revocations_sign(&out, list, s->v.f.ca.key, NULL);
    if (rc == 0)
        rc = auth_revocations_check(&again, fixture_slice(&out), &ca, 1, &s->v.f.ctx, 1, NULL);
    auth_revocations_free(again);
    auth_revocations_free(list);
    xos_buf_free(&out);
    return rc;
}

static const struct {
    const char *name;
    int (*run)(struct scene *s);
    int whole; /* what it gives when nothing fails */
} rows[] = {
    {"a user", good_user, 0},
    {"a job", good_job, 0},
    {"a forged user", forged_user, -1},
    {"a user as a node", user_as_node, -1},
    {"issuing", issue, 0},
    {"issuing a root", issue_root, 0},
    {"a root", anchor, 0},
    {"attributes", attributes, 0},
    {"a grant", good_grant, 0},
    {"a grant for another specification", grant_for_another, -1},
    {"signing a grant", sign_grant, 0},
    {"revocations", revocations, 0},
};

static int open_scene(struct scene *s, struct xos_error *err)
{
    *s = (struct scene){.forged = XOS_BUF(AUTH_CERT_BYTES_MAX),
                        .grant = XOS_BUF(AUTH_GRANT_BYTES_MAX)};
    if (vo_fixture_open(&s->v, err) < 0 ||
        forge_sign(forge_parse(&s->v.f.user.der), s->v.f.node.key, &s->forged, err) < 0 ||
        fixture_grant(&s->v.f, &s->g, err) < 0)
        return -1;
    return auth_grant_sign(&s->grant, &s->g, s->v.f.user.key, err);
}

static void one_row(struct scene *s, size_t i)
{
    assert_int_equal(rows[i].run(s), rows[i].whole);
    unsigned long n = 1;
    for (; n <= RUNS_MAX; n++) {
        fired = false;
        countdown = n;
        int rc = rows[i].run(s);
        countdown = 0;
        if (rc == 0 && rows[i].whole < 0)
            fail_msg("%s passes when allocation %lu fails", rows[i].name, n);
        if (!fired)
            break;
    }
    assert_true(n > 1 && n <= RUNS_MAX);
    ERR_clear_error();
    assert_int_equal(rows[i].run(s), rows[i].whole);
}

static void a_starved_library_lets_nothing_pass(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct scene s;
    assert_true(hooked);
    XT_TRY(open_scene(&s, &err));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        one_row(&s, i);
out:
    countdown = 0;
    xos_buf_free(&s.forged);
    xos_buf_free(&s.grant);
    vo_fixture_close(&s.v);
}

static const struct xt_test tests[] = {
    XT_PLAIN(a_starved_library_lets_nothing_pass),
};
XT_MAIN(tests)
