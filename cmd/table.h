// SPDX-License-Identifier: Apache-2.0
/* table.h - what listings print: aligned columns, ages, times; nothing in them can steer the
 * terminal. */
#ifndef XOS_CMD_TABLE_H
#define XOS_CMD_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CMD_TABLE_COLUMNS_MAX 16
#define CMD_AGE_BYTES 32
#define CMD_TIME_BYTES 40

struct cmd_table {
    size_t columns;
    char **cells; /* row after row */
    size_t count, cap;
};

/* The next cell: copied, and escaped as by cmd_safe. Empty: a dash. */
void cmd_table_add(struct cmd_table *t, const char *text);
void cmd_table_addf(struct cmd_table *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Two spaces between columns, none at the end of a line. */
void cmd_table_print(const struct cmd_table *t, FILE *to);
void cmd_table_free(struct cmd_table *t);

/* What is no printable ASCII, and the backslash itself, as \x1b. The caller frees. */
char *cmd_safe(const char *text);

/* "12s", "3m", "2h05m", "4d01h". */
const char *cmd_age(uint64_t ms, char out[static CMD_AGE_BYTES]);

/* RFC 3339, UTC: "2026-11-22T14:35:52.123Z". */
const char *cmd_time(uint64_t ms, char out[static CMD_TIME_BYTES]);

#endif
