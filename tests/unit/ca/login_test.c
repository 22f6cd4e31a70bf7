// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: somebody logs in as somebody else, or a signature made for another purpose,
 * site or moment opens a session. */
#include "tests/lib/ssh_forge.h"
#include "tests/unit/ca/ca_scene.h"

struct login {
    struct ca_scene s;
    struct auth_login_terms terms; /* what is signed */
    enum ssh_forge_kind kind;
    const char *algorithm, *digest;
    struct ssh_forge_bytes enrolled, key, signature;
    char user[64];
    uint8_t nonce[AUTH_NONCE_BYTES]; /* what the message says */
    uint8_t fresh[XOS_KEY_PUBLIC_BYTES];
    int64_t life_ms;
};

static int open_login(struct login *l, struct xos_error *err)
{
    memset(l, 0, sizeof(*l));
    if (scene_open(&l->s, err) < 0)
        return -1;
    l->kind = SSH_ED25519;
    l->algorithm = "ssh-ed25519";
    ssh_forge_line(&l->enrolled, l->kind);
    l->terms.user = l->s.f.job_facts.user;
    l->life_ms = l->terms.life_ms = AUTH_HOUR_MS;
    memcpy(l->user, "alice@inria", 12);
    memcpy(l->terms.nonce, l->s.nonce, AUTH_NONCE_BYTES);
    memcpy(l->nonce, l->s.nonce, AUTH_NONCE_BYTES);
    memcpy(l->terms.root_hash, l->s.world.root_hash, XOS_HASH_BYTES);
    memcpy(l->terms.key, xos_key_public(l->s.fresh), XOS_KEY_PUBLIC_BYTES);
    memcpy(l->fresh, l->terms.key, sizeof(l->fresh));
    return 0;
}

static int sign(struct login *l, struct xos_error *err)
{
    struct xos_buf blob = XOS_BUF(AUTH_LOGIN_BLOB_BYTES_MAX);
    int rc = auth_login_blob(&blob, &l->terms, err);
    if (rc == 0) {
        ssh_forge_blob(&l->key, l->kind);
        ssh_forge_sign(&l->signature, l->kind, l->algorithm, l->digest, fixture_slice(&blob));
    }
    xos_buf_free(&blob);
    return rc;
}

static int show(struct login *l, struct ca_proof *p, struct xos_error *err)
{
    Ca__Login m = CA__LOGIN__INIT;
    m.user = xos_pb_text(l->user);
    m.nonce = scene_bytes(l->nonce, sizeof(l->nonce));
    m.key = scene_bytes(l->fresh, sizeof(l->fresh));
    m.life_ms = (uint64_t)l->life_ms;
    m.ssh_key = scene_bytes(l->key.at, l->key.len);
    m.ssh_signature = scene_bytes(l->signature.at, l->signature.len);
    return ca_prove_login(p, &m, ssh_forge_slice(&l->enrolled), &l->s.world, err);
}

static const struct {
    enum ssh_forge_kind kind;
    const char *algorithm, *digest;
} good[] = {
    {SSH_ED25519, "ssh-ed25519", NULL},
    {SSH_P256, "ecdsa-sha2-nistp256", "SHA256"},
    {SSH_RSA, "rsa-sha2-512", "SHA512"},
};

static void an_enrolled_key_logs_in_once(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct login l;
    struct ca_proof p = {0};
    XT_TRY(open_login(&l, &err));
    for (size_t i = 0; i < COUNT(good); i++) {
        l.kind = good[i].kind;
        l.algorithm = good[i].algorithm;
        l.digest = good[i].digest;
        ssh_forge_line(&l.enrolled, l.kind);
        XT_TRY(scene_nonce(&l.s, (uint8_t)(10 + i), &err));
        memcpy(l.nonce, l.s.nonce, sizeof(l.nonce));
        memcpy(l.terms.nonce, l.s.nonce, sizeof(l.nonce));
        XT_TRY(sign(&l, &err));

        XT_TRY(show(&l, &p, &err));
        assert_int_equal(p.kind, CA_PROOF_LOGIN);
        assert_int_equal(p.cert, AUTH_KIND_USER);
        assert_true(auth_name_equal(&p.name, &l.terms.user));
        assert_memory_equal(p.key, l.terms.key, sizeof(p.key));
        assert_int_equal(p.life_ms, AUTH_HOUR_MS);
        ca_proof_free(&p);
        XT_REFUSED(show(&l, &p, &err), XOS_REPLAYED);
    }
out:
    scene_close(&l.s);
}

