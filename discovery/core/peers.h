// SPDX-License-Identifier: Apache-2.0
/* peers.h - a bounded list of nodes with ages: the active view, the passive view, and the requests
 * under way. No two entries name the same node. */
#ifndef XOS_DISCOVERY_PEERS_H
#define XOS_DISCOVERY_PEERS_H

#include "discovery/core/descriptor.h"

#define PEERS_MAX 30      /* room of the largest list */
#define PEERS_AGE_MAX 255 /* shuffle rounds; what a peer claims beyond is cut to this */
#define PEERS_NO_PLACE SIZE_MAX

struct peer {
    uint32_t age;      /* shuffle rounds since the node itself gave its descriptor out */
    uint64_t heard_ms; /* active: last message from it. passive: last asked; 0 = never */
    bool high;         /* a request: with high priority */
    int seed;          /* a request to a configured address: its index, and no name yet; else -1 */
    struct descriptor who;
};

struct peers {
    size_t count;
    size_t max;
    uint64_t names[PEERS_MAX]; /* node_name_hash of each, side by side: a search reads these */
    struct peer at[PEERS_MAX];
};

/* Random bits of one event, spread out: splitmix64 (Steele, Lea, Flood 2014). */
struct peers_random {
    uint64_t state;
};
uint64_t peers_random(struct peers_random *r);
size_t peers_random_below(struct peers_random *r, size_t n); /* n > 0 */

size_t peers_find(const struct peers *p, const char *node); /* place, or PEERS_NO_PLACE */
bool peers_full(const struct peers *p);

/* Add a node that is not there; the list is not full (both asserted). */
struct peer *peers_add(struct peers *p, const struct descriptor *who, uint32_t age);
void peers_remove(struct peers *p, size_t place); /* the last one takes its place */

/* Entries of this institution, and of all others. */
size_t peers_of(const struct peers *p, const char *institution);
size_t peers_not_of(const struct peers *p, const char *institution);

/* The oldest of the institution that has most entries: whom a full passive view gives up, so that
 * no institution crowds out the others. The list is not empty (asserted). */
size_t peers_oldest_of_most(const struct peers *p);

/* A random one of this institution. PEERS_NO_PLACE: it has none. */
size_t peers_pick_of(const struct peers *p, const char *institution, struct peers_random *r);

#endif
