// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/execd.h"
#include "jobmgr/exec/execsys.h"
#include "jobmgr/exec/rmtree.h"
#include "jobmgr/exec/spawn.h"
#include "libxos/base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define UNIT_DIR_MODE 02750
#define SPOOL_MODE 0640
#define CTL_BACKLOG 16
#define NUMBER(x) ((unsigned long long)(x))

/* What a START has made so far, to be undone when it fails. */
struct starting {
    struct execd *e;
    const struct execd_request *r;
    int papers;
    struct execd_identity who;
    uid_t uid;
    gid_t gid;
    struct ledger_entry entry;
    bool in_ledger, has_slot, has_dir, has_spool, has_scratch;
    int fds[SHIM_FD_END];
    pid_t shim;
    char scratch[PATH_MAX];
};

static int step_authorise(struct starting *s, struct xos_error *err)
{
    const struct execd_conf *c = s->e->conf;
    return c->authorise(c->authorise_arg, s->r, s->papers, &s->who, err);
}

/* Never twice: a unit that has left anything behind must be removed first. */
static int step_new(struct starting *s, struct xos_error *err)
{
    struct stat st;
    struct execd *e = s->e;
    if (fstatat(e->ledger, s->r->unit, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
        fstatat(e->units, s->r->unit, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
        fstatat(e->spool, s->r->unit, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return xos_fail(err, XOS_EXISTS, "unit %s was started before", s->r->unit);
    return 0;
}

static int step_identity(struct starting *s, struct xos_error *err)
{
    uint32_t uid = 0;
    s->uid = geteuid();
    s->gid = getegid();
    if (!s->e->root)
        return 0;
    if (idmap_file_uid(s->e->idmap, s->who.vo, s->who.user, sys_real_ms() / 1000, &uid, err) < 0)
        return -1;
    if (uid < IDMAP_UID_MIN || uid > IDMAP_UID_MAX)
        return xos_fail(err, XOS_INTERNAL, "uid %u is outside of the reserved range", uid);
    s->uid = uid;
    s->gid = uid;
    return 0;
}

static int step_ledger(struct starting *s, struct xos_error *err)
{
    struct ledger_entry *l = &s->entry;
    memcpy(l->unit, s->r->unit, EXEC_UNIT_BYTES);
    memcpy(l->boot_id, s->e->boot_id, sizeof(l->boot_id));
    l->epoch = s->r->epoch;
    l->uid = s->uid;
    (void)snprintf(l->slot, sizeof(l->slot), "%s-%llx", s->e->slot_prefix, NUMBER(++s->e->slots));
    if (ledger_write(s->e->ledger, l, err) < 0)
        return -1;
    s->in_ledger = true;
    return 0;
}

static int step_cgroups(struct starting *s, struct xos_error *err)
{
    struct cgroup_limits limits = {.mem_bytes = s->r->mem_bytes,
                                   .cpu_milli = s->r->cpu_milli,
                                   .cpu_quota = (s->r->flags & EXECD_CPU_QUOTA) != 0,
                                   .pids = s->r->pids};
    if (cgroups_make(&s->e->cgroups, s->entry.slot, &limits, err) < 0)
        return -1;
    s->has_slot = true;
    return cgroups_open(&s->e->cgroups, s->entry.slot, s->fds, err);
}

/* A directory of one unit below `parent`, for this owner. Returns a descriptor. */
static int make_dir(int parent, const char *name, uid_t uid, gid_t gid, mode_t mode, bool own,
                    struct xos_error *err)
{
    if (mkdirat(parent, name, 0700) < 0)
        return xos_fail_errno(err, "directory %s", name);
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || (own && fchown(fd, uid, gid) < 0) || fchmod(fd, mode) < 0) {
        (void)xos_fail_errno(err, "directory %s", name);
        if (fd >= 0)
            close(fd);
        (void)unlinkat(parent, name, AT_REMOVEDIR);
        return -1;
    }
    return fd;
}

static int make_file(struct starting *s, int dir, const char *name, struct xos_error *err)
{
    const struct execd_conf *c = s->e->conf;
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, SPOOL_MODE);
    if (fd >= 0 && (!s->e->root || fchown(fd, c->shim_uid, c->peer_gid) == 0) &&
        fchmod(fd, SPOOL_MODE) == 0)
        return fd;
    (void)xos_fail_errno(err, "%s of %s", name, s->r->unit);
    if (fd >= 0)
        close(fd);
    return -1;
}

static int step_directory(struct starting *s, struct xos_error *err)
{
    const struct execd_conf *c = s->e->conf;
    int dir =
        make_dir(s->e->units, s->r->unit, c->shim_uid, c->peer_gid, UNIT_DIR_MODE, s->e->root, err);
    if (dir < 0)
        return -1;
    s->has_dir = true;
    s->fds[SHIM_FD_DIR] = dir;
    s->fds[SHIM_FD_LOCK] = make_file(s, dir, "lock", err);
    if (s->fds[SHIM_FD_LOCK] < 0)
        return -1;
    if (flock(s->fds[SHIM_FD_LOCK], LOCK_EX | LOCK_NB) < 0)
        return xos_fail_errno(err, "lock of %s", s->r->unit);
    return 0;
}

static int step_spool(struct starting *s, struct xos_error *err)
{
    const struct execd_conf *c = s->e->conf;
    int dir =
        make_dir(s->e->spool, s->r->unit, c->shim_uid, c->peer_gid, UNIT_DIR_MODE, s->e->root, err);
    if (dir < 0)
        return -1;
    s->has_spool = true;
    s->fds[SHIM_FD_OUT] = make_file(s, dir, "out", err);
    s->fds[SHIM_FD_ERR] = s->fds[SHIM_FD_OUT] < 0 ? -1 : make_file(s, dir, "err", err);
    int rc = s->fds[SHIM_FD_ERR] < 0 ? -1 : 0;
    if (rc == 0 && fsync(dir) < 0)
        rc = xos_fail_errno(err, "spool of %s", s->r->unit);
    close(dir);
    return rc;
}

static int step_scratch(struct starting *s, struct xos_error *err)
{
    int dir = make_dir(s->e->scratch, s->r->unit, s->uid, s->gid, 0700, s->e->root, err);
    if (dir < 0)
        return -1;
    close(dir);
    s->has_scratch = true;
    (void)snprintf(s->scratch, sizeof(s->scratch), "%s/%s", s->e->conf->scratch, s->r->unit);
    return 0;
}

/* Bound before the shim exists: whoever connects early waits in the backlog. */
static int step_socket(struct starting *s, struct xos_error *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/ctl.sock",
                   s->fds[SHIM_FD_DIR]);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    s->fds[SHIM_FD_LISTEN] = fd;
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, CTL_BACKLOG) < 0)
        return xos_fail_errno(err, "ctl.sock of %s", s->r->unit);
    const struct execd_conf *c = s->e->conf;
    if (s->e->root && fchownat(s->fds[SHIM_FD_DIR], "ctl.sock", c->shim_uid, c->peer_gid,
                               AT_SYMLINK_NOFOLLOW) < 0)
        return xos_fail_errno(err, "ctl.sock of %s", s->r->unit);
    if (fchmodat(s->fds[SHIM_FD_DIR], "ctl.sock", 0660, 0) < 0)
        return xos_fail_errno(err, "ctl.sock of %s", s->r->unit);
    return 0;
}

