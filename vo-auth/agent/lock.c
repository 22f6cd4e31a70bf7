// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/agent/lock.h"

#include <openssl/crypto.h>
#include <string.h>

void lock_clear(struct lock *l)
{
    OPENSSL_cleanse(l, sizeof(*l));
}

static int digest(const uint8_t salt[static LOCK_SALT_BYTES], struct xos_slice passphrase,
                  uint8_t hash[static XOS_HASH_BYTES], struct xos_error *err)
{
    uint8_t text[LOCK_SALT_BYTES + LOCK_PASSPHRASE_BYTES_MAX];
    if (passphrase.len == 0)
        return xos_fail(err, XOS_INVALID, "an empty passphrase");
    if (passphrase.len > LOCK_PASSPHRASE_BYTES_MAX)
        return xos_fail(err, XOS_LIMIT, "LOCK_PASSPHRASE_BYTES_MAX: a passphrase of %zu bytes",
                        passphrase.len);
    memcpy(text, salt, LOCK_SALT_BYTES);
    memcpy(text + LOCK_SALT_BYTES, passphrase.data, passphrase.len);
    int rc = xos_sha256((struct xos_slice){text, LOCK_SALT_BYTES + passphrase.len}, hash, err);
    OPENSSL_cleanse(text, sizeof(text));
    return rc;
}

int lock_set(struct lock *l, struct xos_slice passphrase,
             const uint8_t salt[static LOCK_SALT_BYTES], uint64_t wipe_after_ms, uint64_t now_ms,
             struct xos_error *err)
{
    struct lock news = {.locked = true};
    if (l->locked)
        return xos_fail(err, XOS_BUSY, "the agent is locked already");
    if (wipe_after_ms > LOCK_WIPE_MS_MAX)
        return xos_fail(err, XOS_LIMIT, "LOCK_WIPE_MS_MAX: locked for %llu ms",
                        (unsigned long long)wipe_after_ms);
    if (digest(salt, passphrase, news.hash, err) < 0)
        return -1;
    memcpy(news.salt, salt, sizeof(news.salt));
    news.wipe_ms = now_ms + (wipe_after_ms ? wipe_after_ms : LOCK_WIPE_MS_MAX);
    *l = news;
    OPENSSL_cleanse(&news, sizeof(news));
    return 0;
}

static uint64_t closed_ms(unsigned failures)
{
    uint64_t ms = LOCK_CLOSED_FIRST_MS;
    while (--failures > 0 && ms < LOCK_CLOSED_MS_MAX)
        ms *= 2;
    return ms < LOCK_CLOSED_MS_MAX ? ms : LOCK_CLOSED_MS_MAX;
}

int lock_release(struct lock *l, struct xos_slice passphrase, uint64_t now_ms,
                 struct xos_error *err)
{
    uint8_t hash[XOS_HASH_BYTES];
    if (!l->locked)
        return xos_fail(err, XOS_INVALID, "the agent is not locked");
    if (now_ms < l->closed_until_ms)
        return xos_fail(err, XOS_BUSY, "too soon after a wrong passphrase: try again in %llu s",
                        (unsigned long long)(l->closed_until_ms - now_ms + 999) / 1000);
    if (digest(l->salt, passphrase, hash, err) < 0)
        return -1;
    const bool same = xos_equal(hash, l->hash, sizeof(hash));
    OPENSSL_cleanse(hash, sizeof(hash));
    if (same) {
        lock_clear(l);
        return 0;
    }
    l->failures++;
    l->closed_until_ms = now_ms + closed_ms(l->failures);
    return xos_fail(err, XOS_DENIED, "wrong passphrase");
}

int lock_need_open(const struct lock *l, struct xos_error *err)
{
    if (!l->locked)
        return 0;
    return xos_fail(err, XOS_DENIED, "the agent is locked: unlock it first");
}

bool lock_over(const struct lock *l, uint64_t now_ms)
{
    return l->locked && now_ms >= l->wipe_ms;
}
