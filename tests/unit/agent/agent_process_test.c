// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: another process takes a user's key or uses it, or the key outlives the login.
 */
#include "libxos/net/local.h"
#include "libxos/wire/frame.h"
#include "libxos/wire/pb.h"
#include "tests/lib/agentproc.h"
#include "tests/lib/xtest.h"
#include "vo-auth/prove.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct world {
    struct home home;
    struct agentproc agent;
    struct agent_link *link, *second;
};

static int open_world(struct world *w, struct xos_error *err)
{
    *w = (struct world){.link = NULL};
    if (home_open(&w->home, xos_env_real_ms(xos_env_posix()), 0x10, err) < 0 ||
        agentproc_start(&w->agent, xt_dir(), "agent", err) < 0)
        return -1;
    return agent_link_open(&w->link, xos_env_posix(), err);
}

static void close_world(struct world *w)
{
    agent_link_free(w->link);
    agent_link_free(w->second);
    agentproc_stop(&w->agent, SIGTERM);
    home_close(&w->home);
}

/* A request that comes back signed, and verifies. */
static int sign_one(struct world *w, struct agent_link *l, struct xos_error *err)
{
    const struct xos_request r = agentproc_request("job.submit");
    struct request_signed s = {.owner = NULL};
    struct auth_principal who = {0};
    int rc = agent_link_sign_request(l, &r, &s, err);
    if (rc == 0)
        rc = auth_verify(s.chain, s.chain_count, &w->home.ctx, &who, err);
    if (rc == 0)
        rc = xos_key_verify(who.key, XOS_REQUEST_DOMAIN, s.header, s.signature, err);
    auth_principal_free(&who);
    request_signed_free(&s);
    return rc;
}

static void two_commands_at_once_get_their_answers(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w;
    Agent__StatusAnswer *s = NULL;
    XT_TRY(open_world(&w, &err));
    XT_TRY(agent_link_open(&w.second, xos_env_posix(), &err));
    XT_REFUSED(sign_one(&w, w.link, &err), XOS_NO_LOGIN);
    XT_TRY(agentproc_login(w.link, &w.home, "alice", AUTH_HOUR_MS, &err));
    for (int i = 0; i < 20; i++) {
        XT_TRY(sign_one(&w, w.second, &err));
        XT_TRY(sign_one(&w, w.link, &err));
    }
    XT_PTR(s = agent_link_status(w.second, &err));
    assert_true(auth_slice_equal(xos_pb_slice(s->user), auth_slice("alice@inria")));
    XT_TRY(agent_link_call(w.second, "logout", NULL, NULL, NULL, AGENT_LINK_MS_MAX, &err));
    XT_REFUSED(sign_one(&w, w.link, &err), XOS_NO_LOGIN);
out:
    xos_pb_free(s);
    close_world(&w);
}

/* What a command sends is what a node of the user's institution accepts. */
static int who_signs(struct agent_link *l, struct agent_signer *out, struct xos_error *err)
{
    Agent__StatusAnswer *m = agent_link_status(l, err);
    int rc = m ? agent_link_signer(l, m, out, err) : -1;
    xos_pb_free(m);
    return rc;
}

