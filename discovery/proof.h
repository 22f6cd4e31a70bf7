// SPDX-License-Identifier: Apache-2.0
/* proof.h - what stands behind a descriptor or a row: the node's signature, and the certificates by
 * which a stranger can check it. Pure but for the memory of verified chains. */
#ifndef XOS_DISCOVERY_PROOF_H
#define XOS_DISCOVERY_PROOF_H

#include "discovery/core/message.h"
#include "vo-auth/trust.h"

#define PROOF_DESCRIPTOR_DOMAIN "xos-descriptor-1"
#define PROOF_ROW_DOMAIN "xos-row-1"
#define PROOF_BYTES_MAX 2048

/* Append the proof of a statement by this node. */
int proof_make(struct xos_buf *out, const struct auth_self *self, const char *domain,
               struct xos_slice statement, struct xos_error *err);

/* Whoever signed must be the node that is named; a descriptor must name its overlay key. XOS_DENIED
 * and the like say which does not hold. */
int proof_check_descriptor(struct auth_trust *trust, const struct descriptor *d, int64_t now_ms,
                           struct xos_error *err);
int proof_check_row(struct auth_trust *trust, const struct row_record *r, int64_t now_ms,
                    struct xos_error *err);

/* The roles that the certificate gives to a row's node, whatever the row says; 0 when it is not
 * good any more. */
uint32_t proof_roles(struct auth_trust *trust, const struct row_record *r, int64_t now_ms);

#endif
