// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/cgroup.h"

#include "jobmgr/exec/execsys.h"
#include "libxos/base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOUNTINFO_BYTES_MAX 1048576
#define CGROUP_FILE_BYTES 512 /* base, slot and file name */
#define V1_SHIM_BYTES 2097152 /* a v1 memory cgroup holds the shim too */
#define CPU_PERIOD_US 100000
#define PIDS_INIT 1 /* counted in every unit */
#define PIDS_SHIM 1 /* counted where the shim is in the cgroup: v1 */

static const struct what_row {
    const char *name; /* v1 mount option, and v2 controller */
    bool v2_core;     /* in every v2 cgroup, no controller needed */
} what_table[CGROUP_WHATS] = {
    [CGROUP_MEMORY] = {"memory", false},
    [CGROUP_CPU] = {"cpu", false},
    [CGROUP_PIDS] = {"pids", false},
    [CGROUP_FREEZER] = {"freezer", true},
};

static bool has_word(const char *text, const char *word, const char *separators)
{
    size_t len = strlen(word);
    for (const char *at = text; *at;) {
        size_t n = strcspn(at, separators);
        if (n == len && memcmp(at, word, len) == 0)
            return true;
        at += n;
        at += *at != 0;
    }
    return false;
}

static void place_set(struct cgroup_place *p, int version, const char *mount, const char *parent)
{
    int n = snprintf(p->base, sizeof(p->base), "%s/%s", mount, parent);
    p->version = n > 0 && (size_t)n < sizeof(p->base) ? version : 0;
}

static void take_mount(struct cgroups *c, char *line, const char *parent)
{
    char *save = NULL, *mount = NULL;
    char *tail = strstr(line, " - ");
    if (!tail)
        return;
    *tail = 0;
    char *field = strtok_r(line, " ", &save);
    for (int i = 0; field && i < 4; i++)
        field = strtok_r(NULL, " ", &save);
    mount = field;
    char *type = strtok_r(tail + 3, " ", &save);
    (void)strtok_r(NULL, " ", &save);
    char *options = strtok_r(NULL, " ", &save);
    if (!mount || !type || !options)
        return;
    if (strcmp(type, "cgroup2") == 0 && !c->unified.version)
        place_set(&c->unified, 2, mount, parent);
    for (int w = 0; strcmp(type, "cgroup") == 0 && w < CGROUP_WHATS; w++)
        if (!c->at[w].version && has_word(options, what_table[w].name, ","))
            place_set(&c->at[w], 1, mount, parent);
}

int cgroups_parse(struct cgroups *out, const char *mountinfo, const char *parent,
                  struct xos_error *err)
{
    *out = (struct cgroups){0};
    char *text = xos_strdup(mountinfo);
    if (!text)
        return xos_fail(err, XOS_NOMEM, "mountinfo");
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        take_mount(out, line, parent);
    xos_free(text);
    if (out->unified.version)
        out->at[CGROUP_FREEZER] = out->unified;
    return 0;
}

static int text_in(const char *base, const char *slot, const char *file, char *text, size_t size)
{
    char path[CGROUP_FILE_BYTES];
    (void)snprintf(path, sizeof(path), "%s%s%s/%s", base, *slot ? "/" : "", slot, file);
    ssize_t n = sys_read_file(AT_FDCWD, path, text, size - 1);
    text[n > 0 ? n : 0] = 0;
    return n < 0 ? -1 : 0;
}

static int put_in(const char *base, const char *slot, const char *file, const char *text)
{
    char path[CGROUP_FILE_BYTES];
    (void)snprintf(path, sizeof(path), "%s%s%s/%s", base, *slot ? "/" : "", slot, file);
    return sys_write_text(AT_FDCWD, path, text);
}

/* Make every level of base below the mount, handing the controllers down (v2). */
static int make_levels(const struct cgroup_place *p, const char *parent)
{
    char path[CGROUP_PATH_BYTES];
    size_t at = strlen(p->base) - strlen(parent) - 1;
    (void)snprintf(path, sizeof(path), "%s", p->base);
    for (;;) {
        path[at] = 0;
        for (int w = 0; p->version == 2 && w < CGROUP_FREEZER; w++) {
            char word[16];
            (void)snprintf(word, sizeof(word), "+%s", what_table[w].name);
            (void)put_in(path, "", "cgroup.subtree_control", word);
        }
        if (strlen(p->base) == at)
            return 0;
        path[at] = '/';
        at += 1 + strcspn(p->base + at + 1, "/");
        path[at] = 0;
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            return -1;
        (void)snprintf(path, sizeof(path), "%s", p->base);
    }
}

static void probe_unified(struct cgroups *c, const char *parent)
{
    char controllers[256];
    if (!c->unified.version)
        return;
    if (make_levels(&c->unified, parent) < 0) {
        c->unified.version = 0;
        c->at[CGROUP_FREEZER].version = 0;
        return;
    }
    char shims[CGROUP_FILE_BYTES];
    (void)snprintf(shims, sizeof(shims), "%s/shims", c->unified.base);
    (void)mkdir(shims, 0755);
    if (text_in(c->unified.base, "", "cgroup.subtree_control", controllers, sizeof(controllers)) <
        0)
        return;
    for (int w = 0; w < CGROUP_FREEZER; w++)
        if (has_word(controllers, what_table[w].name, " \n"))
            c->at[w] = c->unified;
}

