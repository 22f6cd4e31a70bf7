// SPDX-License-Identifier: Apache-2.0
#include "client/backoff.h"

uint64_t client_backoff_next(struct client_backoff *b, uint64_t now_ms, uint64_t give_up_ms)
{
    if (b->lost_ms == 0) {
        b->lost_ms = now_ms ? now_ms : 1;
        b->step_ms = CLIENT_BACKOFF_FIRST_MS;
        return b->step_ms;
    }
    if (now_ms - b->lost_ms >= give_up_ms)
        return UINT64_MAX;
    b->step_ms *= 2;
    if (b->step_ms > CLIENT_BACKOFF_STEP_MS_MAX)
        b->step_ms = CLIENT_BACKOFF_STEP_MS_MAX;
    return b->step_ms;
}

void client_backoff_reset(struct client_backoff *b)
{
    *b = (struct client_backoff){0};
}
