// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a used token, or one for another node, admits a node; an old key renews
 * somebody else's name; a node gets the rights of a job that is not its own. */
#include "tests/unit/ca/ca_scene.h"

struct claim {
    struct ca_scene s;
    struct xos_buf statement;
    uint8_t possession[XOS_SIGNATURE_BYTES];
    const struct xos_key *by, *fresh;
    ProtobufCBinaryData chain[3];
    /* join */
    struct xos_key *token;
    struct ca_tokens tokens;
    Ca__JoinClaim join;
    /* renew */
    Ca__RenewClaim renew;
    /* job */
    Ca__JobClaim job;
    struct xos_buf grant, assignment, other_der;
    struct auth_grant g;
    struct auth_assignment a;
    ProtobufCBinaryData user[3], head[3];
    const char *spec;
};

static void open_chain(const struct ca_scene *s, const struct xos_buf *leaf,
                       ProtobufCBinaryData chain[3])
{
    struct xos_slice der[3];
    fixture_chain(&s->f, leaf, der);
    for (size_t i = 0; i < 3; i++)
        chain[i] = xos_pb_bytes(der[i]);
}

static int open_claim(struct claim *c, struct xos_error *err)
{
    memset(c, 0, sizeof(*c));
    c->statement = XOS_BUF(AUTH_CLAIM_BYTES_MAX);
    c->grant = XOS_BUF(AUTH_GRANT_BYTES_MAX);
    c->assignment = XOS_BUF(AUTH_ASSIGNMENT_BYTES_MAX);
    c->other_der = XOS_BUF(AUTH_CERT_BYTES_MAX);
    if (scene_open(&c->s, err) < 0 || fixture_key(&c->token, 0xaa, err) < 0)
        return -1;
    c->fresh = c->s.fresh;
    return 0;
}

static void close_claim(struct claim *c)
{
    auth_grant_free(&c->g);
    ca_tokens_free(&c->tokens);
    xos_key_free(c->token);
    xos_buf_free(&c->statement);
    xos_buf_free(&c->grant);
    xos_buf_free(&c->assignment);
    xos_buf_free(&c->other_der);
    scene_close(&c->s);
}

static ProtobufCBinaryData key_bytes(const struct xos_key *key)
{
    return scene_bytes(xos_key_public(key), XOS_KEY_PUBLIC_BYTES);
}
static ProtobufCBinaryData root_of(struct claim *c)
{
    return scene_bytes(c->s.world.root_hash, XOS_HASH_BYTES);
}
static ProtobufCBinaryData nonce_of(struct claim *c)
{
    return scene_bytes(c->s.nonce, AUTH_NONCE_BYTES);
}

static int sign(struct claim *c, const struct auth_format *format, const ProtobufCMessage *m,
                struct xos_error *err)
{
    xos_buf_clear(&c->statement);
    return auth_claim_sign(&c->statement, c->possession, format, m, c->by, c->fresh, err);
}

/* One change, of what is signed or of what is shown. */
struct change {
    void (*before)(struct claim *c);
    void (*after)(struct claim *c);
    enum xos_code wanted;
};

static void bad_possession(struct claim *c)
{
    c->possession[0] ^= 1;
}
static void possession_of_another(struct claim *c)
{
    c->fresh = c->s.other;
}
static void statement_cut(struct claim *c)
{
    c->statement.len--;
}
static void statement_flipped(struct claim *c)
{
    c->statement.data[60] ^= 1;
}
static void late(struct claim *c)
{
    c->s.world.boot_ms += (uint64_t)AUTH_NONCE_LIFE_MS + 1;
}
static void revoke_new_key(struct claim *c)
{
    uint8_t hash[XOS_HASH_BYTES];
    if (auth_key_hash(xos_key_public(c->s.fresh), hash, NULL) < 0 ||
        auth_revocations_add(c->s.revoked, AUTH_REVOKE_KEY, hash, NULL) < 0)
        c->statement.len = 0;
}
static void revoke_grant(struct claim *c)
{
    if (auth_revocations_add(c->s.revoked, AUTH_REVOKE_GRANT, c->g.hash, NULL) < 0)
        c->statement.len = 0;
}

