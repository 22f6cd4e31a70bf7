// SPDX-License-Identifier: Apache-2.0
/* table.h - the tables of xos-ca between memory and their files. Changing one is: lock, load,
 * change, store, unlock; the daemon and an administrator's command may do so side by side. */
#ifndef VO_AUTH_CA_TABLE_H
#define VO_AUTH_CA_TABLE_H

#include "vo-auth/ca/state.h"
#include "vo-auth/ca/token.h"
#include "vo-auth/ca/vo.h"

int ca_load_tokens(struct ca_state *s, struct ca_tokens *out, struct xos_error *err);
int ca_store_tokens(struct ca_state *s, const struct ca_tokens *t, struct xos_error *err);

/* XOS_NOT_FOUND when no such VO is kept here. */
int ca_load_vo(struct ca_state *s, const char *part, struct ca_vo *out, struct xos_error *err);
int ca_store_vo(struct ca_state *s, const struct ca_vo *vo, struct xos_error *err);

/* An empty list when nothing was ever revoked: number 1. */
int ca_load_revocations(struct ca_state *s, const char *institution,
                        const uint8_t root_hash[static XOS_HASH_BYTES],
                        struct auth_revocations **out, struct xos_error *err);
int ca_store_revocations(struct ca_state *s, const struct auth_revocations *list,
                         struct xos_error *err);

#endif
