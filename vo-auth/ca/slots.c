// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/ca/slots.h"

#include "libxos/base/alloc.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct slot {
    char name[CA_SLOT_NAME_BYTES];
    struct xos_key *key;
};

struct ca_slots {
    struct ca_state *state;
    struct slot at[CA_SLOTS_MAX];
    size_t count;
};

int ca_slots_open(struct ca_slots **out, struct ca_state *state, struct xos_error *err)
{
    struct ca_slots *s = xos_alloc(sizeof(*s));
    if (!s)
        return xos_fail(err, XOS_NOMEM, "slots");
    s->state = state;
    *out = s;
    return 0;
}

void ca_slots_free(struct ca_slots *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        xos_key_free(s->at[i].key);
    xos_free(s);
}

int ca_key_write(struct xos_env *env, int dir, const char *path, const struct xos_key *key,
                 struct xos_error *err)
{
    struct xos_buf pem = XOS_BUF(CA_KEY_FILE_BYTES_MAX);
    int rc = xos_buf_room(&pem, CA_KEY_FILE_BYTES_MAX - 1, err) ? 0 : -1;
    if (rc == 0)
        rc = xos_key_to_pem(key, &pem, err);
    if (rc == 0)
        rc = xos_env_file_replace(env, dir, path, pem.data, pem.len, 0600, err);
    xos_buf_wipe(&pem);
    return rc;
}

/* The file's bytes go from the kernel into locked memory and nowhere else. */
int ca_key_read(struct xos_key **out, struct xos_env *env, int dir, const char *path,
                struct xos_error *err)
{
    int fd = xos_env_file_open(env, dir, path, XOS_OPEN_READ, 0, err), rc = -1;
    uint8_t *pem = fd < 0 ? NULL : OPENSSL_secure_malloc(CA_KEY_FILE_BYTES_MAX);
    ssize_t n = -1;
    if (fd < 0 || ca_file_check(fd, path, CA_TRUST_SECRET, err) < 0)
        goto out;
    if (!pem)
        xos_fail(err, XOS_NOMEM, "%s: locked memory", path);
    else if ((n = read(fd, pem, CA_KEY_FILE_BYTES_MAX)) < 0)
        xos_fail_errno(err, "read %s", path);
    else
        rc = xos_key_from_pem(out, pem, (size_t)n, err);
    if (rc < 0 && n >= 0)
        xos_wrap(err, "%s", path);
out:
    OPENSSL_secure_clear_free(pem, CA_KEY_FILE_BYTES_MAX);
    xos_env_close(env, fd);
    return rc;
}

static void path_of(const char *name, char path[static CA_SLOT_NAME_BYTES + 16])
{
    (void)snprintf(path, CA_SLOT_NAME_BYTES + 16, CA_DIR_KEYS "/%s.pem", name);
}

/* Takes ownership of key, also when it fails. */
static struct xos_key *keep(struct ca_slots *s, const char *name, struct xos_key *key,
                            struct xos_error *err)
{
    if (s->count >= CA_SLOTS_MAX) {
        xos_key_free(key);
        xos_fail(err, XOS_LIMIT, "%d keys are in use", CA_SLOTS_MAX);
        return NULL;
    }
    struct slot *slot = &s->at[s->count++];
    (void)snprintf(slot->name, sizeof(slot->name), "%s", name);
    return slot->key = key;
}

static struct xos_key *find(struct ca_slots *s, const char *name, struct xos_error *err)
{
    char path[CA_SLOT_NAME_BYTES + 16];
    struct xos_key *key = NULL;
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->at[i].name, name) == 0)
            return s->at[i].key;
    path_of(name, path);
    if (ca_key_read(&key, s->state->env, s->state->dir, path, err) < 0)
        return NULL;
    return keep(s, name, key, err);
}

static int put(struct ca_slots *s, const char *name, struct xos_key *key, struct xos_error *err)
{
    char path[CA_SLOT_NAME_BYTES + 16];
    struct xos_error why = {0};
    path_of(name, path);
    int fd = xos_env_file_open(s->state->env, s->state->dir, path, XOS_OPEN_READ, 0, &why);
    xos_env_close(s->state->env, fd);
    if (fd >= 0 || why.code != XOS_NOT_FOUND) {
        xos_key_free(key);
        return xos_fail(err, XOS_EXISTS, "%s", path);
    }
    if (ca_key_write(s->state->env, s->state->dir, path, key, err) < 0) {
        xos_key_free(key);
        return -1;
    }
    return keep(s, name, key, err) ? 0 : -1;
}

int ca_slot_make(struct ca_slots *s, const char *name, struct xos_error *err)
{
    struct xos_key *key = NULL;
    return xos_key_generate(&key, err) < 0 ? -1 : put(s, name, key, err);
}

int ca_slot_name_ca(const uint8_t key[static XOS_KEY_PUBLIC_BYTES],
                    char name[static CA_SLOT_NAME_BYTES], struct xos_error *err)
{
    uint8_t hash[XOS_HASH_BYTES];
    char text[2 * XOS_HASH_BYTES + 1];
    if (auth_key_hash(key, hash, err) < 0)
        return -1;
    xos_hex(hash, sizeof(hash), text);
    (void)snprintf(name, CA_SLOT_NAME_BYTES, "ca.%.16s", text);
    return 0;
}

int ca_slot_make_ca(struct ca_slots *s, char name[static CA_SLOT_NAME_BYTES], struct xos_error *err)
{
    struct xos_key *key = NULL;
    if (xos_key_generate(&key, err) < 0)
        return -1;
    if (ca_slot_name_ca(xos_key_public(key), name, err) < 0) {
        xos_key_free(key);
        return -1;
    }
    return put(s, name, key, err);
}

const uint8_t *ca_slot_public(struct ca_slots *s, const char *name, struct xos_error *err)
{
    const struct xos_key *key = find(s, name, err);
    return key ? xos_key_public(key) : NULL;
}

int ca_slot_certify(struct ca_slots *s, const char *name, struct xos_buf *out,
                    const struct auth_cert_request *request, struct xos_slice issuer,
                    struct xos_error *err)
{
    const struct xos_key *key = find(s, name, err);
    if (!key)
        return -1;
    const struct auth_issuer by = {issuer, xos_key_evp(key)};
    return auth_cert_issue(out, request, &by, err);
}

int ca_slot_attr(struct ca_slots *s, const char *name, struct xos_buf *out,
                 const struct auth_attr *attr, struct xos_error *err)
{
    const struct xos_key *key = find(s, name, err);
    return key ? auth_attr_sign(out, attr, key, err) : -1;
}

int ca_slot_manifest(struct ca_slots *s, const char *name, struct xos_buf *out,
                     const struct auth_manifest *manifest, struct xos_error *err)
{
    const struct xos_key *key = find(s, name, err);
    return key ? auth_manifest_sign(out, manifest, key, err) : -1;
}

int ca_slot_revocations(struct ca_slots *s, const char *name, struct xos_buf *out,
                        const struct auth_revocations *list, struct xos_error *err)
{
    const struct xos_key *key = find(s, name, err);
    return key ? auth_revocations_sign(out, list, key, err) : -1;
}
