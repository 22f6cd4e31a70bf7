// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/ca/vo.h"

#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"
#include "vo-auth/ca.pb-c.h"
#include "vo-auth/core/field.h"

#include <stdio.h>
#include <string.h>

void ca_vo_free(struct ca_vo *vo)
{
    xos_free(vo->members);
    *vo = (struct ca_vo){0};
}

static struct xos_slice take_word(const char **text)
{
    *text += strspn(*text, " ");
    const size_t len = strcspn(*text, " ");
    struct xos_slice word = {(const uint8_t *)*text, len};
    *text += len;
    return word;
}

/* A group or role of this VO, as "prod" or "prod:runner". */
static int read_right(struct auth_name *out, const struct ca_vo *vo, struct xos_slice word,
                      struct xos_error *err)
{
    char vo_name[AUTH_NAME_BYTES_MAX + 1], text[sizeof(vo_name) + 2 * AUTH_PART_BYTES_MAX + 4];
    auth_name_print(&vo->name, vo_name);
    if (word.len > 2 * AUTH_PART_BYTES_MAX + 1)
        return xos_fail(err, XOS_INVALID, "a group or role is too long");
    (void)snprintf(text, sizeof(text), "%s/%.*s", vo_name, (int)word.len, (const char *)word.data);
    return auth_name_parse_acting(out, auth_slice(text), NULL, err);
}

static int add_once(struct auth_set *set, struct xos_slice entry, struct xos_error *err)
{
    return auth_set_has(set, entry) ? 0 : auth_set_add(set, entry, err);
}

/* Both sets borrow from rights. */
static int read_rights(struct auth_set *groups, struct auth_set *roles, const struct ca_vo *vo,
                       const char *rights, struct xos_error *err)
{
    struct xos_slice word;
    while ((word = take_word(&rights)).len) {
        struct auth_name name;
        if (read_right(&name, vo, word, err) < 0)
            return -1;
        struct xos_slice group = {word.data, strlen(name.group)};
        if (add_once(groups, group, err) < 0 ||
            (name.kind == AUTH_NAME_ROLE && add_once(roles, word, err) < 0))
            return -1;
    }
    return 0;
}

static int check_member(const struct ca_vo *vo, const struct auth_name *user, const char *rights,
                        struct xos_error *err)
{
    struct auth_set groups = {0}, roles = {0};
    if (user->kind != AUTH_NAME_USER)
        return xos_fail(err, XOS_INVALID, "members are users");
    if (strnlen(rights, CA_RIGHTS_BYTES_MAX + 1) > CA_RIGHTS_BYTES_MAX)
        return xos_fail(err, XOS_LIMIT, "more than %d bytes of groups and roles",
                        CA_RIGHTS_BYTES_MAX);
    return read_rights(&groups, &roles, vo, rights, err);
}

static struct ca_member *find(const struct ca_vo *vo, const struct auth_name *user)
{
    for (size_t i = 0; i < vo->count; i++)
        if (auth_name_equal(&vo->members[i].user, user))
            return &vo->members[i];
    return NULL;
}

static struct ca_member *room(struct ca_vo *vo, struct xos_error *err)
{
    if (vo->count >= CA_VO_MEMBERS_MAX) {
        xos_fail(err, XOS_LIMIT, "a VO has at most %d members", CA_VO_MEMBERS_MAX);
        return NULL;
    }
    struct ca_member *all = xos_realloc_array(vo->members, vo->count + 1, sizeof(*all));
    if (!all) {
        xos_fail(err, XOS_NOMEM, "members");
        return NULL;
    }
    vo->members = all;
    return &all[vo->count];
}

int ca_vo_add(struct ca_vo *vo, const struct auth_name *user, const char *rights, int64_t now_ms,
              struct xos_error *err)
{
    if (check_member(vo, user, rights, err) < 0)
        return -1;
    struct ca_member *m = find(vo, user);
    if (!m) {
        m = room(vo, err);
        if (!m)
            return -1;
        vo->count++;
    }
    *m = (struct ca_member){.user = *user};
    (void)snprintf(m->rights, sizeof(m->rights), "%s", rights);
    vo->seq++;
    vo->changed_ms = now_ms;
    return 0;
}

int ca_vo_remove(struct ca_vo *vo, const struct auth_name *user, int64_t now_ms,
                 struct xos_error *err)
{
    struct ca_member *m = find(vo, user);
    if (!m)
        return xos_fail(err, XOS_NOT_FOUND, "no member of that name");
    const size_t i = (size_t)(m - vo->members);
    vo->count--;
    memmove(m, m + 1, (vo->count - i) * sizeof(*m));
    vo->seq++;
    vo->changed_ms = now_ms;
    return 0;
}

int ca_vo_attr(struct auth_attr *out, const struct ca_vo *vo, const struct auth_principal *subject,
               int64_t now_ms, struct xos_error *err)
{
    const struct ca_member *m = find(vo, &subject->name);
    struct auth_attr a = {.vo = vo->name,
                          .subject = subject->name,
                          .issued_ms = now_ms,
                          .expires_ms = now_ms + AUTH_ATTR_LIFE_MS_MAX,
                          .seq = vo->seq};
    if (subject->kind != AUTH_KIND_USER || !m)
        return xos_fail(err, XOS_DENIED, "%s@%s is no member of this VO", subject->name.part,
                        subject->name.institution);
    if (auth_key_hash(vo->root_key, a.vo_root_hash, err) < 0 ||
        read_rights(&a.groups, &a.roles, vo, m->rights, err) < 0)
        return -1;
    memcpy(a.subject_key_hash, subject->key_hash, sizeof(a.subject_key_hash));
    memcpy(a.subject_root_hash, subject->root_hash, sizeof(a.subject_root_hash));
    *out = a;
    return 0;
}

