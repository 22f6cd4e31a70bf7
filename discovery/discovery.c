// SPDX-License-Identifier: Apache-2.0
#include "discovery/discovery.h"

#include "discovery/probe/probe.h"
#include "discovery/query/eval.h"
#include "discovery/query/parse.h"
#include "discovery/query/want.h"
#include "libxos/base/alloc.h"

#include <string.h>

struct discovery {
    struct discovery_config config;
    struct xql_row own;
};

int discovery_new(struct discovery **out, const struct discovery_config *config,
                  struct xos_error *err)
{
    struct discovery *d = xos_alloc(sizeof(*d));
    if (!d)
        return xos_fail(err, XOS_NOMEM, "discovery");
    d->config = *config;
    if (discovery_refresh(d, 0, 0, err) < 0) {
        discovery_free(d);
        return xos_wrap(err, "what this node has");
    }
    *out = d;
    return 0;
}

void discovery_free(struct discovery *d)
{
    if (!d)
        return;
    xql_row_free(&d->own);
    xos_free(d);
}

int discovery_refresh(struct discovery *d, uint32_t cpus, uint64_t mem_bytes, struct xos_error *err)
{
    const struct discovery_config *c = &d->config;
    struct probe_options options = {.root = c->root,
                                    .state_dir = c->state_dir,
                                    .may_enforce = true,
                                    .is_root = c->is_root,
                                    .cpus = c->cpus,
                                    .mem_bytes = c->mem_bytes,
                                    .cpus_claimed = cpus,
                                    .mem_claimed_bytes = mem_bytes};
    if (probe_node(c->env, &options, &d->own, err) < 0)
        return -1;
    xql_row_set_text(&d->own, 0, XQL_A_NODE, c->node);
    xql_row_set_text(&d->own, 0, XQL_A_INSTITUTION, c->institution);
    xql_row_set_text(&d->own, 0, XQL_A_STATE, "up");
    return 0;
}

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

static void describe(const struct discovery *d, struct discovery_node *out)
{
    const struct xql_row *row = &d->own;
    *out = (struct discovery_node){
        .node = d->config.node,
        .institution = d->config.institution,
        .cpus = whole_of(row, XQL_A_CPU_CORES),
        .cpus_free = whole_of(row, XQL_A_CPU_FREE),
        .mem_bytes = integer_of(row, XQL_A_MEM),
        .mem_free_bytes = integer_of(row, XQL_A_MEM_FREE),
        .gpus = (uint32_t)row->device_count,
        .gpus_free = (uint32_t)row->device_count,
    };
}

void discovery_own(const struct discovery *d, struct discovery_node *out)
{
    describe(d, out);
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

int discovery_query(struct discovery *d, const char *need,
                    int (*each)(void *arg, const struct discovery_node *node), void *arg,
                    struct xos_error *err)
{
    struct xql_expr e;
    struct discovery_node node;
    if (xql_parse(&e, need ? need : "", NULL, err) < 0)
        return xos_wrap(err, "--need");
    if (xql_eval(&e, &d->own).truth != XQL_TRUE)
        return 0;
    describe(d, &node);
    (void)each(arg, &node);
    return 0;
}
