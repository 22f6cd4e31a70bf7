// SPDX-License-Identifier: Apache-2.0
#include "xosd/peers_parts.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"

#include <string.h>

struct peer *peer_find(const struct peers *p, const char *name)
{
    struct peer *peer;
    HASH_FIND_STR(p->table, name, peer);
    return peer;
}

/* A key alone is no use: whoever is needed again is met again. */
static bool peer_idle(const struct peer *peer)
{
    return !peer->conn && !peer->dials && !peer->messages && !peer->held && !peer->linked;
}

static void peer_drop(struct peer *peer)
{
    HASH_DEL(peer->peers->table, peer);
    link_expel(peer);
    messages_free(peer);
    xos_buf_free(&peer->chain_bytes);
    xos_free(peer);
}

/* Full of nodes that are of no use any more: those go. */
static void make_room(struct peers *p)
{
    struct peer *peer, *after;
    HASH_ITER (hh, p->table, peer, after)
        if (peer_idle(peer))
            peer_drop(peer);
}

struct peer *peer_need(struct peers *p, const char *name, struct xos_error *err)
{
    struct peer *peer = peer_find(p, name);
    if (peer)
        return peer;
    if (HASH_COUNT(p->table) >= PEERS_MAX && !p->walked)
        make_room(p);
    if (HASH_COUNT(p->table) >= PEERS_MAX) {
        xos_fail(err, XOS_LIMIT, "PEERS_MAX: %d nodes", PEERS_MAX);
        return NULL;
    }
    if (strlen(name) >= sizeof(peer->name)) {
        xos_fail(err, XOS_LIMIT, "the name \"%.40s\" is too long", name);
        return NULL;
    }
    peer = xos_alloc(sizeof(*peer));
    if (!peer) {
        xos_fail(err, XOS_NOMEM, "node");
        return NULL;
    }
    peer->peers = p;
    peer->chain_bytes = XOS_BUF(XOS_TLS_CHAIN_BYTES_MAX);
    memcpy(peer->name, name, strlen(name) + 1);
    HASH_ADD_STR(p->table, name, peer);
    return peer;
}

/* Meeting */

/* The one verdict on a peer's chain. Nothing is noted here: that it holds the key is not proven
 * yet, and an old chain of the same node is as good until it ends. */
static int verify(void *arg, const struct xos_slice *chain, size_t count, struct xos_tls_peer *out,
                  struct xos_error *err)
{
    struct peers *p = arg;
    const struct auth_principal *who;
    char name[AUTH_NAME_BYTES_MAX + 1];
    if (auth_trust_verify(p->config.trust, chain, count, AUTH_KIND_NODE, xos_env_real_ms(p->env),
                          &who, err) < 0)
        return -1;
    auth_name_print(&who->name, name);
    if (strlen(name) >= sizeof(out->name))
        return xos_fail(err, XOS_LIMIT, "XOS_TLS_NAME_BYTES: %s", name);
    memcpy(out->name, name, strlen(name) + 1);
    out->not_after_ms = who->until_ms;
    return 0;
}

static int keep_chain(struct peer *peer, const struct xos_slice *chain, size_t count,
                      struct xos_error *err)
{
    size_t at = 0;
    peer->chain_count = 0;
    xos_buf_clear(&peer->chain_bytes);
    if (count > AUTH_CHAIN_MAX)
        return xos_fail(err, XOS_LIMIT, "AUTH_CHAIN_MAX: %zu certificates", count);
    for (size_t i = 0; i < count; i++)
        if (xos_buf_add(&peer->chain_bytes, chain[i].data, chain[i].len, err) < 0)
            return -1;
    for (size_t i = 0; i < count; at += chain[i++].len)
        peer->chain[i] = (struct xos_slice){peer->chain_bytes.data + at, chain[i].len};
    peer->chain_count = count;
    return 0;
}

struct peer *peer_of(struct peers *p, const struct xos_bulk_conn *conn, struct xos_error *err)
{
    size_t count;
    const struct xos_slice *chain = xos_bulk_conn_chain(conn, &count);
    const struct auth_principal *who;
    if (auth_trust_verify(p->config.trust, chain, count, AUTH_KIND_NODE, xos_env_real_ms(p->env),
                          &who, err) < 0)
        return NULL;
    struct peer *peer = peer_need(p, xos_bulk_conn_peer(conn)->name, err);
    if (!peer || keep_chain(peer, chain, count, err) < 0)
        return NULL;
    peer->roles = who->node.roles;
    link_note_key(peer, who);
    return peer;
}

