// SPDX-License-Identifier: Apache-2.0
/* print.c - the canonical text of an expression. */
#include "discovery/query/expr.h"
#include "discovery/query/number.h"

#include <assert.h>

struct printer {
    const struct xql_expr *e;
    struct xos_buf *out;
    struct xos_error *err;
};

static int print(struct printer *p, unsigned node);

static int put(struct printer *p, const char *text)
{
    return xos_buf_add_text(p->out, text, p->err);
}

static int print_quoted(struct printer *p, const char *text)
{
    if (put(p, "\"") < 0)
        return -1;
    for (; *text; text++) {
        char bytes[3] = {'\\', *text, '\0'};
        if (put(p, *text == '"' || *text == '\\' ? bytes : bytes + 1) < 0)
            return -1;
    }
    return put(p, "\"");
}

static int print_literal(struct printer *p, const struct xql_node *n)
{
    char text[64];
    switch (n->type) {
    case XQL_TEXT:
    case XQL_VERSION:
        return print_quoted(p, p->e->pool + n->text);
    case XQL_NUMBER:
        xql_number_print(n->is.number, text, sizeof(text));
        break;
    case XQL_SIZE:
        xql_size_print(n->is.integer, text, sizeof(text));
        break;
    case XQL_DURATION:
        xql_duration_print(n->is.integer, text, sizeof(text));
        break;
    default:
        return put(p, n->is.flag ? "true" : "false");
    }
    return put(p, text);
}

/* has(attr), gpu.count, gpu.any(E), gpu.sum(attr, E) … */
static int print_call(struct printer *p, const struct xql_node *n)
{
    if (put(p, xql_op_text(n->op)) < 0)
        return -1;
    bool attr = n->attr != XQL_ATTR_NONE, condition = n->left != XQL_NO_NODE;
    if (!attr && !condition)
        return 0;
    if (put(p, "(") < 0 || (attr && put(p, xql_attr_row(n->attr)->name) < 0) ||
        (attr && condition && put(p, ", ") < 0) || (condition && print(p, n->left) < 0))
        return -1;
    return put(p, ")");
}

static int print_operand(struct printer *p, unsigned node, bool parentheses)
{
    if (!parentheses)
        return print(p, node);
    return put(p, "(") < 0 || print(p, node) < 0 ? -1 : put(p, ")");
}

static int print_list(struct printer *p, const struct xql_node *n)
{
    if (print(p, n->left) < 0 || put(p, " in [") < 0)
        return -1;
    for (unsigned item = n->right; item != XQL_NO_NODE; item = p->e->node[item].right)
        if (print_literal(p, &p->e->node[item]) < 0 ||
            (p->e->node[item].right != XQL_NO_NODE && put(p, ", ") < 0))
            return -1;
    return put(p, "]");
}

static int print_unary(struct printer *p, const struct xql_node *n)
{
    const struct xql_node *below = &p->e->node[n->left];
    unsigned inner = xql_op_binding(below->op);
    if (put(p, xql_op_text(n->op)) < 0)
        return -1;
    return print_operand(p, n->left, inner && inner != xql_op_binding(n->op));
}

static int print_binary(struct printer *p, const struct xql_node *n)
{
    unsigned outer = xql_op_binding(n->op);
    unsigned left = xql_op_binding(p->e->node[n->left].op);
    unsigned right = xql_op_binding(p->e->node[n->right].op);
    /* All chains are read from the left, so that only an equal one on the right needs them. */
    if (print_operand(p, n->left, left && left < outer) < 0 || put(p, xql_op_text(n->op)) < 0)
        return -1;
    return print_operand(p, n->right, right && right <= outer);
}

static int print(struct printer *p, unsigned node)
{
    assert(node < p->e->count);
    const struct xql_node *n = &p->e->node[node];
    switch (n->op) {
    case XQL_O_ATTR:
        return put(p, xql_attr_row(n->attr)->name);
    case XQL_O_LITERAL:
        return print_literal(p, n);
    case XQL_O_NOT:
    case XQL_O_NEG:
        return print_unary(p, n);
    case XQL_O_IN:
        return print_list(p, n);
    default:
        return xql_op_binding(n->op) ? print_binary(p, n) : print_call(p, n);
    }
}

int xql_node_print(const struct xql_expr *e, unsigned node, struct xos_buf *out,
                   struct xos_error *err)
{
    struct printer p = {e, out, err};
    size_t before = out->len;
    if (print(&p, node) == 0)
        return 0;
    out->len = before;
    return -1;
}

int xql_expr_print(const struct xql_expr *e, struct xos_buf *out, struct xos_error *err)
{
    return e->count ? xql_node_print(e, e->root, out, err) : 0;
}
