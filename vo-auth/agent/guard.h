// SPDX-License-Identifier: Apache-2.0
/* guard.h - keep what this process knows in its memory, and in it alone. */
#ifndef VO_AUTH_AGENT_GUARD_H
#define VO_AUTH_AGENT_GUARD_H

#include "libxos/base/error.h"

#define GUARD_SECRET_BYTES (64 << 10) /* OpenSSL's secure heap, where keys are: a power of two */
#define GUARD_BLOCK_BYTES 32

/* Call it first. No core dump, no ptrace and no /proc/PID/mem for others of the same user; OpenSSL
 * keeps keys in an arena of its own, which is wiped, locked and left out of dumps. Locking the
 * rest of the memory is tried and may fail (RLIMIT_MEMLOCK): what is secret is not there. */
int guard_process(struct xos_error *err);

#endif
