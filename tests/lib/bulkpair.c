// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/bulkpair.h"

#include "libxos/base/alloc.h"
#include "tests/lib/netenv.h"

#include <string.h>

#define TICK_MS 20
#define GOT_BYTES_MAX (64 << 20)

/* Records */

void xt_record_pump(struct xt_record *r)
{
    const uint8_t *data = r->echo ? r->got.data : r->data;
    size_t len = r->echo ? r->got.len : r->len;
    while (r->sent < len) {
        size_t n = xos_stream_write(r->stream, (struct xos_slice){data + r->sent, len - r->sent});
        if (n == 0)
            return;
        r->sent += n;
    }
    if (r->end_after || (r->end_back && r->ended)) {
        xos_stream_end(r->stream);
        r->end_after = r->end_back = false;
    }
}

static void rec_accepted(void *arg, struct xos_stream *s)
{
    struct xt_record *r = arg;
    (void)s;
    r->accepted = true;
    xt_record_pump(r);
}

static void rec_data(void *arg, struct xos_stream *s, struct xos_slice data)
{
    struct xt_record *r = arg;
    struct xos_error err;
    if (xos_buf_add(&r->got, data.data, data.len, &err) < 0) {
        xos_stream_reset(s, err.code, err.text);
        return;
    }
    if (r->hold)
        r->unread += data.len;
    else
        xos_stream_consumed(s, data.len);
    if (r->echo)
        xt_record_pump(r);
    if (r->on_data)
        r->on_data(r);
}

static void rec_writable(void *arg, struct xos_stream *s)
{
    struct xt_record *r = arg;
    (void)s;
    r->writable++;
    xt_record_pump(r);
}

static void rec_end(void *arg, struct xos_stream *s)
{
    struct xt_record *r = arg;
    (void)s;
    r->ended = true;
    if (r->end_back)
        xt_record_pump(r);
}

static void rec_reset(void *arg, struct xos_stream *s, const struct xos_error *why)
{
    struct xt_record *r = arg;
    (void)s;
    r->reset = true;
    r->why = *why;
}

const struct xos_stream_ops xt_record_ops = {rec_accepted, rec_data, rec_writable, rec_end,
                                             rec_reset};

int xt_record_open(struct xt_record *r, struct xos_bulk_conn *conn, const char *payload,
                   struct xos_error *err)
{
    r->got = XOS_BUF(GOT_BYTES_MAX);
    return xos_stream_open(&r->stream, conn,
                           (struct xos_slice){(const uint8_t *)payload, strlen(payload)},
                           &xt_record_ops, r, err);
}

void xt_record_free(struct xt_record *r)
{
    xos_stream_free(r->stream);
    xos_buf_free(&r->got);
    r->stream = NULL;
}

/* The pair */

static int pair_stream(void *arg, struct xos_bulk_conn *conn, struct xos_stream *stream,
                       struct xos_slice payload, struct xos_error *err)
{
    struct xt_bulkpair *p = arg;
    (void)conn;
    if (p->refuse)
        return xos_fail(err, XOS_DENIED, "not you");
    if (p->record_count == XT_RECORDS_MAX)
        return xos_fail(err, XOS_LIMIT, "records");
    struct xt_record *r = &p->records[p->record_count];
    *r = (struct xt_record){.stream = stream, .hold = p->hold, .got = XOS_BUF(GOT_BYTES_MAX)};
    r->echo = r->end_back = payload.len >= 4 && memcmp(payload.data, "echo", 4) == 0;
    if (!p->pending && xos_stream_accept(stream, &xt_record_ops, r, err) < 0)
        return -1;
    p->record_count++;
    return 0;
}

static int pair_verify(void *arg, const struct xos_slice *chain, size_t count,
                       struct xos_tls_peer *out, struct xos_error *err)
{
    struct xt_bulkpair *p = arg;
    return xt_verify(&p->root, chain, count, out, err);
}

static void pair_up(void *arg, struct xos_bulk_conn *conn)
{
    struct xt_bulkpair *p = arg;
    p->accepted = conn;
    p->ups++;
}

static void pair_down(void *arg, struct xos_bulk_conn *conn, const struct xos_error *why)
{
    struct xt_bulkpair *p = arg;
    if (p->accepted == conn)
        p->accepted = NULL;
    p->down_why = *why;
    p->downs++;
}

static void pair_dial_up(void *arg, struct xos_bulk_conn *conn)
{
    struct xt_bulkpair *p = arg;
    (void)conn;
    p->dial_ups++;
}

static void pair_dial_down(void *arg, struct xos_bulk_conn *conn, const struct xos_error *why)
{
    struct xt_bulkpair *p = arg;
    if (p->dialled == conn)
        p->dialled = NULL;
    p->dial_why = *why;
    p->dial_downs++;
}

static bool pair_is_cut(void *arg, const char *address)
{
    struct xt_bulkpair *p = arg;
    return p->cut && strcmp(address, "127.0.0.1") == 0;
}

