// SPDX-License-Identifier: Apache-2.0
#include "discovery/body.h"

#include "discovery/discovery.pb-c.h"
#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"

#include <stdio.h>
#include <string.h>

void node_body_free(struct node_body *b)
{
    xql_row_free(&b->row);
    *b = (struct node_body){.roles = 0};
}

/* Writing */

struct one {
    Xos__Discovery__Attribute at[XQL_ATTRS], *list[XQL_ATTRS];
    size_t count;
};

static void put_value(Xos__Discovery__Attribute *m, enum xql_attr a, const struct xql_value *v)
{
    switch (xql_attr_row(a)->type) {
    case XQL_TEXT:
    case XQL_VERSION:
        m->value_case = XOS__DISCOVERY__ATTRIBUTE__VALUE_TEXT;
        m->text = xos_pb_text(v->is.text);
        break;
    case XQL_NUMBER:
        m->value_case = XOS__DISCOVERY__ATTRIBUTE__VALUE_NUMBER;
        m->number = v->is.number;
        break;
    case XQL_SIZE:
    case XQL_DURATION:
        m->value_case = XOS__DISCOVERY__ATTRIBUTE__VALUE_INTEGER;
        m->integer = v->is.integer;
        break;
    case XQL_BOOL:
        m->value_case = XOS__DISCOVERY__ATTRIBUTE__VALUE_FLAG;
        m->flag = v->is.flag;
        break;
    case XQL_NONE:
    case XQL_TYPE_COUNT:
    default:
        break;
    }
}

static void put_attributes(struct one *o, const struct xql_row *row, size_t device,
                           enum xql_attr from, enum xql_attr to)
{
    o->count = 0;
    for (enum xql_attr a = from; a < to; a++) {
        const struct xql_value *v = xql_row_get(row, device, a);
        if (!v)
            continue;
        Xos__Discovery__Attribute *m = o->list[o->count] = &o->at[o->count];
        xos__discovery__attribute__init(m);
        m->name = xos_pb_text(xql_attr_row(a)->name);
        put_value(m, a, v);
        o->count++;
    }
}

static void put_addresses(Xos__Discovery__RowBody *m, Xos__Discovery__Address *at,
                          Xos__Discovery__Address **list, const struct discovery_reach *reach)
{
    for (size_t i = 0; i < reach->count; i++) {
        xos__discovery__address__init(&at[i]);
        at[i].host = xos_pb_text(reach->at[i].host);
        at[i].overlay_port = reach->at[i].overlay_port;
        at[i].bulk_port = reach->at[i].bulk_port;
        list[i] = &at[i];
    }
    m->n_addresses = reach->count;
    m->addresses = list;
}

int node_body_write(struct xos_buf *out, const struct node_body *b, struct xos_error *err)
{
    Xos__Discovery__RowBody m = XOS__DISCOVERY__ROW_BODY__INIT;
    Xos__Discovery__Address at[DISCOVERY_ADDRESSES_MAX], *addresses[DISCOVERY_ADDRESSES_MAX];
    Xos__Discovery__Device devices[XQL_DEVICES_MAX], *list[XQL_DEVICES_MAX];
    struct one *of = xos_alloc_array(b->row.device_count + 1, sizeof(*of));
    if (!of)
        return xos_fail(err, XOS_NOMEM, "row");
    put_attributes(&of[0], &b->row, 0, 0, XQL_NODE_ATTRS);
    m.n_attributes = of[0].count;
    m.attributes = of[0].list;
    for (size_t i = 0; i < b->row.device_count; i++) {
        put_attributes(&of[i + 1], &b->row, i, (enum xql_attr)XQL_NODE_ATTRS, XQL_ATTRS);
        xos__discovery__device__init(&devices[i]);
        devices[i].n_attributes = of[i + 1].count;
        devices[i].attributes = of[i + 1].list;
        list[i] = &devices[i];
    }
    m.devices = list;
    m.n_devices = b->row.device_count;
    put_addresses(&m, at, addresses, &b->reach);
    m.roles = b->roles;
    while (m.n_devices && protobuf_c_message_get_packed_size(&m.base) > BODY_BYTES_MAX)
        m.n_devices--;
    int rc = xos_pb_pack(&m, out, err);
    xos_free(of);
    return rc;
}

/* Reading */

static void take_text(struct xql_row *row, size_t device, enum xql_attr a, ProtobufCBinaryData b)
{
    char text[XQL_TEXT_BYTES_MAX + 1];
    size_t n = b.len < XQL_TEXT_BYTES_MAX ? b.len : XQL_TEXT_BYTES_MAX;
    if (n)
        memcpy(text, b.data, n);
    text[n] = '\0';
    xql_row_set_text(row, device, a, text);
}

