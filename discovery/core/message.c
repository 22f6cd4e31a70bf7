// SPDX-License-Identifier: Apache-2.0
#include "discovery/core/message.h"

#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"

#include "discovery/discovery.pb-c.h"

#include <assert.h>

typedef Xos__Discovery__Message pb_message;
typedef Xos__Discovery__Signed pb_signed;
typedef Xos__Discovery__Entry pb_entry;

/* Encoding */

/* What a protobuf message of ours points to while it is packed. */
struct scratch {
    pb_message message;
    pb_signed who;
    pb_entry entries[DISC_ENTRIES_MAX];
    pb_signed entry_who[DISC_ENTRIES_MAX];
    pb_entry *entry_list[DISC_ENTRIES_MAX];
    pb_signed rows[DISC_ROWS_MAX];
    pb_signed *row_list[DISC_ROWS_MAX];
    union {
        Xos__Discovery__Join join;
        Xos__Discovery__ForwardJoin forward_join;
        Xos__Discovery__Neighbor neighbor;
        Xos__Discovery__NeighborReply neighbor_reply;
        Xos__Discovery__Disconnect disconnect;
        Xos__Discovery__Alive alive;
        Xos__Discovery__Shuffle shuffle;
        Xos__Discovery__ShuffleReply shuffle_reply;
        Xos__Discovery__Rows rows;
        Xos__Discovery__Marks marks;
        Xos__Discovery__Pull pull;
    } body;
};

static ProtobufCBinaryData bytes_of(struct xos_slice s)
{
    return (ProtobufCBinaryData){.len = s.len, .data = (uint8_t *)(uintptr_t)s.data};
}

static pb_signed signed_of(const struct descriptor *d)
{
    pb_signed s = XOS__DISCOVERY__SIGNED__INIT;
    s.statement = bytes_of(descriptor_statement(d));
    s.signature = bytes_of(descriptor_signature(d));
    return s;
}

static pb_signed *put_who(struct scratch *s, const struct view_message *m)
{
    s->who = signed_of(&m->who);
    return &s->who;
}

static pb_entry **put_entries(struct scratch *s, const struct view_message *m)
{
    assert(m->entry_count <= DISC_ENTRIES_MAX);
    for (size_t i = 0; i < m->entry_count; i++) {
        s->entry_who[i] = signed_of(&m->entries[i].who);
        s->entries[i] = (pb_entry)XOS__DISCOVERY__ENTRY__INIT;
        s->entries[i].who = &s->entry_who[i];
        s->entries[i].age = m->entries[i].age;
        s->entry_list[i] = &s->entries[i];
    }
    return s->entry_list;
}

static void put_join(struct scratch *s, const struct view_message *m)
{
    s->body.join = (Xos__Discovery__Join)XOS__DISCOVERY__JOIN__INIT;
    s->body.join.who = put_who(s, m);
    s->message.join = &s->body.join;
}

static void put_forward_join(struct scratch *s, const struct view_message *m)
{
    s->body.forward_join = (Xos__Discovery__ForwardJoin)XOS__DISCOVERY__FORWARD_JOIN__INIT;
    s->body.forward_join.who = put_who(s, m);
    s->body.forward_join.ttl = m->ttl;
    s->message.forward_join = &s->body.forward_join;
}

static void put_neighbor(struct scratch *s, const struct view_message *m)
{
    s->body.neighbor = (Xos__Discovery__Neighbor)XOS__DISCOVERY__NEIGHBOR__INIT;
    s->body.neighbor.who = put_who(s, m);
    s->body.neighbor.high = m->high;
    s->message.neighbor = &s->body.neighbor;
}

static void put_neighbor_reply(struct scratch *s, const struct view_message *m)
{
    s->body.neighbor_reply = (Xos__Discovery__NeighborReply)XOS__DISCOVERY__NEIGHBOR_REPLY__INIT;
    s->body.neighbor_reply.who = put_who(s, m);
    s->body.neighbor_reply.accepted = m->accepted;
    s->body.neighbor_reply.n_entries = m->entry_count;
    s->body.neighbor_reply.entries = put_entries(s, m);
    s->message.neighbor_reply = &s->body.neighbor_reply;
}

static void put_disconnect(struct scratch *s, const struct view_message *m)
{
    s->body.disconnect = (Xos__Discovery__Disconnect)XOS__DISCOVERY__DISCONNECT__INIT;
    s->body.disconnect.leaving = m->leaving;
    s->message.disconnect = &s->body.disconnect;
}

