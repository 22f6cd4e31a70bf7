// SPDX-License-Identifier: Apache-2.0
#include "xosd/join.h"

#include "libxos/net/bulk.h"
#include "libxos/net/conn.h"
#include "libxos/wire/envelope.h"
#include "libxos/wire/header.h"
#include "libxos/wire/pb.h"
#include "vo-auth/ca.pb-c.h"
#include "vo-auth/prove.h"
#include "xosd/credential.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define JOIN_ANSWER_BYTES_MAX (XOS_BODY_BYTES_MAX + 1024)

struct join {
    struct xos_env *env;
    const struct config *config;
    struct auth_token token;
    struct xos_key *token_key;
    struct credential id;
    struct xos_loop *loop;
    struct xos_timer *late;
    struct xos_bulk *bulk;
    struct xos_bulk_conn *link;
    struct xos_conn *conn; /* to xos-ca, or one question's stream */
    struct xos_buf answer;
    uint8_t request_sha256[XOS_HASH_BYTES];
    uint8_t head_key[XOS_KEY_PUBLIC_BYTES]; /* of the head that we met */
    uint64_t asked;
    bool up, done;
    struct xos_error why;
};

static void finish(struct join *j, const struct xos_error *why)
{
    if (j->done)
        return;
    j->done = true;
    if (why)
        j->why = *why;
    xos_loop_stop(j->loop);
}

static void on_late(void *arg)
{
    struct xos_error why = {0};
    xos_fail(&why, XOS_TIMEOUT, "no answer within %d s", JOIN_STEP_MS_MAX / 1000);
    finish(arg, &why);
}

static int wait_for_it(struct join *j, struct xos_error *err)
{
    j->done = false;
    j->why = (struct xos_error){.code = XOS_NONE};
    xos_timer_set(j->late, JOIN_STEP_MS_MAX);
    if (xos_loop_run(j->loop, err) < 0)
        return -1;
    xos_timer_cancel(j->late);
    return j->why.code ? xos_fail(err, j->why.code, "%s", j->why.text) : 0;
}

static void on_conn_close(void *arg, struct xos_conn *conn, const struct xos_error *why)
{
    struct xos_error gone = *why;
    (void)conn;
    if (gone.code == XOS_NONE)
        xos_fail(&gone, XOS_UNAVAILABLE, "the connection was closed");
    finish(arg, &gone);
}

/* A head asks its own xos-ca */

static void on_ca_frame(void *arg, struct xos_conn *conn, struct xos_slice frame)
{
    struct join *j = arg;
    struct xos_error err = {0};
    Ca__Answer *m =
        xos_pb_unpack(&ca__answer__descriptor, frame, JOIN_ANSWER_BYTES_MAX, XOS_PB_TOLERANT, &err);
    (void)conn;
    if (m && m->code)
        xos_fail(&err, (enum xos_code)m->code, "%.*s", (int)(m->text.len < 480 ? m->text.len : 480),
                 (const char *)m->text.data);
    else if (m)
        (void)xos_buf_add(&j->answer, m->body.data, m->body.len, &err);
    xos_pb_free(m);
    finish(j, &err);
}

static const struct xos_conn_ops ca_ops = {.on_frame = on_ca_frame, .on_close = on_conn_close};

static int ask_ca(struct join *j, const char *verb, struct xos_slice body, struct xos_error *err)
{
    const struct xos_conn_config c = {.frame_max = JOIN_ANSWER_BYTES_MAX, .ops = &ca_ops, .arg = j};
    struct xos_buf frame = XOS_BUF(JOIN_ANSWER_BYTES_MAX);
    Ca__Request m = CA__REQUEST__INIT;
    int fd = j->conn ? -1 : xos_env_unix_connect(j->env, j->config->ca_socket, SOCK_STREAM, err);
    if (!j->conn && (fd < 0 || xos_conn_new(&j->conn, j->loop, fd, &c, err) < 0))
        return xos_wrap(err, "xos-ca");
    m.id = ++j->asked;
    m.verb = xos_pb_text(verb);
    m.body = xos_pb_bytes(body);
    int rc = xos_pb_pack(&m, &frame, err);
    if (rc == 0)
        rc = xos_conn_send(j->conn, (struct xos_slice){frame.data, frame.len}, err);
    xos_buf_free(&frame);
    return rc == 0 ? wait_for_it(j, err) : -1;
}

