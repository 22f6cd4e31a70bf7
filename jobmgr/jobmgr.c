// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/jobmgr.h"

#include "jobmgr/service/head.h"
#include "jobmgr/service/retention.h"
#include "jobmgr/service/worker.h"
#include "libxos/base/alloc.h"

#include <stdio.h>
#include <string.h>

static const struct xos_migration migrations[] = {
    {1, "jobs, their events, and the units of this worker",
     "CREATE TABLE job (number INTEGER PRIMARY KEY, user_name TEXT NOT NULL,"
     " done INTEGER NOT NULL, ended_ms INTEGER NOT NULL) STRICT;"
     "CREATE INDEX job_live ON job (done, ended_ms);"
     "CREATE TABLE event (job INTEGER NOT NULL, sequence INTEGER NOT NULL, data BLOB NOT NULL,"
     " PRIMARY KEY (job, sequence)) STRICT;"
     "CREATE TABLE operation (id BLOB PRIMARY KEY, job INTEGER NOT NULL) STRICT;"
     "CREATE TABLE unit (exec_id TEXT PRIMARY KEY, head TEXT NOT NULL, user_name TEXT NOT NULL,"
     " vo TEXT NOT NULL, start BLOB NOT NULL, ended BLOB, ended_ms INTEGER NOT NULL,"
     " told INTEGER NOT NULL) STRICT;"
     "CREATE INDEX unit_live ON unit (told, ended_ms);",
     NULL, NULL},
};

struct jobmgr {
    struct jobmgr_config config;
    struct xos_store *store;
    struct xos_watch *delivery;
    struct head *head;
    struct worker *worker;
    struct retention *retention;
};

static void on_delivery(int fd, unsigned what, void *arg)
{
    (void)fd;
    (void)what;
    struct jobmgr *j = arg;
    xos_store_deliver(j->store);
}

struct gathering {
    const struct jobmgr *jobs;
    struct discovery_want want;
    struct discovery_prefer *prefer; /* NULL: none */
    struct place_node *out;
    size_t count;
};

_Static_assert(PLACE_VALUE_MAX == DISCOVERY_VALUE_BYTES, "a value has one size");
_Static_assert(HEAD_CANDIDATES_MAX <= DISCOVERY_PREFER_MAX, "each candidate has a place");

static int gather(void *arg, const struct discovery_node *found)
{
    struct gathering *g = arg;
    struct place_node *n = &g->out[g->count];
    if (!found->up)
        return 0;
    memset(n, 0, sizeof(*n));
    (void)snprintf(n->node, sizeof(n->node), "%s", found->node);
    (void)snprintf(n->institution, sizeof(n->institution), "%s", found->institution);
    n->all = (struct claim_need){found->cpus, found->mem_bytes, found->gpus};
    n->free = (struct claim_need){found->cpus_free, found->mem_free_bytes, found->gpus_free};
    discovery_want_values(&g->want, found, n->group, n->same);
    if (g->prefer)
        discovery_prefer_add(g->prefer, found);
    return ++g->count == HEAD_CANDIDATES_MAX;
}

/* Discovery's picture of this very node may be old; its own claims are not. */
static void correct_own(const struct gathering *g)
{
    for (size_t i = 0; g->jobs->worker && i < g->count; i++)
        if (strcmp(g->out[i].node, g->jobs->config.node) == 0)
            claim_free_now(g->jobs->worker->claims, &g->out[i].free);
}

static void put_places(const struct gathering *g)
{
    static uint32_t places[DISCOVERY_PREFER_MAX];
    discovery_prefer_places(g->prefer, places);
    for (size_t i = 0; i < g->count; i++)
        g->out[i].behind = places[i];
}

static int candidates(void *arg, const struct job_spec *spec, struct place_layout *layout,
                      struct place_node *out, size_t *count, struct xos_error *err)
{
    struct jobmgr *j = arg;
    struct gathering g = {.jobs = j, .out = out};
    bool prefers = spec->prefer && spec->prefer[0];
    int rc = discovery_want(&g.want, spec->want, err);
    if (rc == 0 && prefers)
        rc = discovery_prefer_new(&g.prefer, spec->prefer, err);
    if (rc == 0)
        rc = discovery_query(j->config.discovery, spec->need, gather, &g, err);
    if (rc == 0 && prefers)
        put_places(&g);
    discovery_prefer_free(g.prefer);
    if (rc < 0)
        return -1;
    correct_own(&g);
    *layout =
        (struct place_layout){.pack = g.want.pack, .groups = g.want.groups, .same = g.want.same};
    *count = g.count;
    return 0;
}

static void address(void *arg, const char *node, char out[HEAD_ADDRESS_BYTES])
{
    const struct jobmgr *j = arg;
    struct discovery_reach reach;
    if (discovery_reach_of(j->config.discovery, node, &reach, NULL) == 0)
        (void)snprintf(out, HEAD_ADDRESS_BYTES, "%s", reach.at[0].host);
}

static bool settled(void *arg)
{
    const struct jobmgr *j = arg;
    return discovery_settled(j->config.discovery);
}

static int check_spec(void *arg, const struct job_spec *spec, struct xos_error *err)
{
    (void)arg;
    return discovery_check(spec->need, spec->prefer, spec->want, err);
}

