// SPDX-License-Identifier: Apache-2.0
/* confine.h - what xos-ca gives up before it answers anybody. */
#ifndef VO_AUTH_CA_CONFINE_H
#define VO_AUTH_CA_CONFINE_H

#include "libxos/base/error.h"

#define CA_SECURE_BYTES ((size_t)1 << 20) /* locked memory for keys */

/* Locked memory for OpenSSL's keys; no core dumps, not to be traced, no new privileges. */
int ca_confine_early(struct xos_error *err);

/* No network, no other program: system call filter, where this build has libseccomp. *filtered
 * says whether it is in force. */
int ca_confine_late(bool *filtered, struct xos_error *err);

#endif
