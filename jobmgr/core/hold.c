// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/core/hold.h"

#include "libxos/base/alloc.h"
#include "libxos/base/states.h"

#define uthash_malloc(size) xos_alloc(size)
#define uthash_free(block, size) xos_free(block)
#define HASH_NONFATAL_OOM 1
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

enum node_state { NODE_DOUBTED, NODE_HELD, NODE_SILENT, NODE_STATE_COUNT };

static const struct xos_state_row node_table[NODE_STATE_COUNT] = {
    [NODE_DOUBTED] = {"doubted", XOS_STATE(NODE_HELD) | XOS_STATE(NODE_SILENT), XOS_STATE_INITIAL},
    [NODE_HELD] = {"held", XOS_STATE(NODE_DOUBTED), 0},
    [NODE_SILENT] = {"silent", XOS_STATE(NODE_DOUBTED) | XOS_STATE(NODE_HELD), 0},
};

struct held {
    struct claim_id id; /* key: its bytes, so the tail of the name is zero */
    uint64_t epoch;
    struct node *node;
    uint64_t since_ms; /* the claim was granted before */
    bool fenced;
    bool lost;
    bool unknown; /* to its node, first said at unknown_ms, last in the answer to unknown_ask */
    uint64_t unknown_ms;
    uint64_t unknown_ask;
    struct held *prev, *next;
    UT_hash_handle hh;
};

struct node {
    char name[CLAIM_NAME_MAX];
    struct xos_states states;
    struct held *units;
    size_t count;         /* of units */
    size_t unknown;       /* of these it does not know */
    size_t lost;          /* of these have been given up */
    uint64_t asked;       /* the last question, … */
    uint64_t answered;    /* … and the last to which an answer came */
    uint64_t heard_ms;    /* when that came; 0: never */
    uint64_t clock_ms;    /* what it said */
    uint64_t next_ask_ms; /* renew or probe */
    uint64_t probe_ms;    /* between two probes */
    unsigned probes;      /* unanswered ones in this silence */
    uint64_t over_ms;     /* no fenced unit is over before */
    uint64_t lost_ms;     /* repeat LOST then */
    UT_hash_handle hh;
};

struct hold {
    struct node *nodes;
    struct held *units;
    uint64_t asks;
};

int hold_new(struct hold **out, struct xos_error *err)
{
    *out = xos_alloc(sizeof(**out));
    return *out ? 0 : xos_fail(err, XOS_NOMEM, "claims on other nodes");
}

void hold_actions_free(struct hold_actions *a)
{
    xos_free(a->list);
    *a = (struct hold_actions){0};
}

static bool node_holds(const void *subject)
{
    const struct node *n = subject;
    return n->unknown <= n->count && n->lost <= n->count && n->answered <= n->asked;
}

static struct node *node_get(const struct hold *h, const char *name)
{
    struct node *n;
    HASH_FIND_STR(h->nodes, name, n);
    return n;
}

static struct held *unit_get(const struct hold *h, const struct claim_id *id)
{
    struct claim_id key;
    struct held *u;
    memset(&key, 0, sizeof(key));
    memcpy(key.job, id->job, strnlen(id->job, sizeof(key.job) - 1));
    key.unit = id->unit;
    HASH_FIND(hh, h->units, &key, sizeof(key), u);
    return u;
}

static void unit_drop(struct hold *h, struct held *u)
{
    struct node *n = u->node;
    HASH_DEL(h->units, u);
    DL_DELETE(n->units, u);
    n->count--;
    n->unknown -= u->unknown;
    n->lost -= u->lost;
    xos_free(u);
    if (n->count)
        return;
    HASH_DEL(h->nodes, n);
    xos_free(n);
}

void hold_free(struct hold *h)
{
    if (!h)
        return;
    while (h->units)
        unit_drop(h, h->units);
    xos_free(h);
}

size_t hold_count(const struct hold *h)
{
    return HASH_COUNT(h->units);
}

const char *hold_node_state(const struct hold *h, const char *node)
{
    const struct node *n = node_get(h, node);
    return n ? xos_states_name(&n->states) : NULL;
}

