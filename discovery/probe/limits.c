// SPDX-License-Identifier: Apache-2.0
/* limits.c - CPU sets, memory limits and cgroup layouts.
 *
 * Sources: cpuset lists as in Documentation/admin-guide/cputopology.rst, cgroup-v2.rst
 * (memory.max, cgroup.controllers), cgroup-v1/memory.rst (memory.limit_in_bytes). */
#include "discovery/probe/limits.h"

#include "discovery/probe/probe.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cpu_set {
    uint64_t word[PROBE_CPUS_MAX / 64];
};

static bool take_cpu(const char **p, unsigned *cpu)
{
    char *end;
    if (!isdigit((unsigned char)**p))
        return false;
    unsigned long n = strtoul(*p, &end, 10);
    *p = end;
    *cpu = (unsigned)n;
    return n < PROBE_CPUS_MAX;
}

/* "0-3,8,10-11". False for anything else: half a list would be a wrong one. */
static bool parse_cpus(const char *p, struct cpu_set *set)
{
    *set = (struct cpu_set){0};
    for (;;) {
        unsigned from, to;
        if (!take_cpu(&p, &from))
            return false;
        to = from;
        if (*p == '-' && (p++, !take_cpu(&p, &to)))
            return false;
        if (to < from)
            return false;
        for (unsigned c = from; c <= to; c++)
            set->word[c / 64] |= UINT64_C(1) << (c % 64);
        if (*p != ',')
            return *p == '\0';
        p++;
    }
}

static unsigned count(const struct cpu_set *a, const struct cpu_set *b)
{
    unsigned n = 0;
    for (size_t i = 0; i < sizeof(a->word) / sizeof(a->word[0]); i++)
        n += (unsigned)__builtin_popcountll(a->word[i] & b->word[i]);
    return n;
}

static unsigned count_processors(struct probe_tree *t)
{
    const char *text = probe_text(t, "proc/cpuinfo");
    unsigned n = 0;
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        n += strncmp(line, "processor", 9) == 0 && isspace((unsigned char)line[9]);
    }
    return n;
}

unsigned probe_cpu_count(struct probe_tree *t)
{
    char list[4096];
    struct cpu_set online, allowed;
    const char *text = probe_text(t, "sys/devices/system/cpu/online");
    bool know_online = text && parse_cpus(text, &online);
    text = probe_text(t, "proc/self/status");
    bool know_allowed = text && probe_field(text, "Cpus_allowed_list", ':', list, sizeof(list)) &&
                        parse_cpus(list, &allowed);
    if (know_online && know_allowed)
        return count(&online, &allowed);
    if (know_online || know_allowed)
        return know_online ? count(&online, &online) : count(&allowed, &allowed);
    return count_processors(t);
}

/* In /proc/self/cgroup, lines "ID:CONTROLLERS:PATH": the path of this controller ("" for v2). */
static bool cgroup_path(struct probe_tree *t, const char *controller, struct probe_path *path)
{
    const char *text = probe_text(t, "proc/self/cgroup");
    size_t n = strlen(controller);
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *names = strchr(line, ':'), *end = names ? strchr(names + 1, ':') : NULL;
        if (!end || memchr(line, '\n', (size_t)(end - line)))
            continue;
        for (const char *p = names + 1;; p += strcspn(p, ",:") + 1) {
            size_t len = strcspn(p, ",:");
            if (len == n && strncmp(p, controller, n) == 0) {
                int used = snprintf(path->text, sizeof(path->text), "%.*s",
                                    (int)strcspn(end + 1, "\n"), end + 1);
                return used >= 0 && (size_t)used < sizeof(path->text);
            }
            if (p + len >= end)
                break;
        }
    }
    return false;
}

/* The least value of `file` in the group and in all above it. */
static void least_limit(struct probe_tree *t, const char *mount, const char *controller,
                        const char *file, uint64_t *least)
{
    struct probe_path group, dir;
    uint64_t limit;
    if (!cgroup_path(t, controller, &group))
        return;
    for (;;) {
        const char *below = group.text + strspn(group.text, "/");
        if (probe_join(&dir, mount, below) && probe_number_in(t, dir.text, file, 10, &limit) &&
            limit < *least)
            *least = limit;
        char *slash = strrchr(group.text, '/');
        if (!slash || !*below)
            return;
        *slash = '\0';
    }
}

bool probe_memory_bytes(struct probe_tree *t, uint64_t *bytes)
{
    char value[64];
    uint64_t least = UINT64_MAX;
    const char *text = probe_text(t, "proc/meminfo");
    if (text && probe_field(text, "MemTotal", ':', value, sizeof(value)) &&
        isdigit((unsigned char)value[0])) {
        unsigned long long kib = strtoull(value, NULL, 10);
        least = kib < UINT64_MAX / 1024 ? kib * 1024 : UINT64_MAX;
    }
    least_limit(t, "sys/fs/cgroup", "", "memory.max", &least);
    least_limit(t, "sys/fs/cgroup/memory", "memory", "memory.limit_in_bytes", &least);
    *bytes = least;
    /* Without MemTotal a limit near 2^63 is no limit: v1 writes that for "none". */
    return least < UINT64_C(1) << 62;
}

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);
    while (text && *text) {
        size_t len = strcspn(text, " \t\n");
        if (len == n && strncmp(text, word, n) == 0)
            return true;
        text += len + strspn(text + len, " \t\n");
    }
    return false;
}

const char *probe_cgroups(struct probe_tree *t)
{
    struct probe_path path;
    const char *v2 = probe_text(t, "sys/fs/cgroup/cgroup.controllers");
    if (has_word(v2, "cpu") && has_word(v2, "memory"))
        return "cgroup2";
    if (cgroup_path(t, "cpu", &path) && cgroup_path(t, "memory", &path) &&
        probe_text(t, "sys/fs/cgroup/cpu/cgroup.procs") &&
        probe_text(t, "sys/fs/cgroup/memory/cgroup.procs"))
        return "cgroup1";
    return "rlimit";
}
