// SPDX-License-Identifier: Apache-2.0
/* peers_cut.c - cables that are pretended not to be there. */
#include "libxos/net/cut.h"

#include "xosd/peers_parts.h"

#include <string.h>

bool peers_is_cut(void *arg, const char *address)
{
    const struct peers *p = arg;
    return xos_cut_has(p->cut, address);
}

/* One address a line; what is not there cuts nothing. */
int peers_cut_read(struct peers *p, struct xos_error *err)
{
    static char texts[XOS_CUT_ADDRESSES_MAX][CONFIG_NAME_MAX];
    const char *list[XOS_CUT_ADDRESSES_MAX];
    struct xos_buf text = XOS_BUF(XOS_CONF_BYTES_MAX);
    struct xos_error why = {0};
    size_t count = 0;
    char path[CONFIG_TEXT_MAX];
    (void)memcpy(path, p->config.config->cut, sizeof(path));
    char *slash = strrchr(path, '/');
    if (!slash)
        return xos_fail(err, XOS_INVALID, "[net] cut: an absolute path is needed");
    *slash = '\0';
    int dir = xos_env_dir_open(p->env, slash == path ? "/" : path, err);
    int rc = dir < 0 ? -1 : xos_env_file_read(p->env, dir, slash + 1, &text, &why);
    xos_env_close(p->env, dir);
    if (dir >= 0 && rc < 0)
        rc = why.code == XOS_NOT_FOUND ? 0 : xos_fail(err, why.code, "%s", why.text);
    for (const char *at = (const char *)text.data; rc == 0 && at && *at;) {
        size_t n = strcspn(at, "\n");
        if (n && n < CONFIG_NAME_MAX && count < XOS_CUT_ADDRESSES_MAX) {
            memcpy(texts[count], at, n);
            texts[count][n] = '\0';
            list[count] = texts[count];
            count++;
        } else if (n) {
            rc = xos_fail(err, XOS_LIMIT, "[net] cut: more than %d addresses, or one too long",
                          XOS_CUT_ADDRESSES_MAX);
        }
        at += at[n] ? n + 1 : n;
    }
    xos_buf_free(&text);
    return rc == 0 ? xos_cut_set(p->cut, list, count, err)
                   : xos_wrap(err, "%s", p->config.config->cut);
}
