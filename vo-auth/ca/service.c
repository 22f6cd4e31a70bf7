// SPDX-License-Identifier: Apache-2.0
/* The verbs. Each is a function of a body; what is not in the table is refused. A certificate is
 * issued in one place, from a proof alone.
 *
 * The order for a join: prove, take the token out of the table and flush that, record, issue. A
 * crash in between costs the token, never lets it be used twice. */
#include "vo-auth/ca/service.h"

#include "libxos/base/alloc.h"
#include "libxos/net/refusals.h"
#include "libxos/wire/pb.h"
#include "vo-auth/ca/authkeys.h"
#include "vo-auth/ca/institution.h"
#include "vo-auth/ca/issue.h"
#include "vo-auth/ca/table.h"

#include <stdio.h>
#include <string.h>

struct ca_service {
    struct ca_state *state;
    char *users;
    struct ca_institution inst;
    struct ca_slots *slots;
    struct ca_nonces *nonces;
    struct ca_epochs *epochs;
    struct auth_revocations *revoked;
    const struct auth_revocations *lists[1];
    struct ca_stamp ca_stamp, revoked_stamp, peers_stamp;
    uint64_t issued, refused;
    struct xos_refusals refusals;
};

#define CA_ATTRS_MAX 32 /* VOs of one user in one answer */

struct call {
    struct ca_service *s;
    struct ca_world world;
    struct xos_slice body;
    struct xos_buf *out;
    struct xos_error *err;
};

static struct xos_slice slice(const struct xos_buf *b)
{
    return (struct xos_slice){b->data, b->len};
}

/* What an administrator's command has changed beside us is read again. */
static int refresh(struct ca_service *s, struct xos_error *err)
{
    struct ca_institution inst;
    struct auth_revocations *list = NULL;
    bool ca = ca_state_changed(s->state, CA_FILE_CA, &s->ca_stamp);
    bool peers = ca_state_changed(s->state, CA_DIR_PEERS, &s->peers_stamp);
    if (ca || peers) {
        if (ca_institution_open(&inst, s->state, err) < 0) {
            s->ca_stamp = (struct ca_stamp){0};
            return -1;
        }
        ca_institution_close(&s->inst);
        s->inst = inst;
    }
    if (!ca_state_changed(s->state, CA_FILE_REVOCATIONS, &s->revoked_stamp) && s->revoked)
        return 0;
    if (ca_load_revocations(s->state, s->inst.name, s->inst.root_hash, &list, err) < 0) {
        s->revoked_stamp = (struct ca_stamp){.inode = UINT64_MAX};
        return -1;
    }
    auth_revocations_free(s->revoked);
    s->lists[0] = s->revoked = list;
    return 0;
}

int ca_service_new(struct ca_service **out, struct ca_state *state, const char *users,
                   struct xos_error *err)
{
    uint8_t secret[CA_NONCE_SECRET_BYTES];
    struct ca_service *s = xos_alloc(sizeof(*s));
    if (!s)
        return xos_fail(err, XOS_NOMEM, "service");
    s->state = state;
    s->users = xos_strdup(users);
    if (!s->users) {
        xos_fail(err, XOS_NOMEM, "service");
        goto error;
    }
    if (xos_env_random(state->env, secret, sizeof(secret), err) < 0 ||
        ca_slots_open(&s->slots, state, err) < 0 ||
        ca_nonces_new(&s->nonces, secret, CA_NONCES_USED_MAX, err) < 0 ||
        ca_epochs_new(&s->epochs, CA_EPOCHS_MAX, err) < 0 || refresh(s, err) < 0 ||
        !ca_slot_public(s->slots, s->inst.slot, err))
        goto error;
    *out = s;
    return 0;
error:
    ca_service_free(s);
    return -1;
}

void ca_service_free(struct ca_service *s)
{
    if (!s)
        return;
    auth_revocations_free(s->revoked);
    ca_epochs_free(s->epochs);
    ca_nonces_free(s->nonces);
    ca_slots_free(s->slots);
    ca_institution_close(&s->inst);
    xos_free(s->users);
    xos_free(s);
}

const char *ca_service_institution(const struct ca_service *s)
{
    return s->inst.name;
}

