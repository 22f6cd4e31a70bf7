// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/fence.h"

static enum fence_action fence_settle(struct fence *f, uint64_t now_ms)
{
    bool freeze = f->fenced && now_ms >= f->deadline_ms;
    if (freeze == f->frozen)
        return FENCE_NOTHING;
    f->frozen = freeze;
    return freeze ? FENCE_FREEZE : FENCE_THAW;
}

enum fence_action fence_step(struct fence *f, const struct fence_event *ev)
{
    if (ev->kind == FENCE_TICK)
        return fence_settle(f, ev->now_ms);
    if (ev->epoch < f->epoch)
        return FENCE_STALE;
    if (ev->epoch > f->epoch)
        return FENCE_SUPERSEDED;
    f->fenced = ev->fenced;
    if (ev->deadline_ms > f->deadline_ms)
        f->deadline_ms = ev->deadline_ms;
    return fence_settle(f, ev->now_ms);
}

uint64_t fence_next_ms(const struct fence *f)
{
    return f->fenced && !f->frozen ? f->deadline_ms : 0;
}
