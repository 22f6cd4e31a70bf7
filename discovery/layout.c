// SPDX-License-Identifier: Apache-2.0
/* layout.c - a want and a preference, read for whoever places units, and what nodes say of them. */
#include "discovery/discovery.h"
#include "discovery/query/parse.h"
#include "discovery/query/rank.h"
#include "discovery/query/row.h"
#include "discovery/query/want.h"

#include "libxos/base/alloc.h"

#include <stdlib.h>
#include <string.h>

int discovery_want(struct discovery_want *out, const char *text, struct xos_error *err)
{
    struct xql_want w = XQL_WANT_NONE;
    if (text && text[0] && xql_parse_want(&w, text, NULL, err) < 0)
        return xos_wrap(err, "--want");
    *out = (struct discovery_want){.pack = w.layout == XQL_LAYOUT_PACK,
                                   .groups = w.spread_by != XQL_ATTR_NONE,
                                   .same = w.same != XQL_ATTR_NONE,
                                   .by = w.spread_by,
                                   .same_attr = w.same};
    return 0;
}

static void print(const struct xql_row *row, size_t device, enum xql_attr a,
                  char to[static DISCOVERY_VALUE_BYTES])
{
    const struct xql_value *v = xql_row_get(row, device, a);
    to[0] = '\0';
    if (v)
        xql_value_print(a, v, to, DISCOVERY_VALUE_BYTES);
}

/* Which of its devices a unit gets is not known, so all must agree. */
static void print_devices(const struct xql_row *row, enum xql_attr a,
                          char to[static DISCOVERY_VALUE_BYTES])
{
    char other[DISCOVERY_VALUE_BYTES];
    for (size_t i = 0; i < row->device_count; i++) {
        print(row, i, a, i == 0 ? to : other);
        if (i > 0 && strcmp(to, other) != 0)
            to[0] = '\0';
        if (!to[0])
            return;
    }
}

static void print_of(const struct xql_row *row, bool asked, enum xql_attr a,
                     char to[static DISCOVERY_VALUE_BYTES])
{
    to[0] = '\0';
    if (!asked)
        return;
    if (xql_attr_of_device(a))
        print_devices(row, a, to);
    else
        print(row, 0, a, to);
}

void discovery_want_values(const struct discovery_want *w, const struct discovery_node *node,
                           char group[static DISCOVERY_VALUE_BYTES],
                           char same[static DISCOVERY_VALUE_BYTES])
{
    print_of(node->row, w->groups, (enum xql_attr)w->by, group);
    print_of(node->row, w->same, (enum xql_attr)w->same_attr, same);
}

/* Preference */

struct liked {
    struct xql_rank rank;
    size_t at; /* the how manieth that was added */
};

struct discovery_prefer {
    struct xql_expr expr;
    size_t count;
    struct liked list[DISCOVERY_PREFER_MAX];
};

int discovery_prefer_new(struct discovery_prefer **out, const char *text, struct xos_error *err)
{
    struct discovery_prefer *p = xos_alloc(sizeof(*p));
    if (!p)
        return xos_fail(err, XOS_NOMEM, "--prefer");
    if (xql_parse_rank(&p->expr, text, NULL, err) < 0) {
        xos_free(p);
        return xos_wrap(err, "--prefer");
    }
    *out = p;
    return 0;
}

void discovery_prefer_free(struct discovery_prefer *p)
{
    xos_free(p);
}

void discovery_prefer_add(struct discovery_prefer *p, const struct discovery_node *node)
{
    if (p->count == DISCOVERY_PREFER_MAX)
        return;
    p->list[p->count] = (struct liked){.rank = xql_rank(&p->expr, node->row), .at = p->count};
    p->count++;
}

static int by_rank(const void *a, const void *b)
{
    const struct liked *x = a, *y = b;
    return xql_rank_order(&x->rank, &y->rank);
}

void discovery_prefer_places(struct discovery_prefer *p, uint32_t *places)
{
    uint32_t place = 0;
    qsort(p->list, p->count, sizeof(p->list[0]), by_rank);
    for (size_t i = 0; i < p->count; i++) {
        if (i && by_rank(&p->list[i - 1], &p->list[i]) != 0)
            place = (uint32_t)i;
        places[p->list[i].at] = place;
    }
}
