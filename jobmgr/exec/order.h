// SPDX-License-Identifier: Apache-2.0
/* order.h - what execd tells a shim, and the shim its init, about the one unit that they serve.
 *
 * A sealed memfd: nobody can change it once it was given, the shim maps it and passes it on, so
 * that the command and the environment never lie in the shim's own memory. Host byte order; the
 * three programs are of one build (the version is checked). Pure, libc only. */
#ifndef XOS_EXEC_ORDER_H
#define XOS_EXEC_ORDER_H

#include "jobmgr/exec/execd_wire.h"

#define ORDER_MAGIC UINT32_C(0x4f534f58) /* "XOSO" */
#define ORDER_VERSION 1
#define ORDER_BYTES_MAX (EXECD_MESSAGE_BYTES_MAX + 65536)
#define ORDER_PATHS_MAX 16

enum order_flag {
    ORDER_FENCED = 1,
    ORDER_PTY = 2,
    ORDER_STDIN = 4,
    ORDER_NAMESPACES = 8,  /* own pid, mount and ipc namespace and root; implies ORDER_DROP */
    ORDER_DROP = 16,       /* started as root: become uid and gid */
    ORDER_RLIMIT_MEM = 32, /* bound memory by a resource limit, for want of a cgroup */
    ORDER_RLIMIT_PIDS = 64,
};

enum order_blob {
    ORDER_ARGV,
    ORDER_ENVP,
    ORDER_CWD,  /* none: scratch */
    ORDER_INIT, /* path of xos-init */
    ORDER_ROOT, /* directory that the private root is mounted on */
    ORDER_SCRATCH,
    ORDER_HIDE, /* directories that the unit sees empty: other units' */
    ORDER_BIND, /* mounts of the host that the unit sees too */
    ORDER_BLOBS
};

/* Descriptors that a shim starts with, at these numbers. Those above SHIM_FD_ERR may be absent:
 * order.fds says which are there. */
enum shim_fd {
    SHIM_FD_ORDER = 3,
    SHIM_FD_LOCK,   /* flock held for the shim's life */
    SHIM_FD_LISTEN, /* ctl.sock */
    SHIM_FD_DIR,    /* the unit's directory */
    SHIM_FD_OUT,    /* spool files */
    SHIM_FD_ERR,
    SHIM_FD_CGROUP, /* v2 directory for CLONE_INTO_CGROUP */
    SHIM_FD_KILL,   /* cgroup.kill */
    SHIM_FD_FREEZE, /* cgroup.freeze, or freezer.state */
    SHIM_FD_EVENTS, /* cgroup.events (v2) */
    SHIM_FD_PROCS,  /* cgroup.procs of the freezing cgroup, to read */
    SHIM_FD_OOM,    /* memory.events (v2), or memory.oom_control */
    SHIM_FD_PEAK,   /* memory.peak, or memory.max_usage_in_bytes */
    SHIM_FD_ENTER,  /* cgroup.procs to write oneself into: v1 memory, cpu, pids; v2 fallback */
    SHIM_FD_ENTER_LAST = SHIM_FD_ENTER + 3,
    SHIM_FD_FILES,   /* the bundle of files for scratch, for the init */
    SHIM_FD_FREEZER, /* v1 freezer's cgroup.procs: entered by the unit, not by the shim */
    SHIM_FD_END
};
#define SHIM_FD_BIT(fd) (UINT32_C(1) << (fd))

struct order {
    uint32_t magic;
    uint16_t version;
    uint16_t rows;
    uint32_t bytes;
    uint32_t flags;
    char unit[EXEC_UNIT_BYTES];
    uint64_t epoch;
    uint64_t deadline_ms;
    uint64_t walltime_ms;
    uint64_t grace_ms;
    uint64_t spool_bytes;
    uint64_t mem_bytes;
    uint32_t pids;
    uint32_t fds;                /* set of SHIM_FD_BIT */
    uint32_t uid, gid;           /* of the unit */
    uint32_t shim_uid, shim_gid; /* of the shim, once it has launched */
    uint32_t peer_uid;           /* who may connect to ctl.sock */
    uint16_t cols;
    uint16_t zero;
    struct wire_blob blobs[ORDER_BLOBS];
};

/* Is this an order? NULL, or the name of what is wrong. */
const char *order_check(const void *data, size_t bytes);

/* Set magic, version, size and blobs of an order under construction in a block of
 * ORDER_BYTES_MAX. argv, envp and cwd are copied from the checked request. 0 or -1. */
struct order_paths {
    const char *init, *root, *scratch;
    const char *const *hide;
    const char *const *bind;
};
int order_finish(struct order *o, const struct execd_request *r, const struct order_paths *paths);

#endif
