// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a head that cannot reach a node never says so, gives up what runs, or sends a
 * message for each unit that it holds. The worker is played by this test. */
#include "tests/unit/jobmgr/job_stage.h"

#define UNITS 3

static struct scene {
    struct job_stage stage;
    unsigned claims, starts; /* of the first job */
    unsigned probes, renewals;
    uint64_t epoch; /* of the last claim */
    size_t held;    /* in the last claim.hold */
    uint64_t quoted_ms;
    bool unknown; /* the worker knows none of them */
    enum xos_code reported;
    unsigned reports;
} s;

static bool first_job(ProtobufCBinaryData job)
{
    return job.len == strlen("inria-1") && memcmp(job.data, "inria-1", job.len) == 0;
}

static void serve_claim(void *service, struct xos_call *call)
{
    struct xos_error err = {0};
    Xos__Job__ClaimPb *m = xos_pb_unpack(&xos__job__claim_pb__descriptor, xos_call_body(call), 4096,
                                         XOS_PB_TOLERANT, &err);
    (void)service;
    assert_non_null(m);
    if (first_job(m->job)) {
        s.claims++;
        s.epoch = m->epoch;
    }
    xos_pb_free(m);
    xos_call_answer(call, (struct xos_slice){NULL, 0});
}

static void serve_hold(void *service, struct xos_call *call)
{
    struct xos_error err = {0};
    struct xos_buf body = XOS_BUF(4096);
    Xos__Job__HoldAnswerPb answer = XOS__JOB__HOLD_ANSWER_PB__INIT;
    Xos__Job__HoldPb *m = xos_pb_unpack(&xos__job__hold_pb__descriptor, xos_call_body(call), 4096,
                                        XOS_PB_TOLERANT, &err);
    (void)service;
    assert_non_null(m);
    s.probes += m->probe != 0;
    s.renewals += m->probe == 0;
    s.held = m->n_held;
    s.quoted_ms = m->clock_ms;
    answer.clock_ms = 1000 + s.probes + s.renewals;
    if (s.unknown) {
        answer.unknown = m->held;
        answer.n_unknown = m->n_held;
    }
    assert_int_equal(xos_pb_pack(&answer, &body, &err), 0);
    xos_call_answer(call, (struct xos_slice){body.data, body.len});
    xos_pb_free(m);
    xos_buf_free(&body);
}

static void serve_start(void *service, struct xos_call *call)
{
    struct xos_error err = {0};
    Xos__Job__StartPb *m = xos_pb_unpack(&xos__job__start_pb__descriptor, xos_call_body(call), 4096,
                                         XOS_PB_TOLERANT, &err);
    (void)service;
    assert_non_null(m);
    s.starts += first_job(m->job);
    xos_pb_free(m);
    xos_call_answer(call, (struct xos_slice){NULL, 0});
}

static void serve_nothing(void *service, struct xos_call *call)
{
    (void)service;
    xos_call_answer(call, (struct xos_slice){NULL, 0});
}

static const struct xos_verb worker[] = {{"claim.grant", serve_claim, XOS_VERB_NODE},
                                         {"claim.hold", serve_hold, XOS_VERB_NODE},
                                         {"claim.release", serve_nothing, XOS_VERB_NODE},
                                         {"unit.start", serve_start, XOS_VERB_NODE},
                                         {"unit.signal", serve_nothing, XOS_VERB_NODE}};

static int head_up(struct xos_error *err)
{
    struct jobmgr_config c = stage_config(&s.stage);
    c.head = true;
    return jobmgr_new(&s.stage.jobs, &c, err);
}

static int set_up(const char *store, struct xos_error *err)
{
    s = (struct scene){.claims = 0};
    if (stage_open(&s.stage, store, err) < 0 ||
        xos_rpc_serve(s.stage.rpc, worker, sizeof(worker) / sizeof(worker[0]), NULL, err) < 0)
        return -1;
    return head_up(err);
}

static int submit(struct raw_peer *p, uint8_t operation, uint32_t units, bool fenced,
                  struct xos_error *err)
{
    struct xos_buf spec;
    Xos__Job__SubmitPb m = XOS__JOB__SUBMIT_PB__INIT;
    int rc = stage_spec(&spec, units, fenced, err);
    m.spec = (ProtobufCBinaryData){spec.len, spec.data};
    if (rc == 0)
        rc = stage_ask(&s.stage, p, "job.run", &m, operation, err);
    xos_buf_free(&spec);
    return rc;
}

/* Time passes. What is held changes with a further job, so that the head looks at its clock. */
static int forward(uint64_t ms, struct xos_error *err)
{
    static uint8_t operation = 100;
    struct raw_peer p = {.fd = -1};
    unsigned before = s.renewals;
    s.stage.ahead_ms += ms;
    int rc = submit(&p, operation++, 1, false, err);
    for (int i = 0; rc == 0 && s.renewals == before; i++) {
        assert_true(i < PEER_WAIT_MS);
        rc = raw_peer_spin(s.stage.loop, 1, err);
    }
    if (rc == 0)
        rc = raw_peer_spin(s.stage.loop, 5, err);
    raw_peer_close(&p);
    return rc;
}

