// SPDX-License-Identifier: Apache-2.0
#include "discovery/query/expr.h"

#include <assert.h>
#include <string.h>

static const struct {
    const char *text;
    unsigned binding;
} ops[XQL_OP_COUNT] = {
#define X(op, text, binding) {text, binding},
    XQL_OPS(X)
#undef X
};

const char *xql_op_text(enum xql_op op)
{
    assert((unsigned)op < XQL_OP_COUNT);
    return ops[op].text;
}

unsigned xql_op_binding(enum xql_op op)
{
    assert((unsigned)op < XQL_OP_COUNT);
    return ops[op].binding;
}

int xql_expr_add(struct xql_expr *e, const struct xql_node *node, uint8_t *index,
                 struct xos_error *err)
{
    if (e->count >= XQL_NODES_MAX)
        return xos_fail(err, XOS_LIMIT, "the expression has more than XQL_NODES_MAX (%u) parts",
                        XQL_NODES_MAX);
    *index = e->count++;
    e->node[*index] = *node;
    return 0;
}

uint16_t xql_expr_keep(struct xql_expr *e, const char *text)
{
    size_t size = strlen(text) + 1;
    assert(size <= XQL_TEXT_BYTES_MAX + 1);
    assert(e->pool_used + size <= XQL_POOL_BYTES);
    uint16_t at = e->pool_used;
    memcpy(e->pool + at, text, size);
    e->pool_used = (uint16_t)(at + size);
    return at;
}

static bool is_text(unsigned type)
{
    return type == XQL_TEXT || type == XQL_VERSION;
}

static bool same_literal(const struct xql_expr *a, const struct xql_node *na,
                         const struct xql_expr *b, const struct xql_node *nb)
{
    if (is_text(na->type))
        return strcmp(a->pool + na->text, b->pool + nb->text) == 0;
    if (na->type == XQL_NUMBER)
        return na->is.number == nb->is.number;
    if (na->type == XQL_BOOL)
        return na->is.flag == nb->is.flag;
    return na->is.integer == nb->is.integer;
}

/* Recursion here and below is bounded by the number of nodes: a tree has no node twice. */
static bool same(const struct xql_expr *a, unsigned ia, const struct xql_expr *b, unsigned ib)
{
    if (ia == XQL_NO_NODE || ib == XQL_NO_NODE)
        return ia == ib;
    const struct xql_node *na = &a->node[ia], *nb = &b->node[ib];
    if (na->op != nb->op || na->type != nb->type || na->attr != nb->attr)
        return false;
    if (na->op == XQL_O_LITERAL && !same_literal(a, na, b, nb))
        return false;
    return same(a, na->left, b, nb->left) && same(a, na->right, b, nb->right);
}

bool xql_expr_equal(const struct xql_expr *a, const struct xql_expr *b)
{
    if (a->count == 0 || b->count == 0)
        return a->count == b->count;
    return same(a, a->root, b, b->root);
}

static void gather(const struct xql_expr *e, uint8_t node, uint8_t *clauses, unsigned *count)
{
    if (e->node[node].op != XQL_O_AND) {
        clauses[(*count)++] = node;
        return;
    }
    gather(e, e->node[node].left, clauses, count);
    gather(e, e->node[node].right, clauses, count);
}

unsigned xql_expr_clauses(const struct xql_expr *e, uint8_t clauses[static XQL_NODES_MAX])
{
    unsigned count = 0;
    if (e->count)
        gather(e, e->root, clauses, &count);
    return count;
}

/* Copy one subtree of `from` to the end of `to`; returns its place there. Room was checked. */
static uint8_t graft(struct xql_expr *to, const struct xql_expr *from, uint8_t node)
{
    if (node == XQL_NO_NODE)
        return XQL_NO_NODE;
    struct xql_node n = from->node[node];
    if (n.op == XQL_O_LITERAL && is_text(n.type))
        n.text = xql_expr_keep(to, from->pool + n.text);
    n.left = graft(to, from, n.left);
    n.right = graft(to, from, n.right);
    uint8_t at = to->count++;
    assert(at < XQL_NODES_MAX);
    to->node[at] = n;
    return at;
}

int xql_expr_and(struct xql_expr *to, const struct xql_expr *more, struct xos_error *err)
{
    if (more->count == 0)
        return 0;
    if (to->count == 0) {
        *to = *more;
        return 0;
    }
    if (to->count + more->count + 1u > XQL_NODES_MAX)
        return xos_fail(err, XOS_LIMIT,
                        "the needs together have more than XQL_NODES_MAX (%u) parts",
                        XQL_NODES_MAX);
    uint8_t clauses[XQL_NODES_MAX];
    unsigned count = xql_expr_clauses(more, clauses);
    for (unsigned i = 0; i < count; i++) {
        struct xql_node both = {.op = XQL_O_AND, .type = XQL_BOOL, .attr = XQL_ATTR_NONE};
        both.right = graft(to, more, clauses[i]);
        both.left = to->root;
        to->root = to->count++;
        to->node[to->root] = both;
    }
    return 0;
}
