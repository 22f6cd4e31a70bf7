// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/gatebed.h"

#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"
#include "libxos/wire/wire.pb-c.h"
#include "vo-auth/ca.pb-c.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The service */

static void serve(void *service, struct xos_call *call)
{
    struct gatebed *b = service;
    b->served++;
    b->caller = *xos_call_caller(call);
    xos_call_answer(call, xos_call_body(call));
}

static const struct xos_verb verbs[] = {
    {"job.run", serve, 0},
    {"job.list", serve, 0},
    {"job.signal", serve, XOS_VERB_ONCE},
    {"job.watch", serve, 0},
    {"unit.report", serve, XOS_VERB_NODE},
    {"claim.grant", serve, XOS_VERB_NODE | XOS_VERB_HEAD},
    {"node.hello", serve, XOS_VERB_OPEN | XOS_VERB_PROVEN},
    {"ca.login", serve, XOS_VERB_PROVEN},
};

/* Certificates beside those of the fixtures */

static int certify(const struct fixture *f, struct fixture_cert *c, enum auth_kind kind,
                   const char *part, uint8_t seed, struct xos_error *err)
{
    static const struct auth_node_facts worker = {.curve_key = {0xb2}, .roles = AUTH_NODE_WORKER};
    struct auth_cert_request r = {.kind = kind,
                                  .from_ms = FIXTURE_NOW_MS - 600000,
                                  .to_ms = FIXTURE_NOW_MS + AUTH_HOUR_MS,
                                  .node = kind == AUTH_KIND_NODE ? &worker : NULL};
    r.name.kind = kind == AUTH_KIND_NODE ? AUTH_NAME_NODE : AUTH_NAME_USER;
    (void)snprintf(r.name.part, sizeof(r.name.part), "%s", part);
    (void)snprintf(r.name.institution, sizeof(r.name.institution), "%s", f->institution);
    c->der = XOS_BUF(AUTH_CERT_BYTES_MAX);
    if (fixture_key(&c->key, seed, err) < 0)
        return -1;
    memcpy(r.key, xos_key_public(c->key), sizeof(r.key));
    memset(r.serial, seed, sizeof(r.serial));
    return fixture_issue(f, &c->der, &r, err);
}

/* The trust directory */

static int put(int dir, const char *path, struct xos_slice bytes, struct xos_error *err)
{
    return xos_env_file_replace(xos_env_posix(), dir, path, bytes.data, bytes.len, 0644, err);
}

static int put_vo(const struct gatebed *b, int dir, struct xos_error *err)
{
    char hex[2 * XOS_HASH_BYTES + 1];
    xos_hex(b->v.known.root_hash, XOS_HASH_BYTES, hex);
    if (put(dir, "vo/climate@inria.root", auth_slice(hex), err) < 0)
        return -1;
    return put(dir, "vo/climate@inria.manifest", fixture_slice(&b->v.manifest), err);
}

static int pack_list(const struct fixture *f, const struct xos_buf *list, struct xos_buf *out,
                     struct xos_error *err)
{
    ProtobufCBinaryData chain[2] = {{f->ca.der.len, f->ca.der.data},
                                    {f->root.der.len, f->root.der.data}};
    Ca__Crl m = CA__CRL__INIT;
    m.list = (ProtobufCBinaryData){list->len, list->data};
    m.n_chain = 2;
    m.chain = chain;
    return xos_pb_pack(&m, out, err);
}

/* Inria takes carol back. */
static int put_list(const struct gatebed *b, int dir, struct xos_error *err)
{
    const struct fixture *f = &b->v.f;
    struct auth_name carol = f->job_facts.user;
    uint8_t entry[XOS_HASH_BYTES];
    struct xos_buf list = XOS_BUF(4096), out = XOS_BUF(8192);
    struct auth_revocations *r = auth_revocations_new("inria", f->anchors.at[0].root_hash, err);
    int rc = -1;
    (void)snprintf(carol.part, sizeof(carol.part), "carol");
    if (r && auth_revoke_subject(&carol, entry, err) == 0 &&
        auth_revocations_add(r, AUTH_REVOKE_SUBJECT, entry, err) == 0) {
        r->seq = 5;
        r->issued_ms = FIXTURE_NOW_MS;
        rc = auth_revocations_sign(&list, r, f->ca.key, err);
    }
    if (rc == 0)
        rc = pack_list(f, &list, &out, err);
    if (rc == 0)
        rc = put(dir, "crl/inria.crl", fixture_slice(&out), err);
    auth_revocations_free(r);
    xos_buf_free(&list);
    xos_buf_free(&out);
    return rc;
}

