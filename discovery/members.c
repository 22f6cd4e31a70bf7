// SPDX-License-Identifier: Apache-2.0
#include "discovery/members.h"

#include "discovery/core/spread.h"
#include "discovery/core/view.h"
#include "discovery/proof.h"
#include "discovery/remembered.h"
#include "libxos/base/alloc.h"
#include "libxos/net/refusals.h"

#include <stdio.h>
#include <string.h>

/* A row as it was last read, at the place that the table has for its node. */
struct kept {
    char node[NODE_NAME_BYTES_MAX + 1];
    struct node_body body;
};

struct failed {
    int seed; /* -1: the node */
    char node[NODE_NAME_BYTES_MAX + 1];
};

struct members {
    struct members_config config;
    const struct discovery_config *of; /* config.discovery */
    struct view *view;
    struct spread *spread;
    struct view_actions *view_out;
    struct spread_actions *spread_out;
    struct xos_timer *timer;
    struct xos_task tell; /* failed sends */
    uint64_t view_next_ms, spread_next_ms, describe_next_ms, save_next_ms;
    uint64_t began_ms;
    uint64_t saved; /* what the file has, as remembered_hash() says it */
    uint64_t incarnation, seq;
    struct xos_buf wire;
    struct failed failed[MEMBERS_FAILED_MAX];
    size_t failed_count;
    struct xos_refusals refusals;
    struct kept **kept; /* ROW_TABLE_MAX */
    bool left;
};

static uint64_t now_ms(const struct members *m)
{
    return xos_env_mono_ms(m->of->env);
}

static int64_t real_ms(const struct members *m)
{
    return xos_env_real_ms(m->of->env);
}

static void reach_from(struct discovery_reach *to, const struct descriptor_reach *from)
{
    to->count = 0;
    for (size_t i = 0; i < from->address_count; i++) {
        if (strlen(from->addresses[i].host) >= DISCOVERY_HOST_BYTES)
            continue;
        (void)snprintf(to->at[to->count].host, DISCOVERY_HOST_BYTES, "%.63s",
                       from->addresses[i].host);
        to->at[to->count].overlay_port = from->addresses[i].overlay_port;
        to->at[to->count].bulk_port = from->addresses[i].bulk_port;
        to->count++;
    }
}

/* Signing */

static int own_descriptor(struct members *m, struct descriptor *out, struct xos_error *err)
{
    const struct discovery_config *of = m->of;
    struct xos_buf statement = XOS_BUF(DESCRIPTOR_BYTES_MAX), proof = XOS_BUF(PROOF_BYTES_MAX);
    struct descriptor d = {.seq = (uint64_t)real_ms(m),
                           .expiry_ms = real_ms(m) + MEMBERS_DESCRIPTOR_LIFE_MS};
    struct descriptor_reach reach = {.address_count = of->reach.count};
    (void)snprintf(d.node, sizeof(d.node), "%s", of->node);
    (void)snprintf(d.institution, sizeof(d.institution), "%s", of->institution);
    for (size_t i = 0; i < of->reach.count; i++) {
        (void)snprintf(reach.addresses[i].host, sizeof(reach.addresses[i].host), "%s",
                       of->reach.at[i].host);
        reach.addresses[i].overlay_port = (uint16_t)of->reach.at[i].overlay_port;
        reach.addresses[i].bulk_port = (uint16_t)of->reach.at[i].bulk_port;
    }
    memcpy(reach.curve_key, of->curve_key, sizeof(reach.curve_key));
    int rc = descriptor_state(&statement, &d, &reach, err);
    struct xos_slice bytes = {statement.data, statement.len};
    if (rc == 0)
        rc = proof_make(&proof, of->self, PROOF_DESCRIPTOR_DOMAIN, bytes, err);
    if (rc == 0)
        rc = descriptor_parse(out, bytes, (struct xos_slice){proof.data, proof.len}, err);
    xos_buf_free(&statement);
    xos_buf_free(&proof);
    m->describe_next_ms = now_ms(m) + MEMBERS_DESCRIPTOR_AGAIN_MS;
    return rc;
}

static int step_spread(struct members *m, struct spread_event *ev, struct xos_error *err);

