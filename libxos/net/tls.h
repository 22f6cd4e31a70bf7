// SPDX-License-Identifier: Apache-2.0
/* tls.h - one identity for TLS 1.3, and the one verdict on a peer's chain.
 *
 * Only TLS 1.3 (RFC 8446) with X25519, Ed25519 or P-256 certificates, an ALPN name that both sides
 * must agree on, no early data, no tickets and no session cache: every connection shows and proves
 * its chain anew. OpenSSL's own judgement of chains is switched off; what `verify` says is all that
 * counts, so that there is one place where trust is decided, and it is not here. */
#ifndef XOS_NET_TLS_H
#define XOS_NET_TLS_H

#include "libxos/wire/key.h"

#include <openssl/types.h>

#define XOS_TLS_CHAIN_MAX 8            /* certificates */
#define XOS_TLS_CHAIN_BYTES_MAX 32768  /* of one chain, in DER */
#define XOS_TLS_NAME_BYTES 128         /* with the NUL */
#define XOS_TLS_READ_AHEAD_BYTES 65536 /* ciphertext taken from the kernel at once */

/* Who the other side is, as `verify` found it. An empty name: it showed no certificate. */
struct xos_tls_peer {
    char name[XOS_TLS_NAME_BYTES];
    int64_t not_after_ms; /* when the chain ends, since 1970 */
};

/* Decide alone whether a chain (DER, leaf first, borrowed) is good now and whose it is. That the
 * peer holds the leaf's key is proven by the handshake. */
typedef int (*xos_tls_verify_f)(void *arg, const struct xos_slice *chain, size_t count,
                                struct xos_tls_peer *out, struct xos_error *err);

struct xos_tls_config {
    const struct xos_slice *chain; /* our own: DER, leaf first; none: we are anonymous */
    size_t chain_count;
    const struct xos_key *key; /* the leaf's; NULL when there is no chain */
    const char *alpn;          /* static */
    bool anonymous_ok;         /* as a server, take clients that show no certificate */
    xos_tls_verify_f verify;
    void *arg;
};

/* An identity: an SSL_CTX. Everything is copied. XOS_INVALID: the chain or key cannot be used. */
struct xos_tls;
int xos_tls_new(struct xos_tls **out, const struct xos_tls_config *config, struct xos_error *err);
void xos_tls_free(struct xos_tls *t); /* sessions made with it live on */

/* One handshake's side of it; lives beside its SSL and is freed after it. */
struct xos_tls_session {
    xos_tls_verify_f verify;
    void *arg;
    const char *alpn;
    const char *expected;     /* the name that the peer must have, borrowed; NULL: any */
    struct xos_tls_peer peer; /* after the handshake */
    struct xos_slice *chain;  /* the peer's, for xos_tls_recheck */
    size_t chain_count;
    struct xos_error refused; /* why verify said no */
};

/* Make an SSL over `bio` (taken over) with *s as its state, which must stay where it is. sni: what
 * a client asks for, NULL for none. */
int xos_tls_open(SSL **out, struct xos_tls *t, struct xos_tls_session *s, bool client,
                 const char *sni, BIO *bio, struct xos_error *err);
void xos_tls_session_free(struct xos_tls_session *s);

/* Go on with the handshake: 1 done and everything that we require of it holds, 0 wants bytes, -1
 * failed: XOS_DENIED (verify), XOS_PROTOCOL. */
int xos_tls_handshake(SSL *ssl, struct xos_tls_session *s, struct xos_error *err);

/* Ask `verify` about the stored chain again. A peer without certificate is left alone. */
int xos_tls_recheck(struct xos_tls_session *s, struct xos_error *err);

/* The oldest error of OpenSSL's queue as text, XOS_PROTOCOL unless it is about memory; empties it.
 */
int xos_tls_fail(struct xos_error *err, const char *what);

#endif
