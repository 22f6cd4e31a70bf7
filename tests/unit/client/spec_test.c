// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a job is run with other words, limits or files than were typed, or a missing
 * command is blamed on something else. */
#include "client/job_event.h"
#include "client/spec.h"
#include "jobmgr/core/event.h"
#include "jobmgr/core/spec.h"
#include "jobmgr/exec/shim_wire.h"
#include "tests/lib/xtest.h"

#include <errno.h>
#include <string.h>

_Static_assert(CLIENT_STAGE_FILES == (int)STAGE_FILES, "one numbering");
_Static_assert(CLIENT_STAGE_DIRECTORY == (int)STAGE_DIRECTORY, "one numbering");
_Static_assert(CLIENT_STAGE_EXEC == (int)STAGE_EXEC, "one numbering");
_Static_assert(XOS_JOB_DONE == (int)JOB_EVENT_DONE && XOS_JOB_LOST == (int)JOB_EVENT_LOST, "kinds");
_Static_assert(XOS_END_START_FAILED == (int)UNIT_END_START_FAILED, "ends");

static void the_owner_reads_what_the_program_gave(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf out = XOS_BUF(SPEC_BYTES_MAX);
    struct job_spec *got = NULL;
    struct xos_job_file file = {"data", 0640, "abc", 3};
    struct xos_job_spec spec = XOS_JOB_SPEC;
    spec.argv = (const char *[]){"sh", "-c", "x"}, spec.argc = 3;
    spec.env = (const char *[]){"A=B"}, spec.env_count = 1;
    spec.on = (const char *[]){"n1.vu", "n2"}, spec.on_count = 2;
    spec.units = 3, spec.cpus = 2, spec.time_ms = 1000, spec.requeue = true;
    spec.need = "cpu.cores>=1", spec.files = &file, spec.file_count = 1;
    XT_TRY(client_spec_pack(&spec, "inria", &out, &err));
    XT_TRY(spec_decode(&got, (struct xos_slice){out.data, out.len}, &err));
    assert_int_equal(got->argc, 3);
    assert_string_equal(got->argv[2], "x");
    assert_string_equal(got->env[0], "A=B");
    assert_string_equal(got->on[0], "n1.vu");
    assert_string_equal(got->on[1], "n2.inria");
    assert_string_equal(got->need, "cpu.cores>=1");
    assert_int_equal(got->units, 3);
    assert_int_equal(got->mem_bytes, 256 << 20);
    assert_true(got->fenced && !got->pty);
    assert_int_equal(got->files[0].mode, 0640);
    assert_memory_equal(got->files[0].data.data, "abc", 3);
out:
    spec_free(got);
    xos_buf_free(&out);
}

static void a_program_of_another_build_is_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf out = XOS_BUF(SPEC_BYTES_MAX);
    struct xos_job_spec spec = XOS_JOB_SPEC;
    XT_REFUSED(client_spec_pack(&spec, "inria", &out, &err), XOS_INVALID); /* no command */
    spec.size--;
    XT_REFUSED(client_spec_pack(&spec, "inria", &out, &err), XOS_VERSION);
    assert_int_equal(out.len, 0);
    xos_buf_free(&out);
}

static void an_event_comes_through_and_cannot_write_to_the_terminal(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf out = XOS_BUF(JOB_EVENT_BYTES_MAX);
    struct client_job_event got;
    struct job_event ev = {.kind = JOB_EVENT_ENDED, .sequence = 9, .unit = 2, .node = "n1.inria"};
    memcpy(ev.reason, "a\033[2Jb", 7);
    ev.exit = (struct unit_exit){
        .how = UNIT_END_START_FAILED, .stage = STAGE_EXEC, .error = ENOENT, .value = -1};
    XT_TRY(job_event_encode(&ev, &out, &err));
    XT_TRY(client_job_event_decode(&got, (struct xos_slice){out.data, out.len}, &err));
    assert_int_equal(got.event.kind, XOS_JOB_ENDED);
    assert_int_equal(got.event.sequence, 9);
    assert_int_equal(got.event.unit, 2);
    assert_int_equal(got.event.end, XOS_END_START_FAILED);
    assert_int_equal(got.event.error, ENOENT);
    assert_true(got.event.in_command && !got.event.in_directory);
    assert_string_equal(got.event.node, "n1.inria");
    assert_string_equal(got.event.reason, "a?[2Jb");
out:
    xos_buf_free(&out);
}

static void what_is_no_node_is_refused(void **state)
{
    (void)state;
    static const char *const words[] = {"", ".", "n1.", ".inria", "a/b", "N1", "n1.a.b", "n 1"};
    struct xos_error err = {0};
    struct xos_buf out = XOS_BUF(SPEC_BYTES_MAX);
    struct xos_job_spec spec = XOS_JOB_SPEC;
    spec.argv = (const char *[]){"sh"}, spec.argc = 1;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        spec.on = &words[i], spec.on_count = 1;
        XT_REFUSED(client_spec_pack(&spec, "inria", &out, &err), XOS_INVALID);
    }
    assert_int_equal(out.len, 0);
    xos_buf_free(&out);
}

static const struct xt_test tests[] = {
    XT(what_is_no_node_is_refused),
    XT(the_owner_reads_what_the_program_gave),
    XT(a_program_of_another_build_is_refused),
    XT(an_event_comes_through_and_cannot_write_to_the_terminal),
};
XT_MAIN(tests)
