// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: whoever reaches the port, or has one stolen node, can speak as another, read
 * what is meant for another, or keep the others from talking. */
#include "tests/unit/net/overlay_nodes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define IDLE_CONNECTIONS 200

/* Two nodes that talk over a's link to b, and go on talking whatever happens. */
struct friends {
    struct world w;
    struct node a, b;
};

static int friends_open(struct friends *f, struct xos_error *err)
{
    if (world_open(&f->w, err) < 0 || node_open(&f->w, &f->a, 21, err) < 0 ||
        node_open(&f->w, &f->b, 22, err) < 0 || node_know(&f->a, &f->b, err) < 0 ||
        node_know(&f->b, &f->a, err) < 0 || node_connect(&f->a, &f->b, err) < 0)
        return -1;
    f->b.echo = true;
    WAIT_FOR(&f->w, f->a.ups == 1 && f->b.ups == 1);
    return 0;
}

static void friends_close(struct friends *f)
{
    node_close(&f->a);
    node_close(&f->b);
    world_close(&f->w);
}

static void friends_still_talk(struct friends *f)
{
    struct xos_error err = {0};
    unsigned before = f->a.received;
    if (node_say(&f->a, &f->b, "are you there", &err) < 0)
        fail_msg("%s", err.text);
    WAIT_FOR(&f->w, f->a.received == before + 1);
    assert_int_equal(f->a.downs + f->b.downs, 0);
}

static double refused(const char *reason)
{
    return xos_metric_get(XOS_M_REFUSALS, reason);
}

/* A client that is not ours, in a context of its own. */
struct client {
    void *context, *socket;
};

static void client_open(struct client *c)
{
    int linger = 0;
    c->context = zmq_ctx_new();
    c->socket = zmq_socket(c->context, ZMQ_DEALER);
    assert_non_null(c->socket);
    zmq_setsockopt(c->socket, ZMQ_LINGER, &linger, sizeof(linger));
}

static void client_keys(struct client *c, const uint8_t *public_key, const uint8_t *secret_key,
                        const uint8_t *server_key)
{
    assert_int_equal(zmq_setsockopt(c->socket, ZMQ_CURVE_PUBLICKEY, public_key, KEY), 0);
    assert_int_equal(zmq_setsockopt(c->socket, ZMQ_CURVE_SECRETKEY, secret_key, KEY), 0);
    assert_int_equal(zmq_setsockopt(c->socket, ZMQ_CURVE_SERVERKEY, server_key, KEY), 0);
}

static void client_connect(struct client *c, const struct node *to)
{
    char endpoint[64];
    (void)snprintf(endpoint, sizeof(endpoint), "tcp://%s:%u", to->address, to->port);
    assert_int_equal(zmq_connect(c->socket, endpoint), 0);
}

static void client_close(struct client *c)
{
    if (c->socket)
        zmq_close(c->socket);
    if (c->context)
        zmq_ctx_term(c->context);
}

/* What the client has received, as text; "" when there is nothing. */
static const char *client_hears(struct client *c)
{
    static char text[64];
    int n = zmq_recv(c->socket, text, sizeof(text) - 1, ZMQ_DONTWAIT);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

static int tcp(const struct node *to)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)to->port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, to->address, &in.sin_addr);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* Has the other end closed? What it sent before is read away. */
static bool closed_by_peer(int fd)
{
    char bytes[256];
    ssize_t n;
    while ((n = read(fd, bytes, sizeof(bytes))) > 0)
        ;
    return n == 0 || (n < 0 && errno != EAGAIN);
}

static void a_key_that_is_not_admitted_is_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct friends f = {0};
    struct node stranger = {0};
    double before = refused("unknown-key");
    XT_TRY(friends_open(&f, &err));
    XT_TRY(node_open(&f.w, &stranger, 23, &err));
    XT_TRY(node_know(&stranger, &f.b, &err));
    XT_TRY(node_connect(&stranger, &f.b, &err));
    XT_TRY(node_say(&stranger, &f.b, "let me in", &err));
    WAIT_FOR(&f.w, refused("unknown-key") > before && stranger.downs == 1);
    assert_int_equal(f.b.received, 0);
    assert_int_equal(stranger.ups, 0);
    friends_still_talk(&f);
out:
    node_close(&stranger);
    friends_close(&f);
}

static void a_client_without_curve_gets_nowhere(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct friends f = {0};
    struct client c = {0};
    double before = refused("handshake");
    XT_TRY(friends_open(&f, &err));
    client_open(&c);
    client_connect(&c, &f.b);
    assert_int_equal(zmq_send(c.socket, "in clear", 8, ZMQ_DONTWAIT), 8);
    WAIT_FOR(&f.w, refused("handshake") > before);
    assert_int_equal(f.b.received, 0);
    friends_still_talk(&f);
out:
    client_close(&c);
    friends_close(&f);
}

static void a_server_with_another_key_is_not_believed(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct friends f = {0};
    uint8_t key[KEY], secret[KEY];
    double before = refused("handshake");
    XT_TRY(friends_open(&f, &err));
    XT_TRY(xos_curve_keypair(key, secret, &err));
    XT_TRY(xos_overlay_admit(f.a.overlay, key, &err));
    XT_TRY(xos_overlay_connect(f.a.overlay, key, f.b.address, f.b.port, &err));
    XT_TRY(xos_overlay_send(f.a.overlay, key, (struct xos_slice){(const uint8_t *)"x", 1}, &err));
    WAIT_FOR(&f.w, refused("handshake") > before);
    assert_false(xos_overlay_up(f.a.overlay, key));
    assert_int_equal(f.b.received, 0);
    xos_overlay_expel(f.a.overlay, key);
    f.a.downs = 0;
    friends_still_talk(&f);
out:
    friends_close(&f);
}

