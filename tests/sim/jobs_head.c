// SPDX-License-Identifier: Apache-2.0
/* jobs_head.c - a simulated head: the shell of jobmgr/service/head.c around job, place and hold,
 * with the log of each job as its disk. */
#include "tests/sim/jobs.h"

#include "libxos/base/alloc.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#define HEAD_TICK_MS 50
#define HEAD_DISK_MS 40 /* a batch is durable within this */

struct owned {
    uint32_t number;
    struct job *job;
    struct job_actions queue; /* from done_actions on: not yet carried out */
    size_t done_actions;
    size_t batch; /* events on their way to the disk, in front of the queue */
    uint64_t durable_at_ms;
    uint64_t retry_at_ms, again_at_ms; /* 0: not set */
    struct owned *prev, *next;
};

struct call {
    uint64_t id;
    sim_id to;
    uint32_t job; /* index, for all but JOBS_HOLD */
    enum jobs_kind kind;
    struct job_action action;
    uint64_t ask; /* JOBS_HOLD */
    uint64_t until_ms;
    UT_hash_handle hh;
};

/* A report of an end: answered when the event is durable. */
struct asked {
    uint64_t id;
    sim_id from;
    uint32_t job, unit;
    uint64_t epoch;
    struct asked *prev, *next;
};

struct head {
    const struct sim_node_ops *ops;
    struct jobs_world *world;
    struct sim *sim;
    sim_id id;
    struct hold *hold;
    struct hold_actions hold_out;
    struct owned *jobs;
    struct call *calls;
    struct asked *reports;
    uint64_t last_id;
    struct jobs_seen *seen;
};

static int head_step(struct head *h, struct owned *o, struct job_input in, struct xos_error *err);
static int run(struct head *h, struct owned *o, struct xos_error *err);

static struct owned *find(struct head *h, uint32_t number)
{
    struct owned *o;
    DL_SEARCH_SCALAR(h->jobs, o, number, number);
    return o;
}

/* Calls */

static int call(struct head *h, sim_id to, struct jobs_message *m, const struct job_action *x,
                struct xos_error *err)
{
    struct call *c = xos_alloc(sizeof(*c));
    if (!c)
        return xos_fail(err, XOS_NOMEM, "call");
    c->id = m->id = ++h->last_id;
    c->to = to;
    c->kind = (enum jobs_kind)m->kind;
    c->job = m->job;
    c->until_ms = sim_now_ms(h->sim) + (c->kind == JOBS_HOLD ? CLAIM_HOLD_MS : JOBS_CALL_MS);
    if (x)
        c->action = *x;
    HASH_ADD(hh, h->calls, id, sizeof(c->id), c);
    return jobs_send(h->world, h->id, to, m, err);
}

static void message_of(struct jobs_message *m, enum jobs_kind kind, const struct owned *o,
                       const struct job_action *x)
{
    memset(m, 0, sizeof(*m));
    m->kind = kind;
    m->job = o ? o->number : 0;
    m->unit = x ? x->unit : 0;
    m->epoch = x ? x->epoch : 0;
}

/* Claims are kept alive */

static void list_one(const struct claim_id *id, uint64_t epoch, void *arg)
{
    struct jobs_message *m = arg;
    assert(m->count < JOBS_HELD_MAX);
    m->held[m->count++] = (struct jobs_held){jobs_number(id->job), id->unit, epoch};
}

static int hold_ask(struct head *h, const struct hold_action *a, struct xos_error *err)
{
    static struct jobs_message m;
    struct job_action none = {0};
    message_of(&m, JOBS_HOLD, NULL, NULL);
    m.probe = a->kind == HOLD_DO_PROBE;
    m.clock_ms = a->clock_ms;
    hold_each(h->hold, a->node, list_one, &m);
    /* The call remembers what it asked: the answer is about nothing else. */
    none.epoch = a->ask;
    memcpy(none.node, a->node, sizeof(none.node));
    return call(h, jobs_node(a->node), &m, &none, err);
}

