// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: whoever takes over xosd gets certificates, a join token works twice after a
 * crash, or keys that others can read are used. Real processes: xos-ca, ssh-keygen, ssh-agent. */
#include "libxos/env/env.h"
#include "libxos/wire/pb.h"
#include "tests/lib/auth_fixture.h"
#include "tests/lib/xtest.h"
#include "vo-auth/ca.pb-c.h"
#include "vo-auth/prove.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof(table[0]))
#define KILLS_FULL 2000

struct ca {
    char dir[128], program[PATH_MAX];
    pid_t pid;
    int fd;
};

static void nap_ms(long ms)
{
    const struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
}

/* Start a program; its standard output into *out when that is not NULL, errors to /dev/null. */
static pid_t start(const char *const *argv, int *out)
{
    int pipes[2] = {-1, -1};
    if (out)
        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        (void)dup2(null, 0);
        (void)dup2(out ? pipes[1] : null, 1);
        (void)dup2(null, 2);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    if (out) {
        close(pipes[1]);
        *out = pipes[0];
    }
    return pid;
}

/* Run to its end. The exit status; the first line of its output in text. */
static int run(const char *const *argv, char *text, size_t size)
{
    int out = -1, status = -1;
    size_t len = 0;
    pid_t pid = start(argv, &out);
    for (ssize_t n = 1; n > 0;) {
        char part[512];
        n = read(out, part, sizeof(part));
        for (ssize_t i = 0; i < n && text && len + 1 < size; i++)
            text[len++] = part[i];
    }
    close(out);
    if (text)
        text[len] = '\0';
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void path(const struct ca *ca, char *to, const char *name)
{
    (void)snprintf(to, 256, "%s/%s", ca->dir, name);
}

/* xos-ca with one command on the state directory. */
static int admin(const struct ca *ca, const char *option, const char *value, const char *option2,
                 const char *value2, char *text, size_t size)
{
    char state[256];
    path(ca, state, "state");
    const char *argv[] = {ca->program, "--state", state, option, value, option2, value2, NULL};
    return run(argv, text, size);
}

static bool find_program(struct ca *ca)
{
    ssize_t n = readlink("/proc/self/exe", ca->program, sizeof(ca->program) - 32);
    char *at = n > 0 ? (ca->program[n] = '\0', strstr(ca->program, "/tests/unit/")) : NULL;
    if (!at)
        return false;
    memcpy(at, "/bin/xos-ca", 12);
    return access(ca->program, X_OK) == 0;
}

static bool prepare(struct ca *ca, const char *name)
{
    char root[256], users[256], text[512];
    *ca = (struct ca){.pid = -1, .fd = -1};
    (void)snprintf(ca->dir, sizeof(ca->dir), "%s/%s", xt_dir(), name);
    if (!find_program(ca))
        return false;
    path(ca, root, "root");
    path(ca, users, "users");
    assert_int_equal(mkdir(ca->dir, 0700), 0);
    assert_int_equal(mkdir(root, 0700), 0);
    assert_int_equal(mkdir(users, 0755), 0);
    assert_int_equal(admin(ca, "--create", "inria", "--root-dir", root, text, sizeof(text)), 0);
    assert_non_null(strstr(text, "institution inria root "));
    return true;
}

static int dial(const struct ca *ca)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char name[256];
    path(ca, name, "socket");
    assert_true(strlen(name) < sizeof(to.sun_path));
    memcpy(to.sun_path, name, strlen(name));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)(void *)&to, sizeof(to)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* 0 when it serves; its exit status when it ended. */
static int serve(struct ca *ca, const char *peer_uid)
{
    char state[256], users[256], socket_path[256];
    path(ca, state, "state");
    path(ca, users, "users");
    path(ca, socket_path, "socket");
    const char *argv[] = {ca->program, "--state",   state,        "--users", users,
                          "--socket",  socket_path, "--peer-uid", peer_uid,  NULL};
    (void)unlink(socket_path);
    ca->pid = start(argv, NULL);
    for (int i = 0; i < 1000; i++) {
        int status;
        ca->fd = dial(ca);
        if (ca->fd >= 0)
            return 0;
        if (waitpid(ca->pid, &status, WNOHANG) == ca->pid) {
            ca->pid = -1;
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        nap_ms(10);
    }
    return -1;
}

static const char *own_uid(void)
{
    static char text[16];
    (void)snprintf(text, sizeof(text), "%u", geteuid());
    return text;
}

static void stop(struct ca *ca, int number)
{
    if (ca->fd >= 0)
        close(ca->fd);
    if (ca->pid > 0) {
        (void)kill(ca->pid, number);
        (void)waitpid(ca->pid, NULL, 0);
    }
    ca->pid = ca->fd = -1;
}

static int read_exactly(int fd, void *to, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = recv(fd, (char *)to + at, len - at, 0);
        if (n <= 0)
            return -1;
        at += (size_t)n;
    }
    return 0;
}

