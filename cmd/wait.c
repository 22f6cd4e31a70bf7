// SPDX-License-Identifier: Apache-2.0
/* wait.c - xwait: wait for jobs to be over, and end with the highest of their statuses. */
#include "cmd/commands.h"
#include "cmd/say.h"

#include <stdlib.h>
#include <xos.h>

#define WAIT_JOBS_MAX 1024

struct waiting {
    int left;
    int status;
    uint64_t time_ms; /* 0: without end */
};

static int take(void *arg, int key, const char *value)
{
    struct waiting *w = arg;
    (void)key;
    return cmd_option_duration("-t", value, &w->time_ms);
}

static const struct argp_option table[] = {
    {"time", 't', "TIME", 0, "Wait no longer than this; then end with 125", 0},
    {0},
};
const struct cmd_options cmd_wait_options = {
    .table = table,
    .usage = "JOB...",
    .summary = "Wait until jobs are over.\v"
               "Exit status: the highest of theirs; 125 when XOS failed or refused, or the time is "
               "over; 2 for a wrong option.",
    .take = take,
};

static void over(struct waiting *w, struct xos_job *job, int status)
{
    w->left--;
    w->status = status > w->status ? status : w->status;
    xos_job_free(job);
}

static void on_done(void *arg, struct xos_job *job, int status)
{
    over(arg, job, status);
}

static void on_failed(void *arg, struct xos_job *job, const struct xos_fault *fault)
{
    cmd_say("%s: %s", xos_job_id(job), fault->text);
    over(arg, job, CMD_XOS);
}

static const struct xos_job_ops ops = {
    .size = sizeof(ops), .on_done = on_done, .on_failed = on_failed};

static void watch(struct xos_client *client, struct waiting *w, const char *text)
{
    char id[XOS_JOB_ID_BYTES];
    uint32_t unit;
    struct xos_fault fault;
    struct xos_job *job;
    if (xos_client_parse_job(client, text, id, &unit, &fault) < 0) {
        cmd_say("%s", fault.text);
        exit(CMD_USAGE);
    }
    if (unit != XOS_ALL_UNITS) {
        cmd_say("%s: wait for the whole job: %s", text, id);
        exit(CMD_USAGE);
    }
    if (xos_job_watch(&job, client, id, XOS_ALL_UNITS, 0, &ops, w, &fault) == 0) {
        w->left++;
        return;
    }
    cmd_say("%s: %s", text, fault.text);
    w->status = CMD_XOS;
}

static int left_ms(uint64_t deadline)
{
    uint64_t now = cmd_now_ms(), left = deadline > now ? deadline - now : 0;
    return deadline == UINT64_MAX ? -1 : left < INT32_MAX ? (int)left : INT32_MAX;
}

int cmd_wait(int argc, char **argv)
{
    struct waiting w = {0};
    int first = cmd_options_parse(&cmd_wait_options, argc, argv, &w);
    if (first >= argc || argc - first > WAIT_JOBS_MAX) {
        cmd_say(first >= argc ? "which job? inria-1042" : "WAIT_JOBS_MAX: too many jobs at once");
        return CMD_USAGE;
    }
    struct xos_client *client = cmd_connect(NULL, CMD_XOS);
    for (int i = first; i < argc; i++)
        watch(client, &w, argv[i]);
    uint64_t deadline = w.time_ms ? cmd_now_ms() + w.time_ms : UINT64_MAX;
    while (w.left && left_ms(deadline) != 0 &&
           xos_client_dispatch(client, left_ms(deadline), NULL) == 0)
        ;
    if (w.left)
        cmd_say("%d not over in time", w.left);
    int status = w.left ? CMD_XOS : w.status;
    exit(status); /* jobs that are still watched are left as they are */
}
