// SPDX-License-Identifier: Apache-2.0
/* options.h - the words of a command line, by argp and with errors of one line.
 *
 * A command's options are a table of argp; this adds --help and --version, names the nearest option
 * to a mistyped one, and ends the command with 2 for everything that is wrong. */
#ifndef XOS_CMD_OPTIONS_H
#define XOS_CMD_OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

/* Keys above those of letters; a command's own begin at OPTION_OWN. */
enum { OPTION_HELP = 256, OPTION_VERSION, OPTION_OWN };

struct cmd_options {
    const struct argp_option *table; /* ends with {0} */
    const char *usage;               /* "[OPTION…] [--] COMMAND [ARG…]" */
    const char *summary;             /* what it does, one line; then more after \v */
    bool command; /* the first word begins a command, whose options are its own */
    /* One option with its value (NULL: it takes none). 0, or -1 and said why. */
    int (*take)(void *arg, int key, const char *value);
};

/* Parse the options, which stand before the other words; unless those are a command, options may
 * also stand between and behind them: argv is then put in order. Returns the index in argv of the
 * first word that is no option (argc when there is none). Does not return for --help, --version and
 * errors. */
int cmd_options_parse(const struct cmd_options *o, int argc, char **argv, void *arg);

/* For take: parse a value, or say which option's is wrong and return -1. */
int cmd_option_size(const char *option, const char *value, uint64_t *bytes);
int cmd_option_duration(const char *option, const char *value, uint64_t *ms);
int cmd_option_number(const char *option, const char *value, uint64_t min, uint64_t max,
                      uint64_t *number);

/* The words of a table, for completion: "--cpus", "--help", … one per line. */
void cmd_options_print(const struct cmd_options *o);

#endif
