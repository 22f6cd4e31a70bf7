// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a unit runs that its user has not allowed, as somebody else, or somewhere else
 * than its owner has said. */
#include "jobmgr/core/claim.h"
#include "jobmgr/core/warrant.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/wire/envelope.h"
#include "libxos/wire/pb.h"
#include "tests/lib/xtest.h"
#include "tests/unit/jobmgr/granted.h"

#include <stdio.h>
#include <string.h>

#define EPOCH 7

struct scene {
    struct granted by;
    struct xos_buf assignment;
    struct job_spec *said;
    struct warrant w;
    struct xos_id operation;
};

static int scene_open(struct scene *s, struct xos_error *err)
{
    ProtobufCBinaryData argv[] = {xos_pb_text("true")};
    Xos__Job__SpecPb m = XOS__JOB__SPEC_PB__INIT;
    m.n_argv = 1;
    m.argv = argv;
    m.units = 8;
    m.cpus = 4;
    m.mem_bytes = 1 << 30;
    m.gpus = 1;
    m.time_ms = 3600000;
    *s = (struct scene){.assignment = XOS_BUF(AUTH_ASSIGNMENT_BYTES_MAX)};
    memset(s->operation.bytes, 0x11, sizeof(s->operation.bytes));
    if (granted_open(&s->by, &m, err) < 0)
        return -1;
    return spec_decode(&s->said, fixture_slice(&s->by.spec), err);
}

static void scene_close(struct scene *s)
{
    warrant_free(&s->w);
    spec_free(s->said);
    xos_buf_free(&s->assignment);
    granted_close(&s->by);
}

static struct warrant_submit submission(const struct scene *s)
{
    return (struct warrant_submit){.proof = fixture_slice(&s->by.proof),
                                   .bytes = fixture_slice(&s->by.spec),
                                   .spec = s->said,
                                   .institution = "inria",
                                   .user = "alice@inria",
                                   .vo = "vo:climate@inria",
                                   .role = "prod:runner",
                                   .operation = &s->operation};
}

static void a_grant_says_who_and_as_what(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct scene s;
    XT_TRY(scene_open(&s, &err));
    struct warrant_submit c = submission(&s);
    XT_TRY(warrant_check_submit(&s.w, &c, &s.by.f.ctx, &err));
    assert_string_equal(s.w.user, "alice@inria");
    assert_string_equal(s.w.acting, "vo:climate@inria/prod:runner");
    assert_string_equal(s.w.vo, "vo:climate@inria");
    warrant_free(&s.w);
    s.by.g.acting = (struct auth_name){.kind = AUTH_NAME_NONE};
    XT_TRY(granted_sign(&s.by, &err));
    c = submission(&s);
    c.vo = c.role = "";
    XT_TRY(warrant_check_submit(&s.w, &c, &s.by.f.ctx, &err));
    assert_string_equal(s.w.acting, "");
    assert_string_equal(s.w.vo, "");
out:
    scene_close(&s);
}

/* What is done to a good submission, and what is said then. */
static void other_institution(struct scene *s, struct warrant_submit *c)
{
    (void)s;
    c->institution = "vu";
}
static void other_user(struct scene *s, struct warrant_submit *c)
{
    (void)s;
    c->user = "bob@inria";
}
static void other_role(struct scene *s, struct warrant_submit *c)
{
    (void)s;
    c->role = "prod:admin";
}
static void no_vo(struct scene *s, struct warrant_submit *c)
{
    (void)s;
    c->vo = c->role = NULL;
}
static void other_operation(struct scene *s, struct warrant_submit *c)
{
    (void)c;
    s->operation.bytes[0] ^= 1;
}
static void no_operation(struct scene *s, struct warrant_submit *c)
{
    (void)s;
    c->operation = NULL;
}
static void other_spec(struct scene *s, struct warrant_submit *c)
{
    (void)s;
    c->bytes = auth_slice("another specification");
}
static void no_grant(struct scene *s, struct warrant_submit *c)
{
    (void)s;
    c->proof.len = 0;
}
static void garbage(struct scene *s, struct warrant_submit *c)
{
    (void)s;
    c->proof = auth_slice("garbage");
}
static void late(struct scene *s, struct warrant_submit *c)
{
    (void)c;
    s->by.f.ctx.now_ms += AUTH_DAY_MS; /* the user's certificate has ended, the grant has not */
}
static void more_cpus(struct scene *s, struct warrant_submit *c)
{
    (void)c;
    s->said->cpus = 5;
}
static void no_time_limit(struct scene *s, struct warrant_submit *c)
{
    (void)c;
    s->said->time_ms = 0;
}
static void more_units(struct scene *s, struct warrant_submit *c)
{
    (void)c;
    s->said->units = 9;
}

