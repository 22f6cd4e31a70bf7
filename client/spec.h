// SPDX-License-Identifier: Apache-2.0
/* spec.h - a program's struct xos_job_spec as the bytes that are submitted. */
#ifndef XOS_CLIENT_SPEC_H
#define XOS_CLIENT_SPEC_H

#include "libxos/base/buf.h"

struct xos_job_spec;

/* Append. Only what the program can have got wrong by itself is checked here (its structure's size,
 * no command, no node's name); the owner of the job checks the rest. A node without an institution
 * is one of `home`. */
int client_spec_pack(const struct xos_job_spec *spec, const char *home, struct xos_buf *out,
                     struct xos_error *err);

#endif