typedef int (*make_f)(struct claim *c, struct xos_error *err);
typedef int (*show_f)(struct claim *c, struct ca_proof *p, struct xos_error *err);
struct proof_case {
    make_f open, make;
    show_f show;
};

static void refuse(const struct proof_case *kind, const struct change *change)
{
    struct xos_error err = {0};
    struct ca_proof p = {0};
    struct claim c;
    XT_TRY(open_claim(&c, &err));
    XT_TRY(kind->open(&c, &err));
    if (change->before)
        change->before(&c);
    XT_TRY(kind->make(&c, &err));
    if (change->after)
        change->after(&c);
    XT_REFUSED(kind->show(&c, &p, &err), change->wanted);
    assert_int_equal(p.kind, CA_PROOF_NONE);
out:
    ca_proof_free(&p);
    close_claim(&c);
}

static void refuse_all(const struct proof_case *kind, const struct change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        refuse(kind, &changes[i]);
}

/* Join */

static int join_open(struct claim *c, struct xos_error *err)
{
    struct ca_token token = {.roles = AUTH_NODE_WORKER | AUTH_NODE_STORAGE,
                             .address = "10.0.0.7:7401",
                             .expires_ms = FIXTURE_NOW_MS + CA_TOKEN_LIFE_MS};
    static uint8_t curve[AUTH_CURVE_KEY_BYTES] = {0xcc};
    Ca__JoinClaim j = CA__JOIN_CLAIM__INIT;
    if (auth_key_hash(xos_key_public(c->token), token.key_hash, err) < 0 ||
        auth_name_parse(&token.node, AUTH_NAME_NODE, auth_slice("n9.inria"), NULL, err) < 0 ||
        ca_tokens_add(&c->tokens, &token, FIXTURE_NOW_MS, err) < 0)
        return -1;
    j.nonce = nonce_of(c);
    j.root_hash = root_of(c);
    j.key = key_bytes(c->s.fresh);
    j.token_key = key_bytes(c->token);
    j.node = xos_pb_text("n9.inria");
    j.roles = AUTH_NODE_WORKER;
    j.address = xos_pb_text("10.0.0.7:7401");
    j.curve_key = scene_bytes(curve, sizeof(curve));
    c->join = j;
    c->by = c->token;
    return 0;
}

static int join_make(struct claim *c, struct xos_error *err)
{
    return sign(c, &auth_join_format, &c->join.base, err);
}

static int join_show(struct claim *c, struct ca_proof *p, struct xos_error *err)
{
    Ca__Join m = CA__JOIN__INIT;
    m.statement = scene_buf(&c->statement);
    m.possession = scene_bytes(c->possession, sizeof(c->possession));
    return ca_prove_join(p, &m, &c->tokens, &c->s.world, err);
}

static const struct proof_case join_case = {join_open, join_make, join_show};

static void a_token_admits_its_node_once(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct ca_proof p = {0};
    struct claim c;
    XT_TRY(open_claim(&c, &err));
    XT_TRY(join_open(&c, &err));
    XT_TRY(join_make(&c, &err));
    XT_TRY(join_show(&c, &p, &err));
    assert_int_equal(p.cert, AUTH_KIND_NODE);
    assert_int_equal(p.node.roles, AUTH_NODE_WORKER);
    assert_int_equal(p.token, 0);
    assert_string_equal(p.name.part, "n9");
    XT_REFUSED(join_show(&c, &p, &err), XOS_REPLAYED);
    ca_tokens_remove(&c.tokens, 0);
    XT_TRY(scene_nonce(&c.s, 2, &err));
    XT_TRY(join_make(&c, &err));
    XT_REFUSED(join_show(&c, &p, &err), XOS_DENIED);
out:
    ca_proof_free(&p);
    close_claim(&c);
}

