// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a request is carried out that its signer never made, elsewhere, later, or with
 * another body; or a user trusts an answer that no node gave. */
#include "libxos/base/version.h"
#include "tests/lib/xtest.h"
#include "tests/unit/wire/samples.h"

#include <stddef.h>

static int encoded(struct xos_buf *out, struct xos_error *err)
{
    struct xos_request r;
    return sample_request(&r, err) < 0 ? -1 : xos_request_encode(&r, out, err);
}

static void a_request_goes_round(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_request r, back;
    struct xos_buf bytes = XOS_BUF(XOS_HEADER_BYTES_MAX);
    XT_TRY(sample_request(&r, &err));
    XT_TRY(xos_request_encode(&r, &bytes, &err));
    XT_TRY(xos_request_decode(&back, sample_slice(&bytes), &err));
    assert_memory_equal(&r, &back, sizeof(r));
    r.has_boot_id = false;
    r.has_operation_id = true;
    memset(&r.boot_id, 0, sizeof(r.boot_id));
    memset(&r.operation_id, 0x55, sizeof(r.operation_id));
    memset(r.vo, 0, sizeof(r.vo));
    memset(r.role, 0, sizeof(r.role));
    memset(r.to_node, 0, sizeof(r.to_node));
    xos_buf_clear(&bytes);
    XT_TRY(xos_request_encode(&r, &bytes, &err));
    XT_TRY(xos_request_decode(&back, sample_slice(&bytes), &err));
    assert_memory_equal(&r, &back, sizeof(r));
out:
    xos_buf_free(&bytes);
}

static void an_answer_goes_round(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_answer a, back;
    struct xos_buf bytes = XOS_BUF(XOS_HEADER_BYTES_MAX);
    XT_TRY(sample_answer(&a, &err));
    XT_TRY(xos_answer_encode(&a, &bytes, &err));
    XT_TRY(xos_answer_decode(&back, sample_slice(&bytes), &err));
    assert_memory_equal(a.request_sha256, back.request_sha256, XOS_HASH_BYTES);
    assert_memory_equal(a.body_sha256, back.body_sha256, XOS_HASH_BYTES);
    assert_string_equal(back.node, "n1.inria");
    assert_int_equal(back.code, XOS_DENIED);
    assert_int_equal(back.sequence, 2);
    assert_true(back.issued_ms == SAMPLE_NOW_MS && back.last);
out:
    xos_buf_free(&bytes);
}

/* The longest header that can be made is one that can be sent. */
static void the_longest_names_fit(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_request r, back;
    struct xos_buf bytes = XOS_BUF(XOS_HEADER_BYTES_MAX);
    char *const names[] = {r.verb, r.signer, r.vo, r.role, r.to_node, r.to_institution};
    XT_TRY(sample_request(&r, &err));
    for (size_t i = 0; i < 6; i++) {
        memset(names[i], 'a', XOS_HEADER_NAME_MAX - 1);
        names[i][XOS_HEADER_NAME_MAX - 1] = '\0';
    }
    r.issued_ms = r.expires_ms = INT64_MAX / 2;
    XT_TRY(xos_request_encode(&r, &bytes, &err));
    XT_TRY(xos_request_decode(&back, sample_slice(&bytes), &err));
    assert_string_equal(back.to_institution, r.to_institution);
out:
    xos_buf_free(&bytes);
}

/* A request header written field by field; `change` picks what is wrong with it. */
enum change {
    NOTHING,
    OTHER_DOMAIN,
    ANSWERS_DOMAIN,
    NO_DOMAIN,
    OTHER_VERSION,
    LONG_NAME,
    NUL_IN_NAME,
    SHORT_NONCE,
    NO_REQUEST_ID,
    LONG_HASH,
    TIME_TOO_LARGE,
    NO_ID,
    BOTH_IDS,
    SHORT_ID,
    UNKNOWN_FIELD,
    OUT_OF_ORDER,
    TWICE,
    LONG_VARINT,
    EMPTY_FIELD,
    CHANGES
};

static const enum xos_code change_codes[CHANGES] = {[OTHER_VERSION] = XOS_VERSION};

static struct xos_slice cut(size_t len)
{
    static uint8_t sevens[XOS_HEADER_BYTES_MAX + 1];
    memset(sevens, 7, sizeof(sevens));
    return (struct xos_slice){sevens, len};
}

