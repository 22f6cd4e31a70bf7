// SPDX-License-Identifier: Apache-2.0
/* wire_blob.h - the variable parts of a fixed binary message: runs of bytes behind the head.
 *
 * A message has one form only: the blobs follow the head in the order of their table, without a
 * gap, and the last one ends where the message ends. A blob of strings holds `count` of them, each
 * with its NUL. Pure; uses nothing but libc, since the shim and the init read these too. */
#ifndef XOS_EXEC_WIRE_BLOB_H
#define XOS_EXEC_WIRE_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire_blob {
    uint32_t offset; /* bytes from the start of the message */
    uint32_t bytes;
    uint32_t count; /* strings in it; 0 for plain bytes */
    uint32_t zero;
};

struct wire_blob_rule {
    const char *name;
    uint32_t bytes_max;
    uint32_t count_min;
    uint32_t count_max; /* 0: plain bytes */
};

/* Check the table of a message of `total` bytes whose head has `head` bytes. Returns NULL, or the
 * name of the blob that is wrong ("end" when bytes are left over). */
const char *wire_blobs_check(const void *message, size_t total, size_t head,
                             const struct wire_blob *blobs, const struct wire_blob_rule *rules,
                             size_t n);

/* Append a blob at *end of a message under construction. Returns 0, or -1 when it does not fit
 * into `max` bytes. Strings are given as a NULL-terminated list. */
int wire_blob_put(void *message, size_t max, size_t *end, struct wire_blob *blob, const void *data,
                  size_t bytes, uint32_t count);
int wire_blob_put_strings(void *message, size_t max, size_t *end, struct wire_blob *blob,
                          const char *const *strings);

/* Point out[0 … count-1] at the strings of a checked blob, out[count] = NULL; out has room for
 * count + 1. Borrowed from the message. */
void wire_blob_strings(const void *message, const struct wire_blob *blob, const char **out);

/* The only, or first, string of a checked blob; NULL when it has none. */
const char *wire_blob_text(const void *message, const struct wire_blob *blob);

/* Is this a unit's id, and with that the name of its directory? [a-z0-9], then [a-z0-9._-[]],
 * NUL-padded to the end of its field. */
#define EXEC_UNIT_BYTES 64 /* the field, with its NUL */
bool exec_unit_valid(const char unit[static EXEC_UNIT_BYTES]);

#endif
