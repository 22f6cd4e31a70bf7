// SPDX-License-Identifier: Apache-2.0
#include "xosd/status.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"
#include "libxos/base/version.h"
#include "libxos/wire/pb.h"
#include "xosd/xosd.pb-c.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define STATUS_TEXT_BYTES 256
#define HOUR_MS 3600000.0

struct status {
    struct status_config config;
    struct xos_env *env;
    struct xos_timer *disk;
    double disk_free;
    const char *fullest; /* where that is */
    int64_t began_ms;
};

/* The look */

struct look {
    const struct config *config;
    double disk_free;
    const char *fullest;
    bool federated;
    int64_t cert_left_ms, ca_left_ms;
    struct discovery_counts nodes;
    bool settled; /* it has been among the others for long enough to know them */
    struct jobmgr_counts jobs;
    struct peers_clock clock;
    bool execd, ca; /* answers at its socket, or is not needed here */
};

static bool answers(struct xos_env *env, const char *path, int type)
{
    struct xos_error why;
    int fd = xos_env_unix_connect(env, path, type, &why);
    xos_env_close(env, fd);
    return fd >= 0;
}

static void take(const struct status *s, struct look *l)
{
    const struct status_config *c = &s->config;
    int64_t now = xos_env_real_ms(s->env);
    *l = (struct look){.config = c->config, .disk_free = s->disk_free, .fullest = s->fullest};
    l->federated = c->identity->self.key != NULL;
    l->cert_left_ms = c->identity->to_ms - now;
    l->ca_left_ms = c->identity->ca_to_ms - now;
    l->settled = discovery_settled(c->discovery);
    discovery_counts(c->discovery, &l->nodes);
    if (c->jobs)
        jobmgr_count(c->jobs, &l->jobs);
    if (c->peers)
        peers_clock(c->peers, &l->clock);
    l->execd = !c->config->worker || answers(s->env, c->config->execd_socket, SOCK_SEQPACKET);
    l->ca = !c->config->head || !l->federated || answers(s->env, c->config->ca_socket, SOCK_STREAM);
}

/* What may be wrong: each writes why and what to do, and is true when it is. */

static bool disk(const struct look *l, char *text, size_t size)
{
    (void)snprintf(text, size,
                   "%.1f %% free under %s: below %u %% (spool_min_free) no new unit is taken: make "
                   "room",
                   l->disk_free * 100, l->fullest, l->config->spool_min_free);
    return l->disk_free * 100 < l->config->spool_min_free;
}

static bool store(const struct look *l, char *text, size_t size)
{
    (void)snprintf(text, size, "%.120s could not be written: check the disk, then start xosd again",
                   l->config->store_url);
    return l->jobs.store_failed;
}

static bool execd(const struct look *l, char *text, size_t size)
{
    (void)snprintf(text, size,
                   "nobody answers at %.120s: no unit can be started: is xos-execd running?",
                   l->config->execd_socket);
    return !l->execd;
}

static bool ca(const struct look *l, char *text, size_t size)
{
    (void)snprintf(text, size,
                   "nobody answers at %.120s: nobody can log in or renew: is xos-ca running?",
                   l->config->ca_socket);
    return !l->ca;
}

static bool certificate(const struct look *l, char *text, size_t size)
{
    bool over = l->cert_left_ms < 0;
    (void)snprintf(text, size,
                   "the node's certificate %s %.1f h %s and was not renewed: is a head in reach? "
                   "The log says CERT_EXPIRING and why",
                   over ? "ended" : "ends in",
                   (double)(over ? -l->cert_left_ms : l->cert_left_ms) / HOUR_MS,
                   over ? "ago" : "from now");
    return l->federated && l->cert_left_ms < STATUS_CERT_MS_MIN;
}

static bool issuer(const struct look *l, char *text, size_t size)
{
    (void)snprintf(
        text, size,
        "the certificate of the issuing CA ends in %.0f days: have the offline root sign "
        "a new one, xos-ca(8)",
        (double)l->ca_left_ms / HOUR_MS / 24);
    return l->federated && l->ca_left_ms < STATUS_CA_MS_MIN;
}

static bool network(const struct look *l, char *text, size_t size)
{
    (void)snprintf(text, size,
                   "no other node is in reach, though %zu are named in [net] seeds: is the network "
                   "up, and do they run?",
                   l->config->seed_count);
    return l->federated && l->config->seed_count && l->settled && l->nodes.up <= 1;
}

