// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: whoever connects may ask for anything, a caller that leaves takes the daemon
 * with it, or an answer is given to nobody, or twice. */
#include "libxos/base/alloc.h"
#include "libxos/net/rpc.h"
#include "tests/unit/net/raw_peer.h"
#include "tests/unit/wire/samples.h"

#include <stdlib.h>

static struct stage {
    struct xos_loop *loop;
    struct xos_rpc *rpc;
    struct xos_key *key;
    struct raw_peer peer;
    struct xos_call *parked;
    struct xos_conn *stream;
    unsigned served, gone, forwarded, gate_calls, answers, stream_frames;
    enum xos_caller_kind caller;
    bool was_signed;
    enum xos_code code; /* of the last answer of our own call */
    char text[64];
} s;

/* The service */

static void serve_echo(void *service, struct xos_call *call)
{
    assert_ptr_equal(service, &s);
    s.served++;
    s.caller = xos_call_caller(call)->kind;
    s.was_signed = xos_call_caller(call)->kind == XOS_CALLER_SIGNED;
    xos_call_answer(call, xos_call_body(call));
}

static void serve_fail(void *service, struct xos_call *call)
{
    struct xos_error why = {0};
    (void)service;
    xos_fail(&why, XOS_NOT_FOUND, "no such job");
    xos_call_fail(call, &why);
}

static void serve_park(void *service, struct xos_call *call)
{
    (void)service;
    s.served++;
    s.parked = call;
}

static void serve_large(void *service, struct xos_call *call)
{
    uint8_t *zeros = xos_alloc(XOS_BODY_BYTES_MAX + 1);
    struct xos_error why = {.code = XOS_NOMEM};
    (void)service;
    if (zeros)
        xos_call_answer(call, (struct xos_slice){zeros, XOS_BODY_BYTES_MAX + 1});
    else
        xos_call_fail(call, &why);
    xos_free(zeros);
}

static const struct xos_verb verbs[] = {
    {"test.echo", serve_echo, 0},
    {"test.fail", serve_fail, 0},
    {"test.park", serve_park, 0},
    {"test.large", serve_large, 0},
    {"test.stream", serve_park, XOS_VERB_STREAM},
};

static int gate(void *arg, const struct xos_verb *verb, const struct xos_envelope *e,
                const struct xos_request *request, const struct xos_peer *peer,
                struct xos_caller *out, struct xos_error *err)
{
    (void)arg;
    (void)e;
    s.gate_calls++;
    if (!request && !peer)
        return xos_fail(err, XOS_DENIED, "nobody said who asks for %s", verb->name);
    out->kind = request ? XOS_CALLER_SIGNED : XOS_CALLER_LOCAL;
    return 0;
}

static void forward(void *arg, struct xos_call *call, const struct xos_request *request,
                    bool is_signed, struct xos_slice frame)
{
    (void)arg;
    (void)is_signed;
    assert_string_equal(request->to_node, "n2.inria");
    assert_true(frame.len > 0);
    s.forwarded++;
    xos_conn_free(xos_call_hand_over(call));
}

static void on_gone(void *arg, struct xos_call *call)
{
    assert_ptr_equal(arg, &s);
    assert_ptr_equal(call, s.parked);
    s.parked = NULL;
    s.gone++;
}

static int set_up(bool forwards, bool knock, struct xos_error *err)
{
    s = (struct stage){.peer.fd = -1};
    struct xos_rpc_config config = {
        .node = "n1.inria", .institution = "inria", .head = true, .gate = gate};
    memset(&config.boot_id, 0x33, sizeof(config.boot_id));
    if (xos_loop_new(&s.loop, xos_env_posix(), err) < 0 || xos_key_generate(&s.key, err) < 0)
        return -1;
    config.forward = forwards ? forward : NULL;
    if (xos_rpc_new(&s.rpc, s.loop, &config, err) < 0 ||
        xos_rpc_serve(s.rpc, verbs, sizeof(verbs) / sizeof(verbs[0]), &s, err) < 0)
        return -1;
    xos_rpc_identity(s.rpc, s.key, NULL, 0);
    const struct xos_peer me = {.uid = 7};
    if (knock)
        xos_rpc_take(s.rpc, raw_peer_open(&s.peer, XOS_ENVELOPE_BYTES_MAX), &me);
    return 0;
}

