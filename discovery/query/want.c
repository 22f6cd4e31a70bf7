// SPDX-License-Identifier: Apache-2.0
#include "discovery/query/want.h"

#include "discovery/query/parser.h"

#include <string.h>

struct want_parser {
    struct xql_lex lex;
    struct xql_token token;
    struct xql_place *place;
    struct xos_error *err;
};

static int next(struct want_parser *p)
{
    return xql_lex_next(&p->lex, &p->token, p->place, p->err);
}

static int expected(struct want_parser *p, const char *what)
{
    char found[XQL_TEXT_BYTES_MAX + 3];
    return xql_fail_at(p->place, p->err, p->token.at, XOS_INVALID, "expected %s, found %s", what,
                       xql_token_name(&p->token, found, sizeof(found)));
}

static int twice(struct want_parser *p)
{
    return xql_fail_at(p->place, p->err, p->token.at, XOS_INVALID,
                       "\"%s\" contradicts or repeats what stands before it", p->token.text);
}

/* A node's attribute, or a device's by its full name. */
static int take_attr(struct want_parser *p, bool device_too, enum xql_attr *attr)
{
    if (p->token.kind != XQL_T_WORD)
        return expected(p, "the name of an attribute");
    const char *name = p->token.text;
    enum xql_attr a = xql_attr_find(name, false);
    if (a == XQL_ATTR_NONE && device_too && strncmp(name, "gpu.", 4) == 0)
        a = xql_attr_find(name, true);
    if (a == XQL_ATTR_NONE) {
        const char *nearest = xql_attr_nearest(name, false);
        return xql_fail_at(p->place, p->err, p->token.at, XOS_INVALID,
                           "unknown attribute \"%s\"%s%s%s", name, nearest ? ": did you mean " : "",
                           nearest ? nearest : "", nearest ? "?" : "");
    }
    *attr = a;
    return next(p);
}

static int parse_pack(struct want_parser *p, struct xql_want *w)
{
    if (w->layout != XQL_LAYOUT_NONE)
        return twice(p);
    w->layout = XQL_LAYOUT_PACK;
    return next(p);
}

static int parse_spread(struct want_parser *p, struct xql_want *w)
{
    if (w->layout != XQL_LAYOUT_NONE)
        return twice(p);
    w->layout = XQL_LAYOUT_SPREAD;
    if (next(p) < 0)
        return -1;
    if (p->token.kind != XQL_T_ASSIGN)
        return 0;
    return next(p) < 0 ? -1 : take_attr(p, false, &w->spread_by);
}

static int parse_same(struct want_parser *p, struct xql_want *w)
{
    if (w->same != XQL_ATTR_NONE)
        return twice(p);
    if (next(p) < 0)
        return -1;
    if (p->token.kind != XQL_T_OPEN)
        return expected(p, "( and an attribute, as in same(arch)");
    if (next(p) < 0 || take_attr(p, true, &w->same) < 0)
        return -1;
    return p->token.kind == XQL_T_CLOSE ? next(p) : expected(p, ")");
}

static const struct {
    const char *word;
    int (*parse)(struct want_parser *p, struct xql_want *w);
} wants[] = {{"spread", parse_spread}, {"pack", parse_pack}, {"same", parse_same}};

static int parse_one(struct want_parser *p, struct xql_want *w)
{
    for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++)
        if (p->token.kind == XQL_T_WORD && strcmp(wants[i].word, p->token.text) == 0)
            return wants[i].parse(p, w);
    return expected(p, "spread, pack, spread=ATTRIBUTE or same(ATTRIBUTE)");
}

int xql_parse_want(struct xql_want *out, const char *text, struct xql_place *place,
                   struct xos_error *err)
{
    struct want_parser p = {.lex = {.text = text}, .place = place, .err = err};
    struct xql_want w = XQL_WANT_NONE;
    if (place)
        place->column = 0;
    if (strnlen(text, XQL_SOURCE_BYTES_MAX + 1) > XQL_SOURCE_BYTES_MAX)
        return xql_fail_at(place, err, XQL_SOURCE_BYTES_MAX, XOS_LIMIT,
                           "longer than XQL_SOURCE_BYTES_MAX (%u)", XQL_SOURCE_BYTES_MAX);
    do {
        if (next(&p) < 0 || parse_one(&p, &w) < 0)
            return -1;
    } while (p.token.kind == XQL_T_SEMICOLON);
    if (p.token.kind != XQL_T_END)
        return expected(&p, "; or the end");
    *out = w;
    return 0;
}

int xql_want_print(const struct xql_want *w, struct xos_buf *out, struct xos_error *err)
{
    static const char *const layouts[] = {"", "spread", "pack"};
    const char *by = w->spread_by == XQL_ATTR_NONE ? "" : xql_attr_row(w->spread_by)->full;
    const char *same = w->same == XQL_ATTR_NONE ? "" : xql_attr_row(w->same)->full;
    return xos_buf_addf(out, err, "%s%s%s%s%s%s%s", layouts[w->layout], *by ? "=" : "", by,
                        w->layout && *same ? "; " : "", *same ? "same(" : "", same,
                        *same ? ")" : "");
}
