// SPDX-License-Identifier: Apache-2.0
/* probe.h - what this node has, read from /proc, /sys and /etc, as a row. */
#ifndef DISCOVERY_PROBE_PROBE_H
#define DISCOVERY_PROBE_PROBE_H

#include "discovery/query/row.h"
#include "libxos/env/env.h"

#define PROBE_CPUS_MAX 8192u /* numbered CPUs that are looked at */

struct probe_options {
    const char *root;      /* where the machine's tree is: "/"; all paths lie below it */
    const char *state_dir; /* of this process, for disk.free; NULL: not asked */
    bool may_enforce;      /* false: units run without any bound, isolation is "none" */
    bool is_root;          /* cgroups may be made; else a bound is what setrlimit can do */
    unsigned cpus;         /* [node] cpus=; 0: what is found */
    uint64_t mem_bytes;    /* [node] mem=; 0: what is found */
    double cpus_claimed;   /* what claims hold: cpu.free and mem.free are what is left */
    uint64_t mem_claimed_bytes;
};

/* Set in *row: arch os kernel cpu.model cpu.cores cpu.free load1 mem mem.free disk.free isolation
 * and the devices; what cannot be found is missing afterwards. The other values are left as they
 * are: names, zone and state are the caller's, vm.accel and ckpt.* are for those who try them.
 *
 * CPUs are those that are online and that this process may run on (cpusets and affinity); memory
 * is the least of MemTotal and the limits of the cgroups that this process is in. XOS_NOMEM, or
 * the root cannot be opened: then *row is as it was. */
int probe_node(struct xos_env *env, const struct probe_options *options, struct xql_row *row,
               struct xos_error *err);

#endif
