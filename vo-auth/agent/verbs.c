// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/agent/verbs.h"

#include "libxos/wire/pb.h"
#include "vo-auth/agent/agent.pb-c.h"
#include "vo-auth/core/field.h"
#include "vo-auth/core/sshwire.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

struct verb_call {
    struct agent_state *s;
    const void *body; /* of the verb's message */
    int64_t now_ms;
    verbs_ssh_f ssh;
    void *ssh_arg;
    bool later;
    struct xos_buf *out; /* the answer's body */
};

void verbs_wipe(struct agent_state *s)
{
    const struct renew_event forgotten = {.kind = RENEW_FORGOTTEN};
    identity_wipe(&s->identity);
    memset(s->nodes, 0, sizeof(s->nodes));
    lock_clear(&s->lock);
    (void)renew_step(&s->renew, &forgotten);
}

int verbs_install(struct agent_state *s, const struct identity_offer *offer, struct xos_error *err)
{
    struct renew_event ev = {.kind = RENEW_INSTALLED, .now_ms = xos_env_real_ms(s->env)};
    if (xos_env_random(s->env, &ev.random, sizeof(ev.random), err) < 0 ||
        identity_install(&s->identity, offer, ev.now_ms, err) < 0)
        return -1;
    memset(s->nodes, 0, sizeof(s->nodes));
    ev.from_ms = s->identity.who.from_ms;
    ev.to_ms = s->identity.who.to_ms;
    ev.session_until_ms = s->identity.session_until_ms;
    (void)renew_step(&s->renew, &ev);
    return 0;
}

static ProtobufCBinaryData bytes_of(const struct xos_buf *b)
{
    return auth_field_of_bytes(b->data, b->len);
}

static void chain_of(const struct identity *id, ProtobufCBinaryData to[static IDENTITY_SHOWN])
{
    for (size_t i = 0; i < IDENTITY_SHOWN; i++)
        to[i] = bytes_of(&id->chain[i]);
}

/* The key and its certificate */

static int run_public(struct verb_call *c, struct xos_error *err)
{
    uint8_t key[XOS_KEY_PUBLIC_BYTES];
    Agent__PublicAnswer m = AGENT__PUBLIC_ANSWER__INIT;
    if (identity_public(&c->s->identity, key, err) < 0)
        return -1;
    m.key = auth_field_of_bytes(key, sizeof(key));
    return xos_pb_pack(&m.base, c->out, err);
}

static int run_install(struct verb_call *c, struct xos_error *err)
{
    const Agent__Install *m = c->body;
    struct xos_slice chain[AUTH_CHAIN_MAX], attributes[IDENTITY_ATTRIBUTES_MAX];
    if (m->n_chain > AUTH_CHAIN_MAX || m->n_attributes > IDENTITY_ATTRIBUTES_MAX)
        return xos_fail(err, XOS_LIMIT, "install: at most %d certificates and %d attributes",
                        AUTH_CHAIN_MAX, IDENTITY_ATTRIBUTES_MAX);
    for (size_t i = 0; i < m->n_chain; i++)
        chain[i] = xos_pb_slice(m->chain[i]);
    for (size_t i = 0; i < m->n_attributes; i++)
        attributes[i] = xos_pb_slice(m->attributes[i]);
    const struct identity_offer offer = {
        chain, m->n_chain, attributes, m->n_attributes,
        m->session_until_ms > AUTH_TIME_MS_MAX ? AUTH_TIME_MS_MAX : (int64_t)m->session_until_ms};
    return verbs_install(c->s, &offer, err);
}

static int run_logout(struct verb_call *c, struct xos_error *err)
{
    (void)err;
    verbs_wipe(c->s);
    return 0;
}

/* Signing */

/* A name is text: no NUL inside, and it fits. */
static int take_text(char *to, size_t size, ProtobufCBinaryData from, const char *noun,
                     struct xos_error *err)
{
    if (from.len >= size || (from.len && memchr(from.data, 0, from.len)))
        return xos_fail(err, XOS_INVALID, "%s is too long or not text", noun);
    if (from.len)
        memcpy(to, from.data, from.len);
    to[from.len] = '\0';
    return 0;
}

