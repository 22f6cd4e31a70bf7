// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: users cannot log in with the SSH key that they have, or are not told why.
 *
 * A real ssh-agent with keys by ssh-keygen; what a hardware key or a broken ssh-agent does is
 * played by one of ours. */
#include "libxos/wire/frame.h"
#include "libxos/wire/pb.h"
#include "tests/lib/agentproc.h"
#include "tests/lib/sshmake.h"
#include "tests/lib/xtest.h"
#include "vo-auth/agent/login_ssh.h"
#include "vo-auth/core/sshwire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char ssh_socket[100];
static pid_t ssh_agent;

static int run(const char *const argv[])
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        (void)setenv("SSH_AUTH_SOCK", ssh_socket, 1);
        (void)!freopen("/dev/null", "r", stdin);
        (void)!freopen("/dev/null", "w", stdout);
        (void)!freopen("/dev/null", "w", stderr);
        (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    (void)waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void ssh_agent_start(void)
{
    (void)snprintf(ssh_socket, sizeof(ssh_socket), "%s/ssh", xt_dir());
    (void)unlink(ssh_socket);
    ssh_agent = fork();
    if (ssh_agent == 0) {
        (void)alarm(120); /* should the test end early */
        (void)!freopen("/dev/null", "w", stdout);
        (void)execlp("ssh-agent", "ssh-agent", "-D", "-a", ssh_socket, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500 && access(ssh_socket, F_OK) < 0; i++)
        (void)usleep(10000);
}

static void ssh_agent_stop(void)
{
    (void)kill(ssh_agent, SIGKILL);
    (void)waitpid(ssh_agent, NULL, 0);
}

static int add_key(const char *type, const char *bits)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s-%s", xt_dir(), type, bits);
    const char *const make[] = {"ssh-keygen", "-q", "-t", type, "-b", bits, "-N",
                                "",           "-C", type, "-f", path, NULL};
    const char *const add[] = {"ssh-add", "-q", path, NULL};
    return (access(path, F_OK) < 0 && run(make) != 0) || run(add) != 0 ? -1 : 0;
}

static void forget_keys(void)
{
    const char *const argv[] = {"ssh-add", "-q", "-D", NULL};
    assert_int_equal(run(argv), 0);
}

static struct auth_login_terms terms_for_alice(void)
{
    struct auth_login_terms t = {.life_ms = 3600000};
    assert_int_equal(
        auth_name_parse(&t.user, AUTH_NAME_USER, auth_slice("alice@inria"), NULL, NULL), 0);
    memset(t.nonce, 1, sizeof(t.nonce));
    memset(t.root_hash, 2, sizeof(t.root_hash));
    return t;
}

/* Through the whole agent */

static int prove(struct agent_link *l, struct xos_slice key, Agent__SshProveAnswer **out,
                 struct xos_error *err)
{
    struct auth_login_terms t = terms_for_alice();
    Agent__SshProve m = AGENT__SSH_PROVE__INIT;
    m.socket = xos_pb_text(ssh_socket);
    m.key = xos_pb_bytes(key);
    m.nonce = (ProtobufCBinaryData){sizeof(t.nonce), t.nonce};
    m.root_hash = (ProtobufCBinaryData){sizeof(t.root_hash), t.root_hash};
    m.user = xos_pb_text("alice@inria");
    m.life_ms = (uint64_t)t.life_ms;
    return agent_link_call(l, "ssh-prove", &m.base, &agent__ssh_prove_answer__descriptor,
                           (void **)out, AGENT_LINK_SSH_MS_MAX, err);
}

/* As xos-ca does: from its own values. */
static int check(const Agent__SshProveAnswer *a, struct xos_error *err)
{
    struct auth_login_terms t = terms_for_alice();
    struct xos_buf blob = XOS_BUF(AUTH_LOGIN_BLOB_BYTES_MAX);
    assert_int_equal(a->key.len, sizeof(t.key));
    memcpy(t.key, a->key.data, sizeof(t.key));
    int rc = auth_login_blob(&blob, &t, err);
    if (rc == 0)
        rc = auth_sshkey_verify(xos_pb_slice(a->ssh_key), (struct xos_slice){blob.data, blob.len},
                                xos_pb_slice(a->ssh_signature), err);
    xos_buf_free(&blob);
    return rc;
}

static void every_type_of_key_logs_in(void **state)
{
    (void)state;
    static const struct {
        const char *type, *bits;
    } rows[] = {
        {"rsa", "2048"}, {"ecdsa", "521"}, {"ecdsa", "384"}, {"ecdsa", "256"}, {"ed25519", "256"}};
    struct xos_error err = {0};
    struct agentproc agent = {.pid = 0};
    struct agent_link *l = NULL;
    Agent__SshKeys ask = AGENT__SSH_KEYS__INIT;
    Agent__SshKeysAnswer *keys = NULL;
    Agent__SshProveAnswer *a = NULL;
    ssh_agent_start();
    XT_TRY(agentproc_start(&agent, xt_dir(), "agent", &err));
    XT_TRY(agent_link_open(&l, xos_env_posix(), &err));
    XT_REFUSED(prove(l, (struct xos_slice){NULL, 0}, &a, &err), XOS_NOT_FOUND);
    assert_non_null(strstr(err.text, "ssh-add"));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(add_key(rows[i].type, rows[i].bits), 0);
    ask.socket = xos_pb_text(ssh_socket);
    XT_TRY(agent_link_call(l, "ssh-keys", &ask.base, &agent__ssh_keys_answer__descriptor,
                           (void **)&keys, AGENT_LINK_SSH_MS_MAX, &err));
    assert_int_equal(keys->n_keys, 5);
    assert_true(auth_ssh_is(xos_pb_slice(keys->keys[0]->comment), "ed25519"));
    assert_true(auth_ssh_is(xos_pb_slice(keys->keys[4]->type), "ssh-rsa"));
    for (size_t i = 0; i < keys->n_keys; i++) {
        XT_TRY(prove(l, xos_pb_slice(keys->keys[i]->key), &a, &err));
        XT_TRY(check(a, &err));
        xos_pb_free(a);
        a = NULL;
    }
    XT_TRY(prove(l, (struct xos_slice){NULL, 0}, &a, &err));
    assert_true(auth_slice_equal(xos_pb_slice(a->ssh_key), xos_pb_slice(keys->keys[0]->key)));
    forget_keys();
    xos_pb_free(a);
    a = NULL;
    XT_REFUSED(prove(l, xos_pb_slice(keys->keys[0]->key), &a, &err), XOS_NOT_FOUND);
    ssh_agent_stop();
    XT_REFUSED(prove(l, (struct xos_slice){NULL, 0}, &a, &err), XOS_UNAVAILABLE);
    assert_non_null(strstr(err.text, "ssh-agent is not running"));
out:
    xos_pb_free(keys);
    xos_pb_free(a);
    agent_link_free(l);
    agentproc_stop(&agent, SIGTERM);
}

/* An ssh-agent of ours */

enum part { REFUSES, SILENT_LIST, SILENT_SIGN, LEAVES, LIES, UNTOUCHED, HONEST, GARBAGE };

struct played {
    struct ssh_made key;
    enum part part;
};

static void answer(int fd, const struct xos_buf *payload)
{
    struct xos_buf frame = XOS_BUF(1 << 16);
    if (xos_frame_add(&frame, (struct xos_slice){payload->data, payload->len}, NULL) == 0)
        (void)!send(fd, frame.data, frame.len, MSG_NOSIGNAL);
    xos_buf_free(&frame);
}

static void answer_list(int fd, const struct played *p)
{
    struct xos_buf out = XOS_BUF(1 << 16);
    static const uint8_t type = 12;
    (void)xos_buf_add(&out, &type, 1, NULL);
    (void)auth_ssh_put_u32(&out, 1, NULL);
    (void)auth_ssh_put_string(&out, (struct xos_slice){p->key.blob.data, p->key.blob.len}, NULL);
    (void)auth_ssh_put_text(&out, "played", NULL);
    answer(fd, &out);
    xos_buf_free(&out);
}

static void answer_sign(int fd, struct played *p, struct xos_slice request)
{
    struct xos_buf out = XOS_BUF(1 << 16), signature = XOS_BUF(4096);
    struct xos_slice key, data;
    static const uint8_t refusal = 5, type = 14;
    p->key.flags = p->part != UNTOUCHED;
    request = (struct xos_slice){request.data + 1, request.len - 1};
    if (p->part == REFUSES || !auth_ssh_take_string(&request, &key) ||
        !auth_ssh_take_string(&request, &data)) {
        (void)xos_buf_add(&out, &refusal, 1, NULL);
    } else {
        if (p->part == LIES)
            data.len--;
        (void)ssh_made_sign(&p->key, data, &signature, NULL);
        (void)xos_buf_add(&out, &type, 1, NULL);
        (void)auth_ssh_put_string(&out, (struct xos_slice){signature.data, signature.len}, NULL);
    }
    answer(fd, &out);
    xos_buf_free(&out);
    xos_buf_free(&signature);
}

/* One connection, until the other side closes it. */
static void play(int listener, struct played *p)
{
    struct xos_frame_reader reader;
    struct xos_slice frame;
    uint8_t bytes[4096];
    ssize_t n;
    int fd;
    while ((fd = accept(listener, NULL, NULL)) < 0)
        (void)usleep(1000);
    xos_frame_reader_init(&reader, 1 << 16);
    while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
        (void)xos_frame_feed(&reader, (struct xos_slice){bytes, (size_t)n}, NULL);
        while (xos_frame_next(&reader, &frame, NULL) == 1) {
            if (p->part == GARBAGE)
                (void)!send(fd, "\xff\xff\xff\xff\xff", 5, MSG_NOSIGNAL);
            else if (frame.data[0] == 11 && p->part != SILENT_LIST)
                answer_list(fd, p);
            else if (frame.data[0] == 13 && p->part == LEAVES)
                (void)shutdown(fd, SHUT_RDWR);
            else if (frame.data[0] == 13 && p->part != SILENT_SIGN)
                answer_sign(fd, p, frame);
        }
    }
    xos_frame_reader_free(&reader);
    (void)close(fd);
}

