// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/execsys.h"
#include "jobmgr/exec/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS_ONCE 16
#define LOOK_AGAIN_MS 20  /* for what tells nothing by itself: v1 freezer, process tree */
#define HUNG_AGAIN_MS 100 /* a terminal whose other side nobody holds */
#define UNSAVED_AGAIN_MS 1000

int shim_watch_open(struct shim *s)
{
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    return s->epoll < 0 || s->timer < 0 ? -1 : 0;
}

/* What is to be polled, found out for all places before any is added: a number that one place
 * gave up may have become another's. */
struct wanted {
    int fd[SHIM_AT_END];
    uint32_t interest[SHIM_AT_END];
};

static void want(struct wanted *w, int at, int fd, uint32_t interest)
{
    w->fd[at] = interest ? fd : -1;
    w->interest[at] = interest;
}

static void poll_apply(struct shim *s, const struct wanted *w)
{
    struct epoll_event ev = {0};
    for (int at = 0; at < SHIM_AT_END; at++) {
        if (s->polled[at] < 0 || s->polled[at] == w->fd[at])
            continue;
        (void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, s->polled[at], &ev);
        s->polled[at] = -1;
    }
    for (int at = 0; at < SHIM_AT_END; at++) {
        if (w->fd[at] < 0 || (s->polled[at] >= 0 && s->interest[at] == w->interest[at]))
            continue;
        ev = (struct epoll_event){.events = w->interest[at], .data.u32 = (uint32_t)at};
        int op = s->polled[at] >= 0 ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
        (void)epoll_ctl(s->epoll, op, w->fd[at], &ev);
        s->polled[at] = w->fd[at];
        s->interest[at] = w->interest[at];
    }
}

/* In terminal mode one descriptor carries both directions; epoll knows it once. */
static void want_streams(const struct shim *s, struct wanted *w)
{
    uint32_t in = shim_in_wants(&s->in) ? EPOLLOUT : 0;
    uint32_t out = shim_out_wants(&s->out[0]) ? EPOLLIN : 0;
    if (s->master >= 0) {
        want(w, SHIM_AT_OUT, s->master, s->out[0].hung ? 0 : in | out);
        return;
    }
    want(w, SHIM_AT_OUT, s->out[0].in, out);
    want(w, SHIM_AT_ERR, s->out[1].in, shim_out_wants(&s->out[1]) ? EPOLLIN : 0);
    want(w, SHIM_AT_IN, s->in.fd, in);
}

static void poll_all(struct shim *s)
{
    struct wanted w;
    bool live = s->core.state != UNIT_ENDED;
    for (int at = 0; at < SHIM_AT_END; at++)
        want(&w, at, -1, 0);
    want(&w, SHIM_AT_TIMER, s->timer, EPOLLIN);
    want(&w, SHIM_AT_LISTEN, SHIM_FD_LISTEN, EPOLLIN);
    want(&w, SHIM_AT_START, s->start, EPOLLIN);
    want(&w, SHIM_AT_REPORT, s->report, EPOLLIN);
    want(&w, SHIM_AT_INIT, s->init_reaped ? -1 : s->init_fd, EPOLLIN);
    want(&w, SHIM_AT_EVENTS, live ? s->confine.events : -1, EPOLLPRI);
    want_streams(s, &w);
    for (int i = 0; i < SHIM_PEERS_MAX; i++) {
        const struct ctl_peer *p = &s->ctl.peers[i];
        uint32_t interest = p->reply_waits ? 0 : EPOLLIN;
        if (p->reply_waits || p->news)
            interest |= EPOLLOUT;
        want(&w, SHIM_AT_PEER + i, p->fd, interest);
    }
    poll_apply(s, &w);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    if (!a || !b)
        return a ? a : b;
    return a < b ? a : b;
}

