// SPDX-License-Identifier: Apache-2.0
#include "xosd/peers_parts.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"

#include <string.h>
#include <utlist.h>

struct peer *peer_find(const struct peers *p, const char *name)
{
    struct peer *peer;
    HASH_FIND_STR(p->table, name, peer);
    return peer;
}

static bool peer_idle(const struct peer *peer)
{
    return !peer->conn && !peer->dials && !peer->messages && !peer->held && !peer->linked &&
           !peer->has_key;
}

static void peer_drop(struct peer *peer)
{
    HASH_DEL(peer->peers->table, peer);
    messages_free(peer);
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
    if (HASH_COUNT(p->table) >= PEERS_MAX)
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
    memcpy(peer->name, name, strlen(name) + 1);
    HASH_ADD_STR(p->table, name, peer);
    return peer;
}

/* Requests that wait for a connection */

static void dial_free(struct xos_dial *d)
{
    if (d->peer)
        DL_DELETE(d->peer->dials, d);
    d->peers->dial_count--;
    xos_loop_undefer(d->peers->config.loop, &d->deliver);
    xos_buf_free(&d->frame);
    xos_free(d);
}

static void on_deliver(void *arg)
{
    struct xos_dial *d = arg;
    struct xos_conn *conn = d->conn;
    struct xos_error why = d->why;
    xos_dialled_f done = d->done;
    void *done_arg = d->arg;
    dial_free(d);
    if (conn)
        xos_conn_pause(conn, false);
    done(done_arg, conn, &why);
}

/* A connection may be saying good-bye at this very moment: then another is made, once. */
static void dial_go(struct xos_dial *d)
{
    struct peer *peer = d->peer;
    struct xos_slice frame = {d->frame.data, d->frame.len};
    int rc = xos_conn_dial(&d->conn, d->peers->config.loop, peer->conn, frame, &d->config, &d->why);
    if (rc < 0 && d->why.code == XOS_UNAVAILABLE && !d->again) {
        d->again = true;
        peer->conn = NULL;
        peer->up = false;
        if (peer_meet(peer, &d->why) == 0)
            return;
    }
    if (d->conn)
        xos_conn_pause(d->conn, true); /* nothing comes before its owner knows of it */
    xos_loop_defer(d->peers->config.loop, &d->deliver);
}

static void dial_fail(struct xos_dial *d, const struct xos_error *why)
{
    d->why = *why;
    xos_loop_defer(d->peers->config.loop, &d->deliver);
}

static int dial_new(struct xos_dial **out, struct peers *p, struct peer *peer,
                    struct xos_slice frame, struct xos_error *err)
{
    if (p->dial_count >= PEERS_DIALS_MAX)
        return xos_fail(err, XOS_LIMIT, "PEERS_DIALS_MAX: %d requests wait for a connection",
                        PEERS_DIALS_MAX);
    struct xos_dial *d = xos_alloc(sizeof(*d));
    if (!d)
        return xos_fail(err, XOS_NOMEM, "request");
    d->peers = p;
    d->frame = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    d->deliver = (struct xos_task){.run = on_deliver, .arg = d};
    p->dial_count++;
    if (xos_buf_add(&d->frame, frame.data, frame.len, err) < 0) {
        dial_free(d);
        return -1;
    }
    d->peer = peer;
    DL_APPEND(peer->dials, d);
    *out = d;
    return 0;
}

static int dial(void *arg, struct xos_dial **out, const char *node, struct xos_slice frame,
                const struct xos_conn_config *config, xos_dialled_f done, void *done_arg,
                struct xos_error *err)
{
    struct peers *p = arg;
    struct xos_dial *d = NULL;
    struct peer *peer = peer_need(p, node, err);
    if (!peer || dial_new(&d, p, peer, frame, err) < 0)
        return -1;
    d->config = *config;
    d->done = done;
    d->arg = done_arg;
    if (peer->up) {
        dial_go(d);
    } else if (peer_meet(peer, err) < 0) {
        dial_free(d);
        return -1;
    }
    *out = d;
    return 0;
}

static void cancel(void *arg, struct xos_dial *d)
{
    (void)arg;
    xos_conn_free(d->conn);
    dial_free(d);
}

static int verify_answer(void *arg, const struct xos_envelope *e, const struct xos_answer *a,
                         struct xos_error *err)
{
    const struct peers *p = arg;
    const struct auth_principal *who;
    char name[AUTH_NAME_BYTES_MAX + 1];
    if (auth_trust_verify(p->config.trust, e->chain, e->chain_count, AUTH_KIND_NODE,
                          xos_env_real_ms(p->env), &who, err) < 0)
        return -1;
    auth_name_print(&who->name, name);
    if (strcmp(name, a->node) != 0)
        return xos_fail(err, XOS_DENIED, "the certificate of %s with an answer of %s", name,
                        a->node);
    return xos_key_verify(who->key, XOS_ANSWER_DOMAIN, e->header, e->signature, err);
}

