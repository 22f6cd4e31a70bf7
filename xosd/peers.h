// SPDX-License-Identifier: Apache-2.0
/* peers.h - the ways to other nodes.
 *
 * One TLS connection to a peer, opened when it is needed and closed when it has long been idle,
 * carries all requests, each on a stream of its own; either side may have opened it. Meeting there
 * also makes the peer's overlay key, which its certificate names, known to our ROUTER; from then on
 * short messages go over the overlay, where a link costs nothing while it is quiet. A link that
 * broke is not tried again by itself: the peer may have been started anew and not know us, so the
 * next message meets it over TLS first.
 *
 * Who a peer is says its certificate alone. How it is reached says whoever knows: the seeds of the
 * configuration, and discovery. */
#ifndef XOS_XOSD_PEERS_H
#define XOS_XOSD_PEERS_H

#include "discovery/discovery.h"
#include "libxos/net/bulk.h"
#include "libxos/net/rpc.h"
#include "vo-auth/trust.h"
#include "xosd/config.h"
#include "xosd/credential.h"

#define PEERS_MAX 4096           /* nodes that are remembered at once */
#define PEERS_DIALS_MAX 4096     /* requests that wait for a connection */
#define PEERS_MESSAGES_MAX 64    /* that wait for one peer to be met */
#define PEERS_STRANGERS_MAX 256  /* connections without a certificate */
#define PEERS_IDLE_MS 60000      /* a connection without streams says good-bye */
#define PEERS_LINK_IDLE_MS 30000 /* a link that nobody holds */
#define PEERS_SWEEP_MS 5000
#define PEERS_MESSAGE_BYTES_MAX 65536
#define PEERS_SKEW_MS 10000   /* a clock that is so far off is logged */
#define PEERS_CLOCK_MS 600000 /* what was heard of a clock counts so long */

struct peers;

struct peers_config {
    struct xos_loop *loop;
    struct auth_trust *trust;          /* borrowed, as all here */
    const struct credential *identity; /* with a certificate */
    const struct config *config;
    /* How is this node reached? */
    int (*reach)(void *arg, const char *node, struct discovery_reach *out, struct xos_error *err);
    /* A peer opened a stream for a request: takes it. */
    void (*on_stream)(void *arg, struct xos_stream *stream, struct xos_slice first);
    void (*on_message)(void *arg, const char *node, struct xos_slice message);
    void (*on_down)(void *arg, const char *node); /* a message's way broke, or none was found */
    /* The seed answers: it is this node, reached there. */
    void (*on_seed)(void *arg, size_t seed, const char *node);
    void (*on_seed_down)(void *arg, size_t seed);
    void *arg;
};

int peers_new(struct peers **out, const struct peers_config *config, struct xos_error *err);
void peers_free(struct peers *p);

unsigned peers_bulk_port(const struct peers *p);
unsigned peers_overlay_port(const struct peers *p);

/* For struct xos_rpc_config. Borrowed. */
const struct xos_dialler *peers_dialler(const struct peers *p);

/* Meet a seed. on_seed or on_seed_down follows. */
void peers_seed(struct peers *p, size_t seed);

/* Queue one message; reach NULL: as it was last. XOS_LIMIT, or XOS_NOT_FOUND: nobody knows how. */
int peers_send(struct peers *p, const char *node, const struct discovery_reach *reach,
               struct xos_slice message, struct xos_error *err);
void peers_hold(struct peers *p, const char *node, const struct discovery_reach *reach);
void peers_release(struct peers *p, const char *node);

/* A node met so far that is a head of this institution; NULL: none. Borrowed. */
const char *peers_head(const struct peers *p, const char *institution);

/* The peer whose clock differs most from ours, by what it wrote into its last answer. The gauges of
 * all are brought up to date at the same time. */
struct peers_clock {
    char node[AUTH_NAME_BYTES_MAX + 1]; /* empty: none has answered */
    int64_t ahead_ms;                   /* its clock minus ours */
};
void peers_clock(const struct peers *p, struct peers_clock *out);

/* The certificate was renewed, or has ended: it is shown from now on, or not. */
int peers_identity(struct peers *p, struct xos_error *err);

/* Trust or cut have changed: look at everybody again. */
int peers_reload(struct peers *p, struct xos_error *err);

#endif
