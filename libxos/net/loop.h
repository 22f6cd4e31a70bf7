// SPDX-License-Identifier: Apache-2.0
/* loop.h - the one event loop of a process: descriptors, timers, signals, deferred work.
 *
 * A thin layer over libevent that keeps our habits: a callback only enqueues, deferred work is
 * drained in bounded batches (XOS_LOOP_BATCH), and everything may be freed from inside its own
 * callback. One thread runs a loop; other threads wake it through an eventfd that it watches. */
#ifndef XOS_NET_LOOP_H
#define XOS_NET_LOOP_H

#include "libxos/env/env.h"

#define XOS_LOOP_BATCH 256 /* deferred tasks run before the loop looks at descriptors again */
#define XOS_TIMER_MS_MAX (UINT64_C(365) * 86400 * 1000) /* later is as good as then */

struct event_base;
struct xos_loop;

int xos_loop_new(struct xos_loop **out, struct xos_env *env, struct xos_error *err);
void xos_loop_free(struct xos_loop *loop); /* all watches, timers and signals must be freed */
struct event_base *xos_loop_base(struct xos_loop *loop); /* for bufferevents and evhttp; borrowed */
struct xos_env *xos_loop_env(struct xos_loop *loop);

int xos_loop_run(struct xos_loop *loop, struct xos_error *err);  /* until xos_loop_stop */
int xos_loop_once(struct xos_loop *loop, struct xos_error *err); /* wait for one round of events */
void xos_loop_stop(struct xos_loop *loop);

/* Descriptors. `what` is a set of XOS_READABLE and XOS_WRITABLE; level-triggered. */
enum { XOS_READABLE = 1, XOS_WRITABLE = 2 };
struct xos_watch;
typedef void (*xos_watch_f)(int fd, unsigned what, void *arg);
int xos_watch_new(struct xos_watch **out, struct xos_loop *loop, int fd, unsigned what,
                  xos_watch_f ready, void *arg, struct xos_error *err);
void xos_watch_set(struct xos_watch *w, unsigned what); /* 0 = quiet until it is set again */
void xos_watch_free(struct xos_watch *w);               /* the descriptor is the caller's */

/* One-shot timers; none fires before its time. */
struct xos_timer;
typedef void (*xos_timer_f)(void *arg);
int xos_timer_new(struct xos_timer **out, struct xos_loop *loop, xos_timer_f expired, void *arg,
                  struct xos_error *err);
void xos_timer_set(struct xos_timer *t, uint64_t after_ms); /* replaces what was set */
void xos_timer_cancel(struct xos_timer *t);
void xos_timer_free(struct xos_timer *t);

/* Signals, delivered in the loop. */
struct xos_signal;
typedef void (*xos_signal_f)(int number, void *arg);
int xos_signal_new(struct xos_signal **out, struct xos_loop *loop, int number, xos_signal_f caught,
                   void *arg, struct xos_error *err);
void xos_signal_free(struct xos_signal *s);

/* Work for after the current callback. The task is the caller's memory, in at most one queue;
 * queueing it twice runs it once. */
struct xos_task {
    void (*run)(void *arg);
    void *arg;
    struct xos_task *prev, *next; /* the loop's */
    bool queued;
};
void xos_loop_defer(struct xos_loop *loop, struct xos_task *task);
void xos_loop_undefer(struct xos_loop *loop, struct xos_task *task);

#endif
