// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: under some order of losses, repeats and restarts a unit runs at two places at
 * once, an exit status is lost or counted twice, or a job never ends.
 *
 * One job, a few workers that grant, refuse, start, lose and end its units, and a network that
 * delays, reorders, repeats and drops. The owner may die at any moment: what is left is the journal
 * up to the last JOURNAL action that was carried out, and nothing behind one that was not. After
 * the faults stop, every job must end. One seed is one run: XOS_TEST_SEED=n repeats it. */
#include "jobmgr/core/job.h"
#include "libxos/base/alloc.h"
#include "tests/lib/xtest.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNITS_MAX 5
#define WORKERS 4
#define MESSAGES_MAX 512
#define LOG_MAX 4096
#define RUNS_MAX 1024
#define FAULTY_TURNS 300
#define CALM_TURNS_MAX 20000

enum slot_state { SLOT_NONE, SLOT_CLAIMED, SLOT_RUNNING, SLOT_FROZEN, SLOT_ENDED };

struct slot {
    enum slot_state state;
    uint64_t epoch;
    struct unit_exit exit;
};

enum message_kind {
    TO_WORKER, /* an action */
    TO_OWNER,  /* an input */
};

struct message {
    enum message_kind kind;
    struct job_action action;
    struct job_input input;
    unsigned worker;
    bool wanted[UNITS_MAX]; /* CLAIM: the units; PLACED: those with a node */
    unsigned chosen[UNITS_MAX];
};

static struct world {
    uint64_t seed, random;
    bool calm, fenced;
    uint32_t units;
    struct job_shape shape;
    struct job *job;
    struct job_actions queue;
    size_t carried; /* actions of the queue that were carried out */
    struct job_event log[LOG_MAX];
    size_t logged;
    struct message net[MESSAGES_MAX];
    size_t in_flight;
    struct slot slots[WORKERS][UNITS_MAX];
    struct unit_exit runs[RUNS_MAX]; /* each that ended, by the value of its exit */
    size_t run_count;
    struct {
        uint32_t unit;
        unsigned worker;
        uint64_t epoch;
    } run_of[RUNS_MAX];
    unsigned ended[UNITS_MAX]; /* in the log */
    bool retry;
    int64_t now_ms;
} w;

#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            print_error("seed %llu: %s\n", (unsigned long long)w.seed, #what);                     \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

static const char names[WORKERS][JOB_NAME_MAX] = {"n0.inria", "n1.inria", "n0.vu", "n1.vu"};