static void tear_down(void)
{
    xos_conn_free(s.stream);
    xos_rpc_free(s.rpc);
    raw_peer_close(&s.peer);
    xos_key_free(s.key);
    xos_loop_free(s.loop);
}

/* The caller */

static void now(struct xos_request *r)
{
    r->issued_ms = xos_env_real_ms(xos_env_posix());
    r->expires_ms = r->issued_ms + 10000;
}

/* A request with SAMPLE_BODY; signed ones have a signature that the gate of this test believes. */
static int ask(const char *verb, const char *node, bool is_signed, struct xos_error *err)
{
    static const uint8_t signature[XOS_SIGNATURE_BYTES];
    struct xos_buf header = XOS_BUF(XOS_HEADER_BYTES_MAX), out = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    struct xos_request r;
    int rc = sample_request(&r, err);
    now(&r);
    (void)snprintf(r.verb, sizeof(r.verb), "%s", verb);
    (void)snprintf(r.to_node, sizeof(r.to_node), "%s", node);
    rc = rc < 0 ? rc : xos_request_encode(&r, &header, err);
    struct xos_envelope e = {.kind = XOS_ENVELOPE_REQUEST,
                             .call = 42,
                             .header = sample_slice(&header),
                             .signature = {signature, is_signed ? sizeof(signature) : 0},
                             .body = sample_text(SAMPLE_BODY)};
    rc = rc < 0 ? rc : xos_envelope_encode(&e, &out, err);
    if (rc == 0)
        raw_peer_frame(&s.peer, out.data, out.len);
    xos_buf_free(&header);
    xos_buf_free(&out);
    return rc;
}

/* Wait for one answer or event; 1, 0 when the connection ended instead, -1. */
static int hear(struct xos_envelope *e, struct xos_answer *a, struct xos_error *err)
{
    uint64_t end = xos_env_mono_ms(xos_env_posix()) + PEER_WAIT_MS;
    struct xos_slice frame;
    int got;
    while ((got = raw_peer_next(&s.peer, &frame, err)) == 0) {
        if (s.peer.ended || xt_starving())
            return 0;
        assert_true(xos_env_mono_ms(xos_env_posix()) < end);
        if (raw_peer_spin(s.loop, 1, err) < 0)
            return -1;
    }
    if (got < 0 || xos_envelope_decode(e, frame, err) < 0)
        return -1;
    if (xos_answer_decode(a, e->header, err) < 0 ||
        xos_key_verify(xos_key_public(s.key), XOS_ANSWER_DOMAIN, e->header, e->signature, err) < 0)
        return -1;
    assert_true(e->call == 42 || xt_starving());
    return 1;
}

/* One answer is heard, with this code and this text or body; then, if it is the last, the end. */
static int hears(enum xos_envelope_kind kind, uint64_t sequence, bool last, enum xos_code code,
                 const char *body, struct xos_error *err)
{
    struct xos_envelope e = {0};
    struct xos_answer a;
    int got = hear(&e, &a, err);
    if (got == 1 && !xt_starving()) {
        assert_int_equal(e.kind, kind);
        assert_int_equal(a.sequence, sequence);
        assert_int_equal(a.last, last);
        assert_int_equal(a.code, code);
        assert_string_equal(a.node, "n1.inria");
        if (body) {
            assert_int_equal(e.body.len, strlen(body));
            assert_memory_equal(e.body.data, body, e.body.len);
        }
    }
    xos_envelope_free(&e);
    if (!xt_starving())
        assert_int_equal(got, 1);
    return got < 0 ? -1 : 0;
}

static int ends(struct xos_error *err)
{
    struct xos_envelope e = {0};
    struct xos_answer a;
    int got = hear(&e, &a, err);
    xos_envelope_free(&e);
    if (!xt_starving())
        assert_int_equal(got, 0);
    return got < 0 ? -1 : 0;
}

/* Unary calls */

