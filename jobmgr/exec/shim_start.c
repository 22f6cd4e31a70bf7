// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/execsys.h"
#include "jobmgr/exec/launch.h"
#include "jobmgr/exec/shim.h"
#include "jobmgr/exec/shim_seal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool has(const struct shim *s, enum shim_fd fd)
{
    return (s->order->fds & SHIM_FD_BIT(fd)) != 0;
}

/* v1: the shim enters the unit's cgroups, and its children are born there. */
static int enter_cgroups(struct shim *s)
{
    for (int fd = SHIM_FD_ENTER; fd <= SHIM_FD_ENTER_LAST; fd++) {
        if (!has(s, (enum shim_fd)fd))
            continue;
        if (write(fd, "0", 1) < 0)
            return -1;
        close(fd);
    }
    return 0;
}

/* A pipe whose unit's end the unit may open again by name, as in `echo >/dev/stderr`. */
static int make_pipe(const struct shim *s, int ours_index, int *ours, int *theirs)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    *ours = ends[ours_index];
    *theirs = ends[1 - ours_index];
    const struct order *o = s->order;
    if (o->flags & ORDER_DROP && fchown(*theirs, o->uid, o->gid) < 0)
        return -1;
    return fcntl(*ours, F_SETFL, O_NONBLOCK);
}

static int make_streams(struct shim *s, struct launch *l)
{
    int pair[2], ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
        pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    s->start = pair[0];
    l->start = pair[1];
    s->report = ends[0];
    l->report = ends[1];
    if (fcntl(s->start, F_SETFL, O_NONBLOCK) < 0 || fcntl(s->report, F_SETFL, O_NONBLOCK) < 0)
        return -1;
    l->in = l->out = l->err = -1;
    if (s->order->flags & ORDER_PTY)
        return 0;
    if (make_pipe(s, 0, &s->out[0].in, &l->out) < 0 || make_pipe(s, 0, &s->out[1].in, &l->err) < 0)
        return -1;
    return s->order->flags & ORDER_STDIN ? make_pipe(s, 1, &s->in.fd, &l->in) : 0;
}

static void close_theirs(const struct launch *l)
{
    const int theirs[] = {l->start, l->report, l->in, l->out, l->err};
    for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
        if (theirs[i] >= 0)
            close(theirs[i]);
}

static int do_launch(struct shim *s, struct launch *l)
{
    s->init_pid = launch(l, &s->init_fd);
    if (s->init_pid < 0)
        return -1;
    s->confine.init = s->init_pid;
    s->state.init_pid = s->init_pid;
    (void)sys_start_time(s->init_pid, &s->state.init_start);
    s->state.started_boot_ms = sys_boot_ms();
    s->state.started_real_ms = sys_real_ms();
    return 0;
}

static void start_failed(struct shim *s, enum exec_stage stage)
{
    shim_event(s,
               &(struct shim_event){.kind = SHIM_EV_START_FAILED, .stage = stage, .number = errno});
}

void shim_begin(struct shim *s)
{
    struct launch l = {.order = s->order,
                       .order_fd = SHIM_FD_ORDER,
                       .in = -1,
                       .out = -1,
                       .err = -1,
                       .start = -1,
                       .report = -1};
    enum exec_stage stage = STAGE_NONE;
    if (enter_cgroups(s) < 0)
        stage = STAGE_CGROUP;
    else if (make_streams(s, &l) < 0)
        stage = STAGE_STREAMS;
    else if (do_launch(s, &l) < 0)
        stage = STAGE_CLONE;
    if (stage != STAGE_NONE) {
        s->init_reaped = true;
        start_failed(s, stage);
    }
    close_theirs(&l);
    close(SHIM_FD_ORDER);
    if (has(s, SHIM_FD_FILES))
        close(SHIM_FD_FILES);
    /* A shim that could not launch is sealed too: it stays until its record is acknowledged. */
    if (shim_seal(s->order) < 0)
        start_failed(s, STAGE_SEAL);
    shim_event(s, &(struct shim_event){.kind = SHIM_EV_TICK});
    if (s->core.state != UNIT_STARTING)
        return;
    shim_save_state(s);
    struct init_report go = {.kind = INIT_GO};
    (void)init_report_send(s->start, &go, -1);
}
