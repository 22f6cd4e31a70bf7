// SPDX-License-Identifier: Apache-2.0
/* execd.h - the one that may: makes units' directories, cgroups and shims, and clears them away. */
#ifndef XOS_EXEC_EXECD_H
#define XOS_EXEC_EXECD_H

#include "jobmgr/exec/execd_authorise.h"
#include "jobmgr/exec/idmap_file.h"
#include "jobmgr/exec/ledger.h"

#include <signal.h>

#define EXECD_BINDS_MAX 8

struct execd_conf {
    const char *socket;                     /* path of the SEQPACKET socket */
    const char *run;                        /* units/, ledger/, root/ below it: a tmpfs is best */
    const char *spool;                      /* <unit>/out and err below it */
    const char *scratch;                    /* <unit>/ below it */
    const char *idmap;                      /* journal of the uid table; used as root */
    const char *programs;                   /* directory of xos-shim and xos-init */
    const char *cgroup;                     /* parent of all units' cgroups, relative ("xos") */
    const char *binds[EXECD_BINDS_MAX + 1]; /* mounts that units see too; NULL-terminated */
    uid_t peer_uid;                         /* xosd's: the only one that may ask */
    gid_t peer_gid;                         /* may read records and spools */
    uid_t shim_uid;
    gid_t shim_gid;
    execd_authorise_f authorise;
    void *authorise_arg;
    void (*reload)(void *arg); /* a signal asked for it; NULL: nothing to read anew */
};

struct execd {
    const struct execd_conf *conf;
    bool root; /* we are; units get their own uid, namespaces and cgroups */
    struct cgroups cgroups;
    struct idmap_file *idmap;
    uint8_t boot_id[16];
    uint64_t slots; /* counter for names */
    char slot_prefix[16];
    /* descriptors of directories */
    int units, ledger, spool, scratch;
    int listen;
};

/* Make the directories, probe the cgroups, open the uid table, listen. */
int execd_new(struct execd **out, const struct execd_conf *conf, struct xos_error *err);
void execd_free(struct execd *e);

/* What signal handlers say. */
struct execd_signals {
    volatile sig_atomic_t stop, reload;
};

/* Serve until signals->stop is not 0. */
int execd_run(struct execd *e, struct execd_signals *signals, struct xos_error *err);

/* execd_start.c: START, with the descriptor that came with it, borrowed. The answer's uid and
 * shim_pid are set. */
int execd_start(struct execd *e, const struct execd_request *r, int papers, struct execd_answer *a,
                struct xos_error *err);

/* execd_end.c */
enum execd_unit_state execd_look(struct execd *e, const char *unit, struct ledger_entry *entry);
int execd_kill(struct execd *e, const struct execd_request *r, struct xos_error *err);
int execd_remove(struct execd *e, const struct execd_request *r, struct xos_error *err);
/* Clear away what an execd that died left of units that it had not yet started: a START that is
 * repeated then starts them. A unit that may have run a single instruction is left alone. */
void execd_sweep(struct execd *e);
int execd_list(struct execd *e, const struct execd_request *r, struct execd_answer *a,
               struct execd_entry *entries, struct xos_error *err);

#endif
