// SPDX-License-Identifier: Apache-2.0
#include "libxos/base/alloc.h"

#include <stddef.h>

/* uthash allocates its table itself: through our door, and failing instead of leaving. */
#define uthash_malloc(size) xos_alloc(size)
#define uthash_free(block, size) xos_free(block)
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(peer) ((peer)->hh.tbl = NULL)

#include "libxos/net/contacts.h"

#include <assert.h>
#include <string.h>

static void peer_free(struct xos_contact *peer)
{
    assert(!peer->link);
    xos_outbox_free(peer->outbox);
    xos_free(peer);
}

int xos_contacts_add(struct xos_contacts *contacts, const uint8_t key[static XOS_CURVE_KEY_BYTES],
                     size_t outbox_bytes_max, struct xos_contact **out, struct xos_error *err)
{
    if (xos_contacts_get(contacts, key))
        return xos_fail(err, XOS_EXISTS, "this key is admitted already");
    if (HASH_COUNT(contacts->by_key) >= XOS_OVERLAY_PEERS_MAX)
        return xos_fail(err, XOS_LIMIT, "overlay_peers_max: more than %d", XOS_OVERLAY_PEERS_MAX);
    struct xos_contact *peer = xos_alloc(sizeof(*peer));
    if (!peer)
        return xos_fail(err, XOS_NOMEM, "peer");
    memcpy(peer->key, key, sizeof(peer->key));
    if (xos_outbox_new(&peer->outbox, outbox_bytes_max, err) < 0)
        goto error;
    HASH_ADD(hh, contacts->by_key, key, sizeof(peer->key), peer);
    if (!peer->hh.tbl) {
        xos_fail(err, XOS_NOMEM, "peer");
        goto error;
    }
    *out = peer;
    return 0;
error:
    peer_free(peer);
    return -1;
}

struct xos_contact *xos_contacts_get(const struct xos_contacts *contacts,
                                     const uint8_t key[static XOS_CURVE_KEY_BYTES])
{
    struct xos_contact *peer;
    HASH_FIND(hh, contacts->by_key, key, XOS_CURVE_KEY_BYTES, peer);
    return peer;
}

void xos_contacts_remove(struct xos_contacts *contacts, struct xos_contact *peer)
{
    HASH_DELETE(hh, contacts->by_key, peer);
    peer_free(peer);
}

struct xos_contact *xos_contacts_by_fd(const struct xos_contacts *contacts, int fd)
{
    for (struct xos_contact *peer = contacts->by_key; peer; peer = peer->hh.next)
        if (peer->route.set && peer->route.fd == fd)
            return peer;
    return NULL;
}
