// SPDX-License-Identifier: Apache-2.0
#include "discovery/query/lex.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[XQL_TOKEN_KINDS] = {
#define X(kind, name) name,
    XQL_TOKENS(X)
#undef X
};

int xql_fail_at(struct xql_place *place, struct xos_error *err, unsigned at, enum xos_code code,
                const char *fmt, ...)
{
    char text[XOS_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (place)
        place->column = at + 1;
    return xos_fail(err, code, "column %u: %s", at + 1, text);
}

const char *xql_token_name(const struct xql_token *t, char *text, size_t size)
{
    if (t->kind == XQL_T_STRING || t->kind == XQL_T_WORD)
        (void)snprintf(text, size, "\"%s\"", t->text);
    else if (t->kind == XQL_T_NUMERAL)
        (void)snprintf(text, size, "%s", t->text);
    else
        (void)snprintf(text, size, "%s", names[t->kind]);
    return text;
}

static bool word_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

static bool bare_byte(char c)
{
    return word_byte(c) || (c && strchr("-:/@+", c));
}

static bool pattern_byte(char c)
{
    return bare_byte(c) || c == '*' || c == '?';
}

static int read_run(struct xql_lex *l, struct xql_token *t, bool (*belongs)(char c),
                    struct xql_place *place, struct xos_error *err)
{
    unsigned n = 0;
    while (l->text[t->at + n] && belongs(l->text[t->at + n]))
        n++;
    if (n > XQL_TEXT_BYTES_MAX)
        return xql_fail_at(place, err, t->at, XOS_LIMIT,
                           "a word of more than XQL_TEXT_BYTES_MAX (%u) bytes", XQL_TEXT_BYTES_MAX);
    memcpy(t->text, l->text + t->at, n);
    t->text[n] = '\0';
    t->kind = isdigit((unsigned char)t->text[0]) ? XQL_T_NUMERAL : XQL_T_WORD;
    l->at = t->at + n;
    return 0;
}

/* One byte of a string, its escape undone; -1 when there is none that may stand there. */
static int string_byte(const char **p)
{
    if (**p == '\\' && ((*p)[1] == '"' || (*p)[1] == '\\'))
        (*p)++;
    else if (**p == '\\' || **p < ' ' || **p > '~')
        return -1;
    return *(*p)++;
}

static int read_string(struct xql_lex *l, struct xql_token *t, struct xql_place *place,
                       struct xos_error *err)
{
    const char *p = l->text + t->at + 1;
    size_t n = 0;
    while (*p != '"') {
        unsigned at = (unsigned)(p - l->text);
        if (!*p)
            return xql_fail_at(place, err, t->at, XOS_INVALID,
                               "this text never ends: write a closing \"");
        if (n == XQL_TEXT_BYTES_MAX)
            return xql_fail_at(place, err, t->at, XOS_LIMIT,
                               "a text of more than XQL_TEXT_BYTES_MAX (%u) bytes",
                               XQL_TEXT_BYTES_MAX);
        int c = string_byte(&p);
        if (c < 0)
            return xql_fail_at(place, err, at, XOS_INVALID,
                               "a text holds printable ASCII, with \\\" for \" and \\\\ for \\");
        t->text[n++] = (char)c;
    }
    t->text[n] = '\0';
    t->kind = XQL_T_STRING;
    l->at = (unsigned)(p - l->text) + 1;
    return 0;
}

static int unknown_byte(const struct xql_lex *l, struct xql_place *place, struct xos_error *err)
{
    unsigned char c = (unsigned char)l->text[l->at];
    if (c == '&' || c == '|')
        return xql_fail_at(place, err, l->at, XOS_INVALID, "write %c%c", c, c);
    if (c == '\'')
        return xql_fail_at(place, err, l->at, XOS_INVALID, "texts stand in double quotes");
    if (c > ' ' && c <= '~')
        return xql_fail_at(place, err, l->at, XOS_INVALID, "%c means nothing here", c);
    return xql_fail_at(place, err, l->at, XOS_INVALID, "byte 0x%02x means nothing here", c);
}

static int read_sign(struct xql_lex *l, struct xql_token *t, struct xql_place *place,
                     struct xos_error *err)
{
    /* The table has the longer signs before their beginnings. */
    for (unsigned k = XQL_T_OPEN; k < XQL_TOKEN_KINDS; k++) {
        size_t n = strlen(names[k]);
        if (strncmp(l->text + l->at, names[k], n) != 0)
            continue;
        t->kind = (enum xql_token_kind)k;
        if (t->kind == XQL_T_NOT && l->text[l->at + 1] == '=')
            continue;
        l->at += (unsigned)n;
        return 0;
    }
    return unknown_byte(l, place, err);
}

int xql_lex_next(struct xql_lex *l, struct xql_token *t, struct xql_place *place,
                 struct xos_error *err)
{
    while (l->text[l->at] && strchr(" \t\r\n", l->text[l->at]))
        l->at++;
    *t = (struct xql_token){.kind = XQL_T_END, .at = l->at};
    char c = l->text[l->at];
    if (!c)
        return 0;
    if (word_byte(c) && c != '.')
        return read_run(l, t, word_byte, place, err);
    if (c == '"')
        return read_string(l, t, place, err);
    return read_sign(l, t, place, err);
}

int xql_lex_bare(struct xql_lex *l, struct xql_token *t, bool pattern, struct xql_place *place,
                 struct xos_error *err)
{
    bool plain = t->kind == XQL_T_WORD || t->kind == XQL_T_NUMERAL;
    bool wild = pattern && (t->kind == XQL_T_STAR || t->kind == XQL_T_QUESTION);
    if (!plain && !wild)
        return 0;
    return read_run(l, t, pattern ? pattern_byte : bare_byte, place, err);
}
