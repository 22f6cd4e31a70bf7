// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/core/statement.h"

#include "libxos/wire/pb.h"
#include "vo-auth/auth.pb-c.h"

#include <assert.h>
#include <string.h>

/* SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING of 32 bytes } */
static const uint8_t spki_prefix[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                      0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

int auth_key_hash(const uint8_t key[static XOS_KEY_PUBLIC_BYTES],
                  uint8_t hash[static XOS_HASH_BYTES], struct xos_error *err)
{
    uint8_t spki[sizeof(spki_prefix) + XOS_KEY_PUBLIC_BYTES];
    memcpy(spki, spki_prefix, sizeof(spki_prefix));
    memcpy(spki + sizeof(spki_prefix), key, XOS_KEY_PUBLIC_BYTES);
    return xos_sha256((struct xos_slice){spki, sizeof(spki)}, hash, err);
}

bool auth_key_of_spki(struct xos_slice spki, uint8_t key[static XOS_KEY_PUBLIC_BYTES])
{
    if (spki.len != sizeof(spki_prefix) + XOS_KEY_PUBLIC_BYTES ||
        memcmp(spki.data, spki_prefix, sizeof(spki_prefix)) != 0)
        return false;
    memcpy(key, spki.data + sizeof(spki_prefix), XOS_KEY_PUBLIC_BYTES);
    return true;
}

static const Auth__Signed *outer(const struct auth_statement *e)
{
    return e->outer;
}

void auth_statement_close(struct auth_statement *e)
{
    xos_pb_free(e->payload);
    xos_pb_free(e->outer);
    *e = (struct auth_statement){0};
}

int auth_statement_open(struct auth_statement *out, const struct auth_format *f,
                        struct xos_slice bytes, struct xos_error *err)
{
    struct auth_statement e = {0};
    e.outer = xos_pb_unpack(&auth__signed__descriptor, bytes, f->bytes_max, XOS_PB_STRICT, err);
    if (!e.outer)
        return xos_wrap(err, "%s", f->noun);
    struct xos_slice payload = {outer(&e)->payload.data, outer(&e)->payload.len};
    if (outer(&e)->signer_key_hash.len != XOS_HASH_BYTES ||
        outer(&e)->signature.len != XOS_SIGNATURE_BYTES) {
        xos_fail(err, XOS_PROTOCOL, "%s: the envelope is not well formed", f->noun);
        goto error;
    }
    e.payload = xos_pb_unpack(f->payload, payload, f->bytes_max, XOS_PB_STRICT, err);
    if (!e.payload || xos_sha256(payload, e.hash, err) < 0)
        goto error;
    *out = e;
    return 0;
error:
    auth_statement_close(&e);
    return -1;
}

bool auth_statement_names(const struct auth_statement *e,
                          const uint8_t key[static XOS_KEY_PUBLIC_BYTES])
{
    uint8_t hash[XOS_HASH_BYTES];
    return auth_key_hash(key, hash, NULL) == 0 &&
           memcmp(hash, outer(e)->signer_key_hash.data, sizeof(hash)) == 0;
}

int auth_statement_verify(const struct auth_statement *e, const struct auth_format *f,
                          const uint8_t key[static XOS_KEY_PUBLIC_BYTES], struct xos_error *err)
{
    const Auth__Signed *m = outer(e);
    if (!auth_statement_names(e, key))
        return xos_fail(err, XOS_DENIED, "%s: signed by another key", f->noun);
    if (xos_key_verify(key, f->domain, (struct xos_slice){m->payload.data, m->payload.len},
                       (struct xos_slice){m->signature.data, m->signature.len}, err) < 0)
        return xos_wrap(err, "%s", f->noun);
    return 0;
}

int auth_statement_seal(struct xos_buf *out, const struct auth_format *f,
                        const ProtobufCMessage *payload, const struct xos_key *key,
                        struct xos_error *err)
{
    struct xos_buf inner = XOS_BUF(f->bytes_max), whole = XOS_BUF(f->bytes_max);
    uint8_t hash[XOS_HASH_BYTES], signature[XOS_SIGNATURE_BYTES];
    Auth__Signed m = AUTH__SIGNED__INIT;
    int rc = -1;
    assert(payload->descriptor == f->payload);
    if (xos_pb_pack(payload, &inner, err) < 0 ||
        auth_key_hash(xos_key_public(key), hash, err) < 0 ||
        xos_key_sign(key, f->domain, (struct xos_slice){inner.data, inner.len}, signature, err) < 0)
        goto out;
    m.signer_key_hash = xos_pb_bytes((struct xos_slice){hash, sizeof(hash)});
    m.payload = xos_pb_bytes((struct xos_slice){inner.data, inner.len});
    m.signature = xos_pb_bytes((struct xos_slice){signature, sizeof(signature)});
    if (xos_pb_pack(&m.base, &whole, err) == 0)
        rc = xos_buf_add(out, whole.data, whole.len, err);
out:
    xos_buf_free(&inner);
    xos_buf_free(&whole);
    return rc < 0 ? xos_wrap(err, "%s", f->noun) : 0;
}
