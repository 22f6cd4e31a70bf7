// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/prove.h"

#include "libxos/wire/pb.h"
#include "vo-auth/ca.pb-c.h"

#include <openssl/evp.h>
#include <string.h>

#define SSHSIG_MAGIC "SSHSIG"
#define SSHSIG_HASH "sha512"
#define SSHSIG_HASH_BYTES 64

const struct auth_format auth_join_format = {"join", AUTH_JOIN_DOMAIN, &ca__join_claim__descriptor,
                                             AUTH_CLAIM_BYTES_MAX};
const struct auth_format auth_renew_format = {"renewal", AUTH_RENEW_DOMAIN,
                                              &ca__renew_claim__descriptor, AUTH_CLAIM_BYTES_MAX};
const struct auth_format auth_job_format = {"job certificate", AUTH_JOB_DOMAIN,
                                            &ca__job_claim__descriptor, AUTH_CLAIM_BYTES_MAX};

int auth_login_message(struct xos_buf *out, const struct auth_login_terms *t, struct xos_error *err)
{
    const size_t before = out->len;
    char user[AUTH_NAME_BYTES_MAX + 1];
    uint8_t life[8];
    for (unsigned i = 0; i < sizeof(life); i++)
        life[i] = (uint8_t)((uint64_t)t->life_ms >> (56 - 8 * i));
    auth_name_print(&t->user, user);
    if (xos_buf_add(out, AUTH_LOGIN_DOMAIN, sizeof(AUTH_LOGIN_DOMAIN), err) < 0 ||
        xos_buf_add(out, t->nonce, sizeof(t->nonce), err) < 0 ||
        xos_buf_add(out, t->root_hash, sizeof(t->root_hash), err) < 0 ||
        xos_buf_add(out, t->key, sizeof(t->key), err) < 0 ||
        xos_buf_add(out, life, sizeof(life), err) < 0 || xos_buf_add_text(out, user, err) < 0) {
        xos_buf_cut(out, before);
        return -1;
    }
    return 0;
}

/* RFC 4251: a string is its length, 4 bytes big-endian, and its bytes. */
static int add_string(struct xos_buf *out, const void *data, size_t len, struct xos_error *err)
{
    const uint8_t head[4] = {0, 0, (uint8_t)(len >> 8), (uint8_t)len};
    if (xos_buf_add(out, head, sizeof(head), err) < 0)
        return -1;
    return xos_buf_add(out, data, len, err);
}

static int sha512(const struct xos_buf *message, uint8_t hash[static SSHSIG_HASH_BYTES],
                  struct xos_error *err)
{
    if (EVP_Q_digest(NULL, "SHA512", NULL, message->data, message->len, hash, NULL) != 1)
        return xos_fail(err, XOS_SYSTEM, "SHA-512");
    return 0;
}

int auth_login_blob(struct xos_buf *out, const struct auth_login_terms *terms,
                    struct xos_error *err)
{
    const size_t before = out->len;
    struct xos_buf message = XOS_BUF(2 * AUTH_LOGIN_BLOB_BYTES_MAX);
    uint8_t hash[SSHSIG_HASH_BYTES];
    int rc = -1;
    if (auth_login_message(&message, terms, err) == 0 && sha512(&message, hash, err) == 0 &&
        xos_buf_add(out, SSHSIG_MAGIC, strlen(SSHSIG_MAGIC), err) == 0 &&
        add_string(out, AUTH_LOGIN_NAMESPACE, strlen(AUTH_LOGIN_NAMESPACE), err) == 0 &&
        add_string(out, "", 0, err) == 0 &&
        add_string(out, SSHSIG_HASH, strlen(SSHSIG_HASH), err) == 0 &&
        add_string(out, hash, sizeof(hash), err) == 0)
        rc = 0;
    if (rc < 0)
        xos_buf_cut(out, before);
    xos_buf_free(&message);
    return rc;
}

int auth_claim_sign(struct xos_buf *statement, uint8_t possession[static XOS_SIGNATURE_BYTES],
                    const struct auth_format *format, const ProtobufCMessage *claim,
                    const struct xos_key *by, const struct xos_key *new_key, struct xos_error *err)
{
    const size_t before = statement->len;
    if (auth_statement_seal(statement, format, claim, by, err) < 0)
        return -1;
    struct xos_slice signed_bytes = {statement->data + before, statement->len - before};
    if (xos_key_sign(new_key, AUTH_POSSESSION_DOMAIN, signed_bytes, possession, err) == 0)
        return 0;
    xos_buf_cut(statement, before);
    return -1;
}