/* splitmix64 */
static uint64_t draw(void)
{
    uint64_t z = (w.random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static unsigned below(unsigned n)
{
    return (unsigned)(draw() % n);
}

static bool chance(unsigned percent)
{
    return !w.calm && below(100) < percent;
}

static unsigned worker_of(const char *node)
{
    for (unsigned i = 0; i < WORKERS; i++)
        if (strcmp(names[i], node) == 0)
            return i;
    bool known = false;
    CHECK(known);
    return 0;
}

static void post(const struct message *m)
{
    if (w.in_flight < MESSAGES_MAX)
        w.net[w.in_flight++] = *m;
}

/* The owner: its shell in small */

/* A step that the heap refuses has changed nothing, and goes through the next time. */
static void starve_once(const struct job_input *in)
{
    struct xos_error err = {0};
    static struct job_unit before[UNITS_MAX];
    struct job job = *w.job;
    size_t count = w.queue.count;
    memcpy(before, w.job->units, w.units * sizeof(before[0]));
    struct job_actions copy = {0};
    xos_alloc_fail_nth(1);
    int rc = job_step(w.job, in, &copy, &err);
    xos_alloc_fail_nth(0);
    CHECK(rc < 0 && err.code == XOS_NOMEM && copy.count == 0 && w.queue.count == count);
    CHECK(memcmp(&job, w.job, sizeof(job)) == 0);
    CHECK(memcmp(before, w.job->units, w.units * sizeof(before[0])) == 0);
}

static void give(struct job_input in)
{
    struct xos_error err = {0};
    in.now_ms = ++w.now_ms;
    if (chance(3))
        starve_once(&in);
    if (job_step(w.job, &in, &w.queue, &err) < 0)
        CHECK(err.code == XOS_NOT_FOUND && in.kind == JOB_IN_SIGNAL);
}

static void check_logged(const struct job_event *ev)
{
    if (ev->kind == JOB_EVENT_ASSIGNED)
        for (size_t i = 0; i + 1 < w.logged; i++)
            CHECK(w.log[i].kind != JOB_EVENT_ASSIGNED || w.log[i].unit != ev->unit ||
                  w.log[i].epoch < ev->epoch);
    if (ev->kind != JOB_EVENT_ENDED)
        return;
    CHECK(++w.ended[ev->unit] == 1);
    if (ev->exit.how != UNIT_END_EXITED)
        return;
    size_t run = (size_t)ev->exit.cpu_ms;
    CHECK(run < w.run_count && w.runs[run].value == ev->exit.value);
    CHECK(w.run_of[run].unit == ev->unit && w.run_of[run].epoch == ev->epoch);
    CHECK(w.run_of[run].worker == worker_of(ev->node));
}

static void do_journal(const struct job_action *x)
{
    CHECK(w.logged < LOG_MAX);
    CHECK(x->event.sequence == w.logged + 1);
    w.log[w.logged++] = x->event;
    check_logged(&x->event);
}

static bool excluded(unsigned worker)
{
    for (unsigned i = 0; i < w.job->excluded_count; i++)
        if (strcmp(w.job->excluded[i], names[worker]) == 0)
            return true;
    return false;
}

/* The answer may come late: it names nodes for what was queued when the question was put. */
static void do_place(const struct job_action *x)
{
    struct message m = {.kind = TO_OWNER, .input = {.kind = JOB_IN_PLACED}};
    bool none = chance(10);
    (void)x;
    for (uint32_t u = 0; u < w.units; u++) {
        m.wanted[u] = w.job->units[u].states.now == JOB_UNIT_QUEUED;
        for (unsigned tries = 0; tries < 20; tries++)
            if (!excluded(m.chosen[u] = below(WORKERS)))
                break;
        none = none || excluded(m.chosen[u]);
    }
    if (none)
        m.input = (struct job_input){.kind = JOB_IN_UNPLACED, .reason = "busy"};
    post(&m);
}

static void do_send(const struct job_action *x)
{
    struct message m = {.kind = TO_WORKER, .action = *x, .worker = worker_of(x->node)};
    for (uint32_t u = 0; x->kind == JOB_DO_CLAIM && u < w.units; u++) {
        const struct job_unit *unit = &w.job->units[u];
        m.wanted[u] = unit->states.now == JOB_UNIT_CLAIMING && unit->epoch == x->epoch &&
                      strcmp(unit->node, x->node) == 0;
    }
    post(&m);
}

static void do_retry(const struct job_action *x)
{
    (void)x;
    w.retry = true;
}

static void (*const do_table[])(const struct job_action *x) = {
    [JOB_DO_JOURNAL] = do_journal, [JOB_DO_PLACE] = do_place, [JOB_DO_CLAIM] = do_send,
    [JOB_DO_RELEASE] = do_send,    [JOB_DO_START] = do_send,  [JOB_DO_SIGNAL] = do_send,
    [JOB_DO_ACK] = do_send,        [JOB_DO_RETRY] = do_retry,
};

static bool carry_one(void)
{
    if (w.carried == w.queue.count) {
        w.carried = w.queue.count = 0;
        return false;
    }
    struct job_action x = w.queue.list[w.carried++];
    do_table[x.kind](&x);
    return true;
}

static struct job *replayed(void)
{
    struct xos_error err = {0};
    struct job *j = NULL;
    CHECK(job_new(&j, "inria-1", &w.shape, &err) == 0);
    for (size_t i = 0; i < w.logged; i++)
        CHECK(job_apply(j, &w.log[i], &err) == 0);
    return j;
}

static unsigned settled(const struct job_unit *u)
{
    return u->states.now == JOB_UNIT_CLAIMING ? JOB_UNIT_QUEUED : u->states.now;
}

/* What is in memory is what the journal says, but for rounds that are under way. */
static void check_replay(void)
{
    struct job *j = replayed();
    CHECK(j->sequence == w.job->sequence && j->done == w.job->done);
    CHECK(j->status == w.job->status && j->epoch <= w.job->epoch);
    CHECK(j->started_ms == w.job->started_ms && j->ended_ms == w.job->ended_ms);
    CHECK(strcmp(j->reason, w.job->reason) == 0);
    for (uint32_t i = 0; i < w.units; i++) {
        const struct job_unit *a = &j->units[i], *b = &w.job->units[i];
        CHECK(settled(a) == settled(b) && a->killing == b->killing);
        CHECK(memcmp(&a->exit, &b->exit, sizeof(a->exit)) == 0);
        if (a->states.now != JOB_UNIT_QUEUED && a->states.now != JOB_UNIT_DONE)
            CHECK(a->epoch == b->epoch && strcmp(a->node, b->node) == 0);
    }
    job_free(j);
}

/* What was on its way to the owner as an answer dies with it; reports are repeated by workers. */
static void owner_restarts(void)
{
    size_t kept = 0;
    for (size_t i = 0; i < w.in_flight; i++)
        if (w.net[i].kind == TO_WORKER)
            w.net[kept++] = w.net[i];
    w.in_flight = kept;
    job_actions_free(&w.queue);
    w.carried = 0;
    w.retry = false;
    job_free(w.job);
    w.job = replayed();
    if (w.logged == 0) /* the submitter was never told: it asks again */
        give((struct job_input){.kind = JOB_IN_SUBMIT, .user = "alice@inria"});
    else
        give((struct job_input){.kind = JOB_IN_AGAIN});
}

/* The workers */

static void report(enum job_input_kind kind, unsigned worker, uint32_t unit)
{
    const struct slot *s = &w.slots[worker][unit];
    struct message m = {.kind = TO_OWNER, .worker = worker};
    m.input = (struct job_input){.kind = kind,
                                 .unit = unit,
                                 .epoch = s->epoch,
                                 .node = names[worker],
                                 .exit = s->exit,
                                 .reason = ""};
    post(&m);
}

static void answer(const struct message *m, enum job_input_kind kind, bool never)
{
    struct message back = {.kind = TO_OWNER, .worker = m->worker};
    back.input = (struct job_input){.kind = kind,
                                    .unit = m->action.unit,
                                    .epoch = m->action.epoch,
                                    .node = names[m->worker],
                                    .never = never,
                                    .reason = "said no"};
    post(&back);
}

static void take_claim(const struct message *m)
{
    bool refused = chance(15);
    for (uint32_t u = 0; u < w.units; u++)
        refused = refused || (m->wanted[u] && w.slots[m->worker][u].state != SLOT_NONE &&
                              w.slots[m->worker][u].epoch != m->action.epoch);
    for (uint32_t u = 0; u < w.units && !refused; u++)
        if (m->wanted[u] && w.slots[m->worker][u].state == SLOT_NONE)
            w.slots[m->worker][u] = (struct slot){.state = SLOT_CLAIMED, .epoch = m->action.epoch};
    /* The answer may be lost: then the call's deadline refuses. */
    answer(m, refused || chance(5) ? JOB_IN_REFUSED : JOB_IN_CLAIMED, false);
}

static void check_alone(uint32_t unit)
{
    unsigned running = 0;
    for (unsigned i = 0; i < WORKERS; i++)
        running += w.slots[i][unit].state == SLOT_RUNNING;
    CHECK(running <= 1);
}

static void take_start(const struct message *m)
{
    struct slot *s = &w.slots[m->worker][m->action.unit];
    if (s->state == SLOT_NONE || s->epoch != m->action.epoch) {
        answer(m, JOB_IN_LOST, true);
        return;
    }
    if (s->state == SLOT_CLAIMED) {
        s->state = SLOT_RUNNING;
        check_alone(m->action.unit);
    }
    if (s->state == SLOT_ENDED)
        report(JOB_IN_ENDED, m->worker, m->action.unit);
    else
        report(JOB_IN_STARTED, m->worker, m->action.unit);
}

static void unit_ends(unsigned worker, uint32_t unit, enum unit_end how, int value)
{
    struct slot *s = &w.slots[worker][unit];
    CHECK(w.run_count < RUNS_MAX);
    s->state = SLOT_ENDED;
    s->exit = (struct unit_exit){.how = how, .value = value, .cpu_ms = w.run_count};
    w.runs[w.run_count] = s->exit;
    w.run_of[w.run_count].unit = unit;
    w.run_of[w.run_count].worker = worker;
    w.run_of[w.run_count++].epoch = s->epoch;
    report(JOB_IN_ENDED, worker, unit);
}

static void take_signal(const struct message *m)
{
    struct slot *s = &w.slots[m->worker][m->action.unit];
    int32_t signal = m->action.signal;
    if (s->state != SLOT_RUNNING || s->epoch != m->action.epoch)
        return;
    if (signal == 19 || signal == 18)
        report(signal == 19 ? JOB_IN_SUSPENDED : JOB_IN_RESUMED, m->worker, m->action.unit);
    else
        unit_ends(m->worker, m->action.unit, UNIT_END_KILLED, 128 + signal);
}

/* An acknowledgement means that the end is durable, or does not count. */
static void take_ack(const struct message *m)
{
    struct slot *s = &w.slots[m->worker][m->action.unit];
    if (s->state != SLOT_ENDED || s->epoch != m->action.epoch)
        return;
    struct job *j = replayed();
    const struct job_unit *u = &j->units[m->action.unit];
    CHECK(u->states.now == JOB_UNIT_DONE || u->states.now == JOB_UNIT_QUEUED ||
          u->epoch != s->epoch || strcmp(u->node, names[m->worker]) != 0);
    job_free(j);
    *s = (struct slot){0};
}

static void worker_takes(const struct message *m)
{
    struct slot *s = &w.slots[m->worker][m->action.unit];
    switch (m->action.kind) {
    case JOB_DO_CLAIM:
        take_claim(m);
        break;
    case JOB_DO_RELEASE:
        if (s->state == SLOT_CLAIMED && s->epoch == m->action.epoch)
            *s = (struct slot){0};
        break;
    case JOB_DO_START:
        take_start(m);
        break;
    case JOB_DO_SIGNAL:
        take_signal(m);
        break;
    case JOB_DO_ACK:
        take_ack(m);
        break;
    default:
        CHECK(m->action.kind == JOB_DO_NONE); /* no action for a worker */
    }
}

/* What happens by itself */

/* The claim of a unit is over by every clock: only then does the owner hear of a loss. */
static void claim_ends(unsigned worker, uint32_t unit)
{
    struct slot *s = &w.slots[worker][unit];
    struct message m = {.kind = TO_OWNER, .worker = worker};
    m.input = (struct job_input){.kind = JOB_IN_LOST,
                                 .unit = unit,
                                 .epoch = s->epoch,
                                 .node = names[worker],
                                 .reason = "no renewal"};
    if (s->state == SLOT_NONE || s->state == SLOT_ENDED)
        return;
    if (s->state == SLOT_RUNNING && w.fenced)
        s->state = SLOT_FROZEN;
    else
        *s = (struct slot){0}; /* an unfenced unit is only lost with its machine */
    post(&m);
}

static void worker_lives(void)
{
    unsigned worker = below(WORKERS);
    uint32_t unit = below(w.units);
    struct slot *s = &w.slots[worker][unit];
    if (s->state == SLOT_RUNNING && below(3) == 0)
        unit_ends(worker, unit, UNIT_END_EXITED, chance(50) ? (int)below(4) : 0);
    else if (s->state == SLOT_RUNNING && below(3) == 0)
        report(JOB_IN_STARTED, worker, unit);
    else if (s->state == SLOT_ENDED && below(3) == 0)
        report(JOB_IN_ENDED, worker, unit);
    else if (chance(6))
        claim_ends(worker, unit);
}

static void deliver(void)
{
    if (w.in_flight == 0)
        return;
    size_t i = below((unsigned)w.in_flight);
    struct message m = w.net[i];
    bool once = m.kind == TO_WORKER && m.action.kind == JOB_DO_CLAIM;
    bool own =
        m.kind == TO_OWNER && (m.input.kind == JOB_IN_PLACED || m.input.kind == JOB_IN_UNPLACED ||
                               m.input.kind == JOB_IN_REFUSED); /* or its own deadline */
    if (once || own || !chance(20))
        w.net[i] = w.net[--w.in_flight];
    if (!own && chance(8)) { /* dropped; a call that has no answer is refused */
        if (m.kind == TO_WORKER && m.action.kind == JOB_DO_CLAIM)
            answer(&m, JOB_IN_REFUSED, false);
        else if (m.kind == TO_OWNER && m.input.kind == JOB_IN_CLAIMED) {
            m.input.kind = JOB_IN_REFUSED;
            post(&m);
        }
        return;
    }
    static char nodes[UNITS_MAX][JOB_NAME_MAX];
    memset(nodes, 0, sizeof(nodes));
    if (m.kind == TO_WORKER) {
        worker_takes(&m);
        return;
    }
    for (uint32_t u = 0; u < w.units; u++)
        if (m.wanted[u])
            memcpy(nodes[u], names[m.chosen[u]], JOB_NAME_MAX);
    m.input.nodes = (const char(*)[JOB_NAME_MAX])nodes;
    give(m.input);
}

static void user_acts(void)
{
    static const int signals[] = {15, 9, 19, 18, 10};
    give((struct job_input){.kind = JOB_IN_SIGNAL,
                            .unit = below(2) ? JOB_ALL_UNITS : below(w.units),
                            .signal = signals[below(5)],
                            .user = "alice@inria"});
}

static void turn(void)
{
    switch (below(4)) {
    case 0:
    case 1:
        (void)carry_one();
        break;
    case 2:
        deliver();
        break;
    case 3:
        worker_lives();
        break;
    }
    if (w.retry && below(8) == 0) {
        w.retry = false;
        give((struct job_input){.kind = JOB_IN_RETRY});
    }
    if (chance(1))
        owner_restarts();
    if (chance(1))
        give((struct job_input){.kind = JOB_IN_AGAIN});
    if (below(200) == 0 && !w.calm)
        user_acts();
    if (w.carried == w.queue.count)
        check_replay();
}

/* Nothing is under way any more: the owner's renewals find what workers have lost, and timers say
 * again what did not arrive. */
static void calm_turn(void)
{
    turn();
    if (w.in_flight || w.carried < w.queue.count || below(4))
        return;
    for (uint32_t u = 0; u < w.units; u++) {
        const struct job_unit *unit = &w.job->units[u];
        for (unsigned i = 0; i < WORKERS; i++)
            if (w.slots[i][u].state == SLOT_CLAIMED &&
                (unit->epoch != w.slots[i][u].epoch || strcmp(unit->node, names[i]) != 0 ||
                 unit->states.now == JOB_UNIT_QUEUED || unit->states.now == JOB_UNIT_DONE))
                w.slots[i][u] = (struct slot){0}; /* nobody renews it */
        if (unit->states.now < JOB_UNIT_ASSIGNED || unit->states.now == JOB_UNIT_DONE)
            continue;
        const struct slot *s = &w.slots[worker_of(unit->node)][u];
        if (s->state == SLOT_NONE || s->state == SLOT_FROZEN || s->epoch != unit->epoch)
            give((struct job_input){
                .kind = JOB_IN_LOST, .unit = u, .epoch = unit->epoch, .reason = "not held there"});
    }
    /* A frozen unit is killed under the higher epoch that asks for its place. */
    for (unsigned i = 0; i < WORKERS; i++)
        for (uint32_t u = 0; u < w.units; u++)
            if (w.slots[i][u].state == SLOT_FROZEN)
                w.slots[i][u] = (struct slot){0};
    give((struct job_input){.kind = JOB_IN_AGAIN});
}

static void run_seed(uint64_t seed)
{
    struct xos_error err = {0};
    memset(&w, 0, sizeof(w));
    w.seed = w.random = seed;
    w.units = 1 + below(UNITS_MAX);
    w.fenced = below(2);
    w.shape = (struct job_shape){.units = w.units,
                                 .fenced = w.fenced,
                                 .fail_fast = below(4) == 0,
                                 .no_wait = below(8) == 0,
                                 .grace_ms = 1000};
    CHECK(job_new(&w.job, "inria-1", &w.shape, &err) == 0);
    give((struct job_input){.kind = JOB_IN_SUBMIT, .user = "alice@inria"});
    for (int i = 0; i < FAULTY_TURNS; i++)
        turn();
    w.calm = true;
    for (int i = 0; !(w.job->done && w.carried == w.queue.count); i++) {
        CHECK(i < CALM_TURNS_MAX);
        calm_turn();
    }
    check_replay();
    for (uint32_t u = 0; u < w.units; u++)
        CHECK(w.ended[u] == 1);
    job_free(w.job);
    job_actions_free(&w.queue);
}

/* An assertion of the core ends the process: say first which seed it was. */
static void say_seed(int number)
{
    char text[64];
    int n = snprintf(text, sizeof(text), "seed %llu\n", (unsigned long long)w.seed);
    (void)!write(STDERR_FILENO, text, (size_t)n);
    (void)number;
}

static void every_job_ends_once_whatever_happens(void **state)
{
    (void)state;
    const char *one = getenv("XOS_TEST_SEED");
    struct sigaction act = {.sa_handler = say_seed, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGABRT, &act, NULL);
    if (one) {
        run_seed(strtoull(one, NULL, 10));
        return;
    }
    unsigned long count = xt_scaled(200000);
    for (unsigned long i = 1; i <= count; i++)
        run_seed(i);
}

static const struct xt_test tests[] = {
    XT_PLAIN(every_job_ends_once_whatever_happens),
};
XT_MAIN(tests)