static int send_frame(int fd, const void *data, size_t len)
{
    const uint8_t head[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                             (uint8_t)len};
    if (send(fd, head, 4, MSG_NOSIGNAL) != 4)
        return -1;
    return len == 0 || send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
}

/* The answer's code, its body in *body (a buffer); -1: no answer. */
static int receive(int fd, struct xos_buf *body)
{
    uint8_t head[4];
    if (read_exactly(fd, head, 4) < 0)
        return -1;
    const size_t len =
        (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    uint8_t *frame = malloc(len + 1);
    int code = -1;
    if (read_exactly(fd, frame, len) == 0) {
        Ca__Answer *m = ca__answer__unpack(NULL, len, frame);
        assert_non_null(m);
        code = (int)m->code;
        xos_buf_clear(body);
        assert_int_equal(xos_buf_add(body, m->body.data, m->body.len, NULL), 0);
        ca__answer__free_unpacked(m, NULL);
    }
    free(frame);
    return code;
}

static int ask_raw(const struct ca *ca, const char *verb, const void *data, size_t len,
                   struct xos_buf *body)
{
    Ca__Request r = CA__REQUEST__INIT;
    struct xos_buf frame = XOS_BUF(1 << 21);
    r.id = 7;
    r.verb = xos_pb_text(verb);
    r.body = xos_pb_bytes((struct xos_slice){data, len});
    assert_int_equal(xos_pb_pack(&r, &frame, NULL), 0);
    int rc = send_frame(ca->fd, frame.data, frame.len);
    xos_buf_free(&frame);
    return rc < 0 ? -1 : receive(ca->fd, body);
}

static int ask(const struct ca *ca, const char *verb, const ProtobufCMessage *m,
               struct xos_buf *body)
{
    struct xos_buf data = XOS_BUF(1 << 20);
    if (m)
        assert_int_equal(xos_pb_pack(m, &data, NULL), 0);
    int code = ask_raw(ca, verb, data.data, data.len, body);
    xos_buf_free(&data);
    return code;
}

struct terms {
    uint8_t nonce[AUTH_NONCE_BYTES], root[XOS_HASH_BYTES];
};

static int ask_terms(const struct ca *ca, struct terms *t)
{
    struct xos_buf body = XOS_BUF(1 << 12);
    int code = ask(ca, "nonce", NULL, &body);
    if (code == 0) {
        Ca__Nonce *m = ca__nonce__unpack(NULL, body.len, body.data);
        memcpy(t->nonce, m->nonce.data, sizeof(t->nonce));
        memcpy(t->root, m->root_hash.data, sizeof(t->root));
        ca__nonce__free_unpacked(m, NULL);
    }
    xos_buf_free(&body);
    return code;
}

/* Ssh-agent */

static void put_string(struct xos_buf *b, const void *data, size_t len)
{
    const uint8_t head[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                             (uint8_t)len};
    assert_int_equal(xos_buf_add(b, head, 4, NULL), 0);
    assert_int_equal(xos_buf_add(b, data, len, NULL), 0);
}

/* SSH_AGENTC_SIGN_REQUEST (draft-miller-ssh-agent); flags: 2 SHA-256, 4 SHA-512. */
static void agent_sign(int fd, const struct xos_buf *key, const struct xos_buf *data, uint8_t flags,
                       struct xos_buf *signature)
{
    struct xos_buf m = XOS_BUF(8192);
    const uint8_t type = 13, tail[4] = {0, 0, 0, flags};
    uint8_t head[4], answer[4096];
    (void)xos_buf_add(&m, &type, 1, NULL);
    put_string(&m, key->data, key->len);
    put_string(&m, data->data, data->len);
    (void)xos_buf_add(&m, tail, 4, NULL);
    assert_int_equal(send_frame(fd, m.data, m.len), 0);
    assert_int_equal(read_exactly(fd, head, 4), 0);
    const size_t len = (size_t)head[2] << 8 | head[3];
    assert_int_equal(read_exactly(fd, answer, len), 0);
    assert_int_equal(answer[0], 14); /* SSH_AGENT_SIGN_RESPONSE */
    xos_buf_clear(signature);
    assert_int_equal(xos_buf_add(signature, answer + 5, len - 5, NULL), 0);
    xos_buf_free(&m);
}

/* The key's blob: base64 of the public key file's second word. */
static void read_blob(const char *file, struct xos_buf *blob)
{
    char line[4096], raw[4096];
    FILE *in = fopen(file, "r");
    assert_non_null(in);
    assert_non_null(fgets(line, sizeof(line), in));
    fclose(in);
    char *at = strchr(line, ' ') + 1;
    *strchr(at, ' ') = '\0';
    char command[8192];
    const char *argv[] = {"sh", "-c", command, NULL};
    (void)snprintf(command, sizeof(command), "echo %s | base64 -d | od -An -v -tx1 | tr -d ' \\n'",
                   at);
    assert_int_equal(run(argv, raw, sizeof(raw)), 0);
    const size_t len = strlen(raw) / 2;
    uint8_t *to = xos_buf_room(blob, len, NULL);
    assert_int_equal(xos_unhex(raw, to, len), 0);
    blob->len = len;
}

static int login(const struct ca *ca, int agent, const char *user, const struct xos_buf *blob,
                 uint8_t flags, struct xos_buf *answer)
{
    struct xos_buf data = XOS_BUF(1024), signature = XOS_BUF(4096);
    struct auth_login_terms terms = {.life_ms = AUTH_HOUR_MS, .key = {9}};
    struct terms t;
    Ca__Login m = CA__LOGIN__INIT;
    assert_int_equal(ask_terms(ca, &t), 0);
    memcpy(terms.nonce, t.nonce, sizeof(t.nonce));
    memcpy(terms.root_hash, t.root, sizeof(t.root));
    assert_int_equal(auth_name_parse(&terms.user, AUTH_NAME_USER, auth_slice(user), "inria", NULL),
                     0);
    assert_int_equal(auth_login_blob(&data, &terms, NULL), 0);
    agent_sign(agent, blob, &data, flags, &signature);
    m.user = xos_pb_text(user);
    m.nonce = xos_pb_bytes((struct xos_slice){t.nonce, sizeof(t.nonce)});
    m.key = xos_pb_bytes((struct xos_slice){terms.key, sizeof(terms.key)});
    m.life_ms = (uint64_t)terms.life_ms;
    m.ssh_key = xos_pb_bytes(fixture_slice(blob));
    m.ssh_signature = xos_pb_bytes(fixture_slice(&signature));
    int code = ask(ca, "login", &m.base, answer);
    if (code == 0) /* the same once more */
        assert_int_equal(ask(ca, "login", &m.base, &data), XOS_REPLAYED);
    xos_buf_free(&data);
    xos_buf_free(&signature);
    return code;
}

static int start_agent(const struct ca *ca, pid_t *pid)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char name[256];
    path(ca, name, "agent");
    assert_true(strlen(name) < sizeof(to.sun_path));
    memcpy(to.sun_path, name, strlen(name));
    const char *argv[] = {"ssh-agent", "-D", "-a", name, NULL};
    *pid = start(argv, NULL);
    for (int i = 0; i < 500; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)(void *)&to, sizeof(to)) == 0)
            return fd;
        close(fd);
        nap_ms(10);
    }
    return -1;
}

