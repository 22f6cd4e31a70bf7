// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a node runs what its institution does not allow, or in the name of somebody
 * who has not signed. */
#include "jobmgr/core/claim.h"
#include "jobmgr/judge/request.h"
#include "libxos/base/units.h"
#include "tests/lib/vo_fixture.h"
#include "tests/unit/jobmgr/trust_stage.h"
#include "tests/unit/jobmgr/worker_stage.h"

#define JOB "inria-7"
#define UNIT "inria-7.0.5" /* epoch 5 */
#define EPOCH 5

static struct scene {
    struct worker_stage w;
    struct trust_stage t;
    struct xos_buf assignment;
    ProtobufCBinaryData chain[2];
    struct jobmgr_wish wished; /* its texts: */
    char user[JOB_NAME_MAX], vo[JOB_NAME_MAX];
    unsigned wishes;
    const char *admits; /* user; NULL: anybody */
} s;

static int admit(void *arg, const struct jobmgr_wish *wish, struct xos_error *err)
{
    struct scene *x = arg;
    x->wished = *wish;
    x->wishes++;
    (void)snprintf(x->user, sizeof(x->user), "%s", wish->user);
    (void)snprintf(x->vo, sizeof(x->vo), "%s", wish->vo);
    if (!x->admits || strcmp(x->admits, wish->user) == 0)
        return 0;
    return xos_fail(err, XOS_DENIED, "no rule for %s", wish->user);
}

static int set_up(const char *name, enum execd_isolation isolation, bool accept, const char *own,
                  struct xos_error *err)
{
    s = (struct scene){.assignment = XOS_BUF(AUTH_ASSIGNMENT_BYTES_MAX)};
    if (worker_stage_open(&s.w, name, err) < 0 || trust_stage_open(&s.t, &s.w.stage, 1, err) < 0)
        return -1;
    s.w.isolation = isolation;
    struct jobmgr_config c = worker_stage_config(&s.w);
    c.trust = s.t.trust;
    c.self = &s.t.self;
    c.accept_unisolated = accept;
    c.own_user = own;
    c.admit = admit;
    c.admit_arg = &s;
    return jobmgr_new(&s.w.stage.jobs, &c, err);
}

static void tear_down(void)
{
    worker_stage_close(&s.w);
    trust_stage_close(&s.t);
    xos_buf_free(&s.assignment);
}

/* What an honest head sends. */
static int fill_start(Xos__Job__StartPb *m, struct xos_error *err)
{
    struct warrant w = {.user = ""};
    struct auth_context ctx;
    const struct warrant_place where = {.job = JOB, .node = STAGE_NODE, .epoch = EPOCH};
    int64_t now_ms = xos_env_real_ms(&s.w.stage.env);
    const struct granted *by = &s.t.by;
    auth_trust_context(s.t.trust, AUTH_KIND_USER, now_ms, &ctx);
    if (warrant_read(&w, fixture_slice(&by->proof), fixture_slice(&by->spec), &ctx, err) < 0)
        return -1;
    int rc = warrant_assign(&s.assignment, &w, &where, s.t.self.key, now_ms, err);
    warrant_free(&w);
    granted_chain(&by->f, &by->f.node.der, s.chain);
    m->job = xos_pb_text(JOB);
    m->epoch = EPOCH;
    m->units = 1;
    m->user = xos_pb_text("root@inria"); /* it could say anything */
    m->spec = (ProtobufCBinaryData){by->spec.len, by->spec.data};
    m->grant = (ProtobufCBinaryData){by->proof.len, by->proof.data};
    m->assignment = (ProtobufCBinaryData){s.assignment.len, s.assignment.data};
    m->n_head_chain = 2;
    m->head_chain = s.chain;
    return rc;
}

static void refusal(char text[static 256])
{
    struct xos_error err = {0};
    assert_int_equal(s.w.code, XOS_NONE);
    Xos__Job__StartedPb *m = xos_pb_unpack(&xos__job__started_pb__descriptor,
                                           fixture_slice(&s.w.body), 4096, XOS_PB_TOLERANT, &err);
    assert_non_null(m);
    (void)snprintf(text, 256, "%.*s", (int)m->refused.len,
                   m->refused.len ? (const char *)m->refused.data : "");
    xos_pb_free(m);
}

/* xos-execd checks for itself: the same five things. */
static void proof_is_whole(const Xos__Job__StartPb *m)
{
    struct xos_error err = {0};
    struct xos_slice proof = {NULL, 0};
    assert_int_equal(request_proof(&proof, fixture_slice(&s.w.papers), &err), 0);
    Xos__Job__ProofPb *p = xos_pb_unpack(&xos__job__proof_pb__descriptor, proof, XOS_BODY_BYTES_MAX,
                                         XOS_PB_TOLERANT, &err);
    assert_non_null(p);
    assert_int_equal(p->grant.len, s.t.by.grant.len);
    assert_int_equal(p->n_user_chain, 2);
    assert_int_equal(p->assignment.len, m->assignment.len);
    assert_int_equal(p->n_head_chain, 2);
    assert_int_equal(p->spec.len, m->spec.len);
    xos_pb_free(p);
}

