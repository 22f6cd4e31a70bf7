// SPDX-License-Identifier: Apache-2.0
#include "discovery/query/number.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MILLION 1000000

int xql_number_parse(const char *text, double *number, struct xos_error *err)
{
    const char *p = text;
    uint64_t millionths = 0, place = MILLION / 10;
    for (; isdigit((unsigned char)*p); p++) {
        millionths = millionths * 10 + (uint64_t)(*p - '0');
        if (millionths > XQL_NUMBER_MAX)
            return xos_fail(err, XOS_LIMIT, "%.40s is above XQL_NUMBER_MAX (%d)", text,
                            XQL_NUMBER_MAX);
    }
    millionths *= MILLION;
    if (p == text)
        goto error;
    if (*p == '.') {
        const char *point = p++;
        for (; isdigit((unsigned char)*p); p++, place /= 10)
            millionths += place * (uint64_t)(*p - '0');
        if (p == point + 1)
            goto error;
        if (p - point - 1 > XQL_FRACTION_DIGITS_MAX)
            return xos_fail(err, XOS_LIMIT, "%.40s has more than XQL_FRACTION_DIGITS_MAX (%d)",
                            text, XQL_FRACTION_DIGITS_MAX);
    }
    if (*p)
        goto error;
    *number = (double)millionths / MILLION;
    return 0;
error:
    return xos_fail(err, XOS_INVALID, "\"%.40s\" is not a number: write 16 or 0.5", text);
}

void xql_number_print(double number, char *text, size_t size)
{
    char digits[64];
    if (!(fabs(number) <= 9e12)) {
        (void)snprintf(text, size, "%.0f", number);
        return;
    }
    long long millionths = llround(fabs(number) * MILLION);
    (void)snprintf(digits, sizeof(digits), "%s%lld.%06lld", number < 0 && millionths ? "-" : "",
                   millionths / MILLION, millionths % MILLION);
    size_t n = strlen(digits);
    while (digits[n - 1] == '0')
        n--;
    n -= digits[n - 1] == '.';
    digits[n] = '\0';
    (void)snprintf(text, size, "%s", digits);
}

struct unit {
    const char *name;
    uint64_t factor;
};

static void print_exact(uint64_t value, const struct unit *units, char *text, size_t size)
{
    while (units->factor > 1 && (value == 0 || value % units->factor))
        units++;
    (void)snprintf(text, size, "%" PRIu64 "%s", value / units->factor, units->name);
}

void xql_size_print(uint64_t bytes, char *text, size_t size)
{
    static const struct unit units[] = {{"TiB", UINT64_C(1) << 40},
                                        {"GiB", UINT64_C(1) << 30},
                                        {"MiB", UINT64_C(1) << 20},
                                        {"KiB", UINT64_C(1) << 10},
                                        {"B", 1}};
    print_exact(bytes, units, text, size);
}

void xql_duration_print(uint64_t ms, char *text, size_t size)
{
    static const struct unit units[] = {
        {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    print_exact(ms, units, text, size);
}