/* A loss leads to further steps, so the list in use is put aside. */
static int hold_give(struct head *h, struct hold_event ev, struct xos_error *err)
{
    struct hold_actions out = h->hold_out;
    int rc;
    h->hold_out = (struct hold_actions){.next_ms = UINT64_MAX};
    ev.now_ms = jobs_clock_ms(h->world, h->id);
    rc = hold_step(h->hold, &ev, &out, err);
    for (size_t i = 0; rc == 0 && i < out.count; i++) {
        const struct hold_action *a = &out.list[i];
        if (a->kind != HOLD_DO_LOST) {
            rc = hold_ask(h, a, err);
            continue;
        }
        struct owned *o = find(h, jobs_number(a->id.job));
        struct job_input lost = {
            .kind = JOB_IN_LOST, .unit = a->id.unit, .epoch = a->epoch, .reason = a->reason};
        h->world->lost++;
        sim_note(h->sim, "lost", jobs_number(a->id.job), a->id.unit);
        if (o)
            rc = head_step(h, o, lost, err);
    }
    if (h->hold_out.next_ms < out.next_ms)
        out.next_ms = h->hold_out.next_ms; /* of a step that a loss led to */
    xos_free(h->hold_out.list);
    h->hold_out = out;
    return rc;
}

/* What the job's new events mean for what is held. */
static int hold_follow(struct head *h, struct owned *o, size_t from, struct xos_error *err)
{
    for (size_t i = from; i < o->queue.count; i++) {
        const struct job_event *e = &o->queue.list[i].event;
        if (o->queue.list[i].kind != JOB_DO_JOURNAL)
            continue;
        struct hold_event ev = {
            .id.unit = e->unit, .epoch = e->epoch, .fenced = o->job->shape.fenced, .fresh = true};
        char node[JOB_NAME_MAX];
        memcpy(node, e->node, sizeof(node));
        ev.node = node;
        memcpy(ev.id.job, o->job->id, sizeof(ev.id.job));
        if (e->kind == JOB_EVENT_ASSIGNED)
            ev.kind = HOLD_ADD;
        else if (e->kind == JOB_EVENT_ENDED || e->kind == JOB_EVENT_LOST)
            ev.kind = HOLD_REMOVE;
        if (ev.kind && hold_give(h, ev, err) < 0)
            return -1;
    }
    return 0;
}

/* One job */

static int head_step(struct head *h, struct owned *o, struct job_input in, struct xos_error *err)
{
    size_t from = o->queue.count;
    in.now_ms = sim_real_ms(h->sim, h->id);
    if (job_step(o->job, &in, &o->queue, err) < 0)
        return -1;
    return hold_follow(h, o, from, err) < 0 ? -1 : run(h, o, err);
}

static size_t candidates(struct head *h, struct place_node *out)
{
    struct jobs_world *w = h->world;
    size_t n = 0;
    for (sim_id id = w->heads; id < w->nodes; id++) {
        const void *worker = sim_node(w->sim, id);
        if (sim_now_ms(w->sim) - w->seen_ms[h->id][id] > JOBS_ROW_LIFE_MS)
            continue;
        memset(&out[n], 0, sizeof(out[n]));
        jobs_name(w, id, out[n].node);
        out[n].all = out[n].free = (struct claim_need){JOBS_NODE_CPUS, 0, 0};
        if (worker)
            claim_free_now(jobs_worker_claims(worker), &out[n].free);
        n++;
    }
    return n;
}

static int do_place(struct head *h, struct owned *o, struct xos_error *err)
{
    struct place_node *nodes = xos_alloc_array(JOBS_NODES_MAX, sizeof(*nodes));
    struct place_request *want = xos_alloc(sizeof(*want));
    char(*to)[JOB_NAME_MAX] = xos_alloc_array(JOB_UNITS_MAX, sizeof(*to));
    struct job_input in = {.kind = JOB_IN_PLACED, .nodes = (const char(*)[JOB_NAME_MAX])to};
    struct xos_error why = {0};
    assert(nodes && want && to);
    want->units = o->job->shape.units;
    want->need = h->world->jobs[o->number].need;
    want->excluded = (const char(*)[JOB_NAME_MAX])o->job->excluded;
    want->excluded_count = o->job->excluded_count;
    for (uint32_t i = 0; i < want->units; i++)
        want->queued[i] = o->job->units[i].states.now == JOB_UNIT_QUEUED;
    if (place_units(want, nodes, candidates(h, nodes), to, &why) < 0) {
        in.kind = JOB_IN_UNPLACED; /* a node that is down may come back: never is not known here */
        in.reason = why.text;
    }
    int rc = head_step(h, o, in, err);
    xos_free(nodes);
    xos_free(want);
    xos_free(to);
    return rc;
}