static void a_request_is_answered_once(void **state)
{
    (void)state;
    struct xos_error err = {0};
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        XT_TRY(set_up(false, true, &err));
        XT_TRY(ask("test.echo", "n1.inria", is_signed, &err));
        XT_TRY(hears(XOS_ENVELOPE_ANSWER, 0, true, XOS_NONE, SAMPLE_BODY, &err));
        XT_TRY(ends(&err));
        if (!xt_starving()) {
            assert_int_equal(s.caller, is_signed ? XOS_CALLER_SIGNED : XOS_CALLER_LOCAL);
            assert_int_equal(s.was_signed, is_signed);
            assert_int_equal(s.gate_calls, 1);
        }
        tear_down();
    }
    return;
out:
    tear_down();
}

static void refusals_say_why(void **state)
{
    (void)state;
    struct xos_error err = {0};
    static const struct {
        const char *verb, *node;
        bool is_signed;
        enum xos_code code;
    } rows[] = {
        {"test.fail", "n1.inria", false, XOS_NOT_FOUND},
        {"test.none", "n1.inria", false, XOS_UNSUPPORTED},
        {"", "n1.inria", false, XOS_UNSUPPORTED},
        {"test.echo", "n2.inria", true, XOS_DENIED},
        {"test.echo", "n2.inria", false, XOS_DENIED}, /* nor to a local process */
        {"test.large", "n1.inria", false, XOS_LIMIT},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        XT_TRY(set_up(false, true, &err));
        XT_TRY(ask(rows[i].verb, rows[i].node, rows[i].is_signed, &err));
        XT_TRY(hears(XOS_ENVELOPE_ANSWER, 0, true, rows[i].code, NULL, &err));
        XT_TRY(ends(&err));
        assert_int_equal(s.served, 0);
        tear_down();
    }
    return;
out:
    tear_down();
}

static void a_stranger_is_the_gates_to_refuse(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(false, false, &err));
    xos_rpc_take(s.rpc, raw_peer_open(&s.peer, XOS_ENVELOPE_BYTES_MAX), NULL);
    XT_TRY(ask("test.echo", "n1.inria", false, &err));
    XT_TRY(hears(XOS_ENVELOPE_ANSWER, 0, true, XOS_DENIED, NULL, &err));
out:
    tear_down();
}

/* What is no request is answered with a refusal, and never reaches the gate. */
static void nonsense_is_refused_before_the_gate(void **state)
{
    (void)state;
    struct xos_error err = {0};
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"", 0}, {"garbage", 7}, {"\x08\x02", 2}, {"\x08\x01", 2}, {"\x08\x01\x1a\x01x", 5}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xos_slice frame;
        XT_TRY(set_up(false, true, &err));
        raw_peer_frame(&s.peer, rows[i].bytes, rows[i].len);
        RAW_PEER_UNTIL(s.loop, raw_peer_next(&s.peer, &frame, &err) == 1);
        RAW_PEER_UNTIL(s.loop, raw_peer_next(&s.peer, &frame, &err) == 0 && s.peer.ended);
        assert_int_equal(s.gate_calls, 0);
        tear_down();
    }
    XT_TRY(set_up(false, true, &err));
    raw_peer_write(&s.peer, "\xff\xff\xff\xff", 4); /* no frame either */
    XT_TRY(ends(&err));
    assert_int_equal(s.gate_calls, 0);
out:
    tear_down();
}

static void a_request_for_elsewhere_is_forwarded(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(true, true, &err));
    XT_TRY(ask("test.echo", "n2.inria", false, &err));
    RAW_PEER_UNTIL(s.loop, s.forwarded == 1);
    assert_int_equal(s.gate_calls, 0);
out:
    tear_down();
}

static void who_says_nothing_is_not_kept(void **state)
{
    (void)state;
    struct xos_error err = {0};
    uint64_t began = xos_env_mono_ms(xos_env_posix());
    XT_TRY(set_up(false, true, &err));
    raw_peer_write(&s.peer, "\0\0\0\7x", 5); /* begins, and does not go on */
    XT_TRY(ends(&err));
    assert_true(xos_env_mono_ms(xos_env_posix()) >= began + XOS_RPC_FIRST_FRAME_MS);
out:
    tear_down();
}

