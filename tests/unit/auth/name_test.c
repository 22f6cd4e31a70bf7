// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: one spelling would mean two people, or two spellings one. */
#include "tests/lib/xtest.h"
#include "vo-auth/core/name.h"

#include <stdlib.h>
#include <string.h>

#define PART31 "a234567890123456789012345678901"

static const struct {
    enum auth_name_kind kind;
    const char *text;
    const char *own; /* one's own institution */
    const char *full;
} good[] = {
    {AUTH_NAME_INSTITUTION, "inria", NULL, "inria"},
    {AUTH_NAME_INSTITUTION, "a-1_b", NULL, "a-1_b"},
    {AUTH_NAME_USER, "alice@inria", NULL, "alice@inria"},
    {AUTH_NAME_USER, "alice", "inria", "alice@inria"},
    {AUTH_NAME_USER, "alice@vu", "inria", "alice@vu"},
    {AUTH_NAME_USER, PART31 "@" PART31, NULL, PART31 "@" PART31},
    {AUTH_NAME_USER, "0.b_c-d@inria", NULL, "0.b_c-d@inria"},
    {AUTH_NAME_NODE, "n1.inria", NULL, "n1.inria"},
    {AUTH_NAME_NODE, "n1", "inria", "n1.inria"},
    {AUTH_NAME_NODE, "n1.rack2.inria", NULL, "n1.rack2.inria"},
    {AUTH_NAME_NODE, "n1.vu", "inria", "n1.vu"},
    {AUTH_NAME_VO, "vo:climate@inria", NULL, "vo:climate@inria"},
    {AUTH_NAME_VO, "vo:climate", "inria", "vo:climate@inria"},
    {AUTH_NAME_GROUP, "vo:climate@inria/prod", NULL, "vo:climate@inria/prod"},
    {AUTH_NAME_ROLE, "vo:climate@inria/prod:runner", NULL, "vo:climate@inria/prod:runner"},
    {AUTH_NAME_ROLE, "vo:climate/prod:runner", "inria", "vo:climate@inria/prod:runner"},
    {AUTH_NAME_JOB, "inria-1042", NULL, "inria-1042"},
    {AUTH_NAME_JOB, "1042", "inria", "inria-1042"},
    {AUTH_NAME_JOB, "a-1-1042", NULL, "a-1-1042"},
    {AUTH_NAME_JOB, "inria-9223372036854775807", NULL, "inria-9223372036854775807"},
    {AUTH_NAME_UNIT, "inria-1042.0", NULL, "inria-1042.0"},
    {AUTH_NAME_UNIT, "1042.3", "inria", "inria-1042.3"},
    {AUTH_NAME_TASK, "inria-1042[7]", NULL, "inria-1042[7]"},
    {AUTH_NAME_CHECKPOINT, "1042@2", "inria", "inria-1042@2"},
    {AUTH_NAME_VOLUME, "climate@inria/home", NULL, "climate@inria/home"},
    {AUTH_NAME_VOLUME, "climate/home", "inria", "climate@inria/home"},
    {AUTH_NAME_VOLUME, "~alice/home", "inria", "~alice@inria/home"},
};