static void a_unit_is_its_grants_users(void **state)
{
    (void)state;
    struct xos_error err = {0};
    char text[256];
    Xos__Job__StartPb m = XOS__JOB__START_PB__INIT;
    XT_TRY(set_up("user", EXECD_CGROUP2, false, NULL, &err));
    XT_TRY(worker_stage_claim(&s.w, JOB, EPOCH, false, &err));
    assert_int_equal(s.w.code, XOS_NONE);
    assert_int_equal(s.wished.cpus, 1);
    assert_int_equal(s.wished.units, 1);
    XT_TRY(fill_start(&m, &err));
    XT_TRY(worker_stage_ask(&s.w, "unit.start", &m, &err));
    refusal(text);
    assert_string_equal(text, "");
    WORKER_UNTIL(&s.w, s.w.starts == 1);
    assert_true(s.w.as_user);
    proof_is_whole(&m);
    assert_int_equal(s.wishes, 2);
    assert_string_equal(s.user, STAGE_USER);
    assert_string_equal(s.vo, "");
    assert_int_equal(s.wished.walltime_ms, 60000);
out:
    tear_down();
}

static void no_grant(Xos__Job__StartPb *m)
{
    m->grant.len = 0;
}
static void no_assignment(Xos__Job__StartPb *m)
{
    m->epoch++; /* it is for another one */
}
static void for_another(Xos__Job__StartPb *m)
{
    (void)m;
    s.admits = "bob@inria";
}

static void a_start_is_refused_by_its_reason(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        void (*change)(Xos__Job__StartPb *m);
        const char *text;
    } rows[] = {{"grant", no_grant, "xos login"}, {"rule", for_another, "no rule for alice@inria"}};
    struct xos_error err = {0};
    char text[256];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Xos__Job__StartPb m = XOS__JOB__START_PB__INIT;
        XT_TRY(set_up(rows[i].name, EXECD_CGROUP2, false, NULL, &err));
        XT_TRY(worker_stage_claim(&s.w, JOB, EPOCH, false, &err));
        XT_TRY(fill_start(&m, &err));
        rows[i].change(&m);
        XT_TRY(worker_stage_ask(&s.w, "unit.start", &m, &err));
        refusal(text);
        if (!strstr(text, rows[i].text))
            fail_msg("%s: %s", rows[i].name, text);
        assert_int_equal(s.w.starts, 0);
        tear_down();
    }
    return;
out:
    tear_down();
}

/* climate@inria as this node knows it. */
static int know_vo(const struct vo_fixture *v, struct xos_error *err)
{
    struct xos_env *env = &s.w.stage.env;
    char hex[2 * XOS_HASH_BYTES + 1];
    int at = xos_env_dir_open(env, xt_dir(), err), rc = at < 0 ? -1 : 0;
    xos_hex(v->m.root_hash, XOS_HASH_BYTES, hex);
    if (rc == 0)
        rc = xos_env_file_replace(env, at, "vo/climate@inria.root", hex, strlen(hex), 0644, err);
    if (rc == 0)
        rc = xos_env_file_replace(env, at, "vo/climate@inria.manifest", v->manifest.data,
                                  v->manifest.len, 0644, err);
    xos_env_close(env, at);
    return rc < 0 ? -1 : auth_trust_reload(s.t.trust, err);
}

/* Were this to fail: a head says of its users that they are in any VO, and is believed. */
static void the_vo_says_who_is_in_it(void **state)
{
    (void)state;
    static const struct {
        const char *name, *acting;
        bool knows, says;
        const char *text; /* "": it starts */
    } rows[] = {
        {"unknown", "vo:climate@inria/prod:runner", false, true, "is not known here"},
        {"silent", "vo:climate@inria/prod:runner", true, false, "nothing came with"},
        {"other", "vo:climate@inria/prod:admin", true, true, "does not say that the signer"},
        {"member", "vo:climate@inria/prod:runner", true, true, ""},
    };
    struct xos_error err = {0};
    struct vo_fixture v;
    char text[256];
    XT_TRY(vo_fixture_open(&v, &err));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Xos__Job__StartPb m = XOS__JOB__START_PB__INIT;
        XT_TRY(set_up(rows[i].name, EXECD_CGROUP2, false, NULL, &err));
        if (rows[i].knows)
            XT_TRY(know_vo(&v, &err));
        if (rows[i].says)
            s.t.by.attributes = fixture_slice(&v.attr);
        XT_TRY(auth_name_parse_acting(&s.t.by.g.acting, auth_slice(rows[i].acting), NULL, &err));
        XT_TRY(granted_sign(&s.t.by, &err));
        XT_TRY(worker_stage_claim(&s.w, JOB, EPOCH, false, &err));
        XT_TRY(fill_start(&m, &err));
        XT_TRY(worker_stage_ask(&s.w, "unit.start", &m, &err));
        refusal(text);
        if (!strstr(text, rows[i].text) || !rows[i].text[0] != !text[0])
            fail_msg("%s: %s", rows[i].name, text);
        tear_down();
    }
    vo_fixture_close(&v);
    return;
