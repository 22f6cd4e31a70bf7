// SPDX-License-Identifier: Apache-2.0
/* link.h - the connection that this node opens to one peer, and opens again whenever it breaks.
 *
 * WAITING (backoff) → CONNECTING → UP → WAITING. Each attempt has a DEALER of its own: libzmq's
 * own reconnection never tries again after a refusal, as when we are faster than the peer's
 * knowledge of us, and would deliver what was queued minutes ago. While an attempt runs, messages
 * wait; when it fails they are dropped and on_state tells so; between attempts nothing is taken. */
#ifndef XOS_NET_LINK_H
#define XOS_NET_LINK_H

#include "libxos/net/curve.h"
#include "libxos/net/cut.h"
#include "libxos/net/outbox.h"

#define XOS_LINK_ATTEMPT_MS_MAX 6000  /* from connect to the end of the handshake */
#define XOS_LINK_BACKOFF_MS_MIN 100   /* the first pause; doubled after each failure, up to */
#define XOS_LINK_BACKOFF_MS_MAX 10000 /* this. The pause itself is random in its upper half */
#define XOS_LINK_STEADY_MS 2000       /* a link that was up for so long starts again at the first */

struct xos_link;

struct xos_link_config {
    struct xos_loop *loop;
    void *context;
    const struct xos_curve *curve; /* borrowed, as are loop, context, outbox and cut */
    struct xos_outbox *outbox;
    struct xos_cut *cut;       /* NULL: none */
    const uint8_t *server_key; /* copied, as is the text below */
    const char *host;          /* numeric */
    unsigned port;
    const char *from; /* numeric address of this end; NULL: any */

    void (*on_message)(void *arg, zmq_msg_t *body);
    /* dropped: messages that had waited for an attempt that failed. The link may be freed in
     * both calls. */
    void (*on_state)(void *arg, bool up, unsigned dropped, const char *why);
    void *arg;
};

int xos_link_new(struct xos_link **out, const struct xos_link_config *config,
                 struct xos_error *err);
void xos_link_free(struct xos_link *link);

bool xos_link_up(const struct xos_link *link);
bool xos_link_connecting(const struct xos_link *link);
const char *xos_link_host(const struct xos_link *link);
bool xos_link_leads_to(const struct xos_link *link, const char *host, unsigned port);

/* XOS_UNAVAILABLE between attempts, XOS_LIMIT when the queue is full. An empty message is the
 * greeting that the link sends itself: the other end learns a way back from it. */
int xos_link_send(struct xos_link *link, struct xos_slice message, struct xos_error *err);

/* The pause after `failures` failures in a row (1, 2, …), with 32 random bits. Pure. */
uint64_t xos_link_backoff_ms(unsigned failures, uint32_t random);

#endif
