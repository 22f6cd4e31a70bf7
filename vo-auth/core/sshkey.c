// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/core/sshkey.h"

#include "libxos/wire/key.h"
#include "vo-auth/core/profile.h"
#include "vo-auth/core/sshwire.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#define SPKI_BYTES_MAX (AUTH_SSHKEY_BYTES_MAX + 64)
#define ED25519_SIGNATURE_BYTES 64
#define HARDWARE_USER_PRESENT 1 /* flag: somebody touched it */

enum { DER_INTEGER = 0x02, DER_BITS = 0x03, DER_SEQUENCE = 0x30 };

/* id-ecPublicKey with its curve; RFC 5480. */
#define EC_PUBLIC_KEY 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01
static const uint8_t ed25519[] = {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70};
static const uint8_t p256[] = {0x30, 0x13, EC_PUBLIC_KEY, 0x06, 0x08, 0x2a, 0x86,
                               0x48, 0xce, 0x3d,          0x03, 0x01, 0x07};
static const uint8_t p384[] = {0x30, 0x10, EC_PUBLIC_KEY, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
static const uint8_t p521[] = {0x30, 0x10, EC_PUBLIC_KEY, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23};
static const uint8_t rsa[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                              0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};

#define SK_ED25519 "sk-ssh-ed25519@openssh.com"
#define SK_P256 "sk-ecdsa-sha2-nistp256@openssh.com"
#define P256 "ecdsa-sha2-nistp256"
#define P384 "ecdsa-sha2-nistp384"
#define P521 "ecdsa-sha2-nistp521"
#define DER(bytes)                                                                                 \
    {                                                                                              \
        bytes, sizeof(bytes)                                                                       \
    }

static const struct auth_sshkey_type types[] = {
    {"ssh-ed25519", "ssh-ed25519", AUTH_SSHKEY_ED25519, false, NULL, NULL, DER(ed25519)},
    {P256, P256, AUTH_SSHKEY_ECDSA, false, "nistp256", "SHA256", DER(p256)},
    {P384, P384, AUTH_SSHKEY_ECDSA, false, "nistp384", "SHA384", DER(p384)},
    {P521, P521, AUTH_SSHKEY_ECDSA, false, "nistp521", "SHA512", DER(p521)},
    {"ssh-rsa", "rsa-sha2-512", AUTH_SSHKEY_RSA, false, NULL, "SHA512", DER(rsa)},
    {SK_ED25519, SK_ED25519, AUTH_SSHKEY_ED25519, true, NULL, NULL, DER(ed25519)},
    {SK_P256, SK_P256, AUTH_SSHKEY_ECDSA, true, "nistp256", "SHA256", DER(p256)},
};
#define TYPES (sizeof(types) / sizeof(types[0]))

const struct auth_sshkey_type *auth_sshkey_type(size_t i)
{
    return i < TYPES ? &types[i] : NULL;
}

const struct auth_sshkey_type *auth_sshkey_type_of(struct xos_slice key)
{
    struct xos_slice name;
    if (!auth_ssh_take_string(&key, &name))
        return NULL;
    for (size_t i = 0; i < TYPES; i++)
        if (auth_ssh_is(name, types[i].name))
            return &types[i];
    return NULL;
}

/* A public key, taken apart. */
struct parts {
    const struct auth_sshkey_type *type;
    struct xos_slice point; /* or an Ed25519 key */
    struct xos_slice n, e;
    struct xos_slice application; /* of hardware keys */
};

static bool take_parts(struct parts *p, struct xos_slice key)
{
    const struct auth_sshkey_type *t = p->type;
    struct xos_slice text;
    if (!auth_ssh_take_string(&key, &text))
        return false;
    if (t->curve && (!auth_ssh_take_string(&key, &text) || !auth_ssh_is(text, t->curve)))
        return false;
    if (t->family == AUTH_SSHKEY_RSA) {
        if (!auth_ssh_take_mpint(&key, &p->e) || !auth_ssh_take_mpint(&key, &p->n))
            return false;
    } else if (!auth_ssh_take_string(&key, &p->point))
        return false;
    if (t->hardware && !auth_ssh_take_string(&key, &p->application))
        return false;
    return key.len == 0;
}

static int parts_read(struct parts *p, struct xos_slice key, struct xos_error *err)
{
    *p = (struct parts){.type = auth_sshkey_type_of(key)};
    if (!p->type)
        return xos_fail(err, XOS_UNSUPPORTED,
                        "SSH key: Ed25519, ECDSA and RSA keys are taken, this is another type");
    if (key.len > AUTH_SSHKEY_BYTES_MAX)
        return xos_fail(err, XOS_LIMIT, "AUTH_SSHKEY_BYTES_MAX: an SSH key of %zu bytes", key.len);
    if (!take_parts(p, key))
        return xos_fail(err, XOS_PROTOCOL, "SSH key: not a well formed %s key", p->type->name);
    return 0;
}

/* SEQUENCE { INTEGER, INTEGER }: an RSA key, an ECDSA signature. An mpint is an INTEGER's
 * content. */
static int der_pair(struct xos_buf *out, struct xos_slice a, struct xos_slice b,
                    struct xos_error *err)
{
    struct xos_buf inner = XOS_BUF(out->max);
    int rc = auth_der_add(&inner, DER_INTEGER, a, err);
    if (rc == 0)
        rc = auth_der_add(&inner, DER_INTEGER, b, err);
    if (rc == 0)
        rc = auth_der_add(out, DER_SEQUENCE, (struct xos_slice){inner.data, inner.len}, err);
    xos_buf_free(&inner);
    return rc;
}

/* SubjectPublicKeyInfo (RFC 5280): what OpenSSL reads, and checks on the way. */
static int spki_write(struct xos_buf *out, const struct parts *p, struct xos_error *err)
{
    struct xos_buf bits = XOS_BUF(SPKI_BYTES_MAX), body = XOS_BUF(SPKI_BYTES_MAX);
    const struct xos_slice algorithm = p->type->algorithm;
    int rc = xos_buf_add(&bits, "", 1, err); /* no unused bits */
    if (rc == 0 && p->type->family == AUTH_SSHKEY_RSA)
        rc = der_pair(&bits, p->n, p->e, err);
    else if (rc == 0)
        rc = xos_buf_add(&bits, p->point.data, p->point.len, err);
    if (rc == 0)
        rc = xos_buf_add(&body, algorithm.data, algorithm.len, err);
    if (rc == 0)
        rc = auth_der_add(&body, DER_BITS, (struct xos_slice){bits.data, bits.len}, err);
    if (rc == 0)
        rc = auth_der_add(out, DER_SEQUENCE, (struct xos_slice){body.data, body.len}, err);
    xos_buf_free(&bits);
    xos_buf_free(&body);
    return rc;
}

static bool strong(EVP_PKEY *pkey, const struct auth_sshkey_type *type)
{
    const int bits = EVP_PKEY_get_bits(pkey);
    return type->family != AUTH_SSHKEY_RSA ||
           (bits >= AUTH_SSHKEY_RSA_BITS_MIN && bits <= AUTH_SSHKEY_RSA_BITS_MAX);
}

static int open_key(EVP_PKEY **out, const struct parts *p, struct xos_error *err)
{
    struct xos_buf spki = XOS_BUF(SPKI_BYTES_MAX);
    if (spki_write(&spki, p, err) < 0) {
        xos_buf_free(&spki);
        return -1;
    }
    const uint8_t *at = spki.data;
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)spki.len);
    xos_buf_free(&spki);
    ERR_clear_error();
    if (pkey && strong(pkey, p->type)) {
        *out = pkey;
        return 0;
    }
    const bool weak = pkey != NULL;
    EVP_PKEY_free(pkey);
    if (weak)
        return xos_fail(err, XOS_PROTOCOL, "SSH key: an RSA key must have %d to %d bits",
                        AUTH_SSHKEY_RSA_BITS_MIN, AUTH_SSHKEY_RSA_BITS_MAX);
    return xos_fail(err, XOS_PROTOCOL, "SSH key: not a well formed %s key", p->type->name);
}