static void j_node(struct claim *c)
{
    c->join.node = xos_pb_text("n8.inria");
}
static void j_elsewhere(struct claim *c)
{
    c->join.node = xos_pb_text("n9.vu");
}
static void j_roles(struct claim *c)
{
    c->join.roles |= AUTH_NODE_HEAD;
}
static void j_no_roles(struct claim *c)
{
    c->join.roles = 0;
}
static void j_address(struct claim *c)
{
    c->join.address = xos_pb_text("10.0.0.8:7401");
}
static void j_bad_address(struct claim *c)
{
    c->join.address = xos_pb_text("10.0.0.7 ; rm");
}
static void j_root(struct claim *c)
{
    static const uint8_t root[XOS_HASH_BYTES] = {1};
    c->join.root_hash = scene_bytes(root, sizeof(root));
}
static void j_nonce(struct claim *c)
{
    c->s.nonce[20] ^= 1;
}
static void j_by_another(struct claim *c)
{
    c->by = c->s.other;
}
static void j_other_token(struct claim *c)
{
    c->by = c->s.other;
    c->join.token_key = key_bytes(c->s.other);
}
static void j_ended(struct claim *c)
{
    c->s.world.ctx.now_ms += CA_TOKEN_LIFE_MS + 1;
}
static void j_used(struct claim *c)
{
    ca_tokens_remove(&c->tokens, 0);
}

static void a_token_admits_nothing_else(void **state)
{
    (void)state;
    static const struct change changes[] = {
        {j_node, NULL, XOS_DENIED},          {j_elsewhere, NULL, XOS_DENIED},
        {j_roles, NULL, XOS_DENIED},         {j_no_roles, NULL, XOS_DENIED},
        {j_address, NULL, XOS_DENIED},       {j_bad_address, NULL, XOS_PROTOCOL},
        {j_root, NULL, XOS_DENIED},          {j_nonce, NULL, XOS_DENIED},
        {j_by_another, NULL, XOS_DENIED},    {j_other_token, NULL, XOS_DENIED},
        {NULL, j_ended, XOS_EXPIRED},        {NULL, j_used, XOS_DENIED},
        {NULL, bad_possession, XOS_DENIED},  {possession_of_another, NULL, XOS_DENIED},
        {NULL, statement_cut, XOS_PROTOCOL}, {NULL, late, XOS_EXPIRED},
        {NULL, revoke_new_key, XOS_DENIED},
    };
    refuse_all(&join_case, changes, COUNT(changes));
}

/* Renew */

static int renew_open(struct claim *c, struct xos_error *err)
{
    (void)err;
    Ca__RenewClaim r = CA__RENEW_CLAIM__INIT;
    r.nonce = nonce_of(c);
    r.root_hash = root_of(c);
    r.key = key_bytes(c->s.fresh);
    r.name = xos_pb_text("xos://inria/user/alice");
    r.life_ms = AUTH_HOUR_MS;
    c->renew = r;
    c->by = c->s.f.user.key;
    open_chain(&c->s, &c->s.f.user.der, c->chain);
    return 0;
}

static int renew_make(struct claim *c, struct xos_error *err)
{
    return sign(c, &auth_renew_format, &c->renew.base, err);
}

static int renew_show(struct claim *c, struct ca_proof *p, struct xos_error *err)
{
    ProtobufCBinaryData *chain = c->chain;
    Ca__Renew m = CA__RENEW__INIT;
    m.statement = scene_buf(&c->statement);
    m.possession = scene_bytes(c->possession, sizeof(c->possession));
    m.n_chain = 3;
    m.chain = chain;
    return ca_prove_renew(p, &m, &c->s.world, err);
}

static const struct proof_case renew_case = {renew_open, renew_make, renew_show};

