// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a stranger with a TCP socket, or a peer that has been taken over, stops a
 * node's bulk streams for everybody. The peer here is plain OpenSSL, told to misbehave. */
#include "tests/lib/bulkpair.h"
#include "tests/lib/xtest.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_MS 20000

/* A client that does as it is told. */
struct rogue {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
};

static void rogue_free(struct rogue *r)
{
    SSL_free(r->ssl);
    SSL_CTX_free(r->ctx);
    if (r->fd > 0)
        (void)close(r->fd);
    *r = (struct rogue){0};
}

static void rogue_connect(struct rogue *r, const struct xt_bulkpair *p)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)xos_bulk_port(p->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes to what the listener has closed */
    *r = (struct rogue){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_int_equal(connect(r->fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(fcntl(r->fd, F_SETFL, O_NONBLOCK), 0);
}

/* alpn: as on the wire, with its length in front; NULL: none. */
static void rogue_tls(struct rogue *r, const struct xt_cert *cert, const char *alpn, int version)
{
    r->ctx = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_set_max_proto_version(r->ctx, version), 1);
    const uint8_t *at = cert->chain[0].data;
    X509 *leaf = d2i_X509(NULL, &at, (long)cert->chain[0].len);
    assert_int_equal(SSL_CTX_use_certificate(r->ctx, leaf), 1);
    X509_free(leaf);
    assert_int_equal(SSL_CTX_use_PrivateKey(r->ctx, xos_key_evp(cert->key)), 1);
    r->ssl = SSL_new(r->ctx);
    if (alpn)
        assert_int_equal(SSL_set_alpn_protos(r->ssl, (const uint8_t *)alpn, (unsigned)strlen(alpn)),
                         0);
    assert_int_equal(SSL_set_fd(r->ssl, r->fd), 1);
    SSL_set_connect_state(r->ssl);
}

static bool in_progress(const struct rogue *r, int rc)
{
    int why = SSL_get_error(r->ssl, rc);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

/* The handshake, with the listener's loop running beside it. 1 done, -1 refused. */
static int rogue_handshake(struct rogue *r, struct xt_bulkpair *p)
{
    for (int i = 0; i < 200; i++) {
        ERR_clear_error();
        int rc = SSL_do_handshake(r->ssl);
        if (rc == 1)
            return 1;
        if (!in_progress(r, rc))
            return -1;
        xt_run_ms(p, 5);
    }
    return -1;
}

/* Read until the listener closes; returns how many bytes of plain text came, the last ones in
 * `tail`. */
static size_t rogue_drain(struct rogue *r, struct xt_bulkpair *p, uint64_t ms, bool *closed)
{
    uint8_t buf[4096];
    size_t total = 0;
    *closed = false;
    for (uint64_t spent = 0; spent < ms && !*closed; spent += 5) {
        ERR_clear_error();
        int n = SSL_read(r->ssl, buf, sizeof(buf));
        if (n > 0)
            total += (size_t)n;
        else if (!in_progress(r, n))
            *closed = true;
        else
            xt_run_ms(p, 5);
    }
    return total;
}

static void rogue_say(struct rogue *r, struct xt_bulkpair *p, const void *data, size_t len)
{
    for (int i = 0; i < 2000; i++) {
        ERR_clear_error();
        if (SSL_write(r->ssl, data, (int)len) > 0)
            return;
        xt_run_ms(p, 5);
    }
}

static int listen_only(struct xt_bulkpair *p, uint64_t handshake_ms, struct xos_error *err)
{
    if (xt_bulkpair_new(p, err) < 0)
        return -1;
    p->server_config.limits.handshake_ms = handshake_ms;
    return xt_bulkpair_listen(p, err);
}

static struct xos_bulk_stats stats_of(const struct xt_bulkpair *p)
{
    struct xos_bulk_stats stats;
    xos_bulk_stats(p->server, &stats);
    return stats;
}

static const struct tls_row {
    const char *what;
    const char *alpn;
    int version;
    bool admitted;
} tls_table[] = {
    {"as it should be", "\012xos-bulk/1", TLS1_3_VERSION, true},
    {"among others", "\010http/1.1\012xos-bulk/1", TLS1_3_VERSION, true},
    {"wrong ALPN", "\012xos-bulk/2", TLS1_3_VERSION, false},
    {"a prefix", "\011xos-bulk/", TLS1_3_VERSION, false},
    {"no ALPN", NULL, TLS1_3_VERSION, false},
    {"TLS 1.2", "\012xos-bulk/1", TLS1_2_VERSION, false},
};

static const uint8_t hello_frame[] = {0, 0, 0, 12, 0, 0, 0, 0, XOS_MUX_HELLO, 0, 0, 0, 0, 1, 0, 1,
                                      0, 1, 0, 0,  0, 0, 0, 9};

static void only_our_own_protocol_is_spoken(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct rogue r = {0};
    XT_TRY(listen_only(&p, 1000, &err));
    for (size_t i = 0; i < sizeof(tls_table) / sizeof(tls_table[0]); i++) {
        const struct tls_row *row = &tls_table[i];
        bool closed = false;
        unsigned ups = p.ups;
        rogue_connect(&r, &p);
        rogue_tls(&r, &p.client_cert, row->alpn, row->version);
        if (rogue_handshake(&r, &p) == 1) {
            rogue_say(&r, &p, hello_frame, sizeof(hello_frame));
            (void)rogue_drain(&r, &p, 100, &closed);
        }
        xt_run_ms(&p, 50);
        if ((p.ups > ups) != row->admitted)
            fail_msg("%s: %s", row->what, row->admitted ? "refused" : "admitted");
        rogue_free(&r);
        xt_run_ms(&p, 50);
        assert_int_equal(stats_of(&p).connections, 0);
    }
out:
    rogue_free(&r);
    xt_bulkpair_free(&p);
}

/* And with P-256 instead of Ed25519, as hardware tokens have it. */
static void a_p256_certificate_is_as_good(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct rogue r = {0};
    XT_TRY(listen_only(&p, 1000, &err));
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *leaf = xt_cert_make(&p.root, key, "token");
    rogue_connect(&r, &p);
    rogue_tls(&r, &p.client_cert, "\012xos-bulk/1", TLS1_3_VERSION);
    SSL_certs_clear(r.ssl);
    assert_int_equal(SSL_use_certificate(r.ssl, leaf), 1);
    assert_int_equal(SSL_use_PrivateKey(r.ssl, key), 1);
    X509_free(leaf);
    EVP_PKEY_free(key);
    assert_int_equal(rogue_handshake(&r, &p), 1);
    rogue_say(&r, &p, hello_frame, sizeof(hello_frame));
    assert_true(xt_until_count(&p, &p.ups, 1, WAIT_MS));
    assert_string_equal(xos_bulk_conn_peer(p.accepted)->name, "token");
out:
    rogue_free(&r);
    xt_bulkpair_free(&p);
}

static void no_session_can_be_taken_up_again(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct rogue r = {0};
    bool closed;
    XT_TRY(listen_only(&p, 1000, &err));
    rogue_connect(&r, &p);
    rogue_tls(&r, &p.client_cert, "\012xos-bulk/1", TLS1_3_VERSION);
    assert_int_equal(rogue_handshake(&r, &p), 1);
    (void)rogue_drain(&r, &p, 100, &closed);
    SSL_SESSION *session = SSL_get1_session(r.ssl);
    assert_int_equal(SSL_SESSION_is_resumable(session), 0); /* no ticket was given */
    SSL_SESSION_free(session);
    assert_int_equal(p.root.asked, 1);
out:
    rogue_free(&r);
    xt_bulkpair_free(&p);
}

static void garbage_is_thrown_out_at_once(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct rogue r = {0};
    XT_TRY(listen_only(&p, 60000, &err));
    rogue_connect(&r, &p);
    xt_run_ms(&p, 20);
    assert_int_equal(write(r.fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    xt_run_ms(&p, 50);
    assert_int_equal(stats_of(&p).connections, 0);
    assert_int_equal(stats_of(&p).refused, 1);
out:
    rogue_free(&r);
    xt_bulkpair_free(&p);
}

/* One that says nothing, and one that says a byte now and then: the deadline is for the whole. */
static void silence_and_trickles_end_at_the_deadline(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct rogue silent = {0}, slow = {0};
    static const uint8_t record[] = {22, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3};
    XT_TRY(listen_only(&p, 300, &err));
    rogue_connect(&silent, &p);
    rogue_connect(&slow, &p);
    for (size_t i = 0; i < sizeof(record); i++) {
        (void)send(slow.fd, record + i, 1, MSG_NOSIGNAL);
        xt_run_ms(&p, 50);
    }
    assert_int_equal(stats_of(&p).connections, 0);
    assert_int_equal(stats_of(&p).refused, 2);
out:
    rogue_free(&silent);
    rogue_free(&slow);
    xt_bulkpair_free(&p);
}

/* TLS is done, and then no HELLO: that is half open still. */
static void a_handshake_without_hello_is_not_up(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct rogue r = {0};
    bool closed;
    XT_TRY(listen_only(&p, 300, &err));
    rogue_connect(&r, &p);
    rogue_tls(&r, &p.client_cert, "\012xos-bulk/1", TLS1_3_VERSION);
    assert_int_equal(rogue_handshake(&r, &p), 1);
    (void)rogue_drain(&r, &p, 1000, &closed);
    assert_true(closed);
    assert_int_equal(p.ups, 0);
    assert_int_equal(stats_of(&p).connections, 0);
out:
    rogue_free(&r);
    xt_bulkpair_free(&p);
}

static void half_open_connections_are_counted(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct rogue r[12] = {0};
    XT_TRY(xt_bulkpair_new(&p, &err));
    p.server_config.limits.half_open_source_max = 5;
    p.server_config.limits.handshake_ms = 400;
    XT_TRY(xt_bulkpair_listen(&p, &err));
    for (size_t i = 0; i < 12; i++)
        rogue_connect(&r[i], &p);
    xt_run_ms(&p, 50);
    assert_int_equal(stats_of(&p).half_open, 5);
    assert_int_equal(stats_of(&p).refused, 7);
    xt_run_ms(&p, 600);
    assert_int_equal(stats_of(&p).half_open, 0);
    XT_TRY(xt_bulkpair_up(&p, &err)); /* an honest one comes in again */
out:
    for (size_t i = 0; i < 12; i++)
        rogue_free(&r[i]);
    xt_bulkpair_free(&p);
}

/* Peers with a good certificate and bad manners */

#define HEAD(length, stream, type)                                                                 \
    0, (length) >> 16, (length) >> 8 & 255, (length)&255, 0, 0, 0, stream, type, 0, 0, 0
#define HELLO HEAD(12, 0, XOS_MUX_HELLO), 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 9
#define HELLO_BYTES 24

static const struct rude_row {
    const char *what;
    uint8_t bytes[64];
    size_t len;
} rude_table[] = {
    {"before HELLO", {HEAD(0, 1, XOS_MUX_OPEN)}, 12},
    {"version 9", {HEAD(12, 0, XOS_MUX_HELLO), 0, 9, 0, 9, 0, 1, 0, 0, 0, 0, 0, 9}, 24},
    {"oversize", {HELLO, 255, 255, 255, 255, 0, 0, 0, 1, XOS_MUX_OPEN}, 36},
    {"unknown type", {HELLO, HEAD(0, 0, 99)}, 36},
    {"our numbers", {HELLO, HEAD(0, 2, XOS_MUX_OPEN)}, 36},
    {"no such stream", {HELLO, HEAD(1, 7, XOS_MUX_DATA)}, 36},
    {"false credit", {HELLO, HEAD(0, 1, XOS_MUX_OPEN), HEAD(4, 1, XOS_MUX_CREDIT), 0, 0, 0, 1}, 52},
    {"not TLS inside", "GET / HTTP/1.1\r\n\r\n", 18},
};

static void bad_manners_end_the_connection_with_a_reason(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct rogue r = {0};
    XT_TRY(listen_only(&p, 2000, &err));
    XT_TRY(xt_bulkpair_up(&p, &err)); /* an honest one, who must not notice */
    for (size_t i = 0; i < sizeof(rude_table) / sizeof(rude_table[0]); i++) {
        bool closed;
        uint64_t refused = stats_of(&p).refused;
        rogue_connect(&r, &p);
        rogue_tls(&r, &p.client_cert, "\012xos-bulk/1", TLS1_3_VERSION);
        assert_int_equal(rogue_handshake(&r, &p), 1);
        rogue_say(&r, &p, rude_table[i].bytes, rude_table[i].len);
        size_t got = rogue_drain(&r, &p, 1000, &closed);
        if (!closed || stats_of(&p).refused != refused + 1)
            fail_msg("%s: was let through", rude_table[i].what);
        assert_true(got > HELLO_BYTES + XOS_MUX_HEAD_BYTES); /* our HELLO, and a GOAWAY */
        rogue_free(&r);
    }
    assert_int_equal(p.dial_downs, 0);
out:
    rogue_free(&r);
    xt_bulkpair_free(&p);
}

/* More bytes than the window, to a reader that consumes nothing. */
static void credit_overrun_ends_the_connection(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct rogue r = {0};
    bool closed;
    static const uint8_t open[] = {HELLO, HEAD(0, 1, XOS_MUX_OPEN)};
    static uint8_t data[XOS_MUX_HEAD_BYTES + 65536] = {HEAD(65536, 1, XOS_MUX_DATA)};
    XT_TRY(listen_only(&p, 2000, &err));
    p.hold = true;
    rogue_connect(&r, &p);
    rogue_tls(&r, &p.client_cert, "\012xos-bulk/1", TLS1_3_VERSION);
    assert_int_equal(rogue_handshake(&r, &p), 1);
    rogue_say(&r, &p, open, sizeof(open));
    xt_run_ms(&p, 20);
    for (int i = 0; i < 4; i++)
        rogue_say(&r, &p, data, sizeof(data));
    xt_run_ms(&p, 50);
    assert_int_equal(p.downs, 0);
    assert_int_equal(p.records[0].got.len, 4 * 65536);
    rogue_say(&r, &p, data, XOS_MUX_HEAD_BYTES);
    (void)rogue_drain(&r, &p, 1000, &closed);
    assert_true(closed);
    assert_int_equal(p.down_why.code, XOS_PROTOCOL);
out:
    rogue_free(&r);
    xt_bulkpair_free(&p);
}

/* PINGs without end from one who never reads the answers: the output stays bounded. */
static void a_ping_flood_fills_no_memory(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct rogue r = {0};
    static const uint8_t hello[] = {HELLO};
    static uint8_t pings[20 * 800];
    for (size_t i = 0; i < sizeof(pings); i += 20)
        memcpy(pings + i, (const uint8_t[]){HEAD(8, 0, XOS_MUX_PING)}, XOS_MUX_HEAD_BYTES);
    XT_TRY(listen_only(&p, 2000, &err));
    rogue_connect(&r, &p);
    rogue_tls(&r, &p.client_cert, "\012xos-bulk/1", TLS1_3_VERSION);
    assert_int_equal(rogue_handshake(&r, &p), 1);
    rogue_say(&r, &p, hello, sizeof(hello));
    for (int i = 0, stuck = 0; i < 4000 && stuck < 20; i++) {
        ERR_clear_error();
        stuck = SSL_write(r.ssl, pings, sizeof(pings)) > 0 ? 0 : stuck + 1;
        xt_run_ms(&p, 1);
    }
    assert_true(stats_of(&p).buffered_peak_bytes <
                XOS_BULK_OUTPUT_BYTES_MAX + XOS_BULK_CONTROL_BYTES_MAX + 65536);
    assert_int_equal(p.ups, 1);
out:
    rogue_free(&r);
    xt_bulkpair_free(&p);
}

static const struct xt_test tests[] = {
    XT_PLAIN(only_our_own_protocol_is_spoken),
    XT_PLAIN(a_p256_certificate_is_as_good),
    XT_PLAIN(no_session_can_be_taken_up_again),
    XT_PLAIN(garbage_is_thrown_out_at_once),
    XT_PLAIN(silence_and_trickles_end_at_the_deadline),
    XT_PLAIN(a_handshake_without_hello_is_not_up),
    XT_PLAIN(half_open_connections_are_counted),
    XT_PLAIN(bad_manners_end_the_connection_with_a_reason),
    XT_PLAIN(credit_overrun_ends_the_connection),
    XT_PLAIN(a_ping_flood_fills_no_memory),
};
XT_MAIN(tests)
