// SPDX-License-Identifier: Apache-2.0
/* log.c - the log half of telemetry.h. */
#include "libxos/base/telemetry.h"
#include "libxos/base/units.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX 1024

struct event_row {
    const char *name;
    enum xos_log_level level;
    const char *meaning;
    const char *what_to_do;
};

static const struct event_row event_table[] = {
#define XOS_METRIC_ROW(id, name, type, unit, label, meaning, what_to_do)
#define XOS_EVENT_ROW(id, level, meaning, what_to_do) {#id, XOS_LOG_##level, meaning, what_to_do},
#include "libxos/base/telemetry.def"
#undef XOS_METRIC_ROW
#undef XOS_EVENT_ROW
};

static const char *const level_names[] = {"error", "warning", "notice", "info", "debug"};
static _Atomic unsigned log_threshold = XOS_LOG_INFO; /* any thread logs; a reload changes it */
static xos_log_sink_f log_sink;
static void *log_sink_arg;

void xos_log_threshold(enum xos_log_level level)
{
    log_threshold = level;
}

void xos_log_sink(xos_log_sink_f sink, void *arg)
{
    log_sink = sink;
    log_sink_arg = arg;
}

int xos_log_level_find(const char *name)
{
    for (int i = 0; i <= XOS_LOG_DEBUG; i++)
        if (strcmp(level_names[i], name) == 0)
            return i;
    return -1;
}

/* What a hostile peer put into a name must not forge a line or drive a terminal: C0, DEL, and in
 * UTF-8 the C1 controls, which are 0xc2 and 0x80 … 0x9f. */
static bool is_control(const unsigned char *p)
{
    return p[0] < 0x20 || p[0] == 0x7f || (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0);
}

static void escape_into(char *out, size_t size, const char *text)
{
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p && n + 5 < size; p++) {
        if (is_control(p))
            n += (size_t)snprintf(out + n, size - n, "\\x%02x", *p);
        else
            out[n++] = (char)*p;
    }
    out[n] = '\0';
}

static void log_write(enum xos_event event, const char *text)
{
    const struct event_row *row = &event_table[event];
    char line[LOG_LINE_MAX + 128], clean[LOG_LINE_MAX], when[XOS_TIME_TEXT_MAX];
    escape_into(clean, sizeof(clean), text);
    if (log_sink) {
        (void)snprintf(line, sizeof(line), "%s %s", row->name, clean);
        log_sink(row->level, line, log_sink_arg);
        return;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    xos_format_time((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, when, sizeof(when));
    int n = snprintf(line, sizeof(line), "%s %s %s %s\n", when, level_names[row->level], row->name,
                     clean);
    assert(n > 0 && (size_t)n < sizeof(line));
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        return; /* nobody is left to tell */
}

void xos_log(enum xos_event event, const char *fmt, ...)
{
    assert(event < XOS_EVENT_COUNT);
    if (event_table[event].level > log_threshold)
        return;
    int saved = errno;
    char text[LOG_LINE_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    log_write(event, text);
    errno = saved;
}

/* A quoted value: its own quotes are escaped, so that it cannot end early and add keys. */
static void quote_into(char *out, size_t size, const char *text)
{
    size_t n = 0;
    for (const char *p = text; *p && n + 2 < size; p++) {
        if (*p == '"' || *p == '\\')
            out[n++] = '\\';
        out[n++] = *p;
    }
    out[n] = '\0';
}

void xos_log_error(enum xos_event event, const struct xos_error *err, const char *fmt, ...)
{
    assert(event < XOS_EVENT_COUNT);
    if (event_table[event].level > log_threshold)
        return;
    int saved = errno;
    char quoted[2 * XOS_ERROR_TEXT_MAX], text[LOG_LINE_MAX + sizeof(quoted) + 64];
    va_list ap;
    va_start(ap, fmt);
    int used = vsnprintf(text, LOG_LINE_MAX, fmt, ap);
    va_end(ap);
    size_t n = used < 0 ? 0 : (size_t)used < LOG_LINE_MAX ? (size_t)used : LOG_LINE_MAX - 1;
    quote_into(quoted, sizeof(quoted), err->text);
    (void)snprintf(text + n, sizeof(text) - n, "%scode=%s error=\"%s\"", n ? " " : "",
                   xos_code_name(err->code), quoted);
    log_write(event, text);
    errno = saved;
}

int xos_events_document(struct xos_buf *out, struct xos_error *err)
{
    size_t before = out->len;
    if (xos_buf_add_text(out,
                         "# Log events\n\nPrinted from libxos/base/telemetry.def by "
                         "`make docs`.\n\n"
                         "| event | level | meaning | what to do |\n|---|---|---|---|\n",
                         err) < 0)
        return -1;
    for (unsigned i = 0; i < XOS_EVENT_COUNT; i++) {
        const struct event_row *r = &event_table[i];
        if (xos_buf_addf(out, err, "| %s | %s | %s | %s |\n", r->name, level_names[r->level],
                         r->meaning, r->what_to_do) < 0) {
            xos_buf_cut(out, before);
            return -1;
        }
    }
    return 0;
}
