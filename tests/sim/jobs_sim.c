// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a fenced job runs at two places at once, a job is never run or runs twice, or
 * ends with a status that no unit ended with.
 *
 * One run is three institutions, each with a head and some workers, through three minutes of
 * faults: messages that are lost, come twice or half a minute late; heads and workers that crash
 * and come back, with their machines or without; daemons that are stopped for longer than a claim
 * lasts while their shims go on; cuts, of halves and of one direction. Clocks differ and run up to
 * 200 ppm fast or slow. Then all comes back and every job must end. Each ten milliseconds all
 * machines are looked at. A second run, without other faults, takes away a worker that runs fenced
 * units: all of them must run elsewhere within RESTART_MS.
 *
 * SEED= chooses one run, TWICE=1 runs it twice and compares the traces. */
#include "libxos/base/alloc.h"
#include "tests/lib/xtest.h"
#include "tests/sim/jobs.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INSTITUTIONS 3
#define WORKERS 9
#define JOBS 60u
#define STEP_MS 10
#define SUBMIT_MS 90000
#define FAULTS_MS 180000
#define FAULT_EACH_MS 3000
#define END_MS 300000 /* after the faults: every job has ended */
#define LEFT_OVER_MS 60000
#define RESTART_MS 15000
#define RATE_PPM 200

struct run {
    struct jobs_world world;
    struct sim *sim;
    struct xos_error *err;
    bool faults;
    uint64_t submit_at_ms[JOBS];
    uint64_t start_at_ms[JOBS_NODES_MAX]; /* 0: up */
    uint64_t unpause_at_ms[JOBS_NODES_MAX];
    uint64_t heal_at_ms;
    sim_id cut_from, cut_to;
    uint64_t uncut_at_ms;
};

struct totals {
    uint64_t jobs, lost, requeued, frozen, thawed, superseded, restart_ms_max;
};

static int broken(struct run *r, const char *what, uint64_t a, uint64_t b)
{
    return xos_fail(r->err, XOS_INTERNAL, "at %.2f s: %s (%llu, %llu)",
                    (double)sim_now_ms(r->sim) / 1000, what, (unsigned long long)a,
                    (unsigned long long)b);
}

/* Machines: what runs there goes on, whatever the daemons do */

static void shim_pass(struct run *r, sim_id id, struct jobs_shim *s)
{
    struct jobs_world *w = &r->world;
    struct fence_event tick = {.kind = FENCE_TICK, .now_ms = jobs_clock_ms(w, id)};
    if (s->ended)
        return;
    if (fence_step(&s->fence, &tick) == FENCE_FREEZE) {
        w->frozen++;
        sim_note(r->sim, "freeze", s->job, s->unit);
    }
    if (s->fence.frozen)
        return;
    s->left_ms -= s->left_ms < STEP_MS ? s->left_ms : STEP_MS;
    w->jobs[s->job].runs_at_ms[s->unit] = sim_now_ms(r->sim);
    if (s->left_ms)
        return;
    s->ended = true;
    w->jobs[s->job].completed[s->unit] = s->fence.epoch;
    sim_note(r->sim, "work-done", s->job, s->unit);
}

/* Who runs? Each unit at most once, each machine at most what it has. */
static int check_machines(struct run *r)
{
    static uint32_t running[JOBS][JOBS_UNITS_MAX];
    struct jobs_world *w = &r->world;
    memset(running, 0, sizeof(running));
    for (sim_id id = w->heads; id < w->nodes; id++) {
        uint32_t cpus = 0;
        for (size_t i = 0; i < JOBS_SHIMS_MAX; i++) {
            struct jobs_shim *s = &w->machines[id].shims[i];
            if (!s->there || s->ended)
                continue;
            cpus += w->jobs[s->job].need.cpus;
            if (!s->fence.frozen && ++running[s->job][s->unit] > 1)
                return broken(r, "a unit runs at two places", s->job, s->unit);
        }
        if (cpus > JOBS_NODE_CPUS)
            return broken(r, "a node runs more than it has", id, cpus);
    }
    return 0;
}

static void add_cpus(const struct claim *c, void *arg)
{
    *(uint32_t *)arg += c->need.cpus;
}

