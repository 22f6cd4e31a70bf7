// SPDX-License-Identifier: Apache-2.0
/* Rows on their way.
 *
 * For each neighbour there are two sets of slots of the row table: rows to be pushed whole, and
 * rows of which only the version is announced. A row that says something new is pushed to all
 * neighbours but the one that it came from; a row that merely renews its times is announced, and
 * pulled once by who lacks it: so a renewal costs every node one row and a few bytes per link,
 * where a flood would cost six rows. What a neighbour is seen to have leaves its sets. A set never
 * grows past the table and always stands for the newest version, so there is no queue to bound: a
 * slow link just skips versions.
 *
 * Batches go out at most every 200 ms and have a budget in bytes; what does not fit stays in the
 * sets. A row that arrives in a quiet moment is passed on at once.
 *
 * With a new neighbour both sides send a digest of all that they have, and so does everybody to a
 * random neighbour every ten seconds. Who gets one pulls what is newer there and announces what is
 * newer here. So two halves that come together again exchange their rows over the first link
 * between them, and any message may be lost at no more than a delay.
 *
 * A digest names nodes by a 64-bit hash. Were two names to collide, one of them would not be
 * repaired by digests; the flood, which carries names, is not touched. */
#include "discovery/core/spread.h"

#include "discovery/core/peers.h"
#include "libxos/base/alloc.h"

#include <assert.h>
#include <string.h>

#define ROW_OVERHEAD_BYTES 16 /* on the wire, around a row */
#define MARK_BYTES 24         /* on the wire: a hash and two numbers */
#define SET_WORDS (ROW_TABLE_MAX / 64)

struct set {
    size_t count;
    uint64_t bits[SET_WORDS];
};

struct neighbor {
    char node[NODE_NAME_BYTES_MAX + 1];
    bool wants_digest; /* it is new */
    struct set push;
    struct set news;
};

struct asked {
    uint64_t name;
    uint64_t at_ms;
};

struct spread {
    char self[NODE_NAME_BYTES_MAX + 1];
    uint64_t self_hash;
    uint64_t now_ms;
    int64_t real_ms;
    struct peers_random random;
    struct row_table *table;
    size_t neighbor_count;
    size_t first; /* neighbour whose turn in the budget is first */
    struct neighbor neighbors[SPREAD_NEIGHBORS_MAX];
    bool dirty;          /* the local row is to be signed anew */
    uint64_t flushed_ms; /* last batch */
    uint64_t news_due_ms;
    uint64_t digest_due_ms;
    uint64_t signed_ms; /* when SPREAD_SIGN was last asked for; 0 = never */
    uint64_t expire_due_ms;
    uint64_t over_incarnation, over_seq; /* versions of the local row lie above these */
    struct spread_counts counts;
    struct asked asked[SPREAD_ASKED_MAX];
};

/* Sets */

static void set_put(struct set *s, size_t slot)
{
    uint64_t bit = UINT64_C(1) << (slot % 64);
    s->count += !(s->bits[slot / 64] & bit);
    s->bits[slot / 64] |= bit;
}

static void set_drop(struct set *s, size_t slot)
{
    uint64_t bit = UINT64_C(1) << (slot % 64);
    s->count -= (s->bits[slot / 64] & bit) != 0;
    s->bits[slot / 64] &= ~bit;
}

/* The first member from `slot` on, or ROW_TABLE_MAX. */
static size_t set_next(const struct set *s, size_t slot)
{
    while (slot < ROW_TABLE_MAX) {
        uint64_t rest = s->bits[slot / 64] >> (slot % 64);
        if (rest)
            return slot + (size_t)__builtin_ctzll(rest);
        slot = (slot / 64 + 1) * 64;
    }
    return ROW_TABLE_MAX;
}

/* Actions */

static struct spread_action *act(struct spread_actions *out, enum spread_action_kind kind,
                                 const char *node)
{
    assert(out->count < SPREAD_ACTIONS_MAX);
    struct spread_action *a = &out->at[out->count++];
    a->kind = kind;
    a->message = (struct spread_message){.kind = DISC_NONE};
    memcpy(a->node, node, strlen(node) + 1);
    return a;
}

