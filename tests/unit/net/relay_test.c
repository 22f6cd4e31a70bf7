// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: nodes behind a gateway cannot be reached, or the gateway can read what passes
 * through it, or a slow node fills its memory. */
#include "tests/lib/bulkpair.h"
#include "tests/lib/xtest.h"

#include <stdlib.h>
#include <string.h>

#define WAIT_MS 20000

/* The pair, and a gateway of another name before the listener. */
struct gated {
    struct xt_bulkpair p;
    struct xt_cert cert;
    struct xos_bulk *gateway;
    struct xos_bulk_config config;
    unsigned far_port; /* 0: the listener's */
    char asked[XOS_SNI_NAME_BYTES];
};

static int route(void *arg, const char *sni, char host[static XOS_RELAY_HOST_BYTES], unsigned *port,
                 struct xos_error *err)
{
    struct gated *g = arg;
    memcpy(g->asked, sni, strlen(sni) + 1);
    if (strcmp(sni, "gateway.test") == 0 || !sni[0])
        return 0;
    if (strcmp(sni, "server.test") != 0)
        return xos_fail(err, XOS_NOT_FOUND, "no such node");
    memcpy(host, "127.0.0.1", sizeof("127.0.0.1"));
    *port = g->far_port ? g->far_port : xos_bulk_port(g->p.server);
    return 1;
}

static int gate_verify(void *arg, const struct xos_slice *chain, size_t count,
                       struct xos_tls_peer *out, struct xos_error *err)
{
    struct gated *g = arg;
    return xt_verify(&g->p.root, chain, count, out, err);
}

static int gated_new(struct gated *g, struct xos_error *err)
{
    *g = (struct gated){0};
    if (xt_bulkpair_new(&g->p, err) < 0 || xt_bulkpair_listen(&g->p, err) < 0 ||
        xt_cert_new(&g->cert, &g->p.root, "gateway", err) < 0)
        return -1;
    g->config = (struct xos_bulk_config){.chain = g->cert.chain,
                                         .chain_count = 2,
                                         .key = g->cert.key,
                                         .verify = gate_verify,
                                         .route = route,
                                         .arg = g,
                                         .limits = {.relays_max = 2}};
    if (xos_bulk_new(&g->gateway, g->p.loop, &g->config, err) < 0)
        return -1;
    return xos_bulk_listen(g->gateway, "127.0.0.1", 0, err);
}

static void gated_free(struct gated *g)
{
    xos_bulk_free(g->gateway);
    xt_cert_free(&g->cert);
    xt_bulkpair_free(&g->p);
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

static int dial(struct gated *g, const char *sni, const char *expected, struct xos_error *err)
{
    struct xos_bulk_dial d = {.host = "127.0.0.1",
                              .port = xos_bulk_port(g->gateway),
                              .sni = sni,
                              .expected = expected,
                              .on_up = on_up,
                              .on_down = on_down,
                              .arg = &g->p};
    return xos_bulk_connect(&g->p.dialled, g->p.client, &d, err);
}

static struct xos_bulk_stats stats_of(const struct gated *g)
{
    struct xos_bulk_stats stats;
    xos_bulk_stats(g->gateway, &stats);
    return stats;
}

static void tls_goes_through_to_the_node(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct gated g;
    struct xt_record r = {0};
    size_t len = 4 << 20;
    uint8_t *data = malloc(len);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(i * 7 + (i >> 8));
    XT_TRY(gated_new(&g, &err));
    XT_TRY(dial(&g, "Server.Test", "server", &err)); /* it is not the gateway that answers */
    assert_true(xt_until_count(&g.p, &g.p.dial_ups, 1, WAIT_MS));
    assert_string_equal(g.asked, "server.test");
    r.data = data;
    r.len = len;
    r.end_after = true;
    XT_TRY(xt_record_open(&r, g.p.dialled, "echo", &err));
    assert_true(xt_until(&g.p, &r.ended, WAIT_MS));
    assert_memory_equal(r.got.data, data, len);
    assert_int_equal(stats_of(&g).relays, 1);
    assert_int_equal(stats_of(&g).connections, 0);
    xos_bulk_close(g.p.dialled, XOS_NONE, "done");
    assert_true(xt_until_count(&g.p, &g.p.downs, 1, WAIT_MS));
    xt_run_ms(&g.p, 50);
    assert_int_equal(stats_of(&g).relays, 0);
out:
    free(data);
    xt_record_free(&r);
    gated_free(&g);
}

static void its_own_name_is_its_own(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct gated g;
    static const char *const names[] = {"gateway.test", NULL};
    XT_TRY(gated_new(&g, &err));
    for (unsigned i = 0; i < 2; i++) {
        XT_TRY(dial(&g, names[i], "gateway", &err));
        assert_true(xt_until_count(&g.p, &g.p.dial_ups, i + 1, WAIT_MS));
    }
out:
    gated_free(&g);
}

static void unknown_names_and_dead_nodes_end(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct gated g;
    XT_TRY(gated_new(&g, &err));
    XT_TRY(dial(&g, "nobody.test", NULL, &err));
    assert_true(xt_until_count(&g.p, &g.p.dial_downs, 1, WAIT_MS));
    assert_int_equal(stats_of(&g).refused, 1);
    g.far_port = xos_bulk_port(g.p.server);
    xos_bulk_free(g.p.server);
    g.p.server = NULL;
    XT_TRY(dial(&g, "server.test", NULL, &err));
    assert_true(xt_until_count(&g.p, &g.p.dial_downs, 2, WAIT_MS));
    assert_int_equal(g.p.dial_why.code, XOS_UNAVAILABLE);
    assert_int_equal(stats_of(&g).relays, 0);
out:
    gated_free(&g);
}

static void relays_have_a_maximum(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct gated g;
    XT_TRY(gated_new(&g, &err));
    for (int i = 0; i < 3; i++)
        XT_TRY(dial(&g, "server.test", NULL, &err));
    assert_true(xt_until_count(&g.p, &g.p.dial_downs, 1, WAIT_MS));
    assert_true(xt_until_count(&g.p, &g.p.dial_ups, 2, WAIT_MS));
    assert_int_equal(stats_of(&g).relays, 2);
out:
    gated_free(&g);
}

static const struct xt_test tests[] = {
    XT_PLAIN(tls_goes_through_to_the_node),
    XT_PLAIN(its_own_name_is_its_own),
    XT_PLAIN(unknown_names_and_dead_nodes_end),
    XT_PLAIN(relays_have_a_maximum),
};
XT_MAIN(tests)
