// SPDX-License-Identifier: Apache-2.0
#include "discovery/query/row.h"

#include "discovery/query/number.h"
#include "libxos/base/alloc.h"
#include "libxos/base/units.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void xql_row_free(struct xql_row *row)
{
    if (!row)
        return;
    xos_free(row->device);
    *row = (struct xql_row){0};
}

int xql_row_copy(struct xql_row *to, const struct xql_row *from, struct xos_error *err)
{
    struct xql_device *devices = NULL;
    if (from->device_count) {
        devices = xos_memdup(from->device, from->device_count * sizeof(*devices));
        if (!devices)
            return xos_fail(err, XOS_NOMEM, "copy a node's row");
    }
    xql_row_free(to);
    *to = *from;
    to->device = devices;
    return 0;
}

int xql_row_add_device(struct xql_row *row, size_t *index, struct xos_error *err)
{
    if (row->device_count >= XQL_DEVICES_MAX)
        return xos_fail(err, XOS_LIMIT, "more than XQL_DEVICES_MAX (%u) devices", XQL_DEVICES_MAX);
    struct xql_device *more =
        xos_realloc_array(row->device, row->device_count + 1, sizeof(*row->device));
    if (!more)
        return xos_fail(err, XOS_NOMEM, "add a device to a row");
    row->device = more;
    *index = row->device_count++;
    memset(&row->device[*index], 0, sizeof(row->device[0]));
    return 0;
}

static struct xql_value *slot(struct xql_row *row, size_t device, enum xql_attr a)
{
    if (!xql_attr_of_device(a)) {
        assert((unsigned)a < XQL_NODE_ATTRS);
        return &row->value[a];
    }
    assert(device < row->device_count);
    return &row->device[device].value[a - XQL_NODE_ATTRS];
}

const struct xql_value *xql_row_get(const struct xql_row *row, size_t device, enum xql_attr a)
{
    if (xql_attr_of_device(a) && device >= row->device_count)
        return NULL;
    const struct xql_value *v =
        xql_attr_of_device(a) ? &row->device[device].value[a - XQL_NODE_ATTRS] : &row->value[a];
    return v->known ? v : NULL;
}

static bool is_text(enum xql_type t)
{
    return t == XQL_TEXT || t == XQL_VERSION;
}

/* The slot, emptied: what a value leaves unused is always zero, so that rows compare bytewise. */
static struct xql_value *fresh(struct xql_row *row, size_t device, enum xql_attr a)
{
    struct xql_value *v = slot(row, device, a);
    memset(v, 0, sizeof(*v));
    return v;
}

void xql_row_set_text(struct xql_row *row, size_t device, enum xql_attr a, const char *text)
{
    assert(is_text(xql_attr_row(a)->type));
    struct xql_value *v = fresh(row, device, a);
    for (size_t i = 0; i < XQL_TEXT_BYTES_MAX && text[i]; i++)
        v->is.text[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    v->known = true;
}

void xql_row_set_number(struct xql_row *row, size_t device, enum xql_attr a, double number)
{
    assert(xql_attr_row(a)->type == XQL_NUMBER);
    struct xql_value *v = fresh(row, device, a);
    v->known = isfinite(number);
    v->is.number = v->known ? number : 0;
}

void xql_row_set_integer(struct xql_row *row, size_t device, enum xql_attr a, uint64_t integer)
{
    assert(xql_attr_row(a)->type == XQL_SIZE || xql_attr_row(a)->type == XQL_DURATION);
    struct xql_value *v = fresh(row, device, a);
    v->is.integer = integer;
    v->known = true;
}

void xql_row_set_flag(struct xql_row *row, size_t device, enum xql_attr a, bool flag)
{
    assert(xql_attr_row(a)->type == XQL_BOOL);
    struct xql_value *v = fresh(row, device, a);
    v->is.flag = flag;
    v->known = true;
}

void xql_row_unset(struct xql_row *row, size_t device, enum xql_attr a)
{
    (void)fresh(row, device, a);
}

bool xql_row_equal(const struct xql_row *a, const struct xql_row *b)
{
    return a->device_count == b->device_count &&
           memcmp(a->value, b->value, sizeof(a->value)) == 0 &&
           (a->device_count == 0 ||
            memcmp(a->device, b->device, a->device_count * sizeof(*a->device)) == 0);
}

static int set_number(struct xql_row *row, size_t device, enum xql_attr a, const char *text,
                      struct xos_error *err)
{
    bool negative = text[0] == '-';
    double number;
    if (xql_number_parse(text + negative, &number, err) < 0)
        return -1;
    xql_row_set_number(row, device, a, negative ? -number : number);
    return 0;
}

static int set_integer(struct xql_row *row, size_t device, enum xql_attr a, const char *text,
                       struct xos_error *err)
{
    uint64_t integer;
    int rc = xql_attr_row(a)->type == XQL_SIZE ? xos_parse_size(text, &integer, err)
                                               : xos_parse_duration(text, &integer, err);
    if (rc == 0)
        xql_row_set_integer(row, device, a, integer);
    return rc;
}

static int set_flag(struct xql_row *row, size_t device, enum xql_attr a, const char *text,
                    struct xos_error *err)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return xos_fail(err, XOS_INVALID, "\"%.40s\" is neither true nor false", text);
    xql_row_set_flag(row, device, a, text[0] == 't');
    return 0;
}