/* Another node asks a seed */

/* The root must be the token's: nothing else is known yet. */
static int verify(void *arg, const struct xos_slice *chain, size_t count, struct xos_tls_peer *out,
                  struct xos_error *err)
{
    struct join *j = arg;
    struct auth_anchors anchors = {.count = 0};
    struct auth_principal who = {.kind = AUTH_KIND_NONE};
    struct auth_context ctx = {
        .anchors = &anchors, .now_ms = xos_env_real_ms(j->env), .slot = AUTH_KIND_NODE};
    char name[AUTH_NAME_BYTES_MAX + 1];
    uint8_t hash[XOS_HASH_BYTES];
    if (count != AUTH_CHAIN_MAX)
        return xos_fail(err, XOS_PROTOCOL, "a chain of %zu certificates, without its root", count);
    if (xos_sha256(chain[2], hash, err) < 0)
        return -1;
    if (!xos_equal(hash, j->token.root_hash, sizeof(hash)))
        return xos_fail(err, XOS_DENIED, "it belongs to another institution than the token");
    int rc = auth_anchors_add(&anchors, j->config->institution, chain[2], err);
    if (rc == 0)
        rc = auth_verify(chain, count, &ctx, &who, err);
    if (rc == 0) {
        auth_name_print(&who.name, name);
        (void)snprintf(out->name, sizeof(out->name), "%.127s", name);
        out->not_after_ms = who.until_ms;
        memcpy(j->head_key, who.key, sizeof(j->head_key));
    }
    auth_principal_free(&who);
    auth_anchors_free(&anchors);
    return rc;
}

static void on_up(void *arg, struct xos_bulk_conn *conn)
{
    struct join *j = arg;
    (void)conn;
    j->up = true;
    finish(j, NULL);
}

static void on_down(void *arg, struct xos_bulk_conn *conn, const struct xos_error *why)
{
    struct join *j = arg;
    (void)conn;
    j->link = NULL;
    j->up = false;
    finish(j, why);
}

static int meet(struct join *j, const struct config_seed *seed, struct xos_error *err)
{
    const struct xos_bulk_dial d = {.host = seed->host,
                                    .port = seed->port,
                                    .from = j->config->cut[0] ? j->config->listen : NULL,
                                    .on_up = on_up,
                                    .on_down = on_down,
                                    .arg = j};
    if (xos_bulk_connect(&j->link, j->bulk, &d, err) < 0 || wait_for_it(j, err) < 0)
        return xos_wrap(err, "seed %s:%u", seed->host, seed->port);
    return j->up ? 0 : xos_fail(err, XOS_UNAVAILABLE, "seed %s:%u", seed->host, seed->port);
}

/* Any seed will do that is a head of this institution. */
static int meet_one(struct join *j, struct xos_error *err)
{
    const struct xos_bulk_config c = {.verify = verify, .on_down = on_down, .arg = j};
    xos_fail(err, XOS_INVALID, "[net] seeds names no node of %s, and [trust] ca is no socket here",
             j->config->institution);
    if (xos_bulk_new(&j->bulk, j->loop, &c, err) < 0)
        return -1;
    for (size_t i = 0; i < j->config->seed_count; i++)
        if (meet(j, &j->config->seeds[i], err) == 0)
            return 0;
    return -1;
}

static int answer_take(struct join *j, const struct xos_envelope *e, struct xos_error *err)
{
    struct xos_answer a;
    if (e->kind != XOS_ENVELOPE_ANSWER)
        return xos_fail(err, XOS_PROTOCOL, "not an answer");
    if (xos_answer_decode(&a, e->header, err) < 0 ||
        xos_answer_check(&a, j->request_sha256, NULL, e->body, err) < 0 ||
        xos_key_verify(j->head_key, XOS_ANSWER_DOMAIN, e->header, e->signature, err) < 0)
        return -1;
    if (a.code != XOS_NONE)
        return xos_fail(err, a.code, "%.*s", (int)(e->body.len < 480 ? e->body.len : 480),
                        e->body.len ? (const char *)e->body.data : "");
    return xos_buf_add(&j->answer, e->body.data, e->body.len, err);
}

static void on_stream_frame(void *arg, struct xos_conn *conn, struct xos_slice frame)
{
    struct join *j = arg;
    struct xos_error err = {0};
    struct xos_envelope e = {.kind = XOS_ENVELOPE_NONE};
    (void)conn;
    if (xos_envelope_decode(&e, frame, &err) == 0)
        (void)answer_take(j, &e, &err);
    xos_envelope_free(&e);
    finish(j, &err);
}