static void r_node(struct claim *c)
{
    static uint8_t curve[AUTH_CURVE_KEY_BYTES] = {0xcd};
    c->renew.name = xos_pb_text("xos://inria/node/n1");
    c->renew.curve_key = scene_bytes(curve, sizeof(curve));
    c->by = c->s.f.node.key;
    open_chain(&c->s, &c->s.f.node.der, c->chain);
}
static void ended(struct claim *c, int64_t days)
{
    c->s.world.ctx.now_ms = FIXTURE_NOW_MS + AUTH_USER_LIFE_MS_MAX + days * AUTH_DAY_MS;
}
static void r_29_days(struct claim *c)
{
    ended(c, 29);
}
static void r_31_days(struct claim *c)
{
    ended(c, 31);
}

static void an_old_key_renews_its_own_name(void **state)
{
    (void)state;
    static void (*const ways[])(struct claim * c) = {NULL, r_node, r_29_days};
    struct xos_error err = {0};
    for (size_t i = 0; i < COUNT(ways); i++) {
        struct ca_proof p = {0};
        struct claim c;
        XT_TRY(open_claim(&c, &err));
        XT_TRY(renew_open(&c, &err));
        if (ways[i])
            ways[i](&c);
        XT_TRY(renew_make(&c, &err));
        XT_TRY(renew_show(&c, &p, &err));
        assert_int_equal(p.kind, CA_PROOF_RENEW);
        assert_int_equal(p.life_ms, AUTH_HOUR_MS);
        if (ways[i] == r_node) {
            assert_int_equal(p.node.roles, AUTH_NODE_HEAD | AUTH_NODE_WORKER);
            assert_int_equal(p.node.curve_key[0], 0xcd);
        }
        XT_REFUSED(renew_show(&c, &p, &err), XOS_REPLAYED);
    out:
        ca_proof_free(&p);
        close_claim(&c);
        if (err.code == XOS_NOMEM)
            return;
    }
}

static void r_name(struct claim *c)
{
    c->renew.name = xos_pb_text("xos://inria/user/bob");
}
static void r_elsewhere(struct claim *c)
{
    c->renew.name = xos_pb_text("xos://vu/user/alice");
}
static void r_job(struct claim *c)
{
    c->renew.name = xos_pb_text("xos://inria/job/1042.3");
    c->by = c->s.f.job.key;
    open_chain(&c->s, &c->s.f.job.der, c->chain);
}
static void r_as_node(struct claim *c)
{
    r_node(c);
    c->by = c->s.f.user.key;
    open_chain(&c->s, &c->s.f.user.der, c->chain);
}
static void r_curve(struct claim *c)
{
    static uint8_t curve[AUTH_CURVE_KEY_BYTES];
    c->renew.curve_key = scene_bytes(curve, sizeof(curve));
}
static void r_by_another(struct claim *c)
{
    c->by = c->s.other;
}
static void r_by_the_new_key(struct claim *c)
{
    c->by = c->s.fresh;
}
static void r_life(struct claim *c)
{
    c->renew.life_ms = (uint64_t)AUTH_USER_LIFE_MS_MAX + 1;
}
static void r_root(struct claim *c)
{
    static const uint8_t root[XOS_HASH_BYTES] = {1};
    c->renew.root_hash = scene_bytes(root, sizeof(root));
}
static void r_revoked(struct claim *c)
{
    uint8_t hash[XOS_HASH_BYTES];
    if (auth_key_hash(xos_key_public(c->s.f.user.key), hash, NULL) < 0 ||
        auth_revocations_add(c->s.revoked, AUTH_REVOKE_KEY, hash, NULL) < 0)
        c->statement.len = 0;
}

