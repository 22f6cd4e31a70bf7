// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: somebody acts under a name that is not theirs, or whose time is over. */
#include "tests/lib/forge.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

static int verify(const struct fixture *f, const struct xos_buf *leaf, enum auth_kind slot,
                  struct xos_error *err)
{
    struct auth_context ctx = f->ctx;
    struct auth_principal p = {0};
    struct xos_slice chain[3] = {fixture_slice(leaf), fixture_slice(&f->ca.der),
                                 fixture_slice(&f->root.der)};
    if (slot == AUTH_KIND_CA)
        chain[1] = chain[2];
    ctx.slot = slot;
    int rc = auth_verify(chain, slot == AUTH_KIND_CA ? 2 : 3, &ctx, &p, err);
    auth_principal_free(&p);
    return rc;
}

static void a_changed_bit_is_seen(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct fixture f;
    unsigned flips = 0;
    XT_TRY(fixture_open(&f, "inria", 1, &err));
    struct xos_buf *const certs[] = {&f.job.der, &f.ca.der, &f.root.der};
    for (size_t c = 0; c < COUNT(certs); c++)
        for (size_t i = 0; i < certs[c]->len; i++) {
            const uint8_t bit = (uint8_t)(1u << (i * 5 % 8));
            certs[c]->data[i] ^= bit;
            if (verify(&f, &f.job.der, AUTH_KIND_JOB, &err) == 0)
                fail_msg("certificate %zu, byte %zu, bit %#x", c, i, bit);
            certs[c]->data[i] ^= bit;
            flips++;
        }
    assert_true(flips > 600);
    XT_TRY(verify(&f, &f.job.der, AUTH_KIND_JOB, &err));
out:
    fixture_close(&f);
}

static void only_whole_certificates_pass(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct fixture f;
    struct xos_buf longer = XOS_BUF(65536);
    XT_TRY(fixture_open(&f, "inria", 1, &err));
    const size_t whole = f.user.der.len;
    for (f.user.der.len = 0; f.user.der.len < whole; f.user.der.len++)
        if (verify(&f, &f.user.der, AUTH_KIND_USER, &err) == 0)
            fail_msg("the first %zu bytes pass", f.user.der.len);
    XT_TRY(xos_buf_add(&longer, f.user.der.data, whole, &err));
    for (int i = 0; i < 3; i++) {
        XT_TRY(xos_buf_add(&longer, "\0", 1, &err));
        XT_REFUSED(verify(&f, &longer, AUTH_KIND_USER, &err), XOS_PROTOCOL);
    }
    /* The outer length in three bytes: BER, not DER. */
    xos_buf_clear(&longer);
    XT_TRY(xos_buf_add(&longer, "\x30\x83\x00", 3, &err));
    XT_TRY(xos_buf_add(&longer, f.user.der.data + 2, whole - 2, &err));
    XT_REFUSED(verify(&f, &longer, AUTH_KIND_USER, &err), XOS_PROTOCOL);
    xos_buf_clear(&longer);
    while (longer.len <= AUTH_CERT_BYTES_MAX)
        XT_TRY(xos_buf_add(&longer, f.user.der.data, whole, &err));
    XT_REFUSED(verify(&f, &longer, AUTH_KIND_USER, &err), XOS_LIMIT);
out:
    xos_buf_free(&longer);
    fixture_close(&f);
}

static void the_chain_has_one_shape(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct fixture f, vu;
    struct auth_principal p = {0};
    struct xos_buf sub = XOS_BUF(AUTH_CERT_BYTES_MAX);
    struct xos_slice c[4];
    memset(&vu, 0, sizeof(vu));
    XT_TRY(fixture_open(&f, "inria", 1, &err));
    XT_TRY(fixture_open(&vu, "vu", 2, &err));
    fixture_chain(&f, &f.user.der, c);
    c[3] = c[2];
    XT_REFUSED(auth_verify(c, 0, &f.ctx, &p, &err), XOS_DENIED);
    XT_REFUSED(auth_verify(c, 1, &f.ctx, &p, &err), XOS_DENIED);
    XT_REFUSED(auth_verify(c, 4, &f.ctx, &p, &err), XOS_DENIED);
    XT_TRY(auth_verify(c, 2, &f.ctx, &p, &err));
    /* another root than the registered one */
    c[2] = fixture_slice(&vu.root.der);
    XT_REFUSED(auth_verify(c, 3, &f.ctx, &p, &err), XOS_DENIED);
    static const uint8_t big[AUTH_CERT_BYTES_MAX + 1];
    c[2] = (struct xos_slice){big, sizeof(big)};
    XT_REFUSED(auth_verify(c, 3, &f.ctx, &p, &err), XOS_LIMIT);
    /* leaf under leaf, CA under CA */
    c[0] = c[1] = fixture_slice(&f.user.der);
    XT_REFUSED(auth_verify(c, 2, &f.ctx, &p, &err), XOS_DENIED);
    /* a user certified by a user: the second has the leaf's form, so it is no CA */
    X509 *x = forge_parse(&f.user.der);
    XT_TRY(forge_sign(x, f.user.key, &sub, &err));
    c[0] = fixture_slice(&sub);
    c[1] = fixture_slice(&f.user.der);
    XT_REFUSED(auth_verify(c, 2, &f.ctx, &p, &err), XOS_DENIED);
out:
    auth_principal_free(&p);
    xos_buf_free(&sub);
    fixture_close(&f);
    fixture_close(&vu);
}

