// SPDX-License-Identifier: Apache-2.0
/* sub.c - xsub: submit a job, print its id, and go. The job keeps its output where it ran. */
#include "cmd/commands.h"
#include "cmd/run_options.h"
#include "cmd/say.h"

#include <stdio.h>
#include <xos.h>

struct submission {
    bool over;
    int status;
};

/* Durable from here on; a job with `keep` goes on when nobody watches. */
static void on_id(void *arg, struct xos_job *job, const char *id)
{
    struct submission *s = arg;
    printf("%s\n", id);
    s->status = CMD_OK;
    s->over = true;
    xos_job_free(job);
}

static void on_failed(void *arg, struct xos_job *job, const struct xos_fault *fault)
{
    struct submission *s = arg;
    cmd_say("%s", fault->text);
    s->status = fault->code == XOS_FAULT_INVALID ? CMD_USAGE : CMD_FAILED;
    s->over = true;
    xos_job_free(job);
}

static const struct xos_job_ops ops = {.size = sizeof(ops), .on_id = on_id, .on_failed = on_failed};

static int submit(struct xos_client *client, const struct xos_job_spec *spec)
{
    struct submission s = {.status = CMD_FAILED};
    struct xos_job *job;
    struct xos_fault fault = {0};
    if (xos_job_run(&job, client, spec, &ops, &s, &fault) < 0) {
        cmd_say("%s", fault.text);
        return fault.code == XOS_FAULT_INVALID ? CMD_USAGE : CMD_FAILED;
    }
    while (!s.over && xos_client_dispatch(client, -1, &fault) == 0)
        ;
    if (!s.over) {
        cmd_say("%s", fault.text);
        xos_job_free(job);
    }
    return s.status;
}

int cmd_sub(int argc, char **argv)
{
    struct run_options o;
    run_options_parse_batch(&o, argc, argv);
    o.spec.keep = o.spec.stdin_closed = true;
    struct xos_client *client = cmd_connect(o.vo);
    int status = submit(client, &o.spec);
    xos_client_free(client);
    run_options_free(&o);
    return status;
}
