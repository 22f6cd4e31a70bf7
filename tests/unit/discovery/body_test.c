// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: what a node has is not what others see of it, or a node passes itself off as
 * another institution's. */
#include "discovery/body.h"
#include "discovery/discovery.pb-c.h"
#include "libxos/wire/pb.h"
#include "tests/lib/xtest.h"
#include "tests/unit/query/row_of.h"
#include "vo-auth/auth.h"

static int fill(struct node_body *b, const char *row, struct xos_error *err)
{
    *b = (struct node_body){.roles = AUTH_NODE_HEAD | AUTH_NODE_WORKER, .reach.count = 2};
    (void)snprintf(b->reach.at[0].host, sizeof(b->reach.at[0].host), "192.0.2.1");
    (void)snprintf(b->reach.at[1].host, sizeof(b->reach.at[1].host), "2001:db8::1");
    b->reach.at[0].overlay_port = 7401;
    b->reach.at[0].bulk_port = 7402;
    b->reach.at[1].overlay_port = 65535;
    return row_of(&b->row, row, err);
}

static struct xos_slice slice(const struct xos_buf *b)
{
    return (struct xos_slice){b->data, b->len};
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "node=n1.inria; institution=inria; mem=64GiB; cpu.cores=16; load1=0.5; vm.accel=true",
        "mem=64GiB; gpu; vram=80GiB; cc=9.0; mig=false; gpu; model=x; gpu",
        "kernel=6.1.0; power.watts=0.25; price=3; state=draining",
    };
    struct xos_error err = {0};
    struct node_body b = {.roles = 0}, got = {.roles = 0};
    struct xos_buf out = XOS_BUF(BODY_READ_BYTES_MAX);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        XT_TRY(fill(&b, rows[i], &err));
        xos_buf_clear(&out);
        XT_TRY(node_body_write(&out, &b, &err));
        XT_TRY(node_body_read(&got, slice(&out), &err));
        assert_true(xql_row_equal(&b.row, &got.row));
        assert_int_equal(got.roles, b.roles);
        assert_int_equal(got.reach.count, 2);
        assert_string_equal(got.reach.at[1].host, "2001:db8::1");
        assert_int_equal(got.reach.at[1].overlay_port, 65535);
        assert_int_equal(got.reach.at[0].bulk_port, 7402);
        node_body_free(&b);
        node_body_free(&got);
    }
out:
    node_body_free(&b);
    node_body_free(&got);
    xos_buf_free(&out);
}

static void devices_that_do_not_fit_are_left_out(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct node_body b = {.roles = 0}, got = {.roles = 0};
    struct xos_buf out = XOS_BUF(BODY_READ_BYTES_MAX);
    size_t at;
    XT_TRY(fill(&b, "mem=64GiB", &err));
    while (b.row.device_count < XQL_DEVICES_MAX) {
        XT_TRY(xql_row_add_device(&b.row, &at, &err));
        XT_TRY(xql_row_set(&b.row, at, xql_attr_find("model", true),
                           "a model with a name that is as long as it may be, or nearly so", &err));
    }
    XT_TRY(node_body_write(&out, &b, &err));
    assert_true(out.len <= BODY_BYTES_MAX);
    XT_TRY(node_body_read(&got, slice(&out), &err));
    assert_in_range(got.row.device_count, 1, XQL_DEVICES_MAX - 1);
    assert_int_equal(got.reach.count, 2);
out:
    node_body_free(&b);
    node_body_free(&got);
    xos_buf_free(&out);
}

/* One thing wrong with a message. */
static void host_empty(Xos__Discovery__RowBody *m)
{
    m->addresses[0]->host.len = 0;
}

static void host_long(Xos__Discovery__RowBody *m)
{
    static char text[DISCOVERY_HOST_BYTES + 1];
    memset(text, 'x', sizeof(text) - 1);
    m->addresses[0]->host = xos_pb_text(text);
}

static void host_with_a_nul(Xos__Discovery__RowBody *m)
{
    static uint8_t bytes[] = {'1', 0, '2'};
    m->addresses[0]->host = (ProtobufCBinaryData){sizeof(bytes), bytes};
}

static void port_large(Xos__Discovery__RowBody *m)
{
    m->addresses[0]->bulk_port = 65536;
}

static void addresses_many(Xos__Discovery__RowBody *m)
{
    static Xos__Discovery__Address *list[DISCOVERY_ADDRESSES_MAX + 1];
    for (size_t i = 0; i <= DISCOVERY_ADDRESSES_MAX; i++)
        list[i] = m->addresses[0];
    m->addresses = list;
    m->n_addresses = DISCOVERY_ADDRESSES_MAX + 1;
}

