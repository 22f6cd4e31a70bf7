// SPDX-License-Identifier: Apache-2.0
/* curve.h - how a socket of the overlay is secured (CurveZMQ, RFC 26/ZMTP 3.1) and bounded.
 *
 * Keys are 32 raw bytes everywhere; Z85, libzmq's text form, stays in curve.c. */
#ifndef XOS_NET_CURVE_H
#define XOS_NET_CURVE_H

#include "libxos/net/zsock.h"

#define XOS_CURVE_KEY_BYTES 32
#define XOS_CURVE_ZAP_DOMAIN "xos"

/* The bounds of every connection. */
#define XOS_OVERLAY_HANDSHAKE_MS 3000 /* TCP accepted until CURVE is done */
#define XOS_OVERLAY_HEARTBEAT_MS 3000 /* between pings on a link, and */
#define XOS_OVERLAY_SILENCE_MS 6000   /* no byte for so long after one: the link is down */
#define XOS_OVERLAY_LINGER_MS 250     /* to send what is queued when a socket closes */
#define XOS_CURVE_OVERHEAD_BYTES 64   /* what CURVE adds to a message on the wire, at most */

struct xos_curve {
    uint8_t public_key[XOS_CURVE_KEY_BYTES];
    uint8_t secret_key[XOS_CURVE_KEY_BYTES];
    size_t message_bytes_max;
    unsigned high_water; /* messages queued per connection and direction */
};

int xos_curve_keypair(uint8_t public_key[static XOS_CURVE_KEY_BYTES],
                      uint8_t secret_key[static XOS_CURVE_KEY_BYTES], struct xos_error *err);

/* The public half of a secret. */
int xos_curve_public(const uint8_t secret_key[static XOS_CURVE_KEY_BYTES],
                     uint8_t public_key[static XOS_CURVE_KEY_BYTES], struct xos_error *err);

/* Make a ROUTER that admits through ZAP alone: with no handler in its context nobody gets in. */
int xos_curve_serve(struct xos_zsock *router, const struct xos_curve *curve, struct xos_error *err);

/* Make a DEALER that talks to the holder of `server_key` and to nobody else. */
int xos_curve_dial(struct xos_zsock *dealer, const struct xos_curve *curve,
                   const uint8_t server_key[static XOS_CURVE_KEY_BYTES], struct xos_error *err);

#endif
