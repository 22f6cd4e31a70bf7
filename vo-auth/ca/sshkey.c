// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/ca/sshkey.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

#define ED25519_KEY_BYTES 32
#define ED25519_SIGNATURE_BYTES 64
#define P256_POINT_BYTES 65
#define P256_NUMBER_BYTES_MAX 33
#define RSA_EXPONENT_BYTES_MAX 5

struct ca_ssh_type {
    const char *name;
    /* The rest of the blob, after the name; NULL: not well formed. */
    EVP_PKEY *(*read)(struct xos_slice in);
};

/* A signature algorithm belongs to one key type. */
struct algorithm {
    const char *name;
    const char *type;
    const EVP_MD *(*digest)(void); /* NULL: none of its own */
    /* The signature as OpenSSL wants it, appended to out. */
    int (*shape)(struct xos_buf *out, EVP_PKEY *key, struct xos_slice signature,
                 struct xos_error *err);
};

int ca_ssh_take(struct xos_slice *in, struct xos_slice *string)
{
    if (in->len < 4)
        return -1;
    const uint8_t *d = in->data;
    const size_t len = (size_t)d[0] << 24 | (size_t)d[1] << 16 | (size_t)d[2] << 8 | d[3];
    if (in->len - 4 < len)
        return -1;
    *string = (struct xos_slice){d + 4, len};
    *in = (struct xos_slice){d + 4 + len, in->len - 4 - len};
    return 0;
}

static bool is(struct xos_slice s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

/* A positive mpint in its one encoding, without the zero that keeps it positive. */
static int take_mpint(struct xos_slice *in, size_t bytes_max, struct xos_slice *number)
{
    struct xos_slice s;
    if (ca_ssh_take(in, &s) < 0 || s.len == 0 || s.len > bytes_max || s.data[0] & 0x80)
        return -1;
    if (s.data[0] == 0) {
        if (s.len == 1 || !(s.data[1] & 0x80))
            return -1;
        s = (struct xos_slice){s.data + 1, s.len - 1};
    }
    *number = s;
    return 0;
}

static EVP_PKEY *read_ed25519(struct xos_slice in)
{
    struct xos_slice key;
    if (ca_ssh_take(&in, &key) < 0 || in.len || key.len != ED25519_KEY_BYTES)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key.data, key.len);
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL), *check = NULL;
    bool good = ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
                EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1 &&
                (check = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL)) &&
                EVP_PKEY_public_check(check) == 1;
    EVP_PKEY_CTX_free(check);
    EVP_PKEY_CTX_free(ctx);
    if (good)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

static EVP_PKEY *read_p256(struct xos_slice in)
{
    struct xos_slice curve, point;
    if (ca_ssh_take(&in, &curve) < 0 || ca_ssh_take(&in, &point) < 0 || in.len ||
        !is(curve, "nistp256") || point.len != P256_POINT_BYTES || point.data[0] != 4)
        return NULL;
    char group[] = "P-256";
    uint8_t bytes[P256_POINT_BYTES];
    memcpy(bytes, point.data, sizeof(bytes));
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, bytes, sizeof(bytes)),
        OSSL_PARAM_construct_end(),
    };
    return from_params("EC", params);
}

static EVP_PKEY *rsa_key(struct xos_slice e, struct xos_slice n)
{
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *be = BN_bin2bn(e.data, (int)e.len, NULL), *bn = BN_bin2bn(n.data, (int)n.len, NULL);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key = NULL;
    if (build && be && bn && BN_is_odd(be) && !BN_is_one(be) && BN_is_odd(bn) &&
        BN_num_bits(bn) >= CA_SSH_RSA_BITS_MIN && BN_num_bits(bn) <= CA_SSH_RSA_BITS_MAX &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, bn) == 1 &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, be) == 1 &&
        (params = OSSL_PARAM_BLD_to_param(build)))
        key = from_params("RSA", params);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    BN_free(be);
    BN_free(bn);
    return key;
}

static EVP_PKEY *read_rsa(struct xos_slice in)
{
    struct xos_slice e, n;
    if (take_mpint(&in, RSA_EXPONENT_BYTES_MAX, &e) < 0 ||
        take_mpint(&in, CA_SSH_RSA_BITS_MAX / 8 + 1, &n) < 0 || in.len)
        return NULL;
    return rsa_key(e, n);
}

static const struct ca_ssh_type types[] = {
    {"ssh-ed25519", read_ed25519},
    {"ecdsa-sha2-nistp256", read_p256},
    {"ssh-rsa", read_rsa},
};

static const struct ca_ssh_type *type_find(struct xos_slice name)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (is(name, types[i].name))
            return &types[i];
    return NULL;
}

bool ca_ssh_type_known(struct xos_slice name)
{
    return type_find(name) != NULL;
}

void ca_ssh_key_free(struct ca_ssh_key *key)
{
    EVP_PKEY_free(key->evp);
    *key = (struct ca_ssh_key){0};
}

