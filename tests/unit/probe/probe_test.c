// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: nodes offer CPUs, memory or GPUs that they do not have, or hide those that
 * they have. Machines are made up as trees of files. */
#include "discovery/probe/probe.h"

#include "tests/lib/xtest.h"
#include "tests/unit/query/row_of.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Made-up machines */

struct file {
    const char *path, *text; /* a text "->x" makes a link to x, "*5M" a file of 5 MiB of zeros */
};

#define FILES_MAX 48
#define PCI "sys/bus/pci/devices/"
#define BUS "sys/devices/pci0000:00/"
#define GPU_LINK(address)                                                                          \
    {                                                                                              \
        PCI address, "->../../../devices/pci0000:00/" address                                      \
    }
#define ID(address, c, v, d)                                                                       \
    {BUS address "/class", c "\n"}, {BUS address "/vendor", v "\n"},                               \
    {                                                                                              \
        BUS address "/device", d "\n"                                                              \
    }
#define DRIVER(address, name)                                                                      \
    {                                                                                              \
        BUS address "/driver", "->../../../bus/pci/drivers/" name                                  \
    }
#define GROUP(address, n)                                                                          \
    {                                                                                              \
        BUS address "/iommu_group", "->../../../kernel/iommu_groups/" n                            \
    }
#define NUMA(address, n)                                                                           \
    {                                                                                              \
        BUS address "/numa_node", n "\n"                                                           \
    }
#define A100(address)                                                                              \
    GPU_LINK(address), ID(address, "0x030200", "0x10de", "0x20b2"), DRIVER(address, "vfio-pci")

