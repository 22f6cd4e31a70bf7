// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a second daemon takes the socket of a running one, or one that was killed
 * cannot be started again. */
#include "libxos/env/env.h"
#include "tests/lib/xtest.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *socket_path(void)
{
    static char path[100];
    static unsigned count;
    (void)snprintf(path, sizeof(path), "%s/s%u", xt_dir(), count++);
    return path;
}

static void a_live_socket_is_busy_a_stale_one_is_replaced(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_env *env = xos_env_posix();
    const char *path = socket_path();
    struct stat st;
    int fd = xos_env_unix_listen(env, path, 0666, &err);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666);
    XT_REFUSED(xos_env_unix_listen(env, path, 0600, &err), XOS_BUSY);
    close(fd); /* as after kill -9: the file stays */
    XT_REFUSED(xos_env_unix_connect(env, path, SOCK_STREAM, &err), XOS_UNAVAILABLE);
    fd = xos_env_unix_listen(env, path, 0600, &err);
    assert_true(fd >= 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    close(fd);
}

static void a_socket_of_another_kind_is_busy_too(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_env *env = xos_env_posix();
    const char *path = socket_path();
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 1), 0);
    XT_REFUSED(xos_env_unix_listen(env, path, 0600, &err), XOS_BUSY);
    int peer = xos_env_unix_connect(env, path, SOCK_SEQPACKET, &err);
    assert_true(peer >= 0);
    close(peer);
    close(fd);
}

static void other_files_in_the_way_stay(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_env *env = xos_env_posix();
    const char *path = socket_path();
    char longer[200];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    close(fd);
    XT_REFUSED(xos_env_unix_listen(env, path, 0600, &err), XOS_EXISTS);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    XT_REFUSED(xos_env_unix_listen(env, path, 0600, &err), XOS_EXISTS);
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    XT_REFUSED(xos_env_unix_listen(env, longer, 0600, &err), XOS_INVALID);
    XT_REFUSED(xos_env_unix_listen(env, "", 0600, &err), XOS_INVALID);
    XT_REFUSED(xos_env_unix_connect(env, longer, SOCK_STREAM, &err), XOS_INVALID);
    XT_REFUSED(xos_env_unix_connect(env, "/no/such", SOCK_STREAM, &err), XOS_UNAVAILABLE);
}

/* Many start at once over a stale socket: exactly one gets it. */
static void of_many_starters_one_wins(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_env *env = xos_env_posix();
    const char *path = socket_path();
    int gate[2], winners = 0;
    close(xos_env_unix_listen(env, path, 0600, &err));
    assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
    pid_t pids[8];
    for (size_t i = 0; i < 8; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            int fd = xos_env_unix_listen(env, path, 0600, &err);
            char byte;
            close(gate[1]);
            ssize_t n = read(gate[0], &byte, 1); /* all stay until all have tried */
            _exit(fd >= 0 && n == 0 ? 0 : err.code == XOS_BUSY ? 1 : 2);
        }
    }
    usleep(200 * 1000);
    close(gate[1]);
    for (size_t i = 0; i < 8; i++) {
        int status = 0;
        waitpid(pids[i], &status, 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
        winners += WEXITSTATUS(status) == 0;
    }
    close(gate[0]);
    assert_int_equal(winners, 1);
}

static void the_peer_of_a_unix_socket_is_known(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_env *env = xos_env_posix();
    struct xos_peer peer = {0};
    const char *path = socket_path();
    int fd = xos_env_unix_listen(env, path, 0600, &err);
    int near = xos_env_unix_connect(env, path, SOCK_STREAM, &err);
    int far = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0 && near >= 0 && far >= 0);
    XT_TRY(xos_env_socket_peer(env, far, &peer, &err));
    assert_int_equal(peer.pid, getpid());
    assert_int_equal(peer.uid, geteuid());
    assert_int_equal(peer.gid, getegid());
    int tcp = xos_env_tcp_listen(env, "127.0.0.1", 0, &err);
    XT_REFUSED(xos_env_socket_peer(env, tcp, &peer, &err), XOS_INVALID);
    assert_int_equal(xos_env_socket_peer(env, -1, &peer, &err), -1);
    close(tcp);
