// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: nodes of two builds do not understand each other, or a peer's message reads
 * past a bound. Golden files: tests/golden/discovery-1, one message of each kind;
 * XOS_GOLDEN_WRITE=1 writes those that are missing. */
#include "discovery/core/message.h"
#include "libxos/base/alloc.h"
#include "tests/lib/disc.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN "tests/golden/discovery-1"

static const uint64_t names[] = {1, UINT64_C(0xfedcba9876543210)};
static const uint64_t incarnations[] = {1750000000000, 7};
static const uint64_t seqs[] = {1, 300};

/* One message of each kind, the same at each call. */
static int make(struct xos_buf *out, enum disc_kind kind, struct xos_error *err)
{
    static struct view_message v;
    static struct disc_test_row row;
    const struct row_record *rows[] = {&row.record, &row.record};
    struct spread_message s = {
        .kind = kind, .mark_count = 2, .names = names, .incarnations = incarnations, .seqs = seqs};
    if (kind >= DISC_ROWS) {
        if (disc_test_row(&row, "n1.vu", 3, 4, DISC_TEST_REAL_MS, ROW_DRAINING, "cpu", err) < 0)
            return -1;
        if (kind == DISC_ROWS)
            s = (struct spread_message){.kind = kind, .row_count = 2, .rows = rows};
        return disc_message_encode_spread(out, &s, err);
    }
    v = (struct view_message){.kind = kind,
                              .ttl = 6,
                              .high = true,
                              .accepted = true,
                              .leaving = true,
                              .nonce = 77,
                              .entry_count = 2};
    v.entries[0].age = 0;
    v.entries[1].age = 200;
    if (disc_test_descriptor(&v.who, "n1", "vu", 9, err) < 0 ||
        disc_test_descriptor(&v.entries[0].who, "n2", "inria", 1, err) < 0 ||
        disc_test_descriptor(&v.entries[1].who, "n3", "inria", 2, err) < 0)
        return -1;
    return disc_message_encode_view(out, &v, err);
}

static size_t golden(enum disc_kind kind, uint8_t *bytes, size_t max, const struct xos_buf *now)
{
    char path[128];
    (void)snprintf(path, sizeof(path), GOLDEN "/%s.bin", disc_kind_name(kind));
    FILE *f = fopen(path, "rb");
    if (!f && getenv("XOS_GOLDEN_WRITE") && (f = fopen(path, "wb"))) {
        assert_int_equal(fwrite(now->data, 1, now->len, f), now->len);
        assert_int_equal(fclose(f), 0);
        f = fopen(path, "rb");
    }
    if (!f)
        fail_msg("%s is missing", path);
    size_t len = fread(bytes, 1, max, f);
    (void)fclose(f);
    return len;
}

static void each_kind_is_as_in_its_golden_file(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf wire = XOS_BUF(DISC_MESSAGE_BYTES_MAX), again = XOS_BUF(DISC_MESSAGE_BYTES_MAX);
    struct disc_message *m = NULL;
    static uint8_t file[DISC_MESSAGE_BYTES_MAX];
    for (unsigned k = DISC_NONE + 1; k < DISC_KINDS; k++) {
        xos_buf_clear(&wire);
        xos_buf_clear(&again);
        XT_TRY(make(&wire, (enum disc_kind)k, &err));
        size_t len = golden((enum disc_kind)k, file, sizeof(file), &wire);
        assert_int_equal(len, wire.len);
        assert_memory_equal(file, wire.data, len);
        XT_TRY(disc_message_decode(&m, (struct xos_slice){file, len}, &err));
        assert_int_equal(m->view ? m->view->kind : m->spread->kind, k);
        XT_TRY(m->view ? disc_message_encode_view(&again, m->view, &err)
                       : disc_message_encode_spread(&again, m->spread, &err));
        assert_int_equal(again.len, wire.len);
        assert_memory_equal(again.data, wire.data, wire.len);
        disc_message_free(m);
        m = NULL;
    }
out:
    disc_message_free(m);
    xos_buf_free(&wire);
    xos_buf_free(&again);
}

