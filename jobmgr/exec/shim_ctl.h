// SPDX-License-Identifier: Apache-2.0
/* shim_ctl.h - the connections to ctl.sock: at most SHIM_PEERS_MAX, all of xosd's uid.
 *
 * What goes out are snapshots: a peer has a set of those that it has not got yet, and gets each
 * when its socket takes it. A peer that does not read costs a few bits, never memory. One reply
 * per peer may be waiting; until it is gone no further command of that peer is read. libc only. */
#ifndef XOS_EXEC_SHIM_CTL_H
#define XOS_EXEC_SHIM_CTL_H

#include "jobmgr/exec/shim_wire.h"

#include <sys/types.h>

#define SHIM_PEERS_MAX 4 /* a fifth replaces the oldest */

enum ctl_news { CTL_STATUS = 1, CTL_OUTPUT = 2, CTL_STDIN = 4, CTL_EXIT = 8 };

struct ctl_peer {
    int fd; /* -1: free */
    unsigned news;
    bool reply_waits;
    struct shim_frame reply;
    uint64_t order; /* of its accept */
};

struct shim_ctl {
    int listen;
    uid_t peer_uid;
    uint64_t accepted;
    struct ctl_peer peers[SHIM_PEERS_MAX];
    /* Fill in the head (type is set) and the bytes behind it; returns how many. */
    size_t (*compose)(void *arg, enum ctl_news news, struct shim_frame *head, void *bytes);
    /* A command that was checked; returns enum xos_code. For STDIN the bytes follow the head. */
    unsigned (*command)(void *arg, const struct shim_frame *f);
    void *arg;
};

void shim_ctl_init(struct shim_ctl *c, int listen, uid_t peer_uid);

/* Accept whoever waits; another uid is closed at once. Returns the index of the new peer, or -1. */
int shim_ctl_accept(struct shim_ctl *c);

/* Read and serve commands of a peer, a bounded number. A broken frame closes the connection. */
void shim_ctl_serve(struct shim_ctl *c, int index);

/* Everyone is to get this. */
void shim_ctl_news(struct shim_ctl *c, unsigned news);

/* Send what can be sent. */
void shim_ctl_flush(struct shim_ctl *c);
bool shim_ctl_connected(const struct shim_ctl *c);
void shim_ctl_close(struct shim_ctl *c, int index);

#endif