int auth_possession_check(struct xos_slice statement, struct xos_slice possession,
                          const uint8_t new_key[static XOS_KEY_PUBLIC_BYTES], struct xos_error *err)
{
    return xos_key_verify(new_key, AUTH_POSSESSION_DOMAIN, statement, possession, err);
}

bool auth_address_valid(struct xos_slice a)
{
    static const char also[] = ".:_-[]";
    for (size_t i = 0; i < a.len; i++) {
        const uint8_t c = a.data[i];
        bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';
        if (!letter && !(c >= '0' && c <= '9') && !memchr(also, c, sizeof(also) - 1))
            return false;
    }
    return a.len > 0 && a.len <= AUTH_ADDRESS_BYTES_MAX;
}

/* The secret and the root's hash, and their checksum after them. */
static int token_sum(uint8_t bytes[static AUTH_TOKEN_BYTES], struct xos_error *err)
{
    static const char domain[] = "xos-token-1";
    uint8_t text[sizeof(domain) + AUTH_TOKEN_BYTES], hash[XOS_HASH_BYTES];
    const size_t len = AUTH_TOKEN_BYTES - AUTH_TOKEN_SUM_BYTES;
    memcpy(text, domain, sizeof(domain));
    memcpy(text + sizeof(domain), bytes, len);
    int rc = xos_sha256((struct xos_slice){text, sizeof(domain) + len}, hash, err);
    memcpy(bytes + len, hash, AUTH_TOKEN_SUM_BYTES);
    OPENSSL_cleanse(text, sizeof(text));
    return rc;
}

int auth_token_print(const struct auth_token *token, char text[static AUTH_TOKEN_TEXT_BYTES],
                     struct xos_error *err)
{
    uint8_t bytes[AUTH_TOKEN_BYTES];
    memcpy(bytes, token->secret, XOS_KEY_SECRET_BYTES);
    memcpy(bytes + XOS_KEY_SECRET_BYTES, token->root_hash, XOS_HASH_BYTES);
    int rc = token_sum(bytes, err);
    if (rc == 0) {
        memcpy(text, AUTH_TOKEN_PREFIX, sizeof(AUTH_TOKEN_PREFIX));
        xos_hex(bytes, sizeof(bytes), text + strlen(AUTH_TOKEN_PREFIX));
    }
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return rc;
}

static struct xos_slice trimmed(struct xos_slice s)
{
    static const char space[] = " \t\r\n";
    while (s.len && memchr(space, s.data[0], sizeof(space) - 1))
        s = (struct xos_slice){s.data + 1, s.len - 1};
    while (s.len && memchr(space, s.data[s.len - 1], sizeof(space) - 1))
        s.len--;
    return s;
}

static int token_bytes(struct xos_slice text, uint8_t bytes[static AUTH_TOKEN_BYTES],
                       struct xos_error *err)
{
    const size_t prefix = strlen(AUTH_TOKEN_PREFIX);
    char digits[2 * AUTH_TOKEN_BYTES + 1];
    if (text.len < prefix || memcmp(text.data, AUTH_TOKEN_PREFIX, prefix) != 0)
        return xos_fail(err, XOS_INVALID, "not a join token: one begins with " AUTH_TOKEN_PREFIX);
    if (text.len != prefix + sizeof(digits) - 1)
        return xos_fail(err, XOS_INVALID,
                        "a join token has %zu characters, this one %zu: paste it whole",
                        prefix + sizeof(digits) - 1, text.len);
    memcpy(digits, text.data + prefix, sizeof(digits) - 1);
    digits[sizeof(digits) - 1] = '\0';
    int rc = xos_unhex(digits, bytes, AUTH_TOKEN_BYTES);
    OPENSSL_cleanse(digits, sizeof(digits));
    return rc < 0 ? xos_fail(err, XOS_INVALID, "a join token is hexadecimal after its prefix") : 0;
}

int auth_token_parse(struct auth_token *out, struct xos_slice text, struct xos_error *err)
{
    uint8_t bytes[AUTH_TOKEN_BYTES], given[AUTH_TOKEN_SUM_BYTES];
    int rc = token_bytes(trimmed(text), bytes, err);
    if (rc == 0) {
        memcpy(given, bytes + AUTH_TOKEN_BYTES - sizeof(given), sizeof(given));
        rc = token_sum(bytes, err);
    }
    if (rc == 0 && memcmp(given, bytes + AUTH_TOKEN_BYTES - sizeof(given), sizeof(given)) != 0)
        rc =
            xos_fail(err, XOS_INVALID, "the join token's checksum does not fit: a slip in copying");
    if (rc == 0) {
        memcpy(out->secret, bytes, XOS_KEY_SECRET_BYTES);
        memcpy(out->root_hash, bytes + XOS_KEY_SECRET_BYTES, XOS_HASH_BYTES);
    }
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return rc;
}
