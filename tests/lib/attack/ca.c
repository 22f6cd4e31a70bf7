// SPDX-License-Identifier: Apache-2.0
/* ca.c - what a hostile xosd may ask its own xos-ca for. */
#include "tests/lib/attack/attack.h"

#include "libxos/env/env.h"
#include "libxos/wire/pb.h"
#include "vo-auth/ca.pb-c.h"
#include "vo-auth/prove.h"

#include <stdio.h>
#include <string.h>

#define CA_BYTES_MAX 65536

struct asking {
    struct attack_way *way;
    struct party who; /* whose key and chain are shown */
    struct auth_token token;
    const char *node;
    Ca__Nonce *nonce;
    struct xos_buf body;
};

static ProtobufCBinaryData key_bytes(const struct xos_key *key)
{
    return xos_pb_bytes((struct xos_slice){xos_key_public(key), XOS_KEY_PUBLIC_BYTES});
}

static const struct xos_key *key_of(const struct party *p)
{
    return p->stolen.key ? p->stolen.key : p->key;
}

static size_t chain_of(const struct party *p, ProtobufCBinaryData chain[AUTH_CHAIN_MAX])
{
    for (size_t i = 0; i < p->chain_count; i++)
        chain[i] = xos_pb_bytes(p->chain[i]);
    return p->chain_count;
}

static int join(struct asking *a, const char *node, uint32_t roles, const uint8_t *secret,
                struct xos_error *err)
{
    static const uint8_t curve[32] = {9};
    Ca__JoinClaim c = CA__JOIN_CLAIM__INIT;
    Ca__Join m = CA__JOIN__INIT;
    struct xos_key *token = NULL;
    struct xos_buf statement = XOS_BUF(AUTH_CLAIM_BYTES_MAX);
    uint8_t possession[XOS_SIGNATURE_BYTES];
    int rc = xos_key_from_secret(&token, secret, err);
    if (rc == 0) {
        c.nonce = a->nonce->nonce;
        c.root_hash = a->nonce->root_hash;
        c.key = key_bytes(key_of(&a->who));
        c.token_key = key_bytes(token);
        c.node = xos_pb_text(node);
        c.roles = roles;
        c.address = xos_pb_text("127.0.0.1");
        c.curve_key = xos_pb_bytes((struct xos_slice){curve, sizeof(curve)});
        rc = auth_claim_sign(&statement, possession, &auth_join_format, &c.base, token,
                             key_of(&a->who), err);
    }
    m.statement = (ProtobufCBinaryData){statement.len, statement.data};
    m.possession = (ProtobufCBinaryData){sizeof(possession), possession};
    if (rc == 0)
        rc = xos_pb_pack(&m, &a->body, err);
    xos_key_free(token);
    xos_buf_free(&statement);
    return rc;
}

static int case_join(struct asking *a, struct xos_error *err)
{
    return join(a, a->node, AUTH_NODE_WORKER | AUTH_NODE_STORAGE, a->token.secret, err);
}

static int case_join_no_token(struct asking *a, struct xos_error *err)
{
    static const uint8_t made_up[XOS_KEY_SECRET_BYTES] = {7};
    return join(a, a->node, AUTH_NODE_WORKER | AUTH_NODE_STORAGE, made_up, err);
}

static int case_join_head(struct asking *a, struct xos_error *err)
{
    return join(a, a->node, AUTH_NODE_WORKER | AUTH_NODE_STORAGE | AUTH_NODE_HEAD, a->token.secret,
                err);
}

static int case_join_name(struct asking *a, struct xos_error *err)
{
    return join(a, "n1.inria", AUTH_NODE_WORKER | AUTH_NODE_STORAGE, a->token.secret, err);
}

