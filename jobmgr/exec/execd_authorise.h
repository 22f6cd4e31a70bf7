// SPDX-License-Identifier: Apache-2.0
/* execd_authorise.h - whether a START may be, and as whom: xosd is only a pipe, so that its word
 * alone is not enough. */
#ifndef XOS_EXEC_EXECD_AUTHORISE_H
#define XOS_EXEC_EXECD_AUTHORISE_H

#include "jobmgr/exec/execd_wire.h"
#include "jobmgr/exec/idmap.h"

/* Whose unit this is; the pair gets a uid of its own. vo may be empty: a user without a VO. */
struct execd_identity {
    char vo[IDMAP_NAME_BYTES];
    char user[IDMAP_NAME_BYTES];
};

/* Judge a checked START request by what came with it: `papers` is a descriptor, -1 when none came.
 * Returns 0 and *out, or -1: XOS_DENIED, XOS_EXPIRED … with the reason. */
typedef int (*execd_authorise_f)(void *arg, const struct execd_request *request, int papers,
                                 struct execd_identity *out, struct xos_error *err);

/* The rule without root: the one user's own units, as that user; whoever may connect is that user.
 * As root it allows nothing: there the judge is asked (jobmgr/judge/judge.h). */
int execd_authorise(void *arg, const struct execd_request *request, int papers,
                    struct execd_identity *out, struct xos_error *err);

#endif