static int do_claim(struct head *h, struct owned *o, const struct job_action *x,
                    struct xos_error *err)
{
    static struct jobs_message m;
    message_of(&m, JOBS_CLAIM, o, x);
    for (uint32_t i = 0; i < o->job->shape.units; i++) {
        const struct job_unit *u = &o->job->units[i];
        if (u->states.now == JOB_UNIT_CLAIMING && u->epoch == x->epoch && !strcmp(u->node, x->node))
            m.held[m.count++] = (struct jobs_held){o->number, i, x->epoch};
    }
    return m.count ? call(h, jobs_node(x->node), &m, x, err) : 0;
}

static int do_ack(struct head *h, struct owned *o, const struct job_action *x,
                  struct xos_error *err)
{
    struct asked *r, *after;
    struct jobs_message m;
    int rc = 0;
    DL_FOREACH_SAFE(h->reports, r, after)
    {
        if (r->job != o->number || r->unit != x->unit || r->epoch != x->epoch ||
            r->from != jobs_node(x->node))
            continue;
        memset(&m, 0, offsetof(struct jobs_message, held));
        m.kind = JOBS_REPLY;
        m.id = r->id;
        rc = rc < 0 ? rc : jobs_send(h->world, h->id, r->from, &m, err);
        DL_DELETE(h->reports, r);
        xos_free(r);
    }
    return rc;
}

static int carry_out(struct head *h, struct owned *o, const struct job_action *x,
                     struct xos_error *err)
{
    struct jobs_message m;
    memset(&m, 0, offsetof(struct jobs_message, held));
    m.kind = x->kind == JOB_DO_RELEASE ? JOBS_RELEASE
             : x->kind == JOB_DO_START ? JOBS_START
                                       : JOBS_SIGNAL;
    m.job = o->number;
    m.unit = x->unit;
    m.epoch = x->epoch;
    switch (x->kind) {
    case JOB_DO_PLACE:
        return do_place(h, o, err);
    case JOB_DO_CLAIM:
        return do_claim(h, o, x, err);
    case JOB_DO_ACK:
        return do_ack(h, o, x, err);
    case JOB_DO_RETRY:
        o->retry_at_ms = sim_now_ms(h->sim) + JOB_RETRY_MS;
        return 0;
    case JOB_DO_RELEASE:
    case JOB_DO_START:
    case JOB_DO_SIGNAL:
        return call(h, jobs_node(x->node), &m, x, err);
    case JOB_DO_NONE:
    case JOB_DO_JOURNAL:
    default:
        return xos_fail(err, XOS_INTERNAL, "no such action");
    }
}

/* As on_run in head.c: what stands behind an event waits until it is durable. */
static int run(struct head *h, struct owned *o, struct xos_error *err)
{
    while (!o->batch && o->done_actions < o->queue.count) {
        size_t n = o->done_actions;
        while (n < o->queue.count && o->queue.list[n].kind == JOB_DO_JOURNAL)
            n++;
        if (n > o->done_actions) {
            o->batch = n - o->done_actions;
            o->durable_at_ms = sim_now_ms(h->sim) + 1 + sim_random_below(h->sim, HEAD_DISK_MS);
            return 0;
        }
        struct job_action x = o->queue.list[o->done_actions++];
        if (carry_out(h, o, &x, err) < 0)
            return -1;
    }
    if (!o->batch && o->done_actions == o->queue.count)
        o->queue.count = o->done_actions = 0;
    return 0;
}

static void note_event(struct head *h, struct jobs_job *j, const struct job_event *e)
{
    struct jobs_world *w = h->world;
    sim_note(h->sim, job_event_name(e->kind), (uint64_t)(j - w->jobs) << 32 | e->unit, e->epoch);
    w->requeued += e->kind == JOB_EVENT_LOST;
    if (e->kind != JOB_EVENT_ENDED)
        return;
    if (e->exit.how == UNIT_END_EXITED &&
        (j->completed[e->unit] != e->epoch ||
         e->exit.value != jobs_status((uint32_t)(j - w->jobs), e->unit)))
        w->broken = "an exit status was counted of a unit that did not end so";
}

