// SPDX-License-Identifier: Apache-2.0
#include "client/window.h"

#include <assert.h>
#include <inttypes.h>

void client_window_init(struct client_window *w)
{
    /* Twice: acknowledged bytes are dropped in large pieces, so that the cost stays linear. */
    *w = (struct client_window){.kept = XOS_BUF(2 * CLIENT_WINDOW_BYTES_MAX)};
}

void client_window_free(struct client_window *w)
{
    xos_buf_free(&w->kept);
    client_window_init(w);
}

void client_window_begin(struct client_window *w, uint64_t offset)
{
    assert(client_window_end(w) == 0);
    w->base = w->next = offset;
}

uint64_t client_window_end(const struct client_window *w)
{
    return w->base + (w->kept.len - w->dropped);
}

size_t client_window_room(const struct client_window *w)
{
    return w->ended ? 0 : CLIENT_WINDOW_BYTES_MAX - (w->kept.len - w->dropped);
}

int client_window_add(struct client_window *w, struct xos_slice data, struct xos_error *err)
{
    assert(!w->ended);
    assert(data.len <= client_window_room(w));
    return xos_buf_add(&w->kept, data.data, data.len, err);
}

void client_window_finish(struct client_window *w)
{
    w->ended = true;
}

struct xos_slice client_window_peek(const struct client_window *w, size_t bytes_max)
{
    size_t at = w->dropped + (size_t)(w->next - w->base);
    size_t left = w->kept.len - at;
    return (struct xos_slice){w->kept.data ? w->kept.data + at : NULL,
                              left < bytes_max ? left : bytes_max};
}

void client_window_sent(struct client_window *w, size_t bytes)
{
    assert(w->next + bytes <= client_window_end(w));
    w->next += bytes;
}

int client_window_acked(struct client_window *w, uint64_t offset, struct xos_error *err)
{
    if (offset > w->next)
        return xos_fail(err, XOS_PROTOCOL,
                        "input up to %" PRIu64 " acknowledged, and only %" PRIu64 " sent", offset,
                        w->next);
    if (offset <= w->base)
        return 0;
    w->dropped += (size_t)(offset - w->base);
    w->base = offset;
    if (w->dropped == w->kept.len)
        xos_buf_free(&w->kept), w->dropped = 0;
    else if (w->dropped >= CLIENT_WINDOW_BYTES_MAX)
        xos_buf_shift(&w->kept, w->dropped), w->dropped = 0;
    return 0;
}

int client_window_resume(struct client_window *w, uint64_t offset, struct xos_error *err)
{
    uint64_t end = client_window_end(w);
    if (end == 0 && !w->ended) {
        w->base = w->next = offset; /* whoever gave the input before: it goes on from here */
        return 0;
    }
    if (offset > end)
        return xos_fail(err, XOS_PROTOCOL,
                        "input wanted from %" PRIu64 " on, and only %" PRIu64 " bytes were given",
                        offset, end);
    if (offset < w->base)
        return xos_fail(err, XOS_STALE,
                        "input wanted again from %" PRIu64 " on: it is kept from %" PRIu64 " on",
                        offset, w->base);
    w->next = end;
    int rc = client_window_acked(w, offset, err);
    w->next = offset;
    w->end_sent = false;
    return rc;
}
