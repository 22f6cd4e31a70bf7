// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a question to xos-ca is answered with somebody else's answer, or never; or one
 * that is gone takes xosd with it. */
#include "libxos/net/local.h"
#include "libxos/wire/pb.h"
#include "tests/unit/net/raw_peer.h"
#include "vo-auth/ca.pb-c.h"
#include "xosd/ca_pipe.h"

#include <stdio.h>
#include <stdlib.h>

#define ASKERS 3

/* What the other side of the socket does with a question. */
enum way { ANSWER, REFUSE, OTHER_ID, NONSENSE, LEAVE, WAIT };

static struct stage {
    struct xos_loop *loop;
    struct xos_rpc *rpc;
    struct ca_pipe *pipe;
    struct xos_local *listener;
    struct xos_conn *ca;
    struct raw_peer asker[ASKERS];
    enum way way;
    unsigned connections, questions;
    char path[128], last_verb[32];
} s;

static int gate(void *arg, const struct xos_verb *verb, const struct xos_envelope *e,
                const struct xos_request *request, const struct xos_peer *peer,
                struct xos_caller *out, struct xos_error *err)
{
    (void)arg;
    (void)e;
    (void)request;
    (void)peer;
    (void)err;
    assert_int_equal(verb->flags, XOS_VERB_PROVEN);
    out->kind = XOS_CALLER_LOCAL;
    return 0;
}

static int answer(struct xos_conn *conn, const Ca__Request *asked, struct xos_error *err)
{
    struct xos_buf frame = XOS_BUF(65536);
    Ca__Answer a = CA__ANSWER__INIT;
    a.id = asked->id + (s.way == OTHER_ID);
    a.code = s.way == REFUSE ? XOS_DENIED : 0;
    a.text = xos_pb_text("not for you");
    a.body = asked->body;
    int rc =
        s.way == NONSENSE ? xos_buf_add(&frame, "\xff\xff", 2, err) : xos_pb_pack(&a, &frame, err);
    if (rc == 0)
        rc = xos_conn_send(conn, (struct xos_slice){frame.data, frame.len}, err);
    xos_buf_free(&frame);
    return rc;
}

static void on_question(void *arg, struct xos_conn *conn, struct xos_slice frame)
{
    struct xos_error err = {0};
    Ca__Request *m = xos_pb_unpack(&ca__request__descriptor, frame, 65536, XOS_PB_STRICT, &err);
    (void)arg;
    s.questions++;
    if (m) {
        (void)snprintf(s.last_verb, sizeof(s.last_verb), "%.*s", (int)m->verb.len, m->verb.data);
        if (s.way != LEAVE && s.way != WAIT)
            (void)answer(conn, m, &err);
    }
    xos_pb_free(m);
    if (s.way == LEAVE) {
        xos_conn_free(s.ca);
        s.ca = NULL;
    }
}

static void on_gone(void *arg, struct xos_conn *conn, const struct xos_error *why)
{
    (void)arg;
    (void)why;
    xos_conn_free(conn);
    s.ca = NULL;
}

static const struct xos_conn_ops ca_ops = {.on_frame = on_question, .on_close = on_gone};

static void on_connection(void *arg, int fd, const struct xos_peer *peer)
{
    const struct xos_conn_config c = {.frame_max = 1 << 21, .ops = &ca_ops};
    struct xos_error err = {0};
    (void)arg;
    (void)peer;
    s.connections++;
    xos_conn_free(s.ca);
    s.ca = NULL;
    (void)xos_conn_new(&s.ca, s.loop, fd, &c, &err);
}

static int set_up(bool listens, struct xos_error *err)
{
    static unsigned count;
    struct xos_rpc_config config = {
        .node = "n1.inria", .institution = "inria", .head = true, .gate = gate};
    s = (struct stage){.way = ANSWER};
    for (size_t i = 0; i < ASKERS; i++)
        s.asker[i].fd = -1;
    (void)snprintf(s.path, sizeof(s.path), "%s/ca%u", xt_dir(), ++count);
    if (xos_loop_new(&s.loop, xos_env_posix(), err) < 0 ||
        xos_rpc_new(&s.rpc, s.loop, &config, err) < 0 ||
        ca_pipe_new(&s.pipe, s.loop, s.rpc, s.path, err) < 0)
        return -1;
    if (!listens)
        return 0;
    return xos_local_listen(&s.listener, s.loop, s.path, 0600, on_connection, NULL, err);
}

static void tear_down(void)
{
    ca_pipe_free(s.pipe);
    xos_rpc_free(s.rpc);
    xos_conn_free(s.ca);
    xos_local_free(s.listener);
    for (size_t i = 0; i < ASKERS; i++)
        raw_peer_close(&s.asker[i]);
    xos_loop_free(s.loop);
}

static int ask(size_t i, const char *verb, const char *body, struct xos_error *err)
{
    static const struct xos_peer me = {.uid = 7};
    struct xos_buf header = XOS_BUF(XOS_HEADER_BYTES_MAX), out = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    struct xos_request r = {.has_operation_id = true};
    (void)snprintf(r.verb, sizeof(r.verb), "%s", verb);
    int rc = xos_request_encode(&r, &header, err);
    struct xos_envelope e = {.kind = XOS_ENVELOPE_REQUEST,
                             .call = 1,
                             .header = {header.data, header.len},
                             .body = {(const uint8_t *)body, strlen(body)}};
    if (rc == 0)
        rc = xos_envelope_encode(&e, &out, err);
    xos_rpc_take(s.rpc, raw_peer_open(&s.asker[i], XOS_ENVELOPE_BYTES_MAX), &me);
    if (rc == 0)
        raw_peer_frame(&s.asker[i], out.data, out.len);
    xos_buf_free(&header);
    xos_buf_free(&out);
    return rc;
}