static void a_commands_request_is_signed_by_the_agent(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w;
    struct agent_signer signer;
    struct xos_buf out = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    struct xos_envelope e = {.kind = XOS_ENVELOPE_NONE};
    struct auth_principal who = {0};
    struct xos_request r;
    uint8_t hash[XOS_HASH_BYTES];
    const struct client_request request = {.verb = "job.submit",
                                           .to_node = "",
                                           .to_institution = "inria",
                                           .vo = "vo:climate@inria",
                                           .operation_id = {{1}},
                                           .body = {(const uint8_t *)"body", 4}};
    struct xos_request_context here = {.node = "n1.inria", .institution = "inria"};
    XT_TRY(open_world(&w, &err));
    XT_REFUSED(who_signs(w.link, &signer, &err), XOS_NO_LOGIN);
    XT_TRY(agentproc_login(w.link, &w.home, "alice", AUTH_HOUR_MS, &err));
    XT_TRY(who_signs(w.link, &signer, &err));
    assert_string_equal(signer.institution, "inria");
    XT_TRY(client_request_build(&request, &signer.signer, xos_env_posix(), &out, hash, &err));
    XT_TRY(xos_envelope_decode(&e, (struct xos_slice){out.data, out.len}, &err));
    XT_TRY(auth_verify(e.chain, e.chain_count, &w.home.ctx, &who, &err));
    XT_TRY(xos_key_verify(who.key, XOS_REQUEST_DOMAIN, e.header, e.signature, &err));
    XT_TRY(xos_request_decode(&r, e.header, &err));
    here.now_ms = xos_env_real_ms(xos_env_posix());
    here.body = e.body;
    XT_TRY(xos_request_check(&r, &here, &err));
    assert_string_equal(r.signer, "alice@inria");
out:
    auth_principal_free(&who);
    xos_envelope_free(&e);
    xos_buf_free(&out);
    close_world(&w);
}

static void without_an_agent_a_command_says_what_to_do(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct agent_link *l = NULL;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/nobody", xt_dir());
    (void)setenv("XOS_AGENT", path, 1);
    XT_REFUSED(agent_link_open(&l, xos_env_posix(), &err), XOS_NO_LOGIN);
    assert_non_null(strstr(err.text, "xos login"));
}

/* Run in a child as uid 65534; its exit status. */
static int as_nobody(int (*run)(const char *socket), const char *socket)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(setgid(65534) == 0 && setuid(65534) == 0 ? run(socket) : 99);
    (void)waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* 0: connected and answered; 1: could not connect; 2: connected, and closed without an answer. */
static int try_agent(const char *socket)
{
    int fd = xos_env_unix_connect(xos_env_posix(), socket, SOCK_STREAM, NULL);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    static const uint8_t status[] = {0, 0, 0, 8, 0x0a, 6, 's', 't', 'a', 't', 'u', 's'};
    uint8_t byte;
    if (fd < 0)
        return 1;
    (void)!send(fd, status, sizeof(status), MSG_NOSIGNAL);
    if (poll(&p, 1, 5000) != 1)
        return 3;
    return recv(fd, &byte, 1, 0) == 1 ? 0 : 2;
}

static void another_user_is_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w;
    struct stat st;
    struct agent_link *l = NULL;
    if (getuid() != 0)
        XT_SKIP("needs root, to be another user");
    XT_TRY(open_world(&w, &err));
    assert_int_equal(stat(w.agent.socket, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(try_agent(w.agent.socket), 0);
    assert_int_equal(as_nobody(try_agent, w.agent.socket), 1); /* the file system says no */
    (void)chmod(xt_dir(), 0755);
    (void)chmod(w.agent.socket, 0666);
    assert_int_equal(as_nobody(try_agent, w.agent.socket), 2); /* and so does the agent */
    (void)chmod(xt_dir(), 0700);
    XT_TRY(agent_link_open(&l, xos_env_posix(), &err)); /* it still serves its own */
out:
    agent_link_free(l);
    close_world(&w);
}

static void a_socket_of_somebody_else_is_not_trusted(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct agent_link *l = NULL;
    char path[128];
    int ends[2];
    pid_t pid = -1;
    if (getuid() != 0)
        XT_SKIP("needs root, to be another user");
    (void)snprintf(path, sizeof(path), "%s/open", xt_dir());
    assert_int_equal(mkdir(path, 0700), 0);
    (void)chmod(xt_dir(), 0755);
    (void)chmod(path, 01777);
    (void)snprintf(path, sizeof(path), "%s/open/agent", xt_dir());
    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        int fd = setuid(65534) == 0 ? xos_env_unix_listen(xos_env_posix(), path, 0666, NULL) : -1;
        (void)!write(ends[1], fd < 0 ? "n" : "y", 1);
        (void)pause();
        _exit(0);
    }
    char says = 0;
    assert_int_equal(read(ends[0], &says, 1), 1);
    assert_int_equal(says, 'y');
    (void)setenv("XOS_AGENT", path, 1);
    XT_REFUSED(agent_link_open(&l, xos_env_posix(), &err), XOS_DENIED);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
    (void)chmod(xt_dir(), 0700);
}

