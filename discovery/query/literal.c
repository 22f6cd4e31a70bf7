// SPDX-License-Identifier: Apache-2.0
/* literal.c - values, read as what the other side of the comparison is. */
#include "discovery/query/number.h"
#include "discovery/query/parser.h"
#include "libxos/base/units.h"

#include <ctype.h>
#include <string.h>

typedef int (*read_f)(struct xql_expr *e, const char *text, struct xql_node *n,
                      struct xos_error *err);

static int read_text(struct xql_expr *e, const char *text, struct xql_node *n,
                     struct xos_error *err)
{
    (void)err;
    n->text = xql_expr_keep(e, text);
    return 0;
}

static int read_version(struct xql_expr *e, const char *text, struct xql_node *n,
                        struct xos_error *err)
{
    if (!isdigit((unsigned char)text[0]))
        return xos_fail(err, XOS_INVALID, "a version begins with a digit");
    return read_text(e, text, n, err);
}

static int read_number(struct xql_expr *e, const char *text, struct xql_node *n,
                       struct xos_error *err)
{
    (void)e;
    return xql_number_parse(text, &n->is.number, err);
}

static int read_size(struct xql_expr *e, const char *text, struct xql_node *n,
                     struct xos_error *err)
{
    (void)e;
    return xos_parse_size(text, &n->is.integer, err);
}

static int read_duration(struct xql_expr *e, const char *text, struct xql_node *n,
                         struct xos_error *err)
{
    (void)e;
    return xos_parse_duration(text, &n->is.integer, err);
}

static int read_flag(struct xql_expr *e, const char *text, struct xql_node *n,
                     struct xos_error *err)
{
    (void)e;
    n->is.flag = text[0] == 't';
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return xos_fail(err, XOS_INVALID, "neither true nor false");
    return 0;
}

#define TOKEN(kind) (1u << XQL_T_##kind)

/* Which tokens may write a value of this type, and how it is read. */
static const struct {
    unsigned tokens;
    read_f read;
} readers[XQL_TYPE_COUNT] = {
    [XQL_TEXT] = {TOKEN(WORD) | TOKEN(NUMERAL) | TOKEN(STRING), read_text},
    [XQL_VERSION] = {TOKEN(WORD) | TOKEN(NUMERAL) | TOKEN(STRING), read_version},
    [XQL_NUMBER] = {TOKEN(NUMERAL), read_number},
    [XQL_SIZE] = {TOKEN(NUMERAL), read_size},
    [XQL_DURATION] = {TOKEN(NUMERAL), read_duration},
    [XQL_BOOL] = {TOKEN(WORD), read_flag},
};

/* Room for the node is made first: what is kept in the pool then always belongs to one. */
static int add_value(struct xql_parser *p, const struct xql_token *t, enum xql_type type,
                     bool negative, uint8_t *index, struct xos_error *why)
{
    struct xql_node n = {.op = XQL_O_LITERAL,
                         .type = (uint8_t)type,
                         .attr = XQL_ATTR_NONE,
                         .left = XQL_NO_NODE,
                         .right = XQL_NO_NODE};
    if (xql_expr_add(p->out, &n, index, why) < 0)
        return -1;
    if (readers[type].read(p->out, t->text, &n, why) < 0) {
        p->out->count--;
        return -1;
    }
    if (negative)
        n.is.number = 0 - n.is.number;
    p->out->node[*index] = n;
    return 0;
}

int xql_parse_literal(struct xql_parser *p, const struct xql_token *token, bool negative,
                      const struct xql_operand *with, uint8_t *index)
{
    struct xos_error why = {.code = XOS_INVALID};
    if ((readers[with->type].tokens & (1u << token->kind)) &&
        (!negative || with->type == XQL_NUMBER) &&
        add_value(p, token, with->type, negative, index, &why) == 0)
        return 0;
    if (why.code == XOS_LIMIT)
        return xql_fail_at(p->place, p->err, token->at, XOS_LIMIT, "%s", why.text);
    char found[XQL_TEXT_BYTES_MAX + 3];
    return xql_fail_at(p->place, p->err, token->at, XOS_INVALID,
                       "%s is a %s: expected %s, found %s%s", with->name, xql_type_word(with->type),
                       xql_type_sample(with->type), negative ? "-" : "",
                       xql_token_name(token, found, sizeof(found)));
}

int xql_parse_quantity(struct xql_parser *p, const struct xql_token *token, struct xql_operand *o)
{
    static const enum xql_type kinds[] = {XQL_NUMBER, XQL_SIZE, XQL_DURATION};
    struct xos_error why = {0};
    *o = (struct xql_operand){.at = token->at, .name = "this"};
    /* A number has no unit; only a text without one may reach a number's limits. */
    size_t first = token->text[strspn(token->text, "0123456789.")] ? 1 : 0;
    for (size_t i = first; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        o->type = kinds[i];
        if (add_value(p, token, kinds[i], false, &o->node, &why) == 0)
            return 0;
        if (why.code == XOS_LIMIT)
            return xql_fail_at(p->place, p->err, token->at, XOS_LIMIT, "%s", why.text);
    }
    return xql_fail_at(p->place, p->err, token->at, XOS_INVALID,
                       "expected a number, a size or a duration, found %s", token->text);
}
