// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/core/claim.h"

#include "libxos/base/alloc.h"

#define uthash_malloc(size) xos_alloc(size)
#define uthash_free(block, size) xos_free(block)
#define HASH_NONFATAL_OOM 1
#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <uthash.h>

struct entry {
    struct claim claim;
    UT_hash_handle hh;
};

struct claim_table {
    struct entry *entries;
    struct claim_limits limits;
    struct claim_need used;
    bool draining;
};

int claim_table_new(struct claim_table **out, const struct claim_limits *limits,
                    struct xos_error *err)
{
    struct claim_table *t = xos_alloc(sizeof(*t));
    if (!t)
        return xos_fail(err, XOS_NOMEM, "claims");
    t->limits = *limits;
    *out = t;
    return 0;
}

static void entry_drop(struct claim_table *t, struct entry *e)
{
    const struct claim_need *n = &e->claim.need;
    assert(t->used.cpus >= n->cpus && t->used.mem_bytes >= n->mem_bytes);
    assert(t->used.gpus >= n->gpus);
    t->used.cpus -= n->cpus;
    t->used.mem_bytes -= n->mem_bytes;
    t->used.gpus -= n->gpus;
    HASH_DEL(t->entries, e);
    xos_free(e);
}

void claim_table_free(struct claim_table *t)
{
    if (!t)
        return;
    while (t->entries)
        entry_drop(t, t->entries);
    xos_free(t);
}

void claim_table_limits(struct claim_table *t, const struct claim_limits *limits)
{
    t->limits = *limits;
}

void claim_table_drain(struct claim_table *t, bool draining)
{
    t->draining = draining;
}

/* The key is the struct's bytes, so the tail of the name must be zero. */
static struct claim_id key_of(const char *job, uint32_t unit)
{
    struct claim_id id;
    memset(&id, 0, sizeof(id));
    memcpy(id.job, job, strnlen(job, sizeof(id.job) - 1));
    id.unit = unit;
    return id;
}

static struct entry *entry_get(const struct claim_table *t, const struct claim_id *id)
{
    struct claim_id key = key_of(id->job, id->unit);
    struct entry *e;
    HASH_FIND(hh, t->entries, &key, sizeof(key), e);
    return e;
}

const struct claim *claim_get(const struct claim_table *t, const struct claim_id *id)
{
    const struct entry *e = entry_get(t, id);
    return e ? &e->claim : NULL;
}

size_t claim_count(const struct claim_table *t)
{
    return HASH_COUNT(t->entries);
}

void claim_each(const struct claim_table *t, void (*each)(const struct claim *c, void *arg),
                void *arg)
{
    for (struct entry *e = t->entries; e; e = e->hh.next)
        each(&e->claim, arg);
}

void claim_free_now(const struct claim_table *t, struct claim_need *out)
{
    const struct claim_need *all = &t->limits.node, *used = &t->used;
    out->cpus = all->cpus > used->cpus ? all->cpus - used->cpus : 0;
    out->mem_bytes = all->mem_bytes > used->mem_bytes ? all->mem_bytes - used->mem_bytes : 0;
    out->gpus = all->gpus > used->gpus ? all->gpus - used->gpus : 0;
}

static uint32_t units_of_user(const struct claim_table *t, const char *user)
{
    uint32_t n = 0;
    for (const struct entry *e = t->entries; e; e = e->hh.next)
        n += strcmp(e->claim.user, user) == 0;
    return n;
}

/* Units that are not held yet under this epoch; -1 when one is held under a higher one. */
static int count_new(const struct claim_table *t, const struct claim *wanted, const uint32_t *units,
                     size_t count, size_t *fresh, struct xos_error *err)
{
    *fresh = 0;
    for (size_t i = 0; i < count; i++) {
        struct claim_id id = key_of(wanted->id.job, units[i]);
        const struct entry *e = entry_get(t, &id);
        if (!e)
            (*fresh)++;
        else if (e->claim.epoch != wanted->epoch || strcmp(e->claim.head, wanted->head) != 0)
            return xos_fail(err, XOS_STALE, "unit %s.%u is held here under epoch %" PRIu64,
                            wanted->id.job, units[i], e->claim.epoch);
    }
    return 0;
}

static int check_free(const struct claim_table *t, const struct claim_need *n, uint64_t units,
                      struct xos_error *err)
{
    const struct claim_need *all = &t->limits.node;
    struct claim_need left;
    claim_free_now(t, &left);
    if (n->cpus > all->cpus || n->mem_bytes > all->mem_bytes || n->gpus > all->gpus)
        return xos_fail(err, XOS_LIMIT, "the node has less than one unit needs");
    if (units * n->cpus > left.cpus)
        return xos_fail(err, XOS_BUSY, "%u cpus are free", left.cpus);
    if (n->mem_bytes && units > left.mem_bytes / n->mem_bytes)
        return xos_fail(err, XOS_BUSY, "%" PRIu64 " bytes of memory are free", left.mem_bytes);
    if (units * n->gpus > left.gpus)
        return xos_fail(err, XOS_BUSY, "%u gpus are free", left.gpus);
    return 0;
}

