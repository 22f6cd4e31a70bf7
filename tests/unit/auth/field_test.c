// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: something signed is taken as valid before or after its time. */
#include "tests/lib/xtest.h"
#include "vo-auth/core/field.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table[0]))
#define NOW INT64_C(1772366400000)

static void spans_have_edges(void **state)
{
    (void)state;
    static const struct {
        int64_t from, to, life;
        enum xos_code code;
        const char *text;
    } rows[] = {
        {NOW, NOW + 1000, 1000, XOS_NONE, ""},
        {NOW, NOW + 1001, 1000, XOS_DENIED, "longer than 1s"},
        {NOW, NOW, 1000, XOS_DENIED, "ends before"},
        {NOW + 60000, NOW + 61000, 1000, XOS_NONE, ""},
        {NOW + 60001, NOW + 61000, 1000, XOS_CLOCK, "2026-03-01T12:01:00.001Z"},
        {NOW - 61000, NOW - 60000, 1000, XOS_NONE, ""},
        {NOW - 61000, NOW - 60001, 1000, XOS_EXPIRED, "2026-03-01T11:58:59.999Z"},
        {1, AUTH_TIME_MS_MAX, AUTH_TIME_MS_MAX, XOS_NONE, ""},
    };
    struct xos_error err = {0};
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (rows[i].code == XOS_NONE) {
            XT_TRY(auth_span_check(rows[i].from, rows[i].to, NOW, rows[i].life, "it", &err));
            continue;
        }
        XT_REFUSED(auth_span_check(rows[i].from, rows[i].to, NOW, rows[i].life, "it", &err),
                   rows[i].code);
        assert_non_null(strstr(err.text, rows[i].text));
    }
out:;
}

static void fields_are_exact(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct auth_name name;
    struct auth_name_text text;
    uint8_t four[4];
    int64_t time;
    XT_REFUSED(auth_field_bytes(four, 4, auth_field_of_bytes("abc", 3), "id", &err), XOS_PROTOCOL);
    XT_REFUSED(auth_field_bytes(four, 4, auth_field_of_bytes("abcde", 5), "id", &err),
               XOS_PROTOCOL);
    XT_REFUSED(auth_field_bytes(four, 4, auth_field_of_bytes(NULL, 0), "id", &err), XOS_PROTOCOL);
    XT_TRY(auth_field_bytes(four, 4, auth_field_of_bytes("abcd", 4), "id", &err));
    XT_REFUSED(auth_field_time(&time, 0, "t", &err), XOS_PROTOCOL);
    XT_REFUSED(auth_field_time(&time, (uint64_t)AUTH_TIME_MS_MAX + 1, "t", &err), XOS_PROTOCOL);
    XT_REFUSED(auth_field_time(&time, UINT64_MAX, "t", &err), XOS_PROTOCOL);
    XT_TRY(auth_field_time(&time, 1, "t", &err));
    /* names come whole: nothing is filled in */
    XT_REFUSED(
        auth_field_name(&name, AUTH_NAME_USER, auth_field_of_bytes("alice", 5), "user", &err),
        XOS_PROTOCOL);
    assert_non_null(strstr(err.text, "user: "));
    XT_TRY(auth_field_acting(&name, auth_field_of_bytes(NULL, 0), "acting", &err));
    assert_int_equal(name.kind, AUTH_NAME_NONE);
    assert_int_equal(auth_field_of_name(&name, &text).len, 0);
    XT_REFUSED(auth_field_acting(&name, auth_field_of_bytes("vo:", 3), "acting", &err),
               XOS_PROTOCOL);
    assert_int_equal(auth_field_name(&name, AUTH_NAME_USER, auth_field_of_bytes("x", 1), "u", NULL),
                     -1);
out:;
}

static const struct xt_test tests[] = {
    XT(spans_have_edges),
    XT(fields_are_exact),
};
XT_MAIN(tests)
