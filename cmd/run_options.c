// SPDX-License-Identifier: Apache-2.0
#include "cmd/run_options.h"

#include "cmd/say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

enum {
    RUN_MEM = OPTION_OWN,
    RUN_GPUS,
    RUN_NEED,
    RUN_PREFER,
    RUN_WANT,
    RUN_ON,
    RUN_PTY,
    RUN_STDIN,
    RUN_STDOUT,
    RUN_STDERR,
    RUN_ENV,
    RUN_ENV_ALL,
    RUN_CWD,
    RUN_IN,
    RUN_REQUEUE,
    RUN_FAIL_FAST,
    RUN_NO_WAIT,
    RUN_GRACE,
    RUN_VO,
};

/* What every job may be given, at once or in batch. */
#define RUN_TABLE_JOB                                                                              \
    {NULL, 0, NULL, 0, "What it needs", 1}, {"units", 'n', "N", 0, "Run N units (1)", 1},          \
        {"cpus", 'c', "CPUS", 0, "Processors for each unit (1)", 1},                               \
        {"mem", RUN_MEM, "SIZE", 0, "Memory for each unit (256MiB)", 1},                           \
        {"gpus", RUN_GPUS, "N", 0, "GPUs for each unit (0)", 1},                                   \
        {"time", 't', "TIME", 0, "End it after so long: 90s, 2h, 1d", 1},                          \
        {"need", RUN_NEED, "EXPR", 0, "Only on nodes that match; several must all match", 1},      \
        {"prefer", RUN_PREFER, "EXPR", 0, "Rather on nodes where this is greater", 1},             \
        {"want", RUN_WANT, "WANT", 0, "How units lie: spread, pack, same(ATTRIBUTE)", 1},          \
        {"on", RUN_ON, "NODE,...", 0, "Only on these nodes; may be given several times", 1},       \
        {NULL, 0, NULL, 0, "What it is given", 2},                                                 \
        {"name", 'N', "NAME", 0, "A name for listings", 2},                                        \
        {"env", RUN_ENV, "NAME[=VALUE]", 0, "An environment variable, this one's or your own", 2}, \
        {"env-all", RUN_ENV_ALL, NULL, 0, "The whole environment", 2},                             \
        {"cwd", RUN_CWD, "DIR", 0, "Directory on the node (its scratch directory)", 2},            \
        {"in", RUN_IN, "FILE[:NAME]", 0, "Put a small file into its scratch directory", 2},        \
    {                                                                                              \
        "vo", RUN_VO, "VO", 0, "Act for this VO", 2                                                \
    }
#define RUN_TABLE_LATER                                                                             \
    {NULL, 0, NULL, 0, "How it goes on", 4},                                                        \
        {"requeue", RUN_REQUEUE, NULL, 0, "Start a unit again elsewhere when its node is lost", 4}, \
        {"fail-fast", RUN_FAIL_FAST, NULL, 0, "A unit that fails ends the others", 4},              \
        {"no-wait", RUN_NO_WAIT, NULL, 0, "Fail instead of waiting for busy nodes", 4},             \
    {                                                                                               \
        "grace", RUN_GRACE, "TIME", 0, "Between TERM and KILL (10s)", 4                             \
    }

static const struct argp_option table[] = {
    RUN_TABLE_JOB,
    {NULL, 0, NULL, 0, "Terminal and streams", 3},
    {"pty", RUN_PTY, NULL, 0, "Give it a terminal; -it is the same. ~. leaves it running", 3},
    {"label", 'l', NULL, 0, "Put the unit's number before each line", 3},
    {"stdin", RUN_STDIN, "FILE", 0, "Read from a file; %u is the unit, then each has its own", 3},
    {"stdout", RUN_STDOUT, "FILE", 0, "Write to a file; %u is the unit, %j the job", 3},
    {"stderr", RUN_STDERR, "FILE", 0, "The same for standard error", 3},
    RUN_TABLE_LATER,
    {0},
};
static const struct argp_option batch_table[] = {RUN_TABLE_JOB, RUN_TABLE_LATER, {0}};

/* Options that take more than a line */

static int words_add(const char ***list, size_t *count, const char *word, const char *option)
{
    if (*count >= RUN_WORDS_MAX) {
        cmd_say("%s: at most %d times", option, RUN_WORDS_MAX);
        return -1;
    }
    *list = cmd_need_more(*list, (*count + 1) * sizeof(**list));
    (*list)[(*count)++] = word;
    return 0;
}

static int need_add(struct run_options *o, const char *value)
{
    char *all = o->need ? cmd_textf("(%s) && (%s)", o->need, value) : cmd_textf("%s", value);
    free(o->need);
    o->need = all;
    return 0;
}

static int env_add(struct run_options *o, const char *value)
{
    size_t len = strcspn(value, "=");
    if (len == 0) {
        cmd_say("--env: \"%s\" is not NAME or NAME=VALUE", value);
        return -1;
    }
    for (char **e = environ; !value[len] && *e; e++)
        if (strncmp(*e, value, len) == 0 && (*e)[len] == '=')
            value = *e;
    if (!value[len]) {
        cmd_say("--env: %s is not in your environment: give --env %s=VALUE", value, value);
        return -1;
    }
    return words_add(&o->env, &o->env_count, value, "--env");
}