/* Changes before the signature change what is signed, those after it what is shown. */
static void other_user_signed(struct login *l)
{
    memcpy(l->terms.user.part, "bob", 4);
}
static void other_root(struct login *l)
{
    l->terms.root_hash[5] ^= 1;
}
static void other_life(struct login *l)
{
    l->terms.life_ms++;
}
static void other_nonce_signed(struct login *l)
{
    l->terms.nonce[9] ^= 1;
}
static void key_of_another(struct login *l)
{
    l->kind = SSH_ED25519_OTHER;
}
static void rsa_as_sha1(struct login *l)
{
    l->kind = SSH_RSA;
    l->algorithm = "ssh-rsa";
    l->digest = "SHA1";
    ssh_forge_line(&l->enrolled, SSH_RSA);
}
static void rsa_says_ed25519(struct login *l)
{
    rsa_as_sha1(l);
    l->algorithm = "ssh-ed25519";
    l->digest = "SHA256";
}
static void rsa_other_digest(struct login *l)
{
    rsa_as_sha1(l);
    l->algorithm = "rsa-sha2-512";
    l->digest = "SHA256";
}
static void short_rsa(struct login *l)
{
    l->kind = SSH_RSA_SHORT;
    l->algorithm = "rsa-sha2-512";
    l->digest = "SHA512";
    ssh_forge_line(&l->enrolled, SSH_RSA_SHORT);
}
static void user_of_another(struct login *l)
{
    memcpy(l->user, "bob@inria", 10);
}
static void user_elsewhere(struct login *l)
{
    memcpy(l->user, "alice@vu", 9);
}
static void user_bad(struct login *l)
{
    memcpy(l->user, "../alice", 9);
}
static void new_key_swapped(struct login *l)
{
    memcpy(l->fresh, xos_key_public(l->s.other), sizeof(l->fresh));
}
static void life_swapped(struct login *l)
{
    l->life_ms = 2 * AUTH_HOUR_MS;
}
static void life_too_long(struct login *l)
{
    l->life_ms = AUTH_USER_LIFE_MS_MAX + 1;
}
static void life_negative(struct login *l)
{
    l->life_ms = -1;
}
static void nonce_forged(struct login *l)
{
    l->nonce[31] ^= 1;
}
static void nonce_redated(struct login *l)
{
    l->nonce[7]++;
}
static void late(struct login *l)
{
    l->s.world.boot_ms += (uint64_t)AUTH_NONCE_LIFE_MS + 1;
}
static void nobody_enrolled(struct login *l)
{
    l->enrolled.len = 0;
}
static void enrolled_with_options(struct login *l)
{
    struct ssh_forge_bytes line = l->enrolled;
    memcpy(l->enrolled.at, "from=\"10.0.0.1\" ", 16);
    memcpy(l->enrolled.at + 16, line.at, line.len);
    l->enrolled.len = line.len + 16;
}
static void enrolled_in_a_comment(struct login *l)
{
    struct ssh_forge_bytes line = l->enrolled;
    l->enrolled.at[0] = '#';
    memcpy(l->enrolled.at + 1, line.at, line.len);
    l->enrolled.len = line.len + 1;
}
static void signature_cut(struct login *l)
{
    l->signature.len--;
}
static void signature_empty(struct login *l)
{
    l->signature.len = 0;
}
static void signature_longer(struct login *l)
{
    l->signature.at[l->signature.len++] = 0;
}
static void signature_flipped(struct login *l)
{
    l->signature.at[l->signature.len - 1] ^= 1;
}
static void key_longer(struct login *l)
{
    l->key.at[l->key.len++] = 0;
}
/* What `ssh-keygen -Y sign -n file` makes of the same message. */
static void other_namespace(struct login *l)
{
    struct xos_buf blob = XOS_BUF(AUTH_LOGIN_BLOB_BYTES_MAX);
    if (auth_login_blob(&blob, &l->terms, NULL) == 0) {
        blob.data[6 + 4] = 'y';
        ssh_forge_sign(&l->signature, l->kind, l->algorithm, l->digest, fixture_slice(&blob));
    } else
        l->signature.len = 0;
    xos_buf_free(&blob);
}
/* The message without the structure around it. */
static void bare_message(struct login *l)
{
    struct xos_buf text = XOS_BUF(1024);
    if (auth_login_message(&text, &l->terms, NULL) == 0)
        ssh_forge_sign(&l->signature, l->kind, l->algorithm, l->digest, fixture_slice(&text));
    else
        l->signature.len = 0;
    xos_buf_free(&text);
}

