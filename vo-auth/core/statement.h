// SPDX-License-Identifier: Apache-2.0
/* statement.h - a signed statement: the exact payload bytes, who signed, and the signature.
 *
 * Opening decodes strictly and proves nothing; only auth_statement_verify, with a key that the
 * caller has reason to trust, makes the payload more than bytes. */
#ifndef VO_AUTH_CORE_STATEMENT_H
#define VO_AUTH_CORE_STATEMENT_H

#include "libxos/wire/key.h"

#include <protobuf-c/protobuf-c.h>

struct auth_format {
    const char *noun;   /* "grant" */
    const char *domain; /* domain separator: "xos-grant-1" */
    const ProtobufCMessageDescriptor *payload;
    size_t bytes_max; /* of the envelope */
};

struct auth_statement {
    struct Auth__Signed *outer;
    void *payload;                /* of the format's descriptor */
    uint8_t hash[XOS_HASH_BYTES]; /* SHA-256 of the payload's bytes */
};

int auth_statement_open(struct auth_statement *out, const struct auth_format *format,
                        struct xos_slice bytes, struct xos_error *err);
void auth_statement_close(struct auth_statement *e);

/* 0 when `key` signed it. XOS_DENIED otherwise. */
int auth_statement_verify(const struct auth_statement *e, const struct auth_format *format,
                          const uint8_t key[static XOS_KEY_PUBLIC_BYTES], struct xos_error *err);

/* Has this key, by its hash, signed it? To choose among several. Proves nothing. */
bool auth_statement_names(const struct auth_statement *e,
                          const uint8_t key[static XOS_KEY_PUBLIC_BYTES]);

/* Sign payload and append the envelope to out. */
int auth_statement_seal(struct xos_buf *out, const struct auth_format *format,
                        const ProtobufCMessage *payload, const struct xos_key *key,
                        struct xos_error *err);

/* SHA-256 of the Ed25519 key's DER SubjectPublicKeyInfo (RFC 8410): how keys are named. */
int auth_key_hash(const uint8_t key[static XOS_KEY_PUBLIC_BYTES],
                  uint8_t hash[static XOS_HASH_BYTES], struct xos_error *err);

/* The raw key of such a SubjectPublicKeyInfo; false when it is anything else. */
bool auth_key_of_spki(struct xos_slice spki, uint8_t key[static XOS_KEY_PUBLIC_BYTES]);

#endif
