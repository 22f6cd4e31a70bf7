// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a gateway sends a node's connections to the wrong node, or a stranger's first
 * packet stops it. */
#include "libxos/net/sni.h"

#include "tests/lib/xtest.h"

#include <openssl/ssl.h>
#include <string.h>

#define HELLO_BYTES_MAX 4096

/* What OpenSSL sends first. */
static size_t hello_of(const char *name, uint8_t *out)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *wire = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, wire);
    SSL_set_connect_state(ssl);
    if (name)
        assert_int_equal(SSL_set_tlsext_host_name(ssl, name), 1);
    assert_int_equal(SSL_do_handshake(ssl), -1);
    int len = BIO_read(wire, out, HELLO_BYTES_MAX);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    assert_true(len > 100);
    return (size_t)len;
}

/* The same hello in records of `piece` bytes. */
static size_t cut_up(const uint8_t *hello, size_t len, size_t piece, uint8_t *out)
{
    size_t to = 0;
    for (size_t at = 5; at < len; at += piece) {
        size_t n = piece < len - at ? piece : len - at;
        memcpy(out + to, (uint8_t[]){22, 3, 1, (uint8_t)(n >> 8), (uint8_t)n}, 5);
        memcpy(out + to + 5, hello + at, n);
        to += 5 + n;
    }
    return to;
}

static const struct name_row {
    const char *asked, *found;
} name_table[] = {
    {"n17.inria", "n17.inria"},
    {"N17.Inria", "n17.inria"},
    {"a", "a"},
    {NULL, ""},
};

static void the_name_is_found(void **state)
{
    (void)state;
    struct xos_error err = {0};
    uint8_t hello[HELLO_BYTES_MAX], pieces[6 * HELLO_BYTES_MAX];
    char name[XOS_SNI_NAME_BYTES];
    for (size_t i = 0; i < sizeof(name_table) / sizeof(name_table[0]); i++) {
        size_t len = hello_of(name_table[i].asked, hello);
        for (size_t part = 0; part < len; part++)
            assert_int_equal(xos_sni_peek((struct xos_slice){hello, part}, name, &err), 0);
        assert_int_equal(xos_sni_peek((struct xos_slice){hello, len}, name, &err), 1);
        assert_string_equal(name, name_table[i].found);
        for (size_t piece = 1; piece < 40; piece += 6) {
            size_t n = cut_up(hello, len, piece, pieces);
            assert_int_equal(xos_sni_peek((struct xos_slice){pieces, n - 1}, name, &err), 0);
            assert_int_equal(xos_sni_peek((struct xos_slice){pieces, n}, name, &err), 1);
            assert_string_equal(name, name_table[i].found);
        }
    }
}

/* No byte may be changed so that we read past an end (the sanitizers see it), and what is found is
 * a host name still. */
static void a_damaged_hello_does_no_harm(void **state)
{
    (void)state;
    struct xos_error err = {0};
    uint8_t hello[HELLO_BYTES_MAX];
    char name[XOS_SNI_NAME_BYTES];
    size_t len = hello_of("n17.inria", hello);
    for (size_t at = 0; at < len; at++)
        for (int bit = 0; bit < 8; bit++) {
            hello[at] ^= (uint8_t)(1 << bit);
            if (xos_sni_peek((struct xos_slice){hello, len}, name, &err) == 1)
                assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-"),
                                 strlen(name));
            hello[at] ^= (uint8_t)(1 << bit);
        }
}

static const struct bad_row {
    const char *bytes;
    size_t len;
} bad_table[] = {
    {"GET / HTTP/1.1\r\n", 16},
    {"\x15\x03\x01\0\2\2\x28", 7},       /* an alert */
    {"\x16\x02\0", 3},                   /* SSL 2 */
    {"\x16\x03\1\0\0", 5},               /* an empty record */
    {"\x16\x03\1\x7f\xff", 5},           /* a record of 32767 */
    {"\x16\x03\1\0\4\2\0\0\0", 9},       /* a ServerHello */
    {"\x16\x03\1\0\4\1\xff\xff\xff", 9}, /* 16 MiB */
    {"\x16\x03\1\0\4\1\0\0\0", 9},       /* an empty one */
};

static void other_beginnings_are_refused(void **state)
{
    (void)state;
    char name[XOS_SNI_NAME_BYTES];
    struct xos_error err;
    for (size_t i = 0; i < sizeof(bad_table) / sizeof(bad_table[0]); i++) {
        struct xos_slice in = {(const uint8_t *)bad_table[i].bytes, bad_table[i].len};
        XT_REFUSED(xos_sni_peek(in, name, &err), XOS_PROTOCOL);
    }
}

static const struct xt_test tests[] = {
    XT(the_name_is_found),
    XT(a_damaged_hello_does_no_harm),
    XT(other_beginnings_are_refused),
};
XT_MAIN(tests)