static void a_killed_agent_leaves_nothing_but_its_socket(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w;
    struct agentproc again = {.pid = 0};
    struct agent_link *l = NULL;
    XT_TRY(open_world(&w, &err));
    XT_TRY(agentproc_login(w.link, &w.home, "alice", AUTH_HOUR_MS, &err));
    agentproc_stop(&w.agent, SIGKILL);
    XT_REFUSED(sign_one(&w, w.link, &err), XOS_NO_LOGIN);
    struct stat st;
    assert_int_equal(lstat(w.agent.socket, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    XT_REFUSED(agent_link_open(&l, xos_env_posix(), &err), XOS_NO_LOGIN);
    XT_TRY(agentproc_start(&again, xt_dir(), "agent", &err)); /* takes the name over */
    XT_TRY(agent_link_open(&l, xos_env_posix(), &err));
    XT_REFUSED(sign_one(&w, l, &err), XOS_NO_LOGIN);
    agentproc_stop(&again, SIGTERM);
    assert_int_equal(lstat(w.agent.socket, &st), -1); /* an orderly end leaves nothing */
out:
    agent_link_free(l);
    agentproc_stop(&again, SIGKILL);
    close_world(&w);
}

static int trace_it(const char *pid)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%s/mem", pid);
    const int fd = open(path, O_RDONLY);
    const long rc = ptrace(PTRACE_ATTACH, (pid_t)strtol(pid, NULL, 10), NULL, NULL);
    return (fd < 0 && rc < 0) ? 0 : 1;
}

/* The agent runs as nobody; so does who wants to look into it. */
static void no_process_of_the_same_user_can_look_into_it(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct agentproc agent = {.pid = 0};
    char dir[128], path[64], pid[16];
    struct stat st;
    int ends[2], status;
    if (getuid() != 0)
        XT_SKIP("needs root, to see whose the files under /proc are");
    (void)snprintf(dir, sizeof(dir), "%s/nobody", xt_dir());
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(chown(dir, 65534, 65534), 0);
    (void)chmod(xt_dir(), 0755);
    assert_int_equal(pipe(ends), 0);
    pid_t middle = fork(); /* becomes nobody, then starts the agent */
    if (middle == 0) {
        struct agentproc inner = {.pid = 0};
        (void)alarm(60); /* should the test end early */
        if (setgid(65534) < 0 || setuid(65534) < 0 || agentproc_start(&inner, dir, "a", &err) < 0)
            _exit(1);
        (void)!write(ends[1], &inner.pid, sizeof(inner.pid));
        (void)waitpid(inner.pid, NULL, 0);
        _exit(0);
    }
    assert_int_equal(read(ends[0], &agent.pid, sizeof(agent.pid)), sizeof(agent.pid));
    (void)snprintf(path, sizeof(path), "/proc/%d/mem", agent.pid);
    (void)snprintf(pid, sizeof(pid), "%d", agent.pid);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, 0); /* not dumpable: its files under /proc are root's */
    assert_int_equal(as_nobody(trace_it, pid), 0);
    (void)kill(agent.pid, SIGTERM);
    (void)waitpid(middle, &status, 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
    (void)chmod(xt_dir(), 0700);
}

/* What is in its memory */

#define SEARCH_BYTES_MAX ((size_t)64 << 20) /* one mapping */

/* Is this the secret of that public key? */
static bool is_secret(const uint8_t *at, const uint8_t public[static XOS_KEY_PUBLIC_BYTES])
{
    struct xos_key *key = NULL;
    static const uint8_t zero[8];
    if (memcmp(at, zero, 8) == 0 || xos_key_from_secret(&key, at, NULL) < 0)
        return false;
    const bool same = memcmp(xos_key_public(key), public, XOS_KEY_PUBLIC_BYTES) == 0;
    xos_key_free(key);
    return same;
}

struct search {
    pid_t pid;
    const uint8_t *public; /* look for its secret, where dumps do not go; else for `secret` */
    uint8_t secret[XOS_KEY_SECRET_BYTES];
    unsigned found;
    size_t searched;
};

static void search_bytes(struct search *s, const uint8_t *data, size_t len)
{
    s->searched += len;
    if (!s->public) {
        for (const uint8_t *at = data;
             (at = memmem(at, len - (size_t)(at - data), s->secret, sizeof(s->secret))); at++)
            s->found++;
        return;
    }
    for (size_t i = 0; i + XOS_KEY_SECRET_BYTES <= len && s->found == 0; i += 16)
        if (is_secret(data + i, s->public)) {
            memcpy(s->secret, data + i, sizeof(s->secret));
            s->found++;
        }
}

/* All writable memory, or (when the secret is not yet known) what is left out of dumps. */
static void search(struct search *s)
{
    char path[64], line[512];
    unsigned long from = 0, to = 0, f, t;
    char mode[8] = "", m[8];
    (void)snprintf(path, sizeof(path), "/proc/%d/mem", s->pid);
    const int mem = open(path, O_RDONLY);
    (void)snprintf(path, sizeof(path), "/proc/%d/smaps", s->pid);
    FILE *maps = fopen(path, "r");
    assert_true(mem >= 0 && maps);
    while (fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx %7s", &f, &t, m) == 3) {
            from = f;
            to = t;
            memcpy(mode, m, sizeof(mode));
        }
        if (strncmp(line, "VmFlags:", 8) != 0 || mode[0] != 'r' || to - from > SEARCH_BYTES_MAX ||
            (s->public && (!strstr(line, " dd") || mode[1] != 'w')))
            continue;
        uint8_t *copy = malloc(to - from);
        const ssize_t n = pread(mem, copy, to - from, (off_t)from);
        if (n > 0)
            search_bytes(s, copy, (size_t)n);
        free(copy);
    }
    (void)fclose(maps);
    (void)close(mem);
}