static void nobody_renews_anything_else(void **state)
{
    (void)state;
    static const struct change changes[] = {
        {r_name, NULL, XOS_DENIED},
        {r_elsewhere, NULL, XOS_DENIED},
        {r_job, NULL, XOS_DENIED},
        {r_as_node, NULL, XOS_DENIED},
        {r_curve, NULL, XOS_PROTOCOL},
        {r_by_another, NULL, XOS_DENIED},
        {r_by_the_new_key, NULL, XOS_DENIED},
        {r_life, NULL, XOS_DENIED},
        {r_root, NULL, XOS_DENIED},
        {NULL, r_revoked, XOS_DENIED},
        {NULL, r_31_days, XOS_EXPIRED},
        {NULL, late, XOS_EXPIRED},
        {NULL, bad_possession, XOS_DENIED},
        {possession_of_another, NULL, XOS_DENIED},
        {NULL, statement_cut, XOS_PROTOCOL},
        {NULL, revoke_new_key, XOS_DENIED},
        {j_nonce, NULL, XOS_DENIED},
    };
    refuse_all(&renew_case, changes, COUNT(changes));
}

/* Job */

static int sign_assignment(struct claim *c, const struct xos_key *by, struct xos_error *err)
{
    xos_buf_clear(&c->assignment);
    return auth_assignment_sign(&c->assignment, &c->a, by, err);
}

static int job_open(struct claim *c, struct xos_error *err)
{
    struct auth_grant g;
    struct xos_slice user[3];
    Ca__JobClaim j = CA__JOB_CLAIM__INIT;
    c->spec = FIXTURE_SPEC;
    if (fixture_grant(&c->s.f, &g, err) < 0 ||
        auth_grant_sign(&c->grant, &g, c->s.f.user.key, err) < 0)
        return -1;
    fixture_chain(&c->s.f, &c->s.f.user.der, user);
    struct auth_grant_offer offer = {fixture_slice(&c->grant), user, 3, auth_slice(FIXTURE_SPEC),
                                     AUTH_FRESH};
    if (auth_grant_check(&c->g, &offer, &c->s.world.ctx, err) < 0 ||
        fixture_assignment(&c->s.f, &c->g, &c->a, err) < 0 ||
        sign_assignment(c, c->s.f.node.key, err) < 0)
        return -1;
    open_chain(&c->s, &c->s.f.user.der, c->user);
    open_chain(&c->s, &c->s.f.node.der, c->head);
    open_chain(&c->s, &c->s.f.node.der, c->chain);
    c->by = c->s.f.node.key;
    j.nonce = nonce_of(c);
    j.root_hash = root_of(c);
    j.key = key_bytes(c->s.fresh);
    j.unit = xos_pb_text("inria-1042.3");
    j.node = xos_pb_text("n1.inria");
    j.epoch = 7;
    j.grant_hash = scene_bytes(c->g.hash, XOS_HASH_BYTES);
    c->job = j;
    return 0;
}

static int job_make(struct claim *c, struct xos_error *err)
{
    return sign(c, &auth_job_format, &c->job.base, err);
}

static int job_show(struct claim *c, struct ca_proof *p, struct xos_error *err)
{
    Ca__Job m = CA__JOB__INIT;
    m.statement = scene_buf(&c->statement);
    m.possession = scene_bytes(c->possession, sizeof(c->possession));
    m.n_chain = m.n_user_chain = m.n_head_chain = 3;
    m.chain = c->chain;
    m.user_chain = c->user;
    m.head_chain = c->head;
    m.grant = scene_buf(&c->grant);
    m.assignment = scene_buf(&c->assignment);
    m.spec = xos_pb_text(c->spec);
    return ca_prove_job(p, &m, &c->s.world, err);
}

static const struct proof_case job_case = {job_open, job_make, job_show};

static int issue(const struct claim *c, const struct ca_proof *p, struct xos_buf *der,
                 struct xos_error *err)
{
    static const uint8_t random[AUTH_SERIAL_BYTES] = {0xff, 1, 2, 3};
    struct auth_cert_request r;
    struct auth_link ca;
    const struct auth_issuer issuer = {fixture_slice(&c->s.f.ca.der), xos_key_evp(c->s.f.ca.key)};
    if (auth_link_read(&ca, issuer.der, AUTH_KIND_CA, err) < 0)
        return -1;
    int rc = ca_issue_request(&r, p, random, c->s.world.ctx.now_ms, &ca, err);
    if (rc == 0)
        rc = auth_cert_issue(der, &r, &issuer, err);
    auth_link_free(&ca);
    return rc;
}

