// SPDX-License-Identifier: Apache-2.0
/* member.h - a simulated node that runs discovery's cores: the shell around view and spread, with
 * the real messages on the simulated links. Signatures are fillers: the cores never look at them.
 */
#ifndef XOS_TESTS_MEMBER_H
#define XOS_TESTS_MEMBER_H

#include "discovery/core/spread.h"
#include "discovery/core/view.h"
#include "tests/sim/sim.h"

#define MEMBER_SIGNATURE_BYTES 64
#define MEMBER_KNOWN_MAX SAMPLE_MAX

struct member_world {
    unsigned seeds;                     /* nodes 0 … seeds-1 are everybody's seeds */
    unsigned institutions;              /* nodes are spread over these in turn */
    bool rows;                          /* run spread too */
    size_t body_bytes;                  /* of a row */
    uint64_t kind_messages[DISC_KINDS]; /* sent, by kind */
    uint64_t kind_bytes[DISC_KINDS];
    /* Working memory, shared since one node runs at a time. */
    struct view_actions *view_actions;
    struct spread_actions *spread_actions;
    struct xos_buf wire;
};

struct member {
    struct member_world *world;
    struct sim *sim;
    sim_id id;
    char name[NODE_NAME_BYTES_MAX + 1];
    struct view *view;
    struct spread *spread; /* NULL without rows */
    uint64_t view_next_ms, spread_next_ms, save_next_ms;
    uint64_t incarnation, seq;
    uint64_t content; /* what the row says; change it and call member_dirty */
};

extern const struct sim_node_ops member_ops;

int member_world_init(struct member_world *w, struct xos_error *err);
void member_world_free(struct member_world *w);

sim_id member_id(const char *name); /* the node of a name */
void member_name(const struct member_world *w, sim_id id, char name[NODE_NAME_BYTES_MAX + 1]);
int member_dirty(struct member *m, struct xos_error *err);
int member_leave(struct member *m, struct xos_error *err);

#endif
