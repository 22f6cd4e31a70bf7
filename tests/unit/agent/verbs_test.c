// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a command gets signed what the agent must not sign, or brings the agent down
 * and everybody's login with it. */
#include "libxos/wire/pb.h"
#include "tests/lib/home.h"
#include "tests/lib/xtest.h"
#include "vo-auth/agent/agent.pb-c.h"
#include "vo-auth/agent/verbs.h"
#include "vo-auth/ca.pb-c.h"

#include <stdio.h>
#include <string.h>

#define NOW INT64_C(1772366400000)

struct world {
    struct clock_env clock;
    struct home home;
    struct agent_state s;
    struct xos_buf answer, leaf;
    unsigned asked_ssh;
};

static int open_world(struct world *w, struct xos_error *err)
{
    *w = (struct world){.answer = XOS_BUF(AGENT_FRAME_BYTES_MAX),
                        .leaf = XOS_BUF(AUTH_CERT_BYTES_MAX)};
    w->s.env = clock_env_init(&w->clock, NOW);
    return home_open(&w->home, NOW, 0x10, err);
}

static void close_world(struct world *w)
{
    verbs_wipe(&w->s);
    xos_buf_free(&w->answer);
    xos_buf_free(&w->leaf);
    home_close(&w->home);
}

static int on_ssh(void *arg, const struct login_ssh_ask *ask, struct xos_error *err)
{
    struct world *w = arg;
    w->asked_ssh++;
    if (strcmp(ask->socket, "/none") == 0)
        return xos_fail(err, XOS_UNAVAILABLE, "ssh-agent is not running");
    return 0;
}

/* The frame of one request; the answer's code, as an error; its body, to be freed. */
static int ask(struct world *w, const char *verb, const ProtobufCMessage *body,
               const ProtobufCMessageDescriptor *type, void **out, struct xos_error *err)
{
    struct xos_buf inner = XOS_BUF(AGENT_FRAME_BYTES_MAX), frame = XOS_BUF(AGENT_FRAME_BYTES_MAX);
    Agent__Request m = AGENT__REQUEST__INIT;
    Agent__Answer *a = NULL;
    int rc = body ? xos_pb_pack(body, &inner, err) : 0;
    m.verb = xos_pb_text(verb);
    m.body = xos_pb_bytes((struct xos_slice){inner.data, inner.len});
    if (rc == 0)
        rc = xos_pb_pack(&m.base, &frame, err);
    xos_buf_clear(&w->answer);
    if (rc == 0 && verbs_run(&w->s, frame.data, frame.len, on_ssh, w, &w->answer)) {
        for (size_t i = 0; i < frame.len; i++)
            assert_int_equal(frame.data[i], 0); /* nothing of a passphrase stays */
        const struct xos_slice bytes = {w->answer.data, w->answer.len};
        a = bytes.len ? xos_pb_unpack(&agent__answer__descriptor, bytes, AGENT_FRAME_BYTES_MAX,
                                      XOS_PB_STRICT, err)
                      : NULL;
        rc = a ? 0 : xos_fail(err, XOS_NOMEM, "no answer");
    }
    if (a && a->code)
        rc = xos_fail(err, (enum xos_code)a->code, "%.*s", (int)a->text.len, a->text.data);
    else if (a && type &&
             !(*out = xos_pb_unpack(type, xos_pb_slice(a->body), AGENT_FRAME_BYTES_MAX,
                                    XOS_PB_STRICT, err)))
        rc = -1;
    xos_pb_free(a);
    xos_buf_free(&inner);
    xos_buf_free(&frame);
    return rc;
}