void peer_up(struct peer *peer, struct xos_bulk_conn *conn)
{
    peer->conn = conn;
    peer->up = peer->met = true;
    xos_log(XOS_EV_LINK_UP, "node=%s address=%s", peer->name, xos_bulk_conn_address(conn));
    dials_go(peer);
    link_met(peer);
}

static void peer_lost(struct peer *peer, const struct xos_error *why)
{
    xos_log_error(XOS_EV_LINK_DOWN, why, "node=%s", peer->name);
    dials_fail(peer, why);
    link_lost(peer);
}

static void on_dial_up(void *arg, struct xos_bulk_conn *conn)
{
    struct peer *peer = arg;
    struct xos_error err = {0};
    if (peer_of(peer->peers, conn, &err))
        peer_up(peer, conn);
    else
        xos_bulk_close(conn, err.code, err.text);
}

static int dial_next(struct peer *peer, struct xos_error *err);

void peer_gone(struct peers *p, const struct xos_bulk_conn *conn, const struct xos_error *why)
{
    struct peer *peer = peer_find(p, xos_bulk_conn_peer(conn)->name);
    if (!peer || peer->conn != conn)
        return;
    peer->conn = NULL;
    peer->up = false;
    if (why->code != XOS_NONE)
        xos_log_error(XOS_EV_LINK_DOWN, why, "node=%s", peer->name);
}

/* Of a connection that we opened: it was up and is no more, or it never came up. */
static void on_dial_down(void *arg, struct xos_bulk_conn *conn, const struct xos_error *why)
{
    struct peer *peer = arg;
    struct xos_error err = *why;
    bool was_up = peer->up && peer->conn == conn;
    if (peer->conn != conn)
        return;
    if (was_up) {
        peer_gone(peer->peers, conn, why);
        return;
    }
    peer->conn = NULL;
    if (peer->tried < peer->reach.count && dial_next(peer, &err) == 0)
        return;
    xos_wrap(&err, "node %s cannot be reached", peer->name);
    err.code = XOS_UNAVAILABLE;
    peer_lost(peer, &err);
}

const char *dial_from(const struct peers *p)
{
    return p->cut ? p->config.config->listen : NULL;
}

static int dial_next(struct peer *peer, struct xos_error *err)
{
    struct peers *p = peer->peers;
    size_t i = peer->tried++;
    struct xos_bulk_dial d = {.host = peer->reach.at[i].host,
                              .port = peer->reach.at[i].bulk_port,
                              .from = dial_from(p),
                              .sni = peer->name,
                              .expected = peer->name,
                              .on_up = on_dial_up,
                              .on_down = on_dial_down,
                              .arg = peer};
    return xos_bulk_connect(&peer->conn, p->bulk, &d, err);
}

int peer_meet(struct peer *peer, struct xos_error *err)
{
    const struct peers_config *c = &peer->peers->config;
    struct discovery_reach found;
    struct xos_error why = {0};
    if (peer->conn)
        return 0;
    if (c->reach(c->arg, peer->name, &found, &why) == 0)
        peer->reach = found;
    if (peer->reach.count == 0)
        return xos_fail(err, XOS_UNAVAILABLE, "node %s is not known here: `xnodes` lists who is",
                        peer->name);
    peer->tried = 0;
    while (peer->tried < peer->reach.count)
        if (dial_next(peer, err) == 0)
            return 0;
    return -1;
}

/* Strangers may ask what needs no certificate, one to join with say; but not so many of them that
 * peers find no place. */
static void stranger_up(struct peers *p, struct xos_bulk_conn *conn)
{
    if (++p->strangers > PEERS_STRANGERS_MAX)
        xos_bulk_close(conn, XOS_LIMIT, "PEERS_STRANGERS_MAX: come back later");
}

/* Also while we are dialling: whichever comes up first serves. */
static void on_accepted_up(void *arg, struct xos_bulk_conn *conn)
{
    struct peers *p = arg;
    struct xos_error err = {0};
    if (!xos_bulk_conn_peer(conn)->name[0]) {
        stranger_up(p, conn);
        return;
    }
    struct peer *peer = peer_of(p, conn, &err);
    if (!peer) {
        xos_log_error(XOS_EV_LIMIT, &err, "node=%s", xos_bulk_conn_peer(conn)->name);
        xos_bulk_close(conn, err.code, err.text);
    } else if (!peer->up) {
        peer_up(peer, conn);
    } else {
        peer->met = true;
        link_met(peer);
    }
}

static void on_accepted_down(void *arg, struct xos_bulk_conn *conn, const struct xos_error *why)
{
    struct peers *p = arg;
    if (xos_bulk_conn_peer(conn)->name[0])
        peer_gone(p, conn, why);
    else
        p->strangers--;
}

