// SPDX-License-Identifier: Apache-2.0
/* carrier.h - what a connection's bytes travel on: a socket (carrier_socket.c) or a bulk stream
 * (carrier_stream.c). Between conn.c and those two only; users see conn.h. */
#ifndef XOS_NET_CARRIER_H
#define XOS_NET_CARRIER_H

#include "libxos/net/conn.h"

#define XOS_CARRIER_READ_BYTES ((size_t)64 << 10) /* handed to the connection at once, at most */

struct carrier;
struct carrier_ops {
    /* How many bytes it took from the front; 0: none now, conn_on_writable follows. -1: it is
     * broken. */
    ssize_t (*write)(struct carrier *c, struct xos_slice data, struct xos_error *err);
    /* What the connection wants from now on. */
    void (*watch)(struct carrier *c, bool read, bool write);
    void (*free)(struct carrier *c);
};

/* The first member of each carrier. */
struct carrier {
    const struct carrier_ops *ops;
    struct xos_conn *conn;
};

/* A connection over it; takes the carrier, also when it fails. `first` has been read already. */
int conn_over(struct xos_conn **out, struct xos_loop *loop, struct carrier *carrier,
              struct xos_slice first, const struct xos_conn_config *config, struct xos_error *err);

/* The carrier's news. The connection, and the carrier with it, may be gone after each of them. */
size_t conn_space(const struct xos_conn *c); /* bytes that conn_on_data takes now */
void conn_on_data(struct xos_conn *c, struct xos_slice data);
void conn_on_end(struct xos_conn *c); /* all data has come */
void conn_on_broken(struct xos_conn *c, const struct xos_error *why);
void conn_on_writable(struct xos_conn *c);

#endif