static void batch_write(struct head *h, struct owned *o)
{
    struct jobs_job *j = &h->world->jobs[o->number];
    for (size_t i = 0; i < o->batch; i++) {
        assert(j->events < JOBS_EVENTS_MAX);
        j->log[j->events++] = o->queue.list[o->done_actions + i].event;
        note_event(h, j, &j->log[j->events - 1]);
    }
    j->submitted = true;
    o->done_actions += o->batch;
    o->batch = 0;
}

/* Answers */

static bool still_there(const struct owned *o, const struct job_action *x)
{
    const struct job_unit *u = &o->job->units[x->unit];
    return u->epoch == x->epoch && u->states.now >= JOB_UNIT_ASSIGNED &&
           u->states.now < JOB_UNIT_DONE;
}

static int answered_start(struct head *h, struct owned *o, const struct job_action *x,
                          enum xos_code code, struct xos_error *err)
{
    struct job_input lost = {.kind = JOB_IN_LOST,
                             .unit = x->unit,
                             .epoch = x->epoch,
                             .reason = "refused",
                             .never = true};
    if (code == XOS_STALE || code == XOS_INVALID || code == XOS_LIMIT)
        return head_step(h, o, lost, err);
    if (code && still_there(o, x))
        o->again_at_ms = sim_now_ms(h->sim) + JOBS_AGAIN_MS;
    return 0;
}

static int hold_answered(struct head *h, const struct call *c, const struct jobs_message *m,
                         struct xos_error *err)
{
    static struct hold_unit_id unknown[JOBS_HELD_MAX];
    memset(unknown, 0, sizeof(unknown));
    for (uint32_t i = 0; i < m->count; i++) {
        jobs_id(h->world, m->held[i].job, unknown[i].id.job);
        unknown[i].id.unit = m->held[i].unit;
        unknown[i].epoch = m->held[i].epoch;
    }
    return hold_give(h,
                     (struct hold_event){.kind = HOLD_ANSWER,
                                         .node = c->action.node,
                                         .ask = c->action.epoch,
                                         .clock_ms = m->clock_ms,
                                         .unknown = unknown,
                                         .unknown_count = m->count},
                     err);
}

/* The call ended with this answer, or with a code of our own. It is freed. */
static int answered(struct head *h, struct call *c, const struct jobs_message *m,
                    enum xos_code code, struct xos_error *err)
{
    struct owned *o = find(h, c->job);
    const struct job_action *x = &c->action;
    int rc = 0;
    HASH_DEL(h->calls, c);
    if (c->kind == JOBS_HOLD && code == XOS_NONE)
        rc = hold_answered(h, c, m, err);
    else if (c->kind == JOBS_CLAIM && o)
        rc = head_step(h, o,
                       (struct job_input){.kind = code ? JOB_IN_REFUSED : JOB_IN_CLAIMED,
                                          .node = x->node,
                                          .epoch = x->epoch,
                                          .reason = "refused"},
                       err);
    else if (c->kind == JOBS_START && o)
        rc = answered_start(h, o, x, code, err);
    else if (c->kind == JOBS_SIGNAL && o && code && still_there(o, x))
        o->again_at_ms = sim_now_ms(h->sim) + JOBS_AGAIN_MS;
    xos_free(c);
    return rc;
}

/* Reports */

static int reply(struct head *h, sim_id to, uint64_t id, enum xos_code code, struct xos_error *err)
{
    struct jobs_message m;
    memset(&m, 0, offsetof(struct jobs_message, held));
    m.kind = JOBS_REPLY;
    m.id = id;
    m.code = (uint32_t)code;
    return jobs_send(h->world, h->id, to, &m, err);
}