static int login(struct world *w, struct xos_error *err)
{
    Agent__Install m = AGENT__INSTALL__INIT;
    Agent__PublicAnswer *p = NULL;
    struct xos_buf vo = XOS_BUF(AUTH_ATTR_BYTES_MAX);
    struct xos_slice chain[3];
    ProtobufCBinaryData sent[3], attributes;
    int rc = ask(w, "public", NULL, &agent__public_answer__descriptor, (void **)&p, err);
    if (rc == 0)
        rc = home_certify(&w->home, AUTH_KIND_USER, "alice", p->key.data, NOW,
                          AUTH_USER_LIFE_MS_MAX, &w->leaf, err);
    if (rc == 0)
        rc = home_attributes(&w->home, "alice", p->key.data, &vo, err);
    home_chain(&w->home, &w->leaf, chain);
    for (size_t i = 0; i < 3; i++)
        sent[i] = xos_pb_bytes(chain[i]);
    attributes = xos_pb_bytes((struct xos_slice){vo.data, vo.len});
    m.n_chain = 3;
    m.chain = sent;
    m.n_attributes = 1;
    m.attributes = &attributes;
    if (rc == 0)
        rc = ask(w, "install", &m.base, NULL, NULL, err);
    xos_pb_free(p);
    xos_buf_free(&vo);
    return rc;
}

static uint8_t id_bytes[XOS_HASH_BYTES];

static void fill_request(Agent__SignRequest *m)
{
    agent__sign_request__init(m);
    m->verb = xos_pb_text("job.submit");
    m->vo = xos_pb_text("vo:climate@inria");
    m->to_institution = xos_pb_text("inria");
    m->request_id = (ProtobufCBinaryData){16, id_bytes};
    m->nonce = (ProtobufCBinaryData){16, id_bytes};
    m->operation_id = (ProtobufCBinaryData){16, id_bytes};
    m->body_sha256 = (ProtobufCBinaryData){32, id_bytes};
}

static void a_request_is_signed_with_its_papers(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w;
    Agent__SignRequest m;
    Agent__SignedRequest *a = NULL;
    Agent__StatusAnswer *s = NULL;
    struct auth_principal who = {0};
    fill_request(&m);
    XT_TRY(open_world(&w, &err));
    XT_REFUSED(ask(&w, "sign-request", &m.base, NULL, NULL, &err), XOS_NO_LOGIN);
    XT_TRY(login(&w, &err));
    XT_TRY(ask(&w, "sign-request", &m.base, &agent__signed_request__descriptor, (void **)&a, &err));
    assert_int_equal(a->n_chain, 2);
    const struct xos_slice chain[2] = {xos_pb_slice(a->chain[0]), xos_pb_slice(a->chain[1])};
    XT_TRY(auth_verify(chain, 2, &w.home.ctx, &who, &err));
    XT_TRY(xos_key_verify(who.key, XOS_REQUEST_DOMAIN, xos_pb_slice(a->header),
                          xos_pb_slice(a->signature), &err));
    assert_true(a->attributes.len > 0);
    XT_TRY(ask(&w, "status", NULL, &agent__status_answer__descriptor, (void **)&s, &err));
    assert_true(auth_slice_equal(xos_pb_slice(s->user), auth_slice("alice@inria")));
    assert_int_equal(s->n_vos, 1);
    assert_true(auth_slice_equal(xos_pb_slice(s->vos[0]->vo), auth_slice("vo:climate@inria")));
    assert_true(s->renewal_ms > (uint64_t)NOW);
    XT_TRY(ask(&w, "logout", NULL, NULL, NULL, &err));
    XT_REFUSED(ask(&w, "sign-request", &m.base, NULL, NULL, &err), XOS_NO_LOGIN);
    assert_int_equal(w.s.renew.due_ms, 0);
out:
    auth_principal_free(&who);
    xos_pb_free(a);
    xos_pb_free(s);
    close_world(&w);
}

static void long_verb(Agent__SignRequest *m)
{
    static uint8_t many[XOS_HEADER_NAME_MAX];
    memset(many, 'a', sizeof(many));
    m->verb = (ProtobufCBinaryData){sizeof(many), many};
}
static void no_verb(Agent__SignRequest *m)
{
    m->verb.len = 0;
}
static void zero_in_node(Agent__SignRequest *m)
{
    m->to_node = (ProtobufCBinaryData){4, id_bytes};
}
static void short_nonce(Agent__SignRequest *m)
{
    m->nonce.len = 15;
}
static void short_hash(Agent__SignRequest *m)
{
    m->body_sha256.len = 31;
}
static void both_ids(Agent__SignRequest *m)
{
    m->boot_id = m->operation_id;
}
static void no_id(Agent__SignRequest *m)
{
    m->operation_id.len = 0;
}
static void long_id(Agent__SignRequest *m)
{
    m->operation_id.len = 17;
}
static void long_life(Agent__SignRequest *m)
{
    m->life_ms = XOS_HEADER_LIFE_MS_MAX + 1;
}

