// SPDX-License-Identifier: Apache-2.0
#include "discovery/query/match.h"

#include <ctype.h>
#include <string.h>

enum part_rank { PART_NONE, PART_EARLY, PART_NOTHING, PART_WORD, PART_NUMBER };

struct part {
    enum part_rank rank;
    const char *text;
    size_t len;
};

static bool early_word(const char *text, size_t len)
{
    static const char *const words[] = {"alpha", "beta", "dev", "pre", "rc"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i]) == len && memcmp(words[i], text, len) == 0)
            return true;
    return false;
}

/* Take the next part off the front; at the end PART_NOTHING, again and again. */
static struct part next_part(const char **p)
{
    while (**p && !isalnum((unsigned char)**p))
        (*p)++;
    struct part part = {.rank = PART_NOTHING, .text = *p};
    if (isdigit((unsigned char)**p)) {
        while (**p == '0')
            (*p)++;
        part.text = *p;
        while (isdigit((unsigned char)**p))
            (*p)++;
        part.len = (size_t)(*p - part.text);
        part.rank = part.len ? PART_NUMBER : PART_NOTHING;
    } else if (isalpha((unsigned char)**p)) {
        while (isalpha((unsigned char)**p))
            (*p)++;
        part.len = (size_t)(*p - part.text);
        part.rank = early_word(part.text, part.len) ? PART_EARLY : PART_WORD;
    }
    return part;
}

static int part_compare(const struct part *a, const struct part *b)
{
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    /* Without its leading zeros a longer number is the larger one. */
    if (a->rank == PART_NUMBER && a->len != b->len)
        return a->len < b->len ? -1 : 1;
    size_t shared = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->text, b->text, shared);
    if (order != 0 || a->len == b->len)
        return order;
    return a->len < b->len ? -1 : 1;
}

int xql_version_compare(const char *a, const char *b)
{
    while (*a || *b) {
        struct part pa = next_part(&a), pb = next_part(&b);
        int order = part_compare(&pa, &pb);
        if (order != 0)
            return order;
    }
    return 0;
}

bool xql_glob(const char *pattern, const char *text)
{
    const char *star = NULL, *from = text;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            from = text;
        } else if (*pattern == '?' || (*pattern == *text)) {
            pattern++;
            text++;
        } else if (star) {
            /* Only the last star needs to take one byte more: what came before it has matched. */
            pattern = star + 1;
            text = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}
