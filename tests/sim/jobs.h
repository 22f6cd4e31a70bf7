// SPDX-License-Identifier: Apache-2.0
/* jobs.h - simulated heads and workers around the real cores of job control.
 *
 * A head runs job, place and hold; a worker runs claim; a shim is a fence and the work that is
 * left, on a machine, whatever becomes of the daemon. Each machine has a CLOCK_BOOTTIME of its own
 * that begins anew with the machine and runs a little fast or slow. Calls are as libxos/net/rpc
 * makes them: a request is taken once, by the process that it was meant for; an answer counts for
 * the process that asked, before it gave up. */
#ifndef XOS_TESTS_JOBS_H
#define XOS_TESTS_JOBS_H

#include "jobmgr/core/hold.h"
#include "jobmgr/core/job.h"
#include "jobmgr/core/place.h"
#include "tests/sim/sim.h"

#include <uthash.h>

#if __has_include("jobmgr/exec/fence.h")
#include "jobmgr/exec/fence.h"
#else
/* The contract of the shim's fence, where the shim is not built. */
struct fence {
    bool fenced;
    bool frozen;
    uint64_t epoch;
    uint64_t deadline_ms;
};
enum fence_event_kind { FENCE_TICK, FENCE_RENEW };
struct fence_event {
    enum fence_event_kind kind;
    uint64_t now_ms;
    uint64_t epoch;
    uint64_t deadline_ms;
    bool fenced;
};
enum fence_action { FENCE_NOTHING, FENCE_FREEZE, FENCE_THAW, FENCE_SUPERSEDED, FENCE_STALE };
enum fence_action fence_step(struct fence *f, const struct fence_event *ev);
#endif

#define JOBS_MAX 256
#define JOBS_UNITS_MAX 8
#define JOBS_EVENTS_MAX 512 /* in one job's log */
#define JOBS_SHIMS_MAX 128  /* on one machine */
#define JOBS_INSTITUTIONS_MAX 4
#define JOBS_NODES_MAX 32
#define JOBS_NODE_CPUS 16
#define JOBS_HELD_MAX 256     /* in one message */
#define JOBS_ROW_LIFE_MS 6000 /* a node that is gone is a candidate for so long */
#define JOBS_CALL_MS 5000     /* HEAD_CALL_TIMEOUT_MS */
#define JOBS_AGAIN_MS 1000    /* HEAD_SIGNAL_AGAIN_MS */

struct jobs_shim {
    bool there;
    bool ended;
    bool killed;
    uint32_t job, unit;
    struct fence fence;
    uint64_t left_ms;
};

struct jobs_machine {
    bool up;
    uint64_t booted_ms; /* true time */
    int64_t rate_ppm;
    struct jobs_shim shims[JOBS_SHIMS_MAX];
};

/* A job as the world knows it: what was asked for, what is on its head's disk, what was seen. */
struct jobs_job {
    unsigned head;
    bool submitted; /* the submit was taken and is on disk */
    struct job_shape shape;
    struct claim_need need;
    uint64_t work_ms;
    uint64_t kill_at_ms; /* 0: never */
    size_t events;
    struct job_event *log;
    unsigned starts[JOBS_UNITS_MAX];
    uint64_t completed[JOBS_UNITS_MAX];  /* epoch of the instance that finished its work; 0: none */
    uint64_t runs_at_ms[JOBS_UNITS_MAX]; /* it was last seen unfrozen */
};

struct jobs_world {
    struct sim *sim;
    unsigned heads;
    sim_id nodes;
    struct jobs_machine *machines;
    struct jobs_job jobs[JOBS_MAX];
    size_t job_count;
    uint64_t seen_ms[JOBS_NODES_MAX][JOBS_NODES_MAX]; /* by head, worker: its row was fresh */
    uint64_t lost, requeued, frozen, thawed, superseded;
    const char *broken; /* an invariant that was seen to fail inside a node */
};

enum jobs_kind {
    JOBS_NONE,
    JOBS_CLAIM, /* head to worker */
    JOBS_HOLD,
    JOBS_RELEASE,
    JOBS_START,
    JOBS_SIGNAL,
    JOBS_REPORT, /* worker to head; state: an input kind */
    JOBS_REPLY,
};

struct jobs_held {
    uint32_t job, unit;
    uint64_t epoch;
};

struct jobs_message {
    uint32_t kind;
    uint32_t code; /* of a reply: an enum xos_code */
    uint64_t id;   /* of the request */
    uint32_t job, unit;
    uint64_t epoch;
    uint64_t clock_ms;
    uint32_t probe;
    uint32_t state;
    uint32_t how;
    int32_t value;
    uint32_t count; /* of held */
    uint32_t pad;
    struct jobs_held held[JOBS_HELD_MAX];
};

uint64_t jobs_clock_ms(const struct jobs_world *w, sim_id id); /* its CLOCK_BOOTTIME */
void jobs_name(const struct jobs_world *w, sim_id id, char name[JOB_NAME_MAX]);
sim_id jobs_node(const char *name);
void jobs_id(const struct jobs_world *w, uint32_t job, char id[JOB_NAME_MAX]);
uint32_t jobs_number(const char *id);
int jobs_status(uint32_t job, uint32_t unit); /* with which its program ends */
struct jobs_shim *jobs_shim_find(struct jobs_world *w, sim_id id, uint32_t job, uint32_t unit,
                                 uint64_t epoch);

/* Requests that were taken, so that a twin is not; and calls that wait. */
struct jobs_seen {
    uint64_t key;
    UT_hash_handle hh;
};
bool jobs_first(struct jobs_seen **seen, sim_id from, uint64_t id);
void jobs_seen_free(struct jobs_seen **seen);

int jobs_send(struct jobs_world *w, sim_id from, sim_id to, const struct jobs_message *m,
              struct xos_error *err);

/* The two kinds of nodes; a node's state begins with its kind. */
extern const struct sim_node_ops jobs_head_ops, jobs_worker_ops, jobs_ops;

int jobs_head_submit(void *head, uint32_t job, struct xos_error *err);
int jobs_head_signal(void *head, uint32_t job, struct xos_error *err);
bool jobs_head_done(void *head, uint32_t job);
const struct claim_table *jobs_worker_claims(const void *worker);

#endif
