// SPDX-License-Identifier: Apache-2.0
#include "discovery/nodes.h"

#include "discovery/discovery.pb-c.h"
#include "discovery/query/eval.h"
#include "discovery/query/explain.h"
#include "discovery/query/parse.h"
#include "discovery/query/rank.h"
#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"

#include <stdlib.h>
#include <string.h>

struct chosen {
    struct member member;
    struct xql_rank rank;
};

struct listing {
    struct xql_expr need, prefer;
    bool ranks, explains;
    struct xql_explain why;
    struct chosen *chosen; /* ROW_TABLE_MAX + 1 */
    size_t count;
};

/* A need is about nodes that could be used: who is down is listed only when nothing was asked. */
static int consider(void *arg, const struct member *m)
{
    struct listing *l = arg;
    bool down = m->state == ROW_DOWN;
    if (l->need.count && down)
        return 0;
    if (l->explains)
        (void)xql_explain_add(&l->why, &m->body->row);
    if (l->need.count && xql_eval(&l->need, &m->body->row).truth != XQL_TRUE)
        return 0;
    struct chosen *c = &l->chosen[l->count++];
    c->member = *m;
    if (l->ranks)
        c->rank = xql_rank(&l->prefer, &m->body->row);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct chosen *)a)->member.node, ((const struct chosen *)b)->member.node);
}

static int by_rank(const void *a, const void *b)
{
    int order =
        xql_rank_order(&((const struct chosen *)a)->rank, &((const struct chosen *)b)->rank);
    return order ? order : by_name(a, b);
}

static int text_take(ProtobufCBinaryData from, char **out, struct xos_error *err)
{
    *out = xos_alloc(from.len + 1);
    if (!*out)
        return xos_fail(err, XOS_NOMEM, "expression");
    if (from.len)
        memcpy(*out, from.data, from.len);
    return from.len && memchr(from.data, 0, from.len)
               ? xos_fail(err, XOS_INVALID, "an expression with a NUL byte")
               : 0;
}

static int parse(struct listing *l, const Xos__Discovery__NodesAsk *m, struct xos_error *err)
{
    char *need = NULL, *prefer = NULL;
    int rc = text_take(m->need, &need, err);
    if (rc == 0)
        rc = text_take(m->prefer, &prefer, err);
    if (rc == 0 && xql_parse(&l->need, need, NULL, err) < 0)
        rc = xos_wrap(err, "--need");
    l->ranks = rc == 0 && prefer[0];
    if (l->ranks && xql_parse_rank(&l->prefer, prefer, NULL, err) < 0)
        rc = xos_wrap(err, "--prefer");
    xos_free(need);
    xos_free(prefer);
    return rc;
}

/* One node's attributes as JSON; its state is what its row says. */
static int attributes_put(struct xos_buf *out, const struct member *m, struct xos_error *err)
{
    json_t *json = NULL;
    if (xql_row_json(&m->body->row, &json, err) < 0)
        return -1;
    json_t *state = json_string(row_state_name(m->state));
    size_t len = 0;
    uint8_t *room = NULL;
    if (state && json_object_set_new(json, "state", state) == 0)
        len = json_dumpb(json, NULL, 0, JSON_COMPACT);
    if (len)
        room = xos_buf_room(out, len, err);
    else
        xos_fail(err, XOS_NOMEM, "listing");
    if (room) {
        (void)json_dumpb(json, (char *)room, len, JSON_COMPACT);
        out->len += len;
        out->data[out->len] = '\0';
    }
    json_decref(json);
    return room ? 0 : -1;
}

struct answer {
    Xos__Discovery__Nodes m;
    Xos__Discovery__NodeRow *rows, **list;
    struct xos_buf *attributes;
    struct xos_buf explanation;
};

static void answer_free(struct answer *a, size_t count)
{
    for (size_t i = 0; a->attributes && i < count; i++)
        xos_buf_free(&a->attributes[i]);
    xos_free(a->attributes);
    xos_free(a->rows);
    xos_free(a->list);
    xos_buf_free(&a->explanation);
}

