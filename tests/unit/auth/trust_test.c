// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a wrong file in the trust directory opens a door, or closes all of them. */
#include "libxos/wire/pb.h"
#include "tests/lib/home.h"
#include "tests/lib/vo_fixture.h"
#include "tests/lib/xtest.h"
#include "vo-auth/ca.pb-c.h"
#include "vo-auth/trust.h"

#include <stdio.h>
#include <string.h>

struct scene {
    struct vo_fixture v;
    struct clock_env clock;
    struct auth_trust *trust;
    int dir;
};

static int put(struct scene *s, const char *path, struct xos_slice bytes, struct xos_error *err)
{
    return xos_env_file_replace(xos_env_posix(), s->dir, path, bytes.data, bytes.len, 0644, err);
}

static int put_vo(struct scene *s, struct xos_error *err)
{
    char hex[2 * XOS_HASH_BYTES + 2];
    xos_hex(s->v.known.root_hash, XOS_HASH_BYTES, hex);
    memcpy(hex + 2 * (size_t)XOS_HASH_BYTES, "\n", 2);
    if (put(s, "vo/climate@inria.root", auth_slice(hex), err) < 0)
        return -1;
    return put(s, "vo/climate@inria.manifest", fixture_slice(&s->v.manifest), err);
}

/* A list that takes alice's name back. */
static int put_list(struct scene *s, uint64_t seq, const char *file, struct xos_error *err)
{
    struct fixture *f = &s->v.f;
    uint8_t entry[XOS_HASH_BYTES];
    struct xos_buf list = XOS_BUF(4096), out = XOS_BUF(8192);
    ProtobufCBinaryData chain[2] = {{f->ca.der.len, f->ca.der.data},
                                    {f->root.der.len, f->root.der.data}};
    Ca__Crl m = CA__CRL__INIT;
    struct auth_revocations *r = auth_revocations_new("inria", f->anchors.at[0].root_hash, err);
    int rc = r ? auth_revoke_subject(&s->v.alice.name, entry, err) : -1;
    if (rc == 0)
        rc = auth_revocations_add(r, AUTH_REVOKE_SUBJECT, entry, err);
    if (rc == 0) {
        r->seq = seq;
        r->issued_ms = FIXTURE_NOW_MS;
        rc = auth_revocations_sign(&list, r, f->ca.key, err);
    }
    m.list = (ProtobufCBinaryData){list.len, list.data};
    m.n_chain = 2;
    m.chain = chain;
    if (rc == 0)
        rc = xos_pb_pack(&m, &out, err);
    if (rc == 0)
        rc = put(s, file, fixture_slice(&out), err);
    auth_revocations_free(r);
    xos_buf_free(&list);
    xos_buf_free(&out);
    return rc;
}

static int scene_open(struct scene *s, const char *name, struct xos_error *err)
{
    static const char *const folders[] = {"roots", "vo", "crl"};
    struct xos_env *env = clock_env_init(&s->clock, FIXTURE_NOW_MS);
    int top = xos_env_dir_open(env, xt_dir(), err);
    s->dir = -1;
    s->trust = NULL;
    s->v = (struct vo_fixture){.f = {{0}}};
    int rc = top < 0 ? -1 : xos_env_dir_make(env, top, name, 0755, err);
    if (rc == 0)
        s->dir = xos_env_file_open(env, top, name, XOS_OPEN_READ, 0, err);
    xos_env_close(env, top);
    if (s->dir < 0)
        return -1;
    for (size_t i = 0; i < 3; i++)
        if (xos_env_dir_make(env, s->dir, folders[i], 0755, err) < 0)
            return -1;
    if (vo_fixture_open(&s->v, err) < 0)
        return -1;
    return put(s, "roots/inria.der", fixture_slice(&s->v.f.root.der), err);
}

static int scene_trust(struct scene *s, const char *name, struct xos_error *err)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", xt_dir(), name);
    return auth_trust_open(&s->trust, &s->clock.env, path, err);
}

