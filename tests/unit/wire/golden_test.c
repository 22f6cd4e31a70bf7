// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: two versions of XOS no longer understand each other.
 *
 * tests/golden/wire-1 holds the headers, an envelope of each kind and a frame of version 1, with
 * fixed contents. They are encoded anew, byte for byte, and read. A new version gets a folder of
 * its own; these stay. XOS_GOLDEN_WRITE=1 writes the files that are not there yet. */
#include "libxos/wire/envelope.h"
#include "libxos/wire/frame.h"
#include "tests/lib/xtest.h"
#include "tests/unit/wire/samples.h"

#include <stdlib.h>

#define DIRECTORY "tests/golden/wire-1/"

enum golden { REQUEST, ANSWER, ENVELOPE_REQUEST, ENVELOPE_ANSWER, EVENT, CANCEL, FRAME, GOLDENS };

static const char *const names[GOLDENS] = {"request-header.bin",
                                           "answer-header.bin",
                                           "envelope-request.bin",
                                           "envelope-answer.bin",
                                           "envelope-event.bin",
                                           "envelope-cancel.bin",
                                           "frame.bin"};

static struct xos_buf made[GOLDENS], file[GOLDENS];

static int make_envelope(enum golden to, enum xos_envelope_kind kind, enum golden header,
                         size_t chain, struct xos_error *err)
{
    uint8_t signature[XOS_SIGNATURE_BYTES];
    struct xos_envelope e = {.kind = kind, .call = 300};
    memset(signature, 0x66, sizeof(signature));
    if (kind != XOS_ENVELOPE_CANCEL) {
        e.header = sample_slice(&made[header]);
        e.signature = (struct xos_slice){signature, sizeof(signature)};
        e.body = sample_text(SAMPLE_BODY);
    }
    for (e.chain_count = 0; e.chain_count < chain; e.chain_count++)
        e.chain[e.chain_count] = sample_text(e.chain_count ? "issuer" : "leaf");
    return xos_envelope_encode(&e, &made[to], err);
}

static int make_all(struct xos_error *err)
{
    struct xos_request r;
    struct xos_answer a;
    for (int i = 0; i < GOLDENS; i++)
        made[i] = file[i] = XOS_BUF(4096);
    if (sample_request(&r, err) < 0 || sample_answer(&a, err) < 0 ||
        xos_request_encode(&r, &made[REQUEST], err) < 0 ||
        xos_answer_encode(&a, &made[ANSWER], err) < 0 ||
        make_envelope(ENVELOPE_REQUEST, XOS_ENVELOPE_REQUEST, REQUEST, 2, err) < 0 ||
        make_envelope(ENVELOPE_ANSWER, XOS_ENVELOPE_ANSWER, ANSWER, 2, err) < 0 ||
        make_envelope(EVENT, XOS_ENVELOPE_EVENT, ANSWER, 0, err) < 0 ||
        make_envelope(CANCEL, XOS_ENVELOPE_CANCEL, ANSWER, 0, err) < 0)
        return -1;
    return xos_frame_add(&made[FRAME], sample_slice(&made[CANCEL]), err);
}

static void free_all(void)
{
    for (int i = 0; i < GOLDENS; i++) {
        xos_buf_free(&made[i]);
        xos_buf_free(&file[i]);
    }
}

static void write_new(const char *path, const struct xos_buf *bytes)
{
    FILE *f = fopen(path, "wbx");
    if (!f)
        return;
    assert_int_equal(fwrite(bytes->data, 1, bytes->len, f), bytes->len);
    assert_int_equal(fclose(f), 0);
}

static int read_file(int i, struct xos_error *err)
{
    char path[128];
    uint8_t bytes[4096];
    (void)snprintf(path, sizeof(path), DIRECTORY "%s", names[i]);
    if (getenv("XOS_GOLDEN_WRITE") && !xt_starving())
        write_new(path, &made[i]);
    FILE *f = fopen(path, "rb");
    if (!f)
        return xos_fail_errno(err, "%s", path);
    size_t n = fread(bytes, 1, sizeof(bytes), f);
    (void)fclose(f);
    return xos_buf_add(&file[i], bytes, n, err);
}

static void this_build_writes_those_bytes(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(make_all(&err));
    for (int i = 0; i < GOLDENS; i++) {
        XT_TRY(read_file(i, &err));
        assert_int_equal(file[i].len, made[i].len);
        assert_memory_equal(file[i].data, made[i].data, made[i].len);
    }
out:
    free_all();
}

static void check_envelope(const struct xos_envelope *e, enum golden of)
{
    assert_true(e->call == 300);
    assert_int_equal(e->signature.len, of == CANCEL ? 0 : XOS_SIGNATURE_BYTES);
    assert_int_equal(e->body.len, of == CANCEL ? 0 : strlen(SAMPLE_BODY));
    assert_int_equal(e->chain_count, of == ENVELOPE_REQUEST || of == ENVELOPE_ANSWER ? 2 : 0);
    if (e->chain_count)
        assert_memory_equal(e->chain[1].data, "issuer", 6);
}

static void this_build_reads_those_bytes(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_envelope e = {0};
    struct xos_request r;
    struct xos_answer a;
    struct xos_frame_reader reader = {0};
    struct xos_slice payload;
    struct xos_request_context here = sample_here();
    XT_TRY(make_all(&err));
    for (int i = 0; i < GOLDENS; i++)
        XT_TRY(read_file(i, &err));
    XT_TRY(xos_request_decode(&r, sample_slice(&file[REQUEST]), &err));
    XT_TRY(xos_request_check(&r, &here, &err));
    assert_string_equal(r.verb, "job.run");
    XT_TRY(xos_answer_decode(&a, sample_slice(&file[ANSWER]), &err));
    assert_int_equal(a.code, XOS_DENIED);
    for (enum golden i = ENVELOPE_REQUEST; i <= CANCEL; i++) {
        XT_TRY(xos_envelope_decode(&e, sample_slice(&file[i]), &err));
        assert_int_equal(e.kind, XOS_ENVELOPE_REQUEST + (i - ENVELOPE_REQUEST));
        check_envelope(&e, i);
        xos_envelope_free(&e);
    }
    xos_frame_reader_init(&reader, 1000);
    XT_TRY(xos_frame_feed(&reader, sample_slice(&file[FRAME]), &err));
    assert_int_equal(xos_frame_next(&reader, &payload, &err), 1);
    assert_int_equal(payload.len, file[CANCEL].len);
out:
    xos_frame_reader_free(&reader);
    xos_envelope_free(&e);
    free_all();
}

static const struct xt_test tests[] = {
    XT(this_build_writes_those_bytes),
    XT(this_build_reads_those_bytes),
};
XT_MAIN(tests)
