// SPDX-License-Identifier: Apache-2.0
/* One connection: its states, its rounds, its end; how its bytes pass OpenSSL is bulk_tls.c.
 *
 * Order of a round: read and hand on; give turns to the streams that wait, while there is room;
 * flush. Reading stops only when control frames pile up beyond reason (bulk.h), never for a slow
 * user: credit bounds what can come for that one. */
#include "libxos/net/bulk_conn.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#define ROOM_BYTES_MIN 4096 /* less room than this is none: no crumbs */

static const struct xos_state_row conn_table[BULK_CONN_STATES] = {
    [BULK_CONNECTING] = {"connecting", XOS_STATE(BULK_HANDSHAKE) | XOS_STATE(BULK_DOWN),
                         XOS_STATE_INITIAL},
    [BULK_PEEK] = {"peek", XOS_STATE(BULK_HANDSHAKE) | XOS_STATE(BULK_DOWN), XOS_STATE_INITIAL},
    [BULK_HANDSHAKE] = {"handshake", XOS_STATE(BULK_HELLO) | XOS_STATE(BULK_DOWN),
                        XOS_STATE_INITIAL},
    [BULK_HELLO] = {"hello", XOS_STATE(BULK_UP) | XOS_STATE(BULK_DOWN), 0},
    [BULK_UP] = {"up", XOS_STATE(BULK_DOWN), 0},
    [BULK_DOWN] = {"down", 0, XOS_STATE_FINAL},
};

bool bulk_conn_live(const struct xos_bulk_conn *c)
{
    return c->state.now != BULK_DOWN;
}

size_t bulk_conn_buffered(const struct xos_bulk_conn *c)
{
    return c->out.len - c->sent;
}

size_t bulk_conn_room(const struct xos_bulk_conn *c)
{
    size_t max = c->bulk->config.limits.output_bytes_max, used = bulk_conn_buffered(c);
    return used + ROOM_BYTES_MIN <= max ? max - used : 0;
}

static bool conn_choked(const struct xos_bulk_conn *c)
{
    return bulk_conn_buffered(c) >
           c->bulk->config.limits.output_bytes_max + XOS_BULK_CONTROL_BYTES_MAX;
}

static bool conn_is_cut(const struct xos_bulk_conn *c)
{
    const struct xos_bulk_config *config = &c->bulk->config;
    return config->is_cut && config->is_cut(config->arg, c->address);
}

static bool conn_goes_on(const struct xos_bulk_conn *c)
{
    return bulk_conn_live(c) && !c->bulk->doomed;
}

/* The end */

/* Say why, if there is somebody who could understand it; what does not go out now is lost. */
static void conn_say_bye(struct xos_bulk_conn *c, const struct xos_error *why)
{
    struct xos_mux_actions acts;
    struct xos_error err;
    struct xos_mux_event ev = {.kind = XOS_MUX_EV_GOAWAY, .code = why->code, .text = why->text};
    ev.now_ms = xos_env_mono_ms(c->bulk->env);
    if (xos_mux_step(c->mux, &ev, &acts, &err) == 0 && acts.count == 1)
        (void)bulk_tls_send(c, &acts.at[0].frame, &err);
    (void)SSL_shutdown(c->ssl);
    ERR_clear_error();
    if (!conn_is_cut(c))
        (void)bulk_tls_flush(c, &err);
}

void bulk_conn_fail(struct xos_bulk_conn *c, const struct xos_error *why, bool tell)
{
    if (!bulk_conn_live(c))
        return;
    struct xos_error reason = *why;
    if (tell && (c->state.now == BULK_UP || c->state.now == BULK_HELLO))
        conn_say_bye(c, &reason);
    c->why = reason;
    xos_states_move(&c->state, BULK_DOWN, c);
    xos_watch_set(c->watch, 0);
    xos_timer_cancel(c->timer);
    xos_loop_defer(c->bulk->loop, &c->task);
}

void bulk_conn_free(struct xos_bulk_conn *c)
{
    if (!c)
        return;
    struct xos_bulk *b = c->bulk;
    xos_loop_undefer(b->loop, &c->task);
    while (c->streams)
        bulk_stream_detach(c->streams);
    xos_watch_free(c->watch);
    xos_timer_free(c->timer);
    SSL_free(c->ssl);
    xos_tls_session_free(&c->tls);
    xos_mux_free(c->mux);
    xos_buf_free(&c->peeked);
    xos_buf_free(&c->out);
    xos_free(c->expected);
    xos_env_close(b->env, c->fd);
    xos_free(c);
}

