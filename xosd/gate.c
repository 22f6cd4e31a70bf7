// SPDX-License-Identifier: Apache-2.0
#include "xosd/gate.h"

#include "libxos/base/alloc.h"

#include <stdio.h>
#include <string.h>

struct gate {
    struct xos_env *env;
    const struct config *config;
    struct auth_trust *trust;
    struct policy *policy;
    struct xos_replay *replay;
    int64_t began_ms; /* what was received before is not in the cache */
    uid_t uid;
    char user[64]; /* "alice@local" */
};

/* A login becomes a name part: what the grammar does not have is left out. */
static void name_user(struct gate *g, const char *login)
{
    const char *institution = g->config->institution;
    char part[32] = "";
    size_t n = 0;
    for (const char *p = login; *p && n < sizeof(part) - 1; p++)
        if ((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || (n && (*p == '_' || *p == '.')))
            part[n++] = *p;
    part[n] = '\0';
    if (n)
        (void)snprintf(g->user, sizeof(g->user), "%s@%.31s", part, institution);
    else
        (void)snprintf(g->user, sizeof(g->user), "u%u@%.31s", (unsigned)g->uid, institution);
}

/* The policy */

static int policy_file(struct gate *g, struct xos_buf *text, struct xos_error *err)
{
    char dir[CONFIG_TEXT_MAX] = ".";
    const char *path = g->config->policy, *slash = strrchr(path, '/');
    if (slash)
        (void)snprintf(dir, sizeof(dir), "%.*s/", (int)(slash - path), path);
    int fd = xos_env_dir_open(g->env, dir, err);
    int rc = fd < 0 ? -1 : xos_env_file_read(g->env, fd, slash ? slash + 1 : path, text, err);
    xos_env_close(g->env, fd);
    return rc;
}

int gate_reload(struct gate *g, struct xos_error *err)
{
    struct xos_buf text = XOS_BUF(POLICY_BYTES_MAX);
    struct policy *fresh = NULL;
    struct xos_error why = {0};
    int rc;
    if (policy_file(g, &text, &why) == 0)
        rc = policy_new(&fresh, (struct xos_slice){text.data, text.len}, NULL, err);
    else if (why.code == XOS_NOT_FOUND)
        rc = policy_new_default(&fresh, g->config->institution, err);
    else
        rc = xos_fail(err, why.code, "%s", why.text);
    xos_buf_free(&text);
    if (rc < 0)
        return xos_wrap(err, "policy %s", g->config->policy);
    policy_free(g->policy);
    g->policy = fresh;
    return 0;
}

static bool is_admin(const struct gate *g, const char *user)
{
    size_t len = strlen(user);
    for (const char *at = g->config->admins; *(at += strspn(at, " ,"));) {
        size_t n = strcspn(at, " ,");
        if (n == len && memcmp(at, user, n) == 0)
            return true;
        at += n;
    }
    return false;
}

/* Names as the policy wants them: the user's, and what he acts as, if anything. */
struct asker {
    struct auth_name user, acting;
    bool acts;
};

static int asker_read(struct asker *a, const char *user, const char *acting, struct xos_error *err)
{
    a->acts = acting[0] != '\0';
    if (auth_name_parse(&a->user, AUTH_NAME_USER, auth_slice(user), NULL, err) < 0)
        return -1;
    return a->acts ? auth_name_parse_acting(&a->acting, auth_slice(acting), NULL, err) : 0;
}

/* Once for what is the user's own, which is what most requests are about; once for what is not. */
static bool decide_own(const struct gate *g, struct policy_request *r, const struct asker *a,
                       const char *user, bool own, struct policy_decision *d)
{
    r->user = &a->user;
    r->acting = a->acts ? &a->acting : NULL;
    r->admin = is_admin(g, user);
    r->says |= 1u << POLICY_A_OWN;
    r->value[POLICY_A_OWN] = own;
    policy_decide(g->policy, r, d);
    return d->allowed;
}

static int decide(const struct gate *g, struct policy_request *r, const struct asker *a,
                  const char *user, struct xos_error *err)
{
    struct policy_decision d;
    char why[POLICY_FIX_BYTES];
    if (decide_own(g, r, a, user, true, &d))
        return 0;
    return xos_fail(err, XOS_DENIED, "%s", policy_explain(r, &d, why));
}

int gate_admit(const struct gate *g, const struct gate_wish *wish, struct xos_error *err)
{
    struct asker a;
    struct policy_request r = {.verb = "job.run",
                               .kind = POLICY_RESOURCE_NODE,
                               .resource = g->config->node,
                               .says = 1u << POLICY_A_CPUS | 1u << POLICY_A_MEM |
                                       1u << POLICY_A_GPUS | 1u << POLICY_A_UNITS};
    if (!g->trust)
        return 0;
    r.value[POLICY_A_CPUS] = wish->cpus;
    r.value[POLICY_A_MEM] = wish->mem_bytes;
    r.value[POLICY_A_GPUS] = wish->gpus;
    r.value[POLICY_A_UNITS] = wish->units;
    if (wish->walltime_ms) {
        r.says |= 1u << POLICY_A_WALLTIME;
        r.value[POLICY_A_WALLTIME] = wish->walltime_ms;
    }
    if (asker_read(&a, wish->user, wish->vo, err) < 0)
        return -1;
    return decide(g, &r, &a, wish->user, err);
}

/* Signatures */

/* One signed request on its way through the steps. */
struct check {
    struct gate *g;
    const struct xos_verb *verb;
    const struct xos_envelope *e;
    const struct xos_request *request;
    int64_t now_ms;
    const struct auth_principal *who;
    struct xos_caller *out;
    struct xos_error *err;
};

static int step_chain(struct check *c)
{
    char name[AUTH_NAME_BYTES_MAX + 1];
    enum auth_kind slot = strchr(c->request->signer, '@') ? AUTH_KIND_USER : AUTH_KIND_NODE;
    if (auth_trust_verify(c->g->trust, c->e->chain, c->e->chain_count, slot, c->now_ms, &c->who,
                          c->err) < 0)
        return -1;
    auth_name_print(&c->who->name, name);
    if (strcmp(name, c->request->signer) != 0)
        return xos_fail(c->err, XOS_DENIED, "the certificate is %s's", name);
    return 0;
}

static int step_signature(struct check *c)
{
    return xos_key_verify(c->who->key, XOS_REQUEST_DOMAIN, c->e->header, c->e->signature, c->err);
}

static int step_freshness(struct check *c)
{
    if ((c->verb->flags & XOS_VERB_ONCE) && !c->request->has_boot_id &&
        c->request->issued_ms < c->g->began_ms)
        return xos_fail(c->err, XOS_STALE, "%s was started again since the request was made",
                        c->g->config->node);
    return xos_replay_note(c->g->replay, c->who->key, &c->request->nonce, c->request->expires_ms,
                           c->now_ms, c->err);
}

static int step_kind(struct check *c)
{
    bool node = c->who->kind == AUTH_KIND_NODE;
    if ((c->verb->flags & XOS_VERB_NODE) && !node)
        return xos_fail(c->err, XOS_DENIED, "%s is between nodes", c->verb->name);
    if ((c->verb->flags & XOS_VERB_HEAD) && !(c->who->node.roles & AUTH_NODE_HEAD))
        return xos_fail(c->err, XOS_DENIED, "%s is asked by heads alone", c->verb->name);
    return 0;
}

/* "vo:climate@inria" and "prod:runner" name one role. */
static int acting_read(const struct xos_request *r, struct auth_name *out, struct xos_error *err)
{
    char text[2 * XOS_HEADER_NAME_MAX];
    (void)snprintf(text, sizeof(text), "%s%s%s", r->vo, r->role[0] ? "/" : "", r->role);
    return auth_name_parse_acting(out, auth_slice(text), NULL, err);
}

static int step_acting(struct check *c)
{
    struct auth_attr attr = {.memory = NULL};
    struct auth_name acting;
    if (!c->request->vo[0])
        return c->request->role[0]
                   ? xos_fail(c->err, XOS_DENIED, "the role %s of no VO", c->request->role)
                   : 0;
    if (acting_read(c->request, &acting, c->err) < 0 ||
        auth_trust_attr(c->g->trust, &attr, &acting, c->e->attributes, c->who, c->now_ms, c->err) <
            0)
        return -1;
    auth_attr_free(&attr);
    memcpy(c->out->vo, c->request->vo, sizeof(c->out->vo));
    memcpy(c->out->role, c->request->role, sizeof(c->out->role));
    return 0;
}

/* What a rule about a VO lets its members do, it lets them do within the VO: all of another's is
 * only for whom the rules reach as himself. A deny counts either way. */
static enum xos_reach reach_of(const struct gate *g, struct policy_request *r,
                               const struct asker *as, const char *user)
{
    struct policy_decision d;
    struct asker himself = *as;
    himself.acts = false;
    if (!decide_own(g, r, as, user, false, &d))
        return XOS_REACH_OWN;
    return decide_own(g, r, &himself, user, false, &d) ? XOS_REACH_ALL : XOS_REACH_VO;
}

/* Whether a job may run is asked by those who know what it wants; who may follow, signal and see
 * what was run is the institution's to say: of one's own, and of what is another's. */
static int step_policy(struct check *c)
{
    char acting[2 * XOS_HEADER_NAME_MAX] = "";
    struct asker a;
    struct policy_request r = {
        .verb = c->verb->name, .kind = POLICY_RESOURCE_NODE, .resource = c->g->config->node};
    if (c->who->kind != AUTH_KIND_USER || strcmp(c->verb->name, "job.run") == 0 ||
        (c->verb->flags & (XOS_VERB_OPEN | XOS_VERB_PROVEN)))
        return 0;
    if (c->out->vo[0])
        (void)snprintf(acting, sizeof(acting), "%s%s%s", c->out->vo, c->out->role[0] ? "/" : "",
                       c->out->role);
    if (asker_read(&a, c->request->signer, acting, c->err) < 0)
        return -1;
    if (decide(c->g, &r, &a, c->request->signer, c->err) < 0)
        return -1;
    c->out->reach = reach_of(c->g, &r, &a, c->request->signer);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct check *c);
} steps[] = {
    {"signer", step_chain}, /* a certificate of whom the header names, good here and now */
    {"signature", step_signature}, {"freshness", step_freshness}, /* never seen before */
    {"kind", step_kind},                                          /* a user, a node, a head */
    {"VO", step_acting},     /* the VO says that the signer may act so */
    {"policy", step_policy}, /* and this institution allows it */
};

