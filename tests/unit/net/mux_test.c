// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: bytes of one stream turn up in another or out of order, a slow reader stalls
 * everybody or fills the memory, or a hostile peer breaks the process that holds all links. */
#include "libxos/net/mux.h"

#include "libxos/base/alloc.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct xos_mux_config config_of(bool dialer)
{
    return (struct xos_mux_config){
        .dialer = dialer, .window_bytes = 1000, .streams_max = 4, .ping_ms = 100, .dead_ms = 200};
}

/* One machine, and what it sent: as bytes for the other side. */
struct side {
    struct xos_mux *mux;
    struct xos_buf wire;
    struct xos_mux_actions acts;
    uint64_t now_ms;
};

static void side_free(struct side *s)
{
    xos_mux_free(s->mux);
    xos_buf_free(&s->wire);
}

static int side_step(struct side *s, struct xos_mux_event ev, struct xos_error *err)
{
    ev.now_ms = s->now_ms;
    if (xos_mux_step(s->mux, &ev, &s->acts, err) < 0)
        return -1;
    for (size_t i = 0; i < s->acts.count; i++) {
        const struct xos_mux_frame *f = &s->acts.at[i].frame;
        if (s->acts.at[i].kind != XOS_MUX_DO_SEND)
            continue;
        if (xos_buf_add(&s->wire, f->head, sizeof(f->head), err) < 0 ||
            xos_buf_add(&s->wire, f->small, f->small_len, err) < 0 ||
            xos_buf_add(&s->wire, f->payload.data, f->payload.len, err) < 0)
            return -1;
    }
    return 0;
}

static int side_new(struct side *s, bool dialer, struct xos_error *err)
{
    struct xos_mux_config c = config_of(dialer);
    s->wire = XOS_BUF(1 << 20);
    if (xos_mux_new(&s->mux, &c, err) < 0)
        return -1;
    return side_step(s, (struct xos_mux_event){.kind = XOS_MUX_EV_START}, err);
}

/* The last action that is not a SEND, of the last step. */
static const struct xos_mux_action *told(const struct side *s)
{
    for (size_t i = s->acts.count; i > 0; i--)
        if (s->acts.at[i - 1].kind != XOS_MUX_DO_SEND)
            return &s->acts.at[i - 1];
    return NULL;
}

static int feed(struct side *s, const void *data, size_t len, struct xos_error *err)
{
    const uint8_t *at = data;
    while (len > 0) {
        struct xos_mux_event ev = {.kind = XOS_MUX_EV_BYTES, .bytes = {at, len}};
        if (side_step(s, ev, err) < 0)
            return -1;
        at += s->acts.used;
        len -= s->acts.used;
    }
    return 0;
}

/* Move what a sent to b, at most `bytes`, and forget it. */
static int carry(struct side *a, struct side *b, size_t bytes, struct xos_error *err)
{
    size_t n = bytes < a->wire.len ? bytes : a->wire.len;
    int rc = feed(b, a->wire.data, n, err);
    xos_buf_shift(&a->wire, n);
    return rc;
}

static int pair_up(struct side *dialer, struct side *listener, struct xos_error *err)
{
    if (side_new(dialer, true, err) < 0 || side_new(listener, false, err) < 0)
        return -1;
    return carry(dialer, listener, SIZE_MAX, err) < 0 ? -1 : carry(listener, dialer, SIZE_MAX, err);
}

static struct xos_mux_event open_of(const char *payload)
{
    return (struct xos_mux_event){.kind = XOS_MUX_EV_OPEN,
                                  .bytes = {(const uint8_t *)payload, strlen(payload)},
                                  .user = (void *)(uintptr_t)1};
}

static struct xos_mux_event event_of(enum xos_mux_event_kind kind, uint32_t stream)
{
    return (struct xos_mux_event){.kind = kind, .stream = stream, .text = ""};
}

static struct xos_mux_event write_of(uint32_t stream, size_t len)
{
    static const uint8_t zeros[70000];
    return (struct xos_mux_event){
        .kind = XOS_MUX_EV_WRITE, .stream = stream, .bytes = {zeros, len}, .room = 1 << 20};
}

