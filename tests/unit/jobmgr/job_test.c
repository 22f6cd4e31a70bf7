// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a job runs twice, never, or ends with somebody else's status. */
#include "jobmgr/core/job.h"
#include "libxos/base/alloc.h"
#include "tests/lib/xtest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A job, its actions, and the log that its JOURNAL actions make. */
struct bench {
    struct job *job;
    struct job_actions out;
    struct job_event log[64];
    size_t logged;
};

static int bench_begin(struct bench *b, uint32_t units, bool fenced, struct xos_error *err)
{
    struct job_shape shape = {.units = units, .fenced = fenced, .grace_ms = 10000};
    memset(b, 0, sizeof(*b));
    return job_new(&b->job, "inria-1", &shape, err);
}

static void bench_end(struct bench *b)
{
    job_actions_free(&b->out);
    job_free(b->job);
}

static int give(struct bench *b, struct job_input in, struct xos_error *err)
{
    b->out.count = 0;
    in.now_ms = 1000;
    if (job_step(b->job, &in, &b->out, err) < 0)
        return -1;
    for (size_t i = 0; i < b->out.count; i++)
        if (b->out.list[i].kind == JOB_DO_JOURNAL && b->logged < 64)
            b->log[b->logged++] = b->out.list[i].event;
    return 0;
}

/* "JP" = journal, place … in order. */
static void check_actions(const struct bench *b, const char *wanted)
{
    static const char letters[] = "?JPCRSXAT";
    char got[64] = "";
    for (size_t i = 0; i < b->out.count && i < 63; i++)
        got[i] = letters[b->out.list[i].kind];
    assert_string_equal(got, wanted);
}

static struct job_input submit(void)
{
    return (struct job_input){.kind = JOB_IN_SUBMIT, .user = "alice@inria", .vo = "vo:demo@inria"};
}

static const char two_nodes[2][JOB_NAME_MAX] = {"n1.inria", "n2.inria"};

static struct job_input placed(void)
{
    return (struct job_input){.kind = JOB_IN_PLACED, .nodes = two_nodes};
}

static struct job_input from(enum job_input_kind kind, const char *node, uint32_t unit,
                             uint64_t epoch)
{
    return (struct job_input){
        .kind = kind, .node = node, .unit = unit, .epoch = epoch, .reason = ""};
}

static struct job_input ended(const char *node, uint32_t unit, uint64_t epoch, int status)
{
    struct job_input in = from(JOB_IN_ENDED, node, unit, epoch);
    in.exit = (struct unit_exit){.how = UNIT_END_EXITED, .value = status};
    return in;
}

static int run_both(struct bench *b, struct xos_error *err)
{
    if (give(b, submit(), err) < 0 || give(b, placed(), err) < 0 ||
        give(b, from(JOB_IN_CLAIMED, "n1.inria", 0, 1), err) < 0 ||
        give(b, from(JOB_IN_CLAIMED, "n2.inria", 0, 1), err) < 0 ||
        give(b, from(JOB_IN_STARTED, "n1.inria", 0, 1), err) < 0 ||
        give(b, from(JOB_IN_STARTED, "n2.inria", 1, 1), err) < 0)
        return -1;
    return 0;
}

static void two_units_run_and_the_highest_status_wins(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    XT_TRY(bench_begin(&b, 2, false, &err));
    XT_TRY(give(&b, submit(), &err));
    check_actions(&b, "JP");
    XT_TRY(give(&b, placed(), &err));
    check_actions(&b, "CC");
    XT_TRY(give(&b, from(JOB_IN_CLAIMED, "n1.inria", 0, 1), &err));
    check_actions(&b, "");
    XT_TRY(give(&b, from(JOB_IN_CLAIMED, "n2.inria", 0, 1), &err));
    check_actions(&b, "JJSS");
    assert_string_equal(job_state_name(b.job), "starting");
    XT_TRY(give(&b, from(JOB_IN_STARTED, "n1.inria", 0, 1), &err));
    assert_string_equal(job_state_name(b.job), "running");
    XT_TRY(give(&b, ended("n1.inria", 0, 1, 3), &err));
    check_actions(&b, "JA");
    XT_TRY(give(&b, ended("n2.inria", 1, 1, 2), &err));
    check_actions(&b, "JJA");
    assert_true(b.job->done);
    assert_int_equal(b.job->status, 3);
out:
    bench_end(&b);
}

