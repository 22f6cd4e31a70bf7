// SPDX-License-Identifier: Apache-2.0
#include "libxos/base/alloc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint64_t live_blocks;
static _Atomic uint64_t fail_countdown;
static _Atomic int fail_fired;

void xos_alloc_fail_nth(uint64_t nth)
{
    atomic_store(&fail_countdown, nth);
    atomic_store(&fail_fired, 0);
}

int xos_alloc_failed(void)
{
    return atomic_load(&fail_fired);
}

uint64_t xos_alloc_live(void)
{
    return atomic_load(&live_blocks);
}

static int alloc_must_fail(size_t count, size_t size)
{
    if (size && count > XOS_ALLOC_MAX / size)
        return 1;
    uint64_t left = atomic_load(&fail_countdown);
    while (left && !atomic_compare_exchange_weak(&fail_countdown, &left, left - 1))
        ;
    if (left != 1)
        return 0;
    atomic_store(&fail_fired, 1);
    return 1;
}

void *xos_alloc_array(size_t count, size_t size)
{
    if (alloc_must_fail(count, size))
        return NULL;
    void *block = calloc(count ? count : 1, size ? size : 1);
    if (block)
        atomic_fetch_add(&live_blocks, 1);
    return block;
}

void *xos_alloc(size_t size)
{
    return xos_alloc_array(1, size);
}

void *xos_realloc_array(void *old, size_t count, size_t size)
{
    if (!old)
        return xos_alloc_array(count, size);
    if (alloc_must_fail(count, size))
        return NULL;
    size_t bytes = count * size;
    return realloc(old, bytes ? bytes : 1);
}

void *xos_memdup(const void *data, size_t size)
{
    void *copy = xos_alloc(size);
    if (copy && size)
        memcpy(copy, data, size);
    return copy;
}

char *xos_strndup(const char *text, size_t max)
{
    size_t length = strnlen(text, max);
    char *copy = xos_alloc(length + 1);
    if (copy)
        memcpy(copy, text, length);
    return copy;
}

char *xos_strdup(const char *text)
{
    return xos_strndup(text, XOS_ALLOC_MAX - 1);
}

char *xos_asprintf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int length = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *text = length < 0 ? NULL : xos_alloc((size_t)length + 1);
    if (!text)
        return NULL;
    va_start(ap, fmt);
    (void)vsnprintf(text, (size_t)length + 1, fmt, ap);
    va_end(ap);
    return text;
}

void xos_free(void *block)
{
    if (!block)
        return;
    int saved = errno;
    free(block);
    atomic_fetch_sub(&live_blocks, 1);
    errno = saved;
}
