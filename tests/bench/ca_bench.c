// SPDX-License-Identifier: Apache-2.0
/* Proofs checked and certificates issued per second on one core, nonce and all, without the socket.
 * One JSON line per metric. */
#include "tests/lib/ssh_forge.h"
#include "tests/unit/ca/ca_scene.h"

#include <stdio.h>
#include <time.h>

#define BENCH_SECONDS 1.0

struct bench {
    struct ca_scene s;
    struct ssh_forge_bytes line, blob, signature;
    struct auth_link ca;
    struct xos_buf grant, assignment;
    struct auth_grant g;
    uint64_t round;
    struct xos_error err;
};

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int next_nonce(struct bench *b)
{
    uint8_t random[CA_NONCE_RANDOM_BYTES];
    b->round++;
    memcpy(random, &b->round, sizeof(random));
    return ca_nonce_make(b->s.nonces, random, b->s.world.boot_ms, b->s.nonce, &b->err);
}

static int issue(struct bench *b, const struct ca_proof *p)
{
    struct auth_cert_request r;
    struct xos_buf der = XOS_BUF(AUTH_CERT_BYTES_MAX), line = XOS_BUF(CA_RECORD_BYTES_MAX);
    const struct auth_issuer by = {fixture_slice(&b->s.f.ca.der), xos_key_evp(b->s.f.ca.key)};
    uint8_t random[AUTH_SERIAL_BYTES];
    memset(random, (int)b->round, sizeof(random));
    int rc = ca_issue_request(&r, p, random, FIXTURE_NOW_MS, &b->ca, &b->err);
    if (rc == 0)
        rc = auth_cert_issue(&der, &r, &by, &b->err);
    if (rc == 0)
        rc = ca_issue_record(&line, p, &r, FIXTURE_NOW_MS, &b->err);
    xos_buf_free(&der);
    xos_buf_free(&line);
    return rc;
}

/* The signing is the user's work, but it is in the figure: the nonce is new each time. */
static int login(struct bench *b)
{
    struct auth_login_terms t = {.life_ms = AUTH_HOUR_MS, .user = b->s.f.job_facts.user};
    struct xos_buf data = XOS_BUF(AUTH_LOGIN_BLOB_BYTES_MAX);
    struct ca_proof p = {0};
    Ca__Login m = CA__LOGIN__INIT;
    if (next_nonce(b) < 0)
        return -1;
    memcpy(t.nonce, b->s.nonce, sizeof(t.nonce));
    memcpy(t.root_hash, b->s.world.root_hash, sizeof(t.root_hash));
    memcpy(t.key, xos_key_public(b->s.fresh), sizeof(t.key));
    if (auth_login_blob(&data, &t, &b->err) < 0)
        return -1;
    ssh_forge_sign(&b->signature, SSH_ED25519, "ssh-ed25519", NULL, fixture_slice(&data));
    xos_buf_free(&data);
    m.user = xos_pb_text("alice@inria");
    m.nonce = scene_bytes(t.nonce, sizeof(t.nonce));
    m.key = scene_bytes(t.key, sizeof(t.key));
    m.life_ms = (uint64_t)t.life_ms;
    m.ssh_key = scene_bytes(b->blob.at, b->blob.len);
    m.ssh_signature = scene_bytes(b->signature.at, b->signature.len);
    int rc = ca_prove_login(&p, &m, ssh_forge_slice(&b->line), &b->s.world, &b->err);
    if (rc == 0)
        rc = issue(b, &p);
    ca_proof_free(&p);
    return rc;
}

static void chain_of(const struct bench *b, const struct xos_buf *leaf, ProtobufCBinaryData to[3])
{
    struct xos_slice der[3];
    fixture_chain(&b->s.f, leaf, der);
    for (size_t i = 0; i < 3; i++)
        to[i] = xos_pb_bytes(der[i]);
}

