// SPDX-License-Identifier: Apache-2.0
/* script.h - the options that stand in a job's script: "#XOS --time 2h", in the lines above the
 * first that is no comment. */
#ifndef XOS_CMD_SCRIPT_H
#define XOS_CMD_SCRIPT_H

#include <stddef.h>

#define SCRIPT_WORDS_MAX 64 /* in one line */

/* Go on to the next line of options: *at is the offset to go on from, *line the line's number; both
 * begin as 0. Fills in words[0 … n-1], which live as long as the command, and returns n; 0 when
 * there is none any more, -1 when a quote is not closed or there are too many words. */
int script_options(const char *text, size_t *at, unsigned *line, char *words[SCRIPT_WORDS_MAX]);

#endif
