// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/ca/admin.h"

#include "libxos/base/units.h"
#include "vo-auth/ca/institution.h"
#include "vo-auth/ca/publish.h"
#include "vo-auth/ca/table.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

/* One command at work. */
struct work {
    struct ca_state state;
    struct ca_institution inst;
    int lock;
};

static void work_close(struct work *w)
{
    ca_institution_close(&w->inst);
    if (w->state.env)
        xos_env_close(w->state.env, w->lock);
    ca_state_close(&w->state);
}

static int work_open(struct work *w, const struct ca_admin *a, struct xos_env *env,
                     struct xos_error *err)
{
    *w = (struct work){.lock = -1};
    if (ca_state_open(&w->state, env, a->state, err) < 0)
        return -1;
    w->lock = ca_state_lock(&w->state, err);
    if (w->lock >= 0 && ca_institution_open(&w->inst, &w->state, err) == 0)
        return 0;
    work_close(w);
    return -1;
}

static int need(const char *value, const char *option, struct xos_error *err)
{
    return value ? 0 : xos_fail(err, XOS_INVALID, "--%s is missing", option);
}

static int print_institution(const struct ca_institution *i, struct xos_buf *out,
                             struct xos_error *err)
{
    char hash[2 * XOS_HASH_BYTES + 1], ca[XOS_TIME_TEXT_MAX], root[XOS_TIME_TEXT_MAX];
    xos_hex(i->root_hash, sizeof(i->root_hash), hash);
    xos_format_time(i->link.to_ms, ca, sizeof(ca));
    xos_format_time(i->root_to_ms, root, sizeof(root));
    return xos_buf_addf(out, err, "institution %s root %s root-ends %s ca-ends %s\n", i->name, hash,
                        root, ca);
}

static int show(const struct ca_admin *a, struct xos_env *env, struct xos_buf *out,
                struct xos_error *err)
{
    struct work w;
    if (work_open(&w, a, env, err) < 0)
        return -1;
    int rc = print_institution(&w.inst, out, err);
    work_close(&w);
    return rc;
}

static int create(const struct ca_admin *a, struct xos_env *env, struct xos_buf *out,
                  struct xos_error *err)
{
    struct ca_state state = {.dir = -1};
    if (need(a->root_dir, "root-dir", err) < 0 || ca_state_make(env, a->state, err) < 0 ||
        ca_state_open(&state, env, a->state, err) < 0)
        return -1;
    int lock = ca_state_lock(&state, err);
    int rc = lock < 0 ? -1 : ca_institution_create(&state, a->subject, a->root_dir, err);
    xos_env_close(env, lock);
    ca_state_close(&state);
    return rc < 0 ? -1 : show(a, env, out, err);
}

static int renew(const struct ca_admin *a, struct xos_env *env, struct xos_buf *out,
                 struct xos_error *err)
{
    struct work w;
    if (need(a->root_dir, "root-dir", err) < 0 || work_open(&w, a, env, err) < 0)
        return -1;
    int rc = ca_institution_renew(&w.state, a->root_dir, err);
    work_close(&w);
    return rc < 0 ? -1 : show(a, env, out, err);
}

static int read_roles(uint32_t *out, const char *text, struct xos_error *err)
{
    static const struct {
        const char *name;
        uint32_t role;
    } roles[] = {{"head", AUTH_NODE_HEAD},
                 {"worker", AUTH_NODE_WORKER},
                 {"storage", AUTH_NODE_STORAGE},
                 {"gateway", AUTH_NODE_GATEWAY}};
    for (*out = 0; *text; text += strspn(text, ", ")) {
        const size_t len = strcspn(text, ", ");
        uint32_t role = 0;
        for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
            if (strlen(roles[i].name) == len && memcmp(roles[i].name, text, len) == 0)
                role = roles[i].role;
        if (!role)
            return xos_fail(err, XOS_INVALID, "roles are head, worker, storage, gateway");
        *out |= role;
        text += len;
    }
    return 0;
}

static int fill_token(struct ca_token *t, const struct ca_admin *a, const char *institution,
                      int64_t now_ms, struct xos_error *err)
{
    uint64_t life_ms = CA_TOKEN_LIFE_MS;
    if (auth_name_parse(&t->node, AUTH_NAME_NODE, auth_slice(a->subject), institution, err) < 0 ||
        read_roles(&t->roles, a->roles ? a->roles : "worker", err) < 0 ||
        (a->life && xos_parse_duration(a->life, &life_ms, err) < 0))
        return -1;
    if (strcmp(t->node.institution, institution) != 0)
        return xos_fail(err, XOS_INVALID, "a node of %s joins there", t->node.institution);
    if (life_ms > INT64_MAX ||
        ca_token_life_check((int64_t)life_ms, t->roles, a->provisioned, err) < 0)
        return -1;
    if (a->address && !auth_address_valid(auth_slice(a->address)))
        return xos_fail(err, XOS_INVALID, "--address: a host and perhaps a port");
    (void)snprintf(t->address, sizeof(t->address), "%s", a->address ? a->address : "");
    t->expires_ms = now_ms + (int64_t)life_ms;
    return 0;
}

