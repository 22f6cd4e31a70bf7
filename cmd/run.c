// SPDX-License-Identifier: Apache-2.0
/* run.c - xrun: run a command on the grid now, as if it were local. */
#include "cmd/commands.h"
#include "cmd/run_options.h"
#include "cmd/say.h"
#include "cmd/session.h"
#include "cmd/tty.h"

#include <stdlib.h>
#include <sys/resource.h>

/* A unit is a connection, and may be three files. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int cmd_run(int argc, char **argv)
{
    struct run_options o;
    struct xos_fault fault;
    struct session *session;
    struct xos_job *job;
    run_options_parse(&o, argc, argv);
    raise_descriptors();
    struct session_config config = {.units = o.spec.units,
                                    .pty = o.spec.pty,
                                    .label = o.label,
                                    .in = o.in,
                                    .out = o.out,
                                    .err = o.err,
                                    .grace_ms = o.spec.grace_ms,
                                    .command = o.spec.argv[0]};
    if (o.spec.pty)
        (void)cmd_tty_size(&o.spec.rows, &o.spec.columns);
    config.client = cmd_connect(o.vo, CMD_XOS);
    session_new(&session, &config);
    int status = CMD_USAGE;
    if (session_prepare(session) == 0) {
        status = CMD_XOS;
        if (xos_job_run(&job, config.client, &o.spec, &session_ops, session, &fault) < 0) {
            cmd_say("%s", fault.text);
            status = fault.code == XOS_FAULT_INVALID ? CMD_USAGE : CMD_XOS;
        } else
            status = session_run(&session, job);
    }
    session_free(session);
    xos_client_free(config.client);
    run_options_free(&o);
    return status;
}
