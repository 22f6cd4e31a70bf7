// SPDX-License-Identifier: Apache-2.0
#include "discovery/query/eval.h"

#include "discovery/query/match.h"

#include <assert.h>
#include <math.h>
#include <string.h>

struct frame {
    const struct xql_expr *e;
    const struct xql_row *row;
    size_t device;
    xql_set missing;
};

/* What a quantity may be, both ends included. NUMBER uses the doubles, SIZE and DURATION the
 * integers: they are exact where a double is not. */
struct span {
    double low, high;
    uint64_t least, most;
};

/* How left compares with right at the ends of their ranges: <0, 0, >0. */
struct order {
    int low;  /* the least left against the greatest right */
    int high; /* the greatest left against the least right */
};

static enum xql_truth eval(struct frame *f, unsigned node);

static const struct xql_value *value_of(struct frame *f, size_t device, enum xql_attr a)
{
    const struct xql_value *v = xql_row_get(f->row, device, a);
    if (!v)
        f->missing |= XQL_SET(a);
    return v;
}

static enum xql_truth negated(enum xql_truth t)
{
    return XQL_TRUE - t;
}

static enum xql_truth truth_of(bool is)
{
    return is ? XQL_TRUE : XQL_FALSE;
}

/* Devices */

/* Does the condition of a device call admit this device? */
static enum xql_truth admits(struct frame *f, const struct xql_node *n, size_t device)
{
    if (n->left == XQL_NO_NODE)
        return XQL_TRUE;
    f->device = device;
    return eval(f, n->left);
}

static enum xql_truth any_device(struct frame *f, const struct xql_node *n)
{
    enum xql_truth t = XQL_FALSE;
    for (size_t d = 0; d < f->row->device_count && t != XQL_TRUE; d++) {
        enum xql_truth one = admits(f, n, d);
        t = one > t ? one : t;
    }
    return t;
}

static enum xql_truth all_devices(struct frame *f, const struct xql_node *n)
{
    enum xql_truth t = XQL_TRUE;
    for (size_t d = 0; d < f->row->device_count && t != XQL_FALSE; d++) {
        enum xql_truth one = admits(f, n, d);
        t = one < t ? one : t;
    }
    return t;
}

static struct span count_devices(struct frame *f, const struct xql_node *n)
{
    unsigned sure = 0, possible = 0;
    for (size_t d = 0; d < f->row->device_count; d++) {
        enum xql_truth one = admits(f, n, d);
        sure += one == XQL_TRUE;
        possible += one != XQL_FALSE;
    }
    return (struct span){.low = sure, .high = possible};
}