static int fill(const struct gatebed *b, int dir, struct xos_error *err)
{
    static const char *const folders[] = {"roots", "vo", "crl"};
    for (size_t i = 0; i < 3; i++)
        if (xos_env_dir_make(xos_env_posix(), dir, folders[i], 0755, err) < 0)
            return -1;
    if (put(dir, "roots/inria.der", fixture_slice(&b->v.f.root.der), err) < 0 ||
        put(dir, "roots/vu.der", fixture_slice(&b->vu.root.der), err) < 0 ||
        put(dir, "policy", auth_slice(GATEBED_POLICY), err) < 0 || put_vo(b, dir, err) < 0)
        return -1;
    return put_list(b, dir, err);
}

static int open_dir(const char *dir, struct xos_error *err)
{
    struct xos_env *env = xos_env_posix();
    int fd = xos_env_dir_open(env, "/", err);
    int rc = fd < 0 ? -1 : xos_env_dir_make(env, fd, dir + 1, 0755, err);
    xos_env_close(env, fd);
    return rc < 0 ? -1 : xos_env_dir_open(env, dir, err);
}

/* The node */

static int open_parties(struct gatebed *b, struct xos_error *err)
{
    if (vo_fixture_open(&b->v, err) < 0 || fixture_open(&b->vu, "vu", 2, err) < 0 ||
        fixture_open(&b->cern, "cern", 3, err) < 0 ||
        certify(&b->v.f, &b->carol, AUTH_KIND_USER, "carol", 0xb1, err) < 0 ||
        certify(&b->v.f, &b->worker, AUTH_KIND_NODE, "n2", 0xb2, err) < 0)
        return -1;
    return certify(&b->vu, &b->bob, AUTH_KIND_USER, "bob", 0xb3, err);
}

static int open_node(struct gatebed *b, const char *dir, struct xos_error *err)
{
    struct xos_env *env = clock_env_init(&b->clock, FIXTURE_NOW_MS);
    struct gate_config g = {.env = env, .uid = 7, .login = "alice", .config = &b->config};
    struct xos_rpc_config r = {
        .node = GATEBED_NODE, .institution = "inria", .head = true, .gate = gate_check};
    (void)snprintf(b->config.node, sizeof(b->config.node), GATEBED_NODE);
    (void)snprintf(b->config.institution, sizeof(b->config.institution), "inria");
    (void)snprintf(b->config.policy, sizeof(b->config.policy), "%s/policy", dir);
    memset(&r.boot_id, GATEBED_BOOT, sizeof(r.boot_id));
    if (auth_trust_open(&b->trust, env, dir, err) < 0)
        return -1;
    g.trust = b->trust;
    b->clock.real_ms -= GATEBED_UP_MS;
    int rc = gate_new(&b->gate, &g, err);
    b->clock.real_ms += GATEBED_UP_MS;
    if (rc < 0 || xos_loop_new(&b->loop, env, err) < 0)
        return -1;
    r.arg = b->gate;
    if (xos_rpc_new(&b->rpc, b->loop, &r, err) < 0)
        return -1;
    return xos_rpc_serve(b->rpc, verbs, sizeof(verbs) / sizeof(verbs[0]), b, err);
}

int gatebed_open(struct gatebed *b, const char *dir, struct xos_error *err)
{
    *b = (struct gatebed){.served = 0};
    if (open_parties(b, err) < 0)
        return -1;
    int fd = open_dir(dir, err);
    int rc = fd < 0 ? -1 : fill(b, fd, err);
    xos_env_close(xos_env_posix(), fd);
    return rc < 0 ? -1 : open_node(b, dir, err);
}

