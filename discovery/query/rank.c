// SPDX-License-Identifier: Apache-2.0
/* rank.c - the arithmetic of --prefer, parsed and evaluated.
 *
 *     sum     := product { ( "+" | "-" ) product }
 *     product := sign { ( "*" | "/" ) sign }
 *     sign    := "-" sign | "(" sum ")" | value | operand */
#include "discovery/query/rank.h"

#include "discovery/query/eval.h"
#include "discovery/query/parser.h"

#include <math.h>

static int parse_sum(struct xql_parser *p, uint8_t *index);

static int parse_quantity(struct xql_parser *p, uint8_t *index)
{
    struct xql_operand o;
    if (p->token.kind == XQL_T_NUMERAL) {
        if (xql_parse_quantity(p, &p->token, &o) < 0 || xql_parser_next(p) < 0)
            return -1;
    } else if (p->token.kind != XQL_T_WORD) {
        return xql_parser_expected(p, "a number or an attribute");
    } else if (xql_parse_operand(p, &o) < 0) {
        return -1;
    }
    *index = o.node;
    struct xql_node *n = &p->out->node[o.node];
    if (n->op == XQL_O_SAME)
        n->type = o.type = XQL_NUMBER;
    if (o.type == XQL_NUMBER || o.type == XQL_SIZE || o.type == XQL_DURATION)
        return 0;
    return xql_fail_at(p->place, p->err, o.at, XOS_INVALID,
                       "%s is a %s: a rank is made of numbers and sizes", o.name,
                       xql_type_word(o.type));
}

/* -5 is a literal, so that it reads back as it was. */
static int negate(struct xql_parser *p, uint8_t below, uint8_t *index)
{
    struct xql_node *n = &p->out->node[below];
    if (n->op == XQL_O_LITERAL && n->type == XQL_NUMBER && n->is.number >= 0) {
        n->is.number = 0 - n->is.number;
        *index = below;
        return 0;
    }
    const struct xql_node minus = {.op = XQL_O_NEG,
                                   .type = XQL_NUMBER,
                                   .attr = XQL_ATTR_NONE,
                                   .left = below,
                                   .right = XQL_NO_NODE};
    return xql_parser_add(p, &minus, index);
}

static int parse_sign(struct xql_parser *p, uint8_t *index)
{
    enum xql_token_kind kind = p->token.kind;
    uint8_t below;
    if (kind != XQL_T_MINUS && kind != XQL_T_OPEN)
        return parse_quantity(p, index);
    if (xql_parser_deeper(p) < 0 || xql_parser_next(p) < 0)
        return -1;
    if (kind == XQL_T_MINUS) {
        if (parse_sign(p, &below) < 0 || negate(p, below, index) < 0)
            return -1;
    } else if (parse_sum(p, index) < 0 || xql_parser_take(p, XQL_T_CLOSE) < 0) {
        return -1;
    }
    p->depth--;
    return 0;
}

static int parse_chain(struct xql_parser *p, const enum xql_op sign[static XQL_TOKEN_KINDS],
                       int (*part)(struct xql_parser *p, uint8_t *index), uint8_t *index)
{
    if (part(p, index) < 0)
        return -1;
    while (sign[p->token.kind] != XQL_O_NONE) {
        struct xql_node n = {
            .op = (uint8_t)sign[p->token.kind], .type = XQL_NUMBER, .attr = XQL_ATTR_NONE};
        n.left = *index;
        if (xql_parser_next(p) < 0 || part(p, &n.right) < 0 || xql_parser_add(p, &n, index) < 0)
            return -1;
    }
    return 0;
}

static int parse_product(struct xql_parser *p, uint8_t *index)
{
    static const enum xql_op signs[XQL_TOKEN_KINDS] = {
        [XQL_T_STAR] = XQL_O_MUL, [XQL_T_SLASH] = XQL_O_DIV};
    return parse_chain(p, signs, parse_sign, index);
}

static int parse_sum(struct xql_parser *p, uint8_t *index)
{
    static const enum xql_op signs[XQL_TOKEN_KINDS] = {
        [XQL_T_PLUS] = XQL_O_ADD, [XQL_T_MINUS] = XQL_O_SUB};
    return parse_chain(p, signs, parse_product, index);
}

int xql_parse_rank(struct xql_expr *out, const char *text, struct xql_place *place,
                   struct xos_error *err)
{
    struct xql_expr e;
    struct xql_parser p;
    if (xql_parser_start(&p, &e, text, place, err) < 0 || parse_sum(&p, &e.root) < 0)
        return -1;
    if (p.token.kind != XQL_T_END)
        return xql_parser_expected(&p, "+ - * / or the end");
    *out = e;
    return 0;
}

static bool value(const struct xql_expr *e, unsigned node, const struct xql_row *row, double *v)
{
    const struct xql_node *n = &e->node[node];
    double right = 0;
    if (xql_op_binding(n->op) == 0)
        return xql_eval_quantity(e, node, row, v);
    if (!value(e, n->left, row, v) || (n->right != XQL_NO_NODE && !value(e, n->right, row, &right)))
        return false;
    if (n->op == XQL_O_NEG)
        *v = -*v;
    else if (n->op == XQL_O_ADD)
        *v += right;
    else if (n->op == XQL_O_SUB)
        *v -= right;
    else if (n->op == XQL_O_MUL)
        *v *= right;
    else if (right == 0)
        return false;
    else
        *v /= right;
    return isfinite(*v);
}

struct xql_rank xql_rank(const struct xql_expr *e, const struct xql_row *row)
{
    struct xql_rank r = {0};
    if (e->count)
        r.known = value(e, e->root, row, &r.value);
    if (!r.known)
        r.value = 0;
    return r;
}

int xql_rank_order(const struct xql_rank *a, const struct xql_rank *b)
{
    if (a->known != b->known)
        return a->known ? -1 : 1;
    return (a->value < b->value) - (a->value > b->value);
}
