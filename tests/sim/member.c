// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/member.h"

#include "libxos/base/alloc.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBER_SAVE_MS 300000
#define MEMBER_DESCRIPTOR_LIFE_MS INT64_C(86400000)

static int member_view(struct member *m, struct view_event *ev, struct xos_error *err);
static int member_spread(struct member *m, struct spread_event *ev, struct xos_error *err);

int member_world_init(struct member_world *w, struct xos_error *err)
{
    w->wire = XOS_BUF(1 << 20);
    w->view_actions = xos_alloc(sizeof(*w->view_actions));
    w->spread_actions = xos_alloc(sizeof(*w->spread_actions));
    if (w->view_actions && w->spread_actions)
        return 0;
    member_world_free(w);
    return xos_fail(err, XOS_NOMEM, "members");
}

void member_world_free(struct member_world *w)
{
    xos_free(w->view_actions);
    xos_free(w->spread_actions);
    xos_buf_free(&w->wire);
    w->view_actions = NULL;
    w->spread_actions = NULL;
}

sim_id member_id(const char *name)
{
    assert(name[0] == 'n');
    return (sim_id)strtoul(name + 1, NULL, 10);
}

void member_name(const struct member_world *w, sim_id id, char name[NODE_NAME_BYTES_MAX + 1])
{
    (void)snprintf(name, NODE_NAME_BYTES_MAX + 1, "n%u.i%u", id, id % w->institutions);
}

static void filler(const char *name, uint64_t salt, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(hash_mix(node_name_hash(name) + salt + i / 8) >> (i % 8 * 8));
}

/* Statements */

static int own_descriptor(struct member *m, struct descriptor *out, struct xos_error *err)
{
    struct descriptor d = {.seq = (uint64_t)sim_real_ms(m->sim, m->id)};
    struct descriptor_reach reach = {.address_count = 1};
    uint8_t signature[MEMBER_SIGNATURE_BYTES];
    struct xos_buf *wire = &m->world->wire;
    memcpy(d.node, m->name, sizeof(d.node));
    (void)snprintf(d.institution, sizeof(d.institution), "i%u", m->id % m->world->institutions);
    d.expiry_ms = sim_real_ms(m->sim, m->id) + MEMBER_DESCRIPTOR_LIFE_MS;
    (void)snprintf(reach.addresses[0].host, sizeof(reach.addresses[0].host), "10.%u.%u.%u",
                   m->id >> 16, m->id >> 8 & 255, m->id & 255);
    reach.addresses[0].overlay_port = 7401;
    reach.addresses[0].bulk_port = 7402;
    filler(m->name, 1, reach.curve_key, sizeof(reach.curve_key));
    filler(m->name, d.seq, signature, sizeof(signature));
    xos_buf_clear(wire);
    if (descriptor_state(wire, &d, &reach, err) < 0)
        return -1;
    return descriptor_parse(out, (struct xos_slice){wire->data, wire->len},
                            (struct xos_slice){signature, sizeof(signature)}, err);
}

static int sign_row(struct member *m, enum row_state state, struct xos_error *err)
{
    uint8_t signature[MEMBER_SIGNATURE_BYTES], body[ROW_BYTES_MAX];
    char node[NODE_NAME_BYTES_MAX + 1];
    struct xos_buf *wire = &m->world->wire;
    struct row_record parsed, r = {
                                  .node = m->name,
                                  .incarnation = m->incarnation,
                                  .seq = ++m->seq,
                                  .expiry_ms = sim_real_ms(m->sim, m->id) + ROW_LIFE_MS,
                                  .state = state,
                                  .body = {body, m->world->body_bytes},
                              };
    assert(r.body.len <= sizeof(body) - 256);
    filler(m->name, m->content << 32, body, r.body.len);
    filler(m->name, r.seq, signature, sizeof(signature));
    xos_buf_clear(wire);
    if (row_state_bytes(wire, &r, err) < 0 ||
        row_parse(&parsed, node, (struct xos_slice){wire->data, wire->len},
                  (struct xos_slice){signature, sizeof(signature)}, err) < 0)
        return -1;
    struct spread_event ev = {.kind = SPREAD_LOCAL, .row = &parsed};
    return member_spread(m, &ev, err);
}

/* Actions */

