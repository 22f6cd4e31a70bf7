// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a small message takes all of a node's memory, or a signed one says two things.
 */
#include "discovery/discovery.pb-c.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/wire/pb.h"
#include "libxos/wire/wire.pb-c.h"
#include "tests/lib/xtest.h"
#include "tests/unit/wire/samples.h"

#define SPEC &xos__job__spec_pb__descriptor
#define BYTES_MAX ((size_t)1 << 20)

static void it_goes_round(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf bytes = XOS_BUF(BYTES_MAX);
    Xos__Job__SpecPb m = XOS__JOB__SPEC_PB__INIT, *back = NULL;
    Xos__Job__FilePb file = XOS__JOB__FILE_PB__INIT, *files[] = {&file};
    ProtobufCBinaryData words[] = {xos_pb_text("ls"), xos_pb_text(""), xos_pb_text("-l")};
    m.n_argv = 3;
    m.argv = words;
    m.units = 7;
    m.n_in = 1;
    m.in = files;
    file.name = xos_pb_text("a");
    XT_TRY(xos_pb_pack(&m, &bytes, &err));
    assert_int_equal(bytes.data[bytes.len], 0);
    for (int strict = 0; strict < 2; strict++) {
        XT_PTR(back = xos_pb_unpack(SPEC, sample_slice(&bytes), BYTES_MAX,
                                    strict ? XOS_PB_STRICT : XOS_PB_TOLERANT, &err));
        assert_int_equal(back->n_argv, 3);
        assert_memory_equal(back->argv[2].data, "-l", 2);
        assert_int_equal(back->units, 7);
        assert_int_equal(back->in[0]->name.len, 1);
        xos_pb_free(back);
        back = NULL;
    }
out:
    xos_pb_free(back);
    xos_buf_free(&bytes);
}

/* Without a byte there is a message all the same: every field has its preset. */
static void nothing_is_a_message(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf bytes = XOS_BUF(0);
    Xos__Job__SpecPb *m = NULL;
    XT_PTR(m = xos_pb_unpack(SPEC, (struct xos_slice){NULL, 0}, BYTES_MAX, XOS_PB_STRICT, &err));
    assert_int_equal(m->n_argv, 0);
    XT_TRY(xos_pb_pack(m, &bytes, &err));
    assert_int_equal(bytes.len, 0);
out:
    xos_pb_free(m);
    xos_pb_free(NULL);
    xos_buf_free(&bytes);
}

static int unpack(struct xos_slice data, size_t bytes_max, enum xos_pb_mode mode,
                  struct xos_error *err)
{
    void *m = xos_pb_unpack(SPEC, data, bytes_max, mode, err);
    xos_pb_free(m);
    return m ? 0 : -1;
}

static void size_and_form_are_checked(void **state)
{
    (void)state;
    struct xos_error err = {0};
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        {"\x0a", 1}, /* a length is missing */
        {"\x0a\x05"  /* bytes are missing */
         "ab",
         4},
        {"\x0a\xff\xff\xff\xff\x0f", 6},                          /* 4 GiB are announced */
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},     /* more than there is memory */
        {"\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12}, /* a varint of 11 bytes */
        {"\x07", 1},                                              /* a wire type that is none */
        {"\x00\x01", 2},                                          /* field 0 */
        {"\xc2\x01\x02\x0a\x09", 5},                              /* bytes missing inside `in` */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct xos_slice data = {(const uint8_t *)bad[i].bytes, bad[i].len};
        XT_REFUSED(unpack(data, BYTES_MAX, XOS_PB_TOLERANT, &err), XOS_PROTOCOL);
    }
    XT_REFUSED(unpack(sample_text("123"), 2, XOS_PB_TOLERANT, &err), XOS_LIMIT);
}