static void a_refused_claim_releases_the_others(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    struct job_input refused = from(JOB_IN_REFUSED, "n2.inria", 0, 1);
    refused.reason = "4 cpus are free";
    XT_TRY(bench_begin(&b, 2, false, &err));
    XT_TRY(give(&b, submit(), &err));
    XT_TRY(give(&b, placed(), &err));
    XT_TRY(give(&b, from(JOB_IN_CLAIMED, "n1.inria", 0, 1), &err));
    XT_TRY(give(&b, refused, &err));
    check_actions(&b, "RRP");
    assert_string_equal(b.job->excluded[0], "n2.inria");
    XT_TRY(give(&b, placed(), &err));
    XT_TRY(give(&b, refused, &err)); /* late, of the old round */
    check_actions(&b, "");
    refused.epoch = 2;
    XT_TRY(give(&b, refused, &err));
    XT_TRY(give(&b, placed(), &err));
    refused.epoch = 3;
    XT_TRY(give(&b, refused, &err));
    check_actions(&b, "RRJT");
    assert_string_equal(b.job->reason, "4 cpus are free");
    XT_TRY(give(&b, (struct job_input){.kind = JOB_IN_RETRY}, &err));
    check_actions(&b, "P");
out:
    bench_end(&b);
}

static void an_end_counts_only_from_where_the_unit_is(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    XT_TRY(bench_begin(&b, 2, false, &err));
    XT_TRY(run_both(&b, &err));
    XT_TRY(give(&b, ended("n9.vu", 0, 1, 0), &err));
    check_actions(&b, "A");
    XT_TRY(give(&b, ended("n1.inria", 0, 7, 0), &err));
    check_actions(&b, "A");
    XT_TRY(give(&b, ended("n1.inria", 0, 1, 0), &err));
    check_actions(&b, "JA");
    XT_TRY(give(&b, ended("n1.inria", 0, 1, 9), &err)); /* repeated */
    check_actions(&b, "A");
    assert_int_equal(b.job->units[0].exit.value, 0);
out:
    bench_end(&b);
}

static void a_lost_fenced_unit_runs_again_under_a_higher_epoch(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    struct job_input lost = from(JOB_IN_LOST, "n2.inria", 1, 1);
    static const char again[2][JOB_NAME_MAX] = {"", "n1.vu"};
    XT_TRY(bench_begin(&b, 2, true, &err));
    XT_TRY(run_both(&b, &err));
    XT_TRY(give(&b, lost, &err));
    check_actions(&b, "JP");
    assert_int_equal(b.job->excluded_count, 1); /* not there again at once */
    assert_string_equal(b.job->excluded[0], "n2.inria");
    XT_TRY(give(&b, (struct job_input){.kind = JOB_IN_PLACED, .nodes = again}, &err));
    check_actions(&b, "C");
    assert_int_equal(b.out.list[0].epoch, 2);
    XT_TRY(give(&b, from(JOB_IN_CLAIMED, "n1.vu", 0, 2), &err));
    check_actions(&b, "JS");
    XT_TRY(give(&b, ended("n2.inria", 1, 1, 0), &err)); /* the old one comes back */
    check_actions(&b, "A");
    assert_int_equal(b.job->units[1].states.now, JOB_UNIT_ASSIGNED);
out:
    bench_end(&b);
}

static void a_lost_unit_that_is_not_fenced_ends(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    XT_TRY(bench_begin(&b, 2, false, &err));
    XT_TRY(run_both(&b, &err));
    XT_TRY(give(&b, from(JOB_IN_LOST, "n2.inria", 1, 1), &err));
    check_actions(&b, "J");
    assert_int_equal(unit_exit_status(&b.job->units[1].exit), 125);
out:
    bench_end(&b);
}

