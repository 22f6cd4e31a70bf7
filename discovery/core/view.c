// SPDX-License-Identifier: Apache-2.0
/* The overlay: every node keeps a few links so that all nodes together stay one component.
 *
 * The active view are the links: symmetric, six at most, each watched by what it carries. The
 * passive view are thirty others to turn to when a link breaks. A shuffle every half minute walks
 * a few hops over the links and swaps entries with the node where it ends, so that passive views
 * stay random and fresh: an entry's age counts the shuffles since its node gave it out, and the
 * oldest go first.
 *
 * Joining: the contact takes the newcomer in, and sends its name on walks over its links; where a
 * walk ends, that node asks the newcomer for a link too. A full view always makes room for a node
 * that joins, or that has hardly a link (high priority), by giving one up; the one given up is told
 * and becomes a candidate again. A node with enough links asks with low priority and may be
 * refused.
 *
 * Symmetry: whoever holds a link says so every ten seconds (ALIVE). Who hears it from a node that
 * is none of its neighbours answers DISCONNECT; who hears nothing for 35 s gives the link up. So a
 * lost message, a crash between two messages or a cut in one direction leaves no half link for
 * long.
 *
 * Healing: two halves that a cut has separated for long know nothing of each other in their views.
 * The seeds are configured, and the sample keeps nodes of both sides by construction; so every
 * node turns to one of these now and then and swaps a link for one to it: more often while one of
 * them is out of reach, and several times once such a one answers again, so that many links cross
 * what was a cut. Without any link it does so with growing pauses and never stops.
 *
 * Institutions: where a view is full, a newcomer of an institution that has its share of links
 * takes the place of one of its own kind; so an institution with many nodes cannot crowd a node in,
 * and links to other institutions stay. */
#include "discovery/core/view.h"

#include "libxos/base/alloc.h"

#include <assert.h>
#include <string.h>

enum timer { TIMER_ALIVE, TIMER_SHUFFLE, TIMER_SEEK, TIMER_CONTACT, TIMERS };

#define SAMPLE_RICH 8           /* nodes sampled: from here on seeds are mostly spared */
#define CONTACT_TRIES 4         /* draws from the sample until one is no neighbour yet */
#define SEEK_SOON_MS 50         /* after a link broke, and up to */
#define SEEK_SOON_SPREAD_MS 200 /* more */

struct sent {
    size_t count;
    char nodes[DISC_ENTRIES_MAX][NODE_NAME_BYTES_MAX + 1];
};

struct view {
    bool started;
    bool left;
    uint64_t now_ms;
    int64_t real_ms;
    struct peers_random random;
    struct descriptor self;
    struct peers active;
    struct peers passive;
    struct peers requests;
    struct sample sample;
    size_t seed_count;
    unsigned mix;      /* contacts to make soon, since a cut has ended */
    size_t greeted;    /* seeds that were turned to since the start */
    size_t first_seed; /* the first of them */
    uint64_t pause_ms; /* between contacts while there is no link */
    uint64_t due_ms[TIMERS];
    uint64_t join_from_ms; /* credit for joins gathers from here */
    uint64_t nonce;        /* of the shuffle under way; 0 = none */
    struct sent sent;      /* in that shuffle */
};

/* Actions */

static struct view_action *act(struct view_actions *out, enum view_action_kind kind)
{
    assert(out->count < VIEW_ACTIONS_MAX);
    struct view_action *a = &out->at[out->count++];
    a->kind = kind;
    a->seed = -1;
    return a;
}

static struct view_message *say(struct view_actions *out, const struct descriptor *to,
                                enum disc_kind kind)
{
    struct view_action *a = act(out, VIEW_SEND);
    struct view_message *m = &a->message;
    descriptor_copy(&a->to, to);
    m->kind = kind;
    m->ttl = 0;
    m->high = m->accepted = m->leaving = false;
    m->nonce = 0;
    m->entry_count = 0;
    return m;
}

/* To where a message just came from: the name is enough. */
static struct view_message *answer(struct view_actions *out, const char *node, enum disc_kind kind)
{
    struct descriptor to = {.statement_bytes = 0};
    (void)strncpy(to.node, node, NODE_NAME_BYTES_MAX);
    return say(out, &to, kind);
}

