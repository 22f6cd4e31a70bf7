// SPDX-License-Identifier: Apache-2.0
/* init_report.h - what a starting unit and its init tell the shim.
 *
 * Up to the start over a SEQPACKET pair (INIT_FD_START), which is closed then; from there on
 * through a pipe (INIT_FD_REPORT), the only descriptor that the init keeps: a checkpoint can take
 * an outside pipe along, but not an outside socket. */
#ifndef XOS_EXEC_INIT_REPORT_H
#define XOS_EXEC_INIT_REPORT_H

#include <stdint.h>

enum init_fd { INIT_FD_ORDER = 3, INIT_FD_START = 4, INIT_FD_REPORT = 5, INIT_FD_FILES = 6 };

enum init_kind {
    INIT_NONE,
    INIT_PTY,     /* the master comes with it */
    INIT_GO,      /* from the shim: it has given up its privileges, start */
    INIT_STARTED, /* the job's pidfd comes with it */
    INIT_FAILED,  /* stage, value = errno */
    INIT_ENDED,   /* value = wait status of the job's first process, and what it used */
};

struct init_report {
    uint32_t kind;
    uint32_t stage;
    int32_t value;
    uint32_t zero;
    uint64_t user_us;
    uint64_t system_us;
    uint64_t peak_bytes;
};

/* Send one report, with a descriptor when fd >= 0. 0 or -1 with errno. */
int init_report_send(int socket, const struct init_report *r, int fd);

/* Receive one; *fd is -1 when none came with it. 1, 0 at the end, or -1 with errno. */
int init_report_receive(int socket, struct init_report *out, int *fd);

#endif
