// SPDX-License-Identifier: Apache-2.0
/* states.h - a state machine as a table: name, which states may follow, flags.
 *
 * A noun with states embeds struct xos_states and moves only through xos_states_move(), which
 * asserts that the move is in the table, then calls the noun's invariant, and traces the move in
 * one place (the form of dqlite's lib/sm.h). */
#ifndef XOS_BASE_STATES_H
#define XOS_BASE_STATES_H

#include <stdbool.h>
#include <stdint.h>

#define XOS_STATES_MAX 32 /* states in one table: the followers are a 32-bit set */

struct xos_state_row {
    const char *name;
    uint32_t next; /* set of states that may follow: XOS_STATE(A) | XOS_STATE(B) */
    uint32_t flags;
};

#define XOS_STATE(s) (UINT32_C(1) << (s))
#define XOS_STATE_INITIAL (UINT32_C(1) << 0) /* flag: a machine may start here */
#define XOS_STATE_FINAL (UINT32_C(1) << 1)   /* flag: nothing follows */

struct xos_states {
    const char *noun;                       /* for the trace: "unit" */
    const struct xos_state_row *table;      /* borrowed, static */
    unsigned count;                         /* rows in table */
    unsigned now;                           /* current state: an index into table */
    bool (*invariant)(const void *subject); /* may be NULL; asserted after every move */
};

void xos_states_init(struct xos_states *s, const char *noun, const struct xos_state_row *table,
                     unsigned count, unsigned initial, bool (*invariant)(const void *subject));

/* May the machine go to `to` now? For what a peer or a user asks. */
bool xos_states_can(const struct xos_states *s, unsigned to);

/* Go there. A move that the table does not allow is our defect: asserted. */
void xos_states_move(struct xos_states *s, unsigned to, const void *subject);

const char *xos_states_name(const struct xos_states *s);
bool xos_states_final(const struct xos_states *s);

/* The index of a name, or -1. */
int xos_states_find(const struct xos_state_row *table, unsigned count, const char *name);

/* Called on every move when set; NULL switches it off. For a debugging log and for tests. */
typedef void (*xos_states_trace_f)(const char *noun, const char *from, const char *to,
                                   const void *subject);
void xos_states_trace(xos_states_trace_f trace);

#endif
