// SPDX-License-Identifier: Apache-2.0
/* channel.h - one connection to xosd: frames in order, with back pressure both ways. */
#ifndef XOS_CLIENT_CHANNEL_H
#define XOS_CLIENT_CHANNEL_H

#include "client/pollset.h"

struct client_channel;

struct client_channel_ops {
    void (*on_frame)(void *arg, struct xos_slice frame); /* borrowed for the call */
    void (*on_room)(void *arg);                          /* all that waited is sent */
    /* Gone; why->code is XOS_NONE for an orderly end. Comes at most once and last. */
    void (*on_close)(void *arg, const struct xos_error *why);
};

/* Connect to the Unix socket at `path`. Frames above frame_max close the link; up to output_max
 * bytes wait to be sent. The link may be freed in any of its callbacks. */
int client_channel_open(struct client_channel **out, struct client_pollset *poll, const char *path,
                        size_t frame_max, size_t output_max, const struct client_channel_ops *ops,
                        void *arg, struct xos_error *err);
void client_channel_free(struct client_channel *l);

/* XOS_LIMIT when it has to wait and does not fit. */
int client_channel_send(struct client_channel *l, struct xos_slice frame, struct xos_error *err);
size_t client_channel_room(const struct client_channel *l); /* payload that one send may have */
void client_channel_pause(struct client_channel *l, bool paused);

#endif
