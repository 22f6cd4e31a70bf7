// SPDX-License-Identifier: Apache-2.0
/* bulk_conn.h - one connection of an endpoint: socket, TLS, mux. Between bulk.c, bulk_conn.c and
 * bulk_stream.c only; users see bulk.h. */
#ifndef XOS_NET_BULK_CONN_H
#define XOS_NET_BULK_CONN_H

#include "libxos/base/states.h"
#include "libxos/net/bulk.h"
#include "libxos/net/refusals.h"

enum bulk_conn_state {
    BULK_CONNECTING, /* TCP, by us */
    BULK_PEEK,       /* on a gateway: for whom is it? */
    BULK_HANDSHAKE,  /* TLS */
    BULK_HELLO,      /* our HELLO is on its way, the peer's is not here */
    BULK_UP,
    BULK_DOWN, /* waits for the loop, to tell the user and go */
    BULK_CONN_STATES
};

struct xos_bulk {
    struct xos_loop *loop;
    struct xos_env *env;
    struct xos_bulk_config config; /* limits filled in; chain and key are in tls */
    struct xos_tls *tls;
    int listen_fd; /* -1: none */
    unsigned port;
    struct xos_watch *listen_watch;
    struct xos_timer *accept_timer; /* out of descriptors: try again then */
    struct xos_timer *cut_timer;    /* looks whether a parked connection's address is healed */
    struct xos_bulk_conn *conns;
    struct bulk_relay *relays;
    struct xos_bulk_stats stats; /* connections, peak, accepted, refused are kept here */
    struct xos_refusals refusals;
    unsigned busy; /* callbacks that are on the stack */
    bool doomed;   /* xos_bulk_free was called inside one of them */
};

struct xos_bulk_conn {
    struct xos_bulk *bulk;
    struct xos_states state;
    bool dialled, was_up;
    bool parked; /* its address is cut */
    bool eof;    /* the socket gave its last byte */
    int fd;
    char address[XOS_BULK_ADDRESS_BYTES];
    char *expected;
    xos_bulk_up_f on_up;
    xos_bulk_down_f on_down;
    void *arg;
    SSL *ssl;
    struct xos_tls_session tls;
    struct xos_mux *mux;
    struct xos_watch *watch;
    struct xos_timer *timer; /* the handshake's end, then the mux's TICK */
    uint64_t timer_at_ms;
    struct xos_task task;  /* flush, turns, and the end */
    struct xos_buf peeked; /* what BULK_PEEK has read, for TLS or for the relay */
    struct xos_buf out;    /* ciphertext; the first `sent` bytes are gone */
    size_t sent;
    struct xos_error why; /* of BULK_DOWN */
    struct xos_error bye; /* what the peer said in its GOAWAY */
    struct xos_stream *streams;
    struct xos_bulk_conn *prev, *next;
};

struct bulk_relay {
    struct xos_bulk *bulk;
    struct xos_relay *relay;
    char address[XOS_BULK_ADDRESS_BYTES];
    struct bulk_relay *prev, *next;
};

struct xos_stream {
    struct xos_bulk_conn *conn; /* NULL when it is gone */
    uint32_t id;
    const struct xos_stream_ops *ops; /* NULL before it is accepted and after a reset of ours */
    void *arg;
    struct xos_stream *prev, *next;
};

/* Takes fd over, also when it fails. dial: NULL for an accepted one. */
int bulk_conn_new(struct xos_bulk_conn **out, struct xos_bulk *b, int fd,
                  const struct xos_bulk_dial *dial, struct xos_error *err);
void bulk_conn_free(struct xos_bulk_conn *c); /* tells nobody; detaches its streams */

/* Go down with that reason, from the loop. tell: say GOAWAY first, as far as it goes out at once.
 */
void bulk_conn_fail(struct xos_bulk_conn *c, const struct xos_error *why, bool tell);
bool bulk_conn_live(const struct xos_bulk_conn *c);
int bulk_address(int fd, char out[static XOS_BULK_ADDRESS_BYTES]);
size_t bulk_conn_buffered(const struct xos_bulk_conn *c);
size_t bulk_conn_room(const struct xos_bulk_conn *c); /* for DATA, in bytes */

/* bulk_tls.c. Encrypt one frame into the output; send what waits there, as far as the socket takes
 * it; decrypt at most one record: 1 = *len bytes, 0 = none now, -1 = there will be none. */
#define BULK_RECORD_BYTES 16384             /* plain text of a TLS record, RFC 8446 section 5.1 */
BIO *bulk_tls_bio(struct xos_bulk_conn *c); /* NULL: out of memory */
int bulk_tls_send(struct xos_bulk_conn *c, const struct xos_mux_frame *f, struct xos_error *err);
int bulk_tls_flush(struct xos_bulk_conn *c, struct xos_error *err);
int bulk_tls_read(struct xos_bulk_conn *c, uint8_t plain[static BULK_RECORD_BYTES], size_t *len,
                  struct xos_error *err);

/* A mux event from the user's side; its frames go into the output. now_ms is filled in. A failure
 * of the output takes the connection down. */
int bulk_conn_step(struct xos_bulk_conn *c, struct xos_mux_event *ev, struct xos_mux_actions *out,
                   struct xos_error *err);

/* The user's callbacks for an action about a stream (bulk_stream.c). */
void bulk_stream_opened(struct xos_bulk_conn *c, const struct xos_mux_action *a);
void bulk_stream_act(const struct xos_mux_action *a, const struct xos_error *reason);
void bulk_stream_lost(struct xos_stream *s, const struct xos_error *why);
void bulk_stream_detach(struct xos_stream *s);

/* Around everything that the loop calls (bulk.c). */
void bulk_enter(struct xos_bulk *b);
void bulk_leave(struct xos_bulk *b);
/* Pass c's socket on to where it belongs; c ends. */
int bulk_relay_start(struct xos_bulk_conn *c, const char *host, unsigned port,
                     struct xos_error *err);
/* Count and log a connection that is refused before it is up. */
void bulk_refused(struct xos_bulk *b, const char *address, const struct xos_error *why);
void bulk_park(struct xos_bulk_conn *c);

#endif