static void garbage_and_silence_do_not_disturb_the_others(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct friends f = {0};
    int fds[IDLE_CONNECTIONS + 1];
    size_t open = 0, closed = 0;
    static const char garbage[] =
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n\xff\x00\x00\x00\x00\x00\x00\x00"
        "\x01\x7f\x03\x01garbage and more garbage and more garbage";
    XT_TRY(friends_open(&f, &err));
    for (; open < IDLE_CONNECTIONS + 1; open++)
        fds[open] = tcp(&f.b);
    assert_true(write(fds[0], garbage, sizeof(garbage)) > 0);
    friends_still_talk(&f);
    WAIT_FOR(&f.w, closed_by_peer(fds[0]));
    friends_still_talk(&f);
    for (size_t i = 1; i < open; i++) { /* each is given up after the handshake's deadline */
        WAIT_FOR(&f.w, closed_by_peer(fds[i]));
        closed++;
    }
    assert_int_equal(closed, IDLE_CONNECTIONS);
    friends_still_talk(&f);
out:
    while (open > 0)
        close(fds[--open]);
    friends_close(&f);
}

static void a_chosen_routing_id_gets_nothing_meant_for_its_owner(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct friends f = {0};
    struct node victim = {0}, thief = {0};
    struct client v = {0}, t = {0};
    XT_TRY(friends_open(&f, &err));
    XT_TRY(xos_curve_keypair(victim.public_key, victim.secret_key, &err));
    XT_TRY(xos_curve_keypair(thief.public_key, thief.secret_key, &err));
    XT_TRY(node_know(&f.b, &victim, &err));
    XT_TRY(node_know(&f.b, &thief, &err));
    f.b.echo = false;

    client_open(&v); /* the victim lets libzmq choose, as our nodes do, and is heard */
    client_keys(&v, victim.public_key, victim.secret_key, f.b.public_key);
    client_connect(&v, &f.b);
    zmq_send(v.socket, "victim", 6, 0);
    WAIT_FOR(&f.w, f.b.received == 1);

    client_open(&t); /* the thief has a key of its own, and takes names */
    client_keys(&t, thief.public_key, thief.secret_key, f.b.public_key);
    zmq_setsockopt(t.socket, ZMQ_ROUTING_ID, "victim", 6);
    client_connect(&t, &f.b);
    double before = refused("routing-id");
    zmq_send(t.socket, "I am victim", 11, 0);
    WAIT_FOR(&f.w, refused("routing-id") > before);
    assert_int_equal(f.b.received, 1);
    assert_true(node_say(&f.b, &thief, "for the thief", &err) < 0);
    assert_int_equal(err.code, XOS_UNAVAILABLE);

    XT_TRY(node_say(&f.b, &victim, "for the victim", &err));
    const char *heard = "";
    WAIT_FOR(&f.w, *(heard = client_hears(&v)));
    assert_string_equal(heard, "for the victim");
    assert_string_equal(client_hears(&t), "");

    client_close(&v); /* once the victim has gone, what is for it goes nowhere */
    v = (struct client){0};
    WAIT_FOR(&f.w, !xos_overlay_up(f.b.overlay, victim.public_key));
    XT_REFUSED(node_say(&f.b, &victim, "secret", &err), XOS_UNAVAILABLE);
    run_for(&f.w, 100);
    assert_string_equal(client_hears(&t), "");
    f.b.echo = true;
    f.b.downs = 0;
    friends_still_talk(&f);
out:
    client_close(&v);
    client_close(&t);
    friends_close(&f);
}

static void what_is_too_long_or_in_parts_is_dropped(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct friends f = {0};
    struct node known = {0};
    struct client c = {0};
    static uint8_t big[1 << 20];
    double before = refused("malformed");
    XT_TRY(friends_open(&f, &err));
    XT_TRY(xos_curve_keypair(known.public_key, known.secret_key, &err));
    XT_TRY(node_know(&f.b, &known, &err));
    client_open(&c);
    client_keys(&c, known.public_key, known.secret_key, f.b.public_key);
    client_connect(&c, &f.b);
    for (int i = 0; i < 20; i++)
        zmq_send(c.socket, "part", 4, ZMQ_SNDMORE);
    zmq_send(c.socket, "end", 3, 0);
    WAIT_FOR(&f.w, refused("malformed") > before);
    zmq_send(c.socket, "", 0, 0);
    WAIT_FOR(&f.w, xos_overlay_up(f.b.overlay, known.public_key));
    unsigned downs = f.b.downs;
    zmq_send(c.socket, big, sizeof(big), 0);
    WAIT_FOR(&f.w, f.b.downs == downs + 1); /* libzmq ends the connection */
    assert_int_equal(f.b.received, 0);
    f.b.downs = 0;
    friends_still_talk(&f);
out:
    client_close(&c);
    friends_close(&f);
}

static const struct xt_test tests[] = {
    XT_PLAIN(a_key_that_is_not_admitted_is_refused),
    XT_PLAIN(a_client_without_curve_gets_nowhere),
    XT_PLAIN(a_server_with_another_key_is_not_believed),
    XT_PLAIN(garbage_and_silence_do_not_disturb_the_others),
    XT_PLAIN(a_chosen_routing_id_gets_nothing_meant_for_its_owner),
    XT_PLAIN(what_is_too_long_or_in_parts_is_dropped),
};
XT_MAIN(tests)
