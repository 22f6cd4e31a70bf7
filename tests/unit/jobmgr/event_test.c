// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a head that was restarted no longer knows its jobs. */
#include "jobmgr/core/event.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/wire/pb.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <string.h>

static struct xos_slice text(const char *s)
{
    return (struct xos_slice){(const uint8_t *)s, strlen(s)};
}

static struct job_event whole(enum job_event_kind kind)
{
    struct job_event ev = {.kind = kind,
                           .sequence = UINT64_MAX,
                           .at_ms = 1700000000000,
                           .unit = JOB_ALL_UNITS,
                           .epoch = 1700000000000,
                           .signal = -1,
                           .exit = {.how = UNIT_END_SHIM_LOST,
                                    .value = -1,
                                    .stage = 3,
                                    .error = 2,
                                    .started_ms = 5,
                                    .ended_ms = 6,
                                    .cpu_ms = 7,
                                    .memory_peak_bytes = 8,
                                    .out_bytes = 9,
                                    .err_bytes = 10,
                                    .dropped_bytes = 11},
                           .spec = text("specification"),
                           .grant = text("grant"),
                           .operation_id = text("0123456789abcdef")};
    (void)snprintf(ev.node, sizeof(ev.node), "n1.inria");
    memset(ev.reason, 'r', JOB_REASON_MAX - 1);
    (void)snprintf(ev.user, sizeof(ev.user), "alice@inria");
    (void)snprintf(ev.vo, sizeof(ev.vo), "vo:demo@inria");
    return ev;
}

static void same_slice(struct xos_slice a, struct xos_slice b)
{
    assert_int_equal(a.len, b.len);
    if (a.len)
        assert_memory_equal(a.data, b.data, a.len);
}

static void every_event_goes_round(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf bytes = XOS_BUF(JOB_EVENT_BYTES_MAX);
    void *owner = NULL;
    for (enum job_event_kind k = JOB_EVENT_SUBMITTED; k <= JOB_EVENT_DONE; k++) {
        struct job_event ev = whole(k), back;
        if (k == JOB_EVENT_WAITING)
            ev = (struct job_event){.kind = k, .sequence = 1};
        xos_buf_clear(&bytes);
        XT_TRY(job_event_encode(&ev, &bytes, &err));
        XT_TRY(job_event_decode(&back, &owner, (struct xos_slice){bytes.data, bytes.len}, &err));
        assert_int_equal(back.kind, k);
        assert_true(back.sequence == ev.sequence && back.at_ms == ev.at_ms);
        assert_true(back.unit == ev.unit && back.epoch == ev.epoch && back.signal == ev.signal);
        assert_string_equal(back.node, ev.node);
        assert_string_equal(back.reason, ev.reason);
        assert_string_equal(back.user, ev.user);
        assert_string_equal(back.vo, ev.vo);
        assert_memory_equal(&back.exit, &ev.exit, sizeof(ev.exit));
        same_slice(back.spec, ev.spec);
        same_slice(back.grant, ev.grant);
        same_slice(back.operation_id, ev.operation_id);
        job_event_free(owner);
        owner = NULL;
    }
out:
    job_event_free(owner);
    xos_buf_free(&bytes);
}

static void what_no_event_says_is_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf bytes = XOS_BUF(JOB_EVENT_BYTES_MAX);
    char longer[JOB_REASON_MAX + 1] = "";
    memset(longer, 'x', JOB_REASON_MAX);
    for (int i = 0; i < 6; i++) {
        Xos__Job__EventPb m = XOS__JOB__EVENT_PB__INIT;
        Xos__Job__ExitPb exit = XOS__JOB__EXIT_PB__INIT;
        struct job_event ev = {.sequence = 77};
        void *owner = NULL;
        m.kind = i == 0 ? 0 : i == 1 ? JOB_EVENT_DONE + 1 : JOB_EVENT_ENDED;
        if (i == 2)
            m.reason = xos_pb_text(longer);
        if (i == 3)
            m.node = (ProtobufCBinaryData){3, (uint8_t *)(uintptr_t) "a\0b"};
        if (i >= 4)
            m.exit = &exit; /* 4: without a how */
        if (i == 5)
            exit.how = UNIT_END_START_FAILED + 1;
        xos_buf_clear(&bytes);
        XT_TRY(xos_pb_pack(&m, &bytes, &err));
        XT_REFUSED(job_event_decode(&ev, &owner, (struct xos_slice){bytes.data, bytes.len}, &err),
                   XOS_PROTOCOL);
        assert_int_equal(ev.sequence, 77);
        assert_null(owner);
    }
out:
    xos_buf_free(&bytes);
}

static void names_are_those_of_the_listings(void **state)
{
    (void)state;
    assert_string_equal(job_event_name(JOB_EVENT_SUBMITTED), "submitted");
    assert_string_equal(job_event_name(JOB_EVENT_DONE), "done");
    assert_string_equal(job_event_name(JOB_EVENT_NONE), "none");
    assert_string_equal(job_event_name((enum job_event_kind)99), "unknown");
    assert_string_equal(unit_end_name(UNIT_END_TIME_LIMIT), "time-limit");
    assert_string_equal(unit_end_name(UNIT_END_NODE_LOST), "node-lost");
    assert_string_equal(unit_end_name((enum unit_end)99), "unknown");
}

static const struct xt_test tests[] = {
    XT(every_event_goes_round),
    XT(what_no_event_says_is_refused),
    XT(names_are_those_of_the_listings),
};
XT_MAIN(tests)
