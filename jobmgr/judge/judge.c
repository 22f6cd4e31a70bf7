// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/judge/judge.h"

#include "jobmgr/exec/execsys.h"
#include "libxos/base/alloc.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct judge {
    const struct judge_config *config;
    pid_t child; /* 0: none */
    int socket;
    uint64_t since_ms;
};

void judge_forget(struct judge *j)
{
    if (!j->child)
        return;
    close(j->socket);
    (void)kill(j->child, SIGKILL);
    (void)waitpid(j->child, NULL, 0); /* execd has SIGCHLD ignored: then it is gone by itself */
    j->child = 0;
}

void judge_free(struct judge *j)
{
    if (!j)
        return;
    judge_forget(j);
    xos_free(j);
}

static bool ends(const char *text, size_t size)
{
    return memchr(text, 0, size) != NULL;
}

/* Only this much of what a child says is believed: that it is a verdict. */
static int receive(const struct judge *j, int wait_ms, struct judge_verdict *v,
                   struct xos_error *err)
{
    struct pollfd p = {.fd = j->socket, .events = POLLIN};
    int n = poll(&p, 1, wait_ms);
    ssize_t got = n > 0 ? recv(j->socket, v, sizeof(*v), MSG_TRUNC | MSG_DONTWAIT) : -1;
    if (n == 0)
        return xos_fail(err, XOS_TIMEOUT, "the judge has not answered within %d ms", wait_ms);
    if (got != sizeof(*v) || v->magic != JUDGE_MAGIC || !ends(v->vo, sizeof(v->vo)) ||
        !ends(v->user, sizeof(v->user)) || !ends(v->text, sizeof(v->text)))
        return xos_fail(err, XOS_UNAVAILABLE, "the judge has ended without an answer");
    return v->code ? xos_fail(err, xos_code_from_wire(v->code), "%s", v->text) : 0;
}

static int make_socket(int pair[2], struct xos_error *err)
{
    int room = EXECD_MESSAGE_BYTES_MAX;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return xos_fail_errno(err, "judge");
    (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    return 0;
}

static int begin(struct judge *j, struct xos_error *err)
{
    struct judge_verdict ready;
    int pair[2];
    if (make_socket(pair, err) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        judge_process(j->config, pair[1]);
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return xos_fail_errno(err, "judge");
    }
    j->child = pid;
    j->socket = pair[0];
    j->since_ms = sys_boot_ms();
    if (receive(j, JUDGE_START_MS, &ready, err) == 0)
        return 0;
    judge_forget(j);
    return -1;
}

int judge_new(struct judge **out, const struct judge_config *config, struct xos_error *err)
{
    struct judge *j = xos_alloc(sizeof(*j));
    if (!j)
        return xos_fail(err, XOS_NOMEM, "judge");
    j->config = config;
    if (begin(j, err) < 0) {
        judge_free(j);
        return -1;
    }
    *out = j;
    return 0;
}

static int put(const struct judge *j, const struct execd_request *r, int papers,
               struct xos_error *err)
{
    if (sys_send_fd(j->socket, r, r->bytes, papers, MSG_NOSIGNAL | MSG_DONTWAIT) ==
        (ssize_t)r->bytes)
        return 0;
    return xos_fail_errno(err, "judge");
}

int judge_ask(void *judge, const struct execd_request *r, int papers, struct execd_identity *out,
              struct xos_error *err)
{
    struct judge *j = judge;
    struct judge_verdict v = {.code = XOS_NONE};
    struct xos_error why = {0};
    if (papers < 0)
        return xos_fail(err, XOS_DENIED, "%s: no papers came with it", r->unit);
    if (j->child && sys_boot_ms() - j->since_ms > JUDGE_LIFE_MS)
        judge_forget(j);
    if (!j->child && begin(j, err) < 0)
        return -1;
    int rc = put(j, r, papers, &why);
    if (rc < 0) { /* it had ended meanwhile */
        judge_forget(j);
        rc = begin(j, &why) < 0 ? -1 : put(j, r, papers, &why);
    }
    if (rc == 0)
        rc = receive(j, JUDGE_ANSWER_MS, &v, &why);
    if (rc < 0) {
        if (v.code == XOS_NONE) /* it has not answered as it should */
            judge_forget(j);
        return xos_fail(err, why.code, "%s: %s", r->unit, why.text);
    }
    memcpy(out->vo, v.vo, sizeof(out->vo));
    memcpy(out->user, v.user, sizeof(out->user));
    return 0;
}
