// SPDX-License-Identifier: Apache-2.0
/* shim_wire.h - between xosd and one unit's shim: frames on ctl.sock, records on disk.
 *
 * Frames: one packet of a SOCK_SEQPACKET socket = one frame: a fixed head, and bytes behind it for
 * STDIN, STATUS and EXIT alone. What the shim sends on its own (STATUS, OUTPUT, STDIN_ACK, EXIT)
 * are snapshots: a later one replaces an earlier one, so that nothing is lost with a connection.
 * Commands carry a serial and are answered by REPLY with it (STDIN and FOREGROUND are not).
 *
 * Records: `state` and `exit` in the unit's directory, replaced whole. Host byte order: neither
 * leaves the machine. Pure; the shim has no library but libc. */
#ifndef XOS_EXEC_SHIM_WIRE_H
#define XOS_EXEC_SHIM_WIRE_H

#include "jobmgr/exec/wire_blob.h"

#define SHIM_MAGIC UINT32_C(0x53534f58) /* "XOSS" */
#define SHIM_VERSION 1
#define SHIM_STDIN_BYTES_MAX 16384                   /* in one frame */
#define SHIM_STDIN_CREDIT_BYTES 65536                /* not yet written to the unit */
#define SHIM_WINDOW_BYTES 8388608                    /* foreground: written, not acknowledged */
#define SHIM_SPOOL_BYTES_PRESET UINT64_C(1073741824) /* kept per stream */
#define SHIM_FOREGROUND_HOLD_MS 60000 /* a foreground outlives xosd's connection by this */
#define SHIM_OUTPUT_EVERY_MS 5        /* at most one OUTPUT frame in this time */

enum shim_type {
    SHIM_NONE,
    /* from xosd */
    SHIM_ASK,        /* wants STATUS */
    SHIM_SIGNAL,     /* a = signal number, b = enum shim_scope */
    SHIM_STOP,       /* freeze */
    SHIM_CONT,       /* thaw */
    SHIM_KILL,       /* a = enum exit_how, b = grace in ms: TERM, grace, then kill everything */
    SHIM_FENCE,      /* a = epoch, b = deadline in ms of CLOCK_BOOTTIME, c = fenced 0 or 1 */
    SHIM_FOREGROUND, /* a = 0 or 1, b and c = offsets of out and err that the client has */
    SHIM_STDIN,      /* a = offset of the bytes that follow */
    SHIM_STDIN_EOF,  /* a = offset of the end */
    SHIM_WINSIZE,    /* a = rows, b = columns */
    SHIM_ACK_EXIT,   /* the exit record is safe elsewhere: leave */
    /* from the shim */
    SHIM_REPLY,  /* serial of the command, a = enum xos_code */
    SHIM_STATUS, /* struct shim_status follows */
    SHIM_OUTPUT, /* a and b = bytes in the spool files of out and err, c = dropped bytes of both */
    SHIM_STDIN_ACK, /* a = bytes written to the unit, b = 1 when the unit closed its stdin */
    SHIM_EXIT,      /* struct exit_record follows */
    SHIM_TYPES
};

enum shim_scope { SHIM_GROUP, SHIM_ALL };

struct shim_frame {
    uint32_t magic;
    uint16_t version;
    uint16_t type;
    uint32_t serial;
    uint32_t bytes; /* behind the head */
    uint64_t a, b, c;
};
#define SHIM_FRAME_BYTES_MAX (sizeof(struct shim_frame) + SHIM_STDIN_BYTES_MAX)

/* How a unit ended. Only `exited` with value 0 is success. */
enum exit_how {
    EXIT_NONE,
    EXIT_EXITED,       /* value = status */
    EXIT_SIGNALLED,    /* value = signal */
    EXIT_OOM,          /* the kernel killed it at its memory limit */
    EXIT_TIME_LIMIT,   /* its walltime was over */
    EXIT_KILLED,       /* xkill, or its owner's */
    EXIT_PREEMPTED,    /* made room for another */
    EXIT_NODE_LOST,    /* superseded by a higher epoch, or the machine was booted */
    EXIT_SHIM_LOST,    /* the shim died: nobody knows how the unit ended */
    EXIT_START_FAILED, /* stage and value = errno */
    EXIT_HOWS
};

