// SPDX-License-Identifier: Apache-2.0
/* Login by an SSH key. What was signed is built again here from our own values; nothing of it is
 * taken from the carrier. */
#include "vo-auth/ca/authkeys.h"
#include "vo-auth/ca/proof.h"

#include "libxos/wire/pb.h"
#include "vo-auth/core/field.h"
#include "vo-auth/core/sshkey.h"

#include <string.h>

struct login {
    const Ca__Login *m;
    struct xos_slice enrolled;
    const struct ca_world *world;
    struct auth_login_terms terms;
    uint8_t evidence[XOS_HASH_BYTES];
    struct xos_error *err;
};

int ca_login_user(struct auth_name *out, const Ca__Login *m, const char *institution,
                  struct xos_error *err)
{
    struct auth_name user;
    if (auth_field_name(&user, AUTH_NAME_USER, m->user, "user", err) < 0)
        return -1;
    if (strcmp(user.institution, institution) != 0)
        return xos_fail(err, XOS_DENIED, "a user of %s logs in there", user.institution);
    *out = user;
    return 0;
}

static int step_form(struct login *l)
{
    struct auth_login_terms *t = &l->terms;
    memcpy(t->root_hash, l->world->root_hash, sizeof(t->root_hash));
    if (ca_login_user(&t->user, l->m, l->world->institution, l->err) < 0 ||
        auth_field_bytes(t->nonce, sizeof(t->nonce), l->m->nonce, "nonce", l->err) < 0 ||
        auth_field_bytes(t->key, sizeof(t->key), l->m->key, "key", l->err) < 0)
        return -1;
    return ca_check_life(&t->life_ms, l->m->life_ms, AUTH_KIND_USER, l->err);
}

static int step_nonce(struct login *l)
{
    return ca_nonce_check(l->world->nonces, xos_pb_slice(l->m->nonce), l->world->boot_ms, l->err);
}

static int step_revoked(struct login *l)
{
    return ca_check_revoked(l->world, &l->terms.user, l->terms.key, l->err);
}

static int step_enrolled(struct login *l)
{
    struct xos_slice blob = xos_pb_slice(l->m->ssh_key);
    if (blob.len > AUTH_SSHKEY_BYTES_MAX || !ca_authkeys_has(l->enrolled, blob))
        return xos_fail(l->err, XOS_DENIED, "this SSH key is not enrolled for %s@%s",
                        l->terms.user.part, l->terms.user.institution);
    if (xos_sha256(blob, l->evidence, l->err) < 0)
        return -1;
    return auth_sshkey_check(blob, l->err);
}

static int step_signature(struct login *l)
{
    struct xos_buf blob = XOS_BUF(AUTH_LOGIN_BLOB_BYTES_MAX);
    int rc = auth_login_blob(&blob, &l->terms, l->err);
    if (rc == 0)
        rc =
            auth_sshkey_verify(xos_pb_slice(l->m->ssh_key), (struct xos_slice){blob.data, blob.len},
                               xos_pb_slice(l->m->ssh_signature), l->err);
    xos_buf_free(&blob);
    return rc;
}

static int step_use(struct login *l)
{
    return ca_nonce_use(l->world->nonces, l->terms.nonce, l->world->boot_ms, l->err);
}

static const struct {
    const char *name;
    int (*run)(struct login *l);
} steps[] = {
    {"form", step_form},           /* a user of ours, a key, a lifetime that may be had */
    {"nonce", step_nonce},         /* ours, and new */
    {"revocation", step_revoked},  /* neither the user nor the new key was taken back */
    {"SSH key", step_enrolled},    /* an administrator enrolled it for this user */
    {"signature", step_signature}, /* and it signed exactly these terms */
    {"nonce", step_use},           /* which nobody has shown before */
};

int ca_prove_login(struct ca_proof *out, const Ca__Login *m, struct xos_slice enrolled,
                   const struct ca_world *world, struct xos_error *err)
{
    struct login l = {.m = m, .enrolled = enrolled, .world = world, .err = err};
    const char *failed = NULL;
    for (size_t i = 0; !failed && i < sizeof(steps) / sizeof(steps[0]); i++)
        if (steps[i].run(&l) < 0)
            failed = steps[i].name;
    if (failed)
        return xos_wrap(err, "login: %s", failed);
    *out = (struct ca_proof){.kind = CA_PROOF_LOGIN,
                             .cert = AUTH_KIND_USER,
                             .name = l.terms.user,
                             .life_ms = l.terms.life_ms};
    memcpy(out->key, l.terms.key, sizeof(out->key));
    memcpy(out->evidence, l.evidence, sizeof(out->evidence));
    return 0;
}
