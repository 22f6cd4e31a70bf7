// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a worker runs something else than what the user signed, or what was asked for
 * is cut without a word. */
#include "jobmgr/core/spec.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"
#include "tests/lib/xtest.h"

#include <stddef.h>
#include <string.h>

struct draft {
    Xos__Job__SpecPb m;
    Xos__Job__FilePb file, *files[SPEC_FILES_MAX + 1];
    ProtobufCBinaryData argv[3], env[3], on[2];
};

static void draft_init(struct draft *d)
{
    *d = (struct draft){.m = XOS__JOB__SPEC_PB__INIT, .file = XOS__JOB__FILE_PB__INIT};
    d->argv[0] = xos_pb_text("sort");
    d->argv[1] = xos_pb_text("");
    d->argv[2] = xos_pb_text("-n");
    d->env[0] = xos_pb_text("A=1");
    d->env[1] = xos_pb_text("PATH=/opt/bin");
    d->env[2] = xos_pb_text("XOS_JOB=mine");
    d->on[0] = xos_pb_text("n1.inria");
    d->on[1] = xos_pb_text("n2.vu");
    d->file.name = xos_pb_text("sort");
    d->file.mode = 0107755;
    d->file.data = xos_pb_text("12");
    for (size_t i = 0; i <= SPEC_FILES_MAX; i++)
        d->files[i] = &d->file;
    d->m.argv = d->argv;
    d->m.n_argv = 3;
    d->m.env = d->env;
    d->m.n_env = 3;
    d->m.on = d->on;
    d->m.n_on = 2;
    d->m.in = d->files;
    d->m.n_in = 1;
    d->m.units = 2;
    d->m.cpus = 1;
    d->m.name = xos_pb_text("test");
    d->m.script = true;
    d->m.fenced = true;
    d->m.grace_ms = 10000;
}

static int decode(struct job_spec **out, const struct draft *d, struct xos_error *err)
{
    struct xos_buf bytes = XOS_BUF(2 * SPEC_BYTES_MAX);
    int rc = xos_pb_pack(&d->m, &bytes, err);
    if (rc == 0)
        rc = spec_decode(out, (struct xos_slice){bytes.data, bytes.len}, err);
    xos_buf_free(&bytes);
    return rc;
}

static void it_says_what_was_asked_for(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct draft d;
    struct job_spec *s = NULL;
    struct job_shape shape;
    draft_init(&d);
    XT_TRY(decode(&s, &d, &err));
    assert_int_equal(s->argc, 3);
    assert_string_equal(s->argv[2], "-n");
    assert_null(s->argv[3]);
    assert_string_equal(s->argv[1], "");
    assert_string_equal(s->env[2], "XOS_JOB=mine");
    assert_string_equal(s->on[1], "n2.vu");
    assert_null(s->on[2]);
    assert_string_equal(s->cwd, "");
    assert_int_equal(s->files[0].mode, 0755); /* no set-user-id */
    assert_memory_equal(s->files[0].data.data, "12", 2);
    assert_true(s->script);
    spec_shape(s, &shape);
    assert_int_equal(shape.units, 2);
    assert_true(shape.fenced && !shape.fail_fast && !shape.no_wait);
    assert_int_equal(shape.grace_ms, 10000);
out:
    spec_free(s);
    spec_free(NULL);
}

static char long_text[SPEC_WORDS_BYTES_MAX + 1];
static const ProtobufCBinaryData nul = {3, (uint8_t *)"a\0b"},
                                 above_text = {SPEC_TEXT_MAX + 1, (uint8_t *)long_text},
                                 above_words = {SPEC_WORDS_BYTES_MAX - 5, (uint8_t *)long_text},
                                 above_name = {256, (uint8_t *)long_text};

