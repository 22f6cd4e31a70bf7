// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a helper serves nobody, or the wrong user. */
#include "libxos/env/account.h"
#include "tests/lib/xtest.h"

static void names_and_numbers_are_found(void **state)
{
    static const struct {
        const char *text;
        uint32_t id;
        enum xos_code code;
    } cases[] = {
        {"root", 0, XOS_NONE},
        {"0", 0, XOS_NONE},
        {"64017", 64017, XOS_NONE},
        {"4294967294", 4294967294, XOS_NONE},
        {"4294967295", 0, XOS_INVALID},
        {"12x", 0, XOS_INVALID},
        {"no-such-account", 0, XOS_NOT_FOUND},
        {"", 0, XOS_NOT_FOUND},
        {"-1", 0, XOS_NOT_FOUND},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct xos_error err = {0};
        uint32_t uid = 7, gid = 7;
        int rc = xos_account_user(cases[i].text, &uid, &err);
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(uid, rc == 0 ? cases[i].id : 7);
        err = (struct xos_error){0};
        rc = xos_account_group(cases[i].text, &gid, &err);
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(gid, rc == 0 ? cases[i].id : 7);
    }
}

static const struct xt_test tests[] = {XT_PLAIN(names_and_numbers_are_found)};
XT_MAIN(tests)
