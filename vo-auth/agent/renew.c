// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/agent/renew.h"

#include <assert.h>

/* base, give or take percent of `whole`. */
static int64_t spread(int64_t base, int64_t whole, int percent, uint32_t random)
{
    const int64_t reach = whole / 100 * percent;
    return base - reach + (int64_t)((unsigned __int128)(2 * (uint64_t)reach) * random >> 32);
}

/* A time past the session's end is never. */
static void plan(struct renew *r, int64_t due_ms)
{
    r->due_ms = due_ms < r->session_until_ms ? due_ms : 0;
}

static void on_installed(struct renew *r, const struct renew_event *ev)
{
    const int64_t life = ev->to_ms - ev->from_ms;
    *r = (struct renew){.session_until_ms = ev->session_until_ms};
    if (life <= 0 || ev->to_ms >= ev->session_until_ms)
        return; /* it reaches to the session's end */
    plan(r, spread(ev->from_ms + life / 100 * RENEW_AFTER_PERCENT, life, RENEW_SPREAD_PERCENT,
                   ev->random));
}

static void on_failed(struct renew *r, const struct renew_event *ev)
{
    r->asking = false;
    r->retry_ms = r->retry_ms == 0                       ? RENEW_RETRY_FIRST_MS
                  : r->retry_ms < RENEW_RETRY_MS_MAX / 2 ? r->retry_ms * 2
                                                         : RENEW_RETRY_MS_MAX;
    plan(r, ev->now_ms + spread(r->retry_ms, r->retry_ms, 50, ev->random));
}

static enum renew_action on_tick(struct renew *r, const struct renew_event *ev)
{
    if (r->asking || r->due_ms == 0 || ev->now_ms < r->due_ms)
        return RENEW_WAIT;
    if (ev->now_ms >= r->session_until_ms) {
        r->due_ms = 0;
        return RENEW_WAIT;
    }
    r->asking = true;
    return RENEW_ASK;
}

enum renew_action renew_step(struct renew *r, const struct renew_event *ev)
{
    assert(ev->kind != RENEW_NONE);
    if (ev->kind == RENEW_TICK)
        return on_tick(r, ev);
    if (ev->kind == RENEW_INSTALLED)
        on_installed(r, ev);
    else if (ev->kind == RENEW_FAILED && r->asking)
        on_failed(r, ev);
    else if (ev->kind == RENEW_FORGOTTEN)
        *r = (struct renew){0};
    return RENEW_WAIT;
}

int64_t renew_life(const struct renew *r, int64_t now_ms, int64_t life_ms_max)
{
    const int64_t left = r->session_until_ms - now_ms;
    return left < 1 ? 1 : left < life_ms_max ? left : life_ms_max;
}
