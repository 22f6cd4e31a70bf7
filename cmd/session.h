// SPDX-License-Identifier: Apache-2.0
/* session.h - a person or a script in front of a running job: the terminal, the files and the
 * signals on this side, the job on the other. xrun and xattach are this with different beginnings.
 *
 * Signals (chosen after srun and flux): INT, QUIT, HUP, TERM, USR1 and USR2 go to the job, unless
 * they were ignored when the command was started (nohup). A second INT within a second asks for
 * TERM, a third for KILL. TSTP (Ctrl-Z) stops this side only: the job goes on, and its output
 * waits; `xkill -STOP` freezes the job. In a raw terminal Ctrl-C and Ctrl-Z are bytes like any
 * other; HUP there means that the terminal is gone, and the job is left to be attached to again. A
 * reader that closed our standard output ends the job as in a local pipeline: PIPE, a second later
 * TERM. Whoever only attached leaves instead, in each of these cases: the job goes on. */
#ifndef XOS_CMD_SESSION_H
#define XOS_CMD_SESSION_H

#include "cmd/escape.h"
#include "cmd/lines.h"
#include "cmd/sink.h"

#include <xos.h>

#define SESSION_UNITS_MAX 1024

struct session_config {
    struct xos_client *client;
    uint32_t units; /* 0: not known */
    bool pty;
    bool label;
    bool no_input;
    bool log;                   /* only output: how the job ends is not ours to say */
    bool attach;                /* to a job that others may look after: leaving it never ends it */
    const char *in, *out, *err; /* files, or NULL: ours; %u %j %% */
    uint64_t grace_ms;
    const char *command; /* for messages */
};

struct session;
void session_new(struct session **out, const struct session_config *config);

/* Open the files that do not depend on the job's id. -1: said why. */
int session_prepare(struct session *s);

/* Be this job's session until it is over or left; frees the job and the session. The exit status.
 */
int session_run(struct session **session, struct xos_job *job);
void session_free(struct session *s); /* takes NULL */

/* What a job is to be told when it is begun. */
extern const struct xos_job_ops session_ops;

/* The name of a unit's file: %u is the unit, %j the job, %% a percent sign. NULL (and said why)
 * for another letter. The caller frees. */
char *session_file_name(const char *pattern, const char *job, uint32_t unit);

#endif