static int reported(struct head *h, sim_id from, const struct jobs_message *m,
                    struct xos_error *err)
{
    struct owned *o = find(h, m->job);
    char node[JOB_NAME_MAX];
    jobs_name(h->world, from, node);
    if (!o)
        return reply(h, from, m->id, XOS_NOT_FOUND, err);
    struct job_input in = {.kind = (enum job_input_kind)m->state,
                           .unit = m->unit,
                           .epoch = m->epoch,
                           .node = node,
                           .reason = "",
                           .exit = {.how = (enum unit_end)m->how, .value = m->value}};
    const struct job_unit *u = &o->job->units[m->unit];
    if (in.kind == JOB_IN_ENDED) {
        struct asked *r = xos_alloc(sizeof(*r));
        assert(r);
        *r = (struct asked){
            .id = m->id, .from = from, .job = m->job, .unit = m->unit, .epoch = m->epoch};
        DL_APPEND(h->reports, r);
        return head_step(h, o, in, err);
    }
    /* A frozen unit that was given up learns it here. */
    if (u->epoch != m->epoch || strcmp(u->node, node) != 0 || u->states.now == JOB_UNIT_DONE)
        return reply(h, from, m->id, XOS_STALE, err);
    if (head_step(h, o, in, err) < 0)
        return -1;
    return reply(h, from, m->id, XOS_NONE, err);
}

/* The node */

static int head_message(struct sim *s, void *node, sim_id from, struct xos_slice bytes,
                        struct xos_error *err)
{
    struct head *h = node;
    static struct jobs_message m;
    struct call *c;
    (void)s;
    assert(bytes.len <= sizeof(m));
    memcpy(&m, bytes.data, bytes.len);
    if (m.kind == JOBS_REPORT)
        return jobs_first(&h->seen, from, m.id) ? reported(h, from, &m, err) : 0;
    HASH_FIND(hh, h->calls, &m.id, sizeof(m.id), c);
    return c && c->to == from ? answered(h, c, &m, (enum xos_code)m.code, err) : 0;
}

static int owned_due(struct head *h, struct owned *o, uint64_t now, struct xos_error *err)
{
    if (o->batch && o->durable_at_ms <= now) {
        batch_write(h, o);
        if (run(h, o, err) < 0)
            return -1;
    }
    if (o->retry_at_ms && o->retry_at_ms <= now) {
        o->retry_at_ms = 0;
        if (head_step(h, o, (struct job_input){.kind = JOB_IN_RETRY}, err) < 0)
            return -1;
    }
    if (!o->again_at_ms || o->again_at_ms > now)
        return 0;
    o->again_at_ms = 0;
    return head_step(h, o, (struct job_input){.kind = JOB_IN_AGAIN}, err);
}

static int head_timer(struct sim *s, void *node, struct xos_error *err)
{
    struct head *h = node;
    struct owned *o, *after;
    struct call *c, *next;
    uint64_t now = sim_now_ms(s);
    HASH_ITER (hh, h->calls, c, next)
        if (c->until_ms <= now && answered(h, c, NULL, XOS_TIMEOUT, err) < 0)
            return -1;
    if (h->hold_out.next_ms <= jobs_clock_ms(h->world, h->id) &&
        hold_give(h, (struct hold_event){.kind = HOLD_TICK}, err) < 0)
        return -1;
    DL_FOREACH_SAFE(h->jobs, o, after)
    if (owned_due(h, o, now, err) < 0)
        return -1;
    return sim_timer(s, h->id, now + HEAD_TICK_MS, err);
}

static int head_link_down(struct sim *s, void *node, sim_id peer, struct xos_error *err)
{
    struct head *h = node;
    struct call *c, *next;
    (void)s;
    HASH_ITER (hh, h->calls, c, next)
        if (c->to == peer && c->kind != JOBS_HOLD && answered(h, c, NULL, XOS_UNAVAILABLE, err) < 0)
            return -1;
    return 0;
}

static void owned_free(struct owned *o)
{
    job_free(o->job);
    job_actions_free(&o->queue);
    xos_free(o);
}

