// SPDX-License-Identifier: Apache-2.0
#include "discovery/discovery.h"

#include "discovery/members.h"
#include "discovery/nodes.h"
#include "discovery/probe/probe.h"
#include "discovery/query/eval.h"
#include "discovery/query/parse.h"
#include "discovery/query/want.h"
#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"

#include <stdio.h>
#include <string.h>

struct discovery {
    struct discovery_config config;
    struct node_body own;
    struct members *members; /* NULL: this node is alone */
    struct xos_timer *refresh;
    uint32_t cpus; /* what claims hold */
    uint64_t mem_bytes;
    const char *isolation; /* NULL: not heard yet */
    enum discovery_state state;
    char head[NODE_NAME_BYTES_MAX + 1]; /* the last answer of discovery_head_of */
};

static enum row_state row_state_of(const struct discovery *d)
{
    static const enum row_state states[] = {[DISCOVERY_UP] = ROW_UP,
                                            [DISCOVERY_DRAINING] = ROW_DRAINING,
                                            [DISCOVERY_DRAINED] = ROW_DRAINED};
    return states[d->state];
}

static int read_own(struct discovery *d, struct xos_error *err)
{
    const struct discovery_config *c = &d->config;
    struct xql_row *row = &d->own.row;
    struct probe_options options = {.root = c->root,
                                    .state_dir = c->state_dir,
                                    .may_enforce = true,
                                    .cpus = c->cpus,
                                    .mem_bytes = c->mem_bytes,
                                    .cpus_claimed = d->cpus,
                                    .mem_claimed_bytes = d->mem_bytes};
    if (probe_node(c->env, &options, row, err) < 0)
        return -1;
    xql_row_set_text(row, 0, XQL_A_NODE, c->node);
    xql_row_set_text(row, 0, XQL_A_INSTITUTION, c->institution);
    xql_row_set_text(row, 0, XQL_A_STATE, row_state_name(row_state_of(d)));
    if (d->isolation)
        xql_row_set_text(row, 0, XQL_A_ISOLATION, d->isolation);
    d->own.roles = c->roles ? c->roles : AUTH_NODE_WORKER;
    d->own.reach = c->reach;
    return 0;
}

/* The row is of now, though the probe may have been a while ago. */
static void on_refresh(void *arg)
{
    struct discovery *d = arg;
    struct xos_error err = {0};
    if (discovery_refresh(d, d->cpus, d->mem_bytes, &err) < 0)
        xos_log_error(XOS_EV_REFUSED, &err, "probe");
    xos_timer_set(d->refresh, DISCOVERY_REFRESH_MS);
}

int discovery_new(struct discovery **out, const struct discovery_config *config,
                  struct xos_error *err)
{
    struct discovery *d = xos_alloc(sizeof(*d));
    if (!d)
        return xos_fail(err, XOS_NOMEM, "discovery");
    d->config = *config;
    if (read_own(d, err) < 0 ||
        (config->loop && xos_timer_new(&d->refresh, config->loop, on_refresh, d, err) < 0)) {
        discovery_free(d);
        return xos_wrap(err, "what this node has");
    }
    if (d->refresh)
        xos_timer_set(d->refresh, DISCOVERY_REFRESH_MS);
    *out = d;
    return 0;
}

static int own_row(void *arg, struct xos_buf *body, enum row_state *state, struct xos_error *err)
{
    const struct discovery *d = arg;
    *state = row_state_of(d);
    return node_body_write(body, &d->own, err);
}

int discovery_join(struct discovery *d, const struct discovery_net *net,
                   const struct discovery_reach *reach, struct xos_error *err)
{
    const struct members_config c = {.discovery = &d->config, .own = own_row, .arg = d};
    d->config.net = net;
    d->config.reach = d->own.reach = *reach;
    return members_new(&d->members, &c, err);
}

void discovery_leave(struct discovery *d)
{
    if (d->members)
        members_leave(d->members);
}

