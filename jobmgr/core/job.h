// SPDX-License-Identifier: Apache-2.0
/* job.h - one job as its owner head sees it.
 *
 * Pure. Inputs come in through job_step(); what must happen comes out as actions, in the order in
 * which it must happen. A JOURNAL action must be durable before any action behind it is carried
 * out: persist first, send second. The job's own state moves at once, by applying the event, so
 * that further inputs may come while the disk works; their actions queue up behind.
 *
 * A round of claims: PLACE asks for nodes; the answer sends one CLAIM per node under a new epoch;
 * when all are granted the assignments are journalled and the units started; when one is refused
 * all are released and the node is left out of the next try. After JOB_TRIES_MAX tries the job
 * waits for a RETRY.
 *
 * A unit's end counts only from the node, under the epoch, to which it was assigned. A lost unit of
 * a fenced job is queued again under a higher epoch; the caller says LOST only when the old claim
 * is over by every clock. The node that it was lost on is left out of the next round. */
#ifndef XOS_JOBMGR_CORE_JOB_H
#define XOS_JOBMGR_CORE_JOB_H

#include "jobmgr/core/event.h"
#include "libxos/base/states.h"

#define JOB_UNITS_MAX 1024
#define JOB_TRIES_MAX 3
#define JOB_RETRY_MS 1000
#define JOB_EXCLUDED_MAX 16 /* nodes left out of one round */

enum job_unit_state {
    JOB_UNIT_QUEUED,
    JOB_UNIT_CLAIMING,
    JOB_UNIT_ASSIGNED, /* journalled; the start is on its way */
    JOB_UNIT_RUNNING,
    JOB_UNIT_SUSPENDED,
    JOB_UNIT_DONE,
    JOB_UNIT_STATE_COUNT
};

struct job_unit {
    struct xos_states states;
    char node[JOB_NAME_MAX];
    uint64_t epoch;
    bool granted;    /* in this round */
    int32_t killing; /* a fatal signal was asked for: 0 = none */
    struct unit_exit exit;
    char reason[JOB_REASON_MAX];
};

/* What of the specification the owner needs. */
struct job_shape {
    uint32_t units;
    bool fenced;
    bool fail_fast;
    bool no_wait;
    uint64_t grace_ms;
};

struct job {
    char id[JOB_NAME_MAX];
    char user[JOB_NAME_MAX];
    char vo[JOB_NAME_MAX];
    struct job_shape shape;
    struct job_unit *units;
    uint64_t sequence; /* of the last event */
    uint64_t epoch;    /* of the last round */
    unsigned tries;    /* in this round */
    bool placing;      /* PLACE was sent, no answer yet */
    char excluded[JOB_EXCLUDED_MAX][JOB_NAME_MAX];
    unsigned excluded_count;
    bool done;
    int status; /* of a done job */
    int64_t submitted_ms, started_ms, ended_ms;
    char reason[JOB_REASON_MAX];
};

enum job_input_kind {
    JOB_IN_NONE,
    JOB_IN_SUBMIT,   /* user, vo, spec, grant, operation_id */
    JOB_IN_PLACED,   /* nodes[unit] for every unit that was queued */
    JOB_IN_UNPLACED, /* reason; never: no node could ever do it */
    JOB_IN_CLAIMED,  /* node, epoch */
    JOB_IN_REFUSED,  /* node, epoch, reason */
    JOB_IN_STARTED,  /* unit, node, epoch */
    JOB_IN_SUSPENDED,
    JOB_IN_RESUMED,
    JOB_IN_ENDED,  /* and exit */
    JOB_IN_LOST,   /* unit, epoch, node (NULL: where it is assigned): its claim is over for good;
                      reason; never: it was not started */
    JOB_IN_SIGNAL, /* unit or JOB_ALL_UNITS, signal, grace_ms, user */
    JOB_IN_RETRY,  /* the timer, or room became free */
    JOB_IN_AGAIN,  /* after a restart of the owner: say again what may not have arrived */
};

struct job_input {
    enum job_input_kind kind;
    int64_t now_ms; /* real time, for the events */
    uint32_t unit;
    uint64_t epoch;
    const char *node;
    const char *reason;
    const char *user;
    const char *vo;
    const char (*nodes)[JOB_NAME_MAX]; /* by unit number */
    bool never;
    int32_t signal;
    uint64_t grace_ms;
    struct unit_exit exit;
    struct xos_slice spec, grant, operation_id;
};

enum job_action_kind {
    JOB_DO_NONE,
    JOB_DO_JOURNAL, /* event: durable before what follows */
    JOB_DO_PLACE,   /* find nodes for the queued units, none of job->excluded */
    JOB_DO_CLAIM,   /* at node, under epoch: all units that are CLAIMING there */
    JOB_DO_RELEASE, /* unit, node, epoch */
    JOB_DO_START,   /* unit, node, epoch */
    JOB_DO_SIGNAL,  /* unit, node, epoch, signal, grace_ms */
    JOB_DO_ACK,     /* unit, node, epoch: the worker may forget the unit */
    JOB_DO_RETRY,   /* come back with JOB_IN_RETRY after JOB_RETRY_MS */
};

struct job_action {
    enum job_action_kind kind;
    uint32_t unit;
    uint64_t epoch;
    char node[JOB_NAME_MAX];
    int32_t signal;
    uint64_t grace_ms;
    struct job_event event; /* JOURNAL; its slices are borrowed from the input */
};

struct job_actions {
    struct job_action *list;
    size_t count, cap;
};

void job_actions_free(struct job_actions *a);

/* A job without events. shape is copied. */
int job_new(struct job **out, const char *id, const struct job_shape *shape, struct xos_error *err);
void job_free(struct job *j);

/* Fold one event of the log. XOS_CORRUPT when it cannot follow. */
int job_apply(struct job *j, const struct job_event *ev, struct xos_error *err);

/* Advance by one input. On failure (XOS_NOMEM, XOS_INVALID, XOS_NOT_FOUND) nothing has changed and
 * nothing was appended. */
int job_step(struct job *j, const struct job_input *in, struct job_actions *out,
             struct xos_error *err);

/* For listings: "queued", "starting", "running", "suspended", "ending", "done". */
#define JOB_STATE_NAMES 5 /* of live jobs, the first that applies */
extern const char *const job_state_names[JOB_STATE_NAMES];
const char *job_state_name(const struct job *j);
const char *job_unit_state_name(const struct job_unit *u);

#endif
