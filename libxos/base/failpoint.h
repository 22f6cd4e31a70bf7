// SPDX-License-Identifier: Apache-2.0
/* failpoint.h - named places in a program where a test makes it die, stop or fail.
 *
 * Off unless the environment says XOS_FAILPOINT=NAME:ACTION[:SKIP] when the program first comes to
 * any of them. ACTION is kill (as kill -9), stop (SIGSTOP; it goes on after SIGCONT) or error (the
 * place fails, each time); the first SKIP arrivals at the place are let through. The idea is
 * CRIU's fault-injection list. */
#ifndef XOS_BASE_FAILPOINT_H
#define XOS_BASE_FAILPOINT_H

#include "libxos/base/error.h"

/* True when the caller shall fail here. One thread only. */
bool xos_failpoint(const char *name);

/* Set by hand, for tests: text as in XOS_FAILPOINT, copied; NULL: off. XOS_INVALID. */
int xos_failpoint_set(const char *text, struct xos_error *err);

#endif