static uint64_t jitter(struct view *v, uint64_t ms)
{
    return ms - ms / 5 + peers_random(&v->random) % (ms * 2 / 5 + 1);
}

static void seek_soon(struct view *v)
{
    uint64_t at = v->now_ms + SEEK_SOON_MS + peers_random(&v->random) % SEEK_SOON_SPREAD_MS;
    if (at < v->due_ms[TIMER_SEEK])
        v->due_ms[TIMER_SEEK] = at;
}

/* The views */

static void make_room(struct view *v, const struct sent *sent)
{
    for (size_t i = 0; sent && i < sent->count; i++) {
        size_t place = peers_find(&v->passive, sent->nodes[i]);
        if (place != PEERS_NO_PLACE) {
            peers_remove(&v->passive, place);
            return;
        }
    }
    peers_remove(&v->passive, peers_oldest_of_most(&v->passive));
}

static void renew(struct peer *p, const struct descriptor *who)
{
    if (who->seq > p->who.seq)
        descriptor_copy(&p->who, who);
}

/* Hear of a node. `sent` = what the other side of this exchange got: these go first. */
static void learn(struct view *v, const struct descriptor *who, uint32_t age,
                  const struct sent *sent)
{
    if (!strcmp(who->node, v->self.node) || who->expiry_ms <= v->real_ms)
        return;
    sample_add(&v->sample, who);
    size_t place = peers_find(&v->active, who->node);
    if (place != PEERS_NO_PLACE) {
        renew(&v->active.at[place], who);
        return;
    }
    place = peers_find(&v->passive, who->node);
    if (place != PEERS_NO_PLACE) {
        struct peer *p = &v->passive.at[place];
        renew(p, who);
        p->age = age < p->age ? age : p->age;
        return;
    }
    if (peers_full(&v->passive))
        make_room(v, sent);
    peers_add(&v->passive, who, age);
}

static void forget(struct peers *p, const char *node)
{
    size_t place = peers_find(p, node);
    if (place != PEERS_NO_PLACE)
        peers_remove(p, place);
}

static void part(struct view *v, size_t place, bool remember, struct view_actions *out)
{
    struct view_action *a = act(out, VIEW_DISCONNECT);
    descriptor_copy(&a->to, &v->active.at[place].who);
    peers_remove(&v->active, place);
    if (remember)
        learn(v, &a->to, 0, NULL);
    seek_soon(v);
}

static size_t victim(struct view *v, const struct descriptor *newcomer)
{
    bool own = !strcmp(newcomer->institution, v->self.institution);
    size_t share = own ? VIEW_OWN_MAX : VIEW_FOREIGN_MAX;
    if (peers_of(&v->active, newcomer->institution) >= share)
        return peers_pick_of(&v->active, newcomer->institution, &v->random);
    return peers_random_below(&v->random, v->active.count);
}

/* Who was out of reach is back: others beyond the same cut will be too, and the more links cross it
 * the sooner both sides are one again. */
static void mix_soon(struct view *v)
{
    uint64_t at = v->now_ms + jitter(v, VIEW_MIX_MS);
    v->mix = VIEW_MIX_MAX;
    if (at < v->due_ms[TIMER_CONTACT])
        v->due_ms[TIMER_CONTACT] = at;
}

/* Make a node a neighbour; a full view gives another one up. */
static void meet(struct view *v, const struct descriptor *who, struct view_actions *out)
{
    forget(&v->passive, who->node);
    forget(&v->requests, who->node);
    if (peers_full(&v->active)) {
        size_t place = victim(v, who);
        say(out, &v->active.at[place].who, DISC_DISCONNECT);
        part(v, place, true, out);
    }
    peers_add(&v->active, who, 0)->heard_ms = v->now_ms;
    descriptor_copy(&act(out, VIEW_CONNECT)->to, who);
    sample_add(&v->sample, who);
    if (sample_reached(&v->sample, who->node))
        mix_soon(v);
    v->pause_ms = VIEW_ALONE_FIRST_MS;
}