static void put_alive(struct scratch *s, const struct view_message *m)
{
    (void)m;
    s->body.alive = (Xos__Discovery__Alive)XOS__DISCOVERY__ALIVE__INIT;
    s->message.alive = &s->body.alive;
}

static void put_shuffle(struct scratch *s, const struct view_message *m)
{
    s->body.shuffle = (Xos__Discovery__Shuffle)XOS__DISCOVERY__SHUFFLE__INIT;
    s->body.shuffle.who = put_who(s, m);
    s->body.shuffle.ttl = m->ttl;
    s->body.shuffle.nonce = m->nonce;
    s->body.shuffle.n_entries = m->entry_count;
    s->body.shuffle.entries = put_entries(s, m);
    s->message.shuffle = &s->body.shuffle;
}

static void put_shuffle_reply(struct scratch *s, const struct view_message *m)
{
    s->body.shuffle_reply = (Xos__Discovery__ShuffleReply)XOS__DISCOVERY__SHUFFLE_REPLY__INIT;
    s->body.shuffle_reply.nonce = m->nonce;
    s->body.shuffle_reply.n_entries = m->entry_count;
    s->body.shuffle_reply.entries = put_entries(s, m);
    s->message.shuffle_reply = &s->body.shuffle_reply;
}

static void put_rows(struct scratch *s, const struct spread_message *m)
{
    assert(m->row_count <= DISC_ROWS_MAX);
    s->body.rows = (Xos__Discovery__Rows)XOS__DISCOVERY__ROWS__INIT;
    for (size_t i = 0; i < m->row_count; i++) {
        s->rows[i] = (pb_signed)XOS__DISCOVERY__SIGNED__INIT;
        s->rows[i].statement = bytes_of(m->rows[i]->statement);
        s->rows[i].signature = bytes_of(m->rows[i]->signature);
        s->row_list[i] = &s->rows[i];
    }
    s->body.rows.n_rows = m->row_count;
    s->body.rows.rows = s->row_list;
    s->message.rows = &s->body.rows;
}

/* protobuf-c takes lists without const, and does not write to them. */
static uint64_t *list_of(const uint64_t *list)
{
    return (uint64_t *)(uintptr_t)list;
}

static void put_marks(struct scratch *s, const struct spread_message *m)
{
    assert(m->mark_count <= DISC_MARKS_MAX);
    Xos__Discovery__Marks *marks = &s->body.marks;
    *marks = (Xos__Discovery__Marks)XOS__DISCOVERY__MARKS__INIT;
    marks->n_names = marks->n_incarnations = marks->n_seqs = m->mark_count;
    marks->names = list_of(m->names);
    marks->incarnations = list_of(m->incarnations);
    marks->seqs = list_of(m->seqs);
    /* One pointer in the oneof serves news and digest. */
    s->message.news = marks;
}

static void put_pull(struct scratch *s, const struct spread_message *m)
{
    assert(m->mark_count <= DISC_MARKS_MAX);
    s->body.pull = (Xos__Discovery__Pull)XOS__DISCOVERY__PULL__INIT;
    s->body.pull.n_names = m->mark_count;
    s->body.pull.names = list_of(m->names);
    s->message.pull = &s->body.pull;
}

/* Decoding */

struct held {
    struct disc_message face;
    pb_message *pb; /* rows and marks point into it */
    struct row_record *records;
    const struct row_record **rows;
    char (*names)[NODE_NAME_BYTES_MAX + 1];
    struct spread_message spread;
    struct view_message view[]; /* one, in a message for the overlay */
};

static int get_descriptor(struct descriptor *to, const pb_signed *from, struct xos_error *err)
{
    if (!from)
        return xos_fail(err, XOS_PROTOCOL, "no descriptor");
    return descriptor_parse(to, (struct xos_slice){from->statement.data, from->statement.len},
                            (struct xos_slice){from->signature.data, from->signature.len}, err);
}

static int get_entries(struct view_message *to, pb_entry *const *list, size_t count,
                       struct xos_error *err)
{
    if (count > DISC_ENTRIES_MAX)
        return xos_fail(err, XOS_LIMIT, "%zu entries, at most %d", count, DISC_ENTRIES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (get_descriptor(&to->entries[i].who, list[i]->who, err) < 0)
            return -1;
        to->entries[i].age = list[i]->age;
    }
    to->entry_count = count;
    return 0;
}

static int get_join(struct held *h, const pb_message *pb, struct xos_error *err)
{
    return get_descriptor(&h->view->who, pb->join->who, err);
}

static int get_forward_join(struct held *h, const pb_message *pb, struct xos_error *err)
{
    h->view->ttl = pb->forward_join->ttl;
    return get_descriptor(&h->view->who, pb->forward_join->who, err);
}