/* Each of these says what another encoding says too: signed, there must be one. */
static void one_encoding_counts_where_it_is_signed(void **state)
{
    (void)state;
    struct xos_error err = {0};
    static const struct {
        const char *what, *bytes;
        size_t len;
    } odd[] = {
        {"over-long varint", "\x28\x81\x00", 3},
        {"over-long length", "\x0a\x81\x00x", 4},
        {"over-long key", "\xa8\x00\x01", 3},
        {"preset written out", "\x28\x00", 2},
        {"empty bytes written out", "\x0a\x00", 2},
        {"fields out of order", "\x28\x01\x0a\x01x", 5},
        {"a field twice", "\x28\x01\x28\x01", 4},
        {"a list that is interrupted", "\x12\x01x\x28\x01\x12\x01y", 8},
        {"a bool of 2", "\x70\x02", 2},
        {"an unknown number", "\xf8\x07\x01", 3},
        {"unknown bytes", "\xfa\x07\x01x", 4},
        {"unknown inside a list's message", "\xc2\x01\x03\xf8\x07\x01", 6},
        {"a number above its 32 bits", "\x28\x81\x80\x80\x80\x10", 6},
        {"a wrong wire type", "\x2a\x01x", 3},
    };
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        struct xos_slice data = {(const uint8_t *)odd[i].bytes, odd[i].len};
        XT_REFUSED(unpack(data, BYTES_MAX, XOS_PB_STRICT, &err), XOS_PROTOCOL);
    }
    /* In bodies what a later version adds is skipped. */
    for (size_t i = 9; i < 12; i++) {
        struct xos_slice data = {(const uint8_t *)odd[i].bytes, odd[i].len};
        XT_TRY(unpack(data, BYTES_MAX, XOS_PB_TOLERANT, &err));
    }
out:;
}

/* What a user may ask for fits the budget at its worst: as many words as there may be, all empty.
 */
static void lists_of_short_words_fit(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf bytes = XOS_BUF(BYTES_MAX);
    static const int counts[] = {17, 33, 270, 1100, 4096, 4100, 17000};
    for (int i = 0; i < 14; i++) {
        int len = i % 2, count = counts[i / 2];
        xos_buf_clear(&bytes);
        for (int k = 0; k < count; k++)
            XT_TRY(
                raw_bytes(&bytes, 2, (struct xos_slice){(const uint8_t *)"a", (size_t)len}, &err));
        XT_TRY(unpack(sample_slice(&bytes), BYTES_MAX, XOS_PB_STRICT, &err));
    }
out:
    xos_buf_free(&bytes);
}

/* Two bytes for a whole message in a list: the cheapest way to ask for memory. */
static void a_message_takes_no_more_than_its_budget(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf bytes = XOS_BUF(BYTES_MAX);
    for (int i = 0; i < 20000; i++)
        if (raw_bytes(&bytes, 1, (struct xos_slice){NULL, 0}, &err) < 0)
            goto out;
    void *m = xos_pb_unpack(&xos__job__jobs_pb__descriptor, sample_slice(&bytes), BYTES_MAX,
                            XOS_PB_TOLERANT, &err);
    assert_null(m);
    assert_true(err.code == XOS_LIMIT || (xt_starving() && err.code == XOS_NOMEM));
out:
    xos_buf_free(&bytes);
}

/* Nothing of ours nests without end, so that depth costs no stack: it is unknown bytes. */
static void depth_costs_nothing(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf inner = XOS_BUF(BYTES_MAX), outer = XOS_BUF(BYTES_MAX);
    for (int i = 0; i < 3000; i++) {
        xos_buf_clear(&outer);
        XT_TRY(raw_bytes(&outer, 24, sample_slice(&inner), &err));
        struct xos_buf swap = inner;
        inner = outer;
        outer = swap;
    }
    XT_TRY(unpack(sample_slice(&inner), BYTES_MAX, XOS_PB_TOLERANT, &err));
    XT_REFUSED(unpack(sample_slice(&inner), BYTES_MAX, XOS_PB_STRICT, &err), XOS_PROTOCOL);
out:
    xos_buf_free(&inner);
    xos_buf_free(&outer);
}

static void a_message_that_does_not_fit_is_not_begun(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf out = XOS_BUF(4);
    Xos__Job__SpecPb m = XOS__JOB__SPEC_PB__INIT;
    m.name = xos_pb_text("long");
    XT_TRY(xos_buf_add(&out, "x", 1, &err));
    XT_REFUSED(xos_pb_pack(&m, &out, &err), XOS_LIMIT);
    assert_int_equal(out.len, 1);
    assert_string_equal((const char *)out.data, "x");
    assert_int_equal(xos_pb_text(NULL).len, 0);
out:
    xos_buf_free(&out);
}

