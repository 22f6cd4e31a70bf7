// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/ca/publish.h"

#include "libxos/wire/pb.h"
#include "vo-auth/ca.pb-c.h"
#include "vo-auth/ca/institution.h"
#include "vo-auth/ca/slots.h"
#include "vo-auth/ca/table.h"

#include <stdio.h>
#include <string.h>

struct publishing {
    struct ca_state state;
    struct ca_institution inst;
    struct ca_slots *slots;
    int dir; /* the trust directory */
    unsigned vos;
    int rc;
    struct xos_error *err;
};

static struct xos_slice slice(const struct xos_buf *b)
{
    return (struct xos_slice){b->data, b->len};
}

static int put(struct publishing *p, const char *path, struct xos_slice bytes)
{
    return xos_env_file_replace(p->state.env, p->dir, path, bytes.data, bytes.len, 0644, p->err);
}

static int put_root(struct publishing *p)
{
    char path[AUTH_PART_BYTES_MAX + 16];
    (void)snprintf(path, sizeof(path), "roots/%s.der", p->inst.name);
    return put(p, path, slice(&p->inst.root));
}

static int put_list(struct publishing *p)
{
    char path[AUTH_PART_BYTES_MAX + 16];
    struct auth_revocations *list = NULL;
    struct xos_buf bytes = XOS_BUF(AUTH_REVOKE_BYTES_MAX), file = XOS_BUF(AUTH_REVOKE_BYTES_MAX);
    ProtobufCBinaryData chain[2] = {xos_pb_bytes(slice(&p->inst.ca)),
                                    xos_pb_bytes(slice(&p->inst.root))};
    Ca__Crl m = CA__CRL__INIT;
    int rc = ca_load_revocations(&p->state, p->inst.name, p->inst.root_hash, &list, p->err);
    if (rc == 0) {
        list->issued_ms = xos_env_real_ms(p->state.env);
        rc = ca_slot_revocations(p->slots, p->inst.slot, &bytes, list, p->err);
        m.seq = list->seq;
    }
    m.list = xos_pb_bytes(slice(&bytes));
    m.n_chain = 2;
    m.chain = chain;
    if (rc == 0)
        rc = xos_pb_pack(&m, &file, p->err);
    (void)snprintf(path, sizeof(path), "crl/%s.crl", p->inst.name);
    if (rc == 0)
        rc = put(p, path, slice(&file));
    auth_revocations_free(list);
    xos_buf_free(&bytes);
    xos_buf_free(&file);
    return rc;
}

static int manifest_sign(struct publishing *p, const struct ca_vo *vo, struct xos_buf *out,
                         char hex[static 2 * XOS_HASH_BYTES + 2])
{
    struct ca_vo_names names;
    struct auth_manifest m;
    uint8_t hash[XOS_HASH_BYTES];
    char slot[CA_SLOT_NAME_BYTES];
    (void)snprintf(slot, sizeof(slot), "voroot.%s", vo->name.part);
    if (ca_vo_manifest(&m, vo, &names, p->err) < 0 ||
        ca_slot_manifest(p->slots, slot, out, &m, p->err) < 0 ||
        auth_key_hash(vo->root_key, hash, p->err) < 0)
        return -1;
    xos_hex(hash, sizeof(hash), hex);
    memcpy(hex + 2 * (size_t)XOS_HASH_BYTES, "\n", 2);
    return 0;
}

/* The manifest first: a root without one would be a VO that nobody can be in. */
static int put_vo(const char *part, void *arg)
{
    struct publishing *p = arg;
    struct ca_vo vo = {0};
    struct xos_buf manifest = XOS_BUF(AUTH_MANIFEST_BYTES_MAX);
    char path[2 * AUTH_PART_BYTES_MAX + 32], hex[2 * XOS_HASH_BYTES + 2];
    if (part[0] == '.')
        return 0;
    p->rc = ca_load_vo(&p->state, part, &vo, p->err);
    if (p->rc == 0)
        p->rc = manifest_sign(p, &vo, &manifest, hex);
    (void)snprintf(path, sizeof(path), "vo/%.31s@%s.manifest", part, p->inst.name);
    if (p->rc == 0)
        p->rc = put(p, path, slice(&manifest));
    (void)snprintf(path, sizeof(path), "vo/%.31s@%s.root", part, p->inst.name);
    if (p->rc == 0)
        p->rc = put(p, path, auth_slice(hex));
    p->vos += p->rc == 0;
    xos_buf_free(&manifest);
    ca_vo_free(&vo);
    return p->rc;
}

static int publish(struct publishing *p)
{
    static const char *const folders[] = {"roots", "vo", "crl"};
    struct xos_env *env = p->state.env;
    for (size_t i = 0; i < 3; i++)
        if (xos_env_dir_make(env, p->dir, folders[i], 0755, p->err) < 0)
            return -1;
    if (put_root(p) < 0 || put_list(p) < 0 ||
        xos_env_dir_list(env, p->state.dir, CA_DIR_VO, put_vo, p, p->err) < 0)
        return -1;
    return p->rc;
}

