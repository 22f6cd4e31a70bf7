// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: after a crash, a cut or a restart a federation falls into parts that never
 * find each other again, or nodes decide by rows of machines that are long gone.
 *
 * One run is the life of one federation: all join through three seeds; a fifth crashes; they come
 * back; half crash at once; they come back, some with an empty disk; a cut in two halves, for
 * MINUTES, and its end; then churn on links that lose messages. Each virtual second the views of
 * all nodes are checked; at the end of each chapter the overlay must be one component of links
 * that both sides hold, and the rows of all live nodes must be at all live nodes, and no others.
 *
 * SEED= NODES= MINUTES= ROWS=0|1 choose one run; TWICE=1 runs it twice and compares the traces.
 * Without them: a big overlay without rows through a cut of an hour, and a smaller one with rows.
 */
#include "libxos/base/alloc.h"
#include "tests/lib/xtest.h"
#include "tests/sim/member.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEEDS 3
#define JOIN_SPREAD_MS 10000  /* nodes start within this */
#define SETTLE_MS 120000      /* after a fault: one component, all rows */
#define ROWS_SETTLE_MS 120000 /* after a heal: all rows at all nodes */
#define LINK_PAIR_MS 60000    /* a link that only one side holds ends within this */
#define CHURN_MS 600000
#define CHURN_STEP_MS 10000
#define CHURN_SLEEP_MS 30000
#define CHURN_DOWN_PERMILLE 100 /* so many are down at a time */
#define STEADY_MS 60000
#define DEAD_ROW_MS (ROW_LIFE_MS + 5000) /* a row outlives its node by its life, and clock skew */

struct run {
    struct sim *sim;
    struct member_world world;
    struct xos_error *err;
    const char *chapter;
    sim_id nodes;
    uint64_t minutes;
    uint64_t *down_since_ms; /* by node; 0 = up */
    sim_id *queue;           /* for the search through the overlay */
    bool *seen;
    bool quiet;
};

struct plan {
    uint64_t seed;
    sim_id nodes;
    uint64_t minutes; /* of the cut */
    bool rows;
};

static void tell(const struct run *r, const char *what, double value, const char *unit)
{
    if (!r->quiet)
        printf("# %-10s %-44s %10.1f %s\n", r->chapter, what, value, unit);
}

static int broken(struct run *r, const char *what, sim_id node)
{
    return xos_fail(r->err, XOS_INTERNAL, "%s, at %.1f s: node %u: %s", r->chapter,
                    (double)sim_now_ms(r->sim) / 1000, node, what);
}

static const struct member *member_at(const struct run *r, sim_id id)
{
    return sim_node(r->sim, id);
}

/* What must hold */

static int check_views(struct run *r)
{
    for (sim_id i = 0; i < r->nodes; i++) {
        const struct member *m = member_at(r, i);
        const char *defect = m ? view_defect(m->view) : NULL;
        if (defect)
            return broken(r, defect, i);
    }
    return 0;
}

static bool linked(const struct run *r, sim_id a, sim_id b)
{
    const struct member *m = member_at(r, a), *other = member_at(r, b);
    return m && other && view_is_active(other->view, m->name);
}

/* Nodes reached from `start` over links that both sides hold. */
static sim_id reach(struct run *r, sim_id start)
{
    sim_id head = 0, tail = 0;
    r->queue[tail++] = start;
    r->seen[start] = true;
    while (head < tail) {
        const struct member *m = member_at(r, r->queue[head++]);
        for (size_t i = 0; i < view_active_count(m->view); i++) {
            sim_id next = member_id(view_active(m->view, i)->node);
            if (r->seen[next] || !linked(r, m->id, next))
                continue;
            r->seen[next] = true;
            r->queue[tail++] = next;
        }
    }
    return tail;
}

/* For a failed run: who is cut off, and what he has. */
static void print_islands(struct run *r)
{
    for (sim_id i = 0; i < r->nodes; i++) {
        memset(r->seen, 0, r->nodes * sizeof(*r->seen));
        sim_id size = sim_running(r->sim, i) ? reach(r, i) : 0;
        if (size == 0 || size > 3)
            continue;
        const struct member *m = member_at(r, i);
        printf("# node %u: %u together, %zu links, %zu candidates\n", i, size,
               view_active_count(m->view), view_passive_count(m->view));
    }
}

