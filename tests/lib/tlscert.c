// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/tlscert.h"

#include "libxos/base/alloc.h"

#include <openssl/x509.h>
#include <string.h>

X509 *xt_cert_make(const struct xt_root *root, EVP_PKEY *subject, const char *name)
{
    X509 *c = X509_new();
    X509_NAME *n = X509_NAME_new();
    bool good =
        c && n &&
        X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8, (const uint8_t *)name, -1, -1, 0) == 1 &&
        X509_set_version(c, 2) == 1 && X509_set_subject_name(c, n) == 1 &&
        X509_set_issuer_name(c, root->cert ? X509_get_subject_name(root->cert) : n) == 1 &&
        X509_gmtime_adj(X509_getm_notBefore(c), -60) &&
        X509_gmtime_adj(X509_getm_notAfter(c), 3600) && X509_set_pubkey(c, subject) == 1 &&
        X509_sign(c, xos_key_evp(root->key), NULL) > 0;
    X509_NAME_free(n);
    if (good)
        return c;
    X509_free(c);
    return NULL;
}

int xt_root_new(struct xt_root *root, struct xos_error *err)
{
    *root = (struct xt_root){0};
    if (xos_key_generate(&root->key, err) < 0)
        return -1;
    root->cert = xt_cert_make(root, xos_key_evp(root->key), "root");
    return root->cert ? 0 : xos_fail(err, XOS_INTERNAL, "make a root");
}

void xt_root_free(struct xt_root *root)
{
    X509_free(root->cert);
    xos_key_free(root->key);
}

static int der_of(X509 *cert, struct xos_slice *out, struct xos_error *err)
{
    int len = i2d_X509(cert, NULL);
    uint8_t *der = len > 0 ? xos_alloc((size_t)len) : NULL, *end = der;
    if (!der)
        return xos_fail(err, XOS_NOMEM, "certificate");
    *out = (struct xos_slice){der, (size_t)i2d_X509(cert, &end)};
    return 0;
}

int xt_cert_new(struct xt_cert *out, const struct xt_root *root, const char *name,
                struct xos_error *err)
{
    *out = (struct xt_cert){0};
    if (xos_key_generate(&out->key, err) < 0)
        return -1;
    X509 *cert = xt_cert_make(root, xos_key_evp(out->key), name);
    if (!cert)
        return xos_fail(err, XOS_INTERNAL, "make a certificate");
    int rc = der_of(cert, &out->chain[0], err) < 0 || der_of(root->cert, &out->chain[1], err) < 0;
    X509_free(cert);
    return rc ? -1 : 0;
}

void xt_cert_free(struct xt_cert *c)
{
    xos_key_free(c->key);
    xos_free((void *)(uintptr_t)c->chain[0].data);
    xos_free((void *)(uintptr_t)c->chain[1].data);
}

int xt_verify(void *arg, const struct xos_slice *chain, size_t count, struct xos_tls_peer *out,
              struct xos_error *err)
{
    struct xt_root *root = arg;
    const uint8_t *at = chain[0].data;
    root->asked++;
    X509 *leaf = count > 0 ? d2i_X509(NULL, &at, (long)chain[0].len) : NULL;
    bool good = leaf && X509_verify(leaf, X509_get0_pubkey(root->cert)) == 1 &&
                X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, out->name,
                                          sizeof(out->name)) > 0;
    X509_free(leaf);
    if (!good)
        return xos_fail(err, XOS_DENIED, "not under our root");
    if (root->revoked && strcmp(root->revoked, out->name) == 0)
        return xos_fail(err, XOS_DENIED, "%s is revoked", out->name);
    return 0;
}