static int take_id(struct xos_id *to, bool *there, ProtobufCBinaryData from, const char *noun,
                   struct xos_error *err)
{
    *there = from.len != 0;
    return *there ? auth_field_bytes(to->bytes, XOS_ID_BYTES, from, noun, err) : 0;
}

static int take_header(struct xos_request *r, const Agent__SignRequest *m, struct xos_error *err)
{
    *r = (struct xos_request){.issued_ms = 0};
    if (m->verb.len == 0)
        return xos_fail(err, XOS_INVALID, "a request without a verb");
    if (take_text(r->verb, sizeof(r->verb), m->verb, "verb", err) < 0 ||
        take_text(r->vo, sizeof(r->vo), m->vo, "vo", err) < 0 ||
        take_text(r->role, sizeof(r->role), m->role, "role", err) < 0 ||
        take_text(r->to_node, sizeof(r->to_node), m->to_node, "node", err) < 0 ||
        take_text(r->to_institution, sizeof(r->to_institution), m->to_institution, "institution",
                  err) < 0)
        return -1;
    if (auth_field_bytes(r->request_id.bytes, XOS_ID_BYTES, m->request_id, "request id", err) < 0 ||
        auth_field_bytes(r->nonce.bytes, XOS_ID_BYTES, m->nonce, "nonce", err) < 0 ||
        auth_field_bytes(r->body_sha256, XOS_HASH_BYTES, m->body_sha256, "body hash", err) < 0 ||
        take_id(&r->boot_id, &r->has_boot_id, m->boot_id, "boot id", err) < 0)
        return -1;
    return take_id(&r->operation_id, &r->has_operation_id, m->operation_id, "operation id", err);
}

static int run_sign_request(struct verb_call *c, struct xos_error *err)
{
    const Agent__SignRequest *m = c->body;
    const struct identity *id = &c->s->identity;
    struct xos_buf header = XOS_BUF(XOS_HEADER_BYTES_MAX);
    ProtobufCBinaryData chain[IDENTITY_SHOWN];
    uint8_t signature[XOS_SIGNATURE_BYTES];
    struct xos_request r;
    Agent__SignedRequest a = AGENT__SIGNED_REQUEST__INIT;
    if (take_header(&r, m, err) < 0 ||
        identity_sign_request(id, &r, m->life_ms, c->now_ms, &header, signature, err) < 0) {
        xos_buf_free(&header);
        return -1;
    }
    const struct identity_attributes *attributes =
        identity_attributes_of(id, xos_pb_slice(m->vo), c->now_ms);
    chain_of(id, chain);
    a.header = bytes_of(&header);
    a.signature = auth_field_of_bytes(signature, sizeof(signature));
    a.n_chain = IDENTITY_SHOWN;
    a.chain = chain;
    if (attributes)
        a.attributes = bytes_of(&attributes->bytes);
    int rc = xos_pb_pack(&a.base, c->out, err);
    xos_buf_free(&header);
    return rc;
}

/* The caller need not sort; what is in the sets is checked when the grant is made. */
static int take_set(struct auth_set *to, size_t count, const ProtobufCBinaryData *from,
                    struct xos_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (auth_set_add(to, xos_pb_slice(from[i]), err) < 0)
            return -1;
    return 0;
}

/* The caller's, or a new one. */
static int take_or_make(uint8_t id[static AUTH_GRANT_ID_BYTES], ProtobufCBinaryData from,
                        const char *noun, struct xos_env *env, struct xos_error *err)
{
    if (from.len == 0)
        return xos_env_random(env, id, AUTH_GRANT_ID_BYTES, err);
    return auth_field_bytes(id, AUTH_GRANT_ID_BYTES, from, noun, err);
}

static int take_job(struct auth_grant *g, const Agent__SignGrant *m, struct xos_error *err)
{
    if ((m->job.len > 0) == (m->operation.len > 0))
        return xos_fail(err, XOS_INVALID, "grant: either a job or an operation");
    if (m->job.len)
        return auth_field_name(&g->job, AUTH_NAME_JOB, m->job, "job", err);
    return auth_field_bytes(g->operation, AUTH_GRANT_ID_BYTES, m->operation, "operation", err);
}

static int take_owner(struct auth_name *owner, const Agent__SignGrant *m, const struct identity *id,
                      struct xos_error *err)
{
    if (m->owner.len)
        return auth_field_name(owner, AUTH_NAME_INSTITUTION, m->owner, "owner", err);
    const char *own = id->who.name.institution;
    return auth_name_parse(owner, AUTH_NAME_INSTITUTION, auth_slice(own), NULL, err);
}

