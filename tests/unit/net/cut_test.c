// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: `xos sandbox cut` cuts the wrong nodes, or none. */
#include "libxos/net/cut.h"
#include "tests/lib/xtest.h"

#include <string.h>

static void addresses_are_compared_by_meaning(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_cut *cut = NULL;
    static const char *const set[] = {"127.0.0.2", "::ffff:127.0.0.3", "[fe80::1%lo]", "::1"};
    static const struct {
        const char *address;
        bool has;
    } cases[] = {
        {"127.0.0.2", true},
        {"::ffff:127.0.0.2", true},
        {"::ffff:7f00:2", true},
        {"127.0.0.3", true},
        {"fe80::1", true},
        {"fe80:0::1%eth0", true},
        {"[::1]", true},
        {"0:0::1", true},
        {"127.0.0.4", false},
        {"127.0.0.1", false},
        {"::2", false},
        {"", false},
        {"[::1", false},
        {"localhost", false},
        {"127.0.0.2 ", false},
        {"1111111111111111111111111111111111111111111111111111111111111111111", false},
    };
    XT_TRY(xos_cut_new(&cut, &err));
    assert_false(xos_cut_has(cut, "127.0.0.2"));
    XT_TRY(xos_cut_set(cut, set, 4, &err));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (xos_cut_has(cut, cases[i].address) != cases[i].has)
            fail_msg("%s", cases[i].address);
    XT_TRY(xos_cut_set(cut, NULL, 0, &err));
    assert_false(xos_cut_has(cut, "127.0.0.2"));
    assert_false(xos_cut_has(NULL, "127.0.0.2"));
out:
    xos_cut_free(cut);
}

static void a_bad_set_changes_nothing(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_cut *cut = NULL;
    static const char *const good[] = {"127.0.0.2"}, *const bad[] = {"127.0.0.3", "example.org"};
    const char *many[XOS_CUT_ADDRESSES_MAX + 1];
    XT_TRY(xos_cut_new(&cut, &err));
    XT_TRY(xos_cut_set(cut, good, 1, &err));
    for (size_t i = 0; i <= XOS_CUT_ADDRESSES_MAX; i++)
        many[i] = "127.0.0.4";
    XT_REFUSED(xos_cut_set(cut, bad, 2, &err), XOS_INVALID);
    XT_REFUSED(xos_cut_set(cut, many, XOS_CUT_ADDRESSES_MAX + 1, &err), XOS_LIMIT);
    assert_true(xos_cut_has(cut, "127.0.0.2"));
    assert_false(xos_cut_has(cut, "127.0.0.3"));
    XT_TRY(xos_cut_set(cut, many, XOS_CUT_ADDRESSES_MAX, &err));
out:
    xos_cut_free(cut);
}

static void count(void *arg)
{
    ++*(unsigned *)arg;
}

static void listeners_are_told_of_each_change(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_cut *cut = NULL;
    unsigned one = 0, two = 0;
    struct xos_cut_listener first = {.changed = count, .arg = &one},
                            second = {.changed = count, .arg = &two};
    static const char *const set[] = {"127.0.0.2"};
    XT_TRY(xos_cut_new(&cut, &err));
    xos_cut_listen(cut, &first);
    xos_cut_listen(cut, &second);
    XT_TRY(xos_cut_set(cut, set, 1, &err));
    xos_cut_unlisten(cut, &second);
    xos_cut_unlisten(cut, &second);
    XT_TRY(xos_cut_set(cut, NULL, 0, &err));
    assert_int_equal(one, 2);
    assert_int_equal(two, 1);
out:
    xos_cut_unlisten(cut, &first);
    xos_cut_unlisten(cut, &second);
    xos_cut_unlisten(NULL, &first);
    xos_cut_free(cut);
}

static void endpoints_are_written_as_libzmq_reads_them(void **state)
{
    (void)state;
    struct xos_error err = {0};
    char text[XOS_ENDPOINT_TEXT_MAX];
    static const struct {
        const char *from, *host;
        unsigned port;
        const char *endpoint; /* NULL: refused */
    } cases[] = {
        {NULL, "127.0.0.1", 7401, "tcp://127.0.0.1:7401"},
        {NULL, "::1", 7401, "tcp://[::1]:7401"},
        {NULL, "[::1]", 7401, "tcp://[::1]:7401"},
        {"127.0.0.2", "127.0.0.1", 65535, "tcp://127.0.0.2:0;127.0.0.1:65535"},
        {"::2", "fe80::1%lo", 1, "tcp://[::2]:0;[fe80::1%lo]:1"},
        {"127.0.0.2", "::1", 1, NULL},
        {NULL, "example.org", 1, NULL},
        {NULL, "127.0.0.1:80", 1, NULL},
        {NULL, "", 1, NULL},
        {NULL, "127.0.0.1", 65536, NULL},
        {"nowhere", "127.0.0.1", 1, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int rc = xos_address_endpoint(text, cases[i].from, cases[i].host, cases[i].port, &err);
        assert_int_equal(rc, cases[i].endpoint ? 0 : -1);
        if (cases[i].endpoint)
            assert_string_equal(text, cases[i].endpoint);
    }
}

static const struct xt_test tests[] = {
    XT(addresses_are_compared_by_meaning),
    XT(a_bad_set_changes_nothing),
    XT(listeners_are_told_of_each_change),
    XT(endpoints_are_written_as_libzmq_reads_them),
};
XT_MAIN(tests)
