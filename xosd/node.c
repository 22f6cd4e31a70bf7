// SPDX-License-Identifier: Apache-2.0
#include "xosd/node.h"

#include "discovery/discovery.h"
#include "jobmgr/jobmgr.h"
#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"
#include "libxos/base/version.h"
#include "libxos/net/local.h"
#include "libxos/wire/pb.h"
#include "xosd/ca_pipe.h"
#include "xosd/credential.h"
#include "xosd/drain.h"
#include "xosd/forward.h"
#include "xosd/gate.h"
#include "xosd/membership.h"
#include "xosd/peers.h"
#include "xosd/renewal.h"
#include "xosd/status.h"
#include "xosd/web.h"
#include "xosd/xosd.pb-c.h"

#include <string.h>

struct node {
    struct xos_loop *loop;
    struct xos_env *env;
    struct config config;
    struct xos_id boot_id;
    struct credential credential; /* empty: this node stands alone */
    struct auth_trust *trust;     /* NULL then */
    struct gate *gate;
    struct peers *peers; /* NULL: no other node is to be reached */
    struct membership *membership;
    struct forward *forward;
    struct ca_pipe *ca;
    struct renewal *renewal;
    struct discovery *discovery;
    struct xos_rpc *rpc;
    struct jobmgr *jobs;
    struct drain *drain;
    struct xos_local *local;
    struct status *status;
    struct web *web;
};

/* What anybody may ask */

static void serve_hello(void *service, struct xos_call *call)
{
    const struct node *n = service;
    struct xos_buf body = XOS_BUF(1024);
    struct xos_error err = {0};
    Xos__Node__HelloPb m = XOS__NODE__HELLO_PB__INIT;
    m.node = xos_pb_text(n->config.node);
    m.institution = xos_pb_text(n->config.institution);
    m.boot_id = xos_pb_bytes((struct xos_slice){n->boot_id.bytes, XOS_ID_BYTES});
    m.protocol = XOS_PROTOCOL_VERSION;
    m.release = xos_pb_text(xos_version);
    m.federated = n->trust != NULL;
    m.nodes = (uint32_t)discovery_count(n->discovery);
    m.overlay_port = n->peers ? peers_overlay_port(n->peers) : 0;
    if (xos_pb_pack(&m, &body, &err) < 0)
        xos_call_fail(call, &err);
    else
        xos_call_answer(call, (struct xos_slice){body.data, body.len});
    xos_buf_free(&body);
}

static const struct xos_verb verbs[] = {
    {"node.hello", serve_hello, XOS_VERB_OPEN | XOS_VERB_PROVEN}};

/* Start, step by step */

static int start_gate(struct node *n, const struct xos_user *who, struct xos_error *err)
{
    const struct gate_config c = {.env = n->env,
                                  .uid = who->uid,
                                  .login = who->login,
                                  .config = &n->config,
                                  .trust = n->trust};
    return gate_new(&n->gate, &c, err);
}

/* With a certificate it is one of many; without, it stands alone. */
static int start_identity(struct node *n, struct xos_error *err)
{
    struct xos_error why = {0};
    struct xos_user who;
    if (xos_env_user(n->env, &who, err) < 0)
        return -1;
    if (who.uid == 0)
        return xos_fail(err, XOS_DENIED,
                        "xosd parses bytes from the network and is never root: "
                        "start it as the user xos");
    if (xos_env_random(n->env, n->boot_id.bytes, sizeof(n->boot_id.bytes), err) < 0)
        return -1;
    if (credential_open(&n->credential, n->env, n->config.state_dir, n->config.node, &why) == 0) {
        if (auth_trust_open(&n->trust, n->env, n->config.trust_dir, err) < 0)
            return -1;
    } else if (why.code != XOS_NOT_FOUND) {
        return xos_fail(err, why.code, "%s", why.text);
    }
    return start_gate(n, &who, err);
}

static uint32_t roles_of(const struct config *c)
{
    return (c->head ? AUTH_NODE_HEAD : 0u) | (c->worker ? AUTH_NODE_WORKER : 0u) |
           (c->storage ? AUTH_NODE_STORAGE : 0u) | (c->gateway ? AUTH_NODE_GATEWAY : 0u);
}

