// SPDX-License-Identifier: Apache-2.0
/* tty.h - the user's terminal: raw for a while, and back as it was on every way out. */
#ifndef XOS_CMD_TTY_H
#define XOS_CMD_TTY_H

#include <stdbool.h>
#include <stdint.h>

bool cmd_tty_size(uint16_t *rows, uint16_t *columns); /* of standard input's terminal */

/* Raw mode of the terminal at standard input. Restored by cmd_tty_restore, at exit, and when a
 * fatal signal ends the process. -1: it is none, and errno says why. */
int cmd_tty_raw(void);
void cmd_tty_restore(void);

/* May this process read the terminal, or did job control put it in the background? */
bool cmd_tty_foreground(int fd);

#endif
