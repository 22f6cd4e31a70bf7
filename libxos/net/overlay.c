// SPDX-License-Identifier: Apache-2.0
/* How a message's sender is known, from the port inwards:
 *
 *  1. A connection finishes its CURVE handshake only when our ZAP handler says 200, and it does so
 *     for keys in the table of contacts alone. With ZMQ_ZAP_ENFORCE_DOMAIN a missing handler admits
 *     nobody. libzmq then puts the key, as we wrote it into the answer, on every message of that
 *     connection: User-Id. A peer's own metadata cannot replace it.
 *  2. A ROUTER cannot close one connection. So the table is asked again for each message, and who
 *     was expelled meanwhile is dropped here.
 *  3. A routing id is a name that a peer may choose. Ours never do, and a message from a chosen
 *     id is dropped: the ids that remain were made by our own ROUTER, which starts them at a
 *     random number and tells them to nobody. An answer goes to the id of the connection on which
 *     that User-Id spoke last, and only while that connection lives: the monitor tells its end,
 *     and is read before another connection takes over the route.
 *  4. On a link that we opened, the handshake proved the key that we asked for.
 *
 * Invariant: a link and a route hang on a peer, and a peer is in the table, or all three are gone.
 * on_message and on_link may change the table, so that nothing here uses a peer after them. */
#include "libxos/net/overlay.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"
#include "libxos/net/contacts.h"
#include "libxos/net/link.h"
#include "libxos/net/refusals.h"
#include "libxos/net/zap.h"
#include "libxos/net/zmon.h"
#include "libxos/wire/key.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SOCKETS_PER_LINK 3 /* the DEALER and the two ends of its monitor */
#define SOCKETS_MAX (XOS_OVERLAY_LINKS_MAX * SOCKETS_PER_LINK + 16)
#define LISTENER_EVENTS                                                                            \
    (ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |                               \
     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)

struct xos_overlay {
    struct xos_overlay_config config; /* its key pointers are not used: curve has the keys */
    char from[XOS_ADDRESS_TEXT_MAX];
    struct xos_loop *loop;
    void *context;
    struct xos_curve curve;
    struct xos_zap *zap;
    struct xos_zsock *router;
    struct xos_zmon *monitor;
    struct xos_contacts contacts;
    unsigned links;
    struct xos_refusals refusals;
    struct xos_task sweep; /* tell what has changed outside a callback */
    struct xos_timer *silence;
    struct xos_cut_listener cut_listener;
    unsigned calling; /* depth of on_message and on_link */
};

static uint64_t now_ms(const struct xos_overlay *o)
{
    return xos_env_mono_ms(xos_loop_env(o->loop));
}

/* Telling the owner */

static void tell_link(struct xos_overlay *o, const struct xos_contact *peer, bool up)
{
    uint8_t key[XOS_CURVE_KEY_BYTES]; /* the peer may be expelled in the call */
    if (!o->config.on_link)
        return;
    memcpy(key, peer->key, sizeof(key));
    o->calling++;
    o->config.on_link(o->config.arg, key, up);
    o->calling--;
}

static bool peer_cut(const struct xos_overlay *o, const struct xos_contact *peer)
{
    return xos_cut_has(o->config.cut, peer->address) ||
           (peer->link && xos_cut_has(o->config.cut, xos_link_host(peer->link)));
}

/* Across a cut nothing comes up; what was up stays so until the silence is noticed. */
static bool reachable(const struct xos_contact *peer)
{
    if (peer->silent || (!peer->up && peer_cut(peer->owner, peer)))
        return false;
    return peer->route.set || (peer->link && xos_link_up(peer->link));
}

static void announce(struct xos_overlay *o, struct xos_contact *peer)
{
    bool up = reachable(peer);
    if (up == peer->up)
        return;
    peer->up = up;
    tell_link(o, peer, up);
}

static struct xos_contact *next_stale(struct xos_overlay *o)
{
    for (struct xos_contact *peer = o->contacts.by_key; peer; peer = peer->hh.next)
        if (peer->up != reachable(peer))
            return peer;
    return NULL;
}

