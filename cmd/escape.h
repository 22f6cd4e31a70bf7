// SPDX-License-Identifier: Apache-2.0
/* escape.h - `~.` and its kind in what is typed at a raw terminal (ssh's habit). Pure.
 *
 * A tilde counts at the beginning and after a newline or carriage return. `~~` sends one tilde; a
 * tilde before anything else is sent with it. */
#ifndef XOS_CMD_ESCAPE_H
#define XOS_CMD_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

enum cmd_escape_action {
    CMD_ESCAPE_NONE,
    CMD_ESCAPE_DETACH,  /* ~. */
    CMD_ESCAPE_HELP,    /* ~? */
    CMD_ESCAPE_SUSPEND, /* ~^Z */
};

struct cmd_escape {
    bool inside; /* of a line: a tilde is just a tilde */
    bool tilde;  /* one was typed and not yet sent */
};

/* Take bytes from *data on until they are used up or ask for an action. Writes what is to be sent
 * to out (room for bytes + 1), sets *sent, and moves *data and *bytes on. */
enum cmd_escape_action cmd_escape_take(struct cmd_escape *e, const char **data, size_t *bytes,
                                       char *out, size_t *sent);

#endif
