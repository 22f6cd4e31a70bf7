// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a stranger's handshake is let in, or crashes the process before any key is
 * checked; or a missing handler admits everybody. */
#include "libxos/net/zap.h"
#include "libxos/wire/key.h"
#include "tests/unit/net/overlay_nodes.h"

#define TEXT(t) ((struct xos_slice){(const uint8_t *)(t), strlen(t)})
#define FRAMES 7

static uint8_t a_key[KEY] = {1, 2, 3};

static void good_request(struct xos_slice frames[static FRAMES + 1])
{
    frames[0] = TEXT("1.0");
    frames[1] = TEXT("42");
    frames[2] = TEXT("xos");
    frames[3] = TEXT("127.0.0.7");
    frames[4] = TEXT("");
    frames[5] = TEXT("CURVE");
    frames[6] = (struct xos_slice){a_key, KEY};
    frames[7] = TEXT("one too many");
}

static void a_good_request_is_understood(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_slice frames[FRAMES + 1];
    struct xos_zap_request request;
    good_request(frames);
    XT_TRY(xos_zap_parse(frames, FRAMES, &request, &err));
    assert_memory_equal(request.key, a_key, KEY);
    assert_string_equal(request.address, "127.0.0.7");
    assert_memory_equal(request.sequence.data, "42", 2);
    frames[3] = TEXT("::ffff:127.0.0.7");
    XT_TRY(xos_zap_parse(frames, FRAMES, &request, &err));
out:
    return;
}

static void each_frame_is_checked(void **state)
{
    (void)state;
    struct xos_error err = {0};
    static uint8_t long_bytes[300];
    const struct {
        size_t frame;
        struct xos_slice value;
    } bad[] = {
        {0, TEXT("1.1")},           {0, TEXT("")},
        {0, TEXT("1.0 ")},          {1, TEXT("")},
        {1, {long_bytes, 256}},     {2, TEXT("")},
        {2, TEXT("other")},         {3, TEXT("")},
        {3, TEXT("localhost")},     {3, {(const uint8_t *)"127.0.0.7\0x", 11}},
        {3, {long_bytes, 300}},     {4, {long_bytes, 256}},
        {5, TEXT("NULL")},          {5, TEXT("PLAIN")},
        {5, TEXT("CURVE2")},        {6, {a_key, KEY - 1}},
        {6, {long_bytes, KEY + 1}}, {6, TEXT("")},
    };
    struct xos_zap_request untouched = {.address = "unchanged"};
    struct xos_slice frames[FRAMES + 1];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        good_request(frames);
        frames[bad[i].frame] = bad[i].value;
        XT_REFUSED(xos_zap_parse(frames, FRAMES, &untouched, &err), XOS_PROTOCOL);
    }
    good_request(frames);
    for (size_t count = 0; count <= FRAMES + 1; count++)
        if (count != FRAMES)
            XT_REFUSED(xos_zap_parse(frames, count, &untouched, &err), XOS_PROTOCOL);
    assert_string_equal(untouched.address, "unchanged");
}

static enum xos_zap_verdict admit_all(void *arg, const struct xos_zap_request *request)
{
    (void)arg;
    (void)request;
    return XOS_ZAP_ADMIT;
}

static void count_malformed(void *arg, const struct xos_error *why)
{
    (void)why;
    ++*(unsigned *)arg;
}

struct seen {
    unsigned messages;
    char user_id[XOS_ZAP_USER_ID_CHARS + 1];
};

static void on_seen(void *arg, zmq_msg_t *frames, size_t count)
{
    struct seen *seen = arg;
    const char *user_id = zmq_msg_gets(&frames[count - 1], "User-Id");
    seen->messages++;
    (void)snprintf(seen->user_id, sizeof(seen->user_id), "%s", user_id ? user_id : "");
}