static int open_pair(struct side *d, struct side *l, uint32_t *id, struct xos_error *err)
{
    if (side_step(d, open_of("hello"), err) < 0)
        return -1;
    *id = d->acts.stream;
    if (carry(d, l, SIZE_MAX, err) < 0)
        return -1;
    if (side_step(l, event_of(XOS_MUX_EV_ACCEPT, *id), err) < 0)
        return -1;
    return carry(l, d, SIZE_MAX, err);
}

static void a_stream_lives_from_open_to_both_ends(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct side d = {0}, l = {0};
    uint32_t id = 0;
    XT_TRY(pair_up(&d, &l, &err));
    XT_TRY(side_step(&d, open_of("what for"), &err));
    id = d.acts.stream;
    assert_int_equal(id, 1);
    XT_TRY(carry(&d, &l, SIZE_MAX, &err));
    assert_int_equal(told(&l)->kind, XOS_MUX_DO_OPENED);
    assert_int_equal(told(&l)->bytes.len, 8);
    assert_memory_equal(told(&l)->bytes.data, "what for", 8);
    XT_TRY(side_step(&l, event_of(XOS_MUX_EV_ACCEPT, id), &err));
    XT_TRY(carry(&l, &d, SIZE_MAX, &err));
    assert_int_equal(told(&d)->kind, XOS_MUX_DO_ACCEPTED);
    XT_TRY(side_step(&d, write_of(id, 300), &err));
    assert_int_equal(d.acts.used, 300);
    XT_TRY(side_step(&d, event_of(XOS_MUX_EV_END, id), &err));
    XT_TRY(side_step(&d, write_of(id, 10), &err));
    assert_int_equal(d.acts.used, 0); /* after END nothing is taken */
    XT_TRY(carry(&d, &l, XOS_MUX_HEAD_BYTES + 300, &err));
    assert_int_equal(told(&l)->kind, XOS_MUX_DO_DATA);
    assert_int_equal(told(&l)->bytes.len, 300);
    XT_TRY(carry(&d, &l, SIZE_MAX, &err));
    assert_int_equal(told(&l)->kind, XOS_MUX_DO_ENDED);
    XT_TRY(side_step(&l, write_of(id, 7), &err));
    assert_int_equal(l.acts.used, 7); /* the other half is open still */
    XT_TRY(side_step(&l, event_of(XOS_MUX_EV_END, id), &err));
    assert_int_equal(xos_mux_streams(l.mux), 0);
    XT_TRY(carry(&l, &d, SIZE_MAX, &err));
    assert_int_equal(xos_mux_streams(d.mux), 0);
out:
    side_free(&d);
    side_free(&l);
}

static void the_listener_opens_even_numbers(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct side d = {0}, l = {0};
    XT_TRY(pair_up(&d, &l, &err));
    XT_TRY(side_step(&l, open_of(""), &err));
    assert_int_equal(l.acts.stream, 2);
    XT_TRY(side_step(&l, open_of(""), &err));
    assert_int_equal(l.acts.stream, 4);
    XT_TRY(carry(&l, &d, SIZE_MAX, &err));
    assert_int_equal(xos_mux_streams(d.mux), 2);
out:
    side_free(&d);
    side_free(&l);
}

static void bytes_may_come_one_by_one(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct side d = {0}, l = {0};
    size_t got = 0;
    XT_TRY(side_new(&d, true, &err));
    XT_TRY(side_new(&l, false, &err));
    XT_TRY(carry(&l, &d, SIZE_MAX, &err));
    XT_TRY(side_step(&d, open_of("piecemeal"), &err));
    while (d.wire.len > 0)
        XT_TRY(carry(&d, &l, 1, &err));
    assert_int_equal(told(&l)->kind, XOS_MUX_DO_OPENED);
    assert_memory_equal(told(&l)->bytes.data, "piecemeal", 9);
    XT_TRY(side_step(&l, event_of(XOS_MUX_EV_ACCEPT, 1), &err));
    XT_TRY(carry(&l, &d, SIZE_MAX, &err));
    XT_TRY(side_step(&d, write_of(1, 20), &err));
    while (d.wire.len > 0) {
        XT_TRY(carry(&d, &l, 1, &err));
        got += told(&l) ? told(&l)->bytes.len : 0;
    }
    assert_int_equal(got, 20);
out:
    side_free(&d);
    side_free(&l);
}