static const struct xos_conn_ops stream_ops = {.on_frame = on_stream_frame,
                                               .on_close = on_conn_close};

static int request_pack(struct join *j, const char *verb, struct xos_slice body,
                        struct xos_buf *out, struct xos_error *err)
{
    char full[32];
    struct xos_request r = {.issued_ms = xos_env_real_ms(j->env), .has_operation_id = true};
    struct xos_buf header = XOS_BUF(XOS_HEADER_BYTES_MAX);
    struct xos_envelope e = {.kind = XOS_ENVELOPE_REQUEST, .call = 1, .body = body};
    (void)snprintf(full, sizeof(full), "ca.%s", verb);
    (void)snprintf(r.verb, sizeof(r.verb), "%s", full);
    (void)snprintf(r.to_institution, sizeof(r.to_institution), "%s", j->config->institution);
    r.expires_ms = r.issued_ms + JOIN_STEP_MS_MAX;
    int rc = xos_env_random(j->env, r.request_id.bytes, XOS_ID_BYTES, err);
    if (rc == 0)
        rc = xos_env_random(j->env, r.nonce.bytes, XOS_ID_BYTES, err);
    if (rc == 0)
        rc = xos_env_random(j->env, r.operation_id.bytes, XOS_ID_BYTES, err);
    if (rc == 0)
        rc = xos_sha256(body, r.body_sha256, err);
    if (rc == 0)
        rc = xos_request_encode(&r, &header, err);
    e.header = (struct xos_slice){header.data, header.len};
    if (rc == 0)
        rc = xos_sha256(e.header, j->request_sha256, err);
    if (rc == 0)
        rc = xos_envelope_encode(&e, out, err);
    xos_buf_free(&header);
    return rc;
}

static int ask_head(struct join *j, const char *verb, struct xos_slice body, struct xos_error *err)
{
    const struct xos_conn_config c = {
        .frame_max = XOS_ENVELOPE_BYTES_MAX, .ops = &stream_ops, .arg = j};
    struct xos_buf frame = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    int rc = j->up ? 0 : meet_one(j, err);
    if (rc == 0)
        rc = request_pack(j, verb, body, &frame, err);
    xos_conn_free(j->conn);
    j->conn = NULL;
    if (rc == 0)
        rc = xos_conn_dial(&j->conn, j->loop, j->link, (struct xos_slice){frame.data, frame.len},
                           &c, err);
    xos_buf_free(&frame);
    return rc == 0 ? wait_for_it(j, err) : -1;
}

/* The claim */

static int ask(struct join *j, const char *verb, struct xos_slice body, struct xos_error *err)
{
    xos_buf_clear(&j->answer);
    return (j->config->head ? ask_ca : ask_head)(j, verb, body, err);
}

static uint32_t roles_of(const struct config *c)
{
    return (c->head ? AUTH_NODE_HEAD : 0u) | (c->worker ? AUTH_NODE_WORKER : 0u) |
           (c->storage ? AUTH_NODE_STORAGE : 0u) | (c->gateway ? AUTH_NODE_GATEWAY : 0u);
}

static struct xos_slice answer_of(const struct join *j)
{
    return (struct xos_slice){j->answer.data, j->answer.len};
}

static int claim_fill(struct join *j, Ca__JoinClaim *c, const Ca__Nonce *nonce,
                      struct xos_error *err)
{
    const struct config *config = j->config;
    if (nonce->root_hash.len != XOS_HASH_BYTES ||
        !xos_equal(nonce->root_hash.data, j->token.root_hash, XOS_HASH_BYTES))
        return xos_fail(err, XOS_DENIED, "this xos-ca is of another institution than the token");
    c->nonce = nonce->nonce;
    c->root_hash = nonce->root_hash;
    c->key = xos_pb_bytes((struct xos_slice){xos_key_public(j->id.key), XOS_KEY_PUBLIC_BYTES});
    c->token_key =
        xos_pb_bytes((struct xos_slice){xos_key_public(j->token_key), XOS_KEY_PUBLIC_BYTES});
    c->node = xos_pb_text(config->node);
    c->roles = roles_of(config);
    c->address = xos_pb_text(config->advertise[0] ? config->advertise : config->node);
    c->curve_key = xos_pb_bytes((struct xos_slice){j->id.curve_public, XOS_CURVE_KEY_BYTES});
    return 0;
}

