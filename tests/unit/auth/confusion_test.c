// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a certificate made for one purpose opens a door that it was not made for.
 *
 * The matrix is generated: every kind of certificate in every slot, with every mutation, signed by
 * the very CA that the verifier trusts. Exactly the four unchanged certificates in their own slots
 * pass, and each refusal names its reason. */
#include "tests/lib/forge.h"
#include "tests/lib/xtest.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table[0]))
#define OTHER_OID "1.3.6.1.4.1.58888.9.9"

struct forging {
    const struct fixture *f;
    X509 *x;
    enum auth_kind kind;
    const struct xos_key *signer; /* may be replaced */
};

static struct xos_slice bytes(const void *data, size_t len)
{
    return (struct xos_slice){data, len};
}

#define EKU_OF(n) 0x06, 0x0a, AUTH_OID_ARC, 0x01, n
#define SERVER_AUTH 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01
#define VALUE(...) bytes((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void m_none(struct forging *g)
{
    (void)g;
}
static void m_expired(struct forging *g)
{
    forge_times(g->x, FIXTURE_NOW_MS - AUTH_HOUR_MS, FIXTURE_NOW_MS - 61000);
}
static void m_not_yet(struct forging *g)
{
    forge_times(g->x, FIXTURE_NOW_MS + 61000, FIXTURE_NOW_MS + AUTH_HOUR_MS);
}
static void m_backwards(struct forging *g)
{
    forge_times(g->x, FIXTURE_NOW_MS, FIXTURE_NOW_MS - 1000);
}
static void m_long_life(struct forging *g)
{
    forge_times(g->x, FIXTURE_NOW_MS, FIXTURE_NOW_MS + AUTH_CA_LIFE_MS_MAX + 1000);
}
static void m_far_future(struct forging *g)
{
    forge_times(g->x, FIXTURE_NOW_MS, INT64_C(253402300799000));
}
static void m_eku_other(struct forging *g)
{
    forge_extension(g->x, FORGE_EKU, true, VALUE(0x30, 0x0c, EKU_OF((uint8_t)(g->kind % 5 + 1))));
}
static void m_eku_tls(struct forging *g)
{
    forge_extension(g->x, FORGE_EKU, true, VALUE(0x30, 0x0a, SERVER_AUTH));
}
static void m_eku_any(struct forging *g)
{
    forge_extension(g->x, FORGE_EKU, true, VALUE(0x30, 0x06, 0x06, 0x04, 0x55, 0x1d, 0x25, 0x00));
}
static void m_eku_two(struct forging *g)
{
    forge_extension(
        g->x, FORGE_EKU, true,
        VALUE(0x30, 0x18, EKU_OF((uint8_t)g->kind), EKU_OF((uint8_t)(g->kind % 5 + 1))));
}
static void m_eku_and_tls(struct forging *g)
{
    forge_extension(g->x, FORGE_EKU, true,
                    VALUE(0x30, 0x16, EKU_OF((uint8_t)g->kind), SERVER_AUTH));
}
static void m_eku_empty(struct forging *g)
{
    forge_extension(g->x, FORGE_EKU, true, VALUE(0x30, 0x00));
}
static void m_eku_garbage(struct forging *g)
{
    forge_extension(g->x, FORGE_EKU, true, VALUE(0x05, 0x00));
}
static void m_eku_none(struct forging *g)
{
    forge_extension_remove(g->x, FORGE_EKU);
}
static void m_eku_twice(struct forging *g)
{
    forge_extension_add(g->x, FORGE_EKU, true, VALUE(0x30, 0x0c, EKU_OF((uint8_t)g->kind)));
}
static void m_eku_soft(struct forging *g)
{
    forge_extension(g->x, FORGE_EKU, false, VALUE(0x30, 0x0c, EKU_OF((uint8_t)g->kind)));
}
static void m_san_none(struct forging *g)
{
    forge_extension_remove(g->x, FORGE_NAME);
}
static void m_san_empty(struct forging *g)
{
    forge_extension(g->x, FORGE_NAME, true, VALUE(0x30, 0x00));
}
static void m_san_two(struct forging *g)
{
    forge_extension(
        g->x, FORGE_NAME, true,
        VALUE(0x30, 0x0e, 0x86, 5, 'x', 'o', 's', ':', '/', 0x86, 5, 'x', 'o', 's', ':', '/'));
}
static void m_san_dns(struct forging *g)
{
    forge_extension(g->x, FORGE_NAME, true, VALUE(0x30, 0x07, 0x82, 5, 'i', 'n', 'r', 'i', 'a'));
}
static void m_san_other_institution(struct forging *g)
{
    static const char *const uris[AUTH_KINDS] = {"",
                                                 "xos://vu/user/alice",
                                                 "xos://vu/node/n1",
                                                 "xos://vu/job/1042.3",
                                                 "xos://vu/ca",
                                                 "xos://vu/root"};
    forge_uri(g->x, uris[g->kind]);
}
static void m_san_other_kind(struct forging *g)
{
    static const char *const uris[AUTH_KINDS] = {"",
                                                 "xos://inria/node/n1",
                                                 "xos://inria/user/alice",
                                                 "xos://inria/job/1042",
                                                 "xos://inria/root",
                                                 "xos://inria/ca"};
    forge_uri(g->x, uris[g->kind]);
}
static void m_san_bad(struct forging *g)
{
    forge_uri(g->x, "xos://inria/user/../root");
}
static void m_san_nul(struct forging *g)
{
    forge_extension(g->x, FORGE_NAME, true,
                    VALUE(0x30, 0x16, 0x86, 0x14, 'x', 'o', 's', ':', '/', '/', 'i', 'n', 'r', 'i',
                          'a', '/', 'u', 's', 'e', 'r', '/', 'a', 0, 'b'));
}
static void m_san_long_form(struct forging *g)
{
    forge_extension(g->x, FORGE_NAME, true,
                    VALUE(0x30, 0x81, 0x07, 0x86, 5, 'x', 'o', 's', ':', '/'));
}
static void m_basic_other(struct forging *g)
{
    if (g->kind <= AUTH_KIND_JOB)
        forge_extension(g->x, FORGE_BASIC, true, VALUE(0x30, 0x03, 0x01, 0x01, 0xff));
    else
        forge_extension(g->x, FORGE_BASIC, true, VALUE(0x30, 0x00));
}
static void m_basic_path(struct forging *g)
{
    forge_extension(g->x, FORGE_BASIC, true, VALUE(0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0x05));
}
static void m_basic_none(struct forging *g)
{
    forge_extension_remove(g->x, FORGE_BASIC);
}
static void m_usage_other(struct forging *g)
{
    if (g->kind <= AUTH_KIND_JOB)
        forge_extension(g->x, FORGE_USAGE, true, VALUE(0x03, 0x02, 0x02, 0x84));
    else
        forge_extension(g->x, FORGE_USAGE, true, VALUE(0x03, 0x02, 0x07, 0x80));
}
static void m_usage_none(struct forging *g)
{
    forge_extension_remove(g->x, FORGE_USAGE);
}
static void m_unknown_critical(struct forging *g)
{
    forge_extension_add(g->x, OTHER_OID, true, VALUE(0x05, 0x00));
}
static void m_unknown_soft(struct forging *g)
{
    forge_extension_add(g->x, OTHER_OID, false, VALUE(0x05, 0x00));
}
static void m_proxy(struct forging *g)
{
    forge_extension_add(g->x, "1.3.6.1.5.5.7.1.14", true, VALUE(0x30, 0x00));
}
static void m_many_extensions(struct forging *g)
{
    char oid[64];
    for (int i = 0; i < AUTH_EXTENSIONS_MAX; i++) {
        (void)snprintf(oid, sizeof(oid), OTHER_OID ".%d", i);
        forge_extension_add(g->x, oid, false, VALUE(0x05, 0x00));
    }
}
static void m_facts_other(struct forging *g)
{
    const char *node = AUTH_OID_ARC_TEXT ".2.1", *job = AUTH_OID_ARC_TEXT ".2.2";
    forge_extension(g->x, node, true, bytes(NULL, 0));
    forge_extension(g->x, job, true, bytes(NULL, 0));
    forge_extension(g->x, g->kind == AUTH_KIND_NODE ? job : node, true, VALUE(0x04, 0x00));
}
static void m_no_issuer_id(struct forging *g)
{
    forge_extension_remove(g->x, FORGE_ISSUER_ID);
    if (g->kind == AUTH_KIND_ROOT)
        forge_extension_add(g->x, FORGE_ISSUER_ID, false, VALUE(0x30, 0x00));
}
static void m_other_issuer_id(struct forging *g)
{
    uint8_t id[24] = {0x30, 0x16, 0x80, 0x14};
    forge_extension(g->x, FORGE_ISSUER_ID, false, bytes(id, sizeof(id)));
}
static void m_no_key_id(struct forging *g)
{
    forge_extension_remove(g->x, FORGE_KEY_ID);
}
static void m_short_key_id(struct forging *g)
{
    forge_extension(g->x, FORGE_KEY_ID, false, VALUE(0x04, 0x01, 0x00));
}
static void set_serial(struct forging *g, int len, int type)
{
    static const uint8_t serial[24] = {0x41, 1, 2, 3};
    ASN1_INTEGER *n = X509_get_serialNumber(g->x);
    (void)ASN1_STRING_set(n, serial, len);
    n->type = type;
}
static void m_short_serial(struct forging *g)
{
    set_serial(g, 4, V_ASN1_INTEGER);
}
static void m_long_serial(struct forging *g)
{
    set_serial(g, 21, V_ASN1_INTEGER);
}
static void m_negative_serial(struct forging *g)
{
    set_serial(g, 16, V_ASN1_NEG_INTEGER);
}
static void m_subject(struct forging *g)
{
    X509_NAME *n = X509_get_subject_name(g->x);
    if (g->kind <= AUTH_KIND_JOB)
        (void)X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const uint8_t *)"alice", -1, -1,
                                         0);
    else
        X509_NAME_ENTRY_free(X509_NAME_delete_entry(n, 0));
    while (g->kind > AUTH_KIND_JOB && X509_NAME_entry_count(n) > 0)
        X509_NAME_ENTRY_free(X509_NAME_delete_entry(n, 0));
}
static void m_other_issuer(struct forging *g)
{
    X509_NAME *n = X509_NAME_new();
    (void)X509_NAME_add_entry_by_txt(n, "O", MBSTRING_ASC, (const uint8_t *)"vu", -1, -1, 0);
    (void)X509_set_issuer_name(g->x, n);
    X509_NAME_free(n);
}
static void m_version_1(struct forging *g)
{
    (void)X509_set_version(g->x, X509_VERSION_1);
}
static void set_key(struct forging *g, EVP_PKEY *key)
{
    (void)X509_set_pubkey(g->x, key);
    EVP_PKEY_free(key);
}
static void m_key_p256(struct forging *g)
{
    set_key(g, EVP_EC_gen("P-256"));
}
static void m_key_p384(struct forging *g)
{
    set_key(g, EVP_EC_gen("P-384"));
}
static void m_key_x25519(struct forging *g)
{
    set_key(g, EVP_PKEY_Q_keygen(NULL, NULL, "X25519"));
}
static void m_signed_by_user(struct forging *g)
{
    g->signer = g->f->user.key;
}
static void m_signed_by_itself(struct forging *g)
{
    const struct fixture_cert *own[AUTH_KINDS] = {NULL,       &g->f->user, &g->f->node,
                                                  &g->f->job, &g->f->ca,   &g->f->ca};
    g->signer = own[g->kind]->key;
}

