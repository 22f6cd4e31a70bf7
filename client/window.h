// SPDX-License-Identifier: Apache-2.0
/* window.h - the bytes of one standard input that the unit has not yet taken. Pure.
 *
 *     base            next              end
 *      | sent, not acked | not yet sent |        at most CLIENT_WINDOW_BYTES_MAX between base and
 * end
 *
 * Offsets count from the first byte ever given. What is not acknowledged is kept, so that after a
 * lost connection sending goes on exactly where the other side says that it stopped. */
#ifndef XOS_CLIENT_WINDOW_H
#define XOS_CLIENT_WINDOW_H

#include "libxos/base/buf.h"

#define CLIENT_WINDOW_BYTES_MAX ((size_t)1 << 20)

struct client_window {
    struct xos_buf kept; /* from `base - dropped` on */
    size_t dropped;      /* bytes at the front of kept that are acknowledged */
    uint64_t base, next;
    bool ended;    /* no more will be given */
    bool end_sent; /* and the other side was told */
};

void client_window_init(struct client_window *w);
void client_window_free(struct client_window *w);

size_t client_window_room(const struct client_window *w);
uint64_t client_window_end(const struct client_window *w);

/* Nothing was given yet (asserted); what is given counts from offset on: somebody else gave what
 * was before. */
void client_window_begin(struct client_window *w, uint64_t offset);

/* At most client_window_room bytes (asserted), before the end. Copied. */
int client_window_add(struct client_window *w, struct xos_slice data, struct xos_error *err);
void client_window_finish(struct client_window *w);

/* What is to be sent next, at most bytes_max long; borrowed until the window changes. */
struct xos_slice client_window_peek(const struct client_window *w, size_t bytes_max);
void client_window_sent(struct client_window *w, size_t bytes);

/* The other side has all before offset. XOS_PROTOCOL when it cannot have. */
int client_window_acked(struct client_window *w, uint64_t offset, struct xos_error *err);

/* A new connection: the other side wants offset next. Where nothing was given yet, that is where
 * the input begins: somebody else gave what came before. XOS_PROTOCOL when it was never given, or
 * (XOS_STALE) was given up because it had been acknowledged. */
int client_window_resume(struct client_window *w, uint64_t offset, struct xos_error *err);

#endif
