// SPDX-License-Identifier: Apache-2.0
/* xos-shim: one per unit, from its start until somebody has taken its exit status.
 *
 * It is what makes a unit independent of everything else of XOS. xos-execd starts it with an order
 * (a sealed memfd), the unit's directory with its lock held and its ctl.sock bound, the spool files
 * and the control files of its cgroups, all as open descriptors at fixed numbers; from then on it
 * needs nobody. It enters the cgroups, clones the unit's init, gives up every privilege but
 * CAP_KILL, writes its state record and only then lets the init start the job: a unit that runs is
 * on record.
 *
 * What it decides stands in shim_core (pure): fences, walltime, TERM and KILL, how it ended. What
 * it holds: the streams (shim_out, shim_in), the connections of xosd (shim_ctl), the way to freeze
 * and kill (confine). One loop drives them (shim_watch); after each round of events everything is
 * settled once: tick, confirm, look whether all is gone, tell.
 *
 * Invariants. The lock is held exactly as long as the shim lives: free lock and no exit record
 * means that the shim was lost. The unit never outlives the shim (see xos-init). The spool is
 * synced before the exit record is written, the exit record before anybody is told, and the shim
 * leaves only after ACK_EXIT. It never allocates from the heap while it serves, so that it cannot
 * fail for want of memory, and it ignores every signal that can be ignored. */
#include "jobmgr/exec/execsys.h"
#include "jobmgr/exec/shim.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define OOM_SCORE_PROTECTED "-900" /* the unit's memory limit must not end in its shim */

static struct shim shim;

static const struct order *map_order(void)
{
    struct stat st;
    if (fstat(SHIM_FD_ORDER, &st) < 0 || st.st_size <= 0 || st.st_size > ORDER_BYTES_MAX)
        return NULL;
    size_t bytes = (size_t)st.st_size;
    const void *o = mmap(NULL, bytes, PROT_READ, MAP_SHARED, SHIM_FD_ORDER, 0);
    return o == MAP_FAILED || order_check(o, bytes) ? NULL : o;
}

static void take_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
}

static void take_descriptors(void)
{
    for (int fd = SHIM_FD_ORDER; fd < SHIM_FD_END; fd++)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int main(void)
{
    const struct order *o = map_order();
    if (!o) {
        fprintf(stderr, "xos-shim: no order: it is started by xos-execd alone\n");
        return 125;
    }
    take_descriptors();
    take_signals();
    (void)setsid();
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    (void)sys_write_text(AT_FDCWD, "/proc/self/oom_score_adj", OOM_SCORE_PROTECTED);
    shim_init(&shim, o);
    if (shim_watch_open(&shim) < 0)
        return 125;
    shim_begin(&shim);
    shim_run(&shim);
    (void)unlinkat(SHIM_FD_DIR, "ctl.sock", 0);
    return 0;
}
