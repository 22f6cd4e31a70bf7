// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/link.h"

#include "libxos/base/alloc.h"
#include "libxos/base/states.h"
#include "libxos/base/telemetry.h"
#include "libxos/net/zmon.h"

#include <assert.h>
#include <string.h>
#include <utlist.h>

#define LINK_EVENTS                                                                                \
    (ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |                        \
     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |                       \
     ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED)

enum link_state { LINK_NONE, LINK_WAITING, LINK_CONNECTING, LINK_UP, LINK_STATES };

static const struct xos_state_row states[LINK_STATES] = {
    [LINK_NONE] = {"none", 0, 0},
    [LINK_WAITING] = {"waiting", XOS_STATE(LINK_CONNECTING), XOS_STATE_INITIAL},
    [LINK_CONNECTING] = {"connecting", XOS_STATE(LINK_UP) | XOS_STATE(LINK_WAITING), 0},
    [LINK_UP] = {"up", XOS_STATE(LINK_WAITING), 0},
};

struct waiting {
    zmq_msg_t message;
    struct waiting *prev, *next;
};

struct xos_link {
    struct xos_link_config config;
    uint8_t server_key[XOS_CURVE_KEY_BYTES];
    char host[XOS_ADDRESS_TEXT_MAX];
    char endpoint[XOS_ENDPOINT_TEXT_MAX];
    struct xos_states state;
    struct xos_timer *timer; /* WAITING: the next attempt; CONNECTING: its deadline */
    struct xos_zsock *dealer;
    struct xos_zmon *monitor;
    unsigned failures; /* in a row */
    uint64_t up_since_ms;
    struct waiting *waiting;
    unsigned waiting_count;
};

static bool link_invariant(const void *subject)
{
    const struct xos_link *l = subject;
    return l->state.now == LINK_CONNECTING || (l->state.now == LINK_UP) == (l->dealer != NULL);
}

uint64_t xos_link_backoff_ms(unsigned failures, uint32_t random)
{
    uint64_t pause = XOS_LINK_BACKOFF_MS_MIN;
    for (unsigned i = 1; i < failures && pause < XOS_LINK_BACKOFF_MS_MAX; i++)
        pause *= 2;
    if (pause > XOS_LINK_BACKOFF_MS_MAX)
        pause = XOS_LINK_BACKOFF_MS_MAX;
    return pause / 2 + random % (pause - pause / 2 + 1);
}

static uint64_t now_ms(const struct xos_link *l)
{
    return xos_env_mono_ms(xos_loop_env(l->config.loop));
}

static unsigned drop_waiting(struct xos_link *l)
{
    unsigned dropped = l->waiting_count;
    struct waiting *each, *next;
    DL_FOREACH_SAFE(l->waiting, each, next)
    {
        zmq_msg_close(&each->message);
        xos_free(each);
    }
    l->waiting = NULL;
    l->waiting_count = 0;
    return dropped;
}

static void link_close(struct xos_link *l)
{
    xos_zmon_free(l->monitor);
    xos_zsock_free(l->dealer);
    l->monitor = NULL;
    l->dealer = NULL;
}

/* The link may be freed when this returns. */
static void link_fail(struct xos_link *l, const char *why)
{
    uint32_t random = UINT32_MAX;
    bool was_up = l->state.now == LINK_UP;
    if (was_up && now_ms(l) - l->up_since_ms >= XOS_LINK_STEADY_MS)
        l->failures = 0;
    l->failures++;
    link_close(l);
    xos_states_move(&l->state, LINK_WAITING, l);
    (void)xos_env_random(xos_loop_env(l->config.loop), &random, sizeof(random), NULL);
    xos_timer_set(l->timer, xos_link_backoff_ms(l->failures, random));
    if (was_up || l->failures == 1)
        xos_log(XOS_EV_LINK_DOWN, "endpoint=%s reason=\"%s\"", l->endpoint, why);
    unsigned dropped = drop_waiting(l);
    if (was_up || dropped)
        l->config.on_state(l->config.arg, false, dropped, why);
}

static int put(struct xos_link *l, struct xos_slice message, struct xos_error *err)
{
    zmq_msg_t frame;
    if (xos_outbox_message(l->config.outbox, message, &frame, err) < 0)
        return -1;
    return xos_zsock_send(l->dealer, &frame, 1, err);
}

/* What waited fits: the socket's queue is as long as ours with the greeting, and was empty. */
static void flush_waiting(struct xos_link *l)
{
    struct waiting *each, *next;
    DL_FOREACH_SAFE(l->waiting, each, next)
    {
        (void)xos_zsock_send(l->dealer, &each->message, 1, NULL);
        xos_free(each);
    }
    l->waiting = NULL;
    l->waiting_count = 0;
}

static void link_now_up(struct xos_link *l)
{
    xos_timer_cancel(l->timer);
    xos_states_move(&l->state, LINK_UP, l);
    l->up_since_ms = now_ms(l);
    xos_log(XOS_EV_LINK_UP, "endpoint=%s", l->endpoint);
    (void)put(l, (struct xos_slice){0}, NULL); /* a greeting lost costs the way back, no more */
    flush_waiting(l);
    l->config.on_state(l->config.arg, true, 0, "");
}

