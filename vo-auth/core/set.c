// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/core/set.h"

#include <string.h>

int auth_slice_compare(struct xos_slice a, struct xos_slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int by = common ? memcmp(a.data, b.data, common) : 0;
    return by ? by : (a.len > b.len) - (a.len < b.len);
}

/* Where `entry` is, or would go. */
static size_t place(const struct auth_set *set, struct xos_slice entry)
{
    size_t i = 0;
    while (i < set->count && auth_slice_compare(set->at[i], entry) < 0)
        i++;
    return i;
}

bool auth_set_has(const struct auth_set *set, struct xos_slice entry)
{
    size_t i = place(set, entry);
    return i < set->count && auth_slice_compare(set->at[i], entry) == 0;
}

int auth_set_add(struct auth_set *set, struct xos_slice entry, struct xos_error *err)
{
    if (auth_set_has(set, entry))
        return xos_fail(err, XOS_EXISTS, "an entry is given twice");
    if (set->count == AUTH_SET_ENTRIES_MAX)
        return xos_fail(err, XOS_LIMIT, "more than %d entries", AUTH_SET_ENTRIES_MAX);
    size_t i = place(set, entry);
    memmove(&set->at[i + 1], &set->at[i], (set->count - i) * sizeof(set->at[0]));
    set->at[i] = entry;
    set->count++;
    return 0;
}

bool auth_set_within(const struct auth_set *narrow, const struct auth_set *wide)
{
    for (size_t i = 0; i < narrow->count; i++)
        if (!auth_set_has(wide, narrow->at[i]))
            return false;
    return true;
}

int auth_set_read(struct auth_set *set, size_t count, const ProtobufCBinaryData *from,
                  auth_set_valid_f valid, const char *noun, struct xos_error *err)
{
    if (count > AUTH_SET_ENTRIES_MAX)
        return xos_fail(err, XOS_LIMIT, "%s: %zu entries; at most %d", noun, count,
                        AUTH_SET_ENTRIES_MAX);
    *set = (struct auth_set){.count = count};
    for (size_t i = 0; i < count; i++) {
        set->at[i] = (struct xos_slice){from[i].data, from[i].len};
        if (!valid(set->at[i]))
            return xos_fail(err, XOS_PROTOCOL, "%s: entry %zu is not well formed", noun, i);
        if (i > 0 && auth_slice_compare(set->at[i - 1], set->at[i]) >= 0)
            return xos_fail(err, XOS_PROTOCOL, "%s: not sorted, or one twice", noun);
    }
    return 0;
}

size_t auth_set_write(const struct auth_set *set, ProtobufCBinaryData *to)
{
    for (size_t i = 0; i < set->count; i++)
        to[i] = (ProtobufCBinaryData){set->at[i].len, (uint8_t *)(uintptr_t)set->at[i].data};
    return set->count;
}