/* From the start again after each call: it may have changed the table. */
static void on_sweep(void *arg)
{
    struct xos_overlay *o = arg;
    struct xos_contact *peer = next_stale(o);
    if (!peer)
        return;
    announce(o, peer);
    xos_loop_defer(o->loop, &o->sweep);
}

static void deliver(struct xos_overlay *o, const struct xos_contact *peer, zmq_msg_t *body)
{
    uint8_t key[XOS_CURVE_KEY_BYTES];
    struct xos_slice message = {zmq_msg_data(body), zmq_msg_size(body)};
    const char *address = zmq_msg_gets(body, "Peer-Address");
    if (message.len == 0 || (address && xos_cut_has(o->config.cut, address)))
        return;
    memcpy(key, peer->key, sizeof(key));
    if (message.len > o->curve.message_bytes_max) {
        xos_refusals_note(&o->refusals, now_ms(o), "oversize", "address=%s bytes=%zu",
                          peer->address, message.len);
        return;
    }
    o->calling++;
    o->config.on_message(o->config.arg, key, message);
    o->calling--;
}

/* What is cut */

/* Heal what is healed at once; what is cut is noticed when a broken cable would be. */
static void on_cut_changed(void *arg)
{
    struct xos_overlay *o = arg;
    bool any = false;
    for (struct xos_contact *peer = o->contacts.by_key; peer; peer = peer->hh.next) {
        bool cut = peer_cut(o, peer);
        peer->silent = peer->silent && cut;
        any = any || cut;
    }
    if (any)
        xos_timer_set(o->silence, XOS_OVERLAY_SILENCE_MS);
    xos_loop_defer(o->loop, &o->sweep);
}

static void on_silence(void *arg)
{
    struct xos_overlay *o = arg;
    for (struct xos_contact *peer = o->contacts.by_key; peer; peer = peer->hh.next)
        peer->silent = peer_cut(o, peer);
    xos_loop_defer(o->loop, &o->sweep);
}

/* Connections that come in */

static enum xos_zap_verdict on_zap(void *arg, const struct xos_zap_request *request)
{
    struct xos_overlay *o = arg;
    char hex[XOS_ZAP_USER_ID_CHARS + 1];
    if (xos_cut_has(o->config.cut, request->address))
        return XOS_ZAP_IGNORE;
    if (xos_contacts_get(&o->contacts, request->key))
        return XOS_ZAP_ADMIT;
    xos_hex(request->key, sizeof(request->key), hex);
    xos_refusals_note(&o->refusals, now_ms(o), "unknown-key", "address=%s key=%s", request->address,
                      hex);
    return XOS_ZAP_REFUSE;
}

static void on_zap_malformed(void *arg, const struct xos_error *why)
{
    struct xos_overlay *o = arg;
    xos_refusals_note(&o->refusals, now_ms(o), "malformed", "error=\"%s\"", why->text);
}

static void on_listener_event(void *arg, unsigned kind, unsigned value)
{
    struct xos_overlay *o = arg;
    if (kind != ZMQ_EVENT_DISCONNECTED) {
        xos_refusals_note(&o->refusals, now_ms(o), "handshake", "error=\"%s\"",
                          xos_zmon_reason(kind, value));
        return;
    }
    struct xos_contact *peer = xos_contacts_by_fd(&o->contacts, (int)value);
    if (!peer)
        return;
    peer->route.set = false;
    announce(o, peer);
}

/* The peer that User-Id names, or NULL when it may not speak. */
static struct xos_contact *speaker(struct xos_overlay *o, zmq_msg_t *route, zmq_msg_t *body)
{
    uint8_t key[XOS_CURVE_KEY_BYTES];
    const char *user_id = zmq_msg_gets(body, "User-Id"), *why = NULL;
    const uint8_t *id = zmq_msg_data(route);
    struct xos_contact *peer = NULL;
    if (!user_id || xos_unhex(user_id, key, sizeof(key)) < 0)
        why = "malformed";
    else if (!(peer = xos_contacts_get(&o->contacts, key)))
        why = "expelled-key";
    else if (zmq_msg_size(route) != XOS_ROUTE_BYTES || id[0] != 0)
        why = "routing-id";
    if (!why)
        return peer;
    xos_refusals_note(&o->refusals, now_ms(o), why, "key=%s", user_id ? user_id : "");
    return NULL;
}

