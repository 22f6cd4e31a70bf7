// SPDX-License-Identifier: Apache-2.0
/* eval.h - an expression against one row: TRUE, FALSE or UNKNOWN (Kleene's strong logic).
 *
 * A missing value is UNKNOWN and never matches. What a device does not say makes a count a range:
 * gpu.count(vram>=40GiB)>=2 is TRUE when two devices surely fit, FALSE when not even the doubtful
 * ones would make two, and UNKNOWN between. Nothing is allocated; a call cannot fail. */
#ifndef DISCOVERY_QUERY_EVAL_H
#define DISCOVERY_QUERY_EVAL_H

#include "discovery/query/expr.h"

/* In this order && is the lesser, || the greater of two. */
enum xql_truth { XQL_FALSE, XQL_UNKNOWN, XQL_TRUE };

struct xql_verdict {
    enum xql_truth truth;
    xql_set missing; /* of an UNKNOWN: the attributes whose values would have decided it */
};

/* The whole need; an empty one is TRUE. */
struct xql_verdict xql_eval(const struct xql_expr *e, const struct xql_row *row);

/* One condition of it, as xql_expr_clauses names them. */
struct xql_verdict xql_eval_clause(const struct xql_expr *e, unsigned node,
                                   const struct xql_row *row);

/* A quantity of the node's (ATTR, LITERAL, COUNT, SUM, SAME) as a plain number: sizes in bytes,
 * durations in seconds. False when it is missing or in doubt. */
bool xql_eval_quantity(const struct xql_expr *e, unsigned node, const struct xql_row *row,
                       double *value);

const char *xql_truth_name(enum xql_truth t); /* "false", "unknown", "true" */

#endif