static int set_text(struct xql_row *row, size_t device, enum xql_attr a, const char *text,
                    struct xos_error *err)
{
    if (strlen(text) > XQL_TEXT_BYTES_MAX)
        return xos_fail(err, XOS_LIMIT, "\"%.40s…\" has more than XQL_TEXT_BYTES_MAX (%u) bytes",
                        text, XQL_TEXT_BYTES_MAX);
    xql_row_set_text(row, device, a, text);
    return 0;
}

typedef int (*set_f)(struct xql_row *row, size_t device, enum xql_attr a, const char *text,
                     struct xos_error *err);
static const set_f setters[XQL_TYPE_COUNT] = {
    [XQL_TEXT] = set_text,    [XQL_VERSION] = set_text, [XQL_NUMBER] = set_number,
    [XQL_SIZE] = set_integer, [XQL_BOOL] = set_flag,    [XQL_DURATION] = set_integer,
};

int xql_row_set(struct xql_row *row, size_t device, enum xql_attr a, const char *text,
                struct xos_error *err)
{
    if (setters[xql_attr_row(a)->type](row, device, a, text, err) < 0)
        return xos_wrap(err, "%s", xql_attr_row(a)->full);
    return 0;
}

void xql_value_print(enum xql_attr a, const struct xql_value *v, char *text, size_t size)
{
    enum xql_type t = xql_attr_row(a)->type;
    if (!v || !v->known)
        (void)snprintf(text, size, "unknown");
    else if (is_text(t))
        (void)snprintf(text, size, "%s", v->is.text);
    else if (t == XQL_NUMBER)
        xql_number_print(v->is.number, text, size);
    else if (t == XQL_SIZE)
        xos_format_size(v->is.integer, text, size);
    else if (t == XQL_DURATION)
        xos_format_duration(v->is.integer, text, size);
    else
        (void)snprintf(text, size, "%s", v->is.flag ? "true" : "false");
}

static json_t *value_json(enum xql_attr a, const struct xql_value *v)
{
    switch (xql_attr_row(a)->type) {
    case XQL_NUMBER:
        return v->is.number == floor(v->is.number) && fabs(v->is.number) < XQL_NUMBER_MAX
                   ? json_integer((json_int_t)v->is.number)
                   : json_real(v->is.number);
    case XQL_SIZE:
        return json_integer(v->is.integer > INT64_MAX ? INT64_MAX : (json_int_t)v->is.integer);
    case XQL_DURATION:
        return json_real((double)v->is.integer / 1000);
    case XQL_BOOL:
        return json_boolean(v->is.flag);
    case XQL_TEXT:
    case XQL_VERSION:
        return json_string(v->is.text);
    default:
        return NULL;
    }
}

static int add_values(json_t *to, const struct xql_row *row, size_t device, unsigned from,
                      unsigned end)
{
    for (unsigned a = from; a < end; a++) {
        const struct xql_value *v = xql_row_get(row, device, (enum xql_attr)a);
        if (v && json_object_set_new(to, xql_attr_row((enum xql_attr)a)->name,
                                     value_json((enum xql_attr)a, v)) < 0)
            return -1;
    }
    return 0;
}

static int add_devices(json_t *to, const struct xql_row *row)
{
    json_t *list = json_array();
    if (json_object_set_new(to, "gpu", list) < 0)
        return -1;
    for (size_t d = 0; d < row->device_count; d++) {
        json_t *one = json_object();
        if (json_array_append_new(list, one) < 0 ||
            add_values(one, row, d, XQL_NODE_ATTRS, XQL_ATTRS) < 0)
            return -1;
    }
    return 0;
}

int xql_row_json(const struct xql_row *row, json_t **out, struct xos_error *err)
{
    json_t *all = json_object();
    if (!all || add_values(all, row, 0, 0, XQL_NODE_ATTRS) < 0 || add_devices(all, row) < 0) {
        json_decref(all);
        return xos_fail(err, XOS_NOMEM, "a node's row as JSON");
    }
    *out = all;
    return 0;
}
