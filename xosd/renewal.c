// SPDX-License-Identifier: Apache-2.0
#include "xosd/renewal.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"
#include "libxos/wire/pb.h"
#include "vo-auth/ca.pb-c.h"
#include "vo-auth/prove.h"

#include <stdio.h>

#define RENEWAL_PROOF_BYTES_MAX (AUTH_CLAIM_BYTES_MAX + AUTH_CHAIN_MAX * AUTH_CERT_BYTES_MAX + 256)

struct renewal {
    struct renewal_config config;
    struct xos_timer *timer;
    struct xos_pending *asked;
    char head[XOS_HEADER_NAME_MAX];
};

static struct xos_env *env_of(const struct renewal *r)
{
    return xos_loop_env(r->config.loop);
}

static void failed(struct renewal *r, const struct xos_error *why)
{
    const struct credential *id = r->config.identity;
    bool soon = id->to_ms - xos_env_real_ms(env_of(r)) < RENEWAL_WARN_MS;
    xos_log_error(soon ? XOS_EV_CERT_EXPIRING : XOS_EV_DEBUG, why, "certificate=node head=%s",
                  r->head);
    xos_timer_set(r->timer, RENEWAL_AGAIN_MS);
}

static void on_issued(void *arg, const struct xos_error *result, struct xos_slice body)
{
    struct renewal *r = arg;
    const struct config *c = r->config.config;
    struct xos_error err = *result;
    r->asked = NULL;
    if (result->code == XOS_NONE &&
        credential_install(r->config.identity, env_of(r), c->state_dir, c->node, body, &err) == 0) {
        xos_log(XOS_EV_CERT_ISSUED, "certificate=node until=%lld",
                (long long)r->config.identity->to_ms);
        r->config.renewed(r->config.arg);
        xos_timer_set(r->timer, RENEWAL_CHECK_MS);
        return;
    }
    failed(r, &err);
}

static int proof_pack(struct renewal *r, const Ca__Nonce *nonce, struct xos_buf *out,
                      struct xos_error *err)
{
    const struct credential *id = r->config.identity;
    char name[AUTH_NAME_BYTES_MAX + 1];
    Ca__RenewClaim c = CA__RENEW_CLAIM__INIT;
    Ca__Renew m = CA__RENEW__INIT;
    ProtobufCBinaryData chain[AUTH_CHAIN_MAX];
    struct xos_buf statement = XOS_BUF(AUTH_CLAIM_BYTES_MAX);
    uint8_t possession[XOS_SIGNATURE_BYTES];
    auth_name_print_uri(&id->self.name, name);
    c.nonce = nonce->nonce;
    c.root_hash = nonce->root_hash;
    c.key = xos_pb_bytes((struct xos_slice){xos_key_public(id->key), XOS_KEY_PUBLIC_BYTES});
    c.name = xos_pb_text(name);
    c.curve_key = xos_pb_bytes((struct xos_slice){id->curve_public, XOS_CURVE_KEY_BYTES});
    c.life_ms = (uint64_t)AUTH_NODE_LIFE_MS_MAX;
    for (size_t i = 0; i < id->self.chain_count; i++)
        chain[i] = xos_pb_bytes(id->self.chain[i]);
    int rc =
        auth_claim_sign(&statement, possession, &auth_renew_format, &c.base, id->key, id->key, err);
    m.statement = (ProtobufCBinaryData){statement.len, statement.data};
    m.possession = (ProtobufCBinaryData){sizeof(possession), possession};
    m.n_chain = id->self.chain_count;
    m.chain = chain;
    if (rc == 0)
        rc = xos_pb_pack(&m, out, err);
    xos_buf_free(&statement);
    return rc;
}

static void on_nonce(void *arg, const struct xos_error *result, struct xos_slice body)
{
    struct renewal *r = arg;
    struct xos_error err = *result;
    struct xos_buf proof = XOS_BUF(RENEWAL_PROOF_BYTES_MAX);
    Ca__Nonce *m = NULL;
    r->asked = NULL;
    if (result->code == XOS_NONE)
        m = xos_pb_unpack(&ca__nonce__descriptor, body, 4096, XOS_PB_TOLERANT, &err);
    if (!m || proof_pack(r, m, &proof, &err) < 0 ||
        xos_rpc_call(r->config.rpc, &r->asked, r->head, "ca.renew",
                     (struct xos_slice){proof.data, proof.len}, RENEWAL_CALL_MS, on_issued, r,
                     &err) < 0)
        failed(r, &err);
    xos_pb_free(m);
    xos_buf_free(&proof);
}

static void renew(struct renewal *r)
{
    static const struct xos_slice nothing = {NULL, 0};
    const char *head = r->config.head(r->config.arg);
    struct xos_error err = {0};
    if (!head) {
        xos_fail(&err, XOS_UNAVAILABLE, "no head of this institution is in reach");
        failed(r, &err);
        return;
    }
    (void)snprintf(r->head, sizeof(r->head), "%s", head);
    if (xos_rpc_call(r->config.rpc, &r->asked, r->head, "ca.nonce", nothing, RENEWAL_CALL_MS,
                     on_nonce, r, &err) < 0)
        failed(r, &err);
}

static void on_timer(void *arg)
{
    struct renewal *r = arg;
    const struct credential *id = r->config.identity;
    int64_t now = xos_env_real_ms(env_of(r));
    xos_metric_set(XOS_M_CERT_EXPIRY_SECONDS, "node", (double)(id->to_ms - now) / 1000);
    if (now < id->from_ms + (id->to_ms - id->from_ms) / 2)
        xos_timer_set(r->timer, RENEWAL_CHECK_MS);
    else if (!r->asked)
        renew(r);
}

int renewal_new(struct renewal **out, const struct renewal_config *config, struct xos_error *err)
{
    struct renewal *r = xos_alloc(sizeof(*r));
    if (!r)
        return xos_fail(err, XOS_NOMEM, "renewal");
    r->config = *config;
    if (xos_timer_new(&r->timer, config->loop, on_timer, r, err) < 0) {
        xos_free(r);
        return -1;
    }
    xos_timer_set(r->timer, 0);
    *out = r;
    return 0;
}

void renewal_free(struct renewal *r)
{
    if (!r)
        return;
    xos_rpc_cancel(r->asked);
    xos_timer_free(r->timer);
    xos_free(r);
}
