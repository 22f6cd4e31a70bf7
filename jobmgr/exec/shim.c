// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/shim.h"

#include "jobmgr/exec/execsys.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef PIDFD_SIGNAL_PROCESS_GROUP
#define PIDFD_SIGNAL_PROCESS_GROUP (1U << 2)
#endif

#define RECORD_MODE 0640

static bool has(const struct shim *s, enum shim_fd fd)
{
    return (s->order->fds & SHIM_FD_BIT(fd)) != 0;
}

static int have_or_none(const struct shim *s, enum shim_fd fd)
{
    return has(s, fd) ? (int)fd : -1;
}

static void confine_init(struct shim *s)
{
    s->confine = (struct confine){.kind = CONFINE_TREE,
                                  .kill = have_or_none(s, SHIM_FD_KILL),
                                  .freeze = have_or_none(s, SHIM_FD_FREEZE),
                                  .events = have_or_none(s, SHIM_FD_EVENTS),
                                  .procs = have_or_none(s, SHIM_FD_PROCS),
                                  .root = getpid()};
    if (has(s, SHIM_FD_FREEZE))
        s->confine.kind = has(s, SHIM_FD_EVENTS) ? CONFINE_CGROUP2 : CONFINE_CGROUP1;
}

void shim_init(struct shim *s, const struct order *o)
{
    struct fence fence = {
        .fenced = (o->flags & ORDER_FENCED) != 0, .epoch = o->epoch, .deadline_ms = o->deadline_ms};
    s->order = o;
    shim_core_init(&s->core, &fence, o->walltime_ms, o->grace_ms);
    confine_init(s);
    shim_ctl_init(&s->ctl, SHIM_FD_LISTEN, o->peer_uid);
    s->ctl.compose = shim_compose;
    s->ctl.command = shim_command;
    s->ctl.arg = s;
    uint64_t keep = o->spool_bytes ? o->spool_bytes : SHIM_SPOOL_BYTES_PRESET;
    for (int i = 0; i < 2; i++)
        s->out[i] =
            (struct shim_out){.in = -1, .file = i ? SHIM_FD_ERR : SHIM_FD_OUT, .keep_bytes = keep};
    s->in.fd = s->start = s->report = s->init_fd = s->job_fd = s->master = -1;
    for (int i = 0; i < SHIM_AT_END; i++)
        s->polled[i] = -1;
    s->alone_ms = sys_boot_ms();
    memcpy(s->state.unit, o->unit, EXEC_UNIT_BYTES);
    memcpy(s->exit.unit, o->unit, EXEC_UNIT_BYTES);
    sys_boot_id(s->state.boot_id);
    s->state.shim_pid = getpid();
    (void)sys_start_time(getpid(), &s->state.shim_start);
}

void shim_save_state(struct shim *s)
{
    s->state.state = (uint16_t)s->core.state;
    s->state.epoch = s->core.fence.epoch;
    state_record_seal(&s->state);
    (void)sys_replace(SHIM_FD_DIR, "state", &s->state, sizeof(s->state), RECORD_MODE,
                      SYS_THIS_BOOT);
}

void shim_save_exit(struct shim *s)
{
    s->exit_unsaved =
        sys_replace(SHIM_FD_DIR, "exit", &s->exit, sizeof(s->exit), RECORD_MODE, SYS_DURABLE) < 0;
}

static uint64_t read_number(int fd, const char *key)
{
    char text[512];
    uint64_t value = 0;
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    if (n <= 0)
        return 0;
    text[n] = 0;
    if (key)
        return sys_find_number(text, key, &value) < 0 ? 0 : value;
    return sscanf(text, "%lu", &value) == 1 ? value : 0;
}

static void do_finish(struct shim *s)
{
    for (int i = 0; i < 2; i++)
        if (shim_out_finish(&s->out[i]) < 0 && s->out[i].why == SPOOL_WHOLE)
            s->out[i].why = SPOOL_NO_SPACE;
    shim_in_close(&s->in);
    uint64_t peak = has(s, SHIM_FD_PEAK) ? read_number(SHIM_FD_PEAK, NULL) : 0;
    if (peak > s->exit.peak_bytes)
        s->exit.peak_bytes = peak;
    if (has(s, SHIM_FD_OOM))
        s->core.oom_kills = (uint32_t)read_number(SHIM_FD_OOM, "oom_kill");
    shim_core_verdict(&s->core, &s->exit);
    s->exit.started_real_ms = s->state.started_real_ms;
    s->exit.ended_real_ms = sys_real_ms();
    s->exit.out_bytes = s->out[0].written;
    s->exit.err_bytes = s->out[1].written;
    s->exit.out_dropped = s->out[0].dropped;
    s->exit.err_dropped = s->out[1].dropped;
    s->exit.dropped_why = s->out[0].why ? s->out[0].why : s->out[1].why;
    exit_record_seal(&s->exit);
    shim_save_exit(s);
    shim_save_state(s);
    shim_ctl_news(&s->ctl, CTL_STATUS | CTL_OUTPUT | CTL_STDIN | CTL_EXIT);
}