int cgroups_probe(struct cgroups *out, const char *parent, struct xos_error *err)
{
    char *text = xos_alloc(MOUNTINFO_BYTES_MAX);
    if (!text)
        return xos_fail(err, XOS_NOMEM, "mountinfo");
    (void)sys_read_file(AT_FDCWD, "/proc/self/mountinfo", text, MOUNTINFO_BYTES_MAX - 1);
    int rc = cgroups_parse(out, text, parent, err);
    xos_free(text);
    if (rc < 0)
        return -1;
    probe_unified(out, parent);
    for (int w = 0; w < CGROUP_WHATS; w++)
        if (out->at[w].version == 1 && make_levels(&out->at[w], parent) < 0)
            out->at[w].version = 0;
    return 0;
}

uint32_t cgroups_enforced(const struct cgroups *c)
{
    uint32_t set = 0;
    for (int w = 0; w < CGROUP_WHATS; w++)
        if (c->at[w].version)
            set |= UINT32_C(1) << w;
    return set;
}

/* The name is that of the version that bounds memory, what a neighbour feels most. */
enum execd_isolation cgroups_isolation(const struct cgroups *c)
{
    int version = c->at[CGROUP_MEMORY].version;
    if (version == 0)
        return EXECD_RLIMIT;
    return version == 2 ? EXECD_CGROUP2 : EXECD_CGROUP1;
}

static int limit_memory(const struct cgroup_place *p, const char *slot,
                        const struct cgroup_limits *l)
{
    char text[32];
    uint64_t bytes = l->mem_bytes + (p->version == 1 ? V1_SHIM_BYTES : 0);
    if (!l->mem_bytes)
        return 0;
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
    if (p->version == 2) {
        (void)put_in(p->base, slot, "memory.swap.max", "0");
        (void)put_in(p->base, slot, "memory.oom.group", "1");
        return put_in(p->base, slot, "memory.max", text);
    }
    if (put_in(p->base, slot, "memory.limit_in_bytes", text) < 0)
        return -1;
    (void)put_in(p->base, slot, "memory.memsw.limit_in_bytes", text);
    return 0;
}

static uint64_t clamp(uint64_t value, uint64_t min, uint64_t max)
{
    return value < min ? min : value > max ? max : value;
}

static int limit_cpu(const struct cgroup_place *p, const char *slot, const struct cgroup_limits *l)
{
    char text[48];
    unsigned long long quota = (unsigned long long)l->cpu_milli * (CPU_PERIOD_US / 1000);
    if (!l->cpu_milli)
        return 0;
    bool v2 = p->version == 2;
    uint64_t share = v2 ? clamp(l->cpu_milli / 10, 1, 10000)
                        : clamp((uint64_t)l->cpu_milli * 1024 / 1000, 2, 262144);
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)share);
    if (put_in(p->base, slot, v2 ? "cpu.weight" : "cpu.shares", text) < 0)
        return -1;
    if (!l->cpu_quota)
        return 0;
    (void)snprintf(text, sizeof(text), v2 ? "%llu 100000" : "%llu", quota < 1000 ? 1000 : quota);
    return put_in(p->base, slot, v2 ? "cpu.max" : "cpu.cfs_quota_us", text);
}

static int limit_pids(const struct cgroup_place *p, const char *slot, const struct cgroup_limits *l)
{
    char text[32];
    if (!l->pids)
        return 0;
    (void)snprintf(text, sizeof(text), "%llu",
                   (unsigned long long)l->pids + PIDS_INIT + (p->version == 1 ? PIDS_SHIM : 0));
    return put_in(p->base, slot, "pids.max", text);
}

static int limit_nothing(const struct cgroup_place *p, const char *slot,
                         const struct cgroup_limits *l)
{
    (void)p;
    (void)slot;
    (void)l;
    return 0;
}

static int slot_dir(const struct cgroup_place *p, const char *slot)
{
    char path[CGROUP_FILE_BYTES];
    (void)snprintf(path, sizeof(path), "%s/%s", p->base, slot);
    return mkdir(path, 0755) < 0 && errno != EEXIST ? -1 : 0;
}

int cgroups_make(const struct cgroups *c, const char *slot, const struct cgroup_limits *limits,
                 struct xos_error *err)
{
    static int (*const limit[CGROUP_WHATS])(const struct cgroup_place *, const char *,
                                            const struct cgroup_limits *) = {
        [CGROUP_MEMORY] = limit_memory,
        [CGROUP_CPU] = limit_cpu,
        [CGROUP_PIDS] = limit_pids,
        [CGROUP_FREEZER] = limit_nothing,
    };
    for (int w = 0; w < CGROUP_WHATS; w++) {
        const struct cgroup_place *p = &c->at[w];
        if (!p->version)
            continue;
        if (slot_dir(p, slot) < 0 || limit[w](p, slot, limits) < 0) {
            (void)xos_fail_errno(err, "cgroup %s/%s: %s", p->base, slot, what_table[w].name);
            (void)cgroups_remove(c, slot);
            return -1;
        }
    }
    return 0;
}