static void on_event(void *arg, unsigned kind, unsigned value)
{
    struct xos_link *l = arg;
    if (kind == ZMQ_EVENT_HANDSHAKE_SUCCEEDED && l->state.now == LINK_CONNECTING)
        link_now_up(l);
    else if (kind == ZMQ_EVENT_CLOSED)
        link_fail(l, "nobody listens there");
    else if (kind == ZMQ_EVENT_DISCONNECTED)
        link_fail(l, "the connection broke");
    else if (kind != ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
        link_fail(l, xos_zmon_reason(kind, value));
}

static void on_message(void *arg, zmq_msg_t *frames, size_t count)
{
    struct xos_link *l = arg;
    if (count == 1)
        l->config.on_message(l->config.arg, &frames[0]);
    else
        xos_metric_add(XOS_M_REFUSALS, "malformed", 1);
}

static int link_open(struct xos_link *l, struct xos_error *err)
{
    const struct xos_link_config *c = &l->config;
    int ipv6 = strchr(l->host, ':') != NULL;
    if (xos_zsock_new(&l->dealer, c->loop, c->context, ZMQ_DEALER, on_message, l, err) < 0 ||
        xos_curve_dial(l->dealer, c->curve, l->server_key, err) < 0 ||
        xos_zsock_set(l->dealer, ZMQ_IPV6, ipv6, err) < 0 ||
        xos_zmon_new(&l->monitor, c->loop, c->context, l->dealer, LINK_EVENTS, on_event, l, err) <
            0 ||
        xos_zsock_connect(l->dealer, l->endpoint, err) < 0) {
        link_close(l);
        return -1;
    }
    return 0;
}

/* A cut address gets no connection, and the attempt ends where one without an answer would. */
static int attempt(struct xos_link *l, struct xos_error *err)
{
    if (!xos_cut_has(l->config.cut, l->host) && link_open(l, err) < 0)
        return -1;
    xos_states_move(&l->state, LINK_CONNECTING, l);
    xos_timer_set(l->timer, XOS_LINK_ATTEMPT_MS_MAX);
    return 0;
}

static void on_timer(void *arg)
{
    struct xos_link *l = arg;
    struct xos_error err = {0};
    if (l->state.now == LINK_CONNECTING) {
        link_fail(l, "no answer");
    } else if (attempt(l, &err) < 0) {
        xos_log_error(XOS_EV_LINK_DOWN, &err, "endpoint=%s", l->endpoint);
        xos_timer_set(l->timer, XOS_LINK_BACKOFF_MS_MAX);
    }
}

int xos_link_new(struct xos_link **out, const struct xos_link_config *config, struct xos_error *err)
{
    struct xos_link *l = xos_alloc(sizeof(*l));
    if (!l)
        return xos_fail(err, XOS_NOMEM, "link");
    l->config = *config;
    xos_states_init(&l->state, "link", states, LINK_STATES, LINK_WAITING, link_invariant);
    memcpy(l->server_key, config->server_key, sizeof(l->server_key));
    if (xos_address_endpoint(l->endpoint, config->from, config->host, config->port, err) < 0)
        goto error;
    memcpy(l->host, config->host, strlen(config->host) + 1); /* an address fits, as just seen */
    if (xos_timer_new(&l->timer, config->loop, on_timer, l, err) < 0 || attempt(l, err) < 0)
        goto error;
    *out = l;
    return 0;
error:
    xos_link_free(l);
    return -1;
}

void xos_link_free(struct xos_link *l)
{
    if (!l)
        return;
    link_close(l);
    (void)drop_waiting(l);
    xos_timer_free(l->timer);
    xos_free(l);
}

bool xos_link_up(const struct xos_link *l)
{
    return l->state.now == LINK_UP;
}

bool xos_link_connecting(const struct xos_link *l)
{
    return l->state.now == LINK_CONNECTING;
}

const char *xos_link_host(const struct xos_link *l)
{
    return l->host;
}

bool xos_link_leads_to(const struct xos_link *l, const char *host, unsigned port)
{
    return l->config.port == port && strcmp(l->host, host) == 0;
}

static int put_waiting(struct xos_link *l, struct xos_slice message, struct xos_error *err)
{
    if (l->waiting_count >= l->config.curve->high_water)
        return xos_fail(err, XOS_LIMIT, "high_water: more than %u messages wait for a link",
                        l->config.curve->high_water);
    struct waiting *w = xos_alloc(sizeof(*w));
    if (!w)
        return xos_fail(err, XOS_NOMEM, "message");
    if (xos_outbox_message(l->config.outbox, message, &w->message, err) < 0) {
        xos_free(w);
        return -1;
    }
    DL_APPEND(l->waiting, w);
    l->waiting_count++;
    return 0;
}

int xos_link_send(struct xos_link *l, struct xos_slice message, struct xos_error *err)
{
    if (l->state.now == LINK_UP)
        return put(l, message, err);
    if (l->state.now == LINK_CONNECTING)
        return put_waiting(l, message, err);
    return xos_fail(err, XOS_UNAVAILABLE, "no link to %s now", l->endpoint);
}
