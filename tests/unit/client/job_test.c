// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a killed xosd costs a user a job, runs it twice, or tears a hole into its
 * input or output.
 *
 * The other side is the real xos_rpc over a real socket in a process of its own, which is killed
 * again and again. It has one job whose one unit is `cat`; what a node keeps on disk is in memory
 * that outlives the process. */
#include "client/xos.h"
#include "jobmgr/core/event.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/base/alloc.h"
#include "libxos/net/local.h"
#include "libxos/net/rpc.h"
#include "libxos/wire/pb.h"
#include "tests/lib/xtest.h"
#include "xosd/xosd.pb-c.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CAT_BYTES ((size_t)6 << 20)
#define CHUNK_BYTES ((size_t)32 << 10)
#define TURN_MS 2
#define STATUS 42

/* The node */

static struct disk {
    struct xos_id operation; /* of the first submission */
    unsigned submissions, signals, attaches;
    int signal;
    bool die_unanswered; /* take the submission in, and die before it is answered */
    bool eof, ended;
    size_t len;
    uint8_t data[CAT_BYTES];
} * disk;

static struct toy {
    struct xos_loop *loop;
    struct xos_rpc *rpc;
    struct xos_timer *timer;
    struct xos_call *watch;
    uint64_t watched; /* sequence of the last event told */
    struct xos_conn *attached;
    uint64_t out;
    bool sent_end;
} toy;

static void answer(struct xos_call *call, const void *message, bool stream)
{
    struct xos_buf body = XOS_BUF(4096);
    struct xos_error err;
    assert_int_equal(xos_pb_pack(message, &body, &err), 0);
    struct xos_slice bytes = {body.data, body.len};
    if (stream)
        toy.attached = xos_call_answer_stream(call, bytes);
    else
        xos_call_answer(call, bytes);
    xos_buf_free(&body);
}

static void serve_hello(void *service, struct xos_call *call)
{
    Xos__Node__HelloPb m = XOS__NODE__HELLO_PB__INIT;
    (void)service;
    m.node = xos_pb_text("n1.toy");
    m.institution = xos_pb_text("toy");
    m.protocol = 1;
    answer(call, &m, false);
}

static void on_gone(void *arg, struct xos_call *call)
{
    (void)arg;
    (void)call;
    toy.watch = NULL;
}

static void watch_begin(struct xos_call *call, uint64_t after)
{
    struct xos_buf body = XOS_BUF(4096);
    struct xos_error err;
    Xos__Job__SubmittedPb m = XOS__JOB__SUBMITTED_PB__INIT;
    m.job = xos_pb_text("toy-7");
    assert_int_equal(xos_pb_pack(&m, &body, &err), 0);
    xos_call_begin(call, (struct xos_slice){body.data, body.len}, on_gone, NULL);
    xos_buf_free(&body);
    toy.watch = call;
    toy.watched = after;
}

static void serve_run(void *service, struct xos_call *call)
{
    (void)service;
    if (disk->die_unanswered) {
        disk->die_unanswered = false;
        _exit(0);
    }
    watch_begin(call, 0);
}

static void serve_watch(void *service, struct xos_call *call)
{
    struct xos_error err;
    (void)service;
    Xos__Job__WatchPb *m = xos_pb_unpack(&xos__job__watch_pb__descriptor, xos_call_body(call), 4096,
                                         XOS_PB_TOLERANT, &err);
    watch_begin(call, m->after);
    xos_pb_free(m);
}

static void serve_signal(void *service, struct xos_call *call)
{
    struct xos_error err;
    (void)service;
    Xos__Job__SignalPb *m = xos_pb_unpack(&xos__job__signal_pb__descriptor, xos_call_body(call),
                                          4096, XOS_PB_TOLERANT, &err);
    disk->signals++;
    disk->signal = m->signal;
    xos_pb_free(m);
    xos_call_answer(call, (struct xos_slice){NULL, 0});
}

static void send_frame(const Xos__Job__StreamPb *m)
{
    struct xos_buf frame = XOS_BUF(CHUNK_BYTES + 256);
    struct xos_error err;
    if (xos_pb_pack(m, &frame, &err) == 0)
        (void)xos_conn_send(toy.attached, (struct xos_slice){frame.data, frame.len}, &err);
    xos_buf_free(&frame);
}