static void the_secret_is_in_one_place_and_then_in_none(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    XT_SKIP("the sanitizer's shadow is too much memory to search");
#endif
    struct xos_error err = {0};
    struct world w;
    struct request_signed s = {.owner = NULL};
    struct auth_principal who = {0};
    const struct xos_request r = agentproc_request("job.submit");
    if (getuid() != 0)
        XT_SKIP("needs root, to read the agent's memory");
    XT_TRY(open_world(&w, &err));
    XT_TRY(agentproc_login(w.link, &w.home, "alice", AUTH_HOUR_MS, &err));
    XT_TRY(agent_link_sign_request(w.link, &r, &s, &err));
    XT_TRY(auth_verify(s.chain, s.chain_count, &w.home.ctx, &who, &err));
    struct search first = {.pid = w.agent.pid, .public = who.key};
    search(&first);
    assert_int_equal(first.found, 1);
    struct search before = first;
    before.public = NULL;
    before.found = 0;
    search(&before);
    assert_int_equal(before.found, 1); /* nowhere else, after signing too */
    XT_TRY(agent_link_call(w.link, "logout", NULL, NULL, NULL, AGENT_LINK_MS_MAX, &err));
    struct search after = before;
    after.found = 0;
    after.searched = 0;
    search(&after);
    assert_int_equal(after.found, 0);
    assert_true(after.searched > 1 << 20);
out:
    auth_principal_free(&who);
    request_signed_free(&s);
    close_world(&w);
}

static void a_lock_that_lasts_too_long_wipes_the_key(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w;
    Agent__Lock lock = AGENT__LOCK__INIT;
    Agent__StatusAnswer *s = NULL;
    XT_TRY(open_world(&w, &err));
    XT_TRY(agentproc_login(w.link, &w.home, "alice", AUTH_HOUR_MS, &err));
    lock.passphrase = xos_pb_text("sesame");
    lock.wipe_after_ms = 50;
    XT_TRY(agent_link_call(w.link, "lock", &lock.base, NULL, NULL, AGENT_LINK_MS_MAX, &err));
    do {
        xos_pb_free(s);
        (void)poll(NULL, 0, 20);
        XT_PTR(s = agent_link_status(w.link, &err));
    } while (s->locked);
    assert_int_equal(s->user.len, 0);
out:
    xos_pb_free(s);
    close_world(&w);
}

