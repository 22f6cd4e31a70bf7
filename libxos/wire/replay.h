// SPDX-License-Identifier: Apache-2.0
/* replay.h - the nonces that were seen, for as long as a request with them could be accepted.
 *
 * Pure. A full cache refuses; it never forgets a nonce early. Nonces are remembered per signer's
 * key, so that nobody can spoil another's. */
#ifndef XOS_WIRE_REPLAY_H
#define XOS_WIRE_REPLAY_H

#include "libxos/base/error.h"
#include "libxos/wire/header.h"

#define XOS_REPLAY_ENTRIES_MAX 262144
#define XOS_REPLAY_PER_SIGNER_MAX 65536 /* so that nobody fills it alone */

struct xos_replay;

int xos_replay_new(struct xos_replay **out, size_t entries_max, size_t per_signer_max,
                   struct xos_error *err);
void xos_replay_free(struct xos_replay *r);

/* Note the nonce of a request whose signature is good. XOS_REPLAYED: it was seen. XOS_LIMIT: the
 * cache is full of live ones, or of this signer's. */
int xos_replay_note(struct xos_replay *r, const uint8_t signer_key[static XOS_KEY_PUBLIC_BYTES],
                    const struct xos_id *nonce, int64_t expires_ms, int64_t now_ms,
                    struct xos_error *err);

size_t xos_replay_count(const struct xos_replay *r);

#endif
