// SPDX-License-Identifier: Apache-2.0
/* node.c - xos node: what an administrator does to nodes. */
#include "cmd/commands.h"
#include "cmd/say.h"

#include <string.h>
#include <xos.h>

static const struct argp_option table[] = {{0}};
const struct cmd_options cmd_node_options = {
    .table = table,
    .usage = "drain|resume NODE...",
    .summary =
        "Empty nodes, and use them again.\v"
        "A draining node takes no new units; those that it has run to their end, after which "
        "xnodes calls it drained. resume ends that. Both are for the institution's "
        "administrators. Exit status: 0 done, 1 when one was refused, 2 for a wrong word.",
};

static const char *const verbs[] = {"drain", "resume"};

int cmd_node(int argc, char **argv)
{
    struct xos_fault fault;
    int first = cmd_options_parse(&cmd_node_options, argc, argv, NULL), status = CMD_OK;
    const char *verb = first < argc ? argv[first] : "";
    bool drains = strcmp(verb, verbs[0]) == 0;
    if (!drains && strcmp(verb, verbs[1]) != 0) {
        const char *near = verb[0] ? xos_client_suggest(verb, verbs, 2) : NULL;
        cmd_say("%s%s%s%s%s", verb, verb[0] ? ": no such verb: " : "no verb: ",
                near ? "did you mean " : "drain or resume", near ? near : "", near ? "?" : "");
        return CMD_USAGE;
    }
    if (first + 1 >= argc) {
        cmd_say("%s: which node? xnodes lists them", verb);
        return CMD_USAGE;
    }
    struct xos_client *client = cmd_connect(NULL, CMD_FAILED);
    for (int i = first + 1; i < argc; i++)
        if (xos_node_drain(client, argv[i], drains, &fault) < 0) {
            cmd_say("%s: %s", argv[i], fault.text);
            status = CMD_FAILED;
        }
    xos_client_free(client);
    return status;
}
