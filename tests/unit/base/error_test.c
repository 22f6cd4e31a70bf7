// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a command of one version reads another version's refusal as something else,
 * or a name that a stranger chose breaks the one line that a user reads. */
#include "libxos/base/error.h"
#include "tests/lib/xtest.h"

#include <errno.h>
#include <string.h>

/* The numbers are on the wire and in stores: rows are added here, never changed. */
static const struct {
    unsigned number;
    const char *name;
} golden[] = {
    {0, "NONE"},         {1, "NOMEM"},    {2, "INVALID"},   {3, "PROTOCOL"},  {4, "DENIED"},
    {5, "NOT_FOUND"},    {6, "EXISTS"},   {7, "BUSY"},      {8, "LIMIT"},     {9, "TIMEOUT"},
    {10, "CANCELLED"},   {11, "IO"},      {12, "SYSTEM"},   {13, "CORRUPT"},  {14, "VERSION"},
    {15, "UNAVAILABLE"}, {16, "EXPIRED"}, {17, "STALE"},    {18, "REPLAYED"}, {19, "UNSUPPORTED"},
    {20, "NO_LOGIN"},    {21, "CLOCK"},   {22, "INTERNAL"},
};
#define GOLDEN_COUNT (sizeof(golden) / sizeof(golden[0]))

static void wire_numbers_never_change(void **state)
{
    (void)state;
    for (unsigned i = 0; i < GOLDEN_COUNT; i++) {
        assert_int_equal(golden[i].number, i);
        assert_string_equal(xos_code_name(xos_code_from_wire(i)), golden[i].name);
        assert_true(strlen(xos_code_meaning(xos_code_from_wire(i))) > 5);
    }
    static const unsigned unknown[] = {GOLDEN_COUNT, 255, 1u << 31, ~0u};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(xos_code_from_wire(unknown[i]), XOS_INTERNAL);
        assert_string_equal(xos_code_name((enum xos_code)unknown[i]), "UNKNOWN");
        assert_non_null(xos_code_meaning((enum xos_code)unknown[i]));
    }
}

static void texts_grow_outward(void **state)
{
    (void)state;
    struct xos_error err = {0};
    assert_int_equal(xos_fail(&err, XOS_BUSY, "database is %s", "locked"), -1);
    assert_int_equal(xos_wrap(&err, "metadata"), -1);
    assert_int_equal(xos_wrap(&err, "open volume %s", "home"), -1);
    assert_int_equal(err.code, XOS_BUSY);
    assert_string_equal(err.text, "open volume home: metadata: database is locked");
    assert_int_equal(xos_fail(NULL, XOS_BUSY, "nobody asks"), -1);
    assert_int_equal(xos_wrap(NULL, "nobody asks"), -1);
    errno = ENOENT;
    assert_int_equal(xos_fail_errno(NULL, "nobody asks"), -1);
}

static void the_text_may_be_its_own_argument(void **state)
{
    (void)state;
    struct xos_error err = {0};
    xos_fail(&err, XOS_IO, "disk is gone");
    xos_fail(&err, XOS_UNAVAILABLE, "head: %s (%d)", err.text, 5);
    assert_string_equal(err.text, "head: disk is gone (5)");
    xos_wrap(&err, "again %s", err.text);
    assert_string_equal(err.text, "again head: disk is gone (5): head: disk is gone (5)");
}

static void long_texts_are_cut_at_the_end(void **state)
{
    (void)state;
    struct xos_error err = {0};
    char name[2 * XOS_ERROR_TEXT_MAX];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    xos_fail(&err, XOS_INVALID, "%s", name);
    assert_int_equal(strlen(err.text), XOS_ERROR_TEXT_MAX - 1);
    xos_wrap(&err, "outer");
    assert_int_equal(strlen(err.text), XOS_ERROR_TEXT_MAX - 1);
    assert_memory_equal(err.text, "outer: nnn", 10);
    xos_wrap(&err, "%s", name);
    assert_int_equal(strlen(err.text), XOS_ERROR_TEXT_MAX - 1);
    errno = EIO;
    xos_fail_errno(&err, "%s", name);
    assert_int_equal(strlen(err.text), XOS_ERROR_TEXT_MAX - 1);
}

static void an_error_is_one_line_whatever_was_in_the_name(void **state)
{
    (void)state;
    struct xos_error err = {0};
    xos_fail(&err, XOS_NOT_FOUND, "job %s", "a\nroot: all is well\r\x1b[2J\x7f\tb");
    assert_string_equal(err.text, "job a?root: all is well??[2J??b");
    xos_fail(&err, XOS_NOT_FOUND, "%s", "n\xc3\xb6tig"); /* UTF-8 stays */
    assert_string_equal(err.text, "n\xc3\xb6tig");
}

static void errno_becomes_a_code_and_words(void **state)
{
    (void)state;
    static const struct {
        int number;
        enum xos_code code;
        const char *text;
    } table[] = {
        {ENOENT, XOS_NOT_FOUND, "open x: No such file or directory"},
        {ENOMEM, XOS_NOMEM, "open x: Cannot allocate memory"},
        {EEXIST, XOS_EXISTS, "open x: File exists"},
        {ENOSPC, XOS_IO, "open x: No space left on device"},
        {EDQUOT, XOS_IO, "open x: Disk quota exceeded"},
        {EROFS, XOS_IO, "open x: Read-only file system"},
        {ECONNREFUSED, XOS_UNAVAILABLE, "open x: Connection refused"},
        {ETIMEDOUT, XOS_TIMEOUT, "open x: Connection timed out"},
        {EMFILE, XOS_LIMIT, "open x: Too many open files"},
        {EACCES, XOS_SYSTEM, "open x: Permission denied"},
        {ENOSYS, XOS_UNSUPPORTED, "open x: Function not implemented"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct xos_error err = {0};
        errno = table[i].number;
        assert_int_equal(xos_fail_errno(&err, "open %s", "x"), -1);
        assert_int_equal(err.code, table[i].code);
        assert_string_equal(err.text, table[i].text);
        assert_int_equal(errno, table[i].number);
    }
}

static const struct xt_test tests[] = {
    XT(wire_numbers_never_change),
    XT(texts_grow_outward),
    XT(the_text_may_be_its_own_argument),
    XT(long_texts_are_cut_at_the_end),
    XT(an_error_is_one_line_whatever_was_in_the_name),
    XT(errno_becomes_a_code_and_words),
};
XT_MAIN(tests)
