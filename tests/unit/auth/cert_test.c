// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a CA signs what it must not, or what nobody accepts. */
#include "tests/lib/auth_fixture.h"
#include "tests/lib/xtest.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

static void to_other_institution(struct auth_cert_request *r)
{
    memcpy(r->name.institution, "vu", 3);
}
static void of_other_kind(struct auth_cert_request *r)
{
    r->name.kind = AUTH_NAME_NODE;
}
static void too_long(struct auth_cert_request *r)
{
    r->to_ms = r->from_ms + AUTH_USER_LIFE_MS_MAX + 1000;
}
static void no_life(struct auth_cert_request *r)
{
    r->to_ms = r->from_ms;
}
static void before_time(struct auth_cert_request *r)
{
    r->from_ms = -1;
}
static void before_issuer(struct auth_cert_request *r)
{
    r->from_ms -= 601000;
}
static void after_issuer(struct auth_cert_request *r)
{
    r->from_ms += AUTH_CA_LIFE_MS_MAX;
    r->to_ms += AUTH_CA_LIFE_MS_MAX;
}
static void with_facts(struct auth_cert_request *r)
{
    static const struct auth_node_facts node = {.roles = AUTH_NODE_HEAD};
    r->node = &node;
}

static void requests_are_checked(void **state)
{
    (void)state;
    static void (*const spoil[])(struct auth_cert_request *) = {
        to_other_institution, of_other_kind, too_long,     no_life,
        before_time,          before_issuer, after_issuer, with_facts};
    struct xos_error err = {0};
    struct fixture f;
    struct xos_buf out = XOS_BUF(AUTH_CERT_BYTES_MAX);
    XT_TRY(fixture_open(&f, "inria", 1, &err));
    const struct auth_cert_request good = {.kind = AUTH_KIND_USER,
                                           .name = f.job_facts.user,
                                           .from_ms = FIXTURE_NOW_MS,
                                           .to_ms = FIXTURE_NOW_MS + AUTH_HOUR_MS};
    for (size_t i = 0; i < COUNT(spoil); i++) {
        struct auth_cert_request r = good;
        spoil[i](&r);
        XT_REFUSED(fixture_issue(&f, &out, &r, &err), XOS_INVALID);
        assert_int_equal(out.len, 0);
    }
    struct auth_cert_request r = good;
    /* another key than the issuer's certificate, a root where a CA is due, a leaf as the issuer */
    struct auth_issuer by = {fixture_slice(&f.ca.der), xos_key_evp(f.user.key)};
    XT_REFUSED(auth_cert_issue(&out, &r, &by, &err), XOS_INVALID);
    by = (struct auth_issuer){fixture_slice(&f.root.der), xos_key_evp(f.root.key)};
    XT_REFUSED(auth_cert_issue(&out, &r, &by, &err), XOS_DENIED);
    by = (struct auth_issuer){fixture_slice(&f.user.der), xos_key_evp(f.user.key)};
    XT_REFUSED(auth_cert_issue(&out, &r, &by, &err), XOS_DENIED);
    r.kind = AUTH_KIND_ROOT;
    r.name = (struct auth_name){.kind = AUTH_NAME_ROOT, .institution = "inria"};
    XT_REFUSED(auth_cert_issue(&out, &r, &by, &err), XOS_INVALID);
    r = good;
    XT_TRY(fixture_issue(&f, &out, &r, &err));
out:
    xos_buf_free(&out);
    fixture_close(&f);
}

static void job_facts_must_make_sense(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct fixture f;
    struct xos_buf out = XOS_BUF(AUTH_CERT_BYTES_MAX);
    XT_TRY(fixture_open(&f, "inria", 1, &err));
    struct auth_job_facts facts = f.job_facts;
    struct auth_cert_request r = {.kind = AUTH_KIND_JOB,
                                  .name = facts.unit,
                                  .from_ms = FIXTURE_NOW_MS,
                                  .to_ms = FIXTURE_NOW_MS + AUTH_HOUR_MS,
                                  .job = &facts};
    facts.epoch = 0;
    XT_REFUSED(fixture_issue(&f, &out, &r, &err), XOS_PROTOCOL);
    facts.epoch = 1;
    facts.unit.index++;
    XT_REFUSED(fixture_issue(&f, &out, &r, &err), XOS_INVALID);
    facts.unit.index--;
    facts.rights.ro = facts.rights.rw;
    XT_REFUSED(fixture_issue(&f, &out, &r, &err), XOS_PROTOCOL);
    facts.rights.ro.at[0] = auth_slice("/a/../b");
    XT_REFUSED(fixture_issue(&f, &out, &r, &err), XOS_PROTOCOL);
    r.job = NULL;
    XT_REFUSED(fixture_issue(&f, &out, &r, &err), XOS_INVALID);
out:
    xos_buf_free(&out);
    fixture_close(&f);
}

/* The largest rights that a grant can give still fit, or are refused by name. */
static void facts_are_bounded(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct fixture f;
    struct xos_buf out = XOS_BUF(AUTH_CERT_BYTES_MAX);
    static char paths[AUTH_SET_ENTRIES_MAX][AUTH_PATH_BYTES_MAX + 1];
    XT_TRY(fixture_open(&f, "inria", 1, &err));
    struct auth_job_facts facts = f.job_facts;
    struct auth_cert_request r = {.kind = AUTH_KIND_JOB,
                                  .name = facts.unit,
                                  .from_ms = FIXTURE_NOW_MS,
                                  .to_ms = FIXTURE_NOW_MS + AUTH_HOUR_MS,
                                  .job = &facts};
    facts.rights.ro = (struct auth_set){0};
    for (size_t i = 0; i < AUTH_SET_ENTRIES_MAX; i++) {
        memset(paths[i], 'a', AUTH_PATH_BYTES_MAX);
        paths[i][0] = '/';
        paths[i][1] = (char)('a' + (int)i);
        XT_TRY(auth_set_add(&facts.rights.ro, auth_slice(paths[i]), &err));
        xos_buf_clear(&out);
        err.code = XOS_NONE;
        if (fixture_issue(&f, &out, &r, &err) < 0)
            break;
    }
    assert_true(err.code == XOS_LIMIT || err.code == XOS_NOMEM);
out:
    xos_buf_free(&out);
    fixture_close(&f);
}

static const struct xt_test tests[] = {
    XT(requests_are_checked),
    XT(job_facts_must_make_sense),
    XT(facts_are_bounded),
};
XT_MAIN(tests)