static int renew(struct asking *a, const char *uri, struct xos_error *err)
{
    static const uint8_t curve[32] = {9};
    Ca__RenewClaim c = CA__RENEW_CLAIM__INIT;
    Ca__Renew m = CA__RENEW__INIT;
    ProtobufCBinaryData chain[AUTH_CHAIN_MAX];
    struct xos_buf statement = XOS_BUF(AUTH_CLAIM_BYTES_MAX);
    uint8_t possession[XOS_SIGNATURE_BYTES];
    const struct xos_key *key = key_of(&a->who);
    c.nonce = a->nonce->nonce;
    c.root_hash = a->nonce->root_hash;
    c.key = key_bytes(key);
    c.name = xos_pb_text(uri);
    c.curve_key = xos_pb_bytes((struct xos_slice){curve, sizeof(curve)});
    c.life_ms = (uint64_t)AUTH_NODE_LIFE_MS_MAX;
    int rc = auth_claim_sign(&statement, possession, &auth_renew_format, &c.base, key, key, err);
    m.statement = (ProtobufCBinaryData){statement.len, statement.data};
    m.possession = (ProtobufCBinaryData){sizeof(possession), possession};
    m.n_chain = chain_of(&a->who, chain);
    m.chain = chain;
    if (rc == 0)
        rc = xos_pb_pack(&m, &a->body, err);
    xos_buf_free(&statement);
    return rc;
}

static int case_renew(struct asking *a, struct xos_error *err)
{
    char uri[128];
    const char *dot = strchr(a->who.name, '.');
    (void)snprintf(uri, sizeof(uri), "xos://%s/node/%.*s", dot ? dot + 1 : "",
                   (int)(dot ? dot - a->who.name : 0), a->who.name);
    return renew(a, uri, err);
}

static int case_renew_name(struct asking *a, struct xos_error *err)
{
    return renew(a, "xos://inria/node/n1", err);
}

static int login(struct asking *a, struct xos_slice nonce, struct xos_error *err)
{
    static const uint8_t blob[] = "no key";
    Ca__Login m = CA__LOGIN__INIT;
    m.user = xos_pb_text("alice@inria");
    m.nonce = xos_pb_bytes(nonce);
    m.key = key_bytes(key_of(&a->who));
    m.life_ms = 3600000;
    m.ssh_key = xos_pb_bytes((struct xos_slice){blob, sizeof(blob) - 1});
    m.ssh_signature = m.ssh_key;
    return xos_pb_pack(&m, &a->body, err);
}

static int case_login(struct asking *a, struct xos_error *err)
{
    return login(a, xos_pb_slice(a->nonce->nonce), err);
}

/* One that xos-ca might have made long ago, or in an earlier run. */
static int case_login_stale(struct asking *a, struct xos_error *err)
{
    uint8_t nonce[AUTH_NONCE_BYTES];
    memcpy(nonce, a->nonce->nonce.data, sizeof(nonce));
    nonce[0] ^= 1;
    return login(a, (struct xos_slice){nonce, sizeof(nonce)}, err);
}

static int case_attr(struct asking *a, struct xos_error *err)
{
    Ca__AttrRequest m = CA__ATTR_REQUEST__INIT;
    ProtobufCBinaryData chain[AUTH_CHAIN_MAX];
    m.vo = xos_pb_text("vo:demo@inria");
    m.n_chain = chain_of(&a->who, chain);
    m.chain = chain;
    return xos_pb_pack(&m, &a->body, err);
}

static int case_job(struct asking *a, struct xos_error *err)
{
    static const uint8_t hash[XOS_HASH_BYTES];
    Ca__JobClaim c = CA__JOB_CLAIM__INIT;
    Ca__Job m = CA__JOB__INIT;
    ProtobufCBinaryData chain[AUTH_CHAIN_MAX];
    struct xos_buf statement = XOS_BUF(AUTH_CLAIM_BYTES_MAX);
    uint8_t possession[XOS_SIGNATURE_BYTES];
    const struct xos_key *key = key_of(&a->who);
    c.nonce = a->nonce->nonce;
    c.root_hash = a->nonce->root_hash;
    c.key = key_bytes(key);
    c.unit = xos_pb_text("inria-1.0");
    c.node = xos_pb_text(a->who.name);
    c.epoch = 1;
    c.grant_hash = xos_pb_bytes((struct xos_slice){hash, sizeof(hash)});
    int rc = auth_claim_sign(&statement, possession, &auth_job_format, &c.base, key, key, err);
    m.statement = (ProtobufCBinaryData){statement.len, statement.data};
    m.possession = (ProtobufCBinaryData){sizeof(possession), possession};
    m.n_chain = chain_of(&a->who, chain);
    m.chain = chain;
    if (rc == 0)
        rc = xos_pb_pack(&m, &a->body, err);
    xos_buf_free(&statement);
    return rc;
}

