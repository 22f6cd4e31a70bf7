// SPDX-License-Identifier: Apache-2.0
#include "discovery/core/row.h"

#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"

#include "discovery/discovery.pb-c.h"

#include <assert.h>
#include <string.h>

#define ROW_BUCKETS 2048   /* a power of two */
#define ROW_END UINT16_MAX /* end of a chain */

struct row_bytes {
    struct row_record record; /* points into `bytes` */
    uint64_t name_hash;
    uint8_t bytes[]; /* name with its NUL, statement, signature */
};

struct row {
    struct row_bytes *held;  /* NULL: the slot is free */
    uint64_t credit_from_ms; /* changes are paid from what has gathered since: at most a burst */
    bool ended;              /* expired; held for its version only */
    uint16_t next;           /* slot in the same bucket, or among the free ones */
};

struct row_table {
    size_t count;
    uint16_t free;
    uint16_t buckets[ROW_BUCKETS];
    struct row slots[ROW_TABLE_MAX];
};

static const char *const state_names[] = {
    [ROW_NONE] = "none",       [ROW_UP] = "up",     [ROW_DRAINING] = "draining",
    [ROW_DRAINED] = "drained", [ROW_DOWN] = "down",
};

const char *row_state_name(enum row_state state)
{
    assert(state <= ROW_DOWN);
    return state_names[state];
}

int row_compare(uint64_t incarnation_a, uint64_t seq_a, uint64_t incarnation_b, uint64_t seq_b)
{
    if (incarnation_a != incarnation_b)
        return incarnation_a < incarnation_b ? -1 : 1;
    return seq_a < seq_b ? -1 : seq_a > seq_b;
}

/* Statements */

static int read_row(struct row_record *out, char *node, const Xos__Discovery__Row *pb,
                    struct xos_slice statement, struct xos_error *err)
{
    if (node_name_copy(node, NODE_NAME_BYTES_MAX, (struct xos_slice){pb->node.data, pb->node.len},
                       err) < 0)
        return -1;
    if (pb->expiry_ms > INT64_MAX)
        return xos_fail(err, XOS_PROTOCOL, "an expiry out of range");
    if (pb->state == ROW_NONE || pb->state > ROW_DOWN)
        return xos_fail(err, XOS_PROTOCOL, "state %u", pb->state);
    /* The body is the last field that we write, but a peer may order its own as it likes. */
    const uint8_t *body = pb->body.len
                              ? memmem(statement.data, statement.len, pb->body.data, pb->body.len)
                              : statement.data;
    assert(body);
    out->node = node;
    out->incarnation = pb->incarnation;
    out->seq = pb->seq;
    out->expiry_ms = (int64_t)pb->expiry_ms;
    out->state = (enum row_state)pb->state;
    out->body = (struct xos_slice){body, pb->body.len};
    return 0;
}

int row_parse(struct row_record *out, char node[static NODE_NAME_BYTES_MAX + 1],
              struct xos_slice statement, struct xos_slice signature, struct xos_error *err)
{
    if (statement.len > ROW_BYTES_MAX || signature.len > ROW_BYTES_MAX ||
        statement.len + signature.len > ROW_BYTES_MAX)
        return xos_fail(err, XOS_LIMIT, "row of more than %d bytes", ROW_BYTES_MAX);
    Xos__Discovery__Row *pb = xos_pb_unpack(&xos__discovery__row__descriptor, statement,
                                            ROW_BYTES_MAX, XOS_PB_TOLERANT, err);
    if (!pb)
        return xos_wrap(err, "row");
    int rc = read_row(out, node, pb, statement, err);
    xos_pb_free(pb);
    if (rc < 0)
        return xos_wrap(err, "row");
    out->statement = statement;
    out->signature = signature;
    return 0;
}

static ProtobufCBinaryData bytes_of(const void *data, size_t len)
{
    return (ProtobufCBinaryData){.len = len, .data = (uint8_t *)(uintptr_t)data};
}

int row_state_bytes(struct xos_buf *out, const struct row_record *r, struct xos_error *err)
{
    assert(r->state != ROW_NONE && r->expiry_ms >= 0);
    Xos__Discovery__Row pb = XOS__DISCOVERY__ROW__INIT;
    pb.node = bytes_of(r->node, strlen(r->node));
    pb.incarnation = r->incarnation;
    pb.seq = r->seq;
    pb.expiry_ms = (uint64_t)r->expiry_ms;
    pb.state = (uint32_t)r->state;
    pb.body = bytes_of(r->body.data, r->body.len);
    return xos_pb_pack(&pb.base, out, err);
}

