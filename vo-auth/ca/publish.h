// SPDX-License-Identifier: Apache-2.0
/* publish.h - what an institution tells the world: its root, its VOs, its revocations, as files of
 * a trust directory (vo-auth/trust.h). And whose roots it takes itself. */
#ifndef VO_AUTH_CA_PUBLISH_H
#define VO_AUTH_CA_PUBLISH_H

#include "vo-auth/ca/admin.h"

/* Write roots/, vo/ and crl/ of this institution below the directory a->subject, which exists. */
int ca_publish(const struct ca_admin *a, struct xos_env *env, struct xos_buf *out,
               struct xos_error *err);

/* Trust the root in the file a->subject, if its fingerprint is a->fingerprint. */
int ca_peer_add(const struct ca_admin *a, struct xos_env *env, struct xos_buf *out,
                struct xos_error *err);
int ca_peer_remove(const struct ca_admin *a, struct xos_env *env, struct xos_buf *out,
                   struct xos_error *err);

#endif