static int get_neighbor(struct held *h, const pb_message *pb, struct xos_error *err)
{
    h->view->high = pb->neighbor->high;
    return get_descriptor(&h->view->who, pb->neighbor->who, err);
}

static int get_neighbor_reply(struct held *h, const pb_message *pb, struct xos_error *err)
{
    const Xos__Discovery__NeighborReply *r = pb->neighbor_reply;
    h->view->accepted = r->accepted;
    if (get_descriptor(&h->view->who, r->who, err) < 0)
        return -1;
    return get_entries(h->view, r->entries, r->n_entries, err);
}

static int get_disconnect(struct held *h, const pb_message *pb, struct xos_error *err)
{
    (void)err;
    h->view->leaving = pb->disconnect->leaving;
    return 0;
}

static int get_alive(struct held *h, const pb_message *pb, struct xos_error *err)
{
    (void)h;
    (void)pb;
    (void)err;
    return 0;
}

static int get_shuffle(struct held *h, const pb_message *pb, struct xos_error *err)
{
    const Xos__Discovery__Shuffle *s = pb->shuffle;
    h->view->ttl = s->ttl;
    h->view->nonce = s->nonce;
    if (get_descriptor(&h->view->who, s->who, err) < 0)
        return -1;
    return get_entries(h->view, s->entries, s->n_entries, err);
}

static int get_shuffle_reply(struct held *h, const pb_message *pb, struct xos_error *err)
{
    h->view->nonce = pb->shuffle_reply->nonce;
    return get_entries(h->view, pb->shuffle_reply->entries, pb->shuffle_reply->n_entries, err);
}

static int get_rows(struct held *h, const pb_message *pb, struct xos_error *err)
{
    size_t count = pb->rows->n_rows;
    if (count > DISC_ROWS_MAX)
        return xos_fail(err, XOS_LIMIT, "%zu rows, at most %d", count, DISC_ROWS_MAX);
    h->records = xos_alloc_array(count, sizeof(*h->records));
    h->rows = xos_alloc_array(count, sizeof(*h->rows));
    h->names = xos_alloc_array(count, sizeof(*h->names));
    if (!h->records || !h->rows || !h->names)
        return xos_fail(err, XOS_NOMEM, "%zu rows", count);
    for (size_t i = 0; i < count; i++) {
        const pb_signed *s = pb->rows->rows[i];
        if (row_parse(&h->records[i], h->names[i],
                      (struct xos_slice){s->statement.data, s->statement.len},
                      (struct xos_slice){s->signature.data, s->signature.len}, err) < 0)
            return -1;
        h->rows[i] = &h->records[i];
    }
    h->spread.row_count = count;
    h->spread.rows = h->rows;
    return 0;
}

static int get_marks(struct held *h, const pb_message *pb, struct xos_error *err)
{
    const Xos__Discovery__Marks *m = pb->news;
    if (m->n_names > DISC_MARKS_MAX)
        return xos_fail(err, XOS_LIMIT, "%zu marks, at most %d", m->n_names, DISC_MARKS_MAX);
    if (m->n_incarnations != m->n_names || m->n_seqs != m->n_names)
        return xos_fail(err, XOS_PROTOCOL, "marks of unequal length");
    h->spread.mark_count = m->n_names;
    h->spread.names = m->names;
    h->spread.incarnations = m->incarnations;
    h->spread.seqs = m->seqs;
    return 0;
}

static int get_pull(struct held *h, const pb_message *pb, struct xos_error *err)
{
    if (pb->pull->n_names > DISC_MARKS_MAX)
        return xos_fail(err, XOS_LIMIT, "%zu marks, at most %d", pb->pull->n_names, DISC_MARKS_MAX);
    h->spread.mark_count = pb->pull->n_names;
    h->spread.names = pb->pull->names;
    return 0;
}

/* The kinds */

