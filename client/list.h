// SPDX-License-Identifier: Apache-2.0
/* list.h - a listing of jobs, from the wire to what a program sees. */
#ifndef XOS_CLIENT_LIST_H
#define XOS_CLIENT_LIST_H

#include "client/xos.h"
#include "libxos/base/buf.h"

#define CLIENT_LIST_JOBS_MAX 65536 /* in one listing, from all institutions */

/* An empty one; NULL when there is no memory. */
struct xos_jobs *client_jobs_new(void);

/* Append what a head answered. XOS_PROTOCOL for what is no listing; then nothing was appended. */
int client_jobs_add(struct xos_jobs *list, struct xos_slice body, struct xos_error *err);

#endif
