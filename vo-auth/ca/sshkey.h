// SPDX-License-Identifier: Apache-2.0
/* sshkey.h - public keys and signatures of SSH, read strictly and verified by OpenSSL.
 *
 * RFC 4251 section 5 (strings, mpints), RFC 4253 section 6.6 and RFC 8332 (rsa-sha2-256, -512),
 * RFC 5656 (ecdsa-sha2-nistp256), RFC 8709 (ssh-ed25519). RSA keys have 2048 … 8192 bits; SHA-1
 * signatures ("ssh-rsa") are refused. Every number has one encoding; nothing may follow. */
#ifndef VO_AUTH_CA_SSHKEY_H
#define VO_AUTH_CA_SSHKEY_H

#include "libxos/base/buf.h"

#define CA_SSH_BLOB_BYTES_MAX 4096
#define CA_SSH_RSA_BITS_MIN 2048
#define CA_SSH_RSA_BITS_MAX 8192

struct ca_ssh_type; /* private */

struct ca_ssh_key {
    const struct ca_ssh_type *type;
    struct evp_pkey_st *evp; /* owned */
};

/* Is this the name of a key type that we know? */
bool ca_ssh_type_known(struct xos_slice name);

/* Take one string off the front of *in. 0, or -1 and nothing changed. */
int ca_ssh_take(struct xos_slice *in, struct xos_slice *string);

/* Read a key as authorized_keys has it, decoded. XOS_PROTOCOL, XOS_LIMIT, XOS_UNSUPPORTED. */
int ca_ssh_key_read(struct ca_ssh_key *out, struct xos_slice blob, struct xos_error *err);
void ca_ssh_key_free(struct ca_ssh_key *key); /* what it holds; leaves it empty */

/* Verify a signature as ssh-agent returns it. XOS_PROTOCOL, or XOS_DENIED: another algorithm, or
 * not the signature of this message. */
int ca_ssh_verify(const struct ca_ssh_key *key, struct xos_slice signature,
                  struct xos_slice message, struct xos_error *err);

#endif
