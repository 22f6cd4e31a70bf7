// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: nodes cannot talk to each other, or lose, reorder or stall what they say, or
 * stay apart after a restart, or a node that was expelled is still heard. */
#include "tests/unit/net/overlay_nodes.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BURST 10000u

/* Two nodes that know each other, a linked to b. */
static int pair_open(struct world *w, struct node *a, struct node *b, struct xos_error *err)
{
    if (world_open(w, err) < 0 || node_open(w, a, 1, err) < 0 || node_open(w, b, 2, err) < 0 ||
        node_know(a, b, err) < 0 || node_know(b, a, err) < 0)
        return -1;
    return node_connect(a, b, err);
}

static void pair_close(struct world *w, struct node *a, struct node *b)
{
    node_close(a);
    node_close(b);
    world_close(w);
}

static void messages_go_both_ways_over_one_link(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w = {0};
    struct node a = {0}, b = {0};
    XT_TRY(pair_open(&w, &a, &b, &err));
    XT_TRY(node_say(&a, &b, "said before the link was up", &err));
    WAIT_FOR(&w, b.received == 1);
    assert_string_equal(b.last, "said before the link was up");
    assert_memory_equal(b.last_from, a.public_key, KEY);
    assert_true(xos_overlay_up(a.overlay, b.public_key));
    assert_true(xos_overlay_up(b.overlay, a.public_key));
    XT_TRY(node_say(&b, &a, "and back", &err));
    WAIT_FOR(&w, a.received == 1);
    assert_string_equal(a.last, "and back");
    assert_memory_equal(a.last_from, b.public_key, KEY);
    assert_int_equal(a.ups, 1);
    assert_int_equal(b.ups, 1);
    assert_int_equal(a.downs + b.downs, 0);
out:
    pair_close(&w, &a, &b);
}

static void the_greeting_alone_opens_the_way_back(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w = {0};
    struct node a = {0}, b = {0};
    XT_TRY(pair_open(&w, &a, &b, &err));
    WAIT_FOR(&w, b.ups == 1);
    XT_TRY(node_say(&b, &a, "I speak first", &err));
    WAIT_FOR(&w, a.received == 1);
    assert_int_equal(b.received, 0); /* the greeting is not the owner's */
out:
    pair_close(&w, &a, &b);
}

static void three_nodes_do_not_mix_up_their_messages(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w = {0};
    struct node n[3] = {0};
    XT_TRY(world_open(&w, &err));
    for (unsigned i = 0; i < 3; i++)
        XT_TRY(node_open(&w, &n[i], 10 + i, &err));
    for (unsigned i = 0; i < 3; i++)
        for (unsigned j = 0; j < 3; j++)
            if (i != j) {
                XT_TRY(node_know(&n[i], &n[j], &err));
            }
    XT_TRY(node_connect(&n[1], &n[0], &err));
    XT_TRY(node_connect(&n[2], &n[0], &err));
    XT_TRY(node_connect(&n[1], &n[2], &err)); /* and these two in both directions */
    XT_TRY(node_connect(&n[2], &n[1], &err));
    WAIT_FOR(&w, n[0].ups == 2 && n[1].ups == 2 && n[2].ups == 2);
    XT_TRY(node_say(&n[0], &n[1], "to one", &err));
    XT_TRY(node_say(&n[0], &n[2], "to two", &err));
    WAIT_FOR(&w, n[1].received == 1 && n[2].received == 1);
    assert_string_equal(n[1].last, "to one");
    assert_string_equal(n[2].last, "to two");
    XT_TRY(node_say(&n[1], &n[2], "across", &err));
    WAIT_FOR(&w, n[2].received == 2);
    assert_memory_equal(n[2].last_from, n[1].public_key, KEY);
out:
    for (unsigned i = 0; i < 3; i++)
        node_close(&n[i]);
    world_close(&w);
}