static void devices_many(Xos__Discovery__RowBody *m)
{
    static Xos__Discovery__Device one = XOS__DISCOVERY__DEVICE__INIT, *list[XQL_DEVICES_MAX + 1];
    for (size_t i = 0; i <= XQL_DEVICES_MAX; i++)
        list[i] = &one;
    m->devices = list;
    m->n_devices = XQL_DEVICES_MAX + 1;
}

static void attributes_many(Xos__Discovery__RowBody *m)
{
    static Xos__Discovery__Attribute one;
    static Xos__Discovery__Attribute *list[BODY_ATTRIBUTES_MAX + 1];
    xos__discovery__attribute__init(&one);
    for (size_t i = 0; i <= BODY_ATTRIBUTES_MAX; i++)
        list[i] = &one;
    m->attributes = list;
    m->n_attributes = BODY_ATTRIBUTES_MAX + 1;
}

static void what_is_none_is_refused(void **state)
{
    (void)state;
    static const struct {
        void (*change)(Xos__Discovery__RowBody *m);
        enum xos_code code;
    } rows[] = {{host_empty, XOS_PROTOCOL},      {host_long, XOS_PROTOCOL},
                {host_with_a_nul, XOS_PROTOCOL}, {port_large, XOS_PROTOCOL},
                {addresses_many, XOS_LIMIT},     {devices_many, XOS_LIMIT},
                {attributes_many, XOS_LIMIT}};
    struct xos_error err = {0};
    struct xos_buf out = XOS_BUF(BODY_READ_BYTES_MAX);
    struct node_body got = {.roles = 0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Xos__Discovery__Address at = XOS__DISCOVERY__ADDRESS__INIT, *list[] = {&at};
        Xos__Discovery__RowBody m = XOS__DISCOVERY__ROW_BODY__INIT;
        at.host = xos_pb_text("192.0.2.1");
        m.addresses = list;
        m.n_addresses = 1;
        rows[i].change(&m);
        xos_buf_clear(&out);
        XT_TRY(xos_pb_pack(&m, &out, &err));
        XT_REFUSED(node_body_read(&got, slice(&out), &err), rows[i].code);
    }
    XT_REFUSED(node_body_read(&got, (struct xos_slice){(const uint8_t *)"\xff\xff", 2}, &err),
               XOS_PROTOCOL);
out:
    xos_buf_free(&out);
}

/* A newer build's attribute, or one of another type than ours, is as good as missing. */
static void what_this_build_does_not_know_is_skipped(void **state)
{
    (void)state;
    struct xos_error err = {0};
    Xos__Discovery__RowBody m = XOS__DISCOVERY__ROW_BODY__INIT;
    Xos__Discovery__Attribute at[3], *list[] = {&at[0], &at[1], &at[2]};
    static const char *const names[] = {"quantum.bits", "mem", ""};
    struct xos_buf out = XOS_BUF(BODY_READ_BYTES_MAX);
    struct node_body got = {.roles = 0};
    struct xql_row empty = {.device_count = 0};
    for (size_t i = 0; i < 3; i++) {
        xos__discovery__attribute__init(&at[i]);
        at[i].name = xos_pb_text(names[i]);
        at[i].value_case = XOS__DISCOVERY__ATTRIBUTE__VALUE_TEXT;
        at[i].text = xos_pb_text("much");
    }
    m.attributes = list;
    m.n_attributes = 3;
    XT_TRY(xos_pb_pack(&m, &out, &err));
    XT_TRY(node_body_read(&got, slice(&out), &err));
    assert_true(xql_row_equal(&got.row, &empty));
out:
    node_body_free(&got);
    xos_buf_free(&out);
}

static void a_node_does_not_say_whose_it_is(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct node_body b = {.roles = 0};
    XT_TRY(fill(&b, "node=n1.inria; institution=inria; mem=64GiB", &err));
    node_body_certify(&b, "n7.vu", AUTH_NODE_WORKER | AUTH_NODE_STORAGE);
    assert_string_equal(xql_row_get(&b.row, 0, XQL_A_NODE)->is.text, "n7.vu");
    assert_string_equal(xql_row_get(&b.row, 0, XQL_A_INSTITUTION)->is.text, "vu");
    assert_int_equal(b.roles, AUTH_NODE_WORKER);
    node_body_certify(&b, "n7.vu", 0);
    assert_int_equal(b.roles, 0);
out:
    node_body_free(&b);
}

static const struct xt_test tests[] = {
    XT(what_is_written_is_read),         XT(devices_that_do_not_fit_are_left_out),
    XT(what_is_none_is_refused),         XT(what_this_build_does_not_know_is_skipped),
    XT(a_node_does_not_say_whose_it_is),
};
XT_MAIN(tests)
