// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a statement means one thing on SQLite and another on PostgreSQL. */
#include "libxos/store/sql.h"
#include "tests/lib/xtest.h"

#include <string.h>

static void statements_are_translated(void **state)
{
    (void)state;
    struct xos_error err = {0};
    static const struct {
        bool script;
        const char *ours, *pg;
    } cases[] = {
        {false, "SELECT a FROM t WHERE a = ? AND b=?", "SELECT a FROM t WHERE a = $1 AND b=$2"},
        {false, "SELECT '?', \"?\", ? -- ?\n, ?", "SELECT '?', \"?\", $1 -- ?\n, $2"},
        {false, "SELECT 'it''s ?' || ?", "SELECT 'it''s ?' || $1"},
        {false, "SELECT CAST(? AS INTEGER), CAST(? AS BLOB), CAST(? AS TEXT)",
         "SELECT CAST($1 AS BIGINT), CAST($2 AS BYTEA), CAST($3 AS TEXT)"},
        {true, "CREATE TABLE t (a INTEGER, text TEXT, c BLOB) STRICT",
         "CREATE TABLE t (a BIGINT, text TEXT COLLATE \"C\", c BYTEA) "},
        {true, "-- INTEGER\nBLOBS MY_BLOB 'BLOB'", "-- INTEGER\nBLOBS MY_BLOB 'BLOB'"},
        {false, "SELECT 'open", "SELECT 'open"},
        {false, "-- to the end ?", "-- to the end ?"},
        {false, "", ""},
    };
    struct xos_buf out = XOS_BUF(1000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        xos_buf_clear(&out);
        XT_TRY(xos_sql_for_pg(&out, cases[i].ours, cases[i].script, &err));
        assert_string_equal(out.len ? (const char *)out.data : "", cases[i].pg);
    }
    xos_buf_free(&out);
    out = XOS_BUF(10);
    XT_REFUSED(xos_sql_for_pg(&out, "SELECT something, more", false, &err), XOS_LIMIT);
out:
    xos_buf_free(&out);
}

static void text_is_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"", true},
        {"plain", true},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", true},
        {"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", true},
        {"\xc0\x80", false},         /* a long form */
        {"\xe0\x80\x80", false},     /* another */
        {"\xed\xa0\x80", false},     /* a surrogate */
        {"\xf4\x90\x80\x80", false}, /* above U+10FFFF */
        {"\xff", false},
        {"a\x80", false},
        {"\xe2\x82", false}, /* cut short */
        {"\xf0\x9f\x98z", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(xos_sql_text_valid(cases[i].text, strlen(cases[i].text)), cases[i].valid);
    assert_false(xos_sql_text_valid("a\0b", 3));
}

static const struct xt_test tests[] = {XT(statements_are_translated), XT(text_is_utf8)};
XT_MAIN(tests)