static struct spread_message *say_marks(struct spread_actions *out, const char *node,
                                        enum disc_kind kind)
{
    struct spread_message *m = &act(out, SPREAD_SEND, node)->message;
    m->kind = kind;
    m->names = &out->names[out->mark_count];
    m->incarnations = &out->incarnations[out->mark_count];
    m->seqs = &out->seqs[out->mark_count];
    return m;
}

static void add_mark(struct spread_actions *out, struct spread_message *m, uint64_t name,
                     uint64_t incarnation, uint64_t seq)
{
    assert(m->mark_count < DISC_MARKS_MAX && out->mark_count < SPREAD_MARKS_MAX);
    out->names[out->mark_count] = name;
    out->incarnations[out->mark_count] = incarnation;
    out->seqs[out->mark_count] = seq;
    out->mark_count++;
    m->mark_count++;
}

/* A message to which nothing was added is not sent. */
static void drop_empty(struct spread_actions *out, const struct spread_message *m)
{
    if (m->mark_count == 0 && m->row_count == 0)
        out->count--;
}

/* Batches */

static size_t row_bytes(const struct row_record *r)
{
    return r->statement.len + r->signature.len + ROW_OVERHEAD_BYTES;
}

static size_t push_rows(struct spread *s, struct neighbor *n, size_t budget,
                        struct spread_actions *out)
{
    size_t used = 0;
    struct spread_message *m = &act(out, SPREAD_SEND, n->node)->message;
    m->kind = DISC_ROWS;
    m->rows = &out->rows[out->row_count];
    for (size_t i = set_next(&n->push, 0); i < ROW_TABLE_MAX; i = set_next(&n->push, i + 1)) {
        const struct row_record *r = row_table_at(s->table, i);
        if (!r || !row_table_spreads(s->table, i, s->real_ms)) {
            set_drop(&n->push, i);
            continue;
        }
        if (m->row_count == DISC_ROWS_MAX || used + row_bytes(r) > budget)
            break;
        used += row_bytes(r);
        out->rows[out->row_count++] = r;
        m->row_count++;
        set_drop(&n->push, i);
        set_drop(&n->news, i);
    }
    drop_empty(out, m);
    return used;
}

static void announce(struct spread *s, struct neighbor *n, struct spread_actions *out)
{
    struct spread_message *m = say_marks(out, n->node, DISC_NEWS);
    for (size_t i = set_next(&n->news, 0); i < ROW_TABLE_MAX; i = set_next(&n->news, i + 1)) {
        const struct row_record *r = row_table_at(s->table, i);
        if (r && row_table_spreads(s->table, i, s->real_ms))
            add_mark(out, m, row_table_hash_at(s->table, i), r->incarnation, r->seq);
    }
    n->news = (struct set){0};
    drop_empty(out, m);
}

static void digest(struct spread *s, const char *node, struct spread_actions *out)
{
    struct spread_message *m = say_marks(out, node, DISC_DIGEST);
    for (size_t i = 0; i < ROW_TABLE_MAX; i++) {
        const struct row_record *r = row_table_at(s->table, i);
        if (r && row_table_spreads(s->table, i, s->real_ms))
            add_mark(out, m, row_table_hash_at(s->table, i), r->incarnation, r->seq);
    }
}

static bool must_flush(const struct spread *s)
{
    for (size_t i = 0; i < s->neighbor_count; i++)
        if (s->neighbors[i].push.count || s->neighbors[i].wants_digest)
            return true;
    return false;
}

static bool has_news(const struct spread *s)
{
    for (size_t i = 0; i < s->neighbor_count; i++)
        if (s->neighbors[i].news.count)
            return true;
    return false;
}

static uint64_t flush_due(const struct spread *s)
{
    return must_flush(s) ? s->flushed_ms + SPREAD_FLUSH_MS : UINT64_MAX;
}