static bool clocks(const struct look *l, char *text, size_t size)
{
    (void)snprintf(text, size,
                   "that of %s is %.1f s %s ours: above 60 s requests are refused: run NTP on both",
                   l->clock.node,
                   (double)(l->clock.ahead_ms < 0 ? -l->clock.ahead_ms : l->clock.ahead_ms) / 1000,
                   l->clock.ahead_ms < 0 ? "behind" : "ahead of");
    return l->clock.ahead_ms > STATUS_CLOCK_MS_MAX || l->clock.ahead_ms < -STATUS_CLOCK_MS_MAX;
}

static const struct {
    const char *what;
    bool (*wrong)(const struct look *l, char *text, size_t size);
} checks[] = {
    {"disk", disk},
    {"store", store},
    {"xos-execd", execd},
    {"xos-ca", ca},
    {"certificate", certificate},
    {"issuing CA", issuer},
    {"network", network},
    {"clock", clocks},
};
#define CHECKS (sizeof(checks) / sizeof(checks[0]))

bool status_well(void *status, struct xos_buf *out)
{
    const struct status *s = status;
    char text[STATUS_TEXT_BYTES];
    struct xos_error err;
    struct look l;
    bool well = true;
    take(s, &l);
    for (size_t i = 0; i < CHECKS; i++) {
        if (!checks[i].wrong(&l, text, sizeof(text)))
            continue;
        well = false;
        (void)xos_buf_addf(out, &err, "%s: %s\n", checks[i].what, text);
    }
    return well;
}

void status_sample(struct status *s)
{
    struct look l;
    take(s, &l);
    xos_metric_set(XOS_M_PEERS, "up", (double)l.nodes.up - 1);
    xos_metric_set(XOS_M_PEERS, "down", (double)l.nodes.down);
    if (!l.federated)
        return;
    xos_metric_set(XOS_M_CERT_EXPIRY_SECONDS, "node", (double)l.cert_left_ms / 1000);
    xos_metric_set(XOS_M_CERT_EXPIRY_SECONDS, "ca", (double)l.ca_left_ms / 1000);
}

/* The answer */

struct report {
    Xos__Node__StatusPb m;
    Xos__Node__ProblemPb problems[CHECKS], *list[CHECKS];
    char text[CHECKS][STATUS_TEXT_BYTES];
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

static void problems_put(struct report *r, const struct look *l)
{
    for (size_t i = 0; i < CHECKS; i++) {
        size_t k = r->m.n_problems;
        if (!checks[i].wrong(l, r->text[k], STATUS_TEXT_BYTES))
            continue;
        xos__node__problem_pb__init(&r->problems[k]);
        r->problems[k].what = xos_pb_text(checks[i].what);
        r->problems[k].why = xos_pb_text(r->text[k]);
        r->list[k] = &r->problems[k];
        r->m.n_problems++;
    }
    r->m.problems = r->list;
}

static void report_fill(struct report *r, const struct status *s, const struct look *l)
{
    const struct config *c = l->config;
    xos__node__status_pb__init(&r->m);
    r->m.node = xos_pb_text(c->node);
    r->m.institution = xos_pb_text(c->institution);
    r->m.release = xos_pb_text(xos_version);
    r->m.state = xos_pb_text(!l->jobs.draining ? "up" : l->jobs.empty ? "drained" : "draining");
    r->m.federated = l->federated;
    r->m.started_ms = (uint64_t)s->began_ms;
    r->m.nodes_up = (uint32_t)l->nodes.up;
    r->m.nodes_down = (uint32_t)l->nodes.down;
    r->m.jobs = l->jobs.jobs;
    r->m.units = l->jobs.units;
    r->m.claims = l->jobs.claims;
    r->m.disk_free = l->disk_free;
    r->m.certificate_ms = l->federated ? (uint64_t)s->config.identity->to_ms : 0;
    r->m.ca_ms = l->federated ? (uint64_t)s->config.identity->ca_to_ms : 0;
    roles_put(r, c);
    problems_put(r, l);
}

static void serve(void *service, struct xos_call *call)
{
    const struct status *s = service;
    struct xos_buf body = XOS_BUF(XOS_BODY_BYTES_MAX);
    struct report r = {.text = {""}};
    struct xos_error err = {0};
    struct look l;
    if (xos_call_caller(call)->kind != XOS_CALLER_LOCAL) {
        xos_fail(&err, XOS_DENIED, "node.status is asked on the node itself");
        xos_call_fail(call, &err);
        return;
    }
    take(s, &l);
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