static void requests_out_of_form_are_not_signed(void **state)
{
    (void)state;
    static const struct {
        void (*spoil)(Agent__SignRequest *m);
        enum xos_code code;
    } rows[] = {
        {long_verb, XOS_INVALID},    {no_verb, XOS_INVALID},     {zero_in_node, XOS_INVALID},
        {short_nonce, XOS_PROTOCOL}, {short_hash, XOS_PROTOCOL}, {both_ids, XOS_PROTOCOL},
        {no_id, XOS_PROTOCOL},       {long_id, XOS_PROTOCOL},    {long_life, XOS_LIMIT},
    };
    struct xos_error err = {0};
    struct world w;
    Agent__SignRequest m;
    XT_TRY(open_world(&w, &err));
    XT_TRY(login(&w, &err));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fill_request(&m);
        rows[i].spoil(&m);
        XT_REFUSED(ask(&w, "sign-request", &m.base, NULL, NULL, &err), rows[i].code);
    }
out:
    close_world(&w);
}

static void grants_take_only_what_is_the_callers_to_choose(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w;
    Agent__SignGrant m = AGENT__SIGN_GRANT__INIT;
    Agent__SignedGrant *a = NULL;
    struct auth_grant g = {0};
    uint8_t spec[XOS_HASH_BYTES];
    ProtobufCBinaryData actions[] = {xos_pb_text("job.run"), xos_pb_text("fs.read")}; /* unsorted */
    XT_TRY(open_world(&w, &err));
    XT_TRY(login(&w, &err));
    XT_TRY(xos_sha256(auth_slice("spec"), spec, &err));
    m.operation = (ProtobufCBinaryData){16, id_bytes};
    m.spec_hash = (ProtobufCBinaryData){32, spec};
    m.n_actions = 2;
    m.actions = actions;
    m.cpus = m.units = 1;
    m.mem_bytes = 1 << 20;
    m.walltime_ms = 1000;
    m.expires_ms = (uint64_t)NOW + 3600000;
    XT_TRY(ask(&w, "sign-grant", &m.base, &agent__signed_grant__descriptor, (void **)&a, &err));
    const struct xos_slice chain[2] = {xos_pb_slice(a->chain[0]), xos_pb_slice(a->chain[1])};
    const struct auth_grant_offer o = {xos_pb_slice(a->grant), chain, 2, auth_slice("spec"),
                                       AUTH_FRESH};
    XT_TRY(auth_grant_check(&g, &o, &w.home.ctx, &err));
    assert_string_equal(g.user.part, "alice");
    assert_string_equal(g.owner.institution, "inria");
    m.expires_ms = (uint64_t)(NOW + AUTH_GRANT_LIFE_MS_MAX + 1);
    XT_REFUSED(ask(&w, "sign-grant", &m.base, NULL, NULL, &err), XOS_DENIED);
    m.expires_ms = UINT64_MAX;
    XT_REFUSED(ask(&w, "sign-grant", &m.base, NULL, NULL, &err), XOS_PROTOCOL);
    m.expires_ms = (uint64_t)NOW + 3600000;
    m.walltime_ms = UINT64_MAX;
    XT_REFUSED(ask(&w, "sign-grant", &m.base, NULL, NULL, &err), XOS_LIMIT);
    m.walltime_ms = 1000;
    m.units = 0;
    XT_REFUSED(ask(&w, "sign-grant", &m.base, NULL, NULL, &err), XOS_LIMIT);
    m.units = 1;
    m.job = xos_pb_text("inria-1042");
    XT_REFUSED(ask(&w, "sign-grant", &m.base, NULL, NULL, &err), XOS_INVALID); /* and operation */
out:
    auth_grant_free(&g);
    xos_pb_free(a);
    close_world(&w);
}

