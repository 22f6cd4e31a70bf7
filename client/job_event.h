// SPDX-License-Identifier: Apache-2.0
/* job_event.h - one line of a job's log, from the wire to what a program sees. */
#ifndef XOS_CLIENT_JOB_EVENT_H
#define XOS_CLIENT_JOB_EVENT_H

#include "client/xos.h"
#include "libxos/base/buf.h"

#define CLIENT_EVENT_TEXT_MAX 256 /* bytes of a name or reason, with its NUL; longer is cut */

/* Numbers of the stages of a start (jobmgr/exec/shim_wire.h) that a program can do something about;
 * a test holds them against it. */
#define CLIENT_STAGE_FILES 16
#define CLIENT_STAGE_DIRECTORY 17
#define CLIENT_STAGE_EXEC 18

struct client_job_event {
    struct xos_job_event event; /* its texts point to those below */
    char node[CLIENT_EVENT_TEXT_MAX];
    char reason[CLIENT_EVENT_TEXT_MAX];
    char user[CLIENT_EVENT_TEXT_MAX];
};

/* XOS_PROTOCOL for what is no event. An unknown kind is an event like any other. */
int client_job_event_decode(struct client_job_event *out, struct xos_slice bytes,
                            struct xos_error *err);

#endif