static int answer_row(struct answer *a, size_t i, const struct member *m, struct xos_error *err)
{
    const char *dot = strrchr(m->node, '.');
    a->attributes[i] = XOS_BUF(XOS_BODY_BYTES_MAX);
    if (attributes_put(&a->attributes[i], m, err) < 0)
        return -1;
    xos__discovery__node_row__init(&a->rows[i]);
    a->rows[i].name = xos_pb_text(m->node);
    a->rows[i].institution = xos_pb_text(dot ? dot + 1 : "");
    a->rows[i].state = xos_pb_text(row_state_name(m->state));
    a->rows[i].attributes =
        xos_pb_bytes((struct xos_slice){a->attributes[i].data, a->attributes[i].len});
    a->list[i] = &a->rows[i];
    return 0;
}

static int answer_fill(struct answer *a, const struct listing *l, size_t count,
                       struct xos_error *err)
{
    a->m = (Xos__Discovery__Nodes)XOS__DISCOVERY__NODES__INIT;
    a->explanation = XOS_BUF(XOS_BODY_BYTES_MAX);
    a->rows = xos_alloc_array(count + 1, sizeof(*a->rows));
    a->list = xos_alloc_array(count + 1, sizeof(*a->list));
    a->attributes = xos_alloc_array(count + 1, sizeof(*a->attributes));
    if (!a->rows || !a->list || !a->attributes)
        return xos_fail(err, XOS_NOMEM, "listing");
    for (size_t i = 0; i < count; i++)
        if (answer_row(a, i, &l->chosen[i].member, err) < 0)
            return -1;
    if (l->explains && xql_explain_print(&l->why, &a->explanation, err) < 0)
        return -1;
    a->m.n_nodes = count;
    a->m.nodes = a->list;
    a->m.more = count < l->count;
    a->m.explanation = xos_pb_bytes((struct xos_slice){a->explanation.data, a->explanation.len});
    return 0;
}

static int answer_pack(const struct listing *l, struct xos_buf *out, struct xos_error *err)
{
    struct answer a = {.rows = NULL};
    size_t count = l->count < DISCOVERY_LIST_MAX ? l->count : DISCOVERY_LIST_MAX;
    int rc = answer_fill(&a, l, count, err);
    if (rc == 0)
        rc = xos_pb_pack(&a.m, out, err);
    answer_free(&a, count);
    return rc;
}

static int list(const struct discovery *d, const Xos__Discovery__NodesAsk *m, struct listing *l,
                struct xos_buf *out, struct xos_error *err)
{
    l->chosen = xos_alloc_array(ROW_TABLE_MAX + 1, sizeof(*l->chosen));
    if (!l->chosen)
        return xos_fail(err, XOS_NOMEM, "listing");
    if (parse(l, m, err) < 0)
        return -1;
    l->explains = m->explain && l->need.count;
    if (l->explains)
        xql_explain_start(&l->why, &l->need);
    discovery_each(d, consider, l);
    qsort(l->chosen, l->count, sizeof(*l->chosen), l->ranks ? by_rank : by_name);
    return answer_pack(l, out, err);
}

static void serve_list(void *service, struct xos_call *call)
{
    struct xos_error err = {0};
    struct xos_buf body = XOS_BUF(XOS_BODY_BYTES_MAX);
    struct listing *l = xos_alloc(sizeof(*l));
    Xos__Discovery__NodesAsk *m = xos_pb_unpack(&xos__discovery__nodes_ask__descriptor,
                                                xos_call_body(call), 16384, XOS_PB_TOLERANT, &err);
    if (!l)
        xos_fail(&err, XOS_NOMEM, "listing");
    if (l && m && list(service, m, l, &body, &err) == 0)
        xos_call_answer(call, (struct xos_slice){body.data, body.len});
    else
        xos_call_fail(call, &err);
    xos_pb_free(m);
    if (l)
        xos_free(l->chosen);
    xos_free(l);
    xos_buf_free(&body);
}

static const struct xos_verb verbs[] = {{"node.list", serve_list, 0}};

int discovery_serve(struct discovery *d, struct xos_rpc *rpc, struct xos_error *err)
{
    return xos_rpc_serve(rpc, verbs, sizeof(verbs) / sizeof(verbs[0]), d, err);
}
