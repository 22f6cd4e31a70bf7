// SPDX-License-Identifier: Apache-2.0
/* The first byte says the verb; the rest is the body, as xosd would bring it, or a claim that the
 * right key signs first. Nothing may pass: no nonce in the corpus is one of this process. The
 * tables that xos-ca reads back from its disk are here too. */
#include "libxos/wire/pb.h"
#include "tests/lib/fuzz_auth.h"
#include "vo-auth/ca/proof.h"
#include "vo-auth/ca/vo.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static const struct ca_world *world(void)
{
    static struct ca_world w;
    static const uint8_t secret[CA_NONCE_SECRET_BYTES] = {1};
    struct vo_fixture *v = fuzz_auth_world();
    if (!w.institution) {
        w = (struct ca_world){.institution = "inria", .ctx = v->f.ctx, .boot_ms = 1};
        memcpy(w.root_hash, v->f.anchors.at[0].root_hash, XOS_HASH_BYTES);
        must(ca_nonces_new(&w.nonces, secret, 16, NULL) == 0);
        must(ca_epochs_new(&w.epochs, 16, NULL) == 0);
    }
    return &w;
}

static void login(struct xos_slice in)
{
    struct ca_proof p = {0};
    Ca__Login *m = xos_pb_unpack(&ca__login__descriptor, in, 1 << 20, XOS_PB_TOLERANT, NULL);
    if (m)
        must(ca_prove_login(&p, m, (struct xos_slice){in.data, in.len}, world(), NULL) < 0);
    xos_pb_free(m);
}

static void join(struct xos_slice in)
{
    struct ca_proof p = {0};
    const struct ca_tokens none = {0};
    Ca__Join *m = xos_pb_unpack(&ca__join__descriptor, in, 1 << 20, XOS_PB_TOLERANT, NULL);
    if (m)
        must(ca_prove_join(&p, m, &none, world(), NULL) < 0);
    xos_pb_free(m);
}

static void renew(struct xos_slice in)
{
    struct ca_proof p = {0};
    Ca__Renew *m = xos_pb_unpack(&ca__renew__descriptor, in, 1 << 20, XOS_PB_TOLERANT, NULL);
    if (m)
        must(ca_prove_renew(&p, m, world(), NULL) < 0);
    xos_pb_free(m);
}

static void job(struct xos_slice in)
{
    struct ca_proof p = {0};
    Ca__Job *m = xos_pb_unpack(&ca__job__descriptor, in, 1 << 20, XOS_PB_TOLERANT, NULL);
    if (m)
        must(ca_prove_job(&p, m, world(), NULL) < 0);
    xos_pb_free(m);
}

static void signed_renew(struct xos_slice in)
{
    struct vo_fixture *v = fuzz_auth_world();
    struct xos_slice der[3];
    struct ca_proof p = {0};
    struct xos_buf bytes = XOS_BUF(1 << 20);
    ProtobufCBinaryData chain[2];
    Ca__Renew m = CA__RENEW__INIT;
    fixture_chain(&v->f, &v->f.user.der, der);
    chain[0] = xos_pb_bytes(der[0]);
    chain[1] = xos_pb_bytes(der[1]);
    fuzz_auth_sign(&bytes, in.data, in.len, AUTH_RENEW_DOMAIN, v->f.user.key);
    m.statement = xos_pb_bytes(fixture_slice(&bytes));
    m.n_chain = 2;
    m.chain = chain;
    must(ca_prove_renew(&p, &m, world(), NULL) < 0);
    xos_buf_free(&bytes);
}

static void tokens(struct xos_slice in)
{
    struct ca_tokens t = {0};
    struct xos_buf again = XOS_BUF(CA_TOKENS_BYTES_MAX);
    if (ca_tokens_decode(&t, in, NULL) == 0) {
        must(ca_tokens_encode(&t, &again, NULL) == 0);
        must(again.len == in.len && (in.len == 0 || memcmp(again.data, in.data, in.len) == 0));
    }
    xos_buf_free(&again);
    ca_tokens_free(&t);
}

static void vo(struct xos_slice in)
{
    struct ca_vo v = {0};
    if (ca_vo_decode(&v, in, NULL) == 0)
        must(v.seq > 0 && v.admin_count > 0);
    ca_vo_free(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct xos_slice) = {login,        join,   renew, job,
                                                        signed_renew, tokens, vo};
    if (size > 0)
        readers[data[0] % 7]((struct xos_slice){data + 1, size - 1});
    return 0;
}
