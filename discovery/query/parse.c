// SPDX-License-Identifier: Apache-2.0
/* parse.c - from the text of a need to an expression.
 *
 * XQL says what a job needs of a node: `mem>=64GiB && gpu.count(vram>=40GiB)>=2`. It looks like C,
 * is typed like CEL, and answers in three values like ClassAds: what a node does not say is
 * UNKNOWN. Nothing in it loops but over the devices of one node, so that its cost is bounded by
 * XQL_NODES_MAX * XQL_DEVICES_MAX (gpu.same: times the devices again).
 *
 * The way of a need: lex.c cuts tokens, parse.c (the conditions), operand.c (names and device
 * calls) and literal.c (values) build the nodes of expr.h and check every type, so that eval.c
 * meets no wrong one; print.c writes it back in its canonical form, which is what goes over the
 * wire. rank.c and want.c do the same for --prefer and --want. explain.c tells over many rows
 * which clause dropped how many. The names all come from attributes.def.
 *
 *     condition  := and { "||" and }
 *     and        := not { "&&" not }
 *     not        := "!" not | "(" condition ")" | comparison
 *     comparison := side [ ( "==" | "!=" | "<" | "<=" | ">" | ">=" ) side
 *                        | "~" pattern | "in" "[" text { "," text } "]" ]
 *
 * One side of a comparison at least is an operand (operand.c), whose type the other one must fit.
 * `64GiB<=mem` becomes `mem>=64GiB`. The parser's recursion is bounded by XQL_DEPTH_MAX. */
#include "discovery/query/parser.h"

#include <stdio.h>
#include <string.h>

int xql_parser_next(struct xql_parser *p)
{
    return xql_lex_next(&p->lex, &p->token, p->place, p->err);
}

int xql_parser_start(struct xql_parser *p, struct xql_expr *out, const char *text,
                     struct xql_place *place, struct xos_error *err)
{
    *p = (struct xql_parser){.lex = {.text = text}, .out = out, .place = place, .err = err};
    if (place)
        place->column = 0;
    if (strnlen(text, XQL_SOURCE_BYTES_MAX + 1) > XQL_SOURCE_BYTES_MAX)
        return xql_fail_at(place, err, XQL_SOURCE_BYTES_MAX, XOS_LIMIT,
                           "the expression is longer than XQL_SOURCE_BYTES_MAX (%u)",
                           XQL_SOURCE_BYTES_MAX);
    out->count = 0;
    out->pool_used = 0;
    return xql_parser_next(p);
}

int xql_parser_deeper(struct xql_parser *p)
{
    if (++p->depth <= XQL_DEPTH_MAX)
        return 0;
    return xql_fail_at(p->place, p->err, p->token.at, XOS_LIMIT,
                       "nested deeper than XQL_DEPTH_MAX (%u)", XQL_DEPTH_MAX);
}

int xql_parser_add(struct xql_parser *p, const struct xql_node *node, uint8_t *index)
{
    struct xos_error why;
    if (xql_expr_add(p->out, node, index, &why) == 0)
        return 0;
    return xql_fail_at(p->place, p->err, p->token.at, why.code, "%s", why.text);
}

int xql_parser_expected(struct xql_parser *p, const char *what)
{
    char found[XQL_TEXT_BYTES_MAX + 3];
    return xql_fail_at(p->place, p->err, p->token.at, XOS_INVALID, "expected %s, found %s", what,
                       xql_token_name(&p->token, found, sizeof(found)));
}

int xql_parser_take(struct xql_parser *p, enum xql_token_kind kind)
{
    char what[XQL_TEXT_BYTES_MAX + 3];
    const struct xql_token wanted = {.kind = kind};
    if (p->token.kind != kind)
        return xql_parser_expected(p, xql_token_name(&wanted, what, sizeof(what)));
    return xql_parser_next(p);
}

enum xql_op xql_comparison(enum xql_token_kind kind)
{
    static const enum xql_op comparisons[XQL_TOKEN_KINDS] = {
        [XQL_T_EQ] = XQL_O_EQ, [XQL_T_NE] = XQL_O_NE, [XQL_T_LT] = XQL_O_LT,
        [XQL_T_LE] = XQL_O_LE, [XQL_T_GT] = XQL_O_GT, [XQL_T_GE] = XQL_O_GE,
    };
    return comparisons[kind];
}

/* The same comparison with its sides exchanged. */
static enum xql_op turned(enum xql_op op)
{
    static const enum xql_op other[XQL_OP_COUNT] = {
        [XQL_O_EQ] = XQL_O_EQ, [XQL_O_NE] = XQL_O_NE, [XQL_O_LT] = XQL_O_GT,
        [XQL_O_LE] = XQL_O_GE, [XQL_O_GT] = XQL_O_LT, [XQL_O_GE] = XQL_O_LE,
    };
    return other[op];
}

