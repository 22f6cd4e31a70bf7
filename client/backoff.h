// SPDX-License-Identifier: Apache-2.0
/* backoff.h - when to try again after xosd went away, and when to give up. Pure. */
#ifndef XOS_CLIENT_BACKOFF_H
#define XOS_CLIENT_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#define CLIENT_BACKOFF_FIRST_MS 20
#define CLIENT_BACKOFF_STEP_MS_MAX 500
#define CLIENT_RECONNECT_MS_MAX 30000

struct client_backoff {
    uint64_t lost_ms; /* when it was lost; 0: it is there */
    uint64_t step_ms;
};

/* Lost again, or still. Returns in how many ms to try, or UINT64_MAX: longer than give_up_ms. */
uint64_t client_backoff_next(struct client_backoff *b, uint64_t now_ms, uint64_t give_up_ms);

/* It answered. */
void client_backoff_reset(struct client_backoff *b);

#endif
