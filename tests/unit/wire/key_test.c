// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a signature made for one purpose passes for another, or no peer of another
 * make can check ours. */
#include "libxos/base/alloc.h"
#include "libxos/wire/key.h"
#include "tests/lib/xtest.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* RFC 8032, section 7.1. */
static const struct {
    const char *secret, *public_key, *message, *signature;
} rfc8032[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
     "46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
     "d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc"
     "6594a7c15e9716ed28dc027beceea1ec40a"},
};

/* The key halves are those of the RFC. Its signatures are over a bare message, ours never are:
 * so they are checked through the OpenSSL object that a key hands out. */
static void keys_are_those_of_rfc_8032(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_key *key = NULL;
    for (size_t i = 0; i < sizeof(rfc8032) / sizeof(rfc8032[0]); i++) {
        uint8_t secret[XOS_KEY_SECRET_BYTES], message[8], signature[XOS_SIGNATURE_BYTES];
        size_t len = strlen(rfc8032[i].message) / 2, size = sizeof(signature);
        char text[2 * XOS_SIGNATURE_BYTES + 1];
        assert_int_equal(xos_unhex(rfc8032[i].secret, secret, sizeof(secret)), 0);
        assert_int_equal(xos_unhex(rfc8032[i].message, message, len), 0);
        XT_TRY(xos_key_from_secret(&key, secret, &err));
        xos_hex(xos_key_public(key), XOS_KEY_PUBLIC_BYTES, text);
        assert_string_equal(text, rfc8032[i].public_key);
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, xos_key_evp(key)), 1);
        assert_int_equal(EVP_DigestSign(ctx, signature, &size, message, len), 1);
        EVP_MD_CTX_free(ctx);
        xos_hex(signature, size, text);
        assert_string_equal(text, rfc8032[i].signature);
        xos_key_free(key);
        key = NULL;
    }
out:
    xos_key_free(key);
}

/* What we sign is domain, zero, message: the bytes are part of the protocol. */
static void the_signed_bytes_are_fixed(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_key *key = NULL;
    uint8_t secret[XOS_KEY_SECRET_BYTES], ours[XOS_SIGNATURE_BYTES], bare[XOS_SIGNATURE_BYTES];
    struct xos_slice message = {(const uint8_t *)"message", 7};
    size_t size = sizeof(bare);
    assert_int_equal(xos_unhex(rfc8032[0].secret, secret, sizeof(secret)), 0);
    XT_TRY(xos_key_from_secret(&key, secret, &err));
    XT_TRY(xos_key_sign(key, "xos-test/1", message, ours, &err));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, xos_key_evp(key)), 1);
    assert_int_equal(EVP_DigestSign(ctx, bare, &size, (const uint8_t *)"xos-test/1\0message", 18),
                     1);
    EVP_MD_CTX_free(ctx);
    assert_memory_equal(ours, bare, sizeof(ours));
out:
    xos_key_free(key);
}

static void only_the_same_words_by_the_same_key_verify(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_key *key = NULL, *other = NULL;
    uint8_t signature[XOS_SIGNATURE_BYTES], bent[XOS_SIGNATURE_BYTES];
    struct xos_slice message = {(const uint8_t *)"a\0b", 3}, shorter = {message.data, 2},
                     none = {0};
    struct xos_slice good = {signature, sizeof(signature)};
    XT_TRY(xos_key_generate(&key, &err));
    XT_TRY(xos_key_generate(&other, &err));
    XT_TRY(xos_key_sign(key, "xos-grant/1", message, signature, &err));
    const uint8_t *public_key = xos_key_public(key);
    XT_TRY(xos_key_verify(public_key, "xos-grant/1", message, good, &err));
    XT_REFUSED(xos_key_verify(public_key, "xos-grant/2", message, good, &err), XOS_DENIED);
    XT_REFUSED(xos_key_verify(public_key, "xos-grant/1", shorter, good, &err), XOS_DENIED);
    XT_REFUSED(xos_key_verify(public_key, "xos-grant/1", none, good, &err), XOS_DENIED);
    XT_REFUSED(xos_key_verify(xos_key_public(other), "xos-grant/1", message, good, &err),
               XOS_DENIED);
    /* The end of the domain is not the message's beginning. */
    struct xos_slice moved = {(const uint8_t *)"1\0a\0b", 5};
    XT_REFUSED(xos_key_verify(public_key, "xos-grant/", moved, good, &err), XOS_DENIED);
    for (size_t i = 0; i < sizeof(signature); i++) {
        memcpy(bent, signature, sizeof(bent));
        bent[i] ^= 1;
        struct xos_slice bad = {bent, sizeof(bent)};
        XT_REFUSED(xos_key_verify(public_key, "xos-grant/1", message, bad, &err), XOS_DENIED);
    }
    for (size_t len = 0; len < sizeof(signature); len += 21) {
        struct xos_slice cut = {signature, len};
        XT_REFUSED(xos_key_verify(public_key, "xos-grant/1", message, cut, &err), XOS_DENIED);
    }
    XT_TRY(xos_key_sign(key, "xos-grant/1", none, signature, &err));
    XT_TRY(xos_key_verify(public_key, "xos-grant/1", none, good, &err));
out:
    xos_key_free(key);
    xos_key_free(other);
}

