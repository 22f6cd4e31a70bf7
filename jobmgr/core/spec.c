// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/core/spec.h"

#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"

#include <assert.h>
#include <string.h>

static void words_free(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        xos_free(words[i]);
    xos_free(words);
}

void spec_free(struct job_spec *s)
{
    if (!s)
        return;
    for (size_t i = 0; s->files && i < s->file_count; i++)
        xos_free((char *)(uintptr_t)s->files[i].name);
    xos_free(s->files);
    words_free(s->argv);
    words_free(s->env);
    words_free(s->on);
    xos_free(s->name);
    xos_free(s->cwd);
    xos_free(s->need);
    xos_free(s->prefer);
    xos_free(s->want);
    xos_pb_free(s->message);
    xos_free(s);
}

static int text_take(char **out, ProtobufCBinaryData from, size_t bytes_max, const char *what,
                     struct xos_error *err)
{
    if (from.len > bytes_max)
        return xos_fail(err, XOS_LIMIT, "%s is %zu bytes long: at most %zu", what, from.len,
                        bytes_max);
    if (from.len && memchr(from.data, 0, from.len))
        return xos_fail(err, XOS_INVALID, "%s has a NUL byte", what);
    *out = xos_strndup(from.len ? (const char *)from.data : "", from.len);
    return *out ? 0 : xos_fail(err, XOS_NOMEM, "%s", what);
}

static int words_take(char ***out, size_t *count_out, const ProtobufCBinaryData *from, size_t count,
                      size_t count_max, size_t *budget, const char *what, struct xos_error *err)
{
    if (count > count_max)
        return xos_fail(err, XOS_LIMIT, "%zu words in %s: at most %zu", count, what, count_max);
    char **words = xos_alloc_array(count + 1, sizeof(*words));
    if (!words)
        return xos_fail(err, XOS_NOMEM, "%s", what);
    *out = words;
    for (size_t i = 0; i < count; i++) {
        if (from[i].len + 1 > *budget)
            return xos_fail(err, XOS_LIMIT,
                            "SPEC_WORDS_BYTES_MAX: arguments and environment are "
                            "more than %d bytes",
                            SPEC_WORDS_BYTES_MAX);
        *budget -= from[i].len + 1;
        if (text_take(&words[i], from[i], SPEC_ARG_BYTES_MAX, what, err) < 0)
            return -1;
    }
    *count_out = count;
    return 0;
}

/* A file for scratch: one component, not . or .., nothing that leads elsewhere. */
static int file_take(struct spec_file *out, const Xos__Job__FilePb *from, struct xos_error *err)
{
    char *name = NULL;
    if (text_take(&name, from->name, 255, "the name of a file", err) < 0)
        return -1;
    out->name = name;
    if (!name[0] || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return xos_fail(err, XOS_INVALID, "\"%s\" is not the name of a file in scratch", name);
    if (strncmp(name, ".xos-", 5) == 0)
        return xos_fail(err, XOS_INVALID, "\"%s\": names in .xos- are kept for XOS", name);
    out->mode = from->mode & 0777;
    out->data = xos_pb_slice(from->data);
    return 0;
}

static int file_twice(const struct job_spec *s, size_t i, struct xos_error *err)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(s->files[k].name, s->files[i].name) == 0)
            return xos_fail(err, XOS_INVALID,
                            "two files are called %s in scratch: give one of "
                            "them another name, --in FILE:NAME",
                            s->files[i].name);
    return 0;
}

static int files_take(struct job_spec *s, const Xos__Job__SpecPb *m, struct xos_error *err)
{
    if (m->n_in > SPEC_FILES_MAX)
        return xos_fail(err, XOS_LIMIT, "%zu files: at most %d", m->n_in, SPEC_FILES_MAX);
    s->files = xos_alloc_array(m->n_in, sizeof(*s->files));
    if (!s->files)
        return xos_fail(err, XOS_NOMEM, "files");
    s->file_count = m->n_in;
    for (size_t i = 0; i < m->n_in; i++)
        if (file_take(&s->files[i], m->in[i], err) < 0 || file_twice(s, i, err) < 0)
            return -1;
    return 0;
}

