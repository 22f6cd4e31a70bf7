// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/judge/request.h"

#include "jobmgr/core/environ.h"
#include "libxos/base/alloc.h"
#include "libxos/base/units.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define REQUEST_HOSTS "/.xos-hosts" /* XOS_HOSTS, in scratch */

int request_name(char out[static EXEC_UNIT_BYTES], const char *job, uint32_t unit, uint64_t epoch,
                 struct xos_error *err)
{
    memset(out, 0, EXEC_UNIT_BYTES);
    int n = snprintf(out, EXEC_UNIT_BYTES, "%s.%" PRIu32 ".%" PRIu64, job, unit, epoch);
    if (n < 0 || n >= EXEC_UNIT_BYTES || !exec_unit_valid(out))
        return xos_fail(err, XOS_INVALID, "\"%.40s\" is not a job's id", job);
    return 0;
}

/* The number behind the last dot, which is cut off. */
static int last_number(char *name, uint64_t max, uint64_t *out)
{
    char *dot = strrchr(name, '.');
    if (!dot || xos_parse_u64(dot + 1, 0, max, out, NULL) < 0)
        return -1;
    *dot = '\0';
    return 0;
}

int request_parse(const char *name, char job[static EXEC_UNIT_BYTES], uint32_t *unit,
                  uint64_t *epoch, struct xos_error *err)
{
    char again[EXEC_UNIT_BYTES], whole[EXEC_UNIT_BYTES] = "";
    uint64_t number = 0;
    memcpy(whole, name, strnlen(name, EXEC_UNIT_BYTES - 1));
    memcpy(job, whole, EXEC_UNIT_BYTES);
    if (last_number(job, UINT64_MAX, epoch) < 0 || last_number(job, UINT32_MAX, &number) < 0)
        return xos_fail(err, XOS_INVALID, "\"%s\" is not a unit: inria-1042.3.7 is", whole);
    *unit = (uint32_t)number;
    /* One name for one unit: no leading zeros, say. */
    if (request_name(again, job, *unit, *epoch, err) < 0 || strcmp(again, whole) != 0)
        return xos_fail(err, XOS_INVALID, "\"%s\" is not a unit as it is written", whole);
    return 0;
}

static uint32_t flags_of(const struct job_spec *s, uint32_t unit)
{
    bool input = !s->stdin_closed && (s->stdin_each || unit == 0);
    return (s->fenced ? EXECD_FENCED : 0u) | (s->pty ? EXECD_PTY : 0u) | (input ? EXECD_STDIN : 0u);
}

int request_fill(struct execd_request *r, char ***envp, const struct job_spec *s,
                 const struct request_facts *f, struct xos_error *err)
{
    char hosts[EXECD_PATH_BYTES_MAX + sizeof(REQUEST_HOSTS)];
    const char *scratch = f->scratch ? f->scratch : REQUEST_SCRATCH;
    struct environ_facts facts = {.job = f->job,
                                  .unit = f->unit,
                                  .node = f->node,
                                  .institution = f->institution,
                                  .vo = f->vo,
                                  .user = f->user,
                                  .scratch = scratch,
                                  .hosts = hosts};
    (void)snprintf(hosts, sizeof(hosts), "%.*s" REQUEST_HOSTS, EXECD_PATH_BYTES_MAX, scratch);
    *r = (struct execd_request){.verb = EXECD_START,
                                .flags = flags_of(s, f->unit),
                                .epoch = f->epoch,
                                .walltime_ms = s->time_ms,
                                .grace_ms = s->grace_ms,
                                .mem_bytes = s->mem_bytes,
                                .cpu_milli = s->cpus * 1000,
                                .rows = s->rows,
                                .cols = s->columns};
    if (request_name(r->unit, f->job, f->unit, f->epoch, err) < 0)
        return -1;
    return environ_build(envp, s, &facts, err);
}

/* Comparing */

static int other(const char *what, struct xos_error *err)
{
    return xos_fail(err, XOS_DENIED, "the %s is not what the specification says", what);
}

static int compare_numbers(const struct execd_request *a, const struct execd_request *b,
                           struct xos_error *err)
{
    const struct {
        const char *what;
        uint64_t a, b;
    } rows[] = {
        {"kind of its streams and fence", a->flags, b->flags},
        {"epoch", a->epoch, b->epoch},
        {"time limit", a->walltime_ms, b->walltime_ms},
        {"grace", a->grace_ms, b->grace_ms},
        {"memory", a->mem_bytes, b->mem_bytes},
        {"number of CPUs", a->cpu_milli, b->cpu_milli},
        {"number of processes", a->pids, b->pids},
        {"terminal's height", a->rows, b->rows},
        {"terminal's width", a->cols, b->cols},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].a != rows[i].b)
            return other(rows[i].what, err);
    return 0;
}

static bool same_blob(const struct execd_request *a, const struct execd_request *b,
                      enum execd_blob which)
{
    const struct wire_blob *x = &a->blobs[which], *y = &b->blobs[which];
    return x->bytes == y->bytes && x->count == y->count &&
           memcmp((const uint8_t *)a + x->offset, (const uint8_t *)b + y->offset, x->bytes) == 0;
}

static int compare_words(const struct execd_request *asked, const struct execd_request *said,
                         struct xos_error *err)
{
    static const struct {
        enum execd_blob blob;
        const char *what;
    } rows[] = {{EXECD_ARGV, "command"}, {EXECD_ENVP, "environment"}, {EXECD_CWD, "directory"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!same_blob(asked, said, rows[i].blob))
            return other(rows[i].what, err);
    return 0;
}

int request_compare(const struct execd_request *asked, const struct job_spec *spec,
                    const struct request_facts *facts, struct xos_error *err)
{
    char **envp = NULL;
    struct execd_request *said = xos_alloc(EXECD_MESSAGE_BYTES_MAX);
    if (!said)
        return xos_fail(err, XOS_NOMEM, "request");
    int rc = request_fill(said, &envp, spec, facts, err);
    struct execd_blobs blobs = {.argv = (const char *const *)spec->argv,
                                .envp = (const char *const *)envp,
                                .cwd = spec->cwd[0] ? spec->cwd : NULL};
    if (rc == 0)
        rc = execd_request_finish(said, &blobs, err);
    if (rc == 0 && memcmp(asked->unit, said->unit, EXEC_UNIT_BYTES) != 0)
        rc = other("unit", err);
    if (rc == 0)
        rc = compare_numbers(asked, said, err);
    if (rc == 0)
        rc = compare_words(asked, said, err);
    environ_free(envp);
    xos_free(said);
    return rc;
}
