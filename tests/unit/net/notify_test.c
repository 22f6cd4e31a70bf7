// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: systemd believes that xosd never got ready, or ends one that works. */
#include "libxos/net/notify.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int manager(struct sockaddr_un *address)
{
    static unsigned number;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    (void)snprintf(address->sun_path, sizeof(address->sun_path), "%s/notify.%u", xt_dir(),
                   number++);
    assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
    return fd;
}

static void what_is_said_arrives(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_loop *loop = NULL;
    struct xos_notify *n = NULL;
    struct sockaddr_un address;
    char text[64] = "";
    int fd = manager(&address);
    XT_TRY(xos_loop_new(&loop, xos_env_posix(), &err));
    XT_TRY(xos_notify_new(&n, loop, address.sun_path, 20000, &err));
    xos_notify_say(n, "READY=1");
    assert_int_equal(recv(fd, text, sizeof(text), 0), 7);
    assert_memory_equal(text, "READY=1", 7);
    XT_TRY(xos_loop_once(loop, &err));
    assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), 10);
    assert_memory_equal(text, "WATCHDOG=1", 10);
out:
    xos_notify_free(n);
    xos_loop_free(loop);
    close(fd);
}

static void without_a_manager_nothing_happens(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_loop *loop = NULL;
    struct xos_notify *n = NULL, *bad = NULL;
    XT_TRY(xos_loop_new(&loop, xos_env_posix(), &err));
    XT_TRY(xos_notify_new(&n, loop, NULL, 0, &err));
    xos_notify_say(n, "READY=1");
    XT_REFUSED(xos_notify_new(&bad, loop, "relative", 0, &err), XOS_INVALID);
    XT_REFUSED(xos_notify_new(&bad, loop, "/nonexistent/socket", 0, &err), XOS_UNAVAILABLE);
out:
    xos_notify_free(n);
    xos_loop_free(loop);
}

static const struct xt_test tests[] = {
    XT(what_is_said_arrives),
    XT(without_a_manager_nothing_happens),
};
XT_MAIN(tests)
