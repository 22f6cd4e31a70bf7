// SPDX-License-Identifier: Apache-2.0
#include "cmd/table.h"

#include "cmd/say.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TABLE_GAP 2

char *cmd_safe(const char *text)
{
    static const char hex[] = "0123456789abcdef";
    char *out = cmd_need(4 * strlen(text) + 1), *to = out;
    for (const char *from = text; *from; from++) {
        unsigned char c = (unsigned char)*from;
        if (c >= 0x20 && c < 0x7f && c != '\\') {
            *to++ = (char)c;
            continue;
        }
        *to++ = '\\';
        *to++ = 'x';
        *to++ = hex[c >> 4];
        *to++ = hex[c & 15];
    }
    *to = '\0';
    return out;
}

void cmd_table_add(struct cmd_table *t, const char *text)
{
    assert(t->columns > 0 && t->columns <= CMD_TABLE_COLUMNS_MAX);
    if (t->count == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->cells = cmd_need_more(t->cells, t->cap * sizeof(*t->cells));
    }
    t->cells[t->count++] = cmd_safe(text[0] ? text : "-");
}

void cmd_table_addf(struct cmd_table *t, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    cmd_table_add(t, text);
}

static void widths_find(const struct cmd_table *t, size_t widths[static CMD_TABLE_COLUMNS_MAX])
{
    memset(widths, 0, CMD_TABLE_COLUMNS_MAX * sizeof(*widths));
    for (size_t i = 0; i < t->count; i++) {
        size_t n = strlen(t->cells[i]), c = i % t->columns;
        widths[c] = n > widths[c] ? n : widths[c];
    }
}

void cmd_table_print(const struct cmd_table *t, FILE *to)
{
    size_t widths[CMD_TABLE_COLUMNS_MAX];
    widths_find(t, widths);
    for (size_t i = 0; i < t->count; i++) {
        size_t c = i % t->columns;
        if (c + 1 < t->columns)
            (void)fprintf(to, "%-*s", (int)(widths[c] + TABLE_GAP), t->cells[i]);
        else
            (void)fprintf(to, "%s\n", t->cells[i]);
    }
}

void cmd_table_free(struct cmd_table *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->cells[i]);
    free(t->cells);
    *t = (struct cmd_table){0};
}

const char *cmd_age(uint64_t ms, char out[static CMD_AGE_BYTES])
{
    uint64_t s = ms / 1000, m = s / 60, h = m / 60, d = h / 24;
    if (s < 60)
        (void)snprintf(out, CMD_AGE_BYTES, "%" PRIu64 "s", s);
    else if (m < 60)
        (void)snprintf(out, CMD_AGE_BYTES, "%" PRIu64 "m", m);
    else if (h < 24)
        (void)snprintf(out, CMD_AGE_BYTES, "%" PRIu64 "h%02um", h, (unsigned)(m % 60));
    else
        (void)snprintf(out, CMD_AGE_BYTES, "%" PRIu64 "d%02uh", d, (unsigned)(h % 24));
    return out;
}

const char *cmd_time(uint64_t ms, char out[static CMD_TIME_BYTES])
{
    struct tm tm;
    time_t s = (time_t)(ms / 1000);
    if (!gmtime_r(&s, &tm) || strftime(out, CMD_TIME_BYTES - 5, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        out[0] = '\0';
    else
        (void)snprintf(out + strlen(out), 6, ".%03uZ", (unsigned)(ms % 1000));
    return out;
}