static const struct {
    void (*before)(struct login *l);
    void (*after)(struct login *l);
    enum xos_code wanted;
} bad[] = {
    {other_user_signed, NULL, XOS_DENIED},
    {other_root, NULL, XOS_DENIED},
    {other_life, NULL, XOS_DENIED},
    {other_nonce_signed, NULL, XOS_DENIED},
    {key_of_another, NULL, XOS_DENIED},
    {rsa_as_sha1, NULL, XOS_DENIED},
    {rsa_says_ed25519, NULL, XOS_DENIED},
    {rsa_other_digest, NULL, XOS_DENIED},
    {short_rsa, NULL, XOS_PROTOCOL},
    {NULL, user_of_another, XOS_DENIED},
    {NULL, user_elsewhere, XOS_DENIED},
    {NULL, user_bad, XOS_PROTOCOL},
    {NULL, new_key_swapped, XOS_DENIED},
    {NULL, life_swapped, XOS_DENIED},
    {NULL, life_too_long, XOS_DENIED},
    {NULL, life_negative, XOS_DENIED},
    {NULL, nonce_forged, XOS_DENIED},
    {NULL, nonce_redated, XOS_DENIED},
    {NULL, late, XOS_EXPIRED},
    {NULL, nobody_enrolled, XOS_DENIED},
    {NULL, enrolled_with_options, XOS_DENIED},
    {NULL, enrolled_in_a_comment, XOS_DENIED},
    {NULL, signature_cut, XOS_PROTOCOL},
    {NULL, signature_empty, XOS_PROTOCOL},
    {NULL, signature_longer, XOS_PROTOCOL},
    {NULL, signature_flipped, XOS_DENIED},
    {NULL, key_longer, XOS_DENIED},
    {NULL, other_namespace, XOS_DENIED},
    {NULL, bare_message, XOS_DENIED},
};

static void anything_else_is_refused_and_spoils_nothing(void **state)
{
    (void)state;
    struct xos_error err = {0};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct login l;
        struct ca_proof p = {0};
        XT_TRY(open_login(&l, &err));
        if (bad[i].before)
            bad[i].before(&l);
        XT_TRY(sign(&l, &err));
        if (bad[i].after)
            bad[i].after(&l);

        XT_REFUSED(show(&l, &p, &err), bad[i].wanted);
        assert_int_equal(p.kind, CA_PROOF_NONE);
        /* The nonce was not used up by it. */
        if (bad[i].after != late)
            XT_TRY(ca_nonce_use(l.s.nonces, l.s.nonce, SCENE_BOOT_MS, &err));
    out:
        scene_close(&l.s);
        if (err.code == XOS_NOMEM)
            return;
    }
}

static void who_is_revoked_does_not_log_in(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct login l;
    struct ca_proof p = {0};
    uint8_t entry[XOS_HASH_BYTES];
    XT_TRY(open_login(&l, &err));
    XT_TRY(sign(&l, &err));
    XT_TRY(auth_revoke_subject(&l.terms.user, entry, &err));
    XT_TRY(auth_revocations_add(l.s.revoked, AUTH_REVOKE_SUBJECT, entry, &err));
    XT_REFUSED(show(&l, &p, &err), XOS_DENIED);
out:
    scene_close(&l.s);
}

static const struct xt_test tests[] = {
    XT(an_enrolled_key_logs_in_once),
    XT_PLAIN(anything_else_is_refused_and_spoils_nothing),
    XT(who_is_revoked_does_not_log_in),
};
XT_MAIN(tests)
