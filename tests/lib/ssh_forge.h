// SPDX-License-Identifier: Apache-2.0
/* ssh_forge.h - SSH keys and signatures, right or wrong, made without ssh. What fails aborts. */
#ifndef XOS_TESTS_SSH_FORGE_H
#define XOS_TESTS_SSH_FORGE_H

#include "libxos/base/buf.h"

enum ssh_forge_kind { SSH_ED25519, SSH_P256, SSH_RSA, SSH_ED25519_OTHER, SSH_RSA_SHORT, SSH_KINDS };

struct ssh_forge_bytes {
    uint8_t at[2048];
    size_t len;
};

void ssh_forge_string(struct ssh_forge_bytes *out, const void *data, size_t len);
struct xos_slice ssh_forge_slice(const struct ssh_forge_bytes *b);

/* The public key's blob. The keys are made once per process. */
void ssh_forge_blob(struct ssh_forge_bytes *out, enum ssh_forge_kind kind);

/* A signature by the key of `kind` that calls itself `algorithm` and hashes with `digest` (NULL for
 * Ed25519). */
void ssh_forge_sign(struct ssh_forge_bytes *out, enum ssh_forge_kind kind, const char *algorithm,
                    const char *digest, struct xos_slice message);

/* A line of authorized_keys, with its newline. */
void ssh_forge_line(struct ssh_forge_bytes *out, enum ssh_forge_kind kind);

#endif