/* What the launch was doing, in its order. */
enum exec_stage {
    STAGE_NONE,
    STAGE_ORDER,     /* reading the order */
    STAGE_CGROUP,    /* entering the cgroups */
    STAGE_STREAMS,   /* pipes, terminal */
    STAGE_CLONE,     /* the new namespaces */
    STAGE_ROOT,      /* the private root */
    STAGE_PROC,      /* its /proc */
    STAGE_DEV,       /* its /dev */
    STAGE_SCRATCH,   /* /xos/scratch */
    STAGE_PIVOT,     /* leaving the old root */
    STAGE_INIT,      /* executing xos-init */
    STAGE_SEAL,      /* the shim giving up its privileges */
    STAGE_LIMITS,    /* resource limits */
    STAGE_IDENTITY,  /* groups, gid, uid, capabilities */
    STAGE_FORK,      /* the job's process */
    STAGE_TERMINAL,  /* its session and terminal */
    STAGE_FILES,     /* the files that were sent with it, into scratch */
    STAGE_DIRECTORY, /* its working directory */
    STAGE_EXEC,      /* the command itself */
    STAGE_COUNT
};
const char *exec_stage_name(enum exec_stage stage);
const char *exit_how_name(enum exit_how how); /* "time-limit" */

enum unit_state { UNIT_NONE, UNIT_STARTING, UNIT_RUNNING, UNIT_ENDING, UNIT_KILLING, UNIT_ENDED };

/* The file `state`: of this boot only, so it is not synced. */
struct state_record {
    uint32_t magic;
    uint16_t version;
    uint16_t state; /* enum unit_state */
    char unit[EXEC_UNIT_BYTES];
    uint64_t epoch;
    uint8_t boot_id[16];
    uint64_t shim_start; /* start time in clock ticks, as in /proc/PID/stat */
    uint64_t init_start;
    int32_t shim_pid;
    int32_t init_pid; /* seen from the host; 0 before the start */
    uint64_t started_boot_ms;
    int64_t started_real_ms; /* since 1970 */
    uint32_t zero;
    uint32_t crc; /* CRC-32C of all before */
};

/* The file `exit`: synced, and the spool before it. */
struct exit_record {
    uint32_t magic;
    uint16_t version;
    uint16_t how; /* enum exit_how */
    char unit[EXEC_UNIT_BYTES];
    uint64_t epoch;
    int32_t value;  /* by how; for those that we ended: the status as a shell shows it */
    uint32_t stage; /* enum exec_stage, for start-failed */
    int64_t started_real_ms;
    int64_t ended_real_ms;
    uint64_t ran_ms;  /* without the time that it was frozen */
    uint64_t user_us; /* CPU time */
    uint64_t system_us;
    uint64_t peak_bytes; /* of memory, of the whole unit where a cgroup tells */
    uint64_t out_bytes;  /* in the spool */
    uint64_t err_bytes;
    uint64_t out_dropped; /* truncated: not in the spool */
    uint64_t err_dropped;
    uint32_t dropped_why; /* enum spool_why */
    uint32_t oom_kills;
    uint32_t zero;
    uint32_t crc;
};

enum spool_why { SPOOL_WHOLE, SPOOL_AT_LIMIT, SPOOL_NO_SPACE };

struct shim_status {
    struct state_record record;
    uint64_t deadline_ms;
    uint64_t ran_ms;
    uint64_t stdin_bytes; /* written to the unit */
    uint64_t out_bytes, err_bytes, out_dropped, err_dropped;
    int32_t job_pid; /* seen from the host */
    uint8_t fenced, suspended /* by the user */, fence_frozen, frozen /* confirmed */;
    uint8_t stdin_closed, pty, foreground, zero[5];
};

/* Is this packet a frame of this direction? Returns 0 or -1. */
int shim_frame_check_command(const void *packet, size_t bytes);
int shim_frame_check_event(const void *packet, size_t bytes);

/* Fill in magic, version and crc. */
void state_record_seal(struct state_record *r);
void exit_record_seal(struct exit_record *r);
int state_record_check(const void *data, size_t bytes); /* 0 or -1 */
int exit_record_check(const void *data, size_t bytes);

/* The unit's status as its user sees it: the job's own, 128 + signal, 127 no such command, 126
 * cannot be executed, 125 when nobody knows or XOS failed. */
int exit_record_status(const struct exit_record *r);

uint32_t exec_crc32c(const void *data, size_t bytes);

#endif
