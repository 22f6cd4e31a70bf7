// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: nodes do not trust what their institution says, or trust what it has taken
 * back; a member of a VO cannot act for it, or a stranger can; a root that nobody compared is
 * trusted. */
#include "libxos/wire/pb.h"
#include "tests/lib/home.h"
#include "tests/lib/xtest.h"
#include "vo-auth/ca.pb-c.h"
#include "vo-auth/ca/admin.h"
#include "vo-auth/ca/institution.h"
#include "vo-auth/ca/service.h"
#include "vo-auth/ca/slots.h"
#include "vo-auth/trust.h"

#include <stdio.h>
#include <string.h>

static struct scene {
    char ca[128], root[128], trust[128];
    struct xos_buf said, answer;
    struct ca_state state;
    struct ca_institution inst;
    struct ca_slots *slots;
    struct ca_service *service;
    struct auth_trust *t;
} s;

/* xos-ca --NAME SUBJECT …, at this institution. */
static int admin(const char *name, const char *subject, const struct ca_admin *more,
                 struct xos_error *err)
{
    struct ca_admin a = more ? *more : (struct ca_admin){.state = NULL};
    a.state = s.ca;
    a.root_dir = s.root;
    a.subject = subject;
    xos_buf_clear(&s.said);
    for (size_t i = 0; ca_command(i); i++)
        if (strcmp(ca_command(i)->option, name) == 0)
            return ca_command(i)->run(&a, xos_env_posix(), &s.said, err);
    return xos_fail(err, XOS_INTERNAL, "no command %s", name);
}

static int set_up(struct xos_error *err)
{
    static unsigned count;
    static const char *const folders[] = {"ca", "root", "trust"};
    struct xos_env *env = xos_env_posix();
    char *const paths[] = {s.ca, s.root, s.trust};
    int top = xos_env_dir_open(env, xt_dir(), err), rc = top < 0 ? -1 : 0;
    s.state.dir = -1;
    s.said = XOS_BUF(4096);
    s.answer = XOS_BUF(1 << 20);
    count++;
    for (size_t i = 0; rc == 0 && i < 3; i++) {
        (void)snprintf(paths[i], sizeof(s.ca), "%s/%s%u", xt_dir(), folders[i], count);
        if (i > 0)
            rc = xos_env_dir_make(env, top, strrchr(paths[i], '/') + 1, 0700, err);
    }
    xos_env_close(env, top);
    const struct ca_admin vo = {.admin = "alice@inria"};
    const struct ca_admin member = {.vo = "climate", .rights = "prod prod:runner"};
    if (rc < 0 || admin("create", "inria", NULL, err) < 0 ||
        admin("vo-create", "climate", &vo, err) < 0 ||
        admin("vo-add", "alice@inria", &member, err) < 0 ||
        ca_state_open(&s.state, env, s.ca, err) < 0 ||
        ca_institution_open(&s.inst, &s.state, err) < 0 ||
        ca_slots_open(&s.slots, &s.state, err) < 0)
        return -1;
    return ca_service_new(&s.service, &s.state, s.ca, err);
}

static void tear_down(void)
{
    auth_trust_free(s.t);
    ca_service_free(s.service);
    ca_slots_free(s.slots);
    ca_institution_close(&s.inst);
    ca_state_close(&s.state);
    xos_buf_free(&s.said);
    xos_buf_free(&s.answer);
    s = (struct scene){.t = NULL};
}

/* A certificate of this CA. */
static int certify(enum auth_kind kind, const char *part, struct xos_buf *out,
                   struct xos_error *err)
{
    struct auth_node_facts facts = {.curve_key = {1}, .roles = AUTH_NODE_WORKER};
    struct auth_cert_request r = {.kind = kind, .node = kind == AUTH_KIND_NODE ? &facts : NULL};
    struct xos_key *key = NULL;
    r.from_ms = xos_env_real_ms(xos_env_posix());
    r.to_ms = r.from_ms + AUTH_HOUR_MS;
    r.name.kind = kind == AUTH_KIND_NODE ? AUTH_NAME_NODE : AUTH_NAME_USER;
    (void)snprintf(r.name.part, sizeof(r.name.part), "%s", part);
    (void)snprintf(r.name.institution, sizeof(r.name.institution), "inria");
    memset(r.serial, 0x41, sizeof(r.serial));
    if (xos_key_generate(&key, err) < 0)
        return -1;
    memcpy(r.key, xos_key_public(key), sizeof(r.key));
    xos_key_free(key);
    return ca_slot_certify(s.slots, s.inst.slot, out, &r,
                           (struct xos_slice){s.inst.ca.data, s.inst.ca.len}, err);
}