/* Every CA tries to issue every other institution's names. */
static void no_institution_speaks_for_another(void **state)
{
    (void)state;
    static const char *const names[] = {"inria", "vu", "kit"};
    struct xos_error err = {0};
    struct fixture f[COUNT(names)];
    struct auth_anchors all = {0};
    struct xos_buf leaf = XOS_BUF(AUTH_CERT_BYTES_MAX), ca = XOS_BUF(AUTH_CERT_BYTES_MAX);
    memset(f, 0, sizeof(f));
    for (size_t i = 0; i < COUNT(names); i++) {
        XT_TRY(fixture_open(&f[i], names[i], (uint8_t)(i + 1), &err));
        XT_TRY(auth_anchors_add(&all, names[i], fixture_slice(&f[i].root.der), &err));
    }
    for (size_t by = 0; by < COUNT(names); by++)
        for (size_t of = 0; of < COUNT(names); of++) {
            struct auth_principal p = {0};
            struct auth_context ctx = f[by].ctx;
            struct xos_slice c[3];
            /* the victim's certificate, signed by this CA as its own */
            X509 *x = forge_parse(&f[of].user.der);
            XT_TRY(forge_sign(x, f[by].ca.key, &leaf, &err));
            ctx.anchors = &all;
            fixture_chain(&f[by], &leaf, c);
            int rc = auth_verify(c, 3, &ctx, &p, &err);
            auth_principal_free(&p);
            if (!xt_starving())
                assert_int_equal(rc, by == of ? 0 : -1);
            if (by == of)
                continue;
            /* under the victim's own CA's certificate */
            c[1] = fixture_slice(&f[of].ca.der);
            c[2] = fixture_slice(&f[of].root.der);
            XT_REFUSED(auth_verify(c, 3, &ctx, &p, &err), XOS_DENIED);
            /* under its own CA with the name of the victim, signed by its own root */
            x = forge_parse(&f[of].ca.der);
            (void)X509_set_pubkey(x, xos_key_evp(f[by].ca.key));
            XT_TRY(forge_sign(x, f[by].root.key, &ca, &err));
            c[1] = fixture_slice(&ca);
            XT_REFUSED(auth_verify(c, 3, &ctx, &p, &err), XOS_DENIED);
            XT_REFUSED(auth_verify(c, 2, &ctx, &p, &err), XOS_DENIED);
        }
out:
    xos_buf_free(&leaf);
    xos_buf_free(&ca);
    auth_anchors_free(&all);
    for (size_t i = 0; i < COUNT(names); i++)
        fixture_close(&f[i]);
}

static void a_principal_says_what_the_certificate_says(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct fixture f;
    struct auth_principal p = {0};
    struct xos_slice c[3];
    char text[AUTH_NAME_BYTES_MAX + 1];
    XT_TRY(fixture_open(&f, "inria", 1, &err));
    fixture_chain(&f, &f.job.der, c);
    f.ctx.slot = AUTH_KIND_JOB;
    XT_TRY(auth_verify(c, 3, &f.ctx, &p, &err));
    auth_name_print(&p.name, text);
    assert_string_equal(text, "inria-1042.3");
    auth_name_print(&p.job.node, text);
    assert_string_equal(text, "n1.inria");
    assert_int_equal(p.job.epoch, 7);
    assert_memory_equal(p.job.grant_hash, f.job_facts.grant_hash, XOS_HASH_BYTES);
    assert_int_equal(auth_rights_check_action(&p.job.rights, auth_slice("job.run"), NULL), 0);
    assert_memory_equal(p.key, xos_key_public(f.job.key), XOS_KEY_PUBLIC_BYTES);
    assert_memory_equal(p.root_hash, f.anchors.at[0].root_hash, XOS_HASH_BYTES);
    assert_int_equal(p.from_ms, FIXTURE_NOW_MS - 600000);
    assert_int_equal(p.to_ms, FIXTURE_NOW_MS - 600000 + AUTH_JOB_LIFE_MS_MAX);
    assert_int_equal(p.until_ms, p.to_ms);
    assert_int_equal(p.expired_for_ms, 0);
    auth_principal_free(&p);
    fixture_chain(&f, &f.node.der, c);
    f.ctx.slot = AUTH_KIND_NODE;
    XT_TRY(auth_verify(c, 2, &f.ctx, &p, &err));
    assert_int_equal(p.node.roles, AUTH_NODE_HEAD | AUTH_NODE_WORKER);
    assert_int_equal(p.node.curve_key[3], 0xc3);
    auth_principal_free(&p);
    f.ctx.slot = AUTH_KIND_CA;
    XT_TRY(auth_verify(&c[1], 2, &f.ctx, &p, &err));
    assert_int_equal(p.kind, AUTH_KIND_CA);
out:
    auth_principal_free(&p);
    fixture_close(&f);
}

