// SPDX-License-Identifier: Apache-2.0
/* parser.h - what the files of the parser share; nobody else includes it. */
#ifndef DISCOVERY_QUERY_PARSER_H
#define DISCOVERY_QUERY_PARSER_H

#include "discovery/query/parse.h"

struct xql_parser {
    struct xql_lex lex;
    struct xql_token token; /* the one that is looked at */
    struct xql_expr *out;
    const char *device_call; /* "gpu.count" inside its parentheses, else NULL */
    unsigned depth;
    struct xql_place *place;
    struct xos_error *err;
};

/* One side of a comparison or of an arithmetic sign. */
struct xql_operand {
    uint8_t node;
    enum xql_type type;
    unsigned at;      /* byte offset */
    const char *name; /* for messages: "mem", "gpu.count" */
};

int xql_parser_start(struct xql_parser *p, struct xql_expr *out, const char *text,
                     struct xql_place *place, struct xos_error *err);
int xql_parser_next(struct xql_parser *p);
int xql_parser_deeper(struct xql_parser *p); /* the caller takes one off p->depth again */
int xql_parser_add(struct xql_parser *p, const struct xql_node *node, uint8_t *index);

/* Fail: "expected WHAT, found TOKEN". */
int xql_parser_expected(struct xql_parser *p, const char *what);

/* Go past this sign, or fail. */
int xql_parser_take(struct xql_parser *p, enum xql_token_kind kind);

/* condition := and { "||" and } (parse.c) */
int xql_parse_condition(struct xql_parser *p, uint8_t *index);

/* operand := attribute | has(…) | gpu.count… | true | false; the token is a word (operand.c) */
int xql_parse_operand(struct xql_parser *p, struct xql_operand *o);

/* The value that `token` writes, for comparing with `with` (literal.c). */
int xql_parse_literal(struct xql_parser *p, const struct xql_token *token, bool negative,
                      const struct xql_operand *with, uint8_t *index);

/* A value with no other side to tell its type: a number, a size or a duration. */
int xql_parse_quantity(struct xql_parser *p, const struct xql_token *token, struct xql_operand *o);

/* Is this the sign of a comparison? Its op, or XQL_O_NONE. */
enum xql_op xql_comparison(enum xql_token_kind kind);

#endif
