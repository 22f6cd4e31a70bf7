// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a policy file crashes the daemon, or means something else than it says.
 *
 * The bytes are a policy. What compiles is asked a hundred things, and the plain reading of its
 * text must say the same; its rules, written one by one, must make the same policy again. */
#include "tests/lib/policy_reference.h"

#include "libxos/base/alloc.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void ask(const struct policy *p, const struct policy *again, const char *text, unsigned n)
{
    static const char *const users[] = {"alice@inria", "carl@vu"};
    static const char *const actings[] = {"vo:climate@inria", "vo:climate@inria/prod:runner"};
    static const char *const verbs[] = {"job.run", "job.list", "node.drain"};
    static const char *const resources[POLICY_RESOURCE_KINDS] = {NULL, "n1.inria", "h100",
                                                                 "climate@inria/home"};
    struct auth_name user, acting;
    struct policy_decision d, e;
    char line[POLICY_FIX_BYTES];
    unsigned rule;
    must(auth_name_parse(&user, AUTH_NAME_USER, auth_slice(users[n % 2]), NULL, NULL) == 0);
    must(auth_name_parse_acting(&acting, auth_slice(actings[n / 2 % 2]), NULL, NULL) == 0);
    struct policy_request r = {.user = &user,
                               .acting = n % 5 ? &acting : NULL,
                               .admin = n % 3 == 0,
                               .verb = verbs[n % 3],
                               .kind = (enum policy_resource_kind)(n % POLICY_RESOURCE_KINDS),
                               .says = n * 37 % (1 << POLICY_ATTR_COUNT),
                               .arch = "x86_64"};
    r.resource = resources[r.kind];
    for (unsigned i = 0; i < POLICY_ATTR_COUNT; i++)
        r.value[i] = i == POLICY_A_OWN ? n % 2 : n;
    policy_decide(p, &r, &d);
    bool allowed = policy_reference(text, &r, &rule);
    must(allowed == d.allowed && rule == (d.reason == POLICY_DENIED_CONDITION ? 0 : d.rule));
    must(strlen(policy_explain(&r, &d, line)) < POLICY_FIX_BYTES);
    policy_decide(again, &r, &e);
    must(e.reason == d.reason && e.rule == d.rule && e.limited == d.limited);
}

static struct policy *write_again(const struct policy *p)
{
    struct xos_error err = {0};
    struct xos_buf text = XOS_BUF(POLICY_BYTES_MAX);
    struct policy *again = NULL;
    for (unsigned i = 1; i <= policy_rule_count(p); i++) {
        struct xos_slice rule = policy_rule_text(p, i, NULL);
        must(xos_buf_addf(&text, &err, "%s%.*s", i > 1 ? "\n" : "", (int)rule.len,
                          (const char *)rule.data) == 0);
    }
    must(policy_new(&again, (struct xos_slice){text.data, text.len}, NULL, &err) == 0);
    must(policy_rule_count(again) == policy_rule_count(p));
    xos_buf_free(&text);
    return again;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xos_error err = {0};
    struct policy_place place;
    struct policy *p = NULL;
    if (policy_new(&p, (struct xos_slice){data, size}, &place, &err) < 0) {
        must(err.code == XOS_INVALID || err.code == XOS_LIMIT);
        must(place.line > 0 && place.column > 0);
        return 0;
    }
    /* A NUL can stand in a comment only, where the plain reading would end. */
    char *text = xos_strndup((const char *)data, size);
    if (text && strlen(text) == size) {
        struct policy *again = write_again(p);
        for (unsigned n = 0; n < 100; n++)
            ask(p, again, text, n);
        policy_free(again);
    }
    xos_free(text);
    policy_free(p);
    return 0;
}
