// SPDX-License-Identifier: Apache-2.0
/* The endpoint of bulk streams: it listens, dials, counts and cleans up; what happens on one
 * connection is bulk_conn.c, on one stream bulk_stream.c, and the rules of the wire are mux.c,
 * which knows no socket.
 *
 * What a stranger may cost us is bounded before anything is spent on him: a connection that has not
 * come up holds one descriptor, one SSL object and one timer, for handshake_ms at the longest, no
 * more than half_open_source_max of them from one address and half_open_max in all. Beyond that he
 * is refused by name, and each refusal is counted, and a few per second are logged.
 *
 * Everything that the loop calls goes through bulk_enter and bulk_leave, so that a user's callback
 * may free the endpoint: it is then gone for the user at once, and for us when the last of our
 * functions on the stack has left. Connections die the same way: bulk_conn_fail only marks them,
 * and the loop buries them. */
#include "libxos/net/bulk_conn.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#define ACCEPT_BATCH 32
#define NOTSENT_BYTES (128 * 1024) /* more in the kernel only makes small streams wait */

static void relay_free(struct bulk_relay *r)
{
    DL_DELETE(r->bulk->relays, r);
    r->bulk->stats.relays--;
    xos_relay_free(r->relay);
    xos_free(r);
}

static void bulk_destroy(struct xos_bulk *b)
{
    struct xos_bulk_conn *c, *next;
    DL_FOREACH_SAFE(b->conns, c, next)
    bulk_conn_free(c);
    struct bulk_relay *r, *next_relay;
    DL_FOREACH_SAFE(b->relays, r, next_relay)
    relay_free(r);
    xos_watch_free(b->listen_watch);
    xos_timer_free(b->accept_timer);
    xos_timer_free(b->cut_timer);
    if (b->listen_fd >= 0)
        xos_env_close(b->env, b->listen_fd);
    xos_tls_free(b->tls);
    xos_free(b);
}

void bulk_enter(struct xos_bulk *b)
{
    b->busy++;
}

void bulk_leave(struct xos_bulk *b)
{
    if (--b->busy == 0 && b->doomed)
        bulk_destroy(b);
}

void xos_bulk_free(struct xos_bulk *b)
{
    if (!b)
        return;
    struct xos_bulk_conn *c;
    DL_FOREACH (b->conns, c)
        while (c->streams)
            bulk_stream_detach(c->streams);
    b->doomed = true;
    bulk_enter(b);
    bulk_leave(b);
}

void bulk_refused(struct xos_bulk *b, const char *address, const struct xos_error *why)
{
    b->stats.refused++;
    if (why->code == XOS_LIMIT)
        xos_metric_add(XOS_M_LIMITS_REACHED, why->text, 1);
    xos_refusals_error(&b->refusals, xos_env_mono_ms(b->env), XOS_EV_PEER_REFUSED, why,
                       "bulk address=%s", address);
}

/* Cut addresses */

void bulk_park(struct xos_bulk_conn *c)
{
    c->parked = true;
    xos_timer_set(c->bulk->cut_timer, XOS_BULK_CUT_POLL_MS);
}

static void on_cut_timer(void *arg)
{
    struct xos_bulk *b = arg;
    struct xos_bulk_conn *c;
    DL_FOREACH (b->conns, c) {
        if (!c->parked)
            continue;
        c->parked = false;
        xos_loop_defer(b->loop, &c->task); /* parks itself again while it is cut */
    }
}

/* Listening */

static int source_check(const struct xos_bulk *b, const char *address, struct xos_error *err)
{
    const struct xos_bulk_limits *l = &b->config.limits;
    size_t all = 0, same = 0;
    const struct xos_bulk_conn *c;
    DL_FOREACH (b->conns, c) {
        bool half = !c->dialled && c->state.now < BULK_UP;
        all += half;
        same += half && strcmp(c->address, address) == 0;
    }
    if (b->stats.connections >= l->connections_max)
        return xos_fail(err, XOS_LIMIT, "connections_max");
    if (all >= l->half_open_max)
        return xos_fail(err, XOS_LIMIT, "half_open_max");
    if (same >= l->half_open_source_max)
        return xos_fail(err, XOS_LIMIT, "half_open_source_max");
    return 0;
}

static void socket_tune(int fd)
{
    int on = 1, unsent = NOTSENT_BYTES;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
}

static void admit(struct xos_bulk *b, int fd)
{
    struct xos_error err = {0};
    struct xos_bulk_conn *c;
    char address[XOS_BULK_ADDRESS_BYTES] = "unknown";
    (void)bulk_address(fd, address);
    if (source_check(b, address, &err) < 0)
        xos_env_close(b->env, fd);
    else if (bulk_conn_new(&c, b, fd, NULL, &err) == 0) {
        socket_tune(fd);
        DL_APPEND(b->conns, c);
        b->stats.connections++;
        b->stats.accepted++;
        return;
    }
    bulk_refused(b, address, &err);
}

