// SPDX-License-Identifier: Apache-2.0
/* log.c - xlog: what a job wrote, as far as it is there, or until it ends. */
#include "cmd/commands.h"
#include "cmd/say.h"
#include "cmd/session.h"

#include <inttypes.h>
#include <xos.h>

struct log_options {
    bool follow, label;
};

static int take(void *arg, int key, const char *value)
{
    struct log_options *o = arg;
    (void)value;
    *(key == 'f' ? &o->follow : &o->label) = true;
    return 0;
}

static const struct argp_option table[] = {
    {"follow", 'f', NULL, 0, "Go on until the job ends", 0},
    {"label", 'l', NULL, 0, "Put the unit's number before each line", 0},
    {0},
};
const struct cmd_options cmd_log_options = {
    .table = table,
    .usage = "JOB[.UNIT]",
    .summary = "Show what a job wrote, from its first byte on: output on standard output, errors "
               "on standard error.\v"
               "Exit status: 0; 1 when there is no such job or its output is out of reach; 2 for a "
               "wrong option.",
    .take = take,
};

/* The job as its owner knows it; NULL and said why. The caller frees. */
static struct xos_jobs *look_up(struct xos_client *client, const char *id, uint32_t unit)
{
    struct xos_jobs *list = NULL;
    struct xos_fault fault;
    if (xos_jobs_list(client, &id, 1, 0, 0, &list, &fault) < 0) {
        cmd_say("%s", fault.text);
        return NULL;
    }
    if (list->count && (unit == XOS_ALL_UNITS || unit < list->jobs[0]->unit_count))
        return list;
    if (list->count)
        cmd_say("%s has no unit %" PRIu32 ": it has %zu", id, unit, list->jobs[0]->unit_count);
    else
        cmd_say("%s: no such job, or not one of yours", id);
    xos_jobs_free(list);
    return NULL;
}

static int show(struct session_config *config, const struct xos_job_info *info, uint32_t unit,
                bool follow)
{
    struct session *session;
    struct xos_job *job;
    struct xos_fault fault;
    struct xos_client *c = config->client;
    int status = CMD_FAILED, rc;
    config->units = unit == XOS_ALL_UNITS ? (uint32_t)info->unit_count : 1;
    session_new(&session, config);
    if (session_prepare(session) == 0) {
        rc = follow ? xos_job_watch(&job, c, info->id, unit, XOS_WATCH_OUTPUT, &session_ops,
                                    session, &fault)
                    : xos_job_read(&job, c, info, unit, &session_ops, session, &fault);
        if (rc < 0)
            cmd_say("%s", fault.text);
        else
            status = session_run(&session, job);
    }
    session_free(session);
    return status == CMD_XOS ? CMD_FAILED : status;
}

int cmd_log(int argc, char **argv)
{
    struct log_options o = {0};
    struct session_config config = {
        .no_input = true, .attach = true, .log = true, .grace_ms = 10000, .command = "command"};
    struct xos_fault fault;
    char id[XOS_JOB_ID_BYTES];
    uint32_t unit;
    int first = cmd_options_parse(&cmd_log_options, argc, argv, &o), status = CMD_FAILED;
    if (first != argc - 1) {
        cmd_say("which job? xlog inria-1042, or inria-1042.3 for one unit of it");
        return CMD_USAGE;
    }
    config.client = cmd_connect(NULL, CMD_FAILED);
    if (xos_client_parse_job(config.client, argv[first], id, &unit, &fault) < 0) {
        cmd_say("%s", fault.text);
        return CMD_USAGE;
    }
    config.label = o.label;
    struct xos_jobs *list = look_up(config.client, id, unit);
    if (list)
        status = show(&config, list->jobs[0], unit, o.follow);
    xos_jobs_free(list);
    xos_client_free(config.client);
    return status;
}