static const struct machine {
    const char *name;
    struct file file[FILES_MAX];
    const char *row;
    struct probe_options options;
} machines[] = {
    {"nothing there", {{"x", ""}}, "isolation=none", {0}},
    {"nothing there, root",
     {{"x", ""}},
     "isolation=rlimit",
     {.may_enforce = true, .is_root = true}},
    {"no root", {{"x", ""}}, "isolation=rlimit", {.may_enforce = true}},
    {"overrides",
     {{"proc/meminfo", "MemTotal:        1024 kB\n"}},
     "isolation=none; cpu.cores=64; cpu.free=61.5; mem=16GiB; mem.free=15GiB",
     {.cpus = 64,
      .mem_bytes = UINT64_C(16) << 30,
      .cpus_claimed = 2.5,
      .mem_claimed_bytes = UINT64_C(1) << 30}},
    {"claims above what is left",
     {{"proc/meminfo", "MemTotal:        1024 kB\n"}, {"sys/devices/system/cpu/online", "0\n"}},
     "isolation=none; cpu.cores=1; cpu.free=0; mem=1MiB; mem.free=0",
     {.cpus_claimed = 2, .mem_claimed_bytes = UINT64_C(1) << 30}},
    {"a usual machine, cgroup 2, in a container",
     {{"etc/os-release", "->../usr/lib/os-release"},
      {"usr/lib/os-release", "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n"},
      {"proc/sys/kernel/osrelease", "6.1.0-18-amd64\n"},
      {"proc/cpuinfo", "processor\t: 0\nmodel name\t: AMD EPYC 7543  \nprocessor\t: 1\n"},
      {"proc/loadavg", "12.07 0.10 0.05 1/234 5678\n"},
      {"proc/meminfo", "MemTotal:       67108864 kB\nMemFree:  1 kB\n"},
      {"proc/self", "->77"},
      {"proc/77/status", "Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t0-3,6\n"},
      {"proc/77/cgroup", "0::/a/b\n"},
      {"sys/devices/system/cpu/online", "0-4\n"},
      {"sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n"},
      {"sys/fs/cgroup/a/memory.max", "34359738368\n"},
      {"sys/fs/cgroup/a/b/memory.max", "max\n"}},
     "os=debian-12; kernel=6.1.0-18-amd64; cpu.model=AMD EPYC 7543; load1=12.07; cpu.cores=4; "
     "cpu.free=4; mem=32GiB; mem.free=32GiB; isolation=cgroup2",
     {.may_enforce = true, .is_root = true}},
    {"cgroup 1",
     {{"proc/self", "->5"},
      {"proc/5/cgroup", "3:cpu,cpuacct:/x\n2:memory:/x/y\n1:name=systemd:/\n0::/\n"},
      {"proc/meminfo", "MemTotal: 67108864 kB\n"},
      {"sys/fs/cgroup/cpu", "->cpu,cpuacct"},
      {"sys/fs/cgroup/cpu,cpuacct/cgroup.procs", "1\n"},
      {"sys/fs/cgroup/memory/cgroup.procs", "1\n"},
      {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
      {"sys/fs/cgroup/memory/x/memory.limit_in_bytes", "1073741824\n"},
      {"sys/fs/cgroup/memory/x/y/memory.limit_in_bytes", "2147483648\n"},
      {"sys/fs/cgroup/unified/cgroup.controllers", "\n"},
      {"sys/devices/system/cpu/online", "0-1,3\n"}},
     "cpu.cores=3; cpu.free=3; mem=1GiB; mem.free=1GiB; isolation=cgroup1",
     {.may_enforce = true, .is_root = true}},
    {"cgroup 2 without controllers",
     {{"sys/fs/cgroup/cgroup.controllers", "pids\n"},
      {"proc/self", "->5"},
      {"proc/5/cgroup", "0::/\n"}},
     "isolation=rlimit",
     {.may_enforce = true, .is_root = true}},
    {"no limit known, v1's word for none",
     {{"proc/self", "->5"},
      {"proc/5/cgroup", "2:memory:/\n"},
      {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}},
     "isolation=none",
     {0}},
    {"cpus from cpuinfo alone",
     {{"proc/cpuinfo", "processor\t: 0\n\nprocessor\t: 1\n\nprocessors: 9\n"}},
     "cpu.cores=2; cpu.free=2; isolation=none",
     {0}},
    {"cpus from the affinity alone",
     {{"proc/self", "->5"}, {"proc/5/status", "Cpus_allowed_list:\t1-2\n"}},
     "cpu.cores=2; cpu.free=2; isolation=none",
     {0}},
    {"os without a version", {{"etc/os-release", "ID='arch'\n"}}, "os=arch; isolation=none", {0}},
    {"lists of nonsense",
     {{"sys/devices/system/cpu/online", "3-1\n"},
      {"proc/self", "->5"},
      {"proc/5/status", "Cpus_allowed_list:\t0-99999999\n"},
      {"proc/cpuinfo", "x"},
      {"proc/loadavg", "high"},
      {"proc/meminfo", "MemTotal: lots\n"},
      {"etc/os-release", "\x01\x02=\xff"},
      {"proc/5/cgroup", "::::\n\n:\n0\n2:memory\n"}},
     "isolation=none",
     {0}},
    {"huge and binary files",
     {{"proc/cpuinfo", "*5M"},
      {"proc/meminfo", "*5M"},
      {"proc/loadavg", "*1M"},
      {"etc/os-release", "*5M"},
      {"sys/devices/system/cpu/online", "*1M"},
      {"proc/sys/kernel/osrelease", "*5M"}},
     "isolation=none",
     {0}},
    {"links in circles, and out of the root",
     {{"etc/os-release", "->os-release"},
      {"proc/self", "->self"},
      {"proc/loadavg", "->../meminfo"},
      {"proc/cpuinfo", "->../../../../../../../../etc/passwd"},
      {"meminfo", "1.25 a"},
      {"proc/meminfo", "->/abs"},
      {"abs", "MemTotal: 1 kB\n"}},
     "load1=1.25; mem=1024; mem.free=1024; isolation=none",
     {0}},
    {"one GPU with its driver",
     {GPU_LINK("0000:41:00.0"),
      ID("0000:41:00.0", "0x030200", "0x10de", "0x2330"),
      DRIVER("0000:41:00.0", "nvidia"),
      GROUP("0000:41:00.0", "42"),
      NUMA("0000:41:00.0", "1"),
      {"proc/driver/nvidia/gpus/0000:41:00.0/information",
       "Model: \t\t NVIDIA H100\nGPU UUID: \t GPU-11-22\n"}},
     "isolation=none; gpu; vendor=nvidia; model=H100-SXM5-80GB; uuid=GPU-11-22; vram=80GiB; "
     "cc=9.0; "
     "driver=nvidia; numa=1; iommu_group=42; state=free; source=table",
     {0}},
    {"a GPU and its audio in one group",
     {GPU_LINK("0000:01:00.0"), ID("0000:01:00.0", "0x030000", "0x10de", "0x2684"),
      GROUP("0000:01:00.0", "7"), GPU_LINK("0000:01:00.1"),
      ID("0000:01:00.1", "0x040300", "0x10de", "0x22ba"), GROUP("0000:01:00.1", "7")},
     "isolation=none; gpu; vendor=nvidia; model=RTX-4090; uuid=0000:01:00.0; vram=24GiB; cc=8.9; "
     "mig=false; driver=none; iommu_group=7; state=free; source=table",
     {0}},
    {"amdgpu tells its memory",
     {GPU_LINK("0000:03:00.0"),
      ID("0000:03:00.0", "0x120000", "0x1002", "0x74a1"),
      DRIVER("0000:03:00.0", "amdgpu"),
      NUMA("0000:03:00.0", "0"),
      {BUS "0000:03:00.0/mem_info_vram_total", "205824983040\n"},
      {BUS "0000:03:00.0/unique_id", "abcdef0123456789\n"}},
     "isolation=none; gpu; vendor=amd; model=MI300X; uuid=GPU-abcdef0123456789; vram=205824983040; "
     "mig=false; driver=amdgpu; numa=0; state=free; source=amdgpu",
     {0}},
    {"a physical function cut into two",
     {GPU_LINK("0000:05:00.0"),
      ID("0000:05:00.0", "0x030200", "0x10de", "0x2235"),
      {BUS "0000:05:00.0/sriov_numvfs", "2\n"},
      DRIVER("0000:05:00.0", "nvidia"),
      GPU_LINK("0000:05:00.4"),
      ID("0000:05:00.4", "0x030200", "0x10de", "0x2235"),
      {BUS "0000:05:00.4/physfn", "->../0000:05:00.0"},
      DRIVER("0000:05:00.4", "vfio-pci"),
      GPU_LINK("0000:05:00.5"),
      ID("0000:05:00.5", "0x030200", "0x10de", "0x2235"),
      {BUS "0000:05:00.5/physfn", "->../0000:05:00.0"}},
     "isolation=none; gpu; vendor=nvidia; model=A40; uuid=0000:05:00.0; vram=48GiB; cc=8.6; "
     "mig=false; driver=nvidia; state=in-use; source=table; "
     "gpu; vendor=nvidia; model=A40; uuid=0000:05:00.4; cc=8.6; mig=false; driver=vfio-pci; "
     "state=free; source=sysfs; "
     "gpu; vendor=nvidia; model=A40; uuid=0000:05:00.5; cc=8.6; mig=false; driver=none; "
     "state=free; source=sysfs",
     {0}},
    {"an unknown one, no NUMA",
     {GPU_LINK("10000:e1:00.0"), ID("10000:e1:00.0", "0x038000", "0x1ed5", "0x0222"),
      NUMA("10000:e1:00.0", "-1"), GROUP("10000:e1:00.0", "x9")},
     "isolation=none; gpu; vendor=1ed5; model=1ed5:0222; uuid=10000:e1:00.0; mig=false; "
     "driver=none; "
     "state=free; source=sysfs",
     {0}},
    {"an unknown one of NVIDIA's with its driver",
     {GPU_LINK("0000:e1:00.0"), ID("0000:e1:00.0", "0x030200", "0x10de", "0xffff"),
      DRIVER("0000:e1:00.0", "nvidia")},
     "isolation=none; gpu; vendor=nvidia; model=10de:ffff; uuid=0000:e1:00.0; driver=nvidia; "
     "state=free; source=sysfs",
     {0}},
    {"a console chip, a bridge, a broken one, a stray name",
     {GPU_LINK("0000:02:00.0"),
      ID("0000:02:00.0", "0x030000", "0x1a03", "0x2000"),
      GPU_LINK("0000:00:1f.0"),
      ID("0000:00:1f.0", "0x060100", "0x8086", "0x1234"),
      GPU_LINK("0000:07:00.0"),
      ID("0000:07:00.0", "gpu!", "0x10de", "0x2330"),
      GPU_LINK("0000:08:00.0"),
      {PCI "0000:09:00.0", "->0000:09:00.0"},
      {PCI "readme", "x"},
      {PCI "0000:0a:00.g/class", "0x030000\n"}},
     "isolation=none",
     {0}},
    {"eight GPUs",
     {A100("0000:4a:00.0"), A100("0000:0f:00.0"), A100("0000:ca:00.0"), A100("0000:51:00.0"),
      A100("0000:8a:00.0"), A100("0000:90:00.0"), A100("0000:d1:00.0"), A100("0000:15:00.0")},
     NULL,
     {0}},
};

static void make_file(const char *root, const struct file *f)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", root, f->path);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        (void)mkdir(path, 0755);
    }
    if (strncmp(f->text, "->", 2) == 0) {
        assert_int_equal(symlink(f->text + 2, path), 0);
        return;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    if (f->text[0] == '*')
        assert_int_equal(ftruncate(fd, (off_t)atoi(f->text + 1) << 20), 0);
    else
        assert_int_equal(write(fd, f->text, strlen(f->text)), (ssize_t)strlen(f->text));
    (void)close(fd);
}

