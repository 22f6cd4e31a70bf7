// SPDX-License-Identifier: Apache-2.0
#include "libxos/base/buf.h"

#include "libxos/base/alloc.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define BUF_FIRST_BYTES 64

void xos_buf_free(struct xos_buf *b)
{
    xos_free(b->data);
    b->data = NULL;
    b->len = b->cap = 0;
}

void xos_buf_wipe(struct xos_buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->cap);
    xos_buf_free(b);
}

void xos_buf_cut(struct xos_buf *b, size_t len)
{
    assert(len <= b->len);
    b->len = len;
    if (b->data)
        b->data[len] = 0;
}

void xos_buf_clear(struct xos_buf *b)
{
    xos_buf_cut(b, 0);
}

uint8_t *xos_buf_room(struct xos_buf *b, size_t len, struct xos_error *err)
{
    assert(b->len <= b->cap || b->cap == 0);
    if (len > b->max || b->len > b->max - len) {
        xos_fail(err, XOS_LIMIT, "more than %zu bytes", b->max);
        return NULL;
    }
    if (b->len + len >= XOS_ALLOC_MAX) {
        xos_fail(err, XOS_NOMEM, "buffer of %zu bytes", b->len + len);
        return NULL;
    }
    size_t need = b->len + len + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : BUF_FIRST_BYTES;
        while (cap < need)
            cap *= 2;
        uint8_t *data = xos_realloc_array(b->data, cap, 1);
        if (!data) {
            xos_fail(err, XOS_NOMEM, "buffer of %zu bytes", cap);
            return NULL;
        }
        b->data = data;
        b->cap = cap;
    }
    return b->data + b->len;
}

int xos_buf_add(struct xos_buf *b, const void *data, size_t len, struct xos_error *err)
{
    uint8_t *room = xos_buf_room(b, len, err);
    if (!room)
        return -1;
    if (len)
        memcpy(room, data, len);
    b->len += len;
    b->data[b->len] = 0;
    return 0;
}

int xos_buf_add_text(struct xos_buf *b, const char *text, struct xos_error *err)
{
    return xos_buf_add(b, text, strlen(text), err);
}

int xos_buf_addf(struct xos_buf *b, struct xos_error *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int length = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (length < 0)
        return xos_fail(err, XOS_INTERNAL, "format %s", fmt);
    uint8_t *room = xos_buf_room(b, (size_t)length, err);
    if (!room)
        return -1;
    va_start(ap, fmt);
    (void)vsnprintf((char *)room, (size_t)length + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)length;
    return 0;
}

void xos_buf_shift(struct xos_buf *b, size_t len)
{
    assert(len <= b->len);
    if (len == 0)
        return;
    memmove(b->data, b->data + len, b->len - len);
    b->len -= len;
    b->data[b->len] = 0;
}