static void signals_reach_units_in_every_state(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    struct job_input kill = {
        .kind = JOB_IN_SIGNAL, .unit = JOB_ALL_UNITS, .signal = 15, .user = "alice@inria"};
    XT_TRY(bench_begin(&b, 2, false, &err));
    XT_TRY(give(&b, submit(), &err));
    XT_TRY(give(&b, placed(), &err));
    XT_TRY(give(&b, kill, &err));
    check_actions(&b, "RRJJJJ");
    assert_true(b.job->done);
    assert_int_equal(b.job->status, 143);
    XT_REFUSED(give(&b, kill, &err), XOS_NOT_FOUND);
    bench_end(&b);

    XT_TRY(bench_begin(&b, 2, false, &err));
    XT_TRY(run_both(&b, &err));
    kill.signal = 19;
    XT_TRY(give(&b, kill, &err));
    check_actions(&b, "XX");
    kill.signal = 9;
    kill.unit = 1;
    XT_TRY(give(&b, kill, &err));
    check_actions(&b, "JX");
    assert_string_equal(job_unit_state_name(&b.job->units[1]), "ending");
    kill.unit = 2;
    XT_REFUSED(give(&b, kill, &err), XOS_NOT_FOUND);
out:
    bench_end(&b);
}

static void fail_fast_stops_the_others(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    XT_TRY(bench_begin(&b, 2, false, &err));
    b.job->shape.fail_fast = true;
    XT_TRY(run_both(&b, &err));
    XT_TRY(give(&b, ended("n1.inria", 0, 1, 1), &err));
    check_actions(&b, "JJXA");
    assert_string_equal(job_state_name(b.job), "ending");
out:
    bench_end(&b);
}

/* A second round beside the first would claim under two epochs, and start the units of one. */
static void there_is_one_round_at_a_time(void **state)
{
    (void)state;
    static const char third[2][JOB_NAME_MAX] = {"n3.inria", "n3.inria"};
    struct xos_error err = {0};
    struct bench b;
    XT_TRY(bench_begin(&b, 2, true, &err));
    XT_TRY(run_both(&b, &err));
    XT_TRY(give(&b, from(JOB_IN_LOST, "n1.inria", 0, 1), &err));
    check_actions(&b, "JP");
    XT_TRY(give(&b, (struct job_input){.kind = JOB_IN_PLACED, .nodes = third}, &err));
    check_actions(&b, "C");
    XT_TRY(give(&b, from(JOB_IN_LOST, "n2.inria", 1, 1), &err));
    check_actions(&b, "J");
    XT_TRY(give(&b, (struct job_input){.kind = JOB_IN_AGAIN}, &err));
    check_actions(&b, "");
    XT_TRY(give(&b, from(JOB_IN_CLAIMED, "n3.inria", 0, 2), &err));
    check_actions(&b, "JSP"); /* and the second one's round follows */
    XT_TRY(give(&b, (struct job_input){.kind = JOB_IN_PLACED, .nodes = third}, &err));
    check_actions(&b, "C");
    XT_TRY(give(&b, from(JOB_IN_CLAIMED, "n3.inria", 1, b.out.list[0].epoch), &err));
    check_actions(&b, "JS");
out:
    bench_end(&b);
}