static int start_discovery(struct node *n, struct xos_error *err)
{
    struct discovery_config c = {.loop = n->loop,
                                 .env = n->env,
                                 .node = n->config.node,
                                 .institution = n->config.institution,
                                 .root = "/",
                                 .state_dir = n->config.state_dir,
                                 .cpus = n->config.cpus,
                                 .mem_bytes = n->config.mem_bytes,
                                 .trust = n->trust,
                                 .self = &n->credential.self,
                                 .roles = roles_of(&n->config),
                                 .seed_count = n->config.seed_count};
    memcpy(c.curve_key, n->credential.curve_public, sizeof(c.curve_key));
    return discovery_new(&n->discovery, &c, err);
}

/* Other nodes */

static int reach(void *arg, const char *node, struct discovery_reach *out, struct xos_error *err)
{
    struct node *n = arg;
    return discovery_reach_of(n->discovery, node, out, err);
}

static void on_stream(void *arg, struct xos_stream *stream, struct xos_slice first)
{
    struct node *n = arg;
    xos_rpc_take_stream(n->rpc, stream, first);
}

static void on_message(void *arg, const char *node, struct xos_slice message)
{
    struct node *n = arg;
    if (n->membership)
        discovery_on_message(n->discovery, node, message);
}

static void on_down(void *arg, const char *node)
{
    struct node *n = arg;
    if (n->membership)
        discovery_on_down(n->discovery, node);
}

static void on_seed(void *arg, size_t seed, const char *node)
{
    struct node *n = arg;
    if (n->membership)
        membership_on_seed(n->membership, seed, node);
}

static void on_seed_down(void *arg, size_t seed)
{
    struct node *n = arg;
    if (n->membership)
        membership_on_seed_down(n->membership, seed);
}

static int start_peers(struct node *n, struct xos_error *err)
{
    struct peers_config c = {.loop = n->loop,
                             .trust = n->trust,
                             .identity = &n->credential,
                             .config = &n->config,
                             .reach = reach,
                             .on_stream = on_stream,
                             .on_message = on_message,
                             .on_down = on_down,
                             .on_seed = on_seed,
                             .on_seed_down = on_seed_down,
                             .arg = n};
    if (!n->trust || !n->config.listen[0])
        return 0;
    return peers_new(&n->peers, &c, err);
}

/* A head answers for its institution itself. */
static const char *head_of(void *arg, const char *institution)
{
    struct node *n = arg;
    if (n->config.head && strcmp(institution, n->config.institution) == 0)
        return n->config.node;
    const char *known = discovery_head_of(n->discovery, institution);
    return known || !n->peers ? known : peers_head(n->peers, institution);
}

static void forward(void *arg, struct xos_call *call, const struct xos_request *request,
                    bool is_signed, struct xos_slice frame)
{
    struct node *n = arg;
    forward_take(n->forward, call, request, is_signed, frame);
}

static int check(void *arg, const struct xos_verb *verb, const struct xos_envelope *e,
                 const struct xos_request *request, const struct xos_peer *peer,
                 struct xos_caller *out, struct xos_error *err)
{
    struct node *n = arg;
    return gate_check(n->gate, verb, e, request, peer, out, err);
}

static int start_rpc(struct node *n, struct xos_error *err)
{
    const struct xos_dialler *dialler = n->peers ? peers_dialler(n->peers) : NULL;
    struct xos_rpc_config c = {.node = n->config.node,
                               .institution = n->config.institution,
                               .head = n->config.head,
                               .boot_id = n->boot_id,
                               .gate = check,
                               .forward = dialler ? forward : NULL,
                               .arg = n,
                               .dialler = dialler};
    if (dialler && forward_new(&n->forward, dialler, head_of, n, err) < 0)
        return -1;
    if (xos_rpc_new(&n->rpc, n->loop, &c, err) < 0)
        return -1;
    /* Whoever is asked shows leaf and issuing CA; the root is known or not trusted. */
    if (n->trust)
        xos_rpc_identity(n->rpc, n->credential.self.key, n->credential.self.chain, 2);
    if (discovery_serve(n->discovery, n->rpc, err) < 0)
        return -1;
    return xos_rpc_serve(n->rpc, verbs, sizeof(verbs) / sizeof(verbs[0]), n, err);
}

static int start_membership(struct node *n, struct xos_error *err);

/* Who is not among the others yet knows a head by its seeds alone. */
static const char *own_head(void *arg)
{
    struct node *n = arg;
    for (size_t i = 0; n->peers && !n->membership && i < n->config.seed_count; i++)
        peers_seed(n->peers, i);
    return head_of(n, n->config.institution);
}

