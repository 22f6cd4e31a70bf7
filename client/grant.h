// SPDX-License-Identifier: Apache-2.0
/* grant.h - what the user allows a job: signed by the agent at submit, and no more than the job
 * asks for. */
#ifndef XOS_CLIENT_GRANT_H
#define XOS_CLIENT_GRANT_H

#include "client/client.h"
#include "client/xos.h"

/* How long a job may wait to be started, on top of how long it may run. */
#define CLIENT_GRANT_WAIT_MS UINT64_C(2592000000) /* 30 d */
#define CLIENT_GRANT_RUN_MS UINT64_C(2592000000)  /* 30 d: of a job without a time limit */

/* Append a ProofPb (jobmgr.proto) for a job of these terms, whose specification is these bytes and
 * whose submission has this operation id. Nothing for a client that signs nothing. */
int client_grant_make(struct xos_client *c, const struct xos_job_spec *terms, struct xos_slice spec,
                      const struct xos_id *operation, struct xos_buf *out, struct xos_error *err);

#endif
