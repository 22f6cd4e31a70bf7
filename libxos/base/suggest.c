// SPDX-License-Identifier: Apache-2.0
#include "libxos/base/suggest.h"

#include <limits.h>
#include <string.h>

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned distance(const char *a, size_t na, const char *b, size_t nb)
{
    unsigned rows[3][XOS_SUGGEST_WORD_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= nb; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= na; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= nb; j++) {
            unsigned cost = a[i - 1] != b[j - 1];
            now[j] = least(least(last[j] + 1, now[j - 1] + 1), last[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        unsigned *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[nb];
}

const char *xos_suggest(const char *typed, const char *const *words, size_t count, size_t stride)
{
    size_t length = strnlen(typed, XOS_SUGGEST_WORD_MAX + 1);
    if (length == 0 || length > XOS_SUGGEST_WORD_MAX)
        return NULL;
    unsigned limit = (unsigned)(length + 1) / 3; /* 2…4 letters: one slip, 5…7: two, … */
    unsigned best = UINT_MAX;
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        const char *word =
            *(const char *const *)(const void *)((const char *)(const void *)words + i * stride);
        size_t n = strnlen(word, XOS_SUGGEST_WORD_MAX + 1);
        if (n > XOS_SUGGEST_WORD_MAX)
            continue;
        unsigned d = distance(typed, length, word, n);
        if (d < best) {
            best = d;
            nearest = word;
        }
    }
    return best <= limit ? nearest : NULL;
}