static void the_assigned_node_gets_the_jobs_certificate(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct ca_proof p = {0};
    struct auth_principal who = {0};
    struct xos_buf der = XOS_BUF(AUTH_CERT_BYTES_MAX);
    struct xos_slice chain[3];
    struct claim c;
    XT_TRY(open_claim(&c, &err));
    XT_TRY(job_open(&c, &err));
    XT_TRY(job_make(&c, &err));
    XT_TRY(job_show(&c, &p, &err));
    assert_int_equal(p.life_ms, AUTH_JOB_LIFE_MS_MAX);
    XT_TRY(issue(&c, &p, &der, &err));
    struct auth_context ctx = c.s.world.ctx;
    ctx.slot = AUTH_KIND_JOB;
    fixture_chain(&c.s.f, &der, chain);
    XT_TRY(auth_verify(chain, 3, &ctx, &who, &err));
    assert_int_equal(who.job.epoch, 7);
    assert_memory_equal(who.job.grant_hash, c.g.hash, XOS_HASH_BYTES);
    assert_memory_equal(who.key, xos_key_public(c.s.fresh), XOS_KEY_PUBLIC_BYTES);
    assert_true(auth_rights_within(&who.job.rights, &c.g.rights));
    assert_true(who.to_ms <= FIXTURE_NOW_MS + AUTH_JOB_LIFE_MS_MAX);
    /* Again, as a renewal: a new nonce, the head's signature anew, hours after the user left. */
    ca_proof_free(&p);
    XT_REFUSED(job_show(&c, &p, &err), XOS_REPLAYED);
    c.s.world.ctx.now_ms = FIXTURE_NOW_MS + 16 * AUTH_HOUR_MS;
    c.a.issued_ms = c.s.world.ctx.now_ms;
    c.a.claim_deadline_ms = c.a.issued_ms + 10000;
    XT_TRY(sign_assignment(&c, c.s.f.node.key, &err));
    XT_TRY(scene_nonce(&c.s, 3, &err));
    XT_TRY(job_make(&c, &err));
    XT_TRY(job_show(&c, &p, &err));
out:
    auth_principal_free(&who);
    ca_proof_free(&p);
    xos_buf_free(&der);
    close_claim(&c);
}

static void w_unit(struct claim *c)
{
    c->job.unit = xos_pb_text("inria-1042.4");
}
static void w_epoch(struct claim *c)
{
    c->job.epoch = 8;
}
static void w_node(struct claim *c)
{
    c->job.node = xos_pb_text("n2.inria");
}
static void w_grant(struct claim *c)
{
    c->job.grant_hash = root_of(c);
}
static void w_root(struct claim *c)
{
    c->job.root_hash = scene_bytes(c->g.hash, XOS_HASH_BYTES);
}
static void w_elsewhere(struct claim *c)
{
    c->job.unit = xos_pb_text("vu-1042.3");
}
static void w_by_another(struct claim *c)
{
    c->by = c->s.other;
}
static void w_user_as_node(struct claim *c)
{
    c->by = c->s.f.user.key;
    open_chain(&c->s, &c->s.f.user.der, c->chain);
}
static void w_spec(struct claim *c)
{
    c->spec = "another specification";
}
static void w_spec_unit(struct claim *c)
{
    c->spec = "";
}
static void assign(struct claim *c, const struct xos_key *by)
{
    if (sign_assignment(c, by, NULL) < 0)
        c->assignment.len = 0;
}
static void w_assigned_to_another(struct claim *c)
{
    c->a.node.part[1] = '2';
    assign(c, c->s.f.node.key);
}
static void w_assigned_unit(struct claim *c)
{
    c->a.unit.index = 4;
    assign(c, c->s.f.node.key);
}
static void w_assigned_epoch(struct claim *c)
{
    c->a.epoch = 6;
    assign(c, c->s.f.node.key);
}
static void w_assigned_by_another(struct claim *c)
{
    assign(c, c->s.other);
}
static void w_assigned_long_ago(struct claim *c)
{
    c->a.claim_deadline_ms = c->a.issued_ms + AUTH_HOUR_MS;
    assign(c, c->s.f.node.key);
    c->s.world.ctx.now_ms += CA_ASSIGNMENT_AGE_MS_MAX + 1;
}
static void w_deadline_passed(struct claim *c)
{
    c->s.world.ctx.now_ms += 10000 + AUTH_SKEW_MS_MAX + 1;
}
static void w_fenced(struct claim *c)
{
    if (ca_epochs_note(c->s.epochs, &c->a.unit, 8, FIXTURE_NOW_MS + 1000, FIXTURE_NOW_MS, NULL) < 0)
        c->statement.len = 0;
}
static void w_grant_swapped(struct claim *c)
{
    c->grant.data[c->grant.len - 1] ^= 1;
}