static int take_grant(struct auth_grant *g, const Agent__SignGrant *m, const struct agent_state *s,
                      struct xos_error *err)
{
    if (take_or_make(g->id, m->id, "id", s->env, err) < 0 ||
        take_or_make(g->nonce, m->nonce, "nonce", s->env, err) < 0 || take_job(g, m, err) < 0 ||
        auth_field_acting(&g->acting, m->acting, "acting", err) < 0 ||
        take_set(&g->rights.actions, m->n_actions, m->actions, err) < 0 ||
        take_set(&g->rights.rw, m->n_rw, m->rw, err) < 0 ||
        take_set(&g->rights.ro, m->n_ro, m->ro, err) < 0 ||
        auth_field_bytes(g->spec_hash, XOS_HASH_BYTES, m->spec_hash, "specification", err) < 0 ||
        take_owner(&g->owner, m, &s->identity, err) < 0 ||
        auth_field_time(&g->expires_ms, m->expires_ms, "expiry", err) < 0)
        return -1;
    if (m->walltime_ms > INT64_MAX)
        return xos_fail(err, XOS_LIMIT, "AUTH_WALLTIME_MS_MAX: a grant for %llu ms",
                        (unsigned long long)m->walltime_ms);
    g->selector = xos_pb_slice(m->selector);
    g->limits =
        (struct auth_limits){m->cpus, m->mem_bytes, m->gpus, (int64_t)m->walltime_ms, m->units};
    return 0;
}

/* What the VO says of the user, whatever group or role of it is acted as; none: an empty slice. */
static ProtobufCBinaryData attributes_for(const struct identity *id, const struct auth_name *acting,
                                          int64_t now_ms)
{
    char text[AUTH_NAME_BYTES_MAX + 1];
    struct auth_name vo = {.kind = AUTH_NAME_VO};
    if (acting->kind == AUTH_NAME_NONE)
        return (ProtobufCBinaryData){0, NULL};
    memcpy(vo.institution, acting->institution, sizeof(vo.institution));
    memcpy(vo.part, acting->part, sizeof(vo.part));
    auth_name_print(&vo, text);
    const struct identity_attributes *a = identity_attributes_of(id, auth_slice(text), now_ms);
    return a ? bytes_of(&a->bytes) : (ProtobufCBinaryData){0, NULL};
}

static int run_sign_grant(struct verb_call *c, struct xos_error *err)
{
    const struct identity *id = &c->s->identity;
    struct xos_buf signed_grant = XOS_BUF(AUTH_GRANT_BYTES_MAX);
    ProtobufCBinaryData chain[IDENTITY_SHOWN];
    struct auth_grant g = {.issued_ms = 0};
    Agent__SignedGrant a = AGENT__SIGNED_GRANT__INIT;
    int rc = identity_need(id, c->now_ms, err);
    if (rc == 0)
        rc = take_grant(&g, c->body, c->s, err);
    if (rc == 0)
        rc = identity_sign_grant(id, &g, c->now_ms, &signed_grant, err);
    if (rc == 0) {
        chain_of(id, chain);
        a.grant = bytes_of(&signed_grant);
        a.n_chain = IDENTITY_SHOWN;
        a.chain = chain;
        a.attributes = attributes_for(id, &g.acting, c->now_ms);
        rc = xos_pb_pack(&a.base, c->out, err);
    }
    xos_buf_free(&signed_grant);
    return rc;
}

/* Telling */

struct membership {
    Agent__Membership m;
    struct auth_name_text vo;
    ProtobufCBinaryData groups[AUTH_SET_ENTRIES_MAX], roles[AUTH_SET_ENTRIES_MAX];
};

static void membership_of(struct membership *to, const struct identity_attributes *a)
{
    agent__membership__init(&to->m);
    to->m.vo = auth_field_of_name(&a->vo, &to->vo);
    to->m.n_groups = auth_set_write(&a->groups, to->m.groups = to->groups);
    to->m.n_roles = auth_set_write(&a->roles, to->m.roles = to->roles);
    to->m.expires_ms = (uint64_t)a->expires_ms;
}

