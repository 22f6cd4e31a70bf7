// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a mistyped word gets no hint, or a hint that has nothing to do with it. */
#include "libxos/base/suggest.h"
#include "tests/lib/xtest.h"

#include <string.h>

static const char *const verbs[] = {"run",    "sub",     "ps",     "kill",     "wait",
                                    "attach", "log",     "nodes",  "vo",       "login",
                                    "mount",  "sandbox", "listen", "advertise"};
#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void slips_find_their_word(void **state)
{
    (void)state;
    static const struct {
        const char *typed, *wanted;
    } table[] = {
        {"rnu", "run"},        {"kil", "kill"},
        {"klil", "kill"},      {"atach", "attach"},
        {"attahc", "attach"},  {"ndoes", "nodes"},
        {"sandbx", "sandbox"}, {"snadbxo", "sandbox"},
        {"listne", "listen"},  {"advrtise", "advertise"},
        {"lgoin", "login"},    {"nodess", "nodes"},
        {"wiat", "wait"},      {"log", "log"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const char *near = xos_suggest(table[i].typed, verbs, VERBS, sizeof(verbs[0]));
        if (!near || strcmp(near, table[i].wanted) != 0)
            fail_msg("%s: got %s, wanted %s", table[i].typed, near ? near : "none",
                     table[i].wanted);
    }
}

static void strangers_find_nothing(void **state)
{
    (void)state;
    static const char *const strangers[] = {"",     "x",          "zzz",      "kubectl",
                                            "help", "abcdefghij", "raincoat", "wxyz"};
    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
        const char *near = xos_suggest(strangers[i], verbs, VERBS, sizeof(verbs[0]));
        if (near)
            fail_msg("%s: got %s", strangers[i], near);
    }
    char longer[200];
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    const char *same = longer;
    assert_null(xos_suggest(longer, &same, 1, sizeof(same)));
    assert_null(xos_suggest("run", &same, 1, sizeof(same)));
    assert_null(xos_suggest("run", verbs, 0, sizeof(verbs[0])));
}

static void a_column_of_a_table_is_searched(void **state)
{
    (void)state;
    static const struct {
        int number;
        const char *name;
        double other;
    } table[] = {{1, "alpha", 0}, {2, "beta", 0}, {3, "gamma", 0}};
    assert_string_equal(xos_suggest("gama", &table[0].name, 3, sizeof(table[0])), "gamma");
}

static const struct xt_test tests[] = {
    XT(slips_find_their_word),
    XT(strangers_find_nothing),
    XT(a_column_of_a_table_is_searched),
};
XT_MAIN(tests)