/* Ask a node, or with seed >= 0 a configured address, for a link. */
static void request(struct view *v, const struct descriptor *who, int seed, bool high,
                    enum disc_kind kind, struct view_actions *out)
{
    static const struct descriptor nobody;
    const struct descriptor *to = who ? who : &nobody;
    if (peers_full(&v->requests) || peers_find(&v->requests, to->node) != PEERS_NO_PLACE)
        return;
    struct peer *p = peers_add(&v->requests, to, 0);
    p->heard_ms = v->now_ms;
    p->high = high;
    p->seed = seed;
    struct view_message *m = say(out, to, kind);
    out->at[out->count - 1].seed = seed;
    m->high = high;
    descriptor_copy(&m->who, &v->self);
}

/* Entries of shuffles */

static void pick(struct view *v, struct view_message *m, const struct peers *from, size_t n,
                 bool ageless)
{
    size_t order[PEERS_MAX];
    for (size_t i = 0; i < from->count; i++)
        order[i] = i;
    for (size_t i = 0; i < from->count && n > 0 && m->entry_count < DISC_ENTRIES_MAX; i++, n--) {
        size_t j = i + peers_random_below(&v->random, from->count - i);
        const struct peer *p = &from->at[order[j]];
        order[j] = order[i];
        struct disc_entry *e = &m->entries[m->entry_count++];
        descriptor_copy(&e->who, &p->who);
        e->age = ageless ? 0 : p->age;
    }
}

static void note_sent(struct sent *s, const struct view_message *m)
{
    s->count = m->entry_count;
    for (size_t i = 0; i < m->entry_count; i++)
        memcpy(s->nodes[i], m->entries[i].who.node, sizeof(s->nodes[i]));
}

static void learn_all(struct view *v, const struct view_message *m, const struct sent *sent)
{
    for (size_t i = 0; i < m->entry_count; i++)
        learn(v, &m->entries[i].who, m->entries[i].age, sent);
}

static void shuffle(struct view *v, const struct descriptor *to, uint32_t hops,
                    struct view_actions *out)
{
    struct view_message *m = say(out, to, DISC_SHUFFLE);
    v->nonce = peers_random(&v->random) | 1;
    m->nonce = v->nonce;
    m->ttl = hops;
    descriptor_copy(&m->who, &v->self);
    pick(v, m, &v->active, VIEW_SHUFFLE_ACTIVE, true);
    pick(v, m, &v->passive, VIEW_SHUFFLE_PASSIVE, false);
    note_sent(&v->sent, m);
}

/* Messages */

static bool is_active(const struct view *v, const char *node)
{
    return peers_find(&v->active, node) != PEERS_NO_PLACE;
}

/* A random neighbour that is neither of the two. PEERS_NO_PLACE: there is none. */
static size_t other_neighbor(struct view *v, const char *not_a, const char *not_b)
{
    size_t n = v->active.count;
    size_t start = n ? peers_random_below(&v->random, n) : 0;
    for (size_t i = 0; i < n; i++) {
        size_t place = (start + i) % n;
        const char *node = v->active.at[place].who.node;
        if (strcmp(node, not_a) && strcmp(node, not_b))
            return place;
    }
    return PEERS_NO_PLACE;
}

static void reply(struct view *v, const struct descriptor *to, bool accepted,
                  struct view_actions *out)
{
    struct view_message *m = say(out, to, DISC_NEIGHBOR_REPLY);
    m->accepted = accepted;
    descriptor_copy(&m->who, &v->self);
    if (!accepted) {
        pick(v, m, &v->active, VIEW_SHUFFLE_ACTIVE, true);
        pick(v, m, &v->passive, VIEW_SHUFFLE_PASSIVE, false);
    }
}

static bool pay_join(struct view *v)
{
    uint64_t burst_ms = (uint64_t)VIEW_JOIN_BURST * VIEW_JOIN_GAP_MS;
    if (v->now_ms + burst_ms < v->join_from_ms + VIEW_JOIN_GAP_MS)
        return false;
    if (v->join_from_ms < v->now_ms)
        v->join_from_ms = v->now_ms;
    v->join_from_ms += VIEW_JOIN_GAP_MS;
    return true;
}