static int check_claims(struct run *r)
{
    for (sim_id id = r->world.heads; id < r->world.nodes; id++) {
        uint32_t cpus = 0;
        if (sim_node(r->sim, id))
            claim_each(jobs_worker_claims(sim_node(r->sim, id)), add_cpus, &cpus);
        if (cpus > JOBS_NODE_CPUS)
            return broken(r, "claims exceed the node", id, cpus);
    }
    return 0;
}

/* A unit that is not fenced is never started a second time. */
static int check_starts(struct run *r)
{
    for (size_t i = 0; i < r->world.job_count; i++)
        for (uint32_t u = 0; u < r->world.jobs[i].shape.units; u++)
            if (!r->world.jobs[i].shape.fenced && r->world.jobs[i].starts[u] > 1)
                return broken(r, "a unit that is not fenced was started twice", i, u);
    return 0;
}

/* Time */

static bool reachable(const struct run *r, sim_id head, sim_id worker)
{
    bool up = sim_running(r->sim, worker) && r->unpause_at_ms[worker] <= sim_now_ms(r->sim);
    bool apart = r->heal_at_ms && (head % 2 != worker % 2);
    return up && !apart;
}

static void see(struct run *r)
{
    for (sim_id h = 0; h < r->world.heads; h++)
        for (sim_id id = r->world.heads; id < r->world.nodes; id++)
            if (reachable(r, h, id))
                r->world.seen_ms[h][id] = sim_now_ms(r->sim);
}

static int users(struct run *r)
{
    struct jobs_world *w = &r->world;
    uint64_t now = sim_now_ms(r->sim);
    for (uint32_t i = 0; i < w->job_count; i++) {
        void *head = sim_node(r->sim, w->jobs[i].head);
        if (!head || r->unpause_at_ms[w->jobs[i].head] > now)
            continue;
        if (!w->jobs[i].submitted && r->submit_at_ms[i] <= now &&
            jobs_head_submit(head, i, r->err) < 0)
            return -1;
        if (w->jobs[i].submitted && w->jobs[i].kill_at_ms && w->jobs[i].kill_at_ms <= now) {
            w->jobs[i].kill_at_ms = 0;
            if (jobs_head_signal(head, i, r->err) < 0)
                return -1;
        }
    }
    return 0;
}

static int pass(struct run *r, uint64_t ms)
{
    for (uint64_t end = sim_now_ms(r->sim) + ms; sim_now_ms(r->sim) < end;) {
        if (sim_run_until(r->sim, sim_now_ms(r->sim) + STEP_MS, r->err) < 0)
            return -1;
        for (sim_id id = r->world.heads; id < r->world.nodes; id++)
            for (size_t i = 0; i < JOBS_SHIMS_MAX; i++)
                if (r->world.machines[id].shims[i].there)
                    shim_pass(r, id, &r->world.machines[id].shims[i]);
        if (check_machines(r) < 0)
            return -1;
        if (sim_now_ms(r->sim) % 100)
            continue;
        see(r);
        if (check_claims(r) < 0 || check_starts(r) < 0 || users(r) < 0)
            return -1;
        if (r->world.broken)
            return broken(r, r->world.broken, 0, 0);
    }
    return 0;
}

/* Faults */

static uint64_t within(struct run *r, uint64_t min_ms, uint64_t max_ms)
{
    return sim_now_ms(r->sim) + min_ms + sim_random_below(r->sim, max_ms - min_ms);
}

static int crash(struct run *r, sim_id id, bool machine, uint64_t back_ms)
{
    r->start_at_ms[id] = back_ms;
    r->unpause_at_ms[id] = 0;
    sim_pause(r->sim, id, 0);
    if (machine) {
        r->world.machines[id].up = false;
        memset(r->world.machines[id].shims, 0, sizeof(r->world.machines[id].shims));
    }
    return sim_crash(r->sim, id, machine, r->err);
}

static int pause_node(struct run *r, sim_id id, uint64_t until_ms)
{
    r->unpause_at_ms[id] = until_ms;
    sim_pause(r->sim, id, until_ms);
    return 0;
}

static int cut_halves(struct run *r, uint64_t until_ms)
{
    r->heal_at_ms = until_ms;
    for (sim_id i = 0; i < r->world.nodes; i++)
        if (sim_group(r->sim, i, until_ms ? i % 2 : 0, r->err) < 0)
            return -1;
    return 0;
}

