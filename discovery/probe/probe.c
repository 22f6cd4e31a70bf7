// SPDX-License-Identifier: Apache-2.0
/* probe.c - what this node has.
 *
 * A probe never fails because a file is missing, huge or full of nonsense: it knows less then, and
 * a need that asks for it is UNKNOWN here. Everything is read below one root directory, so that a
 * test can make up a machine, and through tree.h, which follows sysfs's links by hand. Nothing is
 * opened but files that only tell (no /dev node, no driver call): reading them neither wakes a
 * device nor hangs in a driver that lost its own.
 *
 * limits.c knows what the cgroups leave and could enforce, gpu.c the devices on the PCI bus.
 * What a driver's library alone can tell (NVML) comes later, from a child with a deadline, and
 * overwrites vram, cc and mig; `source` says who spoke last. */
#include "discovery/probe/probe.h"

#include "discovery/probe/gpu.h"
#include "discovery/probe/limits.h"
#include "discovery/probe/tree.h"
#include "libxos/base/units.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char build_arch[] =
#if defined(__x86_64__)
    "x86_64";
#elif defined(__aarch64__)
    "aarch64";
#elif defined(__riscv) && __riscv_xlen == 64
    "riscv64";
#else
    "";
#endif

struct probe {
    struct probe_tree tree;
    const struct probe_options *options;
    struct xql_row *row;
};

static void set_text(struct probe *p, enum xql_attr a, const char *text)
{
    if (text && *text)
        xql_row_set_text(p->row, 0, a, text);
    else
        xql_row_unset(p->row, 0, a);
}

/* /proc/sys/kernel/arch is there from Linux 6.1 on; before that, what this program was built for is
 * what the kernel runs. */
static void probe_kernel(struct probe *p)
{
    const char *arch = probe_text(&p->tree, "proc/sys/kernel/arch");
    set_text(p, XQL_A_ARCH, arch && *arch ? arch : build_arch);
    set_text(p, XQL_A_KERNEL, probe_text(&p->tree, "proc/sys/kernel/osrelease"));
}

/* os-release(5): the value may stand in quotes. */
static void unquote(char *text)
{
    size_t n = strlen(text);
    if (n >= 2 && (text[0] == '"' || text[0] == '\'') && text[n - 1] == text[0]) {
        memmove(text, text + 1, n - 2);
        text[n - 2] = '\0';
    }
}

static void probe_os(struct probe *p)
{
    char id[XQL_TEXT_BYTES_MAX + 1] = "", version[XQL_TEXT_BYTES_MAX + 1] = "", both[128];
    const char *text = probe_text(&p->tree, "etc/os-release");
    if (!text)
        text = probe_text(&p->tree, "usr/lib/os-release");
    if (text) {
        (void)probe_field(text, "ID", '=', id, sizeof(id));
        (void)probe_field(text, "VERSION_ID", '=', version, sizeof(version));
    }
    unquote(id);
    unquote(version);
    (void)snprintf(both, sizeof(both), "%s%s%s", id, *id && *version ? "-" : "",
                   *id ? version : "");
    set_text(p, XQL_A_OS, both);
}

static void probe_cpu(struct probe *p)
{
    char model[XQL_TEXT_BYTES_MAX + 1] = "";
    const char *info = probe_text(&p->tree, "proc/cpuinfo");
    if (info)
        (void)probe_field(info, "model name", ':', model, sizeof(model));
    set_text(p, XQL_A_CPU_MODEL, model);
    unsigned cores = p->options->cpus ? p->options->cpus : probe_cpu_count(&p->tree);
    double left = (double)cores - p->options->cpus_claimed;
    xql_row_unset(p->row, 0, XQL_A_CPU_CORES);
    xql_row_unset(p->row, 0, XQL_A_CPU_FREE);
    if (cores) {
        xql_row_set_number(p->row, 0, XQL_A_CPU_CORES, cores);
        xql_row_set_number(p->row, 0, XQL_A_CPU_FREE, left > 0 ? left : 0);
    }
}

/* Digits and a point, as the kernel writes them, whatever the locale. */
static void probe_load(struct probe *p)
{
    const char *text = probe_text(&p->tree, "proc/loadavg");
    unsigned whole, hundredths;
    xql_row_unset(p->row, 0, XQL_A_LOAD1);
    if (text && strlen(text) < 256 && sscanf(text, "%7u.%2u", &whole, &hundredths) == 2)
        xql_row_set_number(p->row, 0, XQL_A_LOAD1, whole + hundredths / 100.0);
}

static void probe_memory(struct probe *p)
{
    uint64_t all = p->options->mem_bytes, claimed = p->options->mem_claimed_bytes;
    xql_row_unset(p->row, 0, XQL_A_MEM);
    xql_row_unset(p->row, 0, XQL_A_MEM_FREE);
    if (!all && !probe_memory_bytes(&p->tree, &all))
        return;
    xql_row_set_integer(p->row, 0, XQL_A_MEM, all);
    xql_row_set_integer(p->row, 0, XQL_A_MEM_FREE, all > claimed ? all - claimed : 0);
}

static void probe_disk(struct probe *p)
{
    struct xos_error why;
    struct xos_disk disk;
    xql_row_unset(p->row, 0, XQL_A_DISK_FREE);
    if (!p->options->state_dir)
        return;
    int dir = xos_env_dir_open(p->tree.env, p->options->state_dir, &why);
    if (dir >= 0 && xos_env_disk_free(p->tree.env, dir, &disk, &why) == 0)
        xql_row_set_integer(p->row, 0, XQL_A_DISK_FREE, disk.free_bytes);
    xos_env_close(p->tree.env, dir);
}

static void probe_isolation(struct probe *p)
{
    const struct probe_options *o = p->options;
    const char *by = !o->may_enforce ? "none" : !o->is_root ? "rlimit" : probe_cgroups(&p->tree);
    set_text(p, XQL_A_ISOLATION, by);
}

static void (*const parts[])(struct probe *p) = {
    probe_kernel, probe_os, probe_cpu, probe_load, probe_memory, probe_disk, probe_isolation,
};

int probe_node(struct xos_env *env, const struct probe_options *options, struct xql_row *row,
               struct xos_error *err)
{
    struct xql_row found = *row; /* borrows the old devices; its own come from probe_gpus */
    struct probe p = {.options = options, .row = &found};
    assert(options->root);
    found.device = NULL;
    found.device_count = 0;
    if (probe_tree_open(&p.tree, env, options->root, err) < 0)
        return xos_wrap(err, "look at this machine");
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        parts[i](&p);
    int rc = probe_gpus(&p.tree, &found, err);
    if (rc == 0 && p.tree.nomem)
        rc = xos_fail(err, XOS_NOMEM, "look at this machine");
    probe_tree_close(&p.tree);
    xql_row_free(rc == 0 ? row : &found);
    if (rc == 0)
        *row = found;
    return rc;
}
