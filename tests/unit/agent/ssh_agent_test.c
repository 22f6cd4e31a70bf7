// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: an ssh-agent, or what plays one on a forwarded socket, makes the user's agent
 * crash or sign in with the wrong key. */
#include "tests/lib/sshmake.h"
#include "tests/lib/xtest.h"
#include "vo-auth/agent/ssh_agent.h"
#include "vo-auth/core/sshwire.h"

#include <string.h>

static struct xos_slice slice(const struct xos_buf *b)
{
    return (struct xos_slice){b->data, b->len};
}

static int list_begin(struct xos_buf *out, uint32_t count, struct xos_error *err)
{
    static const uint8_t type = 12;
    xos_buf_clear(out);
    return xos_buf_add(out, &type, 1, err) < 0 ? -1 : auth_ssh_put_u32(out, count, err);
}

static int list_add(struct xos_buf *out, struct xos_slice key, const char *comment,
                    struct xos_error *err)
{
    return auth_ssh_put_string(out, key, err) < 0 ? -1 : auth_ssh_put_text(out, comment, err);
}

static void the_best_usable_key_comes_first(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct ssh_made rsa = {0}, weak = {0}, ed = {0}, ed2 = {0};
    struct xos_buf list = XOS_BUF(1 << 16), dsa = XOS_BUF(64);
    struct ssh_agent_keys keys;
    XT_TRY(ssh_make(&rsa, 4, 2048, &err));
    XT_TRY(ssh_make(&weak, 4, 1024, &err));
    XT_TRY(ssh_make(&ed, 0, 0, &err));
    XT_TRY(ssh_make(&ed2, 0, 0, &err));
    XT_TRY(auth_ssh_put_text(&dsa, "ssh-dss", &err));
    XT_TRY(list_begin(&list, 5, &err));
    XT_TRY(list_add(&list, slice(&dsa), "old", &err));
    XT_TRY(list_add(&list, slice(&rsa.blob), "office", &err));
    XT_TRY(list_add(&list, slice(&weak.blob), "weak", &err));
    XT_TRY(list_add(&list, slice(&ed.blob), "laptop", &err));
    XT_TRY(list_add(&list, slice(&ed2.blob), "home", &err));
    XT_TRY(ssh_agent_read_keys(&keys, slice(&list), &err));
    assert_int_equal(keys.count, 3);
    assert_int_equal(keys.others, 2);
    assert_true(auth_ssh_is(keys.at[0].comment, "laptop"));
    assert_true(auth_ssh_is(keys.at[1].comment, "home"));
    assert_true(auth_ssh_is(keys.at[2].comment, "office"));
    assert_ptr_equal(ssh_agent_choose(&keys, (struct xos_slice){NULL, 0}, &err), &keys.at[0]);
    assert_ptr_equal(ssh_agent_choose(&keys, slice(&rsa.blob), &err), &keys.at[2]);
    assert_null(ssh_agent_choose(&keys, slice(&weak.blob), &err));
    assert_int_equal(err.code, XOS_NOT_FOUND);
out:
    ssh_made_free(&rsa);
    ssh_made_free(&weak);
    ssh_made_free(&ed);
    ssh_made_free(&ed2);
    xos_buf_free(&list);
    xos_buf_free(&dsa);
}

static void an_agent_without_a_key_says_what_to_do(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct ssh_agent_keys keys = {.count = 0};
    assert_null(ssh_agent_choose(&keys, (struct xos_slice){NULL, 0}, &err));
    assert_int_equal(err.code, XOS_NOT_FOUND);
    assert_non_null(strstr(err.text, "ssh-add"));
    keys.others = 1;
    assert_null(ssh_agent_choose(&keys, (struct xos_slice){NULL, 0}, &err));
    assert_int_equal(err.code, XOS_UNSUPPORTED);
    assert_non_null(strstr(err.text, "ssh-keygen"));
}

