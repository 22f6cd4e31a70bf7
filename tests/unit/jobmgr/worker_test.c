// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a unit that was given up runs on beside its successor, or a renewal that lay
 * in a queue keeps one alive that its owner has given up. */
#include "jobmgr/core/claim.h"
#include "tests/unit/jobmgr/worker_stage.h"

#define JOB "inria-7"
#define UNIT "inria-7.0.5" /* epoch 5 */

static struct scene {
    struct worker_stage w;
    unsigned reports;
    uint32_t state;        /* of the last one */
    enum xos_code verdict; /* what the head says to it */
    bool slow;             /* it does not say so before say_verdict() */
    struct xos_call *waits;
} s;

static void say_verdict(struct xos_call *call)
{
    struct xos_error err = {0};
    if (s.verdict == XOS_NONE) {
        xos_call_answer(call, (struct xos_slice){NULL, 0});
        return;
    }
    xos_fail(&err, s.verdict, "says the test");
    xos_call_fail(call, &err);
}

/* The head. */
static void serve_report(void *service, struct xos_call *call)
{
    struct xos_error err = {0};
    Xos__Job__UnitReportPb *m = xos_pb_unpack(&xos__job__unit_report_pb__descriptor,
                                              xos_call_body(call), 4096, XOS_PB_TOLERANT, &err);
    (void)service;
    assert_non_null(m);
    s.reports++;
    s.state = m->state;
    xos_pb_free(m);
    if (s.slow)
        s.waits = call;
    else
        say_verdict(call);
}

static const struct xos_verb head[] = {{"unit.report", serve_report, XOS_VERB_NODE}};

static int begin(struct xos_error *err)
{
    struct jobmgr_config c = worker_stage_config(&s.w);
    return xos_rpc_serve(s.w.stage.rpc, head, 1, NULL, err) < 0
               ? -1
               : jobmgr_new(&s.w.stage.jobs, &c, err);
}

static int set_up(const char *name, struct xos_error *err)
{
    s = (struct scene){.reports = 0};
    return worker_stage_open(&s.w, name, err) < 0 ? -1 : begin(err);
}

/* A fenced unit that runs under epoch 5, and whose owner knows it. */
static int run_unit(struct xos_error *err)
{
    worker_stage_shim(&s.w, UNIT);
    if (worker_stage_claim(&s.w, JOB, 5, true, err) < 0 ||
        worker_stage_start(&s.w, JOB, 5, true, err) < 0)
        return -1;
    assert_int_equal(s.w.code, XOS_NONE);
    while (s.w.shim < 0)
        if (worker_stage_spin(&s.w, err) < 0)
            return -1;
    worker_stage_status(&s.w, UNIT, false);
    while (s.state != 1)
        if (worker_stage_spin(&s.w, err) < 0)
            return -1;
    return 0;
}

static int hold(uint64_t epoch, bool probe, uint64_t clock_ms, struct xos_error *err)
{
    Xos__Job__HeldPb held = XOS__JOB__HELD_PB__INIT, *list[] = {&held};
    Xos__Job__HoldPb m = XOS__JOB__HOLD_PB__INIT;
    held.job = xos_pb_text(JOB);
    held.epoch = epoch;
    m.n_held = 1;
    m.held = list;
    m.probe = probe;
    m.clock_ms = clock_ms;
    return worker_stage_ask(&s.w, "claim.hold", &m, err);
}

static void answer_is(size_t unknown, uint64_t *clock_ms)
{
    struct xos_error err = {0};
    assert_int_equal(s.w.code, XOS_NONE);
    Xos__Job__HoldAnswerPb *m =
        xos_pb_unpack(&xos__job__hold_answer_pb__descriptor,
                      (struct xos_slice){s.w.body.data, s.w.body.len}, 4096, XOS_PB_TOLERANT, &err);
    assert_non_null(m);
    assert_int_equal(m->n_unknown, unknown);
    *clock_ms = m->clock_ms;
    xos_pb_free(m);
}

static void a_renewal_counts_from_what_it_quotes(void **state)
{
    (void)state;
    struct xos_error err = {0};
    uint64_t first_ms, now_ms;
    XT_TRY(set_up("quote", &err));
    XT_TRY(run_unit(&err));
    XT_TRY(hold(5, true, 0, &err));
    answer_is(0, &first_ms);
    s.w.stage.ahead_ms = 4000;
    XT_TRY(hold(5, false, first_ms + 1000, &err)); /* it was under way for three seconds */
    answer_is(0, &now_ms);
    assert_true(now_ms >= first_ms + 4000);
    WORKER_UNTIL(&s.w, s.w.told_count == 1);
    assert_int_equal(s.w.told.type, SHIM_FENCE);
    assert_int_equal(s.w.told.a, 5);
    assert_int_equal(s.w.told.b, first_ms + 1000 + CLAIM_HOLD_MS);
    XT_TRY(hold(5, true, now_ms, &err)); /* a probe extends nothing */
    XT_TRY(hold(5, false, now_ms + 60000, &err));
    answer_is(0, &now_ms);
    WORKER_UNTIL(&s.w, s.w.told_count == 2);
    assert_int_equal(s.w.told.b, now_ms + CLAIM_HOLD_MS); /* no reading of the future */
out:
    worker_stage_close(&s.w);
}

