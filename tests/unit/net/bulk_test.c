// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a user's terminal, files or checkpoints arrive damaged, hang behind somebody
 * else's, or fill the memory of a node. Real TLS over loopback, both ends in this process. */
#include "tests/lib/bulkpair.h"
#include "tests/lib/xtest.h"

#include "libxos/base/alloc.h"

#include <stdlib.h>
#include <string.h>

#define WAIT_MS 20000

/* In a run where an allocation failed, the connection may be gone: nothing more to be seen. */
#define XT_WAIT(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            if (!xt_starving())                                                                    \
                fail_msg("waited in vain for " #condition);                                        \
            goto out;                                                                              \
        }                                                                                          \
    } while (0)

static uint8_t *pattern(size_t len)
{
    uint8_t *data = malloc(len);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
    return data;
}

static void bytes_go_and_come_back(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct xt_record r = {0};
    static const uint8_t text[] = "hello, node";
    XT_TRY(xt_bulkpair_up(&p, &err));
    assert_string_equal(xos_bulk_conn_peer(p.dialled)->name, "server");
    assert_string_equal(xos_bulk_conn_peer(p.accepted)->name, "client");
    assert_string_equal(xos_bulk_conn_address(p.accepted), "127.0.0.1");
    r.data = text;
    r.len = sizeof(text);
    r.end_after = true;
    XT_TRY(xt_record_open(&r, p.dialled, "echo", &err));
    XT_WAIT(xt_until(&p, &r.ended, xt_starving() ? 300 : WAIT_MS));
    assert_int_equal(r.got.len, sizeof(text));
    assert_memory_equal(r.got.data, text, sizeof(text));
out:
    xt_record_free(&r);
    xt_bulkpair_free(&p);
}

static void megabytes_keep_their_order_both_ways(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct xt_record r = {0};
    struct xos_bulk_stats stats;
    size_t len = (8 << 20) + 4321;
    uint8_t *data = pattern(len);
    XT_TRY(xt_bulkpair_up(&p, &err));
    r.data = data;
    r.len = len;
    r.end_after = true;
    XT_TRY(xt_record_open(&r, p.dialled, "echo", &err));
    XT_WAIT(xt_until(&p, &r.ended, WAIT_MS));
    assert_int_equal(r.got.len, len);
    assert_memory_equal(r.got.data, data, len);
    xos_bulk_stats(p.client, &stats);
    assert_true(stats.buffered_peak_bytes <= XOS_BULK_OUTPUT_BYTES_MAX + 1024);
    assert_int_equal(stats.streams, 0);
out:
    free(data);
    xt_record_free(&r);
    xt_bulkpair_free(&p);
}

static void a_thousand_streams_at_once(void **state)
{
    (void)state;
    enum { N = 1000, LEN = 20000 };
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct xt_record *r = calloc(N, sizeof(*r));
    uint8_t *data = pattern(LEN + N);
    XT_TRY(xt_bulkpair_up(&p, &err));
    for (size_t i = 0; i < N; i++) {
        r[i].data = data + i;
        r[i].len = LEN;
        r[i].end_after = true;
        XT_TRY(xt_record_open(&r[i], p.dialled, "echo", &err));
    }
    for (size_t i = 0; i < N; i++) {
        XT_WAIT(xt_until(&p, &r[i].ended, WAIT_MS));
        assert_int_equal(r[i].got.len, LEN);
        assert_memory_equal(r[i].got.data, data + i, LEN);
    }
out:
    for (size_t i = 0; i < N; i++)
        xt_record_free(&r[i]);
    free(r);
    free(data);
    xt_bulkpair_free(&p);
}

/* Both sides may end first, and the other half goes on. */
static void each_half_closes_by_itself(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct xt_record r = {0};
    static const uint8_t late[] = "after the other side's end";
    XT_TRY(xt_bulkpair_up(&p, &err));
    XT_TRY(xt_record_open(&r, p.dialled, "plain", &err));
    xos_stream_end(r.stream); /* before it is accepted, even */
    XT_WAIT(xt_until(&p, &r.accepted, WAIT_MS));
    XT_WAIT(xt_until(&p, &p.records[0].ended, WAIT_MS));
    assert_int_equal(xos_stream_write(r.stream, (struct xos_slice){late, 1}), 0);
    p.records[0].data = late;
    p.records[0].len = sizeof(late);
    p.records[0].end_after = true;
    xt_record_pump(&p.records[0]);
    XT_WAIT(xt_until(&p, &r.ended, WAIT_MS));
    assert_memory_equal(r.got.data, late, sizeof(late));
    assert_false(r.reset);
out:
    xt_record_free(&r);
    xt_bulkpair_free(&p);
}