/* Sign it, record it, answer with its chain: nothing goes out that is not recorded. */
static int issue(struct call *c, const struct ca_proof *proof)
{
    struct ca_service *s = c->s;
    struct xos_buf leaf = XOS_BUF(AUTH_CERT_BYTES_MAX), line = XOS_BUF(CA_RECORD_BYTES_MAX);
    uint8_t random[AUTH_SERIAL_BYTES];
    struct auth_cert_request r;
    Ca__Issued m = CA__ISSUED__INIT;
    int rc = -1;
    if (xos_env_random(s->state->env, random, sizeof(random), c->err) < 0 ||
        ca_issue_request(&r, proof, random, c->world.ctx.now_ms, &s->inst.link, c->err) < 0 ||
        ca_slot_certify(s->slots, s->inst.slot, &leaf, &r, slice(&s->inst.ca), c->err) < 0 ||
        ca_issue_record(&line, proof, &r, c->world.ctx.now_ms, c->err) < 0 ||
        ca_state_log(s->state, slice(&line), ca_issue_synced(proof), c->err) < 0)
        goto out;
    ProtobufCBinaryData chain[3] = {xos_pb_bytes(slice(&leaf)), xos_pb_bytes(slice(&s->inst.ca)),
                                    xos_pb_bytes(slice(&s->inst.root))};
    m.n_chain = sizeof(chain) / sizeof(chain[0]);
    m.chain = chain;
    rc = xos_pb_pack(&m, c->out, c->err);
    s->issued++;
out:
    xos_buf_free(&leaf);
    xos_buf_free(&line);
    return rc;
}

static void *unpack(struct call *c, const ProtobufCMessageDescriptor *type)
{
    return xos_pb_unpack(type, c->body, CA_REQUEST_BYTES_MAX, XOS_PB_TOLERANT, c->err);
}

static int verb_nonce(struct call *c)
{
    uint8_t random[CA_NONCE_RANDOM_BYTES], nonce[AUTH_NONCE_BYTES];
    Ca__Nonce m = CA__NONCE__INIT;
    if (xos_env_random(c->s->state->env, random, sizeof(random), c->err) < 0 ||
        ca_nonce_make(c->s->nonces, random, c->world.boot_ms, nonce, c->err) < 0)
        return -1;
    m.nonce = xos_pb_bytes((struct xos_slice){nonce, sizeof(nonce)});
    m.root_hash = xos_pb_bytes((struct xos_slice){c->s->inst.root_hash, XOS_HASH_BYTES});
    m.life_ms = (uint64_t)AUTH_NONCE_LIFE_MS;
    return xos_pb_pack(&m, c->out, c->err);
}

/* No file: nobody is enrolled. A file or folder that others could write counts for nothing. */
static int read_enrolled(struct ca_service *s, const struct auth_name *user, struct xos_buf *out,
                         struct xos_error *err)
{
    char file[AUTH_PART_BYTES_MAX + sizeof(".keys")];
    struct xos_error why = {0};
    struct xos_env *env = s->state->env;
    (void)snprintf(file, sizeof(file), "%s.keys", user->part);
    int dir = xos_env_dir_open(env, s->users, &why);
    int rc = dir < 0 ? -1 : ca_file_check(dir, s->users, CA_TRUST_PUBLIC, &why);
    if (rc == 0)
        rc = ca_file_read(env, dir, file, CA_TRUST_PUBLIC, out, &why);
    xos_env_close(env, dir);
    return rc < 0 && why.code != XOS_NOT_FOUND ? xos_fail(err, why.code, "%s", why.text) : 0;
}

static int verb_login(struct call *c)
{
    struct xos_buf enrolled = XOS_BUF(CA_AUTHKEYS_BYTES_MAX);
    struct ca_proof proof = {0};
    struct auth_name user;
    Ca__Login *m = unpack(c, &ca__login__descriptor);
    int rc = -1;
    if (m && ca_login_user(&user, m, c->s->inst.name, c->err) == 0 &&
        read_enrolled(c->s, &user, &enrolled, c->err) == 0 &&
        ca_prove_login(&proof, m, slice(&enrolled), &c->world, c->err) == 0)
        rc = issue(c, &proof);
    xos_buf_free(&enrolled);
    ca_proof_free(&proof);
    xos_pb_free(m);
    return rc;
}