int ca_publish(const struct ca_admin *a, struct xos_env *env, struct xos_buf *out,
               struct xos_error *err)
{
    struct publishing p = {.state.dir = -1, .dir = -1, .err = err};
    int rc = -1, lock = -1;
    if (ca_state_open(&p.state, env, a->state, err) < 0)
        return -1;
    lock = ca_state_lock(&p.state, err);
    if (lock >= 0 && ca_institution_open(&p.inst, &p.state, err) == 0 &&
        ca_slots_open(&p.slots, &p.state, err) == 0 &&
        (p.dir = xos_env_dir_open(env, a->subject, err)) >= 0)
        rc = publish(&p);
    if (rc == 0)
        rc = xos_buf_addf(out, err, "published %s with %u VO%s in %s\n", p.inst.name, p.vos,
                          p.vos == 1 ? "" : "s", a->subject);
    xos_env_close(env, p.dir);
    ca_slots_free(p.slots);
    ca_institution_close(&p.inst);
    xos_env_close(env, lock);
    ca_state_close(&p.state);
    return rc;
}

/* Peers */

static int read_file(struct xos_env *env, const char *path, struct xos_buf *out,
                     struct xos_error *err)
{
    char dir[512] = ".";
    const char *slash = strrchr(path, '/');
    if (slash)
        (void)snprintf(dir, sizeof(dir), "%.*s/", (int)(slash - path), path);
    int fd = xos_env_dir_open(env, dir, err);
    int rc = fd < 0 ? -1 : xos_env_file_read(env, fd, slash ? slash + 1 : path, out, err);
    xos_env_close(env, fd);
    return rc;
}

/* Its own name and its hash, read from the certificate: it must be a root that signs itself. */
static int read_peer(const struct xos_buf *der, struct auth_anchor *out, struct xos_error *err)
{
    struct auth_link link = {.x509 = NULL};
    struct auth_anchors one = {.count = 0};
    int rc = auth_link_read(&link, slice(der), AUTH_KIND_ROOT, err);
    if (rc == 0)
        rc = auth_anchors_add(&one, link.name.institution, slice(der), err);
    if (rc == 0) {
        memcpy(out->institution, one.at[0].institution, sizeof(out->institution));
        memcpy(out->root_hash, one.at[0].root_hash, sizeof(out->root_hash));
    }
    auth_link_free(&link);
    auth_anchors_free(&one);
    return rc;
}

static int check_fingerprint(const struct auth_anchor *peer, const char *wanted,
                             struct xos_error *err)
{
    uint8_t hash[XOS_HASH_BYTES];
    char is[2 * XOS_HASH_BYTES + 1];
    xos_hex(peer->root_hash, sizeof(peer->root_hash), is);
    if (!wanted)
        return xos_fail(err, XOS_INVALID,
                        "--fingerprint is missing: ask %s for it by another way; this file's is %s",
                        peer->institution, is);
    if (xos_unhex(wanted, hash, sizeof(hash)) < 0)
        return xos_fail(err, XOS_INVALID, "--fingerprint %.70s: 64 hexadecimal digits", wanted);
    if (!xos_equal(hash, peer->root_hash, sizeof(hash)))
        return xos_fail(err, XOS_DENIED, "this file's fingerprint is %s, not %s", is, wanted);
    return 0;
}

int ca_peer_add(const struct ca_admin *a, struct xos_env *env, struct xos_buf *out,
                struct xos_error *err)
{
    struct ca_state state = {.dir = -1};
    struct ca_institution inst = {0};
    struct auth_anchor peer = {.institution = ""};
    struct xos_buf der = XOS_BUF(AUTH_CERT_BYTES_MAX);
    char path[AUTH_PART_BYTES_MAX + 16];
    int lock = -1, rc = -1;
    if (ca_state_open(&state, env, a->state, err) < 0)
        return -1;
    if ((lock = ca_state_lock(&state, err)) >= 0 && ca_institution_open(&inst, &state, err) == 0 &&
        read_file(env, a->subject, &der, err) == 0 && read_peer(&der, &peer, err) == 0 &&
        check_fingerprint(&peer, a->fingerprint, err) == 0)
        rc = auth_anchors_add(&inst.anchors, peer.institution, slice(&der), err);
    (void)snprintf(path, sizeof(path), CA_DIR_PEERS "/%s.der", peer.institution);
    if (rc == 0)
        rc = xos_env_file_replace(env, state.dir, path, der.data, der.len, 0644, err);
    if (rc == 0)
        rc = xos_buf_addf(out, err, "peer %s %s\n", peer.institution, a->fingerprint);
    xos_buf_free(&der);
    ca_institution_close(&inst);
    xos_env_close(env, lock);
    ca_state_close(&state);
    return rc;
}

int ca_peer_remove(const struct ca_admin *a, struct xos_env *env, struct xos_buf *out,
                   struct xos_error *err)
{
    struct ca_state state = {.dir = -1};
    struct auth_name name;
    char path[AUTH_PART_BYTES_MAX + 16];
    if (auth_name_parse(&name, AUTH_NAME_INSTITUTION, auth_slice(a->subject), NULL, err) < 0 ||
        ca_state_open(&state, env, a->state, err) < 0)
        return -1;
    (void)snprintf(path, sizeof(path), CA_DIR_PEERS "/%s.der", name.institution);
    int lock = ca_state_lock(&state, err);
    int rc = lock < 0 ? -1 : xos_env_remove(env, state.dir, path, err);
    if (rc == 0)
        rc = xos_buf_addf(out, err, "peer %s removed\n", name.institution);
    xos_env_close(env, lock);
    ca_state_close(&state);
    return rc;
}
