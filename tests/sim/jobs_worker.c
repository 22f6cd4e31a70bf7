// SPDX-License-Identifier: Apache-2.0
/* jobs_worker.c - a simulated worker: the real claims, records on its disk, shims on its machine.
 */
#include "tests/sim/jobs.h"

#include "libxos/base/alloc.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define WORKER_TICK_MS 100
#define WORKER_REPORT_MS 1000
#define WORKER_FROZEN_MS 5000 /* tell the owner of a unit that is frozen, until it answers */
#define WORKER_RECORDS_MAX 256

/* On disk as it stands. */
struct record {
    uint32_t job, unit;
    uint64_t epoch;
    uint32_t head;
    uint32_t fenced;
    uint32_t how; /* 0: not ended */
    int32_t value;
    uint32_t started; /* its report was answered */
    uint32_t frozen;  /* last reported so */
};

struct live {
    struct record r;
    uint64_t report_id; /* under way */
    uint32_t report_state;
    uint64_t report_at_ms;
};

struct worker {
    const struct sim_node_ops *ops;
    struct jobs_world *world;
    struct sim *sim;
    sim_id id;
    struct claim_table *claims;
    struct live live[WORKER_RECORDS_MAX];
    size_t count;
    uint64_t last_id;
    struct jobs_seen *seen;
};

const struct claim_table *jobs_worker_claims(const void *worker)
{
    return ((const struct worker *)worker)->claims;
}

static int save(struct worker *w, struct xos_error *err)
{
    struct record all[WORKER_RECORDS_MAX];
    for (size_t i = 0; i < w->count; i++)
        all[i] = w->live[i].r;
    return sim_save(w->sim, w->id, (struct xos_slice){(uint8_t *)all, w->count * sizeof(all[0])},
                    err);
}

static struct live *find(struct worker *w, uint32_t job, uint32_t unit, uint64_t epoch)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->live[i].r.job == job && w->live[i].r.unit == unit && w->live[i].r.epoch == epoch)
            return &w->live[i];
    return NULL;
}

static struct jobs_shim *shim_of(struct worker *w, const struct live *l)
{
    return jobs_shim_find(w->world, w->id, l->r.job, l->r.unit, l->r.epoch);
}

static struct claim_id claim_id_of(struct worker *w, uint32_t job, uint32_t unit)
{
    struct claim_id id;
    memset(&id, 0, sizeof(id));
    jobs_id(w->world, job, id.job);
    id.unit = unit;
    return id;
}

static struct claim claim_of(struct worker *w, uint32_t job, uint32_t unit, uint64_t epoch)
{
    struct claim c = {.id = claim_id_of(w, job, unit),
                      .epoch = epoch,
                      .need = w->world->jobs[job].need,
                      .fenced = w->world->jobs[job].shape.fenced};
    (void)snprintf(c.user, sizeof(c.user), "alice@i0");
    jobs_name(w->world, w->world->jobs[job].head, c.head);
    return c;
}

/* What heads ask */

static void expire(struct worker *w)
{
    uint64_t next;
    (void)claim_expire(w->claims, jobs_clock_ms(w->world, w->id), &next);
}

static int serve_claim(struct worker *w, const struct jobs_message *m, struct xos_error *err)
{
    uint32_t units[JOBS_UNITS_MAX];
    struct claim c = claim_of(w, m->job, 0, m->epoch);
    for (uint32_t i = 0; i < m->count; i++)
        units[i] = m->held[i].unit;
    return claim_grant(w->claims, &c, units, m->count, jobs_clock_ms(w->world, w->id), err);
}

/* The reading that the renewal quotes is what counts, not when it came. */
static bool hold_one(struct worker *w, const struct jobs_message *m, const struct jobs_held *h)
{
    struct xos_error err;
    struct claim_id id = claim_id_of(w, h->job, h->unit);
    struct claim c = claim_of(w, h->job, h->unit, h->epoch);
    uint64_t now = jobs_clock_ms(w->world, w->id);
    uint64_t from = m->clock_ms < now ? m->clock_ms : now;
    const struct claim *held = claim_get(w->claims, &id);
    struct live *l = find(w, h->job, h->unit, h->epoch);
    if (l && l->r.how)
        return true; /* its end has yet to be told */
    if (m->probe)
        return held && held->epoch == h->epoch;
    if (claim_renew(w->claims, &id, h->epoch, c.head, from, &err) < 0)
        return false;
    struct jobs_shim *s = l && c.fenced ? shim_of(w, l) : NULL;
    struct fence_event ev = {FENCE_RENEW, now, h->epoch, held->deadline_ms, true};
    if (s && !s->ended && fence_step(&s->fence, &ev) == FENCE_THAW) {
        w->world->thawed++;
        sim_note(w->sim, "thaw", h->job, h->unit);
    }
    return true;
}

static void serve_hold(struct worker *w, const struct jobs_message *m, struct jobs_message *answer)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (!hold_one(w, m, &m->held[i]))
            answer->held[answer->count++] = m->held[i];
    answer->clock_ms = jobs_clock_ms(w->world, w->id);
}

