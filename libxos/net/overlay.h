// SPDX-License-Identifier: Apache-2.0
/* overlay.h - authenticated messages between nodes: who speaks is known by key, never by name.
 *
 * One ROUTER listens; to each peer that this node opens a link to leads a DEALER; all with CURVE.
 * Messages are opaque, arrive whole, and in order on one connection (not when a link breaks in
 * between: what is lost then is not sent again). A peer is its CURVE public key; the chain behind
 * that key is checked elsewhere, before xos_overlay_admit. Nothing is encrypted end to end. */
#ifndef XOS_NET_OVERLAY_H
#define XOS_NET_OVERLAY_H

#include "libxos/net/curve.h"
#include "libxos/net/cut.h"

#define XOS_OVERLAY_PORT 7401
#define XOS_OVERLAY_MESSAGE_BYTES_MAX (1u << 20) /* one message, when not configured */
#define XOS_OVERLAY_HIGH_WATER 1000              /* messages queued, when not configured */
#define XOS_OVERLAY_QUEUE_BYTES_MAX                                                                \
    ((size_t)8 << 20)              /* queued to one peer, when not configured                      \
                                    */
#define XOS_OVERLAY_LINKS_MAX 1024 /* that this node opens */

struct xos_overlay;

struct xos_overlay_config {
    const char *host; /* numeric address to listen on; NULL: all, IPv6 and IPv4 */
    unsigned port;    /* 0: the system chooses */
    const char *from; /* numeric address of this end of the links that we open; NULL: any */
    const uint8_t *public_key, *secret_key; /* XOS_CURVE_KEY_BYTES each; copied */
    size_t message_bytes_max;               /* 0: XOS_OVERLAY_MESSAGE_BYTES_MAX */
    unsigned high_water;                    /* 0: XOS_OVERLAY_HIGH_WATER */
    size_t queue_bytes_max;                 /* 0: XOS_OVERLAY_QUEUE_BYTES_MAX */
    struct xos_cut *cut;                    /* borrowed; NULL: nothing is ever cut */

    /* A message from an admitted peer; key and message are borrowed for the call. Inside both
     * calls everything may be done but xos_overlay_free. */
    void (*on_message)(void *arg, const uint8_t key[static XOS_CURVE_KEY_BYTES],
                       struct xos_slice message);
    /* A peer can be reached now, or no more. Down also tells that what had waited for a link was
     * dropped, even when the peer has not been up. NULL: not told. */
    void (*on_link)(void *arg, const uint8_t key[static XOS_CURVE_KEY_BYTES], bool up);
    void *arg;
};

/* Text and keys in *config are copied.
 * Errors: XOS_UNSUPPORTED without CURVE in libzmq, XOS_INVALID, XOS_SYSTEM when it cannot bind. */
int xos_overlay_new(struct xos_overlay **out, struct xos_loop *loop,
                    const struct xos_overlay_config *config, struct xos_error *err);
/* Blocks for XOS_OVERLAY_LINGER_MS at most, to send what is queued. */
void xos_overlay_free(struct xos_overlay *o);

unsigned xos_overlay_port(const struct xos_overlay *o); /* the one that is listened on */

/* Who may speak. Admitting twice is one admission. Once expelled, a key's links are closed, its
 * connections' messages are dropped at once, and on_link is not told. XOS_LIMIT. */
int xos_overlay_admit(struct xos_overlay *o, const uint8_t key[static XOS_CURVE_KEY_BYTES],
                      struct xos_error *err);
void xos_overlay_expel(struct xos_overlay *o, const uint8_t key[static XOS_CURVE_KEY_BYTES]);
bool xos_overlay_admits(const struct xos_overlay *o, const uint8_t key[static XOS_CURVE_KEY_BYTES]);

/* Keep a link to an admitted peer, for as long as it is not disconnected. host is numeric: a name
 * would be resolved in libzmq's one I/O thread and hold up every link. Another host or port than
 * before replaces the link. Errors: XOS_DENIED, XOS_INVALID, XOS_LIMIT. */
int xos_overlay_connect(struct xos_overlay *o, const uint8_t key[static XOS_CURVE_KEY_BYTES],
                        const char *host, unsigned port, struct xos_error *err);
void xos_overlay_disconnect(struct xos_overlay *o, const uint8_t key[static XOS_CURVE_KEY_BYTES]);

/* Can it be reached now? */
bool xos_overlay_up(const struct xos_overlay *o, const uint8_t key[static XOS_CURVE_KEY_BYTES]);

/* Queue a copy of one message, 1 byte or more, over our link or over the connection on which the
 * peer's last verified message came; never waits. Success does not mean that it arrived. Errors:
 * XOS_DENIED (not admitted), XOS_UNAVAILABLE (no way there), XOS_LIMIT (too long, or full). */
int xos_overlay_send(struct xos_overlay *o, const uint8_t key[static XOS_CURVE_KEY_BYTES],
                     struct xos_slice message, struct xos_error *err);

#endif
