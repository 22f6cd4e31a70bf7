// SPDX-License-Identifier: Apache-2.0
#include "xosd/credential.h"

#include "libxos/wire/pb.h"
#include "vo-auth/ca.pb-c.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#define CREDENTIAL_DIR "node"
#define CREDENTIAL_KEY CREDENTIAL_DIR "/key.pem"
#define CREDENTIAL_CURVE CREDENTIAL_DIR "/curve.key"
#define CREDENTIAL_CHAIN CREDENTIAL_DIR "/chain"
#define CREDENTIAL_PEM_BYTES_MAX 4096
#define CREDENTIAL_ISSUED_BYTES_MAX (AUTH_CHAIN_MAX * (AUTH_CERT_BYTES_MAX + 16))

void credential_close(struct credential *id)
{
    xos_key_free(id->key);
    for (size_t i = 0; i < AUTH_CHAIN_MAX; i++)
        xos_buf_free(&id->chain[i]);
    OPENSSL_cleanse(id->curve_secret, sizeof(id->curve_secret));
    *id = (struct credential){.key = NULL};
}

static int read_key(struct xos_key **out, struct xos_env *env, int dir, struct xos_error *err)
{
    struct xos_buf pem = XOS_BUF(CREDENTIAL_PEM_BYTES_MAX);
    int rc = xos_env_file_read(env, dir, CREDENTIAL_KEY, &pem, err);
    if (rc == 0)
        rc = xos_key_from_pem(out, pem.data, pem.len, err);
    xos_buf_wipe(&pem);
    return rc;
}

static int write_key(const struct xos_key *key, struct xos_env *env, int dir, struct xos_error *err)
{
    struct xos_buf pem = XOS_BUF(CREDENTIAL_PEM_BYTES_MAX);
    int rc = xos_key_to_pem(key, &pem, err);
    if (rc == 0)
        rc = xos_env_file_replace(env, dir, CREDENTIAL_KEY, pem.data, pem.len, 0600, err);
    xos_buf_wipe(&pem);
    return rc;
}

static int read_curve(struct credential *id, struct xos_env *env, int dir, struct xos_error *err)
{
    struct xos_buf secret = XOS_BUF(XOS_CURVE_KEY_BYTES + 1);
    int rc = xos_env_file_read(env, dir, CREDENTIAL_CURVE, &secret, err);
    if (rc == 0 && secret.len != XOS_CURVE_KEY_BYTES)
        rc = xos_fail(err, XOS_CORRUPT, CREDENTIAL_CURVE " has %zu bytes, not %d", secret.len,
                      XOS_CURVE_KEY_BYTES);
    if (rc == 0)
        memcpy(id->curve_secret, secret.data, sizeof(id->curve_secret));
    xos_buf_wipe(&secret);
    return rc == 0 ? xos_curve_public(id->curve_secret, id->curve_public, err) : -1;
}

/* The chain under its own root: which roots count is for those who meet this node to say. */
static int verify_own(struct credential *id, struct xos_env *env, const char *node,
                      struct xos_error *err)
{
    struct auth_principal who = {.kind = AUTH_KIND_NONE};
    struct auth_anchors own = {.count = 0};
    struct auth_name name;
    struct auth_context ctx = {.anchors = &own,
                               .now_ms = xos_env_real_ms(env),
                               .slot = AUTH_KIND_NODE,
                               .expired_ms_max = AUTH_RENEWAL_MS_MAX};
    const struct xos_slice *chain = id->self.chain;
    int rc = auth_name_parse(&name, AUTH_NAME_NODE, auth_slice(node), NULL, err);
    if (rc == 0)
        rc = auth_anchors_add(&own, name.institution, chain[2], err);
    if (rc == 0)
        rc = auth_verify(chain, AUTH_CHAIN_MAX, &ctx, &who, err);
    if (rc == 0 && (!auth_name_equal(&who.name, &name) ||
                    memcmp(who.key, xos_key_public(id->key), sizeof(who.key)) != 0))
        rc = xos_fail(err, XOS_DENIED, "the certificate is another node's, or of another key");
    if (rc == 0 && memcmp(who.node.curve_key, id->curve_public, sizeof(id->curve_public)) != 0)
        rc = xos_fail(err, XOS_DENIED, "the certificate is for another link key");
    id->self.name = name;
    id->facts = who.node;
    id->from_ms = who.from_ms;
    id->to_ms = who.to_ms;
    id->ca_to_ms = who.issuer_to_ms;
    auth_principal_free(&who);
    auth_anchors_free(&own);
    return rc;
}