static void a_locked_agent_signs_nothing(void **state)
{
    (void)state;
    static const char *const refused[] = {"public",     "install",  "sign-request",
                                          "sign-grant", "ssh-keys", "ssh-prove"};
    struct xos_error err = {0};
    struct world w;
    Agent__Lock lock = AGENT__LOCK__INIT;
    Agent__Unlock unlock = AGENT__UNLOCK__INIT;
    Agent__SignRequest m;
    Agent__StatusAnswer *s = NULL;
    fill_request(&m);
    XT_TRY(open_world(&w, &err));
    XT_TRY(login(&w, &err));
    lock.passphrase = xos_pb_text("sesame");
    XT_TRY(ask(&w, "lock", &lock.base, NULL, NULL, &err));
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        XT_REFUSED(ask(&w, refused[i], &m.base, NULL, NULL, &err), XOS_DENIED);
    XT_TRY(ask(&w, "status", NULL, &agent__status_answer__descriptor, (void **)&s, &err));
    assert_true(s->locked);
    unlock.passphrase = xos_pb_text("sesamf");
    XT_REFUSED(ask(&w, "unlock", &unlock.base, NULL, NULL, &err), XOS_DENIED);
    if (xt_starving())
        goto out; /* it was not even looked at */
    unlock.passphrase = xos_pb_text("sesame");
    XT_REFUSED(ask(&w, "unlock", &unlock.base, NULL, NULL, &err), XOS_BUSY);
    w.clock.boot_ms += 1000;
    XT_TRY(ask(&w, "unlock", &unlock.base, NULL, NULL, &err));
    XT_TRY(ask(&w, "sign-request", &m.base, NULL, NULL, &err));
out:
    xos_pb_free(s);
    close_world(&w);
}

static void what_it_does_not_know_is_refused(void **state)
{
    (void)state;
    static const uint8_t garbage[] = {0xff, 0xff, 0xff, 0xff, 0x0f};
    /* verb "lock", body with a field 15 that nobody knows */
    static const uint8_t unknown[] = {0x0a, 4, 'l', 'o', 'c', 'k', 0x12, 5, 0x0a, 1, 'p', 0x78, 1};
    struct xos_error err = {0};
    struct world w;
    uint8_t frame[16];
    XT_TRY(open_world(&w, &err));
    XT_REFUSED(ask(&w, "sign-bytes", NULL, NULL, NULL, &err), XOS_UNSUPPORTED);
    XT_REFUSED(ask(&w, "", NULL, NULL, NULL, &err), XOS_UNSUPPORTED);
    XT_REFUSED(ask(&w, "Public", NULL, NULL, NULL, &err), XOS_UNSUPPORTED);
    xos_buf_clear(&w.answer);
    memcpy(frame, garbage, sizeof(garbage));
    assert_true(verbs_run(&w.s, frame, sizeof(garbage), on_ssh, &w, &w.answer));
    memcpy(frame, unknown, sizeof(unknown));
    assert_true(verbs_run(&w.s, frame, sizeof(unknown), on_ssh, &w, &w.answer));
    assert_false(w.s.lock.locked);
    assert_true(verbs_run(&w.s, frame, 0, on_ssh, &w, &w.answer));
out:
    close_world(&w);
}