static int write_names(struct xos_buf *o, enum change c, struct xos_error *err)
{
    const char *domain = c == OTHER_DOMAIN     ? "xos-request-2"
                         : c == ANSWERS_DOMAIN ? XOS_ANSWER_DOMAIN
                                               : XOS_REQUEST_DOMAIN;
    if (c == OUT_OF_ORDER && raw_bytes(o, 4, sample_text("alice@inria"), err) < 0)
        return -1;
    if ((c != NO_DOMAIN && raw_bytes(o, 1, sample_text(domain), err) < 0) ||
        raw_number(o, 2, XOS_PROTOCOL_VERSION + (c == OTHER_VERSION), err) < 0 ||
        raw_bytes(o, 3, sample_text("job.run"), err) < 0)
        return -1;
    if (c == LONG_NAME)
        return raw_bytes(o, 4, cut(XOS_HEADER_NAME_MAX), err);
    if (c == NUL_IN_NAME)
        return raw_bytes(o, 4, (struct xos_slice){(const uint8_t *)"al\0ce", 5}, err);
    if (c == EMPTY_FIELD && raw_bytes(o, 5, cut(0), err) < 0)
        return -1;
    return c == OUT_OF_ORDER ? 0 : raw_bytes(o, 4, sample_text("alice@inria"), err);
}

static int write_rest(struct xos_buf *o, enum change c, struct xos_error *err)
{
    if (raw_bytes(o, 8, sample_text("inria"), err) < 0 ||
        (c != NO_REQUEST_ID && raw_bytes(o, 9, cut(16), err) < 0) ||
        raw_bytes(o, 10, cut(c == SHORT_NONCE ? 15 : 16), err) < 0 ||
        raw_number(o, 11, c == TIME_TOO_LARGE ? UINT64_MAX : 1000, err) < 0 ||
        (c == TWICE && raw_number(o, 11, 1000, err) < 0))
        return -1;
    if (c == LONG_VARINT ? xos_buf_add(o, "\x60\xe8\x87\x00", 4, err) < 0
                         : raw_number(o, 12, 1000, err) < 0)
        return -1;
    if (raw_bytes(o, 13, cut(c == LONG_HASH ? 33 : 32), err) < 0 ||
        (c != NO_ID && raw_bytes(o, 14, cut(c == SHORT_ID ? 8 : 16), err) < 0) ||
        (c == BOTH_IDS && raw_bytes(o, 15, cut(16), err) < 0) ||
        (c == UNKNOWN_FIELD && raw_number(o, 16, 1, err) < 0))
        return -1;
    return 0;
}

static void a_header_has_one_form(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_request r = {.issued_ms = 77};
    struct xos_buf bytes = XOS_BUF(XOS_HEADER_BYTES_MAX);
    for (enum change c = NOTHING; c < CHANGES; c++) {
        xos_buf_clear(&bytes);
        XT_TRY(write_names(&bytes, c, &err));
        XT_TRY(write_rest(&bytes, c, &err));
        if (c == NOTHING) {
            XT_TRY(xos_request_decode(&r, sample_slice(&bytes), &err));
            r.issued_ms = 77;
            continue;
        }
        enum xos_code code = change_codes[c] ? change_codes[c] : XOS_PROTOCOL;
        XT_REFUSED(xos_request_decode(&r, sample_slice(&bytes), &err), code);
        assert_int_equal(r.issued_ms, 77); /* nothing has changed */
    }
    XT_REFUSED(xos_request_decode(&r, (struct xos_slice){NULL, 0}, &err), XOS_PROTOCOL);
    XT_REFUSED(xos_request_decode(&r, cut(XOS_HEADER_BYTES_MAX + 1), &err), XOS_LIMIT);
out:
    xos_buf_free(&bytes);
}

static void an_answer_has_one_form(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_answer a;
    struct xos_buf bytes = XOS_BUF(XOS_HEADER_BYTES_MAX), request = XOS_BUF(XOS_HEADER_BYTES_MAX);
    XT_TRY(sample_answer(&a, &err));
    XT_TRY(xos_answer_encode(&a, &bytes, &err));
    size_t len = bytes.len;
    for (size_t cut_at = 0; cut_at < len; cut_at++) {
        struct xos_slice part = {bytes.data, cut_at};
        if (cut_at != len - 2) /* without `last` it is the header of an event */
            assert_int_equal(xos_answer_decode(&a, part, &err), -1);
    }
    XT_TRY(raw_number(&bytes, 10, 1, &err));
    XT_REFUSED(xos_answer_decode(&a, sample_slice(&bytes), &err), XOS_PROTOCOL);
    xos_buf_cut(&bytes, len);
    bytes.data[len - 1] = 2; /* true, but not as we write it */
    XT_REFUSED(xos_answer_decode(&a, sample_slice(&bytes), &err), XOS_PROTOCOL);
    XT_TRY(encoded(&request, &err));
    XT_REFUSED(xos_answer_decode(&a, sample_slice(&request), &err), XOS_PROTOCOL);
out:
    xos_buf_free(&bytes);
    xos_buf_free(&request);
}

