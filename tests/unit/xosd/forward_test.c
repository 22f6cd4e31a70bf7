// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: what a client says reaches another node changed, twice or not at all, or a
 * client that reads slowly fills its node's memory. */
#include "tests/unit/net/raw_peer.h"
#include "xosd/forward.h"

#include <stdio.h>
#include <stdlib.h>

#define MANY 400 /* frames of BYTES: more than is ever buffered */
#define BYTES 60000

enum way { REACH, UNREACHED, NO_WAY };

/* A way to another node, as the peers make it: later, from the loop. */
struct xos_dial {
    struct xos_task task;
    xos_dialled_f done;
    void *arg;
    struct xos_conn *conn;
};

static struct stage {
    struct xos_loop *loop;
    struct xos_rpc *rpc;
    struct forward *forward;
    struct raw_peer near, far;
    struct xos_buf sent; /* the frame that went with the dial */
    enum way way;
    unsigned dials, cancelled;
    char node[64];
} s;

static void on_done(void *arg)
{
    struct xos_dial *d = arg;
    struct xos_error why = {0};
    xos_fail(&why, XOS_UNAVAILABLE, "node %s cannot be reached", s.node);
    d->done(d->arg, d->conn, &why);
    free(d);
}

static int dial(void *arg, struct xos_dial **out, const char *node, struct xos_slice frame,
                const struct xos_conn_config *config, xos_dialled_f done, void *done_arg,
                struct xos_error *err)
{
    (void)arg;
    s.dials++;
    (void)snprintf(s.node, sizeof(s.node), "%s", node);
    xos_buf_clear(&s.sent);
    if (s.way == NO_WAY)
        return xos_fail(err, XOS_UNAVAILABLE, "node %s is not known here", node);
    struct xos_dial *d = calloc(1, sizeof(*d));
    assert_non_null(d);
    *d = (struct xos_dial){.task = {.run = on_done, .arg = d}, .done = done, .arg = done_arg};
    if (xos_buf_add(&s.sent, frame.data, frame.len, err) < 0 ||
        (s.way == REACH &&
         xos_conn_new(&d->conn, s.loop, raw_peer_open(&s.far, 1 << 21), config, err) < 0)) {
        free(d);
        return -1;
    }
    xos_loop_defer(s.loop, &d->task);
    *out = d;
    return 0;
}

static void cancel(void *arg, struct xos_dial *d)
{
    (void)arg;
    s.cancelled++;
    xos_loop_undefer(s.loop, &d->task);
    xos_conn_free(d->conn);
    free(d);
}

static const struct xos_dialler dialler = {.dial = dial, .cancel = cancel};

static const char *head(void *arg, const char *institution)
{
    (void)arg;
    return strcmp(institution, "vu") == 0 ? "n1.vu" : NULL;
}

static void forward_it(void *arg, struct xos_call *call, const struct xos_request *request,
                       bool is_signed, struct xos_slice frame)
{
    (void)arg;
    forward_take(s.forward, call, request, is_signed, frame);
}

static int gate(void *arg, const struct xos_verb *verb, const struct xos_envelope *e,
                const struct xos_request *request, const struct xos_peer *peer,
                struct xos_caller *out, struct xos_error *err)
{
    (void)arg;
    (void)verb;
    (void)e;
    (void)request;
    (void)peer;
    (void)out;
    return xos_fail(err, XOS_DENIED, "it is not ours");
}

static int set_up(enum way way, struct xos_error *err)
{
    struct xos_rpc_config config = {.node = "n2.inria",
                                    .institution = "inria",
                                    .gate = gate,
                                    .forward = forward_it,
                                    .dialler = &dialler};
    s = (struct stage){.way = way, .near.fd = -1, .far.fd = -1};
    s.sent = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    if (xos_loop_new(&s.loop, xos_env_posix(), err) < 0 ||
        forward_new(&s.forward, &dialler, head, NULL, err) < 0)
        return -1;
    return xos_rpc_new(&s.rpc, s.loop, &config, err);
}

static void tear_down(void)
{
    forward_free(s.forward);
    xos_rpc_free(s.rpc);
    raw_peer_close(&s.near);
    raw_peer_close(&s.far);
    xos_buf_free(&s.sent);
    xos_loop_free(s.loop);
}

