// SPDX-License-Identifier: Apache-2.0
/* row.h - what one node says about itself: a value per attribute, and its devices.
 *
 * A value that was never set is missing: UNKNOWN to a need. Texts are printable ASCII of at most
 * XQL_TEXT_BYTES_MAX bytes: longer ones are cut, other bytes become '?', so that a row can be put
 * on a terminal, into JSON and into a message as it is. */
#ifndef DISCOVERY_QUERY_ROW_H
#define DISCOVERY_QUERY_ROW_H

#include "discovery/query/attr.h"

#include <jansson.h>

#define XQL_TEXT_BYTES_MAX 63u /* one text value, without its NUL */
#define XQL_DEVICES_MAX 64u    /* of one node */

struct xql_value {
    bool known;
    union {
        char text[XQL_TEXT_BYTES_MAX + 1]; /* TEXT, VERSION */
        double number;                     /* NUMBER; finite */
        uint64_t integer;                  /* SIZE in bytes, DURATION in milliseconds */
        bool flag;                         /* BOOL */
    } is;
};

struct xql_device {
    struct xql_value value[XQL_GPU_ATTRS]; /* indexed by attribute - XQL_NODE_ATTRS */
};

/* {0} is an empty row. */
struct xql_row {
    struct xql_value value[XQL_NODE_ATTRS];
    struct xql_device *device; /* owned */
    size_t device_count;
};

void xql_row_free(struct xql_row *row); /* what it holds; leaves it empty */
int xql_row_copy(struct xql_row *to, const struct xql_row *from, struct xos_error *err);
bool xql_row_equal(const struct xql_row *a, const struct xql_row *b);

/* Append a device about which nothing is known; *index is its place. XOS_LIMIT: XQL_DEVICES_MAX. */
int xql_row_add_device(struct xql_row *row, size_t *index, struct xos_error *err);

/* Set one value. The type must be the attribute's (asserted); `device` is the place of an existing
 * device, ignored for an attribute of the node. A number that is not finite is missing. */
void xql_row_set_text(struct xql_row *row, size_t device, enum xql_attr a, const char *text);
void xql_row_set_number(struct xql_row *row, size_t device, enum xql_attr a, double number);
void xql_row_set_integer(struct xql_row *row, size_t device, enum xql_attr a, uint64_t integer);
void xql_row_set_flag(struct xql_row *row, size_t device, enum xql_attr a, bool flag);
void xql_row_unset(struct xql_row *row, size_t device, enum xql_attr a);

/* Set one value from its text, as a user would write it: "64GiB", "6.1", "true". */
int xql_row_set(struct xql_row *row, size_t device, enum xql_attr a, const char *text,
                struct xos_error *err);

/* The value, or NULL when it is missing. Borrowed. */
const struct xql_value *xql_row_get(const struct xql_row *row, size_t device, enum xql_attr a);

/* Print a value for people: "64GiB", "16", "true". */
void xql_value_print(enum xql_attr a, const struct xql_value *v, char *text, size_t size);

/* {"node": "n1", "mem": 68719476736, …, "gpu": [{"vendor": …}, …]}: only what is known, sizes in
 * bytes, durations in seconds. The caller drops the reference. */
int xql_row_json(const struct xql_row *row, json_t **out, struct xos_error *err);

#endif
