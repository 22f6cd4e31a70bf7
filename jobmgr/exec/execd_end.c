// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/execd.h"
#include "jobmgr/exec/execsys.h"
#include "jobmgr/exec/rmtree.h"
#include "jobmgr/exec/shim_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KILL_ROUNDS 100 /* of killing what is left of a unit … */
#define KILL_EACH_MS 10 /* … and waiting this long for it to be gone */

static int unit_dir(struct execd *e, const char *unit)
{
    return openat(e->units, unit, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Does the unit's shim live? Its lock tells. */
static bool shim_lives(int dir)
{
    int fd = openat(dir, "lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool held = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    close(fd);
    return held;
}

static int read_exit(int dir, struct exit_record *out)
{
    char data[sizeof(*out) + 1];
    ssize_t n = sys_read_file(dir, "exit", data, sizeof(data));
    if (n < 0 || exit_record_check(data, (size_t)n) < 0)
        return -1;
    memcpy(out, data, sizeof(*out));
    return 0;
}

static void write_exit(const struct ledger_entry *entry, int dir, enum exit_how how)
{
    struct exit_record r = {
        .how = (uint16_t)how, .epoch = entry->epoch, .ended_real_ms = sys_real_ms()};
    memcpy(r.unit, entry->unit, EXEC_UNIT_BYTES);
    exit_record_seal(&r);
    (void)sys_replace(dir, "exit", &r, sizeof(r), 0640, SYS_DURABLE);
}

static void sleep_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* Without a cgroup: the init, which ends its own tree; its identity stands in the state record. */
static void kill_init(int dir)
{
    struct state_record st;
    if (sys_read_file(dir, "state", &st, sizeof(st)) != (ssize_t)sizeof(st) ||
        state_record_check(&st, sizeof(st)) < 0 || geteuid() == 0)
        return;
    int init = sys_pidfd_of(st.init_pid, st.init_start);
    if (init < 0)
        return;
    struct pollfd p = {.fd = init, .events = POLLIN};
    /* It sees that its shim is gone; it is given the time to end what is below it. */
    (void)poll(&p, 1, KILL_ROUNDS * KILL_EACH_MS);
    close(init);
}

/* Kill everything of a unit that has no shim any more: 0 when nothing is left. */
static int kill_rest(struct execd *e, const struct ledger_entry *entry, int dir)
{
    struct confine c;
    cgroups_confine(&e->cgroups, entry->slot, &c);
    if (c.kind == CONFINE_TREE) {
        if (dir >= 0)
            kill_init(dir);
        cgroups_confine_close(&c);
        return 0;
    }
    int empty = confine_empty(&c);
    for (int i = 0; i < KILL_ROUNDS && empty != 1; i++) {
        (void)confine_kill(&c);
        empty = confine_empty(&c);
        if (empty != 1)
            sleep_ms(KILL_EACH_MS);
        empty = confine_empty(&c);
    }
    cgroups_confine_close(&c);
    return empty == 1 ? 0 : -1;
}

static enum execd_unit_state judge(struct execd *e, const struct ledger_entry *entry, int dir)
{
    struct exit_record r;
    if (dir >= 0 && read_exit(dir, &r) == 0) {
        if (r.how == EXIT_SHIM_LOST)
            return EXECD_UNIT_SHIM_LOST;
        /* A node-lost of another boot, not of an epoch. */
        return r.how == EXIT_NODE_LOST && !r.ran_ms ? EXECD_UNIT_NODE_LOST : EXECD_UNIT_ENDED;
    }
    bool other_boot = memcmp(entry->boot_id, e->boot_id, sizeof(e->boot_id)) != 0;
    if (!other_boot && kill_rest(e, entry, dir) < 0)
        return EXECD_UNIT_SHIM_LOST;
    if (dir >= 0)
        write_exit(entry, dir, other_boot ? EXIT_NODE_LOST : EXIT_SHIM_LOST);
    return other_boot ? EXECD_UNIT_NODE_LOST : EXECD_UNIT_SHIM_LOST;
}

enum execd_unit_state execd_look(struct execd *e, const char *unit, struct ledger_entry *entry)
{
    if (ledger_read(e->ledger, unit, entry, NULL) < 0)
        return EXECD_UNIT_NONE;
    int dir = unit_dir(e, unit);
    enum execd_unit_state state = dir >= 0 && shim_lives(dir) ? EXECD_UNIT_LIVE : EXECD_UNIT_NONE;
    if (state == EXECD_UNIT_NONE)
        state = judge(e, entry, dir);
    if (dir >= 0)
        close(dir);
    return state;
}

/* By its pidfd, checked against its start time: no other process is ever hit. */
static int kill_shim(const struct ledger_entry *entry, struct xos_error *err)
{
    int shim = sys_pidfd_of(entry->shim_pid, entry->shim_start);
    if (shim < 0)
        return xos_fail(err, XOS_BUSY, "unit %s: its shim holds the lock, but was not found",
                        entry->unit);
    (void)sys_pidfd_signal(shim, SIGKILL, 0);
    struct pollfd p = {.fd = shim, .events = POLLIN};
    int n = poll(&p, 1, KILL_ROUNDS * KILL_EACH_MS);
    close(shim);
    return n > 0 ? 0 : xos_fail(err, XOS_TIMEOUT, "unit %s: its shim does not die", entry->unit);
}

int execd_kill(struct execd *e, const struct execd_request *r, struct xos_error *err)
{
    struct ledger_entry entry;
    enum execd_unit_state state = execd_look(e, r->unit, &entry);
    if (state == EXECD_UNIT_NONE)
        return xos_fail(err, XOS_NOT_FOUND, "no unit %s here", r->unit);
    if (state == EXECD_UNIT_LIVE) {
        if (!(r->flags & EXECD_FORCE))
            return xos_fail(err, XOS_BUSY, "unit %s has a living shim: ask that", r->unit);
        if (kill_shim(&entry, err) < 0)
            return -1;
        state = execd_look(e, r->unit, &entry);
    }
    int dir = unit_dir(e, r->unit);
    int rc = kill_rest(e, &entry, dir);
    if (dir >= 0)
        close(dir);
    return rc < 0 ? xos_fail(err, XOS_TIMEOUT, "unit %s: processes that do not die", r->unit) : 0;
}

/* A shim that has just left gives up its lock some moments before its cgroups. */
static int remove_slot(struct execd *e, const struct ledger_entry *entry)
{
    int rc = cgroups_remove(&e->cgroups, entry->slot);
    for (int i = 0; rc < 0 && i < KILL_ROUNDS; i++) {
        sleep_ms(i < KILL_ROUNDS / 2 ? 1 : KILL_EACH_MS);
        rc = cgroups_remove(&e->cgroups, entry->slot);
    }
    return rc;
}

int execd_remove(struct execd *e, const struct execd_request *r, struct xos_error *err)
{
    struct ledger_entry entry;
    enum execd_unit_state state = execd_look(e, r->unit, &entry);
    if (state == EXECD_UNIT_LIVE)
        return xos_fail(err, XOS_BUSY, "unit %s has a living shim", r->unit);
    if (state != EXECD_UNIT_NONE) {
        int dir = unit_dir(e, r->unit);
        int rc = kill_rest(e, &entry, dir);
        if (dir >= 0)
            close(dir);
        if (rc < 0 || remove_slot(e, &entry) < 0)
            return xos_fail(err, XOS_BUSY, "unit %s: its cgroup is not empty", r->unit);
    }
    if (rmtree(e->units, r->unit, err) < 0 || rmtree_later(e->scratch, r->unit, err) < 0)
        return -1;
    if (!(r->flags & EXECD_KEEP_SPOOL) && rmtree_later(e->spool, r->unit, err) < 0)
        return -1;
    return ledger_remove(e->ledger, r->unit, err);
}

/* The shim holds its lock from before it exists, and saves its state before the command may go. */
static bool never_started(struct execd *e, const struct ledger_entry *entry)
{
    struct stat st;
    if (entry->shim_pid || memcmp(entry->boot_id, e->boot_id, sizeof(e->boot_id)) != 0)
        return false;
    int dir = unit_dir(e, entry->unit);
    if (dir < 0)
        return errno == ENOENT;
    bool never = !shim_lives(dir) && fstatat(dir, "state", &st, AT_SYMLINK_NOFOLLOW) < 0 &&
                 errno == ENOENT && fstatat(dir, "exit", &st, AT_SYMLINK_NOFOLLOW) < 0 &&
                 errno == ENOENT;
    close(dir);
    return never;
}

void execd_sweep(struct execd *e)
{
    struct ledger_names names;
    struct ledger_entry entry;
    if (ledger_names(e->ledger, &names, NULL) < 0)
        return;
    for (size_t i = 0; i < names.count; i++) {
        const char *unit = names.name[i];
        if (ledger_read(e->ledger, unit, &entry, NULL) < 0 || !never_started(e, &entry))
            continue;
        /* What cannot be cleared stays as it is: the unit is then reported lost. */
        if (cgroups_remove(&e->cgroups, entry.slot) == 0 && rmtree(e->units, unit, NULL) == 0 &&
            rmtree(e->scratch, unit, NULL) == 0 && rmtree(e->spool, unit, NULL) == 0)
            (void)ledger_remove(e->ledger, unit, NULL);
    }
    ledger_names_free(&names);
}

static void list_one(struct execd *e, const char *unit, struct execd_answer *a,
                     struct execd_entry *entries)
{
    struct ledger_entry entry;
    enum execd_unit_state state = execd_look(e, unit, &entry);
    if (state == EXECD_UNIT_NONE)
        return;
    struct execd_entry *out = &entries[a->count++];
    *out = (struct execd_entry){.epoch = entry.epoch,
                                .state = state,
                                .uid = entry.uid,
                                .shim_pid = state == EXECD_UNIT_LIVE ? entry.shim_pid : 0};
    memcpy(out->unit, entry.unit, EXEC_UNIT_BYTES);
}

int execd_list(struct execd *e, const struct execd_request *r, struct execd_answer *a,
               struct execd_entry *entries, struct xos_error *err)
{
    struct ledger_names names;
    if (ledger_names(e->ledger, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        if (strncmp(names.name[i], r->unit, EXEC_UNIT_BYTES) <= 0)
            continue;
        if (a->count == EXECD_LIST_MAX) {
            a->more = 1;
            break;
        }
        list_one(e, names.name[i], a, entries);
    }
    ledger_names_free(&names);
    return 0;
}