/* A code of a later version is an error all the same. */
static void an_unknown_code_is_an_error(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_answer a;
    struct xos_buf bytes = XOS_BUF(XOS_HEADER_BYTES_MAX);
    XT_TRY(sample_answer(&a, &err));
    a.code = (enum xos_code)9999;
    XT_TRY(xos_answer_encode(&a, &bytes, &err));
    XT_TRY(xos_answer_decode(&a, sample_slice(&bytes), &err));
    assert_int_equal(a.code, XOS_INTERNAL);
out:
    xos_buf_free(&bytes);
}

/* May it be acted on here and now? */

struct check {
    const char *what;
    const char *to_node, *to_institution;
    int64_t issued, expires, now; /* from SAMPLE_NOW_MS */
    const char *body;
    uint8_t boot; /* the receiver's, 16 times */
    enum xos_code code;
};

#define SKEW XOS_HEADER_SKEW_MS_MAX
#define LIFE XOS_HEADER_LIFE_MS_MAX

static const struct check checks[] = {
    {"good", "n1.inria", "inria", 0, LIFE, 0, SAMPLE_BODY, 0x33, XOS_NONE},
    {"any head", "", "inria", 0, LIFE, 0, SAMPLE_BODY, 0x33, XOS_NONE},
    {"other node", "n2.inria", "inria", 0, LIFE, 0, SAMPLE_BODY, 0x33, XOS_DENIED},
    {"other institution", "n1.inria", "vu", 0, LIFE, 0, SAMPLE_BODY, 0x33, XOS_DENIED},
    {"any head elsewhere", "", "vu", 0, LIFE, 0, SAMPLE_BODY, 0x33, XOS_DENIED},
    {"no institution", "n1.inria", "", 0, LIFE, 0, SAMPLE_BODY, 0x33, XOS_DENIED},
    {"a name's beginning", "n1.inri", "inria", 0, LIFE, 0, SAMPLE_BODY, 0x33, XOS_DENIED},
    {"life above 60 s", "", "inria", 0, LIFE + 1, 0, SAMPLE_BODY, 0x33, XOS_DENIED},
    {"ends before it begins", "", "inria", 0, -1, 0, SAMPLE_BODY, 0x33, XOS_DENIED},
    {"clock ahead, allowed", "", "inria", SKEW, SKEW, 0, SAMPLE_BODY, 0x33, XOS_NONE},
    {"clock ahead", "", "inria", SKEW + 1, SKEW + 2, 0, SAMPLE_BODY, 0x33, XOS_CLOCK},
    {"expired, allowed", "", "inria", 0, 1, SKEW + 1, SAMPLE_BODY, 0x33, XOS_NONE},
    {"expired", "", "inria", 0, 1, SKEW + 2, SAMPLE_BODY, 0x33, XOS_EXPIRED},
    {"swapped body", "", "inria", 0, LIFE, 0, "eight bY", 0x33, XOS_DENIED},
    {"cut body", "", "inria", 0, LIFE, 0, "eight b", 0x33, XOS_DENIED},
    {"no body", "", "inria", 0, LIFE, 0, "", 0x33, XOS_DENIED},
    {"started again since", "", "inria", 0, LIFE, 0, SAMPLE_BODY, 0x34, XOS_STALE},
};

static void requests_are_for_here_and_now(void **state)
{
    (void)state;
    struct xos_error err = {0};
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        const struct check *c = &checks[i];
        struct xos_request r;
        struct xos_request_context here = sample_here();
        XT_TRY(sample_request(&r, &err));
        (void)snprintf(r.to_node, sizeof(r.to_node), "%s", c->to_node);
        (void)snprintf(r.to_institution, sizeof(r.to_institution), "%s", c->to_institution);
        r.issued_ms = SAMPLE_NOW_MS + c->issued;
        r.expires_ms = SAMPLE_NOW_MS + c->expires;
        here.now_ms += c->now;
        here.body = sample_text(c->body);
        memset(&here.boot_id, c->boot, sizeof(here.boot_id));
        if (c->code == XOS_NONE)
            XT_TRY(xos_request_check(&r, &here, &err));
        else
            XT_REFUSED(xos_request_check(&r, &here, &err), c->code);
    }
