// SPDX-License-Identifier: Apache-2.0
/* frame.h - messages in a byte stream: a length, then that many bytes.
 *
 *     0        4
 *     | length | payload … |        length: big-endian, of the payload alone
 *
 * The length is held against the reader's maximum before anything is allocated for it. */
#ifndef XOS_WIRE_FRAME_H
#define XOS_WIRE_FRAME_H

#include "libxos/base/buf.h"

#define XOS_FRAME_HEAD_BYTES 4
#define XOS_FRAME_PAYLOAD_MAX ((size_t)4 << 20) /* bytes; a reader may allow less */

struct xos_frame_reader {
    struct xos_buf buf;
    size_t payload_max;
    size_t taken; /* bytes at the front of buf that the last frame used */
};

void xos_frame_reader_init(struct xos_frame_reader *r, size_t payload_max);
void xos_frame_reader_free(struct xos_frame_reader *r);

/* Bytes of the stream, in any pieces. Copied. */
int xos_frame_feed(struct xos_frame_reader *r, struct xos_slice data, struct xos_error *err);

/* 1: *payload is the next frame, borrowed until the next call of feed or next. 0: it is not yet
 * complete. -1: XOS_LIMIT; the stream is of no more use. */
int xos_frame_next(struct xos_frame_reader *r, struct xos_slice *payload, struct xos_error *err);

/* Append one frame. */
int xos_frame_add(struct xos_buf *out, struct xos_slice payload, struct xos_error *err);

#endif
