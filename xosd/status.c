// SPDX-License-Identifier: Apache-2.0
#include "xosd/status.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"
#include "libxos/base/version.h"
#include "libxos/wire/pb.h"
#include "xosd/health.h"
#include "xosd/xosd.pb-c.h"

#include <sys/socket.h>

struct status {
    struct status_config config;
    struct xos_env *env;
    struct xos_timer *disk;
    double disk_free;
    const char *fullest; /* where that is */
    int64_t began_ms;
};

/* The look: what costs nothing but reading it */

struct look {
    int64_t now_ms;
    struct discovery_counts nodes;
    struct jobmgr_counts jobs;
    struct peers_clock clock;
};

static bool federated(const struct status *s)
{
    return s->config.identity->self.key != NULL;
}

static void look(const struct status *s, struct look *l)
{
    const struct status_config *c = &s->config;
    *l = (struct look){.now_ms = xos_env_real_ms(s->env)};
    discovery_counts(c->discovery, &l->nodes);
    if (c->jobs)
        jobmgr_count(c->jobs, &l->jobs);
    if (c->peers)
        peers_clock(c->peers, &l->clock);
}

void status_sample(struct status *s)
{
    const struct credential *id = s->config.identity;
    struct look l;
    look(s, &l);
    xos_metric_set(XOS_M_PEERS, "up", (double)l.nodes.up - 1);
    xos_metric_set(XOS_M_PEERS, "down", (double)l.nodes.down);
    if (!federated(s))
        return;
    xos_metric_set(XOS_M_CERT_EXPIRY_SECONDS, "node", (double)(id->to_ms - l.now_ms) / 1000);
    xos_metric_set(XOS_M_CERT_EXPIRY_SECONDS, "ca", (double)(id->ca_to_ms - l.now_ms) / 1000);
}

/* What is wrong */

static bool lost(struct xos_env *env, const char *path, int type)
{
    struct xos_error why;
    int fd = xos_env_unix_connect(env, path, type, &why);
    xos_env_close(env, fd);
    return fd < 0;
}

static size_t problems_of(const struct status *s, const struct look *l,
                          struct health_problem out[HEALTH_CHECKS_MAX])
{
    const struct config *c = s->config.config;
    const struct credential *id = s->config.identity;
    const bool certified = federated(s);
    const struct health_facts facts = {
        .disk_free = s->disk_free,
        .disk_path = s->fullest,
        .disk_percent_min = c->spool_min_free,
        .store_failed = l->jobs.store_failed,
        .store = c->store_url,
        .execd_lost = c->worker && lost(s->env, c->execd_socket, SOCK_SEQPACKET),
        .execd_path = c->execd_socket,
        .ca_lost = c->head && certified && lost(s->env, c->ca_socket, SOCK_STREAM),
        .ca_path = c->ca_socket,
        .certified = certified,
        .cert_left_ms = id->to_ms - l->now_ms,
        .ca_left_ms = id->ca_to_ms - l->now_ms,
        .seeds = c->seed_count,
        .settled = discovery_settled(s->config.discovery),
        .others = l->nodes.up - 1,
        .clock_node = l->clock.node,
        .clock_ahead_ms = l->clock.ahead_ms,
    };
    return health_check(&facts, out);
}

bool status_well(void *status, struct xos_buf *out)
{
    const struct status *s = status;
    struct health_problem problems[HEALTH_CHECKS_MAX];
    struct xos_error err;
    struct look l;
    look(s, &l);
    size_t n = problems_of(s, &l, problems);
    for (size_t i = 0; i < n; i++)
        (void)xos_buf_addf(out, &err, "%s: %s\n", problems[i].what, problems[i].why);
    return n == 0;
}

/* The answer */

struct report {
    Xos__Node__StatusPb m;
    struct health_problem problems[HEALTH_CHECKS_MAX];
    Xos__Node__ProblemPb rows[HEALTH_CHECKS_MAX], *list[HEALTH_CHECKS_MAX];
    ProtobufCBinaryData roles[4];
};

static void roles_put(struct report *r, const struct config *c)
{
    const struct {
        bool has;
        const char *name;
    } all[] = {
        {c->head, "head"}, {c->worker, "worker"}, {c->storage, "storage"}, {c->gateway, "gateway"}};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i].has)
            r->roles[r->m.n_roles++] = xos_pb_text(all[i].name);
    r->m.roles = r->roles;
}

