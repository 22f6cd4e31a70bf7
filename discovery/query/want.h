// SPDX-License-Identifier: Apache-2.0
/* want.h - how the units of one job shall lie: --want spread, pack, spread=institution, same(arch).
 *
 * Several are parted by `;`: "pack; same(gpu.model)". Pure data: placement acts on it. */
#ifndef DISCOVERY_QUERY_WANT_H
#define DISCOVERY_QUERY_WANT_H

#include "discovery/query/lex.h"

enum xql_layout { XQL_LAYOUT_NONE, XQL_LAYOUT_SPREAD, XQL_LAYOUT_PACK };

/* Begin with XQL_WANT_NONE: an attribute that is not asked for is XQL_ATTR_NONE. */
struct xql_want {
    enum xql_layout layout;
    enum xql_attr spread_by; /* spread=ATTR: over its values, as evenly as they go */
    enum xql_attr same;      /* same(ATTR): all units where it has one value; may be a device's */
};

#define XQL_WANT_NONE ((struct xql_want){XQL_LAYOUT_NONE, XQL_ATTR_NONE, XQL_ATTR_NONE})

/* On an error *out is untouched; *err and *place are as xql_parse leaves them. */
int xql_parse_want(struct xql_want *out, const char *text, struct xql_place *place,
                   struct xos_error *err);

/* The canonical text; reads back to the same. Nothing for XQL_WANT_NONE. */
int xql_want_print(const struct xql_want *w, struct xos_buf *out, struct xos_error *err);

#endif
