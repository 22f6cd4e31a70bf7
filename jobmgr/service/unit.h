// SPDX-License-Identifier: Apache-2.0
/* unit.h - one unit on this worker, from the owner's START until the owner has its end.
 *
 *     SAVING    its record goes to the store
 *     ORDERING  xos-execd was asked to start it
 *     LIVE      its shim was started; connected, or trying to
 *     ENDING    the end is known and goes to the store; at the same time the owner is told
 *     TELLING   the end is safe here; the owner is told until it answers
 *     GONE      both have it: shim, directory and record go away
 *
 * A unit that its fence froze is reported as suspended again and again: the owner that has given it
 * up says so (STALE), and it is ended. It must not run on beside its successor.
 *
 * What the worker must not forget is in the store and in the shim. A restarted xosd reads the
 * records, asks execd which units there are, and goes on from what the two say together. */
#ifndef XOS_JOBMGR_SERVICE_UNIT_H
#define XOS_JOBMGR_SERVICE_UNIT_H

#include "jobmgr/core/claim.h"
#include "jobmgr/core/event.h"
#include "jobmgr/exec/shim_wire.h"
#include "jobmgr/service/packet.h"

#include <uthash.h>

#define UNIT_REPORT_TIMEOUT_MS 5000
#define UNIT_REPORT_AGAIN_MS 1000
#define UNIT_STARTED_AFTER_MS 50  /* a unit that ends before is reported once, with its end */
#define UNIT_FROZEN_AGAIN_MS 5000 /* one that its fence froze: its owner may have given it up */
#define UNIT_CONNECT_AGAIN_MS 50  /* a shim that was just started, or a busy machine */
#define UNIT_CONNECT_TRIES_MAX 200
#define UNIT_LEAVE_MS 1000 /* a shim that was told to leave is looked for again after this */
#define UNIT_FOREGROUND_STEP_BYTES ((uint64_t)1 << 20) /* news of progress that the shim gets */

struct worker;
struct attach;
struct job_spec;
struct execd_entry;

enum worker_unit_state {
    WORKER_UNIT_SAVING,
    WORKER_UNIT_ORDERING,
    WORKER_UNIT_LIVE,
    WORKER_UNIT_ENDING,
    WORKER_UNIT_TELLING,
    WORKER_UNIT_GONE,
};

/* What is told to the owner; the numbers are on the wire. */
enum unit_report {
    UNIT_REPORT_NONE,
    UNIT_REPORT_STARTED,
    UNIT_REPORT_SUSPENDED,
    UNIT_REPORT_RESUMED,
    UNIT_REPORT_ENDED
};

struct unit {
    struct worker *worker;
    char exec_id[EXEC_UNIT_BYTES]; /* inria-1042.3.1: job, unit, epoch */
    char job[JOB_NAME_MAX];
    uint32_t number;
    uint64_t epoch;
    char head[JOB_NAME_MAX];
    char user[JOB_NAME_MAX];
    char vo[JOB_NAME_MAX];
    struct xos_buf start; /* the StartPb, as it came */
    struct job_spec *spec;
    enum worker_unit_state state;
    struct packet *shim;
    struct xos_timer *timer; /* connect again, report again */
    unsigned tries;
    bool known; /* status came at least once from the shim */
    struct shim_status status;
    uint64_t out_bytes, err_bytes, dropped_bytes;
    uint64_t told_out, told_err; /* of FOREGROUND */
    bool foreground;
    uint64_t stdin_given; /* handed to the shim by this process */
    struct unit_exit exit;
    struct xos_pending *report; /* under way */
    enum unit_report reporting; /* its kind */
    enum unit_report reported;  /* what the owner knows */
    uint64_t told_ms;           /* when it heard so last */
    uint64_t running_ms;        /* when it was first seen to run; 0: not yet */
    bool saving, saved;         /* the end */
    bool owner_has;             /* the end, or wants to know nothing of it */
    bool unsure;                /* of what the owner knows: this process was started again */
    int32_t kill_signal;        /* asked for before the shim was there */
    uint64_t kill_grace_ms;
    enum exit_how kill_how;
    struct attach *attached;
    UT_hash_handle hh; /* by exec_id */
};

/* A new unit from its StartPb bytes (copied), not yet saved. */
int unit_new(struct unit **out, struct worker *w, struct xos_slice start, const char *head,
             struct xos_error *err);
void unit_free(struct unit *u);

void unit_begin(struct unit *u);                                   /* save, order, connect … */
void unit_resume(struct unit *u, const struct execd_entry *found); /* after a restart */
void unit_signal(struct unit *u, int32_t signal, uint64_t grace_ms);
void unit_fence(struct unit *u, uint64_t deadline_ms);
void unit_supersede(struct unit *u); /* its owner does not count on it any more: it must end */

/* For attach.c: a frame to the shim; dropped when there is none, the caller asks again. */
void unit_tell_shim(struct unit *u, enum shim_type type, uint64_t a, uint64_t b, uint64_t c,
                    struct xos_slice data);

#endif
