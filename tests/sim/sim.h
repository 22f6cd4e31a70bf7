// SPDX-License-Identifier: Apache-2.0
/* sim.h - a world in one process: nodes, links and faults in virtual time; one seed = one run.
 *
 * A node is a table of functions over a state of its own; the simulator calls them one at a time,
 * in the order of virtual time, equal times in the order in which they were caused. Everything
 * random comes from one generator (xoshiro256**, Blackman and Vigna 2018). Everything that happens
 * goes into one SHA-256, so that two runs can be compared by one line.
 *
 * Messages travel over links as TCP would carry them: in order, at the latency of the pair. What
 * is sent to a node that is not there is reported to the sender as a broken link: at once when the
 * machine answers (its process is dead), after SIM_TIMEOUT_MS when nothing answers. Links that a
 * node holds (sim_hold) break likewise when the other side dies or a cut lasts. */
#ifndef XOS_TESTS_SIM_H
#define XOS_TESTS_SIM_H

#include "libxos/base/buf.h"

#define SIM_TIMEOUT_MS 10000               /* until a silent link is seen to be broken */
#define SIM_HELD_MAX 16                    /* links held by one node */
#define SIM_TRACE_TEXT 33                  /* 32 hex digits and the NUL */
#define SIM_REAL_MS INT64_C(1750000000000) /* the wall clock when virtual time begins */

typedef uint32_t sim_id;

struct sim;

/* How nodes of one kind behave. Each may send, set timers and hold links. */
struct sim_node_ops {
    /* A process begins. `disk` is what the last one saved with sim_save, or empty. */
    int (*start)(struct sim *s, sim_id self, void *world, struct xos_slice disk, void **node,
                 struct xos_error *err);
    int (*message)(struct sim *s, void *node, sim_id from, struct xos_slice bytes,
                   struct xos_error *err);
    int (*timer)(struct sim *s, void *node, struct xos_error *err);
    int (*link_down)(struct sim *s, void *node, sim_id peer, struct xos_error *err);
    void (*stop)(void *node); /* frees: a crash runs no other code */
};

struct sim_config {
    uint64_t seed;
    sim_id nodes;
    unsigned sites;         /* nodes are spread over these in turn */
    unsigned near_ms;       /* latency within a site, up to */
    unsigned far_ms;        /* between sites, up to */
    unsigned loss_permille; /* of messages, without a word to anyone */
    unsigned twin_permille; /* of messages, that come twice */
    unsigned late_permille; /* of messages, that wait in some queue and are overtaken, … */
    unsigned late_ms;       /* … for up to this */
    unsigned skew_ms;       /* clocks differ by up to this from true time */
    const struct sim_node_ops *ops;
    void *world; /* borrowed; given to start */
};

struct sim_counts {
    uint64_t events;
    uint64_t messages;
    uint64_t bytes; /* sent */
    uint64_t lost;
};

int sim_new(struct sim **out, const struct sim_config *config, struct xos_error *err);
void sim_free(struct sim *s);

/* Let virtual time pass. A node function that fails ends the run with its error. */
int sim_run_until(struct sim *s, uint64_t at_ms, struct xos_error *err);

uint64_t sim_now_ms(const struct sim *s);
int64_t sim_real_ms(const struct sim *s, sim_id id); /* the node's wall clock, with its skew */
uint64_t sim_random(struct sim *s);
uint64_t sim_random_below(struct sim *s, uint64_t n); /* n > 0 */
const struct sim_counts *sim_counts(const struct sim *s);
unsigned sim_site(const struct sim *s, sim_id id);
sim_id sim_nodes(const struct sim *s);
void *sim_node(const struct sim *s, sim_id id); /* NULL: not running */
bool sim_running(const struct sim *s, sim_id id);

/* For node functions. */
int sim_send(struct sim *s, sim_id from, sim_id to, struct xos_slice bytes, struct xos_error *err);
int sim_timer(struct sim *s, sim_id id, uint64_t at_ms,
              struct xos_error *err); /* replaces the last */
void sim_hold(struct sim *s, sim_id id, sim_id peer);
void sim_release(struct sim *s, sim_id id, sim_id peer);
int sim_save(struct sim *s, sim_id id, struct xos_slice disk, struct xos_error *err);
/* Put something into the trace that is worth comparing. */
void sim_note(struct sim *s, const char *what, uint64_t a, uint64_t b);

/* Faults. */
int sim_start(struct sim *s, sim_id id, bool keep_disk, struct xos_error *err);
int sim_crash(struct sim *s, sim_id id, bool machine,
              struct xos_error *err);                        /* or the process only */
void sim_pause(struct sim *s, sim_id id, uint64_t until_ms); /* nothing runs, links stay */
int sim_cut(struct sim *s, sim_id from, sim_id to, bool cut, struct xos_error *err); /* one way */
/* From here on no message is lost, late or doubled. */
void sim_calm(struct sim *s);
/* Nodes in different groups hear nothing of each other; all start in group 0. */
int sim_group(struct sim *s, sim_id id, unsigned group, struct xos_error *err);

/* The hash of all that has happened so far: SIM_TRACE_TEXT bytes. */
void sim_trace(struct sim *s, char text[static SIM_TRACE_TEXT]);

/* What a run was asked for in the environment (SEED, NODES, MINUTES, TWICE), or the preset. */
uint64_t sim_setting(const char *name, uint64_t preset);

#endif
