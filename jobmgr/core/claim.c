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
#include <utlist.h>

struct entry {
    struct claim claim;
    UT_hash_handle hh;
};

/* An epoch that a head gave back: its bytes up to `epoch` are the key, so tails are zero. */
struct released_key {
    struct claim_id id;
    char head[CLAIM_NAME_MAX];
};

struct released {
    struct released_key key;
    uint64_t epoch;
    uint64_t until_ms;
    struct released *prev, *next; /* the oldest in front */
    UT_hash_handle hh;
};

struct claim_table {
    struct entry *entries;
    struct released *released, *by_age;
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

static void use(struct claim_table *t, const struct claim_need *n)
{
    t->used.cpus += n->cpus;
    t->used.mem_bytes += n->mem_bytes;
    t->used.gpus += n->gpus;
}

static void unuse(struct claim_table *t, const struct claim_need *n)
{
    assert(t->used.cpus >= n->cpus && t->used.mem_bytes >= n->mem_bytes);
    assert(t->used.gpus >= n->gpus);
    t->used.cpus -= n->cpus;
    t->used.mem_bytes -= n->mem_bytes;
    t->used.gpus -= n->gpus;
}

static void entry_drop(struct claim_table *t, struct entry *e)
{
    unuse(t, &e->claim.need);
    HASH_DEL(t->entries, e);
    xos_free(e);
}

static void released_drop(struct claim_table *t, struct released *r)
{
    HASH_DEL(t->released, r);
    DL_DELETE(t->by_age, r);
    xos_free(r);
}

void claim_table_free(struct claim_table *t)
{
    if (!t)
        return;
    while (t->entries)
        entry_drop(t, t->entries);
    while (t->by_age)
        released_drop(t, t->by_age);
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

static struct claim_need left_of(const struct claim_need *all, const struct claim_need *used)
{
    return (struct claim_need){
        .cpus = all->cpus > used->cpus ? all->cpus - used->cpus : 0,
        .mem_bytes = all->mem_bytes > used->mem_bytes ? all->mem_bytes - used->mem_bytes : 0,
        .gpus = all->gpus > used->gpus ? all->gpus - used->gpus : 0};
}

void claim_free_now(const struct claim_table *t, struct claim_need *out)
{
    *out = left_of(&t->limits.node, &t->used);
}

static uint32_t units_of_user(const struct claim_table *t, const char *user)
{
    uint32_t n = 0;
    for (const struct entry *e = t->entries; e; e = e->hh.next)
        n += strcmp(e->claim.user, user) == 0;
    return n;
}

/* What was given back */

static struct released *released_get(const struct claim_table *t, const struct claim_id *id,
                                     const char *head)
{
    struct released_key key;
    struct released *r;
    memset(&key, 0, sizeof(key));
    key.id = key_of(id->job, id->unit);
    memcpy(key.head, head, strnlen(head, sizeof(key.head) - 1));
    HASH_FIND(hh, t->released, &key, sizeof(key), r);
    return r;
}

static struct released *released_add(struct claim_table *t, const struct claim_id *id,
                                     const char *head)
{
    struct released *r = xos_alloc(sizeof(*r));
    if (!r)
        return NULL;
    r->key.id = key_of(id->job, id->unit);
    memcpy(r->key.head, head, strnlen(head, sizeof(r->key.head) - 1));
    HASH_ADD(hh, t->released, key, sizeof(r->key), r);
    if (!r->hh.tbl) {
        xos_free(r);
        return NULL;
    }
    DL_APPEND(t->by_age, r);
    return r;
}

/* Forgetting one too early costs a claim that ends by itself. */
static void remember(struct claim_table *t, const struct claim_id *id, uint64_t epoch,
                     const char *head, uint64_t now_ms)
{
    struct released *r = released_get(t, id, head);
    if (!r && HASH_COUNT(t->released) >= CLAIM_RELEASED_MAX)
        released_drop(t, t->by_age);
    if (!r)
        r = released_add(t, id, head);
    if (!r)
        return;
    if (r->epoch < epoch)
        r->epoch = epoch;
    r->until_ms = now_ms + CLAIM_RELEASED_MS;
    DL_DELETE(t->by_age, r);
    DL_APPEND(t->by_age, r);
}

/* Granting */

/* What the wanted units take beyond what their claims hold already. */
struct grant {
    size_t fresh;            /* not held at all, or under an epoch that ends with this */
    size_t replaced;         /* of these, held under an epoch that ends */
    struct claim_need freed; /* by those */
};

/* May this claim stand where `e` (may be NULL) stands? */
static int check_epoch(const struct claim_table *t, const struct claim *wanted,
                       const struct claim_id *id, const struct entry *e, struct xos_error *err)
{
    const struct released *r = released_get(t, id, wanted->head);
    if (r && r->epoch >= wanted->epoch)
        return xos_fail(err, XOS_STALE, "unit %s.%u was given back under epoch %" PRIu64, id->job,
                        id->unit, r->epoch);
    if (e && strcmp(e->claim.head, wanted->head) != 0)
        return xos_fail(err, XOS_STALE, "unit %s.%u is held here for %s", id->job, id->unit,
                        e->claim.head);
    if (e &&
        (e->claim.epoch > wanted->epoch || (e->claim.epoch < wanted->epoch && e->claim.running)))
        return xos_fail(err, XOS_STALE, "unit %s.%u is held here under epoch %" PRIu64, id->job,
                        id->unit, e->claim.epoch);
    return 0;
}

static int count_new(const struct claim_table *t, const struct claim *wanted, const uint32_t *units,
                     size_t count, struct grant *g, struct xos_error *err)
{
    *g = (struct grant){0};
    for (size_t i = 0; i < count; i++) {
        struct claim_id id = key_of(wanted->id.job, units[i]);
        const struct entry *e = entry_get(t, &id);
        if (check_epoch(t, wanted, &id, e, err) < 0)
            return -1;
        g->fresh += !e || e->claim.epoch < wanted->epoch;
        if (!e || e->claim.epoch == wanted->epoch)
            continue;
        g->replaced++;
        g->freed.cpus += e->claim.need.cpus;
        g->freed.mem_bytes += e->claim.need.mem_bytes;
        g->freed.gpus += e->claim.need.gpus;
    }
    return 0;
}

static int check_free(const struct claim_table *t, const struct claim_need *n,
                      const struct grant *g, struct xos_error *err)
{
    const struct claim_need *all = &t->limits.node;
    const uint64_t units = g->fresh;
    const struct claim_need kept = left_of(&t->used, &g->freed), left = left_of(all, &kept);
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

static int check_grant(const struct claim_table *t, const struct claim *wanted,
                       const struct grant *g, struct xos_error *err)
{
    const size_t more = g->fresh - g->replaced;
    if (t->draining)
        return xos_fail(err, XOS_UNAVAILABLE, "the node is draining");
    if (claim_count(t) + more > CLAIM_COUNT_MAX)
        return xos_fail(err, XOS_LIMIT, "claim_count_max: %d claims on this node", CLAIM_COUNT_MAX);
    if (t->limits.units_per_user &&
        units_of_user(t, wanted->user) + more > t->limits.units_per_user)
        return xos_fail(err, XOS_LIMIT, "units_per_user: %s has %u units here at most",
                        wanted->user, t->limits.units_per_user);
    return check_free(t, &wanted->need, g, err);
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
    use(t, &c->need);
    return 0;
}

/* Renew what is held under this epoch, and end a lower one. What runs is renewed by claim_renew
 * alone, which counts from a reading that the owner knows. Allocates nothing. */
static void entry_take(struct claim_table *t, struct entry *e, const struct claim *c)
{
    struct claim_id id = e->claim.id;
    if (e->claim.epoch == c->epoch) {
        if (!e->claim.running)
            e->claim.deadline_ms = c->deadline_ms;
        return;
    }
    assert(e->claim.epoch < c->epoch && !e->claim.running);
    unuse(t, &e->claim.need);
    e->claim = *c;
    e->claim.id = id;
    use(t, &c->need);
}

int claim_grant(struct claim_table *t, const struct claim *wanted, const uint32_t *units,
                size_t count, uint64_t now_ms, struct xos_error *err)
{
    struct grant g;
    size_t done = 0;
    if (count > CLAIM_COUNT_MAX)
        return xos_fail(err, XOS_LIMIT, "claim_count_max: %zu units in one claim", count);
    if (count_new(t, wanted, units, count, &g, err) < 0)
        return -1;
    if (g.fresh && check_grant(t, wanted, &g, err) < 0)
        return -1;
    bool added[CLAIM_COUNT_MAX];
    struct claim c = *wanted;
    c.deadline_ms = now_ms + CLAIM_HOLD_MS;
    c.running = false;
    for (; done < count; done++) {
        struct claim_id id = key_of(wanted->id.job, units[done]);
        added[done] = entry_get(t, &id) == NULL;
        if (added[done] && entry_add(t, &c, units[done], err) < 0)
            goto error;
    }
    for (size_t i = 0; i < count; i++) {
        struct claim_id id = key_of(wanted->id.job, units[i]);
        entry_take(t, entry_get(t, &id), &c);
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

void claim_release(struct claim_table *t, const struct claim_id *id, uint64_t epoch,
                   const char *head, uint64_t now_ms)
{
    struct entry *e = entry_get(t, id);
    if (e && e->claim.epoch == epoch && strcmp(e->claim.head, head) == 0)
        entry_drop(t, e);
    remember(t, id, epoch, head, now_ms);
}

size_t claim_expire(struct claim_table *t, uint64_t now_ms, uint64_t *next_ms)
{
    struct entry *e, *after;
    size_t ended = 0;
    *next_ms = UINT64_MAX;
    while (t->by_age && t->by_age->until_ms <= now_ms)
        released_drop(t, t->by_age);
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