static int case_nothing(struct asking *a, struct xos_error *err)
{
    (void)a;
    (void)err;
    return 0;
}

static const struct {
    const char *name, *verb;
    int (*make)(struct asking *a, struct xos_error *err);
} cases[] = {
    {"join", "join", case_join},
    {"join-no-token", "join", case_join_no_token},
    {"join-head", "join", case_join_head},
    {"join-name", "join", case_join_name},
    {"renew", "renew", case_renew},
    {"renew-name", "renew", case_renew_name},
    {"login", "login", case_login},
    {"login-stale", "login", case_login_stale},
    {"attr", "attr", case_attr},
    {"job", "job", case_job},
    {"sign", "sign", case_nothing},
    {"revoke", "revoke", case_nothing},
    {"login-empty", "login", case_nothing},
};

/* Ask; the answer's code, and its text or body. */
static int ask(struct asking *a, const char *verb, uint32_t *code, struct xos_buf *out,
               struct xos_error *err)
{
    struct xos_buf frame = XOS_BUF(CA_BYTES_MAX), answer = XOS_BUF(2 * XOS_BODY_BYTES_MAX);
    Ca__Request m = CA__REQUEST__INIT;
    Ca__Answer *got = NULL;
    m.id = 1;
    m.verb = xos_pb_text(verb);
    m.body = (ProtobufCBinaryData){a->body.len, a->body.data};
    int rc = xos_pb_pack(&m, &frame, err);
    if (rc == 0)
        rc = attack_say(a->way, (struct xos_slice){frame.data, frame.len}, err);
    if (rc == 0)
        rc = attack_hear(a->way, &answer, err);
    if (rc == 0) {
        got = xos_pb_unpack(&ca__answer__descriptor, (struct xos_slice){answer.data, answer.len},
                            2 * XOS_BODY_BYTES_MAX, XOS_PB_TOLERANT, err);
        rc = got ? 0 : -1;
    }
    if (rc == 0) {
        *code = got->code;
        rc = got->code ? xos_buf_add(out, got->text.data, got->text.len, err)
                       : xos_buf_add(out, got->body.data, got->body.len, err);
    }
    xos_pb_free(got);
    xos_buf_free(&frame);
    xos_buf_free(&answer);
    return rc;
}

static int run(struct asking *a, const char *name, struct xos_error *err)
{
    struct xos_buf out = XOS_BUF(XOS_BODY_BYTES_MAX);
    uint32_t code = 0;
    int rc = ask(a, "nonce", &code, &out, err);
    if (rc == 0)
        a->nonce = xos_pb_unpack(&ca__nonce__descriptor, (struct xos_slice){out.data, out.len},
                                 4096, XOS_PB_TOLERANT, err);
    rc = rc == 0 && a->nonce ? xos_fail(err, XOS_INVALID, "%s: no such case", name) : -1;
    for (size_t i = 0; a->nonce && i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (strcmp(cases[i].name, name) != 0)
            continue;
        xos_buf_clear(&out);
        rc = cases[i].make(a, err);
        if (rc == 0)
            rc = ask(a, cases[i].verb, &code, &out, err);
        if (rc == 0 && code)
            printf("%s %.*s\n", xos_code_name((enum xos_code)code), (int)out.len,
                   (const char *)out.data);
        else if (rc == 0)
            printf("given\n");
    }
    xos_buf_free(&out);
    return rc;
}

/* SOCKET CASE AS NODE TOKEN - as `AS`; NODE is whom the token is for ("-": there is none). */
int attack_ca(char **argv, struct xos_error *err)
{
    const struct party nobody = {.name = ""};
    struct asking a = {.node = argv[3], .body = XOS_BUF(CA_BYTES_MAX)};
    int rc = party_open(&a.who, argv[2], err);
    if (rc == 0 && strcmp(argv[4], "-") != 0)
        rc = auth_token_parse(&a.token, auth_slice(argv[4]), err);
    if (rc == 0)
        rc = attack_connect(&a.way, argv[0], &nobody, err);
    if (rc == 0)
        rc = run(&a, argv[1], err);
    xos_pb_free(a.nonce);
    attack_leave(a.way);
    xos_buf_free(&a.body);
    party_close(&a.who);
    return rc;
}