int auth_sshkey_check(struct xos_slice key, struct xos_error *err)
{
    struct parts p;
    EVP_PKEY *pkey = NULL;
    if (parts_read(&p, key, err) < 0 || open_key(&pkey, &p, err) < 0)
        return -1;
    EVP_PKEY_free(pkey);
    return 0;
}

/* A signature, taken apart. */
struct seal {
    struct xos_slice blob; /* Ed25519 and RSA: as the algorithm gives it */
    struct xos_slice r, s;
    uint8_t flags; /* of hardware keys */
    struct xos_slice counter;
};

static bool take_seal(struct seal *s, const struct auth_sshkey_type *t, struct xos_slice in)
{
    struct xos_slice name;
    if (!auth_ssh_take_string(&in, &name) || !auth_ssh_is(name, t->signature) ||
        !auth_ssh_take_string(&in, &s->blob))
        return false;
    if (t->family == AUTH_SSHKEY_ED25519 && s->blob.len != ED25519_SIGNATURE_BYTES)
        return false;
    if (t->family == AUTH_SSHKEY_ECDSA) {
        struct xos_slice pair = s->blob;
        if (!auth_ssh_take_mpint(&pair, &s->r) || !auth_ssh_take_mpint(&pair, &s->s) || pair.len)
            return false;
    }
    if (!t->hardware)
        return in.len == 0;
    if (in.len != 5)
        return false;
    s->flags = in.data[0];
    s->counter = (struct xos_slice){in.data + 1, 4};
    return true;
}