static sim_id components(struct run *r)
{
    sim_id n = 0;
    memset(r->seen, 0, r->nodes * sizeof(*r->seen));
    for (sim_id i = 0; i < r->nodes; i++)
        if (sim_running(r->sim, i) && !r->seen[i]) {
            reach(r, i);
            n++;
        }
    return n;
}

static bool has_row(const struct run *r, sim_id at, sim_id of)
{
    const struct row_record *row =
        row_table_find(spread_rows(member_at(r, at)->spread), member_at(r, of)->name);
    return row && row->state == ROW_UP;
}

static bool rows_complete(const struct run *r)
{
    for (sim_id i = 0; i < r->nodes; i++)
        for (sim_id j = 0; sim_running(r->sim, i) && j < r->nodes; j++)
            if (sim_running(r->sim, j) && !has_row(r, i, j))
                return false;
    return true;
}

/* No node takes one for up that has been gone for longer than a row lives. */
static int check_dead_rows(struct run *r)
{
    char name[NODE_NAME_BYTES_MAX + 1];
    uint64_t now = sim_now_ms(r->sim);
    for (sim_id dead = 0; dead < r->nodes; dead++) {
        if (!r->down_since_ms[dead] || now - r->down_since_ms[dead] < DEAD_ROW_MS)
            continue;
        member_name(&r->world, dead, name);
        for (sim_id i = 0; i < r->nodes; i++) {
            const struct member *m = member_at(r, i);
            const struct row_record *row = m ? row_table_find(spread_rows(m->spread), name) : NULL;
            if (row && row->state != ROW_DOWN)
                return broken(r, "has the row of a node that is long gone", i);
        }
    }
    return 0;
}

/* Time */

static int pass(struct run *r, uint64_t ms)
{
    for (uint64_t end = sim_now_ms(r->sim) + ms; sim_now_ms(r->sim) < end;) {
        uint64_t next = sim_now_ms(r->sim) + 1000;
        if (sim_run_until(r->sim, next < end ? next : end, r->err) < 0 || check_views(r) < 0)
            return -1;
    }
    return 0;
}

static int until_one(struct run *r, uint64_t within_ms, sim_id wanted, double *seconds)
{
    uint64_t start = sim_now_ms(r->sim);
    while (components(r) != wanted) {
        if (sim_now_ms(r->sim) - start >= within_ms) {
            print_islands(r);
            return broken(r, "the overlay is not whole in time", 0);
        }
        if (pass(r, 1000) < 0)
            return -1;
    }
    *seconds = (double)(sim_now_ms(r->sim) - start) / 1000;
    return 0;
}

static int until_rows(struct run *r, uint64_t within_ms, double *seconds)
{
    uint64_t start = sim_now_ms(r->sim);
    while (!rows_complete(r)) {
        if (sim_now_ms(r->sim) - start >= within_ms)
            return broken(r, "not all rows are everywhere in time", 0);
        if (pass(r, 1000) < 0)
            return -1;
    }
    *seconds = (double)(sim_now_ms(r->sim) - start) / 1000;
    return 0;
}

/* Each link that one side alone holds must be gone, or whole, a while later. */
static int check_pairs(struct run *r)
{
    size_t count = 0, max = (size_t)r->nodes * VIEW_ACTIVE_MAX;
    sim_id(*half)[2] = xos_alloc_array(max, sizeof(*half));
    if (!half)
        return xos_fail(r->err, XOS_NOMEM, "links");
    for (sim_id i = 0; i < r->nodes; i++) {
        const struct member *m = member_at(r, i);
        for (size_t k = 0; m && k < view_active_count(m->view); k++) {
            half[count][0] = i;
            half[count][1] = member_id(view_active(m->view, k)->node);
            count += !linked(r, i, half[count][1]);
        }
    }
    int rc = pass(r, LINK_PAIR_MS);
    for (size_t k = 0; rc == 0 && k < count; k++) {
        char name[NODE_NAME_BYTES_MAX + 1];
        const struct member *m = member_at(r, half[k][0]);
        member_name(&r->world, half[k][1], name);
        if (m && view_is_active(m->view, name) && !linked(r, half[k][0], half[k][1]))
            rc = broken(r, "holds a link that the other side does not", half[k][0]);
    }
    tell(r, "links of one side, before they were checked", (double)count, "");
    xos_free(half);
    return rc;
}