static int send_wire(struct member *m, sim_id to, enum disc_kind kind, struct xos_error *err)
{
    const struct xos_buf *wire = &m->world->wire;
    m->world->kind_messages[kind]++;
    m->world->kind_bytes[kind] += wire->len;
    if (to == m->id)
        return 0;
    return sim_send(m->sim, m->id, to, (struct xos_slice){wire->data, wire->len}, err);
}

static int do_view(struct member *m, const struct view_action *a, struct xos_error *err)
{
    sim_id to = a->seed >= 0 ? (sim_id)a->seed : member_id(a->to.node);
    struct spread_event ev = {.node = a->to.node};
    switch (a->kind) {
    case VIEW_SEND:
        xos_buf_clear(&m->world->wire);
        if (disc_message_encode_view(&m->world->wire, &a->message, err) < 0)
            return -1;
        return send_wire(m, to, a->message.kind, err);
    case VIEW_CONNECT:
        sim_hold(m->sim, m->id, to);
        ev.kind = SPREAD_NEIGHBOR_UP;
        return member_spread(m, &ev, err);
    case VIEW_DISCONNECT:
        sim_release(m->sim, m->id, to);
        ev.kind = SPREAD_NEIGHBOR_DOWN;
        return member_spread(m, &ev, err);
    case VIEW_ACTION_NONE:
    default:
        return xos_fail(err, XOS_INTERNAL, "no such action");
    }
}

static int member_view(struct member *m, struct view_event *ev, struct xos_error *err)
{
    struct view_actions *out = m->world->view_actions;
    ev->now_ms = sim_now_ms(m->sim);
    ev->real_ms = sim_real_ms(m->sim, m->id);
    ev->random = sim_random(m->sim);
    if (view_step(m->view, ev, out, err) < 0)
        return -1;
    m->view_next_ms = out->next_ms;
    for (size_t i = 0; i < out->count; i++)
        if (do_view(m, &out->at[i], err) < 0)
            return -1;
    return 0;
}

static int member_spread(struct member *m, struct spread_event *ev, struct xos_error *err)
{
    struct spread_actions *out = m->world->spread_actions;
    bool sign = false;
    if (!m->spread)
        return 0;
    ev->now_ms = sim_now_ms(m->sim);
    ev->real_ms = sim_real_ms(m->sim, m->id);
    ev->random = sim_random(m->sim);
    if (spread_step(m->spread, ev, out, err) < 0)
        return -1;
    m->spread_next_ms = out->next_ms;
    for (size_t i = 0; i < out->count; i++) {
        const struct spread_action *a = &out->at[i];
        sign = sign || a->kind == SPREAD_SIGN;
        if (a->kind == SPREAD_SIGN && a->incarnation > m->incarnation)
            m->incarnation = a->incarnation + 1;
        if (a->kind != SPREAD_SEND)
            continue;
        xos_buf_clear(&m->world->wire);
        if (disc_message_encode_spread(&m->world->wire, &a->message, err) < 0 ||
            send_wire(m, member_id(a->node), a->message.kind, err) < 0)
            return -1;
    }
    return sign ? sign_row(m, ROW_UP, err) : 0;
}

static int rest(struct member *m, struct xos_error *err)
{
    uint64_t at = m->view_next_ms;
    if (m->spread && m->spread_next_ms < at)
        at = m->spread_next_ms;
    return sim_timer(m->sim, m->id, at < m->save_next_ms ? at : m->save_next_ms, err);
}

/* Disk: the sample, as length-prefixed statements */

struct saving {
    struct xos_buf *out;
    struct xos_error *err;
    int rc;
};

static void save_one(const struct descriptor *d, void *arg)
{
    struct saving *s = arg;
    if (s->rc == 0)
        s->rc = xos_buf_add(s->out, d, sizeof(*d), s->err);
}

static int save(struct member *m, struct xos_error *err)
{
    struct xos_buf *wire = &m->world->wire;
    struct saving s = {.out = wire, .err = err};
    xos_buf_clear(wire);
    view_remember(m->view, save_one, &s);
    m->save_next_ms = sim_now_ms(m->sim) + MEMBER_SAVE_MS;
    if (s.rc < 0)
        return -1;
    return sim_save(m->sim, m->id, (struct xos_slice){wire->data, wire->len}, err);
}

/* The node */

