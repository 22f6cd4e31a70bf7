// SPDX-License-Identifier: Apache-2.0
/* row.h - what each node has and does: the newest row of every node, by node.
 *
 * A row is a statement signed by its node; it lives until its expiry, at most ROW_LIFE_MS ahead.
 * Of two rows of one node the one with the higher (incarnation, seq) holds, whoever brought it, so
 * that any order of arrival ends in the same table. A row that has ended stays as ROW_DOWN for
 * ROW_FORGET_MS, so that an older copy cannot bring it back. */
#ifndef XOS_DISCOVERY_ROW_H
#define XOS_DISCOVERY_ROW_H

#include "discovery/core/descriptor.h"

#define ROW_BYTES_MAX 4096    /* statement and signature */
#define ROW_TABLE_MAX 1024    /* nodes in one table */
#define ROW_LIFE_MS 180000    /* a row's expiry lies at most this far ahead */
#define ROW_SKEW_MS 30000     /* and this, for clocks that differ */
#define ROW_FORGET_MS 600000  /* an ended row is remembered this long after its expiry */
#define ROW_CHANGES_BURST 4   /* changes of one node's row taken at once, */
#define ROW_CHANGE_GAP_MS 500 /* and one more after each of these */

enum row_state { ROW_NONE, ROW_UP, ROW_DRAINING, ROW_DRAINED, ROW_DOWN };

/* A row in or out of the table. All borrowed. */
struct row_record {
    const char *node;
    uint64_t incarnation;
    uint64_t seq;
    int64_t expiry_ms; /* since 1970 */
    enum row_state state;
    struct xos_slice statement;
    struct xos_slice signature;
    struct xos_slice body; /* in the statement */
};

enum row_verdict {
    ROW_VERDICT_NONE,
    ROW_SAME,      /* this very version is here */
    ROW_OLDER,     /* a newer one is here */
    ROW_RENEWED,   /* newer, and nothing but its times differ */
    ROW_CHANGED,   /* newer, and different or of a new node */
    ROW_ENDED,     /* its expiry has passed */
    ROW_TOO_FAR,   /* its expiry is too far ahead: its node's clock is wrong */
    ROW_TOO_OFTEN, /* this node changes its row more often than it may */
    ROW_NO_ROOM,   /* ROW_TABLE_MAX nodes are here */
};

struct row_table;

/* Read a statement. `node` gets the name's copy; the rest of *out borrows from statement and
 * signature. XOS_PROTOCOL or XOS_LIMIT, naming what is wrong with it. */
int row_parse(struct row_record *out, char node[static NODE_NAME_BYTES_MAX + 1],
              struct xos_slice statement, struct xos_slice signature, struct xos_error *err);

/* Append the statement of r's node, version, expiry, state and body: what is signed. */
int row_state_bytes(struct xos_buf *out, const struct row_record *r, struct xos_error *err);

int row_table_new(struct row_table **out, struct xos_error *err);
void row_table_free(struct row_table *t);

/* What put would do with this row now. now_ms is monotonic, real_ms since 1970. */
enum row_verdict row_table_judge(const struct row_table *t, const struct row_record *r,
                                 uint64_t now_ms, int64_t real_ms);

/* A row's bytes, copied in advance: with them put cannot fail. */
struct row_bytes;
struct row_bytes *row_bytes_new(const struct row_record *r); /* NULL: out of memory */
void row_bytes_free(struct row_bytes *b);                    /* takes NULL */

/* Take a row that judge found ROW_RENEWED or ROW_CHANGED (asserted). Takes ownership of b.
 * Returns its slot: 0 … ROW_TABLE_MAX-1, the same for as long as the node is in the table. */
size_t row_table_put(struct row_table *t, struct row_bytes *b, uint64_t now_ms, int64_t real_ms);

/* End rows whose expiry has passed and drop those that ended long ago. `ended` is called for each
 * row that ends now. Returns when to call again, in real time; INT64_MAX = no row. */
typedef void (*row_ended_f)(size_t slot, const struct row_record *r, void *arg);
int64_t row_table_expire(struct row_table *t, int64_t real_ms, row_ended_f ended, void *arg);

/* Rows, borrowed until the next put or expire; NULL = none. Rows in state ROW_DOWN are included:
 * their node has left, or was not heard of for too long. */
const struct row_record *row_table_find(const struct row_table *t, const char *node);
const struct row_record *row_table_at(const struct row_table *t, size_t slot);
int row_table_slot(const struct row_table *t, uint64_t name_hash); /* -1: none */
uint64_t row_table_hash_at(const struct row_table *t, size_t slot);
size_t row_table_count(const struct row_table *t); /* also those down */

/* Is the row still to be passed on: up, or a leave that has not yet expired? */
bool row_table_spreads(const struct row_table *t, size_t slot, int64_t real_ms);

/* By (incarnation, seq): below 0, 0, above 0. */
int row_compare(uint64_t incarnation_a, uint64_t seq_a, uint64_t incarnation_b, uint64_t seq_b);

const char *row_state_name(enum row_state state);

#endif