static void on_join(struct view *v, const char *from, const struct view_message *m,
                    struct view_actions *out)
{
    bool known = is_active(v, from);
    if (!known && !pay_join(v)) {
        reply(v, &m->who, false, out);
        learn(v, &m->who, 0, NULL);
        return;
    }
    if (!known)
        meet(v, &m->who, out);
    reply(v, &m->who, true, out);
    for (size_t i = 0; !known && i < v->active.count; i++) {
        const struct descriptor *to = &v->active.at[i].who;
        if (!strcmp(to->node, from))
            continue;
        struct view_message *f = say(out, to, DISC_FORWARD_JOIN);
        f->ttl = VIEW_WALK_HOPS;
        descriptor_copy(&f->who, &m->who);
    }
}

static void on_forward_join(struct view *v, const char *from, const struct view_message *m,
                            struct view_actions *out)
{
    uint32_t ttl = m->ttl < VIEW_WALK_HOPS ? m->ttl : VIEW_WALK_HOPS;
    if (!strcmp(m->who.node, v->self.node))
        return;
    size_t next = ttl ? other_neighbor(v, from, m->who.node) : PEERS_NO_PLACE;
    if (next == PEERS_NO_PLACE) {
        learn(v, &m->who, 0, NULL);
        if (!is_active(v, m->who.node))
            request(v, &m->who, -1, true, DISC_NEIGHBOR, out);
        return;
    }
    if (ttl == VIEW_PASSIVE_HOPS)
        learn(v, &m->who, 0, NULL);
    struct view_message *f = say(out, &v->active.at[next].who, DISC_FORWARD_JOIN);
    f->ttl = ttl - 1;
    descriptor_copy(&f->who, &m->who);
}

static void on_neighbor(struct view *v, const char *from, const struct view_message *m,
                        struct view_actions *out)
{
    bool known = is_active(v, from);
    bool take = known || m->high || !peers_full(&v->active);
    if (take && !known)
        meet(v, &m->who, out);
    else
        learn(v, &m->who, 0, NULL);
    reply(v, &m->who, take, out);
}

static size_t find_request(const struct view *v, const char *node)
{
    size_t place = peers_find(&v->requests, node);
    for (size_t i = 0; place == PEERS_NO_PLACE && i < v->requests.count; i++)
        if (v->requests.at[i].seed >= 0)
            place = i;
    return place;
}

static void on_accepted(struct view *v, const struct descriptor *who, bool asked, bool high,
                        struct view_actions *out)
{
    if (is_active(v, who->node))
        return;
    if (!asked || (peers_full(&v->active) && !high)) {
        say(out, who, DISC_DISCONNECT);
        return;
    }
    meet(v, who, out);
    if (high)
        shuffle(v, who, 1, out);
}

static void on_neighbor_reply(struct view *v, const char *from, const struct view_message *m,
                              struct view_actions *out)
{
    size_t place = find_request(v, from);
    bool asked = place != PEERS_NO_PLACE;
    bool high = asked && v->requests.at[place].high;
    if (asked)
        peers_remove(&v->requests, place);
    if (m->accepted) {
        on_accepted(v, &m->who, asked, high, out);
        return;
    }
    if (!asked)
        return;
    learn(v, &m->who, 0, NULL);
    learn_all(v, m, NULL);
    place = peers_find(&v->passive, from);
    if (place != PEERS_NO_PLACE)
        v->passive.at[place].heard_ms = v->now_ms;
    if (v->active.count < VIEW_ACTIVE_FEW)
        seek_soon(v);
}

static void on_disconnect(struct view *v, const char *from, const struct view_message *m,
                          struct view_actions *out)
{
    size_t place = peers_find(&v->active, from);
    if (place != PEERS_NO_PLACE)
        part(v, place, !m->leaving, out);
    forget(&v->requests, from);
    if (m->leaving) {
        forget(&v->passive, from);
        sample_forget(&v->sample, from);
    }
}

static void on_alive(struct view *v, const char *from, const struct view_message *m,
                     struct view_actions *out)
{
    /* That it came from a neighbour is all that it says. */
    (void)v;
    (void)from;
    (void)m;
    (void)out;
}