static int on_stream(void *arg, struct xos_bulk_conn *conn, struct xos_stream *stream,
                     struct xos_slice payload, struct xos_error *err)
{
    struct peers *p = arg;
    (void)conn;
    (void)err;
    p->config.on_stream(p->config.arg, stream, payload);
    return 0;
}

static void on_sweep(void *arg)
{
    struct peers *p = arg;
    struct xos_error err = {0};
    bool ended = p->config.identity->to_ms < xos_env_real_ms(p->env);
    if (ended != p->anonymous && peers_identity(p, &err) < 0)
        xos_log_error(XOS_EV_CERT_EXPIRING, &err, "certificate=node");
    link_sweep(p, xos_env_mono_ms(p->env), xos_env_real_ms(p->env));
    xos_timer_set(p->sweep, PEERS_SWEEP_MS);
}

/* The whole */

static int bulk_open(struct peers *p, struct xos_error *err)
{
    const struct auth_self *self = &p->config.identity->self;
    struct xos_bulk_config c = {.chain = self->chain,
                                .chain_count = self->chain_count,
                                .key = self->key,
                                .anonymous_ok = true,
                                .verify = verify,
                                .on_stream = on_stream,
                                .on_up = on_accepted_up,
                                .on_down = on_accepted_down,
                                .is_cut = p->cut ? peers_is_cut : NULL,
                                .arg = p,
                                .limits.idle_ms = PEERS_IDLE_MS};
    if (xos_bulk_new(&p->bulk, p->config.loop, &c, err) < 0)
        return -1;
    if (xos_bulk_listen(p->bulk, p->config.config->listen, p->config.config->bulk_port, err) < 0)
        return -1;
    return peers_identity(p, err);
}

int peers_new(struct peers **out, const struct peers_config *config, struct xos_error *err)
{
    struct peers *p = xos_alloc(sizeof(*p));
    if (!p)
        return xos_fail(err, XOS_NOMEM, "other nodes");
    p->config = *config;
    p->env = xos_loop_env(config->loop);
    dials_open(p);
    for (size_t i = 0; i < CONFIG_SEEDS_MAX; i++)
        p->seeds[i].peers = p;
    if ((config->config->cut[0] && (xos_cut_new(&p->cut, err) < 0 || peers_cut_read(p, err) < 0)) ||
        bulk_open(p, err) < 0 || link_open(p, err) < 0 ||
        xos_timer_new(&p->sweep, config->loop, on_sweep, p, err) < 0) {
        peers_free(p);
        return xos_wrap(err, "[net] listen %s", config->config->listen);
    }
    xos_timer_set(p->sweep, PEERS_SWEEP_MS);
    *out = p;
    return 0;
}

void peers_free(struct peers *p)
{
    struct peer *peer, *after;
    if (!p)
        return;
    xos_bulk_free(p->bulk);
    link_close(p);
    HASH_ITER (hh, p->table, peer, after) {
        dials_free(peer);
        peer_drop(peer);
    }
    xos_timer_free(p->sweep);
    xos_cut_free(p->cut);
    xos_free(p);
}

unsigned peers_bulk_port(const struct peers *p)
{
    return xos_bulk_port(p->bulk);
}

const struct xos_dialler *peers_dialler(const struct peers *p)
{
    return &p->dialler;
}

const char *peers_head(const struct peers *p, const char *institution)
{
    for (const struct peer *peer = p->table; peer; peer = peer->hh.next) {
        const char *dot = strrchr(peer->name, '.');
        if (peer->met && (peer->roles & AUTH_NODE_HEAD) && dot && strcmp(dot + 1, institution) == 0)
            return peer->name;
    }
    return NULL;
}

/* Connections that were made without a certificate are made again with one. */
int peers_identity(struct peers *p, struct xos_error *err)
{
    const struct credential *id = p->config.identity;
    bool ended = id->to_ms < xos_env_real_ms(p->env), was = p->anonymous;
    int rc =
        ended ? xos_bulk_identity(p->bulk, NULL, 0, NULL, err)
              : xos_bulk_identity(p->bulk, id->self.chain, id->self.chain_count, id->self.key, err);
    if (rc < 0)
        return -1;
    p->anonymous = ended;
    for (struct peer *peer = p->table; was && !ended && peer; peer = peer->hh.next)
        if (peer->conn && peer->up)
            xos_bulk_close(peer->conn, XOS_NONE, "this node has a certificate again");
    return 0;
}

int peers_reload(struct peers *p, struct xos_error *err)
{
    if (p->cut && peers_cut_read(p, err) < 0)
        return -1;
    (void)xos_bulk_recheck(p->bulk);
    link_recheck(p);
    return 0;
}