/* One ROUTER made as the overlay makes it and one DEALER with good keys; with and without us. */
static void try_to_connect(bool with_handler)
{
    struct xos_error err = {0};
    struct world w = {0};
    struct seen seen = {0};
    struct xos_zap *zap = NULL;
    struct xos_zsock *router = NULL, *dealer = NULL;
    struct xos_curve server = {.message_bytes_max = 1000, .high_water = 10}, client = server;
    char endpoint[XOS_ENDPOINT_TEXT_MAX], hex[XOS_ZAP_USER_ID_CHARS + 1];
    unsigned malformed = 0;
    zmq_msg_t frame;
    void *context = zmq_ctx_new();
    XT_TRY(world_open(&w, &err));
    XT_TRY(xos_curve_keypair(server.public_key, server.secret_key, &err));
    XT_TRY(xos_curve_keypair(client.public_key, client.secret_key, &err));
    if (with_handler)
        XT_TRY(xos_zap_new(&zap, w.loop, context, admit_all, count_malformed, &malformed, &err));
    XT_TRY(xos_zsock_new(&router, w.loop, context, ZMQ_ROUTER, on_seen, &seen, &err));
    XT_TRY(xos_curve_serve(router, &server, &err));
    XT_TRY(xos_zsock_bind(router, "tcp://127.0.0.1:0", &err));
    XT_TRY(xos_zsock_new(&dealer, w.loop, context, ZMQ_DEALER, on_seen, &seen, &err));
    XT_TRY(xos_curve_dial(dealer, &client, server.public_key, &err));
    XT_TRY(xos_address_endpoint(endpoint, NULL, "127.0.0.1", xos_zsock_port(router), &err));
    XT_TRY(xos_zsock_connect(dealer, endpoint, &err));
    zmq_msg_init_size(&frame, 1);
    *(char *)zmq_msg_data(&frame) = 'x';
    int sent = xos_zsock_send(dealer, &frame, 1, &err);
    if (with_handler) { /* without, the connection may be gone by now */
        assert_int_equal(sent, 0);
        WAIT_FOR(&w, seen.messages == 1);
        xos_hex(client.public_key, KEY, hex);
        assert_string_equal(seen.user_id, hex);
    } else {
        run_for(&w, 1000);
        assert_int_equal(seen.messages, 0);
    }
    assert_int_equal(malformed, 0);
out:
    xos_zsock_free(dealer);
    xos_zsock_free(router);
    xos_zap_free(zap);
    zmq_ctx_term(context);
    world_close(&w);
}

static void the_handler_lets_a_good_key_in(void **state)
{
    (void)state;
    try_to_connect(true);
}

static void without_the_handler_nothing_connects(void **state)
{
    (void)state;
    try_to_connect(false);
}

static void the_handler_survives_what_is_no_request(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w = {0};
    struct xos_zap *zap = NULL;
    unsigned malformed = 0;
    void *context = zmq_ctx_new(), *asker = zmq_socket(context, ZMQ_DEALER);
    XT_TRY(world_open(&w, &err));
    XT_TRY(xos_zap_new(&zap, w.loop, context, admit_all, count_malformed, &malformed, &err));
    assert_int_equal(zmq_connect(asker, "inproc://zeromq.zap.01"), 0);
    zmq_send(asker, "", 0, 0);
    zmq_send(asker, "no empty frame", 14, 0);
    zmq_send(asker, "", 0, ZMQ_SNDMORE);
    zmq_send(asker, "1.0", 3, 0);
    for (int i = 0; i < 30; i++)
        zmq_send(asker, "", 0, ZMQ_SNDMORE);
    zmq_send(asker, "", 0, 0);
    WAIT_FOR(&w, malformed == 4);
out:
    zmq_close(asker);
    xos_zap_free(zap);
    zmq_ctx_term(context);
    world_close(&w);
}

static const struct xt_test tests[] = {
    XT(a_good_request_is_understood),
    XT(each_frame_is_checked),
    XT_PLAIN(the_handler_lets_a_good_key_in),
    XT_PLAIN(without_the_handler_nothing_connects),
    XT_PLAIN(the_handler_survives_what_is_no_request),
};
XT_MAIN(tests)