/* What every chapter ends with. */
static int settle(struct run *r)
{
    double seconds;
    if (until_one(r, SETTLE_MS, 1, &seconds) < 0)
        return -1;
    tell(r, "to one component", seconds, "virtual s");
    if (r->world.rows) {
        if (until_rows(r, ROWS_SETTLE_MS, &seconds) < 0)
            return -1;
        tell(r, "then to all rows everywhere", seconds, "virtual s");
    }
    if (check_pairs(r) < 0)
        return -1;
    return r->world.rows ? check_dead_rows(r) : 0;
}

/* Faults */

static int start_node(struct run *r, sim_id id, bool keep_disk)
{
    r->down_since_ms[id] = 0;
    return sim_start(r->sim, id, keep_disk, r->err);
}

static int crash_node(struct run *r, sim_id id)
{
    r->down_since_ms[id] = sim_now_ms(r->sim);
    return sim_crash(r->sim, id, sim_random_below(r->sim, 2) == 0, r->err);
}

/* Crash so many of 1000 running nodes, at this very moment. */
static int crash_share(struct run *r, unsigned permille)
{
    sim_id left = (sim_id)((uint64_t)r->nodes * permille / 1000);
    while (left) {
        sim_id id = (sim_id)sim_random_below(r->sim, r->nodes);
        if (!sim_running(r->sim, id))
            continue;
        if (crash_node(r, id) < 0)
            return -1;
        left--;
    }
    return 0;
}

static int restart_all(struct run *r)
{
    for (sim_id i = 0; i < r->nodes; i++)
        if (!sim_running(r->sim, i) && (pass(r, sim_random_below(r->sim, 50)) < 0 ||
                                        start_node(r, i, sim_random_below(r->sim, 4) != 0) < 0))
            return -1;
    return 0;
}

/* Chapters */

static int join(struct run *r)
{
    for (sim_id i = 0; i < r->nodes; i++)
        if (start_node(r, i, false) < 0 || pass(r, JOIN_SPREAD_MS / r->nodes) < 0)
            return -1;
    return settle(r);
}

static int steady(struct run *r)
{
    const struct sim_counts before = *sim_counts(r->sim);
    uint64_t kinds[DISC_KINDS];
    memcpy(kinds, r->world.kind_bytes, sizeof(kinds));
    if (pass(r, STEADY_MS * 2) < 0)
        return -1;
    double per = (double)r->nodes * STEADY_MS * 2 / 1000;
    tell(r, "sent", (double)(sim_counts(r->sim)->bytes - before.bytes) / per, "bytes/s/node");
    tell(r, "sent", (double)(sim_counts(r->sim)->messages - before.messages) / per,
         "messages/s/node");
    for (unsigned k = DISC_NONE + 1; k < DISC_KINDS; k++)
        if (r->world.kind_bytes[k] > kinds[k])
            tell(r, disc_kind_name((enum disc_kind)k),
                 (double)(r->world.kind_bytes[k] - kinds[k]) / per, "bytes/s/node");
    return 0;
}

/* How long a change of one row takes to be everywhere. */
static int change(struct run *r)
{
    struct member *m = sim_node(r->sim, 0);
    uint64_t start = sim_now_ms(r->sim), seq = m->seq;
    bool everywhere = !r->world.rows;
    if (!everywhere && member_dirty(m, r->err) < 0)
        return -1;
    while (!everywhere) {
        if (sim_now_ms(r->sim) - start > SPREAD_REFRESH_MS)
            return broken(r, "a change of a row does not arrive", 0);
        if (sim_run_until(r->sim, sim_now_ms(r->sim) + 10, r->err) < 0)
            return -1;
        everywhere = true;
        for (sim_id i = 0; i < r->nodes && everywhere; i++)
            everywhere = row_table_find(spread_rows(member_at(r, i)->spread), m->name)->seq > seq;
    }
    tell(r, "a changed row everywhere", (double)(sim_now_ms(r->sim) - start), "virtual ms");
    return 0;
}

static int crash_fifth(struct run *r)
{
    return crash_share(r, 200) < 0 ? -1 : settle(r);
}

static int crash_half(struct run *r)
{
    return crash_share(r, 500) < 0 ? -1 : settle(r);
}

static int come_back(struct run *r)
{
    return restart_all(r) < 0 ? -1 : settle(r);
}

static int set_groups(struct run *r, unsigned groups)
{
    for (sim_id i = 0; i < r->nodes; i++)
        if (sim_group(r->sim, i, i * groups / r->nodes, r->err) < 0)
            return -1;
    return 0;
}

