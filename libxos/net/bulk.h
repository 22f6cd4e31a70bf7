// SPDX-License-Identifier: Apache-2.0
/* bulk.h - `xos-bulk/1`: streams between two nodes, over one TLS 1.3 connection (port 7402).
 *
 * An endpoint (struct xos_bulk) is one identity with its rules: it may listen, and it dials. A
 * connection belongs to its endpoint; the pointer that the owner is shown is good until its on_down
 * has returned, which comes once for each connection that was dialled or came up. A stream belongs
 * to the user who opened or accepted it, until xos_stream_free, also when its connection is gone.
 *
 * Every callback runs in the loop, never inside a call of the user. In a callback the user may call
 * anything here and free anything, the endpoint included; after xos_bulk_free no callback comes. */
#ifndef XOS_NET_BULK_H
#define XOS_NET_BULK_H

#include "libxos/net/loop.h"
#include "libxos/net/mux.h"
#include "libxos/net/relay.h"
#include "libxos/net/sni.h"
#include "libxos/net/tls.h"

#define XOS_BULK_ALPN "xos-bulk/1"
#define XOS_BULK_PORT 7402
#define XOS_BULK_ADDRESS_BYTES 64 /* of a numeric address with its NUL */

/* Presets of struct xos_bulk_limits, in its order. */
#define XOS_BULK_HANDSHAKE_MS 5000       /* from the first packet to the peer's HELLO */
#define XOS_BULK_OUTPUT_BYTES_MAX 262144 /* ciphertext that waits for the network */
#define XOS_BULK_HALF_OPEN_MAX 256       /* accepted, handshake not done */
#define XOS_BULK_HALF_OPEN_SOURCE_MAX 32 /* the same, from one address */
#define XOS_BULK_RELAYS_MAX 1024         /* connections that a gateway passes on */
#define XOS_BULK_CONNECTIONS_MAX 4096    /* of one endpoint */

/* Control frames are sent even when the output is above its maximum, or two full sides would wait
 * for each other; when they have piled up to this more, the peer is not read, either. */
#define XOS_BULK_CONTROL_BYTES_MAX (4 * 1024 * 1024)

#define XOS_BULK_READ_RECORDS 64     /* decrypted in one go before others have their turn */
#define XOS_BULK_CUT_POLL_MS 20      /* how soon a healed address is noticed */
#define XOS_BULK_ACCEPT_PAUSE_MS 100 /* when the process is out of descriptors */

struct xos_bulk;
struct xos_bulk_conn;
struct xos_stream;

/* Zero means the preset, save idle_ms, where it means never. */
struct xos_bulk_limits {
    uint64_t handshake_ms;
    uint64_t ping_ms; /* mux.h */
    uint64_t dead_ms;
    uint64_t idle_ms; /* a connection without streams says good-bye after this */
    uint32_t window_bytes;
    uint32_t streams_max;
    size_t output_bytes_max;
    size_t half_open_max;
    size_t half_open_source_max;
    size_t connections_max;
    size_t relays_max;
};

/* The peer opens a stream. Either -1 and *err, which the peer is told as the reason of a RESET, or
 * 0: the stream is the user's now, who calls xos_stream_accept or xos_stream_reset, here or later.
 * xos_bulk_conn_peer(conn)->name is empty for a peer without certificate: decide by it. */
typedef int (*xos_bulk_stream_f)(void *arg, struct xos_bulk_conn *conn, struct xos_stream *stream,
                                 struct xos_slice payload, struct xos_error *err);
typedef void (*xos_bulk_up_f)(void *arg, struct xos_bulk_conn *conn);
/* why->code is XOS_NONE after a GOAWAY and the end of the last stream. */
typedef void (*xos_bulk_down_f)(void *arg, struct xos_bulk_conn *conn, const struct xos_error *why);

/* On a gateway: where a connection goes that asks for `sni` ("": for nobody). 0: to us; 1: to *host
 * and *port, which were filled in; -1: nowhere. */
typedef int (*xos_bulk_route_f)(void *arg, const char *sni, char host[static XOS_RELAY_HOST_BYTES],
                                unsigned *port, struct xos_error *err);

struct xos_bulk_config {
    const struct xos_slice *chain; /* own certificates; none: dial as anonymous, never listen */
    size_t chain_count;
    const struct xos_key *key;
    bool anonymous_ok; /* tls.h */
    xos_tls_verify_f verify;
    xos_bulk_stream_f on_stream; /* NULL: the peer may open none */
    xos_bulk_up_f on_up;         /* of accepted connections; may be NULL */
    xos_bulk_down_f on_down;
    xos_bulk_route_f route; /* NULL: every connection is for us, and SNI is not looked at */
    /* While an address is cut, nothing is read from it or sent to it, as if its cable were out.
     * NULL: never. */
    bool (*is_cut)(void *arg, const char *address);
    void *arg; /* for all of the above */
    struct xos_bulk_limits limits;
};

