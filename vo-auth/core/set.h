// SPDX-License-Identifier: Apache-2.0
/* set.h - a small set of byte strings, sorted by their bytes, without repeats: actions, path
 * prefixes, groups, roles, keys. The strings are borrowed. */
#ifndef VO_AUTH_CORE_SET_H
#define VO_AUTH_CORE_SET_H

#include "libxos/base/buf.h"

#include <protobuf-c/protobuf-c.h>

#define AUTH_SET_ENTRIES_MAX 32

struct auth_set {
    struct xos_slice at[AUTH_SET_ENTRIES_MAX];
    size_t count;
};

/* Is `entry` fit for this set? */
typedef bool (*auth_set_valid_f)(struct xos_slice entry);

/* <0, 0, >0 by bytes, the shorter first. */
int auth_slice_compare(struct xos_slice a, struct xos_slice b);

/* XOS_LIMIT when full, XOS_EXISTS when there. */
int auth_set_add(struct auth_set *set, struct xos_slice entry, struct xos_error *err);
bool auth_set_has(const struct auth_set *set, struct xos_slice entry);
bool auth_set_within(const struct auth_set *narrow, const struct auth_set *wide);

/* From and to a repeated field. Reading refuses (XOS_PROTOCOL, XOS_LIMIT) what is not sorted, has
 * a repeat, is too much, or is not valid; `noun` is for the error. */
int auth_set_read(struct auth_set *set, size_t count, const ProtobufCBinaryData *from,
                  auth_set_valid_f valid, const char *noun, struct xos_error *err);
/* `to` has room for AUTH_SET_ENTRIES_MAX. Returns the count. */
size_t auth_set_write(const struct auth_set *set, ProtobufCBinaryData *to);

#endif