void hold_each(const struct hold *h, const char *node,
               void (*each)(const struct claim_id *id, uint64_t epoch, void *arg), void *arg)
{
    const struct node *n = node_get(h, node);
    for (const struct held *u = n ? n->units : NULL; u; u = u->next)
        if (!u->lost)
            each(&u->id, u->epoch, arg);
}

/* Actions */

/* Room is made before anything changes, so that no step can stop half way. */
static int reserve(struct hold_actions *a, size_t count, struct xos_error *err)
{
    a->count = 0;
    if (count <= a->cap)
        return 0;
    struct hold_action *list = xos_realloc_array(a->list, count, sizeof(*list));
    if (!list)
        return xos_fail(err, XOS_NOMEM, "%zu actions", count);
    a->list = list;
    a->cap = count;
    return 0;
}

static struct hold_action *push(struct hold_actions *a, enum hold_action_kind kind,
                                const struct node *n)
{
    assert(a->count < a->cap);
    struct hold_action *x = &a->list[a->count++];
    memset(x, 0, sizeof(*x));
    x->kind = kind;
    memcpy(x->node, n->name, sizeof(x->node));
    return x;
}

static void ask(struct hold *h, struct node *n, enum hold_action_kind kind, uint64_t after_ms,
                uint64_t now_ms, struct hold_actions *a)
{
    struct hold_action *x = push(a, kind, n);
    x->ask = n->asked = ++h->asks;
    x->clock_ms = kind == HOLD_DO_RENEW ? n->clock_ms : 0;
    n->next_ask_ms = now_ms + after_ms;
}

static void renew(struct hold *h, struct node *n, uint64_t now_ms, struct hold_actions *a)
{
    ask(h, n, HOLD_DO_RENEW, CLAIM_RENEW_MS, now_ms, a);
}

/* Nothing is left to decide: the next probes come slower and slower. */
static void probe(struct hold *h, struct node *n, uint64_t now_ms, struct hold_actions *a)
{
    if (n->states.now == NODE_SILENT)
        n->probe_ms = n->probe_ms * 2 < HOLD_PROBE_MS_MAX ? n->probe_ms * 2 : HOLD_PROBE_MS_MAX;
    ask(h, n, HOLD_DO_PROBE, n->probe_ms, now_ms, a);
    n->probes++;
}

static void doubt(struct hold *h, struct node *n, uint64_t now_ms, struct hold_actions *a)
{
    if (n->states.now != NODE_DOUBTED)
        xos_states_move(&n->states, NODE_DOUBTED, n);
    n->probe_ms = HOLD_PROBE_MS;
    n->probes = 0;
    probe(h, n, now_ms, a);
}

/* The grant was its answer. */
static void trust(struct node *n, uint64_t now_ms)
{
    n->probe_ms = HOLD_PROBE_MS;
    n->next_ask_ms = now_ms + HOLD_FRESH_MS;
}

static void say_lost(const struct held *u, struct hold_actions *a)
{
    struct hold_action *x = push(a, HOLD_DO_LOST, u->node);
    x->id = u->id;
    x->epoch = u->epoch;
    x->reason = u->unknown ? "the node does not know the unit" : "the node does not answer";
}

static void lose(struct held *u, uint64_t now_ms, struct hold_actions *a)
{
    u->lost = true;
    u->node->lost++;
    u->node->lost_ms = now_ms + HOLD_LOST_AGAIN_MS;
    say_lost(u, a);
}

/* Silence */

static uint64_t over_at(const struct held *u)
{
    uint64_t from = u->since_ms > u->node->heard_ms ? u->since_ms : u->node->heard_ms;
    return from + HOLD_OVER_MS;
}

/* Give up the fenced units that are over, and note when the next one is. */
static void lose_silent(struct node *n, uint64_t now_ms, struct hold_actions *a)
{
    n->over_ms = UINT64_MAX;
    for (struct held *u = n->units; u; u = u->next) {
        if (!u->fenced || u->lost)
            continue;
        if (over_at(u) <= now_ms)
            lose(u, now_ms, a);
        else if (over_at(u) < n->over_ms)
            n->over_ms = over_at(u);
    }
    if (n->over_ms == UINT64_MAX && n->states.now == NODE_DOUBTED)
        xos_states_move(&n->states, NODE_SILENT, n);
}

