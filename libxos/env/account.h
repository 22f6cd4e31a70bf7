// SPDX-License-Identifier: Apache-2.0
/* account.h - ids of the accounts that daemons run as, which differ from machine to machine.
 *
 * Looks the name service up: for start-up alone, it may wait. */
#ifndef XOS_ENV_ACCOUNT_H
#define XOS_ENV_ACCOUNT_H

#include "libxos/base/error.h"

#include <stdint.h>

/* A name or a number: "xos", "998". XOS_NOT_FOUND: no such account. */
int xos_account_user(const char *text, uint32_t *uid, struct xos_error *err);
int xos_account_group(const char *text, uint32_t *gid, struct xos_error *err);

#endif
