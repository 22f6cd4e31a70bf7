// SPDX-License-Identifier: Apache-2.0
#include "libxos/base/states.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

static xos_states_trace_f states_trace;

void xos_states_trace(xos_states_trace_f trace)
{
    states_trace = trace;
}

void xos_states_init(struct xos_states *s, const char *noun, const struct xos_state_row *table,
                     unsigned count, unsigned initial, bool (*invariant)(const void *subject))
{
    assert(count <= XOS_STATES_MAX);
    assert(initial < count);
    assert(table[initial].flags & XOS_STATE_INITIAL);
    *s = (struct xos_states){
        .noun = noun, .table = table, .count = count, .now = initial, .invariant = invariant};
}

bool xos_states_can(const struct xos_states *s, unsigned to)
{
    return to < s->count && (s->table[s->now].next & XOS_STATE(to)) != 0;
}

void xos_states_move(struct xos_states *s, unsigned to, const void *subject)
{
    assert(xos_states_can(s, to));
    const char *from = s->table[s->now].name;
    s->now = to;
    if (states_trace)
        states_trace(s->noun, from, s->table[to].name, subject);
    assert(!s->invariant || s->invariant(subject));
}

const char *xos_states_name(const struct xos_states *s)
{
    assert(s->now < s->count);
    return s->table[s->now].name;
}

bool xos_states_final(const struct xos_states *s)
{
    return (s->table[s->now].flags & XOS_STATE_FINAL) != 0;
}

int xos_states_find(const struct xos_state_row *table, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++)
        if (table[i].name && strcmp(table[i].name, name) == 0)
            return (int)i;
    return -1;
}
