// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/loop.h"

#include "libxos/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <utlist.h>

struct xos_loop {
    struct xos_env *env;
    struct event_base *base;
    struct event *drain; /* active, or its timer set, while tasks wait */
    struct xos_task *tasks;
    bool draining;
};

struct xos_watch {
    struct xos_loop *loop;
    struct event *event;
    int fd;
    unsigned what;
    xos_watch_f ready;
    void *arg;
};

struct xos_timer {
    struct event *event;
    xos_timer_f expired;
    void *arg;
};

struct xos_signal {
    struct event *event;
    xos_signal_f caught;
    void *arg;
};

/* What is left after a batch waits for a timer of zero, not for another activation: libevent runs
 * all that is active, also what becomes so meanwhile, before it looks at descriptors again. */
static void on_drain(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct xos_loop *loop = arg;
    loop->draining = true;
    for (int i = 0; i < XOS_LOOP_BATCH && loop->tasks; i++) {
        struct xos_task *task = loop->tasks;
        DL_DELETE(loop->tasks, task);
        task->queued = false;
        task->run(task->arg);
    }
    loop->draining = false;
    if (loop->tasks) {
        int rc = event_add(loop->drain, &(struct timeval){0});
        assert(rc == 0);
    }
}

/* Timers on the precise clock and never on a cached time: none may fire before its time has
 * passed on xos_env_mono_ms(), or its owner finds nothing due and asks again. */
static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;
    if (config && event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER |
                                                    EVENT_BASE_FLAG_NO_CACHE_TIME) == 0)
        base = event_base_new_with_config(config);
    if (config)
        event_config_free(config);
    return base;
}

int xos_loop_new(struct xos_loop **out, struct xos_env *env, struct xos_error *err)
{
    struct xos_loop *loop = xos_alloc(sizeof(*loop));
    if (!loop)
        return xos_fail(err, XOS_NOMEM, "event loop");
    loop->env = env;
    loop->base = base_new();
    loop->drain = loop->base ? event_new(loop->base, -1, 0, on_drain, loop) : NULL;
    if (!loop->drain) {
        xos_loop_free(loop);
        return xos_fail(err, XOS_NOMEM, "event loop");
    }
    *out = loop;
    return 0;
}

void xos_loop_free(struct xos_loop *loop)
{
    if (!loop)
        return;
    while (loop->tasks)
        xos_loop_undefer(loop, loop->tasks);
    if (loop->drain)
        event_free(loop->drain);
    if (loop->base)
        event_base_free(loop->base);
    xos_free(loop);
}

struct event_base *xos_loop_base(struct xos_loop *loop)
{
    return loop->base;
}

struct xos_env *xos_loop_env(struct xos_loop *loop)
{
    return loop->env;
}

int xos_loop_run(struct xos_loop *loop, struct xos_error *err)
{
    if (event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0)
        return xos_fail_errno(err, "event loop");
    return 0;
}

int xos_loop_once(struct xos_loop *loop, struct xos_error *err)
{
    if (event_base_loop(loop->base, EVLOOP_ONCE) < 0)
        return xos_fail_errno(err, "event loop");
    return 0;
}

void xos_loop_stop(struct xos_loop *loop)
{
    event_base_loopbreak(loop->base);
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
    struct xos_watch *w = arg;
    unsigned ready = (what & EV_READ ? XOS_READABLE : 0u) | (what & EV_WRITE ? XOS_WRITABLE : 0u);
    w->ready(fd, ready, w->arg);
}

static int watch_arm(struct xos_watch *w, unsigned what)
{
    if (w->what == what)
        return 0;
    w->what = what;
    event_del(w->event);
    short flags =
        (short)((what & XOS_READABLE ? EV_READ : 0) | (what & XOS_WRITABLE ? EV_WRITE : 0));
    if (flags == 0)
        return 0;
    errno = ENOMEM; /* unless the system says otherwise */
    if (event_assign(w->event, w->loop->base, w->fd, (short)(flags | EV_PERSIST), on_watch, w) < 0)
        return -1;
    return event_add(w->event, NULL);
}