/* BULK_DOWN: tell the streams' users, then the owner, then go. */
static void conn_bury(struct xos_bulk_conn *c)
{
    struct xos_bulk *b = c->bulk;
    while (c->streams && !b->doomed) {
        struct xos_stream *s = c->streams;
        if (xos_mux_has(c->mux, s->id))
            bulk_stream_lost(s, &c->why);
        else
            bulk_stream_detach(s);
    }
    if (b->doomed)
        return; /* and is freed with the endpoint */
    DL_DELETE(b->conns, c);
    b->stats.connections--;
    if (c->was_up && c->tls.peer.name[0])
        xos_log_error(XOS_EV_LINK_DOWN, &c->why, "bulk peer=%s address=%s", c->tls.peer.name,
                      c->address);
    if (c->on_down && (c->was_up || c->dialled))
        c->on_down(c->arg, c, &c->why);
    bulk_conn_free(c);
}

/* Actions of the mux */

static void conn_came_up(struct xos_bulk_conn *c)
{
    xos_states_move(&c->state, BULK_UP, c);
    c->was_up = true;
    if (c->tls.peer.name[0]) /* strangers come and go, as many as they like */
        xos_log(XOS_EV_LINK_UP, "bulk peer=%s address=%s", c->tls.peer.name, c->address);
    if (c->on_up)
        c->on_up(c->arg, c);
}

static int act_send(struct xos_bulk_conn *c, const struct xos_mux_action *a,
                    const struct xos_error *reason, struct xos_error *err)
{
    (void)reason;
    return bulk_tls_send(c, &a->frame, err);
}

static int act_up(struct xos_bulk_conn *c, const struct xos_mux_action *a,
                  const struct xos_error *reason, struct xos_error *err)
{
    (void)a;
    (void)reason;
    (void)err;
    conn_came_up(c);
    return 0;
}

static int act_opened(struct xos_bulk_conn *c, const struct xos_mux_action *a,
                      const struct xos_error *reason, struct xos_error *err)
{
    (void)reason;
    (void)err;
    bulk_stream_opened(c, a);
    return 0;
}

static int act_stream(struct xos_bulk_conn *c, const struct xos_mux_action *a,
                      const struct xos_error *reason, struct xos_error *err)
{
    (void)c;
    (void)err;
    bulk_stream_act(a, reason);
    return 0;
}

static int act_draining(struct xos_bulk_conn *c, const struct xos_mux_action *a,
                        const struct xos_error *reason, struct xos_error *err)
{
    (void)a;
    (void)err;
    c->bye = *reason;
    return 0;
}

typedef int (*act_f)(struct xos_bulk_conn *c, const struct xos_mux_action *a,
                     const struct xos_error *reason, struct xos_error *err);
static const act_f act_table[XOS_MUX_ACTION_KINDS] = {
    [XOS_MUX_DO_SEND] = act_send,         [XOS_MUX_DO_UP] = act_up,
    [XOS_MUX_DO_OPENED] = act_opened,     [XOS_MUX_DO_ACCEPTED] = act_stream,
    [XOS_MUX_DO_DATA] = act_stream,       [XOS_MUX_DO_WRITABLE] = act_stream,
    [XOS_MUX_DO_ENDED] = act_stream,      [XOS_MUX_DO_RESET] = act_stream,
    [XOS_MUX_DO_DRAINING] = act_draining,
};

static int conn_act(struct xos_bulk_conn *c, const struct xos_mux_actions *acts,
                    struct xos_error *err)
{
    for (size_t i = 0; i < acts->count && conn_goes_on(c); i++) {
        act_f act = act_table[acts->at[i].kind];
        assert(act);
        if (act(c, &acts->at[i], &acts->reason, err) < 0)
            return -1;
    }
    return 0;
}

