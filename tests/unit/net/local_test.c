// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: commands cannot reach the daemon, or it burns a processor when it is short of
 * descriptors. */
#include "libxos/net/local.h"
#include "tests/unit/net/raw_peer.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#define CALLERS 100

static struct stage {
    struct xos_loop *loop;
    struct xos_local *local;
    char path[100];
    int fds[CALLERS], callers[CALLERS];
    size_t accepted, called;
    bool free_inside;
    uid_t uid;
} s;

static void on_accept(void *arg, int fd, const struct xos_peer *peer)
{
    assert_ptr_equal(arg, &s);
    s.fds[s.accepted++] = fd;
    s.uid = peer->uid;
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    if (s.free_inside) {
        xos_local_free(s.local);
        s.local = NULL;
    }
}

static int set_up(struct xos_error *err)
{
    s = (struct stage){0};
    (void)snprintf(s.path, sizeof(s.path), "%s/sock", xt_dir());
    if (xos_loop_new(&s.loop, xos_env_posix(), err) < 0)
        return -1;
    return xos_local_listen(&s.local, s.loop, s.path, 0660, on_accept, &s, err);
}

static void tear_down(void)
{
    for (size_t i = 0; i < s.accepted; i++)
        close(s.fds[i]);
    for (size_t i = 0; i < s.called; i++)
        close(s.callers[i]);
    xos_local_free(s.local);
    xos_loop_free(s.loop);
}

static int connect_once(struct xos_error *err)
{
    int fd = xos_env_unix_connect(xos_env_posix(), s.path, SOCK_STREAM, err);
    if (fd < 0)
        return -1;
    s.callers[s.called++] = fd;
    return 0;
}

static void many_are_accepted_and_known(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct stat st;
    XT_TRY(set_up(&err));
    assert_int_equal(stat(s.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    for (int i = 0; i < CALLERS; i++)
        XT_TRY(connect_once(&err));
    XT_TRY(xos_loop_once(s.loop, &err));
    assert_int_equal(s.accepted, XOS_LOCAL_ACCEPTS_PER_TURN); /* others have their turn */
    RAW_PEER_UNTIL(s.loop, s.accepted == CALLERS);
    assert_int_equal(s.uid, getuid());
    xos_local_free(s.local);
    s.local = NULL;
    assert_int_equal(stat(s.path, &st), -1);
    xos_local_free(NULL);
out:
    tear_down();
}

/* Who was killed left its socket file: the next one takes it over; a living one keeps it. */
static void a_dead_listener_is_replaced(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_local *second = NULL;
    XT_TRY(set_up(&err));
    XT_REFUSED(xos_local_listen(&second, s.loop, s.path, 0600, on_accept, &s, &err), XOS_BUSY);
    XT_TRY(connect_once(&err));
    xos_local_free(s.local);
    s.local = NULL;
    int left = xos_env_unix_listen(xos_env_posix(), s.path, 0600, &err);
    assert_true(left >= 0);
    close(left); /* the file stays */
    XT_TRY(xos_local_listen(&s.local, s.loop, s.path, 0600, on_accept, &s, &err));
    XT_TRY(connect_once(&err));
    RAW_PEER_UNTIL(s.loop, s.accepted == 1);
out:
    tear_down();
    (void)unlink(s.path);
}

static void it_may_be_freed_inside_its_callback(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(&err));
    s.free_inside = true;
    XT_TRY(connect_once(&err));
    XT_TRY(connect_once(&err));
    RAW_PEER_UNTIL(s.loop, s.accepted == 1);
    XT_TRY(raw_peer_spin(s.loop, 2, &err));
    assert_int_equal(s.accepted, 1);
out:
    tear_down();
}

/* Out of descriptors it waits, does not spin, and goes on when there are some again. */
static void a_shortage_of_descriptors_passes(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct rlimit before, now;
    XT_TRY(set_up(&err));
    XT_TRY(connect_once(&err));
    struct xos_timer *t = NULL;
    XT_TRY(xos_timer_new(&t, s.loop, raw_peer_stop, s.loop, &err));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = before;
    int next = dup(0);
    close(next);
    now.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    clock_t began = clock();
    xos_timer_set(t, 250);
    int rc = xos_loop_run(s.loop, &err);
    clock_t spent = clock() - began;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    xos_timer_free(t);
    XT_TRY(rc);
    assert_int_equal(s.accepted, 0);
    assert_true(spent < CLOCKS_PER_SEC / 10);
    RAW_PEER_UNTIL(s.loop, s.accepted == 1);
out:
    tear_down();
}

static const struct xt_test tests[] = {
    XT(many_are_accepted_and_known),
    XT(a_dead_listener_is_replaced),
    XT(it_may_be_freed_inside_its_callback),
    XT_PLAIN(a_shortage_of_descriptors_passes),
};
XT_MAIN(tests)
