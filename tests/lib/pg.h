// SPDX-License-Identifier: Apache-2.0
/* pg.h - a real PostgreSQL server of a test's own: in xt_dir(), on a Unix socket alone.
 *
 * As root it runs as the user postgres. It ends with the test, however that ends. */
#ifndef XOS_TESTS_PG_H
#define XOS_TESTS_PG_H

#include "libxos/base/error.h"

struct xt_pg;

/* Why none can be started here ("needs postgresql …"), or NULL. */
const char *xt_pg_lacks(void);

/* Start one server for this process; the second call returns the first one's. */
int xt_pg_start(struct xt_pg **out, struct xos_error *err);

/* The url of a database of that name, which is made when it is not there. Borrowed until the next
 * call. name: letters, digits, `_`. */
const char *xt_pg_url(struct xt_pg *pg, const char *name);

/* kill -9 of the server's whole process tree; then start it on the same data, once. */
int xt_pg_crash(struct xt_pg *pg, struct xos_error *err);

#endif
