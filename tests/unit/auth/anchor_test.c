// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a second institution takes the name of the first. */
#include "tests/lib/forge.h"
#include "tests/lib/xtest.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

static void two_roots_of_one_name_are_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct fixture one, two;
    char hex[2 * XOS_HASH_BYTES + 1];
    uint8_t hash[XOS_HASH_BYTES];
    memset(&two, 0, sizeof(two));
    XT_TRY(fixture_open(&one, "inria", 1, &err));
    XT_TRY(fixture_open(&two, "inria", 2, &err));
    XT_TRY(auth_anchors_add(&one.anchors, "inria", fixture_slice(&one.root.der), &err));
    assert_int_equal(one.anchors.count, 1);
    XT_REFUSED(auth_anchors_add(&one.anchors, "inria", fixture_slice(&two.root.der), &err),
               XOS_EXISTS);
    if (xt_starving())
        goto out;
    assert_int_equal(one.anchors.count, 1);
    xos_hex(one.anchors.at[0].root_hash, XOS_HASH_BYTES, hex);
    assert_non_null(strstr(err.text, hex));
    XT_TRY(xos_sha256(fixture_slice(&two.root.der), hash, &err));
    xos_hex(hash, XOS_HASH_BYTES, hex);
    assert_non_null(strstr(err.text, hex));
    auth_anchors_remove(&one.anchors, "nobody");
    auth_anchors_remove(&one.anchors, "inria");
    assert_null(auth_anchors_find(&one.anchors, "inria"));
    XT_TRY(auth_anchors_add(&one.anchors, "inria", fixture_slice(&two.root.der), &err));
out:
    fixture_close(&one);
    fixture_close(&two);
}

static void a_root_is_checked_when_registered(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct fixture f;
    struct auth_anchors set = {0};
    struct xos_buf der = XOS_BUF(AUTH_CERT_BYTES_MAX);
    XT_TRY(fixture_open(&f, "inria", 1, &err));
    XT_REFUSED(auth_anchors_add(&set, "vu", fixture_slice(&f.root.der), &err), XOS_DENIED);
    XT_REFUSED(auth_anchors_add(&set, "inria", fixture_slice(&f.ca.der), &err), XOS_DENIED);
    XT_REFUSED(auth_anchors_add(&set, "inria", fixture_slice(&f.user.der), &err), XOS_DENIED);
    /* signed by another key */
    XT_TRY(forge_sign(forge_parse(&f.root.der), f.ca.key, &der, &err));
    XT_REFUSED(auth_anchors_add(&set, "inria", fixture_slice(&der), &err), XOS_DENIED);
    /* for a century */
    X509 *x = forge_parse(&f.root.der);
    forge_times(x, FIXTURE_NOW_MS, FIXTURE_NOW_MS + 10 * AUTH_ROOT_LIFE_MS_MAX);
    XT_TRY(forge_sign(x, f.root.key, &der, &err));
    XT_REFUSED(auth_anchors_add(&set, "inria", fixture_slice(&der), &err), XOS_DENIED);
    for (size_t i = 0; i < f.root.der.len; i += 17) {
        f.root.der.data[i] ^= 4;
        err.code = XOS_NONE;
        int rc = auth_anchors_add(&set, "inria", fixture_slice(&f.root.der), &err);
        f.root.der.data[i] ^= 4;
        assert_int_equal(rc, -1);
    }
    assert_int_equal(set.count, 0);
out:
    auth_anchors_free(&set);
    xos_buf_free(&der);
    fixture_close(&f);
}

/* A hardware module's root: P-256, with a CA of ours below it. */
static void a_p256_root_is_fine(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct fixture f;
    struct auth_anchors set = {0};
    struct auth_principal p = {0};
    struct xos_buf root = XOS_BUF(AUTH_CERT_BYTES_MAX), ca = XOS_BUF(AUTH_CERT_BYTES_MAX);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    XT_TRY(fixture_open(&f, "inria", 1, &err));
    struct auth_cert_request r = {.kind = AUTH_KIND_ROOT,
                                  .name = {.kind = AUTH_NAME_ROOT, .institution = "inria"},
                                  .from_ms = FIXTURE_NOW_MS - 600000,
                                  .to_ms = FIXTURE_NOW_MS + AUTH_DAY_MS * 3650};
    struct auth_issuer self = {{NULL, 0}, key}, by = {{NULL, 0}, key};
    XT_TRY(auth_cert_issue(&root, &r, &self, &err));
    XT_TRY(auth_anchors_add(&set, "inria", fixture_slice(&root), &err));
    r.kind = AUTH_KIND_CA;
    r.name.kind = AUTH_NAME_CA;
    r.to_ms = r.from_ms + AUTH_CA_LIFE_MS_MAX;
    memcpy(r.key, xos_key_public(f.ca.key), sizeof(r.key));
    by.der = fixture_slice(&root);
    XT_TRY(auth_cert_issue(&ca, &r, &by, &err));
    struct auth_issuer issuer = {fixture_slice(&ca), xos_key_evp(f.ca.key)};
    xos_buf_clear(&f.user.der);
    r.kind = AUTH_KIND_USER;
    r.name = f.job_facts.user;
    r.to_ms = r.from_ms + AUTH_USER_LIFE_MS_MAX;
    memcpy(r.key, xos_key_public(f.user.key), sizeof(r.key));
    XT_TRY(auth_cert_issue(&f.user.der, &r, &issuer, &err));
    struct xos_slice c[] = {fixture_slice(&f.user.der), fixture_slice(&ca), fixture_slice(&root)};
    f.ctx.anchors = &set;
    XT_TRY(auth_verify(c, 3, &f.ctx, &p, &err));
out:
    auth_principal_free(&p);
    auth_anchors_free(&set);
    xos_buf_free(&root);
    xos_buf_free(&ca);
    EVP_PKEY_free(key);
    fixture_close(&f);
}

static void many_roots_are_found(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct fixture f[5];
    struct auth_anchors set = {0};
    char name[16];
    memset(f, 0, sizeof(f));
    for (int i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof(name), "i%d", (i * 3) % 5);
        XT_TRY(fixture_open(&f[i], name, (uint8_t)(i + 1), &err));
        XT_TRY(auth_anchors_add(&set, name, fixture_slice(&f[i].root.der), &err));
    }
    for (int i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof(name), "i%d", i);
        const struct auth_anchor *a = auth_anchors_find(&set, name);
        assert_non_null(a);
        assert_string_equal(a->institution, name);
    }
    assert_null(auth_anchors_find(&set, "i5"));
out:
    auth_anchors_free(&set);
    for (int i = 0; i < 5; i++)
        fixture_close(&f[i]);
}

static const struct xt_test tests[] = {
    XT(two_roots_of_one_name_are_refused),
    XT(a_root_is_checked_when_registered),
    XT(a_p256_root_is_fine),
    XT(many_roots_are_found),
};
XT_MAIN(tests)