static bool is_over(const struct node *n, uint64_t now_ms)
{
    return n->states.now == NODE_DOUBTED && n->probes > HOLD_PROBES_MIN && n->over_ms <= now_ms;
}

static void repeat_lost(struct node *n, uint64_t now_ms, struct hold_actions *a)
{
    for (const struct held *u = n->units; u; u = u->next)
        if (u->lost)
            say_lost(u, a);
    n->lost_ms = now_ms + HOLD_LOST_AGAIN_MS;
}

static void tick_node(struct hold *h, struct node *n, uint64_t now_ms, struct hold_actions *a)
{
    if (n->lost && n->lost_ms <= now_ms)
        repeat_lost(n, now_ms, a);
    if (is_over(n, now_ms))
        lose_silent(n, now_ms, a);
    if (n->next_ask_ms <= now_ms) {
        if (n->states.now != NODE_HELD)
            probe(h, n, now_ms, a);
        else if (n->answered == n->asked)
            renew(h, n, now_ms, a);
        else
            doubt(h, n, now_ms, a);
    }
}

static uint64_t node_next_ms(const struct node *n)
{
    uint64_t next = n->next_ask_ms;
    if (n->lost && n->lost_ms < next)
        next = n->lost_ms;
    if (n->states.now == NODE_DOUBTED && n->probes > HOLD_PROBES_MIN && n->over_ms < next)
        next = n->over_ms;
    return next;
}

static int on_tick(struct hold *h, const struct hold_event *ev, struct hold_actions *a,
                   struct xos_error *err)
{
    size_t room = HASH_COUNT(h->nodes);
    for (const struct node *n = h->nodes; n; n = n->hh.next)
        room += is_over(n, ev->now_ms) || n->lost ? n->count : 0;
    if (reserve(a, room, err) < 0)
        return -1;
    for (struct node *n = h->nodes; n; n = n->hh.next)
        tick_node(h, n, ev->now_ms, a);
    return 0;
}

/* Answers */

static void note_unknown(struct hold *h, struct node *n, const struct hold_event *ev)
{
    for (size_t i = 0; i < ev->unknown_count; i++) {
        struct held *u = unit_get(h, &ev->unknown[i].id);
        if (!u || u->node != n || u->epoch != ev->unknown[i].epoch || u->lost)
            continue;
        if (!u->unknown) {
            u->unknown = true;
            u->unknown_ms = ev->now_ms;
            n->unknown++;
        }
        u->unknown_ask = ev->ask;
    }
}

/* Those that the node knows after all are cleared; those that it does not know again are lost. */
static void settle_unknown(struct node *n, const struct hold_event *ev, struct hold_actions *a)
{
    for (struct held *u = n->unknown ? n->units : NULL; u; u = u->next) {
        if (!u->unknown || u->lost)
            continue;
        if (u->unknown_ask != ev->ask) {
            u->unknown = false;
            n->unknown--;
        } else if (ev->now_ms - u->unknown_ms >= HOLD_UNKNOWN_MS) {
            lose(u, ev->now_ms, a);
        }
    }
}

static int on_answer(struct hold *h, const struct hold_event *ev, struct hold_actions *a,
                     struct xos_error *err)
{
    struct node *n = node_get(h, ev->node);
    if (!n || ev->ask <= n->answered || ev->ask > n->asked)
        return reserve(a, 0, err);
    if (reserve(a, 1 + ev->unknown_count, err) < 0)
        return -1;
    n->answered = ev->ask;
    n->heard_ms = ev->now_ms;
    n->clock_ms = ev->clock_ms;
    n->over_ms = ev->now_ms + HOLD_OVER_MS;
    note_unknown(h, n, ev);
    settle_unknown(n, ev, a);
    if (n->states.now != NODE_HELD) {
        xos_states_move(&n->states, NODE_HELD, n);
        renew(h, n, ev->now_ms, a);
    }
    return 0;
}

/* What is held */

static struct node *node_new(struct hold *h, const char *name)
{
    struct node *n = xos_alloc(sizeof(*n));
    if (!n)
        return NULL;
    (void)snprintf(n->name, sizeof(n->name), "%s", name);
    xos_states_init(&n->states, "node", node_table, NODE_STATE_COUNT, NODE_DOUBTED, node_holds);
    n->asked = n->answered = h->asks;
    n->over_ms = UINT64_MAX;
    HASH_ADD_STR(h->nodes, name, n);
    if (n->hh.tbl)
        return n;
    xos_free(n);
    return NULL;
}