static int sign_statement(struct members *m, struct row_record *r, struct xos_buf *statement,
                          struct xos_buf *proof, struct xos_error *err)
{
    char node[NODE_NAME_BYTES_MAX + 1];
    struct row_record parsed;
    if (row_state_bytes(statement, r, err) < 0)
        return -1;
    struct xos_slice bytes = {statement->data, statement->len};
    if (proof_make(proof, m->of->self, PROOF_ROW_DOMAIN, bytes, err) < 0 ||
        row_parse(&parsed, node, bytes, (struct xos_slice){proof->data, proof->len}, err) < 0)
        return -1;
    struct spread_event ev = {.kind = SPREAD_LOCAL, .row = &parsed};
    return step_spread(m, &ev, err);
}

static int sign_row(struct members *m, bool leaving, struct xos_error *err)
{
    struct xos_buf body = XOS_BUF(BODY_READ_BYTES_MAX), statement = XOS_BUF(ROW_BYTES_MAX),
                   proof = XOS_BUF(PROOF_BYTES_MAX);
    struct row_record r = {.node = m->of->node,
                           .incarnation = m->incarnation,
                           .seq = ++m->seq,
                           .expiry_ms = real_ms(m) + ROW_LIFE_MS};
    int rc = m->config.own(m->config.arg, &body, &r.state, err);
    if (leaving)
        r.state = ROW_DOWN;
    r.body = (struct xos_slice){body.data, body.len};
    if (rc == 0)
        rc = sign_statement(m, &r, &statement, &proof, err);
    xos_buf_free(&body);
    xos_buf_free(&statement);
    xos_buf_free(&proof);
    return rc;
}

/* What the cores want done */

/* The core hears of it in a step of its own. At the maximum it hears of fewer, and asks again when
 * no answer comes. */
static void send_failed(struct members *m, int seed, const char *node)
{
    if (m->failed_count == MEMBERS_FAILED_MAX)
        return;
    struct failed *f = &m->failed[m->failed_count++];
    f->seed = seed;
    (void)snprintf(f->node, sizeof(f->node), "%.63s", node);
    xos_loop_defer(m->of->loop, &m->tell);
}

static void view_send(struct members *m, const struct view_action *a)
{
    const struct discovery_net *net = m->of->net;
    struct discovery_reach reach = {.count = 0};
    struct descriptor_reach told;
    struct xos_error err = {0};
    xos_buf_clear(&m->wire);
    int rc = disc_message_encode_view(&m->wire, &a->message, &err);
    struct xos_slice bytes = {m->wire.data, m->wire.len};
    if (rc == 0 && a->seed < 0 && descriptor_reach(&a->to, &told, &err) == 0)
        reach_from(&reach, &told);
    if (rc == 0)
        rc = a->seed >= 0 ? net->send_seed(net->arg, (size_t)a->seed, bytes, &err)
                          : net->send(net->arg, a->to.node, &reach, bytes, &err);
    if (rc < 0)
        send_failed(m, a->seed, a->to.node);
}

static int do_view(struct members *m, const struct view_action *a, struct xos_error *err)
{
    const struct discovery_net *net = m->of->net;
    struct spread_event ev = {.kind = SPREAD_NEIGHBOR_UP, .node = a->to.node};
    struct discovery_reach reach = {.count = 0};
    struct descriptor_reach told;
    if (a->kind == VIEW_SEND) {
        view_send(m, a);
        return 0;
    }
    if (a->kind == VIEW_CONNECT) {
        if (descriptor_reach(&a->to, &told, err) == 0)
            reach_from(&reach, &told);
        net->hold(net->arg, a->to.node, &reach);
    } else {
        net->release(net->arg, a->to.node);
        ev.kind = SPREAD_NEIGHBOR_DOWN;
    }
    return step_spread(m, &ev, err);
}

static int step_view(struct members *m, struct view_event *ev, struct xos_error *err)
{
    ev->now_ms = now_ms(m);
    ev->real_ms = real_ms(m);
    if (xos_env_random(m->of->env, &ev->random, sizeof(ev->random), err) < 0 ||
        view_step(m->view, ev, m->view_out, err) < 0)
        return -1;
    m->view_next_ms = m->view_out->next_ms;
    for (size_t i = 0; i < m->view_out->count; i++)
        if (do_view(m, &m->view_out->at[i], err) < 0)
            return -1;
    return 0;
}