static int open_in(const struct cgroup_place *p, const char *slot, const char *file, int flags)
{
    char path[CGROUP_FILE_BYTES];
    (void)snprintf(path, sizeof(path), "%s/%s/%s", p->base, slot, file);
    return open(path, flags | O_CLOEXEC);
}

static void open_freezer(const struct cgroups *c, const char *slot, int fds[static SHIM_FD_END])
{
    const struct cgroup_place *p = &c->at[CGROUP_FREEZER];
    if (p->version == 2) {
        fds[SHIM_FD_CGROUP] = open_in(p, slot, ".", O_PATH | O_DIRECTORY);
        fds[SHIM_FD_KILL] = open_in(p, slot, "cgroup.kill", O_WRONLY);
        fds[SHIM_FD_FREEZE] = open_in(p, slot, "cgroup.freeze", O_RDWR);
        fds[SHIM_FD_EVENTS] = open_in(p, slot, "cgroup.events", O_RDONLY);
        fds[SHIM_FD_PROCS] = open_in(p, slot, "cgroup.procs", O_RDONLY);
    } else if (p->version == 1) {
        fds[SHIM_FD_FREEZE] = open_in(p, slot, "freezer.state", O_RDWR);
        fds[SHIM_FD_PROCS] = open_in(p, slot, "cgroup.procs", O_RDONLY);
        fds[SHIM_FD_FREEZER] = open_in(p, slot, "cgroup.procs", O_WRONLY);
    }
}

int cgroups_open(const struct cgroups *c, const char *slot, int fds[static SHIM_FD_END],
                 struct xos_error *err)
{
    open_freezer(c, slot, fds);
    const struct cgroup_place *memory = &c->at[CGROUP_MEMORY];
    if (memory->version) {
        bool v2 = memory->version == 2;
        fds[SHIM_FD_OOM] =
            open_in(memory, slot, v2 ? "memory.events" : "memory.oom_control", O_RDONLY);
        fds[SHIM_FD_PEAK] =
            open_in(memory, slot, v2 ? "memory.peak" : "memory.max_usage_in_bytes", O_RDONLY);
    }
    int enter = SHIM_FD_ENTER;
    for (int w = 0; w < CGROUP_FREEZER; w++) {
        if (c->at[w].version != 1)
            continue;
        fds[enter] = open_in(&c->at[w], slot, "cgroup.procs", O_WRONLY);
        if (fds[enter] < 0)
            return xos_fail_errno(err, "%s/%s/cgroup.procs", c->at[w].base, slot);
        enter++;
    }
    if (c->at[CGROUP_FREEZER].version && fds[SHIM_FD_FREEZE] < 0)
        return xos_fail_errno(err, "%s/%s: freezer", c->at[CGROUP_FREEZER].base, slot);
    return 0;
}

void cgroups_confine(const struct cgroups *c, const char *slot, struct confine *out)
{
    int fds[SHIM_FD_END];
    for (int i = 0; i < SHIM_FD_END; i++)
        fds[i] = -1;
    open_freezer(c, slot, fds);
    *out = (struct confine){.kind = CONFINE_TREE,
                            .kill = fds[SHIM_FD_KILL],
                            .freeze = fds[SHIM_FD_FREEZE],
                            .events = fds[SHIM_FD_EVENTS],
                            .procs = fds[SHIM_FD_PROCS]};
    if (fds[SHIM_FD_CGROUP] >= 0)
        close(fds[SHIM_FD_CGROUP]);
    if (fds[SHIM_FD_FREEZER] >= 0)
        close(fds[SHIM_FD_FREEZER]);
    if (out->freeze >= 0)
        out->kind = out->events >= 0 ? CONFINE_CGROUP2 : CONFINE_CGROUP1;
}

void cgroups_confine_close(struct confine *c)
{
    const int fds[] = {c->kill, c->freeze, c->events, c->procs};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static int rmdir_in(const struct cgroup_place *p, const char *slot)
{
    char path[CGROUP_FILE_BYTES];
    (void)snprintf(path, sizeof(path), "%s%s%s", p->base, *slot ? "/" : "", slot);
    return p->version && rmdir(path) < 0 && errno != ENOENT ? -1 : 0;
}

int cgroups_remove(const struct cgroups *c, const char *slot)
{
    int rc = 0;
    for (int w = 0; w < CGROUP_WHATS; w++)
        if (rmdir_in(&c->at[w], slot) < 0)
            rc = -1;
    return rc;
}

int cgroups_shims(const struct cgroups *c)
{
    return c->unified.version ? open_in(&c->unified, "shims", ".", O_PATH | O_DIRECTORY) : -1;
}

void cgroups_drop(const struct cgroups *c)
{
    (void)rmdir_in(&c->unified, "shims");
    (void)rmdir_in(&c->unified, "");
    for (int w = 0; w < CGROUP_WHATS; w++)
        (void)rmdir_in(&c->at[w], "");
}