static void a_unit_is_known_until_its_owner_has_its_end(void **state)
{
    (void)state;
    struct xos_error err = {0};
    uint64_t clock_ms;
    XT_TRY(set_up("known", &err));
    XT_TRY(run_unit(&err));
    XT_TRY(hold(4, true, 0, &err));
    answer_is(1, &clock_ms);
    s.verdict = XOS_UNAVAILABLE; /* nobody takes its end */
    worker_stage_exit(&s.w, UNIT);
    WORKER_UNTIL(&s.w, s.state == 4);
    XT_TRY(hold(5, true, 0, &err));
    answer_is(0, &clock_ms);
    XT_TRY(hold(5, false, clock_ms, &err));
    answer_is(0, &clock_ms);
    s.verdict = XOS_NOT_FOUND; /* the way to the owner may say so too: it is no answer */
    unsigned before = s.reports;
    WORKER_UNTIL(&s.w, s.reports > before + 1);
    assert_int_equal(s.w.told_count, 0);
    s.verdict = XOS_NONE;
    WORKER_UNTIL(&s.w, s.w.told_count == 1);
    assert_int_equal(s.w.told.type, SHIM_ACK_EXIT);
out:
    worker_stage_close(&s.w);
}

/* The owner gives the unit up while it ends: nobody waits for that end. */
static void an_end_that_nobody_wants_is_not_kept(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up("unwanted", &err));
    XT_TRY(run_unit(&err));
    s.slow = true;
    worker_stage_status(&s.w, UNIT, true);
    WORKER_UNTIL(&s.w, s.waits);
    worker_stage_exit(&s.w, UNIT);
    for (int i = 0; i < 20; i++)
        XT_TRY(worker_stage_spin(&s.w, &err));
    assert_int_equal(s.w.told_count, 0);
    s.verdict = XOS_STALE;
    say_verdict(s.waits);
    WORKER_UNTIL(&s.w, s.w.told_count == 1);
    assert_int_equal(s.w.told.type, SHIM_ACK_EXIT);
    assert_int_equal(s.state, 2);
out:
    worker_stage_close(&s.w);
}

/* Asks for the unit's output as bob, before the unit is there. */
static int attach_early(struct raw_peer *p, enum xos_reach reach, struct xos_error *err)
{
    Xos__Job__AttachPb m = XOS__JOB__ATTACH_PB__INIT;
    m.job = xos_pb_text(JOB);
    m.epoch = 5;
    m.follow = true;
    stage_caller =
        (struct xos_caller){.kind = XOS_CALLER_SIGNED, .name = "bob@inria", .reach = reach};
    return stage_ask(&s.w.stage, p, "unit.attach", &m, 1, err);
}

static enum xos_code first_answer(struct raw_peer *p)
{
    struct xos_slice frame;
    struct xos_envelope e;
    struct xos_answer a;
    struct xos_error err;
    while (raw_peer_next(p, &frame, &err) != 1)
        assert_int_equal(worker_stage_spin(&s.w, &err), 0);
    assert_int_equal(xos_envelope_decode(&e, frame, &err), 0);
    assert_int_equal(xos_answer_decode(&a, e.header, &err), 0);
    xos_envelope_free(&e);
    return a.code;
}

static void who_came_early_gets_no_more_than_others(void **state)
{
    static const struct {
        const char *dir;
        enum xos_reach reach;
        enum xos_code code;
    } rows[] = {{"early", XOS_REACH_OWN, XOS_DENIED},
                {"early_vo", XOS_REACH_VO, XOS_DENIED}, /* neither acts for one */
                {"early_admin", XOS_REACH_ALL, XOS_NONE}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xos_error err = {0};
        struct raw_peer bob = {.fd = -1};
        XT_TRY(set_up(rows[i].dir, &err));
        XT_TRY(attach_early(&bob, rows[i].reach, &err));
        for (int k = 0; k < 20; k++)
            XT_TRY(worker_stage_spin(&s.w, &err));
        XT_TRY(run_unit(&err));
        assert_int_equal(first_answer(&bob), rows[i].code);
    out:
        raw_peer_close(&bob);
        worker_stage_close(&s.w);
    }
}

