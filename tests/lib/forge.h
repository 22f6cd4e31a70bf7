// SPDX-License-Identifier: Apache-2.0
/* forge.h - certificates and statements as an attacker, or a careless CA, would make them. */
#ifndef XOS_TESTS_FORGE_H
#define XOS_TESTS_FORGE_H

#include "tests/lib/auth_fixture.h"

#include <openssl/x509.h>

/* The OpenSSL allocations in here are not made to fail; a failure aborts the test. */

X509 *forge_parse(const struct xos_buf *der);
/* Sign x, replace what is in out by its DER, and free x. */
int forge_sign(X509 *x, const struct xos_key *key, struct xos_buf *out, struct xos_error *err);

/* Replace, remove (value len 0 and data NULL) or add one extension, by its OID as text. */
void forge_extension(X509 *x, const char *oid, bool critical, struct xos_slice value);
void forge_extension_remove(X509 *x, const char *oid);
void forge_extension_add(X509 *x, const char *oid, bool critical, struct xos_slice value);

#define FORGE_BASIC "2.5.29.19"
#define FORGE_USAGE "2.5.29.15"
#define FORGE_EKU "2.5.29.37"
#define FORGE_NAME "2.5.29.17"
#define FORGE_KEY_ID "2.5.29.14"
#define FORGE_ISSUER_ID "2.5.29.35"

/* Move an extension behind the others. */
void forge_extension_last(X509 *x, const char *oid);

/* A subject alternative name with one URI. */
void forge_uri(X509 *x, const char *uri);
void forge_times(X509 *x, int64_t from_ms, int64_t to_ms);

/* Take a signed statement apart, append `extra` to its payload, and sign it again with the right
 * domain and key. */
int forge_statement(struct xos_buf *out, const struct xos_buf *statement, struct xos_slice extra,
                    const char *domain, const struct xos_key *key, struct xos_error *err);

#endif