static void on_renewed(void *arg)
{
    struct node *n = arg;
    struct xos_error err = {0};
    if (n->peers && peers_identity(n->peers, &err) < 0)
        xos_log_error(XOS_EV_CERT_EXPIRING, &err, "certificate=node");
    if (!n->membership && start_membership(n, &err) < 0)
        xos_log_error(XOS_EV_LINK_DOWN, &err, "membership");
}

static int start_ca(struct node *n, struct xos_error *err)
{
    const struct renewal_config c = {.loop = n->loop,
                                     .rpc = n->rpc,
                                     .identity = &n->credential,
                                     .config = &n->config,
                                     .head = own_head,
                                     .renewed = on_renewed,
                                     .arg = n};
    if (!n->trust)
        return 0;
    if (n->config.head && ca_pipe_new(&n->ca, n->loop, n->rpc, n->config.ca_socket, err) < 0)
        return -1;
    return renewal_new(&n->renewal, &c, err);
}

static int admit(void *arg, const struct jobmgr_wish *w, struct xos_error *err)
{
    const struct node *n = arg;
    const struct gate_wish wish = {.user = w->user,
                                   .vo = w->vo,
                                   .cpus = w->cpus,
                                   .mem_bytes = w->mem_bytes,
                                   .gpus = w->gpus,
                                   .units = w->units,
                                   .walltime_ms = w->walltime_ms};
    return gate_admit(n->gate, &wish, err);
}

static struct jobmgr_limits limits_of(const struct config *c)
{
    return (struct jobmgr_limits){.jobs_per_user = c->jobs_per_user,
                                  .jobs_per_vo = c->jobs_per_vo,
                                  .units_per_user = c->units_per_user,
                                  .output_kept_ms = c->output_kept_ms,
                                  .history_ms = c->history_ms};
}

static int start_jobs(struct node *n, struct xos_error *err)
{
    struct discovery_node own;
    discovery_own(n->discovery, &own);
    struct jobmgr_config c = {.loop = n->loop,
                              .rpc = n->rpc,
                              .discovery = n->discovery,
                              .node = n->config.node,
                              .institution = n->config.institution,
                              .head = n->config.head,
                              .worker = n->config.worker,
                              .store_url = n->config.store_url,
                              .execd_path = n->config.execd_socket,
                              .run_dir = n->config.execd_run,
                              .spool_dir = n->config.spool_dir,
                              .cpus = own.cpus,
                              .mem_bytes = own.mem_bytes,
                              .gpus = own.gpus,
                              .output_bytes_max = n->config.output_bytes_max,
                              .limits = limits_of(&n->config),
                              .trust = n->trust,
                              .self = n->trust ? &n->credential.self : NULL,
                              .accept_unisolated = n->config.accept_unisolated,
                              .admit = admit,
                              .admit_arg = n};
    if ((c.head || c.worker) && jobmgr_new(&n->jobs, &c, err) < 0)
        return -1;
    const struct drain_config d = {.env = n->env,
                                   .rpc = n->rpc,
                                   .jobs = c.worker ? n->jobs : NULL,
                                   .state_dir = n->config.state_dir};
    return drain_new(&n->drain, &d, err);
}

/* What a node says of itself with a certificate that has ended nobody believes: it joins when it
 * has renewed it. */
static int start_membership(struct node *n, struct xos_error *err)
{
    const struct membership_config c = {
        .rpc = n->rpc, .peers = n->peers, .discovery = n->discovery, .config = &n->config};
    bool ended = n->credential.to_ms < xos_env_real_ms(n->env);
    return n->peers && !ended ? membership_new(&n->membership, &c, err) : 0;
}

static void on_local(void *arg, int fd, const struct xos_peer *peer)
{
    struct node *n = arg;
    xos_rpc_take(n->rpc, fd, peer);
}

static int start_local(struct node *n, struct xos_error *err)
{
    return xos_local_listen(&n->local, n->loop, n->config.socket, 0666, on_local, n, err);
}

static int start_status(struct node *n, struct xos_error *err)
{
    const struct status_config c = {.loop = n->loop,
                                    .rpc = n->rpc,
                                    .config = &n->config,
                                    .discovery = n->discovery,
                                    .jobs = n->jobs,
                                    .identity = &n->credential,
                                    .peers = n->peers};
    return status_new(&n->status, &c, err);
}

static void sample(void *arg)
{
    status_sample(arg);
}

