// SPDX-License-Identifier: Apache-2.0
/* jobs.c - what heads and workers of the simulation share. */
#include "tests/sim/jobs.h"

#include "libxos/base/alloc.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if !__has_include("jobmgr/exec/fence.h")
enum fence_action fence_step(struct fence *f, const struct fence_event *ev)
{
    if (ev->kind == FENCE_RENEW) {
        if (ev->epoch != f->epoch)
            return ev->epoch < f->epoch ? FENCE_STALE : FENCE_SUPERSEDED;
        f->fenced = ev->fenced;
        if (ev->deadline_ms > f->deadline_ms)
            f->deadline_ms = ev->deadline_ms;
    }
    bool freeze = f->fenced && ev->now_ms >= f->deadline_ms;
    if (freeze == f->frozen)
        return FENCE_NOTHING;
    f->frozen = freeze;
    return freeze ? FENCE_FREEZE : FENCE_THAW;
}
#endif

uint64_t jobs_clock_ms(const struct jobs_world *w, sim_id id)
{
    const struct jobs_machine *m = &w->machines[id];
    int64_t up = (int64_t)(sim_now_ms(w->sim) - m->booted_ms);
    return 1000 + (uint64_t)(up + up * m->rate_ppm / 1000000);
}

void jobs_name(const struct jobs_world *w, sim_id id, char name[JOB_NAME_MAX])
{
    (void)snprintf(name, JOB_NAME_MAX, "n%u.i%u", id, id % w->heads);
}

sim_id jobs_node(const char *name)
{
    assert(name[0] == 'n');
    return (sim_id)strtoul(name + 1, NULL, 10);
}

void jobs_id(const struct jobs_world *w, uint32_t job, char id[JOB_NAME_MAX])
{
    (void)snprintf(id, JOB_NAME_MAX, "i%u-%u", w->jobs[job].head, job);
}

uint32_t jobs_number(const char *id)
{
    const char *dash = strchr(id, '-');
    assert(dash);
    return (uint32_t)strtoul(dash + 1, NULL, 10);
}

int jobs_status(uint32_t job, uint32_t unit)
{
    return (int)((job * 7 + unit * 3) % 5);
}

struct jobs_shim *jobs_shim_find(struct jobs_world *w, sim_id id, uint32_t job, uint32_t unit,
                                 uint64_t epoch)
{
    for (size_t i = 0; i < JOBS_SHIMS_MAX; i++) {
        struct jobs_shim *s = &w->machines[id].shims[i];
        if (s->there && s->job == job && s->unit == unit && s->fence.epoch == epoch)
            return s;
    }
    return NULL;
}

bool jobs_first(struct jobs_seen **seen, sim_id from, uint64_t id)
{
    struct jobs_seen *s;
    uint64_t key = (uint64_t)from << 48 | id;
    HASH_FIND(hh, *seen, &key, sizeof(key), s);
    if (s)
        return false;
    s = xos_alloc(sizeof(*s));
    assert(s);
    s->key = key;
    HASH_ADD(hh, *seen, key, sizeof(s->key), s);
    return true;
}

void jobs_seen_free(struct jobs_seen **seen)
{
    struct jobs_seen *s, *after;
    HASH_ITER (hh, *seen, s, after) {
        HASH_DEL(*seen, s);
        xos_free(s);
    }
}

int jobs_send(struct jobs_world *w, sim_id from, sim_id to, const struct jobs_message *m,
              struct xos_error *err)
{
    size_t len = offsetof(struct jobs_message, held) + m->count * sizeof(m->held[0]);
    return sim_send(w->sim, from, to, (struct xos_slice){(const uint8_t *)m, len}, err);
}

/* A node is a head or a worker by its number */

static const struct sim_node_ops *ops_of(const void *node)
{
    return *(const struct sim_node_ops *const *)node;
}

static int jobs_start(struct sim *s, sim_id self, void *world, struct xos_slice disk, void **node,
                      struct xos_error *err)
{
    struct jobs_world *w = world;
    const struct sim_node_ops *ops = self < w->heads ? &jobs_head_ops : &jobs_worker_ops;
    struct jobs_machine *m = &w->machines[self];
    if (!m->up) {
        m->up = true;
        m->booted_ms = sim_now_ms(s);
    }
    return ops->start(s, self, world, disk, node, err);
}

static int jobs_message(struct sim *s, void *node, sim_id from, struct xos_slice bytes,
                        struct xos_error *err)
{
    return ops_of(node)->message(s, node, from, bytes, err);
}

static int jobs_timer(struct sim *s, void *node, struct xos_error *err)
{
    return ops_of(node)->timer(s, node, err);
}

static int jobs_link_down(struct sim *s, void *node, sim_id peer, struct xos_error *err)
{
    return ops_of(node)->link_down(s, node, peer, err);
}

static void jobs_stop(void *node)
{
    if (node)
        ops_of(node)->stop(node);
}

const struct sim_node_ops jobs_ops = {
    .start = jobs_start,
    .message = jobs_message,
    .timer = jobs_timer,
    .link_down = jobs_link_down,
    .stop = jobs_stop,
};