static void on_shuffle(struct view *v, const char *from, const struct view_message *m,
                       struct view_actions *out)
{
    uint32_t ttl = m->ttl < VIEW_WALK_HOPS ? m->ttl : VIEW_WALK_HOPS;
    if (!strcmp(m->who.node, v->self.node))
        return;
    size_t next = ttl > 1 ? other_neighbor(v, from, m->who.node) : PEERS_NO_PLACE;
    if (next != PEERS_NO_PLACE) {
        struct view_message *f = say(out, &v->active.at[next].who, DISC_SHUFFLE);
        f->ttl = ttl - 1;
        f->nonce = m->nonce;
        descriptor_copy(&f->who, &m->who);
        f->entry_count = m->entry_count;
        for (size_t i = 0; i < m->entry_count; i++) {
            f->entries[i].age = m->entries[i].age;
            descriptor_copy(&f->entries[i].who, &m->entries[i].who);
        }
        return;
    }
    struct sent sent;
    struct view_message *r = say(out, &m->who, DISC_SHUFFLE_REPLY);
    r->nonce = m->nonce;
    pick(v, r, &v->passive, DISC_ENTRIES_MAX, false);
    note_sent(&sent, r);
    learn(v, &m->who, 0, &sent);
    learn_all(v, m, &sent);
}

static void on_shuffle_reply(struct view *v, const char *from, const struct view_message *m,
                             struct view_actions *out)
{
    (void)from;
    (void)out;
    if (v->nonce == 0 || m->nonce != v->nonce)
        return;
    v->nonce = 0;
    learn_all(v, m, &v->sent);
}

#define FROM_NEIGHBOR 1u /* only a neighbour may say so; another one learns that it is none */
#define OWN_NAME 2u      /* it speaks for its sender */

static const struct {
    void (*on)(struct view *v, const char *from, const struct view_message *m,
               struct view_actions *out);
    unsigned flags;
} messages[DISC_KINDS] = {
    [DISC_JOIN] = {on_join, OWN_NAME},
    [DISC_FORWARD_JOIN] = {on_forward_join, FROM_NEIGHBOR},
    [DISC_NEIGHBOR] = {on_neighbor, OWN_NAME},
    [DISC_NEIGHBOR_REPLY] = {on_neighbor_reply, OWN_NAME},
    [DISC_DISCONNECT] = {on_disconnect, 0},
    [DISC_ALIVE] = {on_alive, FROM_NEIGHBOR},
    [DISC_SHUFFLE] = {on_shuffle, FROM_NEIGHBOR},
    [DISC_SHUFFLE_REPLY] = {on_shuffle_reply, 0},
};

static void on_message(struct view *v, const struct view_event *ev, struct view_actions *out)
{
    const struct view_message *m = ev->message;
    unsigned flags = m->kind < DISC_KINDS && messages[m->kind].on ? messages[m->kind].flags : ~0u;
    if (flags == ~0u || !strcmp(ev->node, v->self.node))
        return;
    size_t place = peers_find(&v->active, ev->node);
    if (place != PEERS_NO_PLACE)
        v->active.at[place].heard_ms = v->now_ms;
    if ((flags & OWN_NAME) && strcmp(m->who.node, ev->node))
        return;
    if ((flags & FROM_NEIGHBOR) && place == PEERS_NO_PLACE) {
        answer(out, ev->node, DISC_DISCONNECT);
        return;
    }
    messages[m->kind].on(v, ev->node, m, out);
}

/* Timers */

static void tick_alive(struct view *v, struct view_actions *out)
{
    for (size_t i = v->active.count; i-- > 0;) {
        const struct peer *p = &v->active.at[i];
        if (v->now_ms - p->heard_ms < VIEW_SILENT_MS) {
            say(out, &p->who, DISC_ALIVE);
            continue;
        }
        sample_failed(&v->sample, p->who.node, v->now_ms);
        say(out, &p->who, DISC_DISCONNECT);
        part(v, i, false, out);
    }
    v->due_ms[TIMER_ALIVE] = v->now_ms + VIEW_ALIVE_MS;
}