void gatebed_close(struct gatebed *b)
{
    struct fixture_cert *const own[] = {&b->carol, &b->worker, &b->bob};
    xos_rpc_free(b->rpc);
    xos_loop_free(b->loop);
    gate_free(b->gate);
    auth_trust_free(b->trust);
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        xos_key_free(own[i]->key);
        xos_buf_free(&own[i]->der);
    }
    fixture_close(&b->cern);
    fixture_close(&b->vu);
    vo_fixture_close(&b->v);
}

/* Asking */

void gatebed_ask_init(struct gatebed_ask *a, const struct gatebed *b, enum gatebed_who who,
                      const char *verb)
{
    static uint64_t count;
    const struct fixture *inria = &b->v.f;
    const struct {
        const char *name;
        const struct fixture *of;
        const struct fixture_cert *cert;
    } parties[GATEBED_WHO] = {
        [GATEBED_ALICE] = {"alice@inria", inria, &inria->user},
        [GATEBED_CAROL] = {"carol@inria", inria, &b->carol},
        [GATEBED_HEAD] = {"n1.inria", inria, &inria->node},
        [GATEBED_WORKER] = {"n2.inria", inria, &b->worker},
        [GATEBED_BOB] = {"bob@vu", &b->vu, &b->bob},
        [GATEBED_VU_HEAD] = {"n1.vu", &b->vu, &b->vu.node},
        [GATEBED_STRANGER] = {"alice@cern", &b->cern, &b->cern.user},
        [GATEBED_UNIT] = {"inria-1042.3", inria, &inria->job},
    };
    *a = (struct gatebed_ask){.r = {.issued_ms = b->clock.real_ms - 1000,
                                    .expires_ms = b->clock.real_ms + 30000,
                                    .has_operation_id = true},
                              .key = parties[who].cert->key,
                              .chain_count = 2,
                              .body = auth_slice("what is asked"),
                              .attributes = fixture_slice(&b->v.attr)};
    fixture_chain(parties[who].of, &parties[who].cert->der, a->chain);
    (void)snprintf(a->r.verb, sizeof(a->r.verb), "%s", verb);
    (void)snprintf(a->r.signer, sizeof(a->r.signer), "%s", parties[who].name);
    (void)snprintf(a->r.to_node, sizeof(a->r.to_node), GATEBED_NODE);
    (void)snprintf(a->r.to_institution, sizeof(a->r.to_institution), "inria");
    count++;
    memcpy(a->r.nonce.bytes, &count, sizeof(count));
}

/* The header, in another version's words. */
static int other_version(struct xos_buf *header, uint32_t version, struct xos_error *err)
{
    Xos__Wire__RequestHeaderPb *m =
        xos_pb_unpack(&xos__wire__request_header_pb__descriptor, fixture_slice(header),
                      XOS_HEADER_BYTES_MAX, XOS_PB_STRICT, err);
    if (!m)
        return -1;
    m->version = version;
    xos_buf_clear(header);
    struct xos_buf fresh = XOS_BUF(XOS_HEADER_BYTES_MAX);
    int rc = xos_pb_pack(m, &fresh, err);
    xos_pb_free(m);
    xos_buf_free(header);
    *header = fresh;
    return rc;
}

