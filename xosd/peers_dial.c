// SPDX-License-Identifier: Apache-2.0
/* peers_dial.c - requests to peers: each a stream of the one connection. */
#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"
#include "xosd/peers_parts.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

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

/* A peer whose clock is off is told of once in each direction. */
static void note_clock(const struct peers *p, const char *name, int64_t ahead_ms)
{
    struct peer *peer = peer_find(p, name);
    if (!peer)
        return;
    bool was = peer->has_clock && llabs(peer->ahead_ms) > PEERS_SKEW_MS;
    if (!was && llabs(ahead_ms) > PEERS_SKEW_MS)
        xos_log(XOS_EV_CLOCK_SKEW, "node=%s ahead_ms=%lld", name, (long long)ahead_ms);
    peer->has_clock = true;
    peer->ahead_ms = ahead_ms;
    peer->heard_ms = xos_env_mono_ms(p->env);
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
    if (xos_key_verify(who->key, XOS_ANSWER_DOMAIN, e->header, e->signature, err) < 0)
        return -1;
    note_clock(p, name, a->issued_ms - xos_env_real_ms(p->env));
    return 0;
}

void dials_open(struct peers *p)
{
    p->dialler = (struct xos_dialler){p, dial, cancel, verify_answer};
}

void dials_go(struct peer *peer)
{
    struct xos_dial *d, *after;
    DL_FOREACH_SAFE(peer->dials, d, after)
    if (!d->deliver.queued)
        dial_go(d);
}

void dials_fail(struct peer *peer, const struct xos_error *why)
{
    struct xos_dial *d, *after;
    DL_FOREACH_SAFE(peer->dials, d, after)
    if (!d->deliver.queued)
        dial_fail(d, why);
}

void dials_free(struct peer *peer)
{
    while (peer->dials) {
        xos_conn_free(peer->dials->conn);
        dial_free(peer->dials);
    }
}

void peers_clock(const struct peers *p, struct peers_clock *out)
{
    const uint64_t now = xos_env_mono_ms(p->env);
    *out = (struct peers_clock){.node = ""};
    for (const struct peer *peer = p->table; peer; peer = peer->hh.next) {
        if (!peer->has_clock || now - peer->heard_ms > PEERS_CLOCK_MS)
            continue;
        xos_metric_set(XOS_M_CLOCK_OFFSET_SECONDS, peer->name, (double)peer->ahead_ms / 1000);
        if (!out->node[0] || llabs(peer->ahead_ms) > llabs(out->ahead_ms)) {
            memcpy(out->node, peer->name, sizeof(out->node));
            out->ahead_ms = peer->ahead_ms;
        }
    }
}