/* Bytes */

static struct xos_slice put_bytes(uint8_t **at, struct xos_slice from)
{
    struct xos_slice to = {*at, from.len};
    if (from.len)
        memcpy(*at, from.data, from.len);
    *at += from.len;
    return to;
}

struct row_bytes *row_bytes_new(const struct row_record *r)
{
    assert(r->statement.len + r->signature.len <= ROW_BYTES_MAX);
    assert(r->body.data >= r->statement.data);
    struct xos_slice name = {(const uint8_t *)r->node, strlen(r->node) + 1};
    size_t body_at = (size_t)(r->body.data - r->statement.data);
    struct row_bytes *b = xos_alloc(sizeof(*b) + name.len + r->statement.len + r->signature.len);
    if (!b)
        return NULL;
    uint8_t *at = b->bytes;
    b->record = *r;
    b->record.node = (const char *)put_bytes(&at, name).data;
    b->record.statement = put_bytes(&at, r->statement);
    b->record.signature = put_bytes(&at, r->signature);
    b->record.body = (struct xos_slice){b->record.statement.data + body_at, r->body.len};
    b->name_hash = node_name_hash(r->node);
    return b;
}

void row_bytes_free(struct row_bytes *b)
{
    xos_free(b);
}

/* The table */

int row_table_new(struct row_table **out, struct xos_error *err)
{
    struct row_table *t = xos_alloc(sizeof(*t));
    if (!t)
        return xos_fail(err, XOS_NOMEM, "row table");
    for (size_t i = 0; i < ROW_BUCKETS; i++)
        t->buckets[i] = ROW_END;
    for (size_t i = 0; i < ROW_TABLE_MAX; i++)
        t->slots[i].next = (uint16_t)(i + 1);
    t->slots[ROW_TABLE_MAX - 1].next = ROW_END;
    *out = t;
    return 0;
}

void row_table_free(struct row_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < ROW_TABLE_MAX; i++)
        row_bytes_free(t->slots[i].held);
    xos_free(t);
}

static const uint16_t *bucket_of(const struct row_table *t, uint64_t hash)
{
    return &t->buckets[hash & (ROW_BUCKETS - 1)];
}

static int find_slot(const struct row_table *t, const char *node, uint64_t hash)
{
    for (uint16_t i = *bucket_of(t, hash); i != ROW_END; i = t->slots[i].next)
        if (t->slots[i].held->name_hash == hash && !strcmp(t->slots[i].held->record.node, node))
            return i;
    return -1;
}

int row_table_slot(const struct row_table *t, uint64_t name_hash)
{
    for (uint16_t i = *bucket_of(t, name_hash); i != ROW_END; i = t->slots[i].next)
        if (t->slots[i].held->name_hash == name_hash)
            return i;
    return -1;
}

static void drop(struct row_table *t, size_t slot)
{
    struct row *row = &t->slots[slot];
    uint16_t *link = (uint16_t *)(uintptr_t)bucket_of(t, row->held->name_hash);
    while (*link != slot)
        link = &t->slots[*link].next;
    *link = row->next;
    row_bytes_free(row->held);
    *row = (struct row){.next = t->free};
    t->free = (uint16_t)slot;
    t->count--;
}

/* The row that ended first, or -1 when none has ended. */
static int longest_ended(const struct row_table *t)
{
    int found = -1;
    for (int i = 0; i < ROW_TABLE_MAX; i++) {
        const struct row *row = &t->slots[i];
        if (row->held && row->ended &&
            (found < 0 || row->held->record.expiry_ms < t->slots[found].held->record.expiry_ms))
            found = i;
    }
    return found;
}

/* A row of this node may change now: credit gathers with time, up to a burst. */
static bool may_change(const struct row *row, uint64_t now_ms)
{
    return now_ms >= row->credit_from_ms + ROW_CHANGE_GAP_MS;
}

static void pay_change(struct row *row, uint64_t now_ms)
{
    uint64_t burst_ms = (uint64_t)ROW_CHANGES_BURST * ROW_CHANGE_GAP_MS;
    uint64_t from = row->credit_from_ms;
    if (now_ms > burst_ms && from < now_ms - burst_ms)
        from = now_ms - burst_ms;
    row->credit_from_ms = from + ROW_CHANGE_GAP_MS;
}