static void a_refusal_says_why(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct xt_record r = {0};
    XT_TRY(xt_bulkpair_up(&p, &err));
    p.refuse = true;
    XT_TRY(xt_record_open(&r, p.dialled, "please", &err));
    XT_WAIT(xt_until(&p, &r.reset, WAIT_MS));
    assert_int_equal(r.why.code, XOS_DENIED);
    assert_string_equal(r.why.text, "not you");
out:
    xt_record_free(&r);
    xt_bulkpair_free(&p);
}

static void accepting_may_wait(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct xt_record r = {0}, gone = {0};
    static const uint8_t text[] = "patience";
    XT_TRY(xt_bulkpair_up(&p, &err));
    p.pending = true;
    r.data = text;
    r.len = sizeof(text);
    XT_TRY(xt_record_open(&r, p.dialled, "later", &err));
    XT_TRY(xt_record_open(&gone, p.dialled, "never", &err));
    xt_record_pump(&r); /* too early: nothing is taken, and on_accepted comes back to it */
    assert_int_equal(r.sent, 0);
    xt_run_ms(&p, 50);
    xt_record_free(&gone);
    xt_run_ms(&p, 50);
    assert_int_equal(p.record_count, 2);
    XT_TRY(xos_stream_accept(p.records[0].stream, &xt_record_ops, &p.records[0], &err));
    XT_REFUSED(xos_stream_accept(p.records[1].stream, &xt_record_ops, &p.records[1], &err),
               XOS_UNAVAILABLE);
    XT_WAIT(xt_until(&p, &r.accepted, WAIT_MS));
    xt_run_ms(&p, 50);
    assert_int_equal(p.records[0].got.len, sizeof(text));
out:
    xt_record_free(&r);
    xt_record_free(&gone);
    xt_bulkpair_free(&p);
}

static void reset_in_the_middle_touches_nobody_else(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct xt_record a = {0}, b = {0};
    size_t len = 2 << 20;
    uint8_t *data = pattern(len);
    XT_TRY(xt_bulkpair_up(&p, &err));
    a.data = b.data = data;
    a.len = b.len = len;
    b.end_after = true;
    XT_TRY(xt_record_open(&a, p.dialled, "plain", &err));
    XT_TRY(xt_record_open(&b, p.dialled, "echo", &err));
    XT_WAIT(xt_until(&p, &a.accepted, WAIT_MS));
    xt_run_ms(&p, 1);
    xos_stream_reset(a.stream, XOS_CANCELLED, "changed my mind");
    XT_WAIT(xt_until(&p, &p.records[0].reset, WAIT_MS));
    assert_int_equal(p.records[0].why.code, XOS_CANCELLED);
    XT_WAIT(xt_until(&p, &b.ended, WAIT_MS));
    assert_memory_equal(b.got.data, data, len);
out:
    free(data);
    xt_record_free(&a);
    xt_record_free(&b);
    xt_bulkpair_free(&p);
}

/* One reader never consumes; what is held for it is one window, and others run past. */
static void a_slow_reader_holds_up_only_itself(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct xt_record slow = {0}, fast = {0};
    struct xos_bulk_stats stats;
    size_t len = 6 << 20;
    uint8_t *data = pattern(len);
    XT_TRY(xt_bulkpair_up(&p, &err));
    slow.data = fast.data = data;
    slow.len = fast.len = len;
    slow.end_after = fast.end_after = true;
    p.hold = true;
    XT_TRY(xt_record_open(&slow, p.dialled, "plain", &err));
    XT_WAIT(xt_until(&p, &slow.accepted, WAIT_MS));
    p.hold = false;
    XT_TRY(xt_record_open(&fast, p.dialled, "echo", &err));
    XT_WAIT(xt_until(&p, &fast.ended, WAIT_MS));
    assert_int_equal(p.records[0].got.len, XOS_MUX_WINDOW_BYTES);
    assert_int_equal(slow.sent, XOS_MUX_WINDOW_BYTES);
    xos_bulk_stats(p.client, &stats);
    assert_true(stats.buffered_peak_bytes <= XOS_BULK_OUTPUT_BYTES_MAX + 1024);
    p.records[0].hold = false;
    xos_stream_consumed(p.records[0].stream, p.records[0].unread);
    XT_WAIT(xt_until(&p, &p.records[0].ended, WAIT_MS));
    assert_int_equal(p.records[0].got.len, len);
out:
    free(data);
    xt_record_free(&slow);
    xt_record_free(&fast);
    xt_bulkpair_free(&p);
}