static void pair_tick(void *arg)
{
    struct xt_bulkpair *p = arg;
    xos_timer_set(p->tick, TICK_MS);
}

static struct xos_bulk_config config_of(struct xt_bulkpair *p, const struct xt_cert *cert)
{
    return (struct xos_bulk_config){.chain = cert->chain,
                                    .chain_count = 2,
                                    .key = cert->key,
                                    .verify = pair_verify,
                                    .on_stream = pair_stream,
                                    .on_up = pair_up,
                                    .on_down = pair_down,
                                    .is_cut = pair_is_cut,
                                    .arg = p};
}

int xt_bulkpair_new(struct xt_bulkpair *p, struct xos_error *err)
{
    *p = (struct xt_bulkpair){0};
    p->records = xos_alloc_array(XT_RECORDS_MAX, sizeof(*p->records));
    if (!p->records)
        return xos_fail(err, XOS_NOMEM, "records");
    if (xos_loop_new(&p->loop, xt_netenv(), err) < 0 ||
        xos_timer_new(&p->tick, p->loop, pair_tick, p, err) < 0 || xt_root_new(&p->root, err) < 0 ||
        xt_cert_new(&p->server_cert, &p->root, "server", err) < 0 ||
        xt_cert_new(&p->client_cert, &p->root, "client", err) < 0)
        return -1;
    xos_timer_set(p->tick, TICK_MS);
    p->server_config = config_of(p, &p->server_cert);
    p->client_config = config_of(p, &p->client_cert);
    return 0;
}

int xt_bulkpair_listen(struct xt_bulkpair *p, struct xos_error *err)
{
    if (xos_bulk_new(&p->server, p->loop, &p->server_config, err) < 0 ||
        xos_bulk_new(&p->client, p->loop, &p->client_config, err) < 0)
        return -1;
    return xos_bulk_listen(p->server, "127.0.0.1", 0, err);
}

int xt_bulkpair_dial(struct xt_bulkpair *p, const char *expected, struct xos_error *err)
{
    struct xos_bulk_dial dial = {.host = "127.0.0.1",
                                 .port = xos_bulk_port(p->server),
                                 .sni = "server.test",
                                 .expected = expected,
                                 .on_up = pair_dial_up,
                                 .on_down = pair_dial_down,
                                 .arg = p};
    return xos_bulk_connect(&p->dialled, p->client, &dial, err);
}

int xt_bulkpair_up(struct xt_bulkpair *p, struct xos_error *err)
{
    unsigned ups = p->ups + 1, dial_ups = p->dial_ups + 1;
    if (!p->loop && (xt_bulkpair_new(p, err) < 0 || xt_bulkpair_listen(p, err) < 0))
        return -1;
    if (xt_bulkpair_dial(p, "server", err) < 0)
        return -1;
    uint64_t end = xos_env_mono_ms(xt_netenv()) + 10000;
    while ((p->ups < ups || p->dial_ups < dial_ups) && p->dial_downs == 0 &&
           xos_env_mono_ms(xt_netenv()) < end)
        (void)xos_loop_once(p->loop, err);
    if (p->dial_downs > 0)
        return xos_fail(err, xos_alloc_failed() ? XOS_NOMEM : p->dial_why.code, "%s",
                        p->dial_why.text);
    return p->ups == ups ? 0 : xos_fail(err, XOS_TIMEOUT, "not up");
}

void xt_bulkpair_free(struct xt_bulkpair *p)
{
    xos_bulk_free(p->client);
    xos_bulk_free(p->server);
    for (size_t i = 0; i < p->record_count; i++)
        xt_record_free(&p->records[i]);
    xos_free(p->records);
    xt_cert_free(&p->server_cert);
    xt_cert_free(&p->client_cert);
    xt_root_free(&p->root);
    xos_timer_free(p->tick);
    xos_loop_free(p->loop);
    *p = (struct xt_bulkpair){0};
}

bool xt_until(struct xt_bulkpair *p, const bool *flag, uint64_t ms)
{
    struct xos_error err;
    uint64_t end = xos_env_mono_ms(xt_netenv()) + ms;
    while (!*flag && xos_env_mono_ms(xt_netenv()) < end)
        (void)xos_loop_once(p->loop, &err);
    return *flag;
}

bool xt_until_count(struct xt_bulkpair *p, const unsigned *count, unsigned wanted, uint64_t ms)
{
    struct xos_error err;
    uint64_t end = xos_env_mono_ms(xt_netenv()) + ms;
    while (*count < wanted && xos_env_mono_ms(xt_netenv()) < end)
        (void)xos_loop_once(p->loop, &err);
    return *count >= wanted;
}

void xt_run_ms(struct xt_bulkpair *p, uint64_t ms)
{
    static const bool never = false;
    (void)xt_until(p, &never, ms);
}
