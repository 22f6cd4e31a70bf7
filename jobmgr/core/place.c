// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/core/place.h"

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

/* How good is a node for one more unit? Larger is better. */
static bool better(const struct place_request *r, const struct place_node *a,
                   const struct place_node *b)
{
    if (a->free.cpus != b->free.cpus)
        return r->pack ? a->free.cpus < b->free.cpus : a->free.cpus > b->free.cpus;
    return r->pack ? a->free.mem_bytes < b->free.mem_bytes : a->free.mem_bytes > b->free.mem_bytes;
}

static struct place_node *choose(const struct place_request *r, struct place_node *c, size_t count)
{
    struct place_node *best = NULL;
    for (size_t i = 0; i < count; i++)
        if (admitted(r, &c[i]) && !excluded(r, &c[i]) && fits(&r->need, &c[i].free) &&
            (!best || better(r, &c[i], best)))
            best = &c[i];
    return best;
}

/* Could an empty federation ever hold it? Counts what each node has in all. */
static bool ever(const struct place_request *r, const struct place_node *c, size_t count,
                 uint32_t units)
{
    uint64_t room = 0;
    for (size_t i = 0; i < count; i++) {
        const struct claim_need *all = &c[i].all, *n = &r->need;
        if (!admitted(r, &c[i]) || !fits(n, all))
            continue;
        uint64_t here = n->cpus ? all->cpus / n->cpus : UINT32_MAX;
        uint64_t by_mem = n->mem_bytes ? all->mem_bytes / n->mem_bytes : UINT32_MAX;
        uint64_t by_gpu = n->gpus ? all->gpus / n->gpus : UINT32_MAX;
        here = by_mem < here ? by_mem : here;
        room += by_gpu < here ? by_gpu : here;
    }
    return room >= units;
}

int place_units(const struct place_request *r, struct place_node *candidates, size_t count,
                char (*nodes)[JOB_NAME_MAX], struct xos_error *err)
{
    uint32_t queued = 0;
    for (uint32_t i = 0; i < r->units; i++)
        queued += r->queued[i];
    if (!ever(r, candidates, count, queued))
        return xos_fail(err, XOS_NOT_FOUND,
                        "no node could ever meet the need: %u units of %u cpus, %llu bytes and %u "
                        "gpus on %zu nodes",
                        queued, r->need.cpus, (unsigned long long)r->need.mem_bytes, r->need.gpus,
                        count);
    for (uint32_t i = 0; i < r->units; i++) {
        if (!r->queued[i])
            continue;
        struct place_node *n = choose(r, candidates, count);
        if (!n)
            return xos_fail(err, XOS_BUSY, "all %zu nodes that could run it are busy", count);
        n->free.cpus -= r->need.cpus;
        n->free.mem_bytes -= r->need.mem_bytes;
        n->free.gpus -= r->need.gpus;
        memcpy(nodes[i], n->node, JOB_NAME_MAX);
    }
    return 0;
}