int xos_watch_new(struct xos_watch **out, struct xos_loop *loop, int fd, unsigned what,
                  xos_watch_f ready, void *arg, struct xos_error *err)
{
    struct xos_watch *w = xos_alloc(sizeof(*w));
    if (!w)
        return xos_fail(err, XOS_NOMEM, "watch of descriptor %d", fd);
    *w = (struct xos_watch){.loop = loop, .fd = fd, .ready = ready, .arg = arg};
    w->event = event_new(loop->base, fd, 0, on_watch, w);
    if (!w->event) {
        xos_free(w);
        return xos_fail(err, XOS_NOMEM, "watch of descriptor %d", fd);
    }
    if (watch_arm(w, what) < 0) {
        xos_fail_errno(err, "watch of descriptor %d", fd);
        xos_watch_free(w);
        return -1;
    }
    *out = w;
    return 0;
}

void xos_watch_set(struct xos_watch *w, unsigned what)
{
    int rc = watch_arm(w, what);
    assert(rc == 0); /* it was watched before, so that it can be */
}

void xos_watch_free(struct xos_watch *w)
{
    if (!w)
        return;
    event_free(w->event);
    xos_free(w);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct xos_timer *t = arg;
    t->expired(t->arg);
}

int xos_timer_new(struct xos_timer **out, struct xos_loop *loop, xos_timer_f expired, void *arg,
                  struct xos_error *err)
{
    struct xos_timer *t = xos_alloc(sizeof(*t));
    if (!t)
        return xos_fail(err, XOS_NOMEM, "timer");
    t->expired = expired;
    t->arg = arg;
    t->event = evtimer_new(loop->base, on_timer, t);
    if (!t->event) {
        xos_free(t);
        return xos_fail(err, XOS_NOMEM, "timer");
    }
    *out = t;
    return 0;
}

void xos_timer_set(struct xos_timer *t, uint64_t after_ms)
{
    if (after_ms > XOS_TIMER_MS_MAX)
        after_ms = XOS_TIMER_MS_MAX;
    struct timeval after = {.tv_sec = (time_t)(after_ms / 1000),
                            .tv_usec = (suseconds_t)(after_ms % 1000 * 1000)};
    int rc = evtimer_add(t->event, &after);
    assert(rc == 0);
}

void xos_timer_cancel(struct xos_timer *t)
{
    if (t)
        event_del(t->event);
}

void xos_timer_free(struct xos_timer *t)
{
    if (!t)
        return;
    event_free(t->event);
    xos_free(t);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    (void)what;
    struct xos_signal *s = arg;
    s->caught(number, s->arg);
}

int xos_signal_new(struct xos_signal **out, struct xos_loop *loop, int number, xos_signal_f caught,
                   void *arg, struct xos_error *err)
{
    struct xos_signal *s = xos_alloc(sizeof(*s));
    if (!s)
        return xos_fail(err, XOS_NOMEM, "signal %d", number);
    s->caught = caught;
    s->arg = arg;
    s->event = evsignal_new(loop->base, number, on_signal, s);
    if (!s->event || evsignal_add(s->event, NULL) < 0) {
        xos_signal_free(s);
        return xos_fail(err, XOS_NOMEM, "signal %d", number);
    }
    *out = s;
    return 0;
}

void xos_signal_free(struct xos_signal *s)
{
    if (!s)
        return;
    if (s->event)
        event_free(s->event);
    xos_free(s);
}

void xos_loop_defer(struct xos_loop *loop, struct xos_task *task)
{
    if (task->queued)
        return;
    task->queued = true;
    DL_APPEND(loop->tasks, task);
    if (!loop->draining && !event_pending(loop->drain, EV_TIMEOUT, NULL))
        event_active(loop->drain, EV_TIMEOUT, 0);
}

void xos_loop_undefer(struct xos_loop *loop, struct xos_task *task)
{
    if (!task->queued)
        return;
    DL_DELETE(loop->tasks, task);
    task->queued = false;
}