static int run_status(struct verb_call *c, struct xos_error *err)
{
    const struct identity *id = &c->s->identity;
    struct membership vos[IDENTITY_ATTRIBUTES_MAX];
    Agent__Membership *list[IDENTITY_ATTRIBUTES_MAX];
    ProtobufCBinaryData chain[IDENTITY_SHOWN];
    Agent__StatusAnswer m = AGENT__STATUS_ANSWER__INIT;
    m.locked = c->s->lock.locked;
    if (id->key) {
        m.user = xos_pb_text(id->user);
        m.institution = xos_pb_text(id->who.name.institution);
        m.root_hash = auth_field_of_bytes(id->who.root_hash, XOS_HASH_BYTES);
        m.from_ms = (uint64_t)id->who.from_ms;
        m.until_ms = (uint64_t)id->who.to_ms;
        m.session_until_ms = (uint64_t)id->session_until_ms;
        m.renewal_ms = (uint64_t)c->s->renew.due_ms;
        chain_of(id, chain);
        m.n_chain = IDENTITY_SHOWN;
        m.chain = chain;
    }
    for (size_t i = 0; i < id->attribute_count; i++) {
        membership_of(&vos[i], &id->attributes[i]);
        list[i] = &vos[i].m;
    }
    m.n_vos = id->attribute_count;
    m.vos = list;
    return xos_pb_pack(&m.base, c->out, err);
}

/* Who answered */

static int trust_read(struct agent_state *s, struct xos_error *err)
{
    s->trust_read_ms = xos_env_boot_ms(s->env);
    if (s->trust)
        return auth_trust_reload(s->trust, err);
    if (s->trust_dir)
        return auth_trust_open(&s->trust, s->env, s->trust_dir, err);
    return xos_fail(err, XOS_DENIED, "no trust directory: set XOS_TRUST");
}

/* What was taken back counts soon. A reading that fails changes nothing. */
static int trust_fresh(struct agent_state *s, struct xos_error *err)
{
    struct xos_error why = {0};
    if (s->trust && xos_env_boot_ms(s->env) - s->trust_read_ms < AGENT_TRUST_AGAIN_MS)
        return 0;
    if (trust_read(s, &why) == 0)
        memset(s->nodes, 0, sizeof(s->nodes));
    return s->trust ? 0 : xos_fail(err, why.code, "%s", why.text);
}

static int trust_verify(struct agent_state *s, const struct xos_slice *chain, size_t count,
                        int64_t now_ms, struct auth_principal *who, struct xos_error *err)
{
    const struct auth_principal *known;
    if (auth_trust_verify(s->trust, chain, count, AUTH_KIND_NODE, now_ms, &known, err) < 0)
        return -1;
    *who = *known;
    return 0;
}

/* Another institution's node: by what this machine's administrator has registered. */
static int verify_peer(struct agent_state *s, const struct xos_slice *chain, size_t count,
                       int64_t now_ms, struct auth_principal *who, struct xos_error *err)
{
    return trust_fresh(s, err) < 0 ? -1 : trust_verify(s, chain, count, now_ms, who, err);
}

/* The same few nodes answer every command. */
static bool node_known(const struct agent_state *s, const uint8_t chain[static XOS_HASH_BYTES],
                       int64_t now_ms, struct auth_principal *who)
{
    for (size_t i = 0; i < AGENT_NODES_MAX; i++) {
        const struct agent_node *n = &s->nodes[i];
        if (n->who.kind == AUTH_KIND_NONE || memcmp(n->chain, chain, sizeof(n->chain)) != 0)
            continue;
        *who = n->who;
        return now_ms >= n->who.from_ms && now_ms <= n->who.until_ms;
    }
    return false;
}

/* A node's principal owns no memory, so that it may be copied. */
static void node_note(struct agent_state *s, const uint8_t chain[static XOS_HASH_BYTES],
                      const struct auth_principal *who)
{
    struct agent_node *n = &s->nodes[s->node_next++ % AGENT_NODES_MAX];
    memcpy(n->chain, chain, sizeof(n->chain));
    n->who = *who;
}

/* One's own: by the root under which one logged in, and what it has taken back as far as this
 * machine knows. */
