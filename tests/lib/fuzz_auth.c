// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/fuzz_auth.h"

#include "libxos/wire/pb.h"
#include "vo-auth/auth.pb-c.h"

#include <stdlib.h>

struct vo_fixture *fuzz_auth_world(void)
{
    static struct vo_fixture v;
    static bool made;
    if (!made && vo_fixture_open(&v, NULL) < 0)
        abort();
    made = true;
    return &v;
}

void fuzz_auth_sign(struct xos_buf *out, const uint8_t *payload, size_t len, const char *domain,
                    const struct xos_key *key)
{
    uint8_t hash[XOS_HASH_BYTES], signature[XOS_SIGNATURE_BYTES];
    struct xos_slice bytes = {payload, len};
    Auth__Signed s = AUTH__SIGNED__INIT;
    if (auth_key_hash(xos_key_public(key), hash, NULL) < 0 ||
        xos_key_sign(key, domain, bytes, signature, NULL) < 0)
        abort();
    s.signer_key_hash = (ProtobufCBinaryData){sizeof(hash), hash};
    s.payload = xos_pb_bytes(bytes);
    s.signature = (ProtobufCBinaryData){sizeof(signature), signature};
    xos_buf_clear(out);
    if (xos_pb_pack(&s, out, NULL) < 0)
        xos_buf_clear(out);
}