/* A value of another type than this build has for the name is as good as missing. */
static void take_value(struct xql_row *row, size_t device, enum xql_attr a,
                       const Xos__Discovery__Attribute *m)
{
    enum xql_type type = xql_attr_row(a)->type;
    if (m->value_case == XOS__DISCOVERY__ATTRIBUTE__VALUE_TEXT &&
        (type == XQL_TEXT || type == XQL_VERSION))
        take_text(row, device, a, m->text);
    else if (m->value_case == XOS__DISCOVERY__ATTRIBUTE__VALUE_NUMBER && type == XQL_NUMBER)
        xql_row_set_number(row, device, a, m->number);
    else if (m->value_case == XOS__DISCOVERY__ATTRIBUTE__VALUE_INTEGER &&
             (type == XQL_SIZE || type == XQL_DURATION))
        xql_row_set_integer(row, device, a, m->integer);
    else if (m->value_case == XOS__DISCOVERY__ATTRIBUTE__VALUE_FLAG && type == XQL_BOOL)
        xql_row_set_flag(row, device, a, m->flag != 0);
}

static int take_attributes(struct xql_row *row, size_t device, bool of_device, size_t count,
                           Xos__Discovery__Attribute **list, struct xos_error *err)
{
    char name[32];
    if (count > BODY_ATTRIBUTES_MAX)
        return xos_fail(err, XOS_LIMIT, "BODY_ATTRIBUTES_MAX: %zu attributes", count);
    for (size_t i = 0; i < count; i++) {
        ProtobufCBinaryData b = list[i]->name;
        if (b.len == 0 || b.len >= sizeof(name))
            continue;
        memcpy(name, b.data, b.len);
        name[b.len] = '\0';
        enum xql_attr a = xql_attr_find(name, of_device);
        if (a != XQL_ATTR_NONE)
            take_value(row, device, a, list[i]);
    }
    return 0;
}

static int take_devices(struct xql_row *row, const Xos__Discovery__RowBody *m,
                        struct xos_error *err)
{
    for (size_t i = 0; i < m->n_devices; i++) {
        size_t at;
        if (xql_row_add_device(row, &at, err) < 0 ||
            take_attributes(row, at, true, m->devices[i]->n_attributes, m->devices[i]->attributes,
                            err) < 0)
            return -1;
    }
    return 0;
}

static int take_addresses(struct discovery_reach *reach, const Xos__Discovery__RowBody *m,
                          struct xos_error *err)
{
    if (m->n_addresses > DISCOVERY_ADDRESSES_MAX)
        return xos_fail(err, XOS_LIMIT, "DISCOVERY_ADDRESSES_MAX: %zu addresses", m->n_addresses);
    for (size_t i = 0; i < m->n_addresses; i++) {
        const Xos__Discovery__Address *a = m->addresses[i];
        if (a->host.len == 0 || a->host.len >= DISCOVERY_HOST_BYTES ||
            memchr(a->host.data, 0, a->host.len) || a->overlay_port > UINT16_MAX ||
            a->bulk_port > UINT16_MAX)
            return xos_fail(err, XOS_PROTOCOL, "an address that is none");
        memcpy(reach->at[i].host, a->host.data, a->host.len);
        reach->at[i].host[a->host.len] = '\0';
        reach->at[i].overlay_port = a->overlay_port;
        reach->at[i].bulk_port = a->bulk_port;
    }
    reach->count = m->n_addresses;
    return 0;
}

int node_body_read(struct node_body *out, struct xos_slice bytes, struct xos_error *err)
{
    struct node_body b = {.roles = 0};
    Xos__Discovery__RowBody *m = xos_pb_unpack(&xos__discovery__row_body__descriptor, bytes,
                                               BODY_READ_BYTES_MAX, XOS_PB_TOLERANT, err);
    int rc = m ? take_attributes(&b.row, 0, false, m->n_attributes, m->attributes, err) : -1;
    if (rc == 0)
        rc = take_devices(&b.row, m, err);
    if (rc == 0)
        rc = take_addresses(&b.reach, m, err);
    if (m)
        b.roles = m->roles;
    xos_pb_free(m);
    if (rc < 0) {
        node_body_free(&b);
        return xos_wrap(err, "row");
    }
    *out = b;
    return 0;
}

void node_body_certify(struct node_body *b, const char *node, uint32_t roles)
{
    const char *dot = strrchr(node, '.');
    b->roles &= roles;
    xql_row_set_text(&b->row, 0, XQL_A_NODE, node);
    xql_row_set_text(&b->row, 0, XQL_A_INSTITUTION, dot ? dot + 1 : "");
}
