// SPDX-License-Identifier: Apache-2.0
/* check.h - may this unit be started here, and as whom? Decided by signatures alone.
 *
 * Pure: a START as xosd sent it, its papers (bundle.h, then a ProofPb) and what this node trusts go
 * in. */
#ifndef XOS_JOBMGR_JUDGE_CHECK_H
#define XOS_JOBMGR_JUDGE_CHECK_H

#include "jobmgr/exec/bundle.h"
#include "jobmgr/exec/execd_authorise.h"
#include "libxos/base/buf.h"
#include "vo-auth/auth.h"

#define JUDGE_PROOF_BYTES_MAX ((size_t)1 << 20) /* grant, assignment, chains and specification */
#define JUDGE_PAPERS_BYTES_MAX (JUDGE_PROOF_BYTES_MAX + BUNDLE_BYTES_MAX)

/* A checked START. The steps are listed in check.c. XOS_DENIED, XOS_EXPIRED … with the reason. */
int judge_check(struct execd_identity *out, const struct execd_request *r, struct xos_slice papers,
                const struct auth_name *node, const struct auth_context *ctx,
                struct xos_error *err);

#endif