static void credit_stops_the_writer_and_frees_it_again(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct side d = {0}, l = {0};
    struct xos_mux_event consumed = {.kind = XOS_MUX_EV_CONSUMED};
    uint32_t id;
    XT_TRY(pair_up(&d, &l, &err));
    XT_TRY(open_pair(&d, &l, &id, &err));
    XT_TRY(side_step(&d, write_of(id, 1500), &err));
    assert_int_equal(d.acts.used, 1000); /* the window */
    XT_TRY(side_step(&d, write_of(id, 500), &err));
    assert_int_equal(d.acts.used, 0);
    assert_false(xos_mux_waiting(d.mux)); /* room would not help */
    XT_TRY(carry(&d, &l, SIZE_MAX, &err));
    consumed.stream = id;
    consumed.count = 249;
    XT_TRY(side_step(&l, consumed, &err));
    assert_int_equal(l.acts.count, 0); /* less than a quarter: not worth a frame */
    consumed.count = 1;
    XT_TRY(side_step(&l, consumed, &err));
    assert_int_equal(l.acts.count, 1);
    XT_TRY(carry(&l, &d, SIZE_MAX, &err));
    assert_true(xos_mux_waiting(d.mux));
    XT_TRY(side_step(&d, event_of(XOS_MUX_EV_ROOM, 0), &err));
    assert_int_equal(told(&d)->kind, XOS_MUX_DO_WRITABLE);
    XT_TRY(side_step(&d, write_of(id, 500), &err));
    assert_int_equal(d.acts.used, 250);
out:
    side_free(&d);
    side_free(&l);
}

