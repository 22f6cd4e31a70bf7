// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: `kernel>=6.10` picks 6.9 nodes, and patterns pick the wrong GPUs. */
#include "discovery/query/match.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *a, *b;
    int order;
} versions[] = {
    {"6.1", "6.1", 0},
    {"6.1", "6.1.0", 0},
    {"6.1.0.0", "6.1", 0},
    {"6.01", "6.1", 0},
    {"6.1-", "6.1", 0},
    {"", "0", 0},
    {"6.10", "6.9", 1},
    {"6.9", "6.10", -1},
    {"6.1", "6", 1},
    {"6.1.0-18-amd64", "6.1", 1},
    {"6.1.0-18-amd64", "6.1.0-9-amd64", 1},
    {"6.1.0-18-amd64", "6.1.1", -1},
    {"6.2-rc1", "6.2", -1},
    {"6.2-rc1", "6.1.99", 1},
    {"6.2-rc2", "6.2-rc1", 1},
    {"6.2-rc10", "6.2-rc9", 1},
    {"6.2-alpha", "6.2-beta", -1},
    {"6.2-amd64", "6.2", 1},
    {"6.2-amd64", "6.2.1", -1},
    {"9.0a", "9.0", 1},
    {"8.6", "9.0", -1},
    {"8.10", "8.6", 1},
    {"12345678901234567890123456789012", "12345678901234567890123456789011", 1},
    {"99999999999999999999", "100000000000000000000", -1},
};

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static void versions_compare_part_by_part(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        int forth = sign(xql_version_compare(versions[i].a, versions[i].b));
        int back = sign(xql_version_compare(versions[i].b, versions[i].a));
        if (forth != versions[i].order || back != -versions[i].order)
            fail_msg("%s against %s: %d, back %d", versions[i].a, versions[i].b, forth, back);
    }
}

static const char *const pieces[] = {"0", "1", "2", "10", "rc", "amd", "z", "alpha"};

static void random_version(char *text, size_t size)
{
    text[0] = '\0';
    for (int n = rand() % 4; n >= 0; n--) {
        size_t used = strlen(text);
        (void)snprintf(text + used, size - used, "%s%s", used ? "." : "", pieces[rand() % 8]);
    }
}

static void the_order_of_versions_is_total(void **state)
{
    (void)state;
    srand(7);
    for (unsigned long i = 0; i < xt_scaled(1000000); i++) {
        char v[3][64];
        for (int k = 0; k < 3; k++)
            random_version(v[k], sizeof(v[k]));
        int ab = sign(xql_version_compare(v[0], v[1])), bc = sign(xql_version_compare(v[1], v[2]));
        int ac = sign(xql_version_compare(v[0], v[2]));
        assert_int_equal(ab, -sign(xql_version_compare(v[1], v[0])));
        if (ab <= 0 && bc <= 0 && (ac > 0 || (ac == 0 && (ab < 0 || bc < 0))))
            fail_msg("%s, %s, %s: not transitive", v[0], v[1], v[2]);
    }
}

static const struct {
    const char *pattern, *text;
    bool fits;
} globs[] = {
    {"", "", true},
    {"", "a", false},
    {"*", "", true},
    {"*", "anything", true},
    {"a", "a", true},
    {"a", "b", false},
    {"a", "A", false},
    {"?", "", false},
    {"?", "x", true},
    {"??", "x", false},
    {"H100*", "H100-SXM5-80GB", true},
    {"H100*", "NVIDIA H100", false},
    {"*H100*", "NVIDIA H100 PCIe", true},
    {"*H100", "NVIDIA H100 PCIe", false},
    {"*a*b*c*", "xxaxxbxxcxx", true},
    {"*a*b*c*", "xxaxxcxxbxx", false},
    {"a*b*b", "abbb", true},
    {"*ab", "aab", true},
    {"**", "x", true},
    {"a?c", "abc", true},
    {"a?c", "ac", false},
    {"[a]", "a", false},
    {"[a]", "[a]", true},
    {"x86_*", "x86_64", true},
    {"*?*?*", "a", false},
    {"*?*?*", "ab", true},
};

static void patterns_fit_whole_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(globs) / sizeof(globs[0]); i++)
        if (xql_glob(globs[i].pattern, globs[i].text) != globs[i].fits)
            fail_msg("%s against %s", globs[i].pattern, globs[i].text);
}

static const struct xt_test tests[] = {
    XT(versions_compare_part_by_part),
    XT(the_order_of_versions_is_total),
    XT(patterns_fit_whole_texts),
};
XT_MAIN(tests)