static bool is_route(const struct xos_route *r, zmq_msg_t *id, int fd)
{
    return r->set && r->fd == fd && memcmp(r->id, zmq_msg_data(id), sizeof(r->id)) == 0;
}

/* Remember the connection as the way to this peer. NULL when the peer is gone after that. */
static struct xos_contact *take_route(struct xos_overlay *o, struct xos_contact *peer,
                                      zmq_msg_t *id, zmq_msg_t *body)
{
    uint8_t key[XOS_CURVE_KEY_BYTES];
    int fd = zmq_msg_get(body, ZMQ_SRCFD);
    const char *address = zmq_msg_gets(body, "Peer-Address");
    if (is_route(&peer->route, id, fd))
        return peer;
    memcpy(key, peer->key, sizeof(key));
    /* The end of an older connection with the same descriptor is in the monitor by now. */
    xos_zmon_drain(o->monitor);
    if (!(peer = xos_contacts_get(&o->contacts, key)))
        return NULL;
    peer->route = (struct xos_route){.set = true, .fd = fd};
    memcpy(peer->route.id, zmq_msg_data(id), sizeof(peer->route.id));
    (void)snprintf(peer->address, sizeof(peer->address), "%s", address ? address : "");
    announce(o, peer);
    return xos_contacts_get(&o->contacts, key);
}

static void on_router(void *arg, zmq_msg_t *frames, size_t count)
{
    struct xos_overlay *o = arg;
    if (count != 2) {
        xos_refusals_note(&o->refusals, now_ms(o), "malformed", "frames=%zu", count);
        return;
    }
    struct xos_contact *peer = speaker(o, &frames[0], &frames[1]);
    if (peer && (peer = take_route(o, peer, &frames[0], &frames[1])))
        deliver(o, peer, &frames[1]);
}

/* Links that we open */

static void on_link_message(void *arg, zmq_msg_t *body)
{
    struct xos_contact *peer = arg;
    deliver(peer->owner, peer, body);
}

static void on_link_state(void *arg, bool up, unsigned dropped, const char *why)
{
    struct xos_contact *peer = arg;
    struct xos_overlay *o = peer->owner;
    (void)up;
    (void)why;
    if (peer->up != reachable(peer))
        announce(o, peer);
    else if (dropped && !peer->up)
        tell_link(o, peer, false);
}

static void link_drop(struct xos_overlay *o, struct xos_contact *peer)
{
    if (!peer->link)
        return;
    xos_link_free(peer->link);
    peer->link = NULL;
    o->links--;
}

int xos_overlay_connect(struct xos_overlay *o, const uint8_t key[static XOS_CURVE_KEY_BYTES],
                        const char *host, unsigned port, struct xos_error *err)
{
    struct xos_contact *peer = xos_contacts_get(&o->contacts, key);
    struct xos_link *link;
    if (!peer)
        return xos_fail(err, XOS_DENIED, "the key of %s:%u is not admitted", host, port);
    if (peer->link && xos_link_leads_to(peer->link, host, port))
        return 0;
    if (!peer->link && o->links >= XOS_OVERLAY_LINKS_MAX)
        return xos_fail(err, XOS_LIMIT, "overlay_links_max: more than %d", XOS_OVERLAY_LINKS_MAX);
    struct xos_link_config config = {.loop = o->loop,
                                     .context = o->context,
                                     .curve = &o->curve,
                                     .outbox = peer->outbox,
                                     .cut = o->config.cut,
                                     .server_key = peer->key,
                                     .host = host,
                                     .port = port,
                                     .from = o->from[0] ? o->from : NULL,
                                     .on_message = on_link_message,
                                     .on_state = on_link_state,
                                     .arg = peer};
    if (xos_link_new(&link, &config, err) < 0)
        return xos_wrap(err, "link to %s:%u", host, port);
    link_drop(o, peer);
    peer->link = link;
    o->links++;
    xos_loop_defer(o->loop, &o->sweep);
    return 0;
}

