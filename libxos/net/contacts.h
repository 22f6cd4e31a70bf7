// SPDX-License-Identifier: Apache-2.0
/* contacts.h - the nodes that the overlay admits, by CURVE key, and the ways to each of them.
 *
 * Being in this table is the right to speak; whoever is taken out is a stranger from then on. */
#ifndef XOS_NET_CONTACTS_H
#define XOS_NET_CONTACTS_H

#include "libxos/net/address.h"
#include "libxos/net/curve.h"
#include "libxos/net/outbox.h"

#include <uthash.h>

#define XOS_OVERLAY_PEERS_MAX 4096
#define XOS_ROUTE_BYTES 5 /* a routing id that libzmq's ROUTER made itself: 0, then 32 bits */

struct xos_link;

/* The accepted connection on which the last verified message of a peer came. */
struct xos_route {
    bool set;
    uint8_t id[XOS_ROUTE_BYTES];
    int fd; /* libzmq's, only to be compared */
};

struct xos_contact {
    uint8_t key[XOS_CURVE_KEY_BYTES];
    char address[XOS_ADDRESS_TEXT_MAX]; /* where it was last seen; "" = never */
    struct xos_link *link;              /* the connection that we opened, or NULL; the overlay's */
    struct xos_route route;
    struct xos_outbox *outbox;
    bool up;     /* as last told */
    bool silent; /* cut off for longer than a broken cable goes unnoticed */
    void *owner; /* the overlay: for callbacks that get the peer */
    UT_hash_handle hh;
};

struct xos_contacts {
    struct xos_contact *by_key;
};

/* XOS_EXISTS, XOS_LIMIT at XOS_OVERLAY_PEERS_MAX, XOS_NOMEM. The peer is the table's. */
int xos_contacts_add(struct xos_contacts *contacts, const uint8_t key[static XOS_CURVE_KEY_BYTES],
                     size_t outbox_bytes_max, struct xos_contact **out, struct xos_error *err);
struct xos_contact *xos_contacts_get(const struct xos_contacts *contacts,
                                     const uint8_t key[static XOS_CURVE_KEY_BYTES]);
void xos_contacts_remove(struct xos_contacts *contacts,
                         struct xos_contact *peer); /* its link is gone */

/* Whose route has this descriptor; NULL: nobody's. */
struct xos_contact *xos_contacts_by_fd(const struct xos_contacts *contacts, int fd);

#endif
