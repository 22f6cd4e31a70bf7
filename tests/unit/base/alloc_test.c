// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a length from the network overflows into a small block, or the tests that
 * make allocations fail test nothing. */
#include "libxos/base/alloc.h"
#include "tests/lib/xtest.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static void memory_is_zeroed_and_counted(void **state)
{
    (void)state;
    uint64_t live = xos_alloc_live();
    uint8_t *block = xos_alloc(4096);
    assert_non_null(block);
    for (size_t i = 0; i < 4096; i++)
        assert_int_equal(block[i], 0);
    assert_int_equal(xos_alloc_live(), live + 1);
    uint8_t *more = xos_realloc_array(block, 3, 4096);
    assert_non_null(more);
    assert_int_equal(xos_alloc_live(), live + 1);
    errno = 77;
    xos_free(more);
    xos_free(NULL);
    assert_int_equal(errno, 77);
    assert_int_equal(xos_alloc_live(), live);
}

static void sizes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t count, size;
    } table[] = {
        {SIZE_MAX, 2},          {2, SIZE_MAX},
        {SIZE_MAX / 2 + 1, 2},  {XOS_ALLOC_MAX, 2},
        {XOS_ALLOC_MAX + 1, 1}, {1, XOS_ALLOC_MAX + 1},
        {SIZE_MAX, SIZE_MAX},   {(size_t)1 << 32, (size_t)1 << 32},
    };
    char *old = xos_strdup("kept");
    assert_non_null(old);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_null(xos_alloc_array(table[i].count, table[i].size));
        assert_null(xos_realloc_array(old, table[i].count, table[i].size));
    }
    assert_string_equal(old, "kept");
    void *none = xos_alloc_array(0, 100), *empty = xos_alloc(0);
    assert_non_null(none);
    assert_non_null(empty);
    old = xos_realloc_array(old, 0, 8);
    assert_non_null(old);
    xos_free(old);
    xos_free(none);
    xos_free(empty);
}

static void copies_are_whole(void **state)
{
    (void)state;
    char *a = xos_strdup("text"), *b = xos_strndup("text", 2), *c = xos_strndup("text", 9);
    char *d = xos_asprintf("%s-%d", "n", 17);
    uint8_t *e = xos_memdup("\0\1\2", 3);
    assert_string_equal(a, "text");
    assert_string_equal(b, "te");
    assert_string_equal(c, "text");
    assert_string_equal(d, "n-17");
    assert_memory_equal(e, "\0\1\2", 3);
    xos_free(a);
    xos_free(b);
    xos_free(c);
    xos_free(d);
    xos_free(e);
}

static void the_nth_allocation_fails_once(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 5; nth++) {
        xos_alloc_fail_nth(nth);
        for (uint64_t i = 1; i < 8; i++) {
            char *block = i % 2 ? xos_strdup("x") : xos_asprintf("x");
            assert_int_equal(block == NULL, i == nth);
            assert_int_equal(xos_alloc_failed(), i >= nth);
            xos_free(block);
        }
    }
    xos_alloc_fail_nth(1);
    char *kept = NULL;
    assert_null(xos_realloc_array(kept, 1, 1));
    xos_alloc_fail_nth(0);
    assert_false(xos_alloc_failed());
}

static void *take_many(void *arg)
{
    unsigned *refused = arg;
    for (int i = 0; i < 20000; i++) {
        void *block = xos_alloc(16);
        *refused += block == NULL;
        xos_free(block);
    }
    return NULL;
}

/* With threads too exactly one fails, and the count comes out even. */
static void threads_share_the_count(void **state)
{
    (void)state;
    pthread_t threads[4];
    unsigned refused[4] = {0}, total = 0;
    uint64_t live = xos_alloc_live();
    xos_alloc_fail_nth(30000);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, &refused[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        total += refused[i];
    }
    xos_alloc_fail_nth(0);
    assert_int_equal(total, 1);
    assert_int_equal(xos_alloc_live(), live);
}

static const struct xt_test tests[] = {
    XT_PLAIN(memory_is_zeroed_and_counted),
    XT_PLAIN(sizes_that_do_not_fit_are_refused),
    XT_PLAIN(copies_are_whole),
    XT_PLAIN(the_nth_allocation_fails_once),
    XT_PLAIN(threads_share_the_count),
};
XT_MAIN(tests)