static int cut_one(struct run *r, uint64_t until_ms)
{
    if (!r->uncut_at_ms) {
        r->cut_from = (sim_id)sim_random_below(r->sim, r->world.nodes);
        r->cut_to = (sim_id)sim_random_below(r->sim, r->world.nodes);
    }
    r->uncut_at_ms = until_ms;
    return sim_cut(r->sim, r->cut_from, r->cut_to, until_ms != 0, r->err);
}

static int fault(struct run *r)
{
    sim_id head = (sim_id)sim_random_below(r->sim, r->world.heads);
    sim_id worker =
        r->world.heads + (sim_id)sim_random_below(r->sim, r->world.nodes - r->world.heads);
    bool head_up = sim_running(r->sim, head), worker_up = sim_running(r->sim, worker);
    switch (sim_random_below(r->sim, 8)) {
    case 0:
        return head_up ? crash(r, head, false, within(r, 100, 15000)) : 0;
    case 1:
        return worker_up ? crash(r, worker, false, within(r, 100, 20000)) : 0;
    case 2:
        return worker_up ? crash(r, worker, true, within(r, 1000, 40000)) : 0;
    case 3:
    case 4:
        return worker_up ? pause_node(r, worker, within(r, 1000, 40000)) : 0;
    case 5:
        return head_up ? pause_node(r, head, within(r, 1000, 25000)) : 0;
    case 6:
        return r->heal_at_ms ? 0 : cut_halves(r, within(r, 1000, 40000));
    default:
        return r->uncut_at_ms ? 0 : cut_one(r, within(r, 1000, 40000));
    }
}

/* What has lasted long enough ends. */
static int recover(struct run *r, bool all)
{
    uint64_t now = sim_now_ms(r->sim);
    for (sim_id id = 0; id < r->world.nodes; id++) {
        if (!r->start_at_ms[id] || (!all && r->start_at_ms[id] > now))
            continue;
        r->start_at_ms[id] = 0;
        if (sim_start(r->sim, id, true, r->err) < 0)
            return -1;
    }
    if (r->heal_at_ms && (all || r->heal_at_ms <= now) && cut_halves(r, 0) < 0)
        return -1;
    if (r->uncut_at_ms && (all || r->uncut_at_ms <= now))
        return cut_one(r, 0);
    return 0;
}

static int play_faults(struct run *r)
{
    while (sim_now_ms(r->sim) < FAULTS_MS) {
        if ((sim_now_ms(r->sim) % FAULT_EACH_MS == 0 && fault(r) < 0) || recover(r, false) < 0 ||
            pass(r, 100) < 0)
            return -1;
    }
    sim_calm(r->sim);
    return recover(r, true);
}

static bool all_done(struct run *r, uint32_t *left)
{
    for (*left = 0; *left < r->world.job_count; (*left)++)
        if (!jobs_head_done(sim_node(r->sim, r->world.jobs[*left].head), *left))
            return false;
    return true;
}

/* For a failed run: the job's log, as a restart would read it. */
static void print_log(const struct run *r, uint32_t number)
{
    const struct jobs_job *j = &r->world.jobs[number];
    for (size_t i = 0; i < j->events; i++)
        printf("# %8.2f s unit %d %-9s %s epoch %llu %s\n",
               (double)(j->log[i].at_ms - SIM_REAL_MS) / 1000, (int)j->log[i].unit,
               job_event_name(j->log[i].kind), j->log[i].node, (unsigned long long)j->log[i].epoch,
               j->log[i].reason);
}

static int play_end(struct run *r)
{
    uint32_t left;
    uint64_t until = sim_now_ms(r->sim) + END_MS;
    while (!all_done(r, &left)) {
        if (sim_now_ms(r->sim) > until) {
            print_log(r, left);
            return broken(r, "a job does not end", left, r->world.jobs[left].shape.fenced);
        }
        if (pass(r, 1000) < 0)
            return -1;
    }
    /* Nothing is left over: whoever was given up has heard of it. The last pause may last a while.
     */
    if (pass(r, LEFT_OVER_MS) < 0)
        return -1;
    for (sim_id id = r->world.heads; id < r->world.nodes; id++) {
        for (size_t i = 0; i < JOBS_SHIMS_MAX; i++)
            if (r->world.machines[id].shims[i].there)
                return broken(r, "a unit is left over", r->world.machines[id].shims[i].job, id);
        if (claim_count(jobs_worker_claims(sim_node(r->sim, id))))
            return broken(r, "a claim is left over", id, 0);
    }
    return 0;
}

