// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: messages are lost, torn or swapped, a slow reader fills a node's memory, or a
 * fast one waits for ever. */
#include "libxos/base/alloc.h"
#include "libxos/net/conn.h"
#include "tests/unit/net/raw_peer.h"

#include <stdio.h>
#include <stdlib.h>

#define FRAME_MAX 2000

/* One connection, its peer, and what its user has seen. */
static struct stage {
    struct xos_loop *loop;
    struct xos_conn *conn;
    struct raw_peer peer;
    unsigned frames, rooms, closes, other;
    uint32_t next; /* number that the next frame should begin with */
    bool in_order;
    struct xos_error why;
    bool free_in_frame, free_in_room, free_in_close, pause_in_frame;
} s;

static void drop(void)
{
    xos_conn_free(s.conn);
    s.conn = NULL;
}

static void on_frame(void *arg, struct xos_conn *conn, struct xos_slice frame)
{
    uint32_t number = 0;
    assert_ptr_equal(arg, &s);
    s.frames++;
    if (frame.len >= sizeof(number)) {
        memcpy(&number, frame.data, sizeof(number));
        s.in_order = s.in_order && number == s.next++;
    }
    if (s.pause_in_frame)
        xos_conn_pause(conn, true);
    if (s.free_in_frame)
        drop();
}

static void on_room(void *arg, struct xos_conn *conn)
{
    (void)arg;
    (void)conn;
    s.rooms++;
    if (s.free_in_room)
        drop();
}

static void on_close(void *arg, struct xos_conn *conn, const struct xos_error *why)
{
    (void)arg;
    (void)conn;
    s.closes++;
    s.why = *why;
    if (s.free_in_close)
        drop();
}

static const struct xos_conn_ops ops = {on_frame, on_room, on_close};

static int set_up(struct xos_error *err)
{
    s = (struct stage){.peer.fd = -1, .in_order = true};
    if (xos_loop_new(&s.loop, xos_env_posix(), err) < 0)
        return -1;
    int fd = raw_peer_open(&s.peer, FRAME_MAX);
    struct xos_conn_config config = {
        .frame_max = FRAME_MAX, .output_max = 10000, .ops = &ops, .arg = &s};
    return xos_conn_new(&s.conn, s.loop, fd, &config, err);
}

static void tear_down(void)
{
    xos_conn_free(s.conn);
    raw_peer_close(&s.peer);
    xos_loop_free(s.loop);
}

static struct xos_slice numbered(uint32_t number, size_t len)
{
    static uint8_t bytes[FRAME_MAX];
    memset(bytes, (int)(number & 0xff), sizeof(bytes));
    memcpy(bytes, &number, sizeof(number));
    return (struct xos_slice){bytes, len};
}

static void peer_says(uint32_t number, size_t len)
{
    struct xos_slice f = numbered(number, len);
    raw_peer_frame(&s.peer, f.data, f.len);
}

static void frames_arrive_in_any_pieces(void **state)
{
    (void)state;
    struct xos_error err = {0};
    static const uint8_t stream[] = {0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 1, 0, 0, 0, 9};
    XT_TRY(set_up(&err));
    for (size_t i = 0; i < sizeof(stream); i++) {
        raw_peer_write(&s.peer, stream + i, 1);
        if (i % 3 == 0)
            XT_TRY(raw_peer_spin(s.loop, 0, &err));
    }
    RAW_PEER_UNTIL(s.loop, s.frames == 3);
    assert_true(s.in_order);
    assert_int_equal(s.closes, 0);
    for (uint32_t i = 2; i < 100; i++)
        peer_says(i, 700);
    RAW_PEER_UNTIL(s.loop, s.frames == 101);
    assert_true(s.in_order);
out:
    tear_down();
}

