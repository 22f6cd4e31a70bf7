// SPDX-License-Identifier: Apache-2.0
/* commands.h - the table of verbs. One command is one file. */
#ifndef XOS_CMD_COMMANDS_H
#define XOS_CMD_COMMANDS_H

#include "cmd/options.h"

struct cmd_command {
    const char *verb;    /* `xos run` */
    const char *alone;   /* `xrun`; NULL: only behind xos */
    const char *summary; /* one line */
    int (*run)(int argc, char **argv);
    const struct cmd_options *options;
};

extern const struct cmd_command cmd_commands[];
extern const size_t cmd_command_count;

int cmd_run(int argc, char **argv);
int cmd_kill(int argc, char **argv);
int cmd_wait(int argc, char **argv);
int cmd_attach(int argc, char **argv);
int cmd_ps(int argc, char **argv);
int cmd_log(int argc, char **argv);
int cmd_sub(int argc, char **argv);
int cmd_login(int argc, char **argv);
int cmd_logout(int argc, char **argv);
int cmd_whoami(int argc, char **argv);
int cmd_nodes(int argc, char **argv);
int cmd_node(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_sandbox(int argc, char **argv);

extern const struct cmd_options cmd_kill_options, cmd_wait_options, cmd_attach_options;
extern const struct cmd_options cmd_ps_options, cmd_log_options;
extern const struct cmd_options cmd_nodes_options, cmd_node_options, cmd_sandbox_options;
extern const struct cmd_options cmd_status_options;
extern const struct cmd_options cmd_login_options, cmd_logout_options, cmd_whoami_options;

/* Connect, or say why not and end with this status: 125 of what stands for a job, else 1. */
struct xos_client *cmd_connect(const char *vo, int failed);

#endif
