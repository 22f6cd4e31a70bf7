// SPDX-License-Identifier: Apache-2.0
#include "libxos/base/failpoint.h"

#include "libxos/base/units.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAILPOINT_TEXT_MAX 96

enum action { ACTION_NONE, ACTION_KILL, ACTION_STOP, ACTION_ERROR, ACTION_COUNT };

static const char *const action_names[ACTION_COUNT] = {"", "kill", "stop", "error"};

static struct {
    bool known; /* the environment was asked, or xos_failpoint_set() was called */
    enum action action;
    uint64_t skip;
    char name[FAILPOINT_TEXT_MAX];
} point;

static enum action action_find(const char *text, size_t n)
{
    for (enum action a = ACTION_KILL; a < ACTION_COUNT; a++)
        if (strlen(action_names[a]) == n && memcmp(action_names[a], text, n) == 0)
            return a;
    return ACTION_NONE;
}

int xos_failpoint_set(const char *text, struct xos_error *err)
{
    uint64_t skip = 0;
    if (!text) {
        memset(&point, 0, sizeof(point));
        point.known = true;
        return 0;
    }
    size_t n = strcspn(text, ":");
    const char *word = text[n] ? text + n + 1 : "";
    size_t m = strcspn(word, ":");
    enum action action = action_find(word, m);
    if (n == 0 || n >= sizeof(point.name) || action == ACTION_NONE)
        return xos_fail(err, XOS_INVALID,
                        "XOS_FAILPOINT: \"%.60s\" is not NAME:kill|stop|error[:SKIP]", text);
    if (word[m] && xos_parse_u64(word + m + 1, 0, UINT32_MAX, &skip, err) < 0)
        return xos_wrap(err, "XOS_FAILPOINT");
    memset(&point, 0, sizeof(point));
    memcpy(point.name, text, n);
    point.action = action;
    point.skip = skip;
    point.known = true;
    return 0;
}

/* A wrong text must not look like a test that passed. */
static void ask_environment(void)
{
    struct xos_error err;
    const char *text = getenv("XOS_FAILPOINT");
    if (xos_failpoint_set(text && *text ? text : NULL, &err) == 0)
        return;
    fprintf(stderr, "%s\n", err.text);
    abort();
}

bool xos_failpoint(const char *name)
{
    if (!point.known)
        ask_environment();
    if (point.action == ACTION_NONE || strcmp(point.name, name) != 0)
        return false;
    if (point.skip) {
        point.skip--;
        return false;
    }
    if (point.action == ACTION_ERROR)
        return true;
    enum action action = point.action;
    point.action = ACTION_NONE; /* once */
    (void)raise(action == ACTION_KILL ? SIGKILL : SIGSTOP);
    return false;
}
