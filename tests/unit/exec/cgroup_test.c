// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a node says that it bounds what it does not, or looks for a controller in the
 * wrong hierarchy. */
#include "jobmgr/exec/cgroup.h"
#include "tests/lib/xtest.h"

#include <string.h>

static const char hybrid[] =
    "23 27 0:22 / /sys rw,relatime - sysfs sysfs rw\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer\n"
    "39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
static const char pure1[] = "32 31 0:29 / /c/cpu rw - cgroup cgroup rw,cpu\n"
                            "35 31 0:32 / /c/memory rw - cgroup cgroup rw,memory\n"
                            "37 31 0:34 / /c/freezer rw - cgroup cgroup rw,freezer\n";
static const char none[] = "23 27 0:22 / /sys rw,relatime - sysfs sysfs rw\nbroken line\n\n - \n";

static void places_are_found_per_controller(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int version[CGROUP_WHATS];
        const char *base[CGROUP_WHATS];
        enum execd_isolation isolation;
        uint32_t enforced;
    } table[] = {
        {hybrid,
         {1, 1, 1, 2},
         {"/sys/fs/cgroup/memory/xos", "/sys/fs/cgroup/cpu,cpuacct/xos", "/sys/fs/cgroup/pids/xos",
          "/sys/fs/cgroup/unified/xos"},
         EXECD_CGROUP1,
         15},
        {pure1,
         {1, 1, 0, 1},
         {"/c/memory/xos", "/c/cpu/xos", NULL, "/c/freezer/xos"},
         EXECD_CGROUP1,
         11},
        {none, {0, 0, 0, 0}, {NULL, NULL, NULL, NULL}, EXECD_RLIMIT, 0},
        {"", {0, 0, 0, 0}, {NULL, NULL, NULL, NULL}, EXECD_RLIMIT, 0},
    };
    struct xos_error err = {0};
    struct cgroups c;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        XT_TRY(cgroups_parse(&c, table[i].text, "xos", &err));
        for (int w = 0; w < CGROUP_WHATS; w++) {
            assert_int_equal(c.at[w].version, table[i].version[w]);
            if (table[i].base[w])
                assert_string_equal(c.at[w].base, table[i].base[w]);
        }
        assert_int_equal(cgroups_isolation(&c), table[i].isolation);
        assert_int_equal(cgroups_enforced(&c), table[i].enforced);
    }
out:;
}

static const struct xt_test tests[] = {XT(places_are_found_per_controller)};
XT_MAIN(tests)