static const struct {
    enum auth_name_kind kind;
    const char *text;
} bad[] = {
    {AUTH_NAME_INSTITUTION, ""},
    {AUTH_NAME_INSTITUTION, "in.ria"},
    {AUTH_NAME_INSTITUTION, "Inria"},
    {AUTH_NAME_USER, "alice"},
    {AUTH_NAME_USER, "@inria"},
    {AUTH_NAME_USER, "alice@"},
    {AUTH_NAME_USER, "alice@in.ria"},
    {AUTH_NAME_USER, "alice@inria@vu"},
    {AUTH_NAME_USER, "al--ice@inria"},
    {AUTH_NAME_USER, "-alice@inria"},
    {AUTH_NAME_USER, "alice-@inria"},
    {AUTH_NAME_USER, ".alice@inria"},
    {AUTH_NAME_USER, "al ice@inria"},
    {AUTH_NAME_USER, "al/ice@inria"},
    {AUTH_NAME_USER, "al\nice@inria"},
    {AUTH_NAME_USER, "\xc3\xa1lice@inria"},
    {AUTH_NAME_USER, PART31 "x@inria"},
    {AUTH_NAME_NODE, "n1"},
    {AUTH_NAME_NODE, ".inria"},
    {AUTH_NAME_NODE, "n1."},
    {AUTH_NAME_VO, "climate@inria"},
    {AUTH_NAME_VO, "vo:climate@inria/prod"},
    {AUTH_NAME_GROUP, "vo:climate@inria"},
    {AUTH_NAME_GROUP, "vo:climate@inria/prod:runner"},
    {AUTH_NAME_ROLE, "vo:climate@inria/prod"},
    {AUTH_NAME_ROLE, "vo:climate@inria/prod:"},
    {AUTH_NAME_ROLE, "vo:climate@inria/a/b:c"},
    {AUTH_NAME_JOB, "inria-"},
    {AUTH_NAME_JOB, "inria-0"},
    {AUTH_NAME_JOB, "inria-01"},
    {AUTH_NAME_JOB, "inria-+1"},
    {AUTH_NAME_JOB, "inria--1"},
    {AUTH_NAME_JOB, "inria-9223372036854775808"},
    {AUTH_NAME_JOB, "inria-99999999999999999999"},
    {AUTH_NAME_UNIT, "inria-1042"},
    {AUTH_NAME_UNIT, "inria-1042.4294967296"},
    {AUTH_NAME_TASK, "inria-1042[7"},
    {AUTH_NAME_TASK, "inria-1042]"},
    {AUTH_NAME_TASK, ""},
    {AUTH_NAME_ROLE, "vo"},
    {AUTH_NAME_ROLE, ""},
    {AUTH_NAME_VO, "vo"},
    {AUTH_NAME_VOLUME, "/home"},
    {AUTH_NAME_CHECKPOINT, "inria-1042@"},
    {AUTH_NAME_VOLUME, "climate@inria"},
    {AUTH_NAME_VOLUME, "climate@inria/a/b"},
    {AUTH_NAME_VOLUME, "~@inria/home"},
    {AUTH_NAME_VOLUME, "climate@inria/.."},
};

static const struct {
    const char *uri;
    enum auth_name_kind kind; /* NONE: refused */
} uris[] = {
    {"xos://inria/user/alice", AUTH_NAME_USER},
    {"xos://inria/node/n1.rack2", AUTH_NAME_NODE},
    {"xos://inria/job/1042", AUTH_NAME_JOB},
    {"xos://inria/job/1042.3", AUTH_NAME_UNIT},
    {"xos://inria/ca", AUTH_NAME_CA},
    {"xos://inria/root", AUTH_NAME_ROOT},
    {"xos://inria/user/", AUTH_NAME_NONE},
    {"xos://inria/user/alice/", AUTH_NAME_NONE},
    {"xos://inria/user/alice?x", AUTH_NAME_NONE},
    {"xos://inria/ca/", AUTH_NAME_NONE},
    {"xos://inria/cax", AUTH_NAME_NONE},
    {"xos://inria/rootx", AUTH_NAME_NONE},
    {"xos://inria/vo/climate", AUTH_NAME_NONE},
    {"xos://in.ria/user/alice", AUTH_NAME_NONE},
    {"xos:///user/alice", AUTH_NAME_NONE},
    {"xos://inria", AUTH_NAME_NONE},
    {"XOS://inria/user/alice", AUTH_NAME_NONE},
    {"https://inria/user/alice", AUTH_NAME_NONE},
    {"xos://inria/job/01042", AUTH_NAME_NONE},
    {"", AUTH_NAME_NONE},
};

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

static void every_name_has_one_spelling(void **state)
{
    (void)state;
    struct xos_error err = {0};
    char text[AUTH_NAME_BYTES_MAX + 1];
    for (size_t i = 0; i < COUNT(good); i++) {
        struct auth_name n, again;
        XT_TRY(auth_name_parse(&n, good[i].kind, auth_slice(good[i].text), good[i].own, &err));
        auth_name_print(&n, text);
        assert_string_equal(text, good[i].full);
        XT_TRY(auth_name_parse(&again, good[i].kind, auth_slice(text), NULL, &err));
        assert_true(auth_name_equal(&n, &again));
        if (n.kind == AUTH_NAME_USER || n.kind == AUTH_NAME_NODE || n.kind == AUTH_NAME_JOB ||
            n.kind == AUTH_NAME_UNIT) {
            auth_name_print_uri(&n, text);
            XT_TRY(auth_name_parse_uri(&again, auth_slice(text), &err));
            assert_true(auth_name_equal(&n, &again));
        }
    }
out:;
}

