// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/core/revoke.h"

#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"
#include "vo-auth/auth.pb-c.h"
#include "vo-auth/core/field.h"
#include "vo-auth/core/statement.h"

#include <assert.h>
#include <string.h>

static const struct auth_format format = {"revocation list", AUTH_REVOKE_DOMAIN,
                                          &auth__revocations__descriptor, AUTH_REVOKE_BYTES_MAX};

struct kind_row {
    const char *name;
    size_t bytes;
};

static const struct kind_row kinds[AUTH_REVOKE_KINDS] = {
    [AUTH_REVOKE_SERIAL] = {"serials", AUTH_SERIAL_BYTES},
    [AUTH_REVOKE_KEY] = {"keys", XOS_HASH_BYTES},
    [AUTH_REVOKE_SUBJECT] = {"subjects", XOS_HASH_BYTES},
    [AUTH_REVOKE_GRANT] = {"grants", XOS_HASH_BYTES},
};

size_t auth_revoke_bytes(enum auth_revoke_kind kind)
{
    assert(kind < AUTH_REVOKE_KINDS);
    return kinds[kind].bytes;
}

void auth_revocations_free(struct auth_revocations *list)
{
    if (!list)
        return;
    for (unsigned k = 0; k < AUTH_REVOKE_KINDS; k++)
        xos_buf_free(&list->entries[k]);
    xos_free(list);
}

struct auth_revocations *auth_revocations_new(const char *domain,
                                              const uint8_t root_hash[static XOS_HASH_BYTES],
                                              struct xos_error *err)
{
    struct auth_name name;
    if (auth_name_parse(&name, AUTH_NAME_INSTITUTION, auth_slice(domain), NULL, err) < 0)
        return NULL;
    struct auth_revocations *list = xos_alloc(sizeof(*list));
    if (!list) {
        xos_fail(err, XOS_NOMEM, "revocation list");
        return NULL;
    }
    memcpy(list->domain, name.institution, sizeof(list->domain));
    memcpy(list->root_hash, root_hash, XOS_HASH_BYTES);
    for (unsigned k = 0; k < AUTH_REVOKE_KINDS; k++)
        list->entries[k] = XOS_BUF(AUTH_REVOCATIONS_MAX * kinds[k].bytes);
    return list;
}

size_t auth_revocations_count(const struct auth_revocations *list)
{
    size_t count = 0;
    for (unsigned k = 0; k < AUTH_REVOKE_KINDS; k++)
        count += list->entries[k].len / kinds[k].bytes;
    return count;
}