static double cross_share(struct run *r)
{
    size_t all = 0, cross = 0;
    for (sim_id i = 0; i < r->nodes; i++) {
        const struct member *m = member_at(r, i);
        for (size_t k = 0; m && k < view_active_count(m->view); k++, all++)
            cross +=
                (i * 2 / r->nodes) != (member_id(view_active(m->view, k)->node) * 2 / r->nodes);
    }
    return all ? 100.0 * (double)cross / (double)all : 0;
}

static int cut_and_heal(struct run *r)
{
    double seconds;
    tell(r, "links between the halves before", cross_share(r), "%");
    if (set_groups(r, 2) < 0 || pass(r, r->minutes * 60000) < 0)
        return -1;
    if (until_one(r, SETTLE_MS, 2, &seconds) < 0)
        return -1;
    if (r->world.rows && r->minutes * 60000 > DEAD_ROW_MS && has_row(r, 0, r->nodes - 1))
        return broken(r, "has a row from beyond the cut", 0);
    if (set_groups(r, 1) < 0 || settle(r) < 0)
        return -1;
    tell(r, "links between the halves a minute later", cross_share(r), "%");
    return 0;
}

static sim_id down_count(const struct run *r)
{
    sim_id n = 0;
    for (sim_id i = 0; i < r->nodes; i++)
        n += !sim_running(r->sim, i);
    return n;
}

/* Crash one node and, once enough are down, let another one come back with nothing on its disk.
 * One seed stays: without any, such a node could know of nobody. */
static int churn_one(struct run *r)
{
    sim_id id = 1 + (sim_id)sim_random_below(r->sim, r->nodes - 1);
    if (sim_running(r->sim, id) && crash_node(r, id) < 0)
        return -1;
    if (down_count(r) <= r->nodes * CHURN_DOWN_PERMILLE / 1000)
        return 0;
    sim_id back = (sim_id)sim_random_below(r->sim, r->nodes);
    while (sim_running(r->sim, back))
        back = (back + 1) % r->nodes;
    return start_node(r, back, false);
}

/* 0.2 % in ten seconds crash and as many come back; others sleep, or are cut off in one direction
 * from one other. */
static int churn(struct run *r)
{
    sim_id per_step = r->nodes * 2 / 1000 + 1;
    uint64_t end = sim_now_ms(r->sim) + CHURN_MS;
    while (sim_now_ms(r->sim) < end) {
        for (sim_id k = 0; k < per_step; k++)
            if (churn_one(r) < 0)
                return -1;
        sim_id sleeper = (sim_id)sim_random_below(r->sim, r->nodes);
        sim_pause(r->sim, sleeper, sim_now_ms(r->sim) + sim_random_below(r->sim, CHURN_SLEEP_MS));
        sim_id deaf = (sim_id)sim_random_below(r->sim, r->nodes);
        if (sim_cut(r->sim, sleeper, deaf, true, r->err) < 0 || pass(r, CHURN_STEP_MS) < 0)
            return -1;
    }
    for (sim_id i = 0; i < r->nodes; i++)
        for (sim_id j = 0; j < r->nodes; j++)
            (void)sim_cut(r->sim, i, j, false, NULL);
    return settle(r);
}

static const struct {
    const char *name;
    int (*play)(struct run *r);
} chapters[] = {
    {"join", join},      {"steady", steady},       {"change", change},  {"crash-20", crash_fifth},
    {"back", come_back}, {"crash-50", crash_half}, {"back", come_back}, {"cut", cut_and_heal},
    {"churn", churn},
};

/* Runs */

static int run_new(struct run *r, const struct plan *plan)
{
    struct sim_config config = {
        .seed = plan->seed,
        .nodes = plan->nodes,
        .sites = 4,
        .near_ms = 2,
        .far_ms = 60,
        .loss_permille = 2,
        .skew_ms = 1000,
        .ops = &member_ops,
        .world = &r->world,
    };
    r->nodes = plan->nodes;
    r->minutes = plan->minutes;
    r->world = (struct member_world){
        .seeds = SEEDS, .institutions = 4, .rows = plan->rows, .body_bytes = 300};
    r->down_since_ms = xos_alloc_array(r->nodes, sizeof(*r->down_since_ms));
    r->queue = xos_alloc_array(r->nodes, sizeof(*r->queue));
    r->seen = xos_alloc_array(r->nodes, sizeof(*r->seen));
    if (!r->down_since_ms || !r->queue || !r->seen)
        return xos_fail(r->err, XOS_NOMEM, "%u nodes", r->nodes);
    if (member_world_init(&r->world, r->err) < 0)
        return -1;
    return sim_new(&r->sim, &config, r->err);
}

