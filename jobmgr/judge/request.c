// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/judge/request.h"

#include "jobmgr/core/environ.h"
#include "jobmgr/exec/bundle.h"
#include "libxos/base/alloc.h"
#include "libxos/base/units.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

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
    return (s->fenced ? EXECD_FENCED : 0u) | (s->pty ? EXECD_PTY : 0u) |
           (input ? EXECD_STDIN : 0u) | EXECD_FILES;
}

/* A script is one of the files in scratch, whatever directory the job starts in. */
static int words_fill(struct request_words *w, const struct job_spec *s, const char *scratch,
                      struct xos_error *err)
{
    w->blobs = (struct execd_blobs){.argv = (const char *const *)s->argv,
                                    .envp = (const char *const *)w->envp,
                                    .cwd = s->cwd[0] ? s->cwd : NULL};
    if (!s->script)
        return 0;
    size_t bytes = strlen(scratch) + strlen(s->argv[0]) + 2;
    w->argv = xos_alloc_array(s->argc + 1, sizeof(*w->argv));
    w->script = xos_alloc(bytes);
    if (!w->argv || !w->script)
        return xos_fail(err, XOS_NOMEM, "request");
    (void)snprintf(w->script, bytes, "%s/%s", scratch, s->argv[0]);
    for (size_t i = 1; i < s->argc; i++)
        w->argv[i] = s->argv[i];
    w->argv[0] = w->script;
    w->blobs.argv = w->argv;
    return 0;
}

void request_words_free(struct request_words *w)
{
    environ_free(w->envp);
    xos_free(w->argv);
    xos_free(w->script);
}

int request_fill(struct execd_request *r, struct request_words *w, const struct job_spec *s,
                 const struct request_facts *f, struct xos_error *err)
{
    char hosts[EXECD_PATH_BYTES_MAX + sizeof(REQUEST_HOSTS) + 1];
    const char *scratch = f->scratch ? f->scratch : REQUEST_SCRATCH;
    struct environ_facts facts = {.job = f->job,
                                  .unit = f->unit,
                                  .node = f->node,
                                  .institution = f->institution,
                                  .vo = f->vo,
                                  .user = f->user,
                                  .scratch = scratch,
                                  .hosts = hosts};
    (void)snprintf(hosts, sizeof(hosts), "%.*s/" REQUEST_HOSTS, EXECD_PATH_BYTES_MAX, scratch);
    *w = (struct request_words){.envp = NULL};
    *r = (struct execd_request){.verb = EXECD_START,
                                .flags = flags_of(s, f->unit),
                                .epoch = f->epoch,
                                .walltime_ms = s->time_ms,
                                .grace_ms = s->grace_ms,
                                .mem_bytes = s->mem_bytes,
                                .cpu_milli = s->cpus * 1000,
                                .rows = s->rows,
                                .cols = s->columns};
    if (request_name(r->unit, f->job, f->unit, f->epoch, err) < 0 ||
        environ_build(&w->envp, s, &facts, err) < 0)
        return -1;
    return words_fill(w, s, scratch, err);
}

/* The files */

static int file_add(struct xos_buf *out, const char *name, uint32_t mode, struct xos_slice data,
                    struct xos_error *err)
{
    struct bundle_file f = {.mode = mode, .bytes = (uint32_t)data.len};
    if (strlen(name) >= sizeof(f.name) || data.len > BUNDLE_BYTES_MAX)
        return xos_fail(err, XOS_LIMIT, "BUNDLE_BYTES_MAX: the file %s", name);
    memcpy(f.name, name, strlen(name));
    return xos_buf_add(out, &f, sizeof(f), err) < 0 ? -1
                                                    : xos_buf_add(out, data.data, data.len, err);
}

int request_bundle(struct xos_buf *out, const struct job_spec *s, struct xos_slice hosts,
                   struct xos_error *err)
{
    struct bundle b = {.magic = BUNDLE_MAGIC, .version = BUNDLE_VERSION};
    size_t start = out->len;
    b.count = (uint16_t)(s->file_count + 1);
    if (xos_buf_add(out, &b, sizeof(b), err) < 0 ||
        file_add(out, REQUEST_HOSTS, 0644, hosts, err) < 0)
        return -1;
    for (size_t i = 0; i < s->file_count; i++)
        if (file_add(out, s->files[i].name, s->files[i].mode, s->files[i].data, err) < 0)
            return -1;
    if (out->len - start > BUNDLE_BYTES_MAX)
        return xos_fail(err, XOS_LIMIT, "BUNDLE_BYTES_MAX: files of %zu bytes", out->len - start);
    b.bytes = (uint32_t)(out->len - start);
    memcpy(out->data + start, &b, sizeof(b));
    return 0;
}

static int bundle_of(struct xos_slice papers, struct bundle *b, struct xos_error *err)
{
    *b = (struct bundle){.magic = 0};
    if (papers.len >= sizeof(*b))
        memcpy(b, papers.data, sizeof(*b));
    const char *wrong = bundle_check(b, papers.len);
    return wrong ? xos_fail(err, XOS_DENIED, "its papers: malformed %s", wrong) : 0;
}

int request_proof(struct xos_slice *proof, struct xos_slice papers, struct xos_error *err)
{
    struct bundle b;
    if (bundle_of(papers, &b, err) < 0)
        return -1;
    *proof = (struct xos_slice){papers.data + b.bytes, papers.len - b.bytes};
    return 0;
}

/* The text of XOS_HOSTS is the owner's, and nothing but a text. */
static int hosts_of(struct xos_slice papers, const struct bundle *b, struct xos_slice *hosts,
                    struct xos_error *err)
{
    struct bundle_file f = {.mode = 0};
    size_t left = b->bytes - sizeof(*b);
    if (b->count && left >= sizeof(f))
        memcpy(&f, papers.data + sizeof(*b), sizeof(f));
    const char *wrong = bundle_file_check(&f, left);
    if (wrong || strcmp(f.name, REQUEST_HOSTS) != 0 || f.bytes > SPEC_HOSTS_BYTES_MAX)
        return xos_fail(err, XOS_DENIED, "its papers: the first file is not " REQUEST_HOSTS);
    *hosts = (struct xos_slice){papers.data + sizeof(*b) + sizeof(f), f.bytes};
    return 0;
}

int request_papers(struct xos_slice papers, const struct job_spec *s, struct xos_error *err)
{
    struct bundle b;
    struct xos_slice hosts;
    struct xos_buf said = XOS_BUF(BUNDLE_BYTES_MAX);
    if (bundle_of(papers, &b, err) < 0 || hosts_of(papers, &b, &hosts, err) < 0)
        return -1;
    int rc = request_bundle(&said, s, hosts, err);
    if (rc == 0 && (said.len != b.bytes || memcmp(said.data, papers.data, said.len) != 0))
        rc = xos_fail(err, XOS_DENIED, "the files are not what the specification says");
    xos_buf_free(&said);
    return rc;
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
    struct request_words words;
    struct execd_request *said = xos_alloc(EXECD_MESSAGE_BYTES_MAX);
    if (!said)
        return xos_fail(err, XOS_NOMEM, "request");
    int rc = request_fill(said, &words, spec, facts, err);
    if (rc == 0)
        rc = execd_request_finish(said, &words.blobs, err);
    if (rc == 0 && memcmp(asked->unit, said->unit, EXEC_UNIT_BYTES) != 0)
        rc = other("unit", err);
    if (rc == 0)
        rc = compare_numbers(asked, said, err);
    if (rc == 0)
        rc = compare_words(asked, said, err);
    request_words_free(&words);
    xos_free(said);
    return rc;
}