static void scene_close(struct scene *s)
{
    static const char *const files[] = {"roots/inria.der",       "roots/vu.der",
                                        "vo/climate@inria.root", "vo/climate@inria.manifest",
                                        "crl/inria.crl",         "crl/vu.crl"};
    for (size_t i = 0; s->dir >= 0 && i < sizeof(files) / sizeof(files[0]); i++)
        (void)xos_env_remove(xos_env_posix(), s->dir, files[i], NULL);
    auth_trust_free(s->trust);
    xos_env_close(xos_env_posix(), s->dir);
    vo_fixture_close(&s->v);
}

static int verify_user(struct scene *s, const struct auth_principal **who, struct xos_error *err)
{
    struct xos_slice chain[3];
    fixture_chain(&s->v.f, &s->v.f.user.der, chain);
    return auth_trust_verify(s->trust, chain, 2, AUTH_KIND_USER, FIXTURE_NOW_MS, who, err);
}

static void what_the_directory_says_is_trusted(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct scene s;
    struct auth_attr attr = {0};
    struct auth_name acting;
    const struct auth_principal *who, *again;
    XT_TRY(scene_open(&s, "good", &err));
    XT_TRY(put_vo(&s, &err));
    XT_TRY(scene_trust(&s, "good", &err));
    assert_string_equal(auth_trust_institution(s.trust, 0), "inria");
    assert_null(auth_trust_institution(s.trust, 1));
    assert_string_equal(auth_trust_vo(s.trust, 0), "vo:climate@inria");
    XT_TRY(verify_user(&s, &who, &err));
    assert_string_equal(who->name.part, "alice");
    XT_TRY(verify_user(&s, &again, &err));
    assert_ptr_equal(who, again);
    XT_TRY(auth_name_parse_acting(&acting, auth_slice("vo:climate@inria/prod:runner"), NULL, &err));
    XT_TRY(auth_trust_attr(s.trust, &attr, &acting, fixture_slice(&s.v.attr), who, FIXTURE_NOW_MS,
                           &err));
    auth_attr_free(&attr);
    XT_TRY(auth_name_parse_acting(&acting, auth_slice("vo:climate@inria/ops"), NULL, &err));
    XT_REFUSED(auth_trust_attr(s.trust, &attr, &acting, fixture_slice(&s.v.attr), who,
                               FIXTURE_NOW_MS, &err),
               XOS_DENIED);
    XT_TRY(auth_name_parse_acting(&acting, auth_slice("vo:other@inria"), NULL, &err));
    XT_REFUSED(auth_trust_attr(s.trust, &attr, &acting, fixture_slice(&s.v.attr), who,
                               FIXTURE_NOW_MS, &err),
               XOS_DENIED);
out:
    auth_attr_free(&attr);
    scene_close(&s);
}

static void a_chain_that_ends_is_looked_at_again(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct scene s;
    struct xos_slice chain[3];
    const struct auth_principal *who;
    XT_TRY(scene_open(&s, "ends", &err));
    XT_TRY(scene_trust(&s, "ends", &err));
    XT_TRY(verify_user(&s, &who, &err));
    fixture_chain(&s.v.f, &s.v.f.user.der, chain);
    XT_REFUSED(auth_trust_verify(s.trust, chain, 2, AUTH_KIND_USER, FIXTURE_NOW_MS + AUTH_DAY_MS,
                                 &who, &err),
               XOS_EXPIRED);
    XT_REFUSED(auth_trust_verify(s.trust, chain, 2, AUTH_KIND_NODE, FIXTURE_NOW_MS, &who, &err),
               XOS_DENIED);
out:
    scene_close(&s);
}

/* What is remembered serves the checks of grants too: in its time, for its slot, that chain alone.
 */