static const struct {
    void (*change)(struct scene *s, struct warrant_submit *c);
    enum xos_code code;
    const char *text;
} submits[] = {
    {other_institution, XOS_DENIED, "belongs to inria"},
    {other_user, XOS_DENIED, "the grant is alice@inria's"},
    {other_role, XOS_DENIED, "acts as vo:climate@inria/prod:runner"},
    {no_vo, XOS_DENIED, "the request as its user"},
    {other_operation, XOS_DENIED, "another submission"},
    {no_operation, XOS_DENIED, "another submission"},
    {other_spec, XOS_DENIED, "specification"},
    {no_grant, XOS_DENIED, "xos login"},
    {garbage, XOS_PROTOCOL, ""},
    {late, XOS_EXPIRED, "user"},
    {more_cpus, XOS_DENIED, "more cpus"},
    {no_time_limit, XOS_DENIED, "more time"},
    {more_units, XOS_DENIED, "more units"},
};

static void a_submission_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(submits) / sizeof(submits[0]); i++) {
        struct xos_error err = {0};
        struct scene s;
        XT_TRY(scene_open(&s, &err));
        struct warrant_submit c = submission(&s);
        submits[i].change(&s, &c);
        XT_REFUSED(warrant_check_submit(&s.w, &c, &s.by.f.ctx, &err), submits[i].code);
        if (!strstr(err.text, submits[i].text))
            fail_msg("%zu: %s", i, err.text);
    out:
        scene_close(&s);
    }
}

/* The start */

struct start {
    struct scene s;
    struct warrant_place where;
    struct auth_name node;
    Xos__Job__StartPb m;
    ProtobufCBinaryData chain[2];
};

static int start_open(struct start *t, struct xos_error *err)
{
    *t = (struct start){
        .where = {.job = "inria-1042", .unit = 3, .node = "n1.inria", .epoch = EPOCH}};
    if (scene_open(&t->s, err) < 0 ||
        auth_name_parse(&t->node, AUTH_NAME_NODE, auth_slice("n1.inria"), NULL, err) < 0)
        return -1;
    return warrant_read(&t->s.w, fixture_slice(&t->s.by.proof), fixture_slice(&t->s.by.spec),
                        &t->s.by.f.ctx, err);
}

static int start_sign(struct start *t, struct xos_error *err)
{
    struct scene *s = &t->s;
    if (warrant_assign(&s->assignment, &s->w, &t->where, s->by.f.node.key, s->by.f.ctx.now_ms,
                       err) < 0)
        return -1;
    warrant_free(&s->w);
    granted_chain(&s->by.f, &s->by.f.node.der, t->chain);
    xos__job__start_pb__init(&t->m);
    t->m.job = xos_pb_text("inria-1042");
    t->m.unit = 3;
    t->m.epoch = EPOCH;
    t->m.spec = (ProtobufCBinaryData){s->by.spec.len, s->by.spec.data};
    t->m.grant = (ProtobufCBinaryData){s->by.proof.len, s->by.proof.data};
    t->m.assignment = (ProtobufCBinaryData){s->assignment.len, s->assignment.data};
    t->m.n_head_chain = 2;
    t->m.head_chain = t->chain;
    t->m.user = xos_pb_text("root@inria"); /* nobody believes this */
    return 0;
}

static void a_worker_takes_the_user_from_the_grant(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct start t;
    XT_TRY(start_open(&t, &err));
    XT_TRY(start_sign(&t, &err));
    XT_TRY(warrant_check_message(&t.s.w, &t.m, t.s.said, &t.node, &t.s.by.f.ctx, &err));
    assert_string_equal(t.s.w.user, "alice@inria");
    assert_string_equal(t.s.w.vo, "vo:climate@inria");
out:
    scene_close(&t.s);
}

/* The job waited for longer than the user was logged in; its head signs when it starts. */
static void a_grant_outlives_a_login_and_an_assignment_is_short(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct start t;
    XT_TRY(start_open(&t, &err));
    t.s.by.f.ctx.now_ms += 13 * AUTH_HOUR_MS;
    XT_TRY(start_sign(&t, &err));
    XT_TRY(warrant_check_message(&t.s.w, &t.m, t.s.said, &t.node, &t.s.by.f.ctx, &err));
    warrant_free(&t.s.w);
    t.s.by.f.ctx.now_ms += WARRANT_ASSIGNMENT_MS + AUTH_SKEW_MS_MAX + 1;
    XT_REFUSED(warrant_check_message(&t.s.w, &t.m, t.s.said, &t.node, &t.s.by.f.ctx, &err),
               XOS_EXPIRED);
out:
    scene_close(&t.s);
}

