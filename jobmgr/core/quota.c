// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/core/quota.h"

#include "libxos/base/alloc.h"

#define uthash_malloc(size) xos_alloc(size)
#define uthash_free(block, size) xos_free(block)
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) ((entry)->count = 0)

#include <assert.h>
#include <string.h>
#include <uthash.h>

struct entry {
    uint32_t count; /* 0 after an add: there was no memory for the table */
    UT_hash_handle hh;
    char name[];
};

struct quota {
    struct entry *entries;
};

int quota_new(struct quota **out, struct xos_error *err)
{
    *out = xos_alloc(sizeof(**out));
    return *out ? 0 : xos_fail(err, XOS_NOMEM, "quota");
}

static void entry_free(struct quota *q, struct entry *e)
{
    HASH_DEL(q->entries, e);
    xos_free(e);
}

void quota_free(struct quota *q)
{
    if (!q)
        return;
    while (q->entries)
        entry_free(q, q->entries);
    xos_free(q);
}

static struct entry *find(const struct quota *q, const char *name)
{
    struct entry *e;
    HASH_FIND_STR(q->entries, name, e);
    return e;
}

static int entry_new(struct quota *q, const char *name, struct xos_error *err)
{
    size_t bytes = strlen(name) + 1;
    struct entry *e = xos_alloc(sizeof(*e) + bytes);
    if (!e)
        return xos_fail(err, XOS_NOMEM, "quota of %.60s", name);
    e->count = 1;
    memcpy(e->name, name, bytes);
    HASH_ADD_STR(q->entries, name, e);
    if (e->count)
        return 0;
    xos_free(e);
    return xos_fail(err, XOS_NOMEM, "quota of %.60s", name);
}

int quota_add(struct quota *q, const char *name, struct xos_error *err)
{
    struct entry *e = find(q, name);
    if (!name[0])
        return 0;
    if (!e)
        return entry_new(q, name, err);
    e->count++;
    return 0;
}

void quota_remove(struct quota *q, const char *name)
{
    struct entry *e = find(q, name);
    if (!name[0])
        return;
    assert(e && e->count);
    if (--e->count == 0)
        entry_free(q, e);
}

uint32_t quota_count(const struct quota *q, const char *name)
{
    const struct entry *e = find(q, name);
    return e ? e->count : 0;
}

size_t quota_names(const struct quota *q)
{
    return HASH_COUNT(q->entries);
}