static void flush(struct spread *s, struct spread_actions *out)
{
    if (flush_due(s) > s->now_ms)
        return;
    size_t left = SPREAD_FLUSH_BYTES_MAX;
    for (size_t i = 0; i < s->neighbor_count; i++) {
        struct neighbor *n = &s->neighbors[(s->first + i) % s->neighbor_count];
        if (n->wants_digest && left > ROW_TABLE_MAX * MARK_BYTES) {
            left -= row_table_count(s->table) * MARK_BYTES;
            n->wants_digest = false;
            digest(s, n->node, out);
        }
        if (n->push.count)
            left -=
                push_rows(s, n, left < SPREAD_PEER_BYTES_MAX ? left : SPREAD_PEER_BYTES_MAX, out);
    }
    s->first++;
    s->flushed_ms = s->now_ms;
}

static void flush_news(struct spread *s, struct spread_actions *out)
{
    if (s->news_due_ms > s->now_ms)
        return;
    for (size_t i = 0; i < s->neighbor_count; i++)
        if (s->neighbors[i].news.count)
            announce(s, &s->neighbors[i], out);
    s->news_due_ms = UINT64_MAX;
}

/* The local row */

static void ask_to_sign(struct spread *s, struct spread_actions *out)
{
    struct spread_action *a = act(out, SPREAD_SIGN, s->self);
    a->incarnation = s->over_incarnation;
    a->seq = s->over_seq;
    s->signed_ms = s->now_ms ? s->now_ms : 1;
    s->dirty = false;
}

static uint64_t sign_due(const struct spread *s)
{
    if (s->signed_ms == 0)
        return 0;
    return s->signed_ms + (s->dirty ? SPREAD_CHANGE_MS : SPREAD_REFRESH_MS);
}

/* Taking rows */

static struct neighbor *find_neighbor(struct spread *s, const char *node)
{
    for (size_t i = 0; i < s->neighbor_count; i++)
        if (!strcmp(s->neighbors[i].node, node))
            return &s->neighbors[i];
    return NULL;
}

/* `n` has this version, so it needs neither. */
static void has_it(struct neighbor *n, size_t slot)
{
    set_drop(&n->push, slot);
    set_drop(&n->news, slot);
}

static void pass_on(struct spread *s, size_t slot, bool whole, const struct neighbor *from)
{
    for (size_t i = 0; i < s->neighbor_count; i++) {
        struct neighbor *n = &s->neighbors[i];
        if (n == from)
            has_it(n, slot);
        else
            set_put(whole ? &n->push : &n->news, slot);
    }
    if (!whole && s->news_due_ms == UINT64_MAX)
        s->news_due_ms = s->now_ms + SPREAD_NEWS_MS / 2 + peers_random(&s->random) % SPREAD_NEWS_MS;
}

static void expire_by(struct spread *s, int64_t real_ms)
{
    uint64_t wait = real_ms > s->real_ms ? (uint64_t)(real_ms - s->real_ms) : 0;
    uint64_t at = s->now_ms + wait;
    if (at < s->expire_due_ms)
        s->expire_due_ms = at;
}

static void take(struct spread *s, struct row_bytes *b, enum row_verdict verdict,
                 const struct row_record *r, struct neighbor *from, struct spread_actions *out)
{
    size_t slot = row_table_put(s->table, b, s->now_ms, s->real_ms);
    s->counts.taken++;
    expire_by(s, r->expiry_ms);
    pass_on(s, slot, verdict == ROW_CHANGED, from);
    if (verdict == ROW_CHANGED)
        act(out, SPREAD_ROW, r->node);
}

static void count_refused(struct spread *s, enum row_verdict verdict)
{
    s->counts.duplicate += verdict == ROW_SAME || verdict == ROW_OLDER;
    s->counts.ended += verdict == ROW_ENDED;
    s->counts.clock += verdict == ROW_TOO_FAR;
    s->counts.too_often += verdict == ROW_TOO_OFTEN;
    s->counts.no_room += verdict == ROW_NO_ROOM;
}

static bool wanted(enum row_verdict verdict)
{
    return verdict == ROW_CHANGED || verdict == ROW_RENEWED;
}

/* Somebody spreads a row of ours: one from before our last start, or older than it must be. */
static void on_own_row(struct spread *s, const struct row_record *r)
{
    if (row_compare(r->incarnation, r->seq, s->over_incarnation, s->over_seq) <= 0)
        return;
    s->over_incarnation = r->incarnation;
    s->over_seq = r->seq;
    s->dirty = true;
}

