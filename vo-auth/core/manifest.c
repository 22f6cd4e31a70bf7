// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/core/manifest.h"

#include "libxos/wire/pb.h"
#include "vo-auth/auth.pb-c.h"
#include "vo-auth/core/field.h"
#include "vo-auth/core/statement.h"

#include <string.h>

static const struct auth_format format = {"VO manifest", AUTH_MANIFEST_DOMAIN,
                                          &auth__manifest__descriptor, AUTH_MANIFEST_BYTES_MAX};

void auth_manifest_free(struct auth_manifest *m)
{
    xos_pb_free(m->memory);
    *m = (struct auth_manifest){0};
}

static bool key_valid(struct xos_slice key)
{
    return key.len == XOS_KEY_PUBLIC_BYTES;
}

static bool user_valid(struct xos_slice user)
{
    struct auth_name name;
    return auth_name_parse(&name, AUTH_NAME_USER, user, NULL, NULL) == 0;
}

static int shape(struct auth_manifest *out, const Auth__Manifest *m, struct xos_error *err)
{
    if (auth_field_name(&out->vo, AUTH_NAME_VO, m->vo, "vo", err) ||
        auth_field_bytes(out->root_key, sizeof(out->root_key), m->root_key, "root key", err) ||
        auth_key_hash(out->root_key, out->root_hash, err) ||
        auth_set_read(&out->keys, m->n_keys, m->keys, key_valid, "keys", err) ||
        auth_set_read(&out->admins, m->n_admins, m->admins, user_valid, "admins", err) ||
        auth_field_time(&out->issued_ms, m->issued_ms, "issued", err))
        return -1;
    out->seq = m->seq;
    if (out->keys.count == 0 || out->admins.count == 0 || m->seq == 0)
        return xos_fail(err, XOS_PROTOCOL, "no key, no administrator or no number");
    return 0;
}

int auth_manifest_sign(struct xos_buf *out, const struct auth_manifest *manifest,
                       const struct xos_key *key, struct xos_error *err)
{
    struct auth_name_text vo;
    ProtobufCBinaryData keys[AUTH_SET_ENTRIES_MAX], admins[AUTH_SET_ENTRIES_MAX];
    struct auth_manifest again = {0};
    Auth__Manifest m = AUTH__MANIFEST__INIT;
    m.vo = auth_field_of_name(&manifest->vo, &vo);
    m.root_key = auth_field_of_bytes(manifest->root_key, sizeof(manifest->root_key));
    m.n_keys = auth_set_write(&manifest->keys, m.keys = keys);
    m.n_admins = auth_set_write(&manifest->admins, m.admins = admins);
    m.seq = manifest->seq;
    m.issued_ms = (uint64_t)manifest->issued_ms;
    if (shape(&again, &m, err) < 0)
        return xos_wrap(err, "%s", format.noun);
    if (memcmp(xos_key_public(key), manifest->root_key, XOS_KEY_PUBLIC_BYTES) != 0)
        return xos_fail(err, XOS_INVALID, "%s: not the VO's root key", format.noun);
    return auth_statement_seal(out, &format, &m.base, key, err);
}

static int check_read(struct auth_manifest *out, const struct auth_statement *s,
                      const struct auth_name *vo, const uint8_t root_hash[static XOS_HASH_BYTES],
                      struct xos_error *err)
{
    if (shape(out, s->payload, err) < 0)
        return -1;
    if (!auth_name_equal(&out->vo, vo))
        return xos_fail(err, XOS_DENIED, "of another VO");
    if (memcmp(out->root_hash, root_hash, XOS_HASH_BYTES) != 0)
        return xos_fail(err, XOS_DENIED, "of a VO of the same name with another root key");
    return auth_statement_verify(s, &format, out->root_key, err);
}

int auth_manifest_check(struct auth_manifest *out, struct xos_slice bytes,
                        const struct auth_name *vo, const uint8_t root_hash[static XOS_HASH_BYTES],
                        uint64_t seq_min, int64_t now_ms, struct xos_error *err)
{
    struct auth_statement s = {0};
    struct auth_manifest m = {0};
    if (auth_statement_open(&s, &format, bytes, err) < 0)
        return -1;
    int rc = check_read(&m, &s, vo, root_hash, err);
    if (rc == 0 && m.issued_ms - now_ms > AUTH_SKEW_MS_MAX)
        rc = xos_fail(err, XOS_CLOCK, "issued ahead of the clock here");
    if (rc == 0 && m.seq < seq_min)
        rc = xos_fail(err, XOS_STALE, "number %llu; known is %llu", (unsigned long long)m.seq,
                      (unsigned long long)seq_min);
    if (rc == 0) {
        m.memory = s.payload;
        s.payload = NULL;
        *out = m;
    }
    auth_statement_close(&s);
    return rc < 0 ? xos_wrap(err, "%s", format.noun) : 0;
}