/* Connections without a request are bounded: the one that has waited longest makes room. */
static void knocks_have_a_maximum(void **state)
{
    (void)state;
    struct xos_error err = {0};
    static int far[XOS_RPC_KNOCKS_MAX];
    size_t count = 0;
    char byte;
    XT_TRY(set_up(false, false, &err));
    for (; count < XOS_RPC_KNOCKS_MAX; count++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
            break;
        far[count] = pair[0];
        xos_rpc_take(s.rpc, pair[1], NULL);
    }
    if (count == XOS_RPC_KNOCKS_MAX) {
        assert_int_equal(recv(far[0], &byte, 1, 0), -1); /* still there */
        xos_rpc_take(s.rpc, raw_peer_open(&s.peer, 100), NULL);
        assert_int_equal(recv(far[0], &byte, 1, 0), 0);
        assert_int_equal(recv(far[1], &byte, 1, 0), -1);
        assert_int_equal(recv(s.peer.fd, &byte, 1, 0), -1);
    }
out:
    while (count-- > 0)
        if (far[count] >= 0)
            close(far[count]);
    tear_down();
}

/* Callers that leave */

static void an_answer_to_nobody_is_dropped(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(false, true, &err));
    XT_TRY(ask("test.park", "n1.inria", false, &err));
    RAW_PEER_UNTIL(s.loop, s.parked);
    raw_peer_leave(&s.peer);
    XT_TRY(raw_peer_spin(s.loop, 3, &err));
    xos_call_answer(s.parked, sample_text("late"));
    assert_int_equal(s.gone, 0); /* it never began */
out:
    tear_down();
}

static void a_stream_hears_that_its_caller_left(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(false, true, &err));
    XT_TRY(ask("test.stream", "n1.inria", false, &err));
    RAW_PEER_UNTIL(s.loop, s.parked);
    xos_call_begin(s.parked, sample_text("begun"), on_gone, &s);
    XT_TRY(hears(XOS_ENVELOPE_ANSWER, 0, false, XOS_NONE, "begun", &err));
    raw_peer_leave(&s.peer);
    RAW_PEER_UNTIL(s.loop, s.gone == 1);
out:
    tear_down();
}

/* The caller left while the handler was busy: beginning is told the same way, later. */
static void a_caller_that_left_before_the_beginning(void **state)
{
    (void)state;
    struct xos_error err = {0};
    for (int events = 0; events < 2; events++) {
        XT_TRY(set_up(false, true, &err));
        XT_TRY(ask("test.stream", "n1.inria", false, &err));
        RAW_PEER_UNTIL(s.loop, s.parked);
        raw_peer_leave(&s.peer);
        XT_TRY(raw_peer_spin(s.loop, 3, &err));
        xos_call_begin(s.parked, sample_text("begun"), on_gone, &s);
        assert_int_equal(s.gone, 0);
        if (events) {
            XT_REFUSED(xos_call_event(s.parked, sample_text("e"), &err), XOS_UNAVAILABLE);
            xos_call_last(s.parked, sample_text("end")); /* the handler may end it itself */
            XT_TRY(raw_peer_spin(s.loop, 3, &err));
            assert_int_equal(s.gone, 0);
        } else {
            RAW_PEER_UNTIL(s.loop, s.gone == 1);
        }
        tear_down();
    }
    return;
out:
    tear_down();
}

/* Streams */

static void events_are_numbered_and_the_last_says_so(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(false, true, &err));
    XT_TRY(ask("test.stream", "n1.inria", true, &err));
    RAW_PEER_UNTIL(s.loop, s.parked);
    xos_call_begin(s.parked, sample_text("begun"), on_gone, &s);
    int rc = xos_call_event(s.parked, sample_text("one"), &err);
    if (rc < 0 && xt_starving())
        goto out; /* there was no memory for the beginning */
    XT_TRY(rc);
    XT_TRY(xos_call_event(s.parked, sample_text("two"), &err));
    xos_call_last(s.parked, sample_text("end"));
    XT_TRY(hears(XOS_ENVELOPE_ANSWER, 0, false, XOS_NONE, "begun", &err));
    XT_TRY(hears(XOS_ENVELOPE_EVENT, 1, false, XOS_NONE, "one", &err));
    XT_TRY(hears(XOS_ENVELOPE_EVENT, 2, false, XOS_NONE, "two", &err));
    XT_TRY(hears(XOS_ENVELOPE_EVENT, 3, true, XOS_NONE, "end", &err));
    XT_TRY(ends(&err));
    assert_int_equal(s.gone, 0);
