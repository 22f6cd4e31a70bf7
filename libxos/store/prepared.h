// SPDX-License-Identifier: Apache-2.0
/* prepared.h - the prepared statements of one connection, found by their SQL text. */
#ifndef XOS_STORE_PREPARED_H
#define XOS_STORE_PREPARED_H

#include "libxos/store/store.h"

struct xos_prepared {
    const char *sql; /* borrowed: a literal */
    void *handle;    /* the engine's */
    unsigned number; /* 0, 1, 2 … in the order of adding */
    bool busy;       /* its rows are being read */
};

struct xos_prepared_set {
    struct xos_prepared **at; /* sorted by text */
    size_t count;
    size_t cap;
};

/* NULL when it was not prepared yet. */
struct xos_prepared *xos_prepared_find(const struct xos_prepared_set *set, const char *sql);

/* Add one that is not there; *out stays where it is until the set is freed. XOS_LIMIT:
 * XOS_STORE_STATEMENTS_MAX. */
int xos_prepared_add(struct xos_prepared **out, struct xos_prepared_set *set, const char *sql,
                     void *handle, struct xos_error *err);
void xos_prepared_free(struct xos_prepared_set *set,
                       void (*drop)(void *handle)); /* drop: or NULL */

#endif