/* While a stream floods, the answer to a keystroke waits for a few turns at most. */
static void a_keystroke_passes_a_flood(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct xt_record flood = {0}, key = {0};
    size_t len = 32 << 20;
    uint8_t *data = pattern(len);
    XT_TRY(xt_bulkpair_up(&p, &err));
    flood.data = data;
    flood.len = len;
    XT_TRY(xt_record_open(&flood, p.dialled, "plain", &err));
    XT_WAIT(xt_until(&p, &flood.accepted, WAIT_MS));
    key.data = data;
    key.len = 1;
    key.end_after = true;
    XT_TRY(xt_record_open(&key, p.dialled, "echo", &err));
    XT_WAIT(xt_until(&p, &key.ended, WAIT_MS));
    assert_true(p.records[0].got.len < len / 2);
out:
    free(data);
    xt_record_free(&flood);
    xt_record_free(&key);
    xt_bulkpair_free(&p);
}

static void anonymous_clients_are_told_apart(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct xt_record r = {0};
    XT_TRY(xt_bulkpair_new(&p, &err));
    p.server_config.anonymous_ok = true;
    p.client_config.chain_count = 0;
    p.client_config.key = NULL;
    XT_TRY(xt_bulkpair_listen(&p, &err));
    XT_TRY(xt_bulkpair_up(&p, &err));
    assert_string_equal(xos_bulk_conn_peer(p.accepted)->name, "");
    XT_TRY(xt_record_open(&r, p.dialled, "echo join", &err));
    XT_WAIT(xt_until(&p, &r.accepted, WAIT_MS));
    assert_int_equal(xos_bulk_recheck(p.server), 0); /* there is nothing to revoke */
out:
    xt_record_free(&r);
    xt_bulkpair_free(&p);
}

static void who_has_no_certificate_cannot_listen(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    XT_TRY(xt_bulkpair_new(&p, &err));
    p.server_config.chain_count = 0;
    p.server_config.key = NULL;
    XT_REFUSED(xt_bulkpair_listen(&p, &err), XOS_INVALID);
out:
    xt_bulkpair_free(&p);
}

static const struct refused_row {
    const char *what;
    bool anonymous;       /* the client shows nothing */
    const char *revoked;  /* verify refuses this one */
    const char *expected; /* the client wants to reach this one */
    enum xos_code code;   /* what the client is told */
} refused_table[] = {
    {"no certificate", true, NULL, NULL, XOS_PROTOCOL},
    {"the client is revoked", false, "client", NULL, XOS_PROTOCOL},
    {"the server is revoked", false, "server", NULL, XOS_DENIED},
    {"another name", false, NULL, "somebody", XOS_DENIED},
};

static void the_wrong_peers_do_not_come_up(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct xos_bulk_stats stats;
    for (size_t i = 0; i < sizeof(refused_table) / sizeof(refused_table[0]); i++) {
        const struct refused_row *row = &refused_table[i];
        XT_TRY(xt_bulkpair_new(&p, &err));
        p.root.revoked = row->revoked;
        if (row->anonymous) {
            p.client_config.chain_count = 0;
            p.client_config.key = NULL;
        }
        XT_TRY(xt_bulkpair_listen(&p, &err));
        XT_TRY(xt_bulkpair_dial(&p, row->expected, &err));
        XT_WAIT(xt_until_count(&p, &p.dial_downs, 1, WAIT_MS));
        assert_int_equal(p.dial_why.code, row->code);
        xt_run_ms(&p, 50);
        xos_bulk_stats(p.server, &stats);
        assert_int_equal(stats.connections, 0);
        assert_int_equal(stats.refused, 1);
        assert_int_equal(p.ups + p.dial_ups + p.downs, 0);
        xt_bulkpair_free(&p);
    }
out:
    xt_bulkpair_free(&p);
}

static void a_revoked_peer_is_closed_at_recheck(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct xt_record r = {0};
    XT_TRY(xt_bulkpair_up(&p, &err));
    XT_TRY(xt_record_open(&r, p.dialled, "plain", &err));
    XT_WAIT(xt_until(&p, &r.accepted, WAIT_MS));
    assert_int_equal(xos_bulk_recheck(p.server), 0);
    p.root.revoked = "client";
    assert_int_equal(xos_bulk_recheck(p.server), 1);
    assert_int_equal(p.downs, 0); /* never inside a call */
    XT_WAIT(xt_until_count(&p, &p.downs, 1, WAIT_MS));
    assert_int_equal(p.down_why.code, XOS_DENIED);
    assert_true(p.records[0].reset);
    XT_WAIT(xt_until_count(&p, &p.dial_downs, 1, WAIT_MS));
    assert_true(r.reset);
    assert_int_equal(r.why.code, XOS_UNAVAILABLE);
out:
    xt_record_free(&r);
    xt_bulkpair_free(&p);
}