static void no_other_node_gets_it(void **state)
{
    (void)state;
    static const struct change changes[] = {
        {w_unit, NULL, XOS_DENIED},
        {w_epoch, NULL, XOS_DENIED},
        {w_node, NULL, XOS_DENIED},
        {w_grant, NULL, XOS_DENIED},
        {w_root, NULL, XOS_DENIED},
        {w_elsewhere, NULL, XOS_DENIED},
        {w_by_another, NULL, XOS_DENIED},
        {w_user_as_node, NULL, XOS_DENIED},
        {w_spec, NULL, XOS_DENIED},
        {w_spec_unit, NULL, XOS_DENIED},
        {w_assigned_to_another, NULL, XOS_DENIED},
        {w_assigned_unit, NULL, XOS_DENIED},
        {w_assigned_epoch, NULL, XOS_DENIED},
        {w_assigned_by_another, NULL, XOS_DENIED},
        {NULL, w_assigned_long_ago, XOS_EXPIRED},
        {NULL, w_deadline_passed, XOS_EXPIRED},
        {NULL, w_fenced, XOS_STALE},
        {NULL, w_grant_swapped, XOS_DENIED},
        {NULL, revoke_grant, XOS_DENIED},
        {NULL, revoke_new_key, XOS_DENIED},
        {NULL, bad_possession, XOS_DENIED},
        {possession_of_another, NULL, XOS_DENIED},
        {NULL, statement_flipped, XOS_DENIED},
        {NULL, late, XOS_EXPIRED},
        {j_nonce, NULL, XOS_DENIED},
    };
    refuse_all(&job_case, changes, COUNT(changes));
}

static void a_refusal_needs_no_memory(void **state)
{
    (void)state;
    static const struct change change = {NULL, bad_possession, XOS_DENIED};
    refuse(&join_case, &change);
    refuse(&renew_case, &change);
    refuse(&job_case, &change);
}

/* The tables */

static void tokens_come_back_from_their_file(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf file = XOS_BUF(CA_TOKENS_BYTES_MAX);
    struct ca_tokens again = {0};
    struct claim c;
    XT_TRY(open_claim(&c, &err));
    XT_TRY(join_open(&c, &err));
    XT_TRY(ca_tokens_encode(&c.tokens, &file, &err));
    XT_TRY(ca_tokens_decode(&again, fixture_slice(&file), &err));
    assert_int_equal(again.count, 1);
    assert_memory_equal(&again.at[0], &c.tokens.at[0], sizeof(again.at[0]));
    ca_tokens_free(&again);
    file.data[3] ^= 0x80;
    file.len--;
    assert_int_equal(ca_tokens_decode(&again, fixture_slice(&file), NULL), -1);
out:
    ca_tokens_free(&again);
    xos_buf_free(&file);
    close_claim(&c);
}