static void a_shuffle_keeps_what_it_carries(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf wire = XOS_BUF(DISC_MESSAGE_BYTES_MAX);
    struct disc_message *m = NULL;
    struct descriptor_reach reach;
    XT_TRY(make(&wire, DISC_SHUFFLE, &err));
    XT_TRY(disc_message_decode(&m, (struct xos_slice){wire.data, wire.len}, &err));
    assert_null(m->spread);
    assert_int_equal(m->view->ttl, 6);
    assert_int_equal(m->view->nonce, 77);
    assert_string_equal(m->view->who.node, "n1.vu");
    assert_string_equal(m->view->who.institution, "vu");
    assert_int_equal(m->view->who.seq, 9);
    assert_int_equal(m->view->entry_count, 2);
    assert_string_equal(m->view->entries[1].who.node, "n3.inria");
    assert_int_equal(m->view->entries[1].age, 200);
    XT_TRY(descriptor_reach(&m->view->who, &reach, &err));
    assert_int_equal(reach.address_count, 1);
    assert_string_equal(reach.addresses[0].host, "192.0.2.1");
    assert_int_equal(reach.addresses[0].bulk_port, 7402);
    assert_int_equal(reach.curve_key[31], 0x5a);
out:
    disc_message_free(m);
    xos_buf_free(&wire);
}

/* A message cut short, or with any one bit turned, is decoded or refused, and no worse. */
static void a_damaged_message_does_no_harm(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf wire = XOS_BUF(DISC_MESSAGE_BYTES_MAX);
    for (unsigned k = DISC_NONE + 1; k < DISC_KINDS; k++) {
        xos_buf_clear(&wire);
        XT_TRY(make(&wire, (enum disc_kind)k, &err));
        for (size_t i = 0; i < wire.len * 8; i++) {
            struct disc_message *m = NULL;
            wire.data[i / 8] ^= (uint8_t)(1u << (i % 8));
            if (disc_message_decode(&m, (struct xos_slice){wire.data, wire.len}, &err) == 0)
                disc_message_free(m);
            wire.data[i / 8] ^= (uint8_t)(1u << (i % 8));
            if (disc_message_decode(&m, (struct xos_slice){wire.data, i / 8}, &err) == 0)
                disc_message_free(m);
        }
    }
out:
    xos_buf_free(&wire);
}

static void bounds_are_refused_by_name(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct disc_message *m = NULL;
    static uint8_t big[DISC_MESSAGE_BYTES_MAX + 1];
    static const struct {
        const char *what;
        const char *bytes;
        size_t len;
        enum xos_code code;
    } rows[] = {
        {"nothing", "", 0, XOS_PROTOCOL},
        {"a kind from a later version", "\xaa\x06\x00", 3, XOS_PROTOCOL},
        {"a join without a descriptor", "\x0a\x00", 2, XOS_PROTOCOL},
        {"a shuffle without an origin", "\x3a\x00", 2, XOS_PROTOCOL},
        {"nine entries", "\x42\x12\x12\0\x12\0\x12\0\x12\0\x12\0\x12\0\x12\0\x12\0\x12\0", 20,
         XOS_LIMIT},
        {"an entry without a descriptor", "\x42\x02\x12\0", 4, XOS_PROTOCOL},
        {"marks of unequal length", "\x8a\x01\x03\x12\x01\x05", 6, XOS_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xos_slice s = {(const uint8_t *)rows[i].bytes, rows[i].len};
        XT_REFUSED(disc_message_decode(&m, s, &err), rows[i].code);
    }
    XT_REFUSED(disc_message_decode(&m, (struct xos_slice){big, sizeof(big)}, &err), XOS_LIMIT);
    uint8_t rows65[4 + 2 * (DISC_ROWS_MAX + 1)] = {0x82, 0x01, 0x82, 0x01};
    for (size_t i = 4; i < sizeof(rows65); i += 2)
        rows65[i] = 0x0a;
    XT_REFUSED(disc_message_decode(&m, (struct xos_slice){rows65, sizeof(rows65)}, &err),
               XOS_LIMIT);
    assert_null(m);
}

static const struct xt_test tests[] = {
    XT(each_kind_is_as_in_its_golden_file),
    XT(a_shuffle_keeps_what_it_carries),
    XT_PLAIN(a_damaged_message_does_no_harm),
    XT(bounds_are_refused_by_name),
};
XT_MAIN(tests)