static uint64_t add_bounded(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static void add_device(struct span *sum, const struct xql_value *v, bool sure, bool number)
{
    if (!v && number)
        sum->low = -INFINITY;
    if (!v) {
        sum->high = INFINITY;
        sum->most = UINT64_MAX;
    } else if (number) {
        sum->low += sure || v->is.number < 0 ? v->is.number : 0;
        sum->high += sure || v->is.number > 0 ? v->is.number : 0;
    } else {
        sum->least = add_bounded(sum->least, sure ? v->is.integer : 0);
        sum->most = add_bounded(sum->most, v->is.integer);
    }
}

static struct span sum_devices(struct frame *f, const struct xql_node *n)
{
    struct span sum = {0};
    for (size_t d = 0; d < f->row->device_count; d++) {
        enum xql_truth one = admits(f, n, d);
        if (one != XQL_FALSE)
            add_device(&sum, value_of(f, d, n->attr), one == XQL_TRUE, n->type == XQL_NUMBER);
    }
    return sum;
}

/* The devices of one gpu.same, as sets: bit d is device d. */
struct group {
    uint64_t sure;     /* admitted, value known */
    uint64_t possible; /* perhaps admitted, value known; contains sure */
    uint64_t blank;    /* perhaps admitted, value missing */
    uint64_t blank_sure;
};
_Static_assert(XQL_DEVICES_MAX <= 64, "a set of devices has 64 bits");

static struct group group_devices(struct frame *f, const struct xql_node *n)
{
    struct group g = {0};
    for (size_t d = 0; d < f->row->device_count; d++) {
        enum xql_truth one = admits(f, n, d);
        uint64_t bit = UINT64_C(1) << d, sure = one == XQL_TRUE ? bit : 0;
        if (one == XQL_FALSE)
            continue;
        if (value_of(f, d, n->attr)) {
            g.possible |= bit;
            g.sure |= sure;
        } else {
            g.blank |= bit;
            g.blank_sure |= sure;
        }
    }
    return g;
}

static bool same_value(enum xql_type t, const struct xql_value *a, const struct xql_value *b)
{
    switch (t) {
    case XQL_TEXT:
        return strcmp(a->is.text, b->is.text) == 0;
    case XQL_VERSION:
        return xql_version_compare(a->is.text, b->is.text) == 0;
    case XQL_NUMBER:
        return a->is.number == b->is.number;
    case XQL_BOOL:
        return a->is.flag == b->is.flag;
    default:
        return a->is.integer == b->is.integer;
    }
}

/* Those of `among` whose value is that of device d. */
static uint64_t equals_of(const struct frame *f, enum xql_attr a, size_t d, uint64_t among)
{
    const struct xql_value *v = xql_row_get(f->row, d, a);
    uint64_t set = 0;
    for (; among; among &= among - 1) {
        size_t other = (size_t)__builtin_ctzll(among);
        if (same_value(xql_attr_row(a)->type, v, xql_row_get(f->row, other, a)))
            set |= UINT64_C(1) << other;
    }
    return set;
}

static struct span same_count(struct frame *f, const struct xql_node *n)
{
    struct group g = group_devices(f, n);
    int least = g.blank_sure ? 1 : 0, most = 0, blank = __builtin_popcountll(g.blank);
    for (uint64_t left = g.possible; left;) {
        uint64_t equal = equals_of(f, n->attr, (size_t)__builtin_ctzll(left), left);
        int sure = __builtin_popcountll(equal & g.sure), possible = __builtin_popcountll(equal);
        least = sure > least ? sure : least;
        most = possible > most ? possible : most;
        left &= ~equal;
    }
    return (struct span){.low = least, .high = most + blank};
}

static enum xql_truth same_all(struct frame *f, const struct xql_node *n)
{
    struct group g = group_devices(f, n);
    if (__builtin_popcountll(g.possible) + __builtin_popcountll(g.blank) <= 1)
        return XQL_TRUE;
    if (g.sure && equals_of(f, n->attr, (size_t)__builtin_ctzll(g.sure), g.sure) != g.sure)
        return XQL_FALSE;
    bool equal = g.possible && equals_of(f, n->attr, (size_t)__builtin_ctzll(g.possible),
                                         g.possible) == g.possible;
    return equal && !g.blank ? XQL_TRUE : XQL_UNKNOWN;
}

/* Quantities */

static struct span exactly(unsigned type, double number, uint64_t integer)
{
    if (type == XQL_NUMBER)
        return (struct span){.low = number, .high = number};
    return (struct span){.least = integer, .most = integer};
}

/* False when nothing at all is known. */
static bool quantity(struct frame *f, unsigned node, struct span *s)
{
    const struct xql_node *n = &f->e->node[node];
    const struct xql_value *v;
    switch (n->op) {
    case XQL_O_LITERAL:
        *s = n->type == XQL_NUMBER ? exactly(n->type, n->is.number, 0)
                                   : exactly(n->type, 0, n->is.integer);
        return true;
    case XQL_O_COUNT:
        *s = count_devices(f, n);
        return true;
    case XQL_O_SUM:
        *s = sum_devices(f, n);
        return true;
    case XQL_O_SAME:
        *s = same_count(f, n);
        return true;
    default:
        v = value_of(f, f->device, n->attr);
        if (v)
            *s = n->type == XQL_NUMBER ? exactly(n->type, v->is.number, 0)
                                       : exactly(n->type, 0, v->is.integer);
        return v != NULL;
    }
}

bool xql_eval_quantity(const struct xql_expr *e, unsigned node, const struct xql_row *row,
                       double *value)
{
    struct frame f = {.e = e, .row = row};
    struct span s;
    if (!quantity(&f, node, &s))
        return false;
    bool number = e->node[node].type == XQL_NUMBER;
    if (number ? s.low != s.high || !isfinite(s.low) : s.least != s.most)
        return false;
    *value = number ? s.low : (double)s.least;
    if (e->node[node].type == XQL_DURATION)
        *value /= 1000;
    return true;
}

/* Conditions */

static int order_numbers(double a, double b)
{
    return (a > b) - (a < b);
}

static int order_integers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static bool order_quantities(struct frame *f, const struct xql_node *n, struct order *o)
{
    struct span a, b;
    bool left = quantity(f, n->left, &a), right = quantity(f, n->right, &b);
    if (!left || !right)
        return false;
    if (f->e->node[n->left].type == XQL_NUMBER)
        *o = (struct order){order_numbers(a.low, b.high), order_numbers(a.high, b.low)};
    else
        *o = (struct order){order_integers(a.least, b.most), order_integers(a.most, b.least)};
    return true;
}

static bool order_texts(struct frame *f, const struct xql_node *n, struct order *o)
{
    const struct xql_node *left = &f->e->node[n->left];
    const struct xql_value *v = value_of(f, f->device, left->attr);
    if (!v)
        return false;
    const char *literal = f->e->pool + f->e->node[n->right].text;
    int order = left->type == XQL_VERSION ? xql_version_compare(v->is.text, literal)
                                          : strcmp(v->is.text, literal);
    *o = (struct order){order, order};
    return true;
}

/* What is sure of `op`, when the truth lies between the two ends. */
static enum xql_truth decide(unsigned op, struct order o)
{
    switch (op) {
    case XQL_O_LT:
        return o.high < 0 ? XQL_TRUE : o.low >= 0 ? XQL_FALSE : XQL_UNKNOWN;
    case XQL_O_LE:
        return o.high <= 0 ? XQL_TRUE : o.low > 0 ? XQL_FALSE : XQL_UNKNOWN;
    case XQL_O_EQ:
        if (o.low == 0 && o.high == 0)
            return XQL_TRUE;
        return o.high < 0 || o.low > 0 ? XQL_FALSE : XQL_UNKNOWN;
    case XQL_O_GE:
        return negated(decide(XQL_O_LT, o));
    case XQL_O_GT:
        return negated(decide(XQL_O_LE, o));
    default:
        return negated(decide(XQL_O_EQ, o));
    }
}

static enum xql_truth compare(struct frame *f, const struct xql_node *n)
{
    struct order o;
    bool known;
    switch (f->e->node[n->left].type) {
    case XQL_BOOL: {
        enum xql_truth t = eval(f, n->left);
        return f->e->node[n->right].is.flag == (n->op == XQL_O_EQ) ? t : negated(t);
    }
    case XQL_TEXT:
    case XQL_VERSION:
        known = order_texts(f, n, &o);
        break;
    default:
        known = order_quantities(f, n, &o);
    }
    return known ? decide(n->op, o) : XQL_UNKNOWN;
}

static enum xql_truth fits(struct frame *f, const struct xql_node *n)
{
    const struct xql_value *v = value_of(f, f->device, f->e->node[n->left].attr);
    if (!v)
        return XQL_UNKNOWN;
    return truth_of(xql_glob(f->e->pool + f->e->node[n->right].text, v->is.text));
}

static enum xql_truth one_of(struct frame *f, const struct xql_node *n)
{
    const struct xql_node *left = &f->e->node[n->left];
    const struct xql_value *v = value_of(f, f->device, left->attr);
    if (!v)
        return XQL_UNKNOWN;
    for (unsigned item = n->right; item != XQL_NO_NODE; item = f->e->node[item].right) {
        const char *text = f->e->pool + f->e->node[item].text;
        if (left->type == XQL_VERSION ? xql_version_compare(v->is.text, text) == 0
                                      : strcmp(v->is.text, text) == 0)
            return XQL_TRUE;
    }
    return XQL_FALSE;
}

static enum xql_truth flag(struct frame *f, const struct xql_node *n)
{
    const struct xql_value *v = value_of(f, f->device, n->attr);
    return v ? truth_of(v->is.flag) : XQL_UNKNOWN;
}

static enum xql_truth both(struct frame *f, const struct xql_node *n)
{
    enum xql_truth left = eval(f, n->left);
    if (left == XQL_FALSE)
        return XQL_FALSE;
    enum xql_truth right = eval(f, n->right);
    return left < right ? left : right;
}

static enum xql_truth either(struct frame *f, const struct xql_node *n)
{
    enum xql_truth left = eval(f, n->left);
    if (left == XQL_TRUE)
        return XQL_TRUE;
    enum xql_truth right = eval(f, n->right);
    return left > right ? left : right;
}

static enum xql_truth neither(struct frame *f, const struct xql_node *n)
{
    return negated(eval(f, n->left));
}

static enum xql_truth literal(struct frame *f, const struct xql_node *n)
{
    (void)f;
    return truth_of(n->is.flag);
}

static enum xql_truth says(struct frame *f, const struct xql_node *n)
{
    return truth_of(xql_row_get(f->row, f->device, n->attr) != NULL);
}

typedef enum xql_truth (*eval_f)(struct frame *f, const struct xql_node *n);
static const eval_f evaluators[XQL_OP_COUNT] = {
    [XQL_O_OR] = either,       [XQL_O_AND] = both,      [XQL_O_NOT] = neither,
    [XQL_O_EQ] = compare,      [XQL_O_NE] = compare,    [XQL_O_LT] = compare,
    [XQL_O_LE] = compare,      [XQL_O_GT] = compare,    [XQL_O_GE] = compare,
    [XQL_O_GLOB] = fits,       [XQL_O_IN] = one_of,     [XQL_O_ATTR] = flag,
    [XQL_O_LITERAL] = literal, [XQL_O_HAS] = says,      [XQL_O_ANY] = any_device,
    [XQL_O_ALL] = all_devices, [XQL_O_SAME] = same_all,
};

/* What was missing on the way to a sure answer did not matter. */
static enum xql_truth eval(struct frame *f, unsigned node)
{
    const struct xql_node *n = &f->e->node[node];
    xql_set before = f->missing;
    assert(evaluators[n->op]);
    enum xql_truth t = evaluators[n->op](f, n);
    if (t != XQL_UNKNOWN)
        f->missing = before;
    return t;
}

struct xql_verdict xql_eval_clause(const struct xql_expr *e, unsigned node,
                                   const struct xql_row *row)
{
    struct frame f = {.e = e, .row = row};
    enum xql_truth t = eval(&f, node);
    return (struct xql_verdict){t, f.missing};
}

struct xql_verdict xql_eval(const struct xql_expr *e, const struct xql_row *row)
{
    if (e->count == 0)
        return (struct xql_verdict){XQL_TRUE, 0};
    return xql_eval_clause(e, e->root, row);
}

const char *xql_truth_name(enum xql_truth t)
{
    static const char *const names[] = {"false", "unknown", "true"};
    assert((unsigned)t < 3);
    return names[t];
}
