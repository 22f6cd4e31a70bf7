// SPDX-License-Identifier: Apache-2.0
#include "client/login.h"

#include "client/ask.h"
#include "client/text.h"
#include "client/xos.h"
#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"
#include "vo-auth/ca.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOGIN_LIFE_MS UINT64_C(43200000)     /* 12 h, the longest */
#define LOGIN_SESSION_MS UINT64_C(604800000) /* 7 d, the longest */
#define LOGIN_ASK_MS 15000
#define LOGIN_KEYS_MAX 32
#define LOGIN_INSTITUTIONS_MAX 32
#define LOGIN_TRUST_DIR "/etc/xos/trust"

/* Who is logged in */

static void vos_take(struct client_login *l, const Agent__StatusAnswer *m)
{
    for (size_t i = 0; i < m->n_vos && l->vo_count < CLIENT_LOGIN_VOS_MAX; i++) {
        const ProtobufCBinaryData vo = m->vos[i]->vo;
        if (vo.len == 0 || vo.len >= XOS_HEADER_NAME_MAX)
            continue;
        memcpy(l->vos[l->vo_count], vo.data, vo.len);
        l->vos[l->vo_count++][vo.len] = '\0';
    }
}

static int login_read(struct client_login *l, struct xos_env *env, struct xos_error *err)
{
    if (agent_link_open(&l->agent, env, err) < 0)
        return -1;
    Agent__StatusAnswer *m = agent_link_status(l->agent, err);
    int rc = m ? agent_link_signer(l->agent, m, &l->signer, err) : -1;
    if (rc == 0)
        vos_take(l, m);
    xos_pb_free(m);
    return rc;
}

void client_login_free(struct xos_client *c)
{
    if (c->login)
        agent_link_free(c->login->agent);
    xos_free(c->login);
    c->login = NULL;
    c->signer = NULL;
}

void client_login_read(struct xos_client *c)
{
    client_login_free(c);
    c->login = xos_alloc(sizeof(*c->login));
    c->no_login = (struct xos_error){.code = XOS_NONE};
    if (!c->login)
        xos_fail(&c->no_login, XOS_NOMEM, "login");
    else if (login_read(c->login, client_pollset_env(c->poll), &c->no_login) < 0)
        client_login_free(c);
    else
        c->signer = &c->login->signer.signer;
    /* Other requests than jobs have no need to name one of several. */
    if (c->login && !c->chosen && c->login->vo_count == 1)
        memcpy(c->vo, c->login->vos[0], sizeof(c->vo));
}

int client_acting(const struct xos_client *c, const char **vo, const char **role,
                  struct xos_error *err)
{
    char all[300] = "";
    size_t n = 0;
    *vo = c->vo;
    *role = c->role;
    if (c->chosen || !c->login || c->login->vo_count <= 1)
        return 0;
    for (size_t i = 0; i < c->login->vo_count && n < sizeof(all) - XOS_HEADER_NAME_MAX; i++)
        n += (size_t)snprintf(all + n, sizeof(all) - n, " %s", c->login->vos[i]);
    return xos_fail(err, XOS_INVALID, "for which VO? choose with --vo or XOS_VO one of:%s", all);
}

/* Logging in */

struct logging {
    struct xos_client *client;
    struct agent_link *agent;
    const struct xos_login *wish;
    char user[XOS_HEADER_NAME_MAX];
    char home[XOS_HEADER_NAME_MAX];
    const char *ssh;
    struct xos_buf issued;                       /* Issued */
    struct xos_buf said[LOGIN_INSTITUTIONS_MAX]; /* AttrList of one institution each */
    size_t said_count;
    unsigned tried;
};

static int ask(struct logging *l, const char *institution, const char *verb, const void *message,
               struct xos_buf *answer, struct xos_error *err)
{
    struct xos_buf body = XOS_BUF(XOS_BODY_BYTES_MAX);
    struct client_request request = {.verb = verb, .to_node = "", .to_institution = institution};
    int rc = message ? xos_pb_pack(message, &body, err) : 0;
    request.body = (struct xos_slice){body.data, body.len};
    if (rc == 0)
        rc = client_ask_again(l->client, &request, LOGIN_ASK_MS, answer, err);
    xos_buf_free(&body);
    return rc;
}

/* "alice", "alice@inria", or nobody: then $XOS_USER, else the login name. */
static int who(struct logging *l, struct xos_error *err)
{
    const char *env = getenv("XOS_USER");
    struct xos_user own = {.login = ""};
    const char *name = l->wish->user ? l->wish->user : env && env[0] ? env : own.login;
    if (name == own.login && xos_env_user(client_pollset_env(l->client->poll), &own, err) < 0)
        return -1;
    const char *at = strchr(name, '@');
    const char *home = at ? at + 1 : xos_client_institution(l->client);
    int n = snprintf(l->user, sizeof(l->user), "%.*s@%s", at ? (int)(at - name) : (int)strlen(name),
                     name, home);
    int m = snprintf(l->home, sizeof(l->home), "%s", home);
    if (n >= (int)sizeof(l->user) || m >= (int)sizeof(l->home) || !name[0] || !home[0])
        return xos_fail(err, XOS_INVALID, "\"%.60s\" is not a user: alice or alice@inria is", name);
    return 0;
}