/* Three streams that always want more share the room in turns, whoever cries loudest. */
static void turns_go_round(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct side d = {0}, l = {0};
    uint32_t id[3];
    size_t taken[3] = {0};
    XT_TRY(pair_up(&d, &l, &err));
    for (int i = 0; i < 3; i++)
        XT_TRY(open_pair(&d, &l, &id[i], &err));
    for (int i = 0; i < 3; i++) {
        struct xos_mux_event full = write_of(id[i], 100);
        full.room = 0;
        XT_TRY(side_step(&d, full, &err));
    }
    for (int i = 0; i < 9; i++) {
        XT_TRY(side_step(&d, write_of(id[0], 100), &err)); /* not its turn */
        assert_int_equal(d.acts.used, 0);
        XT_TRY(side_step(&d, event_of(XOS_MUX_EV_ROOM, 0), &err));
        uint32_t who = told(&d)->stream;
        struct xos_mux_event ev = write_of(who, 500);
        ev.room = 100;
        XT_TRY(side_step(&d, ev, &err));
        assert_int_equal(d.acts.used, 100);
        taken[who / 2] += d.acts.used;
        XT_TRY(side_step(&d, ev, &err)); /* one write is one turn */
        assert_int_equal(d.acts.used, 0);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(taken[i], 300);
out:
    side_free(&d);
    side_free(&l);
}

static void one_write_is_at_most_a_quantum(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct side l = {0};
    struct xos_mux *m = NULL;
    struct xos_mux_config c = config_of(true);
    struct side d = {0};
    c.window_bytes = XOS_MUX_WINDOW_BYTES;
    d.wire = XOS_BUF(1 << 20);
    XT_TRY(xos_mux_new(&m, &c, &err));
    d.mux = m;
    XT_TRY(side_step(&d, event_of(XOS_MUX_EV_START, 0), &err));
    l.wire = XOS_BUF(1 << 20);
    c.dialer = false;
    XT_TRY(xos_mux_new(&l.mux, &c, &err));
    XT_TRY(side_step(&l, event_of(XOS_MUX_EV_START, 0), &err));
    XT_TRY(carry(&d, &l, SIZE_MAX, &err));
    XT_TRY(carry(&l, &d, SIZE_MAX, &err));
    uint32_t id;
    XT_TRY(open_pair(&d, &l, &id, &err));
    XT_TRY(side_step(&d, write_of(id, 70000), &err));
    assert_int_equal(d.acts.used, XOS_MUX_QUANTUM_BYTES);
    assert_true(xos_mux_waiting(d.mux));
out:
    side_free(&d);
    side_free(&l);
}

static void end_before_accept_follows_it(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct side d = {0}, l = {0};
    XT_TRY(pair_up(&d, &l, &err));
    XT_TRY(side_step(&d, open_of("all is in here"), &err));
    XT_TRY(side_step(&d, event_of(XOS_MUX_EV_END, 1), &err));
    assert_int_equal(d.acts.count, 0);
    XT_TRY(carry(&d, &l, SIZE_MAX, &err));
    XT_TRY(side_step(&l, event_of(XOS_MUX_EV_ACCEPT, 1), &err));
    XT_TRY(carry(&l, &d, SIZE_MAX, &err));
    XT_TRY(carry(&d, &l, SIZE_MAX, &err));
    assert_int_equal(told(&l)->kind, XOS_MUX_DO_ENDED);
out:
    side_free(&d);
    side_free(&l);
}

static void reset_carries_code_and_text(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct side d = {0}, l = {0};
    struct xos_mux_event reset = {
        .kind = XOS_MUX_EV_RESET, .stream = 1, .code = XOS_DENIED, .text = "no\nrule"};
    XT_TRY(pair_up(&d, &l, &err));
    XT_TRY(side_step(&d, open_of("secret"), &err));
    XT_TRY(carry(&d, &l, SIZE_MAX, &err));
    XT_TRY(side_step(&l, reset, &err));
    XT_TRY(carry(&l, &d, SIZE_MAX, &err));
    assert_int_equal(told(&d)->kind, XOS_MUX_DO_RESET);
    assert_int_equal(d.acts.reason.code, XOS_DENIED);
    assert_string_equal(d.acts.reason.text, "no?rule");
    assert_int_equal(xos_mux_streams(d.mux) + xos_mux_streams(l.mux), 0);
out:
    side_free(&d);
    side_free(&l);
}

/* The peer has not heard of our RESET yet: what it sends for the stream meanwhile is dropped. */
static void news_that_cross_are_dropped(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct side d = {0}, l = {0};
    struct xos_mux_event consumed = {.kind = XOS_MUX_EV_CONSUMED, .stream = 1, .count = 300};
    XT_TRY(pair_up(&d, &l, &err));
    uint32_t id;
    XT_TRY(open_pair(&d, &l, &id, &err));
    XT_TRY(side_step(&d, write_of(id, 300), &err));
    XT_TRY(carry(&d, &l, SIZE_MAX, &err));
    XT_TRY(side_step(&l, consumed, &err));
    XT_TRY(side_step(&l, write_of(id, 100), &err));
    XT_TRY(side_step(&l, event_of(XOS_MUX_EV_END, id), &err));
    XT_TRY(side_step(&d, event_of(XOS_MUX_EV_RESET, id), &err));
    XT_TRY(carry(&l, &d, SIZE_MAX, &err)); /* CREDIT, DATA, END of a stream that is gone */
    assert_null(told(&d));
    XT_TRY(carry(&d, &l, SIZE_MAX, &err));
    assert_int_equal(told(&l)->kind, XOS_MUX_DO_RESET);
    XT_TRY(side_step(&l, write_of(id, 100), &err)); /* and events of ours do nothing */
    assert_int_equal(l.acts.used, 0);
out:
    side_free(&d);
    side_free(&l);
}

static void streams_have_a_maximum_on_both_sides(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct side d = {0}, l = {0};
    struct xos_mux_event reset = event_of(XOS_MUX_EV_RESET, 1);
    static const uint8_t fifth[] = {0, 0, 0, 0, 0, 0, 0, 99, XOS_MUX_OPEN, 0, 0, 0};
    XT_TRY(pair_up(&d, &l, &err));
    for (int i = 0; i < 4; i++)
        XT_TRY(side_step(&d, open_of(""), &err));
    XT_REFUSED(side_step(&d, open_of(""), &err), XOS_LIMIT);
    XT_TRY(carry(&d, &l, SIZE_MAX, &err));
    XT_TRY(feed(&l, fifth, sizeof(fifth), &err)); /* one who does not count is told so */
    assert_int_equal(xos_mux_streams(l.mux), 4);
    assert_int_equal(l.wire.data[8], XOS_MUX_RESET);
    assert_int_equal(l.wire.data[13], XOS_LIMIT);
    XT_TRY(side_step(&d, reset, &err));
    XT_TRY(side_step(&d, open_of(""), &err));
out:
    side_free(&d);
    side_free(&l);
}

static void silence_is_asked_about_and_then_ends(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct side d = {0}, l = {0};
    XT_TRY(pair_up(&d, &l, &err));
    assert_int_equal(xos_mux_deadline_ms(d.mux), 100);
    d.now_ms = l.now_ms = 100;
    XT_TRY(side_step(&d, event_of(XOS_MUX_EV_TICK, 0), &err));
    assert_int_equal(d.wire.data[8], XOS_MUX_PING);
    assert_int_equal(xos_mux_deadline_ms(d.mux), 200);
    XT_TRY(carry(&d, &l, SIZE_MAX, &err));
    XT_TRY(carry(&l, &d, SIZE_MAX, &err)); /* PONG */
    assert_int_equal(xos_mux_deadline_ms(d.mux), 200);
    d.now_ms = 200;
    XT_TRY(side_step(&d, event_of(XOS_MUX_EV_TICK, 0), &err));
    d.now_ms = 300;
    XT_REFUSED(side_step(&d, event_of(XOS_MUX_EV_TICK, 0), &err), XOS_TIMEOUT);
out:
    side_free(&d);
    side_free(&l);
}

static void an_idle_connection_says_goodbye(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct side d = {0}, l = {0};
    struct xos_mux_config c = config_of(true);
    c.idle_ms = 50;
    d.wire = XOS_BUF(1 << 16);
    XT_TRY(xos_mux_new(&d.mux, &c, &err));
    XT_TRY(side_step(&d, event_of(XOS_MUX_EV_START, 0), &err));
    XT_TRY(side_new(&l, false, &err));
    XT_TRY(carry(&d, &l, SIZE_MAX, &err));
    XT_TRY(carry(&l, &d, SIZE_MAX, &err));
    assert_int_equal(xos_mux_deadline_ms(d.mux), 50);
    XT_TRY(side_step(&l, open_of("just now"), &err));
    d.now_ms = 50;
    XT_TRY(side_step(&d, event_of(XOS_MUX_EV_TICK, 0), &err));
    XT_REFUSED(side_step(&d, open_of(""), &err), XOS_UNAVAILABLE);
    XT_TRY(carry(&d, &l, SIZE_MAX, &err));
    assert_int_equal(told(&l)->kind, XOS_MUX_DO_DRAINING);
    assert_false(xos_mux_done(l.mux)); /* its stream is on the way */
    XT_TRY(carry(&l, &d, SIZE_MAX, &err));
    XT_TRY(carry(&d, &l, SIZE_MAX, &err));
    assert_int_equal(l.acts.reason.code, XOS_UNAVAILABLE);
    assert_true(xos_mux_done(l.mux));
out:
    side_free(&d);
    side_free(&l);
}

/* What no honest peer sends; the listener has stream 1 open, 3 offered, and 2 opening. */
#define HEAD(length, stream, type)                                                                 \
    0, (length) >> 16, (length) >> 8 & 255, (length)&255, 0, 0, 0, stream, type, 0, 0, 0
static const struct bad_row {
    const char *what;
    uint8_t bytes[32];
    size_t len;
    enum xos_code code;
} bad_table[] = {
    {"type 0", {HEAD(0, 1, 0)}, 12, XOS_PROTOCOL},
    {"type 11", {HEAD(0, 1, 11)}, 12, XOS_PROTOCOL},
    {"type 255", {HEAD(0, 1, 255)}, 12, XOS_PROTOCOL},
    {"flags", {0, 0, 0, 1, 0, 0, 0, 1, XOS_MUX_DATA, 1, 0, 0}, 12, XOS_PROTOCOL},
    {"not zero", {0, 0, 0, 1, 0, 0, 0, 1, XOS_MUX_DATA, 0, 0, 1}, 12, XOS_PROTOCOL},
    {"DATA of 65537", {HEAD(65537, 1, XOS_MUX_DATA)}, 12, XOS_PROTOCOL},
    {"OPEN of 65537", {HEAD(65537, 5, XOS_MUX_OPEN)}, 12, XOS_PROTOCOL},
    {"4 GiB", {255, 255, 255, 255, 0, 0, 0, 1, XOS_MUX_DATA}, 12, XOS_PROTOCOL},
    {"empty DATA", {HEAD(0, 1, XOS_MUX_DATA)}, 12, XOS_PROTOCOL},
    {"DATA on 0", {HEAD(1, 0, XOS_MUX_DATA)}, 12, XOS_PROTOCOL},
    {"PING on 1", {HEAD(8, 1, XOS_MUX_PING)}, 12, XOS_PROTOCOL},
    {"a second HELLO", {HEAD(12, 0, XOS_MUX_HELLO)}, 12, XOS_PROTOCOL},
    {"more than the window", {HEAD(1001, 1, XOS_MUX_DATA)}, 12, XOS_PROTOCOL},
    {"DATA before ACCEPT", {HEAD(1, 3, XOS_MUX_DATA)}, 12, XOS_PROTOCOL},
    {"DATA for a stream not yet accepted", {HEAD(1, 2, XOS_MUX_DATA)}, 12, XOS_PROTOCOL},
    {"DATA for a stream to come", {HEAD(1, 5, XOS_MUX_DATA)}, 12, XOS_PROTOCOL},
    {"DATA for one of ours to come", {HEAD(1, 4, XOS_MUX_DATA)}, 12, XOS_PROTOCOL},
    {"ACCEPT of its own", {HEAD(0, 1, XOS_MUX_ACCEPT)}, 12, XOS_PROTOCOL},
    {"ACCEPT of nothing", {HEAD(0, 4, XOS_MUX_ACCEPT)}, 12, XOS_PROTOCOL},
    {"OPEN twice", {HEAD(0, 1, XOS_MUX_OPEN)}, 12, XOS_PROTOCOL},
    {"OPEN of our number", {HEAD(0, 6, XOS_MUX_OPEN)}, 12, XOS_PROTOCOL},
    {"END before ACCEPT", {HEAD(0, 3, XOS_MUX_END)}, 12, XOS_PROTOCOL},
    {"END of nothing", {HEAD(0, 9, XOS_MUX_END)}, 12, XOS_PROTOCOL},
    {"RESET of nothing", {HEAD(2, 9, XOS_MUX_RESET), 0, 1}, 14, XOS_PROTOCOL},
    {"CREDIT of 0", {HEAD(4, 1, XOS_MUX_CREDIT)}, 16, XOS_PROTOCOL},
    {"CREDIT never given", {HEAD(4, 1, XOS_MUX_CREDIT), 0, 0, 0, 1}, 16, XOS_PROTOCOL},
    {"CREDIT over 32 bits", {HEAD(4, 1, XOS_MUX_CREDIT), 255, 255, 255, 255}, 16, XOS_PROTOCOL},
    {"CREDIT before ACCEPT", {HEAD(4, 3, XOS_MUX_CREDIT), 0, 0, 0, 1}, 16, XOS_PROTOCOL},
    {"CREDIT of 3 bytes", {HEAD(3, 1, XOS_MUX_CREDIT), 0, 0, 1}, 15, XOS_PROTOCOL},
    {"RESET without code", {HEAD(1, 1, XOS_MUX_RESET), 0}, 13, XOS_PROTOCOL},
    {"PING of 7", {HEAD(7, 0, XOS_MUX_PING)}, 19, XOS_PROTOCOL},
};

static int listener_with_streams(struct side *d, struct side *l, struct xos_error *err)
{
    uint32_t id;
    if (pair_up(d, l, err) < 0 || open_pair(d, l, &id, err) < 0 ||
        side_step(d, open_of(""), err) < 0 || carry(d, l, SIZE_MAX, err) < 0)
        return -1;
    return side_step(l, open_of(""), err);
}

static void a_hostile_peer_is_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct side d = {0}, l = {0};
    for (size_t i = 0; i < sizeof(bad_table) / sizeof(bad_table[0]); i++) {
        const struct bad_row *row = &bad_table[i];
        XT_TRY(listener_with_streams(&d, &l, &err));
        err.code = XOS_NONE;
        if (feed(&l, row->bytes, row->len, &err) == 0)
            fail_msg("%s was taken", row->what);
        if (err.code != row->code && !xt_starving())
            fail_msg("%s: %s", row->what, err.text);
        side_free(&d);
        side_free(&l);
        d = l = (struct side){0};
    }
out:
    side_free(&d);
    side_free(&l);
}

