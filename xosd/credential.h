// SPDX-License-Identifier: Apache-2.0
/* credential.h - who this node is: its key, its certificate, the key of its overlay links.
 *
 *     STATE/node/key.pem     Ed25519, 0600
 *     STATE/node/curve.key   the secret of its overlay links, 32 bytes, 0600
 *     STATE/node/chain       its certificate, the issuing CA's and the root's (Issued of ca.proto)
 *
 * `xosd --join` makes them; renewing replaces the chain. A node without them stands alone. */
#ifndef XOS_XOSD_CREDENTIAL_H
#define XOS_XOSD_CREDENTIAL_H

#include "libxos/net/curve.h"
#include "vo-auth/trust.h"

struct credential {
    struct auth_self self;
    struct auth_node_facts facts;
    int64_t from_ms, to_ms; /* of the certificate */
    int64_t ca_to_ms;       /* of its issuing CA */
    uint8_t curve_public[XOS_CURVE_KEY_BYTES], curve_secret[XOS_CURVE_KEY_BYTES];
    struct xos_key *key;
    struct xos_buf chain[AUTH_CHAIN_MAX];
};

/* Read it from below `state`. The certificate must be good under its own root and be this node's.
 * XOS_NOT_FOUND: there is none, the node stands alone. */
int credential_open(struct credential *id, struct xos_env *env, const char *state, const char *node,
                    struct xos_error *err);
void credential_close(struct credential *id); /* leaves it empty; takes an empty one */

/* A key and a link key of a node that has no certificate yet, made when there are none. */
int credential_prepare(struct credential *id, struct xos_env *env, const char *state,
                       struct xos_error *err);

/* Keep what xos-ca has issued (Issued of ca.proto) for the node's key: on the disk first. */
int credential_install(struct credential *id, struct xos_env *env, const char *state,
                       const char *node, struct xos_slice issued, struct xos_error *err);

#endif