/* The clock's two edges, and the two windows in which renewal is still possible. */
static void time_has_edges(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct fixture f;
    struct auth_principal p = {0};
    struct xos_slice c[3];
    XT_TRY(fixture_open(&f, "inria", 1, &err));
    fixture_chain(&f, &f.user.der, c);
    const int64_t from = FIXTURE_NOW_MS - 600000, to = from + AUTH_USER_LIFE_MS_MAX;
    const struct {
        int64_t now;
        int64_t expired_ms_max;
        enum xos_code code;
        int64_t expired_for;
    } moments[] = {
        {from - AUTH_SKEW_MS_MAX, 0, XOS_NONE, 0},
        {from - AUTH_SKEW_MS_MAX - 1, 0, XOS_CLOCK, 0},
        {from - AUTH_SKEW_MS_MAX - 1, AUTH_RENEWAL_MS_MAX, XOS_CLOCK, 0},
        {to + AUTH_SKEW_MS_MAX, 0, XOS_NONE, 0},
        {to + AUTH_SKEW_MS_MAX + 1, 0, XOS_EXPIRED, 0},
        {to + AUTH_SKEW_MS_MAX + 1, AUTH_RENEWAL_LINK_MS_MAX, XOS_NONE, AUTH_SKEW_MS_MAX + 1},
        {to + AUTH_RENEWAL_LINK_MS_MAX, AUTH_RENEWAL_LINK_MS_MAX, XOS_NONE,
         AUTH_RENEWAL_LINK_MS_MAX},
        {to + AUTH_RENEWAL_LINK_MS_MAX + 1, AUTH_RENEWAL_LINK_MS_MAX, XOS_EXPIRED, 0},
        {to + AUTH_RENEWAL_MS_MAX, AUTH_RENEWAL_MS_MAX, XOS_NONE, AUTH_RENEWAL_MS_MAX},
        {to + AUTH_RENEWAL_MS_MAX + 1, AUTH_RENEWAL_MS_MAX, XOS_EXPIRED, 0},
        {from + AUTH_CA_LIFE_MS_MAX + AUTH_RENEWAL_MS_MAX + AUTH_DAY_MS, AUTH_RENEWAL_MS_MAX,
         XOS_EXPIRED, 0},
    };
    for (size_t i = 0; i < COUNT(moments); i++) {
        f.ctx.now_ms = moments[i].now;
        f.ctx.expired_ms_max = moments[i].expired_ms_max;
        if (moments[i].code) {
            XT_REFUSED(auth_verify(c, 3, &f.ctx, &p, &err), moments[i].code);
            continue;
        }
        XT_TRY(auth_verify(c, 3, &f.ctx, &p, &err));
        assert_int_equal(p.expired_for_ms, moments[i].expired_for);
        auth_principal_free(&p);
    }
    /* the error shows the difference */
    f.ctx.now_ms = from - 95000;
    f.ctx.expired_ms_max = 0;
    XT_REFUSED(auth_verify(c, 3, &f.ctx, &p, &err), XOS_CLOCK);
    if (!xt_starving())
        assert_non_null(strstr(err.text, "1m35s"));
    /* a job certificate is never renewed with its old key */
    fixture_chain(&f, &f.job.der, c);
    f.ctx.slot = AUTH_KIND_JOB;
    f.ctx.expired_ms_max = AUTH_RENEWAL_MS_MAX;
    f.ctx.now_ms = to;
    XT_REFUSED(auth_verify(c, 3, &f.ctx, &p, &err), XOS_EXPIRED);
out:
    fixture_close(&f);
}