out:
    close(fd);
    close(near);
    close(far);
}

static unsigned port_of(int fd)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    return at.ss_family == AF_INET ? ntohs(((struct sockaddr_in *)&at)->sin_port)
                                   : ntohs(((struct sockaddr_in6 *)&at)->sin6_port);
}

static int connected(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int why = 0;
    socklen_t len = sizeof(why);
    assert_int_equal(poll(&p, 1, 10 * 1000), 1);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len), 0);
    return why;
}

static void tcp_connects_by_address_by_name_and_from_an_address(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_env *env = xos_env_posix();
    static const struct {
        const char *listen, *connect, *from;
    } table[] = {
        {"127.0.0.1", "127.0.0.1", NULL}, {"127.0.0.1", "127.0.0.1", "127.0.0.7"},
        {"localhost", "localhost", NULL}, {"::1", "::1", NULL},
        {"::", "127.0.0.1", NULL},        {"0.0.0.0", "127.0.0.2", "127.0.0.3"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        int fd = xos_env_tcp_listen(env, table[i].listen, 0, &err);
        if (fd < 0 && strchr(table[i].listen, ':'))
            continue; /* a machine without IPv6 */
        assert_true(fd >= 0);
        int near = xos_env_tcp_connect(env, table[i].connect, port_of(fd), table[i].from, &err);
        if (near < 0)
            fail_msg("row %zu: %s", i, err.text);
        assert_true(fcntl(near, F_GETFL) & O_NONBLOCK);
        assert_int_equal(connected(near), 0);
        if (table[i].from) {
            struct sockaddr_in at;
            socklen_t len = sizeof(at);
            char text[INET_ADDRSTRLEN];
            assert_int_equal(getsockname(near, (struct sockaddr *)&at, &len), 0);
            assert_string_equal(inet_ntop(AF_INET, &at.sin_addr, text, sizeof(text)),
                                table[i].from);
        }
        close(near);
        close(fd);
    }
}

static void tcp_refuses_in_words(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_env *env = xos_env_posix();
    int fd = xos_env_tcp_listen(env, "127.0.0.1", 0, &err);
    unsigned port = port_of(fd);
    XT_REFUSED(xos_env_tcp_listen(env, "127.0.0.1", port, &err), XOS_BUSY);
    XT_REFUSED(xos_env_tcp_listen(env, "127.0.0.1", 65536, &err), XOS_INVALID);
    XT_REFUSED(xos_env_tcp_listen(env, "999.0.0.1.invalid", 0, &err), XOS_UNAVAILABLE);
    XT_REFUSED(xos_env_tcp_connect(env, "no-such-host.invalid", 1, NULL, &err), XOS_UNAVAILABLE);
    XT_REFUSED(xos_env_tcp_connect(env, "127.0.0.1", port, "::1", &err), XOS_UNAVAILABLE);
    assert_int_equal(xos_env_tcp_connect(env, "127.0.0.1", port, "192.0.2.1", &err), -1);
    assert_int_equal(xos_env_tcp_listen(env, "192.0.2.1", 0, &err), -1);
    close(fd);
    /* Nobody listens there now: the refusal comes at once or with the connection's end. */
    int near = xos_env_tcp_connect(env, "127.0.0.1", port, NULL, &err);
    if (near >= 0) {
        assert_true(connected(near) != 0);
        close(near);
    } else
        assert_int_equal(err.code, XOS_UNAVAILABLE);
}

static const struct xt_test tests[] = {
    XT(a_live_socket_is_busy_a_stale_one_is_replaced),
    XT(a_socket_of_another_kind_is_busy_too),
    XT(other_files_in_the_way_stay),
    XT_PLAIN(of_many_starters_one_wins),
    XT(the_peer_of_a_unix_socket_is_known),
    XT(tcp_connects_by_address_by_name_and_from_an_address),
    XT(tcp_refuses_in_words),
};
XT_MAIN(tests)