int gatebed_pack(const struct gatebed_ask *a, struct xos_buf *envelope, struct xos_error *err)
{
    struct xos_buf header = XOS_BUF(XOS_HEADER_BYTES_MAX);
    uint8_t signature[XOS_SIGNATURE_BYTES];
    struct xos_request r = a->r;
    struct xos_envelope e = {.kind = XOS_ENVELOPE_REQUEST,
                             .call = 1,
                             .chain_count = a->chain_count,
                             .body = a->sent.data ? a->sent : a->body,
                             .attributes = a->attributes};
    memcpy(e.chain, a->chain, sizeof(e.chain));
    int rc = xos_sha256(a->body, r.body_sha256, err);
    if (rc == 0)
        rc = xos_request_encode(&r, &header, err);
    if (rc == 0 && a->version)
        rc = other_version(&header, a->version, err);
    e.header = fixture_slice(&header);
    if (rc == 0 && !a->is_unsigned) {
        rc = xos_key_sign(a->key, XOS_REQUEST_DOMAIN, e.header, signature, err);
        e.signature = (struct xos_slice){signature, sizeof(signature)};
        if (a->flip)
            signature[(a->flip - 1) / 8] ^= (uint8_t)(1u << ((a->flip - 1) % 8));
    }
    if (rc == 0)
        rc = xos_envelope_encode(&e, envelope, err);
    xos_buf_free(&header);
    return rc;
}

static int answer_read(struct xos_slice frame, struct gatebed_answer *out, struct xos_error *err)
{
    struct xos_envelope e = {.kind = XOS_ENVELOPE_NONE};
    struct xos_answer a;
    int rc = xos_envelope_decode(&e, frame, err);
    if (rc == 0)
        rc = xos_answer_decode(&a, e.header, err);
    if (rc == 0) {
        out->code = a.code;
        (void)snprintf(out->text, sizeof(out->text), "%.*s", (int)e.body.len,
                       e.body.len ? (const char *)e.body.data : "");
    }
    xos_envelope_free(&e);
    return rc;
}

/* 1: the other side has said something, or left. */
static int hear(int fd, struct xos_frame_reader *reader, struct gatebed_answer *out,
                struct xos_error *err)
{
    uint8_t bytes[1024];
    struct xos_slice frame;
    ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0) {
        out->closed = true;
        return 1;
    }
    if (xos_frame_feed(reader, (struct xos_slice){bytes, (size_t)n}, err) < 0)
        return -1;
    int got = xos_frame_next(reader, &frame, err);
    return got <= 0 ? got : answer_read(frame, out, err) < 0 ? -1 : 1;
}

static void on_tick(void *arg)
{
    xos_loop_stop(arg);
}

/* The answer comes within a few rounds; a round of its own timer ends each. */
static int converse(struct gatebed *b, int fd, struct gatebed_answer *out, struct xos_error *err)
{
    struct xos_frame_reader reader;
    struct xos_timer *tick = NULL;
    int got = 0;
    xos_frame_reader_init(&reader, XOS_ENVELOPE_BYTES_MAX);
    if (xos_timer_new(&tick, b->loop, on_tick, b->loop, err) < 0)
        got = -1;
    while (got == 0) {
        xos_timer_set(tick, 0);
        got = xos_loop_run(b->loop, err) < 0 ? -1 : hear(fd, &reader, out, err);
    }
    xos_timer_free(tick);
    xos_frame_reader_free(&reader);
    return got < 0 ? -1 : 0;
}

static int say(int fd, struct xos_slice envelope, struct xos_error *err)
{
    uint8_t head[4] = {(uint8_t)(envelope.len >> 24), (uint8_t)(envelope.len >> 16),
                       (uint8_t)(envelope.len >> 8), (uint8_t)envelope.len};
    if (send(fd, head, sizeof(head), MSG_NOSIGNAL) == (ssize_t)sizeof(head) &&
        (envelope.len == 0 ||
         send(fd, envelope.data, envelope.len, MSG_NOSIGNAL) == (ssize_t)envelope.len))
        return 0;
    return xos_fail(err, XOS_NOMEM, "the connection was not taken");
}

int gatebed_send(struct gatebed *b, struct xos_slice envelope, const struct xos_peer *peer,
                 struct gatebed_answer *out, struct xos_error *err)
{
    int pair[2];
    *out = (struct gatebed_answer){.closed = false};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return xos_fail_errno(err, "socketpair");
    xos_rpc_take(b->rpc, pair[0], peer);
    int rc = say(pair[1], envelope, err);
    if (rc == 0)
        rc = converse(b, pair[1], out, err);
    close(pair[1]);
    return rc;
}
