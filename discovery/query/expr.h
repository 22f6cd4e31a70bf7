// SPDX-License-Identifier: Apache-2.0
/* expr.h - a parsed expression: at most XQL_NODES_MAX nodes in a fixed array, and their texts.
 *
 * A plain struct: copied by assignment, nothing to free. A need is an expression whose root is a
 * condition, a rank one whose root is a number, size or duration. */
#ifndef DISCOVERY_QUERY_EXPR_H
#define DISCOVERY_QUERY_EXPR_H

#include "discovery/query/row.h"

#define XQL_SOURCE_BYTES_MAX 4096u /* the text of one expression */
#define XQL_NODES_MAX 64u          /* parts of one expression */
#define XQL_DEPTH_MAX 64u          /* parentheses, calls and signs inside one another */
#define XQL_POOL_BYTES (XQL_NODES_MAX * (XQL_TEXT_BYTES_MAX + 1))
#define XQL_NO_NODE 255u

/* op, how it is written, how closely it binds (0: it is no operator) */
#define XQL_OPS(X)                                                                                 \
    X(NONE, "", 0)                                                                                 \
    X(OR, " || ", 1)                                                                               \
    X(AND, " && ", 2)                                                                              \
    X(NOT, "!", 3)                                                                                 \
    X(EQ, "==", 4)                                                                                 \
    X(NE, "!=", 4)                                                                                 \
    X(LT, "<", 4)                                                                                  \
    X(LE, "<=", 4)                                                                                 \
    X(GT, ">", 4)                                                                                  \
    X(GE, ">=", 4)                                                                                 \
    X(GLOB, "~", 4)                                                                                \
    X(IN, " in ", 4)                                                                               \
    X(ADD, " + ", 5)                                                                               \
    X(SUB, " - ", 5)                                                                               \
    X(MUL, "*", 6)                                                                                 \
    X(DIV, "/", 6)                                                                                 \
    X(NEG, "-", 7)                                                                                 \
    X(ATTR, "", 0)                                                                                 \
    X(LITERAL, "", 0)                                                                              \
    X(HAS, "has", 0)                                                                               \
    X(COUNT, "gpu.count", 0)                                                                       \
    X(ANY, "gpu.any", 0)                                                                           \
    X(ALL, "gpu.all", 0)                                                                           \
    X(SUM, "gpu.sum", 0)                                                                           \
    X(SAME, "gpu.same", 0)

enum xql_op {
#define X(op, text, binding) XQL_O_##op,
    XQL_OPS(X)
#undef X
        XQL_OP_COUNT
};

struct xql_node {
    uint8_t op;
    uint8_t type;  /* enum xql_type of its value */
    uint8_t attr;  /* of ATTR, HAS, SUM, SAME; else XQL_ATTR_NONE */
    uint8_t left;  /* operand; of COUNT ANY ALL SUM SAME the condition, or XQL_NO_NODE */
    uint8_t right; /* operand; of IN its first text, of such a text the next one */
    uint16_t text; /* of a text literal: where it begins in the pool */
    union {
        double number;
        uint64_t integer;
        bool flag;
    } is;
};

struct xql_expr {
    uint8_t count; /* nodes in use; 0: the empty expression, which is met by every node */
    uint8_t root;
    uint16_t pool_used;
    struct xql_node node[XQL_NODES_MAX];
    char pool[XQL_POOL_BYTES];
};

const char *xql_op_text(enum xql_op op);
unsigned xql_op_binding(enum xql_op op);

/* Append a node; its place comes back in *index. XOS_LIMIT: XQL_NODES_MAX. */
int xql_expr_add(struct xql_expr *e, const struct xql_node *node, uint8_t *index,
                 struct xos_error *err);

/* Keep a text of at most XQL_TEXT_BYTES_MAX bytes; one text per node always fits. */
uint16_t xql_expr_keep(struct xql_expr *e, const char *text);

/* Are they the same tree? */
bool xql_expr_equal(const struct xql_expr *a, const struct xql_expr *b);

/* The conditions that && joins at the top, in order: places of nodes. Returns how many. */
unsigned xql_expr_clauses(const struct xql_expr *e, uint8_t clauses[static XQL_NODES_MAX]);

/* *to = *to && more, for an option that is given again. XOS_LIMIT: then *to is as it was. */
int xql_expr_and(struct xql_expr *to, const struct xql_expr *more, struct xos_error *err);

/* Append the canonical text of one subtree, or of all; it parses to the same tree. */
int xql_node_print(const struct xql_expr *e, unsigned node, struct xos_buf *out,
                   struct xos_error *err);
int xql_expr_print(const struct xql_expr *e, struct xos_buf *out, struct xos_error *err);

#endif