static void timer_set(struct shim *s)
{
    uint64_t now = sys_boot_ms(), at = shim_core_next_ms(&s->core);
    if (s->output_waits)
        at = sooner(at, s->told_ms + SHIM_OUTPUT_EVERY_MS);
    if (s->freezing)
        at = sooner(at, now + LOOK_AGAIN_MS);
    if (s->core.state == UNIT_KILLING && s->init_reaped)
        at = sooner(at, now + LOOK_AGAIN_MS);
    if (s->out[0].hung)
        at = sooner(at, now + HUNG_AGAIN_MS);
    if (s->exit_unsaved)
        at = sooner(at, now + UNSAVED_AGAIN_MS);
    if (s->alone_ms && s->out[0].foreground)
        at = sooner(at, s->alone_ms + SHIM_FOREGROUND_HOLD_MS);
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(at / 1000), .tv_nsec = (long)(at % 1000) * 1000000}};
    (void)timerfd_settime(s->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void pump(struct shim *s, int which)
{
    if (s->out[which].in >= 0 && shim_out_pump(&s->out[which]))
        s->output_waits = true;
    if (s->master >= 0 && s->out[0].in < 0) {
        shim_in_close(&s->in);
        s->master = -1;
    }
}

static void at_timer(struct shim *s, int at)
{
    (void)at;
    uint64_t ticks;
    (void)!read(s->timer, &ticks, sizeof(ticks));
    if (s->out[0].hung)
        pump(s, 0);
}

static void at_listen(struct shim *s, int at)
{
    (void)at;
    int i = shim_ctl_accept(&s->ctl);
    if (i < 0)
        return;
    s->polled[SHIM_AT_PEER + i] = -1;
    s->ctl.peers[i].news = CTL_STATUS | CTL_OUTPUT | CTL_STDIN;
    if (s->core.state == UNIT_ENDED)
        s->ctl.peers[i].news |= CTL_EXIT;
}

/* The pid as this /proc shows it. */
static pid_t pid_of(int pidfd)
{
    char path[40], text[512];
    uint64_t pid = 0;
    (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
    ssize_t n = sys_read_file(AT_FDCWD, path, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = 0;
    return sys_find_number(text, "Pid", &pid) < 0 ? 0 : (pid_t)pid;
}

static void take_terminal(struct shim *s, int master)
{
    s->master = master;
    (void)fcntl(master, F_SETFL, O_NONBLOCK);
    s->out[0].in = s->in.fd = master;
    s->out[0].terminal = s->in.terminal = true;
}

static void take_report(struct shim *s, const struct init_report *r, int fd)
{
    if (r->kind == INIT_PTY && fd >= 0 && s->master < 0) {
        take_terminal(s, fd);
        return;
    }
    if (r->kind == INIT_STARTED && fd >= 0 && s->job_fd < 0) {
        s->job_fd = fd;
        s->job_pid = pid_of(fd);
        shim_event(s, &(struct shim_event){.kind = SHIM_EV_STARTED});
        return;
    }
    if (r->kind == INIT_FAILED)
        shim_event(s, &(struct shim_event){.kind = SHIM_EV_START_FAILED,
                                           .stage = (enum exec_stage)r->stage,
                                           .number = r->value});
    if (fd >= 0)
        close(fd);
}

static void at_start(struct shim *s, int at)
{
    (void)at;
    struct init_report r;
    int fd;
    int got = init_report_receive(s->start, &r, &fd);
    if (got > 0)
        take_report(s, &r, fd);
    else if (got == 0 || errno != EAGAIN) {
        close(s->start);
        s->start = -1;
    }
}

static void at_report(struct shim *s, int at)
{
    (void)at;
    struct init_report r;
    ssize_t n = read(s->report, &r, sizeof(r));
    if (n < 0 && errno == EAGAIN)
        return;
    if (n == (ssize_t)sizeof(r) && r.kind == INIT_ENDED) {
        s->exit.user_us = r.user_us;
        s->exit.system_us = r.system_us;
        s->exit.peak_bytes = r.peak_bytes;
        shim_event(s, &(struct shim_event){.kind = SHIM_EV_JOB_ENDED, .number = r.value});
    }
    if (n <= 0) {
        close(s->report);
        s->report = -1;
    }
}

static void at_init(struct shim *s, int at)
{
    (void)at;
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == s->init_pid) {
            s->init_reaped = true;
            s->init_status = status;
        }
    if (!s->init_reaped)
        return;
    /* What it told before it went comes first. */
    if (s->start >= 0)
        at_start(s, SHIM_AT_START);
    if (s->report >= 0)
        at_report(s, SHIM_AT_REPORT);
    s->confine.init = 0;
}

static void at_out(struct shim *s, int at)
{
    pump(s, at - SHIM_AT_OUT);
    if (shim_in_wants(&s->in) && shim_in_flush(&s->in))
        shim_ctl_news(&s->ctl, CTL_STDIN);
}

static void at_in(struct shim *s, int at)
{
    (void)at;
    if (shim_in_flush(&s->in))
        shim_ctl_news(&s->ctl, CTL_STDIN);
}

static void at_events(struct shim *s, int at)
{
    /* Reading it is what makes it quiet; confirm_freeze and look_gone then find out. */
    (void)at;
    s->freezing = s->freezing || confine_frozen(&s->confine) != s->core.frozen;
}

static void at_peer(struct shim *s, int at)
{
    shim_ctl_serve(&s->ctl, at - SHIM_AT_PEER);
}

static void confirm_freeze(struct shim *s)
{
    if (!s->freezing || s->core.state == UNIT_ENDED)
        return;
    bool want = shim_core_must_freeze(&s->core);
    int frozen = confine_frozen(&s->confine);
    if (frozen >= 0)
        shim_event(s, &(struct shim_event){.kind = SHIM_EV_FROZEN, .number = frozen});
    s->freezing = frozen != want;
    if (s->freezing && want && s->confine.kind != CONFINE_CGROUP2)
        (void)confine_freeze(&s->confine, true);
}

/* Nothing is left when the init is reaped (a namespace ends with it), and the cgroup or the tree
 * is empty. */
static void look_gone(struct shim *s)
{
    if (s->core.state == UNIT_ENDED || !s->init_reaped)
        return;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    if (!(s->order->flags & ORDER_NAMESPACES) && confine_empty(&s->confine) == 0) {
        if (s->core.state != UNIT_KILLING)
            shim_event(s,
                       &(struct shim_event){.kind = SHIM_EV_JOB_ENDED, .number = s->init_status});
        return;
    }
    shim_event(s, &(struct shim_event){.kind = SHIM_EV_GONE, .number = s->init_status});
}

static void tell_output(struct shim *s)
{
    uint64_t now = sys_boot_ms();
    if (!s->output_waits || now < s->told_ms + SHIM_OUTPUT_EVERY_MS)
        return;
    s->output_waits = false;
    s->told_ms = now;
    shim_ctl_news(&s->ctl, CTL_OUTPUT);
}

/* A foreground whose xosd stays away for too long is nobody's any more. */
static void look_alone(struct shim *s)
{
    uint64_t now = sys_boot_ms();
    if (shim_ctl_connected(&s->ctl))
        s->alone_ms = 0;
    else if (!s->alone_ms)
        s->alone_ms = now;
    if (s->alone_ms && now >= s->alone_ms + SHIM_FOREGROUND_HOLD_MS)
        s->out[0].foreground = s->out[1].foreground = false;
}

static void settle(struct shim *s)
{
    shim_event(s, &(struct shim_event){.kind = SHIM_EV_TICK});
    confirm_freeze(s);
    look_gone(s);
    look_alone(s);
    tell_output(s);
    if (s->exit_unsaved)
        shim_save_exit(s);
    shim_ctl_flush(&s->ctl);
    poll_all(s);
    timer_set(s);
}

void shim_run(struct shim *s)
{
    static void (*const table[SHIM_AT_PEER + 1])(struct shim *, int) = {
        [SHIM_AT_TIMER] = at_timer,   [SHIM_AT_LISTEN] = at_listen, [SHIM_AT_START] = at_start,
        [SHIM_AT_REPORT] = at_report, [SHIM_AT_INIT] = at_init,     [SHIM_AT_OUT] = at_out,
        [SHIM_AT_ERR] = at_out,       [SHIM_AT_IN] = at_in,         [SHIM_AT_EVENTS] = at_events,
        [SHIM_AT_PEER] = at_peer,
    };
    settle(s);
    while (!s->leave) {
        struct epoll_event events[EVENTS_ONCE];
        int n = epoll_wait(s->epoll, events, EVENTS_ONCE, -1);
        for (int i = 0; i < n; i++) {
            int at = (int)events[i].data.u32;
            if (s->polled[at] >= 0)
                table[at < SHIM_AT_PEER ? at : SHIM_AT_PEER](s, at);
        }
        settle(s);
    }
    shim_ctl_flush(&s->ctl);
}
