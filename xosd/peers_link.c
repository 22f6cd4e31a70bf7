// SPDX-License-Identifier: Apache-2.0
/* peers_link.c - short messages to peers, over the overlay. */
#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"
#include "xosd/peers_parts.h"

#include <string.h>
#include <utlist.h>

static void message_free(struct peer *peer, struct peer_message *m)
{
    DL_DELETE(peer->messages, m);
    peer->message_count--;
    xos_buf_free(&m->bytes);
    xos_free(m);
}

void messages_free(struct peer *peer)
{
    while (peer->messages)
        message_free(peer, peer->messages);
}

static struct peer *peer_by_key(const struct peers *p, const uint8_t key[XOS_CURVE_KEY_BYTES])
{
    struct peer *peer;
    HASH_FIND(hh_key, p->by_key, key, XOS_CURVE_KEY_BYTES, peer);
    return peer;
}

void link_expel(struct peer *peer)
{
    if (!peer->has_key)
        return;
    if (peer->peers->overlay)
        xos_overlay_expel(peer->peers->overlay, peer->key);
    HASH_DELETE(hh_key, peer->peers->by_key, peer);
    peer->has_key = peer->linked = peer->met = false;
}

/* The same node with a new key: the old one is nobody's any more. Two nodes with one key would be
 * answered as each other: the second gets no link. */
void link_note_key(struct peer *peer, const struct auth_principal *who)
{
    struct xos_error err = {0};
    struct peers *p = peer->peers;
    const uint8_t *key = who->node.curve_key;
    if (peer->has_key && memcmp(peer->key, key, sizeof(peer->key)) != 0)
        link_expel(peer);
    peer->key_until_ms = who->until_ms;
    if (peer->has_key)
        return;
    const struct peer *other = peer_by_key(p, key);
    if (other)
        xos_fail(&err, XOS_DENIED, "its overlay key is %s's", other->name);
    else if (xos_overlay_admit(p->overlay, key, &err) == 0)
        peer->has_key = true;
    if (!peer->has_key) {
        xos_log_error(XOS_EV_LIMIT, &err, "node=%s", peer->name);
        return;
    }
    memcpy(peer->key, key, sizeof(peer->key));
    HASH_ADD(hh_key, p->by_key, key, XOS_CURVE_KEY_BYTES, peer);
}

/* Have a way for messages; 0 when there is one now or it is on its way. */
static int link_up(struct peer *peer, struct xos_error *err)
{
    struct peers *p = peer->peers;
    if (peer->linked || xos_overlay_up(p->overlay, peer->key))
        return 0;
    if (peer->reach.count == 0 || peer->reach.at[0].overlay_port == 0)
        return xos_fail(err, XOS_UNAVAILABLE, "where %s listens for messages is not known",
                        peer->name);
    if (xos_overlay_connect(p->overlay, peer->key, peer->reach.at[0].host,
                            peer->reach.at[0].overlay_port, err) < 0)
        return -1;
    peer->linked = true;
    return 0;
}

static int link_send(struct peer *peer, struct xos_slice message, struct xos_error *err)
{
    if (link_up(peer, err) < 0)
        return -1;
    peer->used_ms = xos_env_mono_ms(peer->peers->env);
    return xos_overlay_send(peer->peers->overlay, peer->key, message, err);
}

static void link_down(struct peer *peer)
{
    struct peers *p = peer->peers;
    if (peer->linked)
        xos_overlay_disconnect(p->overlay, peer->key);
    peer->linked = false;
    peer->met = peer->up;
    messages_free(peer);
    p->config.on_down(p->config.arg, peer->name);
}

void link_met(struct peer *peer)
{
    struct xos_error err = {0};
    struct peer_message *m, *after;
    int rc = peer->held ? link_up(peer, &err) : 0;
    DL_FOREACH_SAFE(peer->messages, m, after)
    {
        if (rc == 0)
            rc = link_send(peer, (struct xos_slice){m->bytes.data, m->bytes.len}, &err);
        message_free(peer, m);
    }
    if (rc < 0) {
        xos_log_error(XOS_EV_LINK_DOWN, &err, "node=%s", peer->name);
        link_down(peer);
    }
}

void link_lost(struct peer *peer)
{
    if (peer->messages || peer->held)
        link_down(peer);
}

static void on_message(void *arg, const uint8_t key[XOS_CURVE_KEY_BYTES], struct xos_slice message)
{
    struct peers *p = arg;
    struct peer *peer = peer_by_key(p, key);
    if (!peer)
        return;
    peer->used_ms = xos_env_mono_ms(p->env);
    p->config.on_message(p->config.arg, peer->name, message);
}

