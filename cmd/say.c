// SPDX-License-Identifier: Apache-2.0
#include "cmd/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SAY_LINE_BYTES 1024

static const char *name = "xos";
static bool is_raw;

void cmd_set_name(const char *given)
{
    name = given;
}

const char *cmd_name(void)
{
    return name;
}

void cmd_say_raw(bool raw)
{
    is_raw = raw;
}

/* One write, so that lines of several programs do not mix. */
void cmd_say(const char *fmt, ...)
{
    char line[SAY_LINE_BYTES];
    va_list args;
    int n = snprintf(line, sizeof(line), "%s: ", name);
    size_t at = n > 0 ? (size_t)n : 0;
    va_start(args, fmt);
    n = vsnprintf(line + at, sizeof(line) - at - 2, fmt, args);
    va_end(args);
    at += n > 0 ? (size_t)n : 0;
    if (at > sizeof(line) - 3)
        at = sizeof(line) - 3;
    if (is_raw)
        line[at++] = '\r';
    line[at++] = '\n';
    ssize_t done = write(STDERR_FILENO, line, at);
    (void)done; /* nobody is left to be told */
}

static void no_memory(void)
{
    cmd_say("out of memory");
    exit(CMD_XOS);
}

void *cmd_need(size_t bytes)
{
    void *block = calloc(1, bytes ? bytes : 1);
    if (!block)
        no_memory();
    return block;
}

void *cmd_need_more(void *old, size_t bytes)
{
    void *block = realloc(old, bytes);
    if (!block)
        no_memory();
    return block;
}

char *cmd_textf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        no_memory();
    va_end(args);
    return text;
}

uint64_t cmd_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