static const struct mutation {
    const char *name;
    void (*apply)(struct forging *g);
    const char *reason; /* said when the kind is that of the slot */
    enum xos_code code; /* 0: DENIED */
} mutations[] = {
    {"none", m_none, NULL, 0},
    {"expired", m_expired, "validity", XOS_EXPIRED},
    {"not yet valid", m_not_yet, "validity", XOS_CLOCK},
    {"ends before it begins", m_backwards, "validity", 0},
    {"lives too long", m_long_life, "validity", 0},
    {"ends in 9999", m_far_future, "validity", 0},
    {"other EKU", m_eku_other, "extended key usage", 0},
    {"EKU of TLS", m_eku_tls, "extended key usage", 0},
    {"any EKU", m_eku_any, "extended key usage", 0},
    {"two EKUs", m_eku_two, "extended key usage", 0},
    {"own and TLS EKU", m_eku_and_tls, "extended key usage", 0},
    {"empty EKU", m_eku_empty, "extended key usage", 0},
    {"garbage EKU", m_eku_garbage, "extended key usage", 0},
    {"no EKU", m_eku_none, "extended key usage", 0},
    {"EKU extension twice", m_eku_twice, "extended key usage twice", 0},
    {"EKU not critical", m_eku_soft, "must be critical", 0},
    {"no SAN", m_san_none, "without subject alternative name", 0},
    {"empty SAN", m_san_empty, "not a URI", 0},
    {"two SANs", m_san_two, "more than one", 0},
    {"DNS SAN", m_san_dns, "not a URI", 0},
    {"SAN of another institution", m_san_other_institution, "domain", 0},
    {"SAN of another kind", m_san_other_kind, "the name of a", 0},
    {"SAN with dots", m_san_bad, "name", 0},
    {"SAN with NUL", m_san_nul, "name", 0},
    {"SAN in long form", m_san_long_form, "name", 0},
    {"basic constraints of another", m_basic_other, "basic constraints", 0},
    {"longer path", m_basic_path, "basic constraints", 0},
    {"no basic constraints", m_basic_none, "without basic constraints", 0},
    {"other key usage", m_usage_other, "key usage", 0},
    {"no key usage", m_usage_none, "without key usage", 0},
    {"unknown critical extension", m_unknown_critical, "unknown extension", 0},
    {"unknown extension", m_unknown_soft, "unknown extension", 0},
    {"proxy certificate", m_proxy, "unknown extension", 0},
    {"17 extensions", m_many_extensions, "extensions", XOS_LIMIT},
    {"facts of another kind", m_facts_other, "facts", 0},
    {"no issuer id", m_no_issuer_id, "authority key identifier", 0},
    {"other issuer id", m_other_issuer_id, "issuers", 0},
    {"no key id", m_no_key_id, "without subject key identifier", 0},
    {"short key id", m_short_key_id, "key identifiers", 0},
    {"short serial", m_short_serial, "serial", 0},
    {"long serial", m_long_serial, "serial", 0},
    {"negative serial", m_negative_serial, "serial", 0},
    {"other subject", m_subject, "subject", 0},
    {"other issuer", m_other_issuer, "issuers", 0},
    {"version 1", m_version_1, "version", 0},
    {"P-256 key", m_key_p256, "key", 0},
    {"P-384 key", m_key_p384, "key", 0},
    {"X25519 key", m_key_x25519, "key", 0},
    {"a leaf as CA", m_signed_by_user, "signatures", 0},
    {"self-signed", m_signed_by_itself, "signatures", 0},
};