static int join_locked(struct call *c, const Ca__Join *m, struct ca_proof *proof)
{
    struct ca_tokens tokens = {0};
    int rc = -1;
    if (ca_load_tokens(c->s->state, &tokens, c->err) == 0 &&
        ca_prove_join(proof, m, &tokens, &c->world, c->err) == 0) {
        ca_tokens_remove(&tokens, (size_t)proof->token);
        rc = ca_store_tokens(c->s->state, &tokens, c->err);
    }
    ca_tokens_free(&tokens);
    return rc;
}

static int verb_join(struct call *c)
{
    struct ca_proof proof = {0};
    Ca__Join *m = unpack(c, &ca__join__descriptor);
    int lock = m ? ca_state_lock(c->s->state, c->err) : -1;
    int rc = lock < 0 ? -1 : join_locked(c, m, &proof);
    xos_env_close(c->s->state->env, lock);
    if (rc == 0)
        rc = issue(c, &proof);
    ca_proof_free(&proof);
    xos_pb_free(m);
    return rc;
}

static int verb_renew(struct call *c)
{
    struct ca_proof proof = {0};
    Ca__Renew *m = unpack(c, &ca__renew__descriptor);
    int rc = m ? ca_prove_renew(&proof, m, &c->world, c->err) : -1;
    if (rc == 0)
        rc = issue(c, &proof);
    ca_proof_free(&proof);
    xos_pb_free(m);
    return rc;
}

static int verb_job(struct call *c)
{
    struct ca_proof proof = {0};
    Ca__Job *m = unpack(c, &ca__job__descriptor);
    int rc = m ? ca_prove_job(&proof, m, &c->world, c->err) : -1;
    if (rc == 0)
        rc = issue(c, &proof);
    ca_proof_free(&proof);
    xos_pb_free(m);
    return rc;
}

/* One VO's word, in memory until it is packed. */
struct said {
    Ca__Attr m;
    struct xos_buf attr, manifest;
    uint8_t root_hash[XOS_HASH_BYTES];
};

static void said_free(struct said *s)
{
    xos_buf_free(&s->attr);
    xos_buf_free(&s->manifest);
}

static int sign_attr(struct call *c, const struct ca_vo *vo, const struct auth_principal *user,
                     struct said *out)
{
    struct ca_vo_names names;
    struct auth_attr attr;
    struct auth_manifest manifest;
    char root[CA_SLOT_NAME_BYTES], key[CA_SLOT_NAME_BYTES];
    *out = (struct said){.m = CA__ATTR__INIT,
                         .attr = XOS_BUF(AUTH_ATTR_BYTES_MAX),
                         .manifest = XOS_BUF(AUTH_MANIFEST_BYTES_MAX)};
    (void)snprintf(root, sizeof(root), "voroot.%s", vo->name.part);
    (void)snprintf(key, sizeof(key), "vo.%s", vo->name.part);
    if (ca_vo_attr(&attr, vo, user, c->world.ctx.now_ms, c->err) < 0 ||
        ca_vo_manifest(&manifest, vo, &names, c->err) < 0 ||
        ca_slot_attr(c->s->slots, key, &out->attr, &attr, c->err) < 0 ||
        ca_slot_manifest(c->s->slots, root, &out->manifest, &manifest, c->err) < 0)
        return -1;
    memcpy(out->root_hash, attr.vo_root_hash, XOS_HASH_BYTES);
    out->m.attributes = xos_pb_bytes(slice(&out->attr));
    out->m.manifest = xos_pb_bytes(slice(&out->manifest));
    return 0;
}

static int say(struct call *c, struct said *said)
{
    said->m.vo_root_hash = xos_pb_bytes((struct xos_slice){said->root_hash, XOS_HASH_BYTES});
    return xos_pb_pack(&said->m, c->out, c->err);
}

/* The statement is of no use without the member's key, and says nothing but what the VO's table
 * says: the member's chain is proof enough. */
static int whose_chain(struct call *c, const Ca__AttrRequest *m, struct auth_principal *user)
{
    struct auth_context ctx = c->world.ctx;
    struct ca_chain chain;
    ctx.slot = AUTH_KIND_USER;
    if (ca_chain_read(&chain, m->n_chain, m->chain, "chain", c->err) < 0)
        return -1;
    return auth_verify(chain.der, chain.count, &ctx, user, c->err);
}