static void take_one(struct spread *s, const struct row_record *r, struct row_bytes **b,
                     struct neighbor *from, struct spread_actions *out)
{
    enum row_verdict verdict = row_table_judge(s->table, r, s->now_ms, s->real_ms);
    if (wanted(verdict)) {
        assert(*b);
        take(s, *b, verdict, r, from, out);
        *b = NULL;
        return;
    }
    count_refused(s, verdict);
    int slot = verdict == ROW_SAME && from ? row_table_slot(s->table, node_name_hash(r->node)) : -1;
    if (slot >= 0)
        has_it(from, (size_t)slot);
}

static bool is_own(const struct spread *s, const struct row_record *r)
{
    return !strcmp(r->node, s->self);
}

/* Memory first, so that a message is taken as a whole or not at all. */
static int on_rows(struct spread *s, const struct spread_event *ev, struct neighbor *from,
                   struct spread_actions *out, struct xos_error *err)
{
    const struct spread_message *m = ev->message;
    struct row_bytes *b[DISC_ROWS_MAX] = {NULL};
    int rc = 0;
    assert(m->row_count <= DISC_ROWS_MAX);
    for (size_t i = 0; i < m->row_count && rc == 0; i++) {
        const struct row_record *r = m->rows[i];
        if (is_own(s, r) || !wanted(row_table_judge(s->table, r, s->now_ms, s->real_ms)))
            continue;
        b[i] = row_bytes_new(r);
        if (!b[i])
            rc = xos_fail(err, XOS_NOMEM, "row of %s", r->node);
    }
    for (size_t i = 0; i < m->row_count && rc == 0; i++) {
        if (is_own(s, m->rows[i]))
            on_own_row(s, m->rows[i]);
        else
            take_one(s, m->rows[i], &b[i], from, out);
    }
    for (size_t i = 0; i < m->row_count; i++)
        row_bytes_free(b[i]);
    return rc;
}

/* Digests */

static bool may_pull(struct spread *s, uint64_t name)
{
    struct asked *a = &s->asked[name % SPREAD_ASKED_MAX];
    if (a->name == name && a->at_ms && s->now_ms - a->at_ms < SPREAD_ASK_AGAIN_MS)
        return false;
    *a = (struct asked){name, s->now_ms};
    return true;
}

static void compare_mark(struct spread *s, struct neighbor *from, const struct spread_message *m,
                         size_t i, struct spread_message *pull, struct spread_actions *out)
{
    int slot = row_table_slot(s->table, m->names[i]);
    const struct row_record *r = slot < 0 ? NULL : row_table_at(s->table, (size_t)slot);
    int order = r ? row_compare(m->incarnations[i], m->seqs[i], r->incarnation, r->seq) : 1;
    if (order == 0)
        has_it(from, (size_t)slot);
    else if (order > 0 && may_pull(s, m->names[i]))
        add_mark(out, pull, m->names[i], 0, 0);
}

static int on_news(struct spread *s, const struct spread_event *ev, struct neighbor *from,
                   struct spread_actions *out, struct xos_error *err)
{
    (void)err;
    struct spread_message *pull = say_marks(out, from->node, DISC_PULL);
    for (size_t i = 0; i < ev->message->mark_count; i++)
        compare_mark(s, from, ev->message, i, pull, out);
    drop_empty(out, pull);
    return 0;
}

/* Announce what the sender of a digest lacks or has an older version of. */
static void offer(struct spread *s, struct neighbor *to, const struct spread_message *m)
{
    struct set same_or_newer = {0};
    for (size_t i = 0; i < m->mark_count; i++) {
        int slot = row_table_slot(s->table, m->names[i]);
        const struct row_record *r = slot < 0 ? NULL : row_table_at(s->table, (size_t)slot);
        if (r && row_compare(m->incarnations[i], m->seqs[i], r->incarnation, r->seq) >= 0)
            set_put(&same_or_newer, (size_t)slot);
    }
    for (size_t i = 0; i < ROW_TABLE_MAX; i++) {
        bool there = set_next(&same_or_newer, i) == i;
        if (there || !row_table_spreads(s->table, i, s->real_ms))
            continue;
        set_put(&to->news, i);
    }
    if (to->news.count && s->news_due_ms == UINT64_MAX)
        s->news_due_ms = s->now_ms + SPREAD_NEWS_MS;
}

