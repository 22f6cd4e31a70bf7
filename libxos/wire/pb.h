// SPDX-License-Identifier: Apache-2.0
/* pb.h - protobuf-c with a budget and, where security asks for it, without tolerance.
 *
 * A message from outside is first held against a size limit, then unpacked through an allocator
 * that gives out at most budget bytes and counts what it gave in the message's own arena, so that
 * one call frees all. Strict decoding is for what is signed for security (header, grant, attribute,
 * certificate extension): an unknown field anywhere in it, or bytes that are not exactly what
 * packing the message again yields, are refused. */
#ifndef XOS_WIRE_PB_H
#define XOS_WIRE_PB_H

#include "libxos/base/buf.h"

#include <protobuf-c/protobuf-c.h>

/* Memory that one decoded message may take, per byte of input, plus a little. protobuf-c notes each
 * field as it scans, in slabs that double: a list of empty words takes 48 per byte. */
#define XOS_PB_BUDGET_FACTOR 48
#define XOS_PB_BUDGET_BASE 4096

enum xos_pb_mode { XOS_PB_TOLERANT, XOS_PB_STRICT };

/* Decode. NULL and XOS_PROTOCOL (malformed), XOS_LIMIT (above bytes_max or the budget) or
 * XOS_NOMEM. The caller frees with xos_pb_free. */
void *xos_pb_unpack(const ProtobufCMessageDescriptor *type, struct xos_slice data, size_t bytes_max,
                    enum xos_pb_mode mode, struct xos_error *err);
void xos_pb_free(void *message); /* takes NULL; only what xos_pb_unpack returned */

/* Append the packed message to out. */
int xos_pb_pack(const void *message, struct xos_buf *out, struct xos_error *err);

/* Views between ProtobufCBinaryData and slices; nothing is copied. */
static inline struct xos_slice xos_pb_slice(ProtobufCBinaryData b)
{
    return (struct xos_slice){b.data, b.len};
}
static inline ProtobufCBinaryData xos_pb_bytes(struct xos_slice s)
{
    return (ProtobufCBinaryData){s.len, (uint8_t *)(uintptr_t)s.data};
}
ProtobufCBinaryData xos_pb_text(const char *text); /* NULL gives an empty one */

#endif
