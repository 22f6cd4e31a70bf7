// SPDX-License-Identifier: Apache-2.0
/* operand.c - names: attributes, has(), and the calls over devices.
 *
 *     operand := attribute | "true" | "false" | "has" "(" attribute ")"
 *              | "gpu.count" [ "(" condition ")" ]
 *              | ( "gpu.any" | "gpu.all" ) "(" condition ")"
 *              | ( "gpu.sum" | "gpu.same" ) "(" attribute [ "," condition ] ")" */
#include "discovery/query/parser.h"

#include <assert.h>
#include <string.h>

static int unknown_name(struct xql_parser *p, const struct xql_token *t)
{
    bool device = p->device_call != NULL;
    if (xql_attr_find(t->text, !device) != XQL_ATTR_NONE && device)
        return xql_fail_at(p->place, p->err, t->at, XOS_INVALID,
                           "%s is the node's: write it outside of %s( )", t->text, p->device_call);
    if (xql_attr_find(t->text, !device) != XQL_ATTR_NONE)
        return xql_fail_at(p->place, p->err, t->at, XOS_INVALID,
                           "%s is a device's: write it inside of gpu.any( ) or gpu.count( )",
                           t->text);
    const char *nearest = xql_attr_nearest(t->text, device);
    if (nearest)
        return xql_fail_at(p->place, p->err, t->at, XOS_INVALID,
                           "unknown attribute \"%s\": did you mean %s?", t->text, nearest);
    return xql_fail_at(p->place, p->err, t->at, XOS_INVALID, "unknown attribute \"%s\"", t->text);
}

static int find_attr(struct xql_parser *p, const struct xql_token *t, enum xql_attr *attr)
{
    *attr = xql_attr_find(t->text, p->device_call != NULL);
    return *attr == XQL_ATTR_NONE ? unknown_name(p, t) : 0;
}

/* The token is an attribute's name; go past it. */
static int take_attr(struct xql_parser *p, uint8_t *attr)
{
    enum xql_attr a;
    if (p->token.kind != XQL_T_WORD)
        return xql_parser_expected(p, "the name of an attribute");
    if (find_attr(p, &p->token, &a) < 0)
        return -1;
    *attr = (uint8_t)a;
    return xql_parser_next(p);
}

struct call {
    enum xql_op op;
    enum xql_type type; /* NONE: that of its attribute */
    bool attr;
    bool condition_needed;
    bool bare; /* may stand without parentheses */
};

static const struct call calls[] = {
    {XQL_O_COUNT, XQL_NUMBER, .bare = true},
    {XQL_O_ANY, XQL_BOOL, .condition_needed = true},
    {XQL_O_ALL, XQL_BOOL, .condition_needed = true},
    {XQL_O_SUM, XQL_NONE, .attr = true},
    {XQL_O_SAME, XQL_BOOL, .attr = true},
};

static const struct call *find_call(const char *name)
{
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (strcmp(xql_op_text(calls[i].op), name) == 0)
            return &calls[i];
    return NULL;
}

static int check_sum(struct xql_parser *p, const struct call *call, uint8_t attr, unsigned at)
{
    enum xql_type t = xql_attr_row(attr)->type;
    if (call->op != XQL_O_SUM || t == XQL_NUMBER || t == XQL_SIZE || t == XQL_DURATION)
        return 0;
    return xql_fail_at(p->place, p->err, at, XOS_INVALID,
                       "%s is a %s: gpu.sum needs a number or a size", xql_attr_row(attr)->full,
                       xql_type_word(t));
}

/* What stands in the parentheses: [attribute] [,] [condition]. */
static int parse_arguments(struct xql_parser *p, const struct call *call, struct xql_node *n)
{
    unsigned at = p->token.at;
    if (call->attr && (take_attr(p, &n->attr) < 0 || check_sum(p, call, n->attr, at) < 0))
        return -1;
    if (call->attr && p->token.kind == XQL_T_CLOSE)
        return 0;
    if (call->attr && p->token.kind != XQL_T_COMMA)
        return xql_parser_expected(p, ", or )");
    if (call->attr && xql_parser_next(p) < 0)
        return -1;
    return xql_parse_condition(p, &n->left);
}

