// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/tls.h"

#include "libxos/base/alloc.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>

#define ALPN_BYTES_MAX 32
#define SUITES "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519"
#define SIGNATURES "ed25519:ECDSA+SHA256"

struct xos_tls {
    SSL_CTX *ctx;
    struct xos_tls_config config; /* its chain and key are NULL: they are in ctx */
};

int xos_tls_fail(struct xos_error *err, const char *what)
{
    unsigned long code = ERR_get_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    bool memory = ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
    ERR_clear_error();
    return xos_fail(err, memory ? XOS_NOMEM : XOS_PROTOCOL, "%s: %s", what,
                    reason ? reason : "no reason given");
}

/* The verdict */

static void chain_free(struct xos_slice *chain, size_t count)
{
    for (size_t i = 0; chain && i < count; i++)
        xos_free((void *)(uintptr_t)chain[i].data);
    xos_free(chain);
}

void xos_tls_session_free(struct xos_tls_session *s)
{
    chain_free(s->chain, s->chain_count);
    s->chain = NULL;
    s->chain_count = 0;
}

/* Copy one certificate as DER; *budget falls by its length. */
static int cert_copy(X509 *cert, struct xos_slice *out, size_t *budget, struct xos_error *err)
{
    int len = i2d_X509(cert, NULL);
    if (len <= 0 || (size_t)len > *budget)
        return xos_fail(err, XOS_DENIED, "a chain of more than %d bytes", XOS_TLS_CHAIN_BYTES_MAX);
    uint8_t *der = xos_alloc((size_t)len), *end = der;
    if (!der)
        return xos_fail(err, XOS_NOMEM, "peer's certificate");
    if (i2d_X509(cert, &end) != len) {
        xos_free(der);
        return xos_fail(err, XOS_DENIED, "a certificate that cannot be encoded again");
    }
    *budget -= (size_t)len;
    *out = (struct xos_slice){der, (size_t)len};
    return 0;
}

static int chain_copy(struct xos_tls_session *s, STACK_OF(X509) * certs, struct xos_error *err)
{
    int count = certs ? sk_X509_num(certs) : 0;
    size_t budget = XOS_TLS_CHAIN_BYTES_MAX;
    if (count < 1 || count > XOS_TLS_CHAIN_MAX)
        return xos_fail(err, XOS_DENIED, "a chain of %d certificates (at most %d)", count,
                        XOS_TLS_CHAIN_MAX);
    s->chain = xos_alloc_array((size_t)count, sizeof(*s->chain));
    if (!s->chain)
        return xos_fail(err, XOS_NOMEM, "peer's chain");
    s->chain_count = (size_t)count;
    for (int i = 0; i < count; i++)
        if (cert_copy(sk_X509_value(certs, i), &s->chain[i], &budget, err) < 0)
            return -1;
    return 0;
}

static int judge(struct xos_tls_session *s, struct xos_tls_peer *peer, struct xos_error *err)
{
    memset(peer, 0, sizeof(*peer));
    if (s->verify(s->arg, s->chain, s->chain_count, peer, err) < 0)
        return -1;
    if (!peer->name[0] || !memchr(peer->name, 0, sizeof(peer->name)))
        return xos_fail(err, XOS_DENIED, "a certificate without a name");
    if (s->expected && strcmp(s->expected, peer->name) != 0)
        return xos_fail(err, XOS_DENIED, "it is %s and not %s", peer->name, s->expected);
    return 0;
}

/* Replaces all that OpenSSL would check of the chain. */
static int on_chain(X509_STORE_CTX *store, void *arg)
{
    (void)arg;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct xos_tls_session *s = SSL_get_app_data(ssl);
    xos_tls_session_free(s);
    if (chain_copy(s, X509_STORE_CTX_get0_untrusted(store), &s->refused) == 0 &&
        judge(s, &s->peer, &s->refused) == 0)
        return 1;
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

int xos_tls_recheck(struct xos_tls_session *s, struct xos_error *err)
{
    struct xos_tls_peer peer;
    if (s->chain_count == 0)
        return 0;
    if (judge(s, &peer, err) < 0)
        return -1;
    if (strcmp(peer.name, s->peer.name) != 0)
        return xos_fail(err, XOS_DENIED, "%s is now called %s", s->peer.name, peer.name);
    s->peer = peer;
    return 0;
}

/* An identity */

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *arg)
{
    (void)arg;
    const struct xos_tls_session *s = SSL_get_app_data(ssl);
    size_t len = strlen(s->alpn);
    for (unsigned at = 0; at < in_len; at += 1u + in[at])
        if (in[at] == len && in_len - at > len && memcmp(in + at + 1, s->alpn, len) == 0) {
            *out = in + at + 1;
            *out_len = in[at];
            return SSL_TLSEXT_ERR_OK;
        }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static X509 *cert_read(struct xos_slice der, struct xos_error *err)
{
    const uint8_t *at = der.data;
    X509 *cert = der.len <= XOS_TLS_CHAIN_BYTES_MAX ? d2i_X509(NULL, &at, (long)der.len) : NULL;
    if (cert && at == der.data + der.len)
        return cert;
    X509_free(cert);
    ERR_clear_error();
    xos_fail(err, XOS_INVALID, "a certificate of our own cannot be read");
    return NULL;
}

static int identity_set(SSL_CTX *ctx, const struct xos_tls_config *config, struct xos_error *err)
{
    for (size_t i = 0; i < config->chain_count; i++) {
        X509 *cert = cert_read(config->chain[i], err);
        if (!cert)
            return -1;
        long done =
            i == 0 ? SSL_CTX_use_certificate(ctx, cert) : SSL_CTX_add1_chain_cert(ctx, cert);
        X509_free(cert);
        if (done != 1)
            return xos_tls_fail(err, "own certificate");
    }
    if (config->chain_count > 0 && SSL_CTX_use_PrivateKey(ctx, xos_key_evp(config->key)) != 1) {
        ERR_clear_error();
        return xos_fail(err, XOS_INVALID, "the key is not the certificate's");
    }
    return 0;
}

/* One line per rule, so that the list can be read at a glance. */
static int rules_set(SSL_CTX *ctx, const char *alpn, struct xos_error *err)
{
    uint8_t wire[ALPN_BYTES_MAX + 1] = {(uint8_t)strlen(alpn)};
    memcpy(wire + 1, alpn, wire[0]);
    bool good = SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
                SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
                SSL_CTX_set_ciphersuites(ctx, SUITES) == 1 &&
                SSL_CTX_set1_groups_list(ctx, GROUPS) == 1 &&
                SSL_CTX_set1_sigalgs_list(ctx, SIGNATURES) == 1 &&
                SSL_CTX_set1_client_sigalgs_list(ctx, SIGNATURES) == 1 &&
                SSL_CTX_set_num_tickets(ctx, 0) == 1 && SSL_CTX_set_max_early_data(ctx, 0) == 1 &&
                SSL_CTX_set_alpn_protos(ctx, wire, wire[0] + 1u) == 0;
    if (!good)
        return xos_tls_fail(err, "TLS settings");
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(ctx, XOS_TLS_CHAIN_BYTES_MAX);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, XOS_TLS_READ_AHEAD_BYTES);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, on_chain, NULL);
    return 0;
}