#define ANSWER(text)                                                                               \
    (struct xos_slice)                                                                             \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

static void answers_out_of_form_are_refused(void **state)
{
    (void)state;
    const struct {
        struct xos_slice answer;
        enum xos_code code;
    } lists[] =
        {
            {ANSWER(""), XOS_PROTOCOL},
            {ANSWER("\5"), XOS_DENIED},
            {ANSWER("\x0e"), XOS_PROTOCOL},
            {ANSWER("\x0c"), XOS_PROTOCOL},
            {ANSWER("\x0c\0\0\0\1"), XOS_PROTOCOL},
            {ANSWER("\x0c\xff\xff\xff\xff"), XOS_PROTOCOL},
            {ANSWER("\x0c\0\0\0\1\0\0\0\0\0\0\0\5x"), XOS_PROTOCOL},
            {ANSWER("\x0c\0\0\0\0x"), XOS_PROTOCOL},
        },
      signatures[] = {
          {ANSWER(""), XOS_PROTOCOL},
          {ANSWER("\5"), XOS_DENIED},
          {ANSWER("\x0c\0\0\0\0"), XOS_PROTOCOL},
          {ANSWER("\x0e\0\0\0\4abc"), XOS_PROTOCOL},
          {ANSWER("\x0e\0\0\0\2abc"), XOS_PROTOCOL},
      };
    struct xos_error err = {0};
    struct ssh_agent_keys keys;
    struct xos_slice signature;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        XT_REFUSED(ssh_agent_read_keys(&keys, lists[i].answer, &err), lists[i].code);
    for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++)
        XT_REFUSED(ssh_agent_read_signature(&signature, signatures[i].answer, &err),
                   signatures[i].code);
    assert_int_equal(ssh_agent_read_signature(&signature, ANSWER("\x0e\0\0\0\2ab"), &err), 0);
    assert_int_equal(signature.len, 2);
}

static void too_many_keys_are_refused_by_name(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct ssh_made k = {0};
    struct xos_buf list = XOS_BUF(1 << 16);
    struct ssh_agent_keys keys;
    XT_TRY(ssh_make(&k, 0, 0, &err));
    for (uint32_t count = SSH_AGENT_KEYS_MAX; count <= SSH_AGENT_KEYS_MAX + 1; count++) {
        XT_TRY(list_begin(&list, count, &err));
        for (uint32_t i = 0; i < count; i++)
            XT_TRY(list_add(&list, slice(&k.blob), "k", &err));
        if (count == SSH_AGENT_KEYS_MAX)
            XT_TRY(ssh_agent_read_keys(&keys, slice(&list), &err));
        else
            XT_REFUSED(ssh_agent_read_keys(&keys, slice(&list), &err), XOS_LIMIT);
    }
out:
    ssh_made_free(&k);
    xos_buf_free(&list);
}

static void an_rsa_key_is_asked_for_sha512(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf out = XOS_BUF(1024);
    struct ssh_agent_key k = {.key = ANSWER("blob")};
    for (size_t i = 0; auth_sshkey_type(i); i++) {
        k.type = auth_sshkey_type(i);
        xos_buf_clear(&out);
        XT_TRY(ssh_agent_ask_sign(&out, &k, ANSWER("data"), &err));
        assert_int_equal(out.len, 1 + 8 + 8 + 4);
        assert_int_equal(out.data[0], 13);
        assert_int_equal(out.data[out.len - 1], k.type->family == AUTH_SSHKEY_RSA ? 4 : 0);
    }
out:
    xos_buf_free(&out);
}

static const struct xt_test tests[] = {
    XT_PLAIN(the_best_usable_key_comes_first), XT(an_agent_without_a_key_says_what_to_do),
    XT(answers_out_of_form_are_refused),       XT_PLAIN(too_many_keys_are_refused_by_name),
    XT(an_rsa_key_is_asked_for_sha512),
};
XT_MAIN(tests)