void discovery_free(struct discovery *d)
{
    if (!d)
        return;
    members_free(d->members);
    xos_timer_free(d->refresh);
    node_body_free(&d->own);
    xos_free(d);
}

int discovery_refresh(struct discovery *d, uint32_t cpus, uint64_t mem_bytes, struct xos_error *err)
{
    d->cpus = cpus;
    d->mem_bytes = mem_bytes;
    if (read_own(d, err) < 0)
        return -1;
    if (d->members)
        members_dirty(d->members);
    return 0;
}

/* Cheap: what claims hold changes far more often than what the machine has. */
void discovery_claimed(struct discovery *d, uint32_t cpus, uint64_t mem_bytes)
{
    struct xql_row *row = &d->own.row;
    const struct xql_value *cores = xql_row_get(row, 0, XQL_A_CPU_CORES);
    const struct xql_value *mem = xql_row_get(row, 0, XQL_A_MEM);
    if (cpus == d->cpus && mem_bytes == d->mem_bytes)
        return;
    d->cpus = cpus;
    d->mem_bytes = mem_bytes;
    if (cores)
        xql_row_set_number(row, 0, XQL_A_CPU_FREE,
                           cores->is.number > cpus ? cores->is.number - cpus : 0);
    if (mem)
        xql_row_set_integer(row, 0, XQL_A_MEM_FREE,
                            mem->is.integer > mem_bytes ? mem->is.integer - mem_bytes : 0);
    if (d->members)
        members_dirty(d->members);
}

void discovery_state(struct discovery *d, enum discovery_state state)
{
    if (d->state == state)
        return;
    d->state = state;
    xql_row_set_text(&d->own.row, 0, XQL_A_STATE, row_state_name(row_state_of(d)));
    if (d->members)
        members_dirty(d->members);
}

void discovery_isolation(struct discovery *d, const char *isolation)
{
    if (d->isolation && strcmp(d->isolation, isolation) == 0)
        return;
    d->isolation = isolation;
    xql_row_set_text(&d->own.row, 0, XQL_A_ISOLATION, isolation);
    if (d->members)
        members_dirty(d->members);
}

/* The net's news */

void discovery_on_message(struct discovery *d, const char *node, struct xos_slice message)
{
    if (d->members)
        members_on_message(d->members, node, message);
}

void discovery_on_down(struct discovery *d, const char *node)
{
    if (d->members)
        members_on_down(d->members, node);
}

void discovery_on_seed_down(struct discovery *d, size_t seed)
{
    if (d->members)
        members_on_seed_down(d->members, seed);
}

/* Asking */

static uint64_t integer_of(const struct xql_row *row, enum xql_attr a)
{
    const struct xql_value *v = xql_row_get(row, 0, a);
    return v ? v->is.integer : 0;
}

static uint32_t whole_of(const struct xql_row *row, enum xql_attr a)
{
    const struct xql_value *v = xql_row_get(row, 0, a);
    return v && v->is.number > 0 && v->is.number < 1e9 ? (uint32_t)v->is.number : 0;
}

static void describe(const char *node, const struct xql_row *row, bool up,
                     struct discovery_node *out)
{
    const char *dot = strrchr(node, '.');
    *out = (struct discovery_node){
        .node = node,
        .institution = dot ? dot + 1 : "",
        .cpus = whole_of(row, XQL_A_CPU_CORES),
        .cpus_free = whole_of(row, XQL_A_CPU_FREE),
        .mem_bytes = integer_of(row, XQL_A_MEM),
        .mem_free_bytes = integer_of(row, XQL_A_MEM_FREE),
        .gpus = (uint32_t)row->device_count,
        .gpus_free = (uint32_t)row->device_count,
        .up = up,
        .row = row,
    };
}

void discovery_own(const struct discovery *d, struct discovery_node *out)
{
    describe(d->config.node, &d->own.row, d->state == DISCOVERY_UP, out);
}

