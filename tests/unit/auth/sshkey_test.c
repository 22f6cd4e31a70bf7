// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a login is accepted that the holder of the SSH key never signed, or users with
 * one type of key cannot log in. */
#include "tests/lib/sshmake.h"
#include "tests/lib/xtest.h"
#include "vo-auth/core/sshwire.h"

#include <string.h>

#define MESSAGE ((struct xos_slice){(const uint8_t *)"log me in", 9})

static struct xos_slice slice(const struct xos_buf *b)
{
    return (struct xos_slice){b->data, b->len};
}

static void every_type_verifies_its_own(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct ssh_made k = {0}, other = {0};
    struct xos_buf s = XOS_BUF(4096);
    for (size_t i = 0; auth_sshkey_type(i); i++) {
        XT_TRY(ssh_make(&k, i, 2048, &err));
        XT_TRY(ssh_make(&other, i, 2048, &err));
        XT_TRY(ssh_made_sign(&k, MESSAGE, &s, &err));
        assert_ptr_equal(auth_sshkey_type_of(slice(&k.blob)), k.type);
        XT_TRY(auth_sshkey_check(slice(&k.blob), &err));
        XT_TRY(auth_sshkey_verify(slice(&k.blob), MESSAGE, slice(&s), &err));
        XT_REFUSED(auth_sshkey_verify(slice(&other.blob), MESSAGE, slice(&s), &err), XOS_DENIED);
        XT_REFUSED(auth_sshkey_verify(slice(&k.blob), (struct xos_slice){MESSAGE.data, 8},
                                      slice(&s), &err),
                   XOS_DENIED);
        ssh_made_free(&k);
        ssh_made_free(&other);
        xos_buf_clear(&s);
    }
out:
    ssh_made_free(&k);
    ssh_made_free(&other);
    xos_buf_free(&s);
}

/* Every cut and every flipped byte, of key and signature. */
static void nothing_that_was_changed_verifies(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct ssh_made k = {0};
    struct xos_buf s = XOS_BUF(4096);
    for (size_t i = 0; auth_sshkey_type(i); i++) {
        XT_TRY(ssh_make(&k, i, 2048, &err));
        XT_TRY(ssh_made_sign(&k, MESSAGE, &s, &err));
        for (size_t at = 0; at < s.len; at++) {
            assert_int_equal(
                auth_sshkey_verify(slice(&k.blob), MESSAGE, (struct xos_slice){s.data, at}, NULL),
                -1);
            s.data[at] ^= 0x41;
            assert_int_equal(auth_sshkey_verify(slice(&k.blob), MESSAGE, slice(&s), NULL), -1);
            s.data[at] ^= 0x41;
        }
        for (size_t at = 0; at < k.blob.len; at++) {
            assert_int_equal(auth_sshkey_check((struct xos_slice){k.blob.data, at}, NULL), -1);
            k.blob.data[at] ^= 0x42;
            assert_int_equal(auth_sshkey_verify(slice(&k.blob), MESSAGE, slice(&s), NULL), -1);
            k.blob.data[at] ^= 0x42;
        }
        XT_TRY(auth_sshkey_verify(slice(&k.blob), MESSAGE, slice(&s), &err));
        XT_TRY(xos_buf_add(&s, "", 1, &err));
        XT_REFUSED(auth_sshkey_verify(slice(&k.blob), MESSAGE, slice(&s), &err), XOS_PROTOCOL);
        XT_TRY(xos_buf_add(&k.blob, "", 1, &err));
        XT_REFUSED(auth_sshkey_check(slice(&k.blob), &err), XOS_PROTOCOL);
        ssh_made_free(&k);
        xos_buf_clear(&s);
    }
out:
    ssh_made_free(&k);
    xos_buf_free(&s);
}

static void a_hardware_key_must_be_touched(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct ssh_made k = {0};
    struct xos_buf s = XOS_BUF(4096);
    for (size_t i = 0; auth_sshkey_type(i); i++) {
        if (!auth_sshkey_type(i)->hardware)
            continue;
        XT_TRY(ssh_make(&k, i, 0, &err));
        k.flags = 0;
        XT_TRY(ssh_made_sign(&k, MESSAGE, &s, &err));
        XT_REFUSED(auth_sshkey_verify(slice(&k.blob), MESSAGE, slice(&s), &err), XOS_DENIED);
        ssh_made_free(&k);
        xos_buf_clear(&s);
    }
out:
    ssh_made_free(&k);
    xos_buf_free(&s);
}

static void weak_and_unknown_keys_are_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct ssh_made k = {0};
    struct xos_buf dsa = XOS_BUF(64), large = XOS_BUF(1 << 16), s = XOS_BUF(4096);
    size_t rsa = 0;
    static uint8_t many[AUTH_SSHKEY_BYTES_MAX];
    while (auth_sshkey_type(rsa)->family != AUTH_SSHKEY_RSA)
        rsa++;
    XT_TRY(ssh_make(&k, rsa, 1024, &err));
    XT_TRY(ssh_made_sign(&k, MESSAGE, &s, &err));
    XT_REFUSED(auth_sshkey_check(slice(&k.blob), &err), XOS_PROTOCOL);
    XT_REFUSED(auth_sshkey_verify(slice(&k.blob), MESSAGE, slice(&s), &err), XOS_PROTOCOL);
    XT_TRY(auth_ssh_put_text(&dsa, "ssh-dss", &err));
    XT_REFUSED(auth_sshkey_check(slice(&dsa), &err), XOS_UNSUPPORTED);
    XT_REFUSED(auth_sshkey_check((struct xos_slice){NULL, 0}, &err), XOS_UNSUPPORTED);
    XT_TRY(auth_ssh_put_text(&large, "ssh-ed25519", &err));
    XT_TRY(auth_ssh_put_string(&large, (struct xos_slice){many, sizeof(many)}, &err));
    XT_REFUSED(auth_sshkey_check(slice(&large), &err), XOS_LIMIT);
    assert_null(auth_sshkey_type(100));
out:
    ssh_made_free(&k);
    xos_buf_free(&dsa);
    xos_buf_free(&large);
    xos_buf_free(&s);
}

/* An RSA signature that calls itself by its old name was made with SHA-1. */
static void an_rsa_signature_with_sha1_is_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct ssh_made k = {0};
    struct auth_sshkey_type old;
    struct xos_buf s = XOS_BUF(4096);
    size_t rsa = 0;
    while (auth_sshkey_type(rsa)->family != AUTH_SSHKEY_RSA)
        rsa++;
    XT_TRY(ssh_make(&k, rsa, 2048, &err));
    old = *k.type;
    old.signature = "ssh-rsa";
    old.digest = "SHA1";
    k.type = &old;
    XT_TRY(ssh_made_sign(&k, MESSAGE, &s, &err));
    XT_REFUSED(auth_sshkey_verify(slice(&k.blob), MESSAGE, slice(&s), &err), XOS_DENIED);
out:
    ssh_made_free(&k);
    xos_buf_free(&s);
}

static const struct xt_test tests[] = {
    XT_PLAIN(every_type_verifies_its_own),
    XT_PLAIN(nothing_that_was_changed_verifies),
    XT(a_hardware_key_must_be_touched),
    XT_PLAIN(weak_and_unknown_keys_are_refused),
    XT_PLAIN(an_rsa_signature_with_sha1_is_refused),
};
XT_MAIN(tests)
