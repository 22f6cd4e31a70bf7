// SPDX-License-Identifier: Apache-2.0
#include "cmd/commands.h"

#include "cmd/run_options.h"
#include "cmd/say.h"

#include <stdlib.h>
#include <xos.h>

const struct cmd_command cmd_commands[] = {
    {"sandbox", NULL, "a federation on this machine, to try", cmd_sandbox, &cmd_sandbox_options},
    {"login", NULL, "log in to the grid", cmd_login, &cmd_login_options},
    {"logout", NULL, "forget who one is", cmd_logout, &cmd_logout_options},
    {"whoami", NULL, "say who is logged in", cmd_whoami, &cmd_whoami_options},
    {"run", "xrun", "run a command now, as if it were local", cmd_run, &run_options_table},
    {"kill", "xkill", "send a signal to jobs or units", cmd_kill, &cmd_kill_options},
    {"wait", "xwait", "wait for jobs; end with their status", cmd_wait, &cmd_wait_options},
    {"attach", "xattach", "attach to a running job's streams", cmd_attach, &cmd_attach_options},
    {"ps", "xps", "list live jobs and those that just ended", cmd_ps, &cmd_ps_options},
    {"sub", "xsub", "submit a job, print its id, and go", cmd_sub, &run_options_batch_table},
    {"nodes", "xnodes", "find nodes", cmd_nodes, &cmd_nodes_options},
    {"node", NULL, "empty nodes, and use them again", cmd_node, &cmd_node_options},
    {"status", NULL, "how this node is, and what is wrong", cmd_status, &cmd_status_options},
    {"log", "xlog", "show what a job wrote", cmd_log, &cmd_log_options},
};
const size_t cmd_command_count = sizeof(cmd_commands) / sizeof(cmd_commands[0]);

struct xos_client *cmd_connect(const char *vo, int failed)
{
    struct xos_client *client;
    struct xos_fault fault;
    const char *own = getenv("XOS_VO");
    vo = vo ? vo : own;
    if (xos_client_new(&client, NULL, &fault) == 0 &&
        (!vo || !vo[0] || xos_client_act(client, vo, &fault) == 0))
        return client;
    cmd_say("%s", fault.text);
    exit(failed);
}