int discovery_check(const char *need, const char *prefer, const char *want, struct xos_error *err)
{
    struct xql_expr e;
    struct xql_want w;
    if (need && need[0] && xql_parse(&e, need, NULL, err) < 0)
        return xos_wrap(err, "--need");
    if (prefer && prefer[0] && xql_parse_rank(&e, prefer, NULL, err) < 0)
        return xos_wrap(err, "--prefer");
    if (want && want[0] && xql_parse_want(&w, want, NULL, err) < 0)
        return xos_wrap(err, "--want");
    return 0;
}

struct asking {
    const struct xql_expr *need;
    int (*each)(void *arg, const struct discovery_node *node);
    void *arg;
};

static int ask_one(void *arg, const struct member *m)
{
    const struct asking *a = arg;
    struct discovery_node node;
    if (m->state == ROW_DOWN || !(m->body->roles & AUTH_NODE_WORKER) ||
        xql_eval(a->need, &m->body->row).truth != XQL_TRUE)
        return 0;
    describe(m->node, &m->body->row, m->state == ROW_UP, &node);
    return a->each(a->arg, &node);
}

int discovery_query(struct discovery *d, const char *need,
                    int (*each)(void *arg, const struct discovery_node *node), void *arg,
                    struct xos_error *err)
{
    struct xql_expr e;
    struct asking a = {.need = &e, .each = each, .arg = arg};
    const struct member own = {.node = d->config.node, .state = row_state_of(d), .body = &d->own};
    if (xql_parse(&e, need ? need : "", NULL, err) < 0)
        return xos_wrap(err, "--need");
    if (ask_one(&a, &own) == 0 && d->members)
        members_each(d->members, ask_one, &a);
    return 0;
}

int discovery_reach_of(const struct discovery *d, const char *node, struct discovery_reach *out,
                       struct xos_error *err)
{
    struct member m;
    if (d->config.reach.count && strcmp(node, d->config.node) == 0) {
        *out = d->config.reach;
        return 0;
    }
    if (!d->members || !members_find(d->members, node, &m) || m.body->reach.count == 0)
        return xos_fail(err, XOS_NOT_FOUND, "node %s is not known here", node);
    *out = m.body->reach;
    return 0;
}

struct head_search {
    const char *institution;
    const char *found;
};

static int is_head(void *arg, const struct member *m)
{
    struct head_search *s = arg;
    const char *dot = strrchr(m->node, '.');
    if (m->state == ROW_DOWN || !(m->body->roles & AUTH_NODE_HEAD) || !dot ||
        strcmp(dot + 1, s->institution) != 0)
        return 0;
    s->found = m->node;
    return 1;
}

const char *discovery_head_of(struct discovery *d, const char *institution)
{
    struct head_search s = {.institution = institution};
    if (d->members)
        members_each(d->members, is_head, &s);
    if (!s.found)
        return NULL;
    (void)snprintf(d->head, sizeof(d->head), "%.63s", s.found);
    return d->head;
}

static int count_one(void *arg, const struct member *m)
{
    struct discovery_counts *n = arg;
    *(m->state == ROW_DOWN ? &n->down : &n->up) += 1;
    return 0;
}

bool discovery_settled(const struct discovery *d)
{
    return !d->members || members_age_ms(d->members) >= DISCOVERY_SETTLE_MS;
}

size_t discovery_count(const struct discovery *d)
{
    struct discovery_counts n;
    discovery_counts(d, &n);
    return n.up;
}

void discovery_counts(const struct discovery *d, struct discovery_counts *out)
{
    *out = (struct discovery_counts){.up = 1};
    if (d->members)
        members_each(d->members, count_one, out);
}

void discovery_each(const struct discovery *d, int (*each)(void *arg, const struct member *member),
                    void *arg)
{
    const struct member own = {.node = d->config.node, .state = row_state_of(d), .body = &d->own};
    if (each(arg, &own) == 0 && d->members)
        members_each(d->members, each, arg);
}