static int job(struct bench *b)
{
    struct xos_buf statement = XOS_BUF(AUTH_CLAIM_BYTES_MAX);
    uint8_t possession[XOS_SIGNATURE_BYTES];
    ProtobufCBinaryData node[3], user[3];
    struct ca_proof p = {0};
    Ca__JobClaim c = CA__JOB_CLAIM__INIT;
    Ca__Job m = CA__JOB__INIT;
    chain_of(b, &b->s.f.node.der, node);
    chain_of(b, &b->s.f.user.der, user);
    c.nonce = scene_bytes(b->s.nonce, AUTH_NONCE_BYTES);
    c.root_hash = scene_bytes(b->s.world.root_hash, XOS_HASH_BYTES);
    c.key = scene_bytes(xos_key_public(b->s.fresh), XOS_KEY_PUBLIC_BYTES);
    c.unit = xos_pb_text("inria-1042.3");
    c.node = xos_pb_text("n1.inria");
    c.epoch = 7;
    c.grant_hash = scene_bytes(b->g.hash, XOS_HASH_BYTES);
    if (next_nonce(b) < 0 || auth_claim_sign(&statement, possession, &auth_job_format, &c.base,
                                             b->s.f.node.key, b->s.fresh, &b->err) < 0)
        return -1;
    m.statement = scene_buf(&statement);
    m.possession = scene_bytes(possession, sizeof(possession));
    m.n_chain = m.n_user_chain = m.n_head_chain = 3;
    m.chain = m.head_chain = node;
    m.user_chain = user;
    m.grant = scene_buf(&b->grant);
    m.spec = xos_pb_text(FIXTURE_SPEC);
    m.assignment = scene_buf(&b->assignment);
    int rc = ca_prove_job(&p, &m, &b->s.world, &b->err);
    if (rc == 0)
        rc = issue(b, &p);
    ca_proof_free(&p);
    xos_buf_free(&statement);
    return rc;
}

static int open_bench(struct bench *b)
{
    static const uint8_t secret[CA_NONCE_SECRET_BYTES] = {2};
    struct auth_grant g;
    struct auth_assignment a;
    struct xos_slice user[3];
    struct xos_error *err = &b->err;
    *b = (struct bench){.grant = XOS_BUF(AUTH_GRANT_BYTES_MAX),
                        .assignment = XOS_BUF(AUTH_ASSIGNMENT_BYTES_MAX)};
    if (scene_open(&b->s, err) < 0)
        return -1;
    ca_nonces_free(b->s.nonces);
    if (ca_nonces_new(&b->s.nonces, secret, CA_NONCES_USED_MAX, err) < 0)
        return -1;
    b->s.world.nonces = b->s.nonces;
    ssh_forge_line(&b->line, SSH_ED25519);
    ssh_forge_blob(&b->blob, SSH_ED25519);
    fixture_chain(&b->s.f, &b->s.f.user.der, user);
    const struct auth_grant_offer offer = {
        .chain = user, .chain_count = 3, .spec = auth_slice(FIXTURE_SPEC), .moment = AUTH_FRESH};
    struct auth_grant_offer with = offer;
    if (fixture_grant(&b->s.f, &g, err) < 0 ||
        auth_grant_sign(&b->grant, &g, b->s.f.user.key, err) < 0)
        return -1;
    with.grant = fixture_slice(&b->grant);
    if (auth_grant_check(&b->g, &with, &b->s.world.ctx, err) < 0 ||
        fixture_assignment(&b->s.f, &b->g, &a, err) < 0 ||
        auth_assignment_sign(&b->assignment, &a, b->s.f.node.key, err) < 0)
        return -1;
    return auth_link_read(&b->ca, fixture_slice(&b->s.f.ca.der), AUTH_KIND_CA, err);
}

static int measure(struct bench *b, const char *metric, int (*run)(struct bench *b))
{
    unsigned long n = 0;
    const double from = now_s();
    double now = from;
    for (; now - from < BENCH_SECONDS; n++, now = now_s())
        if (run(b) < 0)
            return -1;
    printf("{\"bench\":\"ca\",\"metric\":\"%s\",\"per_second\":%.0f}\n", metric,
           (double)n / (now - from));
    return 0;
}

int main(void)
{
    struct bench b;
    int rc = open_bench(&b);
    if (rc == 0)
        rc = measure(&b, "logins", login);
    if (rc == 0)
        rc = measure(&b, "job certificates", job);
    if (rc < 0)
        fprintf(stderr, "ca_bench: %s\n", b.err.text);
    auth_link_free(&b.ca);
    auth_grant_free(&b.g);
    xos_buf_free(&b.grant);
    xos_buf_free(&b.assignment);
    scene_close(&b.s);
    return rc < 0;
}
