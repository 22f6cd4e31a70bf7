// SPDX-License-Identifier: Apache-2.0
/* say.h - what a command says about itself: one line on standard error, and the way out. */
#ifndef XOS_CMD_SAY_H
#define XOS_CMD_SAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cmd_status { CMD_OK = 0, CMD_FAILED = 1, CMD_USAGE = 2, CMD_XOS = 125 };

/* "xrun", or "xos run": the words that the user typed. Borrowed. */
void cmd_set_name(const char *name);
const char *cmd_name(void);

/* The terminal is raw: a line ends with a carriage return too. */
void cmd_say_raw(bool raw);

/* "xrun: what, why, what to do". */
void cmd_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Never NULL: a command that is out of memory says so and ends with 125. */
void *cmd_need(size_t bytes);
void *cmd_need_more(void *old, size_t bytes);
char *cmd_textf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

uint64_t cmd_now_ms(void); /* steady */

#endif
