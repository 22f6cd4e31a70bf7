// SPDX-License-Identifier: Apache-2.0
/* message.h - what discovery says on the overlay, between bytes and structs.
 *
 * Every list has a named maximum, and all lengths are checked before anything is kept; what a peer
 * says beyond that (its times to live, ages, names that are its own) is for the cores to judge.
 * Signatures are not checked here: whoever decodes a message verifies the statements in it before
 * a core sees them. Format: discovery/discovery.proto; golden files: tests/golden/discovery-1. */
#ifndef XOS_DISCOVERY_MESSAGE_H
#define XOS_DISCOVERY_MESSAGE_H

#include "discovery/core/row.h"

#define DISC_MESSAGE_BYTES_MAX 65536 /* one message on the wire */
#define DISC_ENTRIES_MAX 8 /* descriptors in one shuffle, HyParView section 4.5: 1+ka+kp */
#define DISC_ROWS_MAX 64   /* rows in one message */
#define DISC_MARKS_MAX ROW_TABLE_MAX /* marks in one digest */

enum disc_kind {
    DISC_NONE,
    DISC_JOIN,
    DISC_FORWARD_JOIN,
    DISC_NEIGHBOR,
    DISC_NEIGHBOR_REPLY,
    DISC_DISCONNECT,
    DISC_ALIVE,
    DISC_SHUFFLE,
    DISC_SHUFFLE_REPLY,
    DISC_ROWS,
    DISC_NEWS,
    DISC_DIGEST,
    DISC_PULL,
    DISC_KINDS
};

struct disc_entry {
    struct descriptor who;
    uint32_t age; /* shuffle rounds */
};

/* For the overlay (view.h). Which fields count depends on the kind: discovery.proto. */
struct view_message {
    enum disc_kind kind;
    uint32_t ttl; /* hops */
    bool high;
    bool accepted;
    bool leaving;
    uint64_t nonce;
    size_t entry_count;
    struct descriptor who; /* join, forward join, neighbor and its reply, shuffle */
    struct disc_entry entries[DISC_ENTRIES_MAX];
};

/* For rows (spread.h). The lists are borrowed. */
struct spread_message {
    enum disc_kind kind;
    size_t row_count;
    const struct row_record *const *rows;
    size_t mark_count;
    const uint64_t *names;        /* node_name_hash */
    const uint64_t *incarnations; /* not in a pull */
    const uint64_t *seqs;         /* not in a pull */
};

/* A decoded message: exactly one of the two is there. */
struct disc_message {
    const struct view_message *view;
    const struct spread_message *spread;
};

/* Append the encoded message. The counts must be within their maxima (asserted). */
int disc_message_encode_view(struct xos_buf *out, const struct view_message *m,
                             struct xos_error *err);
int disc_message_encode_spread(struct xos_buf *out, const struct spread_message *m,
                               struct xos_error *err);

/* XOS_PROTOCOL, XOS_LIMIT or XOS_NOMEM. The result borrows nothing from bytes; free it. */
int disc_message_decode(struct disc_message **out, struct xos_slice bytes, struct xos_error *err);
void disc_message_free(struct disc_message *m); /* takes NULL */

const char *disc_kind_name(enum disc_kind kind);

#endif