/* Send numbers until the queue is full; returns how many have been sent in all. */
static uint32_t send_numbers(struct node *from, const struct node *to, uint32_t sent)
{
    struct xos_error err = {0};
    while (sent < BURST &&
           xos_overlay_send(from->overlay, to->public_key,
                            (struct xos_slice){(uint8_t *)&sent, sizeof(sent)}, &err) == 0)
        sent++;
    if (sent < BURST)
        assert_int_equal(err.code, XOS_LIMIT);
    return sent;
}

static void a_burst_each_way_arrives_in_order_without_a_stall(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w = {0};
    struct node a = {0}, b = {0};
    uint32_t from_a = 0, from_b = 0;
    XT_TRY(pair_open(&w, &a, &b, &err));
    WAIT_FOR(&w, a.ups == 1 && b.ups == 1);
    WAIT_FOR(&w, (from_a = send_numbers(&a, &b, from_a), from_b = send_numbers(&b, &a, from_b),
                  from_a == BURST && from_b == BURST));
    WAIT_FOR(&w, a.received == BURST && b.received == BURST);
    assert_int_equal(a.misordered, 0);
    assert_int_equal(b.misordered, 0);
out:
    pair_close(&w, &a, &b);
}

static void a_full_queue_is_refused_and_counted(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w = {0};
    struct node a = {0}, b = {0};
    static uint8_t big[65537];
    double before = xos_metric_get(XOS_M_LIMITS_REACHED, "overlay_queue");
    unsigned sent = 0;
    XT_TRY(pair_open(&w, &a, &b, &err));
    XT_REFUSED(xos_overlay_send(a.overlay, b.public_key, (struct xos_slice){big, 65537}, &err),
               XOS_LIMIT);
    XT_REFUSED(xos_overlay_send(a.overlay, b.public_key, (struct xos_slice){big, 0}, &err),
               XOS_INVALID);
    while (xos_overlay_send(a.overlay, b.public_key, (struct xos_slice){big, 65536}, &err) == 0)
        sent++;
    assert_int_equal(err.code, XOS_LIMIT);
    assert_in_range(sent, 100, XOS_OVERLAY_QUEUE_BYTES_MAX / 65536);
    assert_true(xos_metric_get(XOS_M_LIMITS_REACHED, "overlay_queue") > before);
    WAIT_FOR(&w, b.received == sent);
    XT_TRY(node_say(&a, &b, "room again", &err));
    WAIT_FOR(&w, b.received == sent + 1);
out:
    pair_close(&w, &a, &b);
}

static void an_expelled_key_is_not_heard_though_its_connection_lives(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w = {0};
    struct node a = {0}, b = {0};
    double before = xos_metric_get(XOS_M_REFUSALS, "expelled-key");
    XT_TRY(pair_open(&w, &a, &b, &err));
    WAIT_FOR(&w, b.ups == 1);
    xos_overlay_expel(b.overlay, a.public_key);
    XT_TRY(node_say(&a, &b, "still here", &err));
    WAIT_FOR(&w, xos_metric_get(XOS_M_REFUSALS, "expelled-key") > before);
    assert_int_equal(b.received, 0);
    assert_true(xos_overlay_up(a.overlay, b.public_key));
    XT_REFUSED(node_say(&b, &a, "you?", &err), XOS_DENIED);
    XT_TRY(xos_overlay_admit(b.overlay, a.public_key, &err));
    XT_TRY(node_say(&a, &b, "forgiven", &err));
    WAIT_FOR(&w, b.received == 1);
    assert_string_equal(b.last, "forgiven");
    xos_overlay_expel(a.overlay, b.public_key); /* what we opened ourselves ends too */
    WAIT_FOR(&w, b.downs == 1);
    XT_REFUSED(node_connect(&a, &b, &err), XOS_DENIED);
out:
    pair_close(&w, &a, &b);
}

