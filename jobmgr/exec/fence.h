// SPDX-License-Identifier: Apache-2.0
/* fence.h - when a unit must stand still because its node may have been given up.
 *
 * A fenced unit runs only up to its deadline. At the deadline it freezes; a renewal of the same
 * epoch moves the deadline and thaws it; a higher epoch means that another instance may run, so
 * this one ends. A unit that is not fenced runs through any cut, but it too ends at a higher epoch.
 * Pure; all times are milliseconds of CLOCK_BOOTTIME. */
#ifndef XOS_EXEC_FENCE_H
#define XOS_EXEC_FENCE_H

#include <stdbool.h>
#include <stdint.h>

struct fence {
    bool fenced;
    bool frozen; /* the deadline has passed */
    uint64_t epoch;
    uint64_t deadline_ms;
};

enum fence_event_kind { FENCE_TICK, FENCE_RENEW };

struct fence_event {
    enum fence_event_kind kind;
    uint64_t now_ms;
    /* FENCE_RENEW */
    uint64_t epoch;
    uint64_t deadline_ms;
    bool fenced;
};

enum fence_action {
    FENCE_NOTHING,
    FENCE_FREEZE,
    FENCE_THAW,
    FENCE_SUPERSEDED, /* kill, do not thaw before */
    FENCE_STALE,      /* a lower epoch: refused, nothing has changed */
};

/* Advance by one event. A renewal never shortens the deadline of its own epoch: an old packet
 * that arrives late must not freeze a unit. */
enum fence_action fence_step(struct fence *f, const struct fence_event *ev);

/* When to tick next; 0: never. */
uint64_t fence_next_ms(const struct fence *f);

#endif
