// SPDX-License-Identifier: Apache-2.0
/* hold.h - the owner's side of claims: what a head holds on far nodes, and when that is over.
 *
 * Pure; times are milliseconds of the owner's CLOCK_BOOTTIME. For each node on which the head has
 * units, one message each CLAIM_RENEW_MS renews all its claims there. When one is not answered
 * the node is doubted: it is only asked (a probe extends nothing) each HOLD_PROBE_MS, and at the
 * first answer its claims are renewed at once, which thaws what had frozen. A node that has just
 * granted a claim is not asked before HOLD_FRESH_MS: most units have ended by then.
 *
 * When is a claim over by every clock? A renewal may lie in a queue for a minute and be read by a
 * worker that has just been woken up, so what counts cannot be when it was sent. Each answer says
 * what the worker's clock was; each renewal quotes the newest such reading; and the worker lets the
 * claim run until that reading, not its arrival, plus CLAIM_HOLD_MS. However late a renewal comes,
 * no claim outlives the newest answer by more than CLAIM_HOLD_MS, and an answer cannot come before
 * it was given. So HOLD_OVER_MS after it the fenced units are lost (JOB_IN_LOST) and may be
 * restarted: 12 s after a node fell silent, 3 s before the promise of 15 s.
 *   (Gray and Cheriton 1989: a lease needs bounded clock rates, not equal clocks.)
 *
 * Silence never loses a unit that is not fenced. Any unit is lost when its node answers, twice and
 * HOLD_UNKNOWN_MS apart, that it does not know it, while no report of its end has come. A lost unit
 * is never renewed again; LOST is repeated until the caller removes it. */
#ifndef XOS_JOBMGR_CORE_HOLD_H
#define XOS_JOBMGR_CORE_HOLD_H

#include "jobmgr/core/claim.h"

#define HOLD_PROBE_MS 1000
#define HOLD_FRESH_MS 1000          /* a tenth of what the grant holds anyway */
#define HOLD_PROBE_MS_MAX 10000     /* a silent node with nothing left to decide */
#define HOLD_RATE_ALLOWANCE_MS 1000 /* clocks that run at different rates, over CLAIM_HOLD_MS */
#define HOLD_LATE_ALLOWANCE_MS 1000 /* a shim that is scheduled late at its deadline */
#define HOLD_OVER_MS (CLAIM_HOLD_MS + HOLD_RATE_ALLOWANCE_MS + HOLD_LATE_ALLOWANCE_MS)
#define HOLD_PROBES_MIN 2 /* unanswered for HOLD_PROBE_MS: the owner itself may have slept */
#define HOLD_UNKNOWN_MS 5000
#define HOLD_LOST_AGAIN_MS 1000
#define HOLD_NODES_MAX 1024
#define HOLD_UNITS_MAX 131072 /* of one head, over all nodes */

enum hold_event_kind {
    HOLD_NONE,
    HOLD_TICK,
    HOLD_ADD,    /* id, epoch, node, fenced, fresh: assigned, its claim granted before now_ms */
    HOLD_REMOVE, /* id, epoch: ended, or taken as lost */
    HOLD_ANSWER, /* node, ask, clock_ms, unknown: what it said to a renewal or a probe */
};

struct hold_unit_id {
    struct claim_id id;
    uint64_t epoch;
};

struct hold_event {
    enum hold_event_kind kind;
    uint64_t now_ms;
    const char *node;
    struct claim_id id;
    uint64_t epoch;
    bool fenced;
    bool fresh;        /* granted a moment ago, not found after a restart */
    uint64_t ask;      /* of the action that is answered */
    uint64_t clock_ms; /* of the worker when it answered */
    const struct hold_unit_id *unknown;
    size_t unknown_count;
};

enum hold_action_kind {
    HOLD_DO_NONE,
    HOLD_DO_RENEW, /* node, ask, clock_ms: all units of hold_each(); quotes clock_ms */
    HOLD_DO_PROBE, /* node, ask: the same, and extends nothing */
    HOLD_DO_LOST,  /* id, epoch, node, reason */
};

struct hold_action {
    enum hold_action_kind kind;
    char node[CLAIM_NAME_MAX];
    uint64_t ask;
    uint64_t clock_ms;
    struct claim_id id;
    uint64_t epoch;
    const char *reason; /* static */
};

struct hold_actions {
    struct hold_action *list;
    size_t count, cap;
    uint64_t next_ms; /* when to tick; UINT64_MAX: not needed */
};

void hold_actions_free(struct hold_actions *a);

struct hold;
int hold_new(struct hold **out, struct xos_error *err);
void hold_free(struct hold *h);

/* Advance by one event; *out is overwritten. A tick looks at each node once, and at the units only
 * of a node where some are over. An ADD of a unit that is held replaces it. Answers that are older
 * than one already heard, REMOVE of what is not held and of another epoch do nothing.
 * XOS_NOMEM, or XOS_LIMIT with hold_nodes_max or hold_units_max: nothing has changed. */
int hold_step(struct hold *h, const struct hold_event *ev, struct hold_actions *out,
              struct xos_error *err);

/* What a message to the node lists. At most CLAIM_COUNT_MAX, since no node grants more. */
void hold_each(const struct hold *h, const char *node,
               void (*each)(const struct claim_id *id, uint64_t epoch, void *arg), void *arg);

/* "held", "doubted", "silent"; NULL: nothing is held there. */
const char *hold_node_state(const struct hold *h, const char *node);
size_t hold_count(const struct hold *h);

#endif