static void a_link_comes_back_after_the_listener_restarts(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w = {0};
    struct node a = {0}, b = {0};
    XT_TRY(pair_open(&w, &a, &b, &err));
    WAIT_FOR(&w, a.ups == 1);
    xos_overlay_free(b.overlay);
    b.overlay = NULL;
    WAIT_FOR(&w, a.downs == 1);
    WAIT_FOR(&w, node_say(&a, &b, "anybody?", &err) < 0);
    assert_int_equal(err.code, XOS_UNAVAILABLE);
    XT_TRY(node_listen(&w, &b, &err));
    run_for(&w, 300);
    assert_int_equal(b.ups, 0); /* it has forgotten whom it admits: refused, and tried again */
    XT_TRY(node_know(&b, &a, &err));
    WAIT_FOR(&w, a.ups == 2 && b.ups == 1);
    XT_TRY(node_say(&a, &b, "back", &err));
    WAIT_FOR(&w, b.received == 1);
out:
    pair_close(&w, &a, &b);
}

static void the_listener_notices_that_a_peer_has_gone(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w = {0};
    struct node a = {0}, b = {0};
    XT_TRY(pair_open(&w, &a, &b, &err));
    WAIT_FOR(&w, b.ups == 1);
    xos_overlay_disconnect(a.overlay, b.public_key);
    WAIT_FOR(&w, a.downs == 1 && b.downs == 1);
    XT_REFUSED(node_say(&b, &a, "gone?", &err), XOS_UNAVAILABLE);
    XT_TRY(node_connect(&a, &b, &err));
    WAIT_FOR(&w, b.ups == 2);
    XT_TRY(node_say(&b, &a, "again", &err));
    WAIT_FOR(&w, a.received == 1);
out:
    pair_close(&w, &a, &b);
}

static void a_link_follows_its_peer_to_another_port(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w = {0};
    struct node a = {0}, b = {0};
    XT_TRY(pair_open(&w, &a, &b, &err));
    WAIT_FOR(&w, a.ups == 1);
    xos_overlay_free(b.overlay);
    b.overlay = NULL;
    b.port = 0;
    XT_TRY(node_listen(&w, &b, &err));
    XT_TRY(node_know(&b, &a, &err));
    XT_TRY(node_connect(&a, &b, &err));
    XT_TRY(node_connect(&a, &b, &err)); /* once more is the same */
    XT_TRY(node_say(&a, &b, "found you", &err));
    WAIT_FOR(&w, b.received == 1);
out:
    pair_close(&w, &a, &b);
}

static void what_is_cut_is_silent_until_it_is_healed(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w = {0};
    struct node a = {0}, b = {0};
    XT_TRY(pair_open(&w, &a, &b, &err));
    const char *cut[] = {b.address};
    WAIT_FOR(&w, a.ups == 1 && b.ups == 1);
    XT_TRY(xos_cut_set(a.cut, cut, 1, &err));
    XT_TRY(node_say(&a, &b, "into the void", &err));
    XT_TRY(node_say(&b, &a, "from the void", &err));
    run_for(&w, 300);
    assert_int_equal(a.received + b.received, 0);
    assert_int_equal(a.downs, 0); /* a cable that is cut is not noticed at once */
    WAIT_FOR(&w, a.downs == 1);
    assert_false(xos_overlay_up(a.overlay, b.public_key));
    XT_TRY(xos_cut_set(a.cut, NULL, 0, &err));
    WAIT_FOR(&w, a.ups == 2);
    XT_TRY(node_say(&a, &b, "healed", &err));
    XT_TRY(node_say(&b, &a, "healed", &err));
    WAIT_FOR(&w, a.received == 1 && b.received == 1);
out:
    pair_close(&w, &a, &b);
}

static void a_new_connection_across_a_cut_waits(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w = {0};
    struct node a = {0}, b = {0};
    XT_TRY(pair_open(&w, &a, &b, &err));
    const char *cut_a[] = {a.address}, *cut_b[] = {b.address};
    XT_TRY(xos_cut_set(b.cut, cut_a, 1, &err)); /* before the loop has run: no handshake yet */
    run_for(&w, 800);
    assert_int_equal(a.ups + a.downs + b.ups, 0); /* neither an answer nor a quick failure */
    xos_overlay_disconnect(a.overlay, b.public_key);
    XT_TRY(xos_cut_set(a.cut, cut_b, 1, &err)); /* the same from the side that connects */
    XT_TRY(node_connect(&a, &b, &err));
    run_for(&w, 800);
    assert_int_equal(a.ups + a.downs + b.ups, 0);
    XT_TRY(xos_cut_set(a.cut, NULL, 0, &err));
    XT_TRY(xos_cut_set(b.cut, NULL, 0, &err));
    WAIT_FOR(&w, a.ups == 1 && b.ups == 1);
out:
    pair_close(&w, &a, &b);
}