/* A row that cannot be read says nothing of its node; the node itself is there all the same. */
static void row_keep(struct members *m, const char *node)
{
    const struct row_table *rows = spread_rows(m->spread);
    int slot = row_table_slot(rows, node_name_hash(node));
    const struct row_record *r = slot < 0 ? NULL : row_table_at(rows, (size_t)slot);
    struct xos_error err = {0};
    struct node_body body = {.roles = 0};
    if (!r || strcmp(r->node, m->of->node) == 0)
        return;
    if (r->state != ROW_DOWN && node_body_read(&body, r->body, &err) < 0)
        xos_refusals_error(&m->refusals, now_ms(m), XOS_EV_REFUSED, &err, "row of=%s", node);
    node_body_certify(&body, r->node, proof_roles(m->of->trust, r, real_ms(m)));
    struct kept *k = m->kept[slot];
    if (!k)
        k = m->kept[slot] = xos_alloc(sizeof(*k));
    if (!k) {
        node_body_free(&body);
        return;
    }
    node_body_free(&k->body);
    k->body = body;
    (void)snprintf(k->node, sizeof(k->node), "%.63s", r->node);
}

static void spread_send(struct members *m, const struct spread_action *a)
{
    const struct discovery_net *net = m->of->net;
    struct xos_error err;
    xos_buf_clear(&m->wire);
    if (disc_message_encode_spread(&m->wire, &a->message, &err) == 0)
        (void)net->send(net->arg, a->node, NULL, (struct xos_slice){m->wire.data, m->wire.len},
                        &err);
}

static int step_spread(struct members *m, struct spread_event *ev, struct xos_error *err)
{
    bool sign = false;
    ev->now_ms = now_ms(m);
    ev->real_ms = real_ms(m);
    if (xos_env_random(m->of->env, &ev->random, sizeof(ev->random), err) < 0 ||
        spread_step(m->spread, ev, m->spread_out, err) < 0)
        return -1;
    m->spread_next_ms = m->spread_out->next_ms;
    for (size_t i = 0; i < m->spread_out->count; i++) {
        const struct spread_action *a = &m->spread_out->at[i];
        if (a->kind == SPREAD_SEND)
            spread_send(m, a);
        else if (a->kind == SPREAD_ROW)
            row_keep(m, a->node);
        else if (a->kind == SPREAD_SIGN)
            sign = true;
        if (a->kind == SPREAD_SIGN && a->incarnation > m->incarnation)
            m->incarnation = a->incarnation + 1;
    }
    return sign && !m->left ? sign_row(m, false, err) : 0;
}

/* Written only when it would say something else. */
static void save(struct members *m)
{
    struct xos_error err = {0};
    m->save_next_ms = now_ms(m) + MEMBERS_SAVE_MS;
    if (remembered_write(m->view, m->of->env, m->of->state_dir, &m->saved, &err) < 0)
        xos_log_error(XOS_EV_STORE_FAILED, &err, "members");
}

/* After anything: what failed is said, and the timer is set to what comes first. */
static void rest(struct members *m, int rc, const struct xos_error *err)
{
    uint64_t now = now_ms(m), at = m->view_next_ms;
    if (rc < 0)
        xos_refusals_error(&m->refusals, now, XOS_EV_REFUSED, err, "discovery");
    if (m->spread_next_ms < at)
        at = m->spread_next_ms;
    if (m->describe_next_ms < at)
        at = m->describe_next_ms;
    if (m->save_next_ms < at)
        at = m->save_next_ms;
    xos_timer_set(m->timer, at > now ? at - now : 1);
}

static void on_timer(void *arg)
{
    struct members *m = arg;
    struct xos_error err = {0};
    struct descriptor self;
    struct view_event view = {.kind = VIEW_TICK};
    struct spread_event spread = {.kind = SPREAD_TICK};
    uint64_t now = now_ms(m);
    int rc = 0;
    if (m->describe_next_ms <= now && (rc = own_descriptor(m, &self, &err)) == 0) {
        struct view_event local = {.kind = VIEW_LOCAL, .descriptor = &self};
        rc = step_view(m, &local, &err);
    }
    if (rc == 0 && m->view_next_ms <= now)
        rc = step_view(m, &view, &err);
    if (rc == 0 && m->spread_next_ms <= now)
        rc = step_spread(m, &spread, &err);
    if (m->save_next_ms <= now)
        save(m);
    rest(m, rc, &err);
}