static int ask(const char *verb, const char *institution, const char *node, bool is_signed,
               struct xos_error *err)
{
    static const struct xos_peer me = {.uid = 7};
    static const uint8_t signature[XOS_SIGNATURE_BYTES];
    struct xos_buf header = XOS_BUF(XOS_HEADER_BYTES_MAX), out = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    struct xos_request r = {.has_operation_id = true};
    (void)snprintf(r.verb, sizeof(r.verb), "%s", verb);
    (void)snprintf(r.to_institution, sizeof(r.to_institution), "%s", institution);
    (void)snprintf(r.to_node, sizeof(r.to_node), "%s", node);
    int rc = xos_request_encode(&r, &header, err);
    struct xos_envelope e = {.kind = XOS_ENVELOPE_REQUEST,
                             .call = 1,
                             .header = {header.data, header.len},
                             .signature = {signature, is_signed ? sizeof(signature) : 0}};
    if (rc == 0)
        rc = xos_envelope_encode(&e, &out, err);
    raw_peer_close(&s.near);
    xos_rpc_take(s.rpc, raw_peer_open(&s.near, 1 << 21), &me);
    if (rc == 0)
        raw_peer_frame(&s.near, out.data, out.len);
    xos_buf_free(&header);
    xos_buf_free(&out);
    return rc;
}

static int refused(enum xos_code code, const char *text, struct xos_error *error)
{
    struct xos_envelope e = {.kind = XOS_ENVELOPE_NONE};
    struct xos_answer a;
    struct xos_slice frame;
    struct xos_error err = {0};
    int rc = -1;
    RAW_PEER_UNTIL(s.loop, raw_peer_next(&s.near, &frame, &err) == 1);
    rc = xos_envelope_decode(&e, frame, &err);
    if (rc == 0)
        rc = xos_answer_decode(&a, e.header, &err);
    if (rc == 0 && (a.code != code || !memmem(e.body.data, e.body.len, text, strlen(text))))
        fail_msg("%s \"%.*s\"", xos_code_name(a.code), (int)e.body.len, (const char *)e.body.data);
    xos_envelope_free(&e);
out:
    *error = err;
    return rc;
}

static void both_ways_are_one_cable(void **state)
{
    (void)state;
    static const struct {
        const char *verb, *institution, *node, *dialled;
        bool is_signed;
    } rows[] = {{"job.list", "vu", "n2.vu", "n2.vu", true},
                {"job.list", "vu", "", "n1.vu", true}, /* any head */
                {"ca.login", "vu", "", "n1.vu", false},
                {"node.hello", "vu", "n2.vu", "n2.vu", false}};
    struct xos_error err = {0};
    struct xos_slice frame;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        XT_TRY(set_up(REACH, &err));
        XT_TRY(ask(rows[i].verb, rows[i].institution, rows[i].node, rows[i].is_signed, &err));
        RAW_PEER_UNTIL(s.loop, s.dials == 1 && s.far.fd >= 0);
        assert_string_equal(s.node, rows[i].dialled);
        assert_true(s.sent.len > 0);
        raw_peer_frame(&s.far, "answer", 6);
        RAW_PEER_UNTIL(s.loop, raw_peer_next(&s.near, &frame, &err) == 1);
        assert_memory_equal(frame.data, "answer", 6);
        raw_peer_frame(&s.near, "more", 4);
        RAW_PEER_UNTIL(s.loop, raw_peer_next(&s.far, &frame, &err) == 1);
        assert_memory_equal(frame.data, "more", 4);
        raw_peer_frame(&s.far, "last", 4);
        raw_peer_leave(&s.far); /* what it said is still heard */
        RAW_PEER_UNTIL(s.loop, raw_peer_next(&s.near, &frame, &err) == 1);
        assert_memory_equal(frame.data, "last", 4);
        RAW_PEER_UNTIL(s.loop, raw_peer_next(&s.near, &frame, &err) == 0 && s.near.ended);
        tear_down();
    }
    return;
out:
    tear_down();
}

