// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/ssh_forge.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static const char *const type_names[SSH_KINDS] = {
    [SSH_ED25519] = "ssh-ed25519",       [SSH_P256] = "ecdsa-sha2-nistp256", [SSH_RSA] = "ssh-rsa",
    [SSH_ED25519_OTHER] = "ssh-ed25519", [SSH_RSA_SHORT] = "ssh-rsa",
};

static EVP_PKEY *key_of(enum ssh_forge_kind kind)
{
    static EVP_PKEY *keys[SSH_KINDS];
    if (keys[kind])
        return keys[kind];
    if (kind == SSH_P256)
        keys[kind] = EVP_EC_gen("P-256");
    else if (kind == SSH_RSA || kind == SSH_RSA_SHORT)
        keys[kind] = EVP_RSA_gen(kind == SSH_RSA ? 2048 : 1024);
    else
        keys[kind] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    MUST(keys[kind]);
    return keys[kind];
}

static void add(struct ssh_forge_bytes *out, const void *data, size_t len)
{
    MUST(out->len + len <= sizeof(out->at));
    memcpy(out->at + out->len, data, len);
    out->len += len;
}

void ssh_forge_string(struct ssh_forge_bytes *out, const void *data, size_t len)
{
    const uint8_t head[4] = {0, 0, (uint8_t)(len >> 8), (uint8_t)len};
    add(out, head, sizeof(head));
    if (len)
        add(out, data, len);
}

struct xos_slice ssh_forge_slice(const struct ssh_forge_bytes *b)
{
    return (struct xos_slice){b->at, b->len};
}

static void add_text(struct ssh_forge_bytes *out, const char *text)
{
    ssh_forge_string(out, text, strlen(text));
}

static void add_mpint(struct ssh_forge_bytes *out, const BIGNUM *n)
{
    uint8_t bytes[1025] = {0};
    const size_t len = (size_t)BN_num_bytes(n);
    BN_bn2bin(n, bytes + 1);
    const size_t pad = bytes[1] & 0x80 ? 1 : 0;
    ssh_forge_string(out, bytes + 1 - pad, len + pad);
}

static void add_rsa(struct ssh_forge_bytes *out, EVP_PKEY *key)
{
    BIGNUM *e = NULL, *n = NULL;
    MUST(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1);
    MUST(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) == 1);
    add_mpint(out, e);
    add_mpint(out, n);
    BN_free(e);
    BN_free(n);
}

void ssh_forge_blob(struct ssh_forge_bytes *out, enum ssh_forge_kind kind)
{
    EVP_PKEY *key = key_of(kind);
    uint8_t raw[80];
    size_t len = sizeof(raw);
    out->len = 0;
    add_text(out, type_names[kind]);
    if (kind == SSH_RSA || kind == SSH_RSA_SHORT) {
        add_rsa(out, key);
    } else if (kind == SSH_P256) {
        MUST(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, raw, sizeof(raw),
                                             &len) == 1);
        add_text(out, "nistp256");
        ssh_forge_string(out, raw, len);
    } else {
        MUST(EVP_PKEY_get_raw_public_key(key, raw, &len) == 1);
        ssh_forge_string(out, raw, len);
    }
}

static void sign_ecdsa(struct ssh_forge_bytes *out, const uint8_t *der, size_t len)
{
    struct ssh_forge_bytes inner = {.len = 0};
    const BIGNUM *r, *s;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    MUST(sig);
    ECDSA_SIG_get0(sig, &r, &s);
    add_mpint(&inner, r);
    add_mpint(&inner, s);
    ssh_forge_string(out, inner.at, inner.len);
    ECDSA_SIG_free(sig);
}

void ssh_forge_sign(struct ssh_forge_bytes *out, enum ssh_forge_kind kind, const char *algorithm,
                    const char *digest, struct xos_slice message)
{
    uint8_t raw[1024];
    size_t len = sizeof(raw);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    MUST(EVP_DigestSignInit_ex(ctx, NULL, digest, NULL, NULL, key_of(kind), NULL) == 1);
    MUST(EVP_DigestSign(ctx, raw, &len, message.data, message.len) == 1);
    EVP_MD_CTX_free(ctx);
    out->len = 0;
    add_text(out, algorithm);
    if (kind == SSH_P256)
        sign_ecdsa(out, raw, len);
    else
        ssh_forge_string(out, raw, len);
}

void ssh_forge_line(struct ssh_forge_bytes *out, enum ssh_forge_kind kind)
{
    struct ssh_forge_bytes blob = {.len = 0};
    uint8_t text[2048];
    ssh_forge_blob(&blob, kind);
    int len = EVP_EncodeBlock(text, blob.at, (int)blob.len);
    out->len = 0;
    add(out, type_names[kind], strlen(type_names[kind]));
    add(out, " ", 1);
    add(out, text, (size_t)len);
    add(out, " someone@somewhere\n", 19);
}