static int open_store(struct jobmgr *j, struct xos_error *err)
{
    struct xos_store_config store = {.url = j->config.store_url,
                                     .name = "jobs",
                                     .migrations = migrations,
                                     .count = sizeof(migrations) / sizeof(migrations[0]),
                                     .env = xos_loop_env(j->config.loop),
                                     .exclusive = true}; /* a job has one owner */
    if (xos_store_open(&j->store, &store, err) < 0)
        return -1;
    return xos_watch_new(&j->delivery, j->config.loop, xos_store_fd(j->store), XOS_READABLE,
                         on_delivery, j, err);
}

static void on_room(void *arg)
{
    struct jobmgr *j = arg;
    if (j->head)
        head_room(j->head);
}

/* Others place units by what this node's row says is free. */
static void on_claimed(void *arg)
{
    struct jobmgr *j = arg;
    struct claim_need left;
    if (!j->worker)
        return;
    claim_free_now(j->worker->claims, &left);
    discovery_state(j->config.discovery, !j->worker->draining      ? DISCOVERY_UP
                                         : worker_empty(j->worker) ? DISCOVERY_DRAINED
                                                                   : DISCOVERY_DRAINING);
    discovery_claimed(j->config.discovery, j->config.cpus - left.cpus,
                      j->config.mem_bytes - left.mem_bytes);
}

void jobmgr_drain(struct jobmgr *j, bool draining)
{
    if (j->worker)
        worker_drain(j->worker, draining);
}

void jobmgr_full(struct jobmgr *j, bool full)
{
    if (j->worker)
        j->worker->full = full;
    if (j->head)
        head_full(j->head, full);
}

void jobmgr_count(struct jobmgr *j, struct jobmgr_counts *out)
{
    *out = (struct jobmgr_counts){.store_failed = xos_store_failed(j->store)};
    if (j->head)
        out->jobs = head_count(j->head);
    if (!j->worker)
        return;
    out->units = worker_count(j->worker);
    out->claims = (uint32_t)claim_count(j->worker->claims);
    out->draining = j->worker->draining;
    out->empty = worker_empty(j->worker);
}

static void on_isolates(void *arg, const char *how)
{
    struct jobmgr *j = arg;
    discovery_isolation(j->config.discovery, how);
}

static int start_worker(struct jobmgr *j, struct xos_error *err)
{
    const struct jobmgr_config *c = &j->config;
    struct worker_config w = {
        .loop = c->loop,
        .rpc = c->rpc,
        .store = j->store,
        .node = c->node,
        .institution = c->institution,
        .execd_path = c->execd_path,
        .run_dir = c->run_dir,
        .spool_dir = c->spool_dir,
        .limits = {.node = {c->cpus, c->mem_bytes, c->gpus},
                   .units_per_user = c->limits.units_per_user},
        .output_bytes_max = c->output_bytes_max,
        .room = on_room,
        .claimed = on_claimed,
        .isolates = on_isolates,
        .arg = j,
        .trust = c->trust,
        .self = c->self,
        .accept_unisolated = c->accept_unisolated,
        .own_user = c->own_user,
        .admit = c->admit,
        .admit_arg = c->admit_arg,
    };
    return worker_new(&j->worker, &w, err);
}

static int start_head(struct jobmgr *j, struct xos_error *err)
{
    const struct jobmgr_config *c = &j->config;
    struct head_config h = {
        .loop = c->loop,
        .rpc = c->rpc,
        .store = j->store,
        .node = c->node,
        .institution = c->institution,
        .candidates = candidates,
        .address = address,
        .settled = settled,
        .check = check_spec,
        .arg = j,
        .jobs_per_user = c->limits.jobs_per_user,
        .jobs_per_vo = c->limits.jobs_per_vo,
        .trust = c->trust,
        .self = c->self,
    };
    return head_new(&j->head, &h, err);
}

static int start_retention(struct jobmgr *j, struct xos_error *err)
{
    const struct retention_config c = {.loop = j->config.loop,
                                       .store = j->store,
                                       .execd = j->worker ? j->worker->execd : NULL,
                                       .output_ms = j->config.limits.output_kept_ms,
                                       .history_ms = j->config.limits.history_ms};
    return retention_new(&j->retention, &c, err);
}

int jobmgr_new(struct jobmgr **out, const struct jobmgr_config *config, struct xos_error *err)
{
    struct jobmgr *j = xos_alloc(sizeof(*j));
    if (!j)
        return xos_fail(err, XOS_NOMEM, "job service");
    j->config = *config;
    if (open_store(j, err) < 0 || (config->worker && start_worker(j, err) < 0) ||
        (config->head && start_head(j, err) < 0) || start_retention(j, err) < 0) {
        jobmgr_free(j);
        return xos_wrap(err, "job service");
    }
    *out = j;
    return 0;
}

void jobmgr_limits(struct jobmgr *j, const struct jobmgr_limits *limits)
{
    j->config.limits = *limits;
    if (j->head)
        head_limits(j->head, limits->jobs_per_user, limits->jobs_per_vo);
    if (j->worker)
        worker_limits(j->worker, limits->units_per_user);
    retention_limits(j->retention, limits->output_kept_ms, limits->history_ms);
}

void jobmgr_free(struct jobmgr *j)
{
    if (!j)
        return;
    xos_watch_free(j->delivery);
    xos_store_close(j->store);
    retention_free(j->retention);
    head_free(j->head);
    worker_free(j->worker);
    xos_free(j);
}