static int on_digest(struct spread *s, const struct spread_event *ev, struct neighbor *from,
                     struct spread_actions *out, struct xos_error *err)
{
    offer(s, from, ev->message);
    return on_news(s, ev, from, out, err);
}

static int on_pull(struct spread *s, const struct spread_event *ev, struct neighbor *from,
                   struct spread_actions *out, struct xos_error *err)
{
    (void)out;
    (void)err;
    for (size_t i = 0; i < ev->message->mark_count; i++) {
        int slot = row_table_slot(s->table, ev->message->names[i]);
        if (slot >= 0)
            set_put(&from->push, (size_t)slot);
    }
    return 0;
}

static int (*const messages[DISC_KINDS])(struct spread *s, const struct spread_event *ev,
                                         struct neighbor *from, struct spread_actions *out,
                                         struct xos_error *err) = {
    [DISC_ROWS] = on_rows,
    [DISC_NEWS] = on_news,
    [DISC_DIGEST] = on_digest,
    [DISC_PULL] = on_pull,
};

/* Events */

/* Only neighbours are listened to, so that what one node can make us do is bounded by its links;
 * rows are taken from anyone, since a link may just have ended on one side. */
static int on_message(struct spread *s, const struct spread_event *ev, struct spread_actions *out,
                      struct xos_error *err)
{
    const struct spread_message *m = ev->message;
    struct neighbor *from = find_neighbor(s, ev->node);
    if (m->kind >= DISC_KINDS || !messages[m->kind] || (!from && m->kind != DISC_ROWS))
        return 0;
    return messages[m->kind](s, ev, from, out, err);
}

static int on_up(struct spread *s, const struct spread_event *ev, struct spread_actions *out,
                 struct xos_error *err)
{
    (void)out;
    if (find_neighbor(s, ev->node))
        return 0;
    if (s->neighbor_count == SPREAD_NEIGHBORS_MAX)
        return xos_fail(err, XOS_LIMIT, "more than SPREAD_NEIGHBORS_MAX (%d) neighbours",
                        SPREAD_NEIGHBORS_MAX);
    if (strlen(ev->node) > NODE_NAME_BYTES_MAX)
        return xos_fail(err, XOS_INVALID, "a neighbour's name is too long");
    struct neighbor *n = &s->neighbors[s->neighbor_count++];
    *n = (struct neighbor){.wants_digest = true};
    memcpy(n->node, ev->node, strlen(ev->node) + 1);
    return 0;
}

static int on_down(struct spread *s, const struct spread_event *ev, struct spread_actions *out,
                   struct xos_error *err)
{
    (void)out;
    (void)err;
    struct neighbor *n = find_neighbor(s, ev->node);
    if (n)
        *n = s->neighbors[--s->neighbor_count];
    return 0;
}

static int on_local(struct spread *s, const struct spread_event *ev, struct spread_actions *out,
                    struct xos_error *err)
{
    const struct row_record *r = ev->row;
    if (!is_own(s, r))
        return xos_fail(err, XOS_INVALID, "a row of %s, not of %s", r->node, s->self);
    if (row_compare(r->incarnation, r->seq, s->over_incarnation, s->over_seq) <= 0)
        return xos_fail(err, XOS_INVALID, "the row is not above the last one");
    enum row_verdict verdict = row_table_judge(s->table, r, ev->now_ms, ev->real_ms);
    if (verdict == ROW_NO_ROOM)
        return xos_fail(err, XOS_LIMIT, "ROW_TABLE_MAX (%d) nodes are known", ROW_TABLE_MAX);
    if (verdict == ROW_TOO_OFTEN)
        return xos_fail(err, XOS_LIMIT, "more than one change of the row in ROW_CHANGE_GAP_MS");
    if (!wanted(verdict))
        return xos_fail(err, XOS_INVALID, "the row has ended, or its expiry is too far ahead");
    struct row_bytes *b = row_bytes_new(r);
    if (!b)
        return xos_fail(err, XOS_NOMEM, "row");
    s->over_incarnation = r->incarnation;
    s->over_seq = r->seq;
    take(s, b, verdict, r, NULL, out);
    return 0;
}