out:
    tear_down();
}

/* A caller that does not read: events are refused, memory is bounded. */
static void a_slow_caller_is_refused_events(void **state)
{
    (void)state;
    struct xos_error err = {0};
    uint8_t *zeros = xos_alloc(100000);
    unsigned events = 0;
    if (!zeros)
        return;
    XT_TRY(set_up(false, true, &err));
    XT_TRY(ask("test.stream", "n1.inria", false, &err));
    RAW_PEER_UNTIL(s.loop, s.parked);
    xos_call_begin(s.parked, sample_text(""), on_gone, &s);
    while (xos_call_event(s.parked, (struct xos_slice){zeros, 100000}, &err) == 0)
        assert_true(++events < 100);
    assert_true(err.code == XOS_LIMIT || xt_starving());
    raw_peer_leave(&s.peer);
    RAW_PEER_UNTIL(s.loop, s.gone == 1);
out:
    xos_free(zeros);
    tear_down();
}

static void on_stream_frame(void *arg, struct xos_conn *conn, struct xos_slice frame)
{
    (void)arg;
    assert_int_equal(frame.len, 3);
    s.stream_frames++;
    (void)xos_conn_send(conn, frame, NULL);
}

static void on_stream_close(void *arg, struct xos_conn *conn, const struct xos_error *why)
{
    (void)arg;
    (void)why;
    xos_conn_free(conn);
    s.stream = NULL;
}

static void a_stream_becomes_the_handlers(void **state)
{
    (void)state;
    struct xos_error err = {0};
    static const struct xos_conn_ops ops = {on_stream_frame, NULL, on_stream_close};
    struct xos_slice frame;
    XT_TRY(set_up(false, true, &err));
    XT_TRY(ask("test.stream", "n1.inria", false, &err));
    RAW_PEER_UNTIL(s.loop, s.parked);
    s.stream = xos_call_answer_stream(s.parked, sample_text("yours"));
    if (!s.stream && xt_starving())
        goto out;
    assert_non_null(s.stream);
    xos_conn_hand_over(s.stream, &ops, NULL);
    XT_TRY(hears(XOS_ENVELOPE_ANSWER, 0, true, XOS_NONE, "yours", &err));
    raw_peer_frame(&s.peer, "abc", 3);
    RAW_PEER_UNTIL(s.loop, raw_peer_next(&s.peer, &frame, &err) == 1);
    assert_int_equal(s.stream_frames, 1);
    raw_peer_leave(&s.peer);
    RAW_PEER_UNTIL(s.loop, !s.stream);
out:
    tear_down();
}

static void there_is_no_stream_to_who_left(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(false, true, &err));
    XT_TRY(ask("test.stream", "n1.inria", false, &err));
    RAW_PEER_UNTIL(s.loop, s.parked);
    raw_peer_leave(&s.peer); /* our side does not know yet: sending says it */
    assert_null(xos_call_answer_stream(s.parked, sample_text("yours")));
out:
    tear_down();
}

/* This node asks itself */

static void on_answer(void *arg, const struct xos_error *result, struct xos_slice body)
{
    assert_ptr_equal(arg, &s);
    s.answers++;
    s.code = result->code;
    (void)snprintf(s.text, sizeof(s.text), "%.*s",
                   result->code ? (int)strlen(result->text) : (int)body.len,
                   result->code ? result->text : (const char *)body.data);
}

static int call(const char *verb, uint64_t timeout_ms, struct xos_pending **p,
                struct xos_error *err)
{
    return xos_rpc_call(s.rpc, p, "n1.inria", verb, sample_text(SAMPLE_BODY), timeout_ms, on_answer,
                        &s, err);
}

