// SPDX-License-Identifier: Apache-2.0
#include "cmd/lines.h"

#include "cmd/say.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t kept_bytes; /* by all of this process */

static void put(struct cmd_lines *l, const char *data, size_t bytes, cmd_lines_f emit, void *arg)
{
    char label[16];
    if (bytes == 0)
        return;
    if (l->labelled && !l->inside) {
        int n = snprintf(label, sizeof(label), "%" PRIu32 ": ", l->number);
        emit(arg, label, (size_t)n);
    }
    emit(arg, data, bytes);
    l->inside = data[bytes - 1] != '\n';
}

static void keep(struct cmd_lines *l, const char *data, size_t bytes)
{
    if (l->len + bytes > l->cap) {
        size_t cap = l->cap ? l->cap : 256;
        while (cap < l->len + bytes)
            cap *= 2;
        l->kept = cmd_need_more(l->kept, cap);
        l->cap = cap;
    }
    memcpy(l->kept + l->len, data, bytes);
    l->len += bytes;
    kept_bytes += bytes;
}

static void flush(struct cmd_lines *l, cmd_lines_f emit, void *arg)
{
    put(l, l->kept, l->len, emit, arg);
    kept_bytes -= l->len;
    l->len = 0;
}

static void free_kept(struct cmd_lines *l)
{
    free(l->kept);
    l->kept = NULL;
    l->cap = 0;
}

/* The end of a line, from its first bytes that were kept. */
static void finish_line(struct cmd_lines *l, const char *data, size_t bytes, cmd_lines_f emit,
                        void *arg)
{
    if (l->len == 0) {
        put(l, data, bytes, emit, arg);
        return;
    }
    keep(l, data, bytes);
    flush(l, emit, arg);
    free_kept(l);
}

/* Labels need each line on its own; without them all whole lines go out at once. */
static size_t line_bytes(const struct cmd_lines *l, const char *data, size_t bytes)
{
    bool one = l->labelled || l->len > 0;
    const char *end = one ? memchr(data, '\n', bytes) : memrchr(data, '\n', bytes);
    return end ? (size_t)(end - data) + 1 : 0;
}

void cmd_lines_add(struct cmd_lines *l, const char *data, size_t bytes, cmd_lines_f emit, void *arg)
{
    size_t n;
    while (bytes && (n = line_bytes(l, data, bytes))) {
        finish_line(l, data, n, emit, arg);
        data += n;
        bytes -= n;
    }
    while (bytes) {
        n = CMD_LINE_BYTES_MAX - l->len < bytes ? CMD_LINE_BYTES_MAX - l->len : bytes;
        keep(l, data, n);
        data += n;
        bytes -= n;
        if (l->len >= CMD_LINE_BYTES_MAX || kept_bytes > CMD_LINES_BYTES_MAX)
            flush(l, emit, arg);
    }
}

void cmd_lines_end(struct cmd_lines *l, cmd_lines_f emit, void *arg)
{
    flush(l, emit, arg);
    if (l->inside)
        emit(arg, "\n", 1);
    l->inside = false;
    free_kept(l);
}

void cmd_lines_free(struct cmd_lines *l)
{
    kept_bytes -= l->len;
    l->len = 0;
    free_kept(l);
}
