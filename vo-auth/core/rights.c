// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/core/rights.h"

#include "vo-auth/core/name.h"

#include <string.h>

bool auth_action_valid(struct xos_slice action)
{
    return auth_name_part_valid(action);
}

static bool component_valid(const uint8_t *at, size_t len)
{
    return len > 0 && !(len == 1 && at[0] == '.') && !(len == 2 && at[0] == '.' && at[1] == '.');
}

bool auth_path_valid(struct xos_slice path)
{
    if (path.len == 0 || path.len > AUTH_PATH_BYTES_MAX || path.data[0] != '/' ||
        memchr(path.data, '\0', path.len))
        return false;
    size_t at = 1;
    while (path.len > 1 && at <= path.len) {
        const uint8_t *slash = at < path.len ? memchr(path.data + at, '/', path.len - at) : NULL;
        size_t end = slash ? (size_t)(slash - path.data) : path.len;
        if (!component_valid(path.data + at, end - at))
            return false;
        at = end + 1;
    }
    return true;
}

bool auth_path_within(struct xos_slice path, struct xos_slice prefix)
{
    if (!auth_path_valid(path) || !auth_path_valid(prefix))
        return false;
    if (prefix.len == 1)
        return true;
    return path.len >= prefix.len && memcmp(path.data, prefix.data, prefix.len) == 0 &&
           (path.len == prefix.len || path.data[prefix.len] == '/');
}

/* Length of the longest prefix in the set that covers path; 0: none does. */
static size_t longest(const struct auth_set *set, struct xos_slice path)
{
    size_t best = 0;
    for (size_t i = 0; i < set->count; i++)
        if (set->at[i].len > best && auth_path_within(path, set->at[i]))
            best = set->at[i].len;
    return best;
}

static bool allows_path(const struct auth_rights *r, struct xos_slice path, bool change)
{
    size_t rw = longest(&r->rw, path), ro = longest(&r->ro, path);
    return change ? rw > ro : rw || ro;
}

int auth_rights_check_action(const struct auth_rights *r, struct xos_slice action,
                             struct xos_error *err)
{
    char quoted[AUTH_QUOTE_BYTES];
    if (auth_set_has(&r->actions, action))
        return 0;
    return xos_fail(err, XOS_DENIED, "the grant does not allow %s", auth_quote(action, quoted));
}

int auth_rights_check_path(const struct auth_rights *r, struct xos_slice path, bool change,
                           struct xos_error *err)
{
    char quoted[AUTH_QUOTE_BYTES];
    if (allows_path(r, path, change))
        return 0;
    return xos_fail(err, XOS_DENIED, "the grant does not allow to %s %s",
                    change ? "change" : "read", auth_quote(path, quoted));
}

/* May all that `narrow` may change by this prefix be changed by `wide`? What `wide` takes out of it
 * `narrow` must have taken out too; a longer prefix below that is looked at in its own turn. */
static bool change_within(struct xos_slice prefix, const struct auth_rights *narrow,
                          const struct auth_rights *wide)
{
    if (!allows_path(wide, prefix, true))
        return false;
    for (size_t i = 0; i < wide->ro.count; i++) {
        struct xos_slice out = wide->ro.at[i];
        if (!auth_path_within(out, prefix) || out.len == prefix.len)
            continue;
        if (allows_path(narrow, out, true))
            return false;
    }
    return true;
}

bool auth_rights_within(const struct auth_rights *narrow, const struct auth_rights *wide)
{
    if (!auth_set_within(&narrow->actions, &wide->actions))
        return false;
    for (size_t i = 0; i < narrow->rw.count; i++)
        if (!change_within(narrow->rw.at[i], narrow, wide))
            return false;
    for (size_t i = 0; i < narrow->ro.count; i++)
        if (!allows_path(wide, narrow->ro.at[i], false))
            return false;
    return true;
}

int auth_rights_valid(const struct auth_rights *r, struct xos_error *err)
{
    for (size_t i = 0; i < r->rw.count; i++)
        if (auth_set_has(&r->ro, r->rw.at[i]))
            return xos_fail(err, XOS_PROTOCOL, "a path is both rw and ro");
    return 0;
}