out:
    vo_fixture_close(&v);
    tear_down();
}

/* A head that signs for one epoch and starts under another has failed, or is not who it says. */
static void an_assignment_is_for_one_epoch(void **state)
{
    (void)state;
    struct xos_error err = {0};
    Xos__Job__StartPb m = XOS__JOB__START_PB__INIT;
    XT_TRY(set_up("epoch", EXECD_CGROUP2, false, NULL, &err));
    XT_TRY(worker_stage_claim(&s.w, JOB, EPOCH + 1, false, &err));
    XT_TRY(fill_start(&m, &err));
    no_assignment(&m);
    XT_TRY(worker_stage_ask(&s.w, "unit.start", &m, &err));
    assert_int_equal(s.w.code, XOS_STALE);
    assert_int_equal(s.w.starts, 0);
out:
    tear_down();
}

/* The claim was for less, or for somebody else. */
static void what_is_started_is_what_was_claimed(void **state)
{
    (void)state;
    struct xos_error err = {0};
    char text[256];
    uint32_t units[] = {0};
    Xos__Job__ClaimPb claim = XOS__JOB__CLAIM_PB__INIT;
    Xos__Job__StartPb m = XOS__JOB__START_PB__INIT;
    XT_TRY(set_up("claimed", EXECD_CGROUP2, false, NULL, &err));
    XT_TRY(worker_stage_claim(&s.w, "inria-1", 1, false, &err)); /* until it has its list */
    claim.job = xos_pb_text(JOB);
    claim.units = units;
    claim.n_units = 1;
    claim.epoch = EPOCH;
    claim.cpus = 1;
    claim.user = xos_pb_text(STAGE_USER); /* and no memory */
    XT_TRY(worker_stage_ask(&s.w, "claim.grant", &claim, &err));
    assert_int_equal(s.w.code, XOS_NONE);
    XT_TRY(fill_start(&m, &err));
    XT_TRY(worker_stage_ask(&s.w, "unit.start", &m, &err));
    refusal(text);
    assert_non_null(strstr(text, "more than was claimed"));
    assert_int_equal(s.w.starts, 0);
out:
    tear_down();
}

static void a_node_without_isolation_takes_its_own_users_jobs(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum execd_isolation isolation;
        bool accept;
        const char *own;
        enum xos_code wanted;
    } rows[] = {
        {"none", EXECD_ISOLATION_NONE, false, NULL, XOS_DENIED},
        {"rlimit", EXECD_RLIMIT, false, "bob@inria", XOS_DENIED},
        {"own", EXECD_RLIMIT, false, STAGE_USER, XOS_NONE},
        {"accepts", EXECD_ISOLATION_NONE, true, NULL, XOS_NONE},
        {"isolated", EXECD_CGROUP1, false, NULL, XOS_NONE},
    };
    struct xos_error err = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        XT_TRY(set_up(rows[i].name, rows[i].isolation, rows[i].accept, rows[i].own, &err));
        XT_TRY(worker_stage_claim(&s.w, JOB, EPOCH, false, &err));
        assert_int_equal(s.w.code, rows[i].wanted);
        if (rows[i].wanted)
            assert_non_null(strstr(s.w.text, "this node has no isolation and accepts only its own "
                                             "user's jobs"));
        tear_down();
    }
    return;
out:
    tear_down();
}

static void policy_is_asked_before_anything_is_held(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up("policy", EXECD_CGROUP2, false, NULL, &err));
    s.admits = "bob@inria";
    XT_TRY(worker_stage_claim(&s.w, JOB, EPOCH, false, &err));
    assert_int_equal(s.w.code, XOS_DENIED);
    assert_non_null(strstr(s.w.text, "no rule for " STAGE_USER));
out:
    tear_down();
}

static const struct xt_test tests[] = {
    XT_PLAIN(a_unit_is_its_grants_users),
    XT_PLAIN(a_start_is_refused_by_its_reason),
    XT_PLAIN(the_vo_says_who_is_in_it),
    XT_PLAIN(an_assignment_is_for_one_epoch),
    XT_PLAIN(what_is_started_is_what_was_claimed),
    XT_PLAIN(a_node_without_isolation_takes_its_own_users_jobs),
    XT_PLAIN(policy_is_asked_before_anything_is_held),
};
XT_MAIN(tests)