static uint32_t order_flags(const struct starting *s)
{
    static const struct {
        uint32_t asked, given;
    } table[] = {{EXECD_FENCED, ORDER_FENCED}, {EXECD_PTY, ORDER_PTY}, {EXECD_STDIN, ORDER_STDIN}};
    uint32_t flags = 0, enforced = cgroups_enforced(&s->e->cgroups);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (s->r->flags & table[i].asked)
            flags |= table[i].given;
    if (s->e->root)
        flags |= ORDER_NAMESPACES | ORDER_DROP;
    if (s->r->mem_bytes && !(enforced & 1u << CGROUP_MEMORY))
        flags |= ORDER_RLIMIT_MEM;
    /* A resource limit counts all of a uid's processes: it bounds a unit only where the uid is its
     * user's own. */
    if (s->r->pids && s->e->root && !(enforced & 1u << CGROUP_PIDS))
        flags |= ORDER_RLIMIT_PIDS;
    return flags;
}

static int write_order(struct starting *s, struct order *o, struct xos_error *err)
{
    const struct execd_conf *c = s->e->conf;
    char init[PATH_MAX], root[PATH_MAX];
    const char *hide[] = {c->run, c->spool, c->scratch, NULL};
    (void)snprintf(init, sizeof(init), "%s/xos-init", c->programs);
    (void)snprintf(root, sizeof(root), "%s/root", c->run);
    struct order_paths paths = {
        .init = init, .root = root, .scratch = s->scratch, .hide = hide, .bind = c->binds};
    if (order_finish(o, s->r, &paths) < 0)
        return xos_fail(err, XOS_LIMIT, "command, environment and paths above ORDER_BYTES_MAX");
    int fd = memfd_create("xos-order", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    s->fds[SHIM_FD_ORDER] = fd;
    if (fd < 0 || sys_write_all(fd, o, o->bytes) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        return xos_fail_errno(err, "order for %s", s->r->unit);
    return 0;
}

static int step_order(struct starting *s, struct xos_error *err)
{
    const struct execd_request *r = s->r;
    const struct execd_conf *c = s->e->conf;
    struct order *o = xos_alloc(ORDER_BYTES_MAX);
    if (!o)
        return xos_fail(err, XOS_NOMEM, "order for %s", r->unit);
    *o = (struct order){.flags = order_flags(s),
                        .epoch = r->epoch,
                        .deadline_ms = r->deadline_ms,
                        .walltime_ms = r->walltime_ms,
                        .grace_ms = r->grace_ms,
                        .spool_bytes = r->spool_bytes,
                        .mem_bytes = r->mem_bytes,
                        .pids = r->pids,
                        .rows = r->rows,
                        .cols = r->cols,
                        .uid = s->uid,
                        .gid = s->gid,
                        .shim_uid = c->shim_uid,
                        .shim_gid = c->shim_gid,
                        .peer_uid = c->peer_uid};
    memcpy(o->unit, r->unit, EXEC_UNIT_BYTES);
    for (int i = SHIM_FD_ORDER; i < SHIM_FD_END; i++)
        if (s->fds[i] >= 0)
            o->fds |= SHIM_FD_BIT(i);
    int rc = write_order(s, o, err);
    xos_free(o);
    return rc;
}

/* The descriptor is handed on; what is in it, only the unit's own process reads. */
static int step_files(struct starting *s, struct xos_error *err)
{
    if (!(s->r->flags & EXECD_FILES))
        return 0;
    if (s->papers < 0)
        return xos_fail(err, XOS_PROTOCOL, "START: its files did not come with it");
    s->fds[SHIM_FD_FILES] = fcntl(s->papers, F_DUPFD_CLOEXEC, 0);
    return s->fds[SHIM_FD_FILES] < 0 ? xos_fail_errno(err, "files of %s", s->r->unit) : 0;
}

static int step_shim(struct starting *s, struct xos_error *err)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/xos-shim", s->e->conf->programs);
    int cgroup = cgroups_shims(&s->e->cgroups);
    s->shim = spawn_shim(path, s->r->unit, s->fds, cgroup, err);
    if (cgroup >= 0)
        close(cgroup);
    if (s->shim < 0)
        return -1;
    s->entry.shim_pid = s->shim;
    (void)sys_start_time(s->shim, &s->entry.shim_start);
    return 0;
}

static void undo(struct starting *s)
{
    struct execd *e = s->e;
    if (s->has_scratch)
        (void)rmtree(e->scratch, s->r->unit, NULL);
    if (s->has_spool)
        (void)rmtree(e->spool, s->r->unit, NULL);
    if (s->has_dir)
        (void)rmtree(e->units, s->r->unit, NULL);
    if (s->has_slot)
        (void)cgroups_remove(&e->cgroups, s->entry.slot);
    if (s->in_ledger)
        (void)ledger_remove(e->ledger, s->r->unit, NULL);
}

int execd_start(struct execd *e, const struct execd_request *r, int papers, struct execd_answer *a,
                struct xos_error *err)
{
    static int (*const steps[])(struct starting *, struct xos_error *) = {
        step_authorise, step_new,     step_identity, step_ledger, step_cgroups, step_directory,
        step_spool,     step_scratch, step_socket,   step_files,  step_order,   step_shim,
    };
    struct starting s = {.e = e, .r = r, .papers = papers};
    int rc = 0;
    for (int i = 0; i < SHIM_FD_END; i++)
        s.fds[i] = -1;
    for (size_t i = 0; rc == 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
        rc = steps[i](&s, err);
    for (int i = SHIM_FD_ORDER; i < SHIM_FD_END; i++)
        if (s.fds[i] >= 0)
            close(s.fds[i]);
    if (rc < 0) {
        undo(&s);
        return -1;
    }
    /* From here on the unit runs, whether or not this is noted: KILL by force needs it. */
    (void)ledger_write(e->ledger, &s.entry, NULL);
    a->uid = s.uid;
    a->shim_pid = s.shim;
    return 0;
}
