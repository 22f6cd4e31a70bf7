// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a node whose peer is killed or frozen waits for it for ever, and so do all who
 * have a terminal or a file there. Two processes, the listener in the other one. */
#include "tests/lib/bulkpair.h"
#include "tests/lib/xtest.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 20000

/* The two processes have roots of their own; who is who is not what this test is about. */
static int believe(void *arg, const struct xos_slice *chain, size_t count, struct xos_tls_peer *out,
                   struct xos_error *err)
{
    (void)arg;
    (void)chain;
    (void)count;
    (void)err;
    (void)snprintf(out->name, sizeof(out->name), "server");
    return 0;
}

static void serve(int port_to)
{
    struct xt_bulkpair p;
    struct xos_error err;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (xt_bulkpair_new(&p, &err) < 0)
        _exit(1);
    p.server_config.verify = believe;
    if (xt_bulkpair_listen(&p, &err) < 0)
        _exit(1);
    unsigned port = xos_bulk_port(p.server);
    if (write(port_to, &port, sizeof(port)) != sizeof(port))
        _exit(1);
    (void)xos_loop_run(p.loop, &err);
    _exit(0);
}

struct other {
    pid_t pid;
    unsigned port;
};

static void other_start(struct other *o)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    o->pid = fork();
    assert_true(o->pid >= 0);
    if (o->pid == 0)
        serve(fds[1]);
    assert_int_equal(read(fds[0], &o->port, sizeof(o->port)), sizeof(o->port));
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void other_end(struct other *o)
{
    if (o->pid > 0) {
        (void)kill(o->pid, SIGKILL);
        (void)waitpid(o->pid, NULL, 0);
    }
    o->pid = 0;
}

static void on_up(void *arg, struct xos_bulk_conn *conn)
{
    struct xt_bulkpair *p = arg;
    (void)conn;
    p->dial_ups++;
}

static void on_down(void *arg, struct xos_bulk_conn *conn, const struct xos_error *why)
{
    struct xt_bulkpair *p = arg;
    (void)conn;
    p->dial_why = *why;
    p->dial_downs++;
}

static int reach(struct xt_bulkpair *p, const struct other *o, struct xos_error *err)
{
    struct xos_bulk_dial dial = {.host = "127.0.0.1",
                                 .port = o->port,
                                 .expected = "server",
                                 .on_up = on_up,
                                 .on_down = on_down,
                                 .arg = p};
    if (xt_bulkpair_new(p, err) < 0)
        return -1;
    p->client_config.verify = believe;
    p->client_config.limits.ping_ms = 200;
    p->client_config.limits.dead_ms = 500;
    if (xos_bulk_new(&p->client, p->loop, &p->client_config, err) < 0 ||
        xos_bulk_connect(&p->dialled, p->client, &dial, err) < 0)
        return -1;
    return xt_until_count(p, &p->dial_ups, 1, WAIT_MS) ? 0 : xos_fail(err, XOS_TIMEOUT, "not up");
}

static const struct fate_row {
    const char *what;
    int signal;
    enum xos_code code;
} fate_table[] = {
    {"killed", SIGKILL, XOS_UNAVAILABLE},
    {"frozen", SIGSTOP, XOS_TIMEOUT},
};

static void a_peer_that_goes_is_noticed(void **state)
{
    (void)state;
    struct xos_error err = {0};
    size_t len = 16 << 20;
    uint8_t *data = calloc(1, len);
    for (size_t i = 0; i < sizeof(fate_table) / sizeof(fate_table[0]); i++) {
        struct other o = {0};
        struct xt_bulkpair p = {0};
        struct xt_record flow = {.data = data, .len = len, .end_after = true}, quiet = {0};
        other_start(&o);
        XT_TRY(reach(&p, &o, &err));
        XT_TRY(xt_record_open(&quiet, p.dialled, "echo", &err));
        XT_TRY(xt_record_open(&flow, p.dialled, "echo", &err));
        while (flow.got.len == 0)
            xt_run_ms(&p, 1);
        assert_int_equal(kill(o.pid, fate_table[i].signal), 0);
        assert_true(xt_until_count(&p, &p.dial_downs, 1, WAIT_MS));
        assert_int_equal(p.dial_why.code, fate_table[i].code);
        assert_true(flow.reset && quiet.reset && !flow.ended);
    out:
        other_end(&o);
        xt_record_free(&flow);
        xt_record_free(&quiet);
        xt_bulkpair_free(&p);
    }
    free(data);
}

static void two_processes_exchange_megabytes(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct other o = {0};
    struct xt_bulkpair p = {0};
    size_t len = 24 << 20;
    uint8_t *data = malloc(len);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(i * 13 + (i >> 9));
    struct xt_record r = {.data = data, .len = len, .end_after = true};
    other_start(&o);
    XT_TRY(reach(&p, &o, &err));
    XT_TRY(xt_record_open(&r, p.dialled, "echo", &err));
    assert_true(xt_until(&p, &r.ended, 2 * WAIT_MS));
    assert_int_equal(r.got.len, len);
    assert_memory_equal(r.got.data, data, len);
out:
    other_end(&o);
    free(data);
    xt_record_free(&r);
    xt_bulkpair_free(&p);
}

static const struct xt_test tests[] = {
    XT_PLAIN(a_peer_that_goes_is_noticed),
    XT_PLAIN(two_processes_exchange_megabytes),
};
XT_MAIN(tests)
