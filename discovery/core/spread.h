// SPDX-License-Identifier: Apache-2.0
/* spread.h - every node's row at every node: a flood over the overlay's links, and digests that
 * repair what the flood lost (Demers et al., PODC 1987: rumours with anti-entropy).
 *
 * Pure, as view.h. What the shell owes the core: a message's sender is the authenticated name of
 * its link; every row in it has been verified; when SPREAD_SIGN comes it signs a row of its own
 * with an expiry ROW_LIFE_MS ahead and hands it in with SPREAD_LOCAL; it calls again with
 * SPREAD_TICK no later than next_ms. Rows in actions are borrowed from the table: encode or drop
 * them before the next step. */
#ifndef XOS_DISCOVERY_SPREAD_H
#define XOS_DISCOVERY_SPREAD_H

#include "discovery/core/message.h"

#define SPREAD_NEIGHBORS_MAX 8        /* at least VIEW_ACTIVE_MAX */
#define SPREAD_FLUSH_MS 200           /* between two batches */
#define SPREAD_NEWS_MS 1000           /* renewals are announced this often */
#define SPREAD_DIGEST_MS 10000        /* ±20 %, to one random neighbour */
#define SPREAD_REFRESH_MS 60000       /* one's own row is signed anew this often, */
#define SPREAD_CHANGE_MS 1000         /* or when it changed, at most this often */
#define SPREAD_FLUSH_BYTES_MAX 131072 /* one batch to all neighbours together */
#define SPREAD_PEER_BYTES_MAX 49152   /* of it to one neighbour: one message of rows */
#define SPREAD_ASK_AGAIN_MS 3000      /* the same row is not pulled twice within this */
#define SPREAD_ASKED_MAX 1024         /* pulls remembered for that */
#define SPREAD_ACTIONS_MAX (DISC_ROWS_MAX + 4 * SPREAD_NEIGHBORS_MAX)
#define SPREAD_MARKS_MAX ((SPREAD_NEIGHBORS_MAX + 2) * DISC_MARKS_MAX)

struct spread;

enum spread_event_kind {
    SPREAD_EVENT_NONE,
    SPREAD_TICK,
    SPREAD_NEIGHBOR_UP,   /* node */
    SPREAD_NEIGHBOR_DOWN, /* node */
    SPREAD_MESSAGE,       /* node = sender; message */
    SPREAD_LOCAL,         /* row = one's own, signed */
    SPREAD_DIRTY,         /* one's own row ought to say something else than it does */
    SPREAD_EVENTS
};

/* All borrowed for the call. */
struct spread_event {
    enum spread_event_kind kind;
    uint64_t now_ms; /* monotonic, never smaller than before */
    int64_t real_ms; /* since 1970 */
    uint64_t random; /* fresh bits for each event */
    const char *node;
    const struct spread_message *message;
    const struct row_record *row;
};

enum spread_action_kind {
    SPREAD_ACTION_NONE,
    SPREAD_SEND, /* message to the neighbour `node` */
    SPREAD_SIGN, /* sign one's own row, with (incarnation, seq) above these */
    SPREAD_ROW,  /* the row of `node` is new, changed or has ended: look it up */
};

struct spread_action {
    enum spread_action_kind kind;
    uint64_t incarnation;
    uint64_t seq;
    char node[NODE_NAME_BYTES_MAX + 1];
    struct spread_message message; /* its lists lie in the struct spread_actions */
};

struct spread_actions {
    size_t count;
    uint64_t next_ms;
    bool rows_ended; /* some rows ended in this step (a tick): look at the table */
    struct spread_action at[SPREAD_ACTIONS_MAX];
    size_t row_count, mark_count; /* used below */
    const struct row_record *rows[SPREAD_NEIGHBORS_MAX * DISC_ROWS_MAX];
    uint64_t names[SPREAD_MARKS_MAX];
    uint64_t incarnations[SPREAD_MARKS_MAX];
    uint64_t seqs[SPREAD_MARKS_MAX];
};

/* What was turned away, counted since the start: for /metrics. */
struct spread_counts {
    uint64_t taken;     /* rows new, changed or renewed */
    uint64_t duplicate; /* rows that were here already */
    uint64_t ended;
    uint64_t clock; /* ROW_TOO_FAR */
    uint64_t too_often;
    uint64_t no_room; /* ROW_TABLE_MAX reached */
};

/* `self` is copied. */
int spread_new(struct spread **out, const char *self, struct xos_error *err);
void spread_free(struct spread *s);

/* Advance by one event; *out is overwritten. Returns 0, or -1 and *err (XOS_NOMEM; XOS_INVALID: the
 * local row is not one's own, is not newer or has ended; XOS_LIMIT: too many neighbours or nodes):
 * then nothing has changed. */
int spread_step(struct spread *s, const struct spread_event *ev, struct spread_actions *out,
                struct xos_error *err);

/* Borrowed until the next step. */
const struct row_table *spread_rows(const struct spread *s);
const struct spread_counts *spread_counts(const struct spread *s);

#endif
