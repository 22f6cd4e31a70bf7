// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/core/place.h"

#include "libxos/base/units.h"

#include <stdio.h>
#include <string.h>

static bool fits(const struct claim_need *need, const struct claim_need *in)
{
    return need->cpus <= in->cpus && need->mem_bytes <= in->mem_bytes && need->gpus <= in->gpus;
}

static bool admitted(const struct place_request *r, const struct place_node *n)
{
    bool named = !r->on || !r->on[0];
    for (size_t i = 0; !named && r->on[i]; i++)
        named = strcmp(r->on[i], n->node) == 0;
    return named;
}

static bool excluded(const struct place_request *r, const struct place_node *n)
{
    for (size_t i = 0; i < r->excluded_count; i++)
        if (strcmp(r->excluded[i], n->node) == 0)
            return true;
    return false;
}

/* Who has how many */

static void count_in(struct place_node *c, struct place_node *n, uint32_t units)
{
    n->units += units;
    c[n->group_at].group_units += units;
    c[n->institution_at].institution_units += units;
}

static struct place_node *find(struct place_node *c, size_t count, const char *node)
{
    for (size_t i = 0; node[0] && i < count; i++)
        if (strcmp(c[i].node, node) == 0)
            return &c[i];
    return NULL;
}

static void count_all(const struct place_request *r, struct place_node *c, size_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t g = 0, in = 0;
        while (strcmp(c[g].group, c[i].group) != 0)
            g++;
        while (strcmp(c[in].institution, c[i].institution) != 0)
            in++;
        c[i].group_at = g;
        c[i].institution_at = in;
        c[i].units = c[i].group_units = c[i].institution_units = 0;
    }
    for (uint32_t i = 0; r->at && i < r->units; i++) {
        struct place_node *n = r->queued[i] ? NULL : find(c, count, r->at[i]);
        if (n)
            count_in(c, n, 1);
    }
}

/* The best node */

static uint64_t in_group(const struct place_node *c, const struct place_node *n)
{
    return c[n->group_at].group_units;
}

static uint64_t less_liked(const struct place_node *c, const struct place_node *n)
{
    (void)c;
    return n->behind;
}

static uint64_t on_node(const struct place_node *c, const struct place_node *n)
{
    (void)c;
    return n->units;
}

static uint64_t cpus_missing(const struct place_node *c, const struct place_node *n)
{
    (void)c;
    return UINT32_MAX - n->free.cpus;
}

static uint64_t mem_missing(const struct place_node *c, const struct place_node *n)
{
    (void)c;
    return UINT64_MAX - n->free.mem_bytes;
}

static uint64_t in_institution(const struct place_node *c, const struct place_node *n)
{
    return c[n->institution_at].institution_units;
}

/* What two candidates are compared by; the first difference decides, less is better. Packing wants
 * the opposite, of what it looks at. */
static const struct {
    uint64_t (*of)(const struct place_node *c, const struct place_node *n);
    bool groups_only, not_packed;
    bool as_it_is; /* also when packing */
} criteria[] = {
    {in_group, true, false, false},     {less_liked, false, false, true},
    {on_node, false, true, false},      {cpus_missing, false, false, false},
    {mem_missing, false, false, false}, {in_institution, false, false, false},
};

static bool better(const struct place_request *r, const struct place_node *c,
                   const struct place_node *a, const struct place_node *b)
{
    for (size_t i = 0; i < sizeof(criteria) / sizeof(criteria[0]); i++) {
        if ((criteria[i].groups_only && !r->layout.groups) ||
            (criteria[i].not_packed && r->layout.pack))
            continue;
        uint64_t of_a = criteria[i].of(c, a), of_b = criteria[i].of(c, b);
        if (of_a != of_b)
            return r->layout.pack && !criteria[i].as_it_is ? of_a > of_b : of_a < of_b;
    }
    return false;
}

static bool of_kind(const struct place_node *n, const char *same)
{
    return !same || (same[0] && strcmp(n->same, same) == 0);
}

static struct place_node *choose(const struct place_request *r, struct place_node *c, size_t count,
                                 const char *same)
{
    struct place_node *best = NULL;
    for (size_t i = 0; i < count; i++)
        if (admitted(r, &c[i]) && !excluded(r, &c[i]) && fits(&r->need, &c[i].free) &&
            of_kind(&c[i], same) && (!best || better(r, c, &c[i], best)))
            best = &c[i];
    return best;
}

/* How many there is room for */

