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

/* Who has how many here. */
struct signer {
    uint8_t key[XOS_KEY_PUBLIC_BYTES];
    size_t count;
    UT_hash_handle hh;
};

struct seen {
    struct seen_key key;
    struct signer *signer;
    struct xos_heap_entry by_end; /* key: when it may be forgotten */
    UT_hash_handle hh;
};

struct xos_replay {
    struct seen *table;
    struct signer *signers;
    struct xos_heap ends;
    size_t entries_max, per_signer_max;
};

int xos_replay_new(struct xos_replay **out, size_t entries_max, size_t per_signer_max,
                   struct xos_error *err)
{
    struct xos_replay *r = xos_alloc(sizeof(*r));
    if (!r)
        return xos_fail(err, XOS_NOMEM, "replay cache");
    r->entries_max = entries_max;
    r->per_signer_max = per_signer_max;
    *out = r;
    return 0;
}

static struct seen *seen_of(struct xos_heap_entry *e)
{
    return (struct seen *)(void *)((char *)e - offsetof(struct seen, by_end));
}

static void signer_less(struct xos_replay *r, struct signer *who)
{
    if (--who->count)
        return;
    HASH_DEL(r->signers, who);
    xos_free(who);
}

static struct signer *signer_more(struct xos_replay *r, const uint8_t key[XOS_KEY_PUBLIC_BYTES],
                                  struct xos_error *err)
{
    struct signer *who;
    HASH_FIND(hh, r->signers, key, XOS_KEY_PUBLIC_BYTES, who);
    if (who && who->count >= r->per_signer_max) {
        xos_fail(err, XOS_LIMIT,
                 "the replay cache holds %zu requests of this signer, the most "
                 "that one may have: wait a minute",
                 r->per_signer_max);
        return NULL;
    }
    if (!who) {
        who = xos_alloc(sizeof(*who));
        if (who) {
            memcpy(who->key, key, sizeof(who->key));
            HASH_ADD(hh, r->signers, key, sizeof(who->key), who);
        }
        if (who && !who->hh.tbl) {
            xos_free(who);
            who = NULL;
        }
        if (!who) {
            xos_fail(err, XOS_NOMEM, "replay cache");
            return NULL;
        }
    }
    who->count++;
    return who;
}

static void forget(struct xos_replay *r, struct seen *s)
{
    signer_less(r, s->signer);
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
    s->signer = signer_more(r, key->signer, err);
    if (!s->signer)
        goto error;
    if (xos_heap_put(&r->ends, &s->by_end, (uint64_t)until_ms, err) < 0)
        goto error;
    HASH_ADD(hh, r->table, key, sizeof(s->key), s);
    if (s->hh.tbl)
        return 0;
    xos_heap_remove(&r->ends, &s->by_end);
    xos_fail(err, XOS_NOMEM, "replay cache");
error:
    if (s->signer)
        signer_less(r, s->signer);
    xos_free(s);
    return -1;
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