static int play_history(struct run *r, struct totals *t)
{
    (void)t;
    return play_faults(r) < 0 ? -1 : play_end(r);
}

/* The worker with most fenced units is taken away; when do all of them run again? */
static sim_id busiest(const struct run *r)
{
    sim_id best = r->world.heads;
    size_t most = 0;
    for (sim_id id = r->world.heads; id < r->world.nodes; id++) {
        size_t n = 0;
        for (size_t i = 0; i < JOBS_SHIMS_MAX; i++) {
            const struct jobs_shim *s = &r->world.machines[id].shims[i];
            n += s->there && !s->ended && s->fence.fenced;
        }
        if (n > most) {
            most = n;
            best = id;
        }
    }
    return best;
}

/* Do all of the fenced units that were there run anew? */
static bool run_again(const struct run *r, const struct jobs_shim *gone, uint64_t at,
                      uint32_t *missing)
{
    for (size_t i = 0; i < JOBS_SHIMS_MAX; i++) {
        const struct jobs_job *j = &r->world.jobs[gone[i].job];
        if (!gone[i].there || gone[i].ended || !gone[i].fence.fenced)
            continue;
        *missing = gone[i].job;
        if (j->starts[gone[i].unit] < 2 || j->runs_at_ms[gone[i].unit] <= at)
            return false;
    }
    return true;
}

static int play_loss(struct run *r, struct totals *t)
{
    static struct jobs_shim gone[JOBS_SHIMS_MAX];
    if (pass(r, 20000 + sim_random_below(r->sim, CLAIM_RENEW_MS)) < 0)
        return -1;
    sim_id id = busiest(r);
    uint64_t at = sim_now_ms(r->sim);
    memcpy(gone, r->world.machines[id].shims, sizeof(gone));
    /* In turn: the machine dies, the daemon is stopped and its units freeze, or it is cut off. */
    switch (sim_random_below(r->sim, 3)) {
    case 0:
        if (crash(r, id, true, UINT64_MAX) < 0)
            return -1;
        break;
    case 1:
        (void)pause_node(r, id, UINT64_MAX);
        break;
    default:
        if (sim_group(r->sim, id, 1, r->err) < 0)
            return -1;
        r->unpause_at_ms[id] = UINT64_MAX;
    }
    uint32_t missing;
    while (!run_again(r, gone, at, &missing)) {
        if (sim_now_ms(r->sim) - at >= RESTART_MS)
            return broken(r, "a lost unit does not run again in time", missing, id);
        if (pass(r, 100) < 0)
            return -1;
    }
    if (t->restart_ms_max < sim_now_ms(r->sim) - at)
        t->restart_ms_max = sim_now_ms(r->sim) - at;
    return 0;
}

/* Runs */

static void job_fill(struct run *r, struct jobs_job *j, uint32_t number)
{
    j->head = (unsigned)sim_random_below(r->sim, r->world.heads);
    j->shape.fenced = sim_random_below(r->sim, 2) != 0;
    j->shape.units = 1 + (uint32_t)sim_random_below(r->sim, 4);
    j->shape.fail_fast = sim_random_below(r->sim, 4) == 0;
    j->shape.grace_ms = 1000;
    j->need.cpus = 1 + (uint32_t)sim_random_below(r->sim, r->faults ? 6 : 2);
    j->work_ms = 500 + sim_random_below(r->sim, r->faults ? 30000 : 1);
    r->submit_at_ms[number] = sim_random_below(r->sim, r->faults ? SUBMIT_MS : 5000);
    if (!r->faults)
        j->work_ms = 600000;
    else if (sim_random_below(r->sim, 8) == 0)
        j->kill_at_ms = r->submit_at_ms[number] + sim_random_below(r->sim, 60000);
}

