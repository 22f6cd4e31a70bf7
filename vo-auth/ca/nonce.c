// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/ca/nonce.h"

#include "libxos/base/alloc.h"
#include "libxos/wire/replay.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#define SAID_BYTES 16 /* time and random bits: what the MAC is over */
#define MAC_BYTES (AUTH_NONCE_BYTES - SAID_BYTES)

struct ca_nonces {
    uint8_t secret[CA_NONCE_SECRET_BYTES];
    struct xos_replay *used;
};

int ca_nonces_new(struct ca_nonces **out, const uint8_t secret[static CA_NONCE_SECRET_BYTES],
                  size_t used_max, struct xos_error *err)
{
    struct ca_nonces *n = xos_alloc(sizeof(*n));
    if (!n)
        return xos_fail(err, XOS_NOMEM, "nonces");
    memcpy(n->secret, secret, sizeof(n->secret));
    if (xos_replay_new(&n->used, used_max, used_max, err) < 0) {
        ca_nonces_free(n);
        return -1;
    }
    *out = n;
    return 0;
}

void ca_nonces_free(struct ca_nonces *n)
{
    if (!n)
        return;
    xos_replay_free(n->used);
    OPENSSL_cleanse(n->secret, sizeof(n->secret));
    xos_free(n);
}

static int mac_of(const struct ca_nonces *n, const uint8_t *said, uint8_t mac[static MAC_BYTES],
                  struct xos_error *err)
{
    uint8_t whole[XOS_HASH_BYTES];
    size_t len = 0;
    if (!EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, n->secret, sizeof(n->secret), said,
                   SAID_BYTES, whole, sizeof(whole), &len))
        return xos_fail(err, XOS_NOMEM, "nonce");
    memcpy(mac, whole, MAC_BYTES);
    return 0;
}

int ca_nonce_make(const struct ca_nonces *n, const uint8_t random[static CA_NONCE_RANDOM_BYTES],
                  uint64_t boot_ms, uint8_t nonce[static AUTH_NONCE_BYTES], struct xos_error *err)
{
    for (unsigned i = 0; i < 8; i++)
        nonce[i] = (uint8_t)(boot_ms >> (56 - 8 * i));
    memcpy(nonce + 8, random, CA_NONCE_RANDOM_BYTES);
    return mac_of(n, nonce, nonce + SAID_BYTES, err);
}

static uint64_t made_ms(const uint8_t *nonce)
{
    uint64_t ms = 0;
    for (unsigned i = 0; i < 8; i++)
        ms = ms << 8 | nonce[i];
    return ms;
}

int ca_nonce_check(const struct ca_nonces *n, struct xos_slice nonce, uint64_t boot_ms,
                   struct xos_error *err)
{
    uint8_t mac[MAC_BYTES];
    if (nonce.len != AUTH_NONCE_BYTES)
        return xos_fail(err, XOS_PROTOCOL, "nonce: %zu bytes", nonce.len);
    if (mac_of(n, nonce.data, mac, err) < 0)
        return -1;
    if (!xos_equal(mac, nonce.data + SAID_BYTES, MAC_BYTES))
        return xos_fail(err, XOS_DENIED, "nonce: not one of this issuer, or from before its start");
    const uint64_t made = made_ms(nonce.data);
    if (boot_ms < made || boot_ms - made > (uint64_t)AUTH_NONCE_LIFE_MS)
        return xos_fail(err, XOS_EXPIRED, "nonce: older than %d s: ask for a new one",
                        (int)(AUTH_NONCE_LIFE_MS / 1000));
    return 0;
}

int ca_nonce_use(struct ca_nonces *n, const uint8_t nonce[static AUTH_NONCE_BYTES],
                 uint64_t boot_ms, struct xos_error *err)
{
    static const uint8_t nobody[XOS_KEY_PUBLIC_BYTES];
    struct xos_id id;
    _Static_assert(sizeof(id.bytes) == MAC_BYTES, "the MAC alone tells nonces apart");
    memcpy(id.bytes, nonce + SAID_BYTES, MAC_BYTES);
    if (xos_replay_note(n->used, nobody, &id, (int64_t)made_ms(nonce) + AUTH_NONCE_LIFE_MS,
                        (int64_t)boot_ms, err) < 0)
        return xos_wrap(err, "nonce");
    return 0;
}