/* The log alone must give the same job back, and what may not have arrived is said again. */
static void a_log_replayed_is_the_job(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b, c = {0};
    struct xos_buf bytes = XOS_BUF(JOB_EVENT_BYTES_MAX);
    void *owner = NULL;
    XT_TRY(bench_begin(&b, 2, true, &err));
    XT_TRY(run_both(&b, &err));
    XT_TRY(give(&b, from(JOB_IN_LOST, "n2.inria", 1, 1), &err));
    XT_TRY(bench_begin(&c, 2, true, &err));
    for (size_t i = 0; i < b.logged; i++) {
        struct job_event ev;
        xos_buf_clear(&bytes);
        XT_TRY(job_event_encode(&b.log[i], &bytes, &err));
        XT_TRY(job_event_decode(&ev, &owner, (struct xos_slice){bytes.data, bytes.len}, &err));
        XT_TRY(job_apply(c.job, &ev, &err));
        job_event_free(owner);
        owner = NULL;
    }
    assert_int_equal(c.job->sequence, b.job->sequence);
    assert_int_equal(c.job->epoch, 1);
    assert_string_equal(c.job->units[0].node, "n1.inria");
    assert_int_equal(c.job->units[0].states.now, JOB_UNIT_RUNNING);
    assert_int_equal(c.job->units[1].states.now, JOB_UNIT_QUEUED);
    XT_TRY(give(&c, (struct job_input){.kind = JOB_IN_AGAIN}, &err));
    check_actions(&c, "P");
out:
    job_event_free(owner);
    xos_buf_free(&bytes);
    bench_end(&b);
    bench_end(&c);
}

static void a_log_that_cannot_be_is_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    struct job_event ev = {.kind = JOB_EVENT_STARTED, .sequence = 1, .unit = 0};
    XT_TRY(bench_begin(&b, 1, false, &err));
    XT_REFUSED(job_apply(b.job, &ev, &err), XOS_CORRUPT);
    ev = (struct job_event){.kind = JOB_EVENT_SUBMITTED, .sequence = 1, .unit = JOB_ALL_UNITS};
    XT_TRY(job_apply(b.job, &ev, &err));
    ev = (struct job_event){.kind = JOB_EVENT_STARTED, .sequence = 2, .unit = 0};
    XT_REFUSED(job_apply(b.job, &ev, &err), XOS_CORRUPT);
    ev = (struct job_event){.kind = JOB_EVENT_ASSIGNED, .sequence = 2, .unit = 7};
    XT_REFUSED(job_apply(b.job, &ev, &err), XOS_CORRUPT);
out:
    bench_end(&b);
}

/* Two units are lost one after the other while the first one's claims are out: one round at a time,
 * each unit is asked for, granted and started. */
static void units_lost_during_a_round_have_the_next(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    static const char first[2][JOB_NAME_MAX] = {"n1.vu", ""};
    static const char second[2][JOB_NAME_MAX] = {"", "n1.vu"};
    XT_TRY(bench_begin(&b, 2, true, &err));
    XT_TRY(run_both(&b, &err));
    XT_TRY(give(&b, from(JOB_IN_LOST, "n1.inria", 0, 1), &err));
    check_actions(&b, "JP");
    XT_TRY(give(&b, (struct job_input){.kind = JOB_IN_PLACED, .nodes = first}, &err));
    check_actions(&b, "C");
    XT_TRY(give(&b, from(JOB_IN_LOST, "n2.inria", 1, 1), &err));
    check_actions(&b, "J");
    XT_TRY(give(&b, from(JOB_IN_CLAIMED, "n1.vu", 0, 2), &err));
    check_actions(&b, "JSP");
    XT_TRY(give(&b, (struct job_input){.kind = JOB_IN_PLACED, .nodes = second}, &err));
    check_actions(&b, "C");
    XT_TRY(give(&b, from(JOB_IN_CLAIMED, "n1.vu", 1, 3), &err));
    check_actions(&b, "JS");
    XT_TRY(give(&b, from(JOB_IN_STARTED, "n1.vu", 1, 3), &err));
    assert_string_equal(job_state_name(b.job), "running");
out:
    bench_end(&b);
}

/* The unit that nodes were sought for is killed, another is lost meanwhile: it is not forgotten. */
static void an_answer_for_nobody_asks_again(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    static const char first[2][JOB_NAME_MAX] = {"n1.vu", ""};
    struct job_input kill = {.kind = JOB_IN_SIGNAL, .unit = 0, .signal = 9, .user = "alice@inria"};
    XT_TRY(bench_begin(&b, 2, true, &err));
    XT_TRY(run_both(&b, &err));
    XT_TRY(give(&b, from(JOB_IN_LOST, "n1.inria", 0, 1), &err));
    XT_TRY(give(&b, from(JOB_IN_LOST, "n2.inria", 1, 1), &err));
    check_actions(&b, "J");
    XT_TRY(give(&b, kill, &err));
    check_actions(&b, "JJ");
    XT_TRY(give(&b, (struct job_input){.kind = JOB_IN_PLACED, .nodes = first}, &err));
    check_actions(&b, "P");
out:
    bench_end(&b);
}