static void tick_shuffle(struct view *v, struct view_actions *out)
{
    for (size_t i = 0; i < v->passive.count; i++)
        if (v->passive.at[i].age < PEERS_AGE_MAX)
            v->passive.at[i].age++;
    size_t to = other_neighbor(v, "", "");
    if (to != PEERS_NO_PLACE)
        shuffle(v, &v->active.at[to].who, VIEW_WALK_HOPS, out);
    v->due_ms[TIMER_SHUFFLE] = v->now_ms + jitter(v, VIEW_SHUFFLE_MS);
}

static void expire_requests(struct view *v)
{
    for (size_t i = v->requests.count; i-- > 0;) {
        const struct peer *p = &v->requests.at[i];
        if (v->now_ms - p->heard_ms < VIEW_REQUEST_MS)
            continue;
        sample_failed(&v->sample, p->who.node, v->now_ms);
        forget(&v->passive, p->who.node);
        peers_remove(&v->requests, i);
    }
}

static bool may_ask(const struct view *v, const struct peer *p, bool abroad)
{
    if (abroad && !strcmp(p->who.institution, v->self.institution))
        return false;
    if (p->heard_ms && v->now_ms - p->heard_ms < VIEW_ASK_AGAIN_MS)
        return false;
    return peers_find(&v->requests, p->who.node) == PEERS_NO_PLACE;
}

static size_t candidate(struct view *v, bool abroad)
{
    size_t n = v->passive.count;
    size_t start = n ? peers_random_below(&v->random, n) : 0;
    for (size_t i = 0; i < n; i++)
        if (may_ask(v, &v->passive.at[(start + i) % n], abroad))
            return (start + i) % n;
    return abroad ? candidate(v, false) : PEERS_NO_PLACE;
}

static void seek_one(struct view *v, struct view_actions *out)
{
    if (v->active.count + v->requests.count >= VIEW_ACTIVE_MAX)
        return;
    bool abroad = peers_not_of(&v->active, v->self.institution) < VIEW_ACTIVE_MAX - VIEW_OWN_MAX;
    size_t place = candidate(v, abroad);
    if (place == PEERS_NO_PLACE)
        return;
    struct peer *p = &v->passive.at[place];
    p->heard_ms = v->now_ms;
    request(v, &p->who, -1, v->active.count < 2, DISC_NEIGHBOR, out);
}

static void tick_seek(struct view *v, struct view_actions *out)
{
    expire_requests(v);
    bool few = v->active.count < VIEW_ACTIVE_FEW;
    seek_one(v, out);
    if (few)
        seek_one(v, out);
    v->due_ms[TIMER_SEEK] = v->now_ms + jitter(v, few ? VIEW_SEEK_FEW_MS : VIEW_SEEK_MS);
}

static const struct descriptor *sampled_stranger(struct view *v)
{
    const struct descriptor *lost = sample_pick(&v->sample, true, &v->random);
    if (lost && !is_active(v, lost->node) && peers_random_below(&v->random, 2) == 0)
        return lost;
    for (int i = 0; i < CONTACT_TRIES; i++) {
        const struct descriptor *d = sample_pick(&v->sample, false, &v->random);
        if (d && !is_active(v, d->node) && strcmp(d->node, v->self.node))
            return d;
    }
    return NULL;
}

/* Seeds that were started together each gather some of the others around them: whoever knows few
 * turns to each seed once, so that these islands meet at once and not when somebody happens to. */
static bool greet(struct view *v, struct view_actions *out)
{
    if (v->active.count == 0 || v->greeted >= v->seed_count ||
        v->active.count + v->passive.count >= VIEW_PASSIVE_MAX)
        return false;
    /* One seed at a time: its name is not known before it answers. */
    if (!peers_full(&v->requests) && peers_find(&v->requests, "") == PEERS_NO_PLACE) {
        size_t seed = (v->first_seed + v->greeted++) % v->seed_count;
        request(v, NULL, (int)seed, v->active.count < 2, DISC_NEIGHBOR, out);
    }
    v->due_ms[TIMER_CONTACT] = v->now_ms + jitter(v, VIEW_GREET_MS);
    return true;
}