static void ipv6_and_any_address_work_where_the_kernel_has_them(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w = {0};
    struct node a = {0}, b = {0};
    XT_TRY(world_open(&w, &err));
    XT_TRY(node_open(&w, &a, 1, &err));
    XT_TRY(xos_curve_keypair(b.public_key, b.secret_key, &err));
    struct xos_overlay_config any = {.public_key = b.public_key,
                                     .secret_key = b.secret_key,
                                     .on_message = node_message,
                                     .on_link = node_link,
                                     .arg = &b};
    XT_TRY(xos_overlay_new(&b.overlay, w.loop, &any, &err));
    b.port = xos_overlay_port(b.overlay);
    (void)snprintf(b.address, sizeof(b.address), "127.9.0.2");
    XT_TRY(node_know(&a, &b, &err));
    XT_TRY(node_know(&b, &a, &err));
    XT_TRY(node_connect(&a, &b, &err));
    WAIT_FOR(&w, b.ups == 1);
    XT_TRY(node_say(&a, &b, "over a mapped address", &err));
    WAIT_FOR(&w, b.received == 1);
out:
    node_close(&a);
    node_close(&b);
    world_close(&w);
}

struct judge {
    struct node node;
    unsigned heard;
};

static void expel_speaker(void *arg, const uint8_t key[static KEY], struct xos_slice m)
{
    struct judge *j = arg;
    (void)m;
    j->heard++;
    xos_overlay_expel(j->node.overlay, key);
}

static void a_callback_may_expel_the_one_it_is_called_for(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w = {0};
    struct node a = {0};
    struct judge j = {0};
    XT_TRY(world_open(&w, &err));
    XT_TRY(node_open(&w, &a, 1, &err));
    XT_TRY(xos_curve_keypair(j.node.public_key, j.node.secret_key, &err));
    struct xos_overlay_config config = {.host = "127.9.0.2",
                                        .public_key = j.node.public_key,
                                        .secret_key = j.node.secret_key,
                                        .on_message = expel_speaker,
                                        .arg = &j};
    XT_TRY(xos_overlay_new(&j.node.overlay, w.loop, &config, &err));
    (void)snprintf(j.node.address, sizeof(j.node.address), "127.9.0.2");
    j.node.port = xos_overlay_port(j.node.overlay);
    a.echo = true;
    XT_TRY(node_know(&a, &j.node, &err));
    XT_TRY(node_know(&j.node, &a, &err));
    XT_TRY(node_connect(&j.node, &a, &err)); /* its own link is freed inside its message */
    XT_TRY(node_say(&j.node, &a, "say it back", &err));
    WAIT_FOR(&w, j.heard == 1 && a.downs == 1);
    XT_TRY(node_know(&j.node, &a, &err));
    XT_TRY(node_connect(&a, &j.node, &err)); /* and now the route */
    for (int i = 0; i < 10; i++)
        XT_TRY(node_say(&a, &j.node, "again and again", &err));
    WAIT_FOR(&w, j.heard == 2);
    run_for(&w, 50);
    assert_int_equal(j.heard, 2);
out:
    node_close(&a);
    node_close(&j.node);
    world_close(&w);
}

/* Each allocation of ours fails in turn on the way from nothing to a link that is being made. */
static void opening_and_closing_leaves_nothing_behind(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w = {0};
    struct node a = {0}, b = {0};
    XT_TRY(pair_open(&w, &a, &b, &err));
    XT_TRY(node_say(&a, &b, "never sent", &err));
    XT_REFUSED(xos_overlay_connect(a.overlay, b.public_key, "example.org", 1, &err), XOS_INVALID);
    XT_REFUSED(xos_overlay_connect(a.overlay, b.public_key, "::1", 1, &err), XOS_INVALID);
    XT_REFUSED(xos_overlay_connect(a.overlay, b.public_key, "127.0.0.1", 65536, &err), XOS_INVALID);
out:
    pair_close(&w, &a, &b);
}