static int keys_list(struct logging *l, Agent__SshKeysAnswer **out, struct xos_error *err)
{
    Agent__SshKeys m = AGENT__SSH_KEYS__INIT;
    void *answer = NULL;
    l->ssh = l->wish->ssh_agent ? l->wish->ssh_agent : getenv("SSH_AUTH_SOCK");
    if (!l->ssh || !l->ssh[0])
        return xos_fail(err, XOS_NO_LOGIN,
                        "no ssh-agent holds your SSH key: run `eval "
                        "\"$(ssh-agent)\" && ssh-add`, then xos login again");
    m.socket = xos_pb_text(l->ssh);
    if (agent_link_call(l->agent, "ssh-keys", &m.base, &agent__ssh_keys_answer__descriptor, &answer,
                        AGENT_LINK_MS_MAX, err) < 0)
        return -1;
    *out = answer;
    if ((*out)->n_keys)
        return 0;
    xos_pb_free(answer);
    return xos_fail(err, XOS_NO_LOGIN,
                    "your ssh-agent holds no key: run ssh-add, then xos login "
                    "again");
}

static int prove(struct logging *l, const Ca__Nonce *nonce, const Agent__SshKey *key,
                 struct xos_buf *proof, struct xos_error *err)
{
    Agent__SshProve m = AGENT__SSH_PROVE__INIT;
    Ca__Login login = CA__LOGIN__INIT;
    void *answer = NULL;
    m.socket = xos_pb_text(l->ssh);
    m.key = key->key;
    m.nonce = nonce->nonce;
    m.root_hash = nonce->root_hash;
    m.user = xos_pb_text(l->user);
    m.life_ms = l->wish->life_ms ? l->wish->life_ms : LOGIN_LIFE_MS;
    if (agent_link_call(l->agent, "ssh-prove", &m.base, &agent__ssh_prove_answer__descriptor,
                        &answer, AGENT_LINK_SSH_MS_MAX, err) < 0)
        return -1;
    const Agent__SshProveAnswer *a = answer;
    login.user = m.user;
    login.nonce = m.nonce;
    login.life_ms = m.life_ms;
    login.key = a->key;
    login.ssh_key = a->ssh_key;
    login.ssh_signature = a->ssh_signature;
    int rc = xos_pb_pack(&login, proof, err);
    xos_pb_free(answer);
    return rc;
}

/* One key: a nonce, its signature, the certificate. */
static int try_key(struct logging *l, const Agent__SshKey *key, struct xos_error *err)
{
    struct xos_buf answer = XOS_BUF(4096), proof = XOS_BUF(XOS_BODY_BYTES_MAX);
    struct client_request request = {.verb = "ca.login", .to_node = "", .to_institution = l->home};
    Ca__Nonce *nonce = NULL;
    int rc = ask(l, l->home, "ca.nonce", NULL, &answer, err);
    if (rc == 0)
        nonce = xos_pb_unpack(&ca__nonce__descriptor, (struct xos_slice){answer.data, answer.len},
                              4096, XOS_PB_TOLERANT, err);
    if (rc == 0)
        rc = nonce ? prove(l, nonce, key, &proof, err) : -1;
    request.body = (struct xos_slice){proof.data, proof.len};
    xos_buf_clear(&l->issued);
    if (rc == 0)
        rc = client_ask_again(l->client, &request, LOGIN_ASK_MS, &l->issued, err);
    xos_pb_free(nonce);
    xos_buf_free(&answer);
    xos_buf_free(&proof);
    return rc;
}

static bool is_wanted(const struct xos_login *wish, const Agent__SshKey *key)
{
    return !wish->key || (key->comment.len == strlen(wish->key) &&
                          memcmp(key->comment.data, wish->key, key->comment.len) == 0);
}