static int conn_step(struct xos_bulk_conn *c, struct xos_mux_event *ev,
                     struct xos_mux_actions *acts, struct xos_error *err)
{
    ev->now_ms = xos_env_mono_ms(c->bulk->env);
    if (xos_mux_step(c->mux, ev, acts, err) < 0)
        return -1;
    return conn_act(c, acts, err);
}

int bulk_conn_step(struct xos_bulk_conn *c, struct xos_mux_event *ev, struct xos_mux_actions *out,
                   struct xos_error *err)
{
    struct xos_error broken;
    ev->now_ms = xos_env_mono_ms(c->bulk->env);
    if (xos_mux_step(c->mux, ev, out, err) < 0)
        return -1;
    if (conn_act(c, out, &broken) == 0)
        return 0;
    bulk_conn_fail(c, &broken, false);
    return xos_fail(err, broken.code, "%s", broken.text);
}

/* In */

static int conn_feed(struct xos_bulk_conn *c, struct xos_slice in, struct xos_error *err)
{
    struct xos_mux_actions acts;
    while (in.len > 0 && conn_goes_on(c)) {
        struct xos_mux_event ev = {.kind = XOS_MUX_EV_BYTES, .bytes = in};
        if (conn_step(c, &ev, &acts, err) < 0)
            return -1;
        in = (struct xos_slice){in.data + acts.used, in.len - acts.used};
    }
    return 0;
}

/* Read, decrypt, hand on. What OpenSSL holds back when the batch is full is not seen by the watch,
 * so the task goes on with it. */
static int conn_read(struct xos_bulk_conn *c, struct xos_error *err)
{
    uint8_t plain[BULK_RECORD_BYTES];
    size_t total = 0;
    int rc = 0;
    for (int i = 0; i < XOS_BULK_READ_RECORDS && conn_goes_on(c) && !conn_choked(c); i++) {
        size_t len = 0;
        rc = bulk_tls_read(c, plain, &len, err);
        if (rc <= 0)
            break;
        rc = 0;
        total += len;
        if (conn_feed(c, (struct xos_slice){plain, len}, err) < 0) {
            rc = -1;
            break;
        }
        if (i + 1 == XOS_BULK_READ_RECORDS)
            xos_loop_defer(c->bulk->loop, &c->task);
    }
    if (total > 0)
        xos_metric_add(XOS_M_BYTES, "in", total);
    return rc;
}

/* A round */

static int conn_connect_done(struct xos_bulk_conn *c, struct xos_error *err)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error != 0) {
        errno = error;
        xos_fail_errno(err, "connect to %s", c->address);
        err->code = XOS_UNAVAILABLE;
        return -1;
    }
    if (bulk_address(c->fd, c->address) == 0)
        xos_states_move(&c->state, BULK_HANDSHAKE, c);
    return 0;
}

/* A gateway reads the ClientHello before it knows whether it is for itself. Returns as
 * conn_round. */