/* What asker i hears: the code, and the text or body. */
static int hears(size_t i, enum xos_code code, const char *text, struct xos_error *error)
{
    struct xos_envelope e = {.kind = XOS_ENVELOPE_NONE};
    struct xos_answer a;
    struct xos_slice frame;
    struct xos_error err = {0};
    int rc = -1;
    RAW_PEER_UNTIL(s.loop, raw_peer_next(&s.asker[i], &frame, &err) == 1);
    rc = xos_envelope_decode(&e, frame, &err);
    if (rc == 0)
        rc = xos_answer_decode(&a, e.header, &err);
    if (rc == 0 && (a.code != code || e.body.len < strlen(text) ||
                    (text[0] && !memmem(e.body.data, e.body.len, text, strlen(text)))))
        fail_msg("asker %zu: %s \"%.*s\"", i, xos_code_name(a.code), (int)e.body.len,
                 (const char *)e.body.data);
    xos_envelope_free(&e);
out:
    *error = err;
    return rc;
}

static void each_gets_its_own_answer(void **state)
{
    (void)state;
    static const char *const verbs[] = {"ca.nonce", "ca.login", "ca.attrs"};
    static const char *const bodies[] = {"one", "two", "three"};
    struct xos_error err = {0};
    XT_TRY(set_up(true, &err));
    for (size_t i = 0; i < ASKERS; i++)
        XT_TRY(ask(i, verbs[i], bodies[i], &err));
    for (size_t i = 0; i < ASKERS; i++)
        XT_TRY(hears(i, XOS_NONE, bodies[i], &err));
    assert_int_equal(s.connections, 1); /* one for all */
    assert_string_equal(s.last_verb, "attrs");
out:
    tear_down();
}

static void a_refusal_is_passed_on(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(true, &err));
    s.way = REFUSE;
    XT_TRY(ask(0, "ca.join", "x", &err));
    XT_TRY(hears(0, XOS_DENIED, "not for you", &err));
    XT_TRY(ask(1, "ca.status", "", &err)); /* not for xosd's callers */
    XT_TRY(hears(1, XOS_UNSUPPORTED, "unknown verb", &err));
    assert_int_equal(s.questions, 1);
out:
    tear_down();
}

static void who_asks_hears_when_it_is_not_there(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(false, &err));
    XT_TRY(ask(0, "ca.nonce", "", &err));
    XT_TRY(hears(0, XOS_UNAVAILABLE, "xos-ca does not run", &err));
    /* It was started meanwhile. */
    XT_TRY(xos_local_listen(&s.listener, s.loop, s.path, 0600, on_connection, NULL, &err));
    XT_TRY(ask(1, "ca.nonce", "y", &err));
    XT_TRY(hears(1, XOS_NONE, "y", &err));
out:
    tear_down();
}

/* Whatever it does wrong, all that wait are told, and the next question has a new connection. */
static void one_that_breaks_is_asked_anew(void **state)
{
    (void)state;
    static const struct {
        enum way way;
        enum xos_code code;
    } rows[] = {{LEAVE, XOS_UNAVAILABLE}, {OTHER_ID, XOS_PROTOCOL}, {NONSENSE, XOS_PROTOCOL}};
    struct xos_error err = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        XT_TRY(set_up(true, &err));
        s.way = WAIT;
        XT_TRY(ask(0, "ca.nonce", "", &err));
        RAW_PEER_UNTIL(s.loop, s.questions == 1);
        s.way = rows[i].way;
        XT_TRY(ask(1, "ca.nonce", "", &err));
        XT_TRY(hears(0, rows[i].code, "", &err));
        XT_TRY(hears(1, rows[i].code, "", &err));
        s.way = ANSWER;
        XT_TRY(ask(2, "ca.nonce", "again", &err));
        XT_TRY(hears(2, XOS_NONE, "again", &err));
        assert_int_equal(s.connections, 2);
        tear_down();
    }
    return;
out:
    tear_down();
}

/* Who left before the answer costs the others nothing. */
static void who_left_is_not_waited_for(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(true, &err));
    s.way = WAIT;
    XT_TRY(ask(0, "ca.nonce", "", &err));
    RAW_PEER_UNTIL(s.loop, s.questions == 1);
    raw_peer_leave(&s.asker[0]);
    XT_TRY(raw_peer_spin(s.loop, 5, &err));
    Ca__Request first = CA__REQUEST__INIT;
    first.id = 1;
    s.way = ANSWER;
    XT_TRY(answer(s.ca, &first, &err));
    XT_TRY(ask(1, "ca.nonce", "mine", &err));
    XT_TRY(hears(1, XOS_NONE, "mine", &err));
    assert_int_equal(s.connections, 1);
out:
    tear_down();
}

static void questions_have_a_maximum(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(true, &err));
    s.way = WAIT;
    for (unsigned i = 0; i < CA_PIPE_PENDING_MAX; i++) {
        XT_TRY(ask(0, "ca.nonce", "", &err));
        RAW_PEER_UNTIL(s.loop, s.questions == i + 1);
        raw_peer_close(&s.asker[0]);
    }
    XT_TRY(ask(1, "ca.nonce", "", &err));
    XT_TRY(hears(1, XOS_BUSY, "CA_PIPE_PENDING_MAX", &err));
out:
    tear_down();
}

static const struct xt_test tests[] = {
    XT_PLAIN(each_gets_its_own_answer),
    XT_PLAIN(a_refusal_is_passed_on),
    XT_PLAIN(who_asks_hears_when_it_is_not_there),
    XT_PLAIN(one_that_breaks_is_asked_anew),
    XT_PLAIN(who_left_is_not_waited_for),
    XT_PLAIN(questions_have_a_maximum),
};
XT_MAIN(tests)
