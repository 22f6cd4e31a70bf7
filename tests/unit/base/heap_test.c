// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: timers fire out of order, and a simulated run cannot be repeated. */
#include "libxos/base/heap.h"
#include "tests/lib/xtest.h"

#define ENTRIES 500

static void entries_come_out_in_order(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_heap h = {0};
    struct xos_heap_entry e[ENTRIES] = {0};
    uint32_t x = 12345;
    for (size_t i = 0; i < ENTRIES; i++) {
        x = x * 1664525u + 1013904223u;
        XT_TRY(xos_heap_put(&h, &e[i], x >> 26, &err));
    }
    for (size_t i = 0; i < ENTRIES; i += 7)
        xos_heap_remove(&h, &e[i]);
    const struct xos_heap_entry *last = NULL, *now;
    size_t taken = 0;
    while ((now = xos_heap_take(&h))) {
        if (last)
            assert_true(last->key < now->key ||
                        (last->key == now->key && last->order < now->order));
        last = now;
        taken++;
    }
    assert_int_equal(taken, ENTRIES - (ENTRIES + 6) / 7);
out:
    xos_heap_free(&h);
}

static void removing_twice_is_harmless(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_heap h = {0};
    struct xos_heap_entry e = {0};
    XT_TRY(xos_heap_put(&h, &e, 1, &err));
    xos_heap_remove(&h, &e);
    xos_heap_remove(&h, &e);
    assert_null(xos_heap_first(&h));
out:
    xos_heap_free(&h);
}

static const struct xt_test tests[] = {
    XT(entries_come_out_in_order),
    XT(removing_twice_is_harmless),
};
XT_MAIN(tests)
