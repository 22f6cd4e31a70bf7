// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: after xos-execd was restarted no unit can be started, or a unit that is gone
 * is called back. The other side is a small execd in this test, over a real SEQPACKET socket. */
#include "jobmgr/service/execd_link.h"
#include "libxos/base/alloc.h"
#include "tests/unit/net/raw_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#define ASKED 8

static struct stage {
    struct xos_loop *loop;
    struct execd_link *link;
    int listener, peer;
    char path[100];
    uint64_t serials[ASKED]; /* as the peer received them */
    unsigned received;
    unsigned answers, failures;
    unsigned order[ASKED];
    enum xos_code code;
    bool forget_next, free_inside, ask_inside;
} s;

static unsigned marks[ASKED];

static void listen_now(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", s.path);
    (void)unlink(s.path);
    s.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s.listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(s.listener, 4), 0);
}

static int set_up(struct xos_error *err)
{
    s = (struct stage){.listener = -1, .peer = -1};
    for (unsigned i = 0; i < ASKED; i++)
        marks[i] = i;
    (void)snprintf(s.path, sizeof(s.path), "%s/execd.sock", xt_dir());
    listen_now();
    if (xos_loop_new(&s.loop, xos_env_posix(), err) < 0)
        return -1;
    return execd_link_new(&s.link, s.loop, s.path, err);
}

static void hang_up(void)
{
    if (s.peer >= 0)
        close(s.peer);
    s.peer = -1;
}

static void tear_down(void)
{
    execd_link_free(s.link);
    hang_up();
    close(s.listener);
    xos_loop_free(s.loop);
}

static int ask(unsigned mark, struct xos_error *err);

static void on_answer(void *arg, const struct xos_error *result, const struct execd_answer *answer,
                      size_t bytes)
{
    unsigned mark = *(const unsigned *)arg;
    struct xos_error err = {0};
    assert_true(s.answers + s.failures < ASKED);
    s.order[s.answers + s.failures] = mark;
    if (result->code) {
        s.failures++;
        assert_null(answer);
    } else {
        s.answers++;
        assert_int_equal(answer->bytes, bytes);
    }
    s.code = result->code;
    if (s.forget_next)
        execd_link_forget(s.link, &marks[mark + 1]);
    if (s.ask_inside && ask(7, &err) < 0)
        assert_true(xt_starving());
    s.ask_inside = false;
    if (s.free_inside) {
        execd_link_free(s.link);
        s.link = NULL;
    }
}

static int ask(unsigned mark, struct xos_error *err)
{
    struct execd_request r = {.verb = EXECD_PROBE};
    return execd_link_ask(s.link, &r, &(struct execd_blobs){0}, -1, on_answer, &marks[mark], err);
}

/* The peer takes what is there. */
static void peer_reads(void)
{
    static _Alignas(8) uint8_t packet[EXECD_MESSAGE_BYTES_MAX];
    struct xos_error err = {0};
    if (s.peer < 0)
        s.peer = accept4(s.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ssize_t n;
    while (s.peer >= 0 && (n = recv(s.peer, packet, sizeof(packet), 0)) > 0) {
        const struct execd_request *r = (const void *)packet;
        if (execd_request_check(packet, (size_t)n, &err) < 0)
            fail_msg("%s", err.text);
        assert_true(s.received < ASKED);
        s.serials[s.received++] = r->serial;
    }
}

static void peer_answers(uint64_t serial, enum xos_code code)
{
    struct execd_answer a = {.magic = EXECD_MAGIC,
                             .version = EXECD_VERSION,
                             .verb = EXECD_PROBE,
                             .bytes = sizeof(a),
                             .code = code,
                             .serial = serial};
    if (code)
        memset(a.text, 'x', sizeof(a.text) - 1);
    assert_int_equal(send(s.peer, &a, sizeof(a), MSG_NOSIGNAL), sizeof(a));
}

static void answers_find_who_asked(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(&err));
    for (unsigned i = 0; i < 3; i++)
        XT_TRY(ask(i, &err));
    RAW_PEER_UNTIL(s.loop, (peer_reads(), s.received == 3));
    peer_answers(s.serials[2], XOS_NONE); /* in any order */
    peer_answers(s.serials[0], XOS_DENIED);
    peer_answers(s.serials[0], XOS_NONE); /* twice */
    peer_answers(999, XOS_NONE);          /* to nobody */
    RAW_PEER_UNTIL(s.loop, s.answers + s.failures == 2);
    XT_TRY(raw_peer_spin(s.loop, 2, &err));
    assert_int_equal(s.answers, 1);
    assert_int_equal(s.order[0], 2);
    assert_int_equal(s.order[1], 0);
    assert_int_equal(s.code, XOS_DENIED);
    execd_link_forget(s.link, &marks[1]);
    peer_answers(s.serials[1], XOS_NONE);
    XT_TRY(raw_peer_spin(s.loop, 2, &err));
    assert_int_equal(s.answers + s.failures, 2);
out:
    tear_down();
}