static void on_tell(void *arg)
{
    struct members *m = arg;
    struct xos_error err = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < m->failed_count; i++) {
        struct failed f = m->failed[i];
        struct view_event ev = {.kind = f.seed < 0 ? VIEW_LINK_DOWN : VIEW_SEED_DOWN,
                                .node = f.node,
                                .seed = f.seed < 0 ? 0 : (size_t)f.seed};
        rc = step_view(m, &ev, &err);
    }
    m->failed_count = 0;
    rest(m, rc, &err);
}

/* What comes */

static bool has_descriptor(enum disc_kind kind)
{
    return kind == DISC_JOIN || kind == DISC_FORWARD_JOIN || kind == DISC_NEIGHBOR ||
           kind == DISC_NEIGHBOR_REPLY || kind == DISC_SHUFFLE;
}

/* An entry that does not hold is left out: others of the same shuffle may. */
static int check_view(struct members *m, struct view_message *v, struct xos_error *err)
{
    size_t good = 0;
    struct xos_error why;
    if (has_descriptor(v->kind) &&
        proof_check_descriptor(m->of->trust, &v->who, real_ms(m), err) < 0)
        return -1;
    for (size_t i = 0; i < v->entry_count; i++) {
        if (proof_check_descriptor(m->of->trust, &v->entries[i].who, real_ms(m), &why) < 0)
            continue;
        if (good != i)
            v->entries[good] = v->entries[i];
        good++;
    }
    v->entry_count = good;
    return 0;
}

static int check_rows(struct members *m, const struct spread_message *s,
                      const struct row_record **to, size_t *count, struct xos_error *err)
{
    struct xos_error why = {0};
    *count = 0;
    for (size_t i = 0; i < s->row_count; i++) {
        if (proof_check_row(m->of->trust, s->rows[i], real_ms(m), &why) == 0)
            to[(*count)++] = s->rows[i];
    }
    if (*count == 0 && s->row_count)
        return xos_fail(err, why.code, "%s", why.text);
    return 0;
}

static int take_spread(struct members *m, const char *node, const struct spread_message *s,
                       struct xos_error *err)
{
    const struct row_record *good[DISC_ROWS_MAX];
    struct spread_message checked = *s;
    if (check_rows(m, s, good, &checked.row_count, err) < 0)
        return -1;
    checked.rows = good;
    struct spread_event ev = {.kind = SPREAD_MESSAGE, .node = node, .message = &checked};
    return step_spread(m, &ev, err);
}

static int take_view(struct members *m, const char *node, const struct view_message *v,
                     struct xos_error *err)
{
    struct view_message *checked = xos_alloc(sizeof(*checked));
    if (!checked)
        return xos_fail(err, XOS_NOMEM, "message");
    *checked = *v;
    struct view_event ev = {.kind = VIEW_MESSAGE, .node = node, .message = checked};
    int rc = check_view(m, checked, err);
    if (rc == 0)
        rc = step_view(m, &ev, err);
    xos_free(checked);
    return rc;
}

void members_on_message(struct members *m, const char *node, struct xos_slice message)
{
    struct xos_error err = {0};
    struct disc_message *d = NULL;
    if (m->left)
        return;
    int rc = disc_message_decode(&d, message, &err);
    if (rc == 0)
        rc = d->view ? take_view(m, node, d->view, &err) : take_spread(m, node, d->spread, &err);
    disc_message_free(d);
    if (rc < 0)
        xos_wrap(&err, "from %s", node);
    rest(m, rc, &err);
}

void members_on_down(struct members *m, const char *node)
{
    if (!m->left)
        send_failed(m, -1, node);
}

void members_on_seed_down(struct members *m, size_t seed)
{
    if (!m->left)
        send_failed(m, (int)seed, "");
}

void members_dirty(struct members *m)
{
    struct spread_event ev = {.kind = SPREAD_DIRTY};
    struct xos_error err = {0};
    if (!m->left)
        rest(m, step_spread(m, &ev, &err), &err);
}

