// SPDX-License-Identifier: Apache-2.0
#include "libxos/base/heap.h"

#include "libxos/base/alloc.h"

#include <assert.h>
#include <stdbool.h>

#define HEAP_FIRST_CAP 16

void xos_heap_free(struct xos_heap *h)
{
    for (size_t i = 1; i <= h->count; i++)
        h->at[i]->place = 0;
    xos_free(h->at);
    *h = (struct xos_heap){0};
}

static bool before(const struct xos_heap_entry *a, const struct xos_heap_entry *b)
{
    return a->key < b->key || (a->key == b->key && a->order < b->order);
}

static void set(struct xos_heap *h, size_t place, struct xos_heap_entry *e)
{
    h->at[place] = e;
    e->place = place;
}

static void sift_up(struct xos_heap *h, struct xos_heap_entry *e)
{
    size_t i = e->place;
    while (i > 1 && before(e, h->at[i / 2])) {
        set(h, i, h->at[i / 2]);
        i /= 2;
    }
    set(h, i, e);
}

static void sift_down(struct xos_heap *h, struct xos_heap_entry *e)
{
    size_t i = e->place;
    while (i * 2 <= h->count) {
        size_t child = i * 2;
        if (child < h->count && before(h->at[child + 1], h->at[child]))
            child++;
        if (!before(h->at[child], e))
            break;
        set(h, i, h->at[child]);
        i = child;
    }
    set(h, i, e);
}

int xos_heap_put(struct xos_heap *h, struct xos_heap_entry *e, uint64_t key, struct xos_error *err)
{
    assert(e->place == 0);
    if (h->count + 1 >= h->cap) {
        size_t cap = h->cap ? h->cap * 2 : HEAP_FIRST_CAP;
        struct xos_heap_entry **at = xos_realloc_array(h->at, cap, sizeof(*at));
        if (!at)
            return xos_fail(err, XOS_NOMEM, "heap of %zu entries", cap);
        h->at = at;
        h->cap = cap;
    }
    e->key = key;
    e->order = h->next_order++;
    h->count++;
    set(h, h->count, e);
    sift_up(h, e);
    return 0;
}

struct xos_heap_entry *xos_heap_first(const struct xos_heap *h)
{
    return h->count ? h->at[1] : NULL;
}

void xos_heap_remove(struct xos_heap *h, struct xos_heap_entry *e)
{
    if (e->place == 0)
        return;
    assert(e->place <= h->count && h->at[e->place] == e);
    struct xos_heap_entry *last = h->at[h->count];
    size_t hole = e->place;
    h->count--;
    e->place = 0;
    if (last == e)
        return;
    set(h, hole, last);
    sift_up(h, last);
    sift_down(h, last);
}

struct xos_heap_entry *xos_heap_take(struct xos_heap *h)
{
    struct xos_heap_entry *e = xos_heap_first(h);
    if (e)
        xos_heap_remove(h, e);
    return e;
}