/* A text has no order, nor has a condition. */
static int check_order(struct xql_parser *p, enum xql_op op, const struct xql_operand *o,
                       unsigned at)
{
    if (op == XQL_O_EQ || op == XQL_O_NE || (o->type != XQL_TEXT && o->type != XQL_BOOL))
        return 0;
    return xql_fail_at(p->place, p->err, at, XOS_INVALID,
                       "%s is a %s, which has no order: compare it with %s", o->name,
                       xql_type_word(o->type),
                       o->type == XQL_TEXT ? "==, !=, ~ or in" : "== or !=, or let it stand alone");
}

/* An operand that is compared from its left: there gpu.same is a number, too. */
static int parse_compared(struct xql_parser *p, struct xql_operand *o)
{
    if (xql_parse_operand(p, o) < 0)
        return -1;
    struct xql_node *n = &p->out->node[o->node];
    if (n->op == XQL_O_SAME)
        n->type = o->type = XQL_NUMBER;
    return 0;
}

/* The right side: a value of the left one's type, or another operand of that type. */
static int parse_right(struct xql_parser *p, const struct xql_operand *left, uint8_t *index)
{
    bool bare = left->type == XQL_TEXT || left->type == XQL_VERSION || left->type == XQL_BOOL;
    if (bare && xql_lex_bare(&p->lex, &p->token, false, p->place, p->err) < 0)
        return -1;
    if (!bare && p->token.kind == XQL_T_WORD) {
        struct xql_operand right;
        if (parse_compared(p, &right) < 0)
            return -1;
        *index = right.node;
        if (right.type == left->type)
            return 0;
        return xql_fail_at(p->place, p->err, right.at, XOS_INVALID,
                           "%s is a %s: expected %s, found %s, a %s", left->name,
                           xql_type_word(left->type), xql_type_sample(left->type), right.name,
                           xql_type_word(right.type));
    }
    bool negative = left->type == XQL_NUMBER && p->token.kind == XQL_T_MINUS;
    if (negative && xql_parser_next(p) < 0)
        return -1;
    if (xql_parse_literal(p, &p->token, negative, left, index) < 0)
        return -1;
    return xql_parser_next(p);
}

static int parse_pattern(struct xql_parser *p, const struct xql_operand *left, uint8_t *index)
{
    if (xql_lex_bare(&p->lex, &p->token, true, p->place, p->err) < 0)
        return -1;
    if (p->token.kind != XQL_T_STRING && p->token.kind != XQL_T_WORD &&
        p->token.kind != XQL_T_NUMERAL)
        return xql_parser_expected(p, "a pattern such as \"H100*\"");
    const struct xql_operand pattern = {.type = XQL_TEXT, .at = left->at, .name = left->name};
    if (xql_parse_literal(p, &p->token, false, &pattern, index) < 0)
        return -1;
    return xql_parser_next(p);
}

static int parse_list(struct xql_parser *p, const struct xql_operand *left, uint8_t *first)
{
    uint8_t last = XQL_NO_NODE, item;
    if (xql_parser_take(p, XQL_T_OPEN_LIST) < 0)
        return -1;
    for (;;) {
        if (xql_lex_bare(&p->lex, &p->token, false, p->place, p->err) < 0 ||
            xql_parse_literal(p, &p->token, false, left, &item) < 0 || xql_parser_next(p) < 0)
            return -1;
        if (last == XQL_NO_NODE)
            *first = item;
        else
            p->out->node[last].right = item;
        last = item;
        if (p->token.kind == XQL_T_CLOSE_LIST)
            return xql_parser_next(p);
        if (p->token.kind != XQL_T_COMMA)
            return xql_parser_expected(p, ", or ]");
        if (xql_parser_next(p) < 0)
            return -1;
    }
}

static int parse_text_test(struct xql_parser *p, enum xql_op op, struct xql_operand *left,
                           struct xql_node *n)
{
    if (left->type != XQL_TEXT && left->type != XQL_VERSION)
        return xql_fail_at(p->place, p->err, p->token.at, XOS_INVALID,
                           "%s is a %s: ~ and in are for texts", left->name,
                           xql_type_word(left->type));
    n->op = (uint8_t)op;
    n->left = left->node;
    if (xql_parser_next(p) < 0)
        return -1;
    return op == XQL_O_GLOB ? parse_pattern(p, left, &n->right) : parse_list(p, left, &n->right);
}

static bool is_word(const struct xql_parser *p, const char *word)
{
    return p->token.kind == XQL_T_WORD && strcmp(p->token.text, word) == 0;
}

static int parse_operator(struct xql_parser *p, struct xql_operand *left, uint8_t *index)
{
    struct xql_node n = {.type = XQL_BOOL, .attr = XQL_ATTR_NONE};
    enum xql_op op = xql_comparison(p->token.kind);
    unsigned at = p->token.at;
    if (p->token.kind == XQL_T_GLOB || is_word(p, "in")) {
        op = p->token.kind == XQL_T_GLOB ? XQL_O_GLOB : XQL_O_IN;
        return parse_text_test(p, op, left, &n) < 0 ? -1 : xql_parser_add(p, &n, index);
    }
    if (op == XQL_O_NONE && left->type == XQL_BOOL) {
        *index = left->node;
        return 0;
    }
    if (op == XQL_O_NONE) {
        char what[128];
        (void)snprintf(what, sizeof(what), "a comparison of %s, a %s", left->name,
                       xql_type_word(left->type));
        return xql_parser_expected(p, what);
    }
    n.op = (uint8_t)op;
    n.left = left->node;
    if (check_order(p, op, left, at) < 0 || xql_parser_next(p) < 0 ||
        parse_right(p, left, &n.right) < 0)
        return -1;
    return xql_parser_add(p, &n, index);
}