void members_leave(struct members *m)
{
    struct view_event ev = {.kind = VIEW_LEAVE};
    struct xos_error err = {0};
    if (m->left)
        return;
    if (sign_row(m, true, &err) < 0 || step_view(m, &ev, &err) < 0)
        xos_log_error(XOS_EV_REFUSED, &err, "discovery");
    save(m);
    m->left = true;
    xos_timer_cancel(m->timer);
}

/* The whole */

static int begin(struct members *m, struct xos_error *err)
{
    struct descriptor self;
    struct spread_event tick = {.kind = SPREAD_TICK};
    if (own_descriptor(m, &self, err) < 0)
        return -1;
    struct view_event start = {
        .kind = VIEW_START, .descriptor = &self, .seed_count = m->of->seed_count};
    struct descriptor *known = xos_alloc_array(REMEMBERED_MAX, sizeof(*known));
    if (!known)
        return xos_fail(err, XOS_NOMEM, "other nodes");
    start.known = known;
    start.known_count = remembered_read(known, m->of->env, m->of->state_dir, m->of->trust);
    int rc = step_view(m, &start, err);
    xos_free(known);
    return rc == 0 ? step_spread(m, &tick, err) : -1;
}

int members_new(struct members **out, const struct members_config *config, struct xos_error *err)
{
    struct members *m = xos_alloc(sizeof(*m));
    if (!m)
        return xos_fail(err, XOS_NOMEM, "other nodes");
    m->config = *config;
    m->of = config->discovery;
    m->wire = XOS_BUF(DISC_MESSAGE_BYTES_MAX);
    m->incarnation = (uint64_t)real_ms(m);
    m->began_ms = now_ms(m);
    m->save_next_ms = m->began_ms + MEMBERS_SAVE_FIRST_MS;
    m->tell = (struct xos_task){.run = on_tell, .arg = m};
    m->view_out = xos_alloc(sizeof(*m->view_out));
    m->spread_out = xos_alloc(sizeof(*m->spread_out));
    m->kept = xos_alloc_array(ROW_TABLE_MAX, sizeof(struct kept *));
    if (!m->view_out || !m->spread_out || !m->kept)
        xos_fail(err, XOS_NOMEM, "other nodes");
    if (!m->view_out || !m->spread_out || !m->kept || view_new(&m->view, err) < 0 ||
        spread_new(&m->spread, m->of->node, err) < 0 ||
        xos_timer_new(&m->timer, m->of->loop, on_timer, m, err) < 0 || begin(m, err) < 0) {
        members_free(m);
        return -1;
    }
    rest(m, 0, NULL);
    *out = m;
    return 0;
}

void members_free(struct members *m)
{
    if (!m)
        return;
    for (size_t i = 0; m->kept && i < ROW_TABLE_MAX; i++) {
        if (m->kept[i])
            node_body_free(&m->kept[i]->body);
        xos_free(m->kept[i]);
    }
    xos_loop_undefer(m->of->loop, &m->tell);
    xos_timer_free(m->timer);
    view_free(m->view);
    spread_free(m->spread);
    xos_buf_free(&m->wire);
    xos_free(m->view_out);
    xos_free(m->spread_out);
    xos_free(m->kept);
    xos_free(m);
}

static bool member_at(const struct members *m, size_t slot, struct member *out)
{
    const struct row_record *r = row_table_at(spread_rows(m->spread), slot);
    const struct kept *k = m->kept[slot];
    if (!r || !k || strcmp(r->node, k->node) != 0)
        return false;
    *out = (struct member){.node = r->node, .state = r->state, .body = &k->body};
    return true;
}

void members_each(const struct members *m, int (*each)(void *arg, const struct member *member),
                  void *arg)
{
    struct member one;
    for (size_t i = 0; i < ROW_TABLE_MAX; i++)
        if (m->kept[i] && member_at(m, i, &one) && each(arg, &one))
            return;
}

bool members_find(const struct members *m, const char *node, struct member *out)
{
    int slot = row_table_slot(spread_rows(m->spread), node_name_hash(node));
    return slot >= 0 && member_at(m, (size_t)slot, out) && strcmp(out->node, node) == 0;
}

uint64_t members_age_ms(const struct members *m)
{
    return now_ms(m) - m->began_ms;
}
