// SPDX-License-Identifier: Apache-2.0
#include "libxos/store/prepared.h"

#include "libxos/base/alloc.h"

#include <string.h>

/* The place of sql, or where it belongs. */
static size_t place(const struct xos_prepared_set *set, const char *sql, bool *found)
{
    size_t low = 0, high = set->count;
    *found = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = sql == set->at[mid]->sql ? 0 : strcmp(sql, set->at[mid]->sql);
        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

struct xos_prepared *xos_prepared_find(const struct xos_prepared_set *set, const char *sql)
{
    bool found;
    size_t i = place(set, sql, &found);
    return found ? set->at[i] : NULL;
}

static int make_room(struct xos_prepared_set *set, struct xos_error *err)
{
    if (set->count == XOS_STORE_STATEMENTS_MAX)
        return xos_fail(err, XOS_LIMIT, "a connection holds at most %d statements (statements_max)",
                        XOS_STORE_STATEMENTS_MAX);
    if (set->count < set->cap)
        return 0;
    size_t cap = set->cap ? set->cap * 2 : 16;
    struct xos_prepared **at = xos_realloc_array(set->at, cap, sizeof(struct xos_prepared *));
    if (!at)
        return xos_fail(err, XOS_NOMEM, "prepared statements");
    set->at = at;
    set->cap = cap;
    return 0;
}

int xos_prepared_add(struct xos_prepared **out, struct xos_prepared_set *set, const char *sql,
                     void *handle, struct xos_error *err)
{
    bool found;
    if (make_room(set, err) < 0)
        return -1;
    struct xos_prepared *p = xos_alloc(sizeof(*p));
    if (!p)
        return xos_fail(err, XOS_NOMEM, "prepared statement");
    *p = (struct xos_prepared){.sql = sql, .handle = handle, .number = (unsigned)set->count};
    size_t i = place(set, sql, &found);
    memmove(&set->at[i + 1], &set->at[i], (set->count - i) * sizeof(struct xos_prepared *));
    set->at[i] = p;
    set->count++;
    *out = p;
    return 0;
}

void xos_prepared_free(struct xos_prepared_set *set, void (*drop)(void *handle))
{
    for (size_t i = 0; i < set->count; i++) {
        if (drop)
            drop(set->at[i]->handle);
        xos_free(set->at[i]);
    }
    xos_free(set->at);
    *set = (struct xos_prepared_set){0};
}