static int verify_own(struct agent_state *s, const struct xos_slice *chain, size_t count,
                      int64_t now_ms, struct auth_principal *who, struct xos_error *err)
{
    const struct identity *id = &s->identity;
    const char *institution = id->who.name.institution;
    struct auth_anchors own = {.count = 0};
    struct auth_context known = {.revocation_count = 0};
    struct auth_context ctx = {.anchors = &own, .now_ms = now_ms, .slot = AUTH_KIND_NODE};
    const struct xos_buf *root = &id->chain[AUTH_CHAIN_MAX - 1];
    if (trust_fresh(s, NULL) == 0)
        auth_trust_context(s->trust, AUTH_KIND_NODE, now_ms, &known);
    const struct auth_revocations *list = auth_context_revocations(&known, institution);
    if (list && memcmp(list->root_hash, id->who.root_hash, XOS_HASH_BYTES) == 0) {
        ctx.revocations = &list;
        ctx.revocation_count = 1;
    }
    int rc = auth_anchors_add(&own, institution, (struct xos_slice){root->data, root->len}, err);
    if (rc == 0)
        rc = auth_verify(chain, count, &ctx, who, err);
    auth_anchors_free(&own);
    return rc;
}

/* Whose node it says that it is; nothing is believed yet. */
static bool is_own(const struct identity *id, struct xos_slice leaf)
{
    struct auth_link link = {.x509 = NULL};
    struct xos_error err;
    bool own = auth_link_read(&link, leaf, AUTH_KIND_NODE, &err) == 0 &&
               strcmp(link.name.institution, id->who.name.institution) == 0;
    auth_link_free(&link);
    return own;
}

static int verify_node(struct agent_state *s, const struct xos_slice *chain, size_t count,
                       int64_t now_ms, struct auth_principal *who, struct xos_error *err)
{
    uint8_t hash[XOS_HASH_BYTES];
    if (auth_chain_hash(chain, count, AUTH_KIND_NODE, hash, err) < 0)
        return -1;
    (void)trust_fresh(s, NULL);
    if (node_known(s, hash, now_ms, who))
        return 0;
    if (!is_own(&s->identity, chain[0]))
        return verify_peer(s, chain, count, now_ms, who, err);
    if (verify_own(s, chain, count, now_ms, who, err) < 0)
        return -1;
    node_note(s, hash, who);
    return 0;
}

static int run_verify_node(struct verb_call *c, struct xos_error *err)
{
    const Agent__VerifyNode *m = c->body;
    struct agent_state *s = c->s;
    struct xos_slice chain[AUTH_CHAIN_MAX];
    struct auth_principal who = {.kind = AUTH_KIND_NONE};
    struct auth_name_text name;
    Agent__VerifyNodeAnswer a = AGENT__VERIFY_NODE_ANSWER__INIT;
    if (m->n_chain == 0 || m->n_chain > AUTH_CHAIN_MAX)
        return xos_fail(err, XOS_DENIED, "the answer is not signed");
    if (!s->identity.key)
        return xos_fail(err, XOS_NO_LOGIN, "not logged in: run xos login");
    for (size_t i = 0; i < m->n_chain; i++)
        chain[i] = xos_pb_slice(m->chain[i]);
    if (verify_node(s, chain, m->n_chain, c->now_ms, &who, err) < 0)
        return -1;
    a.node = auth_field_of_name(&who.name, &name);
    a.key = auth_field_of_bytes(who.key, sizeof(who.key));
    a.until_ms = (uint64_t)who.until_ms;
    a.head = (who.node.roles & AUTH_NODE_HEAD) != 0;
    return xos_pb_pack(&a.base, c->out, err);
}

/* The lock */

static int run_lock(struct verb_call *c, struct xos_error *err)
{
    const Agent__Lock *m = c->body;
    uint8_t salt[LOCK_SALT_BYTES];
    if (xos_env_random(c->s->env, salt, sizeof(salt), err) < 0)
        return -1;
    return lock_set(&c->s->lock, xos_pb_slice(m->passphrase), salt, m->wipe_after_ms,
                    xos_env_boot_ms(c->s->env), err);
}

static int run_unlock(struct verb_call *c, struct xos_error *err)
{
    const Agent__Unlock *m = c->body;
    return lock_release(&c->s->lock, xos_pb_slice(m->passphrase), xos_env_boot_ms(c->s->env), err);
}

