// SPDX-License-Identifier: Apache-2.0
/* peers_seed.c - addresses that are known before any name is. */
#include "libxos/base/telemetry.h"
#include "xosd/peers_parts.h"

#include <string.h>

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

static void seed_failed(struct seed *s, const struct xos_error *why)
{
    struct peers *p = s->peers;
    size_t i = (size_t)(s - p->seeds);
    xos_log_error(XOS_EV_LINK_DOWN, why, "seed=%s:%u", p->config.config->seeds[i].host,
                  p->config.config->seeds[i].port);
    p->config.on_seed_down(p->config.arg, i);
}

static void on_seed_up(void *arg, struct xos_bulk_conn *conn)
{
    struct seed *s = arg;
    struct peers *p = s->peers;
    struct xos_error err = {0};
    struct peer *peer = NULL;
    if (strcmp(xos_bulk_conn_peer(conn)->name, p->config.config->node) == 0)
        xos_fail(&err, XOS_INVALID, "this node is its own seed");
    else
        peer = peer_of(p, conn, &err);
    if (peer) {
        s->up = true;
        seed_known(s, peer, conn);
    } else {
        xos_bulk_close(conn, err.code, err.text);
    }
}

static void on_seed_down(void *arg, struct xos_bulk_conn *conn, const struct xos_error *why)
{
    struct seed *s = arg;
    bool was_up = s->up;
    if (s->conn == conn)
        s->conn = NULL;
    s->up = false;
    if (was_up)
        peer_gone(s->peers, conn, why);
    else
        seed_failed(s, why);
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
    if (s->up)
        p->config.on_seed(p->config.arg, seed, xos_bulk_conn_peer(s->conn)->name);
    else if (!s->conn && xos_bulk_connect(&s->conn, p->bulk, &d, &err) < 0)
        seed_failed(s, &err);
}
