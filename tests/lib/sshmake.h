// SPDX-License-Identifier: Apache-2.0
/* sshmake.h - SSH keys of every type, and their signatures, made here: hardware keys too. */
#ifndef XOS_TESTS_SSHMAKE_H
#define XOS_TESTS_SSHMAKE_H

#include "vo-auth/core/sshkey.h"

struct ssh_made {
    struct evp_pkey_st *pkey;
    const struct auth_sshkey_type *type;
    struct xos_buf blob; /* the public key, SSH's form */
    uint8_t flags;       /* of a hardware key's signatures; 1: touched */
};

/* A new key of auth_sshkey_type(i); RSA with this many bits. */
int ssh_make(struct ssh_made *out, size_t i, unsigned rsa_bits, struct xos_error *err);
void ssh_made_free(struct ssh_made *k); /* takes an empty one */

/* Append its signature of message, in SSH's form. */
int ssh_made_sign(const struct ssh_made *k, struct xos_slice message, struct xos_buf *out,
                  struct xos_error *err);

#endif
