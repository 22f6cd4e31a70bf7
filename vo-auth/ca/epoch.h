// SPDX-License-Identifier: Apache-2.0
/* epoch.h - the newest epoch of each unit for which a job certificate was issued. Pure.
 *
 * An assignment is good for a certificate only while it is new (CA_ASSIGNMENT_AGE_MS_MAX): the
 * owner head signs it again, with the same epoch, for as long as the claim is held there. So what
 * must be remembered ends soon too: an older epoch is refused as long as its assignment could still
 * be shown, and its node gets nothing further afterwards because no head signs for it. */
#ifndef VO_AUTH_CA_EPOCH_H
#define VO_AUTH_CA_EPOCH_H

#include "vo-auth/auth.h"

#define CA_ASSIGNMENT_AGE_MS_MAX INT64_C(120000)
#define CA_EPOCHS_MAX 262144

struct ca_epochs;

int ca_epochs_new(struct ca_epochs **out, size_t entries_max, struct xos_error *err);
void ca_epochs_free(struct ca_epochs *e); /* takes NULL */

/* The newest of this unit; 0: none is remembered. */
uint64_t ca_epochs_newest(const struct ca_epochs *e, const struct auth_name *unit);

/* Remember this one until until_ms. XOS_LIMIT when entries_max units are remembered. */
int ca_epochs_note(struct ca_epochs *e, const struct auth_name *unit, uint64_t epoch,
                   int64_t until_ms, int64_t now_ms, struct xos_error *err);

size_t ca_epochs_count(const struct ca_epochs *e);

#endif
