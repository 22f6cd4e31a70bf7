// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a unit cannot be started, signalled or heard of, or a daemon that hangs takes
 * xosd's memory with it. */
#include "jobmgr/service/packet.h"
#include "libxos/base/alloc.h"
#include "tests/unit/net/raw_peer.h"

#include <stdlib.h>

#define PACKET_BYTES 1000

static struct stage {
    struct xos_loop *loop;
    struct packet *link;
    int peer;
    unsigned packets, closes;
    size_t last_bytes;
    bool free_in_packet, free_in_close;
} s;

static void drop(void)
{
    packet_free(s.link);
    s.link = NULL;
}

static void on_packet(void *arg, struct xos_slice packet)
{
    assert_ptr_equal(arg, &s);
    s.packets++;
    s.last_bytes = packet.len;
    if (s.free_in_packet)
        drop();
}

static void on_close(void *arg)
{
    assert_ptr_equal(arg, &s);
    s.closes++;
    if (s.free_in_close)
        drop();
}

static const struct packet_ops ops = {on_packet, on_close};

static int set_up(size_t bytes_max, struct xos_error *err)
{
    int pair[2];
    s = (struct stage){.peer = -1};
    if (xos_loop_new(&s.loop, xos_env_posix(), err) < 0)
        return -1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
                     0);
    s.peer = pair[0];
    return packet_new(&s.link, s.loop, pair[1], bytes_max, &ops, &s, err);
}

static void tear_down(void)
{
    packet_free(s.link);
    if (s.peer >= 0)
        close(s.peer);
    xos_loop_free(s.loop);
}

static struct xos_slice bytes_of(size_t len)
{
    static uint8_t bytes[300000];
    return (struct xos_slice){bytes, len};
}

static void packets_arrive_whole(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(PACKET_BYTES, &err));
    for (size_t len = 1; len <= PACKET_BYTES; len += 333)
        assert_int_equal(send(s.peer, bytes_of(len).data, len, 0), len);
    RAW_PEER_UNTIL(s.loop, s.packets == 4);
    assert_int_equal(s.last_bytes, PACKET_BYTES);
    assert_int_equal(s.closes, 0);
out:
    tear_down();
}

static void what_ends_a_link(void **state)
{
    (void)state;
    struct xos_error err = {0};
    for (int i = 0; i < 3; i++) {
        XT_TRY(set_up(PACKET_BYTES, &err));
        s.free_in_close = i == 2;
        if (i == 1) { /* above the maximum */
            assert_int_equal(send(s.peer, bytes_of(PACKET_BYTES + 1).data, PACKET_BYTES + 1, 0),
                             PACKET_BYTES + 1);
        } else {
            assert_int_equal(send(s.peer, "x", 1, 0), 1);
            close(s.peer);
            s.peer = -1;
        }
        RAW_PEER_UNTIL(s.loop, s.closes == 1);
        assert_int_equal(s.packets, i == 1 ? 0 : 1);
        if (s.link)
            XT_REFUSED(packet_send(s.link, bytes_of(1), &err), XOS_UNAVAILABLE);
        XT_TRY(raw_peer_spin(s.loop, 2, &err));
        assert_int_equal(s.closes, 1);
        tear_down();
    }
    return;
out:
    tear_down();
}

static void it_may_be_freed_by_a_packet(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(PACKET_BYTES, &err));
    s.free_in_packet = true;
    for (int i = 0; i < 3; i++)
        assert_int_equal(send(s.peer, "x", 1, 0), 1);
    RAW_PEER_UNTIL(s.loop, !s.link);
    assert_int_equal(s.packets, 1);
    packet_free(NULL);
out:
    tear_down();
}

/* A peer that hangs: a bounded number waits, in order, and goes out when it reads again. */
static void the_queue_is_bounded_and_in_order(void **state)
{
    (void)state;
    struct xos_error err = {0}, full = {0};
    uint8_t packet[PACKET_BYTES] = {0};
    uint32_t sent = 0, seen = 0, number;
    XT_TRY(set_up(PACKET_BYTES, &err));
    for (;; sent++) {
        memcpy(packet, &sent, sizeof(sent));
        if (packet_send(s.link, (struct xos_slice){packet, sizeof(packet)}, &full) < 0)
            break;
    }
    assert_int_equal(full.code, XOS_LIMIT);
    assert_true(sent > PACKET_QUEUE_MAX);
    while (seen < sent) {
        while (recv(s.peer, packet, sizeof(packet), 0) == (ssize_t)sizeof(packet)) {
            memcpy(&number, packet, sizeof(number));
            assert_int_equal(number, seen++);
        }
        XT_TRY(raw_peer_spin(s.loop, 1, &err));
    }
    XT_TRY(packet_send(s.link, bytes_of(1), &err));
out:
    tear_down();
}

/* The largest packet is larger than what a socket takes by itself. */
static void the_largest_packet_passes(void **state)
{
    (void)state;
    struct xos_error err = {0};
    const size_t largest = 262144;
    XT_TRY(set_up(largest, &err));
    XT_TRY(packet_send(s.link, bytes_of(largest), &err));
    XT_REFUSED(packet_send(s.link, bytes_of(largest + 1), &err), XOS_LIMIT);
    uint8_t *got = xos_alloc(largest);
    if (got)
        assert_int_equal(recv(s.peer, got, largest, 0), largest);
    xos_free(got);
out:
    tear_down();
}

static const struct xt_test tests[] = {
    XT(packets_arrive_whole),        XT(what_ends_a_link),
    XT(it_may_be_freed_by_a_packet), XT_PLAIN(the_queue_is_bounded_and_in_order),
    XT(the_largest_packet_passes),
};
XT_MAIN(tests)