static void a_proof_by_ssh_is_for_the_agents_own_key(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w;
    Agent__SshProve m = AGENT__SSH_PROVE__INIT;
    XT_TRY(open_world(&w, &err));
    m.socket = xos_pb_text("/some/socket");
    m.nonce = (ProtobufCBinaryData){32, id_bytes};
    m.root_hash = (ProtobufCBinaryData){32, id_bytes};
    m.user = xos_pb_text("alice@inria");
    m.life_ms = 3600000;
    XT_TRY(ask(&w, "ssh-prove", &m.base, NULL, NULL, &err));
    assert_int_equal(w.asked_ssh, 1);
    assert_int_equal(w.answer.len, 0); /* later */
    m.socket = xos_pb_text("/none");
    XT_REFUSED(ask(&w, "ssh-prove", &m.base, NULL, NULL, &err), XOS_UNAVAILABLE);
    m.life_ms = (uint64_t)AUTH_USER_LIFE_MS_MAX + 1;
    XT_REFUSED(ask(&w, "ssh-prove", &m.base, NULL, NULL, &err), XOS_INVALID);
    m.life_ms = 1000;
    m.user = xos_pb_text("not a user");
    XT_REFUSED(ask(&w, "ssh-prove", &m.base, NULL, NULL, &err), XOS_PROTOCOL);
    m.user = xos_pb_text("alice@inria");
    m.nonce.len = 31;
    XT_REFUSED(ask(&w, "ssh-prove", &m.base, NULL, NULL, &err), XOS_PROTOCOL);
    m.socket = (ProtobufCBinaryData){4, id_bytes};
    m.nonce.len = 32;
    XT_REFUSED(ask(&w, "ssh-prove", &m.base, NULL, NULL, &err), XOS_INVALID);
    assert_true(w.asked_ssh == 2 || xt_starving());
out:
    close_world(&w);
}

/* Who answered */

static int put_list(struct world *w, int dir, const char *subject, struct xos_error *err)
{
    const struct home *h = &w->home;
    struct auth_name name = {.kind = AUTH_NAME_NODE, .institution = "inria"};
    uint8_t entry[XOS_HASH_BYTES];
    struct xos_buf list = XOS_BUF(4096), out = XOS_BUF(8192);
    ProtobufCBinaryData chain[2] = {{h->ca.len, h->ca.data}, {h->root.len, h->root.data}};
    Ca__Crl m = CA__CRL__INIT;
    struct auth_revocations *r = auth_revocations_new("inria", h->root_hash, err);
    (void)snprintf(name.part, sizeof(name.part), "%s", subject);
    int rc = r ? auth_revoke_subject(&name, entry, err) : -1;
    if (rc == 0)
        rc = auth_revocations_add(r, AUTH_REVOKE_SUBJECT, entry, err);
    if (rc == 0) {
        r->seq = 2;
        r->issued_ms = NOW;
        rc = auth_revocations_sign(&list, r, h->ca_key, err);
    }
    m.list = (ProtobufCBinaryData){list.len, list.data};
    m.n_chain = 2;
    m.chain = chain;
    if (rc == 0)
        rc = xos_pb_pack(&m, &out, err);
    if (rc == 0)
        rc =
            xos_env_file_replace(&w->clock.env, dir, "crl/inria.crl", out.data, out.len, 0644, err);
    auth_revocations_free(r);
    xos_buf_free(&list);
    xos_buf_free(&out);
    return rc;
}

/* The administrator's directory; what is in it is read from now on. */
static int open_trust(struct world *w, int *dir, struct xos_error *err)
{
    static const char *const folders[] = {"roots", "crl", "vo"};
    static char path[128];
    static unsigned count;
    char name[32];
    struct xos_env *env = &w->clock.env;
    (void)snprintf(name, sizeof(name), "trust%u", ++count);
    (void)snprintf(path, sizeof(path), "%s/%s", xt_dir(), name);
    int top = xos_env_dir_open(env, xt_dir(), err);
    int rc = top < 0 ? -1 : xos_env_dir_make(env, top, name, 0755, err);
    xos_env_close(env, top);
    if (rc < 0 || (*dir = xos_env_dir_open(env, path, err)) < 0)
        return -1;
    for (size_t i = 0; i < 3; i++)
        if (xos_env_dir_make(env, *dir, folders[i], 0755, err) < 0)
            return -1;
    w->s.trust_dir = path;
    return xos_env_file_replace(env, *dir, "roots/inria.der", w->home.root.data, w->home.root.len,
                                0644, err);
}