static int add_token(struct work *w, const struct ca_token *token, int64_t now_ms,
                     struct xos_error *err)
{
    struct ca_tokens tokens = {0};
    int rc = ca_load_tokens(&w->state, &tokens, err);
    if (rc == 0)
        rc = ca_tokens_add(&tokens, token, now_ms, err);
    if (rc == 0)
        rc = ca_store_tokens(&w->state, &tokens, err);
    ca_tokens_free(&tokens);
    return rc;
}

static int make_token(struct work *w, const struct ca_admin *a, struct xos_buf *out,
                      struct xos_error *err)
{
    const int64_t now_ms = xos_env_real_ms(w->state.env);
    struct ca_token token = {.roles = 0};
    struct auth_token secret;
    struct xos_key *key = NULL;
    char text[AUTH_TOKEN_TEXT_BYTES];
    int rc = -1;
    memcpy(secret.root_hash, w->inst.root_hash, sizeof(secret.root_hash));
    if (fill_token(&token, a, w->inst.name, now_ms, err) == 0 &&
        xos_env_random(w->state.env, secret.secret, sizeof(secret.secret), err) == 0 &&
        xos_key_from_secret(&key, secret.secret, err) == 0 &&
        auth_key_hash(xos_key_public(key), token.key_hash, err) == 0 &&
        auth_token_print(&secret, text, err) == 0 && add_token(w, &token, now_ms, err) == 0)
        rc = xos_buf_addf(out, err, "%s\n", text);
    xos_key_free(key);
    OPENSSL_cleanse(&secret, sizeof(secret));
    OPENSSL_cleanse(text, sizeof(text));
    return rc;
}

static int token(const struct ca_admin *a, struct xos_env *env, struct xos_buf *out,
                 struct xos_error *err)
{
    struct work w;
    if (work_open(&w, a, env, err) < 0)
        return -1;
    int rc = make_token(&w, a, out, err);
    work_close(&w);
    return rc;
}

static int make_slot(struct ca_slots *slots, const char *prefix, const char *part,
                     uint8_t key[static XOS_KEY_PUBLIC_BYTES], struct xos_error *err)
{
    char name[CA_SLOT_NAME_BYTES];
    (void)snprintf(name, sizeof(name), "%s.%s", prefix, part);
    if (ca_slot_make(slots, name, err) < 0)
        return -1;
    const uint8_t *made = ca_slot_public(slots, name, err);
    if (made)
        memcpy(key, made, XOS_KEY_PUBLIC_BYTES);
    return made ? 0 : -1;
}

static int print_vo(const struct ca_vo *vo, struct xos_buf *out, struct xos_error *err)
{
    uint8_t hash[XOS_HASH_BYTES];
    char text[2 * XOS_HASH_BYTES + 1], name[AUTH_NAME_BYTES_MAX + 1];
    if (auth_key_hash(vo->root_key, hash, err) < 0)
        return -1;
    xos_hex(hash, sizeof(hash), text);
    auth_name_print(&vo->name, name);
    return xos_buf_addf(out, err, "%s root %s members %zu seq %llu\n", name, text, vo->count,
                        (unsigned long long)vo->seq);
}

static int own_vo(struct auth_name *out, const char *text, const char *institution,
                  struct xos_error *err)
{
    char full[AUTH_NAME_BYTES_MAX + 1];
    const char *prefix = strncmp(text, "vo:", 3) == 0 ? "" : "vo:";
    (void)snprintf(full, sizeof(full), "%s%s", prefix, text);
    if (auth_name_parse(out, AUTH_NAME_VO, auth_slice(full), institution, err) < 0)
        return -1;
    if (strcmp(out->institution, institution) != 0)
        return xos_fail(err, XOS_INVALID, "a VO of %s is kept there", out->institution);
    return 0;
}

static int vo_create(const struct ca_admin *a, struct xos_env *env, struct xos_buf *out,
                     struct xos_error *err)
{
    struct work w;
    struct ca_slots *slots = NULL;
    struct ca_vo vo = {.seq = 1, .changed_ms = xos_env_real_ms(env), .admin_count = 1};
    int rc = -1;
    if (need(a->admin, "admin", err) < 0 || work_open(&w, a, env, err) < 0)
        return -1;
    if (own_vo(&vo.name, a->subject, w.inst.name, err) == 0 &&
        auth_name_parse(&vo.admins[0], AUTH_NAME_USER, auth_slice(a->admin), w.inst.name, err) ==
            0 &&
        ca_slots_open(&slots, &w.state, err) == 0 &&
        make_slot(slots, "voroot", vo.name.part, vo.root_key, err) == 0 &&
        make_slot(slots, "vo", vo.name.part, vo.key, err) == 0 &&
        ca_store_vo(&w.state, &vo, err) == 0)
        rc = print_vo(&vo, out, err);
    ca_slots_free(slots);
    work_close(&w);
    return rc;
}

