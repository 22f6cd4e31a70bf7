// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a head starts what nobody has signed, or a job that was refused for good is
 * tried for ever. The worker is played by this test. */
#include "tests/unit/jobmgr/trust_stage.h"

#define UNITS 2

static struct scene {
    struct job_stage stage;
    struct trust_stage t;
    unsigned claims, starts, good; /* starts whose signatures hold */
    bool busy, refuses;
    char state[32], reason[JOB_REASON_MAX];
} s;

static void serve_claim(void *service, struct xos_call *call)
{
    struct xos_error err = {0};
    (void)service;
    s.claims++;
    xos_fail(&err, XOS_BUSY, "says the test");
    if (s.busy)
        xos_call_fail(call, &err);
    else
        xos_call_answer(call, (struct xos_slice){NULL, 0});
}

static void check_start(const Xos__Job__StartPb *m)
{
    struct warrant w = {.user = ""};
    struct job_spec *said = NULL;
    struct auth_context ctx;
    struct xos_error err = {0};
    auth_trust_context(s.t.trust, AUTH_KIND_USER, xos_env_real_ms(&s.stage.env), &ctx);
    assert_int_equal(spec_decode(&said, xos_pb_slice(m->spec), &err), 0);
    if (warrant_check_message(&w, m, said, &s.t.self.name, &ctx, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(w.user, STAGE_USER);
    s.good++;
    warrant_free(&w);
    spec_free(said);
}

static void serve_start(void *service, struct xos_call *call)
{
    struct xos_error err = {0};
    struct xos_buf body = XOS_BUF(1024);
    Xos__Job__StartedPb answer = XOS__JOB__STARTED_PB__INIT;
    Xos__Job__StartPb *m = xos_pb_unpack(&xos__job__start_pb__descriptor, xos_call_body(call),
                                         XOS_BODY_BYTES_MAX, XOS_PB_TOLERANT, &err);
    (void)service;
    assert_non_null(m);
    s.starts++;
    check_start(m);
    xos_pb_free(m);
    answer.refused = xos_pb_text(s.refuses ? "not on my machine" : "");
    assert_int_equal(xos_pb_pack(&answer, &body, &err), 0);
    xos_call_answer(call, (struct xos_slice){body.data, body.len});
    xos_buf_free(&body);
}

static void serve_nothing(void *service, struct xos_call *call)
{
    (void)service;
    xos_call_answer(call, (struct xos_slice){NULL, 0});
}

static const struct xos_verb worker[] = {{"claim.grant", serve_claim, XOS_VERB_NODE},
                                         {"claim.hold", serve_nothing, XOS_VERB_NODE},
                                         {"claim.release", serve_nothing, XOS_VERB_NODE},
                                         {"unit.start", serve_start, XOS_VERB_NODE}};

static int begin(const char *store, struct xos_error *err)
{
    if (stage_open(&s.stage, store, err) < 0 || trust_stage_open(&s.t, &s.stage, UNITS, err) < 0 ||
        xos_rpc_serve(s.stage.rpc, worker, sizeof(worker) / sizeof(worker[0]), NULL, err) < 0)
        return -1;
    struct jobmgr_config c = stage_config(&s.stage);
    c.head = true;
    c.trust = s.t.trust;
    c.self = &s.t.self;
    return jobmgr_new(&s.stage.jobs, &c, err);
}

static int set_up(const char *store, struct xos_error *err)
{
    s = (struct scene){.claims = 0};
    return begin(store, err);
}

static void tear_down(void)
{
    stage_close(&s.stage);
    trust_stage_close(&s.t);
}

static int submit(struct raw_peer *p, bool with_grant, uint8_t operation, struct xos_error *err)
{
    Xos__Job__SubmitPb m = XOS__JOB__SUBMIT_PB__INIT;
    m.spec = (ProtobufCBinaryData){s.t.by.spec.len, s.t.by.spec.data};
    if (with_grant)
        m.grant = (ProtobufCBinaryData){s.t.by.proof.len, s.t.by.proof.data};
    return stage_ask(&s.stage, p, "job.run", &m, operation, err);
}

/* The answer's code and body. */
static enum xos_code answered(struct raw_peer *p, struct xos_buf *body)
{
    struct xos_error err = {0};
    struct xos_slice frame;
    struct xos_envelope e;
    struct xos_answer a;
    for (int i = 0; raw_peer_next(p, &frame, &err) != 1; i++) {
        assert_true(i < PEER_WAIT_MS);
        assert_int_equal(raw_peer_spin(s.stage.loop, 1, &err), 0);
    }
    assert_int_equal(xos_envelope_decode(&e, frame, &err), 0);
    assert_int_equal(xos_answer_decode(&a, e.header, &err), 0);
    *body = XOS_BUF(XOS_BODY_BYTES_MAX);
    assert_int_equal(xos_buf_add(body, e.body.data, e.body.len, &err), 0);
    xos_envelope_free(&e);
    return a.code;
}

/* "": it was taken; else why not. */
static int submitted(struct raw_peer *p, bool with_grant, uint8_t operation, char text[static 256],
                     struct xos_error *err)
{
    struct xos_buf body;
    if (submit(p, with_grant, operation, err) < 0)
        return -1;
    enum xos_code code = answered(p, &body);
    (void)snprintf(text, 256, "%.*s", code ? (int)body.len : 0, (const char *)body.data);
    xos_buf_free(&body);
    return 0;
}

static void what_is_started_was_signed_by_both(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct raw_peer p = {.fd = -1};
    char text[256];
    XT_TRY(set_up("signed", &err));
    XT_TRY(submitted(&p, true, 0x11, text, &err));
    assert_string_equal(text, "");
    RAW_PEER_UNTIL(s.stage.loop, s.good == UNITS);
    raw_peer_close(&p);
    p.fd = -1;
    tear_down();
    s.starts = s.good = 0;
    XT_TRY(begin("signed", &err)); /* nothing was reported: it says again what may be lost */
    s.stage.ahead_ms = 60000;
    RAW_PEER_UNTIL(s.stage.loop, s.good == UNITS);
    assert_int_equal(s.claims, 1);
out:
    raw_peer_close(&p);
    tear_down();
}

static void a_submission_needs_its_own_grant(void **state)
{
    (void)state;
    static const struct {
        bool with_grant;
        uint8_t operation;
        const char *text;
    } rows[] = {{false, 0x11, "xos login"}, {true, 0x12, "another submission"}};
    struct xos_error err = {0};
    struct raw_peer p = {.fd = -1};
    char text[256];
    XT_TRY(set_up("needs", &err));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        XT_TRY(submitted(&p, rows[i].with_grant, rows[i].operation, text, &err));
        assert_non_null(strstr(text, rows[i].text));
        raw_peer_close(&p);
        p.fd = -1;
    }
    assert_int_equal(s.claims, 0);
out:
    raw_peer_close(&p);
    tear_down();
}

/* How it ended */

/* What the client is told of its job. */
static int look(struct xos_error *err)
{
    struct raw_peer p = {.fd = -1};
    struct xos_buf body;
    Xos__Job__ListPb ask = XOS__JOB__LIST_PB__INIT;
    ask.ended_within_ms = UINT64_C(1) << 40;
    if (stage_ask(&s.stage, &p, "job.list", &ask, 1, err) < 0)
        return -1;
    assert_int_equal(answered(&p, &body), XOS_NONE);
    Xos__Job__JobsPb *m = xos_pb_unpack(&xos__job__jobs_pb__descriptor, fixture_slice(&body), 4096,
                                        XOS_PB_TOLERANT, err);
    assert_non_null(m);
    assert_int_equal(m->n_jobs, 1);
    const Xos__Job__JobPb *j = m->jobs[0];
    (void)snprintf(s.state, sizeof(s.state), "%.*s", (int)j->state.len,
                   (const char *)j->state.data);
    (void)snprintf(s.reason, sizeof(s.reason), "%.*s", (int)j->reason.len,
                   (const char *)j->reason.data);
    xos_pb_free(m);
    xos_buf_free(&body);
    raw_peer_close(&p);
    return 0;
}

static void what_a_worker_refuses_for_good_has_ended(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct raw_peer p = {.fd = -1};
    char text[256];
    XT_TRY(set_up("refused", &err));
    s.refuses = true;
    XT_TRY(submitted(&p, true, 0x11, text, &err));
    assert_string_equal(text, "");
    while (strcmp(s.state, "done") != 0)
        XT_TRY(look(&err));
    assert_string_equal(s.reason, "not on my machine");
    assert_int_equal(s.starts, UNITS);
out:
    raw_peer_close(&p);
    tear_down();
}

static void a_job_that_waits_ends_with_its_grant(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct raw_peer p = {.fd = -1};
    char text[256];
    XT_TRY(set_up("waits", &err));
    s.busy = true;
    XT_TRY(submitted(&p, true, 0x11, text, &err));
    assert_string_equal(text, "");
    RAW_PEER_UNTIL(s.stage.loop, s.claims == 1);
    s.stage.ahead_ms = (uint64_t)AUTH_DAY_MS; /* longer than its user was logged in */
    XT_TRY(raw_peer_spin(s.stage.loop, JOB_RETRY_MS + 200, &err));
    XT_TRY(look(&err));
    assert_string_equal(s.state, "queued");
    s.stage.ahead_ms = 3 * (uint64_t)AUTH_DAY_MS;
    while (strcmp(s.state, "done") != 0)
        XT_TRY(look(&err));
    assert_non_null(strstr(s.reason, "grant"));
out:
    raw_peer_close(&p);
    tear_down();
}

static const struct xt_test tests[] = {
    XT_PLAIN(what_is_started_was_signed_by_both),
    XT_PLAIN(a_submission_needs_its_own_grant),
    XT_PLAIN(what_a_worker_refuses_for_good_has_ended),
    XT_PLAIN(a_job_that_waits_ends_with_its_grant),
};
XT_MAIN(tests)