static void on_frame(void *arg, struct xos_conn *conn, struct xos_slice frame)
{
    struct xos_error err;
    (void)arg;
    (void)conn;
    Xos__Job__StreamPb *m =
        xos_pb_unpack(&xos__job__stream_pb__descriptor, frame, 1 << 20, XOS_PB_TOLERANT, &err);
    if (m->kind <= 2 && m->stream == 0) {
        if (m->offset != disk->len || disk->len + m->data.len > CAT_BYTES)
            abort(); /* a byte was lost, or came twice */
        if (m->data.len)
            memcpy(disk->data + disk->len, m->data.data, m->data.len);
        disk->len += m->data.len;
        disk->eof |= m->kind == 2;
        Xos__Job__StreamPb ack = XOS__JOB__STREAM_PB__INIT;
        ack.kind = 3;
        ack.offset = disk->len;
        send_frame(&ack);
    }
    xos_pb_free(m);
}

static void on_close(void *arg, struct xos_conn *conn, const struct xos_error *why)
{
    (void)arg;
    (void)why;
    xos_conn_free(conn);
    toy.attached = NULL;
}

static const struct xos_conn_ops conn_ops = {.on_frame = on_frame, .on_close = on_close};

static void serve_attach(void *service, struct xos_call *call)
{
    struct xos_error err;
    Xos__Job__AttachedPb a = XOS__JOB__ATTACHED_PB__INIT;
    (void)service;
    Xos__Job__AttachPb *m = xos_pb_unpack(&xos__job__attach_pb__descriptor, xos_call_body(call),
                                          4096, XOS_PB_TOLERANT, &err);
    toy.out = m->out_from;
    toy.sent_end = false;
    xos_pb_free(m);
    disk->attaches++;
    a.in_at = disk->len;
    answer(call, &a, true);
    xos_conn_hand_over(toy.attached, &conn_ops, NULL);
}

static void pump_output(void)
{
    Xos__Job__StreamPb m = XOS__JOB__STREAM_PB__INIT;
    m.kind = 1;
    m.stream = 1;
    for (int i = 0; i < 4 && toy.out < disk->len; i++) {
        size_t n = disk->len - toy.out < CHUNK_BYTES ? disk->len - (size_t)toy.out : CHUNK_BYTES;
        if (xos_conn_room(toy.attached) < CHUNK_BYTES + 256)
            return;
        m.offset = toy.out;
        m.data = (ProtobufCBinaryData){n, disk->data + toy.out};
        send_frame(&m);
        toy.out += n;
    }
    if (!disk->eof || toy.out < disk->len || toy.sent_end)
        return;
    for (uint32_t stream = 1; stream <= 2; stream++) {
        Xos__Job__StreamPb end = XOS__JOB__STREAM_PB__INIT;
        end.kind = 2;
        end.stream = stream;
        end.offset = stream == 1 ? toy.out : 0;
        send_frame(&end);
    }
    Xos__Job__StreamPb over = XOS__JOB__STREAM_PB__INIT;
    over.kind = 6;
    send_frame(&over);
    toy.sent_end = disk->ended = true;
}

static void tell(uint64_t sequence)
{
    static const enum job_event_kind kinds[] = {JOB_EVENT_NONE,     JOB_EVENT_SUBMITTED,
                                                JOB_EVENT_ASSIGNED, JOB_EVENT_STARTED,
                                                JOB_EVENT_ENDED,    JOB_EVENT_DONE};
    struct job_event ev = {
        .kind = kinds[sequence], .sequence = sequence, .epoch = 1, .node = "n1.toy"};
    struct xos_buf bytes = XOS_BUF(4096);
    struct xos_error err;
    ev.exit = (struct unit_exit){.how = UNIT_END_EXITED, .value = STATUS, .started_ms = 1};
    assert_int_equal(job_event_encode(&ev, &bytes, &err), 0);
    struct xos_slice body = {bytes.data, bytes.len};
    toy.watched = sequence;
    if (ev.kind == JOB_EVENT_DONE) {
        xos_call_last(toy.watch, body);
        toy.watch = NULL;
    } else {
        (void)xos_call_event(toy.watch, body, &err);
    }
    xos_buf_free(&bytes);
}

static void on_turn(void *arg)
{
    (void)arg;
    if (toy.attached)
        pump_output();
    while (toy.watch && toy.watched < (disk->ended ? 5u : 3u))
        tell(toy.watched + 1);
    xos_timer_set(toy.timer, TURN_MS);
}

