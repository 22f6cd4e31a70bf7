// SPDX-License-Identifier: Apache-2.0
/* limits.h - what of the machine this process may use, and what could bound its units. */
#ifndef DISCOVERY_PROBE_LIMITS_H
#define DISCOVERY_PROBE_LIMITS_H

#include "discovery/probe/tree.h"

/* CPUs that are online and that this process may run on; 0: it cannot be told. */
unsigned probe_cpu_count(struct probe_tree *t);

/* The least of MemTotal and the memory limits of the cgroups above this process, v2 and v1. */
bool probe_memory_bytes(struct probe_tree *t, uint64_t *bytes);

/* What root could enforce here: "cgroup2" where v2 has the cpu and memory controllers, "cgroup1"
 * where v1 has them, else "rlimit". */
const char *probe_cgroups(struct probe_tree *t);

#endif