/* rights NULL: remove. */
static int vo_change(const struct ca_admin *a, const char *rights, struct xos_env *env,
                     struct xos_buf *out, struct xos_error *err)
{
    struct work w;
    struct ca_vo vo = {0};
    struct auth_name name, user;
    int rc = -1;
    if (need(a->vo, "vo", err) < 0 || work_open(&w, a, env, err) < 0)
        return -1;
    if (own_vo(&name, a->vo, w.inst.name, err) == 0 &&
        auth_name_parse(&user, AUTH_NAME_USER, auth_slice(a->subject), w.inst.name, err) == 0 &&
        ca_load_vo(&w.state, name.part, &vo, err) == 0 &&
        (rights ? ca_vo_add(&vo, &user, rights, xos_env_real_ms(env), err)
                : ca_vo_remove(&vo, &user, xos_env_real_ms(env), err)) == 0 &&
        ca_store_vo(&w.state, &vo, err) == 0)
        rc = print_vo(&vo, out, err);
    ca_vo_free(&vo);
    work_close(&w);
    return rc;
}

static int vo_add(const struct ca_admin *a, struct xos_env *env, struct xos_buf *out,
                  struct xos_error *err)
{
    return vo_change(a, a->rights ? a->rights : "", env, out, err);
}

static int vo_remove(const struct ca_admin *a, struct xos_env *env, struct xos_buf *out,
                     struct xos_error *err)
{
    return vo_change(a, NULL, env, out, err);
}

/* A name's URI, or a certificate's serial number in hexadecimal. */
static int add_revoked(struct auth_revocations *list, const char *what, const char *institution,
                       struct xos_error *err)
{
    struct auth_name name;
    uint8_t entry[XOS_HASH_BYTES];
    if (xos_unhex(what, entry, AUTH_SERIAL_BYTES) == 0)
        return auth_revocations_add(list, AUTH_REVOKE_SERIAL, entry, err);
    if (auth_name_parse_uri(&name, auth_slice(what), err) < 0 ||
        auth_revoke_subject(&name, entry, err) < 0)
        return -1;
    if (strcmp(name.institution, institution) != 0)
        return xos_fail(err, XOS_INVALID, "%s revokes its own names", name.institution);
    return auth_revocations_add(list, AUTH_REVOKE_SUBJECT, entry, err);
}

static int take_back(const struct ca_admin *a, struct xos_env *env, struct xos_buf *out,
                     struct xos_error *err)
{
    struct work w;
    struct auth_revocations *list = NULL;
    int rc = -1;
    if (work_open(&w, a, env, err) < 0)
        return -1;
    if (ca_load_revocations(&w.state, w.inst.name, w.inst.root_hash, &list, err) == 0 &&
        add_revoked(list, a->subject, w.inst.name, err) == 0) {
        list->seq++;
        list->issued_ms = xos_env_real_ms(env);
        rc = ca_store_revocations(&w.state, list, err);
    }
    if (rc == 0)
        rc = xos_buf_addf(out, err, "revoked %s list %llu\n", a->subject,
                          (unsigned long long)list->seq);
    auth_revocations_free(list);
    work_close(&w);
    return rc;
}

static const struct ca_command commands[] = {
    {"create", "INSTITUTION", "make root (in --root-dir) and issuing CA", create},
    {"renew", NULL, "make a new issuing CA with the root in --root-dir", renew},
    {"show", NULL, "the institution, its root's hash, and when root and CA end", show},
    {"token", "NODE", "a join token: --roles --address --life --provisioned", token},
    {"vo-create", "VO", "make a VO that is kept here: --admin", vo_create},
    {"vo-add", "USER", "a member of --vo with --rights, or other rights", vo_add},
    {"vo-remove", "USER", "no longer a member of --vo", vo_remove},
    {"publish", "DIR", "write root, VOs and revocations into a trust directory", ca_publish},
    {"peer-add", "FILE", "trust another institution's root: --fingerprint", ca_peer_add},
    {"peer-remove", "INSTITUTION", "trust it no more", ca_peer_remove},
    {"revoke", "NAME", "take back a name (xos://inria/user/alice) or a serial number", take_back},
};

const struct ca_command *ca_command(size_t i)
{
    return i < sizeof(commands) / sizeof(commands[0]) ? &commands[i] : NULL;
}