static int file_read(struct run_options *o, struct xos_job_file *f, int fd, const char *what)
{
    struct stat st;
    size_t left = RUN_FILES_BYTES_MAX - o->file_bytes;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        cmd_say("%s: not a regular file", what);
        return -1;
    }
    char *data = cmd_need(left + 2);
    ssize_t n = 0;
    while (f->bytes <= left && (n = read(fd, data + f->bytes, left + 1 - f->bytes)) > 0)
        f->bytes += (size_t)n;
    data[f->bytes] = '\0';
    f->data = data;
    f->mode = st.st_mode & 0777;
    o->file_bytes += f->bytes;
    if (n < 0)
        cmd_say("%s: %s", what, strerror(errno));
    else if (f->bytes > left)
        cmd_say("%s: the files are more than %zu KiB (RUN_FILES_BYTES_MAX): put them on a volume",
                what, RUN_FILES_BYTES_MAX >> 10);
    return n < 0 || f->bytes > left ? -1 : 0;
}

struct xos_job_file *run_options_file(struct run_options *o, const char *option, const char *path,
                                      const char *name)
{
    char *what = cmd_textf("%s%s%s", option, option[0] ? ": " : "", path);
    struct xos_job_file *f = &o->files[o->file_count];
    int fd = -1, rc = -1;
    if (o->file_count >= RUN_FILES_MAX)
        cmd_say("%s: at most %d files", what, RUN_FILES_MAX);
    else if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        cmd_say("%s: %s", what, strerror(errno));
    else {
        f->name = name;
        rc = file_read(o, f, fd, what);
        o->file_count += f->data != NULL;
    }
    if (fd >= 0)
        close(fd);
    free(what);
    return rc < 0 ? NULL : f;
}

/* FILE:NAME, where FILE itself may have a colon when it exists under the whole text. */
static int file_add(struct run_options *o, const char *value)
{
    const char *colon = access(value, F_OK) == 0 ? NULL : strrchr(value, ':');
    char *local = cmd_textf("%.*s", colon ? (int)(colon - value) : (int)strlen(value), value);
    const char *base = strrchr(value, '/');
    const char *name = colon ? colon + 1 : base ? base + 1 : value;
    int rc = run_options_file(o, "--in", local, name) ? 0 : -1;
    free(local);
    return rc;
}

static int number_set(const char *option, const char *value, uint64_t min, uint64_t max,
                      uint32_t *out)
{
    uint64_t n;
    if (cmd_option_number(option, value, min, max, &n) < 0)
        return -1;
    *out = (uint32_t)n;
    return 0;
}

/* The table again, with what each option does */

static int set_text(const char **to, const char *value)
{
    *to = value;
    return 0;
}

static int set_flag(bool *to)
{
    *to = true;
    return 0;
}

/* One name, or several with commas between them. The copies live as long as the command. */
static int on_add(struct run_options *o, const char *value)
{
    for (const char *at = value; *at || at == value;) {
        size_t len = strcspn(at, ",");
        char *name = cmd_need(len + 1);
        memcpy(name, at, len);
        name[len] = '\0';
        if (words_add(&o->on, &o->on_count, name, "--on") < 0)
            return -1;
        at += len + (at[len] == ',');
    }
    return 0;
}

static int take_need(struct run_options *o, int key, const char *value)
{
    struct xos_job_spec *s = &o->spec;
    switch (key) {
    case 'n':
        return number_set("-n", value, 1, 1024, &s->units);
    case 'c':
        return number_set("-c", value, 1, 65536, &s->cpus);
    case RUN_MEM:
        return cmd_option_size("--mem", value, &s->mem_bytes);
    case RUN_GPUS:
        return number_set("--gpus", value, 0, 64, &s->gpus);
    case 't':
        return cmd_option_duration("-t", value, &s->time_ms);
    case RUN_NEED:
        return need_add(o, value);
    case RUN_PREFER:
        return set_text(&s->prefer, value);
    case RUN_WANT:
        return set_text(&s->want, value);
    case RUN_ON:
        return on_add(o, value);
    default:
        return 1;
    }
}

static int take_given(struct run_options *o, int key, const char *value)
{
    struct xos_job_spec *s = &o->spec;
    switch (key) {
    case 'N':
        return set_text(&s->name, value);
    case RUN_ENV:
        return env_add(o, value);
    case RUN_ENV_ALL:
        return set_flag(&o->env_all);
    case RUN_CWD:
        return set_text(&s->cwd, value);
    case RUN_IN:
        return file_add(o, value);
    case RUN_VO:
        return set_text(&o->vo, value);
    case RUN_REQUEUE:
        return set_flag(&s->requeue);
    case RUN_FAIL_FAST:
        return set_flag(&s->fail_fast);
    case RUN_NO_WAIT:
        return set_flag(&s->no_wait);
    case RUN_GRACE:
        return cmd_option_duration("--grace", value, &s->grace_ms);
    default:
        return 1;
    }
}

