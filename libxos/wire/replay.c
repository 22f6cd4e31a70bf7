// SPDX-License-Identifier: Apache-2.0
#include "libxos/wire/replay.h"

#include "libxos/base/alloc.h"
#include "libxos/base/heap.h"

#define uthash_malloc(size) xos_alloc(size)
#define uthash_free(block, size) xos_free(block)
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct seen_key {
    uint8_t signer[XOS_KEY_PUBLIC_BYTES];
    uint8_t nonce[XOS_ID_BYTES];
};

struct seen {
    struct seen_key key;
    struct xos_heap_entry by_end; /* key: when it may be forgotten */
    UT_hash_handle hh;
};

struct xos_replay {
    struct seen *table;
    struct xos_heap ends;
    size_t entries_max;
};

int xos_replay_new(struct xos_replay **out, size_t entries_max, struct xos_error *err)
{
    struct xos_replay *r = xos_alloc(sizeof(*r));
    if (!r)
        return xos_fail(err, XOS_NOMEM, "replay cache");
    r->entries_max = entries_max;
    *out = r;
    return 0;
}

static struct seen *seen_of(struct xos_heap_entry *e)
{
    return (struct seen *)(void *)((char *)e - offsetof(struct seen, by_end));
}

static void forget(struct xos_replay *r, struct seen *s)
{
    xos_heap_remove(&r->ends, &s->by_end);
    HASH_DEL(r->table, s);
    xos_free(s);
}

void xos_replay_free(struct xos_replay *r)
{
    struct xos_heap_entry *e;
    if (!r)
        return;
    while ((e = xos_heap_first(&r->ends)))
        forget(r, seen_of(e));
    xos_heap_free(&r->ends);
    xos_free(r);
}

static void forget_ended(struct xos_replay *r, int64_t now_ms)
{
    struct xos_heap_entry *e;
    while ((e = xos_heap_first(&r->ends)) && (int64_t)e->key < now_ms)
        forget(r, seen_of(e));
}

static int remember(struct xos_replay *r, const struct seen_key *key, int64_t until_ms,
                    struct xos_error *err)
{
    struct seen *s = xos_alloc(sizeof(*s));
    if (!s)
        return xos_fail(err, XOS_NOMEM, "replay cache");
    s->key = *key;
    if (xos_heap_put(&r->ends, &s->by_end, (uint64_t)until_ms, err) < 0) {
        xos_free(s);
        return -1;
    }
    HASH_ADD(hh, r->table, key, sizeof(s->key), s);
    if (!s->hh.tbl) {
        xos_heap_remove(&r->ends, &s->by_end);
        xos_free(s);
        return xos_fail(err, XOS_NOMEM, "replay cache");
    }
    return 0;
}

int xos_replay_note(struct xos_replay *r, const uint8_t signer_key[static XOS_KEY_PUBLIC_BYTES],
                    const struct xos_id *nonce, int64_t expires_ms, int64_t now_ms,
                    struct xos_error *err)
{
    struct seen_key key;
    struct seen *found;
    memcpy(key.signer, signer_key, sizeof(key.signer));
    memcpy(key.nonce, nonce->bytes, sizeof(key.nonce));
    forget_ended(r, now_ms);
    HASH_FIND(hh, r->table, &key, sizeof(key), found);
    if (found)
        return xos_fail(err, XOS_REPLAYED, "this request was already received");
    if (r->ends.count >= r->entries_max)
        return xos_fail(err, XOS_LIMIT, "the replay cache is full with %zu requests",
                        r->entries_max);
    return remember(r, &key, expires_ms + XOS_HEADER_SKEW_MS_MAX, err);
}

size_t xos_replay_count(const struct xos_replay *r)
{
    return r->ends.count;
}
