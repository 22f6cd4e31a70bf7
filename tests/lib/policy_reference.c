// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/policy_reference.h"

#include "libxos/base/units.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MAX 256
#define WORD_BYTES 200

struct words {
    char at[WORDS_MAX][WORD_BYTES];
    unsigned count;
};

static bool sign(char c)
{
    return strchr("=!<>&,", c) != NULL;
}

/* "a<=2" is three words. A comma stands for nothing here. */
static void split(const char *line, size_t len, struct words *w)
{
    char last = ' ';
    w->count = 0;
    for (size_t i = 0; i < len && line[i] != '#'; i++) {
        char c = line[i] == ',' ? ' ' : line[i];
        bool blank = c == ' ' || c == '\t' || c == '\r';
        bool begins = !blank && (last == ' ' || sign(c) != sign(last));
        if (begins) {
            assert(w->count < WORDS_MAX);
            w->at[w->count++][0] = '\0';
        }
        if (!blank) {
            char *word = w->at[w->count - 1];
            size_t n = strlen(word);
            assert(n + 1 < WORD_BYTES);
            word[n] = c;
            word[n + 1] = '\0';
        }
        last = blank ? ' ' : c;
    }
}

static bool subject_is(const char *subject, const struct policy_request *r)
{
    char text[3 * AUTH_NAME_BYTES_MAX];
    const struct auth_name *u = r->user, *a = r->acting;
    if (strcmp(subject, "any") == 0)
        return true;
    (void)snprintf(text, sizeof(text), "institution:%s", u->institution);
    if (strcmp(subject, text) == 0)
        return true;
    (void)snprintf(text, sizeof(text), "*@%s", u->institution);
    if (strcmp(subject, text) == 0)
        return true;
    (void)snprintf(text, sizeof(text), "admin:%s", u->institution);
    if (r->admin && strcmp(subject, text) == 0)
        return true;
    (void)snprintf(text, sizeof(text), "%s@%s", u->part, u->institution);
    if (strcmp(subject, text) == 0)
        return true;
    if (!a)
        return false;
    (void)snprintf(text, sizeof(text), "vo:%s@%s", a->part, a->institution);
    if (strcmp(subject, text) == 0)
        return true;
    (void)snprintf(text, sizeof(text), "vo:%s@%s/%s", a->part, a->institution, a->group);
    if (a->group[0] && strcmp(subject, text) == 0)
        return true;
    (void)snprintf(text, sizeof(text), "vo:%s@%s/%s:%s", a->part, a->institution, a->group,
                   a->role);
    return a->role[0] && strcmp(subject, text) == 0;
}

static bool verb_is(const char *pattern, const char *verb)
{
    size_t len = strlen(pattern);
    if (strcmp(pattern, "*") == 0)
        return true;
    if (len > 2 && strcmp(pattern + len - 2, ".*") == 0)
        return strncmp(pattern, verb, len - 1) == 0;
    return strcmp(pattern, verb) == 0;
}

static bool resource_is(const char *pattern, const struct policy_request *r)
{
    static const char *const kinds[] = {"?", "node", "gpu", "volume"};
    const char *colon = strchr(pattern, ':');
    size_t len = (size_t)(colon - pattern);
    if (strlen(kinds[r->kind]) != len || strncmp(pattern, kinds[r->kind], len) != 0 || !r->resource)
        return false;
    if (strcmp(colon + 1, "*") == 0)
        return true;
    if (colon[1] != '*')
        return strcmp(colon + 1, r->resource) == 0;
    size_t tail = strlen(colon + 2), all = strlen(r->resource);
    return all >= tail && strcmp(r->resource + all - tail, colon + 2) == 0;
}

static bool condition_holds(const char *name, const char *op, const char *value, bool deny,
                            const struct policy_request *r)
{
    static const char *const names[] = {"walltime", "cpus", "mem", "gpus", "units", "arch", "own"};
    struct xos_error err;
    uint64_t wanted = 0;
    int order;
    unsigned i = 0;
    while (strcmp(names[i], name) != 0)
        i++;
    if (!(r->says & UINT32_C(1) << i))
        return deny;
    if (i == POLICY_A_WALLTIME)
        (void)xos_parse_duration(value, &wanted, &err);
    else if (i == POLICY_A_MEM)
        (void)xos_parse_size(value, &wanted, &err);
    else if (i == POLICY_A_OWN)
        wanted = strcmp(value, "yes") == 0;
    else if (i != POLICY_A_ARCH)
        (void)xos_parse_u64(value, 0, UINT64_MAX, &wanted, &err);
    if (i == POLICY_A_ARCH)
        order = strcmp(r->arch, value);
    else
        order = r->value[i] < wanted ? -1 : r->value[i] > wanted;
    return (strcmp(op, "==") == 0 && order == 0) || (strcmp(op, "!=") == 0 && order != 0) ||
           (strcmp(op, "<=") == 0 && order <= 0) || (strcmp(op, ">=") == 0 && order >= 0) ||
           (strcmp(op, "<") == 0 && order < 0) || (strcmp(op, ">") == 0 && order > 0);
}

static bool line_matches(const struct words *w, const struct policy_request *r)
{
    bool verb = false, deny = strcmp(w->at[0], "deny") == 0;
    unsigned i = 3;
    if (!subject_is(w->at[1], r))
        return false;
    for (; i < w->count && strcmp(w->at[i], "on") && strcmp(w->at[i], "when") &&
           strcmp(w->at[i], "limit");
         i++)
        verb = verb || verb_is(w->at[i], r->verb);
    if (!verb)
        return false;
    if (i < w->count && strcmp(w->at[i], "on") == 0) {
        if (!resource_is(w->at[i + 1], r))
            return false;
        i += 2;
    }
    if (i < w->count && strcmp(w->at[i], "when") == 0)
        do {
            if (!condition_holds(w->at[i + 1], w->at[i + 2], w->at[i + 3], deny, r))
                return false;
            i += 4;
        } while (i < w->count && strcmp(w->at[i], "&&") == 0);
    return true;
}

static bool verb_exists(const char *verb)
{
#define X(name, text)                                                                              \
    if (strcmp(verb, name) == 0)                                                                   \
        return true;
    POLICY_VERBS(X)
#undef X
    return false;
}

bool policy_reference(const char *text, const struct policy_request *r, unsigned *rule)
{
    static struct words w;
    unsigned number = 0, allowing = 0;
    *rule = 0;
    if (!verb_exists(r->verb))
        return false;
    while (*text) {
        size_t len = strcspn(text, "\n");
        split(text, len, &w);
        text += len + (text[len] == '\n');
        if (w.count == 0)
            continue;
        number++;
        if (!line_matches(&w, r))
            continue;
        if (strcmp(w.at[0], "deny") == 0) {
            *rule = number;
            return false;
        }
        if (!allowing)
            allowing = number;
    }
    *rule = allowing;
    return allowing != 0;
}