static void an_answer_after_the_end_is_nothing(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    struct job_input kill = {
        .kind = JOB_IN_SIGNAL, .unit = JOB_ALL_UNITS, .signal = 15, .user = "alice@inria"};
    static const enum job_input_kind late[] = {JOB_IN_UNPLACED, JOB_IN_PLACED, JOB_IN_RETRY,
                                               JOB_IN_AGAIN};
    for (size_t i = 0; i < 4; i++) {
        XT_TRY(bench_begin(&b, 2, false, &err));
        XT_TRY(give(&b, submit(), &err));
        XT_TRY(give(&b, kill, &err));
        assert_true(b.job->done);
        XT_TRY(give(&b,
                    (struct job_input){.kind = late[i], .nodes = two_nodes, .reason = "none is up"},
                    &err));
        check_actions(&b, "");
        bench_end(&b);
    }
    return;
out:
    bench_end(&b);
}

static void fail_fast_gives_back_what_is_only_claimed(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    static const char again[2][JOB_NAME_MAX] = {"", "n1.vu"};
    XT_TRY(bench_begin(&b, 2, true, &err));
    b.job->shape.fail_fast = true;
    XT_TRY(run_both(&b, &err));
    XT_TRY(give(&b, from(JOB_IN_LOST, "n2.inria", 1, 1), &err));
    XT_TRY(give(&b, (struct job_input){.kind = JOB_IN_PLACED, .nodes = again}, &err));
    XT_TRY(give(&b, ended("n1.inria", 0, 1, 1), &err));
    check_actions(&b, "JRJJJA");
    assert_string_equal(b.out.list[1].node, "n1.vu");
    assert_int_equal(b.job->status, 143);
out:
    bench_end(&b);
}

/* A job that waits for days must not fill its log with one reason, however long that is. */
static void a_reason_is_logged_when_it_is_news(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b;
    char reason[300];
    memset(reason, 'r', sizeof(reason));
    reason[sizeof(reason) - 1] = '\0';
    XT_TRY(bench_begin(&b, 1, false, &err));
    XT_TRY(give(&b, submit(), &err));
    for (int i = 0; i < 3; i++) {
        XT_TRY(give(&b, (struct job_input){.kind = JOB_IN_UNPLACED, .reason = reason}, &err));
        check_actions(&b, i ? "T" : "JT");
        XT_TRY(give(&b, (struct job_input){.kind = JOB_IN_RETRY}, &err));
    }
out:
    bench_end(&b);
}

