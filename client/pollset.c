// SPDX-License-Identifier: Apache-2.0
#include "client/pollset.h"

#include "libxos/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <utlist.h>

struct client_pollset {
    struct xos_env *env;
    int epoll;
    struct client_watch clock; /* the timerfd */
    struct client_timer *timers;
    uint64_t armed_ms; /* when the timerfd fires; UINT64_MAX: never */
    bool dispatching;
};

static uint32_t epoll_events(unsigned what)
{
    return (what & CLIENT_READABLE ? EPOLLIN : 0u) | (what & CLIENT_WRITABLE ? EPOLLOUT : 0u);
}

uint64_t client_pollset_now_ms(const struct client_pollset *p)
{
    return xos_env_mono_ms(p->env);
}

static void clock_arm(struct client_pollset *p)
{
    uint64_t due = UINT64_MAX, now = client_pollset_now_ms(p);
    struct client_timer *t;
    struct itimerspec at = {0};
    DL_FOREACH (p->timers, t)
        due = t->due_ms < due ? t->due_ms : due;
    if (due == p->armed_ms)
        return;
    p->armed_ms = due;
    if (due != UINT64_MAX) {
        uint64_t after = due > now ? due - now : 0;
        at.it_value.tv_sec = (time_t)(after / 1000);
        at.it_value.tv_nsec = (long)(after % 1000 * 1000000) + 1; /* zero would disarm it */
    }
    int rc = timerfd_settime(p->clock.fd, 0, &at, NULL);
    assert(rc == 0);
}

/* The earliest timer that is due. Each is looked up anew: the one before may have freed it. */
static struct client_timer *timer_due(struct client_pollset *p, uint64_t now)
{
    struct client_timer *t, *first = NULL;
    DL_FOREACH (p->timers, t)
        if (t->due_ms <= now && (!first || t->due_ms < first->due_ms))
            first = t;
    return first;
}

static void on_clock(void *arg, unsigned what)
{
    struct client_pollset *p = arg;
    uint64_t count, now = client_pollset_now_ms(p);
    struct client_timer *t;
    (void)what;
    if (read(p->clock.fd, &count, sizeof(count)) < 0)
        return;
    p->armed_ms = UINT64_MAX;
    for (int i = 0; i < CLIENT_POLLSET_BATCH && (t = timer_due(p, now)); i++) {
        client_timer_off(t);
        t->expired(t->arg);
    }
    clock_arm(p);
}

int client_pollset_new(struct client_pollset **out, struct xos_env *env, struct xos_error *err)
{
    struct client_pollset *p = xos_alloc(sizeof(*p));
    if (!p)
        return xos_fail(err, XOS_NOMEM, "client");
    *p = (struct client_pollset){.env = env,
                                 .clock = {.poll = p, .fd = -1, .ready = on_clock, .arg = p},
                                 .armed_ms = UINT64_MAX};
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    int clock = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (p->epoll < 0 || clock < 0) {
        xos_fail_errno(err, "event descriptors");
        goto error;
    }
    if (client_watch_on(&p->clock, clock, CLIENT_READABLE, err) < 0)
        goto error;
    *out = p;
    return 0;
error:
    if (clock >= 0 && p->clock.fd < 0)
        close(clock);
    client_pollset_free(p);
    return -1;
}

void client_pollset_free(struct client_pollset *p)
{
    if (!p)
        return;
    assert(!p->timers);
    if (p->clock.fd >= 0)
        close(p->clock.fd);
    if (p->epoll >= 0)
        close(p->epoll);
    xos_free(p);
}

int client_pollset_fd(const struct client_pollset *p)
{
    return p->epoll;
}

struct xos_env *client_pollset_env(const struct client_pollset *p)
{
    return p->env;
}

int client_pollset_dispatch(struct client_pollset *p, int timeout_ms, struct xos_error *err)
{
    assert(!p->dispatching);
    p->dispatching = true;
    int rc = 0;
    for (int i = 0; i < CLIENT_POLLSET_BATCH; i++) {
        struct epoll_event ev;
        int n = epoll_wait(p->epoll, &ev, 1, i == 0 ? timeout_ms : 0);
        if (n < 0 && errno != EINTR)
            rc = xos_fail_errno(err, "wait for events");
        if (n <= 0)
            break;
        struct client_watch *w = ev.data.ptr;
        unsigned what = (ev.events & EPOLLOUT ? CLIENT_WRITABLE : 0u) |
                        (ev.events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? CLIENT_READABLE : 0u);
        w->ready(w->arg, what);
    }
    p->dispatching = false;
    return rc;
}

int client_watch_on(struct client_watch *w, int fd, unsigned what, struct xos_error *err)
{
    struct epoll_event ev = {.events = epoll_events(what), .data.ptr = w};
    assert(w->fd < 0);
    if (epoll_ctl(w->poll->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
        return xos_fail_errno(err, "watch of descriptor %d", fd);
    w->fd = fd;
    w->what = what;
    return 0;
}

void client_watch_set(struct client_watch *w, unsigned what)
{
    struct epoll_event ev = {.events = epoll_events(what), .data.ptr = w};
    if (w->fd < 0 || w->what == what)
        return;
    /* A watch for nothing would still be told of a hang-up, again and again. */
    int op = what == 0 ? EPOLL_CTL_DEL : w->what == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    int rc = epoll_ctl(w->poll->epoll, op, w->fd, &ev);
    assert(rc == 0); /* it was watched before, so that it can be */
    w->what = what;
}

void client_watch_off(struct client_watch *w)
{
    if (w->fd < 0)
        return;
    client_watch_set(w, 0);
    w->fd = -1;
}

void client_timer_set(struct client_timer *t, uint64_t after_ms)
{
    t->due_ms = client_pollset_now_ms(t->poll) + after_ms;
    if (!t->armed)
        DL_APPEND(t->poll->timers, t);
    t->armed = true;
    clock_arm(t->poll);
}

void client_timer_off(struct client_timer *t)
{
    if (!t->armed)
        return;
    DL_DELETE(t->poll->timers, t);
    t->armed = false;
    clock_arm(t->poll);
}
