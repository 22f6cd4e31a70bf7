// SPDX-License-Identifier: Apache-2.0
/* alloc.h - the one door to the heap, so that a test can make the n-th allocation fail.
 *
 * Memory comes zeroed. Every function returns NULL when out of memory, or when the sizes given do
 * not fit (count * size overflows, or is above XOS_ALLOC_MAX). */
#ifndef XOS_BASE_ALLOC_H
#define XOS_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

#define XOS_ALLOC_MAX ((size_t)1 << 31) /* bytes; one allocation above this is a defect */

void *xos_alloc(size_t size);
void *xos_alloc_array(size_t count, size_t size);

/* Resize to count * size; the tail is not zeroed. On failure the old block is untouched. */
void *xos_realloc_array(void *old, size_t count, size_t size);

char *xos_strdup(const char *text);
char *xos_strndup(const char *text, size_t max);
void *xos_memdup(const void *data, size_t size);
char *xos_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Takes NULL; keeps errno. */
void xos_free(void *block);

/* Test control: fail the allocation number `nth` counted from now (1 = the next; 0 = none). */
void xos_alloc_fail_nth(uint64_t nth);

/* Has the failure that was asked for happened? */
int xos_alloc_failed(void);

/* Blocks handed out and not yet freed. */
uint64_t xos_alloc_live(void);

#endif