static int who_is(struct world *w, enum auth_kind kind, const char *name, const struct home *of,
                  struct xos_error *err)
{
    struct xos_buf leaf = XOS_BUF(AUTH_CERT_BYTES_MAX);
    struct xos_slice chain[3];
    ProtobufCBinaryData sent[2];
    Agent__VerifyNode m = AGENT__VERIFY_NODE__INIT;
    Agent__VerifyNodeAnswer *a = NULL;
    int rc =
        home_certify(of, kind, name, xos_key_public(of->vo_key), NOW, AUTH_HOUR_MS, &leaf, err);
    home_chain(of, &leaf, chain);
    for (size_t i = 0; i < 2; i++)
        sent[i] = xos_pb_bytes(chain[i]);
    m.n_chain = 2;
    m.chain = sent;
    if (rc == 0)
        rc = ask(w, "verify-node", &m.base, &agent__verify_node_answer__descriptor, (void **)&a,
                 err);
    if (rc == 0) {
        assert_int_equal(a->node.len, strlen(name) + strlen(".inria"));
        assert_memory_equal(a->node.data, name, strlen(name));
        assert_memory_equal(a->key.data, xos_key_public(of->vo_key), XOS_KEY_PUBLIC_BYTES);
        assert_false(a->head); /* a worker's certificate */
    }
    xos_pb_free(a);
    xos_buf_free(&leaf);
    return rc;
}

static void who_answered_is_said_by_his_certificate(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct home other = {.now_ms = 0};
    struct world w;
    Agent__VerifyNode none = AGENT__VERIFY_NODE__INIT;
    XT_TRY(open_world(&w, &err));
    XT_TRY(home_open(&other, NOW, 0x50, &err)); /* calls itself inria, too */
    XT_REFUSED(who_is(&w, AUTH_KIND_NODE, "n1", &w.home, &err), XOS_NO_LOGIN);
    XT_TRY(login(&w, &err));
    XT_TRY(who_is(&w, AUTH_KIND_NODE, "n1", &w.home, &err));
    XT_REFUSED(who_is(&w, AUTH_KIND_USER, "n1", &w.home, &err), XOS_DENIED);
    XT_REFUSED(who_is(&w, AUTH_KIND_NODE, "n1", &other, &err), XOS_DENIED);
    XT_REFUSED(ask(&w, "verify-node", &none.base, NULL, NULL, &err), XOS_DENIED);
    w.clock.real_ms += 2 * AUTH_HOUR_MS;
    XT_REFUSED(who_is(&w, AUTH_KIND_NODE, "n1", &w.home, &err), XOS_EXPIRED);
out:
    home_close(&other);
    close_world(&w);
}

/* A node of one's own institution that was stolen: within seconds nobody believes it. */
static void who_was_taken_back_is_not_believed(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w;
    int dir = -1;
    XT_TRY(open_world(&w, &err));
    XT_TRY(login(&w, &err));
    XT_TRY(open_trust(&w, &dir, &err));
    XT_TRY(who_is(&w, AUTH_KIND_NODE, "n2", &w.home, &err));
    XT_TRY(put_list(&w, dir, "n2", &err));
    w.clock.boot_ms += AGENT_TRUST_AGAIN_MS;
    XT_REFUSED(who_is(&w, AUTH_KIND_NODE, "n2", &w.home, &err), XOS_DENIED);
    XT_TRY(who_is(&w, AUTH_KIND_NODE, "n1", &w.home, &err));
    /* A torn file afterwards gives nothing back. */
    XT_TRY(xos_env_file_replace(&w.clock.env, dir, "crl/inria.crl", "torn", 4, 0644, &err));
    w.clock.boot_ms += AGENT_TRUST_AGAIN_MS;
    XT_REFUSED(who_is(&w, AUTH_KIND_NODE, "n2", &w.home, &err), XOS_DENIED);
    XT_TRY(who_is(&w, AUTH_KIND_NODE, "n1", &w.home, &err));
out:
    xos_env_close(&w.clock.env, dir);
    auth_trust_free(w.s.trust);
    close_world(&w);
}

static const struct xt_test tests[] = {
    XT(who_answered_is_said_by_his_certificate),
    XT_PLAIN(who_was_taken_back_is_not_believed),
    XT(a_request_is_signed_with_its_papers),
    XT(requests_out_of_form_are_not_signed),
    XT(grants_take_only_what_is_the_callers_to_choose),
    XT(a_locked_agent_signs_nothing),
    XT(what_it_does_not_know_is_refused),
    XT(a_proof_by_ssh_is_for_the_agents_own_key),
};
XT_MAIN(tests)