static int check_signed(struct gate *g, const struct xos_verb *verb, const struct xos_envelope *e,
                        const struct xos_request *request, struct xos_caller *out,
                        struct xos_error *err)
{
    struct check c = {.g = g,
                      .verb = verb,
                      .e = e,
                      .request = request,
                      .now_ms = xos_env_real_ms(g->env),
                      .out = out,
                      .err = err};
    out->kind = XOS_CALLER_SIGNED;
    memcpy(out->name, request->signer, sizeof(out->name));
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (steps[i].run(&c) < 0)
            return xos_wrap(err, "%s", steps[i].name);
    return 0;
}

/* Without a signature */

static int check_unsigned(const struct gate *g, const struct xos_verb *verb,
                          const struct xos_peer *peer, struct xos_caller *out,
                          struct xos_error *err)
{
    if (!peer && !(verb->flags & XOS_VERB_PROVEN))
        return xos_fail(err, XOS_DENIED, "%s comes from another machine and is not signed",
                        verb->name);
    out->kind = XOS_CALLER_LOCAL;
    out->uid = peer ? peer->uid : (uid_t)-1;
    if (peer && !g->trust && peer->uid == g->uid)
        (void)snprintf(out->name, sizeof(out->name), "%s", g->user);
    else if (peer)
        (void)snprintf(out->name, sizeof(out->name), "uid-%u", (unsigned)peer->uid);
    if (verb->flags & (XOS_VERB_OPEN | XOS_VERB_PROVEN))
        return 0;
    if (verb->flags & XOS_VERB_NODE)
        return xos_fail(err, XOS_DENIED, "%s is between nodes", verb->name);
    if (g->trust)
        return xos_fail(err, XOS_NO_LOGIN, "not logged in: run `xos login`");
    if (peer && peer->uid == g->uid)
        return 0;
    return xos_fail(err, XOS_DENIED,
                    "this node stands alone and belongs to uid %u; uid %u may not use it",
                    (unsigned)g->uid, (unsigned)out->uid);
}