static const struct hello_row {
    uint16_t min, max;
    uint32_t window;
    enum xos_code code;
} hello_table[] = {
    {1, 1, 1000, XOS_NONE},           {1, 7, 1000, XOS_NONE},     {2, 7, 1000, XOS_VERSION},
    {0, 0, 1000, XOS_PROTOCOL},       {2, 1, 1000, XOS_PROTOCOL}, {1, 1, 0, XOS_PROTOCOL},
    {1, 1, UINT32_MAX, XOS_PROTOCOL},
};

static void versions_are_agreed_or_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct side s = {0};
    for (size_t i = 0; i < sizeof(hello_table) / sizeof(hello_table[0]); i++) {
        const struct hello_row *row = &hello_table[i];
        struct xos_mux_frame f = {0};
        xos_mux_frame_hello(&f, &(struct xos_mux_hello){row->min, row->max, row->window, 4});
        XT_TRY(side_new(&s, true, &err));
        XT_TRY(feed(&s, f.head, sizeof(f.head), &err));
        if (row->code == XOS_NONE)
            XT_TRY(feed(&s, f.small, f.small_len, &err));
        else
            XT_REFUSED(feed(&s, f.small, f.small_len, &err), row->code);
        side_free(&s);
        s = (struct side){0};
    }
    XT_TRY(side_new(&s, true, &err));
    XT_REFUSED(feed(&s, (const uint8_t[]){HEAD(8, 0, XOS_MUX_PING)}, 12, &err), XOS_PROTOCOL);