static void on_link(void *arg, const uint8_t key[XOS_CURVE_KEY_BYTES], bool up)
{
    struct peers *p = arg;
    struct peer *peer = peer_by_key(p, key);
    if (peer && !up)
        link_down(peer);
}

int link_open(struct peers *p, struct xos_error *err)
{
    const struct config *c = p->config.config;
    struct xos_overlay_config o = {.host = c->listen,
                                   .port = c->overlay_port,
                                   .from = p->cut ? c->listen : NULL,
                                   .public_key = p->config.identity->curve_public,
                                   .secret_key = p->config.identity->curve_secret,
                                   .message_bytes_max = PEERS_MESSAGE_BYTES_MAX,
                                   .cut = p->cut,
                                   .on_message = on_message,
                                   .on_link = on_link,
                                   .arg = p};
    return xos_overlay_new(&p->overlay, p->config.loop, &o, err);
}

void link_close(struct peers *p)
{
    xos_overlay_free(p->overlay);
    p->overlay = NULL;
}

void link_sweep(struct peers *p, uint64_t now_ms, int64_t real_ms)
{
    for (struct peer *peer = p->table; peer; peer = peer->hh.next) {
        if (peer->has_key && peer->key_until_ms < real_ms) {
            link_expel(peer);
        } else if (peer->linked && !peer->held && now_ms - peer->used_ms > PEERS_LINK_IDLE_MS) {
            xos_overlay_disconnect(p->overlay, peer->key);
            peer->linked = false;
        }
    }
}

void link_recheck(struct peers *p)
{
    const struct auth_principal *who;
    struct xos_error err;
    p->walked = true;
    for (struct peer *peer = p->table; peer; peer = peer->hh.next) {
        if (!peer->has_key ||
            auth_trust_verify(p->config.trust, peer->chain, peer->chain_count, AUTH_KIND_NODE,
                              xos_env_real_ms(p->env), &who, &err) == 0)
            continue;
        xos_log_error(XOS_EV_LINK_DOWN, &err, "node=%s", peer->name);
        link_expel(peer);
        p->config.on_down(p->config.arg, peer->name);
    }
    p->walked = false;
}

unsigned peers_overlay_port(const struct peers *p)
{
    return xos_overlay_port(p->overlay);
}

static struct peer *peer_reached(struct peers *p, const char *node,
                                 const struct discovery_reach *reach, struct xos_error *err)
{
    struct peer *peer = peer_need(p, node, err);
    if (peer && reach && reach->count)
        peer->reach = *reach;
    return peer;
}

static int wait_to_meet(struct peer *peer, struct xos_slice message, struct xos_error *err)
{
    if (peer->up)
        return xos_fail(err, XOS_UNAVAILABLE, "%s has no overlay key that may be used", peer->name);
    if (peer->message_count >= PEERS_MESSAGES_MAX)
        return xos_fail(err, XOS_LIMIT, "PEERS_MESSAGES_MAX: %d messages wait for %s",
                        PEERS_MESSAGES_MAX, peer->name);
    struct peer_message *m = xos_alloc(sizeof(*m));
    if (!m)
        return xos_fail(err, XOS_NOMEM, "message");
    m->bytes = XOS_BUF(PEERS_MESSAGE_BYTES_MAX);
    DL_APPEND(peer->messages, m);
    peer->message_count++;
    if (xos_buf_add(&m->bytes, message.data, message.len, err) < 0 || peer_meet(peer, err) < 0) {
        message_free(peer, m);
        return -1;
    }
    return 0;
}

/* A key that was forgotten is known again from a connection that stayed. */
static bool link_ready(struct peer *peer)
{
    struct xos_error err;
    if (peer->up && !(peer->met && peer->has_key))
        peer->met = peer_of(peer->peers, peer->conn, &err) != NULL;
    return peer->met && peer->has_key;
}

int peers_send(struct peers *p, const char *node, const struct discovery_reach *reach,
               struct xos_slice message, struct xos_error *err)
{
    struct peer *peer = peer_reached(p, node, reach, err);
    if (!peer)
        return -1;
    return link_ready(peer) ? link_send(peer, message, err) : wait_to_meet(peer, message, err);
}

void peers_hold(struct peers *p, const char *node, const struct discovery_reach *reach)
{
    struct xos_error err = {0};
    struct peer *peer = peer_reached(p, node, reach, &err);
    if (!peer)
        return;
    peer->held = true;
    if (link_ready(peer))
        (void)link_up(peer, &err);
    else
        (void)peer_meet(peer, &err);
}

void peers_release(struct peers *p, const char *node)
{
    struct peer *peer = peer_find(p, node);
    if (peer)
        peer->held = false;
}