static int parse_call(struct xql_parser *p, const struct call *call, struct xql_operand *o)
{
    struct xql_node n = {
        .op = (uint8_t)call->op, .attr = XQL_ATTR_NONE, .left = XQL_NO_NODE, .right = XQL_NO_NODE};
    if (p->device_call)
        return xql_fail_at(p->place, p->err, o->at, XOS_INVALID, "%s cannot stand inside of %s( )",
                           o->name, p->device_call);
    if (p->token.kind != XQL_T_OPEN && !call->bare)
        return xql_parser_expected(p, "( and what every device is asked");
    if (p->token.kind == XQL_T_OPEN) {
        p->device_call = xql_op_text(call->op);
        if (xql_parser_deeper(p) < 0 || xql_parser_next(p) < 0 || parse_arguments(p, call, &n) < 0)
            return -1;
        p->device_call = NULL;
        p->depth--;
        if (xql_parser_take(p, XQL_T_CLOSE) < 0)
            return -1;
    }
    o->type = call->type == XQL_NONE ? xql_attr_row(n.attr)->type : call->type;
    /* gpu.same is a condition, unless its number is compared with something. */
    if (call->op == XQL_O_SAME && xql_comparison(p->token.kind) != XQL_O_NONE)
        o->type = XQL_NUMBER;
    n.type = (uint8_t)o->type;
    return xql_parser_add(p, &n, &o->node);
}

static int parse_has(struct xql_parser *p, struct xql_operand *o)
{
    struct xql_node n = {
        .op = XQL_O_HAS, .type = XQL_BOOL, .left = XQL_NO_NODE, .right = XQL_NO_NODE};
    o->type = XQL_BOOL;
    if (xql_parser_take(p, XQL_T_OPEN) < 0 || take_attr(p, &n.attr) < 0 ||
        xql_parser_take(p, XQL_T_CLOSE) < 0)
        return -1;
    return xql_parser_add(p, &n, &o->node);
}

static int parse_truth(struct xql_parser *p, const struct xql_token *t, struct xql_operand *o)
{
    struct xql_node n = {.op = XQL_O_LITERAL,
                         .type = XQL_BOOL,
                         .attr = XQL_ATTR_NONE,
                         .left = XQL_NO_NODE,
                         .right = XQL_NO_NODE};
    n.is.flag = t->text[0] == 't';
    o->type = XQL_BOOL;
    o->name = n.is.flag ? "true" : "false";
    return xql_parser_add(p, &n, &o->node);
}

static int parse_attr(struct xql_parser *p, const struct xql_token *t, struct xql_operand *o)
{
    enum xql_attr a;
    if (find_attr(p, t, &a) < 0)
        return -1;
    o->type = xql_attr_row(a)->type;
    o->name = xql_attr_row(a)->full;
    struct xql_node n = {.op = XQL_O_ATTR,
                         .type = (uint8_t)o->type,
                         .attr = (uint8_t)a,
                         .left = XQL_NO_NODE,
                         .right = XQL_NO_NODE};
    return xql_parser_add(p, &n, &o->node);
}

int xql_parse_operand(struct xql_parser *p, struct xql_operand *o)
{
    const struct xql_token t = p->token;
    assert(t.kind == XQL_T_WORD);
    const struct call *call = find_call(t.text);
    *o = (struct xql_operand){.at = t.at, .name = call ? xql_op_text(call->op) : "has"};
    if (xql_parser_next(p) < 0)
        return -1;
    if (call)
        return parse_call(p, call, o);
    if (strcmp(t.text, "has") == 0)
        return parse_has(p, o);
    if (strcmp(t.text, "true") == 0 || strcmp(t.text, "false") == 0)
        return parse_truth(p, &t, o);
    return parse_attr(p, &t, o);
}