static int claim_pack(struct join *j, const Ca__Nonce *nonce, struct xos_buf *out,
                      struct xos_error *err)
{
    Ca__JoinClaim c = CA__JOIN_CLAIM__INIT;
    Ca__Join m = CA__JOIN__INIT;
    struct xos_buf statement = XOS_BUF(AUTH_CLAIM_BYTES_MAX);
    uint8_t possession[XOS_SIGNATURE_BYTES];
    int rc = claim_fill(j, &c, nonce, err);
    if (rc == 0)
        rc = auth_claim_sign(&statement, possession, &auth_join_format, &c.base, j->token_key,
                             j->id.key, err);
    m.statement = (ProtobufCBinaryData){statement.len, statement.data};
    m.possession = (ProtobufCBinaryData){sizeof(possession), possession};
    if (rc == 0)
        rc = xos_pb_pack(&m, out, err);
    xos_buf_free(&statement);
    return rc;
}

/* The token says which root is ours; what is there already stays. */
static int keep_root(struct join *j, struct xos_error *err)
{
    char path[CONFIG_NAME_MAX + 16];
    const struct xos_slice root = j->id.self.chain[2];
    struct xos_error why = {0};
    (void)snprintf(path, sizeof(path), "roots/%s.der", j->config->institution);
    int dir = xos_env_dir_open(j->env, j->config->trust_dir, err);
    int fd = dir < 0 ? -1 : xos_env_file_open(j->env, dir, path, XOS_OPEN_READ, 0, &why);
    int rc = dir < 0 ? -1 : 0;
    if (dir >= 0 && fd < 0)
        rc = xos_env_dir_make(j->env, dir, "roots", 0755, err);
    if (dir >= 0 && fd < 0 && rc == 0)
        rc = xos_env_file_replace(j->env, dir, path, root.data, root.len, 0644, err);
    xos_env_close(j->env, fd);
    xos_env_close(j->env, dir);
    return rc < 0 ? xos_wrap(err, "trust %s", j->config->trust_dir) : 0;
}

static int join(struct join *j, struct xos_error *err)
{
    static const struct xos_slice nothing = {NULL, 0};
    struct xos_buf proof = XOS_BUF(AUTH_CLAIM_BYTES_MAX + 256);
    if (ask(j, "nonce", nothing, err) < 0)
        return -1;
    Ca__Nonce *nonce =
        xos_pb_unpack(&ca__nonce__descriptor, answer_of(j), 4096, XOS_PB_TOLERANT, err);
    int rc = nonce ? claim_pack(j, nonce, &proof, err) : -1;
    xos_pb_free(nonce);
    if (rc == 0)
        rc = ask(j, "join", (struct xos_slice){proof.data, proof.len}, err);
    if (rc == 0)
        rc = credential_install(&j->id, j->env, j->config->state_dir, j->config->node, answer_of(j),
                                err);
    xos_buf_free(&proof);
    return rc == 0 ? keep_root(j, err) : -1;
}

static int prepare(struct join *j, const char *text, struct xos_error *err)
{
    if (auth_token_parse(&j->token, auth_slice(text), err) < 0 ||
        xos_key_from_secret(&j->token_key, j->token.secret, err) < 0 ||
        credential_prepare(&j->id, j->env, j->config->state_dir, err) < 0 ||
        xos_loop_new(&j->loop, j->env, err) < 0)
        return -1;
    return xos_timer_new(&j->late, j->loop, on_late, j, err);
}

int join_run(struct xos_env *env, const struct config *config, const char *token,
             struct xos_error *err)
{
    struct join j = {.env = env, .config = config, .answer = XOS_BUF(JOIN_ANSWER_BYTES_MAX)};
    int rc = prepare(&j, token, err);
    if (rc == 0)
        rc = join(&j, err);
    xos_conn_free(j.conn);
    xos_bulk_free(j.bulk);
    xos_timer_free(j.late);
    xos_loop_free(j.loop);
    xos_buf_free(&j.answer);
    credential_close(&j.id);
    xos_key_free(j.token_key);
    OPENSSL_cleanse(&j.token, sizeof(j.token));
    return rc < 0 ? xos_wrap(err, "join") : 0;
}