/* False: by another, such as RSA with SHA-1. What has no name at all is not well formed. */
static bool by_its_algorithm(const struct auth_sshkey_type *t, struct xos_slice signature)
{
    struct xos_slice name;
    return !auth_ssh_take_string(&signature, &name) || auth_ssh_is(name, t->signature);
}

/* What a hardware key signs: the hash of its application, flags, counter, the message's hash. */
static int hardware_message(struct xos_buf *out, const struct parts *p, const struct seal *s,
                            struct xos_slice message, struct xos_error *err)
{
    uint8_t application[XOS_HASH_BYTES], hash[XOS_HASH_BYTES];
    if (!(s->flags & HARDWARE_USER_PRESENT))
        return xos_fail(err, XOS_DENIED, "SSH key: nobody touched the hardware key");
    if (xos_sha256(p->application, application, err) < 0 || xos_sha256(message, hash, err) < 0 ||
        xos_buf_add(out, application, sizeof(application), err) < 0 ||
        xos_buf_add(out, &s->flags, 1, err) < 0 ||
        xos_buf_add(out, s->counter.data, s->counter.len, err) < 0)
        return -1;
    return xos_buf_add(out, hash, sizeof(hash), err);
}

static bool holds(EVP_PKEY *pkey, const char *digest, struct xos_slice message,
                  struct xos_slice signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good =
        ctx && EVP_DigestVerifyInit_ex(ctx, NULL, digest, NULL, NULL, pkey, NULL) == 1 &&
        EVP_DigestVerify(ctx, signature.data, signature.len, message.data, message.len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return good;
}

struct check {
    struct parts parts;
    struct seal seal;
    EVP_PKEY *pkey;
    struct xos_buf message; /* a hardware key's */
    struct xos_buf der;     /* an ECDSA signature */
};

static int check_run(struct check *c, struct xos_slice message, struct xos_error *err)
{
    const struct auth_sshkey_type *t = c->parts.type;
    struct xos_slice signature = c->seal.blob;
    if (t->hardware) {
        if (hardware_message(&c->message, &c->parts, &c->seal, message, err) < 0)
            return -1;
        message = (struct xos_slice){c->message.data, c->message.len};
    }
    if (t->family == AUTH_SSHKEY_ECDSA) {
        if (der_pair(&c->der, c->seal.r, c->seal.s, err) < 0)
            return -1;
        signature = (struct xos_slice){c->der.data, c->der.len};
    }
    if (!holds(c->pkey, t->digest, message, signature))
        return xos_fail(err, XOS_DENIED, "SSH key: the signature does not match");
    return 0;
}

int auth_sshkey_verify(struct xos_slice key, struct xos_slice message, struct xos_slice signature,
                       struct xos_error *err)
{
    struct check c = {.message = XOS_BUF(2 * XOS_HASH_BYTES + 5),
                      .der = XOS_BUF(AUTH_SSHKEY_SIGNATURE_BYTES_MAX + 16)};
    int rc = -1;
    if (parts_read(&c.parts, key, err) < 0 || open_key(&c.pkey, &c.parts, err) < 0)
        return -1;
    if (!by_its_algorithm(c.parts.type, signature))
        xos_fail(err, XOS_DENIED, "SSH key: a %s key signs with %s here, and with nothing else",
                 c.parts.type->name, c.parts.type->signature);
    else if (signature.len > AUTH_SSHKEY_SIGNATURE_BYTES_MAX ||
             !take_seal(&c.seal, c.parts.type, signature))
        xos_fail(err, XOS_PROTOCOL, "SSH key: not a well formed %s signature",
                 c.parts.type->signature);
    else
        rc = check_run(&c, message, err);
    EVP_PKEY_free(c.pkey);
    xos_buf_free(&c.message);
    xos_buf_free(&c.der);
    return rc;
}
