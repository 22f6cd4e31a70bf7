// SPDX-License-Identifier: Apache-2.0
/* lex.h - the text of an expression as tokens, each with the column where it stands. */
#ifndef DISCOVERY_QUERY_LEX_H
#define DISCOVERY_QUERY_LEX_H

#include "discovery/query/row.h"

/* kind, how an error names it */
#define XQL_TOKENS(X)                                                                              \
    X(END, "the end")                                                                              \
    X(WORD, "a word")                                                                              \
    X(NUMERAL, "a number")                                                                         \
    X(STRING, "a text")                                                                            \
    X(OPEN, "(")                                                                                   \
    X(CLOSE, ")")                                                                                  \
    X(OPEN_LIST, "[")                                                                              \
    X(CLOSE_LIST, "]")                                                                             \
    X(COMMA, ",")                                                                                  \
    X(SEMICOLON, ";")                                                                              \
    X(AND, "&&")                                                                                   \
    X(OR, "||")                                                                                    \
    X(NOT, "!")                                                                                    \
    X(EQ, "==")                                                                                    \
    X(NE, "!=")                                                                                    \
    X(LE, "<=")                                                                                    \
    X(GE, ">=")                                                                                    \
    X(LT, "<")                                                                                     \
    X(GT, ">")                                                                                     \
    X(GLOB, "~")                                                                                   \
    X(ASSIGN, "=")                                                                                 \
    X(PLUS, "+")                                                                                   \
    X(MINUS, "-")                                                                                  \
    X(STAR, "*")                                                                                   \
    X(SLASH, "/")                                                                                  \
    X(QUESTION, "?")

enum xql_token_kind {
#define X(kind, name) XQL_T_##kind,
    XQL_TOKENS(X)
#undef X
        XQL_TOKEN_KINDS
};

struct xql_token {
    enum xql_token_kind kind;
    unsigned at;                       /* byte offset */
    char text[XQL_TEXT_BYTES_MAX + 1]; /* words and numbers as written, strings unescaped */
};

struct xql_lex {
    const char *text; /* borrowed */
    unsigned at;      /* where the next token is looked for */
};

/* Where an error stands: the column of its first byte, from 1. 0: no error so far. */
struct xql_place {
    unsigned column;
};

/* Read the next token. XOS_INVALID or XOS_LIMIT with the column in *place (may be NULL). */
int xql_lex_next(struct xql_lex *l, struct xql_token *t, struct xql_place *place,
                 struct xos_error *err);

/* Read the current token again as a bare text: a word that may go on over . _ - : / @ +, and over
 * * and ? in a pattern. A token that cannot begin one is left as it is. */
int xql_lex_bare(struct xql_lex *l, struct xql_token *t, bool pattern, struct xql_place *place,
                 struct xos_error *err);

/* What an error calls this token: `"foo"`, `64GiB`, `&&`, `the end`. */
const char *xql_token_name(const struct xql_token *t, char *text, size_t size);

/* Fail with "column N: …" and set *place. `at` is a byte offset. Returns -1. */
int xql_fail_at(struct xql_place *place, struct xos_error *err, unsigned at, enum xos_code code,
                const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif
