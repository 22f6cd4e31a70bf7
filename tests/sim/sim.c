// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim.h"

#include "libxos/base/alloc.h"
#include "libxos/base/heap.h"
#include "libxos/base/units.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum sim_event_kind { SIM_EVENT_NONE, SIM_EVENT_MESSAGE, SIM_EVENT_TIMER, SIM_EVENT_LINK_DOWN };

struct sim_event {
    struct xos_heap_entry entry; /* first: the heap hands it back */
    enum sim_event_kind kind;
    sim_id to;
    sim_id from;
    uint32_t to_life;   /* of the process that it is for */
    uint32_t from_life; /* of a message's sender */
    size_t len;
    uint8_t bytes[];
};

struct sim_one {
    void *node;
    bool running;
    bool machine_down;
    uint32_t life; /* processes so far */
    unsigned group;
    uint64_t paused_until_ms;
    int64_t skew_ms;
    struct xos_buf disk;
    struct sim_event *timer; /* pending, or NULL */
    size_t held_count;
    sim_id held[SIM_HELD_MAX];
    uint64_t *cut; /* bit per destination; NULL: none */
};

struct sim {
    struct sim_config config;
    uint64_t now_ms;
    uint64_t random[4];
    uint64_t latency_key;
    struct sim_counts counts;
    struct xos_heap events;
    struct sim_one *nodes;
    EVP_MD_CTX *trace;
};

/* Random */

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

static uint64_t splitmix(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t sim_random(struct sim *s)
{
    uint64_t *r = s->random;
    uint64_t result = rotate(r[1] * 5, 7) * 9, t = r[1] << 17;
    r[2] ^= r[0];
    r[3] ^= r[1];
    r[1] ^= r[2];
    r[0] ^= r[3];
    r[2] ^= t;
    r[3] = rotate(r[3], 45);
    return result;
}

uint64_t sim_random_below(struct sim *s, uint64_t n)
{
    assert(n > 0);
    return sim_random(s) % n;
}

/* The trace */

static void trace_bytes(struct sim *s, const void *data, size_t len)
{
    int ok = EVP_DigestUpdate(s->trace, data, len);
    assert(ok == 1);
}

static void trace_event(struct sim *s, const struct sim_event *e)
{
    const uint64_t head[4] = {s->now_ms, (uint64_t)e->kind, ((uint64_t)e->from << 32) | e->to,
                              e->len};
    trace_bytes(s, head, sizeof(head));
    trace_bytes(s, e->bytes, e->len);
}

void sim_note(struct sim *s, const char *what, uint64_t a, uint64_t b)
{
    const uint64_t head[3] = {s->now_ms, a, b};
    trace_bytes(s, what, strlen(what) + 1);
    trace_bytes(s, head, sizeof(head));
}

void sim_trace(struct sim *s, char text[static SIM_TRACE_TEXT])
{
    unsigned char hash[EVP_MAX_MD_SIZE] = {0};
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    int ok = copy && EVP_MD_CTX_copy_ex(copy, s->trace) == 1 &&
             EVP_DigestFinal_ex(copy, hash, NULL) == 1;
    assert(ok);
    EVP_MD_CTX_free(copy);
    for (size_t i = 0; i < SIM_TRACE_TEXT / 2; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", hash[i]);
}

/* Links */

static bool connected(const struct sim *s, sim_id from, sim_id to)
{
    const struct sim_one *a = &s->nodes[from];
    if (a->group != s->nodes[to].group)
        return false;
    return !(a->cut && (a->cut[to / 64] >> (to % 64) & 1));
}

static uint64_t latency_ms(const struct sim *s, sim_id a, sim_id b)
{
    uint64_t low = a < b ? a : b, high = a < b ? b : a;
    uint64_t state = s->latency_key ^ (low << 32 | high);
    unsigned most = sim_site(s, a) == sim_site(s, b) ? s->config.near_ms : s->config.far_ms;
    return 1 + (most ? splitmix(&state) % most : 0);
}

static int put_event(struct sim *s, enum sim_event_kind kind, sim_id from, sim_id to,
                     uint64_t at_ms, struct xos_slice bytes, struct xos_error *err)
{
    struct sim_event *e = xos_alloc(sizeof(*e) + bytes.len);
    if (!e || xos_heap_put(&s->events, &e->entry, at_ms, err) < 0) {
        xos_free(e);
        return xos_fail(err, XOS_NOMEM, "simulated event");
    }
    e->kind = kind;
    e->from = from;
    e->to = to;
    e->from_life = s->nodes[from].life;
    e->to_life = s->nodes[to].life;
    e->len = bytes.len;
    if (bytes.len)
        memcpy(e->bytes, bytes.data, bytes.len);
    if (kind == SIM_EVENT_TIMER)
        s->nodes[to].timer = e;
    return 0;
}

/* Tell `to` after a while that its link to `peer` is broken. */
static int break_link(struct sim *s, sim_id to, sim_id peer, bool answered, struct xos_error *err)
{
    uint64_t wait = answered ? latency_ms(s, to, peer) : SIM_TIMEOUT_MS;
    return put_event(s, SIM_EVENT_LINK_DOWN, peer, to, s->now_ms + wait, (struct xos_slice){0},
                     err);
}

/* What cannot happen costs no random number: the runs of other plans stay as they are. */
static bool chance(struct sim *s, unsigned permille)
{
    return permille && sim_random_below(s, 1000) < permille;
}

static int send_one(struct sim *s, sim_id from, sim_id to, struct xos_slice bytes,
                    struct xos_error *err)
{
    uint64_t at_ms = s->now_ms + latency_ms(s, from, to);
    if (chance(s, s->config.late_permille))
        at_ms += sim_random_below(s, s->config.late_ms + 1);
    return put_event(s, SIM_EVENT_MESSAGE, from, to, at_ms, bytes, err);
}

int sim_send(struct sim *s, sim_id from, sim_id to, struct xos_slice bytes, struct xos_error *err)
{
    assert(from < s->config.nodes && to < s->config.nodes);
    s->counts.messages++;
    s->counts.bytes += bytes.len;
    if (chance(s, s->config.loss_permille)) {
        s->counts.lost++;
        return 0;
    }
    if (chance(s, s->config.twin_permille) && send_one(s, from, to, bytes, err) < 0)
        return -1;
    return send_one(s, from, to, bytes, err);
}

static size_t held_at(const struct sim_one *n, sim_id peer)
{
    size_t i = 0;
    while (i < n->held_count && n->held[i] != peer)
        i++;
    return i;
}

void sim_hold(struct sim *s, sim_id id, sim_id peer)
{
    struct sim_one *n = &s->nodes[id];
    if (held_at(n, peer) < n->held_count)
        return;
    assert(n->held_count < SIM_HELD_MAX);
    n->held[n->held_count++] = peer;
}

void sim_release(struct sim *s, sim_id id, sim_id peer)
{
    struct sim_one *n = &s->nodes[id];
    size_t i = held_at(n, peer);
    if (i < n->held_count)
        n->held[i] = n->held[--n->held_count];
}

static int break_holders(struct sim *s, sim_id gone, bool answered, struct xos_error *err)
{
    for (sim_id i = 0; i < s->config.nodes; i++) {
        const struct sim_one *n = &s->nodes[i];
        bool hears = answered && connected(s, gone, i);
        if (n->running && held_at(n, gone) < n->held_count &&
            break_link(s, i, gone, hears, err) < 0)
            return -1;
    }
    return 0;
}

/* Processes */

int sim_start(struct sim *s, sim_id id, bool keep_disk, struct xos_error *err)
{
    struct sim_one *n = &s->nodes[id];
    assert(!n->running);
    if (!keep_disk)
        xos_buf_clear(&n->disk);
    n->life++;
    n->machine_down = false;
    n->held_count = 0;
    sim_note(s, "start", id, keep_disk);
    struct xos_slice disk = {n->disk.data, n->disk.len};
    n->running = true;
    if (s->config.ops->start(s, id, s->config.world, disk, &n->node, err) < 0) {
        n->running = false;
        return xos_wrap(err, "start node %u", id);
    }
    return 0;
}

static void stop(struct sim *s, sim_id id)
{
    struct sim_one *n = &s->nodes[id];
    if (!n->running)
        return;
    s->config.ops->stop(n->node);
    n->node = NULL;
    n->running = false;
    n->life++;
    if (n->timer) {
        xos_heap_remove(&s->events, &n->timer->entry);
        xos_free(n->timer);
        n->timer = NULL;
    }
}

int sim_crash(struct sim *s, sim_id id, bool machine, struct xos_error *err)
{
    sim_note(s, "crash", id, machine);
    stop(s, id);
    s->nodes[id].machine_down = machine;
    return break_holders(s, id, !machine, err);
}

void sim_pause(struct sim *s, sim_id id, uint64_t until_ms)
{
    sim_note(s, "pause", id, until_ms);
    s->nodes[id].paused_until_ms = until_ms;
}

int sim_cut(struct sim *s, sim_id from, sim_id to, bool cut, struct xos_error *err)
{
    struct sim_one *n = &s->nodes[from];
    size_t words = s->config.nodes / 64 + 1;
    if (!cut && !n->cut)
        return 0;
    sim_note(s, cut ? "cut" : "join", from, to);
    if (!n->cut && cut)
        n->cut = xos_alloc_array(words, sizeof(*n->cut));
    if (cut && !n->cut)
        return xos_fail(err, XOS_NOMEM, "cut");
    if (cut)
        n->cut[to / 64] |= UINT64_C(1) << (to % 64);
    else
        n->cut[to / 64] &= ~(UINT64_C(1) << (to % 64));
    return 0;
}

void sim_calm(struct sim *s)
{
    s->config.loss_permille = s->config.twin_permille = s->config.late_permille = 0;
}

int sim_group(struct sim *s, sim_id id, unsigned group, struct xos_error *err)
{
    struct sim_one *n = &s->nodes[id];
    sim_note(s, "group", id, group);
    n->group = group;
    /* Links that now cross a cut break unless it ends first: decided when the event comes up. */
    for (size_t i = 0; i < n->held_count; i++)
        if (s->nodes[n->held[i]].group != group && (break_link(s, id, n->held[i], false, err) < 0 ||
                                                    break_link(s, n->held[i], id, false, err) < 0))
            return -1;
    return 0;
}

int sim_save(struct sim *s, sim_id id, struct xos_slice disk, struct xos_error *err)
{
    xos_buf_clear(&s->nodes[id].disk);
    return xos_buf_add(&s->nodes[id].disk, disk.data, disk.len, err);
}

int sim_timer(struct sim *s, sim_id id, uint64_t at_ms, struct xos_error *err)
{
    struct sim_one *n = &s->nodes[id];
    uint64_t at = at_ms > s->now_ms ? at_ms : s->now_ms + 1;
    if (n->timer && n->timer->entry.key == at)
        return 0;
    if (!n->timer)
        return put_event(s, SIM_EVENT_TIMER, id, id, at, (struct xos_slice){0}, err);
    xos_heap_remove(&s->events, &n->timer->entry);
    return xos_heap_put(&s->events, &n->timer->entry, at, err);
}

/* Running */

static int deliver_message(struct sim *s, const struct sim_event *e, struct xos_error *err)
{
    struct sim_one *to = &s->nodes[e->to];
    bool sender_lives = s->nodes[e->from].running && s->nodes[e->from].life == e->from_life;
    bool arrives = connected(s, e->from, e->to) && !to->machine_down;
    if (arrives && to->running && to->life == e->to_life)
        return s->config.ops->message(s, to->node, e->from, (struct xos_slice){e->bytes, e->len},
                                      err);
    s->counts.lost++;
    bool answered = arrives && connected(s, e->to, e->from);
    return sender_lives ? break_link(s, e->from, e->to, answered, err) : 0;
}

static int deliver_link_down(struct sim *s, const struct sim_event *e, struct xos_error *err)
{
    struct sim_one *to = &s->nodes[e->to];
    if (!to->running || to->life != e->to_life)
        return 0;
    /* A cut that ended before TCP gave up broke nothing. */
    if (s->nodes[e->from].running && s->nodes[e->from].life == e->from_life &&
        connected(s, e->from, e->to) && connected(s, e->to, e->from))
        return 0;
    return s->config.ops->link_down(s, to->node, e->from, err);
}

static int deliver(struct sim *s, const struct sim_event *e, struct xos_error *err)
{
    struct sim_one *to = &s->nodes[e->to];
    trace_event(s, e);
    s->counts.events++;
    if (e->kind == SIM_EVENT_MESSAGE)
        return deliver_message(s, e, err);
    if (e->kind == SIM_EVENT_LINK_DOWN)
        return deliver_link_down(s, e, err);
    return s->config.ops->timer(s, to->node, err);
}

static int run_one(struct sim *s, struct xos_error *err)
{
    struct sim_event *e = (struct sim_event *)(void *)xos_heap_take(&s->events);
    struct sim_one *to = &s->nodes[e->to];
    s->now_ms = e->entry.key;
    if (to->running && to->paused_until_ms > s->now_ms)
        return xos_heap_put(&s->events, &e->entry, to->paused_until_ms, err);
    if (to->timer == e)
        to->timer = NULL;
    int rc = deliver(s, e, err);
    xos_free(e);
    return rc < 0 ? xos_wrap(err, "at %llu ms", (unsigned long long)s->now_ms) : 0;
}

int sim_run_until(struct sim *s, uint64_t at_ms, struct xos_error *err)
{
    const struct xos_heap_entry *first;
    while ((first = xos_heap_first(&s->events)) && first->key <= at_ms)
        if (run_one(s, err) < 0)
            return -1;
    s->now_ms = at_ms;
    return 0;
}

/* Making and looking */

static int sim_init(struct sim *s, struct xos_error *err)
{
    uint64_t state = s->config.seed;
    for (size_t i = 0; i < 4; i++)
        s->random[i] = splitmix(&state);
    s->latency_key = sim_random(s);
    s->trace = EVP_MD_CTX_new();
    if (!s->trace || EVP_DigestInit_ex(s->trace, EVP_sha256(), NULL) != 1)
        return xos_fail(err, XOS_NOMEM, "trace");
    s->nodes = xos_alloc_array(s->config.nodes, sizeof(*s->nodes));
    if (!s->nodes)
        return xos_fail(err, XOS_NOMEM, "%u nodes", s->config.nodes);
    for (sim_id i = 0; i < s->config.nodes; i++) {
        int64_t skew = (int64_t)s->config.skew_ms;
        s->nodes[i].disk = XOS_BUF(1 << 20);
        s->nodes[i].skew_ms =
            skew ? (int64_t)sim_random_below(s, (uint64_t)(2 * skew + 1)) - skew : 0;
    }
    return 0;
}

int sim_new(struct sim **out, const struct sim_config *config, struct xos_error *err)
{
    struct sim *s = xos_alloc(sizeof(*s));
    if (!s)
        return xos_fail(err, XOS_NOMEM, "simulation");
    s->config = *config;
    if (sim_init(s, err) < 0) {
        sim_free(s);
        return -1;
    }
    *out = s;
    return 0;
}

void sim_free(struct sim *s)
{
    if (!s)
        return;
    for (sim_id i = 0; s->nodes && i < s->config.nodes; i++) {
        stop(s, i);
        xos_buf_free(&s->nodes[i].disk);
        xos_free(s->nodes[i].cut);
    }
    struct xos_heap_entry *e;
    while ((e = xos_heap_take(&s->events)))
        xos_free(e);
    xos_heap_free(&s->events);
    xos_free(s->nodes);
    EVP_MD_CTX_free(s->trace);
    xos_free(s);
}

uint64_t sim_now_ms(const struct sim *s)
{
    return s->now_ms;
}

int64_t sim_real_ms(const struct sim *s, sim_id id)
{
    return SIM_REAL_MS + (int64_t)s->now_ms + s->nodes[id].skew_ms;
}

const struct sim_counts *sim_counts(const struct sim *s)
{
    return &s->counts;
}

unsigned sim_site(const struct sim *s, sim_id id)
{
    return id % (s->config.sites ? s->config.sites : 1);
}

sim_id sim_nodes(const struct sim *s)
{
    return s->config.nodes;
}

void *sim_node(const struct sim *s, sim_id id)
{
    return s->nodes[id].node;
}

bool sim_running(const struct sim *s, sim_id id)
{
    return s->nodes[id].running;
}

uint64_t sim_setting(const char *name, uint64_t preset)
{
    struct xos_error err = {0};
    uint64_t value;
    const char *text = getenv(name);
    if (!text || !*text)
        return preset;
    if (xos_parse_u64(text, 0, UINT64_MAX, &value, &err) < 0) {
        (void)fprintf(stderr, "%s: %s\n", name, err.text);
        exit(2);
    }
    return value;
}