static int attr_for(struct call *c, const Ca__AttrRequest *m, struct auth_principal *user)
{
    struct auth_name name;
    struct ca_vo vo = {0};
    struct said said = {.root_hash = {0}};
    if (auth_name_parse(&name, AUTH_NAME_VO, xos_pb_slice(m->vo), NULL, c->err) < 0 ||
        whose_chain(c, m, user) < 0)
        return -1;
    if (strcmp(name.institution, c->s->inst.name) != 0)
        return xos_fail(c->err, XOS_NOT_FOUND, "the VO is kept at %s", name.institution);
    int rc = ca_load_vo(c->s->state, name.part, &vo, c->err);
    if (rc == 0)
        rc = sign_attr(c, &vo, user, &said);
    if (rc == 0)
        rc = say(c, &said);
    said_free(&said);
    ca_vo_free(&vo);
    return rc;
}

static int verb_attr(struct call *c)
{
    struct auth_principal user = {0};
    Ca__AttrRequest *m = unpack(c, &ca__attr_request__descriptor);
    int rc = m ? attr_for(c, m, &user) : -1;
    auth_principal_free(&user);
    xos_pb_free(m);
    return rc;
}

/* Going through the VOs that are kept here. */
struct saying {
    struct call *c;
    const struct auth_principal *user;
    struct said said[CA_ATTRS_MAX];
    size_t count;
    int rc;
};

/* Of a VO that the user is no member of nothing is said. */
static int add_attr(const char *part, void *arg)
{
    struct saying *s = arg;
    struct ca_vo vo = {0};
    struct said *said = &s->said[s->count];
    if (part[0] == '.' || s->count == CA_ATTRS_MAX)
        return 0;
    s->rc = ca_load_vo(s->c->s->state, part, &vo, s->c->err);
    if (s->rc == 0) {
        s->rc = sign_attr(s->c, &vo, s->user, said);
        if (s->rc == 0)
            s->count++;
        else
            said_free(said);
        if (s->rc < 0 && s->c->err->code == XOS_DENIED)
            s->rc = 0;
    }
    ca_vo_free(&vo);
    return s->rc;
}

static int attrs_for(struct call *c, struct saying *s)
{
    Ca__AttrList m = CA__ATTR_LIST__INIT;
    Ca__Attr *list[CA_ATTRS_MAX];
    if (xos_env_dir_list(c->s->state->env, c->s->state->dir, CA_DIR_VO, add_attr, s, c->err) < 0 ||
        s->rc < 0)
        return -1;
    for (size_t i = 0; i < s->count; i++) {
        s->said[i].m.vo_root_hash =
            xos_pb_bytes((struct xos_slice){s->said[i].root_hash, XOS_HASH_BYTES});
        list[i] = &s->said[i].m;
    }
    m.n_attrs = s->count;
    m.attrs = list;
    return xos_pb_pack(&m, c->out, c->err);
}

static int verb_attrs(struct call *c)
{
    struct auth_principal user = {0};
    struct saying *s = xos_alloc(sizeof(*s));
    Ca__AttrRequest *m = s ? unpack(c, &ca__attr_request__descriptor) : NULL;
    int rc = s ? 0 : xos_fail(c->err, XOS_NOMEM, "VOs");
    if (rc == 0)
        rc = m ? whose_chain(c, m, &user) : -1;
    if (rc == 0) {
        s->c = c;
        s->user = &user;
        rc = attrs_for(c, s);
    }
    for (size_t i = 0; s && i < s->count; i++)
        said_free(&s->said[i]);
    auth_principal_free(&user);
    xos_pb_free(m);
    xos_free(s);
    return rc;
}

