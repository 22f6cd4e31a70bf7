// SPDX-License-Identifier: Apache-2.0
/* suggest.h - the nearest known word to a mistyped one. */
#ifndef XOS_BASE_SUGGEST_H
#define XOS_BASE_SUGGEST_H

#include <stddef.h>

#define XOS_SUGGEST_WORD_MAX 64 /* longer words are never near to anything */

/* Of `count` words, the one nearest to `typed` by optimal string alignment distance (Damerau
 * 1964, adjacent transpositions count one), or NULL when none is near enough to be meant. The
 * result is borrowed from words. `stride` is the distance in bytes between two words' pointers, so
 * that a column of a table of structs can be searched. */
const char *xos_suggest(const char *typed, const char *const *words, size_t count, size_t stride);

#endif
