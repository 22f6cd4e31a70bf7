// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/ca/epoch.h"

#include "libxos/base/alloc.h"
#include "libxos/base/heap.h"

#include <string.h>

#define uthash_malloc(size) xos_alloc(size)
#define uthash_free(block, size) xos_free(block)
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct unit_key {
    char institution[AUTH_PART_BYTES_MAX + 1];
    uint64_t job, index;
};

struct entry {
    struct unit_key key;
    uint64_t epoch;
    struct xos_heap_entry by_end;
    UT_hash_handle hh;
};

struct ca_epochs {
    struct entry *table;
    struct xos_heap ends;
    size_t entries_max;
};

int ca_epochs_new(struct ca_epochs **out, size_t entries_max, struct xos_error *err)
{
    struct ca_epochs *e = xos_alloc(sizeof(*e));
    if (!e)
        return xos_fail(err, XOS_NOMEM, "epochs");
    e->entries_max = entries_max;
    *out = e;
    return 0;
}

static struct entry *entry_of(struct xos_heap_entry *h)
{
    return (struct entry *)(void *)((char *)h - offsetof(struct entry, by_end));
}

static void forget(struct ca_epochs *e, struct entry *entry)
{
    xos_heap_remove(&e->ends, &entry->by_end);
    HASH_DEL(e->table, entry);
    xos_free(entry);
}

void ca_epochs_free(struct ca_epochs *e)
{
    struct xos_heap_entry *h;
    if (!e)
        return;
    while ((h = xos_heap_first(&e->ends)))
        forget(e, entry_of(h));
    xos_heap_free(&e->ends);
    xos_free(e);
}

static struct entry *find(const struct ca_epochs *e, const struct auth_name *unit,
                          struct unit_key *key)
{
    struct entry *found;
    memset(key, 0, sizeof(*key));
    memcpy(key->institution, unit->institution, strlen(unit->institution));
    key->job = unit->job;
    key->index = unit->index;
    HASH_FIND(hh, e->table, key, sizeof(*key), found);
    return found;
}

uint64_t ca_epochs_newest(const struct ca_epochs *e, const struct auth_name *unit)
{
    struct unit_key key;
    const struct entry *found = find(e, unit, &key);
    return found ? found->epoch : 0;
}

static int add(struct ca_epochs *e, const struct unit_key *key, uint64_t epoch, int64_t until_ms,
               struct xos_error *err)
{
    struct entry *entry = xos_alloc(sizeof(*entry));
    if (!entry)
        return xos_fail(err, XOS_NOMEM, "epoch");
    entry->key = *key;
    entry->epoch = epoch;
    if (xos_heap_put(&e->ends, &entry->by_end, (uint64_t)until_ms, err) < 0) {
        xos_free(entry);
        return -1;
    }
    HASH_ADD(hh, e->table, key, sizeof(entry->key), entry);
    if (entry->hh.tbl)
        return 0;
    xos_heap_remove(&e->ends, &entry->by_end);
    xos_free(entry);
    return xos_fail(err, XOS_NOMEM, "epoch");
}

int ca_epochs_note(struct ca_epochs *e, const struct auth_name *unit, uint64_t epoch,
                   int64_t until_ms, int64_t now_ms, struct xos_error *err)
{
    struct xos_heap_entry *h;
    struct unit_key key;
    while ((h = xos_heap_first(&e->ends)) && (int64_t)h->key < now_ms)
        forget(e, entry_of(h));
    struct entry *found = find(e, unit, &key);
    if (found) {
        /* Its place in the heap was had, so this cannot fail. */
        const uint64_t end =
            (int64_t)found->by_end.key > until_ms ? found->by_end.key : (uint64_t)until_ms;
        xos_heap_remove(&e->ends, &found->by_end);
        (void)xos_heap_put(&e->ends, &found->by_end, end, NULL);
        found->epoch = found->epoch > epoch ? found->epoch : epoch;
        return 0;
    }
    if (e->ends.count >= e->entries_max)
        return xos_fail(err, XOS_LIMIT, "%zu units got a certificate just now", e->entries_max);
    return add(e, &key, epoch, until_ms, err);
}

size_t ca_epochs_count(const struct ca_epochs *e)
{
    return e->ends.count;
}
