// SPDX-License-Identifier: Apache-2.0
/* ca_scene.h - what a pure check of xos-ca knows: the fixture's institution, its nonces, a key that
 * is to be certified. */
#ifndef XOS_TESTS_UNIT_CA_CA_SCENE_H
#define XOS_TESTS_UNIT_CA_CA_SCENE_H

#include "tests/lib/auth_fixture.h"
#include "tests/lib/xtest.h"
#include "vo-auth/ca/issue.h"
#include "vo-auth/ca/proof.h"

#include "libxos/wire/pb.h"

#include <string.h>

#define SCENE_BOOT_MS UINT64_C(5000000)
#define COUNT(table) (sizeof(table) / sizeof(table[0]))

struct ca_scene {
    struct fixture f;
    struct xos_key *fresh, *other; /* the new key; somebody else's */
    struct auth_revocations *revoked;
    const struct auth_revocations *lists[1];
    struct ca_nonces *nonces;
    struct ca_epochs *epochs;
    struct ca_world world;
    uint8_t nonce[AUTH_NONCE_BYTES];
};

static inline int scene_nonce(struct ca_scene *s, uint8_t n, struct xos_error *err)
{
    uint8_t random[CA_NONCE_RANDOM_BYTES];
    memset(random, n, sizeof(random));
    return ca_nonce_make(s->nonces, random, s->world.boot_ms, s->nonce, err);
}

static inline int scene_open(struct ca_scene *s, struct xos_error *err)
{
    static const uint8_t secret[CA_NONCE_SECRET_BYTES] = {0x5e};
    memset(s, 0, sizeof(*s));
    if (fixture_open(&s->f, "inria", 1, err) < 0 || fixture_key(&s->fresh, 0xf1, err) < 0 ||
        fixture_key(&s->other, 0xf2, err) < 0 || ca_nonces_new(&s->nonces, secret, 16, err) < 0 ||
        ca_epochs_new(&s->epochs, 16, err) < 0)
        return -1;
    s->revoked = auth_revocations_new("inria", s->f.anchors.at[0].root_hash, err);
    if (!s->revoked)
        return -1;
    s->lists[0] = s->revoked;
    s->world = (struct ca_world){.institution = "inria",
                                 .ctx = s->f.ctx,
                                 .boot_ms = SCENE_BOOT_MS,
                                 .nonces = s->nonces,
                                 .epochs = s->epochs};
    s->world.ctx.revocations = s->lists;
    s->world.ctx.revocation_count = 1;
    memcpy(s->world.root_hash, s->f.anchors.at[0].root_hash, XOS_HASH_BYTES);
    return scene_nonce(s, 1, err);
}

static inline void scene_close(struct ca_scene *s)
{
    auth_revocations_free(s->revoked);
    ca_nonces_free(s->nonces);
    ca_epochs_free(s->epochs);
    xos_key_free(s->fresh);
    xos_key_free(s->other);
    fixture_close(&s->f);
}

static inline ProtobufCBinaryData scene_bytes(const void *data, size_t len)
{
    return xos_pb_bytes((struct xos_slice){data, len});
}
static inline ProtobufCBinaryData scene_buf(const struct xos_buf *b)
{
    return scene_bytes(b->data, b->len);
}

#endif