/* Logging in with an SSH key */

static int ask_ssh(struct verb_call *c, ProtobufCBinaryData socket, struct login_ssh_ask *ask,
                   struct xos_error *err)
{
    char path[AGENT_SOCKET_BYTES_MAX + 1];
    if (take_text(path, sizeof(path), socket, "the ssh-agent's socket", err) < 0)
        return -1;
    ask->socket = path;
    if (c->ssh(c->ssh_arg, ask, err) < 0)
        return -1;
    c->later = true;
    return 0;
}

static int run_ssh_keys(struct verb_call *c, struct xos_error *err)
{
    const Agent__SshKeys *m = c->body;
    struct login_ssh_ask ask = {.terms = NULL};
    return ask_ssh(c, m->socket, &ask, err);
}

static int run_ssh_prove(struct verb_call *c, struct xos_error *err)
{
    const Agent__SshProve *m = c->body;
    struct auth_login_terms t = {.life_ms = 0};
    struct login_ssh_ask ask = {.terms = &t, .key = xos_pb_slice(m->key)};
    if (m->life_ms < 1 || m->life_ms > (uint64_t)AUTH_USER_LIFE_MS_MAX)
        return xos_fail(err, XOS_INVALID, "a login for %llu ms: at most %lld",
                        (unsigned long long)m->life_ms, (long long)AUTH_USER_LIFE_MS_MAX);
    t.life_ms = (int64_t)m->life_ms;
    if (auth_field_bytes(t.nonce, sizeof(t.nonce), m->nonce, "nonce", err) < 0 ||
        auth_field_bytes(t.root_hash, sizeof(t.root_hash), m->root_hash, "root's hash", err) < 0 ||
        auth_field_name(&t.user, AUTH_NAME_USER, m->user, "user", err) < 0 ||
        identity_public(&c->s->identity, t.key, err) < 0)
        return -1;
    return ask_ssh(c, m->socket, &ask, err);
}

/* The table */

/* What leads to a signature is read strictly: an unknown field could narrow it. */
static const struct verb {
    const char *name;
    const ProtobufCMessageDescriptor *body; /* NULL: none is looked at */
    enum xos_pb_mode mode;
    bool when_locked;
    int (*run)(struct verb_call *c, struct xos_error *err);
} verbs[] = {
    {"public", NULL, XOS_PB_TOLERANT, false, run_public},
    {"install", &agent__install__descriptor, XOS_PB_STRICT, false, run_install},
    {"sign-request", &agent__sign_request__descriptor, XOS_PB_STRICT, false, run_sign_request},
    {"sign-grant", &agent__sign_grant__descriptor, XOS_PB_STRICT, false, run_sign_grant},
    {"verify-node", &agent__verify_node__descriptor, XOS_PB_TOLERANT, true, run_verify_node},
    {"status", NULL, XOS_PB_TOLERANT, true, run_status},
    {"logout", NULL, XOS_PB_TOLERANT, true, run_logout},
    {"lock", &agent__lock__descriptor, XOS_PB_STRICT, true, run_lock},
    {"unlock", &agent__unlock__descriptor, XOS_PB_STRICT, true, run_unlock},
    {"ssh-keys", &agent__ssh_keys__descriptor, XOS_PB_STRICT, false, run_ssh_keys},
    {"ssh-prove", &agent__ssh_prove__descriptor, XOS_PB_STRICT, false, run_ssh_prove},
};

static const struct verb *find(ProtobufCBinaryData name, struct xos_error *err)
{
    char quoted[AUTH_QUOTE_BYTES];
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (auth_ssh_is(xos_pb_slice(name), verbs[i].name))
            return &verbs[i];
    xos_fail(err, XOS_UNSUPPORTED, "the agent does not know \"%s\"",
             auth_quote(xos_pb_slice(name), quoted));
    return NULL;
}

/* The copy that was made of a passphrase goes as soon as it was used. */
static void forget_passphrase(const struct verb *v, void *body)
{
    ProtobufCBinaryData *p = NULL;
    if (v->run == run_lock)
        p = &((Agent__Lock *)body)->passphrase;
    else if (v->run == run_unlock)
        p = &((Agent__Unlock *)body)->passphrase;
    if (p && p->data)
        OPENSSL_cleanse(p->data, p->len);
}