static struct held *unit_new(struct hold *h, struct node *n, const struct hold_event *ev)
{
    struct held *u = xos_alloc(sizeof(*u));
    if (!u)
        return NULL;
    memcpy(u->id.job, ev->id.job, strnlen(ev->id.job, sizeof(u->id.job) - 1));
    u->id.unit = ev->id.unit;
    u->epoch = ev->epoch;
    u->since_ms = ev->now_ms;
    u->fenced = ev->fenced;
    u->node = n;
    HASH_ADD(hh, h->units, id, sizeof(u->id), u);
    if (!u->hh.tbl) {
        xos_free(u);
        return NULL;
    }
    DL_APPEND(n->units, u);
    n->count++;
    return u;
}

static int check_limits(const struct hold *h, bool known_node, bool known_unit,
                        struct xos_error *err)
{
    if (!known_node && HASH_COUNT(h->nodes) >= HOLD_NODES_MAX)
        return xos_fail(err, XOS_LIMIT, "hold_nodes_max: claims on %d nodes", HOLD_NODES_MAX);
    if (!known_unit && HASH_COUNT(h->units) >= HOLD_UNITS_MAX)
        return xos_fail(err, XOS_LIMIT, "hold_units_max: %d units on other nodes", HOLD_UNITS_MAX);
    return 0;
}

/* The old entry goes only when the new one stands; for that moment both have the same key. */
static int on_add(struct hold *h, const struct hold_event *ev, struct hold_actions *a,
                  struct xos_error *err)
{
    struct held *old = unit_get(h, &ev->id);
    struct node *n = node_get(h, ev->node), *made = NULL;
    if (old && old->epoch > ev->epoch)
        return xos_fail(err, XOS_STALE, "unit %s.%u is held under a higher epoch", ev->id.job,
                        ev->id.unit);
    if (old && old->epoch == ev->epoch && old->node == n)
        return reserve(a, 0, err);
    if (check_limits(h, n != NULL, old != NULL, err) < 0 || reserve(a, 1, err) < 0)
        return -1;
    if (!n)
        n = made = node_new(h, ev->node);
    struct held *u = n ? unit_new(h, n, ev) : NULL;
    if (!u) {
        if (made) {
            HASH_DEL(h->nodes, made);
            xos_free(made);
        }
        return xos_fail(err, XOS_NOMEM, "unit %s.%u", ev->id.job, ev->id.unit);
    }
    if (old)
        unit_drop(h, old);
    if (over_at(u) < n->over_ms)
        n->over_ms = over_at(u);
    if (made && ev->fresh)
        trust(n, ev->now_ms);
    else if (made || n->states.now == NODE_SILENT)
        doubt(h, n, ev->now_ms, a);
    return 0;
}

static int on_remove(struct hold *h, const struct hold_event *ev, struct hold_actions *a,
                     struct xos_error *err)
{
    struct held *u = unit_get(h, &ev->id);
    if (reserve(a, 0, err) < 0)
        return -1;
    if (u && u->epoch == ev->epoch)
        unit_drop(h, u);
    return 0;
}

typedef int (*take_f)(struct hold *h, const struct hold_event *ev, struct hold_actions *a,
                      struct xos_error *err);

static const take_f take_table[] = {
    [HOLD_TICK] = on_tick,
    [HOLD_ADD] = on_add,
    [HOLD_REMOVE] = on_remove,
    [HOLD_ANSWER] = on_answer,
};

int hold_step(struct hold *h, const struct hold_event *ev, struct hold_actions *out,
              struct xos_error *err)
{
    assert(ev->kind > HOLD_NONE && ev->kind <= HOLD_ANSWER);
    if (take_table[ev->kind](h, ev, out, err) < 0)
        return -1;
    out->next_ms = UINT64_MAX;
    for (const struct node *n = h->nodes; n; n = n->hh.next)
        if (node_next_ms(n) < out->next_ms)
            out->next_ms = node_next_ms(n);
    return 0;
}
