// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: --mem 64G claims something else than 64 GiB, and a job ends at another time
 * than its user wrote. */
#include "libxos/base/units.h"
#include "tests/lib/xtest.h"

#include <string.h>

#define NO UINT64_C(0xdeadbeef)

struct row {
    const char *text;
    uint64_t value; /* NO: refused */
};

static const struct row sizes[] = {
    {"0", 0},
    {"1048576", 1048576},
    {"512MiB", 512ull << 20},
    {"512M", 512ull << 20},
    {"4G", 4ull << 30},
    {"4GiB", 4ull << 30},
    {"1.5GiB", 3ull << 29},
    {"0.5K", 512},
    {"1.9999999999999", 1},
    {"1T", 1ull << 40},
    {"16777215TiB", 16777215ull << 40},
    {"10B", 10},
    {"18446744073709551615", UINT64_MAX},
    {"18446744073709551616", NO},
    {"16777216TiB", NO},
    {"", NO},
    {"G", NO},
    {"4 G", NO},
    {" 4G", NO},
    {"4G ", NO},
    {"4g", NO},
    {"4GB", NO},
    {"-1", NO},
    {"+1", NO},
    {"1.", NO},
    {".5", NO},
    {"1.5.5", NO},
    {"0x10", NO},
    {"1e3", NO},
    {"99999999999999999999999999", NO},
};

static const struct row durations[] = {
    {"0", 0},       {"30", 30000},   {"30s", 30000},  {"1.5s", 1500},
    {"250ms", 250}, {"15m", 900000}, {"2h", 7200000}, {"7d", 604800000},
    {"0.001", 1},   {"0.0009", 0},   {"1w", NO},      {"s", NO},
    {"1h30m", NO},  {"-5s", NO},     {"", NO},        {"213503982335d", NO},
    {"1M", NO},
};

typedef int (*parse_f)(const char *text, uint64_t *value, struct xos_error *err);

static void check(parse_f parse, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct xos_error err = {0};
        uint64_t value = 7;
        int rc = parse(rows[i].text, &value, &err);
        if (rows[i].value == NO) {
            if (rc == 0)
                fail_msg("\"%s\" was taken for %llu", rows[i].text, (unsigned long long)value);
            assert_int_equal(err.code, XOS_INVALID);
            assert_non_null(strstr(err.text, ": write "));
            assert_int_equal(value, 7); /* a call that failed changed nothing */
        } else if (rc < 0 || value != rows[i].value)
            fail_msg("\"%s\": %llu, wanted %llu", rows[i].text, (unsigned long long)value,
                     (unsigned long long)rows[i].value);
    }
}

static void sizes_and_durations(void **state)
{
    (void)state;
    check(xos_parse_size, sizes, sizeof(sizes) / sizeof(sizes[0]));
    check(xos_parse_duration, durations, sizeof(durations) / sizeof(durations[0]));
}

static void numbers_stay_in_their_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t min, max;
        bool good;
    } table[] = {
        {"5", 1, 10, true},
        {"1", 1, 10, true},
        {"10", 1, 10, true},
        {"0", 1, 10, false},
        {"11", 1, 10, false},
        {"18446744073709551615", 0, UINT64_MAX, true},
        {"18446744073709551616", 0, UINT64_MAX, false},
        {"", 0, 9, false},
        {"5x", 0, 9, false},
        {"-1", 0, UINT64_MAX, false},
        {" 1", 0, 9, false},
        {"007", 0, 9, true},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct xos_error err = {0};
        uint64_t value;
        int rc = xos_parse_u64(table[i].text, table[i].min, table[i].max, &value, &err);
        if ((rc == 0) != table[i].good)
            fail_msg("\"%s\": %d", table[i].text, rc);
    }
}

static void values_are_written_as_people_read_them(void **state)
{
    (void)state;
    static const struct {
        uint64_t value;
        const char *size, *duration;
    } table[] = {
        {0, "0B", "0ms"},
        {999, "999B", "999ms"},
        {1024, "1KiB", "1s"},
        {1536, "1.5KiB", "1s"},
        {59999, "58.5KiB", "59s"},
        {60000, "58.5KiB", "1m00s"},
        {3600000, "3.4MiB", "1h00m"},
        {11520000, "10.9MiB", "3h12m"},
        {90000000, "85.8MiB", "1d01h"},
        {1ull << 40, "1TiB", "12725d19h"},
        {UINT64_MAX, "16777215.9TiB", "213503982334d14h"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char text[32];
        xos_format_size(table[i].value, text, sizeof(text));
        assert_string_equal(text, table[i].size);
        xos_format_duration(table[i].value, text, sizeof(text));
        assert_string_equal(text, table[i].duration);
    }
}

static void times_are_rfc_3339(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } table[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1772366400123, "2026-03-01T12:00:00.123Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {-1000, "1969-12-31T23:59:59.000Z"},
        {INT64_MAX, "invalid-time"},
        {INT64_MIN, "invalid-time"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char text[XOS_TIME_TEXT_MAX];
        xos_format_time(table[i].ms, text, sizeof(text));
        assert_string_equal(text, table[i].text);
    }
}

static const struct xt_test tests[] = {
    XT(sizes_and_durations),
    XT(numbers_stay_in_their_bounds),
    XT(values_are_written_as_people_read_them),
    XT(times_are_rfc_3339),
};
XT_MAIN(tests)
