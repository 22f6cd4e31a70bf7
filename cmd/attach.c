// SPDX-License-Identifier: Apache-2.0
/* attach.c - xattach: the streams of a job that runs already. */
#include "cmd/commands.h"
#include "cmd/say.h"
#include "cmd/session.h"

#include <unistd.h>
#include <xos.h>

enum { ATTACH_NO_INPUT = OPTION_OWN };

struct attach_options {
    bool label, no_input;
};

static int take(void *arg, int key, const char *value)
{
    struct attach_options *o = arg;
    (void)value;
    *(key == 'l' ? &o->label : &o->no_input) = true;
    return 0;
}

static const struct argp_option table[] = {
    {"label", 'l', NULL, 0, "Put the unit's number before each line", 0},
    {"no-input", ATTACH_NO_INPUT, NULL, 0, "Only watch: what is typed here is not for the job", 0},
    {0},
};
const struct cmd_options cmd_attach_options = {
    .table = table,
    .usage = "JOB[.UNIT]",
    .summary = "Attach to the streams of a running job, from its first byte of output on.\v"
               "~. leaves it running, where its terminal is attached to. Exit status: the job's "
               "own, as with xrun; 0 when it was left.",
    .take = take,
};

int cmd_attach(int argc, char **argv)
{
    struct attach_options o = {0};
    struct session_config config = {.grace_ms = 10000, .command = "command"};
    struct session *session;
    struct xos_job *job;
    struct xos_fault fault;
    char id[XOS_JOB_ID_BYTES];
    uint32_t unit;
    int first = cmd_options_parse(&cmd_attach_options, argc, argv, &o);
    if (first != argc - 1) {
        cmd_say("which job? xattach inria-1042, or inria-1042.3 for one unit of it");
        return CMD_USAGE;
    }
    config.client = cmd_connect(NULL, CMD_XOS);
    if (xos_client_parse_job(config.client, argv[first], id, &unit, &fault) < 0) {
        cmd_say("%s", fault.text);
        return CMD_USAGE;
    }
    config.label = o.label;
    config.no_input = o.no_input;
    config.units = unit == XOS_ALL_UNITS ? 0 : 1;
    config.attach = true;
    session_new(&session, &config);
    int status = CMD_XOS;
    unsigned flags = XOS_WATCH_OUTPUT | (o.no_input ? 0u : (unsigned)XOS_WATCH_INPUT);
    if (session_prepare(session) == 0 &&
        xos_job_watch(&job, config.client, id, unit, flags, &session_ops, session, &fault) < 0)
        cmd_say("%s", fault.text);
    else if (session)
        status = session_run(&session, job);
    session_free(session);
    xos_client_free(config.client);
    return status;
}
