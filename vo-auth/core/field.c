// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/core/field.h"

#include "libxos/base/units.h"

#include <string.h>

static struct xos_slice slice_of(ProtobufCBinaryData from)
{
    return (struct xos_slice){from.data, from.len};
}

/* A bad name inside a message is the peer's fault, not the caller's. */
static int bad_name(const char *noun, struct xos_error *err)
{
    if (err)
        err->code = XOS_PROTOCOL;
    return xos_wrap(err, "%s", noun);
}

int auth_field_name(struct auth_name *out, enum auth_name_kind kind, ProtobufCBinaryData from,
                    const char *noun, struct xos_error *err)
{
    return auth_name_parse(out, kind, slice_of(from), NULL, err) < 0 ? bad_name(noun, err) : 0;
}

int auth_field_acting(struct auth_name *out, ProtobufCBinaryData from, const char *noun,
                      struct xos_error *err)
{
    if (from.len == 0) {
        *out = (struct auth_name){.kind = AUTH_NAME_NONE};
        return 0;
    }
    return auth_name_parse_acting(out, slice_of(from), NULL, err) < 0 ? bad_name(noun, err) : 0;
}

int auth_field_bytes(uint8_t *out, size_t len, ProtobufCBinaryData from, const char *noun,
                     struct xos_error *err)
{
    if (from.len != len)
        return xos_fail(err, XOS_PROTOCOL, "%s: %zu bytes instead of %zu", noun, from.len, len);
    memcpy(out, from.data, len);
    return 0;
}

int auth_field_time(int64_t *out, uint64_t from, const char *noun, struct xos_error *err)
{
    if (from == 0 || from > (uint64_t)AUTH_TIME_MS_MAX)
        return xos_fail(err, XOS_PROTOCOL, "%s: not a time", noun);
    *out = (int64_t)from;
    return 0;
}

ProtobufCBinaryData auth_field_of_bytes(const void *data, size_t len)
{
    return (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)data};
}

ProtobufCBinaryData auth_field_of_name(const struct auth_name *name, struct auth_name_text *text)
{
    if (name->kind == AUTH_NAME_NONE)
        return (ProtobufCBinaryData){0, NULL};
    auth_name_print(name, text->text);
    return auth_field_of_bytes(text->text, strlen(text->text));
}

int auth_span_check(int64_t from_ms, int64_t to_ms, int64_t now_ms, int64_t life_ms_max,
                    const char *noun, struct xos_error *err)
{
    char at[XOS_TIME_TEXT_MAX], off[XOS_TIME_TEXT_MAX];
    if (to_ms <= from_ms)
        return xos_fail(err, XOS_DENIED, "%s ends before it begins", noun);
    if (to_ms - from_ms > life_ms_max) {
        xos_format_duration((uint64_t)life_ms_max, off, sizeof(off));
        return xos_fail(err, XOS_DENIED, "%s lives longer than %s", noun, off);
    }
    if (from_ms - now_ms > AUTH_SKEW_MS_MAX) {
        xos_format_time(from_ms, at, sizeof(at));
        xos_format_duration((uint64_t)(from_ms - now_ms), off, sizeof(off));
        return xos_fail(err, XOS_CLOCK,
                        "%s begins at %s, which is %s ahead of the clock here; 60s are allowed: "
                        "compare the two clocks",
                        noun, at, off);
    }
    if (now_ms - to_ms > AUTH_SKEW_MS_MAX) {
        xos_format_time(to_ms, at, sizeof(at));
        xos_format_duration((uint64_t)(now_ms - to_ms), off, sizeof(off));
        return xos_fail(err, XOS_EXPIRED, "%s ended at %s, %s ago by the clock here", noun, at,
                        off);
    }
    return 0;
}
