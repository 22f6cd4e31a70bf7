// SPDX-License-Identifier: Apache-2.0
#include "discovery/query/explain.h"

#include "libxos/base/buf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CLAUSE_BYTES_MAX 16384 /* one clause printed: 64 texts with each byte escaped, and more */

void xql_explain_start(struct xql_explain *x, const struct xql_expr *need)
{
    uint8_t clauses[XQL_NODES_MAX];
    memset(x, 0, sizeof(*x));
    x->need = need;
    x->clause_count = xql_expr_clauses(need, clauses);
    for (unsigned i = 0; i < x->clause_count; i++)
        x->clause[i].node = clauses[i];
}

/* The nearest miss */

struct telling {
    const struct xql_row *row;
    char *text;
    size_t size;
    xql_set told;
};

static void tell(struct telling *t, const char *name, const char *value)
{
    size_t used = strlen(t->text);
    (void)snprintf(t->text + used, t->size - used, "%s%s %s", used ? ", " : "", name, value);
}

static void tell_attr(struct telling *t, enum xql_attr a)
{
    char value[XQL_TEXT_BYTES_MAX + 1];
    if (xql_attr_of_device(a) || (t->told & XQL_SET(a)))
        return;
    t->told |= XQL_SET(a);
    xql_value_print(a, xql_row_get(t->row, 0, a), value, sizeof(value));
    tell(t, xql_attr_row(a)->full, value);
}

/* What a device call comes to on this row: its number, size or truth. */
static void tell_call(struct telling *t, const struct xql_expr *e, unsigned node)
{
    char value[XQL_TEXT_BYTES_MAX + 1];
    const struct xql_node *n = &e->node[node];
    double number;
    struct xql_value v = {.known = true};
    if (n->type == XQL_BOOL) {
        (void)snprintf(value, sizeof(value), "%s",
                       xql_truth_name(xql_eval_clause(e, node, t->row).truth));
    } else if (!xql_eval_quantity(e, node, t->row, &number)) {
        (void)snprintf(value, sizeof(value), "unknown");
    } else {
        bool size = n->type == XQL_SIZE;
        if (size)
            v.is.integer = (uint64_t)number;
        else
            v.is.number = number;
        xql_value_print(size ? XQL_A_MEM : XQL_A_CPU_CORES, &v, value, sizeof(value));
    }
    tell(t, xql_op_text((enum xql_op)n->op), value);
}

static void tell_node(struct telling *t, const struct xql_expr *e, unsigned node)
{
    if (node == XQL_NO_NODE || e->node[node].op == XQL_O_LITERAL)
        return;
    const struct xql_node *n = &e->node[node];
    if (n->op == XQL_O_ATTR || n->op == XQL_O_HAS) {
        tell_attr(t, n->attr);
    } else if (n->op >= XQL_O_COUNT) {
        tell_call(t, e, node);
    } else {
        tell_node(t, e, n->left);
        tell_node(t, e, n->right);
    }
}

static void keep_miss(struct xql_explain *x, const struct xql_row *row, uint64_t failed)
{
    struct xql_miss *m = &x->nearest;
    const struct xql_value *name = xql_row_get(row, 0, XQL_A_NODE);
    *m = (struct xql_miss){.failed = (unsigned)__builtin_popcountll(failed)};
    (void)snprintf(m->node, sizeof(m->node), "%s", name ? name->is.text : "(unnamed)");
    for (unsigned i = 0; failed && i < XQL_MISS_FAILED_MAX; i++, failed &= failed - 1) {
        m->what[i].clause = (uint8_t)__builtin_ctzll(failed);
        struct telling t = {row, m->what[i].has, sizeof(m->what[i].has), 0};
        tell_node(&t, x->need, x->clause[m->what[i].clause].node);
    }
}

/* Counting */

_Static_assert(XQL_NODES_MAX <= 64, "a set of clauses has 64 bits");

struct xql_verdict xql_explain_add(struct xql_explain *x, const struct xql_row *row)
{
    uint64_t failed = 0;
    struct xql_verdict all = {XQL_TRUE, 0};
    for (unsigned i = 0; i < x->clause_count; i++) {
        struct xql_explain_clause *c = &x->clause[i];
        struct xql_verdict v = xql_eval_clause(x->need, c->node, row);
        all.truth = v.truth < all.truth ? v.truth : all.truth;
        all.missing |= v.missing;
        if (v.truth == XQL_TRUE)
            continue;
        c->alone++;
        c->here += failed == 0;
        c->unknown += v.truth == XQL_UNKNOWN;
        failed |= UINT64_C(1) << i;
    }
    x->rows++;
    x->matches += failed == 0;
    if (all.truth != XQL_UNKNOWN)
        all.missing = 0;
    for (xql_set left = all.missing; left; left &= left - 1)
        x->missing[__builtin_ctzll(left)]++;
    unsigned count = (unsigned)__builtin_popcountll(failed);
    if (count == 1)
        x->clause[__builtin_ctzll(failed)].only++;
    if (count && (x->nearest.failed == 0 || count < x->nearest.failed))
        keep_miss(x, row, failed);
    return all;
}

/* Telling */

static int clause_text(const struct xql_explain *x, unsigned i, struct xos_buf *text,
                       struct xos_error *err)
{
    xos_buf_clear(text);
    return xql_node_print(x->need, x->clause[i].node, text, err);
}

