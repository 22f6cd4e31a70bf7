// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a need that went over the wire asks for another size than its user wrote. */
#include "discovery/query/number.h"
#include "libxos/base/units.h"
#include "tests/lib/xtest.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    double number;
    enum xos_code code;
} numbers[] = {
    {"0", 0, XOS_NONE},           {"16", 16, XOS_NONE},
    {"0.5", 0.5, XOS_NONE},       {"3.141592", 3.141592, XOS_NONE},
    {"000", 0, XOS_NONE},         {"1000000000", 1e9, XOS_NONE},
    {"1000000001", 0, XOS_LIMIT}, {"99999999999999999999999999", 0, XOS_LIMIT},
    {"0.1234567", 0, XOS_LIMIT},  {"", 0, XOS_INVALID},
    {".5", 0, XOS_INVALID},       {"5.", 0, XOS_INVALID},
    {"1e3", 0, XOS_INVALID},      {"-1", 0, XOS_INVALID},
    {"1.2.3", 0, XOS_INVALID},    {"16GiB", 0, XOS_INVALID},
    {"nan", 0, XOS_INVALID},
};

static void numbers_are_read(void **state)
{
    (void)state;
    (void)setlocale(LC_ALL, "");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct xos_error err = {0};
        double n = 0;
        (void)xql_number_parse(numbers[i].text, &n, &err);
        if (err.code != numbers[i].code || n != numbers[i].number)
            fail_msg("%s: %s, %f", numbers[i].text, xos_code_name(err.code), n);
    }
}

static void what_is_printed_reads_back(void **state)
{
    (void)state;
    struct xos_error err = {0};
    char text[64];
    srand(3);
    for (unsigned long i = 0; i < xt_scaled(1000000); i++) {
        uint64_t random = (uint64_t)rand() << 31 | (uint64_t)rand();
        double n = (double)(random % 1000000000000000) / 1000000, back;
        uint64_t integer = random >> (rand() % 62) << (rand() % 41), again;
        xql_number_print(n, text, sizeof(text));
        assert_int_equal(xql_number_parse(text, &back, &err), 0);
        assert_true(n == back);
        xql_size_print(integer, text, sizeof(text));
        assert_int_equal(xos_parse_size(text, &again, &err), 0);
        assert_true(integer == again);
        xql_duration_print(integer, text, sizeof(text));
        assert_int_equal(xos_parse_duration(text, &again, &err), 0);
        assert_true(integer == again);
    }
}

static void values_print_in_their_largest_exact_unit(void **state)
{
    (void)state;
    char text[64];
    xql_size_print(UINT64_C(64) << 30, text, sizeof(text));
    assert_string_equal(text, "64GiB");
    xql_size_print(1000, text, sizeof(text));
    assert_string_equal(text, "1000B");
    xql_size_print(0, text, sizeof(text));
    assert_string_equal(text, "0B");
    xql_duration_print(5400000, text, sizeof(text));
    assert_string_equal(text, "90m");
    xql_duration_print(1500, text, sizeof(text));
    assert_string_equal(text, "1500ms");
    xql_number_print(-0.25, text, sizeof(text));
    assert_string_equal(text, "-0.25");
    xql_number_print(1e300, text, 8);
    assert_int_equal(strlen(text), 7);
}

static const struct xt_test tests[] = {
    XT(numbers_are_read),
    XT(what_is_printed_reads_back),
    XT(values_print_in_their_largest_exact_unit),
};
XT_MAIN(tests)
