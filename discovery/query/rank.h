// SPDX-License-Identifier: Apache-2.0
/* rank.h - how much a node is liked: the value of a --prefer expression (xql_parse_rank). */
#ifndef DISCOVERY_QUERY_RANK_H
#define DISCOVERY_QUERY_RANK_H

#include "discovery/query/expr.h"

struct xql_rank {
    bool known; /* false: something was missing, or a division by zero */
    double value;
};

/* Sizes count in bytes, durations in seconds. */
struct xql_rank xql_rank(const struct xql_expr *e, const struct xql_row *row);

/* For sorting: below 0 when a comes before b. The highest first, unknown ones last. */
int xql_rank_order(const struct xql_rank *a, const struct xql_rank *b);

#endif
