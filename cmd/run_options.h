// SPDX-License-Identifier: Apache-2.0
/* run_options.h - from the words after xrun to a job's specification. */
#ifndef XOS_CMD_RUN_OPTIONS_H
#define XOS_CMD_RUN_OPTIONS_H

#include "cmd/options.h"

#include <stdbool.h>
#include <xos.h>

#define RUN_WORDS_MAX 4096
#define RUN_FILES_MAX 64
#define RUN_FILES_BYTES_MAX ((size_t)640 << 10) /* all --in files together */

struct run_options {
    struct xos_job_spec spec; /* points into what follows, and into argv and environ */
    const char **env;
    size_t env_count;
    const char **on;
    size_t on_count;
    struct xos_job_file files[RUN_FILES_MAX];
    size_t file_count, file_bytes;
    char *need; /* all --need, ANDed */
    const char *in, *out, *err, *vo;
    bool label, env_all;
};

extern const struct cmd_options run_options_table;
extern const struct cmd_options run_options_batch_table; /* without streams and terminal */

/* Fills in *o from argv. Ends the command with 2 for what is wrong. */
void run_options_parse(struct run_options *o, int argc, char **argv);
/* Its second half, when the options have been taken one by one: the command's words. */
void run_options_finish(struct run_options *o, char **words, int count);
/* Read a small file that goes along under this name (borrowed); its bytes end with a NUL that does
 * not count. NULL: said why, behind the option's name unless that is empty. */
struct xos_job_file *run_options_file(struct run_options *o, const char *option, const char *path,
                                      const char *name);
void run_options_free(struct run_options *o);

#endif