int gate_check(void *arg, const struct xos_verb *verb, const struct xos_envelope *e,
               const struct xos_request *request, const struct xos_peer *peer,
               struct xos_caller *out, struct xos_error *err)
{
    struct gate *g = arg;
    /* What proves itself is asked by those, too, whose certificate has ended. */
    bool proven = (verb->flags & XOS_VERB_PROVEN) != 0;
    if (request && g->trust && !proven)
        return check_signed(g, verb, e, request, out, err);
    if (request && !g->trust)
        return xos_fail(err, XOS_DENIED,
                        "this node stands alone and knows no certificates: it cannot check who "
                        "signed");
    return check_unsigned(g, verb, peer, out, err);
}

int gate_new(struct gate **out, const struct gate_config *config, struct xos_error *err)
{
    struct gate *g = xos_alloc(sizeof(*g));
    if (!g)
        return xos_fail(err, XOS_NOMEM, "gate");
    *g = (struct gate){
        .env = config->env, .config = config->config, .trust = config->trust, .uid = config->uid};
    g->began_ms = xos_env_real_ms(g->env);
    name_user(g, config->login);
    if (g->trust &&
        (gate_reload(g, err) < 0 ||
         xos_replay_new(&g->replay, XOS_REPLAY_ENTRIES_MAX, XOS_REPLAY_PER_SIGNER_MAX, err) < 0)) {
        gate_free(g);
        return -1;
    }
    *out = g;
    return 0;
}

void gate_free(struct gate *g)
{
    if (!g)
        return;
    policy_free(g->policy);
    xos_replay_free(g->replay);
    xos_free(g);
}

const char *gate_user(const struct gate *g)
{
    return g->trust ? "" : g->user;
}
