// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a message of one call is taken for another's, or a chain runs past its end. */
#include "libxos/base/alloc.h"
#include "libxos/wire/envelope.h"
#include "libxos/wire/key.h"
#include "tests/lib/xtest.h"
#include "tests/unit/wire/samples.h"

static uint8_t signature[XOS_SIGNATURE_BYTES];

static struct xos_envelope whole(enum xos_envelope_kind kind)
{
    struct xos_envelope e = {.kind = kind,
                             .call = UINT64_MAX,
                             .header = sample_text("header"),
                             .signature = {signature, sizeof(signature)},
                             .chain_count = 3,
                             .body = sample_text("body"),
                             .attributes = sample_text("attributes")};
    for (size_t i = 0; i < 3; i++)
        e.chain[i] = sample_text(i == 1 ? "" : "certificate");
    return e;
}

static void same(struct xos_slice a, struct xos_slice b)
{
    assert_int_equal(a.len, b.len);
    if (a.len)
        assert_memory_equal(a.data, b.data, a.len);
}

static void every_kind_goes_round(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf bytes = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    struct xos_envelope back = {0};
    for (enum xos_envelope_kind k = XOS_ENVELOPE_REQUEST; k <= XOS_ENVELOPE_CANCEL; k++) {
        struct xos_envelope e = whole(k), bare = {.kind = k};
        xos_buf_clear(&bytes);
        XT_TRY(xos_envelope_encode(&e, &bytes, &err));
        XT_TRY(xos_envelope_decode(&back, sample_slice(&bytes), &err));
        assert_int_equal(back.kind, k);
        assert_true(back.call == UINT64_MAX);
        same(back.header, e.header);
        same(back.signature, e.signature);
        same(back.body, e.body);
        same(back.attributes, e.attributes);
        assert_int_equal(back.chain_count, 3);
        for (size_t i = 0; i < 3; i++)
            same(back.chain[i], e.chain[i]);
        xos_envelope_free(&back);
        xos_buf_clear(&bytes);
        XT_TRY(xos_envelope_encode(&bare, &bytes, &err));
        XT_TRY(xos_envelope_decode(&back, sample_slice(&bytes), &err));
        assert_int_equal(back.header.len + back.signature.len + back.chain_count, 0);
        xos_envelope_free(&back);
        assert_null(back.owner);
    }
out:
    xos_envelope_free(&back);
    xos_buf_free(&bytes);
}

/* The lengths of one envelope, and what is said to it. */
struct row {
    unsigned kind;
    size_t header, signature, certificates, certificate, body, attributes;
    enum xos_code code;
};

static int write_row(struct xos_buf *out, const struct row *r, const uint8_t *zeros,
                     struct xos_error *err)
{
    xos_buf_clear(out);
    if (raw_number(out, 1, r->kind, err) < 0 ||
        raw_bytes(out, 3, (struct xos_slice){zeros, r->header}, err) < 0 ||
        raw_bytes(out, 4, (struct xos_slice){zeros, r->signature}, err) < 0)
        return -1;
    for (size_t i = 0; i < r->certificates; i++)
        if (raw_bytes(out, 5, (struct xos_slice){zeros, r->certificate}, err) < 0)
            return -1;
    if (raw_bytes(out, 6, (struct xos_slice){zeros, r->body}, err) < 0)
        return -1;
    return raw_bytes(out, 7, (struct xos_slice){zeros, r->attributes}, err);
}

static void every_length_has_its_maximum(void **state)
{
    (void)state;
    struct xos_error err = {0};
    static const struct row rows[] = {
        {1, XOS_HEADER_BYTES_MAX, 64, 3, XOS_CERTIFICATE_BYTES_MAX, XOS_BODY_BYTES_MAX,
         XOS_ATTRIBUTES_BYTES_MAX, XOS_NONE},
        {1, 1, 64, 0, 0, 0, XOS_ATTRIBUTES_BYTES_MAX + 1, XOS_LIMIT},
        {1, XOS_HEADER_BYTES_MAX + 1, 64, 0, 0, 0, 0, XOS_LIMIT},
        {1, 1, 63, 0, 0, 0, 0, XOS_PROTOCOL},
        {1, 1, 65, 0, 0, 0, 0, XOS_PROTOCOL},
        {1, 1, 64, 4, 1, 0, 0, XOS_LIMIT},
        {1, 1, 64, 1, XOS_CERTIFICATE_BYTES_MAX + 1, 0, 0, XOS_LIMIT},
        {1, 1, 64, 0, 0, XOS_BODY_BYTES_MAX + 1, 0, XOS_LIMIT},
        {0, 1, 64, 0, 0, 0, 0, XOS_PROTOCOL},
        {5, 1, 64, 0, 0, 0, 0, XOS_PROTOCOL},
        {UINT32_MAX, 1, 64, 0, 0, 0, 0, XOS_PROTOCOL},
        {1, XOS_HEADER_BYTES_MAX, 64, 3, XOS_CERTIFICATE_BYTES_MAX, XOS_BODY_BYTES_MAX + 8449, 0,
         XOS_LIMIT},
    };
    struct xos_buf bytes = XOS_BUF(2 * XOS_ENVELOPE_BYTES_MAX);
    struct xos_envelope e = {0};
    uint8_t *zeros = xos_alloc(2 * XOS_BODY_BYTES_MAX);
    if (!zeros)
        goto out;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        XT_TRY(write_row(&bytes, &rows[i], zeros, &err));
        if (rows[i].code == XOS_NONE) {
            XT_TRY(xos_envelope_decode(&e, sample_slice(&bytes), &err));
            xos_envelope_free(&e);
        } else {
            XT_REFUSED(xos_envelope_decode(&e, sample_slice(&bytes), &err), rows[i].code);
            assert_null(e.owner);
        }
    }
out:
    xos_envelope_free(&e);
    xos_free(zeros);
    xos_buf_free(&bytes);
}

/* Who is sent a body that is too large would refuse it: the sender hears it first. */
static void a_body_above_the_maximum_is_not_encoded(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf bytes = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    uint8_t *zeros = xos_alloc(XOS_BODY_BYTES_MAX + 1);
    struct xos_envelope e = {.kind = XOS_ENVELOPE_ANSWER, .body = {zeros, XOS_BODY_BYTES_MAX + 1}};
    if (!zeros)
        goto out;
    XT_REFUSED(xos_envelope_encode(&e, &bytes, &err), XOS_LIMIT);
    assert_int_equal(bytes.len, 0);
    e.body.len--;
    XT_TRY(xos_envelope_encode(&e, &bytes, &err));
out:
    xos_free(zeros);
    xos_buf_free(&bytes);
}

static const struct xt_test tests[] = {
    XT(every_kind_goes_round),
    XT(every_length_has_its_maximum),
    XT(a_body_above_the_maximum_is_not_encoded),
};
XT_MAIN(tests)