/* Fill the connection: what waits is bounded, and nobody who was refused is forgotten. */
static int fill(uint32_t *sent, struct xos_error *err)
{
    struct xos_error full = {0};
    while (xos_conn_send(s.conn, numbered(*sent, 1000), &full) == 0)
        (*sent)++;
    if (full.code == XOS_NOMEM) {
        *err = full;
        return -1;
    }
    assert_int_equal(full.code, XOS_LIMIT);
    assert_true(xos_conn_room(s.conn) < 1000);
    return 0;
}

static int peer_reads(uint32_t *seen, uint32_t until, struct xos_error *err)
{
    struct xos_slice frame;
    int got = 0;
    while (*seen < until && (got = raw_peer_next(&s.peer, &frame, err)) == 1) {
        uint32_t number;
        assert_int_equal(frame.len, 1000);
        memcpy(&number, frame.data, sizeof(number));
        assert_int_equal(number, (*seen)++);
    }
    return got < 0 ? -1 : 0;
}

static void a_slow_reader_bounds_the_sender(void **state)
{
    (void)state;
    struct xos_error err = {0};
    uint32_t sent = 0, seen = 0;
    XT_TRY(set_up(&err));
    for (unsigned round = 1; round <= 3; round++) {
        XT_TRY(fill(&sent, &err));
        XT_TRY(raw_peer_spin(s.loop, 2, &err));
        assert_int_equal(s.rooms, round - 1);
        while (s.rooms < round) {
            XT_TRY(peer_reads(&seen, sent, &err));
            XT_TRY(raw_peer_spin(s.loop, 1, &err));
            if (xt_starving())
                goto out;
        }
    }
    while (seen < sent && !xt_starving()) {
        XT_TRY(peer_reads(&seen, sent, &err));
        XT_TRY(raw_peer_spin(s.loop, 1, &err));
    }
    assert_true(xos_conn_room(s.conn) >= FRAME_MAX);
out:
    tear_down();
}

/* The peer read, and the next send empties the buffer before the loop sees it writable. */
static void room_is_told_whoever_made_it(void **state)
{
    (void)state;
    struct xos_error err = {0};
    uint32_t sent = 0, seen = 0;
    XT_TRY(set_up(&err));
    XT_TRY(fill(&sent, &err));
    XT_TRY(peer_reads(&seen, sent, &err)); /* what the socket held */
    XT_TRY(xos_conn_send(s.conn, numbered(sent, xos_conn_room(s.conn) / 2), &err));
    RAW_PEER_UNTIL(s.loop, s.rooms == 1);
out:
    tear_down();
}

static void a_paused_user_holds_the_peer_back(void **state)
{
    (void)state;
    struct xos_error err = {0};
    uint32_t sent = 0;
    XT_TRY(set_up(&err));
    s.pause_in_frame = true;
    for (;;) { /* until the socket is full */
        uint8_t bytes[504] = {0, 0, 1, 0xf4};
        memcpy(bytes + 4, &sent, sizeof(sent));
        if (send(s.peer.fd, bytes, sizeof(bytes), MSG_NOSIGNAL) < (ssize_t)sizeof(bytes))
            break;
        sent++;
    }
    RAW_PEER_UNTIL(s.loop, s.frames > 0);
    XT_TRY(raw_peer_spin(s.loop, 5, &err));
    assert_int_equal(s.frames, 1);
    xos_conn_pause(s.conn, false);
    RAW_PEER_UNTIL(s.loop, s.frames == 2);
    s.pause_in_frame = false;
    xos_conn_pause(s.conn, false);
    RAW_PEER_UNTIL(s.loop, s.frames == sent);
    assert_true(s.in_order);
out:
    tear_down();
}

