// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/ca/proof.h"

#include "libxos/wire/pb.h"
#include "vo-auth/core/field.h"

#include <assert.h>
#include <string.h>

void ca_proof_free(struct ca_proof *p)
{
    auth_grant_free(&p->grant);
    *p = (struct ca_proof){0};
}

const char *ca_proof_name(enum ca_proof_kind kind)
{
    static const char *const names[] = {
        [CA_PROOF_NONE] = "none",   [CA_PROOF_LOGIN] = "login", [CA_PROOF_JOIN] = "join",
        [CA_PROOF_RENEW] = "renew", [CA_PROOF_JOB] = "job",
    };
    assert((size_t)kind < sizeof(names) / sizeof(names[0]));
    return names[kind];
}

int ca_chain_read(struct ca_chain *out, size_t count, const ProtobufCBinaryData *from,
                  const char *noun, struct xos_error *err)
{
    if (count == 0 || count > AUTH_CHAIN_MAX)
        return xos_fail(err, XOS_PROTOCOL, "%s: %zu certificates", noun, count);
    *out = (struct ca_chain){.count = count};
    for (size_t i = 0; i < count; i++)
        out->der[i] = xos_pb_slice(from[i]);
    return 0;
}

int ca_check_terms(const struct ca_world *world, ProtobufCBinaryData nonce,
                   ProtobufCBinaryData root_hash, struct xos_error *err)
{
    uint8_t root[XOS_HASH_BYTES];
    if (auth_field_bytes(root, sizeof(root), root_hash, "root hash", err) < 0)
        return -1;
    if (memcmp(root, world->root_hash, sizeof(root)) != 0)
        return xos_fail(err, XOS_DENIED, "for another institution's root");
    return ca_nonce_check(world->nonces, xos_pb_slice(nonce), world->boot_ms, err);
}

int ca_check_revoked(const struct ca_world *world, const struct auth_name *name,
                     const uint8_t key[static XOS_KEY_PUBLIC_BYTES], struct xos_error *err)
{
    const struct auth_revocations *list = auth_context_revocations(&world->ctx, name->institution);
    uint8_t subject[XOS_HASH_BYTES], hash[XOS_HASH_BYTES];
    if (auth_revoke_subject(name, subject, err) < 0 || auth_key_hash(key, hash, err) < 0)
        return -1;
    if (list && auth_revocations_has(list, AUTH_REVOKE_SUBJECT, subject))
        return xos_fail(err, XOS_DENIED, "this name is revoked");
    if (list && auth_revocations_has(list, AUTH_REVOKE_KEY, hash))
        return xos_fail(err, XOS_DENIED, "this key is revoked");
    return 0;
}

int ca_check_life(int64_t *life_ms, uint64_t wanted_ms, enum auth_kind kind, struct xos_error *err)
{
    const int64_t max = auth_profile_need(kind)->life_ms_max;
    if (wanted_ms < (uint64_t)CA_LIFE_MS_MIN || wanted_ms > (uint64_t)max)
        return xos_fail(err, XOS_DENIED, "a lifetime outside %d s … %d s",
                        (int)(CA_LIFE_MS_MIN / 1000), (int)(max / 1000));
    *life_ms = (int64_t)wanted_ms;
    return 0;
}
