// SPDX-License-Identifier: Apache-2.0
/* row_of.h - a row written as text, for tests: "mem=64GiB; cpu.cores=16; gpu; vram=80GiB; gpu". */
#ifndef TESTS_UNIT_QUERY_ROW_OF_H
#define TESTS_UNIT_QUERY_ROW_OF_H

#include "discovery/query/row.h"

#include <stdio.h>
#include <string.h>

static inline int row_of(struct xql_row *row, const char *text, struct xos_error *err)
{
    char copy[8192], *rest = copy, *item;
    size_t device = 0;
    (void)snprintf(copy, sizeof(copy), "%s", text);
    while ((item = strsep(&rest, ";"))) {
        item += strspn(item, " ");
        char *value = strchr(item, '=');
        if (strcmp(item, "gpu") == 0 && xql_row_add_device(row, &device, err) < 0)
            return -1;
        if (!value)
            continue;
        *value++ = '\0';
        enum xql_attr a = xql_attr_find(item, row->device_count > 0);
        if (a == XQL_ATTR_NONE)
            return xos_fail(err, XOS_INTERNAL, "test row: no attribute %s", item);
        if (xql_row_set(row, device, a, value, err) < 0)
            return -1;
    }
    return 0;
}

#endif