static void the_end_says_how_it_came(void **state)
{
    (void)state;
    struct xos_error err = {0};
    static const struct {
        const char *bytes;
        size_t len;
        enum xos_code code;
        unsigned frames;
    } rows[] = {
        {"", 0, XOS_NONE, 0},
        {"\0\0\0\0", 4, XOS_NONE, 1},
        {"\0\0\0", 3, XOS_PROTOCOL, 0},
        {"\0\0\0\0\0\0\0\2x", 9, XOS_PROTOCOL, 1},
        {"\0\0\0\0\0\0\x07\xd1", 8, XOS_LIMIT, 1},
        {"\xff\xff\xff\xff", 4, XOS_LIMIT, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        XT_TRY(set_up(&err));
        if (rows[i].len)
            raw_peer_write(&s.peer, rows[i].bytes, rows[i].len);
        if (rows[i].code != XOS_LIMIT)
            raw_peer_leave(&s.peer);
        RAW_PEER_UNTIL(s.loop, s.closes == 1);
        assert_int_equal(s.why.code, rows[i].code);
        assert_int_equal(s.frames, rows[i].frames);
        XT_REFUSED(xos_conn_send(s.conn, numbered(0, 4), &err), XOS_UNAVAILABLE);
        assert_int_equal(xos_conn_room(s.conn), 0);
        XT_TRY(raw_peer_spin(s.loop, 1, &err));
        assert_int_equal(s.closes, 1);
        tear_down();
    }
    return;
out:
    tear_down();
}

/* It says its word and goes, with what we sent unread: the system calls that a reset. */
static void last_words_are_heard(void **state)
{
    (void)state;
    struct xos_error err = {0};
    for (int writes = 0; writes < 2; writes++) {
        XT_TRY(set_up(&err));
        XT_TRY(xos_conn_send(s.conn, numbered(0, 4), &err));
        for (uint32_t i = 0; i < 20; i++)
            peer_says(i, 500);
        raw_peer_leave(&s.peer);
        if (writes) /* and we hear of it by writing first */
            XT_REFUSED(xos_conn_send(s.conn, numbered(1, 4), &err), XOS_UNAVAILABLE);
        RAW_PEER_UNTIL(s.loop, s.closes == 1);
        assert_int_equal(s.frames, 20);
        assert_true(s.in_order);
        assert_int_equal(s.why.code, XOS_UNAVAILABLE);
        tear_down();
    }
    return;
out:
    tear_down();
}

/* A paused user reads nothing, so that only a send can tell it; then it must be told. */
static void a_paused_user_hears_of_the_end_by_sending(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(&err));
    xos_conn_pause(s.conn, true);
    raw_peer_leave(&s.peer);
    XT_TRY(raw_peer_spin(s.loop, 2, &err));
    assert_int_equal(s.closes, 0);
    XT_REFUSED(xos_conn_send(s.conn, numbered(0, 4), &err), XOS_UNAVAILABLE);
    assert_int_equal(s.closes, 0); /* never from inside a call */
    RAW_PEER_UNTIL(s.loop, s.closes == 1);
out:
    tear_down();
}

static void it_may_be_freed_in_each_callback(void **state)
{
    (void)state;
    struct xos_error err = {0};
    uint32_t sent = 0, seen = 0;
    for (int i = 0; i < 3; i++) {
        XT_TRY(set_up(&err));
        s.free_in_frame = i == 0;
        s.free_in_room = i == 1;
        s.free_in_close = i == 2;
        sent = seen = 0;
        if (i == 1)
            XT_TRY(fill(&sent, &err));
        for (uint32_t n = 0; n < 3 && i != 1; n++)
            peer_says(n, 4);
        if (i == 2)
            raw_peer_leave(&s.peer);
        while (s.conn) {
            if (i == 1)
                XT_TRY(peer_reads(&seen, sent, &err));
            XT_TRY(raw_peer_spin(s.loop, 1, &err));
            if (xt_starving())
                goto out;
        }
        assert_int_equal(s.frames, i == 0 ? 1 : i == 2 ? 3 : 0);
        tear_down();
        s = (struct stage){.peer.fd = -1};
    }
    return;
out:
    tear_down();
}

static void count_other(void *arg, struct xos_conn *conn, struct xos_slice frame)
{
    (void)conn;
    (void)frame;
    assert_ptr_equal(arg, &s.other);
    s.other++;
}

static void hand_over(void *arg, struct xos_conn *conn, struct xos_slice frame)
{
    static const struct xos_conn_ops others = {count_other, NULL, on_close};
    on_frame(arg, conn, frame);
    xos_conn_hand_over(conn, &others, &s.other);
}