static int check_grant(const struct claim_table *t, const struct claim *wanted, size_t fresh,
                       struct xos_error *err)
{
    if (t->draining)
        return xos_fail(err, XOS_UNAVAILABLE, "the node is draining");
    if (claim_count(t) + fresh > CLAIM_COUNT_MAX)
        return xos_fail(err, XOS_LIMIT, "claim_count_max: %d claims on this node", CLAIM_COUNT_MAX);
    if (t->limits.units_per_user &&
        units_of_user(t, wanted->user) + fresh > t->limits.units_per_user)
        return xos_fail(err, XOS_LIMIT, "units_per_user: %s has %u units here at most",
                        wanted->user, t->limits.units_per_user);
    return check_free(t, &wanted->need, fresh, err);
}

static int entry_add(struct claim_table *t, const struct claim *c, uint32_t unit,
                     struct xos_error *err)
{
    struct entry *e = xos_alloc(sizeof(*e));
    if (!e)
        return xos_fail(err, XOS_NOMEM, "claim");
    e->claim = *c;
    e->claim.id = key_of(c->id.job, unit);
    HASH_ADD(hh, t->entries, claim.id, sizeof(e->claim.id), e);
    if (!e->hh.tbl) {
        xos_free(e);
        return xos_fail(err, XOS_NOMEM, "claim");
    }
    t->used.cpus += c->need.cpus;
    t->used.mem_bytes += c->need.mem_bytes;
    t->used.gpus += c->need.gpus;
    return 0;
}

int claim_grant(struct claim_table *t, const struct claim *wanted, const uint32_t *units,
                size_t count, uint64_t now_ms, struct xos_error *err)
{
    size_t fresh, done = 0;
    if (count > CLAIM_COUNT_MAX)
        return xos_fail(err, XOS_LIMIT, "claim_count_max: %zu units in one claim", count);
    if (count_new(t, wanted, units, count, &fresh, err) < 0)
        return -1;
    if (fresh && check_grant(t, wanted, fresh, err) < 0)
        return -1;
    bool added[CLAIM_COUNT_MAX];
    struct claim c = *wanted;
    c.deadline_ms = now_ms + CLAIM_HOLD_MS;
    c.running = false;
    for (; done < count; done++) {
        struct claim_id id = key_of(wanted->id.job, units[done]);
        struct entry *e = entry_get(t, &id);
        added[done] = e == NULL;
        if (e)
            e->claim.deadline_ms = c.deadline_ms;
        else if (entry_add(t, &c, units[done], err) < 0)
            goto error;
    }
    return 0;
error:
    while (done-- > 0) {
        struct claim_id id = key_of(wanted->id.job, units[done]);
        if (added[done])
            entry_drop(t, entry_get(t, &id));
    }
    return -1;
}

static struct entry *entry_need(const struct claim_table *t, const struct claim_id *id,
                                uint64_t epoch, struct xos_error *err)
{
    struct entry *e = entry_get(t, id);
    if (!e)
        xos_fail(err, XOS_NOT_FOUND, "unit %s.%u is not held here", id->job, id->unit);
    else if (e->claim.epoch != epoch)
        xos_fail(err, XOS_STALE, "unit %s.%u is held under epoch %" PRIu64 ", not %" PRIu64,
                 id->job, id->unit, e->claim.epoch, epoch);
    else
        return e;
    return NULL;
}

int claim_renew(struct claim_table *t, const struct claim_id *id, uint64_t epoch, const char *head,
                uint64_t from_ms, struct xos_error *err)
{
    struct entry *e = entry_need(t, id, epoch, err);
    if (!e)
        return -1;
    if (strcmp(e->claim.head, head) != 0)
        return xos_fail(err, XOS_STALE, "unit %s.%u is held for %s", id->job, id->unit,
                        e->claim.head);
    if (e->claim.deadline_ms < from_ms + CLAIM_HOLD_MS)
        e->claim.deadline_ms = from_ms + CLAIM_HOLD_MS;
    return 0;
}

int claim_start(struct claim_table *t, const struct claim_id *id, uint64_t epoch,
                struct xos_error *err)
{
    struct entry *e = entry_need(t, id, epoch, err);
    if (!e)
        return -1;
    e->claim.running = true;
    return 0;
}

int claim_restore(struct claim_table *t, const struct claim *held, struct xos_error *err)
{
    if (entry_get(t, &held->id))
        return xos_fail(err, XOS_EXISTS, "unit %s.%u is held twice", held->id.job, held->id.unit);
    return entry_add(t, held, held->id.unit, err);
}

void claim_release(struct claim_table *t, const struct claim_id *id, uint64_t epoch)
{
    struct entry *e = entry_get(t, id);
    if (e && e->claim.epoch == epoch)
        entry_drop(t, e);
}

size_t claim_expire(struct claim_table *t, uint64_t now_ms, uint64_t *next_ms)
{
    struct entry *e, *after;
    size_t ended = 0;
    *next_ms = UINT64_MAX;
    HASH_ITER (hh, t->entries, e, after) {
        if (e->claim.running)
            continue;
        if (e->claim.deadline_ms <= now_ms) {
            entry_drop(t, e);
            ended++;
        } else if (e->claim.deadline_ms < *next_ms) {
            *next_ms = e->claim.deadline_ms;
        }
    }
    return ended;
}