static int take_chain(struct credential *id, const Ca__Issued *m, struct xos_error *err)
{
    if (m->n_chain != AUTH_CHAIN_MAX)
        return xos_fail(err, XOS_PROTOCOL, "a chain of %zu certificates, not %d", m->n_chain,
                        AUTH_CHAIN_MAX);
    for (size_t i = 0; i < AUTH_CHAIN_MAX; i++) {
        id->chain[i] = XOS_BUF(AUTH_CERT_BYTES_MAX);
        if (xos_buf_add(&id->chain[i], m->chain[i].data, m->chain[i].len, err) < 0)
            return -1;
        id->self.chain[i] = (struct xos_slice){id->chain[i].data, id->chain[i].len};
    }
    id->self.chain_count = AUTH_CHAIN_MAX;
    id->self.key = id->key;
    return 0;
}

static int take_issued(struct credential *id, struct xos_env *env, const char *node,
                       struct xos_slice issued, struct xos_error *err)
{
    Ca__Issued *m = xos_pb_unpack(&ca__issued__descriptor, issued, CREDENTIAL_ISSUED_BYTES_MAX,
                                  XOS_PB_TOLERANT, err);
    int rc = m ? take_chain(id, m, err) : -1;
    xos_pb_free(m);
    return rc == 0 ? verify_own(id, env, node, err) : -1;
}

static int open_all(struct credential *id, struct xos_env *env, int dir, const char *node,
                    struct xos_error *err)
{
    struct xos_buf issued = XOS_BUF(CREDENTIAL_ISSUED_BYTES_MAX);
    int rc = xos_env_file_read(env, dir, CREDENTIAL_CHAIN, &issued, err);
    if (rc == 0 && (read_key(&id->key, env, dir, err) < 0 || read_curve(id, env, dir, err) < 0)) {
        if (err->code == XOS_NOT_FOUND)
            err->code =
                XOS_CORRUPT; /* a certificate without its key is no node that stands alone */
        rc = -1;
    }
    if (rc == 0)
        rc = take_issued(id, env, node, (struct xos_slice){issued.data, issued.len}, err);
    xos_buf_free(&issued);
    return rc;
}

int credential_open(struct credential *id, struct xos_env *env, const char *state, const char *node,
                    struct xos_error *err)
{
    *id = (struct credential){.key = NULL};
    int dir = xos_env_dir_open(env, state, err);
    int rc = dir < 0 ? -1 : open_all(id, env, dir, node, err);
    xos_env_close(env, dir);
    if (rc == 0)
        return 0;
    credential_close(id);
    return xos_wrap(err, "credential in %s/" CREDENTIAL_DIR, state);
}

static int make_curve(struct credential *id, struct xos_env *env, int dir, struct xos_error *err)
{
    if (xos_curve_keypair(id->curve_public, id->curve_secret, err) < 0)
        return -1;
    return xos_env_file_replace(env, dir, CREDENTIAL_CURVE, id->curve_secret,
                                sizeof(id->curve_secret), 0600, err);
}

static int make_key(struct credential *id, struct xos_env *env, int dir, struct xos_error *err)
{
    return xos_key_generate(&id->key, err) < 0 ? -1 : write_key(id->key, env, dir, err);
}

int credential_prepare(struct credential *id, struct xos_env *env, const char *state,
                       struct xos_error *err)
{
    struct xos_error why = {0};
    *id = (struct credential){.key = NULL};
    int dir = xos_env_dir_open(env, state, err);
    int rc = dir < 0 ? -1 : xos_env_dir_make(env, dir, CREDENTIAL_DIR, 0700, err);
    if (rc == 0 && read_key(&id->key, env, dir, &why) < 0)
        rc = why.code == XOS_NOT_FOUND ? make_key(id, env, dir, err)
                                       : xos_fail(err, why.code, "%s", why.text);
    if (rc == 0 && read_curve(id, env, dir, &why) < 0)
        rc = why.code == XOS_NOT_FOUND ? make_curve(id, env, dir, err)
                                       : xos_fail(err, why.code, "%s", why.text);
    xos_env_close(env, dir);
    if (rc == 0)
        return 0;
    credential_close(id);
    return xos_wrap(err, "credential in %s/" CREDENTIAL_DIR, state);
}

int credential_install(struct credential *id, struct xos_env *env, const char *state,
                       const char *node, struct xos_slice issued, struct xos_error *err)
{
    struct credential fresh = {.key = id->key};
    memcpy(fresh.curve_public, id->curve_public, sizeof(fresh.curve_public));
    memcpy(fresh.curve_secret, id->curve_secret, sizeof(fresh.curve_secret));
    int dir = xos_env_dir_open(env, state, err);
    int rc = dir < 0 ? -1 : take_issued(&fresh, env, node, issued, err);
    if (rc == 0)
        rc = xos_env_file_replace(env, dir, CREDENTIAL_CHAIN, issued.data, issued.len, 0644, err);
    xos_env_close(env, dir);
    struct credential *old = rc == 0 ? id : &fresh;
    old->key = NULL; /* it is the other's too */
    if (rc == 0) {
        credential_close(id);
        *id = fresh;
        return 0;
    }
    credential_close(&fresh);
    return xos_wrap(err, "the new certificate");
}