static void a_tokens_life_is_bounded(void **state)
{
    (void)state;
    static const struct {
        int64_t life_ms;
        uint32_t roles;
        bool provisioned;
        int rc;
    } rows[] = {
        {CA_TOKEN_LIFE_MS, AUTH_NODE_HEAD, false, 0},
        {CA_TOKEN_LIFE_MS + 1, AUTH_NODE_HEAD, false, -1},
        {0, AUTH_NODE_WORKER, false, -1},
        {1000, 0, false, -1},
        {1000, 16, false, -1},
        {CA_TOKEN_PROVISIONED_MS_MAX, AUTH_NODE_WORKER, true, 0},
        {CA_TOKEN_PROVISIONED_MS_MAX + 1, AUTH_NODE_WORKER, true, -1},
        {1000, AUTH_NODE_HEAD, true, -1},
        {1000, AUTH_NODE_WORKER | AUTH_NODE_STORAGE, true, -1},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(
            ca_token_life_check(rows[i].life_ms, rows[i].roles, rows[i].provisioned, NULL),
            rows[i].rc);
}

static void epochs_are_forgotten_only_when_they_may(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct ca_epochs *e = NULL;
    struct auth_name unit = {.kind = AUTH_NAME_UNIT, .institution = "inria", .job = 1};
    XT_TRY(ca_epochs_new(&e, 2, &err));
    XT_TRY(ca_epochs_note(e, &unit, 3, 1000, 0, &err));
    XT_TRY(ca_epochs_note(e, &unit, 5, 900, 0, &err));
    XT_TRY(ca_epochs_note(e, &unit, 4, 800, 0, &err));
    assert_int_equal(ca_epochs_newest(e, &unit), 5);
    unit.index = 1;
    assert_int_equal(ca_epochs_newest(e, &unit), 0);
    XT_TRY(ca_epochs_note(e, &unit, 1, 1000, 0, &err));
    unit.index = 2;
    XT_REFUSED(ca_epochs_note(e, &unit, 1, 1000, 1000, &err), XOS_LIMIT);
    XT_TRY(ca_epochs_note(e, &unit, 1, 2000, 1001, &err));
    assert_int_equal(ca_epochs_count(e), 1);
out:
    ca_epochs_free(e);
}

static void a_tokens_text_is_copied_whole_or_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct auth_token t = {{1, 2, 3}, {4, 5, 6}}, again;
    char text[AUTH_TOKEN_TEXT_BYTES + 2];
    XT_TRY(auth_token_print(&t, text, &err));
    XT_TRY(auth_token_parse(&again, auth_slice(text), &err));
    assert_memory_equal(&t, &again, sizeof(t));
    const size_t len = strlen(text);
    text[len] = '\n';
    XT_TRY(auth_token_parse(&again, (struct xos_slice){(const uint8_t *)text, len + 1}, &err));
    for (size_t i = 0; i < len; i++) {
        const char was = text[i];
        text[i] = was == '0' ? '1' : '0';
        XT_REFUSED(auth_token_parse(&again, (struct xos_slice){(const uint8_t *)text, len}, &err),
                   XOS_INVALID);
        text[i] = was;
        XT_REFUSED(auth_token_parse(&again, (struct xos_slice){(const uint8_t *)text, i}, &err),
                   XOS_INVALID);
    }
out:
    return;
}

static const struct xt_test tests[] = {
    XT(a_token_admits_its_node_once),
    XT_PLAIN(a_token_admits_nothing_else),
    XT(an_old_key_renews_its_own_name),
    XT_PLAIN(nobody_renews_anything_else),
    XT(the_assigned_node_gets_the_jobs_certificate),
    XT_PLAIN(no_other_node_gets_it),
    XT(a_refusal_needs_no_memory),
    XT(tokens_come_back_from_their_file),
    XT(a_tokens_life_is_bounded),
    XT(epochs_are_forgotten_only_when_they_may),
    XT(a_tokens_text_is_copied_whole_or_refused),
};
XT_MAIN(tests)
