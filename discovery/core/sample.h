// SPDX-License-Identifier: Apache-2.0
/* sample.h - some of all the nodes ever heard of, each with the same chance, however often and by
 * whom it was named: min-wise samplers (Bortnikov et al., Brahms, Computer Networks 2009, 3.1).
 *
 * Since a sampler changes only for a node with a smaller hash, the sample of a node outlives any
 * partition: it is what finds the other side again, and what is kept on disk. */
#ifndef XOS_DISCOVERY_SAMPLE_H
#define XOS_DISCOVERY_SAMPLE_H

#include "discovery/core/peers.h"

#define SAMPLE_MAX 32                                     /* samplers */
#define SAMPLE_FORGET_MS (UINT64_C(7) * 24 * 3600 * 1000) /* unreachable for so long: given up */

struct sampler {
    uint64_t key;
    uint64_t best;       /* smallest hash so far */
    uint64_t failing_ms; /* first failure in a row to reach it; 0 = none */
    bool used;
    struct descriptor who;
};

struct sample {
    bool ready; /* keys are drawn */
    struct sampler at[SAMPLE_MAX];
};

/* Draw the keys: which nodes are kept depends on them, so nobody else may know them. */
void sample_init(struct sample *s, struct peers_random *r);

void sample_add(struct sample *s, const struct descriptor *who);
void sample_failed(struct sample *s, const char *node, uint64_t now_ms);
/* Returns whether it had been out of reach before. */
bool sample_reached(struct sample *s, const char *node);
void sample_forget(struct sample *s, const char *node); /* it said that it leaves */

/* A random node of the sample, or of those that could not be reached lately; borrowed. NULL: there
 * is none. */
const struct descriptor *sample_pick(const struct sample *s, bool failing, struct peers_random *r);
size_t sample_count(const struct sample *s); /* samplers that hold a node */

#endif
