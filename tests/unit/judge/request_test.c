// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: xosd runs another command than its user signed, or with another's environment.
 */
#include "jobmgr/exec/bundle.h"
#include "tests/unit/judge/judge_stage.h"

#include <stddef.h>

static void a_unit_has_one_name(void **state)
{
    static const struct {
        const char *name;
        bool good;
    } cases[] = {
        {"inria-1042.3.7", true},
        {"inria-1042.0.1", true},
        {"inria-1042.3", false},
        {"inria-1042", false},
        {"", false},
        {"inria-1042.03.7", false},
        {"inria-1042.3.07", false},
        {"inria-1042.3.-7", false},
        {"inria-1042.4294967296.7", false},
        {"inria-1042.3.99999999999999999999", false},
        {"..3.7", false},
        {"A-1.3.7", false},
        {"inria-1042.3.7.", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct xos_error err = {0};
        char job[EXEC_UNIT_BYTES], again[EXEC_UNIT_BYTES];
        uint32_t unit;
        uint64_t epoch;
        int rc = request_parse(cases[i].name, job, &unit, &epoch, &err);
        assert_int_equal(rc, cases[i].good ? 0 : -1);
        if (rc < 0)
            assert_int_equal(err.code, XOS_INVALID);
        else
            assert_int_equal(request_name(again, job, unit, epoch, &err), 0);
        if (rc == 0)
            assert_string_equal(again, cases[i].name);
    }
}

static void what_is_asked_is_what_is_said(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct judge_stage s;
    XT_TRY(judge_stage_open(&s, &err));
    XT_TRY(judge_stage_request(&s, NULL, NULL, &err));
    XT_TRY(request_compare(s.request, s.spec, &s.facts, &err));
    assert_int_equal(s.request->cpu_milli, 4000);
    assert_int_equal(s.request->flags, EXECD_FILES); /* unit 3 has no standard input */
    assert_null(memmem(s.request, s.request->bytes, "XOS_USER=root", 13));
    assert_non_null(memmem(s.request, s.request->bytes, "LEVEL=9", 8));
    assert_non_null(memmem(s.request, s.request->bytes, "HOME=/xos/scratch", 18));
    s.request->deadline_ms = 12345; /* the node's own */
    s.request->spool_bytes = 4096;
    XT_TRY(request_compare(s.request, s.spec, &s.facts, &err));
out:
    judge_stage_close(&s);
}

static void more_memory(struct execd_request *r)
{
    r->mem_bytes++;
}
static void no_memory_limit(struct execd_request *r)
{
    r->mem_bytes = 0;
}
static void more_cpus(struct execd_request *r)
{
    r->cpu_milli += 1000;
}
static void quota(struct execd_request *r)
{
    r->flags |= EXECD_CPU_QUOTA;
}
static void input(struct execd_request *r)
{
    r->flags |= EXECD_STDIN;
}
static void longer(struct execd_request *r)
{
    r->walltime_ms++;
}
static void processes(struct execd_request *r)
{
    r->pids = 1;
}
static void grace(struct execd_request *r)
{
    r->grace_ms++;
}
static void epoch(struct execd_request *r)
{
    r->epoch++;
}
static void rows(struct execd_request *r)
{
    r->rows++;
}
static void columns(struct execd_request *r)
{
    r->cols++;
}
static void name(struct execd_request *r)
{
    memcpy(r->unit, "inria-1042.4.7", 15);
}

static void other_numbers_are_refused_by_name(void **state)
{
    static const struct {
        void (*change)(struct execd_request *r);
        const char *text;
    } cases[] = {
        {more_memory, "memory"}, {no_memory_limit, "memory"}, {more_cpus, "CPUs"},
        {quota, "kind of"},      {input, "kind of"},          {longer, "time limit"},
        {grace, "grace"},        {processes, "processes"},    {epoch, "epoch"},
        {rows, "height"},        {columns, "width"},          {name, "unit"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct xos_error err = {0};
        struct judge_stage s;
        XT_TRY(judge_stage_open(&s, &err));
        XT_TRY(judge_stage_request(&s, NULL, NULL, &err));
        cases[i].change(s.request);
        XT_REFUSED(request_compare(s.request, s.spec, &s.facts, &err), XOS_DENIED);
        if (err.code != XOS_NOMEM && !strstr(err.text, cases[i].text))
            fail_msg("%zu: %s", i, err.text);
    out:
        judge_stage_close(&s);
    }
}

static void other_words_are_refused_by_name(void **state)
{
    static const char *const other[] = {"sh", "-c", "exit 8", NULL}, *const fewer[] = {"sh", NULL};
    static const struct {
        const char *const *argv;
        const char *env, *text;
    } cases[] = {
        {other, NULL, "command"},
        {fewer, NULL, "command"},
        {NULL, "LD_PRELOAD=/tmp/evil.so", "environment"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct xos_error err = {0};
        struct judge_stage s;
        XT_TRY(judge_stage_open(&s, &err));
        XT_TRY(judge_stage_request(&s, cases[i].argv, cases[i].env, &err));
        XT_REFUSED(request_compare(s.request, s.spec, &s.facts, &err), XOS_DENIED);
        if (err.code != XOS_NOMEM && !strstr(err.text, cases[i].text))
            fail_msg("%zu: %s", i, err.text);
    out:
        judge_stage_close(&s);
    }
}

/* Papers with a file that the specification has, and what is done to them. */
static void nothing(struct xos_buf *papers)
{
    (void)papers;
}
static void other_byte(struct xos_buf *papers)
{
    uint8_t *at = memmem(papers->data, papers->len, "#!/bin/sh", 9);
    if (at)
        at[2] = '.';
}
static void executable(struct xos_buf *papers)
{
    struct bundle_file f;
    uint8_t *at = papers->data + sizeof(struct bundle);
    memcpy(&f, at, sizeof(f));
    f.mode = 0755;
    memcpy(at, &f, sizeof(f));
}
static void other_name(struct xos_buf *papers)
{
    memcpy(papers->data + sizeof(struct bundle) + offsetof(struct bundle_file, name), ".profile",
           9);
}
static void head_only(struct xos_buf *papers)
{
    struct bundle b = {.magic = BUNDLE_MAGIC, .version = BUNDLE_VERSION, .bytes = sizeof(b)};
    memcpy(papers->data, &b, sizeof(b));
}
static void cut(struct xos_buf *papers)
{
    papers->len = sizeof(struct bundle) + 1;
}
static void empty(struct xos_buf *papers)
{
    papers->len = 0;
}

static void other_files_are_refused_by_name(void **state)
{
    static const struct {
        void (*change)(struct xos_buf *papers);
        const char *text;
    } cases[] = {
        {nothing, NULL},           {other_byte, "files"},
        {executable, "files"},     {other_name, "first file"},
        {head_only, "first file"}, {cut, "size"},
        {empty, "head"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct xos_error err = {0};
        struct judge_stage s;
        struct spec_file *own = NULL;
        struct spec_file file = {.name = "run.sh", .mode = 0700, .data = auth_slice("#!/bin/sh")};
        XT_TRY(judge_stage_open(&s, &err));
        own = s.spec->files;
        s.spec->files = &file;
        s.spec->file_count = 1;
        XT_TRY(judge_stage_papers(&s, &err));
        cases[i].change(&s.papers);
        if (!cases[i].text) {
            struct xos_slice proof;
            XT_TRY(request_papers(fixture_slice(&s.papers), s.spec, &err));
            XT_TRY(request_proof(&proof, fixture_slice(&s.papers), &err));
            assert_int_equal(proof.len, s.proof.len);
        } else {
            XT_REFUSED(request_papers(fixture_slice(&s.papers), s.spec, &err), XOS_DENIED);
            if (err.code != XOS_NOMEM && !strstr(err.text, cases[i].text))
                fail_msg("%zu: %s", i, err.text);
        }
    out:
        if (s.spec) {
            s.spec->files = own;
            s.spec->file_count = 0;
        }
        judge_stage_close(&s);
    }
}

static void a_script_is_run_from_scratch(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct judge_stage s;
    struct request_words words = {.envp = NULL};
    XT_TRY(judge_stage_open(&s, &err));
    s.spec->script = true;
    XT_TRY(request_fill(s.request, &words, s.spec, &s.facts, &err));
    assert_string_equal(words.blobs.argv[0], "/xos/scratch/sh");
    assert_string_equal(words.blobs.argv[2], "exit 7");
    assert_null(words.blobs.argv[3]);
    request_words_free(&words);
    s.facts.scratch = "/var/tmp/s";
    XT_TRY(request_fill(s.request, &words, s.spec, &s.facts, &err));
    assert_string_equal(words.blobs.argv[0], "/var/tmp/s/sh");
out:
    request_words_free(&words);
    judge_stage_close(&s);
}

static const struct xt_test tests[] = {
    XT_PLAIN(a_unit_has_one_name),
    XT(what_is_asked_is_what_is_said),
    XT(other_numbers_are_refused_by_name),
    XT(other_words_are_refused_by_name),
    XT_PLAIN(other_files_are_refused_by_name),
    XT(a_script_is_run_from_scratch),
};
XT_MAIN(tests)