static int start_web(struct node *n, struct xos_error *err)
{
    static const struct web_ops ops = {.well = status_well, .sample = sample};
    xos_metric_set(XOS_M_BUILD_INFO, xos_version, 1);
    if (!n->config.http_host[0])
        return 0;
    return web_new(&n->web, n->loop, n->config.http_host, n->config.http_port, &ops, n->status,
                   err);
}

static const struct {
    const char *name;
    int (*start)(struct node *n, struct xos_error *err);
} steps[] = {
    {"identity", start_identity},
    {"discovery", start_discovery},
    {"other nodes", start_peers},
    {"calls", start_rpc},
    {"certificates", start_ca},
    {"jobs", start_jobs},
    {"membership", start_membership},
    {"status", start_status},
    {"metrics", start_web},
    {"local socket", start_local}, /* last: who can connect finds
                                      everything there */
};

/* A node that is its own seed turns to the others. */
static void drop_own_seed(struct config *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->seed_count; i++)
        if (strcmp(c->seeds[i].host, c->advertise) != 0 || c->seeds[i].port != c->bulk_port)
            c->seeds[kept++] = c->seeds[i];
    c->seed_count = kept;
}

int node_new(struct node **out, struct xos_loop *loop, const struct config *config,
             struct xos_error *err)
{
    struct node *n = xos_alloc(sizeof(*n));
    if (!n)
        return xos_fail(err, XOS_NOMEM, "node");
    n->loop = loop;
    n->env = xos_loop_env(loop);
    n->config = *config;
    drop_own_seed(&n->config);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (steps[i].start(n, err) < 0) {
            node_free(n);
            return xos_wrap(err, "start %s", steps[i].name);
        }
    xos_log(XOS_EV_START, "node=%s user=%s socket=%s", config->node, gate_user(n->gate),
            config->socket);
    *out = n;
    return 0;
}

static int refuse_moved(const struct config *old, const struct config *new, struct xos_error *err)
{
    const struct {
        const char *key, *was, *is;
    } fixed[] = {
        {"[node] name", old->node, new->node},
        {"[node] state", old->state_dir, new->state_dir},
        {"[node] run", old->run_dir, new->run_dir},
        {"[net] socket", old->socket, new->socket},
        {"[net] http", old->http_host, new->http_host},
        {"[store] url", old->store_url, new->store_url},
        {"[exec] socket", old->execd_socket, new->execd_socket},
        {"[exec] run", old->execd_run, new->execd_run},
        {"[exec] spool", old->spool_dir, new->spool_dir},
    };
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        if (strcmp(fixed[i].was, fixed[i].is) != 0)
            return xos_fail(err, XOS_UNSUPPORTED, "%s changes with a restart only", fixed[i].key);
    if (old->head != new->head || old->worker != new->worker || old->storage != new->storage ||
        old->gateway != new->gateway)
        return xos_fail(err, XOS_UNSUPPORTED, "[node] roles changes with a restart only");
    return 0;
}

int node_reload(struct node *n, const struct config *config, struct xos_error *err)
{
    if (refuse_moved(&n->config, config, err) < 0)
        return -1;
    if (n->trust && (gate_reload(n->gate, err) < 0 || auth_trust_reload(n->trust, err) < 0))
        return -1;
    if (n->peers && peers_reload(n->peers, err) < 0)
        return -1;
    /* Seeds are for the start. */
    struct config fresh = *config;
    memcpy(fresh.seeds, n->config.seeds, sizeof(fresh.seeds));
    fresh.seed_count = n->config.seed_count;
    n->config = fresh;
    xos_log_threshold((enum xos_log_level)config->log_level);
    const struct jobmgr_limits limits = limits_of(config);
    if (n->jobs)
        jobmgr_limits(n->jobs, &limits);
    return 0;
}

void node_free(struct node *n)
{
    if (!n)
        return;
    xos_local_free(n->local);
    web_free(n->web);
    status_free(n->status);
    jobmgr_free(n->jobs);
    membership_free(n->membership);
    renewal_free(n->renewal);
    drain_free(n->drain);
    ca_pipe_free(n->ca);
    forward_free(n->forward);
    xos_rpc_free(n->rpc);
    peers_free(n->peers);
    discovery_free(n->discovery);
    gate_free(n->gate);
    auth_trust_free(n->trust);
    credential_close(&n->credential);
    xos_free(n);
}