/* Meeting */

/* The one verdict on a peer's chain; what its certificate says of it is noted on the way. */
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
    struct peer *peer = peer_need(p, name, err);
    if (!peer)
        return -1;
    peer->roles = who->node.roles;
    link_note_key(peer, who);
    return 0;
}

static void peer_up(struct peer *peer, struct xos_bulk_conn *conn)
{
    struct xos_dial *d, *after;
    peer->conn = conn;
    peer->up = peer->met = true;
    xos_log(XOS_EV_LINK_UP, "node=%s address=%s", peer->name, xos_bulk_conn_address(conn));
    DL_FOREACH_SAFE(peer->dials, d, after)
    if (!d->deliver.queued)
        dial_go(d);
    link_met(peer);
}

static void peer_lost(struct peer *peer, const struct xos_error *why)
{
    struct xos_dial *d, *after;
    xos_log_error(XOS_EV_LINK_DOWN, why, "node=%s", peer->name);
    DL_FOREACH_SAFE(peer->dials, d, after)
    if (!d->deliver.queued)
        dial_fail(d, why);
    link_lost(peer);
}

static void on_dial_up(void *arg, struct xos_bulk_conn *conn)
{
    peer_up(arg, conn);
}

static int dial_next(struct peer *peer, struct xos_error *err);

static void connection_gone(struct peers *p, const struct xos_bulk_conn *conn,
                            const struct xos_error *why)
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
        connection_gone(peer->peers, conn, why);
        return;
    }
    peer->conn = NULL;
    if (peer->tried < peer->reach.count && dial_next(peer, &err) == 0)
        return;
    xos_wrap(&err, "node %s cannot be reached", peer->name);
    err.code = XOS_UNAVAILABLE;
    peer_lost(peer, &err);
}

static const char *dial_from(const struct peers *p)
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

/* Also while we are dialling: whichever comes up first serves. */
static void on_accepted_up(void *arg, struct xos_bulk_conn *conn)
{
    struct peers *p = arg;
    struct peer *peer = peer_find(p, xos_bulk_conn_peer(conn)->name);
    if (!peer)
        return; /* somebody without a certificate, who may ask what needs none */
    if (!peer->up) {
        peer_up(peer, conn);
        return;
    }
    peer->met = true;
    link_met(peer);
}

