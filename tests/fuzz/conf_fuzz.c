// SPDX-License-Identifier: Apache-2.0
/* Any text is either a configuration whose every value is in its bounds, or one line of error that
 * begins with the file's name. */
#include "libxos/base/alloc.h"
#include "libxos/base/conf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct xos_conf_key table[] = {
    {"node", "name", XOS_CONF_TEXT, NULL, 0, 0, ""},
    {"node", "cpus", XOS_CONF_NUMBER, "1", 1, 4096, ""},
    {"node", "mem", XOS_CONF_SIZE, "1MiB", 1 << 20, 1ull << 40, ""},
    {"net", "seeds", XOS_CONF_TEXT, NULL, 0, 0, ""},
    {"net", "quiet", XOS_CONF_BOOL, "no", 0, 0, ""},
    {"limits", "grace", XOS_CONF_DURATION, "1s", 1000, 3600000, ""},
    {"limits", "kept", XOS_CONF_PERCENT, "5", 0, 0, ""},
};

static void values_hold(const struct xos_conf *c)
{
    uint64_t cpus = xos_conf_number(c, "node", "cpus"), mem = xos_conf_number(c, "node", "mem");
    uint64_t grace = xos_conf_number(c, "limits", "grace");
    assert(cpus >= 1 && cpus <= 4096);
    assert(mem >= 1 << 20 && mem <= 1ull << 40);
    assert(grace >= 1000 && grace <= 3600000);
    assert(xos_conf_number(c, "limits", "kept") <= 100);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xos_error err = {0};
    struct xos_conf *c = NULL;
    uint64_t live = xos_alloc_live();
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    if (xos_conf_parse(&c, table, sizeof(table) / sizeof(table[0]), text, "f.conf", &err) == 0)
        values_hold(c);
    else {
        assert(!c && strncmp(err.text, "f.conf:", 7) == 0 && !strchr(err.text, '\n'));
        assert(err.code == XOS_INVALID || err.code == XOS_LIMIT);
    }
    xos_conf_free(c);
    free(text);
    assert(xos_alloc_live() == live);
    return 0;
}
