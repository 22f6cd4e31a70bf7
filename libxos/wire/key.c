// SPDX-License-Identifier: Apache-2.0
#include "libxos/wire/key.h"

#include "libxos/base/alloc.h"

#include <assert.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#define KEY_DOMAIN_MAX 64 /* bytes of a domain separator */

struct xos_key {
    EVP_PKEY *pkey;
    uint8_t public_key[XOS_KEY_PUBLIC_BYTES];
};

void xos_key_free(struct xos_key *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->pkey);
    xos_free(key);
}

/* Fail, and leave nothing in OpenSSL's queue of errors: a TLS connection that this thread looks at
 * next would take what is there for its own. */
static int key_fail(struct xos_error *err, enum xos_code code, const char *text)
{
    ERR_clear_error();
    return xos_fail(err, code, "%s", text);
}

/* Takes ownership of pkey, also when it fails. */
static int key_wrap(struct xos_key **out, EVP_PKEY *pkey, struct xos_error *err)
{
    struct xos_key *key = pkey ? xos_alloc(sizeof(*key)) : NULL;
    size_t len = sizeof(key->public_key);
    if (!key) {
        EVP_PKEY_free(pkey);
        return pkey ? key_fail(err, XOS_NOMEM, "key") : key_fail(err, XOS_INVALID, "not a key");
    }
    key->pkey = pkey;
    if (EVP_PKEY_id(pkey) != EVP_PKEY_ED25519 ||
        EVP_PKEY_get_raw_public_key(pkey, key->public_key, &len) != 1 ||
        len != sizeof(key->public_key)) {
        xos_key_free(key);
        return key_fail(err, XOS_INVALID, "the key is not an Ed25519 key");
    }
    *out = key;
    return 0;
}

int xos_key_generate(struct xos_key **out, struct xos_error *err)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (!pkey)
        return key_fail(err, XOS_SYSTEM, "generate an Ed25519 key");
    return key_wrap(out, pkey, err);
}

int xos_key_from_secret(struct xos_key **out, const uint8_t secret[static XOS_KEY_SECRET_BYTES],
                        struct xos_error *err)
{
    return key_wrap(
        out, EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, XOS_KEY_SECRET_BYTES),
        err);
}

/* A key file with a passphrase is refused, never asked for. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

int xos_key_from_pem(struct xos_key **out, const void *pem, size_t len, struct xos_error *err)
{
    BIO *bio = len <= INT32_MAX ? BIO_new_mem_buf(pem, (int)len) : NULL;
    if (!bio)
        return xos_fail(err, XOS_NOMEM, "key");
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    return key_wrap(out, pkey, err);
}

int xos_key_to_pem(const struct xos_key *key, struct xos_buf *pem, struct xos_error *err)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    char *text = NULL;
    int rc = -1;
    if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) != 1)
        key_fail(err, XOS_NOMEM, "key to PEM");
    else {
        long len = BIO_get_mem_data(bio, &text);
        rc = xos_buf_add(pem, text, (size_t)len, err);
    }
    BIO_free(bio);
    return rc;
}

const uint8_t *xos_key_public(const struct xos_key *key)
{
    return key->public_key;
}

struct evp_pkey_st *xos_key_evp(const struct xos_key *key)
{
    return key->pkey;
}

/* domain ‖ 0 ‖ message. Ed25519 hashes twice over its input, so it must be in one piece. */
static uint8_t *framed(const char *domain, struct xos_slice message, size_t *len,
                       struct xos_error *err)
{
    size_t prefix = strnlen(domain, KEY_DOMAIN_MAX) + 1;
    assert(domain[0] && prefix <= KEY_DOMAIN_MAX); /* cut short, two could be one */
    uint8_t *text = xos_alloc_array(prefix + message.len, 1);
    if (!text) {
        xos_fail(err, XOS_NOMEM, "signature over %zu bytes", message.len);
        return NULL;
    }
    memcpy(text, domain, prefix - 1);
    if (message.len)
        memcpy(text + prefix, message.data, message.len);
    *len = prefix + message.len;
    return text;
}

int xos_key_sign(const struct xos_key *key, const char *domain, struct xos_slice message,
                 uint8_t signature[static XOS_SIGNATURE_BYTES], struct xos_error *err)
{
    size_t len, size = XOS_SIGNATURE_BYTES;
    uint8_t *text = framed(domain, message, &len, err);
    if (!text)
        return -1;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) == 1 &&
                EVP_DigestSign(ctx, signature, &size, text, len) == 1;
    EVP_MD_CTX_free(ctx);
    xos_free(text);
    return good ? 0 : key_fail(err, XOS_SYSTEM, "sign");
}

int xos_key_verify(const uint8_t public_key[static XOS_KEY_PUBLIC_BYTES], const char *domain,
                   struct xos_slice message, struct xos_slice signature, struct xos_error *err)
{
    size_t len;
    if (signature.len != XOS_SIGNATURE_BYTES)
        return xos_fail(err, XOS_DENIED, "a signature of %zu bytes", signature.len);
    uint8_t *text = framed(domain, message, &len, err);
    if (!text)
        return -1;
    EVP_PKEY *pkey =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, XOS_KEY_PUBLIC_BYTES);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = pkey && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
                EVP_DigestVerify(ctx, signature.data, signature.len, text, len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    xos_free(text);
    return good ? 0 : key_fail(err, XOS_DENIED, "the signature does not match");
}

int xos_sha256(struct xos_slice data, uint8_t hash[static XOS_HASH_BYTES], struct xos_error *err)
{
    if (EVP_Q_digest(NULL, "SHA256", NULL, data.data ? data.data : (const uint8_t *)"", data.len,
                     hash, NULL) != 1)
        return key_fail(err, XOS_SYSTEM, "SHA-256");
    return 0;
}

void xos_hex(const uint8_t *data, size_t len, char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[data[i] >> 4];
        text[2 * i + 1] = digits[data[i] & 15];
    }
    text[2 * len] = '\0';
}

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int xos_unhex(const char *text, uint8_t *data, size_t len)
{
    if (strnlen(text, 2 * len + 1) != 2 * len)
        return -1;
    for (size_t i = 0; i < 2 * len; i++)
        if (nibble(text[i]) < 0)
            return -1;
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]));
    return 0;
}

bool xos_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}
