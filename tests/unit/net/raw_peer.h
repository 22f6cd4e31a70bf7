// SPDX-License-Identifier: Apache-2.0
/* raw_peer.h - the other end of a stream socket, written by hand: says what a well-behaved peer
 * would not, and reads when the test wants it to. */
#ifndef XOS_TESTS_RAW_PEER_H
#define XOS_TESTS_RAW_PEER_H

#include "libxos/net/loop.h"
#include "libxos/wire/frame.h"
#include "tests/lib/xtest.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEER_WAIT_MS 20000 /* generous: the tests run beside others */

struct raw_peer {
    int fd; /* non-blocking; -1: closed */
    struct xos_frame_reader reader;
    bool ended; /* our side closed the connection */
};

/* A pair: one end for the peer, the other is returned for what is tested. */
static inline int raw_peer_open(struct raw_peer *p, size_t payload_max)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    *p = (struct raw_peer){.fd = pair[0]};
    xos_frame_reader_init(&p->reader, payload_max);
    return pair[1];
}

static inline void raw_peer_leave(struct raw_peer *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

static inline void raw_peer_close(struct raw_peer *p)
{
    raw_peer_leave(p);
    xos_frame_reader_free(&p->reader);
}

static inline void raw_peer_write(struct raw_peer *p, const void *data, size_t len)
{
    if (send(p->fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
        assert_true(xt_starving()); /* there was no memory for our side of it */
}

static inline void raw_peer_frame(struct raw_peer *p, const void *data, size_t len)
{
    uint8_t head[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                       (uint8_t)len};
    raw_peer_write(p, head, sizeof(head));
    if (len)
        raw_peer_write(p, data, len);
}

/* Read what is there. 1: *frame is the next one, borrowed; 0: none yet, or ended; -1: no memory. */
static inline int raw_peer_next(struct raw_peer *p, struct xos_slice *frame, struct xos_error *err)
{
    uint8_t bytes[1024]; /* beside a frame that is not whole yet, the reader has room for it */
    for (;;) {
        int got = xos_frame_next(&p->reader, frame, err);
        if (got != 0)
            return got;
        ssize_t n = recv(p->fd, bytes, sizeof(bytes), 0);
        if (n <= 0) {
            p->ended = n == 0 || errno == ECONNRESET;
            return 0;
        }
        if (xos_frame_feed(&p->reader, (struct xos_slice){bytes, (size_t)n}, err) < 0)
            return -1;
    }
}

static inline void raw_peer_stop(void *arg)
{
    xos_loop_stop(arg);
}

/* Let the loop run for a moment. */
static inline int raw_peer_spin(struct xos_loop *loop, uint64_t ms, struct xos_error *err)
{
    struct xos_timer *t = NULL;
    if (xos_timer_new(&t, loop, raw_peer_stop, loop, err) < 0)
        return -1;
    xos_timer_set(t, ms);
    int rc = xos_loop_run(loop, err);
    xos_timer_free(t);
    return rc;
}

/* … until the condition holds. */
#define RAW_PEER_UNTIL(loop, condition)                                                            \
    do {                                                                                           \
        uint64_t end_ = xos_env_mono_ms(xos_env_posix()) + PEER_WAIT_MS;                           \
        while (!(condition)) {                                                                     \
            XT_TRY(raw_peer_spin(loop, 1, &err));                                                  \
            if (xt_starving())                                                                     \
                goto out;                                                                          \
            assert_true(xos_env_mono_ms(xos_env_posix()) < end_);                                  \
        }                                                                                          \
    } while (0)

#endif
