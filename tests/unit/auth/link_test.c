// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: one certificate has two readings, ours and a peer's. */
#include "tests/lib/forge.h"
#include "tests/lib/xtest.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

static int read_with_times(const struct fixture *f, const char *from, int from_type, const char *to,
                           int to_type, struct auth_link *link, struct xos_error *err)
{
    struct xos_buf der = XOS_BUF(AUTH_CERT_BYTES_MAX);
    X509 *x = forge_parse(&f->user.der);
    ASN1_TIME *times[] = {X509_getm_notBefore(x), X509_getm_notAfter(x)};
    (void)ASN1_STRING_set(times[0], from, -1);
    (void)ASN1_STRING_set(times[1], to, -1);
    times[0]->type = from_type;
    times[1]->type = to_type;
    int rc = forge_sign(x, f->ca.key, &der, err);
    if (rc == 0)
        rc = auth_link_read(link, fixture_slice(&der), AUTH_KIND_USER, err);
    xos_buf_free(&der);
    return rc;
}

#define UTC V_ASN1_UTCTIME
#define LONG V_ASN1_GENERALIZEDTIME

static void times_have_one_form(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int type;
        int64_t ms;
    } good[] = {
        {"700101000000Z", UTC, 0},
        {"000229000000Z", UTC, INT64_C(951782400000)},
        {"260301120000Z", UTC, FIXTURE_NOW_MS},
        {"491231235959Z", UTC, INT64_C(2524607999000)},
        {"20500101000000Z", LONG, INT64_C(2524608000000)},
        {"99991231235959Z", LONG, INT64_C(253402300799000)},
    };
    static const struct {
        const char *text;
        int type;
    } bad[] = {
        {"2603011200Z", UTC},
        {"260301120000+0100", UTC},
        {"26030112000Z", UTC},
        {"260301120000z", UTC},
        {"260229000000Z", UTC},
        {"261301000000Z", UTC},
        {"260001000000Z", UTC},
        {"260100000000Z", UTC},
        {"260132000000Z", UTC},
        {"260301240000Z", UTC},
        {"260301126000Z", UTC},
        {"260301120060Z", UTC},
        {"690101000000Z", UTC},
        {"2603011200 0Z", UTC},
        {"20260301120000Z", LONG},
        {"20500101000000.5Z", LONG},
        {"2050010100Z", LONG},
        {"20500431000000Z", LONG},
        {"", UTC},
    };
    struct xos_error err = {0};
    struct fixture f;
    struct auth_link link = {0};
    XT_TRY(fixture_open(&f, "inria", 1, &err));
    for (size_t i = 0; i < COUNT(good); i++) {
        XT_TRY(read_with_times(&f, good[i].text, good[i].type, good[i].text, good[i].type, &link,
                               &err));
        assert_int_equal(link.from_ms, good[i].ms);
        assert_int_equal(link.to_ms, good[i].ms);
        auth_link_free(&link);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        err.code = XOS_NONE;
        assert_int_equal(
            read_with_times(&f, bad[i].text, bad[i].type, "260301120000Z", UTC, &link, &err), -1);
        assert_int_equal(
            read_with_times(&f, "260301120000Z", UTC, bad[i].text, bad[i].type, &link, &err), -1);
    }
out:
    auth_link_free(&link);
    fixture_close(&f);
}

static void every_kind_is_only_itself(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct fixture f;
    struct auth_link link = {0};
    XT_TRY(fixture_open(&f, "inria", 1, &err));
    const struct fixture_cert *const certs[AUTH_KINDS] = {NULL,   &f.user, &f.node,
                                                          &f.job, &f.ca,   &f.root};
    for (enum auth_kind is = AUTH_KIND_USER; is < AUTH_KINDS; is++)
        for (enum auth_kind as = AUTH_KIND_USER; as < AUTH_KINDS; as++) {
            if (is == as) {
                XT_TRY(auth_link_read(&link, fixture_slice(&certs[is]->der), as, &err));
                auth_link_free(&link);
                continue;
            }
            XT_REFUSED(auth_link_read(&link, fixture_slice(&certs[is]->der), as, &err), XOS_DENIED);
            assert_null(link.x509);
        }
out:
    auth_link_free(&link);
    fixture_close(&f);
}

static void issuers_are_named(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct fixture f;
    struct auth_link user = {0}, ca = {0}, root = {0};
    XT_TRY(fixture_open(&f, "inria", 1, &err));
    XT_TRY(auth_link_read(&user, fixture_slice(&f.user.der), AUTH_KIND_USER, &err));
    XT_TRY(auth_link_read(&ca, fixture_slice(&f.ca.der), AUTH_KIND_CA, &err));
    XT_TRY(auth_link_read(&root, fixture_slice(&f.root.der), AUTH_KIND_ROOT, &err));
    assert_true(auth_link_names_issuer(&user, &ca));
    assert_true(auth_link_names_issuer(&ca, &root));
    assert_true(auth_link_names_issuer(&root, &root));
    assert_false(auth_link_names_issuer(&user, &root));
    assert_false(auth_link_names_issuer(&ca, &ca));
    assert_false(auth_link_names_issuer(&root, &ca));
out:
    auth_link_free(&user);
    auth_link_free(&ca);
    auth_link_free(&root);
    fixture_close(&f);
}

static const struct xt_test tests[] = {
    XT(times_have_one_form),
    XT(every_kind_is_only_itself),
    XT(issuers_are_named),
};
XT_MAIN(tests)