static void a_message_comes_back_as_it_was(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf wire = XOS_BUF(1024);
    void *m = NULL;
    Xos__Discovery__Signed s = XOS__DISCOVERY__SIGNED__INIT;
    uint8_t text[] = "statement";
    s.statement = (ProtobufCBinaryData){9, text};
    XT_TRY(xos_pb_pack(&s.base, &wire, &err));
    m = xos_pb_unpack(&xos__discovery__signed__descriptor, (struct xos_slice){wire.data, wire.len},
                      4096, XOS_PB_TOLERANT, &err);
    XT_PTR(m);
    const Xos__Discovery__Signed *back = m;
    assert_int_equal(back->statement.len, 9);
    assert_memory_equal(back->statement.data, "statement", 9);
out:
    xos_pb_free(m);
    xos_buf_free(&wire);
}

static void what_does_not_fit_is_refused_by_name(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf wire = XOS_BUF(4);
    Xos__Discovery__Signed s = XOS__DISCOVERY__SIGNED__INIT;
    uint8_t text[] = "statement";
    s.statement = (ProtobufCBinaryData){9, text};
    XT_REFUSED(xos_pb_pack(&s.base, &wire, &err), XOS_LIMIT);
    assert_int_equal(wire.len, 0);
    /* 1000 empty rows: 2000 bytes on the wire, a struct each in memory. */
    uint8_t bomb[2000];
    for (size_t i = 0; i < sizeof(bomb); i += 2) {
        bomb[i] = 0x0a;
        bomb[i + 1] = 0;
    }
    struct xos_slice bytes = {bomb, sizeof(bomb)};
    assert_null(
        xos_pb_unpack(&xos__discovery__rows__descriptor, bytes, 4096, XOS_PB_TOLERANT, &err));
    if (!xt_starving())
        assert_int_equal(err.code, XOS_LIMIT);
    xos_pb_free(NULL);
    xos_buf_free(&wire);
}

static void what_is_no_message_is_a_protocol_error(void **state)
{
    (void)state;
    struct xos_error err = {0};
    static const struct {
        const char *what;
        uint8_t bytes[4];
        size_t len;
    } rows[] = {
        {"field number 0", {0x02, 0x00}, 2},
        {"length past the end", {0x0a, 0x7f, 0x01}, 3},
        {"a tag that does not end", {0xff, 0xff, 0xff, 0xff}, 4},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xos_slice bytes = {rows[i].bytes, rows[i].len};
        assert_null(
            xos_pb_unpack(&xos__discovery__signed__descriptor, bytes, 4096, XOS_PB_TOLERANT, &err));
        if (!xt_starving())
            assert_int_equal(err.code, XOS_PROTOCOL);
    }
}

static void what_is_signed_has_no_unknown_field_at_any_depth(void **state)
{
    (void)state;
    struct xos_error err = {0};
    void *m = NULL;
    /* Message { join { who { signature: "x" } } }, and the same with a field 15 in who. */
    static const uint8_t known[] = {0x0a, 0x05, 0x0a, 0x03, 0x12, 0x01, 'x'};
    static const uint8_t unknown[] = {0x0a, 0x07, 0x0a, 0x05, 0x12, 0x01, 'x', 0x78, 0x01};
    static const struct {
        const uint8_t *bytes;
        size_t len;
        enum xos_pb_mode mode;
        bool taken;
    } rows[] = {
        {known, sizeof(known), XOS_PB_STRICT, true},
        {unknown, sizeof(unknown), XOS_PB_STRICT, false},
        {unknown, sizeof(unknown), XOS_PB_TOLERANT, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        m = xos_pb_unpack(&xos__discovery__message__descriptor,
                          (struct xos_slice){rows[i].bytes, rows[i].len}, 4096, rows[i].mode, &err);
        if (xt_starving())
            goto out;
        assert_int_equal(m != NULL, rows[i].taken);
        if (!m)
            assert_int_equal(err.code, XOS_PROTOCOL);
        xos_pb_free(m);
        m = NULL;
    }
out:
    xos_pb_free(m);
}

static const struct xt_test tests[] = {
    XT(it_goes_round),
    XT(nothing_is_a_message),
    XT(size_and_form_are_checked),
    XT(one_encoding_counts_where_it_is_signed),
    XT_PLAIN(lists_of_short_words_fit),
    XT_PLAIN(a_message_takes_no_more_than_its_budget),
    XT_PLAIN(depth_costs_nothing),
    XT(a_message_that_does_not_fit_is_not_begun),
    XT(a_message_comes_back_as_it_was),
    XT(what_does_not_fit_is_refused_by_name),
    XT(what_is_no_message_is_a_protocol_error),
    XT(what_is_signed_has_no_unknown_field_at_any_depth),
};
XT_MAIN(tests)