static void what_cannot_go_says_why(void **state)
{
    (void)state;
    static const struct {
        enum way way;
        const char *verb, *institution, *node;
        bool is_signed;
        enum xos_code code;
        const char *text;
        unsigned dials;
    } rows[] = {
        {REACH, "job.list", "vu", "n1.vu", false, XOS_NO_LOGIN, "xos login", 0},
        {REACH, "job.list", "cern", "", true, XOS_UNAVAILABLE, "no head of cern", 0},
        {NO_WAY, "job.list", "vu", "n9.vu", true, XOS_UNAVAILABLE, "n9.vu is not known here", 1},
        {UNREACHED, "job.list", "vu", "n2.vu", true, XOS_UNAVAILABLE, "n2.vu cannot be reached", 1},
    };
    struct xos_error err = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        XT_TRY(set_up(rows[i].way, &err));
        XT_TRY(ask(rows[i].verb, rows[i].institution, rows[i].node, rows[i].is_signed, &err));
        XT_TRY(refused(rows[i].code, rows[i].text, &err));
        assert_int_equal(s.dials, rows[i].dials);
        tear_down();
    }
    return;
out:
    tear_down();
}

/* The far side writes as fast as it can, and the near one reads nothing for a while. */
static void who_reads_slowly_stops_the_writer(void **state)
{
    (void)state;
    static uint8_t bytes[BYTES + 4] = {0, 0, BYTES >> 8, BYTES & 255};
    struct xos_error err = {0};
    struct xos_slice frame;
    size_t written = 0, total = (size_t)MANY * sizeof(bytes), heard = 0;
    XT_TRY(set_up(REACH, &err));
    XT_TRY(ask("unit.attach", "vu", "n2.vu", true, &err));
    RAW_PEER_UNTIL(s.loop, s.far.fd >= 0);
    for (int idle = 0; idle < 20 && written < total;) {
        size_t at = written % sizeof(bytes);
        ssize_t n = send(s.far.fd, bytes + at, sizeof(bytes) - at, MSG_NOSIGNAL);
        written += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        XT_TRY(raw_peer_spin(s.loop, 1, &err));
    }
    assert_true(written < total / 2);
    while (heard < MANY) {
        size_t at = written % sizeof(bytes);
        ssize_t n =
            written < total ? send(s.far.fd, bytes + at, sizeof(bytes) - at, MSG_NOSIGNAL) : 0;
        written += n > 0 ? (size_t)n : 0;
        while (raw_peer_next(&s.near, &frame, &err) == 1) {
            assert_int_equal(frame.len, BYTES);
            heard++;
        }
        XT_TRY(raw_peer_spin(s.loop, 1, &err));
    }
    assert_int_equal(written, total);
out:
    tear_down();
}

static void who_left_costs_nothing(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_slice frame;
    XT_TRY(set_up(REACH, &err));
    XT_TRY(ask("job.list", "vu", "n2.vu", true, &err));
    raw_peer_leave(&s.near); /* before the other node is reached */
    RAW_PEER_UNTIL(s.loop, s.far.fd >= 0);
    RAW_PEER_UNTIL(s.loop, raw_peer_next(&s.far, &frame, &err) == 0 && s.far.ended);
    tear_down();
    XT_TRY(set_up(REACH, &err));
    XT_TRY(ask("job.list", "vu", "n2.vu", true, &err));
    RAW_PEER_UNTIL(s.loop, s.far.fd >= 0);
    raw_peer_leave(&s.near); /* and after */
    RAW_PEER_UNTIL(s.loop, raw_peer_next(&s.far, &frame, &err) == 0 && s.far.ended);
    tear_down();
    XT_TRY(set_up(REACH, &err)); /* freed while it is under way */
    XT_TRY(ask("job.list", "vu", "n2.vu", true, &err));
    RAW_PEER_UNTIL(s.loop, s.dials == 1);
out:
    tear_down();
}

static const struct xt_test tests[] = {
    XT_PLAIN(both_ways_are_one_cable),
    XT_PLAIN(what_cannot_go_says_why),
    XT_PLAIN(who_reads_slowly_stops_the_writer),
    XT_PLAIN(who_left_costs_nothing),
};
XT_MAIN(tests)
