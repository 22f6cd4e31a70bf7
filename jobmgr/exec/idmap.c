// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/idmap.h"

#include "jobmgr/exec/shim_wire.h"
#include "libxos/base/alloc.h"

#include <assert.h>
#include <string.h>

#define IDMAP_MAGIC UINT32_C(0x49534f58) /* "XOSI" */
#define IDMAP_VERSION 1

_Static_assert(sizeof(struct idmap_record) == 224, "part of the format");

struct holder {
    uint32_t uid;
    bool released;
    int64_t released_s;
    char vo[IDMAP_NAME_BYTES];
    char user[IDMAP_NAME_BYTES];
};

struct idmap {
    uint32_t uid_min, uid_max;
    uint32_t next; /* lowest never used */
    struct holder *list;
    size_t count, room;
};

int idmap_new(struct idmap **out, uint32_t uid_min, uint32_t uid_max, struct xos_error *err)
{
    assert(uid_min >= 1000 && uid_min <= uid_max);
    struct idmap *m = xos_alloc(sizeof(*m));
    if (!m)
        return xos_fail(err, XOS_NOMEM, "uid table");
    m->uid_min = m->next = uid_min;
    m->uid_max = uid_max;
    *out = m;
    return 0;
}

void idmap_free(struct idmap *m)
{
    if (!m)
        return;
    xos_free(m->list);
    xos_free(m);
}

static struct holder *find_name(const struct idmap *m, const char *vo, const char *user)
{
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->list[i].user, user) == 0 && strcmp(m->list[i].vo, vo) == 0)
            return &m->list[i];
    return NULL;
}

static struct holder *find_uid(const struct idmap *m, uint32_t uid)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->list[i].uid == uid)
            return &m->list[i];
    return NULL;
}

static struct holder *longest_rested(const struct idmap *m, int64_t now_s)
{
    struct holder *best = NULL;
    for (size_t i = 0; i < m->count; i++) {
        struct holder *h = &m->list[i];
        if (!h->released || now_s - h->released_s < IDMAP_REST_S)
            continue;
        if (!best || h->released_s < best->released_s)
            best = h;
    }
    return best;
}

uint32_t idmap_find(const struct idmap *m, const char *vo, const char *user)
{
    const struct holder *h = find_name(m, vo, user);
    return h && !h->released ? h->uid : 0;
}

static int names_fit(const char *vo, const char *user, struct xos_error *err)
{
    if (!*user || strlen(user) >= IDMAP_NAME_BYTES || strlen(vo) >= IDMAP_NAME_BYTES)
        return xos_fail(err, XOS_INVALID,
                        "a name for the uid table is empty or above "
                        "IDMAP_NAME_BYTES");
    return 0;
}

static void record_fill(struct idmap_record *r, enum idmap_kind kind, uint32_t uid, const char *vo,
                        const char *user, int64_t now_s)
{
    *r = (struct idmap_record){.kind = (uint16_t)kind, .uid = uid, .at_s = now_s};
    memcpy(r->vo, vo, strlen(vo));
    memcpy(r->user, user, strlen(user));
    idmap_record_seal(r);
}

int idmap_plan(const struct idmap *m, const char *vo, const char *user, int64_t now_s,
               struct idmap_record *out, struct xos_error *err)
{
    if (names_fit(vo, user, err) < 0)
        return -1;
    const struct holder *h = find_name(m, vo, user);
    if (h && !h->released)
        return xos_fail(err, XOS_EXISTS, "%s has uid %u", user, h->uid);
    uint32_t uid = h ? h->uid : 0;
    if (!uid && m->next <= m->uid_max && m->count < IDMAP_ENTRIES_MAX)
        uid = m->next;
    if (!uid && (h = longest_rested(m, now_s)))
        uid = h->uid;
    if (!uid)
        return xos_fail(err, XOS_LIMIT, "no uid is free (IDMAP_ENTRIES_MAX %d, rest of 30 days)",
                        IDMAP_ENTRIES_MAX);
    record_fill(out, IDMAP_ASSIGN, uid, vo, user, now_s);
    return 0;
}

int idmap_plan_release(const struct idmap *m, const char *vo, const char *user, int64_t now_s,
                       struct idmap_record *out, struct xos_error *err)
{
    uint32_t uid = idmap_find(m, vo, user);
    if (!uid)
        return xos_fail(err, XOS_NOT_FOUND, "%s has no uid", user);
    record_fill(out, IDMAP_RELEASE, uid, vo, user, now_s);
    return 0;
}

void idmap_record_seal(struct idmap_record *r)
{
    r->magic = IDMAP_MAGIC;
    r->version = IDMAP_VERSION;
    r->crc = exec_crc32c(r, offsetof(struct idmap_record, crc));
}

int idmap_record_check(const void *data, size_t bytes)
{
    const struct idmap_record *r = data;
    if (bytes != sizeof(*r) || r->magic != IDMAP_MAGIC || r->version != IDMAP_VERSION)
        return -1;
    if (r->crc != exec_crc32c(r, offsetof(struct idmap_record, crc)))
        return -1;
    if (r->kind != IDMAP_ASSIGN && r->kind != IDMAP_RELEASE)
        return -1;
    return memchr(r->vo, 0, sizeof(r->vo)) && memchr(r->user, 0, sizeof(r->user)) ? 0 : -1;
}

static int apply_release(struct idmap *m, const struct idmap_record *r, struct xos_error *err)
{
    struct holder *h = find_name(m, r->vo, r->user);
    if (!h || h->uid != r->uid || h->released)
        return xos_fail(err, XOS_CORRUPT, "uid table: release of %u that %s does not have", r->uid,
                        r->user);
    h->released = true;
    h->released_s = r->at_s;
    return 0;
}

static struct holder *holder_for(struct idmap *m, const struct idmap_record *r,
                                 struct xos_error *err)
{
    struct holder *h = find_name(m, r->vo, r->user);
    struct holder *other = find_uid(m, r->uid);
    if ((h && h != other) || (other && !other->released)) {
        (void)xos_fail(err, XOS_CORRUPT, "uid table: %u is given twice", r->uid);
        return NULL;
    }
    if (other)
        return other;
    if (m->count == m->room) {
        size_t room = m->room ? m->room * 2 : 64;
        struct holder *list = xos_realloc_array(m->list, room, sizeof(*list));
        if (!list) {
            (void)xos_fail(err, XOS_NOMEM, "uid table");
            return NULL;
        }
        m->list = list;
        m->room = room;
    }
    return &m->list[m->count++];
}

int idmap_apply(struct idmap *m, const struct idmap_record *r, struct xos_error *err)
{
    if (r->uid < m->uid_min || r->uid > m->uid_max || !r->user[0])
        return xos_fail(err, XOS_CORRUPT, "uid table: %u is outside of the range", r->uid);
    if (r->kind == IDMAP_RELEASE)
        return apply_release(m, r, err);
    struct holder *h = holder_for(m, r, err);
    if (!h)
        return -1;
    *h = (struct holder){.uid = r->uid};
    memcpy(h->vo, r->vo, sizeof(h->vo));
    memcpy(h->user, r->user, sizeof(h->user));
    if (r->uid >= m->next)
        m->next = r->uid + 1;
    return 0;
}