static void tick_contact(struct view *v, struct view_actions *out)
{
    if (greet(v, out))
        return;
    bool alone = v->active.count == 0;
    bool rich = !alone && sample_count(&v->sample) >= SAMPLE_RICH;
    bool small = v->active.count + v->passive.count < VIEW_PASSIVE_MAX;
    bool ask_seed = v->seed_count && peers_random_below(&v->random, rich ? 8 : 2) == 0;
    const struct descriptor *who = ask_seed ? NULL : sampled_stranger(v);
    enum disc_kind kind = alone ? DISC_JOIN : DISC_NEIGHBOR;
    if (who)
        request(v, who, -1, true, kind, out);
    else if (v->seed_count)
        request(v, NULL, (int)peers_random_below(&v->random, v->seed_count), true, kind, out);
    bool lost = sample_pick(&v->sample, true, &v->random) != NULL;
    uint64_t pause = small ? VIEW_CONTACT_SMALL_MS : lost ? VIEW_PROBE_MS : VIEW_CONTACT_MS;
    if (v->mix) {
        pause = VIEW_MIX_MS;
        v->mix--;
    }
    if (alone) {
        pause = v->pause_ms;
        v->pause_ms = pause * 2 < VIEW_ALONE_MS ? pause * 2 : VIEW_ALONE_MS;
    }
    v->due_ms[TIMER_CONTACT] = v->now_ms + jitter(v, pause);
}

static void (*const ticks[TIMERS])(struct view *v, struct view_actions *out) = {
    [TIMER_ALIVE] = tick_alive,
    [TIMER_SHUFFLE] = tick_shuffle,
    [TIMER_SEEK] = tick_seek,
    [TIMER_CONTACT] = tick_contact,
};

/* Events */

static void on_start(struct view *v, const struct view_event *ev, struct view_actions *out)
{
    (void)out;
    v->started = true;
    v->seed_count = ev->seed_count;
    v->pause_ms = VIEW_ALONE_FIRST_MS;
    v->first_seed = v->seed_count ? peers_random_below(&v->random, v->seed_count) : 0;
    descriptor_copy(&v->self, ev->descriptor);
    sample_init(&v->sample, &v->random);
    for (size_t i = 0; i < ev->known_count; i++) {
        sample_add(&v->sample, &ev->known[i]);
        learn(v, &ev->known[i], 0, NULL);
    }
    v->due_ms[TIMER_CONTACT] = v->now_ms;
    v->due_ms[TIMER_SEEK] = v->now_ms + jitter(v, VIEW_SEEK_FEW_MS);
    v->due_ms[TIMER_ALIVE] = v->now_ms + jitter(v, VIEW_ALIVE_MS);
    v->due_ms[TIMER_SHUFFLE] = v->now_ms + peers_random(&v->random) % VIEW_SHUFFLE_MS;
}

static void on_tick(struct view *v, const struct view_event *ev, struct view_actions *out)
{
    (void)ev;
    for (unsigned i = 0; i < TIMERS; i++)
        if (v->due_ms[i] <= v->now_ms)
            ticks[i](v, out);
}

static void on_link_down(struct view *v, const struct view_event *ev, struct view_actions *out)
{
    sample_failed(&v->sample, ev->node, v->now_ms);
    forget(&v->passive, ev->node);
    forget(&v->requests, ev->node);
    size_t place = peers_find(&v->active, ev->node);
    if (place != PEERS_NO_PLACE)
        part(v, place, false, out);
    else if (v->active.count < VIEW_ACTIVE_FEW)
        seek_soon(v);
}

static void on_seed_down(struct view *v, const struct view_event *ev, struct view_actions *out)
{
    (void)out;
    for (size_t i = v->requests.count; i-- > 0;)
        if (v->requests.at[i].seed >= 0 && (size_t)v->requests.at[i].seed == ev->seed)
            peers_remove(&v->requests, i);
}

static void on_local(struct view *v, const struct view_event *ev, struct view_actions *out)
{
    (void)out;
    descriptor_copy(&v->self, ev->descriptor);
}

static void on_leave(struct view *v, const struct view_event *ev, struct view_actions *out)
{
    (void)ev;
    while (v->active.count) {
        say(out, &v->active.at[0].who, DISC_DISCONNECT)->leaving = true;
        part(v, 0, false, out);
    }
    v->left = true;
}

