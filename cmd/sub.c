// SPDX-License-Identifier: Apache-2.0
/* sub.c - xsub: submit a job, print its id, and go. The job keeps its output where it ran.
 *
 * The first word is a script, which is sent, and whose own options (#XOS) count where the command
 * line has none; behind -- it is a command on the nodes. */
#include "cmd/commands.h"
#include "cmd/run_options.h"
#include "cmd/say.h"
#include "cmd/script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xos.h>

/* From words and a script to a specification */

static int take_nothing(void *arg, int key, const char *value)
{
    (void)arg;
    (void)key;
    (void)value;
    return 0;
}

/* Errors name the line, as a compiler's do. */
static void script_parse(struct run_options *o, const char *path, const char *text)
{
    const char *command = cmd_name();
    char *words[SCRIPT_WORDS_MAX + 1] = {(char *)(uintptr_t) ""};
    size_t at = 0;
    unsigned line = 0;
    int n;
    while ((n = script_options(text, &at, &line, words + 1)) != 0) {
        char *where = cmd_textf("%s: %s:%u", command, path, line);
        cmd_set_name(where);
        if (n < 0)
            cmd_say("a quote is not closed, or more than %d words", SCRIPT_WORDS_MAX);
        else if (cmd_options_parse(&run_options_batch_table, n + 1, words, o) <= n)
            cmd_say("only options stand behind #XOS: they begin with -");
        else
            n = 0;
        if (n)
            exit(CMD_USAGE);
        cmd_set_name(command);
        free(where);
    }
}

static __attribute__((noreturn)) void refuse(const char *path, const char *why)
{
    cmd_say("%s: %s", path, why);
    exit(CMD_USAGE);
}

/* Sent under its own name, which the job has too unless it is given another. */
static void script_take(struct run_options *o, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash && access(path, F_OK) < 0 && errno == ENOENT) {
        cmd_say("%s: no such script here; for a command write %s -- %s", path, cmd_name(), path);
        exit(CMD_USAGE);
    }
    struct xos_job_file *f = run_options_file(o, "", path, slash ? slash + 1 : path);
    if (!f)
        exit(CMD_USAGE);
    if (strncmp(f->data, "#!", 2) != 0 && strncmp(f->data, "\177ELF", 4) != 0)
        refuse(path, "no script: its first line must name what runs it, as in #!/bin/sh");
    f->mode = 0700;
    o->spec.script = true;
    o->spec.name = f->name;
    script_parse(o, path, f->data);
}

static void parse(struct run_options *o, int argc, char **argv)
{
    struct cmd_options look = run_options_batch_table;
    look.take = take_nothing;
    int first = cmd_options_parse(&look, argc, argv, NULL);
    *o = (struct run_options){.spec = XOS_JOB_SPEC};
    if (first < argc && strcmp(argv[first - 1], "--") != 0)
        script_take(o, argv[first]);
    (void)cmd_options_parse(&run_options_batch_table, argc, argv, o);
    if (o->spec.script)
        argv[first] = (char *)(uintptr_t)o->files[0].name;
    o->spec.keep = o->spec.stdin_closed = true;
    run_options_finish(o, argv + first, argc - first);
}

/* Submitting */

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
    parse(&o, argc, argv);
    struct xos_client *client = cmd_connect(o.vo, CMD_FAILED);
    int status = submit(client, &o.spec);
    xos_client_free(client);
    run_options_free(&o);
    return status;
}
