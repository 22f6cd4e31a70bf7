// SPDX-License-Identifier: Apache-2.0
/* execd_wire.h - what xosd may ask of xos-execd: one fixed binary format.
 *
 * One packet of a SOCK_SEQPACKET Unix socket is one request, and one packet answers it (LIST: one
 * packet per page). With a START comes a descriptor (SCM_RIGHTS): a sealed memory file, its papers
 * (bundle.h), which xos-execd hands on and does not read. The head is the same for
 * every verb; a field that the verb does not use must be zero, so that nothing passes unseen.
 * Numbers are in host byte order: the packet never leaves the machine. Pure. */
#ifndef XOS_EXEC_EXECD_WIRE_H
#define XOS_EXEC_EXECD_WIRE_H

#include "jobmgr/exec/wire_blob.h"
#include "libxos/base/error.h"

#define EXECD_MAGIC UINT32_C(0x45534f58) /* "XOSE" */
#define EXECD_VERSION 1
#define EXECD_MESSAGE_BYTES_MAX 262144 /* 256 KiB, head included */
#define EXECD_ARGS_MAX 16384           /* strings in argv, and in envp */
#define EXECD_PATH_BYTES_MAX 4096
#define EXECD_TEXT_BYTES 512 /* as XOS_ERROR_TEXT_MAX */
#define EXECD_LIST_MAX 1024  /* entries in one page */

enum execd_verb {
    EXECD_NONE,
    EXECD_START,  /* make the unit's directory, cgroups and shim */
    EXECD_KILL,   /* kill what is left of a unit whose shim is gone (or, forced, with its shim) */
    EXECD_REMOVE, /* clean up after an ended unit; a unit that is not there is fine */
    EXECD_PROBE,  /* what can be enforced here */
    EXECD_LIST,   /* units after `unit`, in order of their names */
    EXECD_VERBS
};

enum execd_flag {
    EXECD_FENCED = 1,      /* START: freeze at the deadline */
    EXECD_PTY = 2,         /* START: a terminal of rows x cols */
    EXECD_STDIN = 4,       /* START: stdin comes over the control socket; without: end of file */
    EXECD_CPU_QUOTA = 8,   /* START: cpu_milli is a hard bound, not a share */
    EXECD_FORCE = 16,      /* KILL: the shim too, if it lives */
    EXECD_KEEP_SPOOL = 32, /* REMOVE: leave the output; a later REMOVE takes it */
    EXECD_FILES = 64,      /* START: its papers begin with files for scratch */
};

enum execd_blob { EXECD_ARGV, EXECD_ENVP, EXECD_CWD, EXECD_BLOBS };

struct execd_request {
    uint32_t magic;
    uint16_t version;
    uint16_t verb;
    uint32_t bytes; /* of the packet */
    uint32_t flags;
    uint64_t serial; /* the asker's, comes back in the answer */
    char unit[EXEC_UNIT_BYTES];
    uint64_t epoch;
    uint64_t deadline_ms; /* CLOCK_BOOTTIME of this node */
    uint64_t walltime_ms; /* 0: none */
    uint64_t grace_ms;    /* between TERM and KILL */
    uint64_t spool_bytes; /* kept per stream; 0: SHIM_SPOOL_BYTES_PRESET */
    uint64_t mem_bytes;   /* 0: no limit */
    uint32_t cpu_milli;   /* 1000 = one CPU; 0: no limit */
    uint32_t pids;        /* 0: no limit */
    uint16_t rows;
    uint16_t cols;
    uint32_t zero;
    struct wire_blob blobs[EXECD_BLOBS];
};

enum execd_isolation { EXECD_ISOLATION_NONE, EXECD_RLIMIT, EXECD_CGROUP1, EXECD_CGROUP2 };

enum execd_unit_state {
    EXECD_UNIT_NONE,
    EXECD_UNIT_LIVE,      /* its shim lives: connect to ctl.sock and ask */
    EXECD_UNIT_ENDED,     /* the shim has left; the exit record says how the unit ended */
    EXECD_UNIT_SHIM_LOST, /* the shim died without a record; the rest was killed */
    EXECD_UNIT_NODE_LOST, /* the machine was booted since */
};

struct execd_entry {
    char unit[EXEC_UNIT_BYTES];
    uint64_t epoch;
    uint32_t state; /* enum execd_unit_state */
    uint32_t uid;
    int32_t shim_pid;
    uint32_t zero;
};

struct execd_answer {
    uint32_t magic;
    uint16_t version;
    uint16_t verb;
    uint32_t bytes;
    uint32_t code; /* enum xos_code */
    uint64_t serial;
    uint32_t uid;                /* START: the unit runs as */
    int32_t shim_pid;            /* START */
    uint32_t isolation;          /* PROBE, START: enum execd_isolation */
    uint32_t enforced;           /* PROBE: set of enum cgroup_what that are bounded by cgroups */
    uint32_t count;              /* LIST: entries that follow */
    uint32_t more;               /* LIST: 1 when the page is full */
    char text[EXECD_TEXT_BYTES]; /* why, when code is not 0; NUL-padded */
};

/* Is this packet a request? XOS_PROTOCOL or XOS_VERSION or XOS_LIMIT names the field. */
int execd_request_check(const void *packet, size_t bytes, struct xos_error *err);

/* Set magic, version and size, and the blobs: `packet` has EXECD_MESSAGE_BYTES_MAX bytes and its
 * head is filled in. Each list may be NULL. Returns 0, or XOS_LIMIT. */
struct execd_blobs {
    const char *const *argv;
    const char *const *envp;
    const char *cwd;
};
int execd_request_finish(void *packet, const struct execd_blobs *blobs, struct xos_error *err);

/* Is this packet an answer? The entries of a LIST follow it. */
int execd_answer_check(const void *packet, size_t bytes, struct xos_error *err);

const char *execd_isolation_name(enum execd_isolation isolation); /* "cgroup2" */

#endif