static void (*const events[VIEW_EVENTS])(struct view *v, const struct view_event *ev,
                                         struct view_actions *out) = {
    [VIEW_START] = on_start,         [VIEW_TICK] = on_tick,           [VIEW_MESSAGE] = on_message,
    [VIEW_LINK_DOWN] = on_link_down, [VIEW_SEED_DOWN] = on_seed_down, [VIEW_LOCAL] = on_local,
    [VIEW_LEAVE] = on_leave,
};

static int check_event(const struct view *v, const struct view_event *ev, struct xos_error *err)
{
    if (ev->kind <= VIEW_EVENT_NONE || ev->kind >= VIEW_EVENTS)
        return xos_fail(err, XOS_INVALID, "view: no such event");
    if ((ev->kind == VIEW_START) == v->started)
        return xos_fail(err, XOS_INVALID, "view: %s", v->started ? "started twice" : "not started");
    if (ev->kind == VIEW_START && ev->seed_count > VIEW_SEEDS_MAX)
        return xos_fail(err, XOS_LIMIT, "%zu seeds, at most VIEW_SEEDS_MAX (%d)", ev->seed_count,
                        VIEW_SEEDS_MAX);
    if (ev->kind == VIEW_LOCAL && strcmp(ev->descriptor->node, v->self.node))
        return xos_fail(err, XOS_INVALID, "view: a descriptor of %s, not of %s",
                        ev->descriptor->node, v->self.node);
    return 0;
}

int view_step(struct view *v, const struct view_event *ev, struct view_actions *out,
              struct xos_error *err)
{
    if (check_event(v, ev, err) < 0)
        return -1;
    assert(ev->now_ms >= v->now_ms);
    out->count = 0;
    out->next_ms = UINT64_MAX;
    if (v->left)
        return 0;
    v->now_ms = ev->now_ms;
    v->real_ms = ev->real_ms;
    v->random.state = hash_mix(v->random.state ^ ev->random);
    events[ev->kind](v, ev, out);
    for (unsigned i = 0; i < TIMERS && !v->left; i++)
        out->next_ms = v->due_ms[i] < out->next_ms ? v->due_ms[i] : out->next_ms;
    return 0;
}

int view_new(struct view **out, struct xos_error *err)
{
    struct view *v = xos_alloc(sizeof(*v));
    if (!v)
        return xos_fail(err, XOS_NOMEM, "view");
    v->active.max = VIEW_ACTIVE_MAX;
    v->passive.max = VIEW_PASSIVE_MAX;
    v->requests.max = VIEW_REQUESTS_MAX;
    *out = v;
    return 0;
}

void view_free(struct view *v)
{
    xos_free(v);
}

/* Looking */

size_t view_active_count(const struct view *v)
{
    return v->active.count;
}

const struct descriptor *view_active(const struct view *v, size_t i)
{
    assert(i < v->active.count);
    return &v->active.at[i].who;
}

bool view_is_active(const struct view *v, const char *node)
{
    return is_active(v, node);
}

size_t view_passive_count(const struct view *v)
{
    return v->passive.count;
}

const struct descriptor *view_passive(const struct view *v, size_t i)
{
    assert(i < v->passive.count);
    return &v->passive.at[i].who;
}

void view_remember(const struct view *v, view_each_f each, void *arg)
{
    for (size_t i = 0; i < SAMPLE_MAX; i++)
        if (v->sample.at[i].used)
            each(&v->sample.at[i].who, arg);
}

static const char *peers_defect(const struct view *v, const struct peers *p)
{
    if (p->count > p->max)
        return "more entries than the maximum";
    for (size_t i = 0; i < p->count; i++) {
        const char *node = p->at[i].who.node;
        if (!strcmp(node, v->self.node))
            return "itself";
        if (peers_find(p, node) != i)
            return "a node twice";
        if (p->at[i].age > PEERS_AGE_MAX)
            return "an age above the maximum";
        if (p != &v->active && is_active(v, node))
            return "a neighbour as a candidate too";
    }
    return NULL;
}

const char *view_defect(const struct view *v)
{
    const char *defect = peers_defect(v, &v->active);
    if (!defect)
        defect = peers_defect(v, &v->passive);
    return defect ? defect : peers_defect(v, &v->requests);
}