static void one_message_holds_all_units_of_a_node(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct raw_peer p = {.fd = -1};
    XT_TRY(set_up("one-message", &err));
    XT_TRY(submit(&p, 1, UNITS, false, &err));
    RAW_PEER_UNTIL(s.stage.loop, s.renewals == 1 && s.starts == UNITS);
    assert_int_equal(s.probes, 1);
    assert_int_equal(s.held, UNITS);
    assert_int_equal(s.quoted_ms, 1001); /* what the node's clock was when it answered */
    XT_TRY(forward(2000, &err));
    assert_int_equal(s.renewals, 2);
    assert_int_equal(s.quoted_ms, 1002);
out:
    raw_peer_close(&p);
    stage_close(&s.stage);
}

static void a_restarted_head_holds_what_lives(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct raw_peer p = {.fd = -1};
    XT_TRY(set_up("a-restarted", &err));
    XT_TRY(submit(&p, 2, UNITS, false, &err));
    RAW_PEER_UNTIL(s.stage.loop, s.renewals == 1 && s.starts == UNITS);
    raw_peer_close(&p);
    p.fd = -1;
    stage_close(&s.stage);
    XT_TRY(set_up("a-restarted", &err));
    RAW_PEER_UNTIL(s.stage.loop, s.renewals == 1);
    assert_int_equal(s.held, UNITS);
    assert_int_equal(s.claims, 0);
out:
    raw_peer_close(&p);
    stage_close(&s.stage);
}

/* Twice, five seconds apart: once may be a worker that is being started. */
static void what_the_node_does_not_know_is_lost(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct raw_peer p = {.fd = -1};
    uint64_t epoch;
    XT_TRY(set_up("what-the-node", &err));
    XT_TRY(submit(&p, 3, UNITS, true, &err));
    RAW_PEER_UNTIL(s.stage.loop, s.renewals == 1 && s.starts >= UNITS);
    epoch = s.epoch;
    s.claims = 0;
    s.unknown = true;
    for (int i = 0; i < 3; i++)
        XT_TRY(forward(2000, &err));
    assert_int_equal(s.claims, 0);
    XT_TRY(forward(2000, &err));
    s.unknown = false;
    RAW_PEER_UNTIL(s.stage.loop, s.claims >= 1); /* a fenced job is queued again */
    assert_true(s.epoch > epoch);
out:
    raw_peer_close(&p);
    stage_close(&s.stage);
}

static void on_report(void *arg, const struct xos_error *result, struct xos_slice body)
{
    (void)arg;
    (void)body;
    s.reported = result->code;
    s.reports++;
}

static int report(const char *job, uint64_t epoch, uint32_t kind, struct xos_error *err)
{
    struct xos_buf body = XOS_BUF(1024);
    Xos__Job__UnitReportPb m = XOS__JOB__UNIT_REPORT_PB__INIT;
    m.job = xos_pb_text(job);
    m.epoch = epoch;
    m.state = kind;
    int rc = xos_pb_pack(&m, &body, err);
    if (rc == 0)
        rc = xos_rpc_call(s.stage.rpc, NULL, STAGE_NODE, "unit.report",
                          (struct xos_slice){body.data, body.len}, 5000, on_report, NULL, err);
    xos_buf_free(&body);
    return rc;
}

static void who_reports_what_was_given_up_hears_it(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct raw_peer p = {.fd = -1};
    static const struct {
        const char *job;
        bool old;
        enum xos_code wanted;
    } rows[] = {
        {"inria-1", false, XOS_NONE}, {"inria-1", true, XOS_STALE}, {"inria-99", false, XOS_STALE}};
    XT_TRY(set_up("who-reports", &err));
    XT_TRY(submit(&p, 4, UNITS, false, &err));
    RAW_PEER_UNTIL(s.stage.loop, s.starts == UNITS);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        XT_TRY(report(rows[i].job, rows[i].old ? s.epoch - 1 : s.epoch, 1, &err));
        RAW_PEER_UNTIL(s.stage.loop, s.reports == i + 1);
        assert_int_equal(s.reported, rows[i].wanted);
    }
out:
    raw_peer_close(&p);
    stage_close(&s.stage);
}

static const struct xt_test tests[] = {
    XT_PLAIN(one_message_holds_all_units_of_a_node),
    XT_PLAIN(a_restarted_head_holds_what_lives),
    XT_PLAIN(what_the_node_does_not_know_is_lost),
    XT_PLAIN(who_reports_what_was_given_up_hears_it),
};
XT_MAIN(tests)
