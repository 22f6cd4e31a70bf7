// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/core/attr.h"

#include "libxos/wire/pb.h"
#include "vo-auth/auth.pb-c.h"
#include "vo-auth/core/field.h"
#include "vo-auth/core/statement.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define ROLE_TEXT_BYTES (2 * (AUTH_PART_BYTES_MAX + 1) + 1)

static const struct auth_format format = {"VO attributes", AUTH_ATTR_DOMAIN,
                                          &auth__attributes__descriptor, AUTH_ATTR_BYTES_MAX};

void auth_attr_free(struct auth_attr *a)
{
    xos_pb_free(a->memory);
    *a = (struct auth_attr){0};
}

/* The group of "group:role"; len 0 when it is not of that form. */
static struct xos_slice group_of(struct xos_slice role)
{
    const uint8_t *colon = role.len ? memchr(role.data, ':', role.len) : NULL;
    return (struct xos_slice){role.data, colon ? (size_t)(colon - role.data) : 0};
}

static bool role_valid(struct xos_slice role)
{
    struct xos_slice group = group_of(role);
    return group.len && auth_name_part_valid(group) &&
           auth_name_part_valid(
               (struct xos_slice){role.data + group.len + 1, role.len - group.len - 1});
}

static int shape(struct auth_attr *out, const Auth__Attributes *m, struct xos_error *err)
{
    if (auth_field_name(&out->vo, AUTH_NAME_VO, m->vo, "vo", err) ||
        auth_field_bytes(out->vo_root_hash, XOS_HASH_BYTES, m->vo_root_hash, "VO root", err) ||
        auth_field_name(&out->subject, AUTH_NAME_USER, m->subject, "subject", err) ||
        auth_field_bytes(out->subject_key_hash, XOS_HASH_BYTES, m->subject_key_hash, "key", err) ||
        auth_field_bytes(out->subject_root_hash, XOS_HASH_BYTES, m->subject_root_hash, "root",
                         err) ||
        auth_set_read(&out->groups, m->n_groups, m->groups, auth_name_part_valid, "groups", err) ||
        auth_set_read(&out->roles, m->n_roles, m->roles, role_valid, "roles", err) ||
        auth_field_time(&out->issued_ms, m->issued_ms, "issued", err) ||
        auth_field_time(&out->expires_ms, m->expires_ms, "expires", err))
        return -1;
    for (size_t i = 0; i < out->roles.count; i++)
        if (!auth_set_has(&out->groups, group_of(out->roles.at[i])))
            return xos_fail(err, XOS_PROTOCOL, "a role in a group that is not given");
    out->seq = m->seq;
    return 0;
}

int auth_attr_sign(struct xos_buf *out, const struct auth_attr *a, const struct xos_key *key,
                   struct xos_error *err)
{
    struct auth_name_text vo, subject;
    ProtobufCBinaryData groups[AUTH_SET_ENTRIES_MAX], roles[AUTH_SET_ENTRIES_MAX];
    struct auth_attr again = {0};
    Auth__Attributes m = AUTH__ATTRIBUTES__INIT;
    m.vo = auth_field_of_name(&a->vo, &vo);
    m.vo_root_hash = auth_field_of_bytes(a->vo_root_hash, XOS_HASH_BYTES);
    m.subject = auth_field_of_name(&a->subject, &subject);
    m.subject_key_hash = auth_field_of_bytes(a->subject_key_hash, XOS_HASH_BYTES);
    m.subject_root_hash = auth_field_of_bytes(a->subject_root_hash, XOS_HASH_BYTES);
    m.n_groups = auth_set_write(&a->groups, m.groups = groups);
    m.n_roles = auth_set_write(&a->roles, m.roles = roles);
    m.issued_ms = (uint64_t)a->issued_ms;
    m.expires_ms = (uint64_t)a->expires_ms;
    m.seq = a->seq;
    if (shape(&again, &m, err) < 0 ||
        auth_span_check(a->issued_ms, a->expires_ms, a->issued_ms, AUTH_ATTR_LIFE_MS_MAX,
                        "the statement", err) < 0)
        return xos_wrap(err, "%s", format.noun);
    return auth_statement_seal(out, &format, &m.base, key, err);
}

