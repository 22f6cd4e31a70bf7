// SPDX-License-Identifier: Apache-2.0
#include "libxos/env/account.h"

#include "libxos/base/units.h"

#include <ctype.h>
#include <grp.h>
#include <pwd.h>

#define ACCOUNT_ENTRY_BYTES_MAX 16384 /* of one entry, a group's members included */

static bool is_number(const char *text)
{
    return isdigit((unsigned char)text[0]) != 0;
}

static int number(const char *text, uint32_t *id, struct xos_error *err)
{
    uint64_t value;
    /* The largest is "no change" to chown and setuid. */
    if (xos_parse_u64(text, 0, UINT32_MAX - 1, &value, err) < 0)
        return -1;
    *id = (uint32_t)value;
    return 0;
}

int xos_account_user(const char *text, uint32_t *uid, struct xos_error *err)
{
    char bytes[ACCOUNT_ENTRY_BYTES_MAX];
    struct passwd entry, *found = NULL;
    if (is_number(text))
        return number(text, uid, err);
    if (getpwnam_r(text, &entry, bytes, sizeof(bytes), &found) != 0 || !found)
        return xos_fail(err, XOS_NOT_FOUND, "no user is called \"%.32s\" here", text);
    *uid = entry.pw_uid;
    return 0;
}

int xos_account_group(const char *text, uint32_t *gid, struct xos_error *err)
{
    char bytes[ACCOUNT_ENTRY_BYTES_MAX];
    struct group entry, *found = NULL;
    if (is_number(text))
        return number(text, gid, err);
    if (getgrnam_r(text, &entry, bytes, sizeof(bytes), &found) != 0 || !found)
        return xos_fail(err, XOS_NOT_FOUND, "no group is called \"%.32s\" here", text);
    *gid = entry.gr_gid;
    return 0;
}
