// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/mux_frame.h"

#include <assert.h>
#include <string.h>

#define HELLO_BYTES 12
#define REASON_CODE_BYTES 2
#define REASON_BYTES_MAX (REASON_CODE_BYTES + XOS_MUX_TEXT_BYTES_MAX)

struct type_row {
    const char *name;
    uint32_t length_min, length_max;
    bool of_stream;
};

static const struct type_row type_table[XOS_MUX_TYPES] = {
    [XOS_MUX_HELLO] = {"HELLO", HELLO_BYTES, XOS_MUX_HELLO_BYTES_MAX, false},
    [XOS_MUX_OPEN] = {"OPEN", 0, XOS_MUX_PAYLOAD_BYTES_MAX, true},
    [XOS_MUX_ACCEPT] = {"ACCEPT", 0, 0, true},
    [XOS_MUX_DATA] = {"DATA", 1, XOS_MUX_PAYLOAD_BYTES_MAX, true},
    [XOS_MUX_CREDIT] = {"CREDIT", 4, 4, true},
    [XOS_MUX_END] = {"END", 0, 0, true},
    [XOS_MUX_RESET] = {"RESET", REASON_CODE_BYTES, REASON_BYTES_MAX, true},
    [XOS_MUX_PING] = {"PING", 8, 8, false},
    [XOS_MUX_PONG] = {"PONG", 8, 8, false},
    [XOS_MUX_GOAWAY] = {"GOAWAY", REASON_CODE_BYTES, REASON_BYTES_MAX, false},
};

static void put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, (uint16_t)(value >> 16));
    put16(at + 2, (uint16_t)value);
}

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

const char *xos_mux_type_name(enum xos_mux_type type)
{
    assert(type > XOS_MUX_NONE && type < XOS_MUX_TYPES);
    return type_table[type].name;
}

void xos_mux_frame_seal(struct xos_mux_frame *f, enum xos_mux_type type, uint32_t stream)
{
    size_t length = f->small_len + f->payload.len;
    assert(length >= type_table[type].length_min && length <= type_table[type].length_max);
    assert((stream != 0) == type_table[type].of_stream);
    memset(f->head, 0, sizeof(f->head));
    put32(f->head, (uint32_t)length);
    put32(f->head + 4, stream);
    f->head[8] = (uint8_t)type;
}

void xos_mux_frame_hello(struct xos_mux_frame *f, const struct xos_mux_hello *hello)
{
    put16(f->small, hello->version_min);
    put16(f->small + 2, hello->version_max);
    put32(f->small + 4, hello->window_bytes);
    put32(f->small + 8, hello->streams_max);
    f->small_len = HELLO_BYTES;
    xos_mux_frame_seal(f, XOS_MUX_HELLO, 0);
}

void xos_mux_frame_credit(struct xos_mux_frame *f, uint32_t stream, uint32_t bytes)
{
    put32(f->small, bytes);
    f->small_len = 4;
    xos_mux_frame_seal(f, XOS_MUX_CREDIT, stream);
}

void xos_mux_frame_reason(struct xos_mux_frame *f, enum xos_mux_type type, uint32_t stream,
                          enum xos_code code, const char *text)
{
    put16(f->small, (uint16_t)code);
    f->small_len = REASON_CODE_BYTES;
    f->payload = (struct xos_slice){(const uint8_t *)text, strnlen(text, XOS_MUX_TEXT_BYTES_MAX)};
    xos_mux_frame_seal(f, type, stream);
}

int xos_mux_head_read(const uint8_t bytes[static XOS_MUX_HEAD_BYTES], struct xos_mux_head *out,
                      struct xos_error *err)
{
    struct xos_mux_head h = {get32(bytes), get32(bytes + 4), XOS_MUX_NONE};
    unsigned type = bytes[8];
    if (type == XOS_MUX_NONE || type >= XOS_MUX_TYPES)
        return xos_fail(err, XOS_PROTOCOL, "a frame of unknown type %u", type);
    const struct type_row *row = &type_table[type];
    if (bytes[9] || bytes[10] || bytes[11])
        return xos_fail(err, XOS_PROTOCOL, "a %s frame with unknown flags", row->name);
    if (h.length < row->length_min || h.length > row->length_max)
        return xos_fail(err, XOS_PROTOCOL, "a %s frame of %u bytes (%u to %u are allowed)",
                        row->name, h.length, row->length_min, row->length_max);
    if ((h.stream != 0) != row->of_stream)
        return xos_fail(err, XOS_PROTOCOL, "a %s frame for stream %u", row->name, h.stream);
    h.type = (enum xos_mux_type)type;
    *out = h;
    return 0;
}

int xos_mux_hello_read(struct xos_slice payload, struct xos_mux_hello *out, struct xos_error *err)
{
    assert(payload.len >= HELLO_BYTES);
    const uint8_t *at = payload.data;
    struct xos_mux_hello h = {get16(at), get16(at + 2), get32(at + 4), get32(at + 8)};
    if (h.version_min == 0 || h.version_min > h.version_max)
        return xos_fail(err, XOS_PROTOCOL, "HELLO with versions %u to %u", h.version_min,
                        h.version_max);
    if (h.window_bytes == 0 || h.window_bytes > INT32_MAX)
        return xos_fail(err, XOS_PROTOCOL, "HELLO with a window of %u bytes", h.window_bytes);
    *out = h;
    return 0;
}

uint32_t xos_mux_credit_read(struct xos_slice payload)
{
    assert(payload.len == 4);
    return get32(payload.data);
}

void xos_mux_reason_read(struct xos_slice payload, struct xos_error *out)
{
    assert(payload.len >= REASON_CODE_BYTES && payload.len <= REASON_BYTES_MAX);
    size_t len = payload.len - REASON_CODE_BYTES;
    out->code = xos_code_from_wire(get16(payload.data));
    for (size_t i = 0; i < len; i++) {
        uint8_t c = payload.data[REASON_CODE_BYTES + i];
        out->text[i] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
    }
    out->text[len] = '\0';
}