out:;
}

/* A verb that is idempotent under its operation id outlives a restart of the receiver. */
static void an_operation_outlives_a_restart(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_request r;
    struct xos_request_context here = sample_here();
    XT_TRY(sample_request(&r, &err));
    r.has_boot_id = false;
    r.has_operation_id = true;
    memset(&here.boot_id, 0x77, sizeof(here.boot_id));
    XT_TRY(xos_request_check(&r, &here, &err));
out:;
}

static void answers_belong_to_their_request(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_answer a;
    uint8_t hash[XOS_HASH_BYTES];
    XT_TRY(sample_answer(&a, &err));
    memcpy(hash, a.request_sha256, sizeof(hash));
    XT_TRY(xos_answer_check(&a, hash, "n1.inria", sample_text(SAMPLE_BODY), &err));
    XT_TRY(xos_answer_check(&a, hash, NULL, sample_text(SAMPLE_BODY), &err));
    XT_REFUSED(xos_answer_check(&a, hash, "n2.inria", sample_text(SAMPLE_BODY), &err),
               XOS_PROTOCOL);
    XT_REFUSED(xos_answer_check(&a, hash, NULL, sample_text("eight"), &err), XOS_PROTOCOL);
    hash[31] ^= 1;
    XT_REFUSED(xos_answer_check(&a, hash, NULL, sample_text(SAMPLE_BODY), &err), XOS_PROTOCOL);
out:;
}

/* No bit of a signed header can be changed: the signature says so, whatever the decoder thinks. */
static void every_bit_is_signed(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_key *key = NULL;
    struct xos_buf bytes = XOS_BUF(XOS_HEADER_BYTES_MAX);
    uint8_t signature[XOS_SIGNATURE_BYTES];
    struct xos_slice good = {signature, sizeof(signature)};
    XT_TRY(encoded(&bytes, &err));
    XT_TRY(xos_key_generate(&key, &err));
    XT_TRY(xos_key_sign(key, XOS_REQUEST_DOMAIN, sample_slice(&bytes), signature, &err));
    XT_REFUSED(
        xos_key_verify(xos_key_public(key), XOS_ANSWER_DOMAIN, sample_slice(&bytes), good, &err),
        XOS_DENIED);
    for (size_t i = 0; i < 8 * bytes.len; i++) {
        struct xos_request r;
        bytes.data[i / 8] ^= (uint8_t)(1 << i % 8);
        (void)xos_request_decode(&r, sample_slice(&bytes), &err);
        if (i % 8 == i / 8 % 8)
            XT_REFUSED(xos_key_verify(xos_key_public(key), XOS_REQUEST_DOMAIN, sample_slice(&bytes),
                                      good, &err),
                       XOS_DENIED);
        bytes.data[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    XT_TRY(
        xos_key_verify(xos_key_public(key), XOS_REQUEST_DOMAIN, sample_slice(&bytes), good, &err));
out:
    xos_key_free(key);
    xos_buf_free(&bytes);
}

/* What the decoder takes, it gives back byte for byte: there is no second form of any header. */
static void what_decodes_encodes_to_the_same(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf bytes = XOS_BUF(XOS_HEADER_BYTES_MAX), again = XOS_BUF(XOS_HEADER_BYTES_MAX);
    XT_TRY(encoded(&bytes, &err));
    for (size_t i = 0; i < 8 * bytes.len; i++) {
        struct xos_request r;
        bytes.data[i / 8] ^= (uint8_t)(1 << i % 8);
        if (xos_request_decode(&r, sample_slice(&bytes), &err) == 0) {
            xos_buf_clear(&again);
            XT_TRY(xos_request_encode(&r, &again, &err));
            assert_int_equal(again.len, bytes.len);
            assert_memory_equal(again.data, bytes.data, bytes.len);
        }
        bytes.data[i / 8] ^= (uint8_t)(1 << i % 8);
    }
out:
    xos_buf_free(&bytes);
    xos_buf_free(&again);
}

static const struct xt_test tests[] = {
    XT(a_request_goes_round),
    XT(an_answer_goes_round),
    XT(the_longest_names_fit),
    XT(a_header_has_one_form),
    XT(an_answer_has_one_form),
    XT(an_unknown_code_is_an_error),
    XT(requests_are_for_here_and_now),
    XT(an_operation_outlives_a_restart),
    XT(answers_belong_to_their_request),
    XT_PLAIN(every_bit_is_signed),
    XT_PLAIN(what_decodes_encodes_to_the_same),
};
XT_MAIN(tests)