static void a_renewed_identity_serves_the_next(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct xt_cert next = {0};
    XT_TRY(xt_bulkpair_up(&p, &err));
    XT_TRY(xt_cert_new(&next, &p.root, "server", &err));
    XT_REFUSED(xos_bulk_identity(p.server, next.chain, 2, p.client_cert.key, &err), XOS_INVALID);
    XT_TRY(xos_bulk_identity(p.server, next.chain, 2, next.key, &err));
    XT_TRY(xt_bulkpair_up(&p, &err));
    assert_int_equal(p.downs, 0); /* and the first one lives on */
out:
    xt_cert_free(&next);
    xt_bulkpair_free(&p);
}

static void closing_tells_the_other_side(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct xt_record r = {0}, late = {0};
    XT_TRY(xt_bulkpair_up(&p, &err));
    XT_TRY(xt_record_open(&r, p.dialled, "plain", &err));
    XT_WAIT(xt_until(&p, &r.accepted, WAIT_MS));
    xos_bulk_goaway(p.accepted, XOS_NONE, "drain");
    xt_run_ms(&p, 50);
    XT_REFUSED(xt_record_open(&late, p.dialled, "late", &err), XOS_UNAVAILABLE);
    assert_int_equal(p.downs + p.dial_downs, 0); /* a stream is open still */
    xos_stream_end(r.stream);
    xos_stream_end(p.records[0].stream);
    XT_WAIT(xt_until_count(&p, &p.dial_downs, 1, WAIT_MS));
    XT_WAIT(xt_until_count(&p, &p.downs, 1, WAIT_MS));
    assert_int_equal(p.dial_why.code, XOS_NONE);
    assert_false(r.reset);
out:
    xt_record_free(&r);
    xt_record_free(&late);
    xt_bulkpair_free(&p);
}

static void idle_connections_go(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    XT_TRY(xt_bulkpair_new(&p, &err));
    p.client_config.limits.idle_ms = 60;
    XT_TRY(xt_bulkpair_listen(&p, &err));
    XT_TRY(xt_bulkpair_up(&p, &err));
    XT_WAIT(xt_until_count(&p, &p.dial_downs, 1, WAIT_MS));
    XT_WAIT(xt_until_count(&p, &p.downs, 1, WAIT_MS));
    assert_int_equal(p.down_why.code, XOS_NONE);
out:
    xt_bulkpair_free(&p);
}

static void pings_keep_a_quiet_connection(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    XT_TRY(xt_bulkpair_new(&p, &err));
    p.client_config.limits.ping_ms = 100;
    p.client_config.limits.dead_ms = 1500;
    XT_TRY(xt_bulkpair_listen(&p, &err));
    XT_TRY(xt_bulkpair_up(&p, &err));
    xt_run_ms(&p, 2000);
    assert_int_equal(p.dial_downs, 0);
out:
    xt_bulkpair_free(&p);
}

/* As with a cable that is out: nothing moves, nothing breaks, and then it goes on; or, when it is
 * out for too long, each side finds out by itself. */
static void a_cut_stalls_and_heals(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct xt_record r = {0};
    size_t len = 4 << 20;
    uint8_t *data = pattern(len);
    XT_TRY(xt_bulkpair_up(&p, &err));
    r.data = data;
    r.len = len;
    r.end_after = true;
    XT_TRY(xt_record_open(&r, p.dialled, "echo", &err));
    XT_WAIT(xt_until(&p, &r.accepted, WAIT_MS));
    p.cut = true;
    xt_run_ms(&p, 50);
    size_t got = r.got.len, sent = r.sent;
    xt_run_ms(&p, 200);
    assert_int_equal(r.got.len, got);
    assert_int_equal(r.sent, sent);
    p.cut = false;
    XT_WAIT(xt_until(&p, &r.ended, WAIT_MS));
    assert_memory_equal(r.got.data, data, len);
out:
    free(data);
    xt_record_free(&r);
    xt_bulkpair_free(&p);
}

