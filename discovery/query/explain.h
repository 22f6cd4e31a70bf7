// SPDX-License-Identifier: Apache-2.0
/* explain.h - why so few nodes match: what each clause of a need drops, over many rows.
 *
 * Rows are shown one after the other and not kept. Per clause (a condition that && joins at the
 * top): how many rows it drops alone, how many it drops of those that the clauses before it left,
 * and how many rows fail it and nothing else, which is what giving it up would gain. Also the
 * nearest miss, the row that fails the fewest clauses (the first such), with what it has instead;
 * and how often each attribute was missing where that was what kept a row from matching. */
#ifndef DISCOVERY_QUERY_EXPLAIN_H
#define DISCOVERY_QUERY_EXPLAIN_H

#include "discovery/query/eval.h"

#define XQL_MISS_FAILED_MAX 4  /* clauses told of the nearest miss; the others are counted */
#define XQL_MISS_BYTES_MAX 128 /* text of what it has instead */

struct xql_explain_clause {
    uint8_t node;     /* in the expression */
    uint64_t alone;   /* rows that it drops */
    uint64_t here;    /* rows that it drops of those left before it */
    uint64_t only;    /* rows that nothing else drops */
    uint64_t unknown; /* rows that it drops because something is missing */
};

struct xql_miss {
    char node[XQL_TEXT_BYTES_MAX + 1]; /* its name; empty: no row missed */
    unsigned failed;                   /* clauses that it fails */
    struct {
        uint8_t clause;               /* index into clause[] */
        char has[XQL_MISS_BYTES_MAX]; /* "mem 62GiB, gpu.count 1" */
    } what[XQL_MISS_FAILED_MAX];
};

struct xql_explain {
    const struct xql_expr *need; /* borrowed */
    uint64_t rows, matches;
    unsigned clause_count;
    struct xql_explain_clause clause[XQL_NODES_MAX];
    uint64_t missing[XQL_ATTRS]; /* rows that this missing attribute kept from matching */
    struct xql_miss nearest;
};

void xql_explain_start(struct xql_explain *x, const struct xql_expr *need);

/* Show one row; tells its verdict, too. */
struct xql_verdict xql_explain_add(struct xql_explain *x, const struct xql_row *row);

/* For people: a table, then the nearest miss and what was missing. */
int xql_explain_print(const struct xql_explain *x, struct xos_buf *out, struct xos_error *err);

/* {"rows", "matches", "clauses": [{"clause", "drops", "drops_here", "only", "unknown", "left"}],
 *  "nearest": {"node", "failed", "clauses": [{"clause", "has"}]} or null,
 *  "missing": [{"attribute", "rows"}]}. The caller drops the reference. */
int xql_explain_json(const struct xql_explain *x, json_t **out, struct xos_error *err);

#endif