static int replay(struct bench *to, const struct bench *from_log, size_t count,
                  struct xos_error *err)
{
    if (bench_begin(to, from_log->job->shape.units, from_log->job->shape.fenced, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (job_apply(to->job, &from_log->log[i], err) < 0)
            return -1;
    return 0;
}

/* A log ends wherever the power went. What a signal decided is carried through; the job ends. */
static void a_log_cut_anywhere_goes_on(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b = {0}, c = {0};
    static const char *const wanted[] = {"P", "JJJ", "JJ", "J", ""};
    struct job_input kill = {
        .kind = JOB_IN_SIGNAL, .unit = JOB_ALL_UNITS, .signal = 15, .user = "alice@inria"};
    XT_TRY(bench_begin(&b, 2, false, &err));
    XT_TRY(give(&b, submit(), &err));
    XT_TRY(give(&b, kill, &err));
    check_actions(&b, "JJJJ");
    for (size_t cut = 1; cut <= b.logged; cut++) {
        XT_TRY(replay(&c, &b, cut, &err));
        XT_TRY(give(&c, (struct job_input){.kind = JOB_IN_AGAIN}, &err));
        check_actions(&c, wanted[cut - 1]);
        assert_int_equal(c.job->done, cut > 1);
        assert_int_equal(c.job->status, cut > 1 ? 143 : 0);
        bench_end(&c);
        c = (struct bench){0};
    }
out:
    bench_end(&b);
    bench_end(&c);
}

/* Claims of a round that the log does not know may still be on their way. */
static void no_epoch_comes_back_after_a_restart(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct bench b = {0}, c = {0};
    XT_TRY(bench_begin(&b, 2, true, &err));
    XT_TRY(give(&b, submit(), &err));
    XT_TRY(give(&b, placed(), &err));
    uint64_t before = b.out.list[0].epoch;
    XT_TRY(replay(&c, &b, b.logged, &err));
    XT_TRY(give(&c, (struct job_input){.kind = JOB_IN_AGAIN}, &err));
    XT_TRY(give(&c, placed(), &err));
    check_actions(&c, "CC");
    assert_true(c.out.list[0].epoch > before);
    uint64_t epoch = c.out.list[0].epoch;
    XT_TRY(give(&c, from(JOB_IN_CLAIMED, "n1.inria", 0, epoch), &err));
    XT_TRY(give(&c, (struct job_input){.kind = JOB_IN_AGAIN}, &err)); /* by its timer */
    XT_TRY(give(&c, from(JOB_IN_CLAIMED, "n2.inria", 0, epoch), &err));
    check_actions(&c, "JJSS");
    struct job_input lost = from(JOB_IN_LOST, "n1.vu", 0, epoch);
    XT_TRY(give(&c, lost, &err)); /* another node's claim is over */
    check_actions(&c, "");
out:
    bench_end(&b);
    bench_end(&c);
}

static void statuses_are_those_of_a_shell(void **state)
{
    (void)state;
    static const struct {
        struct unit_exit exit;
        int status;
    } rows[] = {
        {{.how = UNIT_END_EXITED, .value = 7}, 7},
        {{.how = UNIT_END_SIGNALLED, .value = 9}, 137},
        {{.how = UNIT_END_OOM, .value = 9}, 137},
        {{.how = UNIT_END_TIME_LIMIT, .value = 0}, 143},
        {{.how = UNIT_END_KILLED, .value = -1}, 143},
        {{.how = UNIT_END_KILLED, .value = 256}, 143}, /* never a success */
        {{.how = UNIT_END_EXITED, .value = 256 + 3}, 3},
        {{.how = UNIT_END_START_FAILED, .stage = UNIT_STAGE_EXEC, .error = ENOENT}, 127},
        {{.how = UNIT_END_START_FAILED, .stage = UNIT_STAGE_EXEC, .error = EACCES}, 126},
        {{.how = UNIT_END_START_FAILED, .stage = 1, .error = ENOENT}, 125},
        {{.how = UNIT_END_NODE_LOST}, 125},
        {{.how = UNIT_END_SHIM_LOST}, 125},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(unit_exit_status(&rows[i].exit), rows[i].status);
}

static const struct xt_test tests[] = {
    XT(two_units_run_and_the_highest_status_wins),
    XT(a_refused_claim_releases_the_others),
    XT(an_end_counts_only_from_where_the_unit_is),
    XT(a_lost_fenced_unit_runs_again_under_a_higher_epoch),
    XT(a_lost_unit_that_is_not_fenced_ends),
    XT(signals_reach_units_in_every_state),
    XT(fail_fast_stops_the_others),
    XT(there_is_one_round_at_a_time),
    XT(a_log_replayed_is_the_job),
    XT(a_log_that_cannot_be_is_refused),
    XT(units_lost_during_a_round_have_the_next),
    XT(an_answer_for_nobody_asks_again),
    XT(an_answer_after_the_end_is_nothing),
    XT(fail_fast_gives_back_what_is_only_claimed),
    XT(a_reason_is_logged_when_it_is_news),
    XT(a_log_cut_anywhere_goes_on),
    XT(no_epoch_comes_back_after_a_restart),
    XT(statuses_are_those_of_a_shell),
};
XT_MAIN(tests)
