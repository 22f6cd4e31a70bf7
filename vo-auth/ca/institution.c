// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/ca/institution.h"

#include <stdio.h>
#include <string.h>

#define ROOT_KEY_FILE "root.key"

void ca_institution_close(struct ca_institution *i)
{
    auth_link_free(&i->link);
    auth_anchors_free(&i->anchors);
    xos_buf_free(&i->root);
    xos_buf_free(&i->ca);
    *i = (struct ca_institution){0};
}

static struct xos_slice slice(const struct xos_buf *b)
{
    return (struct xos_slice){b->data, b->len};
}

static int read_cert(struct xos_buf *out, struct xos_env *env, int dir, const char *path,
                     struct xos_error *err)
{
    *out = XOS_BUF(AUTH_CERT_BYTES_MAX);
    return ca_file_read(env, dir, path, CA_TRUST_PUBLIC, out, err);
}

/* The name is what the root calls itself. */
static int read_root(struct ca_institution *i, struct xos_error *err)
{
    struct auth_link root;
    if (auth_link_read(&root, slice(&i->root), AUTH_KIND_ROOT, err) < 0)
        return xos_wrap(err, CA_FILE_ROOT);
    memcpy(i->name, root.name.institution, sizeof(i->name));
    i->root_to_ms = root.to_ms;
    auth_link_free(&root);
    if (auth_anchors_add(&i->anchors, i->name, slice(&i->root), err) < 0)
        return xos_wrap(err, CA_FILE_ROOT);
    memcpy(i->root_hash, auth_anchors_find(&i->anchors, i->name)->root_hash, XOS_HASH_BYTES);
    return 0;
}

/* Time is not looked at: a CA that has ended still tells its state. */
static int read_ca(struct ca_institution *i, struct xos_error *err)
{
    const struct xos_slice der = slice(&i->ca);
    struct auth_principal p = {0};
    if (auth_link_read(&i->link, der, AUTH_KIND_CA, err) < 0)
        return xos_wrap(err, CA_FILE_CA);
    const struct auth_context ctx = {
        .anchors = &i->anchors, .now_ms = i->link.from_ms, .slot = AUTH_KIND_CA};
    if (auth_verify(&der, 1, &ctx, &p, err) < 0)
        return xos_wrap(err, CA_FILE_CA);
    auth_principal_free(&p);
    if (strcmp(i->link.name.institution, i->name) != 0)
        return xos_fail(err, XOS_CORRUPT, CA_FILE_CA " is not of this institution");
    return ca_slot_name_ca(i->link.key, i->slot, err);
}

struct peers {
    struct ca_state *state;
    struct ca_institution *i;
    struct xos_error *err;
    int rc;
};

static int add_peer(const char *file, void *arg)
{
    struct peers *p = arg;
    struct xos_buf der = {0};
    char path[sizeof(CA_DIR_PEERS) + AUTH_NAME_BYTES_MAX], name[AUTH_PART_BYTES_MAX + 1];
    const size_t len = strlen(file);
    if (len < 5 || len - 4 >= sizeof(name) || strcmp(file + len - 4, ".der") != 0)
        return 0;
    (void)snprintf(name, sizeof(name), "%.*s", (int)(len - 4), file);
    (void)snprintf(path, sizeof(path), CA_DIR_PEERS "/%s.der", name);
    if (read_cert(&der, p->state->env, p->state->dir, path, p->err) < 0 ||
        auth_anchors_add(&p->i->anchors, name, slice(&der), p->err) < 0)
        p->rc = xos_wrap(p->err, "peer %s", name);
    xos_buf_free(&der);
    return p->rc;
}

int ca_institution_open(struct ca_institution *i, struct ca_state *state, struct xos_error *err)
{
    struct peers peers = {state, i, err, 0};
    *i = (struct ca_institution){0};
    if (read_cert(&i->root, state->env, state->dir, CA_FILE_ROOT, err) == 0 &&
        read_cert(&i->ca, state->env, state->dir, CA_FILE_CA, err) == 0 && read_root(i, err) == 0 &&
        read_ca(i, err) == 0 &&
        xos_env_dir_list(state->env, state->dir, CA_DIR_PEERS, add_peer, &peers, err) == 0 &&
        peers.rc == 0)
        return 0;
    ca_institution_close(i);
    return -1;
}