static void add_key(const struct ca *ca, const char *type, struct xos_buf *blob)
{
    char file[256], command[1024];
    (void)snprintf(file, sizeof(file), "%s/id_%s", ca->dir, type);
    const char *keygen[] = {"ssh-keygen", "-q", "-t", type, "-N", "", "-f", file, NULL};
    const char *shell[] = {"sh", "-c", command, NULL};
    assert_int_equal(run(keygen, NULL, 0), 0);
    (void)snprintf(command, sizeof(command),
                   "SSH_AUTH_SOCK=%s/agent ssh-add -q %s && cat %s.pub >>%s/users/alice.keys && "
                   "chmod 644 %s/users/alice.keys",
                   ca->dir, file, file, ca->dir, ca->dir);
    assert_int_equal(run(shell, NULL, 0), 0);
    (void)snprintf(file, sizeof(file), "%s/id_%s.pub", ca->dir, type);
    read_blob(file, blob);
}

static void ssh_agent_logs_in(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        uint8_t flags;
        int code;
    } rows[] = {{"ed25519", 0, 0},
                {"ecdsa", 0, 0},
                {"rsa", 2, XOS_DENIED}, /* the agent asks for SHA-512, and for nothing else */
                {"rsa", 4, 0},
                {"rsa", 0, XOS_DENIED}}; /* SHA-1 */
    struct xos_buf blob[3] = {XOS_BUF(4096), XOS_BUF(4096), XOS_BUF(4096)}, answer = XOS_BUF(65536);
    char keys[256];
    struct ca ca;
    pid_t agent_pid;
    if (!prepare(&ca, "agent"))
        XT_SKIP("needs bin/xos-ca beside the tests");
    int agent = start_agent(&ca, &agent_pid);
    assert_true(agent >= 0);
    assert_int_equal(serve(&ca, own_uid()), 0);
    add_key(&ca, "ed25519", &blob[0]);
    add_key(&ca, "ecdsa", &blob[1]);
    add_key(&ca, "rsa", &blob[2]);
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(
            login(&ca, agent, "alice@inria", &blob[i < 2 ? i : 2], rows[i].flags, &answer),
            rows[i].code);
    assert_int_equal(login(&ca, agent, "bob@inria", &blob[0], 0, &answer), XOS_DENIED);
    /* Keys that others could have written enrol nobody. */
    path(&ca, keys, "users/alice.keys");
    assert_int_equal(chmod(keys, 0664), 0);
    assert_int_equal(login(&ca, agent, "alice@inria", &blob[0], 0, &answer), XOS_DENIED);
    assert_int_equal(chmod(keys, 0644), 0);
    assert_int_equal(login(&ca, agent, "alice@inria", &blob[0], 0, &answer), 0);
    /* Who was taken back is refused from then on, by the running process. */
    assert_int_equal(admin(&ca, "--revoke", "xos://inria/user/alice", NULL, NULL, NULL, 0), 0);
    assert_int_equal(login(&ca, agent, "alice@inria", &blob[0], 0, &answer), XOS_DENIED);
    stop(&ca, SIGTERM);
    close(agent);
    (void)kill(agent_pid, SIGTERM);
    (void)waitpid(agent_pid, NULL, 0);
    for (size_t i = 0; i < 3; i++)
        xos_buf_free(&blob[i]);
    xos_buf_free(&answer);
}

