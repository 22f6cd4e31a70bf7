// SPDX-License-Identifier: Apache-2.0
/* pollset.h - descriptors and timers behind one descriptor, which a program's own loop can watch.
 *
 * An epoll instance that holds what the library waits for, a timerfd among it. One event is taken
 * at a time, so that a callback may free any watch or timer, its own too. */
#ifndef XOS_CLIENT_POLLSET_H
#define XOS_CLIENT_POLLSET_H

#include "libxos/env/env.h"

#define CLIENT_POLLSET_BATCH 64 /* events handled before dispatch returns */

enum { CLIENT_READABLE = 1, CLIENT_WRITABLE = 2 };

struct client_pollset;

/* The memory of both is the owner's. */
struct client_watch {
    struct client_pollset *poll;
    int fd; /* -1: not watched */
    unsigned what;
    void (*ready)(void *arg, unsigned what);
    void *arg;
};
struct client_timer {
    struct client_pollset *poll;
    uint64_t due_ms;
    bool armed;
    void (*expired)(void *arg);
    void *arg;
    struct client_timer *prev, *next; /* the poll's */
};

int client_pollset_new(struct client_pollset **out, struct xos_env *env, struct xos_error *err);
void client_pollset_free(struct client_pollset *p); /* every watch and timer must be off */
int client_pollset_fd(const struct client_pollset *p);
struct xos_env *client_pollset_env(const struct client_pollset *p);
uint64_t client_pollset_now_ms(const struct client_pollset *p);

/* Wait up to timeout_ms (-1: without end) for the first event, then handle what is there. */
int client_pollset_dispatch(struct client_pollset *p, int timeout_ms, struct xos_error *err);

int client_watch_on(struct client_watch *w, int fd, unsigned what, struct xos_error *err);
void client_watch_set(struct client_watch *w, unsigned what); /* 0: quiet */
void client_watch_off(struct client_watch *w);

void client_timer_set(struct client_timer *t, uint64_t after_ms); /* replaces what was set */
void client_timer_off(struct client_timer *t);

#endif