/* Made once: a starved run finds it there. */
static void make_machine(const struct machine *m, char *root, size_t size)
{
    static const struct file arch = {"proc/sys/kernel/arch", "testarch\n"};
    (void)snprintf(root, size, "%s/machine-%td", xt_dir(), m - machines);
    if (mkdir(root, 0755) < 0)
        return;
    make_file(root, &arch);
    for (size_t i = 0; i < FILES_MAX && m->file[i].path; i++)
        make_file(root, &m->file[i]);
}

static void eight_a100(char *text, size_t size)
{
    static const char *const bus[] = {"0f", "15", "4a", "51", "8a", "90", "ca", "d1"};
    size_t used = (size_t)snprintf(text, size, "isolation=none");
    for (size_t i = 0; i < 8; i++)
        used += (size_t)snprintf(text + used, size - used,
                                 "; gpu; vendor=nvidia; model=A100-SXM4-80GB; uuid=0000:%s:00.0; "
                                 "vram=80GiB; cc=8.0; mig=false; driver=vfio-pci; state=free; "
                                 "source=table",
                                 bus[i]);
}

static char *as_text(const struct xql_row *row)
{
    struct xos_error err;
    json_t *json = NULL;
    if (xql_row_json(row, &json, &err) < 0)
        return NULL;
    char *text = json_dumps(json, JSON_SORT_KEYS);
    json_decref(json);
    return text;
}

