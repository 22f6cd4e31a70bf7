// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/conn.h"

#include "libxos/base/alloc.h"
#include "libxos/net/carrier.h"
#include "libxos/wire/frame.h"

#define CONN_FINISH_MS 10000 /* a peer that reads nothing any more is not waited for longer */

struct xos_conn {
    struct xos_loop *loop;
    struct carrier *carrier;
    struct xos_frame_reader reader;
    struct xos_buf output;
    size_t output_sent; /* bytes at the front of output that are gone */
    size_t output_max;
    const struct xos_conn_ops *ops;
    void *arg;
    struct xos_task deliver; /* frames that wait in the reader */
    struct xos_task room;    /* on_room is due */
    struct xos_timer *finish_timer;
    bool paused;
    bool ended;  /* the peer sends no more */
    bool broken; /* nothing can be sent any more; why says it */
    bool closed; /* on_close was called or is not wanted */
    bool finishing;
    bool was_full; /* on_room is due when the output has drained */
    struct xos_error why;
};

static void conn_watch(struct xos_conn *c)
{
    bool write = c->output.len > c->output_sent && (!c->closed || c->finishing);
    c->carrier->ops->watch(c->carrier, !c->paused && !c->ended && !c->finishing && !c->closed,
                           write);
}

void xos_conn_free(struct xos_conn *c)
{
    if (!c)
        return;
    xos_loop_undefer(c->loop, &c->deliver);
    xos_loop_undefer(c->loop, &c->room);
    xos_timer_free(c->finish_timer);
    c->carrier->ops->free(c->carrier);
    xos_frame_reader_free(&c->reader);
    xos_buf_free(&c->output);
    xos_free(c);
}

static void conn_close(struct xos_conn *c, const struct xos_error *why)
{
    static const struct xos_error orderly = {.code = XOS_NONE};
    if (c->closed)
        return;
    c->closed = true;
    xos_loop_undefer(c->loop, &c->deliver);
    xos_loop_undefer(c->loop, &c->room);
    conn_watch(c);
    c->ops->on_close(c->arg, c, why ? why : &orderly);
}

/* The transport failed. on_close comes from the loop, after the frames that arrived before: a peer
 * that says its last word and leaves is heard. */
static void conn_break(struct xos_conn *c, const struct xos_error *why)
{
    if (!c->broken)
        c->why = *why;
    c->broken = true;
    xos_buf_clear(&c->output);
    c->output_sent = 0;
    conn_watch(c);
    xos_loop_defer(c->loop, &c->deliver);
}

/* All is delivered that will ever come. */
static void conn_end(struct xos_conn *c)
{
    struct xos_error err = {0};
    if (c->broken)
        err = c->why;
    else if (c->reader.buf.len > c->reader.taken)
        xos_fail(&err, XOS_PROTOCOL, "the connection ended inside a frame");
    conn_close(c, &err);
}

/* The user may free the connection in on_frame, so nothing is touched after the last call. A
 * paused user that cannot send either is told at once: it would never hear of it. */
static void on_deliver(void *arg)
{
    struct xos_conn *c = arg;
    struct xos_error err = {0};
    struct xos_slice frame;
    if (c->closed || (c->paused && !c->broken))
        return;
    if (c->paused) {
        conn_end(c);
        return;
    }
    int got = xos_frame_next(&c->reader, &frame, &err);
    if (got == 1) {
        xos_loop_defer(c->loop, &c->deliver);
        c->ops->on_frame(c->arg, c, frame);
    } else if (got < 0) {
        conn_close(c, &err);
    } else if (c->ended) {
        conn_end(c);
    }
}

size_t conn_space(const struct xos_conn *c)
{
    return c->reader.buf.max - (c->reader.buf.len - c->reader.taken);
}

void conn_on_data(struct xos_conn *c, struct xos_slice data)
{
    struct xos_error err = {0};
    if (c->closed || c->finishing)
        return;
    if (xos_frame_feed(&c->reader, data, &err) < 0) {
        conn_close(c, &err);
        return;
    }
    on_deliver(c);
}

void conn_on_end(struct xos_conn *c)
{
    if (c->ended)
        return;
    c->ended = true;
    conn_watch(c);
    on_deliver(c);
}

/* Who said that all was sent and then went has ended in good order. */
void conn_on_broken(struct xos_conn *c, const struct xos_error *why)
{
    static const struct xos_error orderly = {.code = XOS_NONE};
    if (c->finishing) {
        xos_conn_free(c);
        return;
    }
    if (c->ended)
        why = &orderly;
    c->ended = true;
    conn_break(c, why);
}

static int conn_flush(struct xos_conn *c, struct xos_error *err)
{
    while (c->output_sent < c->output.len) {
        struct xos_slice rest = {c->output.data + c->output_sent, c->output.len - c->output_sent};
        ssize_t n = c->carrier->ops->write(c->carrier, rest, err);
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        c->output_sent += (size_t)n;
    }
    if (c->output_sent == c->output.len || c->output_sent > c->output_max / 2) {
        xos_buf_shift(&c->output, c->output_sent);
        c->output_sent = 0;
    }
    return 0;
}

