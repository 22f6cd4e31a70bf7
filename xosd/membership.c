// SPDX-License-Identifier: Apache-2.0
#include "xosd/membership.h"

#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"
#include "xosd/xosd.pb-c.h"

#include <stdio.h>
#include <string.h>

/* What is to be said to a seed: the last message alone, since each is a try of its own. */
struct letter {
    struct membership *of;
    struct xos_buf message;
    struct xos_pending *asked;
    char node[AUTH_NAME_BYTES_MAX + 1];
    unsigned overlay_port; /* 0: not known yet */
};

struct membership {
    struct membership_config config;
    struct discovery_net net;
    struct letter letters[CONFIG_SEEDS_MAX];
};

static size_t seed_of(const struct letter *l)
{
    return (size_t)(l - l->of->letters);
}

static void letter_failed(struct letter *l)
{
    l->overlay_port = 0;
    discovery_on_seed_down(l->of->config.discovery, seed_of(l));
}

static void letter_send(struct letter *l)
{
    const struct config_seed *at = &l->of->config.config->seeds[seed_of(l)];
    struct discovery_reach reach = {.count = 1};
    struct xos_error err;
    memcpy(reach.at[0].host, at->host, sizeof(at->host));
    reach.at[0].bulk_port = at->port;
    reach.at[0].overlay_port = l->overlay_port;
    if (peers_send(l->of->config.peers, l->node, &reach,
                   (struct xos_slice){l->message.data, l->message.len}, &err) < 0)
        letter_failed(l);
}

static void on_hello(void *arg, const struct xos_error *result, struct xos_slice body)
{
    struct letter *l = arg;
    Xos__Node__HelloPb *m = NULL;
    l->asked = NULL;
    if (result->code == XOS_NONE)
        m = xos_pb_unpack(&xos__node__hello_pb__descriptor, body, 4096, XOS_PB_TOLERANT, NULL);
    l->overlay_port = m && m->overlay_port <= 65535 ? m->overlay_port : 0;
    xos_pb_free(m);
    if (l->overlay_port)
        letter_send(l);
    else
        letter_failed(l);
}

void membership_on_seed(struct membership *m, size_t seed, const char *node)
{
    static const struct xos_slice nothing = {NULL, 0};
    struct letter *l = &m->letters[seed];
    struct xos_error err;
    (void)snprintf(l->node, sizeof(l->node), "%s", node);
    if (l->asked || l->message.len == 0)
        return;
    if (xos_rpc_call(m->config.rpc, &l->asked, l->node, "node.hello", nothing, MEMBERSHIP_HELLO_MS,
                     on_hello, l, &err) < 0)
        letter_failed(l);
}

void membership_on_seed_down(struct membership *m, size_t seed)
{
    letter_failed(&m->letters[seed]);
}

/* Discovery's net */

static int send_node(void *arg, const char *node, const struct discovery_reach *reach,
                     struct xos_slice message, struct xos_error *err)
{
    struct membership *m = arg;
    return peers_send(m->config.peers, node, reach, message, err);
}

static int send_seed(void *arg, size_t seed, struct xos_slice message, struct xos_error *err)
{
    struct membership *m = arg;
    struct letter *l = &m->letters[seed];
    xos_buf_clear(&l->message);
    if (xos_buf_add(&l->message, message.data, message.len, err) < 0)
        return -1;
    if (!l->asked)
        peers_seed(m->config.peers, seed);
    return 0;
}

static void hold(void *arg, const char *node, const struct discovery_reach *reach)
{
    struct membership *m = arg;
    peers_hold(m->config.peers, node, reach);
}

static void release(void *arg, const char *node)
{
    struct membership *m = arg;
    peers_release(m->config.peers, node);
}

int membership_new(struct membership **out, const struct membership_config *config,
                   struct xos_error *err)
{
    struct membership *m = xos_alloc(sizeof(*m));
    const struct config *c = config->config;
    struct discovery_reach reach = {.count = 1};
    if (!m)
        return xos_fail(err, XOS_NOMEM, "membership");
    m->config = *config;
    m->net = (struct discovery_net){m, send_node, send_seed, hold, release};
    for (size_t i = 0; i < CONFIG_SEEDS_MAX; i++)
        m->letters[i] = (struct letter){.of = m, .message = XOS_BUF(PEERS_MESSAGE_BYTES_MAX)};
    memcpy(reach.at[0].host, c->advertise, sizeof(c->advertise));
    reach.at[0].bulk_port = peers_bulk_port(config->peers);
    reach.at[0].overlay_port = peers_overlay_port(config->peers);
    *out = m;
    if (discovery_join(config->discovery, &m->net, &reach, err) == 0)
        return 0;
    *out = NULL;
    membership_free(m);
    return -1;
}

void membership_free(struct membership *m)
{
    if (!m)
        return;
    discovery_leave(m->config.discovery);
    for (size_t i = 0; i < CONFIG_SEEDS_MAX; i++) {
        xos_rpc_cancel(m->letters[i].asked);
        xos_buf_free(&m->letters[i].message);
    }
    xos_free(m);
}