/* Bytes that are no request */

/* Send, close the sending side, read to the end. */
static size_t throw_at(const char *socket, const void *data, size_t len, struct xos_error *err)
{
    int fd = xos_env_unix_connect(xos_env_posix(), socket, SOCK_STREAM, err);
    size_t got = 0;
    uint8_t bytes[4096];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    for (size_t sent = 0; sent < len && poll(&room, 1, 5000) == 1;) {
        ssize_t n = send(fd, (const uint8_t *)data + sent, len - sent, MSG_NOSIGNAL);
        if (n < 0)
            break;
        sent += (size_t)n;
    }
    (void)shutdown(fd, SHUT_WR);
    while (poll(&p, 1, 5000) == 1) {
        ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    (void)close(fd);
    return got;
}

static void garbage_costs_only_its_own_connection(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        bool answered;
    } rows[] = {
        {"\xff\xff\xff\xff", 4, false},        /* a frame of 4 GiB */
        {"\0\4\0\1", 4, false},                /* one byte more than there may be */
        {"\0\0\0\5abc", 7, false},             /* cut short */
        {"\0\0\0\0", 4, true},                 /* empty: no such verb */
        {"\0\0\0\4\xff\xff\xff\xff", 8, true}, /* not a message */
        {"GET / HTTP/1.0\r\n\r\n", 18, false},
    };
    struct xos_error err = {0};
    struct world w;
    uint8_t *large = NULL;
    XT_TRY(open_world(&w, &err));
    XT_TRY(agentproc_login(w.link, &w.home, "alice", AUTH_HOUR_MS, &err));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(throw_at(w.agent.socket, rows[i].bytes, rows[i].len, &err) > 0,
                         rows[i].answered);
    large = calloc(1, (256 << 10) + 4); /* a whole frame of zeros */
    large[1] = 4;
    assert_true(throw_at(w.agent.socket, large, (256 << 10) + 4, &err) > 0);
    XT_TRY(sign_one(&w, w.link, &err));
out:
    free(large);
    close_world(&w);
}

static void too_many_connections_are_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct world w;
    int fds[80];
    XT_TRY(open_world(&w, &err));
    for (size_t i = 0; i < 80; i++)
        fds[i] = xos_env_unix_connect(xos_env_posix(), w.agent.socket, SOCK_STREAM, &err);
    assert_int_equal(try_agent(w.agent.socket), 2);
    for (size_t i = 0; i < 80; i++)
        (void)close(fds[i]);
    XT_TRY(agentproc_login(w.link, &w.home, "alice", AUTH_HOUR_MS, &err));
    for (int tries = 0; try_agent(w.agent.socket) != 0; tries++)
        assert_true(tries < 100); /* the others' ends are being read */
    XT_TRY(sign_one(&w, w.link, &err));
out:
    close_world(&w);
}

static const struct xt_test tests[] = {
    XT_PLAIN(two_commands_at_once_get_their_answers),
    XT_PLAIN(a_commands_request_is_signed_by_the_agent),
    XT_PLAIN(without_an_agent_a_command_says_what_to_do),
    XT_PLAIN(another_user_is_refused),
    XT_PLAIN(a_socket_of_somebody_else_is_not_trusted),
    XT_PLAIN(a_killed_agent_leaves_nothing_but_its_socket),
    XT_PLAIN(no_process_of_the_same_user_can_look_into_it),
    XT_PLAIN(the_secret_is_in_one_place_and_then_in_none),
    XT_PLAIN(a_lock_that_lasts_too_long_wipes_the_key),
    XT_PLAIN(garbage_costs_only_its_own_connection),
    XT_PLAIN(too_many_connections_are_refused),
};
XT_MAIN(tests)
