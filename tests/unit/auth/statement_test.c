// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a signature for one thing is good for another. */
#include "tests/lib/vo_fixture.h"
#include "tests/lib/xtest.h"
#include "vo-auth/auth.pb-c.h"

#include <string.h>

static const struct auth_format node_format = {"facts", "xos-test-1", &auth__node_facts__descriptor,
                                               256};
static const struct auth_format other_domain = {"facts", "xos-test-2",
                                                &auth__node_facts__descriptor, 256};
static const struct auth_format other_payload = {"limits", "xos-test-1", &auth__limits__descriptor,
                                                 256};
static const struct auth_format small = {"facts", "xos-test-1", &auth__node_facts__descriptor, 16};

static void a_signature_is_for_one_key_and_purpose(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_key *key = NULL, *other = NULL;
    struct auth_statement s = {0};
    struct xos_buf out = XOS_BUF(256);
    Auth__NodeFacts m = AUTH__NODE_FACTS__INIT;
    uint8_t curve_key[] = {1, 2, 3};
    m.curve_key = (ProtobufCBinaryData){sizeof(curve_key), curve_key};
    m.roles = 5;
    XT_TRY(fixture_key(&key, 1, &err));
    XT_TRY(fixture_key(&other, 2, &err));
    XT_REFUSED(auth_statement_seal(&out, &small, &m.base, key, &err), XOS_LIMIT);
    XT_TRY(auth_statement_seal(&out, &node_format, &m.base, key, &err));
    XT_REFUSED(auth_statement_open(&s, &small, fixture_slice(&out), &err), XOS_LIMIT);
    XT_REFUSED(auth_statement_open(&s, &other_payload, fixture_slice(&out), &err), XOS_PROTOCOL);
    XT_TRY(auth_statement_open(&s, &node_format, fixture_slice(&out), &err));
    assert_int_equal(((const Auth__NodeFacts *)s.payload)->roles, 5);
    assert_true(auth_statement_names(&s, xos_key_public(key)));
    assert_false(auth_statement_names(&s, xos_key_public(other)));
    XT_TRY(auth_statement_verify(&s, &node_format, xos_key_public(key), &err));
    XT_REFUSED(auth_statement_verify(&s, &node_format, xos_key_public(other), &err), XOS_DENIED);
    XT_REFUSED(auth_statement_verify(&s, &other_domain, xos_key_public(key), &err), XOS_DENIED);
out:
    auth_statement_close(&s);
    xos_key_free(key);
    xos_key_free(other);
    xos_buf_free(&out);
}

static void envelopes_are_exact(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct auth_statement s = {0};
    struct vo_fixture v;
    static const char *const bad[] = {"", "\x0a", "\x12\x00", "\x22\x00", "\x0a\x01x\x1a\x01x"};
    XT_TRY(vo_fixture_open(&v, &err));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        XT_REFUSED(auth_statement_open(&s, &node_format, auth_slice(bad[i]), &err), XOS_PROTOCOL);
    /* every signed format of ours in the place of every other */
    XT_REFUSED(auth_statement_open(&s, &node_format, fixture_slice(&v.manifest), &err),
               XOS_PROTOCOL);
out:
    vo_fixture_close(&v);
}

/* The hash that openssl would give for the key's SubjectPublicKeyInfo. */
static void keys_are_named_by_their_spki(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct fixture f;
    struct auth_link link = {0};
    uint8_t hash[XOS_HASH_BYTES], key[XOS_KEY_PUBLIC_BYTES];
    XT_TRY(fixture_open(&f, "inria", 1, &err));
    XT_TRY(auth_link_read(&link, fixture_slice(&f.user.der), AUTH_KIND_USER, &err));
    XT_TRY(auth_key_hash(xos_key_public(f.user.key), hash, &err));
    assert_memory_equal(hash, link.key_hash, sizeof(hash));
    assert_memory_equal(link.key, xos_key_public(f.user.key), sizeof(link.key));
    assert_false(auth_key_of_spki(auth_slice("short"), key));
    uint8_t wrong[44] = {0x30, 0x2a};
    assert_false(auth_key_of_spki((struct xos_slice){wrong, sizeof(wrong)}, key));
out:
    auth_link_free(&link);
    fixture_close(&f);
}

static const struct xt_test tests[] = {
    XT(a_signature_is_for_one_key_and_purpose),
    XT(envelopes_are_exact),
    XT(keys_are_named_by_their_spki),
};
XT_MAIN(tests)