/* A number that is out of its bounds, a text that is none, and which code says so. */
static const struct flaw {
    size_t at; /* in the draft */
    uint64_t number;
    const ProtobufCBinaryData *data;
    const char *text; /* when data is NULL, and not this either: a number */
    enum xos_code code;
    bool wide; /* the number has 64 bits */
} flaws[] = {
#define NUMBER(field, v, w)                                                                        \
    {                                                                                              \
        offsetof(struct draft, m.field), v, NULL, NULL, XOS_LIMIT, w                               \
    }
#define TEXT(place, t)                                                                             \
    {                                                                                              \
        offsetof(struct draft, place), 0, NULL, t, XOS_INVALID, false                              \
    }
#define DATA(place, d, c)                                                                          \
    {                                                                                              \
        offsetof(struct draft, place), 0, &d, NULL, c, false                                       \
    }
    NUMBER(units, 0, false),
    NUMBER(units, JOB_UNITS_MAX + 1, false),
    NUMBER(cpus, 0, false),
    NUMBER(cpus, SPEC_CPUS_MAX + 1, false),
    NUMBER(mem_bytes, UINT64_MAX, true),
    NUMBER(gpus, 65, false),
    NUMBER(time_ms, UINT64_MAX, true),
    NUMBER(grace_ms, SPEC_GRACE_MS_MAX + 1, true),
    NUMBER(rows, 65536, false),
    NUMBER(columns, 65536, false),
    NUMBER(n_in, SPEC_FILES_MAX + 1, true),
    TEXT(argv[0], ""),
    TEXT(env[0], "A"),
    TEXT(env[0], "=1"),
    TEXT(file.name, "../x"),
    TEXT(file.name, ".."),
    TEXT(file.name, "."),
    TEXT(file.name, ""),
    DATA(file.name, above_name, XOS_LIMIT),
    DATA(m.name, above_text, XOS_LIMIT),
    DATA(m.name, nul, XOS_INVALID),
    DATA(m.cwd, above_text, XOS_LIMIT),
    DATA(m.need, above_text, XOS_LIMIT),
    DATA(argv[1], nul, XOS_INVALID),
    DATA(argv[1], above_words, XOS_LIMIT),
    DATA(env[0], above_words, XOS_LIMIT),
    DATA(on[1], nul, XOS_INVALID),
};

static void spoil(struct draft *d, const struct flaw *f)
{
    void *at = (char *)d + f->at;
    const uint32_t narrow = (uint32_t)f->number;
    memset(long_text, 'x', sizeof(long_text));
    const ProtobufCBinaryData data = f->data ? *f->data : xos_pb_text(f->text);
    if (f->data || f->text)
        memcpy(at, &data, sizeof(data));
    else if (f->wide)
        memcpy(at, &f->number, sizeof(f->number));
    else
        memcpy(at, &narrow, sizeof(narrow));
}

static void every_flaw_is_refused_by_name(void **state)
{
    (void)state;
    struct xos_error err = {0};
    for (size_t i = 0; i < sizeof(flaws) / sizeof(flaws[0]); i++) {
        struct draft d;
        struct job_spec *s = NULL;
        draft_init(&d);
        spoil(&d, &flaws[i]);
        XT_REFUSED(decode(&s, &d, &err), flaws[i].code);
        assert_null(s);
        if (!xt_starving())
            assert_memory_equal(err.text, "specification: ", 15);
    }
    struct job_spec *s = NULL;
    struct draft d;
    draft_init(&d);
    d.m.pty = true; /* of two units */
    XT_REFUSED(decode(&s, &d, &err), XOS_INVALID);
    d.m.pty = false;
    d.m.n_argv = 0;
    XT_REFUSED(decode(&s, &d, &err), XOS_INVALID);
    XT_REFUSED(spec_decode(&s, (struct xos_slice){(const uint8_t *)"\xf8\x07\x01", 3}, &err),
               XOS_PROTOCOL);
    XT_REFUSED(spec_decode(&s, (struct xos_slice){NULL, 0}, &err), XOS_LIMIT);
}

static void files_have_names_of_their_own(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct job_spec *s;
    struct draft d;
    draft_init(&d);
    d.m.n_in = 2; /* both of one name */
    XT_REFUSED(decode(&s, &d, &err), XOS_INVALID);
    assert_non_null(strstr(err.text, "FILE:NAME"));
    d.m.n_in = 1;
    d.file.name = xos_pb_text(".xos-hosts");
    XT_REFUSED(decode(&s, &d, &err), XOS_INVALID);
    assert_non_null(strstr(err.text, "kept for XOS"));
    d.file.name = xos_pb_text("data"); /* and where is the script? */
    XT_REFUSED(decode(&s, &d, &err), XOS_INVALID);
    assert_non_null(strstr(err.text, "was not sent"));
}

/* The largest command that may be asked for is one that goes through. */
static void the_largest_command_fits(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct draft d;
    struct job_spec *s = NULL;
    ProtobufCBinaryData *words = xos_alloc_array(SPEC_ARGS_MAX + 1, sizeof(*words));
    draft_init(&d);
    if (!words)
        goto out;
    words[0] = xos_pb_text("c");
    d.m.script = false;
    d.m.argv = words;
    d.m.n_argv = SPEC_ARGS_MAX;
    XT_TRY(decode(&s, &d, &err));
    assert_int_equal(s->argc, SPEC_ARGS_MAX);
    spec_free(s);
    s = NULL;
    d.m.n_argv = SPEC_ARGS_MAX + 1;
    XT_REFUSED(decode(&s, &d, &err), XOS_LIMIT);
out:
    spec_free(s);
    xos_free(words);
}

static const struct xt_test tests[] = {
    XT(it_says_what_was_asked_for),
    XT(every_flaw_is_refused_by_name),
    XT_PLAIN(files_have_names_of_their_own),
    XT_PLAIN(the_largest_command_fits),
};
XT_MAIN(tests)
