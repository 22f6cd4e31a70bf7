// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a busy node stops reading its sockets, or a claim is renewed too late. */
#include "libxos/net/loop.h"
#include "tests/lib/xtest.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct stage {
    struct xos_loop *loop;
    struct xos_timer *timer, *other;
    struct xos_watch *watch, *second;
    struct xos_signal *signal;
    struct xos_task tasks[3 * XOS_LOOP_BATCH];
    int pair[2];
    unsigned runs, order[8], orders;
    uint64_t began_ms, fired_ms;
};

static struct stage s;

static int set_up(struct xos_error *err)
{
    s = (struct stage){.pair = {-1, -1}};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s.pair), 0);
    return xos_loop_new(&s.loop, xos_env_posix(), err);
}

static void tear_down(void)
{
    xos_watch_free(s.watch);
    xos_watch_free(s.second);
    xos_timer_free(s.timer);
    xos_timer_free(s.other);
    xos_signal_free(s.signal);
    xos_loop_free(s.loop);
    close(s.pair[0]);
    close(s.pair[1]);
}

static void busy_ms(unsigned ms)
{
    struct timespec nap = {.tv_nsec = (long)ms * 1000 * 1000};
    nanosleep(&nap, NULL);
}

static void stop_now(void *arg)
{
    (void)arg;
    s.fired_ms = xos_env_mono_ms(xos_loop_env(s.loop));
    xos_loop_stop(s.loop);
}

static void set_after_work(void *arg)
{
    (void)arg;
    busy_ms(30);
    s.began_ms = xos_env_mono_ms(xos_loop_env(s.loop));
    xos_timer_set(s.timer, 20);
}

/* Also when it is set late in a long callback: then a cached time would let it fire at once. */
static void no_timer_fires_early(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(&err));
    XT_TRY(xos_timer_new(&s.timer, s.loop, stop_now, NULL, &err));
    XT_TRY(xos_timer_new(&s.other, s.loop, set_after_work, NULL, &err));
    for (int i = 0; i < 5; i++) {
        xos_timer_set(s.other, 0);
        XT_TRY(xos_loop_run(s.loop, &err));
        assert_true(s.fired_ms >= s.began_ms + 20);
    }
out:
    tear_down();
}

static void note_first(void *arg)
{
    (void)arg;
    s.order[s.orders++] = 1;
}

static void note_and_stop(void *arg)
{
    (void)arg;
    s.order[s.orders++] = 2;
    xos_loop_stop(s.loop);
}

static void timers_are_replaced_cancelled_and_in_order(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(&err));
    XT_TRY(xos_timer_new(&s.timer, s.loop, note_first, NULL, &err));
    XT_TRY(xos_timer_new(&s.other, s.loop, note_and_stop, NULL, &err));
    xos_timer_set(s.timer, UINT64_MAX);
    xos_timer_set(s.timer, 5);
    xos_timer_set(s.other, 30);
    XT_TRY(xos_loop_run(s.loop, &err));
    assert_int_equal(s.orders, 2);
    assert_int_equal(s.order[0], 1);
    xos_timer_set(s.timer, 1);
    xos_timer_cancel(s.timer);
    xos_timer_cancel(NULL);
    xos_timer_set(s.other, 20);
    XT_TRY(xos_loop_run(s.loop, &err));
    assert_int_equal(s.orders, 3);
out:
    tear_down();
}

static void count_run(void *arg)
{
    (void)arg;
    s.runs++;
}

static void tasks_run_in_batches_once_each(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(&err));
    for (size_t i = 0; i < 3 * XOS_LOOP_BATCH; i++) {
        s.tasks[i].run = count_run;
        xos_loop_defer(s.loop, &s.tasks[i]);
        xos_loop_defer(s.loop, &s.tasks[i]);
    }
    xos_loop_undefer(s.loop, &s.tasks[7]);
    xos_loop_undefer(s.loop, &s.tasks[7]);
    for (unsigned round = 1; round <= 3; round++) {
        XT_TRY(xos_loop_once(s.loop, &err));
        assert_int_equal(s.runs, round < 3 ? round * XOS_LOOP_BATCH : 3 * XOS_LOOP_BATCH - 1);
    }
    /* Freed with work waiting: the tasks are the caller's again. */
    xos_loop_defer(s.loop, &s.tasks[0]);
    xos_loop_free(s.loop);
    s.loop = NULL;
    assert_false(s.tasks[0].queued);
out:
    tear_down();
}

/* A byte comes while the tasks are under way: what was ready before them is seen in any case. */
static void defer_itself(void *arg)
{
    if (++s.runs == 10)
        assert_int_equal(write(s.pair[1], "x", 1), 1);
    if (s.runs < 100 * XOS_LOOP_BATCH)
        xos_loop_defer(s.loop, arg);
    else
        xos_loop_stop(s.loop);
}

