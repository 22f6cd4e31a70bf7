// SPDX-License-Identifier: Apache-2.0
/* event.h - one line of a job's log, in memory and as bytes.
 *
 * A job is what its events say: job_apply() folds them, one after the other, into its state, in a
 * running daemon and after a restart alike. Listings, watchers and metrics read the same events. */
#ifndef XOS_JOBMGR_CORE_EVENT_H
#define XOS_JOBMGR_CORE_EVENT_H

#include "libxos/base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define JOB_NAME_MAX 128   /* bytes of any name in a job, with NUL */
#define JOB_REASON_MAX 160 /* bytes of a reason, with NUL */
#define JOB_EVENT_BYTES_MAX ((size_t)1 << 20)
#define JOB_ALL_UNITS UINT32_MAX

/* name in listings, number on the wire and in the store */
#define JOB_EVENT_KINDS(X)                                                                         \
    X(SUBMITTED, 1, "submitted")                                                                   \
    X(WAITING, 2, "waiting")   /* no node now; the reason says why */                              \
    X(ASSIGNED, 3, "assigned") /* unit, node, epoch: claimed; may have been started */             \
    X(STARTED, 4, "started")                                                                       \
    X(SUSPENDED, 5, "suspended")                                                                   \
    X(RESUMED, 6, "resumed")                                                                       \
    X(SIGNALLED, 7, "signalled") /* somebody asked; signal, user */                                \
    X(ENDED, 8, "ended")         /* a unit, for good */                                            \
    X(LOST, 9, "lost")           /* a unit's node; it is queued again */                           \
    X(DONE, 10, "done")          /* the job; exit.value is its status */

enum job_event_kind {
    JOB_EVENT_NONE,
#define X(name, number, text) JOB_EVENT_##name = number,
    JOB_EVENT_KINDS(X)
#undef X
};

/* How a unit ended. Listings print the text. */
#define UNIT_ENDS(X)                                                                               \
    X(EXITED, 1, "exited")                                                                         \
    X(SIGNALLED, 2, "signalled")                                                                   \
    X(OOM, 3, "oom")                                                                               \
    X(TIME_LIMIT, 4, "time-limit")                                                                 \
    X(KILLED, 5, "killed")                                                                         \
    X(PREEMPTED, 6, "preempted")                                                                   \
    X(NODE_LOST, 7, "node-lost")                                                                   \
    X(SHIM_LOST, 8, "shim-lost")                                                                   \
    X(START_FAILED, 9, "start-failed")

enum unit_end {
    UNIT_END_NONE,
#define X(name, number, text) UNIT_END_##name = number,
    UNIT_ENDS(X)
#undef X
};

struct unit_exit {
    enum unit_end how;
    int32_t value; /* EXITED: the status; SIGNALLED: the signal's number; where XOS ended it: the
                      status as a shell shows it, or -1 */
    uint32_t stage;
    uint32_t error; /* errno of START_FAILED */
    int64_t started_ms;
    int64_t ended_ms;
    uint64_t cpu_ms;
    uint64_t memory_peak_bytes;
    uint64_t out_bytes;
    uint64_t err_bytes;
    uint64_t dropped_bytes;
};

struct job_event {
    enum job_event_kind kind;
    uint64_t sequence;
    int64_t at_ms;
    uint32_t unit; /* or JOB_ALL_UNITS */
    uint64_t epoch;
    char node[JOB_NAME_MAX];
    char reason[JOB_REASON_MAX];
    char user[JOB_NAME_MAX];
    char vo[JOB_NAME_MAX];
    int32_t signal;
    struct unit_exit exit;
    struct xos_slice spec;  /* of SUBMITTED; borrowed */
    struct xos_slice grant; /* of SUBMITTED; borrowed */
    struct xos_slice operation_id;
};

const char *job_event_name(enum job_event_kind kind);
const char *unit_end_name(enum unit_end how);

#define UNIT_STAGE_EXEC 18 /* unit_exit.stage: executing the command itself */

/* What a shell would say: the exit status, 128+signal; 127 and 126 when the command is not there or
 * cannot be executed; 125 when XOS could not start the unit, or lost it. */
int unit_exit_status(const struct unit_exit *e);

/* The wire form, for messages that carry an end. */
struct Xos__Job__ExitPb;
void unit_exit_put(const struct unit_exit *e, struct Xos__Job__ExitPb *m);
int unit_exit_take(const struct Xos__Job__ExitPb *m, struct unit_exit *e, struct xos_error *err);

int job_event_encode(const struct job_event *ev, struct xos_buf *out, struct xos_error *err);

/* The slices point into *owner, which the caller frees with job_event_free. */
int job_event_decode(struct job_event *out, void **owner, struct xos_slice data,
                     struct xos_error *err);
void job_event_free(void *owner);

#endif