out:
    side_free(&s);
}

/* A later version's HELLO is longer; its end is skipped. */
static void a_longer_hello_is_understood(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct side s = {0};
    static const uint8_t later[] = {
        HEAD(16, 0, XOS_MUX_HELLO), 0, 1, 0, 2, 0, 0, 4, 0, 0, 0, 0, 9, 1, 2, 3, 4};
    XT_TRY(side_new(&s, true, &err));
    XT_TRY(feed(&s, later, sizeof(later), &err));
    assert_int_equal(told(&s)->kind, XOS_MUX_DO_UP);
out:
    side_free(&s);
}

static const struct xt_test tests[] = {
    XT(a_stream_lives_from_open_to_both_ends),
    XT(the_listener_opens_even_numbers),
    XT(bytes_may_come_one_by_one),
    XT(credit_stops_the_writer_and_frees_it_again),
    XT(turns_go_round),
    XT(one_write_is_at_most_a_quantum),
    XT(end_before_accept_follows_it),
    XT(reset_carries_code_and_text),
    XT(news_that_cross_are_dropped),
    XT(streams_have_a_maximum_on_both_sides),
    XT(silence_is_asked_about_and_then_ends),
    XT(an_idle_connection_says_goodbye),
    XT(a_hostile_peer_is_refused),
    XT(versions_are_agreed_or_refused),
    XT(a_longer_hello_is_understood),
};
XT_MAIN(tests)