static void serve_release(struct worker *w, const struct jobs_message *m)
{
    struct claim_id id = claim_id_of(w, m->job, m->unit);
    const struct claim *c = claim_get(w->claims, &id);
    struct claim own = claim_of(w, m->job, m->unit, m->epoch);
    if (!c || !c->running)
        claim_release(w->claims, &id, m->epoch, own.head, jobs_clock_ms(w->world, w->id));
}

static int shim_begin(struct worker *w, const struct record *r, uint64_t deadline_ms,
                      struct xos_error *err)
{
    struct jobs_machine *m = &w->world->machines[w->id];
    struct jobs_job *j = &w->world->jobs[r->job];
    for (size_t i = 0; i < JOBS_SHIMS_MAX; i++) {
        struct jobs_shim *s = &m->shims[i];
        if (s->there)
            continue;
        *s = (struct jobs_shim){.there = true,
                                .job = r->job,
                                .unit = r->unit,
                                .fence = {r->fenced != 0, false, r->epoch, deadline_ms},
                                .left_ms = j->work_ms};
        j->starts[r->unit]++;
        sim_note(w->sim, "shim", r->job, (uint64_t)r->unit << 32 | r->epoch);
        return 0;
    }
    return xos_fail(err, XOS_INTERNAL, "more than %d shims", JOBS_SHIMS_MAX);
}

static int serve_start(struct worker *w, const struct jobs_message *m, sim_id head,
                       struct xos_error *err)
{
    struct claim_id id = claim_id_of(w, m->job, m->unit);
    const struct claim *c = claim_get(w->claims, &id);
    if (find(w, m->job, m->unit, m->epoch))
        return 0;
    if (!c || c->epoch != m->epoch || claim_start(w->claims, &id, m->epoch, err) < 0)
        return xos_fail(err, XOS_STALE, "not claimed");
    assert(w->count < WORKER_RECORDS_MAX);
    struct live *l = &w->live[w->count++];
    *l = (struct live){
        .r = {
            .job = m->job, .unit = m->unit, .epoch = m->epoch, .head = head, .fenced = c->fenced}};
    struct xos_error broken = {0};
    if (save(w, &broken) < 0 || shim_begin(w, &l->r, c->deadline_ms, &broken) < 0)
        w->world->broken = "a shim could not be started";
    return 0;
}

static void shim_kill(struct worker *w, struct live *l)
{
    struct jobs_shim *s = shim_of(w, l);
    if (s && !s->ended) {
        s->ended = s->killed = true;
        sim_note(w->sim, "kill", l->r.job, l->r.unit);
    }
}

static int serve_signal(struct worker *w, const struct jobs_message *m, struct xos_error *err)
{
    struct live *l = find(w, m->job, m->unit, m->epoch);
    if (!l)
        return xos_fail(err, XOS_NOT_FOUND, "no such unit");
    shim_kill(w, l);
    return 0;
}

static int serve(struct worker *w, sim_id from, const struct jobs_message *m, struct xos_error *err)
{
    struct xos_error why = {0};
    static struct jobs_message answer;
    memset(&answer, 0, sizeof(answer));
    answer.kind = JOBS_REPLY;
    answer.id = m->id;
    expire(w);
    if (m->kind == JOBS_CLAIM)
        (void)serve_claim(w, m, &why);
    else if (m->kind == JOBS_HOLD)
        serve_hold(w, m, &answer);
    else if (m->kind == JOBS_RELEASE)
        serve_release(w, m);
    else if (m->kind == JOBS_START)
        (void)serve_start(w, m, from, &why);
    else if (m->kind == JOBS_SIGNAL)
        (void)serve_signal(w, m, &why);
    answer.code = (uint32_t)why.code;
    return jobs_send(w->world, w->id, from, &answer, err);
}

/* What is reported */

static int report(struct worker *w, struct live *l, enum job_input_kind state, uint64_t again_ms,
                  struct xos_error *err)
{
    struct jobs_message m;
    memset(&m, 0, offsetof(struct jobs_message, held));
    m.kind = JOBS_REPORT;
    m.id = l->report_id = ++w->last_id;
    l->report_state = m.state = state;
    l->report_at_ms = sim_now_ms(w->sim) + again_ms;
    m.job = l->r.job;
    m.unit = l->r.unit;
    m.epoch = l->r.epoch;
    m.how = l->r.how;
    m.value = l->r.value;
    return jobs_send(w->world, w->id, l->r.head, &m, err);
}

static int forget(struct worker *w, struct live *l, struct xos_error *err)
{
    struct jobs_shim *s = shim_of(w, l);
    if (s)
        s->there = false;
    *l = w->live[--w->count];
    return save(w, err);
}