struct outcome {
    struct xos_loop *loop;
    struct xos_error why;
    bool is_signed, listed;
};

static void on_keys(void *arg, const struct ssh_agent_keys *keys)
{
    struct outcome *o = arg;
    o->listed = keys->count == 1;
    xos_loop_stop(o->loop);
}

static void on_signed(void *arg, struct xos_slice key, struct xos_slice signature)
{
    struct outcome *o = arg;
    o->is_signed = key.len > 0 && signature.len > 0;
    xos_loop_stop(o->loop);
}

static void on_failed(void *arg, const struct xos_error *why)
{
    struct outcome *o = arg;
    o->why = *why;
    xos_loop_stop(o->loop);
}

static int ask_played(struct outcome *o, const char *socket, bool list, struct xos_error *err)
{
    static const struct login_ssh_ops ops = {on_keys, on_signed, on_failed};
    const struct auth_login_terms t = terms_for_alice();
    const struct login_ssh_ask ask = {
        .socket = socket, .terms = list ? NULL : &t, .sign_ms_max = 1000};
    struct login_ssh *l = NULL;
    *o = (struct outcome){.loop = NULL};
    int rc = xos_loop_new(&o->loop, xos_env_posix(), err);
    if (rc == 0)
        rc = login_ssh_begin(&l, o->loop, &ask, &ops, o, err);
    if (rc == 0)
        rc = xos_loop_run(o->loop, err);
    login_ssh_free(l);
    xos_loop_free(o->loop);
    return rc;
}