int ca_ssh_key_read(struct ca_ssh_key *out, struct xos_slice blob, struct xos_error *err)
{
    struct xos_slice name;
    if (blob.len > CA_SSH_BLOB_BYTES_MAX)
        return xos_fail(err, XOS_LIMIT, "SSH key: more than %d bytes", CA_SSH_BLOB_BYTES_MAX);
    if (ca_ssh_take(&blob, &name) < 0)
        return xos_fail(err, XOS_PROTOCOL, "SSH key: cut short");
    struct ca_ssh_key key = {.type = type_find(name)};
    if (!key.type)
        return xos_fail(err, XOS_UNSUPPORTED,
                        "SSH key: use one of type ssh-ed25519, ecdsa-sha2-nistp256 or ssh-rsa");
    ERR_set_mark();
    key.evp = key.type->read(blob);
    ERR_pop_to_mark();
    if (!key.evp)
        return xos_fail(err, XOS_PROTOCOL, "SSH key: not a well formed %s key", key.type->name);
    *out = key;
    return 0;
}

static int misshapen(struct xos_error *err)
{
    return xos_fail(err, XOS_DENIED, "not of its algorithm's form");
}

static int shape_ed25519(struct xos_buf *out, EVP_PKEY *key, struct xos_slice s,
                         struct xos_error *err)
{
    (void)key;
    return s.len == ED25519_SIGNATURE_BYTES ? xos_buf_add(out, s.data, s.len, err) : misshapen(err);
}

static int shape_rsa(struct xos_buf *out, EVP_PKEY *key, struct xos_slice s, struct xos_error *err)
{
    const size_t due = (size_t)EVP_PKEY_get_size(key);
    return s.len == due ? xos_buf_add(out, s.data, s.len, err) : misshapen(err);
}

/* Two mpints, to the SEQUENCE of RFC 3279. */
static int shape_ecdsa(struct xos_buf *out, EVP_PKEY *key, struct xos_slice in,
                       struct xos_error *err)
{
    (void)key;
    struct xos_slice r, s;
    uint8_t *der = NULL;
    int rc = -1, len = 0;
    if (take_mpint(&in, P256_NUMBER_BYTES_MAX, &r) < 0 ||
        take_mpint(&in, P256_NUMBER_BYTES_MAX, &s) < 0 || in.len)
        return misshapen(err);
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *br = BN_bin2bn(r.data, (int)r.len, NULL), *bs = BN_bin2bn(s.data, (int)s.len, NULL);
    if (sig && br && bs && ECDSA_SIG_set0(sig, br, bs) == 1) {
        br = bs = NULL;
        len = i2d_ECDSA_SIG(sig, &der);
    }
    if (len > 0)
        rc = xos_buf_add(out, der, (size_t)len, err);
    else
        xos_fail(err, XOS_NOMEM, "ECDSA");
    OPENSSL_free(der);
    ECDSA_SIG_free(sig);
    BN_free(br);
    BN_free(bs);
    return rc;
}

static const struct algorithm algorithms[] = {
    {"ssh-ed25519", "ssh-ed25519", NULL, shape_ed25519},
    {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", EVP_sha256, shape_ecdsa},
    {"rsa-sha2-256", "ssh-rsa", EVP_sha256, shape_rsa},
    {"rsa-sha2-512", "ssh-rsa", EVP_sha512, shape_rsa},
};

static const struct algorithm *algorithm_find(const struct ca_ssh_key *key, struct xos_slice name)
{
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
        if (is(name, algorithms[i].name) && strcmp(algorithms[i].type, key->type->name) == 0)
            return &algorithms[i];
    return NULL;
}

static bool evp_verify(EVP_PKEY *key, const struct algorithm *a, const struct xos_buf *signature,
                       struct xos_slice message)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const EVP_MD *digest = a->digest ? a->digest() : NULL;
    bool good =
        ctx && EVP_DigestVerifyInit(ctx, NULL, digest, NULL, key) == 1 &&
        EVP_DigestVerify(ctx, signature->data, signature->len, message.data, message.len) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

int ca_ssh_verify(const struct ca_ssh_key *key, struct xos_slice signature,
                  struct xos_slice message, struct xos_error *err)
{
    struct xos_slice name, bytes;
    struct xos_buf shaped = XOS_BUF(CA_SSH_BLOB_BYTES_MAX);
    if (signature.len > CA_SSH_BLOB_BYTES_MAX)
        return xos_fail(err, XOS_LIMIT, "SSH signature: more than %d bytes", CA_SSH_BLOB_BYTES_MAX);
    if (ca_ssh_take(&signature, &name) < 0 || ca_ssh_take(&signature, &bytes) < 0 || signature.len)
        return xos_fail(err, XOS_PROTOCOL, "SSH signature: not well formed");
    const struct algorithm *a = algorithm_find(key, name);
    if (!a)
        return xos_fail(
            err, XOS_DENIED, "SSH signature: of an algorithm that a %s key does not use%s",
            key->type->name, is(name, "ssh-rsa") ? " here (SHA-1; rsa-sha2-512 is due)" : "");
    ERR_set_mark();
    int rc = a->shape(&shaped, key->evp, bytes, err);
    if (rc == 0 && !evp_verify(key->evp, a, &shaped, message))
        rc = xos_fail(err, XOS_DENIED, "it does not match");
    ERR_pop_to_mark();
    xos_buf_free(&shaped);
    return rc < 0 ? xos_wrap(err, "SSH signature") : 0;
}
