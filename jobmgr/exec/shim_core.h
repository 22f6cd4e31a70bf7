// SPDX-License-Identifier: Apache-2.0
/* shim_core.h - what a shim decides: the life of one unit from its start to its exit record.
 *
 *     STARTING → RUNNING → ENDING → KILLING → ENDED
 *
 * ENDING: TERM was sent, the grace runs. KILLING: everything of the unit is being killed, again and
 * again until nothing is left; also the way of a job that ended by itself, since it may have left
 * processes behind. ENDED: nothing is left; the exit record is written and waits for ACK_EXIT.
 *
 * Frozen time does not count against the walltime (as in Slurm), whoever froze the unit: else a cut
 * network would eat the time of a fenced job. Time that the machine itself slept counts.
 *
 * Pure: time comes in with the event, effects leave as actions in the order they must happen.
 * No allocation, no library: linked into the static shim. */
#ifndef XOS_EXEC_SHIM_CORE_H
#define XOS_EXEC_SHIM_CORE_H

#include "jobmgr/exec/fence.h"
#include "jobmgr/exec/shim_wire.h"
#include "libxos/base/error.h"

#define SHIM_ACTIONS_MAX 8
#define SHIM_KILL_AGAIN_MS 50 /* between two rounds of killing what is left */

enum shim_event_kind {
    SHIM_EV_TICK,
    SHIM_EV_STARTED,      /* the command was executed */
    SHIM_EV_START_FAILED, /* number = errno, stage */
    SHIM_EV_JOB_ENDED,    /* number = wait status of the job's first process */
    SHIM_EV_GONE,         /* no process is left; number = wait status of the init */
    SHIM_EV_SIGNAL,       /* number = signal, scope */
    SHIM_EV_STOP,
    SHIM_EV_CONT,
    SHIM_EV_KILL,   /* how, grace_ms */
    SHIM_EV_FENCE,  /* epoch, deadline_ms, fenced */
    SHIM_EV_FROZEN, /* number = 1: the unit is seen to stand still, 0: to run */
    SHIM_EV_ACK,
    SHIM_EVENTS
};

struct shim_event {
    enum shim_event_kind kind;
    uint64_t now_ms; /* CLOCK_BOOTTIME */
    int number;
    enum exec_stage stage;
    enum shim_scope scope;
    enum exit_how how;
    uint64_t grace_ms;
    uint64_t epoch;
    uint64_t deadline_ms;
    bool fenced;
};

enum shim_action_kind {
    SHIM_DO_NOTHING,
    SHIM_DO_SIGNAL, /* number, scope */
    SHIM_DO_FREEZE,
    SHIM_DO_THAW,
    SHIM_DO_KILL,   /* everything, once more */
    SHIM_DO_SAVE,   /* write the state record */
    SHIM_DO_TELL,   /* send STATUS to whoever listens */
    SHIM_DO_FINISH, /* drain the streams, fsync, write the exit record, tell */
    SHIM_DO_LEAVE,
};

struct shim_action {
    enum shim_action_kind kind;
    int number;
    enum shim_scope scope;
};

struct shim_actions {
    struct shim_action list[SHIM_ACTIONS_MAX];
    unsigned count;
};

struct shim_core {
    enum unit_state state;
    struct fence fence;
    bool suspended; /* by the user */
    bool frozen;    /* confirmed by the shell */
    uint64_t walltime_ms;
    uint64_t grace_ms;
    uint64_t ran_ms;       /* up to since_ms */
    uint64_t since_ms;     /* running since; 0: stands still, or not started */
    uint64_t kill_at_ms;   /* end of the grace, or next round of killing; 0: neither */
    enum exit_how ordered; /* why we end it; EXIT_NONE when it ended by itself */
    bool ended;            /* the job's first process has ended: status says how */
    int status;
    enum exec_stage stage;
    int start_errno;
    uint32_t oom_kills; /* set by the shell before SHIM_EV_GONE */
};

void shim_core_init(struct shim_core *c, const struct fence *fence, uint64_t walltime_ms,
                    uint64_t grace_ms);

/* Advance by one event; actions are appended to *out in their order. Returns XOS_NONE, or why the
 * command is refused: then nothing has changed. */
enum xos_code shim_step(struct shim_core *c, const struct shim_event *ev, struct shim_actions *out);

/* When to send the next tick; 0: never. */
uint64_t shim_core_next_ms(const struct shim_core *c);

/* How it ended: fills in how, value, stage, ran_ms, oom_kills, epoch. Only in ENDED. */
void shim_core_verdict(const struct shim_core *c, struct exit_record *out);

bool shim_core_must_freeze(const struct shim_core *c);

#endif
