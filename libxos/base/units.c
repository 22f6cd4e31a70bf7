// SPDX-License-Identifier: Apache-2.0
#include "libxos/base/units.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"K", UINT64_C(1) << 10},
    {"KiB", UINT64_C(1) << 10},
    {"M", UINT64_C(1) << 20},
    {"MiB", UINT64_C(1) << 20},
    {"G", UINT64_C(1) << 30},
    {"GiB", UINT64_C(1) << 30},
    {"T", UINT64_C(1) << 40},
    {"TiB", UINT64_C(1) << 40},
    {NULL, 0},
};

static const struct unit duration_units[] = {
    {"", 1000},     {"ms", 1},       {"s", 1000}, {"m", 60 * 1000},
    {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};

/* Digits with at most one point, then a unit. Integer arithmetic: no locale, no rounding surprise.
 */
static int parse_scaled(const char *text, const struct unit *units, uint64_t *value)
{
    const char *p = text;
    uint64_t whole = 0, part = 0, scale = 1;
    if (!isdigit((unsigned char)*p))
        return -1;
    for (; isdigit((unsigned char)*p); p++)
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole))
            return -1;
    if (*p == '.') {
        p++;
        if (!isdigit((unsigned char)*p))
            return -1;
        for (; isdigit((unsigned char)*p); p++)
            if (scale < 1000000) {
                part = part * 10 + (uint64_t)(*p - '0');
                scale *= 10;
            }
    }
    for (; units->name; units++)
        if (strcmp(units->name, p) == 0)
            break;
    if (!units->name || __builtin_mul_overflow(whole, units->factor, &whole))
        return -1;
    uint64_t extra = (uint64_t)((unsigned __int128)part * units->factor / scale);
    return __builtin_add_overflow(whole, extra, value) ? -1 : 0;
}

int xos_parse_size(const char *text, uint64_t *bytes, struct xos_error *err)
{
    if (parse_scaled(text, size_units, bytes) < 0)
        return xos_fail(err, XOS_INVALID, "\"%.40s\" is not a size: write 512MiB, 4G or 1048576",
                        text);
    return 0;
}

int xos_parse_duration(const char *text, uint64_t *ms, struct xos_error *err)
{
    if (parse_scaled(text, duration_units, ms) < 0)
        return xos_fail(err, XOS_INVALID, "\"%.40s\" is not a duration: write 30s, 15m, 2h or 7d",
                        text);
    return 0;
}

int xos_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value,
                  struct xos_error *err)
{
    uint64_t n = 0;
    const char *p = text;
    for (; isdigit((unsigned char)*p); p++)
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
            break;
    if (p == text || *p != '\0' || n < min || n > max)
        return xos_fail(err, XOS_INVALID, "\"%.40s\" is not a number from %" PRIu64 " to %" PRIu64,
                        text, min, max);
    *value = n;
    return 0;
}

void xos_format_size(uint64_t bytes, char *text, size_t size)
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    unsigned i = 0;
    uint64_t unit = 1;
    while (i < 4 && bytes / unit >= 1024) {
        unit <<= 10;
        i++;
    }
    uint64_t tenths = (uint64_t)((unsigned __int128)bytes * 10 / unit);
    if (tenths % 10 == 0)
        (void)snprintf(text, size, "%" PRIu64 "%s", tenths / 10, names[i]);
    else
        (void)snprintf(text, size, "%" PRIu64 ".%" PRIu64 "%s", tenths / 10, tenths % 10, names[i]);
}

void xos_format_duration(uint64_t ms, char *text, size_t size)
{
    uint64_t s = ms / 1000;
    if (ms < 1000)
        (void)snprintf(text, size, "%" PRIu64 "ms", ms);
    else if (s < 60)
        (void)snprintf(text, size, "%" PRIu64 "s", s);
    else if (s < 3600)
        (void)snprintf(text, size, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
    else if (s < 86400)
        (void)snprintf(text, size, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
    else
        (void)snprintf(text, size, "%" PRIu64 "d%02" PRIu64 "h", s / 86400, s / 3600 % 24);
}

void xos_format_time(int64_t real_ms, char *text, size_t size)
{
    int64_t rest = real_ms % 1000 < 0 ? real_ms % 1000 + 1000 : real_ms % 1000;
    time_t seconds = (time_t)(real_ms / 1000 - (real_ms % 1000 < 0));
    struct tm tm;
    char date[24];
    if (!gmtime_r(&seconds, &tm) || strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
        (void)snprintf(text, size, "invalid-time");
        return;
    }
    (void)snprintf(text, size, "%s.%03dZ", date, (int)rest);
}