static void what_was_verified_is_known_to_every_check(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct scene s;
    struct xos_slice chain[3];
    struct auth_context ctx;
    struct auth_principal who = {0}, other = {0};
    const struct auth_principal *first;
    XT_TRY(scene_open(&s, "known", &err));
    XT_TRY(scene_trust(&s, "known", &err));
    fixture_chain(&s.v.f, &s.v.f.user.der, chain);
    auth_trust_context(s.trust, AUTH_KIND_USER, FIXTURE_NOW_MS, &ctx);
    assert_false(ctx.recall(ctx.recall_arg, chain, 2, AUTH_KIND_USER, FIXTURE_NOW_MS, &who));
    XT_TRY(auth_verify(chain, 2, &ctx, &who, &err));
    assert_false(ctx.recall(ctx.recall_arg, chain, 2, AUTH_KIND_USER, FIXTURE_NOW_MS, &other));
    XT_TRY(verify_user(&s, &first, &err));
    XT_TRY(auth_verify(chain, 2, &ctx, &other, &err));
    assert_memory_equal(other.key, who.key, sizeof(who.key));
    assert_memory_equal(&other, first, sizeof(other));
    assert_false(ctx.recall(ctx.recall_arg, chain, 2, AUTH_KIND_NODE, FIXTURE_NOW_MS, &other));
    assert_false(ctx.recall(ctx.recall_arg, chain, 1, AUTH_KIND_USER, FIXTURE_NOW_MS, &other));
    ctx.now_ms += AUTH_DAY_MS;
    XT_REFUSED(auth_verify(chain, 2, &ctx, &other, &err), XOS_EXPIRED);
out:
    auth_principal_free(&who);
    scene_close(&s);
}

static void a_reload_takes_back_and_never_goes_back(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct scene s;
    const struct auth_principal *who;
    XT_TRY(scene_open(&s, "back", &err));
    XT_TRY(scene_trust(&s, "back", &err));
    XT_TRY(verify_user(&s, &who, &err));
    XT_TRY(put_list(&s, 5, "crl/inria.crl", &err));
    XT_TRY(auth_trust_reload(s.trust, &err));
    XT_REFUSED(verify_user(&s, &who, &err), XOS_DENIED);
    XT_TRY(put_list(&s, 4, "crl/inria.crl", &err));
    XT_REFUSED(auth_trust_reload(s.trust, &err), XOS_STALE);
    XT_REFUSED(verify_user(&s, &who, &err), XOS_DENIED);
    XT_TRY(put_list(&s, 6, "crl/inria.crl", &err));
    XT_TRY(put(&s, "roots/vu.der", fixture_slice(&s.v.f.root.der), &err));
    XT_REFUSED(auth_trust_reload(s.trust, &err), XOS_DENIED); /* inria's root under another name */
    XT_REFUSED(verify_user(&s, &who, &err), XOS_DENIED);
out:
    scene_close(&s);
}

static void a_file_that_is_wrong_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *file, *text;
        enum xos_code code;
    } rows[] = {
        {"roots/vu.der", "no certificate", XOS_PROTOCOL},
        {"vo/climate@inria.root", "nonsense\n", XOS_INVALID},
        {"vo/climate@inria.manifest", "nonsense", XOS_PROTOCOL},
        {"crl/inria.crl", "nonsense", XOS_PROTOCOL},
    };
    struct xos_error err = {0};
    struct scene s;
    const struct auth_principal *who;
    XT_TRY(scene_open(&s, "wrong", &err));
    XT_TRY(scene_trust(&s, "wrong", &err));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        XT_TRY(put_vo(&s, &err));
        XT_TRY(put(&s, rows[i].file, auth_slice(rows[i].text), &err));
        XT_REFUSED(auth_trust_reload(s.trust, &err), rows[i].code);
        XT_TRY(verify_user(&s, &who, &err));
        XT_TRY(xos_env_remove(xos_env_posix(), s.dir, rows[i].file, &err));
    }
    XT_TRY(put_list(&s, 2, "crl/vu.crl", &err));
    XT_REFUSED(auth_trust_reload(s.trust, &err), XOS_DENIED);
out:
    scene_close(&s);
}

static const struct xt_test tests[] = {
    XT(what_the_directory_says_is_trusted),        XT(a_chain_that_ends_is_looked_at_again),
    XT(what_was_verified_is_known_to_every_check), XT(a_reload_takes_back_and_never_goes_back),
    XT(a_file_that_is_wrong_changes_nothing),
};
XT_MAIN(tests)
