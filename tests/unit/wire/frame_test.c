// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: two messages become one, or a peer announces 4 GiB and gets them. */
#include "libxos/wire/frame.h"
#include "tests/lib/xtest.h"
#include "tests/unit/wire/samples.h"

#include <stdlib.h>

/* Every way to cut the stream gives the same frames. */
static void frames_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct xos_error err = {0};
    static const char *const words[] = {"one", "", "three", "4"};
    struct xos_buf stream = XOS_BUF(1000);
    struct xos_frame_reader r = {0};
    struct xos_slice got;
    for (size_t i = 0; i < 4; i++)
        XT_TRY(xos_frame_add(&stream, sample_text(words[i]), &err));
    assert_int_equal(stream.len, 4 * XOS_FRAME_HEAD_BYTES + 9);
    for (size_t piece = 1; piece <= stream.len; piece++) {
        size_t seen = 0;
        int more = 0;
        xos_frame_reader_init(&r, 100);
        for (size_t at = 0; at < stream.len; at += piece) {
            size_t len = stream.len - at < piece ? stream.len - at : piece;
            XT_TRY(xos_frame_feed(&r, (struct xos_slice){stream.data + at, len}, &err));
            while ((more = xos_frame_next(&r, &got, &err)) == 1) {
                assert_int_equal(got.len, strlen(words[seen]));
                assert_memory_equal(got.data, words[seen], got.len);
                seen++;
            }
            assert_int_equal(more, 0);
        }
        assert_int_equal(seen, 4);
        xos_frame_reader_free(&r);
    }
out:
    xos_frame_reader_free(&r);
    xos_buf_free(&stream);
}

static void a_frame_above_the_maximum_is_refused_at_its_head(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_frame_reader r;
    struct xos_slice got;
    static const uint8_t heads[][4] = {{0, 0, 0, 101}, {0xff, 0xff, 0xff, 0xff}, {0, 1, 0, 0}};
    for (size_t i = 0; i < 3; i++) {
        xos_frame_reader_init(&r, 100);
        XT_TRY(xos_frame_feed(&r, (struct xos_slice){heads[i], 4}, &err));
        XT_REFUSED(xos_frame_next(&r, &got, &err), XOS_LIMIT);
        XT_REFUSED(xos_frame_next(&r, &got, &err), XOS_LIMIT);
        assert_true(r.buf.cap < 1000);
        xos_frame_reader_free(&r);
    }
    xos_frame_reader_init(&r, 100);
    XT_TRY(xos_frame_feed(&r, (struct xos_slice){(const uint8_t *)"\0\0\0\x64", 4}, &err));
    assert_int_equal(xos_frame_next(&r, &got, &err), 0);
out:
    xos_frame_reader_free(&r);
}

/* Two whole frames wait at most; a third piece has to wait outside. */
static void the_reader_keeps_a_bounded_number_of_bytes(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_frame_reader r;
    uint8_t bytes[200] = {0};
    xos_frame_reader_init(&r, 100);
    XT_TRY(xos_frame_feed(&r, (struct xos_slice){bytes, 200}, &err));
    XT_REFUSED(xos_frame_feed(&r, (struct xos_slice){bytes, 9}, &err), XOS_LIMIT);
    assert_int_equal(r.buf.len, 200);
    XT_TRY(xos_frame_feed(&r, (struct xos_slice){bytes, 8}, &err));
out:
    xos_frame_reader_free(&r);
}

static void a_frame_that_does_not_fit_is_not_begun(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf out = XOS_BUF(12);
    XT_TRY(xos_frame_add(&out, sample_text("abc"), &err));
    XT_REFUSED(xos_frame_add(&out, sample_text("de"), &err), XOS_LIMIT);
    assert_int_equal(out.len, 7);
    assert_int_equal(out.data[7], 0);
    XT_TRY(xos_frame_add(&out, sample_text("d"), &err));
out:
    xos_buf_free(&out);
}

static const struct xt_test tests[] = {
    XT(frames_come_out_as_they_went_in),
    XT(a_frame_above_the_maximum_is_refused_at_its_head),
    XT(the_reader_keeps_a_bounded_number_of_bytes),
    XT(a_frame_that_does_not_fit_is_not_begun),
};
XT_MAIN(tests)