static int call_verb(struct verb_call *c, const Agent__Request *m, struct xos_error *err)
{
    const struct verb *v = find(m->verb, err);
    void *body = NULL;
    if (!v || (!v->when_locked && lock_need_open(&c->s->lock, err) < 0))
        return -1;
    if (v->body) {
        body = xos_pb_unpack(v->body, xos_pb_slice(m->body), AGENT_FRAME_BYTES_MAX, v->mode, err);
        if (!body)
            return xos_wrap(err, "%s", v->name);
    }
    c->body = body;
    int rc = v->run(c, err);
    if (body)
        forget_passphrase(v, body);
    xos_pb_free(body);
    return rc;
}

/* An answer of few bytes cannot be too long; without memory the caller hears nothing and times
 * out, as it would from an agent that is gone. */
static void answer_put(struct xos_buf *answer, const struct xos_error *why,
                       const struct xos_buf *body)
{
    Agent__Answer m = AGENT__ANSWER__INIT;
    m.code = (uint32_t)why->code;
    m.done = why->code == XOS_NONE;
    m.text = xos_pb_text(why->code ? why->text : "");
    if (body && !why->code)
        m.body = bytes_of(body);
    (void)xos_pb_pack(&m.base, answer, NULL);
}

void verbs_answer_error(struct xos_buf *answer, const struct xos_error *why)
{
    answer_put(answer, why, NULL);
}

static void answer_message(struct xos_buf *answer, const ProtobufCMessage *m)
{
    struct xos_buf body = XOS_BUF(AGENT_FRAME_BYTES_MAX - 64);
    struct xos_error err = {.code = XOS_NONE};
    (void)xos_pb_pack(m, &body, &err);
    answer_put(answer, &err, &body);
    xos_buf_free(&body);
}

void verbs_answer_keys(struct xos_buf *answer, const struct ssh_agent_keys *keys)
{
    Agent__SshKey rows[SSH_AGENT_KEYS_MAX];
    Agent__SshKey *list[SSH_AGENT_KEYS_MAX];
    Agent__SshKeysAnswer m = AGENT__SSH_KEYS_ANSWER__INIT;
    for (size_t i = 0; i < keys->count; i++) {
        agent__ssh_key__init(&rows[i]);
        rows[i].key = xos_pb_bytes(keys->at[i].key);
        rows[i].comment = xos_pb_bytes(keys->at[i].comment);
        rows[i].type = xos_pb_text(keys->at[i].type->name);
        list[i] = &rows[i];
    }
    m.n_keys = keys->count;
    m.keys = list;
    answer_message(answer, &m.base);
}

void verbs_answer_proof(struct xos_buf *answer, const uint8_t key[static XOS_KEY_PUBLIC_BYTES],
                        struct xos_slice ssh_key, struct xos_slice signature)
{
    Agent__SshProveAnswer m = AGENT__SSH_PROVE_ANSWER__INIT;
    m.key = auth_field_of_bytes(key, XOS_KEY_PUBLIC_BYTES);
    m.ssh_key = xos_pb_bytes(ssh_key);
    m.ssh_signature = xos_pb_bytes(signature);
    answer_message(answer, &m.base);
}

bool verbs_run(struct agent_state *s, uint8_t *frame, size_t len, verbs_ssh_f ssh, void *arg,
               struct xos_buf *answer)
{
    struct xos_buf body = XOS_BUF(AGENT_FRAME_BYTES_MAX - 64);
    struct xos_error err = {.code = XOS_NONE};
    struct verb_call c = {
        .s = s, .now_ms = xos_env_real_ms(s->env), .ssh = ssh, .ssh_arg = arg, .out = &body};
    Agent__Request *m = xos_pb_unpack(&agent__request__descriptor, (struct xos_slice){frame, len},
                                      AGENT_FRAME_BYTES_MAX, XOS_PB_TOLERANT, &err);
    if (m && call_verb(&c, m, &err) < 0)
        assert(err.code != XOS_NONE && !c.later);
    if (m && m->body.data)
        OPENSSL_cleanse(m->body.data, m->body.len);
    if (len)
        OPENSSL_cleanse(frame, len);
    xos_pb_free(m);
    if (!c.later)
        answer_put(answer, &err, &body);
    xos_buf_free(&body);
    return !c.later;
}
