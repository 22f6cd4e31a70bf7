// SPDX-License-Identifier: Apache-2.0
/* main.c - the one program behind `xos` and its links.
 *
 * Called as `xrun` it is the command of that name; called as `xos`, the first word names the
 * command. Commands know nothing of XOS but <xos.h>: what they share stands beside them:
 *
 *   say            one-line errors; memory that is never NULL
 *   options        argp with errors of one line and the nearest name
 *   run_options    the words after xrun, to a specification
 *   session        a job in front of a person: session_files (where bytes come from and go to),
 *                  session_signals, and the loop over them
 *   lines, sink    whole lines of several units; descriptors that may be slow
 *   tty, escape    the raw terminal, and `~.` in what is typed there
 *   table          what listings print
 *   run kill wait attach ps sub log nodes login   one file for each command */
#include "cmd/commands.h"
#include "cmd/say.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xos.h>

#define COMMANDS_MAX 64

static const struct cmd_command *find(const char *name, bool alone)
{
    for (size_t i = 0; i < cmd_command_count; i++) {
        const struct cmd_command *c = &cmd_commands[i];
        if ((alone && c->alone && strcmp(c->alone, name) == 0) ||
            (!alone && strcmp(c->verb, name) == 0))
            return c;
    }
    return NULL;
}

static int help(void)
{
    printf("Usage: xos VERB [OPTION...]\n\n");
    for (size_t i = 0; i < cmd_command_count; i++) {
        const struct cmd_command *c = &cmd_commands[i];
        printf("  %-10s %-8s %s\n", c->verb, c->alone ? c->alone : "", c->summary);
    }
    printf("\nxos VERB --help shows a verb's options. The short names are links in "
           "/usr/lib/xos/bin.\n");
    return CMD_OK;
}

static int version(void)
{
    printf("xos %s\n", xos_client_release());
    return CMD_OK;
}

/* The words that may follow, for the shell's completion. */
static int words(const char *verb)
{
    const struct cmd_command *c = verb ? find(verb, false) : NULL;
    if (c && c->options)
        cmd_options_print(c->options);
    for (size_t i = 0; !verb && i < cmd_command_count; i++)
        printf("%s\n", cmd_commands[i].verb);
    return verb && !c ? CMD_FAILED : CMD_OK;
}

static int unknown(const char *typed)
{
    const char *names[2 * COMMANDS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < cmd_command_count && n + 1 < 2 * COMMANDS_MAX; i++)
        names[n++] = cmd_commands[i].verb;
    const char *near = xos_client_suggest(typed, names, n);
    if (near)
        cmd_say("%s: no such verb: did you mean `xos %s`?", typed, near);
    else
        cmd_say("%s: no such verb: xos --help shows those that there are", typed);
    return CMD_USAGE;
}

static int dispatch(int argc, char **argv)
{
    static char name[64];
    const char *verb = argc > 1 ? argv[1] : "--help";
    if (argc < 2) {
        cmd_say("no verb: xos --help shows those that there are");
        return CMD_USAGE;
    }
    if (strcmp(verb, "--help") == 0 || strcmp(verb, "help") == 0 || strcmp(verb, "-h") == 0)
        return help();
    if (strcmp(verb, "--version") == 0 || strcmp(verb, "version") == 0)
        return version();
    if (strcmp(verb, "--words") == 0)
        return words(argc > 2 ? argv[2] : NULL);
    /* `xos xrun` is meant well. */
    const struct cmd_command *c = find(verb, false);
    c = c ? c : find(verb, true);
    if (!c)
        return unknown(verb);
    (void)snprintf(name, sizeof(name), "xos %s", c->verb);
    cmd_set_name(name);
    return c->run(argc - 1, argv + 1);
}

/* What was printed must have arrived: a full disk is an error of ours. */
static int finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    cmd_say("standard output: write error");
    return status ? status : CMD_FAILED;
}

/* A closed standard descriptor would be taken by the next thing that is opened, and written to. */
static void hold_standard(void)
{
    int fd;
    while ((fd = open("/dev/null", O_RDONLY)) >= 0 && fd <= STDERR_FILENO)
        ;
    if (fd > STDERR_FILENO)
        close(fd);
}

int main(int argc, char **argv)
{
    hold_standard();
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *name = argc > 0 ? slash ? slash + 1 : argv[0] : "xos";
    const struct cmd_command *c = find(name, true);
    if (!c)
        return finish(dispatch(argc, argv));
    cmd_set_name(c->alone);
    return finish(c->run(argc, argv));
}
