// SPDX-License-Identifier: Apache-2.0
/* members.h - this node among the others: runs the overlay (core/view.h) and the flood of rows
 * (core/spread.h), checks what stands behind every statement before a core sees it, and keeps the
 * rows of all nodes as what queries look at. */
#ifndef XOS_DISCOVERY_MEMBERS_H
#define XOS_DISCOVERY_MEMBERS_H

#include "discovery/body.h"
#include "discovery/core/row.h"

#define MEMBERS_DESCRIPTOR_LIFE_MS                                                                 \
    7200000 /* how long others may hand on how this node is reached */
#define MEMBERS_DESCRIPTOR_AGAIN_MS 1800000 /* it is signed anew this often */
#define MEMBERS_SAVE_FIRST_MS 5000          /* who to turn to after a restart is written so soon, */
#define MEMBERS_SAVE_MS 60000               /* and looked at this often */
#define MEMBERS_FAILED_MAX 64 /* sends that failed and are yet to be told to the core */

struct members;

struct members_config {
    const struct discovery_config *discovery; /* borrowed */
    /* What this node's row says now, and its state. */
    int (*own)(void *arg, struct xos_buf *body, enum row_state *state, struct xos_error *err);
    void *arg;
};

int members_new(struct members **out, const struct members_config *config, struct xos_error *err);
void members_free(struct members *m);

void members_dirty(struct members *m); /* the own row ought to say something else */
void members_leave(struct members *m);

void members_on_message(struct members *m, const char *node, struct xos_slice message);
void members_on_down(struct members *m, const char *node);
void members_on_seed_down(struct members *m, size_t seed);

/* Another node, as its row has it. Borrowed for the call. */
struct member {
    const char *node;
    enum row_state state;
    const struct node_body *body;
};

/* Every node but this one of which a row is here, also those that are down. `each` returns nonzero
 * to stop. */
void members_each(const struct members *m, int (*each)(void *arg, const struct member *member),
                  void *arg);
bool members_find(const struct members *m, const char *node, struct member *out);

uint64_t members_age_ms(const struct members *m); /* since it went among the others */

#endif