int ca_vo_manifest(struct auth_manifest *out, const struct ca_vo *vo, struct ca_vo_names *text,
                   struct xos_error *err)
{
    struct auth_manifest m = {.vo = vo->name, .seq = vo->seq, .issued_ms = vo->changed_ms};
    memcpy(m.root_key, vo->root_key, sizeof(m.root_key));
    if (auth_set_add(&m.keys, (struct xos_slice){vo->key, sizeof(vo->key)}, err) < 0)
        return -1;
    for (size_t i = 0; i < vo->admin_count; i++) {
        auth_name_print(&vo->admins[i], text->at[i]);
        if (auth_set_add(&m.admins, auth_slice(text->at[i]), err) < 0)
            return -1;
    }
    *out = m;
    return 0;
}

/* What encoding borrows from. */
struct rows {
    Ca__StoredMember row[CA_VO_MEMBERS_MAX], *at[CA_VO_MEMBERS_MAX];
    struct auth_name_text user[CA_VO_MEMBERS_MAX], admin[CA_VO_ADMINS_MAX];
    ProtobufCBinaryData admins[CA_VO_ADMINS_MAX];
};

int ca_vo_encode(const struct ca_vo *vo, struct xos_buf *out, struct xos_error *err)
{
    struct auth_name_text name;
    struct rows *r = xos_alloc(sizeof(*r));
    Ca__StoredVo m = CA__STORED_VO__INIT;
    if (!r)
        return xos_fail(err, XOS_NOMEM, "VO");
    for (size_t i = 0; i < vo->count; i++) {
        r->at[i] = &r->row[i];
        ca__stored_member__init(r->at[i]);
        r->row[i].user = auth_field_of_name(&vo->members[i].user, &r->user[i]);
        r->row[i].rights = xos_pb_text(vo->members[i].rights);
    }
    for (size_t i = 0; i < vo->admin_count; i++)
        r->admins[i] = auth_field_of_name(&vo->admins[i], &r->admin[i]);
    m.vo = auth_field_of_name(&vo->name, &name);
    m.seq = vo->seq;
    m.changed_ms = (uint64_t)vo->changed_ms;
    m.root_key = auth_field_of_bytes(vo->root_key, sizeof(vo->root_key));
    m.key = auth_field_of_bytes(vo->key, sizeof(vo->key));
    m.n_admins = vo->admin_count;
    m.admins = r->admins;
    m.n_members = vo->count;
    m.members = r->at;
    int rc = xos_pb_pack(&m, out, err);
    xos_free(r);
    return rc;
}

static int read_head(struct ca_vo *vo, const Ca__StoredVo *m, struct xos_error *err)
{
    if (auth_field_name(&vo->name, AUTH_NAME_VO, m->vo, "VO", err) ||
        auth_field_time(&vo->changed_ms, m->changed_ms, "changed", err) ||
        auth_field_bytes(vo->root_key, sizeof(vo->root_key), m->root_key, "root key", err) ||
        auth_field_bytes(vo->key, sizeof(vo->key), m->key, "key", err))
        return -1;
    if (m->n_admins == 0 || m->n_admins > CA_VO_ADMINS_MAX || m->seq == 0)
        return xos_fail(err, XOS_CORRUPT, "administrators or number");
    vo->admin_count = m->n_admins;
    for (size_t i = 0; i < m->n_admins; i++)
        if (auth_field_name(&vo->admins[i], AUTH_NAME_USER, m->admins[i], "administrator", err) < 0)
            return -1;
    return 0;
}

static int read_member(struct ca_vo *vo, const Ca__StoredMember *row, struct xos_error *err)
{
    char rights[CA_RIGHTS_BYTES_MAX + 1] = "";
    struct auth_name user;
    if (row->rights.len > CA_RIGHTS_BYTES_MAX ||
        (row->rights.len && memchr(row->rights.data, 0, row->rights.len)))
        return xos_fail(err, XOS_CORRUPT, "rights");
    if (row->rights.len)
        memcpy(rights, row->rights.data, row->rights.len);
    if (auth_field_name(&user, AUTH_NAME_USER, row->user, "member", err) < 0)
        return -1;
    return ca_vo_add(vo, &user, rights, vo->changed_ms, err);
}

int ca_vo_decode(struct ca_vo *vo, struct xos_slice bytes, struct xos_error *err)
{
    Ca__StoredVo *m =
        xos_pb_unpack(&ca__stored_vo__descriptor, bytes, CA_VO_BYTES_MAX, XOS_PB_STRICT, err);
    int rc = m ? read_head(vo, m, err) : -1;
    for (size_t i = 0; rc == 0 && i < m->n_members; i++)
        rc = read_member(vo, m->members[i], err);
    if (rc == 0)
        vo->seq = m->seq;
    else
        ca_vo_free(vo);
    xos_pb_free(m);
    return rc < 0 ? xos_wrap(err, "VO") : 0;
}