/* Every submission must be the same one. */
static int gate(void *arg, const struct xos_verb *verb, const struct xos_envelope *e,
                const struct xos_request *request, const struct xos_peer *peer,
                struct xos_caller *out, struct xos_error *err)
{
    struct xos_request r;
    (void)arg;
    if (request || !peer || xos_request_decode(&r, e->header, err) < 0 || !r.has_operation_id)
        abort();
    out->kind = XOS_CALLER_LOCAL;
    if (strcmp(verb->name, "job.run") != 0)
        return 0;
    if (disk->submissions++ == 0)
        disk->operation = r.operation_id;
    else if (memcmp(&disk->operation, &r.operation_id, sizeof(r.operation_id)) != 0)
        abort();
    return 0;
}

static void on_accept(void *arg, int fd, const struct xos_peer *peer)
{
    (void)arg;
    xos_rpc_take(toy.rpc, fd, peer);
}

static const struct xos_verb verbs[] = {{"node.hello", serve_hello, XOS_VERB_OPEN},
                                        {"job.run", serve_run, XOS_VERB_STREAM},
                                        {"job.watch", serve_watch, XOS_VERB_STREAM},
                                        {"job.signal", serve_signal, 0},
                                        {"unit.attach", serve_attach, XOS_VERB_STREAM}};

static void node_main(const char *path)
{
    struct xos_error err;
    struct xos_local *local;
    struct xos_rpc_config config = {
        .node = "n1.toy", .institution = "toy", .head = true, .gate = gate};
    if (xos_loop_new(&toy.loop, xos_env_posix(), &err) < 0 ||
        xos_rpc_new(&toy.rpc, toy.loop, &config, &err) < 0 ||
        xos_rpc_serve(toy.rpc, verbs, sizeof(verbs) / sizeof(verbs[0]), NULL, &err) < 0 ||
        xos_timer_new(&toy.timer, toy.loop, on_turn, NULL, &err) < 0 ||
        xos_local_listen(&local, toy.loop, path, 0600, on_accept, NULL, &err) < 0)
        abort();
    xos_timer_set(toy.timer, TURN_MS);
    (void)xos_loop_run(toy.loop, &err);
    _exit(0);
}

static pid_t node_start(const char *path)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        node_main(path);
    return pid;
}

/* How it ended: abort() is a complaint. */
static void node_kill(pid_t pid)
{
    int status;
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* The program */

static struct program {
    char socket[200];
    pid_t node;
    struct xos_client *client;
    struct xos_job *job;
    size_t given, got;
    bool over, failed;
    unsigned ids, events;
    uint64_t sequence;
    int status;
} p;

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 2654435761u >> 13);
}

static void give(struct xos_job *job)
{
    uint8_t bytes[8000];
    size_t room;
    while (p.given < CAT_BYTES && (room = xos_job_input_room(job, 0)) > 0) {
        size_t n = CAT_BYTES - p.given < sizeof(bytes) ? CAT_BYTES - p.given : sizeof(bytes);
        n = n < room ? n : room;
        for (size_t i = 0; i < n; i++)
            bytes[i] = byte_at(p.given + i);
        assert_int_equal(xos_job_input(job, 0, bytes, n, NULL), 0);
        p.given += n;
    }
    if (p.given == CAT_BYTES)
        xos_job_input_end(job, 0);
}

static void on_id(void *arg, struct xos_job *job, const char *id)
{
    (void)arg;
    assert_string_equal(id, "toy-7");
    assert_string_equal(xos_job_id(job), "toy-7");
    p.ids++;
}

static void on_event(void *arg, struct xos_job *job, const struct xos_job_event *ev)
{
    (void)arg;
    (void)job;
    assert_int_equal(ev->sequence, p.sequence + 1);
    p.sequence = ev->sequence;
}

static void on_output(void *arg, struct xos_job *job, uint32_t unit, int stream, const void *data,
                      size_t bytes)
{
    const uint8_t *at = data;
    (void)arg;
    assert_int_equal(stream, 1);
    for (size_t i = 0; i < bytes; i++)
        if (at[i] != byte_at(p.got + i))
            fail_msg("byte %zu is wrong", p.got + i);
    p.got += bytes;
    xos_job_written(job, unit, stream, bytes);
}

static void on_input(void *arg, struct xos_job *job, uint32_t unit)
{
    (void)arg;
    assert_int_equal(unit, 0);
    give(job);
}

static void on_done(void *arg, struct xos_job *job, int status)
{
    (void)arg;
    p.over = true;
    p.status = status;
    xos_job_free(job);
}

static void on_failed(void *arg, struct xos_job *job, const struct xos_fault *fault)
{
    (void)arg;
    print_message("failed: %s\n", fault->text);
    p.over = p.failed = true;
    xos_job_free(job);
}