/* A node joins */

static int join_with(const struct ca *ca, const struct auth_token *token, const char *node,
                     uint32_t roles, struct xos_buf *answer)
{
    struct xos_buf statement = XOS_BUF(AUTH_CLAIM_BYTES_MAX);
    uint8_t possession[XOS_SIGNATURE_BYTES], curve[AUTH_CURVE_KEY_BYTES] = {7};
    struct xos_key *token_key = NULL, *fresh = NULL;
    struct terms t;
    Ca__JoinClaim c = CA__JOIN_CLAIM__INIT;
    Ca__Join m = CA__JOIN__INIT;
    if (ask_terms(ca, &t) != 0)
        return -1;
    assert_int_equal(xos_key_from_secret(&token_key, token->secret, NULL), 0);
    assert_int_equal(xos_key_generate(&fresh, NULL), 0);
    c.nonce = xos_pb_bytes((struct xos_slice){t.nonce, sizeof(t.nonce)});
    c.root_hash = xos_pb_bytes((struct xos_slice){token->root_hash, XOS_HASH_BYTES});
    c.key = xos_pb_bytes((struct xos_slice){xos_key_public(fresh), XOS_KEY_PUBLIC_BYTES});
    c.token_key = xos_pb_bytes((struct xos_slice){xos_key_public(token_key), XOS_KEY_PUBLIC_BYTES});
    c.node = xos_pb_text(node);
    c.roles = roles;
    c.address = xos_pb_text("127.0.0.1");
    c.curve_key = xos_pb_bytes((struct xos_slice){curve, sizeof(curve)});
    assert_int_equal(
        auth_claim_sign(&statement, possession, &auth_join_format, &c.base, token_key, fresh, NULL),
        0);
    m.statement = xos_pb_bytes(fixture_slice(&statement));
    m.possession = xos_pb_bytes((struct xos_slice){possession, sizeof(possession)});
    int code = ask(ca, "join", &m.base, answer);
    xos_key_free(token_key);
    xos_key_free(fresh);
    xos_buf_free(&statement);
    return code;
}

