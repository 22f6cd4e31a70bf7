// SPDX-License-Identifier: Apache-2.0
/* lock.h - a locked agent signs nothing until it hears the passphrase that it was locked with.
 *
 * Pure. Each wrong passphrase closes the door for twice as long as the one before; what is tried
 * while it is closed is not even looked at, so that many at once gain nothing. */
#ifndef VO_AUTH_AGENT_LOCK_H
#define VO_AUTH_AGENT_LOCK_H

#include "libxos/wire/key.h"

#define LOCK_SALT_BYTES 16
#define LOCK_PASSPHRASE_BYTES_MAX 1024
#define LOCK_CLOSED_FIRST_MS UINT64_C(1000)
#define LOCK_CLOSED_MS_MAX UINT64_C(60000)
#define LOCK_WIPE_MS_MAX (UINT64_C(24) * 3600000) /* locked for so long, the key is wiped */

struct lock {
    bool locked;
    uint8_t salt[LOCK_SALT_BYTES];
    uint8_t hash[XOS_HASH_BYTES]; /* of salt and passphrase */
    unsigned failures;
    uint64_t closed_until_ms;
    uint64_t wipe_ms; /* when the key is to be wiped */
};

/* Lock; the salt is random. XOS_BUSY when it is locked already. */
int lock_set(struct lock *l, struct xos_slice passphrase,
             const uint8_t salt[static LOCK_SALT_BYTES], uint64_t wipe_after_ms, uint64_t now_ms,
             struct xos_error *err);

/* Unlock. XOS_DENIED: wrong; XOS_BUSY: too soon after a wrong one. */
int lock_release(struct lock *l, struct xos_slice passphrase, uint64_t now_ms,
                 struct xos_error *err);

/* 0 when it is not locked, else XOS_DENIED. */
int lock_need_open(const struct lock *l, struct xos_error *err);

/* Locked for too long? */
bool lock_over(const struct lock *l, uint64_t now_ms);

void lock_clear(struct lock *l);

#endif
