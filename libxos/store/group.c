// SPDX-License-Identifier: Apache-2.0
#include "libxos/store/group.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"
#include "libxos/env/env.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct batch {
    struct batch *next;
    enum xos_promise promise;
    xos_apply_f apply;
    xos_applied_f done;
    void *arg;
    struct xos_error result;
    bool awaited;  /* lies on the stack of xos_group_run() */
    bool finished; /* awaited: the result is there */
};

struct batch_list {
    struct batch *first;
    struct batch **end;
    size_t count;
};

struct xos_group {
    struct xos_tx *tx;
    char name[32];
    struct xos_env *env;
    bool threaded;
    pthread_t thread;
    int event_fd;

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t work;
    pthread_cond_t finished;
    struct batch_list waiting;
    struct batch_list done;
    size_t in_flight; /* handed in, callback not yet run */
    bool stopping;
    bool failed; /* what the writer knows as `failure` */

    /* The writer's own. */
    uint64_t unflushed_since_ms; /* of the first commit that is not on the disk; 0: none */
    struct xos_error failure;    /* code is XOS_NONE until the store failed */
};

static void list_init(struct batch_list *l)
{
    *l = (struct batch_list){.end = &l->first};
}

static void list_put(struct batch_list *l, struct batch *b)
{
    b->next = NULL;
    *l->end = b;
    l->end = &b->next;
    l->count++;
}

static struct batch *list_take(struct batch_list *l)
{
    struct batch *b = l->first;
    if (!b)
        return NULL;
    l->first = b->next;
    if (!l->first)
        l->end = &l->first;
    l->count--;
    return b;
}

static uint64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t now_ms(const struct xos_group *g)
{
    return g->env ? xos_env_mono_ms(g->env) : clock_us() / 1000;
}