static void make_token(const struct ca *ca, const char *node, struct auth_token *token)
{
    char text[256];
    assert_int_equal(admin(ca, "--token", node, "--roles", "worker", text, sizeof(text)), 0);
    assert_int_equal(auth_token_parse(token, auth_slice(text), NULL), 0);
}

/* A killer of its own, so that the blow falls while we wait for the answer. */
static pid_t kill_later(pid_t victim, long after_us)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct timespec t = {0, after_us * 1000};
        (void)nanosleep(&t, NULL);
        (void)kill(victim, SIGKILL);
        _exit(0);
    }
    return pid;
}

static void a_token_works_at_most_once_though_killed(void **state)
{
    (void)state;
    struct xos_buf answer = XOS_BUF(65536);
    struct ca ca;
    unsigned long rounds = xt_scaled(KILLS_FULL), certificates = 0;
    if (!prepare(&ca, "killed"))
        XT_SKIP("needs bin/xos-ca beside the tests");
    for (unsigned long i = 0; i < rounds; i++) {
        struct auth_token token;
        unsigned got = 0;
        make_token(&ca, "n1", &token);
        assert_int_equal(serve(&ca, own_uid()), 0);
        pid_t killer = kill_later(ca.pid, (long)(i * 397 % 3000));
        got += join_with(&ca, &token, "n1.inria", AUTH_NODE_WORKER, &answer) == 0;
        (void)waitpid(killer, NULL, 0);
        stop(&ca, SIGKILL);
        assert_int_equal(serve(&ca, own_uid()), 0);
        got += join_with(&ca, &token, "n1.inria", AUTH_NODE_WORKER, &answer) == 0;
        got += join_with(&ca, &token, "n1.inria", AUTH_NODE_WORKER, &answer) == 0;
        assert_true(got <= 1);
        certificates += got;
        stop(&ca, SIGKILL);
    }
    print_message("%lu of %lu tokens gave a certificate\n", certificates, rounds);
    xos_buf_free(&answer);
}

/* A hostile xosd */

