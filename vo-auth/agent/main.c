// SPDX-License-Identifier: Apache-2.0
/* xos-agent, the process: started by `xos login` or by hand, goes into the background once its
 * socket is there, and ends with its user's wish (TERM), wiping what it knows. See agent.c. */
#include "libxos/base/telemetry.h"
#include "libxos/base/version.h"
#include "libxos/env/private_socket.h"
#include "vo-auth/agent/agent.h"
#include "vo-auth/agent/guard.h"

#include <argp.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TRUST_DIR "/etc/xos/trust"
#define READY_FD 3 /* of the process that goes into the background */

enum { SAYS_READY = 'r', SAYS_BUSY = 'b' };

const char *argp_program_version;

struct options {
    const char *socket;
    bool foreground;
    bool tells; /* READY_FD is a pipe to who started us */
};

enum { OPT_READY = 256 };

static const struct argp_option option_table[] = {
    {"socket", 's', "PATH", 0, "listen there ($XOS_AGENT, else where `xos` looks for it)", 0},
    {"foreground", 'f', NULL, 0, "stay in the foreground, and log to stderr", 0},
    {"ready", OPT_READY, NULL, OPTION_HIDDEN, NULL, 0},
    {0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct options *o = state->input;
    if (key == 's')
        o->socket = text;
    else if (key == 'f')
        o->foreground = true;
    else if (key == OPT_READY)
        o->tells = true;
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static int find_socket(char path[static XOS_SOCKET_PATH_BYTES], const struct options *o,
                       struct xos_error *err)
{
    const struct xos_private_socket which = {.name = "xos-agent",
                                             .chosen = o->socket ? o->socket : getenv("XOS_AGENT"),
                                             .runtime_dir = getenv("XDG_RUNTIME_DIR"),
                                             .uid = getuid()};
    return xos_private_socket_path(path, &which, err);
}

/* In the background */

/* Tell who started us, and let go of its terminal: stdin is /dev/null. */
static void tell(const struct options *o, char what)
{
    if (!o->tells)
        return;
    (void)!write(READY_FD, &what, 1);
    xos_env_close(xos_env_posix(), READY_FD);
    (void)dup2(STDIN_FILENO, STDERR_FILENO);
}

static void on_stop(int number, void *arg)
{
    (void)number;
    xos_loop_stop(arg);
}

static int start(struct agent **out, struct xos_loop *loop, const char *path, struct xos_error *err)
{
    const char *trust = getenv("XOS_TRUST");
    const struct agent_config c = {.loop = loop,
                                   .socket = path,
                                   .uid = getuid(),
                                   .trust_dir = trust && trust[0] ? trust : TRUST_DIR};
    return agent_new(out, &c, err);
}

static int serve(const char *path, const struct options *o, struct xos_error *err)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    struct xos_signal *signals[3] = {NULL, NULL, NULL};
    struct xos_loop *loop = NULL;
    struct agent *agent = NULL;
    int rc = xos_loop_new(&loop, xos_env_posix(), err);
    for (size_t i = 0; rc == 0 && i < 3; i++)
        rc = xos_signal_new(&signals[i], loop, numbers[i], on_stop, loop, err);
    if (rc == 0)
        rc = start(&agent, loop, path, err);
    if (rc == 0) {
        tell(o, SAYS_READY);
        xos_log(XOS_EV_START, "socket=%s", path);
        rc = xos_loop_run(loop, err);
        xos_log(XOS_EV_STOP, "socket=%s", path);
    }
    agent_free(agent);
    for (size_t i = 0; i < 3; i++)
        xos_signal_free(signals[i]);
    xos_loop_free(loop);
    return rc;
}

static int run_here(const char *path, const struct options *o, struct xos_error *err)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    if (guard_process(err) < 0)
        return -1;
    if (serve(path, o, err) == 0)
        return 0;
    if (err->code != XOS_BUSY || !o->tells)
        return -1;
    tell(o, SAYS_BUSY);
    return 0;
}

/* In front */

/* An agent that runs already is as good as a new one, if it is ours. */
static int check_running(const char *path, struct xos_error *err)
{
    struct xos_env *env = xos_env_posix();
    struct xos_peer peer;
    int fd = xos_env_unix_connect(env, path, SOCK_STREAM, err);
    if (fd < 0)
        return -1;
    int rc = xos_env_socket_peer(env, fd, &peer, err);
    xos_env_close(env, fd);
    if (rc == 0 && peer.uid != getuid())
        return xos_fail(err, XOS_DENIED, "socket %s: uid %u listens there, not you", path,
                        peer.uid);
    return rc;
}

static int spawn_behind(const char *path, int ready, struct xos_error *err)
{
    const char *const argv[] = {"xos-agent", "--foreground", "--ready", "--socket", path, NULL};
    const int fds[] = {-1, -1, STDERR_FILENO, ready};
    const struct xos_spawn what = {.path = "/proc/self/exe",
                                   .argv = argv,
                                   .envp = (const char *const *)environ,
                                   .fds = fds,
                                   .fd_count = 4,
                                   .cwd = "/",
                                   .new_session = true};
    struct xos_child child;
    if (xos_env_spawn(xos_env_posix(), &what, &child, err) < 0)
        return -1;
    xos_env_close(xos_env_posix(), child.pidfd);
    return 0;
}

/* Returns when the agent listens, or has said on stderr why not. */
static int run_behind(const char *path, struct xos_error *err)
{
    int ends[2];
    char says = 0;
    if (path[0] != '/')
        return xos_fail(err, XOS_INVALID, "socket %s: an absolute path is needed", path);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return xos_fail_errno(err, "pipe");
    int rc = spawn_behind(path, ends[1], err);
    xos_env_close(xos_env_posix(), ends[1]);
    if (rc == 0 && read(ends[0], &says, 1) != 1)
        rc = xos_fail(err, XOS_UNAVAILABLE, "the agent did not start");
    xos_env_close(xos_env_posix(), ends[0]);
    if (rc == 0 && says == SAYS_BUSY)
        rc = check_running(path, err);
    if (rc == 0)
        printf("%s\n", path);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        option_table,
        parse,
        NULL,
        "Hold your key, and sign what your XOS commands ask for. Prints the path of its socket.",
        NULL,
        NULL,
        NULL};
    struct options options = {.socket = NULL};
    char path[XOS_SOCKET_PATH_BYTES];
    struct xos_error err = {0};
    argp_program_version = xos_version;
    argp_err_exit_status = 2;
    if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
        return 2;
    if (find_socket(path, &options, &err) == 0 &&
        (options.foreground ? run_here(path, &options, &err) : run_behind(path, &err)) == 0)
        return 0;
    fprintf(stderr, "xos-agent: %s\n", err.text);
    return 1;
}
