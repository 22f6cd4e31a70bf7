// SPDX-License-Identifier: Apache-2.0
/* authkeys.h - the SSH keys that are enrolled for a user: a text in the form of authorized_keys
 * (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
 *
 * One key per line: type, base64, comment; empty lines and those that begin with # are skipped. A
 * line with options in front enrols nothing: what it would restrict cannot be upheld here. */
#ifndef VO_AUTH_CA_AUTHKEYS_H
#define VO_AUTH_CA_AUTHKEYS_H

#include "libxos/base/buf.h"

#define CA_AUTHKEYS_BYTES_MAX 262144

/* Decode strict base64 (RFC 4648, section 4, padded, canonical) into `to`, which has room for
 * to_max bytes. The length, or -1. */
int ca_base64_decode(struct xos_slice text, uint8_t *to, size_t to_max);

/* Is this key, as decoded, in the text? */
bool ca_authkeys_has(struct xos_slice text, struct xos_slice blob);

/* How many keys the text enrols, of the types that we know. */
size_t ca_authkeys_count(struct xos_slice text);

#endif
