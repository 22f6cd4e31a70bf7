// SPDX-License-Identifier: Apache-2.0
/* lines.h - whole lines of one stream of one unit, so that several units can share a terminal.
 *
 * What ends in no newline waits for the rest, up to CMD_LINE_BYTES_MAX; a longer line goes out in
 * pieces. All units together keep at most CMD_LINES_BYTES_MAX. */
#ifndef XOS_CMD_LINES_H
#define XOS_CMD_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CMD_LINE_BYTES_MAX ((size_t)64 << 10)
#define CMD_LINES_BYTES_MAX ((size_t)16 << 20)

struct cmd_lines {
    char *kept; /* the beginning of a line */
    size_t len, cap;
    bool inside;     /* the last piece that went out ended inside a line */
    bool labelled;   /* "3: " before each line */
    uint32_t number; /* the unit's */
};

typedef void (*cmd_lines_f)(void *arg, const char *data, size_t bytes);

/* Whole lines in data go to emit, in order, with what was kept before them. */
void cmd_lines_add(struct cmd_lines *l, const char *data, size_t bytes, cmd_lines_f emit,
                   void *arg);

/* No more comes: the rest goes out as it is, and when others share the place, with a newline. */
void cmd_lines_end(struct cmd_lines *l, cmd_lines_f emit, void *arg);
void cmd_lines_free(struct cmd_lines *l);

#endif
