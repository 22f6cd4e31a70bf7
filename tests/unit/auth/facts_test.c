// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a certificate says of a node or a job what its CA did not mean. */
#include "tests/lib/auth_fixture.h"
#include "tests/lib/xtest.h"

#include <string.h>

static void a_node_comes_back_whole(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct auth_node_facts node = {.curve_key = {1, 2, 3}, .roles = AUTH_NODE_ROLES_ALL}, again;
    struct xos_buf out = XOS_BUF(AUTH_FACTS_BYTES_MAX);
    XT_TRY(auth_node_facts_write(&out, &node, &err));
    XT_TRY(auth_node_facts_read(&again, fixture_slice(&out), &err));
    assert_memory_equal(&again, &node, sizeof(node));
    static const uint32_t bad_roles[] = {0, AUTH_NODE_ROLES_ALL + 1, UINT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        node.roles = bad_roles[i];
        XT_REFUSED(auth_node_facts_write(&out, &node, &err), XOS_PROTOCOL);
    }
    XT_REFUSED(auth_node_facts_read(&again, auth_slice("\x10\x01"), &err), XOS_PROTOCOL);
    XT_REFUSED(auth_node_facts_read(&again, auth_slice("\x18\x01"), &err), XOS_PROTOCOL);
out:
    xos_buf_free(&out);
}

static void a_job_comes_back_whole(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct fixture f;
    struct auth_job_facts again;
    struct auth_facts_memory *memory = NULL;
    struct xos_buf out = XOS_BUF(AUTH_FACTS_BYTES_MAX);
    XT_TRY(fixture_open(&f, "inria", 1, &err));
    XT_TRY(auth_job_facts_write(&out, &f.job_facts, &err));
    XT_TRY(auth_job_facts_read(&again, &memory, fixture_slice(&out), &err));
    assert_true(auth_name_equal(&again.user, &f.job_facts.user));
    assert_true(auth_name_equal(&again.acting, &f.job_facts.acting));
    assert_true(auth_rights_within(&again.rights, &f.job_facts.rights));
    assert_true(auth_rights_within(&f.job_facts.rights, &again.rights));
    auth_facts_free(memory);
    memory = NULL;
    f.job_facts.acting = (struct auth_name){.kind = AUTH_NAME_NONE};
    xos_buf_clear(&out);
    XT_TRY(auth_job_facts_write(&out, &f.job_facts, &err));
    XT_TRY(auth_job_facts_read(&again, &memory, fixture_slice(&out), &err));
    assert_int_equal(again.acting.kind, AUTH_NAME_NONE);
    auth_facts_free(memory);
    memory = NULL;
    /* every prefix and every changed byte is refused, or reads as something canonical */
    for (size_t len = out.len; len-- > 0;)
        if (auth_job_facts_read(&again, &memory, (struct xos_slice){out.data, len}, &err) == 0)
            auth_facts_free(memory), memory = NULL;
    f.job_facts.epoch = AUTH_EPOCH_MAX + UINT64_C(1);
    XT_REFUSED(auth_job_facts_write(&out, &f.job_facts, &err), XOS_PROTOCOL);
out:
    auth_facts_free(memory);
    xos_buf_free(&out);
    fixture_close(&f);
}

static const struct xt_test tests[] = {
    XT(a_node_comes_back_whole),
    XT(a_job_comes_back_whole),
};
XT_MAIN(tests)