static void wake_owner(const struct xos_group *g)
{
    uint64_t one = 1;
    while (write(g->event_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        continue;
}

/* The writer: one transaction */

/* From here on nothing is believed: the first error answers every batch until the store is opened
 * again. A sync that failed may have lost what was written before, and the next one would not
 * tell. */
static void fail_for_good(struct xos_group *g, const struct xos_error *err)
{
    if (g->failure.code != XOS_NONE)
        return;
    g->failure = *err;
    xos_wrap(&g->failure, "store %s failed and takes no more work until it is opened again",
             g->name);
    g->unflushed_since_ms = 0;
    xos_log_error(XOS_EV_STORE_FAILED, err, "store=%s", g->name);
}

static void fail_all(struct batch_list *l, const struct xos_error *err)
{
    for (struct batch *b = l->first; b; b = b->next)
        if (b->result.code == XOS_NONE)
            b->result = *err;
}

static int batch_begin(struct xos_group *g, const struct batch_list *l, struct xos_error *err)
{
    return l->count > 1 ? xos_tx_savepoint(g->tx, err) : 0;
}

static int batch_end(struct xos_group *g, const struct batch_list *l, struct xos_error *err)
{
    return l->count > 1 ? xos_tx_release(g->tx, err) : 0;
}

/* Returns -1 with *err when the transaction as a whole is lost. */
static int batch_apply(struct xos_group *g, const struct batch_list *l, struct batch *b,
                       struct xos_error *err)
{
    b->result = (struct xos_error){0};
    if (batch_begin(g, l, err) < 0)
        return -1;
    unsigned depth = g->tx->savepoints;
    int rc = b->apply(g->tx, b->arg, &b->result);
    if (rc == 0 && g->tx->health != XOS_TX_FINE)
        rc = xos_fail(&b->result, XOS_INTERNAL, "a batch went on after a statement of it failed");
    if (rc == 0) {
        assert(g->tx->savepoints == depth); /* each savepoint is released or undone */
        return batch_end(g, l, err);
    }
    if (b->result.code == XOS_NONE)
        xos_fail(&b->result, XOS_INTERNAL, "a batch failed without a reason");
    if (g->tx->health > XOS_TX_BROKEN) {
        *err = b->result;
        return -1;
    }
    if (l->count == 1)
        return 0; /* the whole transaction is rolled back */
    while (g->tx->savepoints > depth)
        if (xos_tx_undo(g->tx, err) < 0)
            return -1;
    return xos_tx_undo(g->tx, err);
}

/* 0: every batch has its result. -1: the transaction did not happen, or nobody can know. */
static int group_try(struct xos_group *g, struct batch_list *l, enum xos_promise promise,
                     struct xos_error *err)
{
    bool any = false;
    if (g->tx->engine->begin(g->tx, XOS_TX_WRITE, err) < 0)
        return -1;
    for (struct batch *b = l->first; b; b = b->next) {
        if (batch_apply(g, l, b, err) < 0)
            return -1;
        any = any || b->result.code == XOS_NONE;
    }
    assert(g->tx->rows_open == 0); /* apply functions free their rows */
    if (!any) {
        g->tx->engine->rollback(g->tx);
        return 0;
    }
    return g->tx->engine->commit(g->tx, promise, err);
}

static enum xos_promise group_promise(const struct batch_list *l)
{
    for (const struct batch *b = l->first; b; b = b->next)
        if (b->promise == XOS_SYNCED)
            return XOS_SYNCED;
    return XOS_ORDERED;
}

static void group_commit(struct xos_group *g, struct batch_list *l)
{
    struct xos_error err = {0};
    enum xos_promise promise = group_promise(l);
    for (unsigned tries = 0; group_try(g, l, promise, &err) < 0; tries++) {
        enum xos_tx_health health = g->tx->health;
        g->tx->engine->rollback(g->tx);
        if (health == XOS_TX_AGAIN && tries < XOS_STORE_RETRIES_MAX)
            continue;
        xos_wrap(&err, "store %s", g->name);
        if (health == XOS_TX_DEAD)
            fail_for_good(g, &err);
        fail_all(l, &err);
        return;
    }
    if (promise == XOS_SYNCED)
        g->unflushed_since_ms = 0;
    else if (!g->unflushed_since_ms)
        g->unflushed_since_ms = now_ms(g) + 1; /* never 0 */
}

/* The writer: between transactions */

static void flush(struct xos_group *g)
{
    struct xos_error err = {0};
    g->unflushed_since_ms = 0;
    if (g->tx->engine->flush(g->tx, &err) == 0)
        return;
    xos_wrap(&err, "flush");
    fail_for_good(g, &err);
}

static bool flush_due(const struct xos_group *g)
{
    return g->unflushed_since_ms && now_ms(g) + 1 >= g->unflushed_since_ms + XOS_STORE_FLUSH_MS_MAX;
}

static void upkeep(struct xos_group *g)
{
    struct xos_error err = {0};
    if (g->failure.code != XOS_NONE || g->tx->engine->upkeep(g->tx, &err) == 0)
        return;
    if (g->tx->health == XOS_TX_DEAD)
        fail_for_good(g, &err);
    else
        xos_log_error(XOS_EV_STORE_FAILED, &err, "store=%s effect=\"log not shortened\"", g->name);
}

static void complete(struct xos_group *g, struct batch_list *l)
{
    bool awaited = false, owed = false;
    struct batch *b;
    while ((b = list_take(l))) {
        if (b->awaited) {
            b->finished = awaited = true;
            g->in_flight--;
        } else {
            list_put(&g->done, b);
            owed = true;
        }
    }
    if (awaited)
        pthread_cond_broadcast(&g->finished);
    if (owed)
        wake_owner(g);
}

/* Called with the lock held, and drops it while it works. */
static void round_of_work(struct xos_group *g)
{
    struct batch_list l;
    list_init(&l);
    while (l.count < XOS_STORE_GROUP_MAX && g->waiting.first)
        list_put(&l, list_take(&g->waiting));
    xos_metric_set(XOS_M_QUEUE_FILL, g->name, (double)g->in_flight / XOS_STORE_QUEUE_MAX);
    pthread_mutex_unlock(&g->lock);
    if (l.count && g->failure.code == XOS_NONE) {
        uint64_t from = clock_us();
        group_commit(g, &l);
        xos_metric_observe(XOS_M_STORE_COMMIT_SECONDS, NULL, (double)(clock_us() - from) / 1e6);
    } else {
        fail_all(&l, &g->failure);
    }
    pthread_mutex_lock(&g->lock);
    g->failed = g->failure.code != XOS_NONE;
    complete(g, &l);
    pthread_mutex_unlock(&g->lock);
    if (flush_due(g))
        flush(g);
    upkeep(g);
    pthread_mutex_lock(&g->lock);
}

/* Sleeps until there is work or the flush is due. */
static void writer_wait(struct xos_group *g)
{
    if (!g->unflushed_since_ms) {
        pthread_cond_wait(&g->work, &g->lock);
        return;
    }
    uint64_t due = g->unflushed_since_ms + XOS_STORE_FLUSH_MS_MAX;
    uint64_t now = now_ms(g), wait_ms = due > now ? due - now : 0;
    uint64_t until = clock_us() + wait_ms * 1000;
    struct timespec t = {.tv_sec = (time_t)(until / 1000000),
                         .tv_nsec = (long)(until % 1000000) * 1000};
    pthread_cond_timedwait(&g->work, &g->lock, &t);
}

static void *writer_main(void *arg)
{
    struct xos_group *g = arg;
    pthread_mutex_lock(&g->lock);
    while (!g->stopping || g->waiting.first) {
        if (g->waiting.first || flush_due(g))
            round_of_work(g);
        else
            writer_wait(g);
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

/* The owner */

static int start_thread(struct xos_group *g, struct xos_error *err)
{
    sigset_t all, old;
    sigfillset(&all); /* signals are the owner's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&g->thread, NULL, writer_main, g);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0) {
        g->threaded = true;
        return 0;
    }
    errno = rc;
    return xos_fail_errno(err, "store %s: start its writer", g->name);
}

int xos_group_new(struct xos_group **out, struct xos_tx *writer,
                  const struct xos_store_config *config, struct xos_error *err)
{
    struct xos_group *g = xos_alloc(sizeof(*g));
    if (!g)
        return xos_fail(err, XOS_NOMEM, "store %s", config->name);
    pthread_condattr_t steady;
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->work, &steady);
    pthread_cond_init(&g->finished, &steady);
    pthread_condattr_destroy(&steady);
    list_init(&g->waiting);
    list_init(&g->done);
    g->tx = writer;
    g->env = config->env;
    (void)snprintf(g->name, sizeof(g->name), "%s", config->name);
    g->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (g->event_fd < 0) {
        xos_fail_errno(err, "store %s: eventfd", config->name);
        goto error;
    }
    if (!config->no_thread && start_thread(g, err) < 0)
        goto error;
    *out = g;
    return 0;
error:
    xos_group_free(g);
    return -1;
}

static bool deliver_one(struct xos_group *g)
{
    pthread_mutex_lock(&g->lock);
    struct batch *b = list_take(&g->done);
    if (b)
        g->in_flight--;
    pthread_mutex_unlock(&g->lock);
    if (!b)
        return false;
    if (b->done)
        b->done(b->arg, &b->result);
    xos_free(b);
    return true;
}

static void work_here(struct xos_group *g)
{
    if (g->threaded)
        return;
    pthread_mutex_lock(&g->lock);
    round_of_work(g);
    if (g->waiting.first)
        wake_owner(g);
    pthread_mutex_unlock(&g->lock);
}

void xos_group_deliver(struct xos_group *g)
{
    uint64_t events;
    while (read(g->event_fd, &events, sizeof(events)) < 0 && errno == EINTR)
        continue;
    work_here(g);
    size_t left = XOS_STORE_DELIVER_MAX;
    while (left && deliver_one(g))
        left--;
    pthread_mutex_lock(&g->lock);
    if (g->done.first)
        wake_owner(g);
    pthread_mutex_unlock(&g->lock);
}

void xos_group_free(struct xos_group *g)
{
    if (!g)
        return;
    pthread_mutex_lock(&g->lock);
    g->stopping = true;
    pthread_cond_signal(&g->work);
    pthread_mutex_unlock(&g->lock);
    if (g->threaded)
        pthread_join(g->thread, NULL);
    g->threaded = false;
    while (g->waiting.first)
        work_here(g);
    if (g->unflushed_since_ms)
        flush(g);
    while (deliver_one(g))
        continue;
    assert(g->in_flight == 0);
    if (g->event_fd >= 0)
        close(g->event_fd);
    pthread_cond_destroy(&g->finished);
    pthread_cond_destroy(&g->work);
    pthread_mutex_destroy(&g->lock);
    xos_free(g);
}

/* With the lock held. */
static int put(struct xos_group *g, struct batch *b, struct xos_error *err)
{
    if (g->stopping)
        return xos_fail(err, XOS_CANCELLED, "store %s is being closed", g->name);
    if (g->in_flight == XOS_STORE_QUEUE_MAX) {
        xos_metric_add(XOS_M_LIMITS_REACHED, "store_queue_max", 1);
        return xos_fail(err, XOS_LIMIT, "store %s: %d batches wait (store_queue_max)", g->name,
                        XOS_STORE_QUEUE_MAX);
    }
    g->in_flight++;
    list_put(&g->waiting, b);
    if (g->threaded)
        pthread_cond_signal(&g->work);
    else
        wake_owner(g);
    return 0;
}

int xos_group_add(struct xos_group *g, enum xos_promise promise, xos_apply_f apply,
                  xos_applied_f done, void *arg, struct xos_error *err)
{
    assert(promise == XOS_ORDERED || promise == XOS_SYNCED);
    struct batch *b = xos_alloc(sizeof(*b));
    if (!b)
        return xos_fail(err, XOS_NOMEM, "store %s: batch", g->name);
    *b = (struct batch){.promise = promise, .apply = apply, .done = done, .arg = arg};
    pthread_mutex_lock(&g->lock);
    int rc = put(g, b, err);
    pthread_mutex_unlock(&g->lock);
    if (rc < 0)
        xos_free(b);
    return rc;
}

int xos_group_run(struct xos_group *g, enum xos_promise promise, xos_apply_f apply, void *arg,
                  struct xos_error *err)
{
    assert(promise == XOS_ORDERED || promise == XOS_SYNCED);
    struct batch b = {.promise = promise, .apply = apply, .arg = arg, .awaited = true};
    pthread_mutex_lock(&g->lock);
    int rc = put(g, &b, err);
    while (rc == 0 && !b.finished) {
        if (g->threaded)
            pthread_cond_wait(&g->finished, &g->lock);
        else
            round_of_work(g);
    }
    pthread_mutex_unlock(&g->lock);
    if (rc == 0 && b.result.code != XOS_NONE) {
        if (err)
            *err = b.result;
        rc = -1;
    }
    return rc;
}

bool xos_group_failed(struct xos_group *g)
{
    pthread_mutex_lock(&g->lock);
    bool failed = g->failed;
    pthread_mutex_unlock(&g->lock);
    return failed;
}

int xos_group_fd(const struct xos_group *g)
{
    return g->event_fd;
}