/* The configuration is copied, strings and certificates too. */
int xos_bulk_new(struct xos_bulk **out, struct xos_loop *loop, const struct xos_bulk_config *config,
                 struct xos_error *err);
void xos_bulk_free(struct xos_bulk *b); /* closes everything; streams stay their users' */

/* Listen; port 0: the system chooses. Once per endpoint. */
int xos_bulk_listen(struct xos_bulk *b, const char *host, unsigned port, struct xos_error *err);
unsigned xos_bulk_port(const struct xos_bulk *b);

/* A renewed certificate, for connections from now on. */
int xos_bulk_identity(struct xos_bulk *b, const struct xos_slice *chain, size_t count,
                      const struct xos_key *key, struct xos_error *err);

/* Put every live connection's stored chain to `verify` again, and close those that it refuses now:
 * after a reload of revocations or trust. Returns how many were closed. */
size_t xos_bulk_recheck(struct xos_bulk *b);

struct xos_bulk_dial {
    const char *host;
    unsigned port;
    const char *from;     /* own address; NULL: any */
    const char *sni;      /* for gateways; NULL: none */
    const char *expected; /* the name that the peer must have; NULL: whatever verify accepts */
    xos_bulk_up_f on_up;
    xos_bulk_down_f on_down; /* also when it never came up */
    void *arg;               /* for these two */
};
int xos_bulk_connect(struct xos_bulk_conn **out, struct xos_bulk *b,
                     const struct xos_bulk_dial *dial, struct xos_error *err);

/* Close at once: the peer is told, streams are reset, on_down follows from the loop. */
void xos_bulk_close(struct xos_bulk_conn *conn, enum xos_code code, const char *text);
/* Close when the last stream has ended; new ones are refused on both sides. */
void xos_bulk_goaway(struct xos_bulk_conn *conn, enum xos_code code, const char *text);

const struct xos_tls_peer *xos_bulk_conn_peer(const struct xos_bulk_conn *conn);
/* Its certificates, DER, leaf first; count 0: it showed none. Borrowed. */
const struct xos_slice *xos_bulk_conn_chain(const struct xos_bulk_conn *conn, size_t *count);
const char *xos_bulk_conn_address(const struct xos_bulk_conn *conn); /* numeric */
bool xos_bulk_conn_dialled(const struct xos_bulk_conn *conn);

/* Streams */

/* Any may be NULL but on_data and on_reset. */
struct xos_stream_ops {
    void (*on_accepted)(void *arg, struct xos_stream *s); /* the opener's: write may begin */
    /* Borrowed. At most one window comes before xos_stream_consumed gives room for more. */
    void (*on_data)(void *arg, struct xos_stream *s, struct xos_slice data);
    /* After a write that took less than it was given: write again, it is this stream's turn. */
    void (*on_writable)(void *arg, struct xos_stream *s);
    void (*on_end)(void *arg, struct xos_stream *s); /* all data has come */
    /* Refused, reset by the peer, or the connection is gone. Nothing comes after it. */
    void (*on_reset)(void *arg, struct xos_stream *s, const struct xos_error *why);
};

/* ops is borrowed (static), the payload at most XOS_MUX_PAYLOAD_BYTES_MAX. XOS_UNAVAILABLE: the
 * connection is not up or closing; XOS_LIMIT: as many streams as the peer takes, or the output is
 * full. */
int xos_stream_open(struct xos_stream **out, struct xos_bulk_conn *conn, struct xos_slice payload,
                    const struct xos_stream_ops *ops, void *arg, struct xos_error *err);
/* XOS_UNAVAILABLE: the connection has gone since the stream was offered. */
int xos_stream_accept(struct xos_stream *s, const struct xos_stream_ops *ops, void *arg,
                      struct xos_error *err);

/* Returns how many bytes were taken, from the front: what the window, the output and the other
 * streams' turns allow; 0 when the stream is gone. Taken bytes are copied. */
size_t xos_stream_write(struct xos_stream *s, struct xos_slice data);
/* So many bytes of on_data have been dealt with. */
void xos_stream_consumed(struct xos_stream *s, size_t bytes);
void xos_stream_end(struct xos_stream *s);
/* No callback comes any more; xos_stream_free is still due. */
void xos_stream_reset(struct xos_stream *s, enum xos_code code, const char *text);
void xos_stream_free(struct xos_stream *s); /* resets it with XOS_CANCELLED when it is live */
struct xos_bulk_conn *xos_stream_conn(const struct xos_stream *s); /* NULL when it is gone */

/* Counters, for status and tests */

struct xos_bulk_stats {
    size_t connections; /* with those that are not up yet */
    size_t half_open;
    size_t streams;
    size_t buffered_bytes;      /* ciphertext that waits, over all connections */
    size_t buffered_peak_bytes; /* the most that one connection ever held */
    size_t relays;
    uint64_t accepted, refused; /* since the start */
};
void xos_bulk_stats(const struct xos_bulk *b, struct xos_bulk_stats *out);

#endif