static void a_frozen_unit_is_reported_until_it_is_ended(void **state)
{
    (void)state;
    struct xos_error err = {0};
    unsigned before;
    XT_TRY(set_up("frozen", &err));
    XT_TRY(run_unit(&err));
    worker_stage_status(&s.w, UNIT, true);
    WORKER_UNTIL(&s.w, s.state == 2);
    before = s.reports;
    s.w.stage.ahead_ms = 4000;
    worker_stage_status(&s.w, UNIT, true); /* nothing new, and not long enough ago */
    for (int i = 0; i < 20; i++)
        XT_TRY(worker_stage_spin(&s.w, &err));
    assert_int_equal(s.reports, before);
    s.verdict = XOS_STALE;
    s.w.stage.ahead_ms = 6000;
    worker_stage_status(&s.w, UNIT, true);
    WORKER_UNTIL(&s.w, s.w.told_count == 1);
    assert_int_equal(s.reports, before + 1);
    assert_int_equal(s.w.told.type, SHIM_KILL);
    assert_int_equal(s.w.told.a, EXIT_NODE_LOST);
    assert_int_equal(s.w.told.b, 0);
out:
    worker_stage_close(&s.w);
}

static void a_thawed_unit_is_reported_as_running(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up("thawed", &err));
    XT_TRY(run_unit(&err));
    worker_stage_status(&s.w, UNIT, true);
    WORKER_UNTIL(&s.w, s.state == 2);
    worker_stage_status(&s.w, UNIT, false);
    WORKER_UNTIL(&s.w, s.state == 3);
out:
    worker_stage_close(&s.w);
}

/* It may have been thawed in between: what the owner knows is not known any more. */
static void a_restarted_worker_says_again_what_its_units_do(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up("again", &err));
    XT_TRY(run_unit(&err));
    worker_stage_status(&s.w, UNIT, true);
    WORKER_UNTIL(&s.w, s.state == 2);
    jobmgr_free(s.w.stage.jobs);
    s.w.stage.jobs = NULL;
    xos_rpc_free(s.w.stage.rpc);
    s.w.stage.rpc = NULL;
    stage_hang_up(&s.w.execd);
    stage_hang_up(&s.w.shim);
    s.w.listed = UNIT;
    XT_TRY(stage_rpc(&s.w.stage, &err));
    XT_TRY(begin(&err));
    WORKER_UNTIL(&s.w, s.w.shim >= 0);
    worker_stage_status(&s.w, UNIT, false);
    WORKER_UNTIL(&s.w, s.state == 3);
out:
    worker_stage_close(&s.w);
}

static void a_claim_under_a_higher_epoch_ends_what_runs(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up("higher", &err));
    XT_TRY(run_unit(&err));
    XT_TRY(worker_stage_claim(&s.w, JOB, 4, true, &err));
    assert_int_equal(s.w.code, XOS_STALE);
    XT_TRY(worker_stage_claim(&s.w, JOB, 6, true, &err));
    assert_int_equal(s.w.code, XOS_STALE);
    WORKER_UNTIL(&s.w, s.w.told_count == 1);
    assert_int_equal(s.w.told.type, SHIM_KILL);
    assert_int_equal(s.w.told.a, EXIT_NODE_LOST);
    worker_stage_exit(&s.w, UNIT);
    WORKER_UNTIL(&s.w, s.state == 4);
    XT_TRY(worker_stage_claim(&s.w, JOB, 6, true, &err));
    assert_int_equal(s.w.code, XOS_NONE);
    XT_TRY(worker_stage_claim(&s.w, JOB, 5, true, &err));
    assert_int_equal(s.w.code, XOS_STALE);
out:
    worker_stage_close(&s.w);
}

/* Were this to fail: a node that is to be switched off gets new work, or what runs on it is ended.
 */
static void a_draining_worker_keeps_what_it_has(void **state)
{
    (void)state;
    struct xos_error err = {0};
    uint64_t clock_ms;
    XT_TRY(set_up("drain", &err));
    XT_TRY(run_unit(&err));
    jobmgr_drain(s.w.stage.jobs, true);
    XT_TRY(worker_stage_claim(&s.w, "inria-8", 5, true, &err));
    assert_int_equal(s.w.code, XOS_BUSY);
    assert_non_null(strstr(s.w.text, "is draining"));
    XT_TRY(hold(5, false, 0, &err));
    answer_is(0, &clock_ms); /* renewed as ever */
    jobmgr_drain(s.w.stage.jobs, false);
    XT_TRY(worker_stage_claim(&s.w, "inria-8", 5, true, &err));
    assert_int_equal(s.w.code, XOS_NONE);
out:
    worker_stage_close(&s.w);
}

static const struct xt_test tests[] = {
    XT_PLAIN(a_draining_worker_keeps_what_it_has),
    XT_PLAIN(a_renewal_counts_from_what_it_quotes),
    XT_PLAIN(a_unit_is_known_until_its_owner_has_its_end),
    XT_PLAIN(an_end_that_nobody_wants_is_not_kept),
    XT_PLAIN(who_came_early_gets_no_more_than_others),
    XT_PLAIN(a_frozen_unit_is_reported_until_it_is_ended),
    XT_PLAIN(a_thawed_unit_is_reported_as_running),
    XT_PLAIN(a_restarted_worker_says_again_what_its_units_do),
    XT_PLAIN(a_claim_under_a_higher_epoch_ends_what_runs),
};
XT_MAIN(tests)