/* The keys in the ssh-agent's order of merit, until one is enrolled. */
static int try_keys(struct logging *l, struct xos_error *err)
{
    Agent__SshKeysAnswer *keys = NULL;
    int rc = -1;
    if (keys_list(l, &keys, err) < 0)
        return -1;
    for (size_t i = 0; rc < 0 && i < keys->n_keys && l->tried < LOGIN_KEYS_MAX; i++) {
        if (!is_wanted(l->wish, keys->keys[i]))
            continue;
        l->tried++;
        rc = try_key(l, keys->keys[i], err);
        if (rc < 0 && err->code != XOS_DENIED)
            break;
    }
    xos_pb_free(keys);
    if (rc < 0 && l->tried == 0)
        return xos_fail(err, XOS_NOT_FOUND, "your ssh-agent holds no key with the comment \"%s\"",
                        l->wish->key);
    if (rc < 0 && err->code == XOS_DENIED)
        return xos_wrap(err,
                        "none of %u SSH key%s of yours opens %s: an administrator of %s adds "
                        "it to /etc/xos/users/NAME.keys",
                        l->tried, l->tried == 1 ? "" : "s", l->user, l->home);
    return rc;
}

/* What VOs say */

struct institutions {
    char at[LOGIN_INSTITUTIONS_MAX][XOS_HEADER_NAME_MAX];
    size_t count;
};

static void institution_add(struct institutions *all, const char *name, size_t len)
{
    for (size_t i = 0; i < all->count; i++)
        if (strlen(all->at[i]) == len && memcmp(all->at[i], name, len) == 0)
            return;
    if (all->count == LOGIN_INSTITUTIONS_MAX || len == 0 || len >= XOS_HEADER_NAME_MAX)
        return;
    memcpy(all->at[all->count], name, len);
    all->at[all->count++][len] = '\0';
}

/* vo/climate@inria.root: inria keeps a VO that this machine knows. */
static int on_vo(const char *file, void *arg)
{
    const char *at = strchr(file, '@'), *dot = at ? strstr(at, ".root") : NULL;
    if (dot)
        institution_add(arg, at + 1, (size_t)(dot - at - 1));
    return 0;
}

static void institutions_read(struct logging *l, struct institutions *all)
{
    struct xos_env *env = client_pollset_env(l->client->poll);
    const char *trust = getenv("XOS_TRUST");
    struct xos_error err;
    institution_add(all, l->home, strlen(l->home));
    int dir = xos_env_dir_open(env, trust && trust[0] ? trust : LOGIN_TRUST_DIR, &err);
    if (dir >= 0)
        (void)xos_env_dir_list(env, dir, "vo", on_vo, all, &err);
    xos_env_close(env, dir);
}

/* A VO that cannot be asked now is missing until the next login; that is said, and no more. */
static void ask_vos(struct logging *l, const Ca__Issued *issued)
{
    struct institutions all = {.count = 0};
    Ca__AttrRequest m = CA__ATTR_REQUEST__INIT;
    m.n_chain = issued->n_chain;
    m.chain = issued->chain;
    institutions_read(l, &all);
    for (size_t i = 0; i < all.count; i++) {
        struct xos_error err = {0};
        struct xos_buf *said = &l->said[l->said_count];
        *said = XOS_BUF(XOS_BODY_BYTES_MAX);
        if (ask(l, all.at[i], "ca.attrs", &m, said, &err) == 0) {
            l->said_count++;
            continue;
        }
        xos_buf_free(said);
        if (l->wish->warn)
            l->wish->warn(l->wish->arg, all.at[i], err.text);
    }
}

static int install(struct logging *l, const Ca__Issued *issued, struct xos_error *err)
{
    Agent__Install m = AGENT__INSTALL__INIT;
    Ca__AttrList *lists[LOGIN_INSTITUTIONS_MAX] = {NULL};
    ProtobufCBinaryData attributes[CLIENT_LOGIN_VOS_MAX];
    uint64_t session = l->wish->session_ms ? l->wish->session_ms : LOGIN_SESSION_MS;
    m.n_chain = issued->n_chain;
    m.chain = issued->chain;
    m.attributes = attributes;
    for (size_t i = 0; i < l->said_count; i++) {
        lists[i] = xos_pb_unpack(&ca__attr_list__descriptor,
                                 (struct xos_slice){l->said[i].data, l->said[i].len},
                                 XOS_BODY_BYTES_MAX, XOS_PB_TOLERANT, NULL);
        for (size_t k = 0; lists[i] && k < lists[i]->n_attrs; k++)
            if (m.n_attributes < CLIENT_LOGIN_VOS_MAX)
                attributes[m.n_attributes++] = lists[i]->attrs[k]->attributes;
    }
    m.session_until_ms = (uint64_t)xos_env_real_ms(client_pollset_env(l->client->poll)) + session;
    int rc = agent_link_call(l->agent, "install", &m.base, NULL, NULL, AGENT_LINK_MS_MAX, err);
    for (size_t i = 0; i < l->said_count; i++)
        xos_pb_free(lists[i]);
    return rc;
}

