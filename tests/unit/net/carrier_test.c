// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: what one node says to another over a stream is lost, repeated, or piles up. */
#include "libxos/base/alloc.h"
#include "libxos/net/conn.h"
#include "libxos/wire/frame.h"
#include "tests/lib/bulkpair.h"
#include "tests/lib/xtest.h"

#include <string.h>

#define BIG ((size_t)1 << 20)

struct end {
    struct xos_conn *conn;
    unsigned frames;
    size_t bytes;
    bool closed, echo, wrong;
    struct xos_error why;
};

static void on_frame(void *arg, struct xos_conn *conn, struct xos_slice frame)
{
    struct end *e = arg;
    struct xos_error err;
    e->frames++;
    e->bytes += frame.len;
    for (size_t i = 1; i < frame.len; i++)
        e->wrong |= frame.data[i] != (uint8_t)(frame.data[0] + i);
    if (e->echo && xos_conn_send(conn, frame, &err) < 0)
        e->wrong = true;
}

static void on_close(void *arg, struct xos_conn *conn, const struct xos_error *why)
{
    struct end *e = arg;
    (void)conn;
    e->closed = true;
    e->why = *why;
}

static const struct xos_conn_ops ops = {.on_frame = on_frame, .on_close = on_close};

static struct xt_bulkpair pair;
static struct end far;

static int on_stream(void *arg, struct xos_bulk_conn *conn, struct xos_stream *stream,
                     struct xos_slice payload, struct xos_error *err)
{
    const struct xos_conn_config c = {.frame_max = BIG, .ops = &ops, .arg = &far};
    struct xos_error why;
    (void)arg;
    (void)conn;
    (void)err;
    /* It is taken over in every case. */
    (void)xos_conn_accept(&far.conn, pair.loop, stream, payload, &c, &why);
    return 0;
}

static void fill(uint8_t *bytes, size_t len, uint8_t first)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(first + i);
}

static int open_pair(struct end *near, const uint8_t *bytes, size_t len, struct xos_error *err)
{
    const struct xos_conn_config c = {.frame_max = BIG, .ops = &ops, .arg = near};
    memset(&far, 0, sizeof(far));
    memset(near, 0, sizeof(*near));
    if (xt_bulkpair_new(&pair, err) < 0)
        return -1;
    pair.server_config.on_stream = on_stream;
    if (xt_bulkpair_listen(&pair, err) < 0 || xt_bulkpair_dial(&pair, NULL, err) < 0)
        return -1;
    if (!xt_until_count(&pair, &pair.dial_ups, 1, 5000))
        return xos_fail(err, XOS_TIMEOUT, "not up");
    return xos_conn_dial(&near->conn, pair.loop, pair.dialled, (struct xos_slice){bytes, len}, &c,
                         err);
}

static void close_pair(struct end *near)
{
    xos_conn_free(near->conn);
    xos_conn_free(far.conn);
    near->conn = far.conn = NULL;
    xt_bulkpair_free(&pair);
}

static bool until(const bool *flag)
{
    return xt_until(&pair, flag, 5000);
}

static bool until_frames(const struct end *e, unsigned frames)
{
    return xt_until_count(&pair, &e->frames, frames, 5000);
}

static void the_first_frame_goes_with_the_opening(void **state)
{
    (void)state;
    static const size_t lens[] = {1, 60000, XOS_MUX_PAYLOAD_BYTES_MAX, BIG};
    struct xos_error err = {0};
    struct end near;
    uint8_t *bytes = xos_alloc(BIG);
    assert_non_null(bytes);
    fill(bytes, BIG, 7);
    for (size_t i = 0; i < 4; i++) {
        far.echo = false;
        XT_TRY(open_pair(&near, bytes, lens[i], &err));
        far.echo = true;
        assert_true(until_frames(&near, 1));
        assert_int_equal(near.bytes, lens[i]);
        assert_false(near.wrong || far.wrong);
        close_pair(&near);
    }
out:
    xos_free(bytes);
}

static void frames_go_both_ways_and_the_end_is_orderly(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct end near;
    uint8_t *bytes = xos_alloc(BIG);
    assert_non_null(bytes);
    fill(bytes, BIG, 1);
    XT_TRY(open_pair(&near, bytes, 10, &err));
    far.echo = true;
    for (unsigned i = 1; i < 40; i++) {
        assert_true(until_frames(&near, i));
        XT_TRY(xos_conn_send(near.conn, (struct xos_slice){bytes, i * 1000}, &err));
    }
    assert_true(until_frames(&near, 40));
    assert_false(near.wrong || far.wrong);
    XT_TRY(xos_conn_send(near.conn, (struct xos_slice){bytes, BIG}, &err));
    xos_conn_finish(near.conn); /* the last word is heard */
    near.conn = NULL;
    far.echo = false;
    assert_true(until(&far.closed));
    assert_int_equal(far.why.code, XOS_NONE);
    assert_int_equal(far.frames, 41);
    assert_false(far.wrong);
out:
    close_pair(&near);
    xos_free(bytes);
}

static void who_does_not_read_stops_the_other(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct end near;
    static uint8_t bytes[60000];
    unsigned sent = 1;
    fill(bytes, sizeof(bytes), 3);
    XT_TRY(open_pair(&near, bytes, sizeof(bytes), &err));
    assert_true(until_frames(&far, 1));
    xos_conn_pause(far.conn, true);
    for (unsigned i = 0; i < 2000 && xos_conn_room(near.conn) >= sizeof(bytes); i++) {
        XT_TRY(xos_conn_send(near.conn, (struct xos_slice){bytes, sizeof(bytes)}, &err));
        sent++;
        xt_run_ms(&pair, 1);
    }
    assert_true(sent < 100); /* a window, the output, no more */
    assert_true(far.frames <= 2);
    xos_conn_pause(far.conn, false);
    assert_true(until_frames(&far, sent));
    assert_false(far.wrong);
out:
    close_pair(&near);
}

static void a_connection_that_goes_takes_its_streams_along(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct end near;
    XT_TRY(open_pair(&near, (const uint8_t *)"x", 1, &err));
    assert_true(until_frames(&far, 1));
    xos_bulk_close(pair.dialled, XOS_UNAVAILABLE, "gone");
    assert_true(until(&near.closed));
    assert_true(until(&far.closed));
    assert_true(far.why.code != XOS_NONE);
    XT_REFUSED(xos_conn_send(near.conn, (struct xos_slice){(const uint8_t *)"y", 1}, &err),
               XOS_UNAVAILABLE);
out:
    close_pair(&near);
}

static const struct xt_test tests[] = {
    XT_PLAIN(the_first_frame_goes_with_the_opening),
    XT_PLAIN(frames_go_both_ways_and_the_end_is_orderly),
    XT_PLAIN(who_does_not_read_stops_the_other),
    XT_PLAIN(a_connection_that_goes_takes_its_streams_along),
};
XT_MAIN(tests)