/* A value came first: its type is known when the operand on the other side is. */
static int parse_turned(struct xql_parser *p, uint8_t *index)
{
    bool negative = p->token.kind == XQL_T_MINUS;
    struct xql_token value;
    struct xql_operand right;
    if (negative && xql_parser_next(p) < 0)
        return -1;
    value = p->token;
    if (value.kind != XQL_T_NUMERAL && value.kind != XQL_T_STRING)
        return xql_parser_expected(p, "a condition");
    if (xql_parser_next(p) < 0)
        return -1;
    unsigned at = p->token.at;
    enum xql_op op = xql_comparison(p->token.kind);
    if (op == XQL_O_NONE)
        return xql_parser_expected(p, "== != < <= > or >= after a value");
    if (xql_parser_next(p) < 0)
        return -1;
    if (p->token.kind != XQL_T_WORD)
        return xql_parser_expected(p, "an attribute to compare with");
    if (parse_compared(p, &right) < 0 || check_order(p, turned(op), &right, at) < 0)
        return -1;
    struct xql_node n = {.op = (uint8_t)turned(op), .type = XQL_BOOL, .attr = XQL_ATTR_NONE};
    n.left = right.node;
    if (xql_parse_literal(p, &value, negative, &right, &n.right) < 0)
        return -1;
    return xql_parser_add(p, &n, index);
}

static int parse_comparison(struct xql_parser *p, uint8_t *index)
{
    struct xql_operand left;
    if (p->token.kind != XQL_T_WORD) {
        if (parse_turned(p, index) < 0)
            return -1;
    } else if (xql_parse_operand(p, &left) < 0 || parse_operator(p, &left, index) < 0) {
        return -1;
    }
    if (xql_comparison(p->token.kind) != XQL_O_NONE)
        return xql_fail_at(p->place, p->err, p->token.at, XOS_INVALID,
                           "a comparison has two sides: join two comparisons with &&");
    return 0;
}

static int parse_not(struct xql_parser *p, uint8_t *index)
{
    enum xql_token_kind kind = p->token.kind;
    struct xql_node n = {
        .op = XQL_O_NOT, .type = XQL_BOOL, .attr = XQL_ATTR_NONE, .right = XQL_NO_NODE};
    if (kind != XQL_T_NOT && kind != XQL_T_OPEN)
        return parse_comparison(p, index);
    if (xql_parser_deeper(p) < 0 || xql_parser_next(p) < 0)
        return -1;
    if (kind == XQL_T_NOT) {
        if (parse_not(p, &n.left) < 0 || xql_parser_add(p, &n, index) < 0)
            return -1;
    } else if (xql_parse_condition(p, index) < 0 || xql_parser_take(p, XQL_T_CLOSE) < 0) {
        return -1;
    }
    p->depth--;
    return 0;
}

/* part { sign part }, read from the left. */
static int parse_chain(struct xql_parser *p, enum xql_token_kind sign, enum xql_op op,
                       int (*part)(struct xql_parser *p, uint8_t *index), uint8_t *index)
{
    if (part(p, index) < 0)
        return -1;
    while (p->token.kind == sign) {
        struct xql_node n = {.op = (uint8_t)op, .type = XQL_BOOL, .attr = XQL_ATTR_NONE};
        n.left = *index;
        if (xql_parser_next(p) < 0 || part(p, &n.right) < 0 || xql_parser_add(p, &n, index) < 0)
            return -1;
    }
    return 0;
}

static int parse_and(struct xql_parser *p, uint8_t *index)
{
    return parse_chain(p, XQL_T_AND, XQL_O_AND, parse_not, index);
}

int xql_parse_condition(struct xql_parser *p, uint8_t *index)
{
    return parse_chain(p, XQL_T_OR, XQL_O_OR, parse_and, index);
}

int xql_parse(struct xql_expr *out, const char *text, struct xql_place *place,
              struct xos_error *err)
{
    struct xql_expr e;
    struct xql_parser p;
    if (xql_parser_start(&p, &e, text, place, err) < 0)
        return -1;
    if (p.token.kind != XQL_T_END && xql_parse_condition(&p, &e.root) < 0)
        return -1;
    if (p.token.kind == XQL_T_ASSIGN)
        return xql_parser_expected(&p, "== to compare");
    if (p.token.kind != XQL_T_END)
        return xql_parser_expected(&p, "&&, || or the end");
    *out = e;
    return 0;
}
