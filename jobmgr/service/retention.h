// SPDX-License-Identifier: Apache-2.0
/* retention.h - what is kept for long, and then goes: the output of units, the history of jobs.
 *
 * Looked at once an hour and at the start, a bounded number at a time, oldest first. The newest job
 * always stays: from it the next number is counted. */
#ifndef XOS_JOBMGR_SERVICE_RETENTION_H
#define XOS_JOBMGR_SERVICE_RETENTION_H

#include "jobmgr/service/execd_link.h"
#include "libxos/store/store.h"

#define RETENTION_LOOK_MS 3600000
#define RETENTION_MORE_MS 1000 /* when there was more than one batch */
#define RETENTION_JOBS_MAX 256 /* in one batch */
#define RETENTION_UNITS_MAX 32

struct retention_config {
    struct xos_loop *loop;
    struct xos_store *store;
    struct execd_link *execd; /* borrowed; NULL: there are no units here */
    uint64_t output_ms;       /* after a unit's end; 0: for ever */
    uint64_t history_ms;      /* after a job's end; 0: for ever */
};

struct retention;
int retention_new(struct retention **out, const struct retention_config *config,
                  struct xos_error *err);
void retention_limits(struct retention *r, uint64_t output_ms, uint64_t history_ms);
void retention_free(struct retention *r);

#endif
