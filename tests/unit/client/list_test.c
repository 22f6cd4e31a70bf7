// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a listing shows other jobs than there are, or a head's answer takes the
 * program down. */
#include "client/list.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/wire/pb.h"
#include "tests/lib/xtest.h"

#include <string.h>

static int answer_pack(struct xos_buf *out, struct xos_error *err)
{
    Xos__Job__UnitPb units[2] = {XOS__JOB__UNIT_PB__INIT, XOS__JOB__UNIT_PB__INIT};
    Xos__Job__UnitPb *list[2] = {&units[0], &units[1]};
    Xos__Job__JobPb one = XOS__JOB__JOB_PB__INIT, two = XOS__JOB__JOB_PB__INIT;
    Xos__Job__JobPb *jobs[2] = {&one, &two};
    Xos__Job__JobsPb all = XOS__JOB__JOBS_PB__INIT;
    ProtobufCBinaryData argv[2] = {xos_pb_text("sleep"), xos_pb_text("")};
    one.id = xos_pb_text("inria-1");
    one.state = xos_pb_text("running");
    one.submitted_ms = 5;
    one.n_argv = 2, one.argv = argv;
    one.n_units = 2, one.units = list;
    units[1].unit = 1;
    units[1].epoch = 3;
    units[1].node = xos_pb_text("n1.inria");
    two.id = xos_pb_text("inria-2");
    two.state = xos_pb_text("done");
    two.exit = -1;
    all.n_jobs = 2, all.jobs = jobs;
    all.more = true;
    return xos_pb_pack(&all, out, err);
}

static void what_the_head_says_is_what_the_program_sees(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf out = XOS_BUF(4096);
    struct xos_jobs *list = client_jobs_new();
    XT_TRY(list ? 0 : xos_fail(&err, XOS_NOMEM, "list"));
    XT_TRY(answer_pack(&out, &err));
    XT_TRY(client_jobs_add(list, (struct xos_slice){out.data, out.len}, &err));
    XT_TRY(client_jobs_add(list, (struct xos_slice){out.data, out.len}, &err));
    assert_int_equal(list->count, 4);
    assert_true(list->more);
    const struct xos_job_info *one = list->jobs[2];
    assert_string_equal(one->id, "inria-1");
    assert_string_equal(one->name, "");
    assert_int_equal(one->argc, 2);
    assert_string_equal(one->argv[0], "sleep");
    assert_string_equal(one->argv[1], "");
    assert_int_equal(one->unit_count, 2);
    assert_string_equal(one->units[0]->node, "");
    assert_string_equal(one->units[1]->node, "n1.inria");
    assert_int_equal(one->units[1]->epoch, 3);
    assert_int_equal(list->jobs[3]->exit, -1);
out:
    xos_jobs_free(list);
    xos_buf_free(&out);
}

static void what_is_no_listing_changes_nothing(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_jobs *list = client_jobs_new();
    XT_TRY(list ? 0 : xos_fail(&err, XOS_NOMEM, "list"));
    XT_REFUSED(client_jobs_add(list, (struct xos_slice){(const uint8_t *)"\x0a\x7f", 2}, &err),
               XOS_PROTOCOL);
    assert_int_equal(list->count, 0);
out:
    xos_jobs_free(list);
}

static const struct xt_test tests[] = {
    XT(what_the_head_says_is_what_the_program_sees),
    XT(what_is_no_listing_changes_nothing),
};
XT_MAIN(tests)