static uint64_t times(const struct claim_need *n, const struct claim_need *in)
{
    uint64_t here = n->cpus ? in->cpus / n->cpus : UINT32_MAX;
    uint64_t by_mem = n->mem_bytes ? in->mem_bytes / n->mem_bytes : UINT32_MAX;
    uint64_t by_gpu = n->gpus ? in->gpus / n->gpus : UINT32_MAX;
    here = by_mem < here ? by_mem : here;
    return by_gpu < here ? by_gpu : here;
}

/* Now, or (ever) if nothing else ran: counts what each node has in all. */
static uint64_t room(const struct place_request *r, const struct place_node *c, size_t count,
                     const char *same, bool ever)
{
    uint64_t units = 0;
    for (size_t i = 0; i < count; i++)
        if (admitted(r, &c[i]) && of_kind(&c[i], same) && (ever || !excluded(r, &c[i])))
            units += times(&r->need, ever ? &c[i].all : &c[i].free);
    return units;
}

/* The value with most room. NULL: no candidate has one. */
static const char *roomiest(const struct place_request *r, const struct place_node *c, size_t count,
                            bool ever)
{
    const char *best = NULL;
    uint64_t most = 0;
    for (size_t i = 0; i < count; i++) {
        bool tried = !c[i].same[0];
        for (size_t k = 0; !tried && k < i; k++)
            tried = strcmp(c[k].same, c[i].same) == 0;
        uint64_t units = tried ? 0 : room(r, c, count, c[i].same, ever);
        if (units > most) {
            most = units;
            best = c[i].same;
        }
    }
    return best;
}

/* The value that all units must have: that of the job's units elsewhere, else the best one. "" is
 * no node's. */
static const char *same_value(const struct place_request *r, struct place_node *c, size_t count,
                              bool ever)
{
    for (uint32_t i = 0; r->at && i < r->units; i++) {
        const struct place_node *n = r->queued[i] ? NULL : find(c, count, r->at[i]);
        if (n && n->same[0])
            return n->same;
    }
    const char *best = roomiest(r, c, count, ever);
    return best ? best : "";
}

/* Of the nodes that are named, one is none of the candidates. NULL: all are. */
static const char *unknown_of(const struct place_request *r, const struct place_node *c,
                              size_t count)
{
    for (size_t i = 0; r->on && r->on[i]; i++) {
        size_t k = 0;
        while (k < count && strcmp(c[k].node, r->on[i]) != 0)
            k++;
        if (k == count)
            return r->on[i];
    }
    return NULL;
}

static int check_ever(const struct place_request *r, struct place_node *c, size_t count,
                      uint32_t queued, struct xos_error *err)
{
    char mem[32], gpus[32] = "";
    const char *same = r->layout.same ? same_value(r, c, count, true) : NULL;
    if (room(r, c, count, same, true) >= queued)
        return 0;
    const char *unknown = unknown_of(r, c, count);
    if (unknown)
        return xos_fail(err, XOS_NOT_FOUND,
                        "--on %.60s: no such node, or none that meets the need: xnodes lists them",
                        unknown);
    xos_format_size(r->need.mem_bytes, mem, sizeof(mem));
    if (r->need.gpus)
        (void)snprintf(gpus, sizeof(gpus), ", %u GPU%s", r->need.gpus, r->need.gpus > 1 ? "s" : "");
    return xos_fail(err, XOS_NOT_FOUND,
                    "no node could ever meet the need: %u unit%s of %u CPU%s, %s%s%s on %zu node%s",
                    queued, queued == 1 ? "" : "s", r->need.cpus, r->need.cpus == 1 ? "" : "s", mem,
                    gpus, same ? ", all of one kind," : "", count, count == 1 ? "" : "s");
}

int place_units(const struct place_request *r, struct place_node *candidates, size_t count,
                char (*nodes)[JOB_NAME_MAX], struct xos_error *err)
{
    uint32_t queued = 0;
    for (uint32_t i = 0; i < r->units; i++)
        queued += r->queued[i];
    if (check_ever(r, candidates, count, queued, err) < 0)
        return -1;
    count_all(r, candidates, count);
    const char *same = r->layout.same ? same_value(r, candidates, count, false) : NULL;
    for (uint32_t i = 0; i < r->units; i++) {
        if (!r->queued[i])
            continue;
        struct place_node *n = choose(r, candidates, count, same);
        if (!n)
            return xos_fail(err, XOS_BUSY, "all %zu nodes that could run it are busy", count);
        n->free.cpus -= r->need.cpus;
        n->free.mem_bytes -= r->need.mem_bytes;
        n->free.gpus -= r->need.gpus;
        count_in(candidates, n, 1);
        memcpy(nodes[i], n->node, JOB_NAME_MAX);
    }
    return 0;
}