/* Kernels before 6.9 cannot signal a group through a pidfd; the job leads its group. */
static void signal_group(struct shim *s, int number)
{
    if (s->job_fd < 0 || s->core.ended)
        return;
    if (sys_pidfd_signal(s->job_fd, number, PIDFD_SIGNAL_PROCESS_GROUP) < 0 && errno == EINVAL &&
        s->job_pid > 1)
        (void)kill(-s->job_pid, number);
}

static void do_signal(struct shim *s, const struct shim_action *a)
{
    if (a->number == SIGKILL && a->scope == SHIM_ALL)
        (void)confine_kill(&s->confine);
    else
        signal_group(s, a->number);
}

static void do_freeze(struct shim *s, const struct shim_action *a)
{
    s->freezing = true;
    (void)confine_freeze(&s->confine, a->kind == SHIM_DO_FREEZE);
}

/* An init that has told the job's end is ending the tree itself, at no cost where nothing is left.
 * The core asks again soon; then it goes too. */
static bool spare_init(struct shim *s)
{
    bool now = s->confine.kind == CONFINE_TREE && s->core.ended && !s->init_reaped &&
               !s->init_spared && !(s->order->flags & ORDER_NAMESPACES);
    s->init_spared = s->init_spared || now;
    return now;
}

static void do_kill(struct shim *s, const struct shim_action *a)
{
    (void)a;
    s->freezing = false;
    if (spare_init(s))
        return;
    if (s->order->flags & ORDER_NAMESPACES && s->init_fd >= 0 && !s->init_reaped) {
        /* The init goes first: with it the kernel kills the whole namespace. It may be about to
         * tell how the job ended, so it is let go in peace when it has told. */
        if (!s->core.ended)
            (void)sys_pidfd_signal(s->init_fd, SIGKILL, 0);
    }
    (void)confine_kill(&s->confine);
}

static void do_save(struct shim *s, const struct shim_action *a)
{
    (void)a;
    shim_save_state(s);
}

static void do_tell(struct shim *s, const struct shim_action *a)
{
    (void)a;
    shim_ctl_news(&s->ctl, CTL_STATUS);
}

static void do_finish_all(struct shim *s, const struct shim_action *a)
{
    (void)a;
    do_finish(s);
}

static void do_leave(struct shim *s, const struct shim_action *a)
{
    (void)a;
    s->leave = true;
}

enum xos_code shim_ask(struct shim *s, const struct shim_event *ev)
{
    static void (*const table[])(struct shim *, const struct shim_action *) = {
        [SHIM_DO_SIGNAL] = do_signal,     [SHIM_DO_FREEZE] = do_freeze, [SHIM_DO_THAW] = do_freeze,
        [SHIM_DO_KILL] = do_kill,         [SHIM_DO_SAVE] = do_save,     [SHIM_DO_TELL] = do_tell,
        [SHIM_DO_FINISH] = do_finish_all, [SHIM_DO_LEAVE] = do_leave,
    };
    struct shim_actions actions = {0};
    struct shim_event now = *ev;
    now.now_ms = sys_boot_ms();
    enum xos_code code = shim_step(&s->core, &now, &actions);
    for (unsigned i = 0; i < actions.count; i++)
        table[actions.list[i].kind](s, &actions.list[i]);
    return code;
}

void shim_event(struct shim *s, const struct shim_event *ev)
{
    (void)shim_ask(s, ev);
}

static size_t compose_status(struct shim *s, struct shim_status *st)
{
    memset(st, 0, sizeof(*st));
    st->record = s->state;
    st->record.state = (uint16_t)s->core.state;
    st->record.epoch = s->core.fence.epoch;
    state_record_seal(&st->record);
    st->deadline_ms = s->core.fence.deadline_ms;
    st->ran_ms = s->core.ran_ms;
    if (s->core.since_ms)
        st->ran_ms += sys_boot_ms() - s->core.since_ms;
    st->stdin_bytes = s->in.written;
    st->out_bytes = s->out[0].written;
    st->err_bytes = s->out[1].written;
    st->out_dropped = s->out[0].dropped;
    st->err_dropped = s->out[1].dropped;
    st->job_pid = s->job_pid;
    st->fenced = s->core.fence.fenced;
    st->suspended = s->core.suspended;
    st->fence_frozen = s->core.fence.frozen;
    st->frozen = s->core.frozen;
    st->stdin_closed = s->in.closed;
    st->pty = (s->order->flags & ORDER_PTY) != 0;
    st->foreground = s->out[0].foreground;
    return sizeof(*st);
}

size_t shim_compose(void *arg, enum ctl_news news, struct shim_frame *head, void *bytes)
{
    struct shim *s = arg;
    if (news == CTL_STATUS)
        return compose_status(s, bytes);
    if (news == CTL_EXIT) {
        memcpy(bytes, &s->exit, sizeof(s->exit));
        return sizeof(s->exit);
    }
    if (news == CTL_STDIN) {
        head->a = s->in.written;
        head->b = s->in.closed;
        return 0;
    }
    head->a = s->out[0].written;
    head->b = s->out[1].written;
    head->c = s->out[0].dropped + s->out[1].dropped;
    return 0;
}