static int texts_take(struct job_spec *s, const Xos__Job__SpecPb *m, struct xos_error *err)
{
    size_t budget = SPEC_WORDS_BYTES_MAX, nodes_budget = SPEC_WORDS_BYTES_MAX;
    if (text_take(&s->name, m->name, 64, "the job's name", err) < 0 ||
        words_take(&s->argv, &s->argc, m->argv, m->n_argv, SPEC_ARGS_MAX, &budget, "the command",
                   err) < 0 ||
        words_take(&s->env, &s->env_count, m->env, m->n_env, SPEC_ARGS_MAX, &budget,
                   "the environment", err) < 0 ||
        words_take(&s->on, &s->on_count, m->on, m->n_on, SPEC_NODES_MAX, &nodes_budget, "--on",
                   err) < 0 ||
        text_take(&s->cwd, m->cwd, SPEC_TEXT_MAX, "--cwd", err) < 0 ||
        text_take(&s->need, m->need, SPEC_TEXT_MAX, "--need", err) < 0 ||
        text_take(&s->prefer, m->prefer, SPEC_TEXT_MAX, "--prefer", err) < 0 ||
        text_take(&s->want, m->want, SPEC_TEXT_MAX, "--want", err) < 0)
        return -1;
    return files_take(s, m, err);
}

struct bound {
    const char *what;
    uint64_t value, min, max;
};

static int check_bounds(const Xos__Job__SpecPb *m, struct xos_error *err)
{
    const struct bound bounds[] = {
        {"the number of units (-n)", m->units, 1, JOB_UNITS_MAX},
        {"--cpus", m->cpus, 1, SPEC_CPUS_MAX},
        {"--mem in bytes", m->mem_bytes, 0, INT64_MAX},
        {"--gpus", m->gpus, 0, 64},
        {"--time in ms", m->time_ms, 0, INT64_MAX},
        {"--grace in ms", m->grace_ms, 0, SPEC_GRACE_MS_MAX},
        {"the rows of the terminal", m->rows, 0, UINT16_MAX},
        {"the columns of the terminal", m->columns, 0, UINT16_MAX},
    };
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++)
        if (bounds[i].value < bounds[i].min || bounds[i].value > bounds[i].max)
            return xos_fail(err, XOS_LIMIT, "%s is %llu: %llu to %llu are possible", bounds[i].what,
                            (unsigned long long)bounds[i].value, (unsigned long long)bounds[i].min,
                            (unsigned long long)bounds[i].max);
    if (m->n_argv == 0 || m->argv[0].len == 0)
        return xos_fail(err, XOS_INVALID, "no command");
    if (m->pty && m->units != 1)
        return xos_fail(err, XOS_INVALID, "a terminal (-it) goes with one unit, not with %u",
                        m->units);
    return 0;
}

static int check_env(const struct job_spec *s, struct xos_error *err)
{
    for (size_t i = 0; i < s->env_count; i++)
        if (!strchr(s->env[i], '=') || s->env[i][0] == '=')
            return xos_fail(err, XOS_INVALID, "environment: \"%.40s\" is not NAME=VALUE",
                            s->env[i]);
    return 0;
}

static int check_script(const struct job_spec *s, struct xos_error *err)
{
    bool found = !s->script;
    for (size_t i = 0; i < s->file_count && !found; i++)
        found = strcmp(s->files[i].name, s->argv[0]) == 0;
    return found ? 0 : xos_fail(err, XOS_INVALID, "the script %.60s was not sent", s->argv[0]);
}

static void numbers_take(struct job_spec *s, const Xos__Job__SpecPb *m)
{
    s->units = m->units;
    s->cpus = m->cpus;
    s->mem_bytes = m->mem_bytes;
    s->gpus = m->gpus;
    s->time_ms = m->time_ms;
    s->pty = m->pty != 0;
    s->rows = (uint16_t)m->rows;
    s->columns = (uint16_t)m->columns;
    s->fenced = m->fenced != 0;
    s->fail_fast = m->fail_fast != 0;
    s->keep = m->keep != 0;
    s->stdin_closed = m->stdin_closed != 0;
    s->stdin_each = m->stdin_each != 0;
    s->no_wait = m->no_wait != 0;
    s->grace_ms = m->grace_ms;
    s->script = m->script != 0;
}

int spec_decode(struct job_spec **out, struct xos_slice bytes, struct xos_error *err)
{
    struct job_spec *s = xos_alloc(sizeof(*s));
    if (!s)
        return xos_fail(err, XOS_NOMEM, "specification");
    Xos__Job__SpecPb *m =
        xos_pb_unpack(&xos__job__spec_pb__descriptor, bytes, SPEC_BYTES_MAX, XOS_PB_STRICT, err);
    s->message = m;
    if (m)
        numbers_take(s, m);
    if (!m || check_bounds(m, err) < 0 || texts_take(s, m, err) < 0 || check_env(s, err) < 0 ||
        check_script(s, err) < 0) {
        spec_free(s);
        return xos_wrap(err, "specification");
    }
    *out = s;
    return 0;
}

void spec_shape(const struct job_spec *s, struct job_shape *out)
{
    *out = (struct job_shape){
        .units = s->units,
        .fenced = s->fenced,
        .fail_fast = s->fail_fast,
        .no_wait = s->no_wait,
        .grace_ms = s->grace_ms,
    };
}
