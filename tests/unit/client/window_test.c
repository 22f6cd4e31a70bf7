// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a byte typed into a job is lost or arrives twice after xosd was restarted. */
#include "client/window.h"
#include "tests/lib/xtest.h"

#include <string.h>

static struct xos_slice text(const char *s)
{
    return (struct xos_slice){(const uint8_t *)s, strlen(s)};
}

static void resends_exactly_what_was_not_taken(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct client_window w;
    client_window_init(&w);
    XT_TRY(client_window_add(&w, text("abcdefgh"), &err));
    client_window_sent(&w, 6);
    XT_TRY(client_window_acked(&w, 3, &err));
    XT_TRY(client_window_resume(&w, 4, &err));
    struct xos_slice left = client_window_peek(&w, 100);
    assert_int_equal(left.len, 4);
    assert_memory_equal(left.data, "efgh", 4);
    assert_int_equal(client_window_end(&w), 8);
    client_window_finish(&w);
    assert_int_equal(client_window_room(&w), 0);
out:
    client_window_free(&w);
}

static void refuses_offsets_that_cannot_be(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct client_window w;
    client_window_init(&w);
    XT_TRY(client_window_add(&w, text("abcd"), &err));
    client_window_sent(&w, 2);
    XT_REFUSED(client_window_acked(&w, 3, &err), XOS_PROTOCOL);
    XT_REFUSED(client_window_resume(&w, 5, &err), XOS_PROTOCOL);
    XT_TRY(client_window_acked(&w, 2, &err));
    XT_REFUSED(client_window_resume(&w, 1, &err), XOS_STALE);
    assert_int_equal(client_window_peek(&w, 9).len, 2); /* nothing has changed */
out:
    client_window_free(&w);
}

static void begins_where_another_left_off(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct client_window w;
    client_window_init(&w);
    client_window_begin(&w, 53);
    XT_TRY(client_window_resume(&w, 53, &err));
    XT_TRY(client_window_add(&w, text("x"), &err));
    assert_int_equal(w.next, 53);
    assert_int_equal(client_window_end(&w), 54);
out:
    client_window_free(&w);
}

/* A long stream through a small window, cut at every 7th step: what arrives is what was given. */
static void a_stream_with_cuts_arrives_whole(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct client_window w;
    uint64_t given = 0, taken = 0;
    client_window_init(&w);
    for (unsigned step = 0; step < 400; step++) {
        uint8_t bytes[5000];
        size_t n = client_window_room(&w) < sizeof(bytes) ? client_window_room(&w) : sizeof(bytes);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)((given + i) * 31 >> 3);
        XT_TRY(client_window_add(&w, (struct xos_slice){bytes, n}, &err));
        given += n;
        struct xos_slice out = client_window_peek(&w, 4000 + step);
        for (size_t i = 0; i < out.len / 2; i++) /* the other half is lost with the connection */
            assert_int_equal(out.data[i], (uint8_t)((taken + i) * 31 >> 3));
        assert_int_equal(w.next, taken);
        client_window_sent(&w, out.len);
        taken += out.len / 2;
        XT_TRY(step % 7 ? client_window_acked(&w, taken, &err) : 0);
        XT_TRY(client_window_resume(&w, taken, &err));
        assert_true(w.kept.len <= 2 * CLIENT_WINDOW_BYTES_MAX);
    }
    assert_true(taken > 500000);
out:
    client_window_free(&w);
}

static const struct xt_test tests[] = {
    XT(resends_exactly_what_was_not_taken),
    XT(refuses_offsets_that_cannot_be),
    XT(begins_where_another_left_off),
    XT(a_stream_with_cuts_arrives_whole),
};
XT_MAIN(tests)