static void this_node_may_ask_itself(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_pending *p = NULL;
    XT_TRY(set_up(false, false, &err));
    XT_TRY(call("test.echo", 5000, &p, &err));
    assert_int_equal(s.served, 0); /* never from inside the call */
    RAW_PEER_UNTIL(s.loop, s.answers == 1);
    assert_int_equal(s.code, XOS_NONE);
    assert_string_equal(s.text, SAMPLE_BODY);
    assert_int_equal(s.caller, XOS_CALLER_SELF);
    assert_int_equal(s.gate_calls, 0);
    XT_TRY(call("test.fail", 5000, NULL, &err));
    RAW_PEER_UNTIL(s.loop, s.answers == 2);
    assert_int_equal(s.code, XOS_NOT_FOUND);
    assert_string_equal(s.text, "no such job");
    XT_TRY(call("test.large", 5000, NULL, &err));
    RAW_PEER_UNTIL(s.loop, s.answers == 3);
    assert_int_equal(s.code, XOS_LIMIT);
    XT_REFUSED(call("test.none", 5000, NULL, &err), XOS_UNSUPPORTED);
    XT_REFUSED(call("test.stream", 5000, NULL, &err), XOS_UNSUPPORTED);
    XT_REFUSED(
        xos_rpc_call(s.rpc, NULL, "n9.vu", "test.echo", sample_text(""), 1, on_answer, &s, &err),
        XOS_UNAVAILABLE);
out:
    tear_down();
}

static void own_calls_have_a_deadline_and_may_be_cancelled(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_pending *p = NULL;
    XT_TRY(set_up(false, false, &err));
    XT_TRY(call("test.park", 10, &p, &err));
    RAW_PEER_UNTIL(s.loop, s.answers == 1);
    assert_int_equal(s.code, XOS_TIMEOUT);
    xos_call_answer(s.parked, sample_text("late"));
    XT_TRY(raw_peer_spin(s.loop, 2, &err));
    assert_int_equal(s.answers, 1);
    for (int i = 0; i < 3; i++) { /* before it is served, while, and when the answer is there */
        s.parked = NULL;
        XT_TRY(call("test.park", 5000, &p, &err));
        if (i)
            RAW_PEER_UNTIL(s.loop, s.parked);
        if (i == 2)
            xos_call_answer(s.parked, sample_text("x"));
        xos_rpc_cancel(p);
        XT_TRY(raw_peer_spin(s.loop, 2, &err));
        if (i < 2 && s.parked)
            xos_call_answer(s.parked, sample_text("x"));
        XT_TRY(raw_peer_spin(s.loop, 2, &err));
        assert_int_equal(s.answers, 1);
    }
    xos_rpc_cancel(NULL);
    XT_TRY(call("test.park", 5000, NULL, &err)); /* freed with all that waits */
out:
    tear_down();
}

static void verbs_have_a_maximum(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(false, false, &err));
    for (size_t n = 5; n < XOS_RPC_VERBS_MAX; n++)
        XT_TRY(xos_rpc_serve(s.rpc, verbs, 1, &s, &err));
    XT_REFUSED(xos_rpc_serve(s.rpc, verbs, 1, &s, &err), XOS_LIMIT);
out:
    tear_down();
}

static const struct xt_test tests[] = {
    XT(a_request_is_answered_once),
    XT(refusals_say_why),
    XT(a_stranger_is_the_gates_to_refuse),
    XT(nonsense_is_refused_before_the_gate),
    XT(a_request_for_elsewhere_is_forwarded),
    XT_PLAIN(who_says_nothing_is_not_kept),
    XT_PLAIN(knocks_have_a_maximum),
    XT(an_answer_to_nobody_is_dropped),
    XT(a_stream_hears_that_its_caller_left),
    XT(a_caller_that_left_before_the_beginning),
    XT(events_are_numbered_and_the_last_says_so),
    XT_PLAIN(a_slow_caller_is_refused_events),
    XT(a_stream_becomes_the_handlers),
    XT(there_is_no_stream_to_who_left),
    XT(this_node_may_ask_itself),
    XT(own_calls_have_a_deadline_and_may_be_cancelled),
    XT(verbs_have_a_maximum),
};
XT_MAIN(tests)