static void machines_are_told_as_they_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        const struct machine *m = &machines[i];
        struct xos_error err = {0};
        struct xql_row row = {0}, wanted = {0};
        struct probe_options options = m->options;
        char root[128], eight[4096], text[4200];
        eight_a100(eight, sizeof(eight));
        (void)snprintf(text, sizeof(text), "arch=testarch; node=n1; %s", m->row ? m->row : eight);
        make_machine(m, root, sizeof(root));
        options.root = root;
        xql_row_set_text(&row, 0, XQL_A_NODE, "n1");
        xql_row_set_text(&row, 0, XQL_A_OS, "stale");
        XT_TRY(probe_node(xos_env_posix(), &options, &row, &err));
        XT_TRY(row_of(&wanted, text, &err));
        if (!xql_row_equal(&row, &wanted))
            fail_msg("%s: got %s, wanted %s", m->name, as_text(&row), as_text(&wanted));
        /* A second look replaces the devices of the first. */
        XT_TRY(probe_node(xos_env_posix(), &options, &row, &err));
        assert_true(xql_row_equal(&row, &wanted));
    out:
        xql_row_free(&row);
        xql_row_free(&wanted);
    }
}

static void more_gpus_than_a_row_holds_are_left_out(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xql_row row = {0};
    char root[128];
    struct probe_options options = {.root = root};
    (void)snprintf(root, sizeof(root), "%s/many", xt_dir());
    if (mkdir(root, 0755) == 0)
        for (unsigned i = 0; i < XQL_DEVICES_MAX + 6; i++) {
            char address[16], path[128];
            struct file f = {path, NULL};
            (void)snprintf(address, sizeof(address), "0000:%02x:00.0", i);
            static const char *const files[][2] = {
                {"class", "0x030000\n"}, {"vendor", "0x1234\n"}, {"device", "0x1111\n"}};
            for (size_t k = 0; k < 3; k++) {
                (void)snprintf(path, sizeof(path), PCI "%s/%s", address, files[k][0]);
                f.text = files[k][1];
                make_file(root, &f);
            }
        }
    XT_TRY(probe_node(xos_env_posix(), &options, &row, &err));
    assert_int_equal(row.device_count, XQL_DEVICES_MAX);
    assert_string_equal(xql_row_get(&row, 63, XQL_A_UUID)->is.text, "0000:3f:00.0");
    assert_string_equal(xql_row_get(&row, 63, XQL_A_MODEL)->is.text, "qemu-vga");
out:
    xql_row_free(&row);
}

