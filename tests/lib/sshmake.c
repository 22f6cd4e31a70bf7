// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/sshmake.h"

#include "libxos/wire/key.h"
#include "vo-auth/core/profile.h"
#include "vo-auth/core/sshwire.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

#define APPLICATION "ssh:"
#define COUNTER 41

static EVP_PKEY *generate(const struct auth_sshkey_type *t, unsigned rsa_bits)
{
    if (t->family == AUTH_SSHKEY_RSA)
        return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)rsa_bits);
    if (t->family == AUTH_SSHKEY_ED25519)
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return EVP_PKEY_Q_keygen(NULL, NULL, "EC",
                             strcmp(t->curve, "nistp256") == 0   ? "P-256"
                             : strcmp(t->curve, "nistp384") == 0 ? "P-384"
                                                                 : "P-521");
}

static int put_number(struct xos_buf *out, const EVP_PKEY *pkey, const char *name,
                      struct xos_error *err)
{
    uint8_t bytes[1025] = {0};
    BIGNUM *n = NULL;
    if (EVP_PKEY_get_bn_param(pkey, name, &n) != 1)
        return xos_fail(err, XOS_SYSTEM, "%s", name);
    const int len = BN_bn2bin(n, bytes + 1);
    BN_free(n);
    const size_t from = bytes[1] & 0x80 ? 0 : 1;
    return auth_ssh_put_string(out, (struct xos_slice){bytes + from, (size_t)len + 1 - from}, err);
}

static int put_point(struct xos_buf *out, const EVP_PKEY *pkey, struct xos_error *err)
{
    uint8_t bytes[256];
    size_t len = sizeof(bytes);
    if (EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, bytes, len, &len) != 1)
        return xos_fail(err, XOS_SYSTEM, "public key");
    return auth_ssh_put_string(out, (struct xos_slice){bytes, len}, err);
}

static int put_key(struct xos_buf *out, const struct ssh_made *k, struct xos_error *err)
{
    const struct auth_sshkey_type *t = k->type;
    if (auth_ssh_put_text(out, t->name, err) < 0 ||
        (t->curve && auth_ssh_put_text(out, t->curve, err) < 0))
        return -1;
    if (t->family != AUTH_SSHKEY_RSA)
        return put_point(out, k->pkey, err) < 0 ||
                       (t->hardware && auth_ssh_put_text(out, APPLICATION, err) < 0)
                   ? -1
                   : 0;
    return put_number(out, k->pkey, OSSL_PKEY_PARAM_RSA_E, err) < 0
               ? -1
               : put_number(out, k->pkey, OSSL_PKEY_PARAM_RSA_N, err);
}

int ssh_make(struct ssh_made *out, size_t i, unsigned rsa_bits, struct xos_error *err)
{
    *out = (struct ssh_made){
        .type = auth_sshkey_type(i), .blob = XOS_BUF(AUTH_SSHKEY_BYTES_MAX), .flags = 1};
    out->pkey = generate(out->type, rsa_bits);
    if (!out->pkey)
        return xos_fail(err, XOS_SYSTEM, "make an SSH key");
    return put_key(&out->blob, out, err);
}

void ssh_made_free(struct ssh_made *k)
{
    EVP_PKEY_free(k->pkey);
    xos_buf_free(&k->blob);
    *k = (struct ssh_made){0};
}

static int raw_sign(const struct ssh_made *k, struct xos_slice message, struct xos_buf *out,
                    struct xos_error *err)
{
    uint8_t signature[1100];
    size_t len = sizeof(signature);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const bool good =
        ctx && EVP_DigestSignInit_ex(ctx, NULL, k->type->digest, NULL, NULL, k->pkey, NULL) == 1 &&
        EVP_DigestSign(ctx, signature, &len, message.data, message.len) == 1;
    EVP_MD_CTX_free(ctx);
    if (!good)
        return xos_fail(err, XOS_SYSTEM, "sign");
    return xos_buf_add(out, signature, len, err);
}

/* DER's pair of INTEGERs, as SSH's pair of mpints. */
static int pair_of(struct xos_slice der, struct xos_buf *out, struct xos_error *err)
{
    struct xos_slice body, r, s;
    if (auth_der_take(&der, 0x30, &body) < 0 || auth_der_take(&body, 0x02, &r) < 0 ||
        auth_der_take(&body, 0x02, &s) < 0)
        return xos_fail(err, XOS_INTERNAL, "an ECDSA signature");
    return auth_ssh_put_string(out, r, err) < 0 ? -1 : auth_ssh_put_string(out, s, err);
}

static int hardware_text(const struct ssh_made *k, struct xos_slice message, struct xos_buf *out,
                         struct xos_error *err)
{
    uint8_t hash[XOS_HASH_BYTES];
    if (xos_sha256((struct xos_slice){(const uint8_t *)APPLICATION, sizeof(APPLICATION) - 1}, hash,
                   err) < 0 ||
        xos_buf_add(out, hash, sizeof(hash), err) < 0 || xos_buf_add(out, &k->flags, 1, err) < 0 ||
        auth_ssh_put_u32(out, COUNTER, err) < 0 || xos_sha256(message, hash, err) < 0)
        return -1;
    return xos_buf_add(out, hash, sizeof(hash), err);
}

static int put_signature(const struct ssh_made *k, const struct xos_buf *raw, struct xos_buf *out,
                         struct xos_error *err)
{
    struct xos_buf pair = XOS_BUF(256);
    struct xos_slice blob = {raw->data, raw->len};
    int rc = auth_ssh_put_text(out, k->type->signature, err);
    if (rc == 0 && k->type->family == AUTH_SSHKEY_ECDSA) {
        rc = pair_of(blob, &pair, err);
        blob = (struct xos_slice){pair.data, pair.len};
    }
    if (rc == 0)
        rc = auth_ssh_put_string(out, blob, err);
    if (rc == 0 && k->type->hardware)
        rc = xos_buf_add(out, &k->flags, 1, err) < 0 ? -1 : auth_ssh_put_u32(out, COUNTER, err);
    xos_buf_free(&pair);
    return rc;
}

int ssh_made_sign(const struct ssh_made *k, struct xos_slice message, struct xos_buf *out,
                  struct xos_error *err)
{
    struct xos_buf raw = XOS_BUF(2048), text = XOS_BUF(256);
    int rc = k->type->hardware ? hardware_text(k, message, &text, err) : 0;
    if (rc == 0)
        rc = raw_sign(k, k->type->hardware ? (struct xos_slice){text.data, text.len} : message,
                      &raw, err);
    if (rc == 0)
        rc = put_signature(k, &raw, out, err);
    xos_buf_free(&raw);
    xos_buf_free(&text);
    return rc;
}