static void problems_put(struct report *r, const struct status *s, const struct look *l)
{
    r->m.n_problems = problems_of(s, l, r->problems);
    r->m.problems = r->list;
    for (size_t i = 0; i < r->m.n_problems; i++) {
        xos__node__problem_pb__init(&r->rows[i]);
        r->rows[i].what = xos_pb_text(r->problems[i].what);
        r->rows[i].why = xos_pb_text(r->problems[i].why);
        r->list[i] = &r->rows[i];
    }
}

static void report_fill(struct report *r, const struct status *s, const struct look *l)
{
    const struct config *c = s->config.config;
    xos__node__status_pb__init(&r->m);
    r->m.node = xos_pb_text(c->node);
    r->m.institution = xos_pb_text(c->institution);
    r->m.release = xos_pb_text(xos_version);
    r->m.state = xos_pb_text(!l->jobs.draining ? "up" : l->jobs.empty ? "drained" : "draining");
    r->m.federated = federated(s);
    r->m.started_ms = (uint64_t)s->began_ms;
    r->m.nodes_up = (uint32_t)l->nodes.up;
    r->m.nodes_down = (uint32_t)l->nodes.down;
    r->m.jobs = l->jobs.jobs;
    r->m.units = l->jobs.units;
    r->m.claims = l->jobs.claims;
    r->m.disk_free = s->disk_free;
    r->m.certificate_ms = (uint64_t)s->config.identity->to_ms; /* 0 where there is none */
    r->m.ca_ms = (uint64_t)s->config.identity->ca_to_ms;
    roles_put(r, c);
    problems_put(r, s, l);
}

static void serve(void *service, struct xos_call *call)
{
    const struct status *s = service;
    struct xos_buf body = XOS_BUF(XOS_BODY_BYTES_MAX);
    struct report r = {.problems = {{.what = ""}}};
    struct xos_error err = {0};
    struct look l;
    if (xos_call_caller(call)->kind != XOS_CALLER_LOCAL) {
        xos_fail(&err, XOS_DENIED, "node.status is asked on the node itself");
        xos_call_fail(call, &err);
        return;
    }
    look(s, &l);
    report_fill(&r, s, &l);
    if (xos_pb_pack(&r.m, &body, &err) < 0)
        xos_call_fail(call, &err);
    else
        xos_call_answer(call, (struct xos_slice){body.data, body.len});
    xos_buf_free(&body);
}

static const struct xos_verb verbs[] = {{"node.status", serve, XOS_VERB_OPEN}};

/* The disk */

static void look_at(struct status *s, const char *path)
{
    struct xos_error err;
    struct xos_disk found;
    int dir = xos_env_dir_open(s->env, path, &err);
    if (dir >= 0 && xos_env_disk_free(s->env, dir, &found, &err) == 0) {
        xos_metric_set(XOS_M_DISK_FREE_RATIO, path, found.free_ratio);
        if (found.free_ratio < s->disk_free) {
            s->disk_free = found.free_ratio;
            s->fullest = path;
        }
    }
    xos_env_close(s->env, dir);
}

/* State and output may lie on two: the fuller one counts. */
static void on_disk(void *arg)
{
    struct status *s = arg;
    s->disk_free = 1;
    s->fullest = s->config.config->state_dir;
    look_at(s, s->config.config->state_dir);
    if (s->config.config->worker)
        look_at(s, s->config.config->spool_dir);
    if (s->config.jobs)
        jobmgr_full(s->config.jobs, s->disk_free * 100 < s->config.config->spool_min_free);
    xos_timer_set(s->disk, STATUS_DISK_MS);
}

int status_new(struct status **out, const struct status_config *config, struct xos_error *err)
{
    struct status *s = xos_alloc(sizeof(*s));
    if (!s)
        return xos_fail(err, XOS_NOMEM, "status");
    *s = (struct status){.config = *config, .env = xos_loop_env(config->loop)};
    s->began_ms = xos_env_real_ms(s->env);
    if (xos_timer_new(&s->disk, config->loop, on_disk, s, err) < 0 ||
        xos_rpc_serve(config->rpc, verbs, sizeof(verbs) / sizeof(verbs[0]), s, err) < 0) {
        status_free(s);
        return -1;
    }
    on_disk(s);
    *out = s;
    return 0;
}

void status_free(struct status *s)
{
    if (!s)
        return;
    xos_timer_free(s->disk);
    xos_free(s);
}