static int take_stream(struct run_options *o, int key, const char *value)
{
    switch (key) {
    case RUN_PTY:
        return set_flag(&o->spec.pty);
    case 'l':
        return set_flag(&o->label);
    case RUN_STDIN:
        return set_text(&o->in, value);
    case RUN_STDOUT:
        return set_text(&o->out, value);
    case RUN_STDERR:
        return set_text(&o->err, value);
    default:
        return 1;
    }
}

static int take(void *arg, int key, const char *value)
{
    int rc = take_need(arg, key, value);
    if (rc > 0)
        rc = take_given(arg, key, value);
    return rc > 0 ? take_stream(arg, key, value) : rc;
}

const struct cmd_options run_options_table = {
    .command = true,
    .table = table,
    .usage = "[--] COMMAND [ARG...]",
    .summary = "Run a command on the grid now, with streams and exit status as if it were local.\v"
               "Exit status: the command's own (128+N for signal N); 125 when XOS failed or "
               "refused, 126 when the command cannot be executed, 127 when it is not found, 2 for "
               "a wrong option or expression.\n\nCtrl-C is sent on; again within a second it sends "
               "TERM, and then KILL. Ctrl-Z stops xrun alone.",
    .take = take,
};

const struct cmd_options run_options_batch_table = {
    .command = true,
    .table = batch_table,
    .usage = "SCRIPT [ARG...]\n-- COMMAND [ARG...]",
    .summary =
        "Submit a job, print its id, and go: it runs on when nobody watches.\v"
        "The script is sent along; lines \"#XOS OPTION...\" at its top are options that the "
        "command line may overrule. Behind -- stands a command that the nodes have.\n\n"
        "The job has no standard input. xps lists it, xattach shows what it writes, and xwait "
        "waits for it. Exit status: 0 when it was accepted, 1 when it was not, 2 for a "
        "wrong option or expression.",
    .take = take,
};

/* What a terminal program needs to know of this side comes along by itself, as with ssh. */
static void env_fill(struct run_options *o)
{
    static const char *const always[] = {"LANG=", "TERM="};
    size_t count = o->env_count;
    for (char **e = environ; *e && o->env_all; e++)
        if (strchr(*e, '=') && **e != '=' && strncmp(*e, "XOS_", 4) != 0)
            (void)words_add(&o->env, &o->env_count, *e, "--env-all");
    for (size_t i = 0; !o->env_all && i < (o->spec.pty ? 2 : 1); i++)
        for (char **e = environ; *e; e++)
            if (strncmp(*e, always[i], 5) == 0)
                (void)words_add(&o->env, &o->env_count, *e, "--env");
    if (count == o->env_count)
        return;
    /* What was named on the command line counts: it goes last. */
    const char **sorted = cmd_need(o->env_count * sizeof(*sorted));
    size_t added = o->env_count - count;
    memcpy(sorted, o->env + count, added * sizeof(*sorted));
    memcpy(sorted + added, o->env, count * sizeof(*sorted));
    free(o->env);
    o->env = sorted;
}

static void check(const struct run_options *o)
{
    const struct xos_job_spec *s = &o->spec;
    const char *wrong = NULL;
    if (s->argc == 0)
        wrong = "no command: what is to be run?";
    else if (s->pty && s->units != 1)
        wrong = "a terminal (-it) goes with one unit: leave out -n";
    else if (s->pty && (o->in || o->out || o->err))
        wrong = "a terminal (-it) has no files for streams: leave out --stdin, --stdout, --stderr";
    else if (s->pty && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
        wrong = "-it: standard input or output is not a terminal here: leave out -it";
    if (!wrong)
        return;
    cmd_say("%s", wrong);
    exit(CMD_USAGE);
}

void run_options_finish(struct run_options *o, char **words, int count)
{
    struct xos_job_spec *s = &o->spec;
    s->argv = (const char *const *)words;
    s->argc = (size_t)count;
    check(o);
    env_fill(o);
    s->env = o->env;
    s->env_count = o->env_count;
    s->on = o->on;
    s->on_count = o->on_count;
    s->need = o->need;
    s->files = o->files;
    s->file_count = o->file_count;
    for (const char *p = o->in; p && (p = strchr(p, '%')); p += p[1] ? 2 : 1)
        s->stdin_each |= p[1] == 'u';
}

void run_options_parse(struct run_options *o, int argc, char **argv)
{
    *o = (struct run_options){.spec = XOS_JOB_SPEC};
    int first = cmd_options_parse(&run_options_table, argc, argv, o);
    run_options_finish(o, argv + first, argc - first);
}

void run_options_free(struct run_options *o)
{
    for (size_t i = 0; i < o->file_count; i++)
        free((void *)(uintptr_t)o->files[i].data);
    free(o->env);
    free(o->on);
    free(o->need);
}
