// SPDX-License-Identifier: Apache-2.0
/* shim.h - one shim: the unit's descriptors, the core's decisions carried out. libc only. */
#ifndef XOS_EXEC_SHIM_H
#define XOS_EXEC_SHIM_H

#include "jobmgr/exec/confine.h"
#include "jobmgr/exec/init_report.h"
#include "jobmgr/exec/order.h"
#include "jobmgr/exec/shim_core.h"
#include "jobmgr/exec/shim_ctl.h"
#include "jobmgr/exec/shim_in.h"
#include "jobmgr/exec/shim_out.h"

/* What epoll tells us about. Peers come last: SHIM_AT_PEER + index. */
enum shim_at {
    SHIM_AT_TIMER,
    SHIM_AT_LISTEN,
    SHIM_AT_START,
    SHIM_AT_REPORT,
    SHIM_AT_INIT,
    SHIM_AT_OUT,
    SHIM_AT_ERR,
    SHIM_AT_IN,
    SHIM_AT_EVENTS, /* cgroup.events has changed */
    SHIM_AT_PEER,
    SHIM_AT_END = SHIM_AT_PEER + SHIM_PEERS_MAX
};

struct shim {
    const struct order *order;
    struct shim_core core;
    struct confine confine;
    struct shim_out out[2];
    struct shim_in in;
    struct shim_ctl ctl;
    int epoll, timer;
    int start, report; /* our ends; -1 when closed */
    pid_t init_pid;
    int init_fd;
    bool init_reaped;
    bool init_spared; /* it has told the end, and was given the time to clear up itself */
    int init_status;
    pid_t job_pid; /* seen from the host */
    int job_fd;
    int master;                     /* terminal; -1 */
    int polled[SHIM_AT_END];        /* descriptor in epoll, or -1 */
    uint32_t interest[SHIM_AT_END]; /* its events */
    bool freezing;                  /* a freeze or thaw waits to be confirmed */
    bool leave;
    bool exit_unsaved; /* the exit record could not be written: try again */
    uint64_t told_ms;  /* last OUTPUT frame */
    bool output_waits;
    uint64_t alone_ms; /* since when nobody is connected; 0: somebody is */
    struct state_record state;
    struct exit_record exit;
};

/* shim.c: shim_ask puts an event to the core and does what it answers. */
void shim_init(struct shim *s, const struct order *o);
enum xos_code shim_ask(struct shim *s, const struct shim_event *ev);
void shim_event(struct shim *s, const struct shim_event *ev); /* one that cannot be refused */
void shim_save_state(struct shim *s);
void shim_save_exit(struct shim *s);
size_t shim_compose(void *arg, enum ctl_news news, struct shim_frame *head, void *bytes);

/* shim_start.c: enter the cgroups, launch, seal, write the state record, say go. */
void shim_begin(struct shim *s);

/* shim_command.c: a frame of xosd; returns enum xos_code. */
unsigned shim_command(void *arg, const struct shim_frame *f);

/* shim_watch.c */
int shim_watch_open(struct shim *s); /* epoll and timer: 0 or -1 with errno */
void shim_run(struct shim *s);       /* until the exit record is acknowledged */

#endif
