// SPDX-License-Identifier: Apache-2.0
/* peers_parts.h - the parts of peers.h know each other by it: peers.c meets,
 * peers_dial.c sends requests, peers_link.c messages; nobody else includes it. */
#ifndef XOS_XOSD_PEERS_PARTS_H
#define XOS_XOSD_PEERS_PARTS_H

#include "libxos/net/overlay.h"
#include "xosd/peers.h"

#include <uthash.h>

struct xos_dial {
    struct peers *peers;
    struct peer *peer;
    struct xos_buf frame;
    struct xos_conn_config config;
    xos_dialled_f done;
    void *arg;
    struct xos_conn *conn;
    bool again; /* a connection that was closing is not taken twice */
    struct xos_error why;
    struct xos_task deliver;
    struct xos_dial *prev, *next;
};

struct peer_message {
    struct xos_buf bytes;
    struct peer_message *prev, *next;
};

struct peer {
    char name[AUTH_NAME_BYTES_MAX + 1];
    struct peers *peers;
    struct discovery_reach reach;
    size_t tried;               /* addresses of this dial */
    struct xos_bulk_conn *conn; /* being dialled, or up */
    bool up;
    bool met; /* over TLS, so that it knows our overlay key */
    uint32_t roles;
    struct xos_buf chain_bytes; /* as it was last shown: looked at again when trust changes */
    struct xos_slice chain[AUTH_CHAIN_MAX];
    size_t chain_count;
    bool has_key;
    uint8_t key[XOS_CURVE_KEY_BYTES];
    int64_t key_until_ms;
    bool has_clock;
    int64_t ahead_ms;  /* its clock minus ours, of its last answer … */
    uint64_t heard_ms; /* … which came then, monotonic */
    bool held, linked;
    uint64_t used_ms; /* its link, monotonic */
    struct xos_dial *dials;
    struct peer_message *messages;
    unsigned message_count;
    UT_hash_handle hh;     /* by name */
    UT_hash_handle hh_key; /* by key, when it has one */
};

struct seed {
    struct peers *peers;
    struct xos_bulk_conn *conn; /* being dialled, or up */
    bool up;
};

struct peers {
    struct peers_config config;
    struct xos_env *env;
    struct xos_bulk *bulk;
    struct xos_overlay *overlay;
    struct xos_cut *cut;
    bool anonymous; /* its own certificate has ended: it is not shown, and renewal needs none */
    struct xos_dialler dialler;
    struct xos_timer *sweep;
    struct peer *table, *by_key;
    struct seed seeds[CONFIG_SEEDS_MAX];
    size_t dial_count;
    bool walked;        /* nobody may be dropped now */
    unsigned strangers; /* connections without a certificate */
};

struct peer *peer_find(const struct peers *p, const char *name);
struct peer *peer_need(struct peers *p, const char *name, struct xos_error *err);
/* Be connected, or get so: peer_is_met or peer_is_lost follows, from the loop. */
int peer_meet(struct peer *peer, struct xos_error *err);
/* Whose connection this is, which has just come up; what its certificate says of it is noted. */
struct peer *peer_of(struct peers *p, const struct xos_bulk_conn *conn, struct xos_error *err);
void peer_up(struct peer *peer, struct xos_bulk_conn *conn);
void peer_gone(struct peers *p, const struct xos_bulk_conn *conn, const struct xos_error *why);
const char *dial_from(const struct peers *p); /* own address of a connection; NULL: any */

/* peers_dial.c */
void dials_open(struct peers *p);
void dials_go(struct peer *peer);
void dials_fail(struct peer *peer, const struct xos_error *why);
void dials_free(struct peer *peer);

/* peers_cut.c */
bool peers_is_cut(void *arg, const char *address);
/* One address a line; a file that is not there cuts nothing. */
int peers_cut_read(struct peers *p, struct xos_error *err);

/* peers_link.c */
int link_open(struct peers *p, struct xos_error *err);
void link_close(struct peers *p);
void link_note_key(struct peer *peer, const struct auth_principal *who);
void link_met(struct peer *peer);  /* what waited may go */
void link_lost(struct peer *peer); /* it cannot be met */
void link_sweep(struct peers *p, uint64_t now_ms, int64_t real_ms);
void link_recheck(struct peers *p); /* those go that are not trusted any more */
void link_expel(struct peer *peer); /* its key is nobody's any more */
void messages_free(struct peer *peer);

#endif
