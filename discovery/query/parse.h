// SPDX-License-Identifier: Apache-2.0
/* parse.h - the text of a need, checked and typed, as an expression. */
#ifndef DISCOVERY_QUERY_PARSE_H
#define DISCOVERY_QUERY_PARSE_H

#include "discovery/query/expr.h"
#include "discovery/query/lex.h"

/* Parse a need (--need). An empty or blank text is the empty expression. On an error *out is
 * untouched, *err is one line that begins with "column N: ", and place->column (place may be NULL)
 * is N. XOS_INVALID: syntax, unknown name, types that do not fit; XOS_LIMIT: a named maximum. */
int xql_parse(struct xql_expr *out, const char *text, struct xql_place *place,
              struct xos_error *err);

/* Parse a rank (--prefer): arithmetic over numbers. Not empty. Errors as above. */
int xql_parse_rank(struct xql_expr *out, const char *text, struct xql_place *place,
                   struct xos_error *err);

#endif