static void a_root_that_is_not_there_changes_nothing(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xql_row row = {0}, before = {0};
    const struct probe_options options = {.root = "/nowhere/at/all"};
    XT_TRY(row_of(&row, "node=n1; mem=1GiB; gpu; mig=true", &err));
    XT_TRY(xql_row_copy(&before, &row, &err));
    XT_REFUSED(probe_node(xos_env_posix(), &options, &row, &err), XOS_NOT_FOUND);
    assert_true(xql_row_equal(&row, &before));
out:
    xql_row_free(&row);
    xql_row_free(&before);
}

static void this_machine_is_told(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xql_row row = {0};
    struct utsname u;
    cpu_set_t mine;
    const struct probe_options options = {.root = "/", .state_dir = xt_dir(), .may_enforce = true};
    assert_int_equal(uname(&u), 0);
    assert_int_equal(sched_getaffinity(0, sizeof(mine), &mine), 0);
    XT_TRY(probe_node(xos_env_posix(), &options, &row, &err));
    assert_string_equal(xql_row_get(&row, 0, XQL_A_ARCH)->is.text, u.machine);
    assert_string_equal(xql_row_get(&row, 0, XQL_A_KERNEL)->is.text, u.release);
    assert_int_equal(xql_row_get(&row, 0, XQL_A_CPU_CORES)->is.number, CPU_COUNT(&mine));
    assert_true(xql_row_get(&row, 0, XQL_A_MEM)->is.integer > 64 << 20);
    assert_non_null(xql_row_get(&row, 0, XQL_A_DISK_FREE));
    assert_non_null(xql_row_get(&row, 0, XQL_A_LOAD1));
    assert_non_null(xql_row_get(&row, 0, XQL_A_OS));
out:
    xql_row_free(&row);
}

static const struct xt_test tests[] = {
    XT(machines_are_told_as_they_are),
    XT(more_gpus_than_a_row_holds_are_left_out),
    XT(a_root_that_is_not_there_changes_nothing),
    XT_PLAIN(this_machine_is_told),
};
XT_MAIN(tests)