static int verify(const struct xos_buf *leaf, const struct auth_principal **who,
                  struct xos_error *err)
{
    const struct xos_slice chain[2] = {{leaf->data, leaf->len}, {s.inst.ca.data, s.inst.ca.len}};
    return auth_trust_verify(s.t, chain, 2, AUTH_KIND_USER, xos_env_real_ms(xos_env_posix()), who,
                             err);
}

/* What xos-ca answers, as an error; its body stays in s.answer. */
static int ask(const char *verb, const struct xos_buf *leaf, const char *vo, Ca__Answer **out,
               struct xos_error *err)
{
    Ca__AttrRequest m = CA__ATTR_REQUEST__INIT;
    Ca__Request r = CA__REQUEST__INIT;
    ProtobufCBinaryData chain[2] = {{leaf->len, leaf->data}, {s.inst.ca.len, s.inst.ca.data}};
    struct xos_buf body = XOS_BUF(65536), frame = XOS_BUF(65536);
    m.n_chain = 2;
    m.chain = chain;
    m.vo = xos_pb_text(vo);
    int rc = xos_pb_pack(&m, &body, err);
    r.id = 1;
    r.verb = xos_pb_text(verb);
    r.body = (ProtobufCBinaryData){body.len, body.data};
    if (rc == 0)
        rc = xos_pb_pack(&r, &frame, err);
    xos_buf_clear(&s.answer);
    if (rc == 0)
        rc =
            ca_service_answer(s.service, (struct xos_slice){frame.data, frame.len}, &s.answer, err);
    if (rc == 0 && !(*out = xos_pb_unpack(&ca__answer__descriptor,
                                          (struct xos_slice){s.answer.data, s.answer.len}, 1 << 20,
                                          XOS_PB_TOLERANT, err)))
        rc = -1;
    if (rc == 0 && (*out)->code) {
        rc = xos_fail(err, (enum xos_code)(*out)->code, "%.*s", (int)(*out)->text.len,
                      (const char *)(*out)->text.data);
        xos_pb_free(*out);
        *out = NULL;
    }
    xos_buf_free(&body);
    xos_buf_free(&frame);
    return rc;
}

static void what_is_published_is_trusted(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf alice = XOS_BUF(AUTH_CERT_BYTES_MAX);
    const struct auth_principal *who;
    XT_TRY(set_up(&err));
    XT_TRY(admin("publish", s.trust, NULL, &err));
    XT_TRY(auth_trust_open(&s.t, xos_env_posix(), s.trust, &err));
    assert_string_equal(auth_trust_institution(s.t, 0), "inria");
    assert_string_equal(auth_trust_vo(s.t, 0), "vo:climate@inria");
    XT_TRY(certify(AUTH_KIND_USER, "alice", &alice, &err));
    XT_TRY(verify(&alice, &who, &err));
    assert_string_equal(who->name.part, "alice");
    XT_TRY(admin("publish", s.trust, NULL, &err)); /* again changes nothing */
    XT_TRY(auth_trust_reload(s.t, &err));
    XT_TRY(admin("revoke", "xos://inria/user/alice", NULL, &err));
    XT_TRY(auth_trust_reload(s.t, &err));
    XT_TRY(verify(&alice, &who, &err)); /* not published yet */
    XT_TRY(admin("publish", s.trust, NULL, &err));
    XT_TRY(auth_trust_reload(s.t, &err));
    XT_REFUSED(verify(&alice, &who, &err), XOS_DENIED);
    XT_REFUSED(admin("publish", "/nowhere/at/all", NULL, &err), XOS_NOT_FOUND);
out:
    xos_buf_free(&alice);
    tear_down();
}

static int acts(const Ca__AttrList *list, const struct xos_buf *leaf, const char *as,
                struct xos_error *err)
{
    const struct auth_principal *who;
    struct auth_attr attr = {.memory = NULL};
    struct auth_name acting;
    int rc = verify(leaf, &who, err);
    if (rc == 0)
        rc = auth_name_parse_acting(&acting, auth_slice(as), NULL, err);
    if (rc == 0)
        rc = auth_trust_attr(s.t, &attr, &acting, xos_pb_slice(list->attrs[0]->attributes), who,
                             xos_env_real_ms(xos_env_posix()), err);
    auth_attr_free(&attr);
    return rc;
}