struct check {
    struct auth_statement statement;
    const struct auth_manifest *manifest;
    const struct auth_principal *subject;
    int64_t now_ms;
    struct auth_attr a;
    struct xos_error *err;
};

static int step_form(struct check *c)
{
    return shape(&c->a, c->statement.payload, c->err);
}

static int step_vo(struct check *c)
{
    if (auth_name_equal(&c->a.vo, &c->manifest->vo) &&
        memcmp(c->a.vo_root_hash, c->manifest->root_hash, XOS_HASH_BYTES) == 0)
        return 0;
    return xos_fail(c->err, XOS_DENIED, "of another VO");
}

static int step_signature(struct check *c)
{
    for (size_t i = 0; i < c->manifest->keys.count; i++) {
        const uint8_t *key = c->manifest->keys.at[i].data;
        if (auth_statement_names(&c->statement, key))
            return auth_statement_verify(&c->statement, &format, key, c->err);
    }
    return xos_fail(c->err, XOS_DENIED, "signed by a key that is not in the VO's manifest");
}

static int step_subject(struct check *c)
{
    const struct auth_principal *p = c->subject;
    if (p->kind == AUTH_KIND_USER && auth_name_equal(&c->a.subject, &p->name) &&
        memcmp(c->a.subject_root_hash, p->root_hash, XOS_HASH_BYTES) == 0 &&
        memcmp(c->a.subject_key_hash, p->key_hash, XOS_HASH_BYTES) == 0)
        return 0;
    return xos_fail(c->err, XOS_DENIED, "about somebody else, or about another key");
}

static int step_times(struct check *c)
{
    return auth_span_check(c->a.issued_ms, c->a.expires_ms, c->now_ms, AUTH_ATTR_LIFE_MS_MAX,
                           "the statement", c->err);
}

static const struct {
    const char *name;
    int (*run)(struct check *c);
} steps[] = {
    {"form", step_form},       {"VO", step_vo},       {"signature", step_signature},
    {"subject", step_subject}, {"times", step_times},
};

int auth_attr_check(struct auth_attr *out, struct xos_slice bytes,
                    const struct auth_manifest *manifest, const struct auth_principal *subject,
                    int64_t now_ms, struct xos_error *err)
{
    struct check c = {.manifest = manifest, .subject = subject, .now_ms = now_ms, .err = err};
    const char *failed = NULL;
    if (auth_statement_open(&c.statement, &format, bytes, err) < 0)
        return -1;
    for (size_t i = 0; !failed && i < sizeof(steps) / sizeof(steps[0]); i++)
        if (steps[i].run(&c) < 0)
            failed = steps[i].name;
    if (!failed) {
        c.a.memory = c.statement.payload;
        c.statement.payload = NULL;
        *out = c.a;
    }
    auth_statement_close(&c.statement);
    return failed ? xos_wrap(err, "%s: %s", format.noun, failed) : 0;
}

bool auth_attr_has(const struct auth_attr *a, const struct auth_name *acting)
{
    char role[ROLE_TEXT_BYTES];
    struct auth_name vo = *acting;
    vo.kind = AUTH_NAME_VO;
    memset(vo.group, 0, sizeof(vo.group));
    memset(vo.role, 0, sizeof(vo.role));
    if (!auth_name_equal(&vo, &a->vo))
        return false;
    switch (acting->kind) {
    case AUTH_NAME_VO:
        return true;
    case AUTH_NAME_GROUP:
        return auth_set_has(&a->groups, auth_slice(acting->group));
    case AUTH_NAME_ROLE:
        (void)snprintf(role, sizeof(role), "%s:%s", acting->group, acting->role);
        return auth_set_has(&a->roles, auth_slice(role));
    default:
        return false;
    }
}
