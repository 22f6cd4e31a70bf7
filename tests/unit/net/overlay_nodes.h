// SPDX-License-Identifier: Apache-2.0
/* overlay_nodes.h - a few overlays in one loop, each on a loopback address of its own, and what
 * each has received: for the overlay's tests. */
#ifndef XOS_TESTS_OVERLAY_NODES_H
#define XOS_TESTS_OVERLAY_NODES_H

#include "libxos/base/telemetry.h"
#include "libxos/net/overlay.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <string.h>

#define KEY XOS_CURVE_KEY_BYTES
#define WAIT_MS 20000 /* generous: the tests run beside others */
#define TICK_MS 5

struct node {
    struct xos_overlay *overlay;
    struct xos_cut *cut;
    uint8_t public_key[KEY], secret_key[KEY];
    char address[32];
    unsigned port;

    unsigned received;   /* messages */
    unsigned misordered; /* numbered messages that were not the next one */
    uint32_t next;       /* number that is awaited */
    uint8_t last_from[KEY];
    char last[64];
    unsigned ups, downs;
    bool echo; /* send each message back to its sender */
};

struct world {
    struct xos_loop *loop;
    struct xos_timer *tick;
};

static inline void world_tick(void *arg)
{
    struct world *w = arg;
    xos_timer_set(w->tick, TICK_MS);
}

static inline int world_open(struct world *w, struct xos_error *err)
{
    if (xos_loop_new(&w->loop, xos_env_posix(), err) < 0 ||
        xos_timer_new(&w->tick, w->loop, world_tick, w, err) < 0)
        return -1;
    xos_timer_set(w->tick, TICK_MS);
    return 0;
}

static inline void world_close(struct world *w)
{
    xos_timer_free(w->tick);
    xos_loop_free(w->loop);
}

/* Run the loop until the condition holds, or for WAIT_MS. */
#define WAIT_FOR(world, condition)                                                                 \
    do {                                                                                           \
        bool met_ = false;                                                                         \
        uint64_t end_ = xos_env_mono_ms(xos_env_posix()) + WAIT_MS;                                \
        while (!(met_ = (condition)) && xos_env_mono_ms(xos_env_posix()) < end_)                   \
            (void)xos_loop_once((world)->loop, NULL);                                              \
        if (!met_)                                                                                 \
            fail_msg("%s:%d: waited in vain for %s", __FILE__, __LINE__, #condition);              \
    } while (0)

static inline void run_for(struct world *w, uint64_t ms)
{
    uint64_t end = xos_env_mono_ms(xos_env_posix()) + ms;
    while (xos_env_mono_ms(xos_env_posix()) < end)
        (void)xos_loop_once(w->loop, NULL);
}

static inline void node_message(void *arg, const uint8_t key[static KEY], struct xos_slice m)
{
    struct node *n = arg;
    uint32_t number;
    n->received++;
    memcpy(n->last_from, key, KEY);
    (void)snprintf(n->last, sizeof(n->last), "%.*s", (int)(m.len < 60 ? m.len : 60),
                   (const char *)m.data);
    if (m.len == sizeof(number)) {
        memcpy(&number, m.data, sizeof(number));
        n->misordered += number != n->next;
        n->next = number + 1;
    }
    if (n->echo)
        (void)xos_overlay_send(n->overlay, key, m, NULL);
}

static inline void node_link(void *arg, const uint8_t key[static KEY], bool up)
{
    struct node *n = arg;
    (void)key;
    if (up)
        n->ups++;
    else
        n->downs++;
}

/* Open the overlay of a node whose keys and address are set. */
static inline int node_listen(struct world *w, struct node *n, struct xos_error *err)
{
    struct xos_overlay_config config = {.host = n->address,
                                        .port = n->port,
                                        .from = n->address,
                                        .public_key = n->public_key,
                                        .secret_key = n->secret_key,
                                        .high_water = 20000,
                                        .message_bytes_max = 65536,
                                        .cut = n->cut,
                                        .on_message = node_message,
                                        .on_link = node_link,
                                        .arg = n};
    if (xos_overlay_new(&n->overlay, w->loop, &config, err) < 0)
        return -1;
    n->port = xos_overlay_port(n->overlay);
    return 0;
}

static inline int node_open(struct world *w, struct node *n, unsigned number, struct xos_error *err)
{
    (void)snprintf(n->address, sizeof(n->address), "127.9.0.%u", number);
    if (xos_curve_keypair(n->public_key, n->secret_key, err) < 0 || xos_cut_new(&n->cut, err) < 0)
        return -1;
    return node_listen(w, n, err);
}

static inline void node_close(struct node *n)
{
    xos_overlay_free(n->overlay);
    n->overlay = NULL;
    xos_cut_free(n->cut);
    n->cut = NULL;
}

static inline int node_know(struct node *n, const struct node *other, struct xos_error *err)
{
    return xos_overlay_admit(n->overlay, other->public_key, err);
}

static inline int node_connect(struct node *n, const struct node *to, struct xos_error *err)
{
    return xos_overlay_connect(n->overlay, to->public_key, to->address, to->port, err);
}

static inline int node_say(struct node *n, const struct node *to, const char *text,
                           struct xos_error *err)
{
    struct xos_slice m = {(const uint8_t *)text, strlen(text)};
    return xos_overlay_send(n->overlay, to->public_key, m, err);
}

#endif
