// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/order.h"

_Static_assert(sizeof(struct order) % 8 == 0, "strings follow it");
_Static_assert(SHIM_FD_END <= 32, "a bit each");

static const struct wire_blob_rule rules[ORDER_BLOBS] = {
    [ORDER_ARGV] = {"argv", EXECD_MESSAGE_BYTES_MAX, 1, EXECD_ARGS_MAX},
    [ORDER_ENVP] = {"envp", EXECD_MESSAGE_BYTES_MAX, 0, EXECD_ARGS_MAX},
    [ORDER_CWD] = {"cwd", EXECD_PATH_BYTES_MAX, 0, 1},
    [ORDER_INIT] = {"init", EXECD_PATH_BYTES_MAX, 1, 1},
    [ORDER_ROOT] = {"root", EXECD_PATH_BYTES_MAX, 0, 1},
    [ORDER_SCRATCH] = {"scratch", EXECD_PATH_BYTES_MAX, 0, 1},
    [ORDER_HIDE] = {"hide", 8 * EXECD_PATH_BYTES_MAX, 0, ORDER_PATHS_MAX},
    [ORDER_BIND] = {"bind", 8 * EXECD_PATH_BYTES_MAX, 0, ORDER_PATHS_MAX},
};

const char *order_check(const void *data, size_t bytes)
{
    const struct order *o = data;
    if (bytes < sizeof(*o) || bytes > ORDER_BYTES_MAX)
        return "size";
    if (o->magic != ORDER_MAGIC || o->version != ORDER_VERSION || o->bytes != bytes)
        return "head";
    if (!exec_unit_valid(o->unit))
        return "unit";
    return wire_blobs_check(data, bytes, sizeof(*o), o->blobs, rules, ORDER_BLOBS);
}

static int put_copy(struct order *o, size_t *end, enum order_blob to, const struct execd_request *r,
                    enum execd_blob from)
{
    const struct wire_blob *b = &r->blobs[from];
    return wire_blob_put(o, ORDER_BYTES_MAX, end, &o->blobs[to], (const char *)r + b->offset,
                         b->bytes, b->count);
}

static int put_text(struct order *o, size_t *end, enum order_blob to, const char *text)
{
    const char *list[] = {text, NULL};
    return wire_blob_put_strings(o, ORDER_BYTES_MAX, end, &o->blobs[to], list);
}

int order_finish(struct order *o, const struct execd_request *r, const struct order_paths *p)
{
    size_t end = sizeof(*o), max = ORDER_BYTES_MAX;
    o->magic = ORDER_MAGIC;
    o->version = ORDER_VERSION;
    if (put_copy(o, &end, ORDER_ARGV, r, EXECD_ARGV) < 0 ||
        put_copy(o, &end, ORDER_ENVP, r, EXECD_ENVP) < 0 ||
        put_copy(o, &end, ORDER_CWD, r, EXECD_CWD) < 0 ||
        put_text(o, &end, ORDER_INIT, p->init) < 0 || put_text(o, &end, ORDER_ROOT, p->root) < 0 ||
        put_text(o, &end, ORDER_SCRATCH, p->scratch) < 0 ||
        wire_blob_put_strings(o, max, &end, &o->blobs[ORDER_HIDE], p->hide) < 0 ||
        wire_blob_put_strings(o, max, &end, &o->blobs[ORDER_BIND], p->bind) < 0)
        return -1;
    o->bytes = (uint32_t)end;
    return order_check(o, end) ? -1 : 0;
}
