// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a job is made twice by a client that asks again, or a client that leaves takes
 * the daemon along. */
#include "jobmgr/jobmgr.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/wire/pb.h"
#include "tests/unit/net/raw_peer.h"

#include <stdio.h>

struct stage {
    struct xos_loop *loop;
    struct xos_rpc *rpc;
    struct discovery *discovery;
    struct jobmgr *jobs;
    char url[128];
};

static int gate(void *arg, const struct xos_verb *verb, const struct xos_envelope *e,
                const struct xos_request *request, const struct xos_peer *peer,
                struct xos_caller *out, struct xos_error *err)
{
    (void)arg;
    (void)verb;
    (void)e;
    (void)request;
    (void)peer;
    (void)err;
    *out = (struct xos_caller){.kind = XOS_CALLER_LOCAL, .name = "alice@local"};
    return 0;
}

/* A head without a worker: its jobs wait. */
static int stage_up(struct stage *s, struct xos_error *err)
{
    struct xos_rpc_config rpc = {
        .node = "n1.local", .institution = "local", .head = true, .gate = gate};
    struct discovery_config own = {.env = xos_env_posix(),
                                   .node = "n1.local",
                                   .institution = "local",
                                   .root = "/",
                                   .state_dir = xt_dir(),
                                   .cpus = 64,
                                   .mem_bytes = UINT64_C(1) << 40};
    *s = (struct stage){0};
    (void)snprintf(s->url, sizeof(s->url), "sqlite:%s/jobs.db", xt_dir());
    if (xos_loop_new(&s->loop, xos_env_posix(), err) < 0 ||
        xos_rpc_new(&s->rpc, s->loop, &rpc, err) < 0 || discovery_new(&s->discovery, &own, err) < 0)
        return -1;
    struct jobmgr_config jobs = {.loop = s->loop,
                                 .rpc = s->rpc,
                                 .discovery = s->discovery,
                                 .node = "n1.local",
                                 .institution = "local",
                                 .head = true,
                                 .store_url = s->url};
    return jobmgr_new(&s->jobs, &jobs, err);
}

static void stage_down(struct stage *s)
{
    jobmgr_free(s->jobs);
    xos_rpc_free(s->rpc);
    discovery_free(s->discovery);
    xos_loop_free(s->loop);
}

/* The frame of a job.run under an operation id, on a connection of its own. */
static int submit(struct stage *s, struct raw_peer *p, uint8_t operation, bool watch,
                  struct xos_error *err)
{
    static const struct xos_peer me = {.uid = 1};
    struct xos_buf spec = XOS_BUF(4096), body = XOS_BUF(8192), header = XOS_BUF(4096),
                   frame = XOS_BUF(16384);
    ProtobufCBinaryData argv[] = {xos_pb_text("true")};
    Xos__Job__SpecPb spec_pb = XOS__JOB__SPEC_PB__INIT;
    Xos__Job__SubmitPb submit_pb = XOS__JOB__SUBMIT_PB__INIT;
    struct xos_request r = {.verb = "job.run", .to_institution = "local", .has_operation_id = true};
    r.operation_id.bytes[0] = operation;
    r.issued_ms = r.expires_ms = xos_env_real_ms(xos_env_posix());
    spec_pb.n_argv = 1;
    spec_pb.argv = argv;
    spec_pb.units = spec_pb.cpus = 1;
    int rc = xos_pb_pack(&spec_pb, &spec, err);
    submit_pb.spec = (ProtobufCBinaryData){spec.len, spec.data};
    submit_pb.watch = watch;
    if (rc == 0)
        rc = xos_pb_pack(&submit_pb, &body, err);
    if (rc == 0)
        rc = xos_sha256((struct xos_slice){body.data, body.len}, r.body_sha256, err);
    if (rc == 0)
        rc = xos_request_encode(&r, &header, err);
    struct xos_envelope e = {.kind = XOS_ENVELOPE_REQUEST,
                             .header = {header.data, header.len},
                             .body = {body.data, body.len}};
    if (rc == 0)
        rc = xos_envelope_encode(&e, &frame, err);
    if (rc == 0) {
        xos_rpc_take(s->rpc, raw_peer_open(p, XOS_ENVELOPE_BYTES_MAX), &me);
        raw_peer_frame(p, frame.data, frame.len);
    }
    xos_buf_free(&spec);
    xos_buf_free(&body);
    xos_buf_free(&header);
    xos_buf_free(&frame);
    return rc;
}

/* The job's id in the answer. */
static void answered_id(struct stage *s, struct raw_peer *p, char id[static 64])
{
    struct xos_error err = {0};
    struct xos_slice frame;
    struct xos_envelope e;
    for (int i = 0; raw_peer_next(p, &frame, &err) != 1; i++) {
        assert_true(i < PEER_WAIT_MS);
        assert_int_equal(raw_peer_spin(s->loop, 1, &err), 0);
    }
    assert_int_equal(xos_envelope_decode(&e, frame, &err), 0);
    assert_int_equal(e.kind, XOS_ENVELOPE_ANSWER);
    Xos__Job__SubmittedPb *m =
        xos_pb_unpack(&xos__job__submitted_pb__descriptor, e.body, 1024, XOS_PB_TOLERANT, &err);
    assert_non_null(m);
    (void)snprintf(id, 64, "%.*s", (int)m->job.len, (const char *)m->job.data);
    xos_pb_free(m);
    xos_envelope_free(&e);
}

static void who_asks_again_gets_the_same_job(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct stage s;
    struct raw_peer a = {.fd = -1}, b = {.fd = -1}, c = {.fd = -1};
    char first[64], again[64], other[64];
    XT_TRY(stage_up(&s, &err));
    XT_TRY(submit(&s, &a, 1, false, &err));
    answered_id(&s, &a, first);
    XT_TRY(submit(&s, &b, 1, false, &err));
    answered_id(&s, &b, again);
    XT_TRY(submit(&s, &c, 2, false, &err));
    answered_id(&s, &c, other);
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
out:
    raw_peer_close(&a);
    raw_peer_close(&b);
    raw_peer_close(&c);
    stage_down(&s);
}

static void a_watcher_may_leave_at_any_moment(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct stage s;
    struct raw_peer stays = {.fd = -1}, leaves = {.fd = -1};
    char id[64];
    XT_TRY(stage_up(&s, &err));
    XT_TRY(submit(&s, &leaves, 3, true, &err));
    raw_peer_close(&leaves); /* before it was even read */
    leaves.fd = -1;
    XT_TRY(submit(&s, &leaves, 4, true, &err));
    answered_id(&s, &leaves, id);
    raw_peer_close(&leaves);
    leaves.fd = -1;
    XT_TRY(submit(&s, &stays, 4, true, &err));
    answered_id(&s, &stays, id);
    XT_TRY(raw_peer_spin(s.loop, 50, &err));
out:
    raw_peer_close(&stays);
    raw_peer_close(&leaves);
    stage_down(&s);
}

static const struct xt_test tests[] = {
    XT_PLAIN(who_asks_again_gets_the_same_job),
    XT_PLAIN(a_watcher_may_leave_at_any_moment),
};
XT_MAIN(tests)
