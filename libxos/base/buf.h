// SPDX-License-Identifier: Apache-2.0
/* buf.h - bytes that grow at the end, up to a maximum that the owner names. */
#ifndef XOS_BASE_BUF_H
#define XOS_BASE_BUF_H

#include "libxos/base/error.h"

#include <stdint.h>

struct xos_buf {
    uint8_t *data; /* len bytes; a NUL that is not counted follows them once anything was added */
    size_t len;
    size_t cap;
    size_t max; /* bytes; more is XOS_LIMIT */
};

/* A borrowed run of bytes. */
struct xos_slice {
    const uint8_t *data;
    size_t len;
};

#define XOS_BUF(bytes_max) ((struct xos_buf){.max = (bytes_max)})

void xos_buf_free(struct xos_buf *b); /* also leaves it empty, ready for use again */
/* As free, and the bytes are overwritten first. Growing leaves old copies on the heap: who builds
 * a secret asks for all its room at once. */
void xos_buf_wipe(struct xos_buf *b);
void xos_buf_clear(struct xos_buf *b); /* len = 0, memory kept */

/* Each appends, or fails with XOS_LIMIT or XOS_NOMEM and changes nothing. */
int xos_buf_add(struct xos_buf *b, const void *data, size_t len, struct xos_error *err);
int xos_buf_add_text(struct xos_buf *b, const char *text, struct xos_error *err);
int xos_buf_addf(struct xos_buf *b, struct xos_error *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Make room for len more bytes and the NUL after them, and return where they go, or NULL. The
 * caller writes what it has, raises b->len by that, and sets the NUL. */
uint8_t *xos_buf_room(struct xos_buf *b, size_t len, struct xos_error *err);

/* Keep only the first len bytes: for a caller that appended some of what it had to. */
void xos_buf_cut(struct xos_buf *b, size_t len);

/* Drop the first len bytes. */
void xos_buf_shift(struct xos_buf *b, size_t len);

#endif
