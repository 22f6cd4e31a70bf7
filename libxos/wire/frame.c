// SPDX-License-Identifier: Apache-2.0
#include "libxos/wire/frame.h"

#include <assert.h>

void xos_frame_reader_init(struct xos_frame_reader *r, size_t payload_max)
{
    assert(payload_max <= XOS_FRAME_PAYLOAD_MAX);
    /* One whole frame and the beginning of the next may wait here. */
    *r = (struct xos_frame_reader){.buf = XOS_BUF(2 * (payload_max + XOS_FRAME_HEAD_BYTES)),
                                   .payload_max = payload_max};
}

void xos_frame_reader_free(struct xos_frame_reader *r)
{
    xos_buf_free(&r->buf);
    r->taken = 0;
}

static void drop_taken(struct xos_frame_reader *r)
{
    xos_buf_shift(&r->buf, r->taken);
    r->taken = 0;
}

int xos_frame_feed(struct xos_frame_reader *r, struct xos_slice data, struct xos_error *err)
{
    drop_taken(r);
    return xos_buf_add(&r->buf, data.data, data.len, err);
}

static size_t head_read(const uint8_t *head)
{
    return (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
}

int xos_frame_next(struct xos_frame_reader *r, struct xos_slice *payload, struct xos_error *err)
{
    size_t left = r->buf.len - r->taken;
    if (left < XOS_FRAME_HEAD_BYTES)
        return 0;
    const uint8_t *head = r->buf.data + r->taken;
    size_t length = head_read(head);
    if (length > r->payload_max)
        return xos_fail(err, XOS_LIMIT, "a frame of %zu bytes: at most %zu", length,
                        r->payload_max);
    if (left - XOS_FRAME_HEAD_BYTES < length)
        return 0;
    *payload = (struct xos_slice){head + XOS_FRAME_HEAD_BYTES, length};
    r->taken += XOS_FRAME_HEAD_BYTES + length;
    return 1;
}

int xos_frame_add(struct xos_buf *out, struct xos_slice payload, struct xos_error *err)
{
    assert(payload.len <= XOS_FRAME_PAYLOAD_MAX);
    uint32_t n = (uint32_t)payload.len;
    uint8_t head[XOS_FRAME_HEAD_BYTES] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
                                          (uint8_t)n};
    size_t before = out->len;
    if (xos_buf_add(out, head, sizeof(head), err) < 0)
        return -1;
    if (xos_buf_add(out, payload.data, payload.len, err) < 0) {
        xos_buf_cut(out, before);
        return -1;
    }
    return 0;
}