static int on_dirty(struct spread *s, const struct spread_event *ev, struct spread_actions *out,
                    struct xos_error *err)
{
    (void)ev;
    (void)out;
    (void)err;
    s->dirty = true;
    return 0;
}

static void row_ended(size_t slot, const struct row_record *r, void *arg)
{
    (void)slot;
    (void)r;
    ((struct spread_actions *)arg)->rows_ended = true;
}

static void expire(struct spread *s, struct spread_actions *out)
{
    int64_t next = row_table_expire(s->table, s->real_ms, row_ended, out);
    s->expire_due_ms = UINT64_MAX;
    if (next != INT64_MAX)
        expire_by(s, next);
}

static int on_tick(struct spread *s, const struct spread_event *ev, struct spread_actions *out,
                   struct xos_error *err)
{
    (void)ev;
    (void)err;
    if (s->expire_due_ms <= s->now_ms)
        expire(s, out);
    if (s->digest_due_ms <= s->now_ms) {
        if (s->digest_due_ms && s->neighbor_count)
            s->neighbors[peers_random_below(&s->random, s->neighbor_count)].wants_digest = true;
        s->digest_due_ms = s->now_ms + SPREAD_DIGEST_MS * 4 / 5 +
                           peers_random(&s->random) % (SPREAD_DIGEST_MS * 2 / 5);
    }
    if (sign_due(s) <= s->now_ms)
        ask_to_sign(s, out);
    return 0;
}

static int (*const events[SPREAD_EVENTS])(struct spread *s, const struct spread_event *ev,
                                          struct spread_actions *out, struct xos_error *err) = {
    [SPREAD_TICK] = on_tick,       [SPREAD_NEIGHBOR_UP] = on_up, [SPREAD_NEIGHBOR_DOWN] = on_down,
    [SPREAD_MESSAGE] = on_message, [SPREAD_LOCAL] = on_local,    [SPREAD_DIRTY] = on_dirty,
};

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

int spread_step(struct spread *s, const struct spread_event *ev, struct spread_actions *out,
                struct xos_error *err)
{
    if (ev->kind <= SPREAD_EVENT_NONE || ev->kind >= SPREAD_EVENTS)
        return xos_fail(err, XOS_INVALID, "spread: no such event");
    assert(ev->now_ms >= s->now_ms);
    const struct peers_random before = s->random;
    out->count = out->row_count = out->mark_count = 0;
    out->rows_ended = false;
    s->now_ms = ev->now_ms;
    s->real_ms = ev->real_ms;
    s->random.state = hash_mix(s->random.state ^ ev->random);
    if (events[ev->kind](s, ev, out, err) < 0) {
        s->random = before;
        out->count = 0;
        return -1;
    }
    flush(s, out);
    flush_news(s, out);
    out->next_ms = earlier(earlier(flush_due(s), s->news_due_ms),
                           earlier(earlier(s->digest_due_ms, sign_due(s)), s->expire_due_ms));
    assert(s->news_due_ms != UINT64_MAX || !has_news(s));
    return 0;
}

int spread_new(struct spread **out, const char *self, struct xos_error *err)
{
    if (strlen(self) == 0 || strlen(self) > NODE_NAME_BYTES_MAX)
        return xos_fail(err, XOS_INVALID, "spread: not a node's name");
    struct spread *s = xos_alloc(sizeof(*s));
    if (!s || row_table_new(&s->table, err) < 0) {
        spread_free(s);
        return xos_fail(err, XOS_NOMEM, "spread");
    }
    memcpy(s->self, self, strlen(self) + 1);
    s->news_due_ms = s->expire_due_ms = UINT64_MAX;
    *out = s;
    return 0;
}

void spread_free(struct spread *s)
{
    if (!s)
        return;
    row_table_free(s->table);
    xos_free(s);
}

const struct row_table *spread_rows(const struct spread *s)
{
    return s->table;
}

const struct spread_counts *spread_counts(const struct spread *s)
{
    return &s->counts;
}
