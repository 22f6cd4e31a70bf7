// SPDX-License-Identifier: Apache-2.0
/* tlscert.h - for tests of TLS: a root of its own, certificates under it, and a verify callback
 * that knows no more than that root and a list of names that were revoked. */
#ifndef XOS_TESTS_TLSCERT_H
#define XOS_TESTS_TLSCERT_H

#include "libxos/net/tls.h"

struct xt_root {
    struct xos_key *key;
    X509 *cert;
    const char *revoked; /* this name is refused; NULL: none */
    unsigned asked;      /* how often verify was called */
};

struct xt_cert {
    struct xos_key *key;
    struct xos_slice chain[2]; /* leaf, root */
};

/* A certificate for any key; the caller frees it. */
X509 *xt_cert_make(const struct xt_root *root, EVP_PKEY *subject, const char *name);

int xt_root_new(struct xt_root *root, struct xos_error *err);
void xt_root_free(struct xt_root *root);

/* A leaf whose common name is `name`. */
int xt_cert_new(struct xt_cert *out, const struct xt_root *root, const char *name,
                struct xos_error *err);
void xt_cert_free(struct xt_cert *c);

/* xos_tls_verify_f; arg: struct xt_root. */
int xt_verify(void *arg, const struct xos_slice *chain, size_t count, struct xos_tls_peer *out,
              struct xos_error *err);

#endif
