// SPDX-License-Identifier: Apache-2.0
/* field.h - single fields of signed messages: names, hashes, times. Reading checks everything;
 * `noun` names the field in the error (XOS_PROTOCOL). */
#ifndef VO_AUTH_CORE_FIELD_H
#define VO_AUTH_CORE_FIELD_H

#include "vo-auth/core/profile.h"

#include <protobuf-c/protobuf-c.h>

#define AUTH_TIME_MS_MAX INT64_C(253402300799000) /* the end of the year 9999 */

/* A name as text, to encode. */
struct auth_name_text {
    char text[AUTH_NAME_BYTES_MAX + 1];
};

int auth_field_name(struct auth_name *out, enum auth_name_kind kind, ProtobufCBinaryData from,
                    const char *noun, struct xos_error *err);
/* A VO, group or role; empty gives kind NONE. */
int auth_field_acting(struct auth_name *out, ProtobufCBinaryData from, const char *noun,
                      struct xos_error *err);
/* Exactly len bytes. */
int auth_field_bytes(uint8_t *out, size_t len, ProtobufCBinaryData from, const char *noun,
                     struct xos_error *err);
/* In 1 … AUTH_TIME_MS_MAX. */
int auth_field_time(int64_t *out, uint64_t from, const char *noun, struct xos_error *err);

/* Borrowed by the result. A name of kind NONE is empty. */
ProtobufCBinaryData auth_field_of_name(const struct auth_name *name, struct auth_name_text *text);
ProtobufCBinaryData auth_field_of_bytes(const void *data, size_t len);

/* A time span that a signer states, against this side's clock: begun (give or take
 * AUTH_SKEW_MS_MAX), not over, not longer than life_ms_max. XOS_CLOCK, XOS_EXPIRED, XOS_DENIED;
 * the text shows the times. */
int auth_span_check(int64_t from_ms, int64_t to_ms, int64_t now_ms, int64_t life_ms_max,
                    const char *noun, struct xos_error *err);

#endif
