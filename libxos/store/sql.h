// SPDX-License-Identifier: Apache-2.0
/* sql.h - the one SQL dialect of store.h, for PostgreSQL's ears.
 *
 * `?` becomes $1, $2 …; INTEGER becomes BIGINT and BLOB becomes BYTEA; in scripts (schema
 * changes) TEXT also gets COLLATE "C", so that both engines sort by bytes, and STRICT goes. Words
 * count in capitals only; quoted text and comments stay as they are. */
#ifndef XOS_STORE_SQL_H
#define XOS_STORE_SQL_H

#include "libxos/base/buf.h"

/* Append the translation to out. */
int xos_sql_for_pg(struct xos_buf *out, const char *sql, bool script, struct xos_error *err);

/* Is it UTF-8 as RFC 3629 has it: shortest forms, no surrogates, at most U+10FFFF, no NUL? */
bool xos_sql_text_valid(const char *text, size_t len);

#endif