static void what_is_no_name_is_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct auth_name n = {.job = 99};
        XT_REFUSED(auth_name_parse(&n, bad[i].kind, auth_slice(bad[i].text), NULL, &err),
                   XOS_INVALID);
        assert_int_equal(n.job, 99);
    }
    struct auth_name n;
    XT_REFUSED(auth_name_parse(&n, AUTH_NAME_USER, (struct xos_slice){NULL, 0}, "inria", &err),
               XOS_INVALID);
    XT_REFUSED(auth_name_parse(&n, AUTH_NAME_USER,
                               (struct xos_slice){(const uint8_t *)"al\0ce@inria", 11}, NULL, &err),
               XOS_INVALID);
    static const uint8_t longer[AUTH_NAME_BYTES_MAX + 1] = {'a'};
    XT_REFUSED(
        auth_name_parse(&n, AUTH_NAME_USER, (struct xos_slice){longer, sizeof(longer)}, "i", &err),
        XOS_INVALID);
    XT_REFUSED(auth_name_parse_uri(&n, (struct xos_slice){longer, sizeof(longer)}, &err),
               XOS_INVALID);
    XT_REFUSED(auth_name_parse(&n, AUTH_NAME_USER, auth_slice("alice"), "not.one", &err),
               XOS_INVALID);
}

static void uris_of_certificates(void **state)
{
    (void)state;
    struct xos_error err = {0};
    char text[AUTH_NAME_BYTES_MAX + 1];
    for (size_t i = 0; i < COUNT(uris); i++) {
        struct auth_name n;
        if (uris[i].kind == AUTH_NAME_NONE) {
            XT_REFUSED(auth_name_parse_uri(&n, auth_slice(uris[i].uri), &err), XOS_INVALID);
            continue;
        }
        XT_TRY(auth_name_parse_uri(&n, auth_slice(uris[i].uri), &err));
        assert_int_equal(n.kind, uris[i].kind);
        auth_name_print_uri(&n, text);
        assert_string_equal(text, uris[i].uri);
    }
out:;
}

static void what_one_acts_as(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct auth_name vo, group, role;
    XT_TRY(auth_name_parse_acting(&vo, auth_slice("vo:climate@inria"), NULL, &err));
    XT_TRY(auth_name_parse_acting(&group, auth_slice("vo:climate/prod"), "inria", &err));
    XT_TRY(auth_name_parse_acting(&role, auth_slice("vo:climate@inria/prod:x"), NULL, &err));
    assert_int_equal(vo.kind, AUTH_NAME_VO);
    assert_int_equal(group.kind, AUTH_NAME_GROUP);
    assert_int_equal(role.kind, AUTH_NAME_ROLE);
    XT_REFUSED(auth_name_parse_acting(&vo, auth_slice("climate"), "inria", &err), XOS_INVALID);
    assert_string_equal(auth_name_kind_text(AUTH_NAME_ROLE), "role");
    assert_string_equal(auth_name_kind_text(AUTH_NAME_KINDS), "nothing");
out:;
}

static int by_name(const void *a, const void *b)
{
    return auth_name_compare(a, b);
}

static void order_is_total(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct auth_name names[COUNT(good)];
    for (size_t i = 0; i < COUNT(good); i++)
        XT_TRY(
            auth_name_parse(&names[i], good[i].kind, auth_slice(good[i].text), good[i].own, &err));
    qsort(names, COUNT(good), sizeof(names[0]), by_name);
    for (size_t i = 0; i + 1 < COUNT(good); i++) {
        assert_true(auth_name_compare(&names[i], &names[i + 1]) <= 0);
        assert_true(auth_name_compare(&names[i + 1], &names[i]) >= 0);
    }
out:;
}

static void quoting_is_printable_and_cut(void **state)
{
    (void)state;
    char to[AUTH_QUOTE_BYTES];
    static const uint8_t ugly[] = "a\x1b[31m\n\x7f\xff";
    assert_string_equal(auth_quote((struct xos_slice){ugly, 9}, to), "a?[31m???");
    assert_string_equal(
        auth_quote(auth_slice("0123456789012345678901234567890123456789012345678"), to),
        "01234567890123456789012345678901234567890123...");
}

static const struct xt_test tests[] = {
    XT(every_name_has_one_spelling),
    XT(what_is_no_name_is_refused),
    XT(uris_of_certificates),
    XT(what_one_acts_as),
    XT(order_is_total),
    XT(quoting_is_printable_and_cut),
};
XT_MAIN(tests)