static void head_stop(void *node)
{
    struct head *h = node;
    struct owned *o, *after;
    struct call *c, *next;
    struct asked *r, *r_after;
    DL_FOREACH_SAFE(h->jobs, o, after)
    {
        /* What was on its way to the disk may have got there, and nobody was told. */
        if (o->batch && sim_random_below(h->sim, 2))
            batch_write(h, o);
        DL_DELETE(h->jobs, o);
        owned_free(o);
    }
    HASH_ITER (hh, h->calls, c, next) {
        HASH_DEL(h->calls, c);
        xos_free(c);
    }
    DL_FOREACH_SAFE(h->reports, r, r_after)
    {
        DL_DELETE(h->reports, r);
        xos_free(r);
    }
    hold_free(h->hold);
    hold_actions_free(&h->hold_out);
    jobs_seen_free(&h->seen);
    xos_free(h);
}

static int owned_new(struct head *h, uint32_t number, struct owned **out, struct xos_error *err)
{
    char id[JOB_NAME_MAX];
    struct owned *o = xos_alloc(sizeof(*o));
    if (!o)
        return xos_fail(err, XOS_NOMEM, "job");
    o->number = number;
    jobs_id(h->world, number, id);
    if (job_new(&o->job, id, &h->world->jobs[number].shape, err) < 0) {
        xos_free(o);
        return -1;
    }
    DL_APPEND(h->jobs, o);
    *out = o;
    return 0;
}

static int load(struct head *h, uint32_t number, struct xos_error *err)
{
    const struct jobs_job *j = &h->world->jobs[number];
    struct owned *o;
    if (owned_new(h, number, &o, err) < 0)
        return -1;
    for (size_t i = 0; i < j->events; i++)
        if (job_apply(o->job, &j->log[i], err) < 0)
            return -1;
    for (uint32_t i = 0; i < o->job->shape.units; i++) {
        const struct job_unit *u = &o->job->units[i];
        struct hold_event ev = {.kind = HOLD_ADD,
                                .node = u->node,
                                .id.unit = i,
                                .epoch = u->epoch,
                                .fenced = o->job->shape.fenced};
        memcpy(ev.id.job, o->job->id, sizeof(ev.id.job));
        if (u->states.now >= JOB_UNIT_ASSIGNED && u->states.now < JOB_UNIT_DONE &&
            hold_give(h, ev, err) < 0)
            return -1;
    }
    return head_step(h, o, (struct job_input){.kind = JOB_IN_AGAIN}, err);
}

static int head_start(struct sim *s, sim_id self, void *world, struct xos_slice disk, void **node,
                      struct xos_error *err)
{
    struct head *h = xos_alloc(sizeof(*h));
    (void)disk;
    if (!h)
        return xos_fail(err, XOS_NOMEM, "head");
    h->ops = &jobs_head_ops;
    h->world = world;
    h->sim = s;
    h->id = self;
    h->last_id = sim_now_ms(s) << 16; /* never one of an earlier life */
    h->hold_out.next_ms = UINT64_MAX;
    int rc = hold_new(&h->hold, err);
    for (uint32_t i = 0; rc == 0 && i < h->world->job_count; i++)
        if (h->world->jobs[i].head == self && h->world->jobs[i].submitted)
            rc = load(h, i, err);
    if (rc < 0 || sim_timer(s, self, sim_now_ms(s) + HEAD_TICK_MS, err) < 0) {
        head_stop(h);
        return -1;
    }
    *node = h;
    return 0;
}

int jobs_head_submit(void *head, uint32_t job, struct xos_error *err)
{
    struct owned *o;
    if (find(head, job))
        return 0;
    if (owned_new(head, job, &o, err) < 0)
        return -1;
    return head_step(head, o, (struct job_input){.kind = JOB_IN_SUBMIT, .user = "alice@i0"}, err);
}

int jobs_head_signal(void *head, uint32_t job, struct xos_error *err)
{
    struct owned *o = find(head, job);
    struct job_input in = {
        .kind = JOB_IN_SIGNAL, .unit = JOB_ALL_UNITS, .signal = 15, .user = "alice@i0"};
    return o && !o->job->done ? head_step(head, o, in, err) : 0;
}

bool jobs_head_done(void *head, uint32_t job)
{
    struct owned *o = find(head, job);
    return o && o->job->done && !o->batch;
}

const struct sim_node_ops jobs_head_ops = {
    .start = head_start,
    .message = head_message,
    .timer = head_timer,
    .link_down = head_link_down,
    .stop = head_stop,
};