static void a_hostile_xosd_gets_nothing(void **state)
{
    (void)state;
    static const char *const verbs[] = {"login", "join", "renew",  "job", "attr",
                                        "sign",  "",     "create", "key", "token"};
    struct xos_buf answer = XOS_BUF(1 << 20);
    struct auth_token token, made_up = {{3}, {0}};
    uint8_t garbage[4096];
    char text[512], hash[2 * XOS_HASH_BYTES + 1];
    struct ca ca;
    if (!prepare(&ca, "hostile"))
        XT_SKIP("needs bin/xos-ca beside the tests");
    make_token(&ca, "n1", &token);
    assert_int_equal(serve(&ca, own_uid()), 0);
    srandom(1);
    for (unsigned i = 0; i < 4000; i++) {
        const size_t len = (size_t)random() % sizeof(garbage);
        for (size_t k = 0; k < len; k++)
            garbage[k] = (uint8_t)random();
        assert_true(ask_raw(&ca, verbs[i % COUNT(verbs)], garbage, i % 7 ? len : 0, &answer) > 0);
    }
    /* A frame that is no request is answered with a refusal; one that is too long ends the
     * connection, and the process goes on. */
    assert_int_equal(send_frame(ca.fd, "\xff\xff\xff", 3), 0);
    assert_true(receive(ca.fd, &answer) > 0);
    assert_int_equal(send(ca.fd, "\x7f\xff\xff\xff", 4, MSG_NOSIGNAL), 4);
    assert_int_equal(receive(ca.fd, &answer), -1);
    close(ca.fd);
    ca.fd = dial(&ca);
    assert_true(ca.fd >= 0);
    /* The token's claim cannot be bent, nor made without the token. */
    memcpy(made_up.root_hash, token.root_hash, sizeof(made_up.root_hash));
    assert_int_equal(join_with(&ca, &made_up, "n1.inria", AUTH_NODE_WORKER, &answer), XOS_DENIED);
    assert_int_equal(join_with(&ca, &token, "n2.inria", AUTH_NODE_WORKER, &answer), XOS_DENIED);
    assert_int_equal(join_with(&ca, &token, "n1.inria", AUTH_NODE_HEAD, &answer), XOS_DENIED);
    assert_int_equal(join_with(&ca, &token, "n1.vu", AUTH_NODE_WORKER, &answer), XOS_DENIED);
    assert_int_equal(join_with(&ca, &token, "n1.inria", AUTH_NODE_WORKER, &answer), 0);
    assert_int_equal(join_with(&ca, &token, "n1.inria", AUTH_NODE_WORKER, &answer), XOS_DENIED);
    /* What it may have says nothing secret, and is signed by the right key. */
    assert_int_equal(ask(&ca, "crl", NULL, &answer), 0);
    assert_int_equal(ask(&ca, "status", NULL, &answer), 0);
    Ca__Status *m = ca__status__unpack(NULL, answer.len, answer.data);
    assert_int_equal(m->issued, 1);
    assert_true(m->refused >= 4000);
    xos_hex(m->root_hash.data, XOS_HASH_BYTES, hash);
    ca__status__free_unpacked(m, NULL);
    assert_int_equal(admin(&ca, "--show", NULL, NULL, NULL, text, sizeof(text)), 0);
    assert_non_null(strstr(text, hash));
    stop(&ca, SIGTERM);
    /* Only xosd's uid is let in. */
    assert_int_equal(serve(&ca, "4242"), 0);
    assert_int_equal(ask(&ca, "status", NULL, &answer), -1);
    stop(&ca, SIGTERM);
    xos_buf_free(&answer);
}

static void files_of_others_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        mode_t mode;
    } rows[] = {{"state", 0755},
                {"state/keys/ca.*.pem", 0640},
                {"state/ca.der", 0666},
                {"state/root.der", 0664},
                {"state/revocations", 0640}};
    char command[1024];
    const char *shell[] = {"sh", "-c", command, NULL};
    struct ca ca;
    if (!prepare(&ca, "files"))
        XT_SKIP("needs bin/xos-ca beside the tests");
    assert_int_equal(admin(&ca, "--revoke", "xos://inria/user/bob", NULL, NULL, NULL, 0), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const mode_t good = i == 0 ? 0700 : i == 1 || i == 4 ? 0600 : 0644;
        (void)snprintf(command, sizeof(command), "chmod %o %s/%s", rows[i].mode, ca.dir,
                       rows[i].name);
        assert_int_equal(run(shell, NULL, 0), 0);
        assert_int_equal(serve(&ca, own_uid()), 1);
        (void)snprintf(command, sizeof(command), "chmod %o %s/%s", good, ca.dir, rows[i].name);
        assert_int_equal(run(shell, NULL, 0), 0);
        assert_int_equal(serve(&ca, own_uid()), 0);
        stop(&ca, SIGTERM);
    }
    /* A key behind a symbolic link. */
    (void)snprintf(command, sizeof(command),
                   "cd %s/state/keys && n=$(echo ca.*.pem) && mv $n ../k && ln -s ../k $n", ca.dir);
    assert_int_equal(run(shell, NULL, 0), 0);
    assert_int_equal(serve(&ca, own_uid()), 1);
    /* A second institution over the first. */
    char root[256];
    path(&ca, root, "root");
    assert_int_equal(admin(&ca, "--create", "vu", "--root-dir", root, NULL, 0), 1);
}

static const struct xt_test tests[] = {
    XT_PLAIN(ssh_agent_logs_in),
    XT_PLAIN(a_token_works_at_most_once_though_killed),
    XT_PLAIN(a_hostile_xosd_gets_nothing),
    XT_PLAIN(files_of_others_are_refused),
};
XT_MAIN(tests)