static int run_new(struct run *r, uint64_t seed)
{
    struct sim_config config = {.seed = seed,
                                .nodes = INSTITUTIONS + WORKERS,
                                .sites = INSTITUTIONS,
                                .near_ms = 2,
                                .far_ms = 60,
                                .loss_permille = r->faults ? 20 : 0,
                                .twin_permille = r->faults ? 20 : 0,
                                .late_permille = r->faults ? 20 : 0,
                                .late_ms = 30000,
                                .skew_ms = 1000,
                                .ops = &jobs_ops,
                                .world = &r->world};
    struct jobs_world *w = &r->world;
    w->heads = INSTITUTIONS;
    w->nodes = config.nodes;
    w->machines = xos_alloc_array(w->nodes, sizeof(*w->machines));
    if (!w->machines)
        return xos_fail(r->err, XOS_NOMEM, "machines");
    if (sim_new(&r->sim, &config, r->err) < 0)
        return -1;
    w->sim = r->sim;
    w->job_count = JOBS / (r->faults ? 1 : 3);
    for (uint32_t i = 0; i < w->job_count; i++) {
        w->jobs[i].log = xos_alloc_array(JOBS_EVENTS_MAX, sizeof(*w->jobs[i].log));
        if (!w->jobs[i].log)
            return xos_fail(r->err, XOS_NOMEM, "logs");
        job_fill(r, &w->jobs[i], i);
    }
    for (sim_id i = 0; i < w->nodes; i++) {
        w->machines[i].rate_ppm = (int64_t)sim_random_below(r->sim, 2 * RATE_PPM + 1) - RATE_PPM;
        if (sim_start(r->sim, i, false, r->err) < 0)
            return -1;
    }
    return 0;
}

static void run_free(struct run *r)
{
    sim_free(r->sim);
    for (size_t i = 0; i < r->world.job_count; i++)
        xos_free(r->world.jobs[i].log);
    xos_free(r->world.machines);
    xos_free(r);
}

typedef int (*play_f)(struct run *r, struct totals *t);

static int play(play_f history, bool faults, uint64_t seed, struct totals *t,
                char trace[static SIM_TRACE_TEXT], struct xos_error *err)
{
    struct run *r = xos_alloc(sizeof(*r));
    if (!r)
        return xos_fail(err, XOS_NOMEM, "run");
    r->err = err;
    r->faults = faults;
    int rc = run_new(r, seed);
    if (rc == 0)
        rc = history(r, t);
    if (r->sim)
        sim_trace(r->sim, trace);
    const struct jobs_world *w = &r->world;
    t->jobs += w->job_count;
    t->lost += w->lost;
    t->requeued += w->requeued;
    t->frozen += w->frozen;
    t->thawed += w->thawed;
    t->superseded += w->superseded;
    run_free(r);
    return rc;
}

static int both(uint64_t seed, bool twice, struct totals *t, char trace[static SIM_TRACE_TEXT],
                struct xos_error *err)
{
    static const struct {
        const char *name;
        play_f play;
        bool faults;
    } histories[] = {{"faults", play_history, true}, {"loss", play_loss, false}};
    char again[SIM_TRACE_TEXT] = "";
    struct totals none = {0};
    for (size_t i = 0; i < 2; i++) {
        if (play(histories[i].play, histories[i].faults, seed, t, trace, err) < 0 ||
            (twice && play(histories[i].play, histories[i].faults, seed, &none, again, err) < 0))
            return xos_wrap(err, "%s", histories[i].name);
        if (twice && strcmp(trace, again))
            return xos_fail(err, XOS_INTERNAL, "%s: the same seed gave %s, then %s",
                            histories[i].name, trace, again);
    }
    return 0;
}

int main(void)
{
    char trace[SIM_TRACE_TEXT] = "";
    struct xos_error err = {0};
    struct totals t = {0};
    bool twice = sim_setting("TWICE", 0) != 0;
    uint64_t seed = sim_setting("SEED", 1),
             last = getenv("SEED") ? seed + 1 : seed + xt_scaled(10000);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (; seed < last; seed++)
        if (both(seed, twice || seed % 20 == 0, &t, trace, &err) < 0) {
            printf("FAILED seed %llu: %s\n", (unsigned long long)seed, err.text);
            return 1;
        }
    printf("# jobs %llu, losses said %llu, units queued again %llu, frozen %llu, thawed %llu, "
           "superseded %llu, back within %.1f s\n",
           (unsigned long long)t.jobs, (unsigned long long)t.lost, (unsigned long long)t.requeued,
           (unsigned long long)t.frozen, (unsigned long long)t.thawed,
           (unsigned long long)t.superseded, (double)t.restart_ms_max / 1000);
    printf("trace: %s\n", trace);
    return 0;
}
