// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a message lies in its socket until another one happens to come, or one busy
 * peer keeps all others waiting. */
#include "libxos/net/zsock.h"
#include "tests/unit/net/overlay_nodes.h"

#include <time.h>

#define PILE 2000u

struct ear {
    struct xos_zsock *zsock;
    void *other; /* the far end, raw */
    unsigned heard;
    struct ear *rival;
    unsigned rival_had; /* what the rival had heard at our first message */
};

static void on_heard(void *arg, zmq_msg_t *frames, size_t count)
{
    struct ear *ear = arg;
    (void)frames;
    (void)count;
    if (ear->heard++ == 0 && ear->rival)
        ear->rival_had = ear->rival->heard;
}

static int ear_open(struct ear *ear, struct world *w, void *context, const char *endpoint,
                    struct xos_error *err)
{
    int none = 0;
    if (xos_zsock_new(&ear->zsock, w->loop, context, ZMQ_PAIR, on_heard, ear, err) < 0 ||
        xos_zsock_set(ear->zsock, ZMQ_RCVHWM, 0, err) < 0 ||
        xos_zsock_set(ear->zsock, ZMQ_LINGER, 0, err) < 0 ||
        xos_zsock_bind(ear->zsock, endpoint, err) < 0)
        return -1;
    ear->other = zmq_socket(context, ZMQ_PAIR);
    zmq_setsockopt(ear->other, ZMQ_LINGER, &none, sizeof(none));
    zmq_setsockopt(ear->other, ZMQ_SNDHWM, &none, sizeof(none));
    assert_int_equal(zmq_connect(ear->other, endpoint), 0);
    return 0;
}

static void ear_close(struct ear *ear)
{
    xos_zsock_free(ear->zsock);
    if (ear->other)
        zmq_close(ear->other);
}

static void sleep_ms(long ms)
{
    struct timespec t = {.tv_nsec = ms * 1000000};
    nanosleep(&t, NULL);
}

/* A send looks at the socket's state and so takes the descriptor's sign away. libzmq looks only
 * when its last look is a millisecond old: hence the pauses. */
static void a_message_that_came_before_a_send_is_still_delivered(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w = {0};
    struct ear ear = {0};
    void *context = zmq_ctx_new();
    XT_TRY(world_open(&w, &err));
    XT_TRY(ear_open(&ear, &w, context, "inproc://ear", &err));
    for (unsigned i = 1; i <= 20; i++) {
        zmq_msg_t frame;
        run_for(&w, 10);
        zmq_send(ear.other, "in", 2, 0);
        sleep_ms(5);
        zmq_msg_init_size(&frame, 1);
        XT_TRY(xos_zsock_send(ear.zsock, &frame, 1, &err));
        WAIT_FOR(&w, ear.heard == i);
    }
out:
    ear_close(&ear);
    zmq_ctx_term(context);
    world_close(&w);
}

static void a_pile_of_messages_lets_others_through(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w = {0};
    struct ear busy = {0}, quiet = {.rival = &busy};
    void *context = zmq_ctx_new();
    XT_TRY(world_open(&w, &err));
    XT_TRY(ear_open(&busy, &w, context, "inproc://busy", &err));
    XT_TRY(ear_open(&quiet, &w, context, "inproc://quiet", &err));
    run_for(&w, 10);
    for (unsigned i = 0; i < PILE; i++)
        zmq_send(busy.other, "pile", 4, 0);
    zmq_send(quiet.other, "one", 3, 0);
    WAIT_FOR(&w, busy.heard == PILE && quiet.heard == 1);
    assert_in_range(quiet.rival_had, 0, PILE / 2);
out:
    ear_close(&busy);
    ear_close(&quiet);
    zmq_ctx_term(context);
    world_close(&w);
}

static void on_last_message(void *arg, zmq_msg_t *frames, size_t count)
{
    struct ear *ear = arg;
    (void)count;
    ear->heard++;
    xos_zsock_free(ear->zsock);
    ear->zsock = NULL;
    assert_int_equal(zmq_msg_size(&frames[0]), 4); /* the message outlives its socket */
}

static void the_socket_may_be_freed_in_its_own_message(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w = {0};
    struct ear ear = {0};
    void *context = zmq_ctx_new();
    XT_TRY(world_open(&w, &err));
    XT_TRY(xos_zsock_new(&ear.zsock, w.loop, context, ZMQ_PAIR, on_last_message, &ear, &err));
    XT_TRY(xos_zsock_bind(ear.zsock, "inproc://last", &err));
    ear.other = zmq_socket(context, ZMQ_PAIR);
    assert_int_equal(zmq_connect(ear.other, "inproc://last"), 0);
    zmq_send(ear.other, "last", 4, 0);
    zmq_send(ear.other, "more", 4, 0);
    WAIT_FOR(&w, ear.heard == 1);
    run_for(&w, 20);
    assert_int_equal(ear.heard, 1);
out:
    ear_close(&ear);
    zmq_ctx_term(context);
    world_close(&w);
}

static const struct xt_test tests[] = {
    XT_PLAIN(a_message_that_came_before_a_send_is_still_delivered),
    XT_PLAIN(a_pile_of_messages_lets_others_through),
    XT_PLAIN(the_socket_may_be_freed_in_its_own_message),
};
XT_MAIN(tests)