static int conn_peek(struct xos_bulk_conn *c, struct xos_error *err)
{
    const struct xos_bulk_config *config = &c->bulk->config;
    char name[XOS_SNI_NAME_BYTES], host[XOS_RELAY_HOST_BYTES];
    unsigned port = 0;
    uint8_t *room = xos_buf_room(&c->peeked, XOS_SNI_BYTES_MAX - c->peeked.len, err);
    if (!room)
        return -1;
    ssize_t n = recv(c->fd, room, XOS_SNI_BYTES_MAX - c->peeked.len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return xos_fail(err, XOS_UNAVAILABLE, "the peer closed before its ClientHello");
    c->peeked.len += (size_t)n;
    int rc = xos_sni_peek((struct xos_slice){c->peeked.data, c->peeked.len}, name, err);
    if (rc <= 0)
        return rc;
    rc = config->route(config->arg, name, host, &port, err);
    if (rc < 0)
        return xos_wrap(err, "%s", name);
    if (rc == 0)
        xos_states_move(&c->state, BULK_HANDSHAKE, c);
    else
        return bulk_relay_start(c, host, port, err);
    return 0;
}

static int conn_handshake(struct xos_bulk_conn *c, struct xos_error *err)
{
    struct xos_mux_actions acts;
    int rc = xos_tls_handshake(c->ssl, &c->tls, err);
    if (rc < 0 && c->eof && c->tls.refused.code == XOS_NONE)
        return xos_fail(err, XOS_UNAVAILABLE, "the peer closed during the TLS handshake");
    if (rc <= 0)
        return rc;
    xos_states_move(&c->state, BULK_HELLO, c);
    return conn_step(c, &(struct xos_mux_event){.kind = XOS_MUX_EV_START}, &acts, err);
}

/* Turns for the streams that wait, while a whole one fits. */
static int conn_turns(struct xos_bulk_conn *c, struct xos_error *err)
{
    struct xos_mux_actions acts;
    for (int i = 0; i < XOS_LOOP_BATCH && conn_goes_on(c) && xos_mux_waiting(c->mux) &&
                    bulk_conn_room(c) >= c->bulk->config.limits.output_bytes_max / 4;
         i++)
        if (conn_step(c, &(struct xos_mux_event){.kind = XOS_MUX_EV_ROOM}, &acts, err) < 0)
            return -1;
    return 0;
}

static void conn_rest(struct xos_bulk_conn *c)
{
    bool waits = bulk_conn_buffered(c) > 0;
    if (c->state.now == BULK_CONNECTING) {
        xos_watch_set(c->watch, XOS_WRITABLE);
        return;
    }
    xos_watch_set(c->watch, (conn_choked(c) ? 0u : XOS_READABLE) | (waits ? XOS_WRITABLE : 0u));
    if (!waits && xos_mux_waiting(c->mux))
        xos_loop_defer(c->bulk->loop, &c->task);
    uint64_t at = xos_mux_deadline_ms(c->mux), now = xos_env_mono_ms(c->bulk->env);
    if (c->state.now != BULK_UP || (c->timer_at_ms > now && c->timer_at_ms <= at))
        return;
    c->timer_at_ms = at;
    xos_timer_set(c->timer, at > now ? at - now : 0);
}

static int conn_round(struct xos_bulk_conn *c, struct xos_error *err)
{
    if (c->state.now == BULK_CONNECTING && conn_connect_done(c, err) < 0)
        return -1;
    if (c->state.now == BULK_PEEK && conn_peek(c, err) < 0)
        return -1;
    if (c->state.now == BULK_HANDSHAKE && conn_handshake(c, err) < 0) {
        struct xos_error ignored;
        (void)bulk_tls_flush(c, &ignored); /* the alert that says why */
        return -1;
    }
    if (c->state.now == BULK_HELLO || c->state.now == BULK_UP) {
        if (conn_read(c, err) < 0 || (conn_goes_on(c) && conn_turns(c, err) < 0))
            return -1;
    }
    if (!conn_goes_on(c))
        return 0;
    if (bulk_tls_flush(c, err) < 0)
        return -1;
    if (xos_mux_done(c->mux))
        bulk_conn_fail(c, &(struct xos_error){XOS_NONE, "closed"}, true);
    return 0;
}

/* A peer's fault is logged as a refusal; a lost connection is just down. */
static void conn_broke(struct xos_bulk_conn *c, const struct xos_error *why)
{
    bool refused = c->state.now != BULK_UP || why->code == XOS_PROTOCOL || why->code == XOS_VERSION;
    if (xos_mux_done(c->mux))
        bulk_conn_fail(c, &(struct xos_error){XOS_NONE, "closed"}, false);
    else {
        if (refused && !c->dialled)
            bulk_refused(c->bulk, c->address, why);
        bulk_conn_fail(c, why, why->code != XOS_UNAVAILABLE);
    }
}

static void conn_run(struct xos_bulk_conn *c)
{
    struct xos_error err = {0};
    struct xos_bulk *b = c->bulk;
    bulk_enter(b);
    if (bulk_conn_live(c) && conn_is_cut(c)) {
        xos_watch_set(c->watch, 0);
        bulk_park(c);
    } else if (bulk_conn_live(c)) {
        if (conn_round(c, &err) < 0)
            conn_broke(c, &err);
        else if (conn_goes_on(c))
            conn_rest(c);
    }
    bulk_leave(b);
}

static void on_watch(int fd, unsigned what, void *arg)
{
    (void)fd;
    (void)what;
    conn_run(arg);
}

static void on_task(void *arg)
{
    struct xos_bulk_conn *c = arg;
    if (bulk_conn_live(c)) {
        conn_run(c);
        return;
    }
    struct xos_bulk *b = c->bulk;
    bulk_enter(b);
    conn_bury(c);
    bulk_leave(b);
}

/* The handshake is late; or the mux's TICK. What lies in the socket is read first: a process that
 * was stopped for a while must not take its own sleep for the peer's death. */
static void on_timer(void *arg)
{
    struct xos_error err = {0};
    struct xos_mux_actions acts;
    struct xos_bulk_conn *c = arg;
    struct xos_bulk *b = c->bulk;
    bulk_enter(b);
    c->timer_at_ms = 0;
    bool cut = conn_is_cut(c);
    if (c->state.now != BULK_UP) {
        xos_fail(&err, XOS_TIMEOUT, "%s took more than %llu ms", xos_states_name(&c->state),
                 (unsigned long long)b->config.limits.handshake_ms);
        conn_broke(c, &err);
    } else if ((!cut && conn_read(c, &err) < 0) ||
               (conn_goes_on(c) &&
                conn_step(c, &(struct xos_mux_event){.kind = XOS_MUX_EV_TICK}, &acts, &err) < 0))
        conn_broke(c, &err);
    if (conn_goes_on(c))
        conn_rest(c);
    bulk_leave(b);
}

static int conn_open(struct xos_bulk_conn *c, const struct xos_bulk_dial *dial,
                     struct xos_error *err)
{
    const struct xos_bulk_limits *l = &c->bulk->config.limits;
    struct xos_mux_config mux = {.dialer = c->dialled,
                                 .window_bytes = l->window_bytes,
                                 .streams_max = l->streams_max,
                                 .ping_ms = l->ping_ms,
                                 .dead_ms = l->dead_ms,
                                 .idle_ms = l->idle_ms};
    BIO *bio = bulk_tls_bio(c);
    if (!bio)
        return xos_fail(err, XOS_NOMEM, "connection");
    if (xos_tls_open(&c->ssl, c->bulk->tls, &c->tls, c->dialled, dial ? dial->sni : NULL, bio,
                     err) < 0 ||
        xos_mux_new(&c->mux, &mux, err) < 0 ||
        xos_timer_new(&c->timer, c->bulk->loop, on_timer, c, err) < 0)
        return -1;
    return xos_watch_new(&c->watch, c->bulk->loop, c->fd, c->dialled ? XOS_WRITABLE : XOS_READABLE,
                         on_watch, c, err);
}

int bulk_conn_new(struct xos_bulk_conn **out, struct xos_bulk *b, int fd,
                  const struct xos_bulk_dial *dial, struct xos_error *err)
{
    struct xos_bulk_conn *c = xos_alloc(sizeof(*c));
    if (!c) {
        xos_env_close(b->env, fd);
        return xos_fail(err, XOS_NOMEM, "connection");
    }
    *c = (struct xos_bulk_conn){.bulk = b,
                                .fd = fd,
                                .dialled = dial != NULL,
                                .on_up = dial ? dial->on_up : b->config.on_up,
                                .on_down = dial ? dial->on_down : b->config.on_down,
                                .arg = dial ? dial->arg : b->config.arg,
                                .task = {.run = on_task, .arg = c}};
    c->out.max = b->config.limits.output_bytes_max + 2 * XOS_BULK_CONTROL_BYTES_MAX;
    xos_states_init(&c->state, "bulk", conn_table, BULK_CONN_STATES,
                    dial              ? BULK_CONNECTING
                    : b->config.route ? BULK_PEEK
                                      : BULK_HANDSHAKE,
                    NULL);
    c->peeked.max = XOS_SNI_BYTES_MAX;
    if (dial && dial->expected) {
        c->expected = xos_strdup(dial->expected);
        if (!c->expected) {
            xos_fail(err, XOS_NOMEM, "connection");
            goto error;
        }
    }
    if (conn_open(c, dial, err) < 0)
        goto error;
    c->tls.expected = c->expected;
    if (bulk_address(fd, c->address) < 0 && dial)
        (void)snprintf(c->address, sizeof(c->address), "%s", dial->host);
    xos_timer_set(c->timer, b->config.limits.handshake_ms);
    *out = c;
    return 0;
error:
    bulk_conn_free(c);
    return -1;
}