static void members_get_what_the_vo_says_of_them_alone(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf alice = XOS_BUF(AUTH_CERT_BYTES_MAX), bob = alice, node = alice;
    Ca__Answer *a = NULL;
    Ca__AttrList *list = NULL;
    XT_TRY(set_up(&err));
    XT_TRY(admin("publish", s.trust, NULL, &err));
    XT_TRY(auth_trust_open(&s.t, xos_env_posix(), s.trust, &err));
    XT_TRY(certify(AUTH_KIND_USER, "alice", &alice, &err));
    XT_TRY(certify(AUTH_KIND_USER, "bob", &bob, &err));
    XT_TRY(certify(AUTH_KIND_NODE, "n1", &node, &err));
    XT_TRY(ask("attrs", &alice, "", &a, &err));
    list = xos_pb_unpack(&ca__attr_list__descriptor, xos_pb_slice(a->body), 1 << 20,
                         XOS_PB_TOLERANT, &err);
    XT_PTR(list);
    assert_int_equal(list->n_attrs, 1);
    XT_TRY(acts(list, &alice, "vo:climate@inria/prod:runner", &err));
    XT_REFUSED(acts(list, &alice, "vo:climate@inria/ops", &err), XOS_DENIED);
    XT_REFUSED(acts(list, &bob, "vo:climate@inria/prod", &err),
               XOS_DENIED); /* hers, shown by him */
    xos_pb_free(list);
    xos_pb_free(a);
    list = NULL;
    a = NULL;
    XT_TRY(ask("attrs", &bob, "", &a, &err)); /* of a VO that he is not in, nothing */
    assert_int_equal(a->body.len, 0);
    xos_pb_free(a);
    a = NULL;
    XT_REFUSED(ask("attr", &bob, "vo:climate@inria", &a, &err), XOS_DENIED);
    XT_REFUSED(ask("attr", &alice, "vo:climate@vu", &a, &err), XOS_NOT_FOUND);
    XT_REFUSED(ask("attr", &alice, "vo:weather@inria", &a, &err), XOS_NOT_FOUND);
    XT_REFUSED(ask("attr", &alice, "climate/../../ca", &a, &err), XOS_INVALID);
    XT_REFUSED(ask("attrs", &node, "", &a, &err), XOS_DENIED);
    XT_REFUSED(ask("attr", &node, "vo:climate@inria", &a, &err), XOS_DENIED);
out:
    xos_pb_free(list);
    xos_pb_free(a);
    xos_buf_free(&alice);
    xos_buf_free(&bob);
    xos_buf_free(&node);
    tear_down();
}

static int put(const char *path, const struct xos_buf *bytes, struct xos_error *err)
{
    int dir = xos_env_dir_open(xos_env_posix(), s.trust, err);
    int rc = dir < 0 ? -1
                     : xos_env_file_replace(xos_env_posix(), dir, path, bytes->data, bytes->len,
                                            0644, err);
    xos_env_close(xos_env_posix(), dir);
    return rc;
}

/* A root is trusted by its fingerprint, which came another way. */
static void a_peer_is_who_was_compared(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct home vu = {.now_ms = 0};
    struct xos_buf text = XOS_BUF(64);
    char file[160], print[2 * XOS_HASH_BYTES + 1];
    const struct ca_admin wrong = {
        .fingerprint = "00000000000000000000000000000000000000000000000000000000000000aa"};
    const struct ca_admin none = {.fingerprint = "short"}, right = {.fingerprint = print};
    XT_TRY(set_up(&err));
    XT_TRY(home_open(&vu, xos_env_real_ms(xos_env_posix()), 3, &err)); /* calls itself inria */
    xos_hex(vu.root_hash, sizeof(vu.root_hash), print);
    (void)snprintf(file, sizeof(file), "%s/peer.der", s.trust);
    XT_TRY(put("peer.der", &vu.root, &err));
    XT_REFUSED(admin("peer-add", file, NULL, &err), XOS_INVALID);
    assert_non_null(strstr(err.text, print));
    XT_REFUSED(admin("peer-add", file, &none, &err), XOS_INVALID);
    XT_REFUSED(admin("peer-add", file, &wrong, &err), XOS_DENIED);
    XT_REFUSED(admin("peer-add", file, &right, &err),
               XOS_EXISTS); /* there is one of that name: us */
    XT_TRY(put("peer.der", &vu.ca, &err));
    XT_REFUSED(admin("peer-add", file, &right, &err), XOS_DENIED); /* no root */
    XT_TRY(xos_buf_add_text(&text, "no certificate", &err));
    XT_TRY(put("peer.der", &text, &err));
    XT_REFUSED(admin("peer-add", file, &right, &err), XOS_PROTOCOL);
    XT_REFUSED(admin("peer-add", "/no/such/file", &right, &err), XOS_NOT_FOUND);
    XT_REFUSED(admin("peer-remove", "vu", NULL, &err), XOS_NOT_FOUND);
    XT_REFUSED(admin("peer-remove", "../ca", NULL, &err), XOS_INVALID);
out:
    xos_buf_free(&text);
    home_close(&vu);
    tear_down();
}

static const struct xt_test tests[] = {
    XT_PLAIN(what_is_published_is_trusted),
    XT_PLAIN(members_get_what_the_vo_says_of_them_alone),
    XT_PLAIN(a_peer_is_who_was_compared),
};
XT_MAIN(tests)