static void who_waits_is_told_when_it_breaks(void **state)
{
    (void)state;
    struct xos_error err = {0};
    for (int garbage = 0; garbage < 2; garbage++) {
        XT_TRY(set_up(&err));
        for (unsigned i = 0; i < 3; i++)
            XT_TRY(ask(i, &err));
        RAW_PEER_UNTIL(s.loop, (peer_reads(), s.received == 3));
        if (garbage)
            assert_int_equal(send(s.peer, "garbage", 7, 0), 7);
        else
            hang_up();
        RAW_PEER_UNTIL(s.loop, s.failures == 3);
        assert_int_equal(s.code, XOS_UNAVAILABLE);
        hang_up();
        XT_TRY(ask(3, &err)); /* connects again */
        RAW_PEER_UNTIL(s.loop, (peer_reads(), s.received == 4));
        peer_answers(s.serials[3], XOS_NONE);
        RAW_PEER_UNTIL(s.loop, s.answers == 1);
        tear_down();
    }
    return;
out:
    tear_down();
}

/* The first who hears of the break takes the second away with it. */
static void who_was_forgotten_meanwhile_is_not_called(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(&err));
    s.forget_next = true;
    for (unsigned i = 0; i < 4; i++)
        XT_TRY(ask(i, &err));
    RAW_PEER_UNTIL(s.loop, (peer_reads(), s.received == 4));
    hang_up();
    RAW_PEER_UNTIL(s.loop, s.failures >= 2);
    XT_TRY(raw_peer_spin(s.loop, 2, &err));
    assert_int_equal(s.failures, 2);
    assert_int_equal(s.order[1], 2);
out:
    tear_down();
}

static void it_may_be_freed_or_asked_from_inside(void **state)
{
    (void)state;
    struct xos_error err = {0};
    for (int broken = 0; broken < 2; broken++) {
        XT_TRY(set_up(&err));
        s.ask_inside = s.free_inside = true;
        XT_TRY(ask(0, &err));
        XT_TRY(ask(1, &err));
        RAW_PEER_UNTIL(s.loop, (peer_reads(), s.received == 2));
        if (broken)
            hang_up();
        else
            peer_answers(s.serials[0], XOS_NONE);
        RAW_PEER_UNTIL(s.loop, !s.link);
        XT_TRY(raw_peer_spin(s.loop, 2, &err));
        assert_int_equal(s.answers + s.failures, 1);
        tear_down();
    }
    execd_link_free(NULL);
    return;
out:
    tear_down();
}

/* Asked between the break and its telling: over a new link, and not among those who are told. */
static void a_request_right_after_the_break_goes_through(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(&err));
    s.ask_inside = true;
    XT_TRY(ask(0, &err));
    RAW_PEER_UNTIL(s.loop, (peer_reads(), s.received == 1));
    hang_up();
    RAW_PEER_UNTIL(s.loop, (peer_reads(), s.received == 2));
    assert_int_equal(s.failures, 1);
    peer_answers(s.serials[1], XOS_NONE);
    RAW_PEER_UNTIL(s.loop, s.answers == 1);
    assert_int_equal(s.order[1], 7);
out:
    tear_down();
}

static void nobody_there_is_said_at_once(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(&err));
    close(s.listener);
    (void)unlink(s.path);
    XT_REFUSED(ask(0, &err), XOS_UNAVAILABLE);
    listen_now();
    XT_TRY(ask(0, &err));
    RAW_PEER_UNTIL(s.loop, (peer_reads(), s.received == 1));
out:
    tear_down();
}

static const struct xt_test tests[] = {
    XT(answers_find_who_asked),
    XT(who_waits_is_told_when_it_breaks),
    XT(who_was_forgotten_meanwhile_is_not_called),
    XT(it_may_be_freed_or_asked_from_inside),
    XT(a_request_right_after_the_break_goes_through),
    XT(nobody_there_is_said_at_once),
};
XT_MAIN(tests)
