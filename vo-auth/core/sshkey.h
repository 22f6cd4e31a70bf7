// SPDX-License-Identifier: Apache-2.0
/* sshkey.h - public keys of SSH, and signatures by them.
 *
 * The formats are those of RFC 4253 (section 6.6), RFC 5656, RFC 8332, RFC 8709 and OpenSSH's
 * PROTOCOL.u2f. DSA is refused, and so are RSA keys below 2048 bits and RSA signatures with
 * anything but SHA-512. A signature by a hardware key must say that its user was present. */
#ifndef VO_AUTH_CORE_SSHKEY_H
#define VO_AUTH_CORE_SSHKEY_H

#include "libxos/base/buf.h"

#define AUTH_SSHKEY_BYTES_MAX 2048 /* of a public key: RSA with 8192 bits has 1.1 KiB */
#define AUTH_SSHKEY_SIGNATURE_BYTES_MAX 2048
#define AUTH_SSHKEY_RSA_BITS_MIN 2048
#define AUTH_SSHKEY_RSA_BITS_MAX 8192

enum auth_sshkey_family { AUTH_SSHKEY_ED25519, AUTH_SSHKEY_ECDSA, AUTH_SSHKEY_RSA };

struct auth_sshkey_type {
    const char *name;      /* "ssh-rsa" */
    const char *signature; /* "rsa-sha2-512": what its signatures call themselves */
    enum auth_sshkey_family family;
    bool hardware;
    const char *curve;          /* "nistp256", or NULL */
    const char *digest;         /* OpenSSL's name, or NULL: the algorithm has its own */
    struct xos_slice algorithm; /* AlgorithmIdentifier, DER */
};

/* The types that are taken, the best first; NULL behind the last. */
const struct auth_sshkey_type *auth_sshkey_type(size_t i);

/* Of a public key in SSH's form, or NULL: none that is taken. Looks at the type's name alone. */
const struct auth_sshkey_type *auth_sshkey_type_of(struct xos_slice key);

/* 0 when it is a good key. XOS_UNSUPPORTED: of a type that is not taken; XOS_PROTOCOL: not well
 * formed, or too weak. */
int auth_sshkey_check(struct xos_slice key, struct xos_error *err);

/* 0 when `key` signed the message; `signature` is in SSH's form. XOS_DENIED when it did not, or by
 * another algorithm than its type's, else as auth_sshkey_check. */
int auth_sshkey_verify(struct xos_slice key, struct xos_slice message, struct xos_slice signature,
                       struct xos_error *err);

#endif
