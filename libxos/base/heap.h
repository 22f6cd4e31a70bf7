// SPDX-License-Identifier: Apache-2.0
/* heap.h - a binary min-heap of borrowed entries that know where they stand, so that one can be
 * taken out of the middle: deadlines, priorities, the simulator's events.
 *
 * Equal keys come out in the order they went in, so that a run can be repeated exactly. */
#ifndef XOS_BASE_HEAP_H
#define XOS_BASE_HEAP_H

#include "libxos/base/error.h"

#include <stdint.h>

struct xos_heap_entry {
    uint64_t key;
    uint64_t order; /* set by the heap */
    size_t place;   /* 1-based place in the heap; 0 = in none */
};

struct xos_heap {
    struct xos_heap_entry **at; /* at[1 … count] */
    size_t count;
    size_t cap;
    uint64_t next_order;
};

void xos_heap_free(struct xos_heap *h); /* the entries are the caller's */
int xos_heap_put(struct xos_heap *h, struct xos_heap_entry *e, uint64_t key, struct xos_error *err);
struct xos_heap_entry *xos_heap_first(const struct xos_heap *h);    /* NULL when empty */
struct xos_heap_entry *xos_heap_take(struct xos_heap *h);           /* the first, or NULL */
void xos_heap_remove(struct xos_heap *h, struct xos_heap_entry *e); /* one in no heap: nothing */

#endif