static void pem_goes_round(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_key *key = NULL, *again = NULL;
    struct xos_buf pem = XOS_BUF(1000), small = XOS_BUF(10);
    XT_TRY(xos_key_generate(&key, &err));
    XT_TRY(xos_key_to_pem(key, &pem, &err));
    assert_memory_equal(pem.data, "-----BEGIN PRIVATE KEY-----\n", 28);
    XT_TRY(xos_key_from_pem(&again, pem.data, pem.len, &err));
    assert_memory_equal(xos_key_public(key), xos_key_public(again), XOS_KEY_PUBLIC_BYTES);
    XT_REFUSED(xos_key_to_pem(key, &small, &err), XOS_LIMIT);
    assert_int_equal(small.len, 0);
out:
    xos_key_free(key);
    xos_key_free(again);
    xos_key_free(NULL);
    xos_buf_wipe(&pem);
    xos_buf_wipe(&small);
}

/* Another kind of key, as PEM; with a passphrase when asked for. */
static void pem_of(const char *kind, const char *passphrase, struct xos_buf *out)
{
    struct xos_error err = {0};
    EVP_PKEY *pkey = strcmp(kind, "EC") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, kind, "P-256")
                                             : EVP_PKEY_Q_keygen(NULL, NULL, kind);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(bio, pkey, passphrase ? EVP_aes_128_cbc() : NULL, passphrase,
                                      passphrase ? (int)strlen(passphrase) : 0, NULL, NULL),
        1);
    long len = BIO_get_mem_data(bio, &text);
    assert_int_equal(xos_buf_add(out, text, (size_t)len, &err), 0);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
}

static void other_keys_are_refused_in_words(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_key *key = NULL;
    static const struct {
        const char *kind, *passphrase, *text;
    } table[] = {
        {"EC", NULL, "not an Ed25519 key"},
        {"X25519", NULL, "not an Ed25519 key"},
        {"ED25519", "secret", "not a key"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct xos_buf pem = XOS_BUF(4000);
        pem_of(table[i].kind, table[i].passphrase, &pem);
        XT_REFUSED(xos_key_from_pem(&key, pem.data, pem.len, &err), XOS_INVALID);
        assert_non_null(strstr(err.text, table[i].text));
        xos_buf_free(&pem);
    }
    static const char *const junk[] = {"", "x", "-----BEGIN PRIVATE KEY-----\n",
                                       ("-----BEGIN PRIVATE KEY-----\nAAAA\n"
                                        "-----END PRIVATE KEY-----\n")};
    for (size_t i = 0; i < 4; i++)
        XT_REFUSED(xos_key_from_pem(&key, junk[i], strlen(junk[i]), &err), XOS_INVALID);
    assert_null(key);
}

/* TLS on the same thread reads OpenSSL's queue of errors: what failed here must not be in it. */
static void a_failure_leaves_no_openssl_error_behind(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_key *key = NULL;
    uint8_t zero[XOS_SIGNATURE_BYTES] = {0};
    struct xos_slice bad = {zero, sizeof(zero)}, none = {0};
    ERR_clear_error();
    assert_int_equal(xos_key_from_pem(&key, "junk", 4, &err), -1);
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(xos_key_verify(zero, "x", none, bad, &err), -1);
    memset(zero, 0xff, sizeof(zero));
    assert_int_equal(xos_key_verify(zero, "x", none, bad, &err), -1);
    assert_int_equal(ERR_peek_error(), 0);
}

static void a_domain_that_would_be_cut_is_our_mistake(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_key *key = NULL;
    uint8_t signature[XOS_SIGNATURE_BYTES];
    char domain[80];
    int status = 0;
    memset(domain, 'd', sizeof(domain) - 1);
    domain[sizeof(domain) - 1] = '\0';
    XT_TRY(xos_key_generate(&key, &err));
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        _exit(xos_key_sign(key, domain, (struct xos_slice){0}, signature, &err) == 0 ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
out:
    xos_key_free(key);
}

static void hashes_and_digits(void **state)
{
    (void)state;
    struct xos_error err = {0};
    uint8_t hash[XOS_HASH_BYTES], back[XOS_HASH_BYTES];
    char text[2 * XOS_HASH_BYTES + 1];
    static const struct {
        const char *data, *hash; /* FIPS 180-4 */
    } table[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    };
    for (size_t i = 0; i < 2; i++) {
        struct xos_slice data = {(const uint8_t *)table[i].data, strlen(table[i].data)};
        XT_TRY(xos_sha256(data, hash, &err));
        xos_hex(hash, sizeof(hash), text);
        assert_string_equal(text, table[i].hash);
        assert_int_equal(xos_unhex(text, back, sizeof(back)), 0);
        assert_true(xos_equal(hash, back, sizeof(back)));
        back[31] ^= 1;
        assert_false(xos_equal(hash, back, sizeof(back)));
    }
    XT_TRY(xos_sha256((struct xos_slice){0}, hash, &err));
    static const char *const bad[] = {"", "0", "0g", "00ff0", "00FF", "00ff00", "0x00"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t two[2] = {7, 7};
        assert_int_equal(xos_unhex(bad[i], two, 2), -1);
        assert_int_equal(two[0] + two[1], 14);
    }
    assert_int_equal(xos_unhex("", back, 0), 0);
out:;
}

static const struct xt_test tests[] = {
    XT(keys_are_those_of_rfc_8032),
    XT(the_signed_bytes_are_fixed),
    XT(only_the_same_words_by_the_same_key_verify),
    XT(pem_goes_round),
    XT_PLAIN(other_keys_are_refused_in_words),
    XT_PLAIN(a_failure_leaves_no_openssl_error_behind),
    XT_PLAIN(a_domain_that_would_be_cut_is_our_mistake),
    XT(hashes_and_digits),
};
XT_MAIN(tests)