static void a_long_cut_is_a_death(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    XT_TRY(xt_bulkpair_new(&p, &err));
    p.client_config.limits.ping_ms = p.server_config.limits.ping_ms = 100;
    p.client_config.limits.dead_ms = p.server_config.limits.dead_ms = 300;
    p.client_config.limits.handshake_ms = p.server_config.limits.handshake_ms = 200;
    XT_TRY(xt_bulkpair_listen(&p, &err));
    XT_TRY(xt_bulkpair_up(&p, &err));
    p.cut = true;
    XT_TRY(xt_bulkpair_dial(&p, NULL, &err)); /* a new one hangs until its deadline */
    XT_WAIT(xt_until_count(&p, &p.downs, 1, WAIT_MS));
    assert_int_equal(p.down_why.code, XOS_TIMEOUT);
    XT_WAIT(xt_until_count(&p, &p.dial_downs, 2, WAIT_MS));
    assert_int_equal(p.dial_why.code, XOS_TIMEOUT);
    assert_int_equal(p.ups, 1);
out:
    xt_bulkpair_free(&p);
}

static void free_the_endpoint(struct xt_record *r)
{
    struct xt_bulkpair *p = r->arg;
    xos_bulk_free(p->client);
    p->client = NULL;
    p->dialled = NULL;
}

static void free_the_stream(struct xt_record *r)
{
    xos_stream_free(r->stream);
    r->stream = NULL;
}

static void close_the_connection(struct xt_record *r)
{
    xos_bulk_close(xos_stream_conn(r->stream), XOS_CANCELLED, "enough");
}

static void anything_may_be_freed_in_a_callback(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    struct xt_record r[3] = {0};
    static void (*const table[])(struct xt_record *) = {free_the_stream, close_the_connection,
                                                        free_the_endpoint};
    uint8_t *data = pattern(1 << 20);
    XT_TRY(xt_bulkpair_new(&p, &err));
    XT_TRY(xt_bulkpair_listen(&p, &err));
    for (size_t i = 0; i < 3; i++) {
        p.dial_downs = 0;
        XT_TRY(xt_bulkpair_up(&p, &err));
        r[i] = (struct xt_record){.data = data, .len = 1 << 20, .arg = &p};
        r[i].on_data = table[i];
        XT_TRY(xt_record_open(&r[i], p.dialled, "echo", &err));
        XT_WAIT(xt_until(&p, &r[i].accepted, WAIT_MS));
        xt_run_ms(&p, 100);
        assert_true(r[i].got.len > 0);
    }
    assert_null(p.client);
    assert_null(xos_stream_conn(r[2].stream));
    assert_int_equal(xos_stream_write(r[2].stream, (struct xos_slice){data, 1}), 0);
out:
    for (size_t i = 0; i < 3; i++)
        xt_record_free(&r[i]);
    free(data);
    xt_bulkpair_free(&p);
}

static void nobody_listens(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xt_bulkpair p = {0};
    XT_TRY(xt_bulkpair_new(&p, &err));
    XT_TRY(xt_bulkpair_listen(&p, &err));
    unsigned port = xos_bulk_port(p.server);
    xos_bulk_free(p.server);
    p.server = NULL;
    struct xos_bulk_conn *conn;
    struct xos_bulk_dial dial = {.host = "127.0.0.1", .port = port, .arg = &p};
    XT_TRY(xos_bulk_connect(&conn, p.client, &dial, &err));
    xt_run_ms(&p, 100);
    struct xos_bulk_stats stats;
    xos_bulk_stats(p.client, &stats);
    assert_int_equal(stats.connections, 0);
out:
    xt_bulkpair_free(&p);
}

static const struct xt_test tests[] = {
    XT_PLAIN(bytes_go_and_come_back),
    XT_PLAIN(megabytes_keep_their_order_both_ways),
    XT_PLAIN(a_thousand_streams_at_once),
    XT_PLAIN(each_half_closes_by_itself),
    XT_PLAIN(a_refusal_says_why),
    XT_PLAIN(accepting_may_wait),
    XT_PLAIN(reset_in_the_middle_touches_nobody_else),
    XT_PLAIN(a_slow_reader_holds_up_only_itself),
    XT_PLAIN(a_keystroke_passes_a_flood),
    XT_PLAIN(anonymous_clients_are_told_apart),
    XT(who_has_no_certificate_cannot_listen),
    XT_PLAIN(the_wrong_peers_do_not_come_up),
    XT_PLAIN(a_revoked_peer_is_closed_at_recheck),
    XT_PLAIN(a_renewed_identity_serves_the_next),
    XT_PLAIN(closing_tells_the_other_side),
    XT_PLAIN(idle_connections_go),
    XT_PLAIN(pings_keep_a_quiet_connection),
    XT_PLAIN(a_cut_stalls_and_heals),
    XT_PLAIN(a_long_cut_is_a_death),
    XT_PLAIN(anything_may_be_freed_in_a_callback),
    XT_PLAIN(nobody_listens),
};
XT_MAIN(tests)
