// SPDX-License-Identifier: Apache-2.0
/* match.h - how texts compare: as versions, and against patterns. */
#ifndef DISCOVERY_QUERY_MATCH_H
#define DISCOVERY_QUERY_MATCH_H

#include <stdbool.h>

/* Below, equal or above 0 as version a is older than, the same as or newer than b. A version is a
 * run of parts, numbers or words; what stands between them does not count. Parts compare in the
 * order: pre-release words (alpha beta dev pre rc), nothing or 0, other words, numbers from 1. So
 * 6.10 > 6.9, 6.1 == 6.1.0, 6.2-rc1 < 6.2 < 6.2-amd64 < 6.2.1. A total preorder. */
int xql_version_compare(const char *a, const char *b);

/* Does the whole text fit? * is any run, ? any one byte, nothing else is special. Linear in
 * strlen(text) * strlen(pattern). */
bool xql_glob(const char *pattern, const char *text);

#endif
