// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a strange machine, or a container that shows made-up files, stops its node.
 *
 * The input is lines; the n-th thing that the probe reads (file, link or name of a PCI function) is
 * the n-th line, with '\1' for a line end inside it. A line that begins with '!' is not there. */
#include "discovery/probe/probe.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t *rest;
static size_t left;

/* The next line; false when there is none, or it says that nothing is there. */
static bool next_line(struct xos_buf *out, struct xos_error *err)
{
    const uint8_t *end = left ? memchr(rest, '\n', left) : NULL;
    size_t n = end ? (size_t)(end - rest) : left;
    if (n == 0 || rest[0] == '!' || xos_buf_add(out, rest, n, err) < 0) {
        (void)xos_fail(err, XOS_NOT_FOUND, "nothing there");
        n = left ? n : 0;
        out->len = 0;
    }
    bool there = out->len > 0;
    for (size_t i = 0; i < out->len; i++)
        if (out->data[i] == 1)
            out->data[i] = '\n';
    n += end != NULL;
    rest += n;
    left -= n;
    return there;
}

static int fuzz_dir_open(struct xos_env *env, const char *path, struct xos_error *err)
{
    (void)env;
    (void)path;
    (void)err;
    return 1;
}

static int fuzz_read(struct xos_env *env, int dir, const char *path, struct xos_buf *out,
                     struct xos_error *err)
{
    (void)env;
    (void)dir;
    (void)path;
    return next_line(out, err) ? 0 : -1;
}

static int fuzz_list(struct xos_env *env, int dir, const char *path, xos_env_entry_f each,
                     void *arg, struct xos_error *err)
{
    struct xos_buf name = XOS_BUF(4096);
    (void)env;
    (void)dir;
    (void)path;
    for (bool more = true; more; xos_buf_clear(&name))
        more = next_line(&name, err) && each((const char *)name.data, arg) == 0;
    xos_buf_free(&name);
    return 0;
}

static int fuzz_disk(struct xos_env *env, int dir, struct xos_disk *out, struct xos_error *err)
{
    (void)env;
    (void)dir;
    (void)err;
    *out = (struct xos_disk){.free_bytes = left};
    return 0;
}

static void fuzz_close(struct xos_env *env, int fd)
{
    (void)env;
    (void)fd;
}

static const struct xos_env_ops ops = {
    .dir_open = fuzz_dir_open,
    .file_read = fuzz_read,
    .link_read = fuzz_read,
    .dir_list = fuzz_list,
    .disk_free = fuzz_disk,
    .close = fuzz_close,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xos_env env = {&ops};
    struct xos_error err;
    struct xql_row row = {0};
    json_t *json = NULL;
    const struct probe_options options = {
        .root = "/", .state_dir = "/x", .may_enforce = true, .is_root = true};
    rest = data;
    left = size;
    if (probe_node(&env, &options, &row, &err) < 0 || xql_row_json(&row, &json, &err) < 0)
        abort();
    json_decref(json);
    xql_row_free(&row);
    return 0;
}