static void on_listen(int fd, unsigned what, void *arg)
{
    (void)what;
    struct xos_bulk *b = arg;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (peer >= 0) {
            admit(b, peer);
            continue;
        }
        if (errno == EAGAIN)
            return;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            xos_log(XOS_EV_LIMIT, "bulk accept: %s", strerror(errno));
            xos_watch_set(b->listen_watch, 0);
            xos_timer_set(b->accept_timer, XOS_BULK_ACCEPT_PAUSE_MS);
            return;
        }
    }
}

static void on_accept_timer(void *arg)
{
    struct xos_bulk *b = arg;
    xos_watch_set(b->listen_watch, XOS_READABLE);
}

static int port_of(int fd, unsigned *port, struct xos_error *err)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    if (getsockname(fd, (struct sockaddr *)&at, &len) < 0)
        return xos_fail_errno(err, "port of the listener");
    *port = ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                           : ((struct sockaddr_in *)&at)->sin_port);
    return 0;
}

int xos_bulk_listen(struct xos_bulk *b, const char *host, unsigned port, struct xos_error *err)
{
    assert(b->listen_fd < 0);
    if (b->config.chain_count == 0)
        return xos_fail(err, XOS_INVALID, "listen without a certificate");
    int fd = xos_env_tcp_listen(b->env, host, port, err);
    if (fd < 0)
        return -1;
    if (port_of(fd, &b->port, err) < 0 ||
        xos_watch_new(&b->listen_watch, b->loop, fd, XOS_READABLE, on_listen, b, err) < 0) {
        xos_env_close(b->env, fd);
        return -1;
    }
    b->listen_fd = fd;
    return 0;
}

unsigned xos_bulk_port(const struct xos_bulk *b)
{
    return b->port;
}

/* Passing on */

static void on_relay_done(void *arg, struct xos_relay *relay, const struct xos_error *why)
{
    struct bulk_relay *r = arg;
    (void)relay;
    if (why->code != XOS_NONE)
        xos_log_error(XOS_EV_DEBUG, why, "bulk relay address=%s", r->address);
    relay_free(r);
}

int bulk_relay_start(struct xos_bulk_conn *c, const char *host, unsigned port,
                     struct xos_error *err)
{
    struct xos_bulk *b = c->bulk;
    if (b->stats.relays >= b->config.limits.relays_max)
        return xos_fail(err, XOS_LIMIT, "relays_max");
    struct bulk_relay *r = xos_alloc(sizeof(*r));
    if (!r)
        return xos_fail(err, XOS_NOMEM, "relay");
    struct xos_relay_config config = {.fd = c->fd,
                                      .first = {c->peeked.data, c->peeked.len},
                                      .host = host,
                                      .port = port,
                                      .done = on_relay_done,
                                      .arg = r};
    xos_watch_set(c->watch, 0);
    c->fd = -1; /* the relay's, whatever happens */
    if (xos_relay_new(&r->relay, b->loop, &config, err) < 0) {
        xos_free(r);
        return -1;
    }
    r->bulk = b;
    memcpy(r->address, c->address, sizeof(r->address));
    DL_APPEND(b->relays, r);
    b->stats.relays++;
    bulk_conn_fail(c, &(struct xos_error){XOS_NONE, "passed on"}, false);
    return 0;
}

/* Dialling */

int xos_bulk_connect(struct xos_bulk_conn **out, struct xos_bulk *b,
                     const struct xos_bulk_dial *dial, struct xos_error *err)
{
    struct xos_bulk_conn *c;
    if (b->stats.connections >= b->config.limits.connections_max)
        return xos_fail(err, XOS_LIMIT, "connections_max");
    int fd = xos_env_tcp_connect(b->env, dial->host, dial->port, dial->from, err);
    if (fd < 0)
        return -1;
    if (bulk_conn_new(&c, b, fd, dial, err) < 0)
        return -1;
    socket_tune(fd);
    DL_APPEND(b->conns, c);
    b->stats.connections++;
    *out = c;
    return 0;
}

void xos_bulk_close(struct xos_bulk_conn *conn, enum xos_code code, const char *text)
{
    struct xos_error why = {.code = code};
    xos_fail(&why, code, "%s", text);
    bulk_conn_fail(conn, &why, true);
}

void xos_bulk_goaway(struct xos_bulk_conn *conn, enum xos_code code, const char *text)
{
    struct xos_mux_actions acts;
    struct xos_mux_event ev = {.kind = XOS_MUX_EV_GOAWAY, .code = code, .text = text};
    if (bulk_conn_live(conn))
        (void)bulk_conn_step(conn, &ev, &acts, NULL);
}

