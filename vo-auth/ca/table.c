// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/ca/table.h"

#include "libxos/wire/pb.h"
#include "vo-auth/ca.pb-c.h"

#include <stdio.h>
#include <string.h>

static struct xos_slice slice(const struct xos_buf *b)
{
    return (struct xos_slice){b->data, b->len};
}

int ca_load_tokens(struct ca_state *s, struct ca_tokens *out, struct xos_error *err)
{
    struct xos_buf file = XOS_BUF(CA_TOKENS_BYTES_MAX + XOS_HASH_BYTES);
    int rc = ca_state_load(s, CA_FILE_TOKENS, &file, err);
    if (rc == 0)
        rc = ca_tokens_decode(out, slice(&file), err);
    xos_buf_free(&file);
    return rc;
}

int ca_store_tokens(struct ca_state *s, const struct ca_tokens *t, struct xos_error *err)
{
    struct xos_buf file = XOS_BUF(CA_TOKENS_BYTES_MAX);
    int rc = ca_tokens_encode(t, &file, err);
    if (rc == 0)
        rc = ca_state_store(s, CA_FILE_TOKENS, slice(&file), err);
    xos_buf_free(&file);
    return rc;
}

static void vo_path(const char *part, char path[static AUTH_NAME_BYTES_MAX])
{
    (void)snprintf(path, AUTH_NAME_BYTES_MAX, CA_DIR_VO "/%s", part);
}

int ca_load_vo(struct ca_state *s, const char *part, struct ca_vo *out, struct xos_error *err)
{
    struct xos_buf file = XOS_BUF(CA_VO_BYTES_MAX + XOS_HASH_BYTES);
    char path[AUTH_NAME_BYTES_MAX];
    vo_path(part, path);
    int rc = ca_state_load(s, path, &file, err);
    if (rc == 0 && file.len == 0)
        rc = xos_fail(err, XOS_NOT_FOUND, "no VO %s is kept here", part);
    if (rc == 0)
        rc = ca_vo_decode(out, slice(&file), err);
    xos_buf_free(&file);
    return rc;
}

int ca_store_vo(struct ca_state *s, const struct ca_vo *vo, struct xos_error *err)
{
    struct xos_buf file = XOS_BUF(CA_VO_BYTES_MAX);
    char path[AUTH_NAME_BYTES_MAX];
    vo_path(vo->name.part, path);
    int rc = ca_vo_encode(vo, &file, err);
    if (rc == 0)
        rc = ca_state_store(s, path, slice(&file), err);
    xos_buf_free(&file);
    return rc;
}

static int add_entries(struct auth_revocations *list, enum auth_revoke_kind kind,
                       ProtobufCBinaryData from, struct xos_error *err)
{
    const size_t bytes = auth_revoke_bytes(kind);
    if (from.len % bytes)
        return xos_fail(err, XOS_CORRUPT, CA_FILE_REVOCATIONS);
    for (size_t at = 0; at < from.len; at += bytes)
        if (auth_revocations_add(list, kind, from.data + at, err) < 0)
            return -1;
    return 0;
}

static int fill(struct auth_revocations *list, struct xos_slice bytes, struct xos_error *err)
{
    Ca__StoredRevocations *m = xos_pb_unpack(&ca__stored_revocations__descriptor, bytes,
                                             AUTH_REVOKE_BYTES_MAX, XOS_PB_STRICT, err);
    int rc = m && add_entries(list, AUTH_REVOKE_SERIAL, m->serials, err) == 0 &&
                     add_entries(list, AUTH_REVOKE_KEY, m->keys, err) == 0 &&
                     add_entries(list, AUTH_REVOKE_SUBJECT, m->subjects, err) == 0 &&
                     add_entries(list, AUTH_REVOKE_GRANT, m->grants, err) == 0
                 ? 0
                 : -1;
    if (rc == 0) {
        list->seq = m->seq;
        list->issued_ms = (int64_t)m->changed_ms;
    }
    xos_pb_free(m);
    return rc;
}

int ca_load_revocations(struct ca_state *s, const char *institution,
                        const uint8_t root_hash[static XOS_HASH_BYTES],
                        struct auth_revocations **out, struct xos_error *err)
{
    struct xos_buf file = XOS_BUF(AUTH_REVOKE_BYTES_MAX + XOS_HASH_BYTES);
    struct auth_revocations *list = auth_revocations_new(institution, root_hash, err);
    int rc = list ? ca_state_load(s, CA_FILE_REVOCATIONS, &file, err) : -1;
    if (rc == 0) {
        list->seq = 1;
        rc = file.len ? fill(list, slice(&file), err) : 0;
    }
    if (rc == 0)
        *out = list;
    else
        auth_revocations_free(list);
    xos_buf_free(&file);
    return rc;
}

int ca_store_revocations(struct ca_state *s, const struct auth_revocations *list,
                         struct xos_error *err)
{
    struct xos_buf file = XOS_BUF(AUTH_REVOKE_BYTES_MAX);
    Ca__StoredRevocations m = CA__STORED_REVOCATIONS__INIT;
    m.seq = list->seq;
    m.changed_ms = (uint64_t)list->issued_ms;
    m.serials = xos_pb_bytes(slice(&list->entries[AUTH_REVOKE_SERIAL]));
    m.keys = xos_pb_bytes(slice(&list->entries[AUTH_REVOKE_KEY]));
    m.subjects = xos_pb_bytes(slice(&list->entries[AUTH_REVOKE_SUBJECT]));
    m.grants = xos_pb_bytes(slice(&list->entries[AUTH_REVOKE_GRANT]));
    int rc = xos_pb_pack(&m, &file, err);
    if (rc == 0)
        rc = ca_state_store(s, CA_FILE_REVOCATIONS, slice(&file), err);
    xos_buf_free(&file);
    return rc;
}
