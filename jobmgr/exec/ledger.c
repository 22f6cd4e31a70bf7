// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/ledger.h"

#include "jobmgr/exec/execsys.h"
#include "jobmgr/exec/shim_wire.h"
#include "libxos/base/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEDGER_MAGIC UINT32_C(0x4c534f58) /* "XOSL" */
#define LEDGER_VERSION 1

_Static_assert(sizeof(struct ledger_entry) == 152, "part of the format");

int ledger_entry_check(const void *data, size_t bytes)
{
    const struct ledger_entry *e = data;
    if (bytes != sizeof(*e) || e->magic != LEDGER_MAGIC || e->version != LEDGER_VERSION)
        return -1;
    if (e->crc != exec_crc32c(e, offsetof(struct ledger_entry, crc)))
        return -1;
    return exec_unit_valid(e->unit) && memchr(e->slot, 0, sizeof(e->slot)) ? 0 : -1;
}

int ledger_write(int dir, struct ledger_entry *e, struct xos_error *err)
{
    e->magic = LEDGER_MAGIC;
    e->version = LEDGER_VERSION;
    e->crc = exec_crc32c(e, offsetof(struct ledger_entry, crc));
    /* The shim's pid counts for this boot only; that the unit was here, for longer. */
    enum sys_durability durability = e->shim_pid ? SYS_THIS_BOOT : SYS_DURABLE;
    if (sys_replace(dir, e->unit, e, sizeof(*e), 0600, durability) < 0)
        return xos_fail_errno(err, "ledger of %s", e->unit);
    return 0;
}

int ledger_read(int dir, const char *unit, struct ledger_entry *out, struct xos_error *err)
{
    char data[sizeof(*out) + 1];
    ssize_t n = sys_read_file(dir, unit, data, sizeof(data));
    if (n < 0)
        return xos_fail_errno(err, "ledger of %s", unit);
    if (ledger_entry_check(data, (size_t)n) < 0)
        return xos_fail(err, XOS_CORRUPT, "ledger of %s", unit);
    memcpy(out, data, sizeof(*out));
    return 0;
}

int ledger_remove(int dir, const char *unit, struct xos_error *err)
{
    if (unlinkat(dir, unit, 0) < 0 && errno != ENOENT)
        return xos_fail_errno(err, "ledger of %s", unit);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strncmp(a, b, EXEC_UNIT_BYTES);
}

static int names_add(struct ledger_names *n, size_t *room, const char *name, struct xos_error *err)
{
    if (n->count == *room) {
        size_t more = *room ? *room * 2 : 64;
        void *grown = xos_realloc_array(n->name, more, sizeof(*n->name));
        if (!grown)
            return xos_fail(err, XOS_NOMEM, "ledger");
        n->name = grown;
        *room = more;
    }
    memset(n->name[n->count], 0, EXEC_UNIT_BYTES);
    memcpy(n->name[n->count++], name, strlen(name));
    return 0;
}

int ledger_names(int dir, struct ledger_names *out, struct xos_error *err)
{
    size_t room = 0;
    *out = (struct ledger_names){0};
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d) {
        (void)xos_fail_errno(err, "ledger");
        if (copy >= 0)
            close(copy);
        return -1;
    }
    struct dirent *e;
    int rc = 0;
    while (rc == 0 && out->count < LEDGER_UNITS_MAX && (e = readdir(d)))
        if (e->d_name[0] != '.' && strlen(e->d_name) < EXEC_UNIT_BYTES)
            rc = names_add(out, &room, e->d_name, err);
    closedir(d);
    if (rc < 0)
        ledger_names_free(out);
    else if (out->count)
        qsort(out->name, out->count, sizeof(*out->name), by_name);
    return rc;
}

void ledger_sweep(int dir)
{
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *e;
    while (d && (e = readdir(d)))
        if (e->d_name[0] == '.' && e->d_name[1] != 0 && strcmp(e->d_name, "..") != 0)
            (void)unlinkat(dir, e->d_name, 0);
    if (d)
        closedir(d);
    else if (copy >= 0)
        close(copy);
}

void ledger_names_free(struct ledger_names *n)
{
    xos_free(n->name);
    *n = (struct ledger_names){0};
}