/* The other end, in a process of its own: b admits a, and tells its port. */
static void run_other_end(struct node *b, const struct node *a, int port_out)
{
    struct world w = {0};
    struct xos_error err = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (world_open(&w, &err) < 0 || node_listen(&w, b, &err) < 0 || node_know(b, a, &err) < 0 ||
        write(port_out, &b->port, sizeof(b->port)) != sizeof(b->port))
        _exit(1);
    (void)xos_loop_run(w.loop, &err);
    _exit(1);
}

static void a_peer_that_is_frozen_is_noticed_though_its_tcp_lives(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w = {0};
    struct node a = {.address = "127.9.0.1"}, b = {.address = "127.9.0.2"};
    int ports[2];
    pid_t child = -1;
    XT_TRY(xos_curve_keypair(a.public_key, a.secret_key, &err));
    XT_TRY(xos_curve_keypair(b.public_key, b.secret_key, &err));
    assert_int_equal(pipe(ports), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        run_other_end(&b, &a, ports[1]);
    close(ports[1]);
    assert_int_equal(read(ports[0], &b.port, sizeof(b.port)), sizeof(b.port));
    close(ports[0]);
    XT_TRY(world_open(&w, &err));
    XT_TRY(node_listen(&w, &a, &err));
    XT_TRY(node_know(&a, &b, &err));
    XT_TRY(node_connect(&a, &b, &err));
    WAIT_FOR(&w, a.ups == 1);
    kill(child, SIGSTOP);
    WAIT_FOR(&w, a.downs == 1);
    kill(child, SIGCONT);
    WAIT_FOR(&w, a.ups == 2);
out:
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    node_close(&a);
    world_close(&w);
}

static void a_link_that_gets_up_across_a_cut_is_not_told(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w = {0};
    struct node a = {0}, b = {0};
    XT_TRY(pair_open(&w, &a, &b, &err));
    const char *cut[] = {b.address};
    XT_TRY(xos_cut_set(a.cut, cut, 1, &err)); /* a's attempt runs already, and b knows of no cut */
    WAIT_FOR(&w, b.ups == 1);
    run_for(&w, 100);
    assert_int_equal(a.ups, 0);
    assert_false(xos_overlay_up(a.overlay, b.public_key));
    XT_TRY(xos_cut_set(a.cut, NULL, 0, &err));
    WAIT_FOR(&w, a.ups == 1);
out:
    pair_close(&w, &a, &b);
}

static const struct xt_test tests[] = {
    XT_PLAIN(messages_go_both_ways_over_one_link),
    XT_PLAIN(the_greeting_alone_opens_the_way_back),
    XT_PLAIN(three_nodes_do_not_mix_up_their_messages),
    XT_PLAIN(a_burst_each_way_arrives_in_order_without_a_stall),
    XT_PLAIN(a_full_queue_is_refused_and_counted),
    XT_PLAIN(an_expelled_key_is_not_heard_though_its_connection_lives),
    XT_PLAIN(a_link_comes_back_after_the_listener_restarts),
    XT_PLAIN(the_listener_notices_that_a_peer_has_gone),
    XT_PLAIN(a_peer_that_is_frozen_is_noticed_though_its_tcp_lives),
    XT_PLAIN(a_link_that_gets_up_across_a_cut_is_not_told),
    XT_PLAIN(a_link_follows_its_peer_to_another_port),
    XT_PLAIN(what_is_cut_is_silent_until_it_is_healed),
    XT_PLAIN(a_new_connection_across_a_cut_waits),
    XT_PLAIN(ipv6_and_any_address_work_where_the_kernel_has_them),
    XT_PLAIN(a_callback_may_expel_the_one_it_is_called_for),
    XT(opening_and_closing_leaves_nothing_behind),
};
XT_MAIN(tests)
