// SPDX-License-Identifier: Apache-2.0
/* mux_frame.h - the frames of `xos-bulk/1`, as bytes. mux.h says what they mean.
 *
 * Every frame is a header of 12 bytes, big-endian, and a payload:
 *
 *     0        4          8      9       10      12
 *     | length | stream   | type | flags | zero  | payload …
 *       u32      u32        u8     u8      u16     length bytes, at most 65536
 *
 *     type      stream  payload
 *     1 HELLO   0       u16 lowest version, u16 highest version, u32 window in bytes,
 *                       u32 streams that the other side may have open; later versions append
 *     2 OPEN    new     what the stream is for, in the words of the layer above
 *     3 ACCEPT  yes     none
 *     4 DATA    yes     1 … 65536 bytes
 *     5 CREDIT  yes     u32 bytes that were consumed and may be sent again
 *     6 END     yes     none: this side sends no more DATA
 *     7 RESET   yes     u16 code (error.h), text in UTF-8, at most 511 bytes
 *     8 PING    0       8 bytes
 *     9 PONG    0       the PING's 8 bytes
 *    10 GOAWAY  0       as RESET: this side opens and takes no more streams
 *
 * flags and zero are 0 in version 1. Anything else ends the connection. */
#ifndef XOS_NET_MUX_FRAME_H
#define XOS_NET_MUX_FRAME_H

#include "libxos/base/buf.h"

#define XOS_MUX_HEAD_BYTES 12
#define XOS_MUX_PAYLOAD_BYTES_MAX 65536
#define XOS_MUX_TEXT_BYTES_MAX (XOS_ERROR_TEXT_MAX - 1) /* of a RESET or GOAWAY */
#define XOS_MUX_SMALL_BYTES 12                          /* longest payload of a control frame */
#define XOS_MUX_HELLO_BYTES_MAX 64                      /* room for what later versions append */

enum xos_mux_type {
    XOS_MUX_NONE,
    XOS_MUX_HELLO,
    XOS_MUX_OPEN,
    XOS_MUX_ACCEPT,
    XOS_MUX_DATA,
    XOS_MUX_CREDIT,
    XOS_MUX_END,
    XOS_MUX_RESET,
    XOS_MUX_PING,
    XOS_MUX_PONG,
    XOS_MUX_GOAWAY,
    XOS_MUX_TYPES
};

/* A frame to be sent is its header, then small, then payload. */
struct xos_mux_frame {
    uint8_t head[XOS_MUX_HEAD_BYTES];
    uint8_t small[XOS_MUX_SMALL_BYTES];
    size_t small_len;
    struct xos_slice payload; /* borrowed */
};

struct xos_mux_head {
    uint32_t length; /* bytes of payload */
    uint32_t stream;
    enum xos_mux_type type;
};

struct xos_mux_hello {
    uint16_t version_min, version_max;
    uint32_t window_bytes;
    uint32_t streams_max;
};

const char *xos_mux_type_name(enum xos_mux_type type);

/* Fill *f's header for what its small part and payload hold. */
void xos_mux_frame_seal(struct xos_mux_frame *f, enum xos_mux_type type, uint32_t stream);
void xos_mux_frame_hello(struct xos_mux_frame *f, const struct xos_mux_hello *hello);
void xos_mux_frame_credit(struct xos_mux_frame *f, uint32_t stream, uint32_t bytes);
/* RESET and GOAWAY; text is borrowed and cut at XOS_MUX_TEXT_BYTES_MAX. */
void xos_mux_frame_reason(struct xos_mux_frame *f, enum xos_mux_type type, uint32_t stream,
                          enum xos_code code, const char *text);

/* Read a header and check all that can be checked without a state: type, length, flags, whether
 * the frame is one of a stream. XOS_PROTOCOL when it is not good. */
int xos_mux_head_read(const uint8_t bytes[static XOS_MUX_HEAD_BYTES], struct xos_mux_head *out,
                      struct xos_error *err);

/* Payloads, of a length that xos_mux_head_read allowed. */
int xos_mux_hello_read(struct xos_slice payload, struct xos_mux_hello *out, struct xos_error *err);
uint32_t xos_mux_credit_read(struct xos_slice payload);
/* Control characters in the text become '?': it will be shown to people. */
void xos_mux_reason_read(struct xos_slice payload, struct xos_error *out);

#endif