static void read_and_stop(int fd, unsigned what, void *arg)
{
    (void)arg;
    char byte;
    assert_int_equal(what, XOS_READABLE);
    assert_int_equal(read(fd, &byte, 1), 1);
    xos_loop_stop(s.loop);
}

/* Work that always makes more work must not keep a socket from being read, or a timer waiting. */
static void endless_tasks_starve_nobody(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(&err));
    s.tasks[0] = (struct xos_task){.run = defer_itself, .arg = &s.tasks[0]};
    s.tasks[1] = (struct xos_task){.run = defer_itself, .arg = &s.tasks[1]};
    xos_loop_defer(s.loop, &s.tasks[0]);
    xos_loop_defer(s.loop, &s.tasks[1]);
    XT_TRY(xos_watch_new(&s.watch, s.loop, s.pair[0], XOS_READABLE, read_and_stop, NULL, &err));
    XT_TRY(xos_loop_run(s.loop, &err));
    assert_true(s.runs <= 4 * XOS_LOOP_BATCH);
out:
    tear_down();
}

static void free_myself(int fd, unsigned what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    s.runs++;
    xos_watch_free(s.watch);
    s.watch = NULL;
    xos_watch_free(s.second); /* which is ready in the same round */
    s.second = NULL;
}

static void free_my_timer(void *arg)
{
    (void)arg;
    xos_timer_free(s.timer);
    s.timer = NULL;
    xos_loop_stop(s.loop);
}

static void everything_may_be_freed_in_its_own_callback(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(&err));
    XT_TRY(xos_watch_new(&s.watch, s.loop, s.pair[0], XOS_WRITABLE, free_myself, NULL, &err));
    XT_TRY(xos_watch_new(&s.second, s.loop, s.pair[1], XOS_WRITABLE, free_myself, NULL, &err));
    XT_TRY(xos_timer_new(&s.timer, s.loop, free_my_timer, NULL, &err));
    xos_timer_set(s.timer, 5);
    XT_TRY(xos_loop_run(s.loop, &err));
    assert_int_equal(s.runs, 1);
    assert_null(s.watch);
    assert_null(s.second);
    assert_null(s.timer);
out:
    tear_down();
}

static void count_ready(int fd, unsigned what, void *arg)
{
    (void)fd;
    *(unsigned *)arg |= what;
    s.runs++;
}

static void a_watch_sees_what_it_asks_for(void **state)
{
    (void)state;
    struct xos_error err = {0};
    unsigned seen = 0;
    XT_TRY(set_up(&err));
    XT_TRY(xos_timer_new(&s.timer, s.loop, stop_now, NULL, &err));
    XT_TRY(xos_watch_new(&s.watch, s.loop, s.pair[0], 0, count_ready, &seen, &err));
    assert_int_equal(write(s.pair[1], "x", 1), 1);
    static const unsigned sets[] = {0, XOS_READABLE, XOS_WRITABLE, XOS_READABLE | XOS_WRITABLE, 0};
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        seen = 0;
        xos_watch_set(s.watch, sets[i]);
        xos_watch_set(s.watch, sets[i]);
        xos_timer_set(s.timer, 3);
        XT_TRY(xos_loop_run(s.loop, &err));
        assert_int_equal(seen, sets[i]);
    }
out:
    tear_down();
}

static void what_cannot_be_watched_is_an_error(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(&err));
    int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    int closed = fcntl(file, F_DUPFD_CLOEXEC, 100);
    close(closed);
    XT_REFUSED(xos_watch_new(&s.watch, s.loop, file, XOS_READABLE, count_ready, NULL, &err),
               XOS_SYSTEM);
    XT_REFUSED(xos_watch_new(&s.watch, s.loop, closed, XOS_READABLE, count_ready, NULL, &err),
               XOS_SYSTEM);
    close(file);
out:
    tear_down();
}

static void on_signal(int number, void *arg)
{
    assert_int_equal(number, SIGUSR1);
    assert_ptr_equal(arg, &s);
    s.runs++;
    xos_signal_free(s.signal);
    s.signal = NULL;
    xos_loop_stop(s.loop);
}

static void signals_arrive_in_the_loop(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(&err));
    XT_TRY(xos_signal_new(&s.signal, s.loop, SIGUSR1, on_signal, &s, &err));
    raise(SIGUSR1);
    assert_int_equal(s.runs, 0);
    XT_TRY(xos_loop_run(s.loop, &err));
    assert_int_equal(s.runs, 1);
out:
    tear_down();
}

static const struct xt_test tests[] = {
    XT(no_timer_fires_early),
    XT(timers_are_replaced_cancelled_and_in_order),
    XT(tasks_run_in_batches_once_each),
    XT(endless_tasks_starve_nobody),
    XT(everything_may_be_freed_in_its_own_callback),
    XT(a_watch_sees_what_it_asks_for),
    XT(what_cannot_be_watched_is_an_error),
    XT(signals_arrive_in_the_loop),
};
XT_MAIN(tests)