static void member_stop(void *node)
{
    struct member *m = node;
    if (!m)
        return;
    view_free(m->view);
    spread_free(m->spread);
    xos_free(m);
}

static int member_begin(struct member *m, struct xos_slice disk, struct xos_error *err)
{
    static struct descriptor known[MEMBER_KNOWN_MAX];
    struct descriptor self;
    size_t count = disk.len / sizeof(known[0]);
    if (count)
        memcpy(known, disk.data, count * sizeof(known[0]));
    if (view_new(&m->view, err) < 0 || own_descriptor(m, &self, err) < 0)
        return -1;
    if (m->world->rows && spread_new(&m->spread, m->name, err) < 0)
        return -1;
    struct view_event start = {.kind = VIEW_START,
                               .descriptor = &self,
                               .known = known,
                               .known_count = count,
                               .seed_count = m->world->seeds};
    struct spread_event tick = {.kind = SPREAD_TICK};
    if (member_view(m, &start, err) < 0 || member_spread(m, &tick, err) < 0)
        return -1;
    return rest(m, err);
}

static int member_start(struct sim *s, sim_id self, void *world, struct xos_slice disk, void **node,
                        struct xos_error *err)
{
    struct member *m = xos_alloc(sizeof(*m));
    if (!m)
        return xos_fail(err, XOS_NOMEM, "member");
    m->world = world;
    m->sim = s;
    m->id = self;
    m->incarnation = (uint64_t)sim_real_ms(s, self);
    m->save_next_ms = sim_now_ms(s) + MEMBER_SAVE_MS;
    member_name(m->world, self, m->name);
    if (member_begin(m, disk, err) < 0) {
        member_stop(m);
        return -1;
    }
    *node = m;
    return 0;
}

static int member_message(struct sim *s, void *node, sim_id from, struct xos_slice bytes,
                          struct xos_error *err)
{
    (void)s;
    struct member *m = node;
    char name[NODE_NAME_BYTES_MAX + 1];
    struct disc_message *msg;
    member_name(m->world, from, name);
    if (disc_message_decode(&msg, bytes, err) < 0)
        return -1;
    struct view_event view = {.kind = VIEW_MESSAGE, .node = name, .message = msg->view};
    struct spread_event spread = {.kind = SPREAD_MESSAGE, .node = name, .message = msg->spread};
    int rc = msg->view ? member_view(m, &view, err) : member_spread(m, &spread, err);
    disc_message_free(msg);
    return rc < 0 ? -1 : rest(m, err);
}

static int member_timer(struct sim *s, void *node, struct xos_error *err)
{
    struct member *m = node;
    uint64_t now = sim_now_ms(s);
    struct view_event view = {.kind = VIEW_TICK};
    struct spread_event spread = {.kind = SPREAD_TICK};
    if (m->view_next_ms <= now && member_view(m, &view, err) < 0)
        return -1;
    if (m->spread && m->spread_next_ms <= now && member_spread(m, &spread, err) < 0)
        return -1;
    if (m->save_next_ms <= now && save(m, err) < 0)
        return -1;
    return rest(m, err);
}

static int member_link_down(struct sim *s, void *node, sim_id peer, struct xos_error *err)
{
    (void)s;
    struct member *m = node;
    char name[NODE_NAME_BYTES_MAX + 1];
    member_name(m->world, peer, name);
    struct view_event seed = {.kind = VIEW_SEED_DOWN, .seed = peer};
    struct view_event link = {.kind = VIEW_LINK_DOWN, .node = name};
    if (peer < m->world->seeds && member_view(m, &seed, err) < 0)
        return -1;
    if (member_view(m, &link, err) < 0)
        return -1;
    return rest(m, err);
}

int member_dirty(struct member *m, struct xos_error *err)
{
    struct spread_event ev = {.kind = SPREAD_DIRTY};
    m->content++;
    return member_spread(m, &ev, err) < 0 ? -1 : rest(m, err);
}

int member_leave(struct member *m, struct xos_error *err)
{
    struct view_event ev = {.kind = VIEW_LEAVE};
    if (m->spread && sign_row(m, ROW_DOWN, err) < 0)
        return -1;
    return member_view(m, &ev, err);
}

const struct sim_node_ops member_ops = {
    .start = member_start,
    .message = member_message,
    .timer = member_timer,
    .link_down = member_link_down,
    .stop = member_stop,
};