static bool same_content(const struct row_record *a, const struct row_record *b)
{
    return a->state == b->state && a->incarnation == b->incarnation && a->body.len == b->body.len &&
           (a->body.len == 0 || !memcmp(a->body.data, b->body.data, a->body.len));
}

static enum row_verdict judge_known(const struct row *row, const struct row_record *r,
                                    uint64_t now_ms)
{
    const struct row_record *held = &row->held->record;
    int order = row_compare(r->incarnation, r->seq, held->incarnation, held->seq);
    if (order <= 0)
        return order == 0 ? ROW_SAME : ROW_OLDER;
    if (!row->ended && same_content(held, r))
        return ROW_RENEWED;
    return may_change(row, now_ms) ? ROW_CHANGED : ROW_TOO_OFTEN;
}

enum row_verdict row_table_judge(const struct row_table *t, const struct row_record *r,
                                 uint64_t now_ms, int64_t real_ms)
{
    if (r->expiry_ms <= real_ms)
        return ROW_ENDED;
    if (r->expiry_ms - real_ms > ROW_LIFE_MS + ROW_SKEW_MS)
        return ROW_TOO_FAR;
    int slot = find_slot(t, r->node, node_name_hash(r->node));
    if (slot >= 0)
        return judge_known(&t->slots[slot], r, now_ms);
    return t->count < ROW_TABLE_MAX || longest_ended(t) >= 0 ? ROW_CHANGED : ROW_NO_ROOM;
}

static size_t take_slot(struct row_table *t, const struct row_bytes *b, uint64_t now_ms)
{
    if (t->free == ROW_END)
        drop(t, (size_t)longest_ended(t));
    uint16_t slot = t->free;
    uint16_t *bucket = (uint16_t *)(uintptr_t)bucket_of(t, b->name_hash);
    t->free = t->slots[slot].next;
    t->slots[slot].next = *bucket;
    t->slots[slot].credit_from_ms =
        now_ms - (now_ms < ROW_CHANGE_GAP_MS ? now_ms : ROW_CHANGE_GAP_MS);
    *bucket = slot;
    t->count++;
    return slot;
}

size_t row_table_put(struct row_table *t, struct row_bytes *b, uint64_t now_ms, int64_t real_ms)
{
    enum row_verdict verdict = row_table_judge(t, &b->record, now_ms, real_ms);
    assert(verdict == ROW_RENEWED || verdict == ROW_CHANGED);
    int known = find_slot(t, b->record.node, b->name_hash);
    size_t slot = known >= 0 ? (size_t)known : take_slot(t, b, now_ms);
    struct row *row = &t->slots[slot];
    if (verdict == ROW_CHANGED && known >= 0)
        pay_change(row, now_ms);
    row_bytes_free(row->held);
    row->held = b;
    row->ended = false;
    return slot;
}

int64_t row_table_expire(struct row_table *t, int64_t real_ms, row_ended_f ended, void *arg)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < ROW_TABLE_MAX; i++) {
        struct row *row = &t->slots[i];
        if (!row->held)
            continue;
        int64_t expiry = row->held->record.expiry_ms;
        if (!row->ended && expiry <= real_ms) {
            row->ended = true;
            row->held->record.state = ROW_DOWN;
            ended(i, &row->held->record, arg);
        }
        if (row->ended && real_ms - expiry >= ROW_FORGET_MS) {
            drop(t, i);
            continue;
        }
        int64_t due = row->ended ? expiry + ROW_FORGET_MS : expiry;
        next = due < next ? due : next;
    }
    return next;
}

const struct row_record *row_table_find(const struct row_table *t, const char *node)
{
    int slot = find_slot(t, node, node_name_hash(node));
    return slot < 0 ? NULL : &t->slots[slot].held->record;
}

const struct row_record *row_table_at(const struct row_table *t, size_t slot)
{
    assert(slot < ROW_TABLE_MAX);
    return t->slots[slot].held ? &t->slots[slot].held->record : NULL;
}

uint64_t row_table_hash_at(const struct row_table *t, size_t slot)
{
    assert(slot < ROW_TABLE_MAX && t->slots[slot].held);
    return t->slots[slot].held->name_hash;
}

size_t row_table_count(const struct row_table *t)
{
    return t->count;
}

bool row_table_spreads(const struct row_table *t, size_t slot, int64_t real_ms)
{
    const struct row *row = &t->slots[slot];
    return row->held && !row->ended && row->held->record.expiry_ms > real_ms;
}