/* Index of the first entry that is not below `entry`. */
static size_t place(const struct xos_buf *b, size_t bytes, const uint8_t *entry)
{
    size_t low = 0, high = b->len / bytes;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (memcmp(b->data + middle * bytes, entry, bytes) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool auth_revocations_has(const struct auth_revocations *list, enum auth_revoke_kind kind,
                          const uint8_t *entry)
{
    const struct xos_buf *b = &list->entries[kind];
    size_t bytes = auth_revoke_bytes(kind), i = place(b, bytes, entry);
    return i * bytes < b->len && memcmp(b->data + i * bytes, entry, bytes) == 0;
}

int auth_revocations_add(struct auth_revocations *list, enum auth_revoke_kind kind,
                         const uint8_t *entry, struct xos_error *err)
{
    struct xos_buf *b = &list->entries[kind];
    size_t bytes = auth_revoke_bytes(kind), at = place(b, bytes, entry) * bytes;
    if (auth_revocations_has(list, kind, entry))
        return 0;
    if (auth_revocations_count(list) >= AUTH_REVOCATIONS_MAX)
        return xos_fail(err, XOS_LIMIT, "more than %d revocations", AUTH_REVOCATIONS_MAX);
    if (!xos_buf_room(b, bytes, err))
        return -1;
    memmove(b->data + at + bytes, b->data + at, b->len - at);
    memcpy(b->data + at, entry, bytes);
    b->len += bytes;
    return 0;
}

int auth_revoke_subject(const struct auth_name *name, uint8_t entry[static XOS_HASH_BYTES],
                        struct xos_error *err)
{
    char uri[AUTH_NAME_BYTES_MAX + 1];
    auth_name_print_uri(name, uri);
    return xos_sha256(auth_slice(uri), entry, err);
}

int auth_revocations_sign(struct xos_buf *out, const struct auth_revocations *list,
                          const struct xos_key *ca_key, struct xos_error *err)
{
    Auth__Revocations m = AUTH__REVOCATIONS__INIT;
    ProtobufCBinaryData *const fields[AUTH_REVOKE_KINDS] = {&m.serials, &m.keys, &m.subjects,
                                                            &m.grants};
    m.domain = xos_pb_text(list->domain);
    m.root_hash = auth_field_of_bytes(list->root_hash, XOS_HASH_BYTES);
    m.seq = list->seq;
    m.issued_ms = (uint64_t)list->issued_ms;
    for (unsigned k = 0; k < AUTH_REVOKE_KINDS; k++)
        *fields[k] = auth_field_of_bytes(list->entries[k].data, list->entries[k].len);
    if (list->seq == 0 || list->issued_ms <= 0)
        return xos_fail(err, XOS_INVALID, "a revocation list without a number or a time");
    return auth_statement_seal(out, &format, &m.base, ca_key, err);
}

static int read_entries(struct auth_revocations *list, enum auth_revoke_kind kind,
                        ProtobufCBinaryData from, struct xos_error *err)
{
    size_t bytes = kinds[kind].bytes;
    if (from.len % bytes)
        return xos_fail(err, XOS_PROTOCOL, "%s: not whole entries", kinds[kind].name);
    for (size_t at = bytes; at < from.len; at += bytes)
        if (memcmp(from.data + at - bytes, from.data + at, bytes) >= 0)
            return xos_fail(err, XOS_PROTOCOL, "%s: not sorted, or one twice", kinds[kind].name);
    return xos_buf_add(&list->entries[kind], from.data, from.len, err);
}

static int read_list(struct auth_revocations *list, const Auth__Revocations *m,
                     struct xos_error *err)
{
    list->seq = m->seq;
    if (m->seq == 0)
        return xos_fail(err, XOS_PROTOCOL, "a list without a number");
    if (auth_field_time(&list->issued_ms, m->issued_ms, "issued", err) < 0 ||
        read_entries(list, AUTH_REVOKE_SERIAL, m->serials, err) < 0 ||
        read_entries(list, AUTH_REVOKE_KEY, m->keys, err) < 0 ||
        read_entries(list, AUTH_REVOKE_SUBJECT, m->subjects, err) < 0 ||
        read_entries(list, AUTH_REVOKE_GRANT, m->grants, err) < 0)
        return -1;
    if (auth_revocations_count(list) > AUTH_REVOCATIONS_MAX)
        return xos_fail(err, XOS_LIMIT, "more than %d revocations", AUTH_REVOCATIONS_MAX);
    return 0;
}

/* Is it the list of the domain whose CA has signed it, and not older than what is known? */
static int check_origin(const Auth__Revocations *m, const struct auth_principal *ca,
                        const struct auth_context *ctx, uint64_t seq_min, struct xos_error *err)
{
    struct auth_name domain;
    uint8_t root_hash[XOS_HASH_BYTES];
    if (auth_field_name(&domain, AUTH_NAME_INSTITUTION, m->domain, "domain", err) < 0 ||
        auth_field_bytes(root_hash, sizeof(root_hash), m->root_hash, "root hash", err) < 0)
        return -1;
    if (strcmp(domain.institution, ca->name.institution) != 0 ||
        memcmp(root_hash, ca->root_hash, sizeof(root_hash)) != 0)
        return xos_fail(err, XOS_DENIED, "the list of %s, signed by the CA of %s",
                        domain.institution, ca->name.institution);
    if (m->issued_ms > INT64_MAX || (int64_t)m->issued_ms - ctx->now_ms > AUTH_SKEW_MS_MAX)
        return xos_fail(err, XOS_CLOCK, "issued ahead of the clock here");
    if (m->seq < seq_min)
        return xos_fail(err, XOS_STALE, "list %llu of %s; known is %llu",
                        (unsigned long long)m->seq, domain.institution,
                        (unsigned long long)seq_min);
    return 0;
}

int auth_revocations_check(struct auth_revocations **out, struct xos_slice bytes,
                           const struct xos_slice *ca_chain, size_t count,
                           const struct auth_context *ctx, uint64_t seq_min, struct xos_error *err)
{
    struct auth_context as_ca = *ctx;
    struct auth_principal ca = {0};
    struct auth_statement s = {0};
    struct auth_revocations *list = NULL;
    as_ca.slot = AUTH_KIND_CA;
    as_ca.expired_ms_max = 0;
    if (auth_verify(ca_chain, count, &as_ca, &ca, err) < 0 ||
        auth_statement_open(&s, &format, bytes, err) < 0 ||
        auth_statement_verify(&s, &format, ca.key, err) < 0 ||
        check_origin(s.payload, &ca, ctx, seq_min, err) < 0)
        goto out;
    list = auth_revocations_new(ca.name.institution, ca.root_hash, err);
    if (list && read_list(list, s.payload, err) < 0) {
        auth_revocations_free(list);
        list = NULL;
    }
out:
    auth_statement_close(&s);
    auth_principal_free(&ca);
    if (!list)
        return xos_wrap(err, "revocation list");
    *out = list;
    return 0;
}

const struct auth_revocations *auth_context_revocations(const struct auth_context *ctx,
                                                        const char *domain)
{
    for (size_t i = 0; i < ctx->revocation_count; i++)
        if (strcmp(ctx->revocations[i]->domain, domain) == 0)
            return ctx->revocations[i];
    return NULL;
}