static void whatever_an_ssh_agent_does_is_said_in_one_line(void **state)
{
    (void)state;
    enum { ED25519 = 0, HARDWARE = 5 };
    static const struct {
        enum part part;
        size_t key;
        enum xos_code code;
        const char *says;
    } rows[] = {
        {HONEST, ED25519, XOS_NONE, ""},
        {HONEST, HARDWARE, XOS_NONE, ""},
        {REFUSES, ED25519, XOS_DENIED, "refused to sign with your ssh-ed25519 key"},
        {SILENT_SIGN, ED25519, XOS_TIMEOUT, "did not sign within 1 s"},
        {SILENT_SIGN, HARDWARE, XOS_TIMEOUT, "nobody touched the hardware key"},
        {SILENT_LIST, ED25519, XOS_TIMEOUT, "did not list its keys"},
        {LEAVES, ED25519, XOS_UNAVAILABLE, "ssh-agent went away"},
        {GARBAGE, ED25519, XOS_UNAVAILABLE, "ssh-agent went away"},
        {LIES, ED25519, XOS_DENIED, "does not hold"},
        {UNTOUCHED, HARDWARE, XOS_DENIED, "nobody touched"},
    };
    struct xos_error err = {0};
    char path[128];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct played p = {.part = rows[i].part};
        struct outcome o;
        XT_TRY(ssh_make(&p.key, rows[i].key, 2048, &err));
        (void)snprintf(path, sizeof(path), "%s/played", xt_dir());
        int listener = xos_env_unix_listen(xos_env_posix(), path, 0600, &err);
        pid_t pid = fork();
        if (pid == 0) {
            (void)alarm(60);
            play(listener, &p);
            _exit(0);
        }
        (void)close(listener);
        XT_TRY(ask_played(&o, path, false, &err));
        (void)waitpid(pid, NULL, 0);
        ssh_made_free(&p.key);
        assert_int_equal(o.why.code, rows[i].code);
        assert_int_equal(o.is_signed, rows[i].code == XOS_NONE);
        assert_true(!rows[i].code || strstr(o.why.text, rows[i].says));
        (void)unlink(path);
    }
out:;
}

static void no_ssh_agent_at_all(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct outcome o;
    XT_REFUSED(ask_played(&o, "", false, &err), XOS_UNAVAILABLE);
    XT_REFUSED(ask_played(&o, "/nowhere/agent", true, &err), XOS_UNAVAILABLE);
    assert_true(xt_starving() || strstr(err.text, "start it and add your key with ssh-add"));
}

static const struct xt_test tests[] = {
    XT_PLAIN(every_type_of_key_logs_in),
    XT_PLAIN(whatever_an_ssh_agent_does_is_said_in_one_line),
    XT(no_ssh_agent_at_all),
};
XT_MAIN(tests)