static void frames_that_wait_go_to_the_new_user(void **state)
{
    (void)state;
    struct xos_error err = {0};
    static const struct xos_conn_ops first = {hand_over, NULL, on_close};
    XT_TRY(set_up(&err));
    xos_conn_hand_over(s.conn, &first, &s);
    for (uint32_t i = 0; i < 10; i++)
        peer_says(i, 10);
    raw_peer_leave(&s.peer);
    RAW_PEER_UNTIL(s.loop, s.closes == 1);
    assert_int_equal(s.frames, 1);
    assert_int_equal(s.other, 9);
out:
    tear_down();
}

/* What was sent before the end arrives, also when the peer takes its time. */
static void finishing_sends_what_waits(void **state)
{
    (void)state;
    struct xos_error err = {0};
    uint32_t sent = 0, seen = 0;
    for (int full = 0; full < 2; full++) {
        XT_TRY(set_up(&err));
        sent = seen = 0;
        if (full)
            XT_TRY(fill(&sent, &err));
        else
            XT_TRY(xos_conn_send(s.conn, numbered(sent++, 1000), &err));
        peer_says(0, 4); /* nobody listens any more */
        uint64_t live = xos_alloc_live();
        xos_conn_finish(s.conn);
        s.conn = NULL;
        while (!s.peer.ended) {
            if (xt_starving() && xos_alloc_live() < live)
                break; /* no memory for the timer: closed at once */
            XT_TRY(peer_reads(&seen, sent + 1, &err));
            XT_TRY(raw_peer_spin(s.loop, 1, &err));
        }
        if (!xt_starving())
            assert_int_equal(seen, sent);
        assert_int_equal(s.frames + s.closes, 0);
        tear_down();
    }
    xos_conn_finish(NULL);
    return;
out:
    while (s.peer.fd >= 0 && !s.conn && !s.peer.ended && sent) { /* it frees itself */
        raw_peer_leave(&s.peer);
        (void)raw_peer_spin(s.loop, 5, &err);
    }
    tear_down();
}

static void a_peer_that_left_ends_the_finishing(void **state)
{
    (void)state;
    struct xos_error err = {0};
    uint32_t sent = 0;
    XT_TRY(set_up(&err));
    XT_TRY(fill(&sent, &err));
    uint64_t live = xos_alloc_live();
    xos_conn_finish(s.conn);
    s.conn = NULL;
    raw_peer_leave(&s.peer);
    RAW_PEER_UNTIL(s.loop, xos_alloc_live() < live - 1);
out:
    tear_down();
}

static void a_peer_that_never_reads_is_not_waited_for(void **state)
{
    (void)state;
    struct xos_error err = {0};
    uint32_t sent = 0;
    if (xt_scaled(100) < 10)
        XT_SKIP("waits for 10 s: a part of test-long");
    XT_TRY(set_up(&err));
    XT_TRY(fill(&sent, &err));
    uint64_t live = xos_alloc_live();
    xos_conn_finish(s.conn);
    s.conn = NULL;
    RAW_PEER_UNTIL(s.loop, xos_alloc_live() < live - 1);
out:
    tear_down();
}

static const struct xt_test tests[] = {
    XT(frames_arrive_in_any_pieces),
    XT_PLAIN(a_slow_reader_bounds_the_sender),
    XT(room_is_told_whoever_made_it),
    XT(a_paused_user_holds_the_peer_back),
    XT(the_end_says_how_it_came),
    XT(last_words_are_heard),
    XT(a_paused_user_hears_of_the_end_by_sending),
    XT_PLAIN(it_may_be_freed_in_each_callback),
    XT(frames_that_wait_go_to_the_new_user),
    XT_PLAIN(finishing_sends_what_waits),
    XT_PLAIN(a_peer_that_left_ends_the_finishing),
    XT_PLAIN(a_peer_that_never_reads_is_not_waited_for),
};
XT_MAIN(tests)