static void run_free(struct run *r)
{
    sim_free(r->sim);
    member_world_free(&r->world);
    xos_free(r->down_since_ms);
    xos_free(r->queue);
    xos_free(r->seen);
}

static double wall_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int play(const struct plan *plan, bool quiet, char trace[static SIM_TRACE_TEXT],
                struct xos_error *err)
{
    struct run r = {.err = err, .quiet = quiet, .chapter = "run"};
    int rc = run_new(&r, plan);
    double begun = wall_s();
    for (size_t i = 0; rc == 0 && i < sizeof(chapters) / sizeof(chapters[0]); i++) {
        r.chapter = chapters[i].name;
        double at = wall_s();
        rc = chapters[i].play(&r);
        tell(&r, "wall time", wall_s() - at, "s");
    }
    r.chapter = "run";
    if (r.sim) {
        tell(&r, "virtual time", (double)sim_now_ms(r.sim) / 1000, "s");
        tell(&r, "events", (double)sim_counts(r.sim)->events, "");
        tell(&r, "wall time", wall_s() - begun, "s");
        sim_trace(r.sim, trace);
    }
    run_free(&r);
    return rc;
}

static void print_failure(const struct plan *plan, const struct xos_error *err)
{
    char commit[64] = "unknown\n";
    FILE *git = popen("git rev-parse --short=12 HEAD 2>/dev/null", "r");
    if (git) {
        if (!fgets(commit, sizeof(commit), git))
            (void)snprintf(commit, sizeof(commit), "unknown\n");
        (void)pclose(git);
    }
    printf("FAILED %s\n", err->text);
    printf("seed %llu nodes %u minutes %llu rows %d commit %s", (unsigned long long)plan->seed,
           plan->nodes, (unsigned long long)plan->minutes, plan->rows, commit);
}

static int run_plan(const struct plan *plan, bool twice, char trace[static SIM_TRACE_TEXT])
{
    struct xos_error err = {0};
    char again[SIM_TRACE_TEXT] = "";
    printf("# %u nodes, %s, a cut of %llu minutes, seed %llu\n", plan->nodes,
           plan->rows ? "rows" : "no rows", (unsigned long long)plan->minutes,
           (unsigned long long)plan->seed);
    int rc = play(plan, false, trace, &err);
    if (rc == 0 && twice)
        rc = play(plan, true, again, &err);
    if (rc == 0 && twice && strcmp(trace, again))
        rc = xos_fail(&err, XOS_INTERNAL, "the same seed gave %s, then %s", trace, again);
    if (rc < 0)
        print_failure(plan, &err);
    return rc;
}

int main(void)
{
    const struct plan presets[] = {
        {.nodes = 1000, .minutes = 60, .rows = false},
        {.nodes = 200, .minutes = 6, .rows = true},
    };
    char trace[SIM_TRACE_TEXT] = "";
    bool twice = sim_setting("TWICE", 0) != 0;
    bool one = getenv("NODES") || getenv("MINUTES") || getenv("ROWS");
    uint64_t seed = sim_setting("SEED", 1), last = seed + xt_scaled(100);
    if (one || getenv("SEED"))
        last = seed + 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (; seed < last; seed++)
        for (size_t i = 0; i < (one ? 1 : sizeof(presets) / sizeof(presets[0])); i++) {
            struct plan plan = presets[i];
            plan.seed = seed;
            plan.nodes = (sim_id)sim_setting("NODES", one ? 300 : plan.nodes);
            plan.minutes = sim_setting("MINUTES", one ? 60 : plan.minutes);
            plan.rows = sim_setting("ROWS", one ? 1 : plan.rows) != 0;
            if (plan.nodes <= SEEDS || plan.nodes > ROW_TABLE_MAX) {
                printf("NODES must lie between %d and %d\n", SEEDS + 1, ROW_TABLE_MAX);
                return 2;
            }
            if (run_plan(&plan, twice || seed % 20 == 0, trace) < 0)
                return 1;
        }
    printf("trace: %s\n", trace);
    return 0;
}