static void nothing_is_assigned_past_the_end_of_the_grant(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct start t;
    XT_TRY(start_open(&t, &err));
    t.s.by.f.ctx.now_ms = t.s.by.g.expires_ms - CLAIM_HOLD_MS + 1;
    XT_REFUSED(start_sign(&t, &err), XOS_EXPIRED);
out:
    scene_close(&t.s);
}

static void start_on_n2(struct start *t)
{
    (void)snprintf(t->node.part, sizeof(t->node.part), "n2");
}
static void start_other_unit(struct start *t)
{
    t->m.unit = 4;
}
static void start_other_job(struct start *t)
{
    t->m.job = xos_pb_text("inria-1");
}
static void start_later_epoch(struct start *t)
{
    t->m.epoch++;
}
static void start_earlier_epoch(struct start *t)
{
    t->m.epoch--;
}
static void start_other_spec(struct start *t)
{
    t->m.spec = xos_pb_text("another");
}
static void start_more_memory(struct start *t)
{
    t->s.said->mem_bytes++;
}
static void start_without_grant(struct start *t)
{
    t->m.grant.len = 0;
}
static void start_without_assignment(struct start *t)
{
    t->m.assignment.len = 0;
}
static void start_by_a_user(struct start *t)
{
    granted_chain(&t->s.by.f, &t->s.by.f.user.der, t->chain);
}
static void start_with_a_long_chain(struct start *t)
{
    t->m.n_head_chain = AUTH_CHAIN_MAX + 1;
}

static const struct {
    void (*change)(struct start *t);
    enum xos_code code;
    const char *text;
} starts[] = {
    {start_on_n2, XOS_DENIED, "assignment: node"},
    {start_other_unit, XOS_DENIED, "another unit"},
    {start_other_job, XOS_DENIED, "another unit"},
    {start_later_epoch, XOS_STALE, "epoch"},
    {start_earlier_epoch, XOS_DENIED, "another epoch"},
    {start_other_spec, XOS_DENIED, "grant: specification"},
    {start_more_memory, XOS_DENIED, "more memory"},
    {start_without_grant, XOS_DENIED, "grant"},
    {start_without_assignment, XOS_PROTOCOL, "assignment"},
    {start_by_a_user, XOS_DENIED, "assignment: head"},
    {start_with_a_long_chain, XOS_LIMIT, "AUTH_CHAIN_MAX"},
};

static void a_start_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        struct xos_error err = {0};
        struct start t;
        XT_TRY(start_open(&t, &err));
        XT_TRY(start_sign(&t, &err));
        starts[i].change(&t);
        XT_REFUSED(warrant_check_message(&t.s.w, &t.m, t.s.said, &t.node, &t.s.by.f.ctx, &err),
                   starts[i].code);
        if (!strstr(err.text, starts[i].text))
            fail_msg("%zu: %s", i, err.text);
    out:
        scene_close(&t.s);
    }
}

static void execd_is_given_all_of_it(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct start t;
    struct xos_buf out = XOS_BUF(XOS_BODY_BYTES_MAX);
    Xos__Job__ProofPb *m = NULL;
    XT_TRY(start_open(&t, &err));
    XT_TRY(start_sign(&t, &err));
    XT_TRY(warrant_proof(&out, &t.m, &err));
    XT_PTR(m = xos_pb_unpack(&xos__job__proof_pb__descriptor, fixture_slice(&out),
                             XOS_BODY_BYTES_MAX, XOS_PB_TOLERANT, &err));
    assert_int_equal(m->grant.len, t.s.by.grant.len);
    assert_int_equal(m->n_user_chain, 2);
    assert_int_equal(m->assignment.len, t.s.assignment.len);
    assert_int_equal(m->n_head_chain, 2);
    assert_memory_equal(m->spec.data, t.s.by.spec.data, t.s.by.spec.len);
    t.m.grant.len = 0;
    XT_REFUSED(warrant_proof(&out, &t.m, &err), XOS_INVALID);
out:
    xos_pb_free(m);
    xos_buf_free(&out);
    scene_close(&t.s);
}

static const struct xt_test tests[] = {
    XT(a_grant_says_who_and_as_what),
    XT_PLAIN(a_submission_is_refused_by_name),
    XT(a_worker_takes_the_user_from_the_grant),
    XT_PLAIN(a_grant_outlives_a_login_and_an_assignment_is_short),
    XT_PLAIN(nothing_is_assigned_past_the_end_of_the_grant),
    XT_PLAIN(a_start_is_refused_by_name),
    XT_PLAIN(execd_is_given_all_of_it),
};
XT_MAIN(tests)
