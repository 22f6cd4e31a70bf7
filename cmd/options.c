// SPDX-License-Identifier: Apache-2.0
#include "cmd/options.h"

#include "cmd/say.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xos.h>

#define OPTIONS_MAX 64

static const struct argp_option common[] = {
    {"help", OPTION_HELP, NULL, 0, "Show this", -1},
    {"version", OPTION_VERSION, NULL, 0, "Show the version", -1},
    {0},
};

struct parse {
    const struct cmd_options *options;
    void *arg;
    int first; /* word that is no option; -1: not met */
    int wrong; /* word after the one that argp does not understand */
};

static error_t take(int key, char *value, struct argp_state *state)
{
    struct parse *p = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        p->first = state->next - 1;
        state->next = state->argc;
        return 0;
    case OPTION_HELP:
        argp_help(state->root_argp, stdout, ARGP_HELP_STD_HELP & ~(unsigned)ARGP_HELP_EXIT_OK,
                  (char *)(uintptr_t)cmd_name());
        exit(CMD_OK);
    case OPTION_VERSION:
        printf("%s (XOS) %s\n", cmd_name(), xos_client_release());
        exit(CMD_OK);
    case ARGP_KEY_ERROR:
        p->wrong = state->next;
        return 0;
    case ARGP_KEY_INIT:
    case ARGP_KEY_FINI:
    case ARGP_KEY_END:
    case ARGP_KEY_SUCCESS:
    case ARGP_KEY_NO_ARGS:
        return 0;
    default:
        break;
    }
    if (p->options->take(p->arg, key, value) < 0)
        exit(CMD_USAGE);
    return 0;
}

static size_t table_join(const struct cmd_options *o, struct argp_option *all)
{
    size_t n = 0;
    for (const struct argp_option *t = o->table; t->name || t->key || t->doc; t++)
        if (n < OPTIONS_MAX)
            all[n++] = *t;
    for (const struct argp_option *t = common; t->name; t++)
        all[n++] = *t;
    all[n] = (struct argp_option){0};
    return n;
}

/* argp says only that something is wrong; the word and the table say what. */
static void explain(const struct argp_option *all, size_t count, const char *word)
{
    const char *names[OPTIONS_MAX + 2];
    size_t n = 0, len = strcspn(word, "=");
    char typed[64];
    (void)snprintf(typed, sizeof(typed), "%.*s", (int)(len < 60 ? len : 60), word);
    for (size_t i = 0; i < count; i++) {
        if (all[i].name && strncmp(word, "--", 2) == 0 && strcmp(all[i].name, typed + 2) == 0) {
            cmd_say(all[i].arg ? "%s: needs a value (%s)" : "%s: takes no value (%s)", typed,
                    all[i].arg ? all[i].arg : all[i].name);
            exit(CMD_USAGE);
        }
        if (word[1] && word[1] != '-' && all[i].key == word[strlen(word) - 1] && all[i].arg) {
            cmd_say("-%c: needs a value (%s)", all[i].key, all[i].arg);
            exit(CMD_USAGE);
        }
        if (all[i].name)
            names[n++] = all[i].name;
    }
    const char *near = strncmp(word, "--", 2) == 0 ? xos_client_suggest(typed + 2, names, n) : NULL;
    if (near)
        cmd_say("%s: no such option: did you mean --%s?", typed, near);
    else
        cmd_say("%s: no such option: %s --help shows those that there are", typed, cmd_name());
    exit(CMD_USAGE);
}

/* The word that argp stopped at is the one before the next, but for several letters in one word: of
 * those the next is still the same. */
static const char *culprit(const struct argp_option *all, size_t count, char **words, int argc,
                           int next)
{
    const char *was = next > 0 && next <= argc ? words[next - 1] : "";
    const char *is = next < argc ? words[next] : "";
    bool letters = is[0] == '-' && is[1] && is[1] != '-' && is[2];
    for (size_t i = 0; was[0] == '-' && i < count; i++)
        if (was[1] == '-' || (was[1] == all[i].key && all[i].arg))
            return was;
    return letters && (was[0] != '-' || was[2] == '\0') ? is : was;
}

/* `-it` is one word, although -t alone takes a value. */
static char **words_copy(int argc, char **argv)
{
    static char pty[] = "--pty";
    char **copy = cmd_need(((size_t)argc + 1) * sizeof(*copy));
    for (int i = 0; i < argc; i++)
        copy[i] = strcmp(argv[i], "-it") == 0 || strcmp(argv[i], "-ti") == 0 ? pty : argv[i];
    return copy;
}

int cmd_options_parse(const struct cmd_options *o, int argc, char **argv, void *arg)
{
    struct argp_option all[OPTIONS_MAX + 4];
    size_t count = table_join(o, all);
    struct argp argp = {all, take, o->usage, o->summary, NULL, NULL, NULL};
    struct parse p = {.options = o, .arg = arg, .first = -1};
    char **words = words_copy(argc, argv);
    int next = argc;
    error_t rc =
        argp_parse(&argp, argc, words,
                   (o->command ? ARGP_IN_ORDER : 0) | ARGP_NO_ERRS | ARGP_NO_HELP, &next, &p);
    if (rc != 0)
        explain(all, count, culprit(all, count, words, argc, p.wrong));
    if (!o->command)
        memcpy(argv, words, (size_t)argc * sizeof(*argv));
    free(words);
    if (p.first >= 0)
        return p.first;
    return next;
}

static int wrong(const char *option, const struct xos_fault *fault)
{
    cmd_say("%s: %s", option, fault->text);
    return -1;
}

int cmd_option_size(const char *option, const char *value, uint64_t *bytes)
{
    struct xos_fault fault;
    return xos_client_parse_size(value, bytes, &fault) < 0 ? wrong(option, &fault) : 0;
}

int cmd_option_duration(const char *option, const char *value, uint64_t *ms)
{
    struct xos_fault fault;
    return xos_client_parse_duration(value, ms, &fault) < 0 ? wrong(option, &fault) : 0;
}

int cmd_option_number(const char *option, const char *value, uint64_t min, uint64_t max,
                      uint64_t *number)
{
    struct xos_fault fault;
    return xos_client_parse_number(value, min, max, number, &fault) < 0 ? wrong(option, &fault) : 0;
}

void cmd_options_print(const struct cmd_options *o)
{
    struct argp_option all[OPTIONS_MAX + 4];
    size_t count = table_join(o, all);
    for (size_t i = 0; i < count; i++)
        if (all[i].name)
            printf("--%s\n", all[i].name);
}