void xos_overlay_disconnect(struct xos_overlay *o, const uint8_t key[static XOS_CURVE_KEY_BYTES])
{
    struct xos_contact *peer = xos_contacts_get(&o->contacts, key);
    if (!peer)
        return;
    link_drop(o, peer);
    xos_loop_defer(o->loop, &o->sweep);
}

/* The table */

int xos_overlay_admit(struct xos_overlay *o, const uint8_t key[static XOS_CURVE_KEY_BYTES],
                      struct xos_error *err)
{
    struct xos_contact *peer;
    if (xos_contacts_get(&o->contacts, key))
        return 0;
    if (xos_contacts_add(&o->contacts, key, o->config.queue_bytes_max, &peer, err) < 0)
        return -1;
    peer->owner = o;
    return 0;
}

void xos_overlay_expel(struct xos_overlay *o, const uint8_t key[static XOS_CURVE_KEY_BYTES])
{
    struct xos_contact *peer = xos_contacts_get(&o->contacts, key);
    if (!peer)
        return;
    link_drop(o, peer);
    xos_contacts_remove(&o->contacts, peer);
}

bool xos_overlay_admits(const struct xos_overlay *o, const uint8_t key[static XOS_CURVE_KEY_BYTES])
{
    return xos_contacts_get(&o->contacts, key) != NULL;
}

bool xos_overlay_up(const struct xos_overlay *o, const uint8_t key[static XOS_CURVE_KEY_BYTES])
{
    const struct xos_contact *peer = xos_contacts_get(&o->contacts, key);
    return peer && reachable(peer);
}

/* Sending */

static int send_back(struct xos_overlay *o, const struct xos_contact *peer,
                     struct xos_slice message, struct xos_error *err)
{
    zmq_msg_t frames[2];
    if (xos_outbox_message(peer->outbox, message, &frames[1], err) < 0)
        return -1;
    int rc = zmq_msg_init_size(&frames[0], sizeof(peer->route.id));
    assert(rc == 0); /* so small that libzmq allocates nothing */
    memcpy(zmq_msg_data(&frames[0]), peer->route.id, sizeof(peer->route.id));
    return xos_zsock_send(o->router, frames, 2, err);
}

static int send_somehow(struct xos_overlay *o, struct xos_contact *peer, struct xos_slice message,
                        struct xos_error *err)
{
    if (peer->link && xos_link_up(peer->link))
        return xos_link_send(peer->link, message, err);
    if (peer->route.set)
        return send_back(o, peer, message, err);
    if (peer->link)
        return xos_link_send(peer->link, message, err);
    return xos_fail(err, XOS_UNAVAILABLE, "the peer has no connection to this node");
}

int xos_overlay_send(struct xos_overlay *o, const uint8_t key[static XOS_CURVE_KEY_BYTES],
                     struct xos_slice message, struct xos_error *err)
{
    struct xos_error own = {0}, *e = err ? err : &own;
    struct xos_contact *peer = xos_contacts_get(&o->contacts, key);
    if (message.len == 0)
        return xos_fail(e, XOS_INVALID, "an empty message");
    if (message.len > o->curve.message_bytes_max)
        return xos_fail(e, XOS_LIMIT, "message_bytes_max: more than %zu bytes",
                        o->curve.message_bytes_max);
    if (!peer)
        return xos_fail(e, XOS_DENIED, "the peer's key is not admitted");
    if (peer_cut(o, peer))
        return 0;
    if (send_somehow(o, peer, message, e) == 0)
        return 0;
    if (e->code == XOS_LIMIT)
        xos_metric_add(XOS_M_LIMITS_REACHED, "overlay_queue", 1);
    return -1;
}

/* Beginning and end */

static int listen_on(struct xos_overlay *o, const char *host, struct xos_error *err)
{
    char endpoint[XOS_ENDPOINT_TEXT_MAX];
    if (xos_address_endpoint(endpoint, NULL, host, o->config.port, err) < 0 ||
        xos_zsock_set(o->router, ZMQ_IPV6, strchr(host, ':') != NULL, err) < 0)
        return -1;
    return xos_zsock_bind(o->router, endpoint, err);
}

/* A kernel without IPv6 cannot bind "::". */
static int listen_anywhere(struct xos_overlay *o, struct xos_error *err)
{
    struct xos_error first = {0};
    if (listen_on(o, "::", &first) == 0)
        return 0;
    return listen_on(o, "0.0.0.0", err);
}