static const struct fixture_cert *cert_of(const struct fixture *f, enum auth_kind kind)
{
    const struct fixture_cert *const all[AUTH_KINDS] = {NULL,    &f->user, &f->node,
                                                        &f->job, &f->ca,   &f->root};
    return all[kind];
}

static void forge(const struct fixture *f, enum auth_kind kind, const struct mutation *m,
                  struct xos_buf *out)
{
    struct forging g = {f, forge_parse(&cert_of(f, kind)->der), kind,
                        kind <= AUTH_KIND_JOB ? f->ca.key : f->root.key};
    m->apply(&g);
    assert_int_equal(forge_sign(g.x, g.signer, out, NULL), 0);
}

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

static void one_cell(const struct fixture *f, const struct mutation *m, enum auth_kind kind,
                     enum auth_kind slot, unsigned *denied)
{
    struct xos_buf leaf = XOS_BUF(65536);
    struct xos_error err = {0};
    forge(f, kind, m, &leaf);
    int rc = verify(f, &leaf, slot, &err);
    xos_buf_free(&leaf);
    if (m->apply == m_none && kind == slot) {
        assert_int_equal(rc, 0);
        return;
    }
    /* A CA in the CA's slot that says "vu" has no anchor rather than another domain's CA. */
    const char *reason =
        m->apply == m_san_other_institution && kind == AUTH_KIND_CA ? "no root of vu" : m->reason;
    if (rc == 0)
        fail_msg("a %s with \"%s\" passes for a %s", auth_profile_need(kind)->name, m->name,
                 auth_profile_need(slot)->name);
    if (kind == slot && (!strstr(err.text, reason) || err.code != (m->code ? m->code : XOS_DENIED)))
        fail_msg("%s, \"%s\": %s %s", auth_profile_need(kind)->name, m->name,
                 xos_code_name(err.code), err.text);
    ++*denied;
}

static void the_matrix(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct fixture f;
    unsigned denied = 0;
    XT_TRY(fixture_open(&f, "inria", 1, &err));
    for (enum auth_kind kind = AUTH_KIND_USER; kind <= AUTH_KIND_ROOT; kind++)
        for (enum auth_kind slot = AUTH_KIND_USER; slot <= AUTH_KIND_CA; slot++)
            for (size_t m = 0; m < COUNT(mutations); m++)
                one_cell(&f, &mutations[m], kind, slot, &denied);
    assert_int_equal(denied, 5 * 4 * COUNT(mutations) - 4);
    print_message("%u cells denied\n", denied);
out:
    fixture_close(&f);
}

static const struct xt_test tests[] = {
    XT_PLAIN(the_matrix),
};
XT_MAIN(tests)
