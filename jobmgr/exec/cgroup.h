// SPDX-License-Identifier: Apache-2.0
/* cgroup.h - what of a unit's limits this machine can enforce, and one set of cgroups per unit.
 *
 * Found out per controller from /proc/self/mountinfo, never by one global switch: a hybrid has its
 * memory controller on v1 while cgroup.kill and cgroup.freeze come from an empty v2. Everything
 * lies below one parent (`/xos` by default): <mount>/<parent>/<slot>. The shims themselves sit in
 * <v2 mount>/<parent>/shims, outside of what is frozen and killed, and outside of execd's own
 * cgroup, so that a service manager that restarts execd does not meet them. */
#ifndef XOS_EXEC_CGROUP_H
#define XOS_EXEC_CGROUP_H

#include "jobmgr/exec/confine.h"
#include "jobmgr/exec/execd_wire.h"
#include "jobmgr/exec/order.h"

#define CGROUP_PATH_BYTES 256
#define CGROUP_SLOT_BYTES 32

enum cgroup_what { CGROUP_MEMORY, CGROUP_CPU, CGROUP_PIDS, CGROUP_FREEZER, CGROUP_WHATS };

struct cgroup_place {
    int version;                  /* 0: not here */
    char base[CGROUP_PATH_BYTES]; /* <mount>/<parent> */
};

struct cgroups {
    struct cgroup_place at[CGROUP_WHATS]; /* FREEZER is the v2 place where there is one */
    struct cgroup_place unified;          /* v2, with or without controllers */
};

struct cgroup_limits {
    uint64_t mem_bytes; /* each: 0 = none */
    uint32_t cpu_milli;
    bool cpu_quota;
    uint32_t pids;
};

/* Read a mountinfo text and find the places; pure. `parent` is a relative path ("xos"). */
int cgroups_parse(struct cgroups *out, const char *mountinfo, const char *parent,
                  struct xos_error *err);

/* Parse this machine's, make the parents; a place that cannot be written is left out. Never
 * fails for want of cgroups: then nothing is enforced. */
int cgroups_probe(struct cgroups *out, const char *parent, struct xos_error *err);

enum execd_isolation cgroups_isolation(const struct cgroups *c);
uint32_t cgroups_enforced(const struct cgroups *c); /* set of 1 << enum cgroup_what */

/* Make a slot and write the limits. On failure nothing is left. */
int cgroups_make(const struct cgroups *c, const char *slot, const struct cgroup_limits *limits,
                 struct xos_error *err);

/* Open a slot's files for a shim: fds[enum shim_fd], SHIM_FD_CGROUP and up; -1 for what is absent.
 * The caller closes them. */
int cgroups_open(const struct cgroups *c, const char *slot, int fds[static SHIM_FD_END],
                 struct xos_error *err);

/* For killing without a shim. CONFINE_TREE with root 0 when there is no cgroup. */
void cgroups_confine(const struct cgroups *c, const char *slot, struct confine *out);
void cgroups_confine_close(struct confine *c);

/* Remove a slot: 0 also when it is not there; -1 while a process is in it. */
int cgroups_remove(const struct cgroups *c, const char *slot);

/* A descriptor of the v2 directory for shims, or -1. */
int cgroups_shims(const struct cgroups *c);

/* Remove the parents, if they are empty. */
void cgroups_drop(const struct cgroups *c);

#endif