static int open_listener(struct xos_overlay *o, struct xos_error *err)
{
    if (xos_zsock_new(&o->router, o->loop, o->context, ZMQ_ROUTER, on_router, o, err) < 0 ||
        xos_curve_serve(o->router, &o->curve, err) < 0 ||
        xos_zmon_new(&o->monitor, o->loop, o->context, o->router, LISTENER_EVENTS,
                     on_listener_event, o, err) < 0)
        return -1;
    int rc = o->config.host ? listen_on(o, o->config.host, err) : listen_anywhere(o, err);
    return rc < 0 ? xos_wrap(err, "listen for the overlay") : 0;
}

static void copy_config(struct xos_overlay *o, const struct xos_overlay_config *config)
{
    o->config = *config;
    o->config.queue_bytes_max =
        config->queue_bytes_max ? config->queue_bytes_max : XOS_OVERLAY_QUEUE_BYTES_MAX;
    o->config.public_key = o->config.secret_key = NULL;
    memcpy(o->curve.public_key, config->public_key, XOS_CURVE_KEY_BYTES);
    memcpy(o->curve.secret_key, config->secret_key, XOS_CURVE_KEY_BYTES);
    o->curve.message_bytes_max =
        config->message_bytes_max ? config->message_bytes_max : XOS_OVERLAY_MESSAGE_BYTES_MAX;
    o->curve.high_water = config->high_water ? config->high_water : XOS_OVERLAY_HIGH_WATER;
    o->sweep = (struct xos_task){.run = on_sweep, .arg = o};
    o->cut_listener = (struct xos_cut_listener){.changed = on_cut_changed, .arg = o};
}

static int copy_from(struct xos_overlay *o, const char *from, struct xos_error *err)
{
    struct xos_address a;
    if (!from)
        return 0;
    if (xos_address_parse(&a, from, err) < 0)
        return -1;
    (void)snprintf(o->from, sizeof(o->from), "%s", from);
    return 0;
}

static int open_context(struct xos_overlay *o, struct xos_error *err)
{
    o->context = zmq_ctx_new();
    if (!o->context || zmq_ctx_set(o->context, ZMQ_MAX_SOCKETS, SOCKETS_MAX) < 0)
        return xos_zsock_fail(err, "zmq context");
    return 0;
}

int xos_overlay_new(struct xos_overlay **out, struct xos_loop *loop,
                    const struct xos_overlay_config *config, struct xos_error *err)
{
    struct xos_overlay *o = xos_alloc(sizeof(*o));
    if (!o)
        return xos_fail(err, XOS_NOMEM, "overlay");
    o->loop = loop;
    copy_config(o, config);
    if (copy_from(o, config->from, err) < 0 || open_context(o, err) < 0 ||
        xos_timer_new(&o->silence, loop, on_silence, o, err) < 0 ||
        xos_zap_new(&o->zap, loop, o->context, on_zap, on_zap_malformed, o, err) < 0 ||
        open_listener(o, err) < 0) {
        xos_overlay_free(o);
        return -1;
    }
    o->config.host = o->config.from = NULL; /* were borrowed for this call */
    xos_cut_listen(config->cut, &o->cut_listener);
    *out = o;
    return 0;
}

void xos_overlay_free(struct xos_overlay *o)
{
    struct xos_contact *peer;
    if (!o)
        return;
    assert(o->calling == 0);
    xos_cut_unlisten(o->config.cut, &o->cut_listener);
    xos_loop_undefer(o->loop, &o->sweep);
    while ((peer = o->contacts.by_key))
        xos_overlay_expel(o, peer->key);
    xos_timer_free(o->silence);
    xos_zmon_free(o->monitor);
    xos_zsock_free(o->router);
    xos_zap_free(o->zap);
    while (o->context && zmq_ctx_term(o->context) < 0 && errno == EINTR)
        ; /* a signal came while what was queued is being sent */
    explicit_bzero(&o->curve, sizeof(o->curve));
    xos_free(o);
}

unsigned xos_overlay_port(const struct xos_overlay *o)
{
    return xos_zsock_port(o->router);
}