static void on_accepted_down(void *arg, struct xos_bulk_conn *conn, const struct xos_error *why)
{
    connection_gone(arg, conn, why);
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

/* Seeds */

static void seed_known(struct seed *s, struct peer *peer, struct xos_bulk_conn *conn)
{
    struct peers *p = s->peers;
    size_t i = (size_t)(s - p->seeds);
    const struct config_seed *c = &p->config.config->seeds[i];
    if (peer->reach.count == 0) {
        memcpy(peer->reach.at[0].host, c->host, sizeof(c->host));
        peer->reach.at[0].bulk_port = c->port;
        peer->reach.count = 1;
    }
    if (!peer->up)
        peer_up(peer, conn);
    p->config.on_seed(p->config.arg, i, peer->name);
}

static void on_seed_up(void *arg, struct xos_bulk_conn *conn)
{
    struct seed *s = arg;
    const char *name = xos_bulk_conn_peer(conn)->name;
    struct peer *peer = peer_find(s->peers, name);
    if (peer && strcmp(name, s->peers->config.config->node) != 0)
        seed_known(s, peer, conn);
    else
        xos_bulk_close(conn, XOS_NONE, "this node is its own seed");
}

static void on_seed_down(void *arg, struct xos_bulk_conn *conn, const struct xos_error *why)
{
    struct seed *s = arg;
    struct peers *p = s->peers;
    if (xos_bulk_conn_peer(conn)->name[0])
        connection_gone(p, conn, why);
    else
        p->config.on_seed_down(p->config.arg, (size_t)(s - p->seeds));
    if (s->conn == conn)
        s->conn = NULL;
}

static void on_sweep(void *arg)
{
    struct peers *p = arg;
    link_sweep(p, xos_env_mono_ms(p->env), xos_env_real_ms(p->env));
    xos_timer_set(p->sweep, PEERS_SWEEP_MS);
}

void peers_seed(struct peers *p, size_t seed)
{
    struct xos_error err = {0};
    struct seed *s = &p->seeds[seed];
    const struct config_seed *c = &p->config.config->seeds[seed];
    struct xos_bulk_dial d = {.host = c->host,
                              .port = c->port,
                              .from = dial_from(p),
                              .on_up = on_seed_up,
                              .on_down = on_seed_down,
                              .arg = s};
    const char *name = s->conn ? xos_bulk_conn_peer(s->conn)->name : "";
    struct peer *peer = name[0] ? peer_find(p, name) : NULL;
    if (peer) {
        p->config.on_seed(p->config.arg, seed, peer->name);
    } else if (!s->conn && xos_bulk_connect(&s->conn, p->bulk, &d, &err) < 0) {
        xos_log_error(XOS_EV_LINK_DOWN, &err, "seed=%s", c->host);
        p->config.on_seed_down(p->config.arg, seed);
    }
}

/* The whole */

static bool is_cut(void *arg, const char *address)
{
    const struct peers *p = arg;
    return xos_cut_has(p->cut, address);
}

/* One address a line; what is not there cuts nothing. */
static int cut_read(struct peers *p, struct xos_error *err)
{
    static char texts[XOS_CUT_ADDRESSES_MAX][CONFIG_NAME_MAX];
    const char *list[XOS_CUT_ADDRESSES_MAX];
    struct xos_buf text = XOS_BUF(XOS_CONF_BYTES_MAX);
    struct xos_error why = {0};
    size_t count = 0;
    char path[CONFIG_TEXT_MAX];
    (void)memcpy(path, p->config.config->cut, sizeof(path));
    char *slash = strrchr(path, '/');
    if (!slash)
        return xos_fail(err, XOS_INVALID, "[net] cut: an absolute path is needed");
    *slash = '\0';
    int dir = xos_env_dir_open(p->env, slash == path ? "/" : path, err);
    int rc = dir < 0 ? -1 : xos_env_file_read(p->env, dir, slash + 1, &text, &why);
    xos_env_close(p->env, dir);
    if (dir >= 0 && rc < 0)
        rc = why.code == XOS_NOT_FOUND ? 0 : xos_fail(err, why.code, "%s", why.text);
    for (const char *at = (const char *)text.data; rc == 0 && at && *at;) {
        size_t n = strcspn(at, "\n");
        if (n && n < CONFIG_NAME_MAX && count < XOS_CUT_ADDRESSES_MAX) {
            memcpy(texts[count], at, n);
            texts[count][n] = '\0';
            list[count] = texts[count];
            count++;
        } else if (n) {
            rc = xos_fail(err, XOS_LIMIT, "[net] cut: more than %d addresses, or one too long",
                          XOS_CUT_ADDRESSES_MAX);
        }
        at += at[n] ? n + 1 : n;
    }
    xos_buf_free(&text);
    return rc == 0 ? xos_cut_set(p->cut, list, count, err)
                   : xos_wrap(err, "%s", p->config.config->cut);
}

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
                                .is_cut = p->cut ? is_cut : NULL,
                                .arg = p,
                                .limits.idle_ms = PEERS_IDLE_MS};
    if (xos_bulk_new(&p->bulk, p->config.loop, &c, err) < 0)
        return -1;
    return xos_bulk_listen(p->bulk, p->config.config->listen, p->config.config->bulk_port, err);
}

int peers_new(struct peers **out, const struct peers_config *config, struct xos_error *err)
{
    struct peers *p = xos_alloc(sizeof(*p));
    if (!p)
        return xos_fail(err, XOS_NOMEM, "other nodes");
    p->config = *config;
    p->env = xos_loop_env(config->loop);
    p->dialler = (struct xos_dialler){p, dial, cancel, verify_answer};
    for (size_t i = 0; i < CONFIG_SEEDS_MAX; i++)
        p->seeds[i].peers = p;
    if ((config->config->cut[0] && (xos_cut_new(&p->cut, err) < 0 || cut_read(p, err) < 0)) ||
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
        while (peer->dials) {
            xos_conn_free(peer->dials->conn);
            dial_free(peer->dials);
        }
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

int peers_identity(struct peers *p, struct xos_error *err)
{
    const struct auth_self *self = &p->config.identity->self;
    return xos_bulk_identity(p->bulk, self->chain, self->chain_count, self->key, err);
}

int peers_reload(struct peers *p, struct xos_error *err)
{
    if (p->cut && cut_read(p, err) < 0)
        return -1;
    link_forget(p);
    (void)xos_bulk_recheck(p->bulk);
    return 0;
}