static int verb_crl(struct call *c)
{
    struct ca_service *s = c->s;
    struct xos_buf list = XOS_BUF(AUTH_REVOKE_BYTES_MAX);
    ProtobufCBinaryData chain[2] = {xos_pb_bytes(slice(&s->inst.ca)),
                                    xos_pb_bytes(slice(&s->inst.root))};
    Ca__Crl m = CA__CRL__INIT;
    s->revoked->issued_ms = c->world.ctx.now_ms;
    int rc = ca_slot_revocations(s->slots, s->inst.slot, &list, s->revoked, c->err);
    if (rc == 0) {
        m.list = xos_pb_bytes(slice(&list));
        m.n_chain = 2;
        m.chain = chain;
        m.seq = s->revoked->seq;
        rc = xos_pb_pack(&m, c->out, c->err);
    }
    xos_buf_free(&list);
    return rc;
}

static int verb_status(struct call *c)
{
    struct ca_service *s = c->s;
    struct ca_tokens tokens = {0};
    Ca__Status m = CA__STATUS__INIT;
    if (ca_load_tokens(s->state, &tokens, c->err) < 0)
        return -1;
    m.institution = xos_pb_text(s->inst.name);
    m.root_hash = xos_pb_bytes((struct xos_slice){s->inst.root_hash, XOS_HASH_BYTES});
    m.ca_expires_ms = (uint64_t)s->inst.link.to_ms;
    m.root_expires_ms = (uint64_t)s->inst.root_to_ms;
    m.ca_ends_soon = s->inst.link.to_ms - c->world.ctx.now_ms < CA_ENDS_SOON_MS;
    m.issued = s->issued;
    m.refused = s->refused;
    for (size_t i = 0; i < tokens.count; i++)
        m.tokens += tokens.at[i].expires_ms >= c->world.ctx.now_ms;
    ca_tokens_free(&tokens);
    return xos_pb_pack(&m, c->out, c->err);
}

static const struct {
    const char *name;
    int (*run)(struct call *c);
} verbs[] = {
    {"nonce", verb_nonce}, {"login", verb_login}, {"join", verb_join},
    {"renew", verb_renew}, {"job", verb_job},     {"attr", verb_attr},
    {"attrs", verb_attrs}, {"crl", verb_crl},     {"status", verb_status},
};

static int run(struct call *c, struct xos_slice verb)
{
    struct ca_service *s = c->s;
    if (refresh(s, c->err) < 0)
        return -1;
    c->world = (struct ca_world){.institution = s->inst.name,
                                 .ctx = {.anchors = &s->inst.anchors,
                                         .revocations = s->lists,
                                         .revocation_count = 1,
                                         .now_ms = xos_env_real_ms(s->state->env),
                                         .slot = AUTH_KIND_USER},
                                 .boot_ms = xos_env_boot_ms(s->state->env),
                                 .nonces = s->nonces,
                                 .epochs = s->epochs};
    memcpy(c->world.root_hash, s->inst.root_hash, XOS_HASH_BYTES);
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (auth_slice_equal(verb, auth_slice(verbs[i].name)))
            return verbs[i].run(c);
    return xos_fail(c->err, XOS_DENIED, "unknown verb");
}

int ca_service_answer(struct ca_service *s, struct xos_slice request, struct xos_buf *answer,
                      struct xos_error *err)
{
    struct xos_error why = {0};
    struct xos_buf body = XOS_BUF(CA_ANSWER_BYTES_MAX - XOS_ERROR_TEXT_MAX - 64);
    Ca__Answer m = CA__ANSWER__INIT;
    Ca__Request *r = xos_pb_unpack(&ca__request__descriptor, request, CA_REQUEST_BYTES_MAX,
                                   XOS_PB_TOLERANT, &why);
    struct call c = {.s = s, .out = &body, .err = &why};
    if (r) {
        m.id = r->id;
        c.body = xos_pb_slice(r->body);
    }
    if (!r || run(&c, xos_pb_slice(r->verb)) < 0) {
        s->refused++;
        xos_refusals_error(&s->refusals, xos_env_mono_ms(s->state->env), XOS_EV_REFUSED, &why,
                           "verb=%.*s", r && r->verb.len <= 16 ? (int)r->verb.len : 0,
                           r && r->verb.data ? (const char *)r->verb.data : "");
        m.code = why.code ? (uint32_t)why.code : (uint32_t)XOS_INTERNAL;
        m.text = xos_pb_text(why.text);
    } else
        m.body = xos_pb_bytes(slice(&body));
    int rc = xos_pb_pack(&m, answer, err);
    xos_pb_free(r);
    xos_buf_free(&body);
    return rc;
}