static int print_clauses(const struct xql_explain *x, struct xos_buf *text, struct xos_buf *out,
                         struct xos_error *err)
{
    uint64_t left = x->rows;
    if (xos_buf_addf(out, err, "%8s %8s %8s %8s  %s\n", "DROPS", "HERE", "ONLY", "LEFT", "CLAUSE") <
        0)
        return -1;
    for (unsigned i = 0; i < x->clause_count; i++) {
        const struct xql_explain_clause *c = &x->clause[i];
        left -= c->here;
        if (clause_text(x, i, text, err) < 0 ||
            xos_buf_addf(out, err, "%8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 "  %s\n",
                         c->alone, c->here, c->only, left, (const char *)text->data) < 0)
            return -1;
    }
    return 0;
}

static unsigned told(const struct xql_miss *m)
{
    return m->failed < XQL_MISS_FAILED_MAX ? m->failed : XQL_MISS_FAILED_MAX;
}

static int print_miss(const struct xql_explain *x, struct xos_buf *text, struct xos_buf *out,
                      struct xos_error *err)
{
    const struct xql_miss *m = &x->nearest;
    if (m->failed == 0)
        return 0;
    if (xos_buf_addf(out, err, "nearest miss: %s fails %u of %u\n", m->node, m->failed,
                     x->clause_count) < 0)
        return -1;
    for (unsigned i = 0; i < told(m); i++)
        if (clause_text(x, m->what[i].clause, text, err) < 0 ||
            xos_buf_addf(out, err, "    %s: has %s\n", (const char *)text->data, m->what[i].has) <
                0)
            return -1;
    return 0;
}

static int print_missing(const struct xql_explain *x, struct xos_buf *out, struct xos_error *err)
{
    for (unsigned a = 0; a < XQL_ATTRS; a++)
        if (x->missing[a] &&
            xos_buf_addf(out, err, "not said by %" PRIu64 " that might match: %s\n", x->missing[a],
                         xql_attr_row((enum xql_attr)a)->full) < 0)
            return -1;
    return 0;
}

int xql_explain_print(const struct xql_explain *x, struct xos_buf *out, struct xos_error *err)
{
    struct xos_buf text = XOS_BUF(CLAUSE_BYTES_MAX);
    int rc = -1;
    size_t before = out->len;
    if (xos_buf_addf(out, err, "%" PRIu64 " of %" PRIu64 " nodes match\n", x->matches, x->rows) <
            0 ||
        print_clauses(x, &text, out, err) < 0 || print_miss(x, &text, out, err) < 0 ||
        print_missing(x, out, err) < 0)
        out->len = before;
    else
        rc = 0;
    xos_buf_free(&text);
    return rc;
}

static int add_clauses(const struct xql_explain *x, struct xos_buf *text, json_t *list,
                       struct xos_error *err)
{
    uint64_t left = x->rows;
    for (unsigned i = 0; i < x->clause_count; i++) {
        const struct xql_explain_clause *c = &x->clause[i];
        left -= c->here;
        if (clause_text(x, i, text, err) < 0)
            return -1;
        if (json_array_append_new(
                list, json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "clause", (char *)text->data,
                                "drops", (json_int_t)c->alone, "drops_here", (json_int_t)c->here,
                                "only", (json_int_t)c->only, "unknown", (json_int_t)c->unknown,
                                "left", (json_int_t)left)) < 0)
            return xos_fail(err, XOS_NOMEM, "explain");
    }
    return 0;
}

static int add_miss(const struct xql_explain *x, struct xos_buf *text, json_t *list,
                    struct xos_error *err)
{
    const struct xql_miss *m = &x->nearest;
    for (unsigned i = 0; i < told(m); i++) {
        if (clause_text(x, m->what[i].clause, text, err) < 0)
            return -1;
        if (json_array_append_new(list, json_pack("{s:s, s:s}", "clause", (char *)text->data, "has",
                                                  m->what[i].has)) < 0)
            return xos_fail(err, XOS_NOMEM, "explain");
    }
    return 0;
}

static int add_missing(const struct xql_explain *x, json_t *list, struct xos_error *err)
{
    for (unsigned a = 0; a < XQL_ATTRS; a++)
        if (x->missing[a] &&
            json_array_append_new(list, json_pack("{s:s, s:I}", "attribute",
                                                  xql_attr_row((enum xql_attr)a)->full, "rows",
                                                  (json_int_t)x->missing[a])) < 0)
            return xos_fail(err, XOS_NOMEM, "explain");
    return 0;
}

int xql_explain_json(const struct xql_explain *x, json_t **out, struct xos_error *err)
{
    struct xos_buf text = XOS_BUF(CLAUSE_BYTES_MAX);
    json_t *clauses = json_array(), *failed = json_array(), *missing = json_array();
    json_t *all = NULL, *nearest = NULL;
    if (!clauses || !failed || !missing) {
        (void)xos_fail(err, XOS_NOMEM, "explain");
        goto out;
    }
    if (add_clauses(x, &text, clauses, err) < 0 || add_miss(x, &text, failed, err) < 0 ||
        add_missing(x, missing, err) < 0)
        goto out;
    nearest = x->nearest.failed ? json_pack("{s:s, s:i, s:O}", "node", x->nearest.node, "failed",
                                            (int)x->nearest.failed, "clauses", failed)
                                : json_null();
    if (nearest)
        all = json_pack("{s:I, s:I, s:O, s:O, s:O}", "rows", (json_int_t)x->rows, "matches",
                        (json_int_t)x->matches, "clauses", clauses, "nearest", nearest, "missing",
                        missing);
    if (!all)
        (void)xos_fail(err, XOS_NOMEM, "explain");
out:
    json_decref(clauses);
    json_decref(failed);
    json_decref(missing);
    json_decref(nearest);
    xos_buf_free(&text);
    *out = all;
    return all ? 0 : -1;
}