/* Something may have been sent: whoever waits for room is told, whichever call it was that sent. */
static void conn_sent(struct xos_conn *c)
{
    conn_watch(c);
    if (c->was_full && c->output.len - c->output_sent <= c->output_max / 2) {
        c->was_full = false;
        xos_loop_defer(c->loop, &c->room);
    }
}

void conn_on_writable(struct xos_conn *c)
{
    struct xos_error err = {0};
    int rc = conn_flush(c, &err);
    if (c->finishing && (rc < 0 || c->output.len == 0))
        xos_conn_free(c);
    else if (rc < 0)
        conn_break(c, &err);
    else
        conn_sent(c);
}

static void on_room(void *arg)
{
    struct xos_conn *c = arg;
    if (!c->closed && c->ops->on_room)
        c->ops->on_room(c->arg, c);
}

int conn_over(struct xos_conn **out, struct xos_loop *loop, struct carrier *carrier,
              struct xos_slice first, const struct xos_conn_config *config, struct xos_error *err)
{
    struct xos_conn *c = xos_alloc(sizeof(*c));
    if (!c) {
        carrier->ops->free(carrier);
        return xos_fail(err, XOS_NOMEM, "connection");
    }
    c->loop = loop;
    c->carrier = carrier;
    carrier->conn = c;
    c->ops = config->ops;
    c->arg = config->arg;
    c->output_max = config->output_max ? config->output_max : XOS_CONN_OUTPUT_BYTES;
    if (c->output_max < config->frame_max + XOS_FRAME_HEAD_BYTES)
        c->output_max = config->frame_max + XOS_FRAME_HEAD_BYTES;
    c->output = XOS_BUF(2 * c->output_max);
    c->deliver = (struct xos_task){.run = on_deliver, .arg = c};
    c->room = (struct xos_task){.run = on_room, .arg = c};
    xos_frame_reader_init(&c->reader, config->frame_max);
    if (first.len && xos_frame_feed(&c->reader, first, err) < 0) {
        xos_conn_free(c);
        return -1;
    }
    if (first.len)
        xos_loop_defer(loop, &c->deliver);
    *out = c;
    return 0;
}

void xos_conn_hand_over(struct xos_conn *c, const struct xos_conn_ops *ops, void *arg)
{
    c->ops = ops;
    c->arg = arg;
    xos_loop_defer(c->loop, &c->deliver);
}

void xos_conn_widen(struct xos_conn *c, size_t output_max)
{
    if (output_max <= c->output_max)
        return;
    c->output_max = output_max;
    c->output.max = 2 * output_max;
}

size_t xos_conn_room(const struct xos_conn *c)
{
    size_t waiting = c->output.len - c->output_sent;
    if (c->closed || c->broken || waiting + XOS_FRAME_HEAD_BYTES >= c->output_max)
        return 0;
    return c->output_max - waiting - XOS_FRAME_HEAD_BYTES;
}

int xos_conn_send(struct xos_conn *c, struct xos_slice frame, struct xos_error *err)
{
    struct xos_error why = {0};
    if (c->closed || c->broken)
        return xos_fail(err, XOS_UNAVAILABLE, "the connection is closed");
    if (frame.len > xos_conn_room(c)) {
        c->was_full = true;
        return xos_fail(err, XOS_LIMIT, "output_max: %zu bytes wait to be sent",
                        c->output.len - c->output_sent);
    }
    if (xos_frame_add(&c->output, frame, err) < 0)
        return -1;
    if (conn_flush(c, &why) < 0) {
        conn_break(c, &why);
        return xos_fail(err, why.code, "%s", why.text);
    }
    if (c->output.len - c->output_sent > c->output_max / 2)
        c->was_full = true;
    conn_sent(c);
    return 0;
}

void xos_conn_pause(struct xos_conn *c, bool paused)
{
    c->paused = paused;
    if (!paused || c->broken)
        xos_loop_defer(c->loop, &c->deliver);
    conn_watch(c);
}

static void on_finish_late(void *arg)
{
    xos_conn_free(arg);
}

void xos_conn_finish(struct xos_conn *c)
{
    struct xos_error err;
    if (!c)
        return;
    c->closed = true;
    xos_loop_undefer(c->loop, &c->deliver);
    xos_loop_undefer(c->loop, &c->room);
    if (c->output.len == c->output_sent ||
        xos_timer_new(&c->finish_timer, c->loop, on_finish_late, c, &err) < 0) {
        xos_conn_free(c);
        return;
    }
    c->finishing = true;
    xos_timer_set(c->finish_timer, CONN_FINISH_MS);
    conn_watch(c);
}