static int report_answered(struct worker *w, const struct jobs_message *m, struct xos_error *err)
{
    struct live *l = w->live;
    while (l < w->live + w->count && l->report_id != m->id)
        l++;
    if (l == w->live + w->count)
        return 0;
    l->report_id = 0;
    bool gone = m->code == XOS_STALE || m->code == XOS_NOT_FOUND;
    if (l->report_state == JOB_IN_ENDED)
        return m->code == XOS_NONE || gone ? forget(w, l, err) : 0;
    if (gone) {
        w->world->superseded++;
        shim_kill(w, l);
        return 0;
    }
    if (m->code != XOS_NONE)
        return 0;
    l->r.started = 1;
    l->r.frozen = l->report_state == JOB_IN_SUSPENDED;
    return save(w, err);
}

static int unit_ended(struct worker *w, struct live *l, uint32_t how, int32_t value,
                      struct xos_error *err)
{
    struct claim_id id = claim_id_of(w, l->r.job, l->r.unit);
    l->r.how = how;
    l->r.value = value;
    struct claim c = claim_of(w, l->r.job, l->r.unit, l->r.epoch);
    claim_release(w->claims, &id, l->r.epoch, c.head, jobs_clock_ms(w->world, w->id));
    l->report_at_ms = 0;
    return save(w, err);
}

static int look_at(struct worker *w, struct live *l, struct xos_error *err)
{
    const struct jobs_shim *s = shim_of(w, l);
    int rc = 0;
    if (!l->r.how && !s)
        rc = unit_ended(w, l, UNIT_END_SHIM_LOST, -1, err);
    else if (!l->r.how && s->killed)
        rc = unit_ended(w, l, UNIT_END_KILLED, 143, err);
    else if (!l->r.how && s->ended)
        rc = unit_ended(w, l, UNIT_END_EXITED, jobs_status(l->r.job, l->r.unit), err);
    if (rc < 0 || l->report_at_ms > sim_now_ms(w->sim))
        return rc;
    if (l->r.how)
        return report(w, l, JOB_IN_ENDED, WORKER_REPORT_MS, err);
    if (!l->r.started)
        return report(w, l, JOB_IN_STARTED, WORKER_REPORT_MS, err);
    if (s->fence.frozen)
        return report(w, l, JOB_IN_SUSPENDED, WORKER_FROZEN_MS, err);
    return l->r.frozen ? report(w, l, JOB_IN_RESUMED, WORKER_REPORT_MS, err) : 0;
}

static int worker_timer(struct sim *s, void *node, struct xos_error *err)
{
    struct worker *w = node;
    expire(w);
    for (size_t i = 0; i < w->count; i++)
        if (look_at(w, &w->live[i], err) < 0)
            return -1;
    return sim_timer(s, w->id, sim_now_ms(s) + WORKER_TICK_MS, err);
}

static int worker_message(struct sim *s, void *node, sim_id from, struct xos_slice bytes,
                          struct xos_error *err)
{
    struct worker *w = node;
    static struct jobs_message m;
    (void)s;
    assert(bytes.len <= sizeof(m));
    memcpy(&m, bytes.data, bytes.len);
    if (m.kind == JOBS_REPLY)
        return report_answered(w, &m, err);
    return jobs_first(&w->seen, from, m.id) ? serve(w, from, &m, err) : 0;
}

static int worker_link_down(struct sim *s, void *node, sim_id peer, struct xos_error *err)
{
    (void)s;
    (void)node;
    (void)peer;
    (void)err;
    return 0;
}

static void worker_stop(void *node)
{
    struct worker *w = node;
    claim_table_free(w->claims);
    jobs_seen_free(&w->seen);
    xos_free(w);
}

static int load(struct worker *w, struct xos_slice disk, struct xos_error *err)
{
    w->count = disk.len / sizeof(struct record);
    for (size_t i = 0; i < w->count; i++) {
        struct live *l = &w->live[i];
        memcpy(&l->r, disk.data + i * sizeof(l->r), sizeof(l->r));
        const struct jobs_shim *s = shim_of(w, l);
        struct claim c = claim_of(w, l->r.job, l->r.unit, l->r.epoch);
        c.running = true;
        if (s)
            c.deadline_ms = s->fence.deadline_ms;
        if (s && !l->r.how && claim_restore(w->claims, &c, err) < 0)
            return -1;
    }
    return 0;
}

static int worker_start(struct sim *s, sim_id self, void *world, struct xos_slice disk, void **node,
                        struct xos_error *err)
{
    struct claim_limits limits = {.node = {JOBS_NODE_CPUS, 0, 0}};
    struct worker *w = xos_alloc(sizeof(*w));
    if (!w)
        return xos_fail(err, XOS_NOMEM, "worker");
    w->ops = &jobs_worker_ops;
    w->world = world;
    w->sim = s;
    w->id = self;
    w->last_id = sim_now_ms(s) << 16; /* never one of an earlier life */
    if (claim_table_new(&w->claims, &limits, err) < 0 || load(w, disk, err) < 0 ||
        sim_timer(s, self, sim_now_ms(s) + WORKER_TICK_MS, err) < 0) {
        worker_stop(w);
        return -1;
    }
    *node = w;
    return 0;
}

const struct sim_node_ops jobs_worker_ops = {
    .start = worker_start,
    .message = worker_message,
    .timer = worker_timer,
    .link_down = worker_link_down,
    .stop = worker_stop,
};