static int log_in(struct logging *l, struct xos_error *err)
{
    if (!l->client->federated)
        return xos_fail(err, XOS_UNSUPPORTED,
                        "node %s stands alone: it serves its own user without a login",
                        xos_client_node(l->client));
    if (who(l, err) < 0 ||
        agent_link_open(&l->agent, client_pollset_env(l->client->poll), err) < 0 ||
        try_keys(l, err) < 0)
        return -1;
    Ca__Issued *issued =
        xos_pb_unpack(&ca__issued__descriptor, (struct xos_slice){l->issued.data, l->issued.len},
                      XOS_BODY_BYTES_MAX, XOS_PB_TOLERANT, err);
    if (!issued)
        return -1;
    ask_vos(l, issued);
    int rc = install(l, issued, err);
    xos_pb_free(issued);
    return rc;
}

int xos_login(struct xos_client *client, const struct xos_login *wish, struct xos_fault *fault)
{
    struct xos_error err = {0};
    struct logging l = {.client = client, .wish = wish, .issued = XOS_BUF(XOS_BODY_BYTES_MAX)};
    int rc = log_in(&l, &err);
    agent_link_free(l.agent);
    xos_buf_free(&l.issued);
    for (size_t i = 0; i < l.said_count; i++)
        xos_buf_free(&l.said[i]);
    if (rc < 0)
        return client_fault(fault, &err);
    client_login_read(client);
    return 0;
}

/* Logging out, and asking who one is */

int xos_logout(struct xos_fault *fault)
{
    struct xos_error err = {0};
    struct agent_link *agent = NULL;
    int rc = agent_link_open(&agent, xos_env_posix(), &err);
    if (rc == 0)
        rc = agent_link_call(agent, "logout", NULL, NULL, NULL, AGENT_LINK_MS_MAX, &err);
    agent_link_free(agent);
    return rc < 0 ? client_fault(fault, &err) : 0;
}

/* "prod dev prod:runner": groups, then roles. */
static char *rights_dup(const Agent__Membership *m)
{
    size_t n = 1;
    for (size_t i = 0; i < m->n_groups; i++)
        n += m->groups[i].len + 1;
    for (size_t i = 0; i < m->n_roles; i++)
        n += m->roles[i].len + 1;
    char *to = xos_alloc(n), *at = to;
    for (size_t i = 0; to && i < m->n_groups + m->n_roles; i++) {
        const ProtobufCBinaryData *b = i < m->n_groups ? &m->groups[i] : &m->roles[i - m->n_groups];
        if (at != to)
            *at++ = ' ';
        memcpy(at, b->data, b->len);
        at += b->len;
    }
    return to;
}

void xos_identity_free(struct xos_identity *id)
{
    if (!id)
        return;
    for (size_t i = 0; i < id->vo_count; i++) {
        xos_free(id->vos[i].name);
        xos_free(id->vos[i].rights);
    }
    xos_free(id->vos);
    xos_free(id->user);
    xos_free(id->institution);
    xos_free(id);
}

static int identity_take(struct xos_identity *id, const Agent__StatusAnswer *m,
                         struct xos_error *err)
{
    id->user = client_text_dup(m->user);
    id->institution = client_text_dup(m->institution);
    id->until_ms = m->until_ms;
    id->session_until_ms = m->session_until_ms;
    id->renewal_ms = m->renewal_ms;
    id->locked = m->locked != 0;
    id->vos = xos_alloc_array(m->n_vos + 1, sizeof(*id->vos));
    bool whole = id->user && id->institution && id->vos;
    for (size_t i = 0; id->vos && i < m->n_vos; i++) {
        struct xos_membership *v = &id->vos[id->vo_count++];
        v->name = client_text_dup(m->vos[i]->vo);
        v->rights = rights_dup(m->vos[i]);
        v->until_ms = m->vos[i]->expires_ms;
        whole = whole && v->name && v->rights;
    }
    return whole ? 0 : xos_fail(err, XOS_NOMEM, "identity");
}

int xos_whoami(struct xos_identity **out, struct xos_fault *fault)
{
    struct xos_error err = {0};
    struct agent_link *agent = NULL;
    struct xos_identity *id = NULL;
    Agent__StatusAnswer *m = NULL;
    if (agent_link_open(&agent, xos_env_posix(), &err) == 0)
        m = agent_link_status(agent, &err);
    if (m && m->user.len == 0)
        xos_fail(&err, XOS_NO_LOGIN, "not logged in: run xos login");
    if (m && err.code == XOS_NONE) {
        id = xos_alloc(sizeof(*id));
        if (!id)
            xos_fail(&err, XOS_NOMEM, "identity");
        else
            (void)identity_take(id, m, &err);
    }
    xos_pb_free(m);
    agent_link_free(agent);
    if (err.code == XOS_NONE) {
        id->size = sizeof(*id);
        *out = id;
        return 0;
    }
    xos_identity_free(id);
    return client_fault(fault, &err);
}