static const struct xos_job_ops ops = {.size = sizeof(ops),
                                       .on_id = on_id,
                                       .on_event = on_event,
                                       .on_output = on_output,
                                       .on_input = on_input,
                                       .on_done = on_done,
                                       .on_failed = on_failed};

static void set_up(bool die_unanswered)
{
    struct xos_fault fault;
    p = (struct program){.node = -1};
    toy = (struct toy){0};
    disk = mmap(NULL, sizeof(*disk), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(disk, MAP_FAILED);
    disk->die_unanswered = die_unanswered;
    (void)snprintf(p.socket, sizeof(p.socket), "%s/xosd.sock", xt_dir());
    p.node = node_start(p.socket);
    if (xos_client_new(&p.client, p.socket, &fault) < 0)
        fail_msg("%s", fault.text);
    assert_string_equal(xos_client_node(p.client), "n1.toy");
    struct xos_job_spec spec = XOS_JOB_SPEC;
    spec.argv = (const char *[]){"cat"}, spec.argc = 1;
    assert_int_equal(xos_job_run(&p.job, p.client, &spec, &ops, NULL, &fault), 0);
}

static void tear_down(void)
{
    xos_client_free(p.client);
    node_kill(p.node);
    munmap(disk, sizeof(*disk));
}

static void run_for(unsigned ms)
{
    struct xos_env *env = xos_env_posix();
    uint64_t end = xos_env_mono_ms(env) + ms, now;
    while (!p.over && (now = xos_env_mono_ms(env)) < end)
        assert_int_equal(xos_client_dispatch(p.client, (int)(end - now), NULL), 0);
}

static void check_whole(void)
{
    assert_true(p.over && !p.failed);
    assert_int_equal(p.status, STATUS);
    assert_int_equal(p.ids, 1);
    assert_int_equal(p.got, CAT_BYTES);
    assert_int_equal(p.sequence, 5);
}

static void megabytes_both_ways_through_kills(void **state)
{
    unsigned kills = 0;
    (void)state;
    set_up(false);
    while (!p.over && kills < 400) {
        run_for(15 + kills % 20);
        node_kill(p.node);
        kills++;
        run_for(kills % 3 * 10);
        p.node = node_start(p.socket);
    }
    run_for(20000);
    check_whole();
    assert_true(kills > 3);
    assert_true(disk->attaches > 2);
    tear_down();
}

static void nothing_is_lost_in_peace(void **state)
{
    (void)state;
    set_up(false);
    run_for(20000);
    check_whole();
    assert_int_equal(disk->attaches, 1);
    tear_down();
}

static void a_submission_without_an_answer_is_sent_again(void **state)
{
    (void)state;
    set_up(true);
    run_for(300);
    node_kill(p.node);
    p.node = node_start(p.socket);
    run_for(20000);
    check_whole();
    assert_int_equal(disk->submissions, 2);
    tear_down();
}

static unsigned signals_done;

static void on_signalled(void *arg, const char *id, const struct xos_fault *fault)
{
    (void)arg;
    assert_string_equal(id, "toy-7");
    assert_int_equal(fault->code, XOS_FAULT_NONE);
    signals_done++;
}

static void a_signal_finds_a_node_that_comes_back(void **state)
{
    (void)state;
    set_up(false);
    signals_done = 0;
    run_for(30);
    node_kill(p.node);
    assert_int_equal(
        xos_job_signal(p.client, "toy-7", XOS_ALL_UNITS, SIGTERM, 10000, on_signalled, NULL, NULL),
        0);
    run_for(50);
    assert_int_equal(signals_done, 0);
    p.node = node_start(p.socket);
    run_for(20000);
    assert_int_equal(signals_done, 1);
    assert_int_equal(disk->signal, SIGTERM);
    check_whole();
    tear_down();
}

static void a_job_that_is_left_is_forgotten_at_once(void **state)
{
    (void)state;
    set_up(false);
    run_for(30);
    xos_job_free(p.job);
    size_t got = p.got;
    run_for(50);
    assert_int_equal(p.got, got);
    assert_false(p.over);
    tear_down();
}

static const struct xt_test tests[] = {
    XT_PLAIN(nothing_is_lost_in_peace),
    XT_PLAIN(megabytes_both_ways_through_kills),
    XT_PLAIN(a_submission_without_an_answer_is_sent_again),
    XT_PLAIN(a_signal_finds_a_node_that_comes_back),
    XT_PLAIN(a_job_that_is_left_is_forgotten_at_once),
};
XT_MAIN(tests)