const struct xos_tls_peer *xos_bulk_conn_peer(const struct xos_bulk_conn *conn)
{
    return &conn->tls.peer;
}

const struct xos_slice *xos_bulk_conn_chain(const struct xos_bulk_conn *conn, size_t *count)
{
    *count = conn->tls.chain_count;
    return conn->tls.chain;
}

const char *xos_bulk_conn_address(const struct xos_bulk_conn *conn)
{
    return conn->address;
}

bool xos_bulk_conn_dialled(const struct xos_bulk_conn *conn)
{
    return conn->dialled;
}

/* Identity and trust */

static int tls_make(struct xos_tls **out, const struct xos_bulk_config *c,
                    const struct xos_slice *chain, size_t count, const struct xos_key *key,
                    struct xos_error *err)
{
    struct xos_tls_config config = {.chain = chain,
                                    .chain_count = count,
                                    .key = key,
                                    .alpn = XOS_BULK_ALPN,
                                    .anonymous_ok = c->anonymous_ok,
                                    .verify = c->verify,
                                    .arg = c->arg};
    return xos_tls_new(out, &config, err);
}

int xos_bulk_identity(struct xos_bulk *b, const struct xos_slice *chain, size_t count,
                      const struct xos_key *key, struct xos_error *err)
{
    struct xos_tls *tls;
    if (tls_make(&tls, &b->config, chain, count, key, err) < 0)
        return -1;
    xos_tls_free(b->tls);
    b->tls = tls;
    b->config.chain_count = count;
    return 0;
}

size_t xos_bulk_recheck(struct xos_bulk *b)
{
    size_t closed = 0;
    struct xos_error err = {0};
    struct xos_bulk_conn *c;
    DL_FOREACH (b->conns, c) {
        bool judged = c->state.now == BULK_HELLO || c->state.now == BULK_UP;
        if (!judged || xos_tls_recheck(&c->tls, &err) == 0)
            continue;
        bulk_refused(b, c->address, &err);
        bulk_conn_fail(c, &err, true);
        closed++;
    }
    return closed;
}

void xos_bulk_stats(const struct xos_bulk *b, struct xos_bulk_stats *out)
{
    const struct xos_bulk_conn *c;
    *out = b->stats;
    DL_FOREACH (b->conns, c) {
        out->half_open += c->state.now < BULK_UP;
        out->streams += xos_mux_streams(c->mux);
        out->buffered_bytes += bulk_conn_buffered(c);
    }
}

static void limits_fill(struct xos_bulk_limits *l)
{
    const struct xos_bulk_limits preset = {
        .handshake_ms = XOS_BULK_HANDSHAKE_MS,
        .ping_ms = XOS_MUX_PING_MS,
        .dead_ms = XOS_MUX_DEAD_MS,
        .window_bytes = XOS_MUX_WINDOW_BYTES,
        .streams_max = XOS_MUX_STREAMS_MAX,
        .output_bytes_max = XOS_BULK_OUTPUT_BYTES_MAX,
        .half_open_max = XOS_BULK_HALF_OPEN_MAX,
        .half_open_source_max = XOS_BULK_HALF_OPEN_SOURCE_MAX,
        .connections_max = XOS_BULK_CONNECTIONS_MAX,
        .relays_max = XOS_BULK_RELAYS_MAX,
    };
#define FILL(field) l->field = l->field ? l->field : preset.field
    FILL(handshake_ms);
    FILL(ping_ms);
    FILL(dead_ms);
    FILL(window_bytes);
    FILL(streams_max);
    FILL(output_bytes_max);
    FILL(half_open_max);
    FILL(half_open_source_max);
    FILL(connections_max);
    FILL(relays_max);
#undef FILL
}

int xos_bulk_new(struct xos_bulk **out, struct xos_loop *loop, const struct xos_bulk_config *config,
                 struct xos_error *err)
{
    struct xos_bulk *b = xos_alloc(sizeof(*b));
    if (!b)
        return xos_fail(err, XOS_NOMEM, "bulk endpoint");
    b->loop = loop;
    b->env = xos_loop_env(loop);
    b->listen_fd = -1;
    b->config = *config;
    b->config.chain = NULL;
    b->config.key = NULL;
    limits_fill(&b->config.limits);
    if (tls_make(&b->tls, config, config->chain, config->chain_count, config->key, err) < 0 ||
        xos_timer_new(&b->accept_timer, loop, on_accept_timer, b, err) < 0 ||
        xos_timer_new(&b->cut_timer, loop, on_cut_timer, b, err) < 0) {
        bulk_destroy(b);
        return -1;
    }
    *out = b;
    return 0;
}