static int request(struct auth_cert_request *r, enum auth_kind kind, const char *name,
                   const uint8_t key[static XOS_KEY_PUBLIC_BYTES], struct xos_env *env,
                   struct xos_error *err)
{
    *r = (struct auth_cert_request){
        .kind = kind,
        .name = {.kind = kind == AUTH_KIND_ROOT ? AUTH_NAME_ROOT : AUTH_NAME_CA},
        .from_ms = xos_env_real_ms(env)};
    (void)snprintf(r->name.institution, sizeof(r->name.institution), "%s", name);
    memcpy(r->key, key, sizeof(r->key));
    r->to_ms = r->from_ms + auth_profile_need(kind)->life_ms_max - 1000;
    return xos_env_random(env, r->serial, sizeof(r->serial), err);
}

/* A new CA: its key in a slot, its certificate signed by the root's key. */
static int make_ca(struct ca_state *state, const char *name, struct xos_slice root,
                   const struct xos_key *root_key, struct xos_error *err)
{
    char slot[CA_SLOT_NAME_BYTES];
    struct ca_slots *slots = NULL;
    struct auth_cert_request r;
    struct xos_buf der = XOS_BUF(AUTH_CERT_BYTES_MAX);
    const struct auth_issuer issuer = {root, xos_key_evp(root_key)};
    int rc = -1;
    if (ca_slots_open(&slots, state, err) < 0 || ca_slot_make_ca(slots, slot, err) < 0 ||
        request(&r, AUTH_KIND_CA, name, ca_slot_public(slots, slot, err), state->env, err) < 0)
        goto out;
    rc = auth_cert_issue(&der, &r, &issuer, err);
    if (rc == 0)
        rc = xos_env_file_replace(state->env, state->dir, CA_FILE_CA, der.data, der.len, 0644, err);
out:
    ca_slots_free(slots);
    xos_buf_free(&der);
    return rc;
}

static int make_root(struct xos_buf *der, struct xos_key **key, struct xos_env *env, int dir,
                     const char *name, struct xos_error *err)
{
    struct auth_cert_request r;
    struct auth_issuer issuer = {0};
    if (xos_key_generate(key, err) < 0 ||
        request(&r, AUTH_KIND_ROOT, name, xos_key_public(*key), env, err) < 0)
        return -1;
    issuer.key = xos_key_evp(*key);
    if (auth_cert_issue(der, &r, &issuer, err) < 0 ||
        ca_key_write(env, dir, ROOT_KEY_FILE, *key, err) < 0)
        return -1;
    return xos_env_file_replace(env, dir, CA_FILE_ROOT, der->data, der->len, 0644, err);
}

static int refuse_existing(struct xos_env *env, int dir, const char *path, struct xos_error *err)
{
    struct xos_error why = {0};
    int fd = xos_env_file_open(env, dir, path, XOS_OPEN_READ, 0, &why);
    xos_env_close(env, fd);
    if (fd < 0 && why.code == XOS_NOT_FOUND)
        return 0;
    return xos_fail(err, XOS_EXISTS, "%s: there is an institution already", path);
}

int ca_institution_create(struct ca_state *state, const char *name, const char *root_dir,
                          struct xos_error *err)
{
    struct xos_env *env = state->env;
    struct auth_name parsed;
    struct ca_state root = {.dir = -1};
    struct xos_buf der = XOS_BUF(AUTH_CERT_BYTES_MAX);
    struct xos_key *key = NULL;
    int rc = -1;
    if (auth_name_parse(&parsed, AUTH_NAME_INSTITUTION, auth_slice(name), NULL, err) < 0 ||
        refuse_existing(env, state->dir, CA_FILE_ROOT, err) < 0 ||
        ca_state_open(&root, env, root_dir, err) < 0)
        return -1;
    if (refuse_existing(env, root.dir, ROOT_KEY_FILE, err) == 0 &&
        make_root(&der, &key, env, root.dir, name, err) == 0 &&
        make_ca(state, name, slice(&der), key, err) == 0)
        rc = xos_env_file_replace(env, state->dir, CA_FILE_ROOT, der.data, der.len, 0644, err);
    ca_state_close(&root);
    xos_key_free(key);
    xos_buf_free(&der);
    return rc;
}

int ca_institution_renew(struct ca_state *state, const char *root_dir, struct xos_error *err)
{
    struct ca_state root = {.dir = -1};
    struct ca_institution i = {0};
    struct xos_key *key = NULL;
    int rc = -1;
    if (ca_institution_open(&i, state, err) < 0)
        return -1;
    if (ca_state_open(&root, state->env, root_dir, err) == 0 &&
        ca_key_read(&key, state->env, root.dir, ROOT_KEY_FILE, err) == 0)
        rc = make_ca(state, i.name, slice(&i.root), key, err);
    ca_state_close(&root);
    xos_key_free(key);
    ca_institution_close(&i);
    return rc;
}
