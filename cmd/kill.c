// SPDX-License-Identifier: Apache-2.0
/* kill.c - xkill: send a signal to jobs or to single units of them. */
#include "cmd/commands.h"
#include "cmd/say.h"

#include <ctype.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xos.h>

#define KILL_JOBS_MAX 1024

struct kill_options {
    int signal;
    uint64_t grace_ms;
};

struct kill_state {
    size_t left; /* not yet answered */
    bool failed;
};

enum { KILL_GRACE = OPTION_OWN };

/* TERM, SIGTERM, term, 15; 0 for none of them. */
static int signal_of(const char *text)
{
    uint64_t number;
    char name[16];
    if (xos_client_parse_number(text, 1, 64, &number, NULL) == 0)
        return (int)number;
    if (strlen(text) >= sizeof(name))
        return 0;
    for (size_t i = 0; i <= strlen(text); i++)
        name[i] = (char)toupper((unsigned char)text[i]);
    const char *bare = strncmp(name, "SIG", 3) == 0 ? name + 3 : name;
    for (int n = 1; n < SIGRTMIN; n++)
        if (sigabbrev_np(n) && strcmp(sigabbrev_np(n), bare) == 0)
            return n;
    return 0;
}

static int take(void *arg, int key, const char *value)
{
    struct kill_options *o = arg;
    if (key == KILL_GRACE)
        return cmd_option_duration("--grace", value, &o->grace_ms);
    o->signal = signal_of(value);
    if (o->signal)
        return 0;
    cmd_say("-s: %s is not a signal: a name as in TERM or a number from 1 to 64", value);
    return -1;
}

static const struct argp_option table[] = {
    {"signal", 's', "SIGNAL", 0, "The signal (TERM); also as -KILL or -9", 0},
    {"grace", KILL_GRACE, "TIME", 0, "After TERM, KILL what is left so much later (10s)", 0},
    {0},
};
const struct cmd_options cmd_kill_options = {
    .table = table,
    .usage = "[-SIGNAL] JOB[.UNIT]...",
    .summary = "Send a signal to jobs, or to single units of them.\v"
               "STOP freezes all of a unit and CONT thaws it. Exit status: 0 when all were sent, 1 "
               "when one was not, 2 for a wrong option.",
    .take = take,
};

/* -KILL, -9: kill's own form, taken out of the words before the options are read. */
static int short_form(int argc, char **argv, struct kill_options *o)
{
    const char *word = argc > 1 && argv[1][0] == '-' && argv[1][1] != '-' ? argv[1] + 1 : "";
    int n = signal_of(word);
    if (n == 0 && word[0] && word[0] != 's') {
        cmd_say("-%s: no such signal: a name as in -TERM or a number from 1 to 64", word);
        exit(CMD_USAGE);
    }
    if (n == 0)
        return 0;
    o->signal = n;
    argv[1] = argv[0];
    return 1;
}

static void on_done(void *arg, const char *id, const struct xos_fault *fault)
{
    struct kill_state *k = arg;
    k->left--;
    if (fault->code == XOS_FAULT_NONE)
        return;
    cmd_say("%s: %s", id, fault->text);
    k->failed = true;
}

static void ask(struct xos_client *client, const struct kill_options *o, struct kill_state *k,
                const char *text)
{
    char id[XOS_JOB_ID_BYTES];
    uint32_t unit;
    struct xos_fault fault;
    if (xos_client_parse_job(client, text, id, &unit, &fault) < 0) {
        cmd_say("%s", fault.text);
        exit(CMD_USAGE);
    }
    if (xos_job_signal(client, id, unit, o->signal, o->grace_ms, on_done, k, &fault) == 0)
        k->left++;
    else
        cmd_say("%s: %s", text, fault.text), k->failed = true;
}

int cmd_kill(int argc, char **argv)
{
    struct kill_options o = {.signal = SIGTERM, .grace_ms = 10000};
    struct kill_state k = {0};
    int skip = short_form(argc, argv, &o);
    int first = skip + cmd_options_parse(&cmd_kill_options, argc - skip, argv + skip, &o);
    if (first >= argc || argc - first > KILL_JOBS_MAX) {
        cmd_say(first >= argc ? "which job? inria-1042, or inria-1042.3 for one unit of it"
                              : "KILL_JOBS_MAX: too many jobs at once");
        return CMD_USAGE;
    }
    struct xos_client *client = cmd_connect(NULL, CMD_FAILED);
    for (int i = first; i < argc; i++)
        ask(client, &o, &k, argv[i]);
    while (k.left && xos_client_dispatch(client, -1, NULL) == 0)
        ;
    xos_client_free(client);
    return k.failed || k.left ? CMD_FAILED : CMD_OK;
}