static const struct {
    const char *name;
    Xos__Discovery__Message__BodyCase body;
    void (*put_view)(struct scratch *s, const struct view_message *m);
    void (*put_spread)(struct scratch *s, const struct spread_message *m);
    int (*get)(struct held *h, const pb_message *pb, struct xos_error *err);
} kinds[DISC_KINDS] = {
#define CASE(name) XOS__DISCOVERY__MESSAGE__BODY_##name
    [DISC_NONE] = {"none", CASE(_NOT_SET), NULL, NULL, NULL},
    [DISC_JOIN] = {"join", CASE(JOIN), put_join, NULL, get_join},
    [DISC_FORWARD_JOIN] = {"forward-join", CASE(FORWARD_JOIN), put_forward_join, NULL,
                           get_forward_join},
    [DISC_NEIGHBOR] = {"neighbor", CASE(NEIGHBOR), put_neighbor, NULL, get_neighbor},
    [DISC_NEIGHBOR_REPLY] = {"neighbor-reply", CASE(NEIGHBOR_REPLY), put_neighbor_reply, NULL,
                             get_neighbor_reply},
    [DISC_DISCONNECT] = {"disconnect", CASE(DISCONNECT), put_disconnect, NULL, get_disconnect},
    [DISC_ALIVE] = {"alive", CASE(ALIVE), put_alive, NULL, get_alive},
    [DISC_SHUFFLE] = {"shuffle", CASE(SHUFFLE), put_shuffle, NULL, get_shuffle},
    [DISC_SHUFFLE_REPLY] = {"shuffle-reply", CASE(SHUFFLE_REPLY), put_shuffle_reply, NULL,
                            get_shuffle_reply},
    [DISC_ROWS] = {"rows", CASE(ROWS), NULL, put_rows, get_rows},
    [DISC_NEWS] = {"news", CASE(NEWS), NULL, put_marks, get_marks},
    [DISC_DIGEST] = {"digest", CASE(DIGEST), NULL, put_marks, get_marks},
    [DISC_PULL] = {"pull", CASE(PULL), NULL, put_pull, get_pull},
#undef CASE
};

const char *disc_kind_name(enum disc_kind kind)
{
    assert(kind < DISC_KINDS);
    return kinds[kind].name;
}

int disc_message_encode_view(struct xos_buf *out, const struct view_message *m,
                             struct xos_error *err)
{
    assert(m->kind < DISC_KINDS && kinds[m->kind].put_view);
    struct scratch s;
    s.message = (pb_message)XOS__DISCOVERY__MESSAGE__INIT;
    s.message.body_case = kinds[m->kind].body;
    kinds[m->kind].put_view(&s, m);
    return xos_pb_pack(&s.message.base, out, err);
}

int disc_message_encode_spread(struct xos_buf *out, const struct spread_message *m,
                               struct xos_error *err)
{
    assert(m->kind < DISC_KINDS && kinds[m->kind].put_spread);
    struct scratch s;
    s.message = (pb_message)XOS__DISCOVERY__MESSAGE__INIT;
    s.message.body_case = kinds[m->kind].body;
    kinds[m->kind].put_spread(&s, m);
    return xos_pb_pack(&s.message.base, out, err);
}

void disc_message_free(struct disc_message *m)
{
    if (!m)
        return;
    struct held *h = (struct held *)(void *)m;
    xos_pb_free(h->pb);
    xos_free(h->records);
    xos_free(h->rows);
    xos_free(h->names);
    xos_free(h);
}

static enum disc_kind kind_of(const pb_message *pb)
{
    for (unsigned k = DISC_NONE + 1; k < DISC_KINDS; k++)
        if (kinds[k].body == pb->body_case)
            return (enum disc_kind)k;
    return DISC_NONE;
}

/* Takes ownership of pb, also when it fails. */
static struct held *held_new(pb_message *pb, enum disc_kind kind, struct xos_error *err)
{
    bool view = kinds[kind].put_view != NULL;
    struct held *h = xos_alloc(sizeof(*h) + (view ? sizeof(h->view[0]) : 0));
    if (!h) {
        xos_pb_free(pb);
        xos_fail(err, XOS_NOMEM, "discovery message");
        return NULL;
    }
    h->pb = pb;
    if (view) {
        h->view->kind = kind;
        h->face.view = h->view;
    } else {
        h->spread.kind = kind;
        h->face.spread = &h->spread;
    }
    return h;
}

int disc_message_decode(struct disc_message **out, struct xos_slice bytes, struct xos_error *err)
{
    pb_message *pb = xos_pb_unpack(&xos__discovery__message__descriptor, bytes,
                                   DISC_MESSAGE_BYTES_MAX, XOS_PB_TOLERANT, err);
    if (!pb)
        return xos_wrap(err, "discovery");
    enum disc_kind kind = kind_of(pb);
    if (kind == DISC_NONE) {
        xos_pb_free(pb);
        return xos_fail(err, XOS_PROTOCOL, "discovery: no kind of message that is known here");
    }
    struct held *h = held_new(pb, kind, err);
    if (!h)
        return -1;
    if (kinds[kind].get(h, pb, err) < 0) {
        disc_message_free(&h->face);
        return xos_wrap(err, "discovery: %s", disc_kind_name(kind));
    }
    *out = &h->face;
    return 0;
}