int xos_tls_new(struct xos_tls **out, const struct xos_tls_config *config, struct xos_error *err)
{
    assert(config->alpn[0] && strlen(config->alpn) <= ALPN_BYTES_MAX && config->verify);
    if (config->chain_count > XOS_TLS_CHAIN_MAX ||
        (config->chain_count > 0) != (config->key != NULL))
        return xos_fail(err, XOS_INVALID, "a chain of %zu certificates %s a key",
                        config->chain_count, config->key ? "with" : "without");
    struct xos_tls *t = xos_alloc(sizeof(*t));
    if (!t)
        return xos_fail(err, XOS_NOMEM, "TLS identity");
    t->config = *config;
    t->config.chain = NULL;
    t->config.key = NULL;
    t->ctx = SSL_CTX_new(TLS_method());
    if (!t->ctx) {
        xos_tls_fail(err, "TLS identity");
        goto error;
    }
    if (rules_set(t->ctx, config->alpn, err) < 0 || identity_set(t->ctx, config, err) < 0)
        goto error;
    *out = t;
    return 0;
error:
    xos_tls_free(t);
    return -1;
}

void xos_tls_free(struct xos_tls *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->ctx);
    xos_free(t);
}

/* One handshake */

int xos_tls_open(SSL **out, struct xos_tls *t, struct xos_tls_session *s, bool client,
                 const char *sni, BIO *bio, struct xos_error *err)
{
    SSL *ssl = SSL_new(t->ctx);
    if (!ssl) {
        BIO_free(bio);
        return xos_tls_fail(err, "TLS session");
    }
    SSL_set_bio(ssl, bio, bio);
    s->verify = t->config.verify;
    s->arg = t->config.arg;
    s->alpn = t->config.alpn;
    SSL_set_app_data(ssl, s);
    bool optional = !client && t->config.anonymous_ok;
    SSL_set_verify(ssl, SSL_VERIFY_PEER | (optional ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT), NULL);
    if (client)
        SSL_set_connect_state(ssl);
    else
        SSL_set_accept_state(ssl);
    if (sni && SSL_set_tlsext_host_name(ssl, sni) != 1) {
        SSL_free(ssl);
        return xos_tls_fail(err, "server name");
    }
    *out = ssl;
    return 0;
}

/* What the settings already force is checked here once more, where it can be seen to hold. */
static int handshake_check(SSL *ssl, const struct xos_tls_session *s, struct xos_error *err)
{
    const unsigned char *alpn = NULL;
    unsigned alpn_len = 0;
    SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
    if (alpn_len != strlen(s->alpn) || memcmp(alpn, s->alpn, alpn_len) != 0)
        return xos_fail(err, XOS_PROTOCOL, "the peer does not speak %s", s->alpn);
    if (SSL_version(ssl) != TLS1_3_VERSION || SSL_session_reused(ssl))
        return xos_fail(err, XOS_PROTOCOL, "not a fresh TLS 1.3 session");
    return 0;
}

int xos_tls_handshake(SSL *ssl, struct xos_tls_session *s, struct xos_error *err)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(ssl);
    if (rc == 1)
        return handshake_check(ssl, s, err) < 0 ? -1 : 1;
    int why = SSL_get_error(ssl, rc);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return 0;
    if (s->refused.code != XOS_NONE) {
        ERR_clear_error();
        return xos_fail(err, s->refused.code, "%s", s->refused.text);
    }
    return xos_tls_fail(err, "TLS handshake");
}