/* What our own critical extensions hold, signed by the right CA. */
static void facts_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        size_t len;
    } values[] = {
        {"", 0},                 /* nothing */
        {"\x04\x00", 2},         /* an empty message: no key */
        {"\x04\x02\xff\xff", 4}, /* no message */
        {"\x05\x00", 2},         /* no OCTET STRING */
        {"\x04\x81\x00", 3},     /* length in long form */
        {"\x04\x05\x00", 3},     /* longer than it is */
    };
    struct xos_error err = {0};
    struct fixture f;
    struct xos_buf leaf = XOS_BUF(AUTH_CERT_BYTES_MAX);
    XT_TRY(fixture_open(&f, "inria", 1, &err));
    for (size_t i = 0; i < COUNT(values); i++)
        for (enum auth_kind kind = AUTH_KIND_NODE; kind <= AUTH_KIND_JOB; kind++) {
            X509 *x = forge_parse(kind == AUTH_KIND_NODE ? &f.node.der : &f.job.der);
            forge_extension(
                x, kind == AUTH_KIND_NODE ? AUTH_OID_ARC_TEXT ".2.1" : AUTH_OID_ARC_TEXT ".2.2",
                true, (struct xos_slice){(const uint8_t *)values[i].value, values[i].len});
            XT_TRY(forge_sign(x, f.ca.key, &leaf, &err));
            XT_REFUSED(verify(&f, &leaf, kind, &err), XOS_PROTOCOL);
            if (!xt_starving())
                assert_non_null(strstr(err.text, "facts"));
        }
    /* the facts of one unit under the name of another */
    X509 *x = forge_parse(&f.job.der);
    forge_uri(x, "xos://inria/job/1042.4");
    forge_extension_last(x, AUTH_OID_ARC_TEXT ".2.2");
    XT_TRY(forge_sign(x, f.ca.key, &leaf, &err));
    XT_REFUSED(verify(&f, &leaf, AUTH_KIND_JOB, &err), XOS_DENIED);
    if (!xt_starving())
        assert_string_equal(err.text, "facts: the job facts are those of another unit");
out:
    xos_buf_free(&leaf);
    fixture_close(&f);
}

static void what_is_revoked_is_denied(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct fixture f;
    struct auth_principal p[2];
    memset(p, 0, sizeof(p));
    struct xos_slice c[3];
    XT_TRY(fixture_open(&f, "inria", 1, &err));
    fixture_chain(&f, &f.user.der, c);
    XT_TRY(auth_verify(c, 3, &f.ctx, &p[0], &err));
    f.ctx.slot = AUTH_KIND_CA;
    XT_TRY(auth_verify(&c[1], 1, &f.ctx, &p[1], &err));
    f.ctx.slot = AUTH_KIND_USER;
    for (size_t who = 0; who < 2; who++) {
        uint8_t subject[XOS_HASH_BYTES];
        XT_TRY(auth_revoke_subject(&p[who].name, subject, &err));
        const uint8_t *const entries[] = {p[who].serial, p[who].key_hash, subject};
        for (unsigned kind = 0; kind < COUNT(entries); kind++) {
            struct auth_revocations *list =
                auth_revocations_new("inria", f.anchors.at[0].root_hash, &err);
            XT_PTR(list);
            const struct auth_revocations *const lists[] = {list};
            f.ctx.revocations = lists;
            f.ctx.revocation_count = 1;
            struct auth_principal q = {0};
            int empty = auth_verify(c, 3, &f.ctx, &q, &err);
            auth_principal_free(&q);
            int added =
                auth_revocations_add(list, (enum auth_revoke_kind)kind, entries[kind], &err);
            int rc = auth_verify(c, 3, &f.ctx, &q, &err);
            auth_principal_free(&q);
            auth_revocations_free(list);
            if (!xt_starving()) {
                assert_int_equal(empty, 0);
                assert_int_equal(added, 0);
                assert_int_equal(rc, -1);
                assert_non_null(strstr(err.text, "revocation: "));
            }
        }
    }
out:
    auth_principal_free(&p[0]);
    auth_principal_free(&p[1]);
    fixture_close(&f);
}

static const struct xt_test tests[] = {
    XT_PLAIN(a_changed_bit_is_seen),
    XT_PLAIN(only_whole_certificates_pass),
    XT(the_chain_has_one_shape),
    XT(no_institution_speaks_for_another),
    XT(a_principal_says_what_the_certificate_says),
    XT(time_has_edges),
    XT(facts_are_read_strictly),
    XT(what_is_revoked_is_denied),
};
XT_MAIN(tests)
